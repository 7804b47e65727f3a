"""How a profile stands whose token nobody renews: whose, until when, and what to do as it ends."""

import time
from http import HTTPStatus

from bitbucket_auth_async.bearer.static_credentials import StaticToken
from bitbucket_auth_async.cli.profiles import paths, static_tokens
from bitbucket_auth_async.cli.profiles.open_profile import server_of, store_of
from bitbucket_auth_async.cli.profiles.profiles import Profile
from bitbucket_auth_async.cli.profiles.summary import Standing, show, where
from bitbucket_auth_async.cli.profiles.whoami import introduced
from bitbucket_auth_async.cli.terminal.outcome import ExitCode, say
from bitbucket_auth_async.cli.terminal.time_format import away, iso, local, span


async def static_status(profile: Profile, *, as_json: bool) -> ExitCode:
    """Say how a profile stands; the exit code tells whether somebody must sign in."""
    now = time.time()
    async with store_of(profile) as store:
        source = await static_tokens.kept(profile, store)
    name, trouble = await _asked(profile, source, now)
    standing = _standing(profile, source, name, trouble, now)
    show(standing, _rows(profile, standing, source, now), as_json=as_json)
    if standing.state == "good":
        return ExitCode.FINE
    advice = "" if source is None else f"{source.advice} Then run: "
    if standing.state == "expires soon":
        left = span((source.expires_at if source and source.expires_at else now) - now)
        say(f"It ends in {left}, and nobody renews it. {advice}{profile.login_command}")
        return ExitCode.FINE
    say(f"{trouble or 'Nobody is signed in.'} {advice or 'Run: '}{profile.login_command}")
    return ExitCode.SIGN_IN_NEEDED


async def _asked(profile: Profile, source: StaticToken | None, now: float) -> tuple[str | None, str | None]:
    """Return who the token speaks for, and why it is no longer good."""
    if source is None:
        return None, None
    if source.expires_at is not None and now >= source.expires_at:
        return None, "It has expired."
    said = await introduced(server_of(profile), source.token)
    return said.name, "Bitbucket refuses it (401)." if said.status == HTTPStatus.UNAUTHORIZED else None


def _standing(
    profile: Profile, source: StaticToken | None, name: str | None, trouble: str | None, now: float
) -> Standing:
    expires_at = None if source is None else source.expires_at
    soon = expires_at is not None and expires_at - now < static_tokens.SOON
    good = "expires soon" if soon else "good"
    return Standing(
        profile=profile.name,
        state="sign-in needed" if source is None or trouble is not None else good,
        who=name,
        scope=None,
        issued_at=None,
        renews_at=None,
        expires_at=None if expires_at is None else iso(expires_at),
        refresh_token="none",  # noqa: S106 - there is none
        refresh_token_expires_at=None,
        last_failure=trouble,
        client_id=None,
        email=profile.client_id or None,
        grant_type=profile.grant_type,
        store=where(profile),
        server=profile.server,
    )


def _rows(profile: Profile, standing: Standing, source: StaticToken | None, now: float) -> dict[str, str]:
    rows = {"profile": standing.profile, "state": standing.state, "kind": profile.kind}
    if standing.email is not None:
        rows["e-mail"] = standing.email
    if source is not None:
        rows["who"] = standing.who or ("unknown" if standing.last_failure else "the API does not say")
        end = source.expires_at
        rows["expires"] = "not known: no --expires was given" if end is None else f"{local(end)}, {away(end, now)}"
        rows["renews"] = "never: create another one in time"
    if standing.last_failure is not None:
        rows["trouble"] = standing.last_failure
    rows["kept in"] = standing.store
    return rows | ({} if standing.server == paths.CLOUD else {"server": standing.server})
