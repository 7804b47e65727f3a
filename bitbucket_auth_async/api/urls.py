"""Build request URLs: quote path parameters, and refuse everything outside the API's base URL."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from bitbucket_auth_async.bitbucket.addresses import API_PATH
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.servers import AuthorizationServer, origin_of

PathValue = str | int | PurePosixPath
"""A value for a `{name}` in a path: text and numbers are quoted whole, a PurePosixPath keeps its slashes."""

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_DOT_SEGMENTS = frozenset({".", ".."})
"""RFC 3986 section 3.3."""


def base_url_of(base_url: str | None, server: AuthorizationServer) -> str:
    """Return the given base URL, or that of the server's API, without a trailing slash.

    Raises:
        ConfigurationError: It is neither https nor on loopback, has a query or fragment, or is needed but not given.
    """
    if base_url is None:
        if len(server.api_origins) != 1:
            msg = f"base_url: the server has {len(server.api_origins)} API origins. Give the URL of one of them."
            raise ConfigurationError(msg)
        return f"{next(iter(server.api_origins))}{API_PATH}"
    origin = origin_of(base_url, name="base_url")
    if "?" in base_url or "#" in base_url:
        msg = "base_url: expected a URL without query and fragment."
        raise ConfigurationError(msg)
    return origin + urlsplit(base_url).path.rstrip("/")


def build_url(base_url: str, path: str, names: Mapping[str, PathValue]) -> str:
    """Return the URL of *path* with its `{names}` filled in; an absolute URL must lie under *base_url*.

    Raises:
        ConfigurationError: A name is missing or left over, or a value would lead to another endpoint.
    """
    wanted = set(_PLACEHOLDER.findall(path)) if "{" in path else set[str]()
    if wanted != set(names):
        raise ConfigurationError(_mismatch(path, wanted, names))
    if wanted:
        path = _PLACEHOLDER.sub(lambda match: _quote_value(match[1], names[match[1]]), path)
    if path.startswith("/"):
        base = urlsplit(base_url).path
        if base and path.startswith(f"{base}/"):
            msg = f"path: {base} is already in the base URL. Leave it out, and begin with what follows it."
            raise ConfigurationError(msg)
        return base_url + _checked_path(path)
    if is_under(base_url, path):
        return path
    msg = f"path: expected a path that begins with a slash, such as /user, or a URL under {base_url}."
    raise ConfigurationError(msg)


def is_under(base_url: str, url: str) -> bool:
    """Tell whether *url*, as the server sent it, has the origin of *base_url* and lies below it."""
    if url.startswith(f"{base_url}/"):  # same spelling, so the origin is the same for every parser
        path = url[len(base_url) :].partition("?")[0]
        return path.isprintable() and "\\" not in path and not _has_dot_segments(path)
    try:
        origin = origin_of(url)
    except ConfigurationError:
        return False
    path = urlsplit(url).path
    return f"{origin}{path}/".startswith(f"{base_url}/") and not _has_dot_segments(path)


def _mismatch(path: str, wanted: set[str], names: Mapping[str, PathValue]) -> str:
    missing, left_over = sorted(wanted - names.keys()), sorted(names.keys() - wanted)
    said = [f"no value given for {', '.join(missing)}"] * bool(missing)
    said += [f"no placeholder for {', '.join(left_over)}"] * bool(left_over)
    return f"path {path}: {' and '.join(said)}."


def _quote_value(name: str, value: PathValue) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | PurePosixPath):
        msg = f"{name}: expected a text, a number or a PurePosixPath, found {type(value).__name__}."
        raise ConfigurationError(msg)
    parts = value.parts if isinstance(value, PurePosixPath) else (str(value),)
    for part in parts:
        # These would name another endpoint: dot segments, an empty part, and the slash of an absolute path.
        if part in _DOT_SEGMENTS or not part or (part == "/" and isinstance(value, PurePosixPath)):
            msg = f"{name}: {part!r} can't be part of a path, because it would name another endpoint."
            raise ConfigurationError(msg)
    if not parts:
        msg = f"{name}: the path is empty. Give at least one part."
        raise ConfigurationError(msg)
    try:
        return "/".join(quote(part, safe="") for part in parts)
    except UnicodeEncodeError as error:
        msg = f"{name}: found half of a surrogate pair, which UTF-8 can't encode. Decode the text correctly first."
        raise ConfigurationError(msg) from error


def _checked_path(path: str) -> str:
    """Return the path if it is safe to append to the base URL."""
    if _has_dot_segments(path.partition("?")[0]):
        msg = "path: '.' and '..' would lead to another endpoint. Take them out."
        raise ConfigurationError(msg)
    if "#" in path or not path.isprintable() or "\\" in path:
        msg = "path: fragments, backslashes and control characters are not allowed."
        raise ConfigurationError(msg)
    return path


def _has_dot_segments(path: str) -> bool:
    if "." not in path and "%" not in path:
        return False
    return any(unquote(part) in _DOT_SEGMENTS for part in path.split("/"))
