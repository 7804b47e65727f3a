"""Keeps what came back in a callback's address out of the access log of the server that runs us."""

import logging

from bitbucket_auth_async.telemetry.redaction import RedactingFilter

_FILTER = RedactingFilter()


def clean_access_log(*loggers: str) -> None:
    """Let a RedactingFilter see what these loggers get; once is enough, more does no harm."""
    for name in loggers:
        logging.getLogger(name).addFilter(_FILTER)
