"""What `login` was asked for, and what of it does not go together."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from bitbucket_auth_async.cli.profiles.open_profile import stand_in
from bitbucket_auth_async.cli.profiles.paths import CLOUD, DEFAULT_STORE, STATIC
from bitbucket_auth_async.cli.profiles.profiles import GrantType, Profile
from bitbucket_auth_async.cli.terminal.outcome import WrongUsageError
from bitbucket_auth_async.errors import ConfigurationError

DEFAULT_PORT = 8372


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginOptions:
    """What was asked for; None: as this profile had it before, or else as it comes."""

    profile: str
    grant_type: GrantType
    email: str | None
    expires_at: float | None
    """Seconds since the epoch; None: nobody said."""
    no_browser: bool
    store: str | None
    scope: frozenset[str]
    port: int | None
    server: str | None
    limit: float

    def __post_init__(self) -> None:
        """Refuse what does not go together.

        Raises:
            WrongUsageError: Some of it does not.
        """
        static = self.grant_type in STATIC
        if self.email is not None and self.grant_type != "api_token":
            msg = "--email goes with --api-token alone."
            raise WrongUsageError(msg)
        if self.expires_at is not None and not static:
            msg = "--expires goes with --access-token and --api-token: of other tokens Bitbucket says when they end."
            raise WrongUsageError(msg)
        if static and (self.no_browser or self.scope or self.port is not None):
            msg = "--no-browser, --scope and --port are for signing in by OAuth; leave them out."
            raise WrongUsageError(msg)

    def store_after(self, before: Profile | None) -> str:
        """Return where the token is going to be kept.

        Raises:
            ConfigurationError: The address has a password in it.
        """
        store = self.store or (before.store if before else _default_store())
        _refuse_secret_in(store)
        return store

    def server_after(self, before: Profile | None) -> str:
        """Return which server it is going to be.

        Raises:
            ConfigurationError: It is neither Bitbucket Cloud nor on this machine.
        """
        return stand_in(self.server) if self.server else (before.server if before else CLOUD)


def grant_type_of(chosen: Mapping[GrantType, bool]) -> GrantType:
    """Return the one way to sign in that was chosen; a person with a browser if none was.

    Raises:
        WrongUsageError: It is more than one.
    """
    wanted: list[GrantType] = [grant_type for grant_type, yes in chosen.items() if yes]
    if len(wanted) > 1:
        both = " and ".join(f"--{grant_type.replace('_', '-')}" for grant_type in wanted)
        msg = f"{both} are different ways to sign in; give one of them."
        raise WrongUsageError(msg)
    return wanted[0] if wanted else "authorization_code"


def end_of(day: str) -> float:
    """Return the last second of a day, in UTC: until then a token may still work.

    Raises:
        WrongUsageError: It is no day, or has gone by.
    """
    try:
        begins = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
        end = (begins + timedelta(days=1)).timestamp() - 1
    except (ValueError, OverflowError):
        msg = "--expires takes the last day on which the token works, such as 2027-03-01."
        raise WrongUsageError(msg) from None
    if end <= time.time():
        msg = f"--expires {day} has gone by: such a token no longer works. Create another one, and give its last day."
        raise WrongUsageError(msg)
    return end


def _default_store() -> str:
    return "environment" if {"BITBUCKET_AUTH_STORE", "BITBUCKET_AUTH_STORE_FILE"} & os.environ.keys() else DEFAULT_STORE


def _refuse_secret_in(store: str) -> None:
    try:
        has_password = urlsplit(store).password is not None
    except ValueError:
        return  # open_store says that it is no address
    if has_password:
        msg = (
            "--store has a password in it, which everybody on this machine can read in the list of processes. Put the "
            "address into BITBUCKET_AUTH_STORE, or into a file that BITBUCKET_AUTH_STORE_FILE names, and leave --store "
            "out."
        )
        raise ConfigurationError(msg)
