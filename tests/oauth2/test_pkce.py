"""RFC 7636, with the worked example of its appendix B."""

import pytest

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.pkce import code_challenge, new_code_verifier


def test_the_challenge_matches_rfc_7636_appendix_b() -> None:
    challenge = code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_a_new_verifier_has_256_bits_and_is_accepted() -> None:
    verifiers = {new_code_verifier() for _ in range(50)}
    assert len(verifiers) == 50
    for verifier in verifiers:
        assert len(verifier) == 43
        assert len(code_challenge(verifier)) == 43


@pytest.mark.parametrize("verifier", ["a" * 43, "Z" * 128, "0._~-" * 9])
def test_a_verifier_that_the_rfc_allows_is_accepted(verifier: str) -> None:
    assert code_challenge(verifier)


@pytest.mark.parametrize("verifier", ["", "a" * 42, "a" * 129, "a" * 43 + " ", "é" * 43, "a" * 43 + "\n", "+" * 43])
def test_a_verifier_that_the_rfc_forbids_is_refused_and_not_shown(verifier: str) -> None:
    with pytest.raises(ConfigurationError, match="43 to 128 characters") as caught:
        code_challenge(verifier)
    assert str(caught.value) == "code_verifier: expected 43 to 128 characters of A-Z a-z 0-9 . _ ~ -"
