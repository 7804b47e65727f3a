"""`token`, `refresh` and `logout`: what a script needs of a profile."""

import time

from bitbucket_auth_async.cli.profiles import client_secrets, profiles, static_tokens
from bitbucket_auth_async.cli.profiles.open_profile import opened, ready, store_of
from bitbucket_auth_async.cli.profiles.profiles import Profile
from bitbucket_auth_async.cli.terminal.outcome import ExitCode, FailedError, out, say
from bitbucket_auth_async.cli.terminal.table import columns
from bitbucket_auth_async.cli.terminal.time_format import local, span
from bitbucket_auth_async.errors import LoginRequiredError
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.tokens import Token


async def print_token(name: str | None) -> ExitCode:
    """Print the token alone; a renewal that is due is done first."""
    async with ready(profiles.load().get(name)) as now:
        out(now.token.access_token)
    return ExitCode.FINE


async def refresh(name: str | None) -> ExitCode:
    """Renew now, even if that is not due yet.

    Raises:
        FailedError: It is a token that nobody can renew.
    """
    profile = profiles.load().get(name)
    if profile.is_static:
        async with store_of(profile) as store:
            source = await static_tokens.usable(profile, store)
        msg = f"Nobody can renew an {profile.credential}. {source.advice} Then run: {profile.login_command}"
        raise FailedError(msg)
    async with opened(profile) as identity:
        found = await identity.store.load(profile.key)
        before = None if found is None else found.record.token
        # As after a 401: renewed once for all who share the store, and not while it is very young.
        token = await identity.manager.get_token(before)
    if before is not None and token.access_token == before.access_token:
        age = span(time.time() - token.issued_at)
        say(f"The token is {age} old and was not renewed: one so young is left as it is. It is good{_until(token)}.")
        return ExitCode.FINE
    say(f"Renewed. The token is good{_until(token)}.")
    return ExitCode.FINE


async def logout(name: str | None) -> ExitCode:
    """Forget the token, here and wherever the store is shared; the profile stays, for the next login."""
    profile = profiles.load().get(name)
    await _sign_out(profile)
    if profile.grant_type == "client_credentials":
        say("Its client can get another token at any time; bitbucket-auth profiles --forget ends that on this machine.")
    return ExitCode.FINE


async def _sign_out(profile: Profile) -> None:
    if profile.is_static:
        await _forget_token(profile)
        return
    async with opened(profile, client=Client(profile.client_id)) as identity:
        await identity.manager.logout()
    say(f"Signed out (profile {profile.name}).")
    if profile.grant_type != "client_credentials":
        say("At Bitbucket it is revoked under Personal settings > App authorizations.")


async def _forget_token(profile: Profile) -> None:
    async with store_of(profile) as store:
        await static_tokens.forget(profile, store)
    say(f"Signed out (profile {profile.name}): the {profile.credential} is no longer kept here.")
    say("It goes on working until it is revoked or expires: revoke it at Bitbucket, where it was created.")


def list_profiles() -> ExitCode:
    """Show all profiles, the default one marked.

    Raises:
        LoginRequiredError: There is none.
    """
    found = profiles.load()
    if not found.by_name:
        msg = "There is no profile yet."
        raise LoginRequiredError(msg)
    rows = [
        [
            name,
            "default" if name == found.default else "",
            profile.grant_type,
            profile.client_id or "-",
            profile.store,
        ]
        for name, profile in sorted(found.by_name.items())
    ]
    columns([["PROFILE", "", "KIND", "CLIENT", "STORE"], *rows])
    return ExitCode.FINE


def use_profile(name: str) -> ExitCode:
    """Make a profile the default."""
    profiles.use(name)
    say(f"{name} is the default profile now.")
    return ExitCode.FINE


async def forget_profile(name: str) -> ExitCode:
    """Sign a profile out, and forget it and its client's secret."""
    profile = profiles.load().get(name)
    await _sign_out(profile)
    client_secrets.forget(profile)
    profiles.forget(name)
    say(f"The profile {name} is forgotten.")
    return ExitCode.FINE


def _until(token: Token) -> str:
    return "" if token.expires_at is None else f" until {local(token.expires_at)}"
