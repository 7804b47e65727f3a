"""What type checkers must see of the public face; mypy and pyright check it, nothing runs it."""

import logging
from collections.abc import Callable, Coroutine, Mapping
from pathlib import PurePosixPath
from ssl import SSLContext
from typing import TYPE_CHECKING, Any, ClassVar, assert_type

import aiohttp
import httpx
import httpx2

from bitbucket_auth_async import (
    BITBUCKET_CLOUD,
    AccessDeniedError,
    AccessToken,
    ApiToken,
    AuthorizationCode,
    AuthorizationRequest,
    AuthorizationServer,
    BitbucketAuthError,
    Client,
    ClientCredentials,
    Event,
    EventKind,
    Hooks,
    InvalidGrantError,
    LoginRequiredError,
    OAuthError,
    OutageError,
    Password,
    RefreshToken,
    Timing,
    Token,
    TokenManager,
    TokenManagerPool,
    TransportError,
    UnavailableError,
    bitbucket_data_center,
    client_from_env,
    get_access_token,
    open_store,
)
from bitbucket_auth_async.api import (
    ApiError,
    BitbucketAPI,
    GoneError,
    MissingScopeError,
    NoAnswerError,
    Page,
    RateLimit,
    RateLimitedError,
    create_authenticated_api,
)
from bitbucket_auth_async.bearer.aiohttp import BearerMiddleware, authenticated_session
from bitbucket_auth_async.bearer.httpx import BearerAuth, authenticated_client
from bitbucket_auth_async.bearer.httpx2 import BearerAuth as BearerAuth2
from bitbucket_auth_async.bearer.httpx2 import authenticated_client as authenticated_client2
from bitbucket_auth_async.manager.snapshot import Snapshot
from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.protocols import Clock, Codec, TokenSource, TokenStore, Transport, Versioned
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.stores.callbacks import CallbackStore
from bitbucket_auth_async.stores.file import FileStore
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.stores.open_store import OpenStore
from bitbucket_auth_async.telemetry.otel import OpenTelemetry
from bitbucket_auth_async.telemetry.redaction import RedactingFilter, redacted
from bitbucket_auth_async.testing import FakeBitbucket
from bitbucket_auth_async.transports.aiohttp import AiohttpTransport
from bitbucket_auth_async.transports.httpx import HttpxTransport
from bitbucket_auth_async.transports.httpx2 import Httpx2Transport
from bitbucket_auth_async.web import aiohttp as web_aiohttp
from bitbucket_auth_async.web import starlette as web_starlette
from bitbucket_auth_async.web.flow_store import MemoryFlowStore
from bitbucket_auth_async.web.login import Login
from bitbucket_auth_async.web.static_files import STATIC

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web
    from starlette.applications import Starlette
    from starlette.requests import Request as StarletteRequest

    from bitbucket_auth_async.codecs.encrypted import EncryptionKey
    from bitbucket_auth_async.oauth2.clients import ClientAuthentication
    from bitbucket_auth_async.oauth2.grants import Grant


async def a_bot() -> None:
    async with TokenManager(
        client_from_env(), grant=ClientCredentials(), store=FileStore(app_name="my-app")
    ) as manager:
        assert_type(manager, TokenManager)
        assert_type(await manager.get_token(), Token)
        async with authenticated_session(manager) as http:
            assert_type(http, aiohttp.ClientSession)
            async with http.get("https://api.bitbucket.org/2.0/user") as response:
                assert_type(response, aiohttp.ClientResponse)


async def the_npm_packages_call() -> None:
    assert_type(await get_access_token("my-app", hooks=Hooks(is_success=lambda response: response.status < 300)), Any)


async def on_httpx(manager: TokenManager) -> None:
    async with authenticated_client(manager) as client, httpx.AsyncClient(auth=BearerAuth(manager)):
        assert_type(client, httpx.AsyncClient)
    async with authenticated_client2(manager) as client2, httpx2.AsyncClient(auth=BearerAuth2(manager)):
        assert_type(client2, httpx2.AsyncClient)


async def a_person(store: TokenStore, callback_url: str) -> None:
    client = Client("id", "secret")
    request = AuthorizationRequest(server=BITBUCKET_CLOUD, client=client, redirect_uri="...", scope={"account"})
    assert_type(request.url, str)
    assert_type(request.judge(callback_url), AuthorizationCode)
    assert_type(request.judge_implicit(callback_url, received_at=0.0), Token)
    async with TokenManager(client, store=store, key="alice") as manager:
        token = await manager.exchange(request.judge(callback_url))
        assert_type(token, Token)
        assert_type(await manager.get_token(rejected=token), Token)
        assert_type(await manager.get_token(rejected=token, still_accepted=True), Token)
        answer: dict[str, Any] = {"access_token": "a"}
        assert_type(await manager.adopt(Token.from_response(answer, requested_at=0.0)), Token)
        await manager.logout()
        await manager.idle()
        await manager.aclose()
        assert_type(manager.server, AuthorizationServer)
        assert_type(manager.key, str)


async def many_persons(store: TokenStore) -> None:
    async with TokenManagerPool(Client("id", "secret"), store=store, max_identities=100, max_requests=5) as pool:
        assert_type(pool, TokenManagerPool)
        assert_type(pool.manager("alice"), TokenManager)
        assert_type(await pool.manager("alice").get_token(), Token)
        assert_type(len(pool), int)


def seen(client: Client, handler: logging.Handler) -> None:
    telemetry = OpenTelemetry()
    manager = TokenManager(client, on_event=telemetry)
    telemetry.watch(manager)
    assert_type(manager.snapshot(), Snapshot)
    assert_type(manager.snapshot()["ok"], bool)
    manager.tell(EventKind.API_REFUSED, "...")
    handler.addFilter(RedactingFilter())
    assert_type(redacted("..."), str)


def a_coroutine_that_tasks_take(manager: TokenManager) -> None:
    call: Callable[[], Coroutine[Any, Any, Token]] = manager.get_token
    del call


def values(token: Token, timing: Timing, event: Event) -> None:
    assert_type(token.access_token, str)
    assert_type(token.refresh_token, str | None)
    assert_type(token.issued_at, float)
    assert_type(token.expires_at, float | None)
    assert_type(token.lifetime, float | None)
    assert_type(token.scope, frozenset[str] | None)
    assert_type(timing.refresh_ahead, float | None)
    assert_type(event.kind, EventKind)
    assert_type(event.key, str)
    assert_type(event.seconds, float | None)
    assert_type(event.error, str)
    assert_type(BITBUCKET_CLOUD.reuse_grace, float)
    assert_type(BITBUCKET_CLOUD.api_origins, frozenset[str])
    assert_type(bitbucket_data_center("https://bitbucket.example"), AuthorizationServer)
    assert_type(client_from_env(), Client)


def errors(error: BitbucketAuthError) -> None:
    assert_type(error.retryable, bool)
    assert_type(error.again(), BitbucketAuthError)
    match error:
        case UnavailableError():
            assert_type(error.retry_after, float | None)
            assert_type(error.status, int)
        case OutageError():
            assert_type(error.retry_after, float)
        case TransportError():
            assert_type(error.sent, bool)
        case InvalidGrantError() | OAuthError():
            assert_type(error.error, str)
            assert_type(error.description, str | None)
        case AccessDeniedError():
            assert_type(error.error, str)
        case LoginRequiredError():
            assert_type(error.retryable, bool)
        case _:
            pass


async def an_api(manager: TokenManager, token: Token, store: TokenStore) -> None:
    limit = RateLimit(1000, store=store, key="budget")
    async with BitbucketAPI(manager, limit=limit, patience=10) as api, create_authenticated_api("my-app") as other:
        assert_type(api, BitbucketAPI)
        assert_type(other, BitbucketAPI)
        assert_type(await api.get("/repositories/{workspace}", workspace="acme", params={"page": 2}), Any)
        assert_type(await api.post("/x/{id}", id=7, json={}, repeat=True), Any)
        async for item in api.paginate("/x/{path}", path=PurePosixPath("a/b")):
            assert_type(item, Any)
        async for page in api.pages("/x"):
            assert_type(page, Page)
        async with api.stream("/x") as response:
            assert_type(response, aiohttp.ClientResponse)
    BitbucketAPI(token)
    sources: list[TokenSource] = [AccessToken("a", expires_at=1.0), ApiToken("ada@example.com", "a")]
    BitbucketAPI(sources[0])


def api_errors(error: ApiError) -> None:
    assert_type(error.status, int | None)
    assert_type(error.retry_after, float | None)
    match error:
        case MissingScopeError():
            assert_type(error.missing, frozenset[str])
        case GoneError():
            assert_type(error.announcement_url, str | None)
        case NoAnswerError():
            assert_type(error.sent, bool)
        case RateLimitedError():
            assert_type(error.retryable, bool)
        case _:
            pass


class OwnTransport:
    """Whoever has these two methods is a Transport; it inherits nothing."""

    async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109 - the port's own word
        return Response(status=200, body=request.body)

    async def aclose(self) -> None: ...


class OwnStore:
    """Whoever has these two methods is a TokenStore."""

    async def load(self, key: str, /) -> Versioned | None: ...

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        return expected


class OwnCodec:
    """Whoever has these two methods is a Codec."""

    def encode(self, key: str, record: Record, /) -> bytes:
        return key.encode()

    def decode(self, key: str, data: bytes, /) -> Record:
        raise NotImplementedError


class OwnSource:
    """Whoever has this method can be given to a bearer."""

    async def get_token(self, *, rejected: Token | None = None, still_accepted: bool = False) -> Token:
        return Token(access_token="a", issued_at=0.0)


class OwnGrant:
    """A grant of someone's own."""

    grant_type: ClassVar[str] = "urn:example:own"
    scope: frozenset[str] = frozenset()

    def parameters(self) -> Mapping[str, str]:
        return {}


class OwnClient:
    """A client that proves itself in a way of its own."""

    client_id = "id"

    def proof(self, token_endpoint: str, *, now: float) -> tuple[Mapping[str, str], Mapping[str, str]]:
        return {}, {"client_assertion": "..."}


async def opened(manager: TokenManager) -> None:
    async with open_store("file:my-app") as store:
        assert_type(store, OpenStore)
        TokenManager(Client("id"), store=store, server=manager.server)


def ports(manager: TokenManager, clock: Clock, context: SSLContext, session: aiohttp.ClientSession) -> None:
    stores: list[TokenStore] = [MemoryStore(), FileStore("tokens.json", codec=OwnCodec()), OwnStore()]
    stores.append(CallbackStore(dict, print))
    transports: list[Transport] = [OwnTransport(), AiohttpTransport(session), AiohttpTransport(ssl=context)]
    transports += [HttpxTransport(httpx.AsyncHTTPTransport()), Httpx2Transport(ssl=context)]
    grants: list[Grant] = [ClientCredentials({"account"}), Password("alice", "..."), RefreshToken("..."), OwnGrant()]
    clients: list[ClientAuthentication] = [Client("id"), OwnClient()]
    sources: list[TokenSource] = [manager, OwnSource()]
    codec: Codec = OwnCodec()
    del codec
    TokenManager(clients[1], grant=grants[3], store=stores[2], transport=transports[0], clock=clock, on_event=print)
    assert_type(authenticated_session(sources[1], origins=["https://api.bitbucket.org"]), aiohttp.ClientSession)
    assert_type(BearerMiddleware(sources[0]), BearerMiddleware)


async def people(
    pool: TokenManagerPool, keys: "list[EncryptionKey]", app: "web.Application", other: "Starlette"
) -> None:
    async def identify(token: Token) -> str:
        return str(token.scope)

    async with Login(
        pool,
        redirect_uri="https://my-app.example/callback",
        keys=keys,
        identify=identify,
        flows=MemoryFlowStore(),
        trusted_proxies=["127.0.0.1"],
    ) as login:
        web_aiohttp.add_login(app, login)
        web_starlette.add_login(other, login)
    folder: Path = STATIC
    del folder


async def handlers(request: "web.Request", other: "StarletteRequest") -> None:
    assert_type(await web_aiohttp.current_manager(request), TokenManager)
    assert_type(await web_starlette.current_manager(other), TokenManager)


def testing(fake: FakeBitbucket) -> None:
    robot = fake.issue_access_token(scope=["repository"], expires_at=2e9)
    assert_type(AccessToken(robot), AccessToken)
    assert_type(ApiToken("grace@example.com", fake.issue_api_token(fake.register_person("grace"))), ApiToken)
    assert_type(fake.is_live(robot) and fake.git_accepts("x-token-auth", robot), bool)
    fake.kill_access_token(robot)
