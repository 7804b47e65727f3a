"""RedactingFilter: takes secrets out of log records, whoever wrote them."""

import logging
import re
import traceback
from collections.abc import Mapping

HIDDEN = "[redacted]"
"""What stands in the place of a secret."""

_NAMES = (
    "access[_-]?token|refresh[_-]?token|id_token|client[_-]?secret|client_assertion|assertion|code_?verifier|password|"
    "passwd|secret|consumer_?secret|jwt|private[_-]?token|api[_-]?token|bitbucket_client_secret|bitbucketsecret"
)
_QUOTE = r"\\*[\"']"
# Quoted, quoted within a quoted text, or bare; what closes it may have been cut off.
_QUOTED = r"{q}(?:[^{q}\\]|\\.)*{q}?|\\{{1,9}}{q}(?:(?!\\{{1,9}}{q}).)*(?:\\{{1,9}}{q})?"
_VALUE = rf"(?:{_QUOTED.format(q=chr(34))}|{_QUOTED.format(q=chr(39))}|[^\s\"'&,;)\]}}>]+)"

_RULES = (
    # Authorization: Bearer …, ('authorization', 'Bearer …'), b'Proxy-Authorization', b'Basic …'
    rf"((?:proxy-)?authorization(?:{_QUOTE})?\s*[:=,]\s*b?(?:{_QUOTE})?(?:[a-z]+\s+)?)[^\s\"',)\]}}>]+",
    # Bearer … anywhere, unless it is a word like any other.
    r"\b((?:bearer|basic|jwt)\s+)(?=\S*[\d+/=._-]|\S{24})[\w.~+/=-]{8,}",
    # access_token=…, "refresh_token": "…", 'client_secret': b'…', Token(access_token='…')
    rf"((?<![a-z])(?:{_NAMES})(?:{_QUOTE})?\s*[:=]\s*b?)(?!None\b|null\b){_VALUE}",
    # ?code=…&state=…, and a form that begins with it; not "code: 200"
    r"((?:[?&]|(?<=[\"']))(?:code|state)=)[^\s\"'&#]+",
    # Whoever brings one of our own cookies is taken for the person.
    rf"(bitbucket-(?:session|login-[0-9a-f]{{16}})(?:{_QUOTE})?\s*[:=]\s*b?(?:{_QUOTE})?)[^\s\"',;)\]}}>\\]+",
    # What Atlassian's own begin with: access tokens ATCTT3x, API tokens ATATT3x.
    r"()(?<![\w-])AT[AC]TT3[\w.~+/=%-]{8,}",
    r"()(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?",
    r"(://[^\s/@:\"']*:)[^\s/@\"']*(?=@)",
)
_SECRETS = tuple(re.compile(rule, re.IGNORECASE) for rule in _RULES)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def redacted(text: str) -> str:
    """Return *text* without what looks like a secret: in headers, cookies, forms, JSON, addresses, and by its look."""
    for secret in _SECRETS:
        text = secret.sub(_hidden, text)
    return text


def _hidden(found: re.Match[str]) -> str:
    before = found[1]
    # What another filter hid already stays as it is; most rules end a value at its bracket.
    return found[0] if found[0] == before + HIDDEN[:-1] else before + HIDDEN


class RedactingFilter(logging.Filter):
    """Takes secrets out of every record that passes: message, traceback, stack and extra fields.

    What this package logs holds none. What other libraries log may: aiohttp's and httpx's debug logs, asyncio's debug
    mode, an access log with `?code=` in it, or a traceback of your own program. Put it on the *handlers*: a filter of
    a logger does not see what its children pass up.

    It knows secrets by where they stand (a header, a form, JSON, an address) or how they begin (a JWT, an API token),
    not by heart: it is a net below the rope, and no reason to log what is secret.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the record where it stands, and let it pass."""
        message = _message(record)
        clean = redacted(message)
        if clean != message:
            # One by one where that is enough: formatters such as uvicorn's want the arguments as they came.
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
    except Exception:  # noqa: BLE001 - logging itself would print the arguments, and they may be secret
        record.msg = f"A log record that can't be formatted: {_shown(record.msg)} with {_shown(record.args)}"
        record.args = None
        return str(record.msg)


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - the program that logs must not fail over it
        return f"<a {type(value).__name__} that can't be shown>"


def _redact_traceback(record: logging.LogRecord) -> None:
    """Replace a traceback that shows a secret by its text: handlers that look at the exception would find it there."""
    if record.exc_info and record.exc_info[0] is not None:
        said = "".join(traceback.format_exception(*record.exc_info, limit=0))  # without the lines of code
        if redacted(said) != said:
            record.exc_text = redacted("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
            record.exc_info = None
    elif record.exc_text:
        record.exc_text = redacted(record.exc_text)
