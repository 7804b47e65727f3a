"""`token`, `refresh` and `logout`."""

import shlex
import time

from bitbucket_auth_async.cli.profiles import profiles, static_tokens
from bitbucket_auth_async.cli.profiles.open_profile import open_profile, store_of, valid_token
from bitbucket_auth_async.cli.profiles.profile import Profile
from bitbucket_auth_async.cli.terminal.exit_code import CommandFailedError, ExitCode
from bitbucket_auth_async.cli.terminal.output import print_message, print_result
from bitbucket_auth_async.cli.terminal.time_format import duration, local_time
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.tokens import Token


async def print_token(name: str | None) -> ExitCode:
    """Print only the access token; a renewal that is due is finished first."""
    async with valid_token(profiles.load().get(name)) as valid:
        print_result(valid.token.access_token)
    return ExitCode.OK


async def refresh(name: str | None) -> ExitCode:
    """Renew the token, even if that is not due yet.

    Raises:
        CommandFailedError: The token is static.
    """
    profile = profiles.load().get(name)
    if profile.is_static:
        async with store_of(profile) as store:
            source = await static_tokens.load_valid(profile, store)
        msg = f"An {profile.credential} can't be renewed. {source.advice} Then run: {profile.login_command}"
        raise CommandFailedError(msg)
    async with open_profile(profile) as opened:
        found = await opened.store.load(profile.key)
        before = None if found is None else found.record.token
        # As after a 401: one renewal for all processes that share the store, and none while the token is very young.
        token = await opened.manager.get_token(before)
    if before is not None and token.access_token == before.access_token:
        age = duration(time.time() - token.issued_at)
        print_message(f"The token is only {age} old and was not renewed. It is valid{_until(token)}.")
        return ExitCode.OK
    print_message(f"Renewed. The token is valid{_until(token)}.")
    return ExitCode.OK


async def logout(name: str | None) -> ExitCode:
    """Remove the token from the store; the profile remains for the next login."""
    profile = profiles.load().get(name)
    await sign_out(profile)
    if profile.grant_type == "client_credentials":
        print_message(
            "Its client can still get a new token on this machine. To prevent that, run: "
            f"bitbucket-auth profiles --forget {shlex.quote(profile.name)}"
        )
    return ExitCode.OK


async def sign_out(profile: Profile) -> None:
    """Remove a profile's token from the store, and say where to revoke it at Bitbucket."""
    if profile.is_static:
        await _forget_static_token(profile)
        return
    async with open_profile(profile, client=Client(profile.client_id)) as opened:
        await opened.manager.logout()
    print_message(f"Signed out (profile {profile.name}).")
    if profile.grant_type != "client_credentials":
        print_message("To revoke the access at Bitbucket too: Personal settings > App authorizations.")


async def _forget_static_token(profile: Profile) -> None:
    async with store_of(profile) as store:
        await static_tokens.forget(profile, store)
    print_message(f"Signed out (profile {profile.name}): the {profile.credential} was removed from this machine.")
    print_message("It works until it expires or is revoked. Revoke it at Bitbucket, where it was created.")


def _until(token: Token) -> str:
    return "" if token.expires_at is None else f" until {local_time(token.expires_at)}"
