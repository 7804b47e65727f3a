"""AuthorizationEndpoint: validates authorization requests, and returns where the browser goes after the decision."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from bitbucket_auth_async.errors import BitbucketAuthError
from bitbucket_auth_async.oauth2.servers import is_loopback
from bitbucket_auth_async.testing.fake.issued_tokens import Code, IssuedTokens
from bitbucket_auth_async.testing.fake.registry import Person, RegisteredClient
from bitbucket_auth_async.testing.fake.responses import Refusal, page
from bitbucket_auth_async.testing.fake.scopes import granted_scope
from bitbucket_auth_async.testing.fake.server_rules import ServerRules


class SilentPageError(BitbucketAuthError):
    """Bitbucket shows an error page and does not redirect back, so a waiting program needs a time-out.

    Attributes:
        page: The error page.
    """

    def __init__(self, text: str, cause: str) -> None:
        """Keep the page; *cause* tells the tester what the page does not."""
        super().__init__(f"{text} ({cause})")
        self.page = page("Bitbucket", text, status=400)


class DeniedError(BitbucketAuthError):
    """The request can't be granted, and the browser is redirected back with an error.

    Attributes:
        location: The URL of that redirect.
    """

    def __init__(self, error: str, location: str) -> None:
        """Keep the redirect."""
        super().__init__(error)
        self.location = location


@dataclass(frozen=True, slots=True)
class ConsentRequest:
    """A valid authorization request, ready for a person's decision."""

    client: RegisteredClient
    scope: frozenset[str]
    response_type: str
    redirect_uri: str | None
    """None if the request omits it."""
    state: str | None
    challenge: str | None

    def redirect(self, fields: Mapping[str, str]) -> str:
        """Return the redirect back to the client, with *fields* and the request's `state`."""
        target = self.redirect_uri or self.client.callback or ""
        query = urlencode({**fields, **({} if self.state is None else {"state": self.state})})
        if self.response_type == "token":  # RFC 6749 section 4.2.2
            return f"{target}#{query}"
        return f"{target}{'&' if urlsplit(target).query else '?'}{query}"


@dataclass(slots=True)
class AuthorizationEndpoint:
    """The authorization endpoint of the fake."""

    rules: ServerRules
    issued: IssuedTokens
    clients: dict[str, RegisteredClient]

    def consent_request(self, params: Mapping[str, str]) -> ConsentRequest:
        """Validate a request before a person decides.

        Raises:
            SilentPageError: The client is unknown, or redirect_uri does not match its callback.
            DeniedError: The response type or scope can't be granted.
        """
        client = self.clients.get(params.get("client_id", ""))
        if client is None:
            msg = "Invalid client_id. This integration is misconfigured. Contact the vendor for assistance."
            known = ", ".join(map(repr, self.clients))
            raise SilentPageError(msg, f"The fake has the clients {known}; register_client() adds one.")
        redirect_uri = params.get("redirect_uri")
        if client.callback is None or (redirect_uri is not None and not _extends(redirect_uri, client.callback)):
            msg = "Invalid redirect_uri. This integration is misconfigured. Contact the vendor for assistance."
            cause = f"The client's callback is {client.callback!r}; register_client(callback=…) sets another."
            raise SilentPageError(msg, cause)
        kind = params.get("response_type", "")
        draft = ConsentRequest(
            client, frozenset(), kind, redirect_uri, params.get("state"), params.get("code_challenge")
        )
        if kind != "code" and not (kind == "token" and self.rules.legacy):
            raise _denied(draft, "unsupported_response_type", f"The response type {kind!r} is not supported.")
        if draft.challenge is not None and params.get("code_challenge_method", "plain") != "S256":
            raise _denied(draft, "invalid_request", "code_challenge_method must be S256.")
        try:
            scope = granted_scope(client, params.get("scope"))
        except Refusal as refusal:
            raise _denied(draft, refusal.error, refusal.description) from refusal
        return ConsentRequest(client, scope, kind, redirect_uri, draft.state, draft.challenge)

    def approve(self, request: ConsentRequest, person: Person) -> str:
        """Return where the browser goes after *person* has agreed."""
        if request.response_type == "token":
            return self._implicit(request, person)
        code = Code(
            client=request.client,
            person=person,
            scope=request.scope,
            redirect_uri=request.redirect_uri,
            challenge=request.challenge,
            issued_at=self.issued.wall(),
        )
        return request.redirect({"code": self.issued.issue_code(code)})

    def deny(self, request: ConsentRequest) -> str:
        """Return where the browser goes after the person has declined."""
        return request.redirect({"error": "access_denied", "error_description": "The user denied access."})

    def _implicit(self, request: ConsentRequest, person: Person) -> str:
        family = self.issued.new_family(request.client, person, "implicit", request.scope)
        access = self.issued.issue_access(family, request.scope)
        return request.redirect(
            {
                "access_token": access.text,
                "scopes": " ".join(sorted(request.scope)),
                "expires_in": f"{self.rules.lifetime:g}",
                "token_type": "bearer",
            }
        )


def _denied(request: ConsentRequest, error: str, description: str) -> DeniedError:
    return DeniedError(error, request.redirect({"error": error, "error_description": description}))


def _extends(redirect_uri: str, callback: str) -> bool:
    """Apply Bitbucket's prefix rule; a loopback callback without a port allows any port (RFC 8252 section 7.3)."""
    try:
        ours, theirs = urlsplit(callback), urlsplit(redirect_uri)
        our_port, their_port = ours.port, theirs.port
    except ValueError:
        return False
    any_port = our_port is None and ours.scheme == "http" and is_loopback(ours.hostname or "")
    return (
        (theirs.scheme, theirs.hostname, theirs.username) == (ours.scheme, ours.hostname, ours.username)
        and (any_port or their_port == our_port)
        and (theirs.path == ours.path or theirs.path.startswith(ours.path.rstrip("/") + "/"))
        and (theirs.query.startswith(ours.query))
        and not theirs.fragment
    )
