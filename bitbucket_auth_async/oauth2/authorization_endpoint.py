"""AuthorizationRequest: the URL that starts a sign-in in the browser, and the check of the redirect that ends it."""

import hmac
import secrets
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Final, Literal
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

from bitbucket_auth_async.errors import (
    AccessDeniedError,
    AuthorizationError,
    CallbackError,
    ConfigurationError,
)
from bitbucket_auth_async.oauth2.clients import ClientAuthentication
from bitbucket_auth_async.oauth2.error_responses import SCOPE_ADVICE, sanitized, sanitized_code
from bitbucket_auth_async.oauth2.grants import AuthorizationCode, scope_parameter, scope_set
from bitbucket_auth_async.oauth2.pkce import code_challenge, new_code_verifier
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.runtime.argument_checks import check

LONGEST_CALLBACK: Final = 65_536
"""Characters; ten times the longest token seen so far."""

_RESPONSE_PARAMETERS: Final = frozenset({"state", "error", "code", "access_token"})


def _new_state() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """One sign-in: builds the authorization URL, and checks the callback that arrives at `redirect_uri`.

    Create one for each sign-in and keep it until the callback: `state` and `code_verifier` are bound to one browser,
    and the `repr` hides them. The code grant uses PKCE (RFC 7636); `code_verifier=None` turns it off. Without
    `redirect_uri` the server uses the registered one. `response_type="token"` is the implicit grant, which RFC 9700
    advises against and Bitbucket Cloud has withdrawn.

    Raises:
        ConfigurationError: An argument is invalid, such as a scope with a comma or a redirect_uri with a fragment.
    """

    server: AuthorizationServer
    client: ClientAuthentication
    redirect_uri: str | None = None
    scope: AbstractSet[str] = frozenset()
    response_type: Literal["code", "token"] = "code"
    state: str = field(default_factory=_new_state, repr=False)
    code_verifier: str | None = field(default_factory=new_code_verifier, repr=False)

    def __post_init__(self) -> None:
        """Check all arguments, and store the scope as a frozenset."""
        example = "an AuthorizationServer such as BITBUCKET_CLOUD"
        check("server", self.server, "authorization_endpoint", example=example)
        check("client", self.client, "client_id", example='a Client("key", "secret") or client_from_env()')
        object.__setattr__(self, "scope", scope_set(self.scope))
        if self.response_type not in {"code", "token"}:
            msg = f"response_type {self.response_type!r} is unknown: use code or token."
            raise ConfigurationError(msg)
        if self.response_type == "token":
            object.__setattr__(self, "code_verifier", None)
        if not self.state.isascii() or not self.state.isprintable() or not self.state.strip():
            msg = "state: expected unguessable, printable ASCII text."
            raise ConfigurationError(msg)
        if self.redirect_uri is not None:
            _check_redirect_uri(self.redirect_uri)
        _check_query(self.server.authorization_endpoint, self._parameters())
        try:
            urlencode(self._parameters())
        except UnicodeEncodeError:
            msg = "client_id: contains half of a surrogate pair, which a URL can't hold; decode it as UTF-8."
            raise ConfigurationError(msg) from None

    @property
    def url(self) -> str:
        """The URL to redirect the browser to (RFC 6749 sections 4.1.1 and 4.2.1)."""
        endpoint = urlsplit(self.server.authorization_endpoint)
        # Spaces as %20: some servers do not accept +.
        query = urlencode(self._parameters(), quote_via=quote)
        return endpoint._replace(query=f"{endpoint.query}&{query}" if endpoint.query else query, fragment="").geturl()

    def judge(self, callback_url: str) -> AuthorizationCode:
        """Return the authorization code of a callback, ready for `exchange` (RFC 6749 section 4.1.2).

        Args:
            callback_url: The full URL that the browser was redirected to.

        Raises:
            AccessDeniedError: The user refused.
            AuthorizationError: The server sent another error.
            CallbackError: The callback does not answer this request.
        """
        self._must_be("code", "judge_implicit")
        response = self._response(callback_url, "query", "fragment")
        code = response.get("code", "")
        if not _is_text(code):
            msg = "The callback contains no valid code."
            raise CallbackError(msg)
        return AuthorizationCode(code, self.redirect_uri, self.code_verifier, scope_set(self.scope))

    def judge_implicit(self, callback_url: str, *, received_at: float) -> Token:
        """Return the token from the fragment of a callback (RFC 6749 section 4.2.2).

        Args:
            callback_url: The full URL with its fragment, which only the browser sees.
            received_at: Seconds since the epoch at which the lifetime starts.

        Raises:
            AccessDeniedError: The user refused.
            AuthorizationError: The server sent another error.
            CallbackError: The callback does not answer this request.
        """
        self._must_be("token", "judge")
        response = self._response(callback_url, "fragment", "query")
        # RFC 6749 section 4.2.2: the implicit grant issues no refresh token, so a parameter of that name is ignored.
        fields = {name: value for name, value in response.items() if name != "refresh_token"}
        try:
            token = Token.from_response(fields, requested_at=received_at)
        except ConfigurationError as error:
            msg = f"The callback contains no valid token. {error}"
            raise CallbackError(msg) from error
        return replace(token, scope=scope_set(self.scope)) if token.scope is None and self.scope else token

    def _must_be(self, response_type: str, other: str) -> None:
        if self.response_type != response_type:
            msg = f"This request has response_type={self.response_type}: call {other}()."
            raise ConfigurationError(msg)

    def _parameters(self) -> dict[str, str]:
        parameters = {"response_type": self.response_type, "client_id": self.client.client_id}
        if self.redirect_uri is not None:
            parameters["redirect_uri"] = self.redirect_uri
        parameters |= scope_parameter(scope_set(self.scope))
        parameters["state"] = self.state
        if self.code_verifier is not None:
            parameters["code_challenge"] = code_challenge(self.code_verifier)
            parameters["code_challenge_method"] = "S256"
        return parameters

    def _response(self, callback_url: str, component: str, other: str) -> Mapping[str, str]:
        """Return the parameters in *component* after checking that they answer this request and are not an error."""
        callback = _split(callback_url)
        pairs = _pairs(getattr(callback, component))
        self._check_state([value for name, value in pairs if name == "state"], component)
        self._check_location(callback)
        response = dict(pairs)
        if len(response) != len(pairs) or not _RESPONSE_PARAMETERS.isdisjoint(dict(_pairs(getattr(callback, other)))):
            msg = f"The callback repeats a parameter, or has response parameters in its {other}."
            raise CallbackError(msg)
        self._check_issuer(response.get("iss"))
        if "error" in response:
            raise _authorization_error(response)
        return response

    def _check_state(self, states: list[str], component: str) -> None:
        # Checked first, so that nothing in a forged redirect is used (RFC 6749 section 10.12).
        found = states[0] if len(states) == 1 else ""
        if not hmac.compare_digest(found.encode("utf-8", "surrogatepass"), self.state.encode("ascii")):
            why = "belongs to another login" if found else f"does not occur exactly once in the {component}"
            msg = f"The callback's state {why}; start the login again."
            raise CallbackError(msg)

    def _check_issuer(self, found: str | None) -> None:
        # RFC 9207 section 2.4: compared as plain strings, in error responses too.
        if self.server.issuer is not None and found != self.server.issuer:
            msg = f"The callback does not come from {self.server.issuer}: its iss is different or missing."
            raise CallbackError(msg)

    def _check_location(self, callback: SplitResult) -> None:
        if self.redirect_uri is not None and _location(callback) != _location(urlsplit(self.redirect_uri)):
            msg = f"The callback URL does not match {self.redirect_uri}; give the URL that the browser shows."
            raise CallbackError(msg)


def _authorization_error(response: Mapping[str, str]) -> CallbackError | AuthorizationError:
    if "code" in response or "access_token" in response or not response["error"].strip():
        return CallbackError("The callback contains both an error and a grant, or an error without a name.")
    error, description = response["error"], sanitized(response.get("error_description"))
    kind = AccessDeniedError if error == "access_denied" else AuthorizationError
    return kind(sanitized_code(error), description, advice=SCOPE_ADVICE if error == "invalid_scope" else "")


def _is_text(value: str) -> bool:
    return bool(value) and value.isascii() and value.isprintable()


def _split(callback_url: str) -> SplitResult:
    if not isinstance(callback_url, str) or not callback_url.strip():  # pyright: ignore[reportUnnecessaryIsInstance]  - input() and frameworks
        msg = "The callback is empty or not text: give the full URL that the browser went to, as str(request.url)."
        raise CallbackError(msg)
    if "?" not in callback_url and "#" not in callback_url:
        msg = "The callback has no parameters: give the full URL that the browser went to, with everything after `?`."
        raise CallbackError(msg)
    if len(callback_url) > LONGEST_CALLBACK:
        msg = f"The callback is longer than {LONGEST_CALLBACK} characters."
        raise CallbackError(msg)
    try:
        callback = urlsplit(callback_url)
        if callback.port != 0:  # reading the port validates it
            return callback
    except ValueError:
        pass  # the cause may quote the code
    msg = "The callback is not a URL: give the full URL that the browser went to."
    raise CallbackError(msg)


def _pairs(text: str) -> list[tuple[str, str]]:
    return parse_qsl(text, keep_blank_values=True)


def _location(parts: SplitResult) -> tuple[str, str | None, int | None, str]:
    port = parts.port if parts.port is not None else {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname, port, parts.path or "/"


def _check_redirect_uri(redirect_uri: str) -> None:
    try:
        parts = urlsplit(redirect_uri)
        target = parts.hostname if parts.scheme in {"https", "http"} else parts.netloc or parts.path
        valid = bool(parts.scheme and target) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or "#" in redirect_uri or not _is_text(redirect_uri) or " " in redirect_uri:
        msg = "redirect_uri: expected an absolute URL without fragment (RFC 6749 section 3.1.2)."
        raise ConfigurationError(msg)


def _check_query(endpoint: str, parameters: Mapping[str, str]) -> None:
    repeated = sorted({name for name, _ in _pairs(urlsplit(endpoint).query)} & set(parameters))
    if repeated:
        msg = f"authorization_endpoint already has {', '.join(repeated)} in its query; remove it there."
        raise ConfigurationError(msg)
