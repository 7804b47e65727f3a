"""Arguments of the wrong kind: refused where they are given, and not where they are first used."""

from bitbucket_auth_async.errors import ConfigurationError


def check(name: str, value: object, *attributes: str, example: str) -> None:
    """See that an argument has what makes it one of its kind.

    Raises:
        ConfigurationError: It is something else, or the class and no value of it.
    """
    if not isinstance(value, type) and all(hasattr(value, attribute) for attribute in attributes):
        return
    found = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
    msg = f"{name} takes {example}, not {found}."
    raise ConfigurationError(msg)
