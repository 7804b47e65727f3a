"""setting: reads NAME from the environment, or the file that NAME_FILE names."""

from collections.abc import Mapping
from pathlib import Path

from bitbucket_auth_async.errors import ConfigurationError


def setting(environ: Mapping[str, str], name: str) -> str | None:
    """Return the variable's value, or the content of the file that its `…_FILE` names; None if neither is set.

    Raises:
        ConfigurationError: It is empty, set twice or unreadable; the message names the variable.
    """
    direct, path = plain_setting(environ, name), plain_setting(environ, f"{name}_FILE")
    if path is None:
        return direct
    if direct is not None:
        msg = f"{name} and {name}_FILE are both set; unset one of them."
        raise ConfigurationError(msg)
    return _content(name, path)


def plain_setting(environ: Mapping[str, str], name: str) -> str | None:
    """Return the variable's value; None if it is not set.

    Raises:
        ConfigurationError: It is empty; the message names the variable.
    """
    value = environ.get(name)
    if value is not None and not value.strip():
        msg = f"{name} is set but empty or blank; give it a value or unset it."
        raise ConfigurationError(msg)
    return value


def _content(name: str, path: str) -> str:
    # If the variable holds the secret instead of a path, the secret must not reach a log.
    shown = path if "/" in path or "\\" in path else "the file that it names"
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        msg = f"{name}_FILE: {shown} can't be read ({error.strerror})."
        raise ConfigurationError(msg) from None
    except ValueError:
        # The cause may quote the content.
        msg = f"{name}_FILE: {shown} is not UTF-8 text."
        raise ConfigurationError(msg) from None
    # Editors and `echo` end a file with a line break; read_text has turned \r\n into \n.
    text = text.removesuffix("\n")
    if not text.strip():
        msg = f"{name}_FILE: {shown} is empty."
        raise ConfigurationError(msg)
    return text
