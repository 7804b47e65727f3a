"""A full SDK on a token that renews itself: atlassian-python-api, whose requests leave through the requests library.

    BITBUCKET_CLIENT_ID=… BITBUCKET_CLIENT_SECRET=… python3 full_sdk.py workspace repository

It is synchronous, so its calls run in a thread, while the manager stays in the event loop.
"""

import asyncio
import sys
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import requests
from atlassian.bitbucket.cloud import Cloud
from requests.auth import AuthBase

from bitbucket_auth_async import ClientCredentials, Token, TokenManager, client_from_env
from bitbucket_auth_async.bearer.authorization import UNAUTHORIZED, allowed_origins, authorization_header
from bitbucket_auth_async.protocols import TokenSource
from bitbucket_auth_async.stores.file import FileStore


class RequestsBearer(AuthBase):
    """Puts the source's token on requests to Bitbucket's API, and repeats once what a dead token had refused.

    For threads beside the event loop in which it is made; the source stays in that loop.
    """

    def __init__(self, source: TokenSource) -> None:
        """Keep the running loop."""
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._allowed = allowed_origins(source, None)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header, where it belongs."""
        if self._is_home(request.url):
            token = self._token(None)
            request.headers["Authorization"] = authorization_header(token)
            # Its stubs leave it without annotations.
            request.register_hook("response", partial(self._answered, token))  # type: ignore[no-untyped-call]  # pyright: ignore[reportUnknownMemberType]
        return request

    def _answered(self, token: Token, response: requests.Response, **options: Any) -> requests.Response:  # noqa: ANN401 - requests' own
        """Repeat a request whose token was refused, if there is another token and the body is still there."""
        request = response.request
        body_is_here = request.body is None or isinstance(request.body, str | bytes)
        # A redirect takes this hook along, maybe to a host that must not see a token.
        if response.status_code != UNAUTHORIZED or not body_is_here or not self._is_home(request.url):
            return response
        other = self._token(token)
        if other.access_token == token.access_token:
            return response
        _ = response.content  # read to its end, so that its connection can be used again
        response.close()
        again = request.copy()
        again.headers["Authorization"] = authorization_header(other)
        # `connection` is the adapter that sent it; its annotations leave it out.
        second: requests.Response = getattr(response, "connection").send(again, **options)  # noqa: B009 - see above
        second.history.append(response)
        return second

    def _token(self, rejected: Token | None) -> Token:
        return asyncio.run_coroutine_threadsafe(self._source.get_token(rejected=rejected), self._loop).result()

    def _is_home(self, url: str | None) -> bool:
        parts = urlsplit(url or "")
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
        return (parts.scheme, parts.hostname, port) in self._allowed


def cloud(source: TokenSource, url: str = "https://api.bitbucket.org") -> Any:  # noqa: ANN401 - the SDK has no annotations
    """Return the SDK's Bitbucket Cloud, on the source's token; call it in threads."""
    session = requests.Session()
    session.auth = RequestsBearer(source)
    return Cloud(url, session=session)  # type: ignore[no-untyped-call]  # see above


async def main(workspace: str, slug: str) -> None:
    """Print what the SDK makes of a repository."""
    async with TokenManager(
        client_from_env(), grant=ClientCredentials(), store=FileStore(app_name="full-sdk")
    ) as manager:
        repository = await asyncio.to_thread(cloud(manager).repositories.get, workspace, slug)
        print(repository.name, repository.is_private)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
