"""Proof Key for Code Exchange (RFC 7636), method S256."""

import base64
import hashlib
import re
import secrets

from bitbucket_auth_async.errors import ConfigurationError

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)


def new_code_verifier() -> str:
    """Return 256 random bits as text that RFC 7636 section 4.1 allows."""
    return secrets.token_urlsafe(32)


def code_challenge(code_verifier: str) -> str:
    """Return what the authorization request shows of the verifier (RFC 7636 section 4.2).

    Raises:
        ConfigurationError: The verifier is not 43 to 128 characters of those that RFC 7636 section 4.1 allows.
    """
    if not _VERIFIER.fullmatch(code_verifier):
        msg = "code_verifier: expected 43 to 128 characters of A-Z a-z 0-9 . _ ~ -"
        raise ConfigurationError(msg)
    return base64.urlsafe_b64encode(hashlib.sha256(code_verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")
