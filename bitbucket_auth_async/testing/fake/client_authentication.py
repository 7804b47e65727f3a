"""Client authentication at the fake: HTTP Basic, form fields, or a signed JWT of a Connect app."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_plus

from bitbucket_auth_async.testing.fake.registry import Installation, RegisteredClient
from bitbucket_auth_async.testing.fake.responses import Refusal

_SKEW = 60.0
"""Seconds by which the `iat` of a JWT may be in the future."""


def basic_pair(authorization: str) -> tuple[str, str] | None:
    """Return id and secret of a Basic header, form-decoded (RFC 6749 section 2.3.1); None for any other header."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode()
    except ValueError:  # invalid base64 or UTF-8, or characters beyond ASCII
        return None
    client_id, colon, secret = pair.partition(":")
    return (unquote_plus(client_id), unquote_plus(secret)) if colon else None


def authenticate(
    clients: Mapping[str, RegisteredClient], authorization: str, fields: Mapping[str, str]
) -> RegisteredClient:
    """Return the authenticated client.

    Raises:
        Refusal: The credentials are missing or wrong.
    """
    if authorization:
        pair = basic_pair(authorization)
    else:
        pair = (fields["client_id"], fields["client_secret"]) if {"client_id", "client_secret"} <= set(fields) else None
    if pair is None:
        description = "Requests must be authenticated using OAuth client credentials"
        raise Refusal(error="unauthorized_client", description=description)
    client = clients.get(pair[0])
    if client is None or not hmac.compare_digest(client.client_secret.encode(), pair[1].encode()):
        raise Refusal(error="unauthorized_client", description="Invalid OAuth client credentials")
    return client


def installation_of(installations: Iterable[Installation], authorization: str, path: str, now: float) -> Installation:
    """Return the installation that signed this JWT (HS256, https://developer.atlassian.com/cloud/bitbucket/understanding-jwt-for-apps/).

    Raises:
        Refusal: It has a wrong signature, has expired, is from the future, or is for another request.
    """
    scheme, _, text = authorization.partition(" ")
    if scheme != "JWT":  # Bitbucket compares this scheme case-sensitively
        raise Refusal(error="unauthorized_client", description="Requests must be authenticated with a JWT", status=401)
    claims, signed, signature = _parts(text.strip())
    for installation in installations:
        expected = hmac.new(installation.shared_secret.encode(), signed, hashlib.sha256).digest()
        if claims.get("sub") == installation.client_key and hmac.compare_digest(expected, signature):
            _check(claims, installation, path, now)
            return installation
    raise Refusal(error="invalid_client", status=401, description="JWT not signed by a known installation")


def _check(claims: Mapping[str, Any], installation: Installation, path: str, now: float) -> None:
    issued, expires = claims.get("iat"), claims.get("exp")
    if claims.get("iss") != installation.app_key:
        raise Refusal(error="invalid_client", status=401, description="JWT has another issuer")
    if not isinstance(issued, int) or issued > now + _SKEW:
        raise Refusal(error="invalid_client", status=401, description="JWT is from the future")
    if not isinstance(expires, int) or expires <= now:
        raise Refusal(error="invalid_client", status=401, description="JWT has expired")
    if claims.get("qsh") != hashlib.sha256(f"POST&{path}&".encode()).hexdigest():
        raise Refusal(error="invalid_client", status=401, description="JWT is for another request")


def _parts(text: str) -> tuple[Mapping[str, Any], bytes, bytes]:
    try:
        head, body, signature = text.split(".")
        header: dict[str, Any] = json.loads(_decode(head))
        claims: dict[str, Any] = json.loads(_decode(body))
        # The verifier chooses the algorithm, not `alg`, so "none" is refused.
        if header["alg"] != "HS256":
            raise Refusal(error="invalid_client", status=401, description="JWT must be signed with HS256")
        return dict(claims), f"{head}.{body}".encode(), _decode(signature)
    except (ValueError, KeyError, TypeError):
        raise Refusal(error="invalid_client", status=401, description="JWT can't be read") from None


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
