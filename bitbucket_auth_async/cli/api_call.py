"""`api`: one request to Bitbucket's API with the profile's token, or a whole list of pages; JSON out."""

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
from bitbucket_auth_async.cli.profiles.open_profile import ready, server_of
from bitbucket_auth_async.cli.terminal.outcome import ExitCode, FailedError, out, printable
from bitbucket_auth_async.runtime.environment_proxy import environment_proxy

_PATIENCE = 60.0
_LITTLE_PATIENCE = 3.0
"""Seconds for a stand-in on this machine, which answers at once or does not run."""


class ApiCall(NamedTuple):
    """What was asked for."""

    method: str
    path: str
    paginate: bool
    body: str | None
    """The file that holds the JSON to send; `-`: standard input."""


async def api_call(name: str | None, call: ApiCall) -> ExitCode:
    """Make the call, and write what is answered.

    Raises:
        ApiError: The API did not answer with what was asked for.
        FailedError: The call can't be made.
    """
    body = None if call.body is None else _json_of(call.body)
    profile = profiles.load().get(name)
    (origin,) = server_of(profile).api_origins
    path = _path(call.path, origin)
    patience = _PATIENCE if profile.server == paths.CLOUD else _LITTLE_PATIENCE
    async with (
        ready(profile) as now,  # a renewal that is due is done before, not behind our back
        BitbucketAPI(
            now.source, base_url=f"{origin}{API_PATH}", proxy=environment_proxy(origin), patience=patience
        ) as api,
    ):
        if call.paginate:
            await _write_list(api.pages(path))
        elif call.method == "GET":
            await _write_whatever(api, path)
        else:
            _write(await api.request(call.method, path, data=body, params=None))
    return ExitCode.FINE


def _json_of(file: str) -> aiohttp.BytesPayload:
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        json.loads(content)
    except OSError as error:
        msg = f"{file} can't be read ({error.strerror})."
        raise FailedError(msg) from error
    except (ValueError, RecursionError) as error:
        msg = f"{'Standard input' if file == '-' else file} holds no JSON."
        raise FailedError(msg) from error
    return aiohttp.BytesPayload(content, content_type="application/json")


def _path(path: str, origin: str) -> str:
    """Return the path below /2.0, however it was spelled: /user, user, /2.0/user or the whole address."""
    path = path.removeprefix(origin)
    if "://" in path:
        msg = f"The token goes to {origin} alone; give a path such as /user."
        raise FailedError(msg)
    path = "/" + path.lstrip("/")
    return path.removeprefix(API_PATH) if path.startswith(f"{API_PATH}/") else path


def _write(answer: object) -> None:
    if answer is not None:
        out(_text(answer))


def _text(answer: object) -> str:
    """Return JSON; for a terminal with its letters as they are, and nothing that it would take for a command."""
    if not sys.stdout.isatty():
        return json.dumps(answer, indent=2)
    text = json.dumps(answer, indent=2, ensure_ascii=False)
    return "".join(one if one.isprintable() or one == "\n" else json.dumps(one)[1:-1] for one in text)


async def _write_whatever(api: BitbucketAPI, path: str) -> None:
    """Write JSON as JSON, and anything else, such as a file or a log, as it comes; a terminal gets its text alone."""
    try:
        async with api.stream(path) as response:
            if "json" in response.content_type:
                _write(json.loads(await response.read() or b"null"))
                return
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            async for piece in response.content.iter_any():
                if sys.stdout.isatty():
                    sys.stdout.write(printable(decoder.decode(piece), but="\n\t"))
                else:
                    sys.stdout.buffer.write(piece)
            sys.stdout.flush()
    except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError) as error:
        told = FailedError(f"The answer broke off ({type(error).__name__}).")
        told.retryable = True
        raise told from None


async def _write_list(pages: AsyncGenerator[Page, None]) -> None:
    """Write the items of all pages as one JSON list, each when its page is there."""
    count = 0
    with _progress() as progress:
        async for page in pages:
            for item in page["values"]:
                before = "[\n" if count == 0 else ",\n"
                sys.stdout.write(before + textwrap.indent(_text(item), "  "))
                count += 1
            sys.stdout.flush()
            progress.show(count, page.get("size"))
    out("\n]" if count else "[]")


class _Progress(Protocol):
    def show(self, count: int, size: object) -> None:
        """Show how many items have come, of how many if that is known."""
        ...


class _Silent:
    def show(self, count: int, size: object) -> None:
        """Show nothing."""


def _progress() -> AbstractContextManager[_Progress]:
    """Return a bar on standard error; where that is no terminal, or the items themselves are seen, nothing."""
    if not sys.stderr.isatty() or sys.stdout.isatty():
        return nullcontext(_Silent())
    from bitbucket_auth_async.cli.terminal.progress import Bar  # noqa: PLC0415 - only a terminal waits for rich

    return Bar()
