"""Where a request goes: path parameters quoted, and nothing outside the API's own address."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from bitbucket_auth_async.bitbucket.addresses import API_PATH
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.servers import AuthorizationServer, origin_of

PathValue = str | int | PurePosixPath
"""What may stand in a path: a text or a number, all of it quoted, or a path whose slashes remain."""

_NAME = re.compile(r"\{(\w+)\}")
_UP_AND_DOWN = frozenset({".", ".."})


def base_url_of(base_url: str | None, server: AuthorizationServer) -> str:
    """Return the base URL that was given, or the one of the server's API, without a slash at the end.

    Raises:
        ConfigurationError: It is not https (nor http on loopback), has a query, or the server does not tell it.
    """
    if base_url is None:
        if len(server.api_origins) != 1:
            msg = f"base_url: the server has {len(server.api_origins)} API origins; say which address is meant."
            raise ConfigurationError(msg)
        return f"{next(iter(server.api_origins))}{API_PATH}"
    origin = origin_of(base_url, name="base_url")
    if "?" in base_url or "#" in base_url:
        msg = "base_url: expected an address without query and fragment."
        raise ConfigurationError(msg)
    return origin + urlsplit(base_url).path.rstrip("/")


def address(base_url: str, path: str, names: Mapping[str, PathValue]) -> str:
    """Return the address of *path* with its `{names}` filled in; a whole address must lie under *base_url*.

    Raises:
        ConfigurationError: A name is missing, left over, or has a value that would lead elsewhere.
    """
    wanted = set(_NAME.findall(path)) if "{" in path else set[str]()
    if wanted != set(names):
        raise ConfigurationError(_mismatch(path, wanted, names))
    if wanted:
        path = _NAME.sub(lambda match: _quoted(match[1], names[match[1]]), path)
    if path.startswith("/"):
        base = urlsplit(base_url).path
        if base and path.startswith(f"{base}/"):
            msg = f"path: {base} is in the base URL already: leave it out, and begin with what comes behind it."
            raise ConfigurationError(msg)
        return base_url + _straight(path)
    if is_under(base_url, path):
        return path
    msg = f"path: expected one that begins with a slash, such as /user, or an address under {base_url}."
    raise ConfigurationError(msg)


def is_under(base_url: str, url: str) -> bool:
    """Tell whether *url*, as a server sent it, is on the API's own origin and below its base."""
    if url.startswith(f"{base_url}/"):  # spelled as ours: what precedes a path's first slash can't be read otherwise
        path = url[len(base_url) :].partition("?")[0]
        return path.isprintable() and "\\" not in path and not _leads_up(path)
    try:
        origin = origin_of(url)
    except ConfigurationError:
        return False
    path = urlsplit(url).path
    return f"{origin}{path}/".startswith(f"{base_url}/") and not _leads_up(path)


def _mismatch(path: str, wanted: set[str], names: Mapping[str, PathValue]) -> str:
    missing, left_over = sorted(wanted - names.keys()), sorted(names.keys() - wanted)
    said = [f"{', '.join(missing)} not given"] * bool(missing) + [f"{', '.join(left_over)} not in it"] * bool(left_over)
    return f"path {path}: {' and '.join(said)}."


def _quoted(name: str, value: PathValue) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | PurePosixPath):
        msg = f"{name}: expected a text, a number or a PurePosixPath, found {type(value).__name__}."
        raise ConfigurationError(msg)
    parts = value.parts if isinstance(value, PurePosixPath) else (str(value),)
    for part in parts:
        # They would name another endpoint: "." and ".." go up the path, an empty part and "/" change its shape.
        if part in _UP_AND_DOWN or not part or (part == "/" and isinstance(value, PurePosixPath)):
            msg = f"{name}: {part!r} can't be a part of a path."
            raise ConfigurationError(msg)
    if not parts:
        msg = f"{name}: an empty path."
        raise ConfigurationError(msg)
    try:
        return "/".join(quote(part, safe="") for part in parts)
    except UnicodeEncodeError as error:
        msg = f"{name}: holds half of a surrogate pair, which no address can."
        raise ConfigurationError(msg) from error


def _straight(path: str) -> str:
    """Return the path, if no part of it leads up."""
    if _leads_up(path.partition("?")[0]):
        msg = "path: '.' and '..' would lead to another endpoint."
        raise ConfigurationError(msg)
    if "#" in path or not path.isprintable() or "\\" in path:
        msg = "path: expected neither a fragment, nor a backslash, nor a control character."
        raise ConfigurationError(msg)
    return path


def _leads_up(path: str) -> bool:
    if "." not in path and "%" not in path:
        return False
    return any(unquote(part) in _UP_AND_DOWN for part in path.split("/"))
