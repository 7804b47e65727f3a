"""Signing in by a token that a person made at Bitbucket: asked for unseen, shown to the API once, and kept."""

import asyncio
import getpass
import shlex
import sys
import time
from http import HTTPStatus

from bitbucket_auth_async.bearer.static_credentials import StaticToken
from bitbucket_auth_async.cli.profiles import client_secrets, profiles, static_tokens
from bitbucket_auth_async.cli.profiles.open_profile import answers, server_of, store_of
from bitbucket_auth_async.cli.profiles.profiles import Profile
from bitbucket_auth_async.cli.profiles.whoami import Introduction, introduced
from bitbucket_auth_async.cli.sign_in.login_options import DEFAULT_PORT, LoginOptions
from bitbucket_auth_async.cli.terminal.outcome import ExitCode, FailedError, say
from bitbucket_auth_async.cli.terminal.time_format import away, local

_STEPS = {
    "access_token": """\
An access token is made in the settings of a repository (or project, or workspace) > Security > Access tokens.
Permissions: Repositories: Read, Write (clone, fetch, push); Account: Read, if there is one (then `status` says who).
""",
    "api_token": """\
An API token is made under Atlassian account settings > Security > API tokens > Create API token with scopes: choose
Bitbucket, and the scopes read:repository:bitbucket and write:repository:bitbucket (clone, fetch, push) and
read:user:bitbucket (so that `status` can say who you are). A user name does not do; it takes the e-mail address.
""",
}
_REFUSED = {
    "access_token": "it is mistyped, expired or revoked, or it is an API token, which --api-token takes",
    "api_token": "token or e-mail address are mistyped, it is expired or revoked, or it is an access token, which "
    "--access-token takes",
}


def static_login(options: LoginOptions, before: Profile | None) -> ExitCode:
    """Ask for the token, keep it and the profile, and say who it is.

    Raises:
        BitbucketAuthError: It did not come to that; an earlier sign-in stands as it was.
    """
    former = before.client_id if before is not None and before.grant_type == options.grant_type else ""
    drawn = _profile(options, before, options.email or former)
    asyncio.run(_reachable(drawn))  # before anybody is bothered: a store that is down
    email, text = _asked(options, former)
    profile = _profile(options, before, email)
    code = asyncio.run(_checked_and_kept(profile, static_tokens.made(profile, text, options.expires_at)))
    if before is not None:
        client_secrets.forget(before)  # this profile has no client any more
    return code


def _profile(options: LoginOptions, before: Profile | None, email: str) -> Profile:
    return Profile(
        name=options.profile,
        client_id=email,
        secret="none",  # noqa: S106 - the name of a place
        grant_type=options.grant_type,
        store=options.store_after(before),
        server=options.server_after(before),
        port=before.port if before else DEFAULT_PORT,  # for a sign-in by browser, later
    )


async def _reachable(profile: Profile) -> None:
    async with store_of(profile) as store:
        await store.load(profile.key)


def _asked(options: LoginOptions, former: str) -> tuple[str, str]:
    """Return e-mail address and token, from a terminal or from standard input."""
    email = options.email or ""
    wants_email = options.grant_type == "api_token" and not email
    if not sys.stdin.isatty():
        if wants_email and not former:
            msg = "An API token takes the e-mail address of its Atlassian account: give it with --email."
            raise FailedError(msg)
        return email or former, _not_empty(sys.stdin.read())
    say(_STEPS[options.grant_type])
    try:
        if wants_email:
            sys.stderr.write(f"E-mail address{f' ({former})' if former else ''}: ")
            sys.stderr.flush()
            email = input().strip() or former
        text = getpass.getpass("Token (it does not show): ")
    except EOFError:
        text = ""
    return email or former, _not_empty(text)


def _not_empty(text: str) -> str:
    if not text.strip():
        msg = "No token came. Nothing was changed. It is typed in, or read from standard input: … < file"
        raise FailedError(msg)
    return text.strip()


async def _checked_and_kept(profile: Profile, source: StaticToken) -> ExitCode:
    said = await introduced(server_of(profile), source.token)
    if said.status == HTTPStatus.UNAUTHORIZED:
        msg = f"Bitbucket refuses this token (401): {_REFUSED[profile.grant_type]}. Nothing was changed."
        raise FailedError(msg)
    async with store_of(profile) as store:
        await static_tokens.keep(profile, store, source)
    profiles.save(profile)
    _tell(profile, source, said)
    return ExitCode.FINE


def _tell(profile: Profile, source: StaticToken, said: Introduction) -> None:
    kind = profile.credential
    if said.status == HTTPStatus.OK:
        say(f"Signed in{f' as {said.name}' if said.name else ''} by an {kind} (profile {profile.name}).")
    elif said.status == HTTPStatus.FORBIDDEN:
        say(f"Signed in by an {kind} (profile {profile.name}). Bitbucket knows it; it may not read whose it is.")
    else:
        why = said.trouble or f"it answered {said.status}"
        why += "" if answers(profile.server) else "; is fake-server running?"
        (origin,) = server_of(profile).api_origins
        say(
            f"Kept, but not tried: {origin} did not say whether it knows this {kind} ({why}). Later, see: "
            f"bitbucket-auth status --profile {shlex.quote(profile.name)}"
        )
    if profile.grant_type == "api_token":
        token = f'"$(bitbucket-auth token --profile {shlex.quote(profile.name)})"'
        say(f"For the REST API it goes with its address: curl -u {shlex.quote(profile.client_id)}:{token} …")
    now = time.time()
    if source.expires_at is None:
        say("When it ends is not known: sign in with --expires and its last day to be warned in time.")
    else:
        soon = " Create the next one in time." if source.expires_at - now < static_tokens.SOON else ""
        say(f"It is good until {local(source.expires_at)}, {away(source.expires_at, now)}.{soon}")
