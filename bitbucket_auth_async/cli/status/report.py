"""The report on a profile, for users and for programs."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from bitbucket_auth_async.cli.profiles import paths
from bitbucket_auth_async.cli.profiles.profile import Profile
from bitbucket_auth_async.cli.terminal.output import print_result
from bitbucket_auth_async.cli.terminal.table import print_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """The fields of `status --json`; moments are ISO 8601 in UTC."""

    profile: str
    state: str
    """`good`, `renewal due`, `expired`, `expires soon` (a static token), or `sign-in needed`."""
    who: str | None
    scope: list[str] | None
    issued_at: str | None
    renews_at: str | None
    expires_at: str | None
    refresh_token: str
    """`alive` (as far as is known without using it), `refused`, `expired` or `none`."""
    refresh_token_expires_at: str | None
    last_failure: str | None
    client_id: str | None
    email: str | None
    """The e-mail address of an API token."""
    grant_type: str
    """The grant; `access_token` or `api_token` for a static token."""
    store: str
    server: str


def store_location(profile: Profile) -> str:
    """Return where a profile's token is stored."""
    if profile.store == "environment":
        return "the store in BITBUCKET_AUTH_STORE"
    path = paths.token_file(profile.store)
    return profile.store if path is None else str(path)


def print_report(report: StatusReport, fields: Mapping[str, str], *, as_json: bool) -> None:
    """Print the report as JSON, or *fields* as a table."""
    if as_json:
        print_result(json.dumps(asdict(report), indent=2))
    else:
        print_fields(fields)
