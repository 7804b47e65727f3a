"""Signs in by a static token: asks for it without echo, checks it with the API, and saves it."""

import asyncio
import getpass
import shlex
import sys
import time
from http import HTTPStatus

from bitbucket_auth_async.bearer.static_credentials import StaticToken
from bitbucket_auth_async.cli.profiles import client_secrets, profiles, static_tokens
from bitbucket_auth_async.cli.profiles.open_profile import store_of
from bitbucket_auth_async.cli.profiles.profile import Profile
from bitbucket_auth_async.cli.profiles.server import is_listening, server_of
from bitbucket_auth_async.cli.profiles.whoami import WhoAmI, whoami
from bitbucket_auth_async.cli.sign_in.login_options import DEFAULT_PORT, LoginOptions
from bitbucket_auth_async.cli.terminal.exit_code import CommandFailedError, ExitCode
from bitbucket_auth_async.cli.terminal.output import print_message
from bitbucket_auth_async.cli.terminal.time_format import local_time, relative

_STEPS = {
    "access_token": """\
Create an access token in the settings of a repository (or project, or workspace) > Security > Access tokens.
Permissions: Repositories: Read, Write (clone, fetch, push); Account: Read, if offered (so that `status` can show the
name of its account).
""",
    "api_token": """\
Create an API token under Atlassian account settings > Security > API tokens > Create API token with scopes: choose
Bitbucket, and the scopes read:repository:bitbucket and write:repository:bitbucket (clone, fetch, push) and
read:user:bitbucket (so that `status` can show your name). It needs the e-mail address of the account; a user name does
not work.
""",
}
_REFUSED = {
    "access_token": "it is mistyped, expired or revoked, or it is an API token, which needs --api-token",
    "api_token": "token or e-mail address are mistyped, it is expired or revoked, or it is an access token, which "
    "needs --access-token",
}


def static_login(options: LoginOptions, previous: Profile | None) -> ExitCode:
    """Ask for the token, save it and the profile, and print the user's name.

    Raises:
        BitbucketAuthError: The sign-in failed; an earlier sign-in is unchanged.
    """
    known_email = previous.client_id if previous is not None and previous.grant_type == options.grant_type else ""
    draft = _profile(options, previous, options.email or known_email)
    asyncio.run(_check_store(draft))  # reports a store that is down before the user is asked for anything
    email, text = _ask_for_token(options, known_email)
    profile = _profile(options, previous, email)
    code = asyncio.run(_check_and_save(profile, static_tokens.source_for(profile, text, options.expires_at)))
    if previous is not None:
        client_secrets.forget(previous)  # this profile no longer has a client
    return code


def _profile(options: LoginOptions, previous: Profile | None, email: str) -> Profile:
    return Profile(
        name=options.profile,
        client_id=email,
        secret="none",  # noqa: S106 - the name of a place
        grant_type=options.grant_type,
        store=options.store_or_previous(previous),
        server=options.server_or_previous(previous),
        port=previous.port if previous else DEFAULT_PORT,  # for a later sign-in by browser
    )


async def _check_store(profile: Profile) -> None:
    async with store_of(profile) as store:
        await store.load(profile.key)


def _ask_for_token(options: LoginOptions, known_email: str) -> tuple[str, str]:
    """Return e-mail address and token, from a terminal or from standard input."""
    email = options.email or ""
    asks_email = options.grant_type == "api_token" and not email
    if not sys.stdin.isatty():
        if asks_email and not known_email:
            msg = "An API token needs the e-mail address of its Atlassian account. Give it with --email."
            raise CommandFailedError(msg)
        return email or known_email, _not_empty(sys.stdin.read())
    print_message(_STEPS[options.grant_type])
    try:
        if asks_email:
            sys.stderr.write(f"E-mail address{f' ({known_email})' if known_email else ''}: ")
            sys.stderr.flush()
            email = input().strip() or known_email
        text = getpass.getpass("Token (not shown): ")
    except EOFError:
        text = ""
    return email or known_email, _not_empty(text)


def _not_empty(text: str) -> str:
    if not text.strip():
        msg = "The token is empty. Nothing was changed. Type it in, or give it on standard input: … < file"
        raise CommandFailedError(msg)
    return text.strip()


async def _check_and_save(profile: Profile, source: StaticToken) -> ExitCode:
    answer = await whoami(server_of(profile), source.token)
    if answer.status == HTTPStatus.UNAUTHORIZED:
        msg = f"Bitbucket refuses this token (401): {_REFUSED[profile.grant_type]}. Nothing was changed."
        raise CommandFailedError(msg)
    async with store_of(profile) as store:
        await static_tokens.save(profile, store, source)
    profiles.save(profile)
    _print_outcome(profile, source, answer)
    return ExitCode.OK


def _print_outcome(profile: Profile, source: StaticToken, answer: WhoAmI) -> None:
    kind, name = profile.credential, shlex.quote(profile.name)
    if answer.status == HTTPStatus.OK:
        print_message(f"Signed in{f' as {answer.name}' if answer.name else ''} by an {kind} (profile {profile.name}).")
    elif answer.status == HTTPStatus.FORBIDDEN:
        print_message(
            f"Signed in by an {kind} (profile {profile.name}). Bitbucket accepts it, but it may not read its account."
        )
    else:
        why = answer.error or f"it answered {answer.status}"
        why += "" if is_listening(profile.server) else "; is fake-server running?"
        (origin,) = server_of(profile).api_origins
        print_message(
            f"Saved, but not checked: {origin} did not tell whether it accepts this {kind} ({why}). To check it later: "
            f"bitbucket-auth status --profile {name}"
        )
    if profile.grant_type == "api_token":
        password = f'"$(bitbucket-auth token --profile {name})"'
        print_message(f"For the REST API, add its address: curl -u {shlex.quote(profile.client_id)}:{password} …")
    now = time.time()
    if source.expires_at is None:
        print_message("Its expiry is unknown. Sign in with --expires and its last day to be warned in time.")
    else:
        soon = " Create the next one in time." if source.expires_at - now < static_tokens.EXPIRES_SOON else ""
        print_message(f"It is valid until {local_time(source.expires_at)}, {relative(source.expires_at, now)}.{soon}")
