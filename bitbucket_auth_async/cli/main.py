"""The entry point: a token request that needs no renewal takes the fast path, everything else the whole program."""

import os
import sys

from bitbucket_auth_async.cli import fast_path


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code.

    Args:
        arguments: By default those of the command line.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    _prepare_streams()
    code = fast_path.try_fast_path(arguments)
    if code is not None:
        return code
    try:
        from bitbucket_auth_async.cli.app import run  # noqa: PLC0415 - importing typer is slow
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"typer", "rich"}:
            raise
        sys.stderr.write(
            f"The command line needs the library {error.name}: pip install 'bitbucket-auth-async[cli]', or "
            "pipx install 'bitbucket-auth-async[cli]'.\n"
        )
        return 1
    return run(arguments)


def _prepare_streams() -> None:
    """Replace closed standard streams, so that no other file gets their numbers; accept every character."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - it stays open
    # Standard error escapes like this by default, and standard input in the locale C; our checks reject the input.
    for stream, errors in ((sys.stdout, "backslashreplace"), (sys.stdin, "surrogateescape")):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # a test's replacement may lack it
            reconfigure(errors=errors)
