"""RedactingFilter: removes secrets from the log records of any library."""

import logging
import re
import traceback
from collections.abc import Mapping

HIDDEN = "[redacted]"
"""The replacement for a secret."""

_NAMES = (
    "access[_-]?token|refresh[_-]?token|id_token|client[_-]?secret|client_assertion|assertion|code_?verifier|password|"
    "passwd|secret|consumer_?secret|jwt|private[_-]?token|api[_-]?token|bitbucket_client_secret|bitbucketsecret"
)
_QUOTE = r"\\*[\"']"
# A value is quoted, quoted within a quoted text, or bare; its closing quote may be missing.
_QUOTED = r"{q}(?:[^{q}\\]|\\.)*{q}?|\\{{1,9}}{q}(?:(?!\\{{1,9}}{q}).)*(?:\\{{1,9}}{q})?"
_VALUE = rf"(?:{_QUOTED.format(q=chr(34))}|{_QUOTED.format(q=chr(39))}|[^\s\"'&,;)\]}}>]+)"

_RULES = (
    # Authorization: Bearer …, ('authorization', 'Bearer …'), b'Proxy-Authorization', b'Basic …'
    rf"((?:proxy-)?authorization(?:{_QUOTE})?\s*[:=,]\s*b?(?:{_QUOTE})?(?:[a-z]+\s+)?)[^\s\"',)\]}}>]+",
    # Bearer … anywhere, unless a plain word follows.
    r"\b((?:bearer|basic|jwt)\s+)(?=\S*[\d+/=._-]|\S{24})[\w.~+/=-]{8,}",
    # access_token=…, "refresh_token": "…", 'client_secret': b'…', Token(access_token='…')
    rf"((?<![a-z])(?:{_NAMES})(?:{_QUOTE})?\s*[:=]\s*b?)(?!None\b|null\b){_VALUE}",
    # ?code=…&state=…, and a form that begins with one of them; not "code: 200"
    r"((?:[?&]|(?<=[\"']))(?:code|state)=)[^\s\"'&#]+",
    # Our own cookies: each of them authenticates its user.
    rf"(bitbucket-(?:session|login-[0-9a-f]{{16}})(?:{_QUOTE})?\s*[:=]\s*b?(?:{_QUOTE})?)[^\s\"',;)\]}}>\\]+",
    # Prefixes of Atlassian's tokens: ATCTT3x for access tokens, ATATT3x for API tokens.
    r"()(?<![\w-])AT[AC]TT3[\w.~+/=%-]{8,}",
    r"()(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?",
    r"(://[^\s/@:\"']*:)[^\s/@\"']*(?=@)",
)
_SECRETS = tuple(re.compile(rule, re.IGNORECASE) for rule in _RULES)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def redacted(text: str) -> str:
    """Return *text* without likely secrets: in headers, cookies, forms, JSON and URLs, or with a known prefix."""
    for secret in _SECRETS:
        text = secret.sub(_hidden, text)
    return text


def _hidden(found: re.Match[str]) -> str:
    before = found[1]
    # Text that another filter has redacted stays the same; most rules end a value before its bracket.
    return found[0] if found[0] == before + HIDDEN[:-1] else before + HIDDEN


class RedactingFilter(logging.Filter):
    """Removes secrets from every record: message, traceback, stack and extra fields.

    This package logs no secrets, but other libraries may: debug logs of aiohttp and httpx, asyncio's debug mode, an
    access log with `?code=`, or a traceback of your program. Add it to the *handlers*: a filter of a logger does not
    see the records of child loggers.

    It finds secrets by their place (a header, a form, JSON, a URL) or their prefix (a JWT, an API token), so it can
    miss some: it is a safety net, not a reason to log secrets.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the record in place, and return True."""
        message = _message(record)
        clean = redacted(message)
        if clean != message:
            # Redact each argument if that is enough: formatters such as uvicorn's use the arguments.
            record.args = _each(record.args)
            if _message(record) != clean:
                record.msg, record.args = clean, None
        _redact_traceback(record)
        if record.stack_info:
            record.stack_info = redacted(record.stack_info)
        for name, value in vars(record).items():
            if name not in _STANDARD:
                shown = value if isinstance(value, str) else _shown(value)
                hidden = redacted(shown)
                if hidden != shown:
                    setattr(record, name, hidden)
        return True


_Args = tuple[object, ...] | Mapping[str, object] | None


def _each(args: _Args) -> _Args:
    if isinstance(args, tuple):
        return tuple(redacted(arg) if isinstance(arg, str) else arg for arg in args)
    return args


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - logging itself would print the arguments, which may be secret
        record.msg = f"This log record can't be formatted: {_shown(record.msg)} with {_shown(record.args)}"
        record.args = None
        return str(record.msg)


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - a program must not fail because it logs
        return f"<a {type(value).__name__} whose repr fails>"


def _redact_traceback(record: logging.LogRecord) -> None:
    """Replace an exception that shows a secret by its redacted text, so that no handler formats it again."""
    if record.exc_info and record.exc_info[0] is not None:
        said = "".join(traceback.format_exception(*record.exc_info, limit=0))  # without the lines of code
        if redacted(said) != said:
            record.exc_text = redacted("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
            record.exc_info = None
    elif record.exc_text:
        record.exc_text = redacted(record.exc_text)
