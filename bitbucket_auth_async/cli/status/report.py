"""What there is to tell of a profile, for people and for programs."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from bitbucket_auth_async.cli.profiles import paths
from bitbucket_auth_async.cli.profiles.profiles import Profile
from bitbucket_auth_async.cli.terminal.outcome import out
from bitbucket_auth_async.cli.terminal.table import table


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What there is to tell, as `status --json` gives it; moments are ISO 8601 in UTC."""

    profile: str
    state: str
    """`good`, `renewal due`, `expired`, `expires soon` (and nobody renews it), `sign-in needed`."""
    who: str | None
    scope: list[str] | None
    issued_at: str | None
    renews_at: str | None
    expires_at: str | None
    refresh_token: str
    """`alive` (as far as can be known without spending it), `refused`, `expired` or `none`."""
    refresh_token_expires_at: str | None
    last_failure: str | None
    client_id: str | None
    email: str | None
    """What goes with an API token."""
    grant_type: str
    """The grant; or `access_token` or `api_token`, which nobody renews."""
    store: str
    server: str


def where(profile: Profile) -> str:
    """Say where a profile's token is kept."""
    if profile.store == "environment":
        return "what BITBUCKET_AUTH_STORE names"
    path = paths.token_file(profile.store)
    return profile.store if path is None else str(path)


def show(standing: Standing, rows: Mapping[str, str], *, as_json: bool) -> None:
    """Show it to a program, or to a person."""
    if as_json:
        out(json.dumps(asdict(standing), indent=2))
    else:
        table(rows)
