"""What a refusal of the token endpoint means (RFC 6749 section 5.2): by its code, and by wordings seen in the wild."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bitbucket_auth_async.errors import InvalidClientError, InvalidGrantError, OAuthError
from bitbucket_auth_async.oauth2.json_types import is_mapping


@dataclass(frozen=True, slots=True)
class _Wording:
    """A sentence that says more than the code beside it."""

    sentence: str
    """What the description holds, in lower case."""
    code: str
    """The code it stands for where the answer names none."""
    error: type[OAuthError]
    advice: str


_WHERE = "the OAuth consumer (in Bitbucket: Workspace settings, OAuth consumers)"

# Bodies and sources: https://github.com/harness/harness/issues/1650, https://github.com/p2/OAuth2/issues/96,
# https://github.com/composer/composer/issues/5335, https://github.com/micronaut-projects/micronaut-security/issues/93,
# https://github.com/jenkinsci/bitbucket-build-status-notifier-plugin/issues/47,
# https://bitbucket.org/site/master/issues/16249
_WORDINGS = (
    _Wording(
        "requests must be authenticated using oauth client credentials",
        "invalid_client",
        InvalidClientError,
        f"The request named no client secret: give the client the Secret of {_WHERE}.",
    ),
    _Wording(
        "no callback uri defined",
        "invalid_request",
        InvalidClientError,
        f'Fill in "Callback URL" of {_WHERE}; Bitbucket wants one for every grant, even where it is not used.',
    ),
    _Wording(
        'with a consumer marked as "public"',
        "unauthorized_client",
        InvalidClientError,
        f'Tick "This is a private consumer" of {_WHERE}: only then may the client speak for itself.',
    ),
    _Wording(
        "redirect_uri does not match",
        "invalid_request",
        OAuthError,
        'Send the same redirect_uri here as in the authorization request: the "Callback URL" of '
        f"{_WHERE}, or one that begins with it; sent in one place, it must be sent in both.",
    ),
    _Wording(
        "user is inactive",
        "access_denied",
        OAuthError,
        "The person's account is deactivated; the sign-in is kept, and works again once that is undone.",
    ),
    _Wording(
        "unsupported grant type",
        "unsupported_grant_type",
        OAuthError,
        "The server does not take this grant_type, or found none in the body. Bitbucket Cloud takes "
        "authorization_code, refresh_token, client_credentials and its JWT grant; it has withdrawn the password grant.",
    ),
)

SCOPE_ADVICE = f"Ask for scopes that {_WHERE} has; separate them by space."
"""What to do about an `invalid_scope`, at either endpoint."""

_ADVICE = {
    "invalid_client": f"Compare client_id and client_secret with Key and Secret of {_WHERE}.",
    "unauthorized_client": f"Compare client_id and client_secret with Key and Secret of {_WHERE}; "
    "if they are right, the client is not allowed to use this grant.",
    "unsupported_grant_type": _WORDINGS[-1].advice,
    "invalid_scope": SCOPE_ADVICE,
}
_GONE = "What was presented is spent, expired or another client's (a code works once); begin the login again."
_NO_REFUSAL = frozenset({"server_error", "temporarily_unavailable"})
_LONGEST_SHOWN = 200
_LONGEST_CODE = 64
_LONGEST_TEXT = 1000


def refusal(status: int, answer: Mapping[str, Any]) -> OAuthError | None:
    """Return the error that a JSON answer means; None if it is not an error of RFC 6749 section 5.2."""
    code, description = answer.get("error"), answer.get("error_description")
    if is_mapping(code):  # as the REST API answers: {"type": "error", "error": {"message": …}}
        return _by_wording(status, None, code.get("message"))
    if not isinstance(code, str) or not code.strip() or code in _NO_REFUSAL:
        return None
    return _by_wording(status, code, description) or _by_code(status, code, description)


def refusal_in_text(status: int, body: bytes) -> OAuthError | None:
    """Return the error that a short plain text means; None if it is none of the sentences we know, or HTML."""
    if len(body) > _LONGEST_TEXT or body.lstrip().startswith(b"<"):
        return None
    return _by_wording(status, None, body.decode("utf-8", "replace").strip())


def harmless(text: object) -> str | None:
    """Return a server's text fit for an error: one line, 200 characters at most, and nothing that may be a secret.

    The server may have echoed what we sent. We can't know it here, so each word that could be a token, a code or a
    client secret is taken out: 16 characters or more that are not plain lower-case words.
    """
    if not isinstance(text, str):
        return None
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    line = re.sub(r"\S{16,}", lambda word: word[0] if _PLAIN.fullmatch(word[0]) else "[redacted]", line)
    return line if len(line) <= _LONGEST_SHOWN else line[: _LONGEST_SHOWN - 1] + "…"


def harmless_code(code: str) -> str:
    """Return a server's error code fit for an error: as `harmless`, and 64 characters at most."""
    return (harmless(code) or "")[:_LONGEST_CODE]


_PLAIN = re.compile(r"""["'(]*[A-Z]?[a-z]{1,20}(?:[_'/-][a-z]{1,20})*["'),.;:!?]*""")


def _by_wording(status: int, code: str | None, description: object) -> OAuthError | None:
    text = description.lower() if isinstance(description, str) else ""
    for wording in _WORDINGS:
        if wording.sentence in text:
            shown = harmless_code(code or wording.code)
            return wording.error(shown, harmless(description), status=status, advice=wording.advice)
    return None


def _by_code(status: int, code: str, description: object) -> OAuthError:
    shown, said = harmless_code(code), harmless(description)
    if _is_dead(status, code, description):
        return InvalidGrantError(shown, said, status=status, advice=_GONE if code == "invalid_grant" else "")
    kind = InvalidClientError if code in {"invalid_client", "unauthorized_client"} else OAuthError
    return kind(shown, said, status=status, advice=_ADVICE.get(code, ""))


def _is_dead(status: int, code: str, description: object) -> bool:
    if code == "invalid_grant":
        # Atlassian's other platform says 403: https://developer.atlassian.com/cloud/oauth/getting-started/refresh-tokens
        return status in {400, 401, 403}
    # Bitbucket's own words for a dead refresh token: https://github.com/readthedocs/readthedocs.org/issues/2992
    said = description.strip(" .").lower() if isinstance(description, str) else ""
    return status == 400 and code == "invalid_request" and said == "invalid refresh_token"  # noqa: PLR2004  - HTTP
