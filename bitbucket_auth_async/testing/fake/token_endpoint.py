"""TokenEndpoint: exchanges grants for tokens, and logs each request."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.oauth2.tokens import fingerprint
from bitbucket_auth_async.testing.fake.client_authentication import authenticate, basic_pair, installation_of
from bitbucket_auth_async.testing.fake.issued_tokens import Family, IssuedTokens, RefreshToken
from bitbucket_auth_async.testing.fake.registry import Person, RegisteredClient, Registry
from bitbucket_auth_async.testing.fake.request_log import LoggedRequest, RequestInfo, RequestLog
from bitbucket_auth_async.testing.fake.responses import Refusal, token_response
from bitbucket_auth_async.testing.fake.scopes import granted_scope
from bitbucket_auth_async.testing.fake.server_rules import ServerRules

JWT_GRANT = "urn:bitbucket:oauth2:jwt"


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A parsed token request, not validated yet."""

    path: str
    authorization: str = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)

    @property
    def info(self) -> RequestInfo:
        """The request as the log and fault filters see it."""
        pair = basic_pair(self.authorization)
        presented = self.fields.get("refresh_token")
        return RequestInfo(
            at="token",
            method="POST",
            path=self.path,
            grant_type=self.fields.get("grant_type"),
            client_id=pair[0] if pair else self.fields.get("client_id"),
            refresh_token=None if presented is None else fingerprint(presented),
        )


def parse_token_request(request: Request) -> TokenRequest:
    """Parse a request; only a form has fields, so a JSON body is ignored."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    # RFC 6749 section 3.2: a parameter without a value is treated as if it had been left out.
    pairs = parse_qsl(request.body.decode("utf-8", "replace")) if kind == "application/x-www-form-urlencoded" else []
    return TokenRequest(urlsplit(request.url).path, headers.get("authorization", ""), dict(pairs))


@dataclass(slots=True)
class TokenEndpoint:
    """The token endpoint of the fake."""

    rules: ServerRules
    issued: IssuedTokens
    request_log: RequestLog
    registry: Registry

    def answer(self, request: TokenRequest, entry: LoggedRequest) -> Response:
        """Process a request, and record the result in *entry*."""
        entry.processed = True
        try:
            return self._exchange(request, entry)
        except Refusal as refusal:
            entry.error = f"{refusal.error}: {refusal.description}"
            return refusal.response()

    def issue(
        self, entry: LoggedRequest, family: Family, *, refresh: RefreshToken | None, scope: frozenset[str]
    ) -> Response:
        """Issue an access token, and return it together with the refresh token."""
        access = self.issued.issue_access(family, scope)
        entry.family = family.number
        entry.access = fingerprint(access.text)
        entry.refresh = None if refresh is None else fingerprint(refresh.text)
        lifetime = self.rules.lifetime
        answer: dict[str, Any] = {
            "access_token": access.text,
            # Since 2026-05-04 the field is "scope"; before, it was "scopes".
            "scopes" if self.rules.legacy else "scope": " ".join(sorted(scope)),
            "expires_in": int(lifetime) if lifetime == int(lifetime) else lifetime,
            "token_type": "bearer",
            # Bitbucket puts the grant type here, not the caller's state.
            "state": entry.grant_type,
        }
        if refresh is not None:
            answer["refresh_token"] = refresh.text
        return token_response(answer)

    def _exchange(self, request: TokenRequest, entry: LoggedRequest) -> Response:
        grant_type = request.fields.get("grant_type")
        if grant_type == JWT_GRANT:
            return self._jwt(request, entry)
        client = authenticate(self.registry.clients, request.authorization, request.fields)
        if grant_type == "refresh_token":
            return self._refresh(client, request.fields, entry)
        if grant_type == "authorization_code":
            return self._code(client, request.fields, entry)
        if grant_type == "client_credentials":
            return self._client_credentials(client, request.fields, entry)
        if grant_type == "password" and self.rules.legacy:
            return self._password(client, request.fields, entry)
        raise Refusal(error="invalid_grant", description=f"Unsupported grant type: {grant_type}")

    def _code(self, client: RegisteredClient, fields: Mapping[str, str], entry: LoggedRequest) -> Response:
        code = self.issued.codes.get(fields.get("code", ""))
        stale = code is not None and self.issued.wall() >= code.issued_at + self.rules.code_lifetime
        if code is None or stale or code.client is not client or code.used is not None:
            if code is not None and code.used is not None and self.rules.reuse_revokes:
                code.used.revoked = True  # RFC 6749 section 4.1.2
            raise Refusal(error="invalid_grant", description="The specified code is not valid.")
        # A redirect_uri of the authorization request must be repeated. Otherwise the registered one may be sent.
        allowed = {None, client.callback} if code.redirect_uri is None else {code.redirect_uri}
        if fields.get("redirect_uri") not in allowed:
            raise Refusal(error="invalid_request", description="redirect_uri does not match")
        if code.challenge is not None and not _verifies(fields.get("code_verifier", ""), code.challenge):
            raise Refusal(error="invalid_grant", description="code_verifier does not match")  # RFC 7636 section 4.6
        _check_active(code.person)
        family = code.used = self.issued.new_family(client, code.person, "authorization_code", code.scope)
        return self.issue(entry, family, refresh=self.issued.issue_refresh(family), scope=code.scope)

    def _refresh(self, client: RegisteredClient, fields: Mapping[str, str], entry: LoggedRequest) -> Response:
        token = self.issued.refresh.get(fields.get("refresh_token", ""))
        refusal = Refusal(error="invalid_request", description="Invalid refresh_token")
        if token is None or token.family.client is not client:
            raise refusal
        family = token.family
        entry.family, entry.generation = family.number, token.generation
        entry.reused = token.used_at is not None and self.rules.rotates
        self.request_log.spends[fingerprint(token.text)] += 1
        if not self.issued.is_spendable(token):
            if entry.reused and self.rules.reuse_revokes:
                family.revoked = True
            raise refusal
        if family.person is not None:
            _check_active(family.person)
        scope = granted_scope(client, fields.get("scope"), family.scope)
        self._retire(token, reused=entry.reused)
        return self.issue(entry, family, refresh=self._successor(token), scope=scope)

    def _retire(self, token: RefreshToken, *, reused: bool) -> None:
        if token.used_at is None or not self.rules.rotates:
            token.used_at = self.issued.wall()
        if reused and self.rules.last_pair_wins:
            for other in token.family.refresh:
                other.revoked = other.revoked or other.parent is token
        if self.rules.revoke_access_on_refresh:
            for access in token.family.access:
                access.revoked = True

    def _successor(self, token: RefreshToken) -> RefreshToken:
        if self.rules.rotates:
            return self.issued.issue_refresh(token.family, token)
        token.issued_at = self.issued.wall()
        return token

    def _client_credentials(
        self, client: RegisteredClient, fields: Mapping[str, str], entry: LoggedRequest
    ) -> Response:
        if not client.private:
            text = (
                'Cannot use client_credentials with a consumer marked as "public". Tick "This is a private consumer".'
            )
            raise Refusal(error="unauthorized_client", description=text)
        if client.callback is None:
            raise Refusal(error="invalid_request", description="No callback uri defined for the OAuth client.")
        scope = granted_scope(client, fields.get("scope"))
        family = self.issued.new_family(
            client, client.owner if self.rules.legacy else None, "client_credentials", scope
        )
        refresh = self.issued.issue_refresh(family) if self.rules.legacy else None
        return self.issue(entry, family, refresh=refresh, scope=scope)

    def _password(self, client: RegisteredClient, fields: Mapping[str, str], entry: LoggedRequest) -> Response:
        person = self.registry.persons.get(fields.get("username", ""))
        if person is None or not hmac.compare_digest(person.password.encode(), fields.get("password", "").encode()):
            raise Refusal(error="invalid_grant", description="Invalid username or password")
        _check_active(person)
        scope = granted_scope(client, fields.get("scope"))
        family = self.issued.new_family(client, person, "password", scope)
        return self.issue(entry, family, refresh=self.issued.issue_refresh(family), scope=scope)

    def _jwt(self, request: TokenRequest, entry: LoggedRequest) -> Response:
        installation = installation_of(
            self.registry.installations, request.authorization, request.path, self.issued.wall()
        )
        client = installation.client
        entry.client_id = client.client_id
        scope = granted_scope(client, request.fields.get("scope"))
        family = self.issued.new_family(client, None, JWT_GRANT, scope)
        return self.issue(entry, family, refresh=None, scope=scope)


def _check_active(person: Person) -> None:
    if not person.active:
        raise Refusal(error="invalid_grant", description="User is inactive", status=401)


def _verifies(verifier: str, challenge: str) -> bool:
    digest = hashlib.sha256(verifier.encode()).digest()
    return hmac.compare_digest(base64.urlsafe_b64encode(digest).rstrip(b"=").decode(), challenge)
