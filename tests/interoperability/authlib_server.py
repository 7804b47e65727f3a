"""A third-party authorization server: Authlib on Flask, in memory, with refresh token rotation."""

# Authlib has no annotations, and its stubs are narrower than its documentation, which this follows.
# mypy: disable-error-code="override, no-untyped-call, return-value, untyped-decorator, attr-defined"
# pyright: basic, reportIncompatibleMethodOverride=false, reportReturnType=false, reportAttributeAccessIssue=false
# ruff: noqa: ANN401 - the same

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector, current_token
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants, list_to_scope, scope_to_list
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7636 import CodeChallenge
from flask import Flask, Response, jsonify, request
from werkzeug.serving import make_server

REDIRECT_URI = "https://client.example/callback"
SCOPES = ("account", "repository")
USERNAME, PASSWORD = "alice", "correct horse battery staple"


@dataclass(frozen=True)
class RegisteredClient(ClientMixin):
    """One client, with the methods that Authlib calls."""

    client_id: str
    client_secret: str
    auth_method: str
    grant_types: tuple[str, ...] = ("authorization_code", "password", "client_credentials", "refresh_token")

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return REDIRECT_URI

    def get_allowed_scope(self, scope: str) -> str:
        return list_to_scope([name for name in scope_to_list(scope) or () if name in SCOPES])

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == REDIRECT_URI

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(client_secret, self.client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == self.auth_method

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.grant_types


@dataclass
class IssuedToken(TokenMixin):
    """One issued access token with its refresh token."""

    access_token: str
    refresh_token: str | None
    client_id: str
    scope: str
    expires_at: float
    family: str
    """The same for all tokens of one sign-in."""
    revoked: bool = False

    def check_client(self, client: RegisteredClient) -> bool:
        return client.client_id == self.client_id

    def get_scope(self) -> str:
        return self.scope

    def is_expired(self) -> bool:
        return time.time() >= self.expires_at

    def is_revoked(self) -> bool:
        return self.revoked


@dataclass
class Code:
    """An authorization code, with the values that the token request must repeat."""

    code: str
    client_id: str
    scope: str
    code_challenge: str | None
    code_challenge_method: str | None

    def get_redirect_uri(self) -> str:
        return REDIRECT_URI

    def get_scope(self) -> str:
        return self.scope


@dataclass
class Database:
    """The data of the server."""

    clients: dict[str, RegisteredClient] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    tokens: list[IssuedToken] = field(default_factory=list)
    token_requests: list[str] = field(default_factory=list)
    """The grant type of each token request."""
    base_url: str = ""

    def client(self, auth_method: str, **fields: Any) -> RegisteredClient:
        """Register a client with one authentication method."""
        client_id = f"client-{len(self.clients)}"
        secret = "" if auth_method == "none" else secrets.token_urlsafe(24)
        self.clients[client_id] = RegisteredClient(client_id, secret, auth_method, **fields)
        return self.clients[client_id]

    def by_refresh_token(self, refresh_token: str) -> IssuedToken | None:
        return next((token for token in self.tokens if token.refresh_token == refresh_token), None)

    def expire(self) -> None:
        """Expire all access tokens."""
        for token in self.tokens:
            token.expires_at = 0

    def revoke_family(self, family: str) -> None:
        for token in self.tokens:
            if token.family == family:
                token.revoked = True


def _grants(database: Database) -> Iterator[tuple[type, list[Any]]]:
    """Yield Authlib's grants, over our database."""
    methods = ["client_secret_basic", "client_secret_post", "none"]

    class ByCode(grants.AuthorizationCodeGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = methods

        def save_authorization_code(self, code: str, request: Any) -> None:
            data, client_id = request.payload.data, request.client.client_id
            challenge, method = data.get("code_challenge"), data.get("code_challenge_method")
            database.codes[code] = Code(code, client_id, request.payload.scope, challenge, method)

        def query_authorization_code(self, code: str, client: RegisteredClient) -> Code | None:
            found = database.codes.get(code)
            return found if found is not None and found.client_id == client.client_id else None

        def delete_authorization_code(self, authorization_code: Code) -> None:
            del database.codes[authorization_code.code]

        def authenticate_user(self, authorization_code: Code) -> str:
            return USERNAME

    class ByPassword(grants.ResourceOwnerPasswordCredentialsGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = methods

        def authenticate_user(self, username: str, password: str) -> str | None:
            return USERNAME if (username, password) == (USERNAME, PASSWORD) else None

    class ByRefreshToken(grants.RefreshTokenGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = methods
        INCLUDE_NEW_REFRESH_TOKEN = True

        def authenticate_refresh_token(self, refresh_token: str) -> IssuedToken | None:
            found = database.by_refresh_token(refresh_token)
            if found is not None and found.revoked:
                database.revoke_family(found.family)  # RFC 9700 section 4.14.2: it was copied
                return None
            return found

        def authenticate_user(self, refresh_token: IssuedToken) -> str:
            return USERNAME

        def revoke_old_credential(self, refresh_token: IssuedToken) -> None:
            refresh_token.revoked = True

    class ByClientCredentials(grants.ClientCredentialsGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = methods[:2]

    yield ByCode, [CodeChallenge(required=True)]
    yield ByPassword, []
    yield ByRefreshToken, []
    yield ByClientCredentials, []


def _app(database: Database) -> Flask:
    app = Flask("foreign")
    app.config.update(OAUTH2_REFRESH_TOKEN_GENERATOR=True, OAUTH2_SCOPES_SUPPORTED=list(SCOPES))

    def save_token(token: dict[str, Any], request: Any) -> None:
        parent: IssuedToken | None = getattr(request, "refresh_token", None)
        database.tokens.append(
            IssuedToken(
                access_token=token["access_token"],
                refresh_token=token.get("refresh_token"),
                client_id=request.client.client_id,
                scope=token.get("scope", ""),
                expires_at=time.time() + token["expires_in"],
                family=secrets.token_hex(8) if parent is None else parent.family,
            )
        )

    server = AuthorizationServer(app, query_client=database.clients.get, save_token=save_token)
    for grant, extensions in _grants(database):
        server.register_grant(grant, extensions)

    class Validator(BearerTokenValidator):
        def authenticate_token(self, token_string: str) -> IssuedToken | None:
            return next((token for token in database.tokens if token.access_token == token_string), None)

    protector = ResourceProtector()
    protector.register_token_validator(Validator())

    def authorize() -> Response:
        grant = server.get_consent_grant(end_user=USERNAME)
        user = None if request.args.get("deny") else USERNAME
        return server.create_authorization_response(grant_user=user, grant=grant)

    def token() -> Response:
        database.token_requests.append(request.form.get("grant_type", ""))
        return server.create_token_response()

    @protector("account")
    def user() -> Response:
        return jsonify(username=USERNAME, scope=current_token.get_scope())

    app.add_url_rule("/authorize", view_func=authorize, methods=["GET"])
    app.add_url_rule("/token", view_func=token, methods=["POST"])
    app.add_url_rule("/2.0/user", view_func=user, methods=["GET"])
    return app


@contextmanager
def serving(database: Database) -> Iterator[None]:
    """Serve on a local port, in a separate thread, until the block ends."""
    server = make_server("127.0.0.1", 0, _app(database), threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    database.base_url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
