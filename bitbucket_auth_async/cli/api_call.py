"""`api`: one request to Bitbucket's REST API, or a whole paginated list; prints JSON."""

import codecs
import json
import sys
import textwrap
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple, Protocol

import aiohttp

from bitbucket_auth_async.api import BitbucketAPI, Page
from bitbucket_auth_async.bitbucket.addresses import API_PATH
from bitbucket_auth_async.cli.profiles import paths, profiles
from bitbucket_auth_async.cli.profiles.open_profile import valid_token
from bitbucket_auth_async.cli.profiles.server import server_of
from bitbucket_auth_async.cli.terminal.exit_code import CommandFailedError, ExitCode
from bitbucket_auth_async.cli.terminal.output import print_result, printable
from bitbucket_auth_async.runtime.environment_proxy import environment_proxy

_PATIENCE = 60.0
_LOCAL_PATIENCE = 3.0
"""Seconds to wait for a fake Bitbucket on this machine, which answers at once or is not running."""


class ApiCall(NamedTuple):
    """The arguments of the command."""

    method: str
    path: str
    paginate: bool
    body: str | None
    """The file with the JSON body; `-`: standard input."""


async def api_call(name: str | None, call: ApiCall) -> ExitCode:
    """Send the request and print the answer.

    Raises:
        ApiError: The API answered with an error.
        CommandFailedError: The request can't be sent, or the answer is incomplete.
    """
    body = None if call.body is None else _read_json(call.body)
    profile = profiles.load().get(name)
    (origin,) = server_of(profile).api_origins
    path = _api_path(call.path, origin)
    patience = _PATIENCE if profile.server == paths.CLOUD else _LOCAL_PATIENCE
    proxy = environment_proxy(origin)
    async with (
        valid_token(profile) as valid,  # a renewal that is due is finished first
        BitbucketAPI(valid.source, base_url=f"{origin}{API_PATH}", proxy=proxy, patience=patience) as api,
    ):
        if call.paginate:
            await _print_pages(api.pages(path))
        elif call.method == "GET":
            await _print_response(api, path)
        else:
            _print_json(await api.request(call.method, path, data=body, params=None))
    return ExitCode.OK


def _read_json(file: str) -> aiohttp.BytesPayload:
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        json.loads(content)
    except OSError as error:
        msg = f"{file} can't be read ({error.strerror})."
        raise CommandFailedError(msg) from error
    except (ValueError, RecursionError) as error:
        msg = f"{'Standard input' if file == '-' else file} is not valid JSON."
        raise CommandFailedError(msg) from error
    return aiohttp.BytesPayload(content, content_type="application/json")


def _api_path(path: str, origin: str) -> str:
    """Return the path below /2.0 of /user, user, /2.0/user or the full URL."""
    path = path.removeprefix(origin)
    if "://" in path:
        msg = f"The token is sent only to {origin}. Give a path such as /user."
        raise CommandFailedError(msg)
    path = "/" + path.lstrip("/")
    return path.removeprefix(API_PATH) if path.startswith(f"{API_PATH}/") else path


def _print_json(answer: object) -> None:
    if answer is not None:
        print_result(_json_text(answer))


def _json_text(answer: object) -> str:
    """Return JSON; on a terminal with readable letters, and with control characters escaped."""
    if not sys.stdout.isatty():
        return json.dumps(answer, indent=2)
    text = json.dumps(answer, indent=2, ensure_ascii=False)
    return "".join(one if one.isprintable() or one == "\n" else json.dumps(one)[1:-1] for one in text)


async def _print_response(api: BitbucketAPI, path: str) -> None:
    """Print JSON formatted, and anything else, such as a file or a log, unchanged; on a terminal as printable text."""
    try:
        async with api.stream(path) as response:
            if "json" in response.content_type:
                _print_json(json.loads(await response.read() or b"null"))
                return
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            async for piece in response.content.iter_any():
                if sys.stdout.isatty():
                    sys.stdout.write(printable(decoder.decode(piece), allowed="\n\t"))
                else:
                    sys.stdout.buffer.write(piece)
            sys.stdout.flush()
    except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError) as error:
        incomplete = CommandFailedError(f"The answer is incomplete ({type(error).__name__}). Try again.")
        incomplete.retryable = True
        raise incomplete from None


async def _print_pages(pages: AsyncGenerator[Page, None]) -> None:
    """Print the items of all pages as one JSON list, each page as soon as it arrives."""
    count = 0
    with _progress() as progress:
        async for page in pages:
            for item in page["values"]:
                before = "[\n" if count == 0 else ",\n"
                sys.stdout.write(before + textwrap.indent(_json_text(item), "  "))
                count += 1
            sys.stdout.flush()
            progress.show(count, page.get("size"))
    print_result("\n]" if count else "[]")


class _Progress(Protocol):
    def show(self, count: int, size: object) -> None:
        """Show that *count* items have arrived, of *size* in all if that is a number."""
        ...


class _NoProgress:
    def show(self, count: int, size: object) -> None:
        """Show nothing."""


def _progress() -> AbstractContextManager[_Progress]:
    """Return a bar on standard error if that is a terminal and the items go elsewhere."""
    if not sys.stderr.isatty() or sys.stdout.isatty():
        return nullcontext(_NoProgress())
    from bitbucket_auth_async.cli.terminal.progress_bar import ProgressBar  # noqa: PLC0415 - imports rich

    return ProgressBar()
