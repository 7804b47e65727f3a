"""signed_in and signed_out: the begin and the end of a generation."""

from dataclasses import replace

from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.renewal.settle import next_generation, signed_in, signed_out
from tests.support.record_values import BOT, PERSON, A, B, C, claimed, fingerprint_of, record, rest


def test_a_sign_in_starts_a_generation_and_drops_the_old_record() -> None:
    full = record(claim=claimed(), spares=(B,), refused=fingerprint_of("a"), rest=rest(), forced=3, unknown={"x": 1})
    new = signed_in(full, token=C, issuer=BOT, generation=8)
    assert new == Record(issuer=BOT, generation=8, token=C, unknown={"x": 1})
    assert signed_in(None, token=C, issuer=BOT, generation=8) == Record(issuer=BOT, generation=8, token=C)


def test_a_sign_in_replaces_a_tombstone() -> None:
    assert signed_in(record(None, signed_out=True), token=C, issuer=PERSON, generation=8) == record(C, generation=8)


def test_a_sign_out_leaves_a_tombstone() -> None:
    full = record(claim=claimed(), spares=(B,), refused=fingerprint_of("a"), rest=rest(), forced=3, unknown={"x": 1})
    tombstone = Record(issuer=PERSON, generation=8, signed_out=True, unknown={"x": 1})
    assert signed_out(full, issuer=BOT, generation=8) == tombstone
    assert signed_out(None, issuer=BOT, generation=8) == Record(issuer=BOT, generation=8, signed_out=True)
    assert signed_out(tombstone, issuer=BOT, generation=9) is None
    for busy in (
        replace(tombstone, claim=claimed()),
        replace(tombstone, token=A),
        replace(tombstone, signed_out=False),
    ):
        assert signed_out(busy, issuer=BOT, generation=9) == replace(tombstone, generation=9)


def test_r2_settling_a_sign_in_twice_does_not_undo_a_renewal_in_between() -> None:
    first = signed_in(record(), token=B, issuer=PERSON, generation=8)
    assert first is not None
    renewed = replace(first, token=C)
    assert signed_in(renewed, token=B, issuer=PERSON, generation=8) is None
    assert signed_in(first, token=B, issuer=PERSON, generation=9) is None, "adopted once more: nothing is new"


def test_r1_a_spent_refresh_token_is_a_new_sign_in_only_if_the_current_one_is_dead() -> None:
    renewed = record(B, spent=(fingerprint_of("a"),))
    assert signed_in(renewed, token=A, issuer=PERSON, generation=8) is None
    for dead in (replace(renewed, refused=fingerprint_of("b")), replace(renewed, token=None, signed_out=True)):
        assert signed_in(dead, token=A, issuer=PERSON, generation=8) == record(A, generation=8)


def test_r1_a_refresh_token_under_a_claim_is_not_a_new_sign_in() -> None:
    again = replace(A, access_token="", issued_at=0.0, expires_at=0.0)
    for claim in (claimed(), claimed(lost=True)):
        assert signed_in(record(claim=claim), token=again, issuer=PERSON, generation=8) is None
    assert signed_in(record(claim=claimed()), token=B, issuer=PERSON, generation=8) == record(B, generation=8)
    bot, without = record(B, issuer=BOT, claim=claimed(spends=None)), replace(A, refresh_token=None)
    assert signed_in(bot, token=without, issuer=BOT, generation=8) == record(without, issuer=BOT, generation=8)


def test_r3_settling_a_sign_out_twice_does_not_undo_a_sign_in_in_between() -> None:
    for generation in (8, 9):
        assert signed_out(record(B, generation=generation), issuer=PERSON, generation=8) is None


def test_a_generation_is_the_time_in_microseconds() -> None:
    assert next_generation(None, 1.5, jitter=0.5) == 1_500_000
    assert next_generation(record(generation=7), 1.5, jitter=0.5) == 1_500_000
    assert next_generation(record(generation=1_500_000), 1.5, jitter=0.0) == 1_500_001


def test_simultaneous_generations_after_one_from_the_future_differ() -> None:
    ahead = record(generation=9_000_000)
    assert next_generation(ahead, 1.5, jitter=0.0) == 9_000_001
    assert next_generation(ahead, 1.5, jitter=0.25) == 9_250_001
