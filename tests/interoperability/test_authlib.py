"""The public API against a third-party authorization server: Authlib's."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bitbucket_auth_async import (
    AccessDeniedError,
    AuthorizationCode,
    AuthorizationRequest,
    AuthorizationServer,
    CallbackError,
    Client,
    ClientCredentials,
    InvalidClientError,
    InvalidGrantError,
    LoginRequiredError,
    OAuthError,
    Password,
    RefreshToken,
    Token,
    TokenManager,
)
from bitbucket_auth_async.bearer.aiohttp import authenticated_session
from bitbucket_auth_async.stores.file import FileStore
from tests.interoperability.authlib_server import PASSWORD, REDIRECT_URI, USERNAME, Database, RegisteredClient

METHODS = ["client_secret_basic", "client_secret_post", "none"]
Make = Callable[..., TokenManager]


@pytest.fixture
def make(server: AuthorizationServer, tmp_path: Path) -> Make:
    """Return a manager with its own store object on one file, as each of several processes has."""

    def make(client: Client, **options: Any) -> TokenManager:  # noqa: ANN401 - the options of TokenManager
        return TokenManager(client, store=FileStore(tmp_path / "tokens.json"), server=server, **options)

    return make


def ours(registered: RegisteredClient, **other: Any) -> Client:  # noqa: ANN401 - fields of a Client
    """Return the Client for a client that the server has registered."""
    fields: dict[str, Any] = {
        "client_id": registered.client_id,
        "client_secret": registered.client_secret or None,
        "auth_method": registered.auth_method,
        **other,
    }
    return Client(**fields)


async def follow(request: AuthorizationRequest, more: str = "") -> str:
    """Open the URL as a browser does, and return the redirect back."""
    async with aiohttp.ClientSession() as browser, browser.get(request.url + more, allow_redirects=False) as response:
        assert response.status == 302, await response.text()
        return response.headers["Location"]


async def signed_in(server: AuthorizationServer, client: Client) -> AuthorizationCode:
    request = AuthorizationRequest(server=server, client=client, redirect_uri=REDIRECT_URI, scope={"account"})
    return request.judge(await follow(request))


async def username(manager: TokenManager, database: Database) -> str:
    """Return the user name from the API."""
    async with (
        authenticated_session(manager, raise_for_status=True) as http,
        http.get(f"{database.base_url}/2.0/user") as response,
    ):
        name: str = (await response.json())["username"]
        return name


@pytest.mark.parametrize("method", METHODS)
async def test_a_code_with_pkce_signs_in_and_the_sign_in_survives_renewals(
    method: str, database: Database, server: AuthorizationServer, make: Make
) -> None:
    client = ours(database.client(method))
    async with make(client) as manager:
        token = await manager.exchange(await signed_in(server, client))
        assert token.scope == frozenset({"account"})
        assert await username(manager, database) == USERNAME
        for _ in range(3):
            await renewed(manager, database)
    assert database.token_requests == ["authorization_code", *["refresh_token"] * 3]
    assert len({issued.refresh_token for issued in database.tokens}) == 4, "the server rotates"


async def renewed(manager: TokenManager, database: Database) -> None:
    """Check that a sign-in survives the expiry of its access token."""
    # The manager sees a token of two minutes ago, because it does not renew a very young rejected token.
    aged = await manager.get_token()
    await manager.adopt(
        Token(
            access_token=aged.access_token,
            refresh_token=aged.refresh_token,
            issued_at=aged.issued_at - 120,
            expires_at=aged.expires_at,
            scope=aged.scope,
        )
    )
    database.expire()
    assert await username(manager, database) == USERNAME
    assert (await manager.get_token()).access_token != aged.access_token


async def test_a_password_signs_in(database: Database, make: Make) -> None:
    client = ours(database.client("client_secret_basic"))
    async with make(client, grant=Password(USERNAME, PASSWORD, scope={"account"})) as manager:
        assert await username(manager, database) == USERNAME
        await manager.get_token()
    assert database.token_requests == ["password"]


@pytest.mark.parametrize("method", METHODS[:2])
async def test_client_credentials_work_and_the_next_process_reuses_the_token(
    method: str, database: Database, make: Make
) -> None:
    client = ours(database.client(method))
    async with make(client, grant=ClientCredentials({"account"})) as manager:
        first = await manager.get_token()
        assert first.refresh_token is None
        assert await username(manager, database) == USERNAME
    async with make(client, grant=ClientCredentials({"account"})) as again:
        assert await again.get_token() == first, "the file has it"
    assert database.token_requests == ["client_credentials"]


async def test_r1_two_managers_of_one_file_spend_a_refresh_token_once(
    database: Database, server: AuthorizationServer, make: Make
) -> None:
    client = ours(database.client("client_secret_basic"))
    async with make(client) as one, make(client) as other:
        token = await one.exchange(await signed_in(server, client))
        expired = Token(
            access_token=token.access_token, refresh_token=token.refresh_token, issued_at=0.0, expires_at=1.0
        )
        await one.adopt(expired)
        tokens = await asyncio.gather(*(manager.get_token() for manager in [one, other] * 20))
    assert len({token.access_token for token in tokens}) == 1
    assert database.token_requests == ["authorization_code", "refresh_token"]


async def test_r8_reuse_is_refused_and_a_new_sign_in_recovers(
    database: Database, server: AuthorizationServer, make: Make
) -> None:
    client = ours(database.client("client_secret_basic"))
    async with make(client, key="alice") as manager, make(client, key="copy") as thief:
        token = await manager.exchange(await signed_in(server, client))
        assert token.refresh_token is not None
        stolen = RefreshToken(token.refresh_token)
        await manager.exchange(stolen)  # used here, so the file has its successor
        with pytest.raises(LoginRequiredError):
            await thief.exchange(stolen)
        database.expire()
        successor = (await manager.get_token()).refresh_token
        assert successor is not None
        issued = database.by_refresh_token(successor)
        assert issued is not None
        assert issued.revoked, "the whole family"
        with pytest.raises(LoginRequiredError):
            await manager.exchange(RefreshToken(successor))
        asked = len(database.token_requests)
        with pytest.raises(LoginRequiredError):
            await manager.get_token()
        assert len(database.token_requests) == asked, "a refused token is not sent again"
        await manager.exchange(await signed_in(server, client))
        assert await username(manager, database) == USERNAME


async def test_a_code_works_once(database: Database, server: AuthorizationServer, make: Make) -> None:
    client = ours(database.client("client_secret_basic"))
    code = await signed_in(server, client)
    async with make(client) as manager:
        first = await manager.exchange(code)
        with pytest.raises(InvalidGrantError):
            await manager.exchange(code)
        assert await manager.get_token() == first, "a refused code keeps the current sign-in"


async def test_pkce_protects_a_stolen_code(database: Database, server: AuthorizationServer, make: Make) -> None:
    client = ours(database.client("none"))
    code = await signed_in(server, client)
    async with make(client) as manager:
        with pytest.raises(InvalidGrantError):
            await manager.exchange(AuthorizationCode(code.code, code.redirect_uri, "another" * 8))
        with pytest.raises(OAuthError, match="code_verifier"):
            await manager.exchange(AuthorizationCode(code.code, code.redirect_uri))


async def test_a_person_may_decline(database: Database, server: AuthorizationServer) -> None:
    client = ours(database.client("client_secret_basic"))
    request = AuthorizationRequest(server=server, client=client, redirect_uri=REDIRECT_URI, scope={"account"})
    with pytest.raises(AccessDeniedError):
        request.judge(await follow(request, "&deny=1"))


async def test_the_callback_of_another_login_is_refused(database: Database, server: AuthorizationServer) -> None:
    client = ours(database.client("client_secret_basic"))
    mine, other = (
        AuthorizationRequest(server=server, client=client, redirect_uri=REDIRECT_URI, scope={"account"})
        for _ in range(2)
    )
    with pytest.raises(CallbackError, match="state"):
        mine.judge(await follow(other))


@pytest.mark.parametrize("method", METHODS[:2])
async def test_a_wrong_secret_and_an_unknown_client_raise_invalid_client(
    method: str, database: Database, make: Make
) -> None:
    registered = database.client(method)
    for client in (ours(registered, client_secret="wrong-secret"), ours(registered, client_id="unknown")):
        async with make(client, grant=ClientCredentials(), key=client.client_id) as manager:
            with pytest.raises(InvalidClientError) as caught:
                await manager.get_token()
            assert caught.value.error == "invalid_client"
            assert not caught.value.retryable
            assert "wrong-secret" not in str(caught.value)


async def test_an_unknown_scope_raises_invalid_scope(database: Database, make: Make) -> None:
    client = ours(database.client("client_secret_basic"))
    async with make(client, grant=ClientCredentials({"everything"})) as manager:
        with pytest.raises(OAuthError) as caught:
            await manager.get_token()
    assert caught.value.error == "invalid_scope"


async def test_a_grant_not_allowed_for_the_client_raises_unauthorized_client(database: Database, make: Make) -> None:
    client = ours(database.client("client_secret_basic", grant_types=("authorization_code",)))
    async with make(client, grant=ClientCredentials()) as manager:
        with pytest.raises(InvalidClientError) as caught:
            await manager.get_token()
    assert caught.value.error == "unauthorized_client"


async def test_a_grant_unknown_to_the_server_raises_an_error(database: Database, make: Make) -> None:
    class Pigeon:
        grant_type = "urn:example:pigeon"
        scope: frozenset[str] = frozenset()

        def parameters(self) -> dict[str, str]:
            return {"message": "coo"}

    client = ours(database.client("client_secret_basic"))
    async with make(client, grant=Pigeon()) as manager:
        with pytest.raises(OAuthError) as caught:
            await manager.get_token()
    assert caught.value.error == "unsupported_grant_type"


async def test_a_wrong_password(database: Database, make: Make) -> None:
    client = ours(database.client("client_secret_basic"))
    async with make(client, grant=Password(USERNAME, "wrong-password")) as manager:
        with pytest.raises(OAuthError) as caught:
            await manager.get_token()
    assert "wrong-password" not in str(caught.value)
