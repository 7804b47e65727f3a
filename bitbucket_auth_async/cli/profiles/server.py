"""The server of a profile: Bitbucket Cloud, or a fake Bitbucket on this machine."""

import socket
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlsplit

from bitbucket_auth_async.bitbucket.addresses import AUTHORIZATION_PATH
from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.bitbucket.limits import REUSE_GRACE
from bitbucket_auth_async.cli.profiles import paths
from bitbucket_auth_async.cli.profiles.profile import Profile
from bitbucket_auth_async.cli.terminal.exit_code import CommandFailedError
from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError
from bitbucket_auth_async.oauth2.servers import AuthorizationServer, is_loopback, origin_of


def server_of(profile: Profile) -> AuthorizationServer:
    """Return the endpoints of a profile's server."""
    if profile.server == paths.CLOUD:
        return BITBUCKET_CLOUD
    return AuthorizationServer(
        authorization_endpoint=f"{profile.server}{AUTHORIZATION_PATH}",
        token_endpoint=paths.token_endpoint(profile.server),
        api_origins=frozenset({profile.server}),
        reuse_grace=REUSE_GRACE,
    )


def parse_server(url: str) -> str:
    """Return the origin of the server that `--server` names; `http://` may be omitted.

    Raises:
        ConfigurationError: It is neither Bitbucket Cloud nor on this machine.
    """
    origin = origin_of(url if "://" in url else f"http://{url}", name="--server")
    if origin != paths.CLOUD and not is_loopback(urlsplit(origin).hostname or ""):
        msg = "--server must be the URL of a fake Bitbucket on this machine, as `bitbucket-auth fake-server` prints it."
        raise ConfigurationError(msg)
    return origin


def is_listening(server: str) -> bool:
    """Tell whether a fake Bitbucket accepts connections; always true for Bitbucket Cloud."""
    if server == paths.CLOUD:
        return True
    parts = urlsplit(server)
    address = (parts.hostname or "", parts.port or {"http": 80, "https": 443}[parts.scheme])
    try:
        socket.create_connection(address, timeout=1.0).close()
    except OSError:
        return False
    return True


@contextmanager
def explain_missing_server(profile: Profile) -> Generator[None]:
    """Turn a retryable error into a question for fake-server, if the profile's fake Bitbucket is not listening."""
    try:
        yield
    except BitbucketAuthError as error:
        if not error.retryable or is_listening(profile.server):
            raise
        explained = CommandFailedError(f"Nothing answers at {profile.server}: is fake-server running? ({error})")
        explained.retryable = True
        raise explained from error
