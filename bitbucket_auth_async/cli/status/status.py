"""How a profile stands: who, what it may do, until when, and where it is kept. It looks, and changes nothing."""

import time

from bitbucket_auth_async.bitbucket.limits import UNUSED_REFRESH_TOKEN_LIFETIME
from bitbucket_auth_async.cli.profiles import paths, profiles
from bitbucket_auth_async.cli.profiles.open_profile import opened
from bitbucket_auth_async.cli.profiles.profiles import Profile
from bitbucket_auth_async.cli.profiles.summary import Standing, show, where
from bitbucket_auth_async.cli.profiles.whoami import who
from bitbucket_auth_async.cli.static_status import static_status
from bitbucket_auth_async.cli.terminal.outcome import ExitCode, printable, say
from bitbucket_auth_async.cli.terminal.time_format import away, iso, local
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.renewal.decide import rest_left
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.renewal.timing import Timing, deadlines, valid_for


async def status(name: str | None, *, as_json: bool) -> ExitCode:
    """Say how a profile stands; the exit code tells whether somebody must sign in."""
    profile = profiles.load().get(name)
    if profile.is_static:
        return await static_status(profile, as_json=as_json)
    now = time.time()
    async with opened(profile, client=Client(profile.client_id)) as identity:
        found = await identity.store.load(profile.key)
        record = None if found is None else found.record
        token = None if record is None else record.token
        good = token is not None and valid_for(token, now) > 0
        name_of = await who(identity.manager.server, token) if token is not None and good else None
    standing = _standing(profile, record, name_of, now)
    show(standing, _rows(standing, None if record is None else record.token, now), as_json=as_json)
    if standing.state != "sign-in needed":
        return ExitCode.FINE
    say(f"Run: {profile.login_command}")
    return ExitCode.SIGN_IN_NEEDED


def _standing(profile: Profile, record: Record | None, name: str | None, now: float) -> Standing:
    token = None if record is None else record.token
    renewable, dies_at = _renewable(record, token, now)
    left = None if record is None else rest_left(record, now)
    reason = record.rest.reason if record is not None and record.rest is not None and left is not None else None
    renews_at = _renews_at(token)
    return Standing(
        profile=profile.name,
        state=_state(profile, token, renewable, now),
        who=name,
        scope=None if token is None or token.scope is None else sorted(map(printable, token.scope)),
        issued_at=None if token is None or token.issued_at == 0 else iso(token.issued_at),
        renews_at=None if renews_at is None else iso(renews_at),
        expires_at=None if token is None or token.expires_at is None else iso(token.expires_at),
        refresh_token=renewable,
        refresh_token_expires_at=None if dies_at is None else iso(dies_at),
        last_failure=None if reason is None else printable(reason),
        client_id=profile.client_id,
        email=None,
        grant_type=profile.grant_type,
        store=where(profile),
        server=profile.server,
    )


def _renewable(record: Record | None, token: Token | None, now: float) -> tuple[str, float | None]:
    if record is None or token is None or token.refresh_token is None:
        return "none", None
    if record.refused is not None:
        return "refused", None
    dies_at = token.issued_at + UNUSED_REFRESH_TOKEN_LIFETIME if token.issued_at > 0 else None
    return ("alive" if dies_at is None or now < dies_at else "expired"), dies_at


def _state(profile: Profile, token: Token | None, renewable: str, now: float) -> str:
    if profile.grant_type == "authorization_code" and (
        token is None or (renewable != "alive" and valid_for(token, now) <= 0)
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


def _rows(standing: Standing, token: Token | None, now: float) -> dict[str, str]:
    def moment(at: float | None) -> str:
        return "unknown" if at is None else f"{local(at)}, {away(at, now)}"

    rows = {"profile": standing.profile, "state": standing.state}
    if token is not None:
        rows["who"] = standing.who or (
            "the API does not say" if standing.state in {"good", "renewal due"} else "unknown"
        )
        rows["scopes"] = "unknown" if standing.scope is None else " ".join(standing.scope) or "none"
        rows["expires"] = moment(token.expires_at)
        rows["renews"] = moment(_renews_at(token))
        rows["refresh token"] = _about_refresh(standing, token, now)
    if standing.last_failure is not None:
        rows["last renewal"] = f"failed: {standing.last_failure}"
    rows |= {"client": standing.client_id or "", "grant": standing.grant_type, "kept in": standing.store}
    return rows | ({} if standing.server == paths.CLOUD else {"server": standing.server})


def _about_refresh(standing: Standing, token: Token, now: float) -> str:
    if standing.refresh_token in {"none", "refused", "expired"}:
        by_itself = standing.grant_type == "client_credentials"
        return "none is needed: the client gets its tokens by itself" if by_itself else standing.refresh_token
    dies_at = token.issued_at + UNUSED_REFRESH_TOKEN_LIFETIME
    return f"alive as far as is known; unused, it dies {away(dies_at, now)}"
