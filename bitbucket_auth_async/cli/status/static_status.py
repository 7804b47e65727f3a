"""`status` of a profile with a static token."""

import time
from http import HTTPStatus

from bitbucket_auth_async.bearer.static_credentials import StaticToken
from bitbucket_auth_async.cli.profiles import paths, static_tokens
from bitbucket_auth_async.cli.profiles.open_profile import store_of
from bitbucket_auth_async.cli.profiles.profile import Profile
from bitbucket_auth_async.cli.profiles.server import server_of
from bitbucket_auth_async.cli.profiles.whoami import whoami
from bitbucket_auth_async.cli.status.report import StatusReport, print_report, store_location
from bitbucket_auth_async.cli.terminal.exit_code import ExitCode
from bitbucket_auth_async.cli.terminal.output import print_message
from bitbucket_auth_async.cli.terminal.time_format import duration, iso_utc, local_time, relative


async def static_status(profile: Profile, *, as_json: bool) -> ExitCode:
    """Print the status; the exit code tells whether a sign-in is needed."""
    now = time.time()
    async with store_of(profile) as store:
        source = await static_tokens.load(profile, store)
    user, problem = await _check(profile, source, now)
    report = _report(profile, source, user, problem, now)
    print_report(report, _fields(profile, report, source, now), as_json=as_json)
    if report.state == "good":
        return ExitCode.OK
    advice = "" if source is None else f"{source.advice} Then run: "
    if report.state == "expires soon":
        left = duration((source.expires_at if source and source.expires_at else now) - now)
        print_message(f"The token expires in {left} and can't be renewed. {advice}{profile.login_command}")
        return ExitCode.OK
    print_message(f"{problem or 'Not signed in.'} {advice or 'Run: '}{profile.login_command}")
    return ExitCode.SIGN_IN_NEEDED


async def _check(profile: Profile, source: StaticToken | None, now: float) -> tuple[str | None, str | None]:
    """Return the user's name, and why the token is not valid."""
    if source is None:
        return None, None
    if source.expires_at is not None and now >= source.expires_at:
        return None, "The token has expired."
    answer = await whoami(server_of(profile), source.token)
    return answer.name, "Bitbucket refuses the token (401)." if answer.status == HTTPStatus.UNAUTHORIZED else None


def _report(
    profile: Profile, source: StaticToken | None, user: str | None, problem: str | None, now: float
) -> StatusReport:
    expires_at = None if source is None else source.expires_at
    soon = expires_at is not None and expires_at - now < static_tokens.EXPIRES_SOON
    valid_state = "expires soon" if soon else "good"
    return StatusReport(
        profile=profile.name,
        state="sign-in needed" if source is None or problem is not None else valid_state,
        who=user,
        scope=None,
        issued_at=None,
        renews_at=None,
        expires_at=None if expires_at is None else iso_utc(expires_at),
        refresh_token="none",  # noqa: S106 - there is no such token
        refresh_token_expires_at=None,
        last_failure=problem,
        client_id=None,
        email=profile.client_id or None,
        grant_type=profile.grant_type,
        store=store_location(profile),
        server=profile.server,
    )


def _fields(profile: Profile, report: StatusReport, source: StaticToken | None, now: float) -> dict[str, str]:
    fields = {"profile": report.profile, "state": report.state, "kind": profile.kind}
    if report.email is not None:
        fields["e-mail"] = report.email
    if source is not None:
        fields["user"] = report.who or ("unknown" if report.last_failure else "the API does not tell")
        end = source.expires_at
        fields["expires"] = (
            "unknown: no --expires was given" if end is None else f"{local_time(end)}, {relative(end, now)}"
        )
        fields["renews"] = "never: create another token in time"
    if report.last_failure is not None:
        fields["problem"] = report.last_failure
    fields["store"] = report.store
    return fields | ({} if report.server == paths.CLOUD else {"server": report.server})
