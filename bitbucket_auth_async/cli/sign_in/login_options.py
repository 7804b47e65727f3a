"""The options of `login`, and which of them conflict."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from bitbucket_auth_async.cli.profiles.paths import CLOUD, DEFAULT_STORE, STATIC
from bitbucket_auth_async.cli.profiles.profile import GrantType, Profile
from bitbucket_auth_async.cli.profiles.server import parse_server
from bitbucket_auth_async.cli.terminal.exit_code import UsageError
from bitbucket_auth_async.errors import ConfigurationError

DEFAULT_PORT = 8372


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginOptions:
    """The options as given; None: the previous value of this profile, or the default."""

    profile: str
    grant_type: GrantType
    email: str | None
    expires_at: float | None
    """Seconds since the epoch; None: unknown."""
    no_browser: bool
    store: str | None
    scope: frozenset[str]
    port: int | None
    server: str | None
    timeout: float
    """Seconds to wait for the browser."""

    def __post_init__(self) -> None:
        """Refuse options that conflict.

        Raises:
            UsageError: Some options conflict.
        """
        static = self.grant_type in STATIC
        if self.email is not None and self.grant_type != "api_token":
            msg = "--email is only for --api-token."
            raise UsageError(msg)
        if self.expires_at is not None and not static:
            msg = "--expires is only for --access-token and --api-token: Bitbucket tells when other tokens expire."
            raise UsageError(msg)
        if static and (self.no_browser or self.scope or self.port is not None):
            msg = "--no-browser, --scope and --port are only for signing in by OAuth. Omit them."
            raise UsageError(msg)

    def store_or_previous(self, previous: Profile | None) -> str:
        """Return the URL of the store for the token.

        Raises:
            ConfigurationError: The URL contains a password.
        """
        store = self.store or (previous.store if previous else _default_store())
        _refuse_password_in(store)
        return store

    def server_or_previous(self, previous: Profile | None) -> str:
        """Return the origin of the server.

        Raises:
            ConfigurationError: It is neither Bitbucket Cloud nor on this machine.
        """
        return parse_server(self.server) if self.server else (previous.server if previous else CLOUD)


def chosen_grant_type(chosen: Mapping[GrantType, bool]) -> GrantType:
    """Return the chosen way to sign in; by default the authorization code grant.

    Raises:
        UsageError: More than one is chosen.
    """
    wanted: list[GrantType] = [grant_type for grant_type, yes in chosen.items() if yes]
    if len(wanted) > 1:
        both = " and ".join(f"--{grant_type.replace('_', '-')}" for grant_type in wanted)
        msg = f"{both} are different ways to sign in. Choose one."
        raise UsageError(msg)
    return wanted[0] if wanted else "authorization_code"


def last_second_of(day: str) -> float:
    """Return the last second of a day in UTC, in epoch seconds: a token may be valid until then.

    Raises:
        UsageError: It is not a date, or is in the past.
    """
    try:
        begins = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
        end = (begins + timedelta(days=1)).timestamp() - 1
    except (ValueError, OverflowError):
        msg = "--expires must be the last day on which the token is valid, such as 2027-03-01."
        raise UsageError(msg) from None
    if end <= time.time():
        msg = f"--expires {day} is in the past: the token has expired. Create another one, and give its last day."
        raise UsageError(msg)
    return end


def _default_store() -> str:
    return "environment" if {"BITBUCKET_AUTH_STORE", "BITBUCKET_AUTH_STORE_FILE"} & os.environ.keys() else DEFAULT_STORE


def _refuse_password_in(store: str) -> None:
    try:
        has_password = urlsplit(store).password is not None
    except ValueError:
        return  # open_store reports the invalid URL
    if has_password:
        msg = (
            "--store contains a password, which every user of this machine can read in the process list. Put the URL "
            "into BITBUCKET_AUTH_STORE, or into a file that BITBUCKET_AUTH_STORE_FILE names, and omit --store."
        )
        raise ConfigurationError(msg)
