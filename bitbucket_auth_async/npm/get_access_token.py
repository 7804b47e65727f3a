"""get_access_token: the npm package bitbucket-auth's one call, in Python: options in, a token out."""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qsl

from bitbucket_auth_async.bitbucket.addresses import HOST
from bitbucket_auth_async.bitbucket.cloud import bitbucket_cloud
from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError, LoginRequiredError
from bitbucket_auth_async.manager.defaults import DefaultTransport
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.npm.credentials import CredentialOptions, Provider
from bitbucket_auth_async.npm.hooks import Answer, Hooks
from bitbucket_auth_async.oauth2.grants import AuthorizationCode, RefreshToken
from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import TokenStore, Versioned
from bitbucket_auth_async.stores.callbacks import CallbackStore, ConfigStorage, LoadConfig, SaveConfig


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
    storage: TokenStore | ConfigStorage | None = None,
    hooks: Hooks | None = None,
    logger: Callable[[str], object] | None = None,
    logging: bool = False,
    error_handler: Callable[[BaseException], object] | None = None,
) -> Any:  # noqa: ANN401 - a Token, unless a hook replaces it
    """Return a valid token: the stored one, or a new one by refresh or credentials, which is then stored.

    The stored token is used first; then *refresh_token*; then *code*; then *username* and *password*; then the client's
    own credentials. For long-running programs use a TokenManager instead.

    Args:
        app_name: Names the token file in the user's data directory.
        consumer_key: Bitbucket's Key of the consumer; without key and secret, `client_from_env` names the client.
        consumer_secret: Bitbucket's Secret of the consumer.
        refresh_token: Used if no token is stored.
        username: A person's name, for servers that still have the password grant; Bitbucket Cloud refuses it.
        password: The person's password.
        code: An authorization code, with the *redirect_uri* that was sent for it.
        redirect_uri: See *code*.
        credentials_provider: Returns a Client, or name and password; called when a full credentials request is due.
        use_refresh_token: Gets the refresh token (None: there is none), and returns whether to use it.
        force_credentials: Make a full credentials request whatever is stored.
        domain: Host name of Bitbucket; the token endpoint is `https://{domain}/site/oauth2/access_token`.
        config_path: The token file, instead of the one that *app_name* names.
        load_config: Loads the configuration that holds the token; with *save_config*. Sync or async.
        save_config: Saves that configuration.
        storage: An object with both as methods, or any TokenStore, instead.
        hooks: Replaces parts of the request and of the handling of its response.
        logger: Called with a line for each event; by default the standard logging gets them.
        logging: Write those lines to stderr if no *logger* is given.
        error_handler: Called with the error before it is raised; it may raise another one.

    Raises:
        ConfigurationError: An option is missing or of the wrong type; the message names it.
        LoginRequiredError: The server refused the refresh token, and there are no other credentials.
        BitbucketAuthError: The endpoint gave no token, or the store failed; see `retryable`.
    """
    hooks = Hooks() if hooks is None else hooks
    _check_texts(
        app_name=app_name, consumer_key=consumer_key, consumer_secret=consumer_secret, refresh_token=refresh_token,
        username=username, password=password, code=code, redirect_uri=redirect_uri, domain=domain,
        config_path=config_path,
    )  # fmt: skip
    try:
        credentials = CredentialOptions(credentials_provider, username, password)
        client = await credentials.client(consumer_key, consumer_secret)
        store = _chosen_store(app_name, config_path, load_config, save_config, storage)
        if refresh_token is None and storage is None and load_config is None and config_path is None:
            refresh_token = await _npm_refresh_token(app_name)
        transport = _RecordingTransport(hooks)
        lines = logger or (_to_stderr if logging else None)
        manager = TokenManager(
            client,
            store=store,
            server=bitbucket_cloud(domain),
            transport=transport,
            on_event=None if lines is None else lambda event: lines(f"{app_name}: {event.kind}. {event.detail}"),
        )
        grant = None if code is None else AuthorizationCode(code, redirect_uri)
        options = _TokenOptions(refresh_token, grant, force_credentials, use_refresh_token)
        token, error = None, None
        try:
            async with manager:
                token = await _token(manager, store, options, credentials)
        except BitbucketAuthError as caught:
            error = caught
        finally:
            await transport.aclose()
        answer = Answer(token=token, error=error, response=transport.last, presented=transport.presented)
        return hooks.create_request_handler(hooks)(answer)
    except Exception as error:
        if error_handler is not None:
            error_handler(error)
        raise


class _TokenOptions(NamedTuple):
    """The options that say how to get a token."""

    refresh_token: str | None
    code: AuthorizationCode | None
    force_credentials: bool
    use_refresh_token: Callable[[str | None], bool] | None


async def _token(
    manager: TokenManager, store: TokenStore, options: _TokenOptions, credentials: CredentialOptions
) -> Token:
    found = None if options.force_credentials else await store.load(manager.key)
    stored = None if found is None else found.record.token
    secret = options.refresh_token if stored is None else stored.refresh_token
    if not options.force_credentials and (options.use_refresh_token is None or options.use_refresh_token(secret)):
        if stored is not None:
            try:
                return await _renewed_if_due(manager)
            except LoginRequiredError as error:
                if not await _may_use_credentials(found, options, credentials):
                    raise error.again() from error.__cause__
        elif secret is not None:
            return await manager.exchange(RefreshToken(secret))
    return await manager.exchange(options.code or await credentials.grant())


async def _renewed_if_due(manager: TokenManager) -> Token:
    """Return the token after any renewal that is due: this program may end before a background renewal does."""
    await manager.get_token()
    await manager.idle()
    return await manager.get_token()


async def _may_use_credentials(found: Versioned | None, options: _TokenOptions, credentials: CredentialOptions) -> bool:
    """Tell whether credentials give the same identity: the client's token never replaces a person's."""
    if options.code is not None or found is None:
        return True
    return found.record.issuer.grant_type == (await credentials.grant()).grant_type


class _RecordingTransport:
    """A transport that keeps the last response and the grant type sent, for the hooks."""

    def __init__(self, hooks: Hooks) -> None:
        self._send = hooks.send_request
        self._transport = DefaultTransport()
        self.last: Response | None = None
        self.presented = ""

    async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109 - the port's own word
        """Send by the hook if there is one, else by aiohttp."""
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


def _chosen_store(
    app_name: str,
    config_path: str | None,
    load_config: LoadConfig | None,
    save_config: SaveConfig | None,
    storage: TokenStore | ConfigStorage | None,
) -> TokenStore:
    if storage is not None:
        if callable(getattr(storage, "swap", None)):
            return cast("TokenStore", storage)
        return CallbackStore(cast("ConfigStorage", storage))
    if load_config is not None or save_config is not None:
        if load_config is None or save_config is None:
            given, missing = ("load_config", "save_config") if save_config is None else ("save_config", "load_config")
            msg = f"{given} is given without {missing}. Give both."
            raise ConfigurationError(msg)
        return CallbackStore(load_config, save_config)
    from bitbucket_auth_async.stores.file import FileStore  # noqa: PLC0415 - it imports other libraries

    return FileStore(config_path) if config_path is not None else FileStore(app_name=app_name)


async def _npm_refresh_token(app_name: str) -> str | None:
    from bitbucket_auth_async.npm.token_file import npm_refresh_token  # noqa: PLC0415 - it imports other libraries

    return await npm_refresh_token(app_name)


def _check_texts(**options: object) -> None:
    for name, value in options.items():
        if value is None and name != "app_name":
            continue
        if not isinstance(value, str) or not value:
            found = "an empty text" if value == "" else f"a {type(value).__name__}"
            msg = f"{name}: expected text, found {found}."
            raise ConfigurationError(msg)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - asked for by logging=True
