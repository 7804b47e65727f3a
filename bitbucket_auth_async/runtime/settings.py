"""Settings from the environment: the variable itself, or the file that its `…_FILE` variable names."""

from collections.abc import Mapping
from pathlib import Path

from bitbucket_auth_async.errors import ConfigurationError


def setting(environ: Mapping[str, str], name: str) -> str | None:
    """Return what the variable says, or the file that its `…_FILE` names; None if neither is set.

    Raises:
        ConfigurationError: It is empty, there twice or can't be read; the text names the variable.
    """
    direct, path = plain_setting(environ, name), plain_setting(environ, f"{name}_FILE")
    if path is None:
        return direct
    if direct is not None:
        msg = f"{name} and {name}_FILE are both set: leave one out."
        raise ConfigurationError(msg)
    return _content(name, path)


def plain_setting(environ: Mapping[str, str], name: str) -> str | None:
    """Return what the variable says; None if it is not set.

    Raises:
        ConfigurationError: It is empty; the text names the variable.
    """
    value = environ.get(name)
    if value is not None and not value.strip():
        msg = f"{name} is set, but empty or blank: give it its value, or unset it."
        raise ConfigurationError(msg)
    return value


def _content(name: str, path: str) -> str:
    # Whoever puts the secret itself where its path belongs must not find it in a log.
    shown = path if "/" in path or "\\" in path else "the file that it names"
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        msg = f"{name}_FILE: {shown} can't be read ({error.strerror})."
        raise ConfigurationError(msg) from None
    except ValueError:
        # The cause may quote the content.
        msg = f"{name}_FILE: {shown} is not a text in UTF-8."
        raise ConfigurationError(msg) from None
    # An editor, and `echo`, end a file with one; read_text has made \r\n one already.
    text = text.removesuffix("\n")
    if not text.strip():
        msg = f"{name}_FILE: {shown} is empty."
        raise ConfigurationError(msg)
    return text
