"""Tokens that a person made at Bitbucket and nobody renews: kept in a profile's store, read, and forgotten there."""

import random
import time
from collections.abc import Callable
from dataclasses import replace

from bitbucket_auth_async.bearer.static_credentials import AccessToken, ApiToken, StaticToken
from bitbucket_auth_async.cli.profiles import paths
from bitbucket_auth_async.cli.profiles.profiles import Profile
from bitbucket_auth_async.cli.terminal.outcome import SignInAgainError
from bitbucket_auth_async.errors import LoginRequiredError
from bitbucket_auth_async.protocols import TokenStore
from bitbucket_auth_async.renewal.record import Issuer, Record
from bitbucket_auth_async.renewal.settle import next_generation, signed_out

SOON = 14 * 86400.0
"""Seconds before its end from which a token is said to end soon."""


def made(profile: Profile, text: str, expires_at: float | None) -> StaticToken:
    """Return a profile's token as a source for whoever needs it.

    Raises:
        ConfigurationError: The text is no token, or the e-mail address none.
    """
    if profile.grant_type == "api_token":
        return ApiToken(profile.client_id, text, expires_at=expires_at)
    return AccessToken(text, expires_at=expires_at)


async def kept(profile: Profile, store: TokenStore) -> StaticToken | None:
    """Return what the store has for a profile, expired or not; None: nothing, or another kind of sign-in."""
    found = await store.load(profile.key)
    if found is None or found.record.token is None or found.record.issuer != _issuer(profile):
        return None
    return made(profile, found.record.token.access_token, found.record.token.expires_at)


async def usable(profile: Profile, store: TokenStore) -> StaticToken:
    """Return what the store has for a profile, and has not expired.

    Raises:
        SignInAgainError: There is none, or it has.
    """
    source = await kept(profile, store)
    if source is None:
        msg = f"Nobody is signed in. Run: {profile.login_command}"
        raise SignInAgainError(msg)
    try:
        await source.get_token()
    except LoginRequiredError as error:
        msg = f"{error} Then run: {profile.login_command}"
        raise SignInAgainError(msg) from None
    return source


async def keep(profile: Profile, store: TokenStore, source: StaticToken) -> None:
    """Put a token into the store, in the place of whatever sign-in is there under this key.

    Raises:
        StoreError: It could not be written.
    """

    def put(old: Record | None) -> Record:
        generation = next_generation(old, time.time(), jitter=random.random())  # noqa: S311 - no secret: keeps two apart
        record = Record(issuer=_issuer(profile), generation=generation, token=source.token)
        return record if old is None else replace(record, unknown=old.unknown)

    await _change(profile, store, put)


async def forget(profile: Profile, store: TokenStore) -> None:
    """Take a profile's token out of the store; all who share it learn of that.

    Raises:
        StoreError: It could not be written.
    """

    def tombstone(old: Record | None) -> Record | None:
        generation = next_generation(old, time.time(), jitter=random.random())  # noqa: S311 - as above
        return signed_out(old, issuer=_issuer(profile), generation=generation)

    await _change(profile, store, tombstone)


async def _change(profile: Profile, store: TokenStore, change: Callable[[Record | None], Record | None]) -> None:
    while True:  # until nobody comes between
        found = await store.load(profile.key)
        record = change(None if found is None else found.record)
        if record is None or await store.swap(profile.key, record, expected=0 if found is None else found.version):
            return


def _issuer(profile: Profile) -> Issuer:
    # Where it was made and whose it is: so that it is never taken for a client's, nor shown to another server.
    return Issuer(
        token_endpoint=paths.token_endpoint(profile.server),
        client_id=profile.client_id,
        grant_type=profile.grant_type,
    )
