"""The command line's entrance: what Git asks on every command is answered by little code, all else by the whole."""

import sys

from bitbucket_auth_async.cli import quick


def main(words: list[str] | None = None) -> int:
    """Run the program with these words, by default those of the command line, and return its exit code."""
    words = sys.argv[1:] if words is None else words
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


if __name__ == "__main__":
    sys.exit(main())
