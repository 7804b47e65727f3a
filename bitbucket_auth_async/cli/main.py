"""The command line's entrance: what Git asks on every command is answered by little code, all else by the whole."""

import os
import sys

from bitbucket_auth_async.cli import quick


def main(words: list[str] | None = None) -> int:
    """Run the program with these words, by default those of the command line, and return its exit code."""
    words = sys.argv[1:] if words is None else words
    _prepare_streams()
    code = quick.answer(words)
    if code is not None:
        return code
    try:
        from bitbucket_auth_async.cli.app import run  # noqa: PLC0415 - it imports typer, which takes its time
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"typer", "rich"}:
            raise
        sys.stderr.write(
            f"The command line needs the library {error.name}: pip install 'bitbucket-auth-async[cli]', or "
            "pipx install 'bitbucket-auth-async[cli]'.\n"
        )
        return 1
    return run(words)


def _prepare_streams() -> None:
    """Open what whoever started us had closed, so that no file gets its number; let no letter be too much for one."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - it stays open
    # As standard error has it; and as standard input has it in the locale C: whoever reads it says what is wrong.
    for stream, errors in ((sys.stdout, "backslashreplace"), (sys.stdin, "surrogateescape")):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # it is Python's own, and no test's
            reconfigure(errors=errors)


if __name__ == "__main__":
    sys.exit(main())
