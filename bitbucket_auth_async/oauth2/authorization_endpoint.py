"""The front channel: the address a browser is sent to, and the judgement of the redirect that comes back."""

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
from bitbucket_auth_async.oauth2.error_responses import SCOPE_ADVICE, harmless, harmless_code
from bitbucket_auth_async.oauth2.grants import AuthorizationCode, scope_parameter, scope_set
from bitbucket_auth_async.oauth2.pkce import code_challenge, new_code_verifier
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.runtime.argument_checks import check

LONGEST_CALLBACK: Final = 65_536
"""Characters; ten times the longest token that was seen."""

_ANSWERS: Final = frozenset({"state", "error", "code", "access_token"})


def _new_state() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """One login: builds the address to send the person to, and judges what comes back to `redirect_uri`.

    Keep it until then, one for each login: `state` and `code_verifier` belong to that browser alone, and stay out of
    the `repr`. PKCE (RFC 7636) is on for the code grant; `code_verifier=None` switches it off. Without `redirect_uri`
    the server takes the registered one. `response_type="token"` is the implicit grant, which RFC 9700 advises against
    and Bitbucket Cloud has withdrawn.

    Raises:
        ConfigurationError: Something can't work: a scope with a comma, a redirect_uri with a fragment, an empty state.
    """

    server: AuthorizationServer
    client: ClientAuthentication
    redirect_uri: str | None = None
    scope: AbstractSet[str] = frozenset()
    response_type: Literal["code", "token"] = "code"
    state: str = field(default_factory=_new_state, repr=False)
    code_verifier: str | None = field(default_factory=new_code_verifier, repr=False)

    def __post_init__(self) -> None:
        """Check all parts, and keep the scope as a frozen set."""
        example = "an AuthorizationServer such as BITBUCKET_CLOUD"
        check("server", self.server, "authorization_endpoint", example=example)
        check("client", self.client, "client_id", example='a Client("key", "secret") or client_from_env()')
        object.__setattr__(self, "scope", scope_set(self.scope))
        if self.response_type not in {"code", "token"}:
            msg = f"response_type {self.response_type!r} is unknown: code or token."
            raise ConfigurationError(msg)
        if self.response_type == "token":
            object.__setattr__(self, "code_verifier", None)
        if not self.state.isascii() or not self.state.isprintable() or not self.state.strip():
            msg = "state: expected printable ASCII text that nobody can guess."
            raise ConfigurationError(msg)
        if self.redirect_uri is not None:
            _check_redirect_uri(self.redirect_uri)
        _check_names(self.server.authorization_endpoint, self._parameters())
        try:
            urlencode(self._parameters())
        except UnicodeEncodeError:
            msg = "client_id: holds half of a surrogate pair, which no address can; decode it as UTF-8."
            raise ConfigurationError(msg) from None

    @property
    def url(self) -> str:
        """Where to send the person's browser (RFC 6749 sections 4.1.1 and 4.2.1)."""
        endpoint = urlsplit(self.server.authorization_endpoint)
        # %20, not +: every server reads it, and some don't read the other.
        ours = urlencode(self._parameters(), quote_via=quote)
        return endpoint._replace(query=f"{endpoint.query}&{ours}" if endpoint.query else ours, fragment="").geturl()

    def judge(self, callback_url: str) -> AuthorizationCode:
        """Return the code that came back, ready for `exchange` (RFC 6749 section 4.1.2).

        Args:
            callback_url: The whole address that the browser was redirected to.

        Raises:
            AccessDeniedError: The person said no.
            AuthorizationError: The server sent another error.
            CallbackError: This is not the answer to our request.
        """
        self._must_be("code", "judge_implicit")
        answer = self._answer(callback_url, "query", "fragment")
        code = answer.get("code", "")
        if not _is_text(code):
            msg = "The callback holds no usable code."
            raise CallbackError(msg)
        return AuthorizationCode(code, self.redirect_uri, self.code_verifier, scope_set(self.scope))

    def judge_implicit(self, callback_url: str, *, received_at: float) -> Token:
        """Return the token that came back in the fragment (RFC 6749 section 4.2.2).

        Args:
            callback_url: The whole address with its fragment, which only the browser sees.
            received_at: Seconds since the epoch, from which the lifetime counts.

        Raises:
            AccessDeniedError: The person said no.
            AuthorizationError: The server sent another error.
            CallbackError: This is not the answer to our request.
        """
        self._must_be("token", "judge")
        answer = self._answer(callback_url, "fragment", "query")
        # RFC 6749 section 4.2.2: no refresh token comes this way; what says it is one is not taken.
        fields = {name: value for name, value in answer.items() if name != "refresh_token"}
        try:
            token = Token.from_response(fields, requested_at=received_at)
        except ConfigurationError as error:
            msg = f"The callback holds no usable token. {error}"
            raise CallbackError(msg) from error
        return replace(token, scope=scope_set(self.scope)) if token.scope is None and self.scope else token

    def _must_be(self, response_type: str, other: str) -> None:
        if self.response_type != response_type:
            msg = f"This request has response_type={self.response_type}: use {other}."
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

    def _answer(self, callback_url: str, component: str, other: str) -> Mapping[str, str]:
        """Return the parameters in *component*, once it is sure that they answer this request and are no error."""
        callback = _split(callback_url)
        pairs = _pairs(getattr(callback, component))
        self._check_state([value for name, value in pairs if name == "state"], component)
        self._check_place(callback)
        answer = dict(pairs)
        if len(answer) != len(pairs) or not _ANSWERS.isdisjoint(dict(_pairs(getattr(callback, other)))):
            msg = f"The callback names a parameter twice, or holds part of the answer in its {other}."
            raise CallbackError(msg)
        self._check_issuer(answer.get("iss"))
        if "error" in answer:
            raise _authorization_error(answer)
        return answer

    def _check_state(self, states: list[str], component: str) -> None:
        # Before anything else is looked at: a forged redirect must not get a word in (RFC 6749 section 10.12).
        found = states[0] if len(states) == 1 else ""
        if not hmac.compare_digest(found.encode("utf-8", "surrogatepass"), self.state.encode("ascii")):
            why = "is not the one of this login" if found else f"is not there exactly once in the {component}"
            msg = f"The callback's state {why}; begin the login again."
            raise CallbackError(msg)

    def _check_issuer(self, found: str | None) -> None:
        # RFC 9207 section 2.4: errors too, compared as plain text.
        if self.server.issuer is not None and found != self.server.issuer:
            msg = f"The callback does not come from {self.server.issuer}: its iss is another one, or missing."
            raise CallbackError(msg)

    def _check_place(self, callback: SplitResult) -> None:
        if self.redirect_uri is not None and _place(callback) != _place(urlsplit(self.redirect_uri)):
            msg = f"The callback came to another address than {self.redirect_uri}; give the one that the browser sees."
            raise CallbackError(msg)


def _authorization_error(answer: Mapping[str, str]) -> CallbackError | AuthorizationError:
    if "code" in answer or "access_token" in answer or not answer["error"].strip():
        return CallbackError("The callback holds an error and a grant at once, or an error without a name.")
    error, description = answer["error"], harmless(answer.get("error_description"))
    kind = AccessDeniedError if error == "access_denied" else AuthorizationError
    return kind(harmless_code(error), description, advice=SCOPE_ADVICE if error == "invalid_scope" else "")


def _is_text(value: str) -> bool:
    return bool(value) and value.isascii() and value.isprintable()


def _split(callback_url: str) -> SplitResult:
    if not isinstance(callback_url, str) or not callback_url.strip():  # pyright: ignore[reportUnnecessaryIsInstance]  - input() and frameworks
        msg = "There is no callback: give the whole address that the browser went to, as text (str(request.url))."
        raise CallbackError(msg)
    if "?" not in callback_url and "#" not in callback_url:
        msg = "The callback holds no answer: give the whole address that the browser went to, with all behind the `?`."
        raise CallbackError(msg)
    if len(callback_url) > LONGEST_CALLBACK:
        msg = f"The callback is longer than {LONGEST_CALLBACK} characters."
        raise CallbackError(msg)
    try:
        callback = urlsplit(callback_url)
        if callback.port != 0:  # reading the port checks it
            return callback
    except ValueError:
        pass  # the cause may quote the code
    msg = "The callback is not an address: give the whole one that the browser went to."
    raise CallbackError(msg)


def _pairs(text: str) -> list[tuple[str, str]]:
    return parse_qsl(text, keep_blank_values=True)


def _place(parts: SplitResult) -> tuple[str, str | None, int | None, str]:
    port = parts.port if parts.port is not None else {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname, port, parts.path or "/"


def _check_redirect_uri(redirect_uri: str) -> None:
    try:
        parts = urlsplit(redirect_uri)
        place = parts.hostname if parts.scheme in {"https", "http"} else parts.netloc or parts.path
        whole = bool(parts.scheme and place) and parts.port != 0
    except ValueError:
        whole = False
    if not whole or "#" in redirect_uri or not _is_text(redirect_uri) or " " in redirect_uri:
        msg = "redirect_uri: expected an absolute address without fragment (RFC 6749 section 3.1.2)."
        raise ConfigurationError(msg)


def _check_names(endpoint: str, ours: Mapping[str, str]) -> None:
    twice = sorted({name for name, _ in _pairs(urlsplit(endpoint).query)} & set(ours))
    if twice:
        msg = f"authorization_endpoint already has {', '.join(twice)} in its query; leave that to the request."
        raise ConfigurationError(msg)
