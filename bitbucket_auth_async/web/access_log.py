"""Keeps what came back in a callback's address out of the access log of the server that runs us."""

import logging
import re

_SECRETS = re.compile(r"(?<=[?&])(code|state|access_token|error_description)=[^&\s\"']+")


class CallbackFilter(logging.Filter):
    """Replaces code and state in the addresses of a log record, wherever the server put them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record, and let it pass."""
        record.msg = _clean(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(_clean(arg) for arg in record.args)
        for name in ("first_request_line", "request_header", "response_header"):  # as aiohttp names them
            if hasattr(record, name):
                setattr(record, name, _clean(getattr(record, name)))
        return True


_FILTER = CallbackFilter()


def clean_access_log(*loggers: str) -> None:
    """Let the filter see what these loggers get; once is enough, more does no harm."""
    for name in loggers:
        logging.getLogger(name).addFilter(_FILTER)


def _clean(value: object) -> object:
    return _SECRETS.sub(r"\1=…", value) if isinstance(value, str) else value
