"""Signing in: by the browser, by an address that is pasted back, or as the client itself."""

import asyncio
import os
import sys
import threading
import webbrowser
from contextlib import suppress
from importlib import import_module
from typing import NamedTuple

from bitbucket_auth_async.cli.profiles import client_secrets, profiles
from bitbucket_auth_async.cli.profiles.open_profile import Identity, opened, server_of
from bitbucket_auth_async.cli.profiles.paths import STATIC
from bitbucket_auth_async.cli.profiles.profiles import Profile
from bitbucket_auth_async.cli.profiles.whoami import who
from bitbucket_auth_async.cli.sign_in.consumer_guide import ask_for_client, callback_to_register
from bitbucket_auth_async.cli.sign_in.login_options import DEFAULT_PORT, LoginOptions
from bitbucket_auth_async.cli.sign_in.loopback import Loopback, bound, redirect_uri
from bitbucket_auth_async.cli.sign_in.static_login import static_login
from bitbucket_auth_async.cli.terminal.outcome import ExitCode, FailedError, printable, say
from bitbucket_auth_async.errors import AuthorizationError, BitbucketAuthError, CallbackError
from bitbucket_auth_async.oauth2.authorization_endpoint import AuthorizationRequest
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.tokens import Token


def login(options: LoginOptions) -> ExitCode:
    """Sign in, keep the token and the profile, and say who it is.

    Raises:
        BitbucketAuthError: It did not come to that; an earlier sign-in stands as it was.
    """
    profiles.check_name(options.profile)
    profiles.check_writable()
    before = profiles.load().by_name.get(options.profile)
    if options.grant_type in STATIC:
        return static_login(options, before)
    settled = _settled(options, before)
    if options.grant_type == "client_credentials":
        return asyncio.run(_as_client(settled))
    if options.no_browser:
        return _by_pasting(settled, options)
    return asyncio.run(_by_browser(settled, options))


class _Settled(NamedTuple):
    """Which profile this is going to be, by which client, and whether that was typed in just now."""

    profile: Profile
    client: Client
    typed: bool


def _settled(options: LoginOptions, before: Profile | None) -> _Settled:
    store = options.store_after(before)
    port = options.port if options.port is not None else (before.port if before else DEFAULT_PORT)
    server = options.server_after(before)
    client = client_secrets.named_by_environment()
    typed = False
    place: profiles.SecretPlace = "environment"
    if client is None and before is not None and before.server == server and not before.is_static:
        client, place = client_secrets.client_of(before), before.secret
    elif client is None:
        client, place, typed = ask_for_client(port), client_secrets.place_for(store), True
    profile = Profile(
        name=options.profile,
        client_id=client.client_id,
        secret=place,
        grant_type=options.grant_type,
        store=store,
        server=server,
        port=port,
    )
    return _Settled(profile, client, typed)


async def _as_client(settled: _Settled) -> ExitCode:
    async with opened(settled.profile, client=settled.client) as identity:
        await identity.store.load(settled.profile.key)  # a store that is down is told before anything is asked for
        return await _kept(identity, await identity.token(), settled)


async def _by_browser(settled: _Settled, options: LoginOptions) -> ExitCode:
    profile, client, _ = settled
    listening = bound(profile.port)
    port: int = listening.getsockname()[1]
    request = _request(profile, client, options, redirect_uri(port))
    async with opened(profile, client=client) as identity, Loopback(listening, request) as loopback:
        await identity.store.load(profile.key)  # before anybody is bothered: a store that is down
        _show(request.url)
        try:
            code = await loopback.code(options.limit)
            token = await identity.manager.exchange(code)
        except TimeoutError:
            raise FailedError(_silence(options.limit, callback_to_register(profile.port))) from None
        except BitbucketAuthError as error:
            said = "Bitbucket was told no." if isinstance(error, AuthorizationError) else "The terminal says why."
            await loopback.conclude("Not signed in", f"{said} You can close this page.", fine=False)
            raise
        await loopback.conclude("Signed in", "You can close this page and go back to the terminal.", fine=True)
        return await _kept(identity, token, settled)


def _by_pasting(settled: _Settled, options: LoginOptions) -> ExitCode:
    profile, client, _ = settled
    request = _request(profile, client, options, redirect_uri(profile.port or DEFAULT_PORT))
    say(f"Open this address in a browser, on any machine:\n\n{request.url}\n")
    say(
        "In the end the browser shows an error, since nothing answers at 127.0.0.1. Copy the address that it shows "
        "then, and paste it here:"
    )
    interactive = sys.stdin.isatty()
    if interactive:
        with suppress(ModuleNotFoundError):  # Windows has none
            import_module("readline")  # with it a pasted line may be longer than a terminal's 4096 bytes
    while True:
        try:
            pasted = input().strip()
        except EOFError:
            msg = "No address came. Nothing was changed."
            raise FailedError(msg) from None
        try:
            code = request.judge(pasted)
            break
        except CallbackError as error:
            if not interactive:
                raise
            say(f"{error} This one still waits: paste the whole address, beginning with {request.redirect_uri}:")

    async def exchanged() -> ExitCode:
        async with opened(profile, client=client) as identity:
            return await _kept(identity, await identity.manager.exchange(code), settled)

    return asyncio.run(exchanged())


async def _kept(identity: Identity, token: Token, settled: _Settled) -> ExitCode:
    """Make sure that the token is where the next command looks for it, keep the profile, and say who it is."""
    profile = identity.profile
    found = await identity.store.load(profile.key)
    if found is None or found.record.token is None or found.record.token.access_token != token.access_token:
        msg = "The token could not be saved, so this sign-in is lost. Mend the store and sign in again."
        raise FailedError(msg)
    if settled.typed and settled.client.client_secret is not None:
        client_secrets.keep(profile, settled.client.client_secret)
    profiles.save(profile)
    name = await who(identity.manager.server, token)
    scopes = "" if token.scope is None else f" Scopes: {printable(' '.join(sorted(token.scope)))}."
    say(f"Signed in{f' as {name}' if name else ''} (profile {profile.name}).{scopes}")
    return ExitCode.FINE


def _request(profile: Profile, client: Client, options: LoginOptions, redirect: str) -> AuthorizationRequest:
    return AuthorizationRequest(server=server_of(profile), client=client, redirect_uri=redirect, scope=options.scope)


def _show(url: str) -> None:
    """Open the browser where there is one; the address is there in any case."""
    displays = {"BROWSER", "DISPLAY", "WAYLAND_DISPLAY"}
    if sys.platform.startswith("linux") and not displays & os.environ.keys():
        # What Python would find then are browsers that take over the terminal.
        say(f"There is no browser here. Open this address in one on this machine, or try --no-browser:\n\n{url}\n")
        return
    say(f"Your browser is about to open this address; if it does not, open it yourself:\n\n{url}\n")
    # Not in the executor: a browser that stays in the foreground would keep us from ending.
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def _silence(limit: float, callback: str) -> str:
    return (
        f"The browser brought nothing within {limit:g} s. If it shows 'Invalid redirect_uri. This integration is "
        f"misconfigured', then the callback of your OAuth consumer is another one: it must be {callback} "
        "(Workspace settings > OAuth consumers > Edit). If nobody answered Bitbucket's question, sign in again."
    )
