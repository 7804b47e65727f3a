"""Static tokens: created at Bitbucket, kept in a profile's store, never renewed."""

import random
import time
from collections.abc import Callable
from dataclasses import replace

from bitbucket_auth_async.bearer.static_credentials import AccessToken, ApiToken, StaticToken
from bitbucket_auth_async.cli.profiles import paths
from bitbucket_auth_async.cli.profiles.profile import Profile
from bitbucket_auth_async.cli.terminal.exit_code import SignInNeededError
from bitbucket_auth_async.errors import LoginRequiredError
from bitbucket_auth_async.protocols import TokenStore
from bitbucket_auth_async.renewal.record import Issuer, Record
from bitbucket_auth_async.renewal.settle import next_generation, signed_out

EXPIRES_SOON = 14 * 86400.0
"""Seconds before its expiry from which a token is reported to expire soon."""


def source_for(profile: Profile, text: str, expires_at: float | None) -> StaticToken:
    """Return a token source for a static token of a profile.

    Raises:
        ConfigurationError: The token or the e-mail address is invalid.
    """
    if profile.grant_type == "api_token":
        return ApiToken(profile.client_id, text, expires_at=expires_at)
    return AccessToken(text, expires_at=expires_at)


async def load(profile: Profile, store: TokenStore) -> StaticToken | None:
    """Return a profile's stored token, even if expired; None: the store has no such token."""
    found = await store.load(profile.key)
    if found is None or found.record.token is None or found.record.issuer != _issuer(profile):
        return None
    return source_for(profile, found.record.token.access_token, found.record.token.expires_at)


async def load_valid(profile: Profile, store: TokenStore) -> StaticToken:
    """Return a profile's stored token, if it has not expired.

    Raises:
        SignInNeededError: It has expired, or is not in the store.
    """
    source = await load(profile, store)
    if source is None:
        msg = f"Not signed in. Run: {profile.login_command}"
        raise SignInNeededError(msg)
    try:
        await source.get_token()
    except LoginRequiredError as error:
        msg = f"{error} Then run: {profile.login_command}"
        raise SignInNeededError(msg) from None
    return source


async def save(profile: Profile, store: TokenStore, source: StaticToken) -> None:
    """Store a token; it replaces any sign-in under this key.

    Raises:
        StoreError: The store can't be written.
    """

    def with_token(old: Record | None) -> Record:
        generation = next_generation(old, time.time(), jitter=random.random())  # noqa: S311 - no secret: keeps two apart
        record = Record(issuer=_issuer(profile), generation=generation, token=source.token)
        return record if old is None else replace(record, unknown=old.unknown)

    await _change(profile, store, with_token)


async def forget(profile: Profile, store: TokenStore) -> None:
    """Remove a profile's token from the store, for every process that shares it.

    Raises:
        StoreError: The store can't be written.
    """

    def tombstone(old: Record | None) -> Record | None:
        generation = next_generation(old, time.time(), jitter=random.random())  # noqa: S311 - as above
        return signed_out(old, issuer=_issuer(profile), generation=generation)

    await _change(profile, store, tombstone)


async def _change(profile: Profile, store: TokenStore, change: Callable[[Record | None], Record | None]) -> None:
    while True:  # until no other process changes the record in between
        found = await store.load(profile.key)
        record = change(None if found is None else found.record)
        if record is None or await store.swap(profile.key, record, expected=0 if found is None else found.version):
            return


def _issuer(profile: Profile) -> Issuer:
    # Kind and owner, so that the token is neither mistaken for a client's nor sent to another server.
    return Issuer(
        token_endpoint=paths.token_endpoint(profile.server),
        client_id=profile.client_id,
        grant_type=profile.grant_type,
    )
