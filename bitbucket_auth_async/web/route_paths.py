"""RoutePaths: the paths of the sign-in routes, derived from `redirect_uri`."""

from typing import NamedTuple, Self
from urllib.parse import urlsplit

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.web.safe_return_path import safe_return_path


class RoutePaths(NamedTuple):
    """The callback is at the path of `redirect_uri`; the other routes are in the same folder."""

    login: str
    callback: str
    logout: str
    resource: str

    @classmethod
    def of(cls, redirect_uri: str) -> Self:
        """Return the four paths.

        Raises:
            ConfigurationError: `redirect_uri` has no plain path, or a path that another route needs.
        """
        parts = urlsplit(redirect_uri)
        folder, _, last = parts.path.rpartition("/")
        paths = cls(f"{folder}/login", parts.path, f"{folder}/logout", f"{folder}/resource")
        if not last or parts.query or safe_return_path(parts.path) is None or len(set(paths)) != len(paths):
            msg = "redirect_uri: expected a URL such as https://my-app.example/callback, with a plain path of its own."
            raise ConfigurationError(msg)
        return paths
