"""Error responses of the token endpoint (RFC 6749 section 5.2), read by error code and by known wordings."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from bitbucket_auth_async.errors import InvalidClientError, InvalidGrantError, OAuthError
from bitbucket_auth_async.oauth2.json_types import is_mapping


class _KnownWording(NamedTuple):
    """A description that is more specific than the error code that it comes with."""

    text: str
    """Part of the description, in lower case."""
    code: str
    """The error code for a response without one."""
    error: type[OAuthError]
    advice: str


_CONSUMER = "the OAuth consumer (in Bitbucket: Workspace settings, OAuth consumers)"

# Sources of the wordings: https://github.com/harness/harness/issues/1650, https://github.com/p2/OAuth2/issues/96,
# https://github.com/composer/composer/issues/5335, https://github.com/micronaut-projects/micronaut-security/issues/93,
# https://github.com/jenkinsci/bitbucket-build-status-notifier-plugin/issues/47,
# https://bitbucket.org/site/master/issues/16249
_WORDINGS = (
    _KnownWording(
        "requests must be authenticated using oauth client credentials",
        "invalid_client",
        InvalidClientError,
        f"The request had no client secret: give the client the Secret of {_CONSUMER}.",
    ),
    _KnownWording(
        "no callback uri defined",
        "invalid_request",
        InvalidClientError,
        f'Fill in "Callback URL" of {_CONSUMER}; Bitbucket requires one for every grant, even if it is not used.',
    ),
    _KnownWording(
        'with a consumer marked as "public"',
        "unauthorized_client",
        InvalidClientError,
        f'Tick "This is a private consumer" of {_CONSUMER}: the client credentials grant needs it.',
    ),
    _KnownWording(
        "redirect_uri does not match",
        "invalid_request",
        OAuthError,
        'Send the same redirect_uri here as in the authorization request: the "Callback URL" of '
        f"{_CONSUMER}, or a URL that begins with it. Send it in both requests or in neither.",
    ),
    _KnownWording(
        "user is inactive",
        "access_denied",
        OAuthError,
        "The user's account is deactivated. The sign-in is kept and works again when the account is reactivated.",
    ),
    _KnownWording(
        "unsupported grant type",
        "unsupported_grant_type",
        OAuthError,
        "The server does not accept this grant_type, or found none in the body. Bitbucket Cloud accepts "
        "authorization_code, refresh_token, client_credentials and its JWT grant; it has withdrawn the password grant.",
    ),
)

SCOPE_ADVICE = f"Request only scopes that {_CONSUMER} has, separated by spaces."
"""Advice for the error code `invalid_scope`, at either endpoint."""

_ADVICE = {
    "invalid_client": f"Compare client_id and client_secret with Key and Secret of {_CONSUMER}.",
    "unauthorized_client": f"Compare client_id and client_secret with Key and Secret of {_CONSUMER}. "
    "If they are right, the client may not use this grant.",
    "unsupported_grant_type": _WORDINGS[-1].advice,
    "invalid_scope": SCOPE_ADVICE,
}
_INVALID_GRANT_ADVICE = (
    "The code or token is used, expired or another client's (a code works once); start the login again."
)
_OUTAGE_CODES = frozenset({"server_error", "temporarily_unavailable"})
_LONGEST_SHOWN = 200
_LONGEST_CODE = 64
_LONGEST_BODY = 1000


def refusal(status: int, answer: Mapping[str, Any]) -> OAuthError | None:
    """Return the error of a JSON response; None if it is not an error response of RFC 6749 section 5.2."""
    code, description = answer.get("error"), answer.get("error_description")
    if is_mapping(code):  # the REST API's format: {"type": "error", "error": {"message": …}}
        return _by_wording(status, None, code.get("message"))
    if not isinstance(code, str) or not code.strip() or code in _OUTAGE_CODES:
        return None
    return _by_wording(status, code, description) or _by_code(status, code, description)


def refusal_in_text(status: int, body: bytes) -> OAuthError | None:
    """Return the error of a short plain-text response; None for an unknown text or HTML."""
    if len(body) > _LONGEST_BODY or body.lstrip().startswith(b"<"):
        return None
    return _by_wording(status, None, body.decode("utf-8", "replace").strip())


def sanitized(text: object) -> str | None:
    """Return a server's text for an error message: one line of at most 200 characters, without possible secrets.

    The server may echo what we sent. A word that could be a token, a code or a client secret is redacted: 16 or more
    characters that are not plain lower-case words.
    """
    if not isinstance(text, str):
        return None
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    line = re.sub(r"\S{16,}", lambda word: word[0] if _PLAIN_WORDS.fullmatch(word[0]) else "[redacted]", line)
    return line if len(line) <= _LONGEST_SHOWN else line[: _LONGEST_SHOWN - 1] + "…"


def sanitized_code(code: str) -> str:
    """Return a server's error code for an error message: as `sanitized`, at most 64 characters."""
    return (sanitized(code) or "")[:_LONGEST_CODE]


_PLAIN_WORDS = re.compile(r"""["'(]*[A-Z]?[a-z]{1,20}(?:[_'/-][a-z]{1,20})*["'),.;:!?]*""")


def _by_wording(status: int, code: str | None, description: object) -> OAuthError | None:
    text = description.lower() if isinstance(description, str) else ""
    for wording in _WORDINGS:
        if wording.text in text:
            shown = sanitized_code(code or wording.code)
            return wording.error(shown, sanitized(description), status=status, advice=wording.advice)
    return None


def _by_code(status: int, code: str, description: object) -> OAuthError:
    shown, said = sanitized_code(code), sanitized(description)
    if _is_invalid_grant(status, code, description):
        return InvalidGrantError(
            shown, said, status=status, advice=_INVALID_GRANT_ADVICE if code == "invalid_grant" else ""
        )
    kind = InvalidClientError if code in {"invalid_client", "unauthorized_client"} else OAuthError
    return kind(shown, said, status=status, advice=_ADVICE.get(code, ""))


def _is_invalid_grant(status: int, code: str, description: object) -> bool:
    if code == "invalid_grant":
        # Atlassian's other platform answers 403: https://developer.atlassian.com/cloud/oauth/getting-started/refresh-tokens
        return status in {400, 401, 403}
    # Bitbucket's own wording for an invalid refresh token: https://github.com/readthedocs/readthedocs.org/issues/2992
    said = description.strip(" .").lower() if isinstance(description, str) else ""
    return status == 400 and code == "invalid_request" and said == "invalid refresh_token"  # noqa: PLR2004  - HTTP
