"""check: refuses an argument of the wrong kind and says what to give."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bitbucket_auth_async import (
    BITBUCKET_CLOUD,
    AuthorizationRequest,
    Client,
    ClientCredentials,
    ConfigurationError,
    Token,
    TokenManager,
    TokenManagerPool,
    open_store,
)
from bitbucket_auth_async.api import BitbucketAPI
from bitbucket_auth_async.bearer import httpx, httpx2
from bitbucket_auth_async.bearer.aiohttp import BearerMiddleware
from bitbucket_auth_async.codecs.encrypted import EncryptedCodec, EncryptionKey
from bitbucket_auth_async.runtime.argument_checks import check
from bitbucket_auth_async.stores.file import FileStore
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.testing import FakeBitbucket, FakeClock, mock_bitbucket
from bitbucket_auth_async.web.aiohttp import add_login
from bitbucket_auth_async.web.login import Login

CLIENT = Client("key", "secret")
CALLBACK = "https://app.example/callback"


def pool() -> TokenManagerPool:
    return TokenManagerPool(CLIENT, store=MemoryStore())


def manager(**options: Any) -> TokenManager:  # noqa: ANN401  - wrong ones too
    return TokenManager(CLIENT, **options)


def request(server: Any = BITBUCKET_CLOUD, client: Any = CLIENT) -> AuthorizationRequest:  # noqa: ANN401  - wrong ones too
    return AuthorizationRequest(server=server, client=client)


def login(some: Any, keys: Any) -> Login:  # noqa: ANN401  - wrong ones too
    return Login(some, redirect_uri=CALLBACK, keys=keys)


# Values that a type checker refuses; not every program uses one.
WRONG: dict[str, tuple[Callable[[Any], object], Any, str]] = {
    "client of a request": (lambda it: request(client=it), "key", r'client takes a Client\("key", .*, not str'),
    "server of a request": (lambda it: request(server=it), CALLBACK, r"server takes .*BITBUCKET_CLOUD, not str"),
    "server": (lambda it: manager(server=it), CALLBACK, r"server takes .*BITBUCKET_CLOUD, not str"),
    "store": (lambda it: manager(store=it), FileStore, r"FileStore\(app_name=.*, not the class FileStore"),
    "clock": (lambda it: manager(clock=it), FakeClock, r"a clock such as FakeClock\(\), not the class FakeClock"),
    "transport": (lambda it: manager(transport=it), FakeBitbucket, r"AiohttpTransport\(\), not the class FakeBitbuc"),
    "timing": (lambda it: manager(timing=it), 30, r"timing takes a Timing, such as Timing\(deadline=30\), not int"),
    "a pool's store": (lambda it: TokenManagerPool(CLIENT, store=it), Path("tokens.json"), "store takes a store, as"),
    "source": (BearerMiddleware, CLIENT, "source takes a TokenManager .*, not Client"),
    "source for httpx": (httpx.BearerAuth, "token", "source takes .*an AccessToken or an ApiToken, not str"),
    "source for httpx2": (httpx2.BearerAuth, pool(), r"pool\.manager\(.*, not TokenManagerPool"),
    "source for the API": (BitbucketAPI, "token", "source takes .*, not str"),
    "one encryption key": (EncryptedCodec, EncryptionKey.new(), r"keys takes a list, the newest key first: \[key\]"),
    "an encryption key's text": (
        EncryptedCodec,
        ["hunter2"],
        r"keys takes EncryptionKey\.from_text\(text\).*, not str",
    ),
    "a cookie key's text": (
        lambda it: login(pool(), it),
        ["hunter2"],
        "keys takes EncryptionKey.*, not str",
    ),
    "pool of a login": (
        lambda it: login(it, [EncryptionKey.new()]),
        manager(),
        "a TokenManagerPool, not TokenManager",
    ),
    "login": (
        lambda it: add_login(web.Application(), it),
        pool(),
        r"add_login\(\) takes the application, then a Login",
    ),
    "address of a store": (open_store, Path("tokens.json"), r"for a path, use FileStore\), not "),
    "scope": (ClientCredentials, None, r"scope takes a set such as \{.*, not NoneType"),
    "clock of the fake": (FakeBitbucket, FakeClock, r"clock takes FakeClock\(\) or .*, not the class FakeClock"),
    "token response": (lambda it: Token.from_response(it, requested_at=0), "{}", "the decoded JSON object, not str"),
}


@pytest.mark.parametrize("give, what, said", WRONG.values(), ids=WRONG)
def test_an_argument_of_the_wrong_kind_is_refused_where_it_is_given(
    give: Callable[[Any], object], what: object, said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        give(what)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("what", ["access-token", {"access_token": "access-token"}])
async def test_adopt_refuses_anything_but_a_token(what: Any) -> None:  # noqa: ANN401  - wrong on purpose
    person = manager(key="ada")
    with pytest.raises(ConfigurationError, match=r"adopt\(\) takes a Token, such as .*requested_at=time") as caught:
        await person.adopt(what)
    assert "access-token" not in str(caught.value)
    await person.aclose()


@pytest.mark.parametrize("what", ["session", aiohttp.ClientSession])
def test_a_class_is_refused_instead_of_an_instance(what: object) -> None:
    with pytest.raises(ConfigurationError):
        check("session", what, "get", example="an aiohttp.ClientSession()")
    check("grant", ClientCredentials(), "parameters", example="a grant")


async def test_mock_bitbucket_refuses_anything_but_a_fake() -> None:
    fake: Any = FakeBitbucket
    with pytest.raises(ConfigurationError, match=r"takes a FakeBitbucket\(\), not the class FakeBitbucket"):
        async with mock_bitbucket(fake):
            pass
