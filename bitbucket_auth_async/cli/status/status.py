"""`status`: the user, the scopes, the expiry and the store of a profile's token. It changes nothing."""

import time

from bitbucket_auth_async.bitbucket.limits import UNUSED_REFRESH_TOKEN_LIFETIME
from bitbucket_auth_async.cli.profiles import paths, profiles
from bitbucket_auth_async.cli.profiles.open_profile import open_profile
from bitbucket_auth_async.cli.profiles.profile import Profile
from bitbucket_auth_async.cli.profiles.whoami import user_name
from bitbucket_auth_async.cli.status.report import StatusReport, print_report, store_location
from bitbucket_auth_async.cli.status.static_status import static_status
from bitbucket_auth_async.cli.terminal.exit_code import ExitCode
from bitbucket_auth_async.cli.terminal.output import print_message, printable
from bitbucket_auth_async.cli.terminal.time_format import iso_utc, local_time, relative
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.renewal.decide import rest_left
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.renewal.timing import Timing, deadlines, valid_for


async def status(name: str | None, *, as_json: bool) -> ExitCode:
    """Print the status of a profile; the exit code tells whether a sign-in is needed."""
    profile = profiles.load().get(name)
    if profile.is_static:
        return await static_status(profile, as_json=as_json)
    now = time.time()
    async with open_profile(profile, client=Client(profile.client_id)) as opened:
        found = await opened.store.load(profile.key)
        record = None if found is None else found.record
        token = None if record is None else record.token
        valid = token is not None and valid_for(token, now) > 0
        user = await user_name(opened.manager.server, token) if token is not None and valid else None
    report = _report(profile, record, user, now)
    print_report(report, _fields(report, token, now), as_json=as_json)
    if report.state != "sign-in needed":
        return ExitCode.OK
    print_message(f"Run: {profile.login_command}")
    return ExitCode.SIGN_IN_NEEDED


def _report(profile: Profile, record: Record | None, user: str | None, now: float) -> StatusReport:
    token = None if record is None else record.token
    refresh_token, refresh_token_expires_at = _refresh_token_state(record, token, now)
    left = None if record is None else rest_left(record, now)
    reason = record.rest.reason if record is not None and record.rest is not None and left is not None else None
    renews_at = _renews_at(token)
    return StatusReport(
        profile=profile.name,
        state=_state(profile, token, refresh_token, now),
        who=user,
        scope=None if token is None or token.scope is None else sorted(map(printable, token.scope)),
        issued_at=None if token is None or token.issued_at == 0 else iso_utc(token.issued_at),
        renews_at=None if renews_at is None else iso_utc(renews_at),
        expires_at=None if token is None or token.expires_at is None else iso_utc(token.expires_at),
        refresh_token=refresh_token,
        refresh_token_expires_at=None if refresh_token_expires_at is None else iso_utc(refresh_token_expires_at),
        last_failure=None if reason is None else printable(reason),
        client_id=profile.client_id,
        email=None,
        grant_type=profile.grant_type,
        store=store_location(profile),
        server=profile.server,
    )


def _refresh_token_state(record: Record | None, token: Token | None, now: float) -> tuple[str, float | None]:
    if record is None or token is None or token.refresh_token is None:
        return "none", None
    if record.refused is not None:
        return "refused", None
    expires_at = token.issued_at + UNUSED_REFRESH_TOKEN_LIFETIME if token.issued_at > 0 else None
    return ("alive" if expires_at is None or now < expires_at else "expired"), expires_at


def _state(profile: Profile, token: Token | None, refresh_token: str, now: float) -> str:
    if profile.grant_type == "authorization_code" and (
        token is None or (refresh_token != "alive" and valid_for(token, now) <= 0)  # noqa: S105 - a state
    ):
        return "sign-in needed"
    if token is None or valid_for(token, now) <= 0:
        return "expired"
    renews_at = _renews_at(token)
    return "good" if renews_at is None or now < renews_at else "renewal due"


def _renews_at(token: Token | None) -> float | None:
    if token is None or token.expires_at is None:
        return None
    return deadlines(token, wall=token.issued_at, boot=token.issued_at, timing=Timing(), jitter=0.0).stale_at


def _fields(report: StatusReport, token: Token | None, now: float) -> dict[str, str]:
    def moment(at: float | None) -> str:
        return "unknown" if at is None else f"{local_time(at)}, {relative(at, now)}"

    fields = {"profile": report.profile, "state": report.state}
    if token is not None:
        valid = report.state in {"good", "renewal due"}
        fields["user"] = report.who or ("the API does not tell" if valid else "unknown")
        fields["scopes"] = "unknown" if report.scope is None else " ".join(report.scope) or "none"
        fields["expires"] = moment(token.expires_at)
        fields["renews"] = moment(_renews_at(token))
        fields["refresh token"] = _describe_refresh_token(report, token, now)
    if report.last_failure is not None:
        fields["last renewal"] = f"failed: {report.last_failure}"
    fields |= {"client": report.client_id or "", "grant": report.grant_type, "store": report.store}
    return fields | ({} if report.server == paths.CLOUD else {"server": report.server})


def _describe_refresh_token(report: StatusReport, token: Token, now: float) -> str:
    if report.refresh_token in {"none", "refused", "expired"}:
        return "not needed" if report.grant_type == "client_credentials" else report.refresh_token
    expires_at = token.issued_at + UNUSED_REFRESH_TOKEN_LIFETIME
    return f"valid as far as is known; expires {relative(expires_at, now)} unless it is used"
