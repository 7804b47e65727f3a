"""Options that several commands share."""

import logging
import math
import sys
from importlib.metadata import version
from typing import Annotated

import typer


def _log(value: bool) -> bool:  # noqa: FBT001 - as typer calls it
    if value:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        # Only our own logger, which never logs a secret: those of HTTP libraries may log headers.
        logger = logging.getLogger("bitbucket_auth_async")
        logger.setLevel(logging.DEBUG)
        logger.addHandler(handler)
    return value


def _version(value: bool) -> None:  # noqa: FBT001 - as typer calls it
    if value:
        typer.echo(f"bitbucket-auth {version('bitbucket-auth-async')}")
        raise typer.Exit


def number_of_seconds(value: float) -> float:
    """Return a number of seconds; refuse `nan`, which passes every minimum."""
    if math.isnan(value):
        message = "It must be a number of seconds."
        raise typer.BadParameter(message)
    return value


Profile = Annotated[
    str | None, typer.Option("--profile", "-p", metavar="NAME", help="Use this profile instead of the default one.")
]
Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", is_eager=True, callback=_log, help="Log to standard error; never a secret."),
]
Version = Annotated[bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version.")]
