"""Keeps codes and states of callbacks out of the web server's access log."""

import logging

from bitbucket_auth_async.telemetry.redaction import RedactingFilter

_FILTER = RedactingFilter()


def clean_access_log(*loggers: str) -> None:
    """Add a RedactingFilter to these loggers; calling it again changes nothing."""
    for name in loggers:
        logging.getLogger(name).addFilter(_FILTER)
