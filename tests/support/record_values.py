"""Tokens, claims and records for tests of the pure protocol, and Hypothesis strategies that draw others."""

from typing import Any

from hypothesis import strategies as st

from bitbucket_auth_async.oauth2.tokens import Token, fingerprint
from bitbucket_auth_async.renewal.decide import Rejection, View
from bitbucket_auth_async.renewal.record import Claim, Issuer, Record, Rest
from bitbucket_auth_async.renewal.timing import Age

NOW = 1_800_000_000.0
PERSON = Issuer(token_endpoint="https://as.example/token", client_id="c", grant_type="authorization_code")
NOBODY = PERSON._replace(grant_type="")
"""The issuer in the view of a manager without a grant of its own."""
BOT = PERSON._replace(grant_type="client_credentials")


def pair(name: str, *, issued: float = -100.0, lifetime: float | None = 3600.0, refresh: bool = True) -> Token:
    """Return a token that was issued so many seconds from NOW."""
    return Token(
        access_token=f"access-{name}",
        refresh_token=f"refresh-{name}" if refresh else None,
        issued_at=NOW + issued,
        expires_at=None if lifetime is None else NOW + issued + lifetime,
    )


def fingerprint_of(name: str) -> str:
    """Return the fingerprint of the refresh token of `pair(name)`."""
    return fingerprint(f"refresh-{name}")


A, B, C = pair("a"), pair("b", issued=-50.0), pair("c", issued=-20.0)


def claimed(by: str = "you", spends: str | None = "a", **fields: Any) -> Claim:  # noqa: ANN401 - a Claim's fields
    """Return a claim to spend the refresh token of that name, or a replayable grant."""
    known: dict[str, Any] = {"host": "h", "process": "1@2", "since": NOW - 70}
    return Claim(owner=by, spends=None if spends is None else fingerprint_of(spends), **(known | fields))


def record(token: Token | None = A, **fields: Any) -> Record:  # noqa: ANN401 - a Record's fields
    """Return a record in generation 7."""
    known: dict[str, Any] = {"issuer": PERSON, "generation": 7}
    return Record(token=token, **(known | fields))


def rest(*, since: float = -5.0, until: float = 40.0) -> Rest:
    """Return a rest, in seconds from NOW."""
    return Rest(since=NOW + since, until=NOW + until, attempts=2, reason="It was down.")


def view(
    age: Age = Age.FRESH,
    *,
    rejected: str | None = None,
    still_accepted: bool = False,
    **fields: Any,  # noqa: ANN401 - a View's fields
) -> View:
    """Return how "me", a person's manager at Bitbucket Cloud, sees the record at NOW."""
    known: dict[str, Any] = {"owner": "me", "host": "h", "process": "9@9", "issuer": NOBODY, "wall": NOW}
    known |= {"lapsed": False, "reuse_grace": 600.0}
    return View(age=age, rejection=Rejection(rejected, still_accepted), **(known | fields))


NOTHING: dict[str, int] = {}
# Few names, so that what is drawn often meets.
NAMES = st.sampled_from("abcd")
FINGERPRINTS = NAMES.map(fingerprint_of)
TOKENS = st.builds(
    Token,
    access_token=NAMES.map("access-{}".format),
    refresh_token=st.none() | NAMES.map("refresh-{}".format),
    issued_at=st.integers(-4000, 100).map(lambda seconds: NOW + seconds),
    expires_at=st.none() | st.integers(-100, 4000).map(lambda seconds: NOW + seconds),
)
CLAIMS = st.builds(
    claimed,
    by=st.sampled_from(["me", "you", "third"]),
    spends=st.none() | NAMES,
    doubt_since=st.none() | st.just(NOW - 500),
    lost=st.booleans(),
)
RESTS = st.builds(
    Rest,
    since=st.integers(-60, 60).map(lambda seconds: NOW + seconds),
    until=st.integers(-10, 5000).map(lambda seconds: NOW + seconds),
    attempts=st.integers(1, 9),
    reason=st.just(""),
)
RECORDS = st.builds(
    Record,
    issuer=st.sampled_from([PERSON, BOT]),
    generation=st.integers(6, 8),
    token=st.none() | TOKENS,
    signed_out=st.booleans(),
    claim=st.none() | CLAIMS,
    spares=st.lists(TOKENS.filter(lambda token: token.refresh_token is not None), max_size=2).map(tuple),
    spent=st.lists(FINGERPRINTS, max_size=2).map(tuple),
    refused=st.none() | FINGERPRINTS,
    rest=st.none() | RESTS,
    forced=st.integers(0, 12),
    unknown=st.sampled_from([NOTHING, {"later": 1}]),
)
VIEWS = st.builds(
    view,
    age=st.sampled_from(Age),
    issuer=st.sampled_from([NOBODY, BOT]),
    lapsed=st.booleans(),
    reuse_grace=st.sampled_from([0.0, 600.0]),
    rejected=st.none() | NAMES.map("access-{}".format),
    still_accepted=st.booleans(),
)
