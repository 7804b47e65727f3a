"""The token endpoint: one request in, one answer and its entry in the books out."""

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
from bitbucket_auth_async.testing.fake.issued_tokens import Family, Ledger, RefreshToken
from bitbucket_auth_async.testing.fake.registered import Person, RegisteredClient
from bitbucket_auth_async.testing.fake.registry import Registry
from bitbucket_auth_async.testing.fake.request_log import Books, Call, Entry
from bitbucket_auth_async.testing.fake.responses import Refusal, token_answer
from bitbucket_auth_async.testing.fake.scopes import granted
from bitbucket_auth_async.testing.fake.server_settings import Rules

JWT_GRANT = "urn:bitbucket:oauth2:jwt"


@dataclass(frozen=True, slots=True)
class Asked:
    """A token request, read but not judged."""

    path: str
    authorization: str = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)

    @property
    def call(self) -> Call:
        """The request as faults and books see it."""
        pair = basic_pair(self.authorization)
        spent = self.fields.get("refresh_token")
        return Call(
            at="token",
            method="POST",
            path=self.path,
            grant_type=self.fields.get("grant_type"),
            client_id=pair[0] if pair else self.fields.get("client_id"),
            refresh_token=None if spent is None else fingerprint(spent),
        )


def read(request: Request) -> Asked:
    """Read what is asked; only a form counts, so that a JSON body asks for nothing."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    # RFC 6749 section 3.2: a parameter without a value is treated as if it had been left out.
    pairs = parse_qsl(request.body.decode("utf-8", "replace")) if kind == "application/x-www-form-urlencoded" else []
    return Asked(urlsplit(request.url).path, headers.get("authorization", ""), dict(pairs))


@dataclass(slots=True)
class TokenEndpoint:
    """Trades grants for tokens."""

    rules: Rules
    ledger: Ledger
    books: Books
    registry: Registry

    def answer(self, asked: Asked, entry: Entry) -> Response:
        """Judge a request, and note in *entry* what came of it."""
        entry.processed = True
        try:
            return self._trade(asked, entry)
        except Refusal as refusal:
            entry.error = f"{refusal.error}: {refusal.description}"
            return refusal.response()

    def issue(self, entry: Entry, family: Family, *, refresh: RefreshToken | None, scope: frozenset[str]) -> Response:
        """Issue an access token and answer with it, and with the refresh token beside it."""
        access = self.ledger.issue_access(family, scope)
        entry.family = family.number
        entry.access = fingerprint(access.text)
        entry.refresh = None if refresh is None else fingerprint(refresh.text)
        lifetime = self.rules.lifetime
        answer: dict[str, Any] = {
            "access_token": access.text,
            # From 2026-05-04 Bitbucket says "scope"; before, it said "scopes".
            "scopes" if self.rules.legacy else "scope": " ".join(sorted(scope)),
            "expires_in": int(lifetime) if lifetime == int(lifetime) else lifetime,
            "token_type": "bearer",
            # It names the grant type; it is not the caller's state.
            "state": entry.grant_type,
        }
        if refresh is not None:
            answer["refresh_token"] = refresh.text
        return token_answer(answer)

    def _trade(self, asked: Asked, entry: Entry) -> Response:
        grant_type = asked.fields.get("grant_type")
        if grant_type == JWT_GRANT:
            return self._jwt(asked, entry)
        client = authenticate(self.registry.clients, asked.authorization, asked.fields)
        if grant_type == "refresh_token":
            return self._refresh(client, asked.fields, entry)
        if grant_type == "authorization_code":
            return self._code(client, asked.fields, entry)
        if grant_type == "client_credentials":
            return self._client_credentials(client, asked.fields, entry)
        if grant_type == "password" and self.rules.legacy:
            return self._password(client, asked.fields, entry)
        raise Refusal(error="invalid_grant", description=f"Unsupported grant type: {grant_type}")

    def _code(self, client: RegisteredClient, fields: Mapping[str, str], entry: Entry) -> Response:
        code = self.ledger.codes.get(fields.get("code", ""))
        stale = code is not None and self.ledger.wall() >= code.issued_at + self.rules.code_lifetime
        if code is None or stale or code.client is not client or code.used is not None:
            if code is not None and code.used is not None and self.rules.reuse_revokes:
                code.used.revoked = True  # RFC 6749 section 4.1.2
            raise Refusal(error="invalid_grant", description="The specified code is not valid.")
        # Sent there, it must be sent here; left out there, it may be left out here or be the registered one.
        allowed = {None, client.callback} if code.redirect_uri is None else {code.redirect_uri}
        if fields.get("redirect_uri") not in allowed:
            raise Refusal(error="invalid_request", description="redirect_uri does not match")
        if code.challenge is not None and not _verifies(fields.get("code_verifier", ""), code.challenge):
            raise Refusal(error="invalid_grant", description="code_verifier does not match")  # RFC 7636 section 4.6
        _active(code.person)
        family = code.used = self.ledger.family(client, code.person, "authorization_code", code.scope)
        return self.issue(entry, family, refresh=self.ledger.issue_refresh(family), scope=code.scope)

    def _refresh(self, client: RegisteredClient, fields: Mapping[str, str], entry: Entry) -> Response:
        token = self.ledger.refresh.get(fields.get("refresh_token", ""))
        dead = Refusal(error="invalid_request", description="Invalid refresh_token")
        if token is None or token.family.client is not client:
            raise dead
        family = token.family
        entry.family, entry.generation = family.number, token.generation
        entry.again = token.used_at is not None and self.rules.rotates
        self.books.spends[fingerprint(token.text)] += 1
        if not self.ledger.is_spendable(token):
            if entry.again and self.rules.reuse_revokes:
                family.revoked = True
            raise dead
        if family.person is not None:
            _active(family.person)
        scope = granted(client, fields.get("scope"), family.scope)
        self._retire(token, again=entry.again)
        return self.issue(entry, family, refresh=self._successor(token), scope=scope)

    def _retire(self, token: RefreshToken, *, again: bool) -> None:
        if token.used_at is None or not self.rules.rotates:
            token.used_at = self.ledger.wall()
        if again and self.rules.last_pair_wins:
            for other in token.family.refresh:
                other.dead = other.dead or other.parent is token
        if self.rules.revoke_access_on_refresh:
            for access in token.family.access:
                access.dead = True

    def _successor(self, token: RefreshToken) -> RefreshToken:
        if self.rules.rotates:
            return self.ledger.issue_refresh(token.family, token)
        token.issued_at = self.ledger.wall()
        return token

    def _client_credentials(self, client: RegisteredClient, fields: Mapping[str, str], entry: Entry) -> Response:
        if not client.private:
            text = (
                'Cannot use client_credentials with a consumer marked as "public". Tick "This is a private consumer".'
            )
            raise Refusal(error="unauthorized_client", description=text)
        if client.callback is None:
            raise Refusal(error="invalid_request", description="No callback uri defined for the OAuth client.")
        scope = granted(client, fields.get("scope"))
        family = self.ledger.family(client, client.owner if self.rules.legacy else None, "client_credentials", scope)
        refresh = self.ledger.issue_refresh(family) if self.rules.legacy else None
        return self.issue(entry, family, refresh=refresh, scope=scope)

    def _password(self, client: RegisteredClient, fields: Mapping[str, str], entry: Entry) -> Response:
        person = self.registry.persons.get(fields.get("username", ""))
        if person is None or not hmac.compare_digest(person.password.encode(), fields.get("password", "").encode()):
            raise Refusal(error="invalid_grant", description="Invalid username or password")
        _active(person)
        scope = granted(client, fields.get("scope"))
        family = self.ledger.family(client, person, "password", scope)
        return self.issue(entry, family, refresh=self.ledger.issue_refresh(family), scope=scope)

    def _jwt(self, asked: Asked, entry: Entry) -> Response:
        installation = installation_of(self.registry.installations, asked.authorization, asked.path, self.ledger.wall())
        client = installation.client
        entry.client_id = client.client_id
        scope = granted(client, asked.fields.get("scope"))
        family = self.ledger.family(client, None, JWT_GRANT, scope)
        return self.issue(entry, family, refresh=None, scope=scope)


def _active(person: Person) -> None:
    if not person.active:
        raise Refusal(error="invalid_grant", description="User is inactive", status=401)


def _verifies(verifier: str, challenge: str) -> bool:
    digest = hashlib.sha256(verifier.encode()).digest()
    return hmac.compare_digest(base64.urlsafe_b64encode(digest).rstrip(b"=").decode(), challenge)
