"""Signs in by browser, by a pasted URL, or by client credentials."""

import asyncio
import os
import sys
import threading
import webbrowser
from contextlib import suppress
from importlib import import_module
from typing import NamedTuple

from bitbucket_auth_async.cli.profiles import client_secrets, profiles
from bitbucket_auth_async.cli.profiles.open_profile import OpenProfile, open_profile
from bitbucket_auth_async.cli.profiles.paths import STATIC
from bitbucket_auth_async.cli.profiles.profile import Profile, SecretPlace
from bitbucket_auth_async.cli.profiles.server import server_of
from bitbucket_auth_async.cli.profiles.whoami import user_name
from bitbucket_auth_async.cli.sign_in.ask_for_client import ask_for_client, callback_to_register
from bitbucket_auth_async.cli.sign_in.login_options import DEFAULT_PORT, LoginOptions
from bitbucket_auth_async.cli.sign_in.loopback_listener import LoopbackListener, bind_loopback, redirect_uri
from bitbucket_auth_async.cli.sign_in.static_login import static_login
from bitbucket_auth_async.cli.terminal.exit_code import CommandFailedError, ExitCode
from bitbucket_auth_async.cli.terminal.output import print_message, printable
from bitbucket_auth_async.errors import AccessDeniedError, BitbucketAuthError, CallbackError
from bitbucket_auth_async.oauth2.authorization_endpoint import AuthorizationRequest
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.tokens import Token


def login(options: LoginOptions) -> ExitCode:
    """Sign in, save the token and the profile, and print the user's name.

    Raises:
        BitbucketAuthError: The sign-in failed; an earlier sign-in is unchanged.
    """
    profiles.check_name(options.profile)
    profiles.check_writable()
    previous = profiles.load().by_name.get(options.profile)
    if options.grant_type in STATIC:
        return static_login(options, previous)
    new = _new_profile(options, previous)
    if options.grant_type == "client_credentials":
        return asyncio.run(_by_client_credentials(new))
    if options.no_browser:
        return _by_pasted_url(new, options)
    return asyncio.run(_by_browser(new, options))


class _NewProfile(NamedTuple):
    """The profile that this sign-in creates or replaces."""

    profile: Profile
    client: Client
    secret_was_typed: bool


def _new_profile(options: LoginOptions, previous: Profile | None) -> _NewProfile:
    store = options.store_or_previous(previous)
    port = options.port if options.port is not None else (previous.port if previous else DEFAULT_PORT)
    server = options.server_or_previous(previous)
    client = client_secrets.client_from_environment()
    typed = False
    place: SecretPlace = "environment"
    if client is None and previous is not None and previous.server == server and not previous.is_static:
        client, place = client_secrets.client_of(previous), previous.secret
    elif client is None:
        client, place, typed = ask_for_client(port), client_secrets.secret_place_for(store), True
    profile = Profile(
        name=options.profile,
        client_id=client.client_id,
        secret=place,
        grant_type=options.grant_type,
        store=store,
        server=server,
        port=port,
    )
    return _NewProfile(profile, client, typed)


async def _by_client_credentials(new: _NewProfile) -> ExitCode:
    async with open_profile(new.profile, client=new.client) as opened:
        await opened.store.load(new.profile.key)  # reports a store that is down before a token is requested
        return await _save(opened, await opened.token(), new)


async def _by_browser(new: _NewProfile, options: LoginOptions) -> ExitCode:
    profile, client, _ = new
    listening = bind_loopback(profile.port)
    port: int = listening.getsockname()[1]
    request = _authorization_request(profile, client, options, redirect_uri(port))
    async with open_profile(profile, client=client) as opened, LoopbackListener(listening, request) as listener:
        await opened.store.load(profile.key)  # reports a store that is down before the browser opens
        _open_browser(request.url)
        try:
            code = await listener.wait_for_code(options.timeout)
            token = await opened.manager.exchange(code)
        except TimeoutError:
            raise CommandFailedError(_timeout_message(options.timeout, callback_to_register(profile.port))) from None
        except BitbucketAuthError as error:
            reason = "You denied the access." if isinstance(error, AccessDeniedError) else "The terminal says why."
            await listener.show_outcome("Not signed in", f"{reason} You can close this page.", ok=False)
            raise
        await listener.show_outcome("Signed in", "You can close this page and go back to the terminal.", ok=True)
        return await _save(opened, token, new)


def _by_pasted_url(new: _NewProfile, options: LoginOptions) -> ExitCode:
    profile, client, _ = new
    request = _authorization_request(profile, client, options, redirect_uri(profile.port or DEFAULT_PORT))
    print_message(f"Open this URL in a browser on any machine:\n\n{request.url}\n")
    print_message(
        "At the end the browser shows an error, because nothing answers at 127.0.0.1. Copy the URL from its address "
        "bar and paste it here:"
    )
    interactive = sys.stdin.isatty()
    if interactive:
        with suppress(ModuleNotFoundError):  # as on Windows
            import_module("readline")  # without it a terminal cuts pasted lines at 4096 bytes
    while True:
        try:
            pasted = input().strip()
        except EOFError:
            msg = "No URL was pasted. Nothing was changed."
            raise CommandFailedError(msg) from None
        try:
            code = request.judge(pasted)
            break
        except CallbackError as error:
            if not interactive:
                raise
            print_message(
                f"{error} This login is still waiting. Paste the whole URL, beginning with {request.redirect_uri}:"
            )

    async def exchange() -> ExitCode:
        async with open_profile(profile, client=client) as opened:
            return await _save(opened, await opened.manager.exchange(code), new)

    return asyncio.run(exchange())


async def _save(opened: OpenProfile, token: Token, new: _NewProfile) -> ExitCode:
    """Check that the token is in the store, save the profile, and print the user's name."""
    profile = opened.profile
    found = await opened.store.load(profile.key)
    if found is None or found.record.token is None or found.record.token.access_token != token.access_token:
        msg = "The token could not be saved, so this sign-in is lost. Repair the store and sign in again."
        raise CommandFailedError(msg)
    if new.secret_was_typed and new.client.client_secret is not None:
        client_secrets.save(profile, new.client.client_secret)
    profiles.save(profile)
    name = await user_name(opened.manager.server, token)
    scopes = "" if token.scope is None else f" Scopes: {printable(' '.join(sorted(token.scope)))}."
    print_message(f"Signed in{f' as {name}' if name else ''} (profile {profile.name}).{scopes}")
    return ExitCode.OK


def _authorization_request(
    profile: Profile, client: Client, options: LoginOptions, redirect: str
) -> AuthorizationRequest:
    return AuthorizationRequest(server=server_of(profile), client=client, redirect_uri=redirect, scope=options.scope)


def _open_browser(url: str) -> None:
    """Print the URL, and open the browser if there is one."""
    displays = {"BROWSER", "DISPLAY", "WAYLAND_DISPLAY"}
    if sys.platform.startswith("linux") and not displays & os.environ.keys():
        # Python would find only browsers that take over the terminal.
        print_message(f"No browser found. Open this URL in a browser on this machine, or use --no-browser:\n\n{url}\n")
        return
    print_message(f"Opening your browser. If it does not open, open this URL yourself:\n\n{url}\n")
    # Not in the executor: a browser that stays in the foreground would prevent the program from ending.
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def _timeout_message(timeout: float, callback: str) -> str:
    return (
        f"The browser did not return within {timeout:g} s. If it shows 'Invalid redirect_uri. This integration is "
        f"misconfigured', set the callback URL of your OAuth consumer to {callback} (Workspace settings > OAuth "
        "consumers > Edit). If you did not answer Bitbucket's question in time, sign in again."
    )
