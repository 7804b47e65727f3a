"""get_access_token: the one call of the npm package bitbucket-auth, in Python: options in, a token out."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qsl

from anyio import to_thread

from bitbucket_auth_async.bitbucket.addresses import HOST
from bitbucket_auth_async.bitbucket.client_from_env import client_from_env
from bitbucket_auth_async.bitbucket.cloud import bitbucket_cloud
from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError, LoginRequiredError, RecordError
from bitbucket_auth_async.manager.defaults import DefaultTransport
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.npm.hooks import Answer, Hooks
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.grants import AuthorizationCode, ClientCredentials, Grant, Password, RefreshToken
from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import TokenStore, Versioned
from bitbucket_auth_async.runtime import private_file
from bitbucket_auth_async.stores.callbacks import CallbackStore, ConfigKeeper, LoadConfig, SaveConfig
from bitbucket_auth_async.stores.file import FileStore

Credentials = Client | tuple[str, str]
"""A client, or a person's name and password."""

Provider = Callable[[], Awaitable[Credentials]]
"""Asked for credentials when they are needed."""


async def get_access_token(  # noqa: PLR0913 - the options of the npm package, each by its name
    app_name: str,
    *,
    consumer_key: str | None = None,
    consumer_secret: str | None = None,
    refresh_token: str | None = None,
    username: str | None = None,
    password: str | None = None,
    code: str | None = None,
    redirect_uri: str | None = None,
    credentials_provider: Provider | None = None,
    use_refresh_token: Callable[[str | None], bool] | None = None,
    force_credentials: bool = False,
    domain: str = HOST,
    config_path: str | None = None,
    load_config: LoadConfig | None = None,
    save_config: SaveConfig | None = None,
    storage: TokenStore | ConfigKeeper | None = None,
    hooks: Hooks | None = None,
    logger: Callable[[str], object] | None = None,
    logging: bool = False,
    error_handler: Callable[[BaseException], object] | None = None,
) -> Any:  # noqa: ANN401 - a Token, unless a hook makes something else of it
    """Return a token that is good now, from the store, by a refresh or by credentials, and keep what came.

    What is stored is used first; then *refresh_token*; then *code*; then *username* and *password*; then the client's
    own credentials. A program that runs for longer is better off with a TokenManager.

    Args:
        app_name: Names the file in the user's data directory in which the token is kept.
        consumer_key: What Bitbucket calls the Key; with *consumer_secret* left out too, `client_from_env` says.
        consumer_secret: What Bitbucket calls the Secret.
        refresh_token: Used if nothing is stored; what is stored wins.
        username: A person's name, for servers that still have the password grant; Bitbucket Cloud refuses it.
        password: The person's password.
        code: An authorization code, with the *redirect_uri* that was sent for it.
        redirect_uri: See *code*.
        credentials_provider: Asked for a Client, or for name and password, when a full credentials request is due.
        use_refresh_token: Told the refresh token (None: there is none), says whether to use it.
        force_credentials: Make a full credentials request whatever is stored.
        domain: Host name of Bitbucket; the token endpoint is `https://{domain}/site/oauth2/access_token`.
        config_path: The file to keep the token in, instead of the one that *app_name* names.
        load_config: With *save_config*: functions, sync or async, that keep a configuration for us.
        save_config: See *load_config*.
        storage: An object with both as methods, or any TokenStore, instead.
        hooks: Replaces parts of the request and of what is made of its answer.
        logger: Takes a line for each thing that happens; by default the standard logging does.
        logging: Write those lines to stderr if no *logger* is given.
        error_handler: Takes the error before it is raised, and may raise another one.

    Raises:
        ConfigurationError: An option is missing or of the wrong type; the text names it.
        LoginRequiredError: The refresh token is dead, and nothing else was given.
        BitbucketAuthError: The endpoint gave no token, or the store failed; see `retryable`.
    """
    hooks = Hooks() if hooks is None else hooks
    _check_texts(
        app_name=app_name, consumer_key=consumer_key, consumer_secret=consumer_secret, refresh_token=refresh_token,
        username=username, password=password, code=code, redirect_uri=redirect_uri, domain=domain,
        config_path=config_path,
    )  # fmt: skip
    try:
        credentials = _Credentials(credentials_provider, username, password)
        client = await credentials.client(consumer_key, consumer_secret)
        store = _store(app_name, config_path, load_config, save_config, storage)
        if refresh_token is None and storage is None and load_config is None and config_path is None:
            refresh_token = await left_by_the_npm_package(app_name)
        line = _Line(hooks)
        lines = logger or (_to_stderr if logging else None)
        manager = TokenManager(
            client,
            store=store,
            server=bitbucket_cloud(domain),
            transport=line,
            on_event=None if lines is None else lambda event: lines(f"{app_name}: {event.kind}. {event.detail}"),
        )
        grant = None if code is None else AuthorizationCode(code, redirect_uri)
        wanted = _Wanted(refresh_token, grant, force_credentials, use_refresh_token)
        token, error = None, None
        try:
            async with manager:
                token = await _token(manager, store, wanted, credentials)
        except BitbucketAuthError as caught:
            error = caught
        finally:
            await line.aclose()
        answer = Answer(token=token, error=error, response=line.last, presented=line.presented)
        return hooks.create_request_handler(hooks)(answer)
    except Exception as error:
        if error_handler is not None:
            error_handler(error)
        raise


class _Wanted(NamedTuple):
    """How this call may come by a token."""

    refresh_token: str | None
    code: AuthorizationCode | None
    force_credentials: bool
    use_refresh_token: Callable[[str | None], bool] | None


async def _token(manager: TokenManager, store: TokenStore, wanted: _Wanted, credentials: "_Credentials") -> Token:
    found = None if wanted.force_credentials else await store.load(manager.key)
    stored = None if found is None else found.record.token
    secret = wanted.refresh_token if stored is None else stored.refresh_token
    if not wanted.force_credentials and (wanted.use_refresh_token is None or wanted.use_refresh_token(secret)):
        if stored is not None:
            try:
                return await _settled(manager)
            except LoginRequiredError as error:
                if not await _may_begin_again(found, wanted, credentials):
                    raise error.again() from error.__cause__
        elif secret is not None:
            return await manager.exchange(RefreshToken(secret))
    return await manager.exchange(wanted.code or await credentials.grant())


async def _settled(manager: TokenManager) -> Token:
    """Return the token after whatever its age called for: who ends at once can't have it renewed behind his back."""
    await manager.get_token()
    await manager.idle()
    return await manager.get_token()


async def _may_begin_again(found: Versioned | None, wanted: _Wanted, credentials: "_Credentials") -> bool:
    """Tell whether a full request would go on with the same identity: a person's token never becomes the client's."""
    if wanted.code is not None or found is None:
        return True
    return found.record.issuer.grant_type == (await credentials.grant()).grant_type


class _Credentials:
    """The client, and what a full credentials request presents; the provider is asked once, and only when due."""

    def __init__(self, provider: Provider | None, username: str | None, password: str | None) -> None:
        self._provider = provider
        self._given: Credentials | None = None
        if username is not None or password is not None:
            if username is None or password is None:
                msg = f"{'password' if username is not None else 'username'} is missing: both are needed."
                raise ConfigurationError(msg)
            self._given = (username, password)

    async def client(self, key: str | None, secret: str | None) -> Client:
        """Return the client that the options, the environment or, without these, the provider names."""
        if key is not None or secret is not None:
            if key is None or secret is None:
                msg = f"{'consumer_secret' if key is not None else 'consumer_key'} is missing: both are needed."
                raise ConfigurationError(msg)
            return Client(key, secret)
        try:
            return client_from_env()
        except ConfigurationError as error:
            given = await self._ask()
            if isinstance(given, Client):
                return given
            error.add_note("Or give get_access_token the options consumer_key and consumer_secret.")
            raise

    async def grant(self) -> Grant:
        """Return what a full credentials request presents."""
        given = await self._ask()
        return ClientCredentials() if given is None or isinstance(given, Client) else Password(*given)

    async def _ask(self) -> Credentials | None:
        if self._given is None and self._provider is not None:
            given = await self._provider()
            if not isinstance(given, Client) and not _is_pair(given):
                msg = "credentials_provider: expected a Client, or a pair of name and password."
                raise ConfigurationError(msg)
            self._given = given
        return self._given


class _Line:
    """A transport that remembers the last answer, for the hooks to shape the result by."""

    def __init__(self, hooks: Hooks) -> None:
        self._send = hooks.send_request
        self._transport = DefaultTransport()
        self.last: Response | None = None
        self.presented = ""

    async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109 - the port's own word
        """Send by the hook, if there is one."""
        self.last = None
        self.presented = dict(parse_qsl(request.body.decode())).get("grant_type", "")
        if self._send is None:
            self.last = await self._transport.send(request, timeout=timeout)
        else:
            self.last = await self._send(request)
        return self.last

    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()


def _store(
    app_name: str,
    config_path: str | None,
    load_config: LoadConfig | None,
    save_config: SaveConfig | None,
    storage: TokenStore | ConfigKeeper | None,
) -> TokenStore:
    if storage is not None:
        if callable(getattr(storage, "swap", None)):
            return cast("TokenStore", storage)
        return CallbackStore(cast("ConfigKeeper", storage))
    if load_config is not None or save_config is not None:
        if load_config is None or save_config is None:
            missing = "save_config" if save_config is None else "load_config"
            msg = f"{missing} is missing: both are needed."
            raise ConfigurationError(msg)
        return CallbackStore(load_config, save_config)
    return FileStore(config_path) if config_path is not None else FileStore(app_name=app_name)


async def left_by_the_npm_package(app_name: str) -> str | None:
    """Return the refresh token that the npm package kept in `~/.{app_name}`; what we have stored ourselves wins."""
    try:
        path = Path.home() / f".{app_name}"
    except RuntimeError:  # this user has no home
        return None
    try:
        if not await to_thread.run_sync(path.is_file):
            return None
    except PermissionError:  # the home is somebody else's, as in a container that runs as another user
        return None
    except OSError as error:
        raise private_file.store_error(str(path), "read", error) from error
    try:
        found = await FileStore(path).load("")
    except RecordError:
        return None  # a file of some other program
    return None if found is None or found.record.token is None else found.record.token.refresh_token


def _check_texts(**options: object) -> None:
    for name, value in options.items():
        if value is None and name != "app_name":
            continue
        if not isinstance(value, str) or not value:
            found = "an empty one" if value == "" else f"a {type(value).__name__}"
            msg = f"{name}: expected a text, found {found}."
            raise ConfigurationError(msg)


def _is_pair(value: object) -> bool:
    match value:
        case (str(), str()):
            return True
        case _:
            return False


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - asked for by logging=True
