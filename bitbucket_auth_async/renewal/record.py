"""Record: everything a store keeps about one identity, and its form as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from bitbucket_auth_async.errors import RecordError
from bitbucket_auth_async.oauth2.json_types import (
    expect_bool,
    expect_count,
    expect_list,
    expect_mapping,
    expect_number,
    expect_str,
    is_mapping,
)
from bitbucket_auth_async.oauth2.tokens import Token

SCHEMA = 1
"""Readers refuse a newer schema; adding top-level fields does not need a new one."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def new_version() -> int:
    """Return a version for a record to be stored: 63 random bits, never 0."""
    import secrets  # noqa: PLC0415 - takes 3 ms, and only a store needs it

    return secrets.randbits(63) or 1


class NoFields:
    """A value without fields, equal to each value of its class."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        """Compare classes."""
        return type(self) is type(other)

    def __hash__(self) -> int:
        """Hash the class."""
        return hash(type(self))

    def __repr__(self) -> str:
        """Show the class."""
        return f"{type(self).__name__}()"


# NamedTuples where the protocol needs plain values: a dataclass takes nine times as long to import.
class Issuer(NamedTuple):
    """The origin of a token: it is renewed only there, by that client."""

    token_endpoint: str
    client_id: str
    grant_type: str
    """The grant that began this sign-in; renewals do not change it."""


class Claim(NamedTuple):
    """Says that an owner is spending a token: the lock of R1, and the trace that R9 needs."""

    owner: str
    """The id of one manager in one process."""
    host: str | None
    """Boot and PID namespace of the owner; None where the system does not say."""
    process: str | None
    """The owner's process id and start time."""
    since: float
    """Epoch seconds of the claim."""
    spends: str | None
    """Fingerprint of the refresh token that is spent; None: a replayable grant."""
    doubt_since: float | None = None
    """Epoch seconds of an earlier spend of the same token that got no answer."""
    lost: bool = False
    """The owner received no answer, and so no new token."""


class Rest(NamedTuple):
    """The wait after a failed attempt, for every process."""

    since: float
    """Epoch seconds on the clock of the process that failed."""
    until: float
    """Epoch seconds."""
    attempts: int
    """Failed attempts in a row."""
    reason: str
    """The last error, without secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One identity as all processes share it; every change is a `swap` in the store."""

    issuer: Issuer
    generation: int
    """Counts sign-ins and sign-outs; a renewal stays within its generation."""
    token: Token | None = None
    signed_out: bool = False
    claim: Claim | None = None
    spares: tuple[Token, ...] = ()
    """Tokens that arrived too late to be the current one; newest first."""
    spent: tuple[str, ...] = ()
    """Fingerprints of refresh tokens that were certainly spent or refused; newest first."""
    refused: str | None = None
    """Fingerprint of the current token's refresh token, once the server has refused it."""
    rest: Rest | None = None
    forced: int = 0
    """Renewals in a row that a 401 forced."""
    unknown: Mapping[str, Any] = field(default_factory=lambda: _NOTHING, repr=False)
    """Fields of a later release, kept unchanged."""

    def to_plain(self) -> dict[str, Any]:
        """Return JSON-able data, secrets included, that `from_plain` reads back."""
        claim, rest, issuer = self.claim, self.rest, self.issuer
        return {
            **self.unknown,
            "schema": SCHEMA,
            "issuer": _slots(issuer),
            "generation": self.generation,
            "token": None if self.token is None else self.token.to_plain(),
            "signed_out": self.signed_out,
            "claim": None if claim is None else _slots(claim),
            "spares": [spare.to_plain() for spare in self.spares],
            "spent": list(self.spent),
            "refused": self.refused,
            "rest": None if rest is None else _slots(rest),
            "forced": self.forced,
        }

    @classmethod
    def from_plain(cls, data: object) -> Self:
        """Return the record of which `to_plain` made *data*.

        Raises:
            RecordError: It is something else, or has a newer schema; the message shows none of its values.
        """
        schema = data.get("schema") if is_mapping(data) else None
        if not is_mapping(data) or isinstance(schema, bool) or not isinstance(schema, int) or schema < 1:
            msg = "This is not a record of bitbucket-auth-async; it is left as it is."
            raise RecordError(msg)
        if schema > SCHEMA:
            msg = f"The record has a schema newer than {SCHEMA}: update bitbucket-auth-async here too."
            raise RecordError(msg)
        try:
            return cls(
                issuer=_issuer(expect_mapping(data["issuer"])),
                generation=expect_count(data["generation"]),
                token=None if data["token"] is None else Token.from_plain(expect_mapping(data["token"])),
                signed_out=expect_bool(data["signed_out"]),
                claim=None if data["claim"] is None else _claim(expect_mapping(data["claim"])),
                spares=tuple(Token.from_plain(expect_mapping(spare)) for spare in expect_list(data["spares"])),
                spent=tuple(map(expect_str, expect_list(data["spent"]))),
                refused=_text_or_none(data["refused"]),
                rest=None if data["rest"] is None else _rest(expect_mapping(data["rest"])),
                forced=expect_count(data["forced"]),
                unknown=MappingProxyType({name: value for name, value in data.items() if name not in _KNOWN}),
            )
        except (KeyError, TypeError, ValueError) as error:
            # The cause would show the value, which may be a secret.
            msg = f"The record is damaged ({type(error).__name__}); it is left as it is."
            raise RecordError(msg) from None


_KNOWN = frozenset({"schema", *Record.__slots__}) - {"unknown"}


def _slots(value: Issuer | Claim | Rest) -> dict[str, Any]:
    return value._asdict()


def _issuer(data: Mapping[str, Any]) -> Issuer:
    return Issuer(
        token_endpoint=expect_str(data["token_endpoint"]),
        client_id=expect_str(data["client_id"]),
        grant_type=expect_str(data["grant_type"]),
    )


def _claim(data: Mapping[str, Any]) -> Claim:
    doubt_since = data["doubt_since"]
    return Claim(
        owner=expect_str(data["owner"]),
        host=_text_or_none(data["host"]),
        process=_text_or_none(data["process"]),
        since=expect_number(data["since"]),
        spends=_text_or_none(data["spends"]),
        doubt_since=None if doubt_since is None else expect_number(doubt_since),
        lost=expect_bool(data["lost"]),
    )


def _rest(data: Mapping[str, Any]) -> Rest:
    return Rest(
        since=expect_number(data["since"]),
        until=expect_number(data["until"]),
        attempts=expect_count(data["attempts"]),
        reason=expect_str(data["reason"]),
    )


def _text_or_none(value: object) -> str | None:
    return None if value is None else expect_str(value)
