"""check: refuses an argument of the wrong kind where it is given, not where it is first used."""

from bitbucket_auth_async.errors import ConfigurationError


def check(name: str, value: object, *attributes: str, example: str) -> None:
    """Check that an argument has the attributes of its kind.

    Raises:
        ConfigurationError: It lacks one, or is a class instead of an instance.
    """
    if not isinstance(value, type) and all(hasattr(value, attribute) for attribute in attributes):
        return
    found = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
    msg = f"{name} takes {example}, not {found}."
    raise ConfigurationError(msg)
