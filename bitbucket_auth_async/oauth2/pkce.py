"""Proof Key for Code Exchange (RFC 7636), method S256."""

import base64
import hashlib
import re
import secrets

from bitbucket_auth_async.errors import ConfigurationError

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)


def new_code_verifier() -> str:
    """Return a new `code_verifier` of 256 random bits (RFC 7636 section 4.1)."""
    return secrets.token_urlsafe(32)


def code_challenge(code_verifier: str) -> str:
    """Return the `code_challenge` of a verifier (RFC 7636 section 4.2).

    Raises:
        ConfigurationError: The verifier is not 43 to 128 of the characters that RFC 7636 section 4.1 allows.
    """
    if not _VERIFIER.fullmatch(code_verifier):
        msg = "code_verifier: expected 43 to 128 characters of A-Z a-z 0-9 . _ ~ -"
        raise ConfigurationError(msg)
    return base64.urlsafe_b64encode(hashlib.sha256(code_verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")
