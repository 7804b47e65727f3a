"""The filter removes secrets from every record, and leaves the rest unchanged."""

import asyncio
import io
import logging
import sys
import time
from collections.abc import Iterator
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.logging import AccessFormatter

from bitbucket_auth_async.telemetry.redaction import HIDDEN, RedactingFilter, redacted
from bitbucket_auth_async.testing.scripted_server import cut_off, scripted_server

SECRET = "abcdefghijKLMNOP0123456789-_"


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    """The output of a root handler with the filter."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s"))
    handler.addFilter(RedactingFilter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    root.setLevel(level)


FORMS = [
    "Authorization: Bearer {}",
    "{{'Authorization': 'Bearer {}'}}",
    "<CIMultiDictProxy('Host': \"h\", 'Authorization': \"Basic {}\")>",
    "Adding (b'authorization', b'Bearer {}') to the header table, sensitive:False",
    "headers=[(b'Proxy-Authorization', b'Basic {}'), (b'Host', b'h')]",
    '{{"access_token": "{}", "expires_in": 3600}}',
    'b\'{{"refresh_token":"{}"}}\'',
    '{{\\"access_token\\": \\"{}\\"}}',
    'received b\'{{"access_token": "{}',
    "b'grant_type=refresh_token&refresh_token={}&scope=account'",
    "b'code={}&grant_type=authorization_code'",
    '127.0.0.1 "GET /callback?code={}&state=x HTTP/1.1" 302',
    "GET /callback?error=no&state={}",
    "Client(client_id='id', client_secret='{}')",
    "CLIENT_SECRET={} python bot.py",
    "code_verifier: {}",
    "https://x-token-auth:{}@bitbucket.org/workspace/repository.git",
    "sent Bearer {}",
    "Authorization: JWT {}",
    '{{"refreshToken": "{}"}}',
    "{{'accessToken': '{}'}}",
    "consumerSecret: '{}'",
    "bitbucketSecret={} node bot.js",
    "X-Access-Token: {}",
    "curl -u ada@example.com:ATATT3x{} https://api.bitbucket.org/2.0/user",
    "git clone https://ATCTT3x{}@bitbucket.org/workspace/repository.git",
    "Cookie: theme=dark; bitbucket-session={}; a=b",
    "Set-Cookie: __Host-bitbucket-session={}; Path=/",
    "{{'__Host-bitbucket-login-0123456789abcdef': '{}'}}",
]


@pytest.mark.parametrize("form", FORMS)
@given(st.text("abcXYZ019-_.~+/=", min_size=16, max_size=64).filter(lambda text: text[0] not in "=/+"))
def test_r11_a_secret_is_redacted_in_every_form(form: str, secret: str) -> None:
    inside = quote(secret, safe="") if "://" in form or "&" in form or "?" in form else secret
    assert inside in form.format(inside)
    assert inside not in redacted(form.format(inside))


@pytest.mark.parametrize("form", FORMS)
def test_a_second_filter_changes_nothing(form: str) -> None:
    """A console and a file handler with a filter each see the same record."""
    once = redacted(form.format(SECRET))
    assert redacted(once) == once


def test_r11_a_jwt_is_recognized_by_its_form() -> None:
    assert redacted(f"found eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.{SECRET} there") == f"found {HIDDEN} there"


def test_r11_a_quoted_secret_may_contain_any_character() -> None:
    assert redacted(r'{"password": "with \"quotes\", commas and spaces", "user": "alice"}') == (
        f'{{"password": {HIDDEN}, "user": "alice"}}'
    )


@pytest.mark.parametrize(
    "text",
    [
        "exit code: 1, status code=200, basic authentication is off",
        "alice: renewed. The token was renewed.",
        "Bearer authentication is required",
        "access_token: None, refresh_token: null",
        "grant_type=refresh_token&scope=account",
        "https://example.org:443/a@b?page=2",
        "commit 0123456789abcdef0123456789abcdef01234567",
        "Authorization header is missing",
    ],
)
def test_text_without_a_secret_is_unchanged(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "://" + "a:" * 50_000,
        'password=\\"' + "\\" * 100_000,
        "eyJ-" * 25_000,
        "eyJaaaaaaaaa." * 8_000,
        "bearer " * 15_000,
        "authorization:" * 7_000,
        "password" + " " * 100_000,
        "password='" * 10_000,
        "?code=" * 17_000,
        "basic" + " " * 100_000,
        "ATATT3" * 15_000,
        "bitbucket-session=" * 5_000,
        "bitbucket-session" + "\\" * 100_000,
    ],
    ids=lambda text: text[:12],
)
def test_hostile_text_does_not_delay_the_program(text: str) -> None:
    """Logged text may come from an attacker: a backtracking rule would take minutes for 100 kB."""
    begun = time.process_time()
    redacted(text)
    assert time.process_time() - begun < 2


def test_r11_arguments_are_redacted_in_their_formatted_text(output: io.StringIO) -> None:
    logging.getLogger("some.library").debug("sending %s with %r", "POST", {"Authorization": f"Bearer {SECRET}"})
    assert output.getvalue() == f"some.library sending POST with {{'Authorization': 'Bearer {HIDDEN}'}}\n"


def test_r11_a_formatter_still_gets_each_argument() -> None:
    access = ("1.2.3.4:5", "GET", f"/callback?code={SECRET}", "1.1", 303)
    record = logging.LogRecord("uvicorn.access", logging.INFO, "", 0, '%s - "%s %s HTTP/%s" %d', access, None)
    assert RedactingFilter().filter(record)
    line = AccessFormatter("%(client_addr)s %(request_line)s %(status_code)s", use_colors=False).format(record)
    assert line == f"1.2.3.4:5 GET /callback?code={HIDDEN} HTTP/1.1 303 See Other"


def test_r11_a_secret_that_only_the_formatted_message_shows_is_redacted() -> None:
    record = logging.LogRecord("a", logging.INFO, "", 0, "access_token=%s, %s", (SECRET, "code"), None)
    assert RedactingFilter().filter(record)
    assert (record.getMessage(), record.args) == (f"access_token={HIDDEN}, code", None)


def test_r11_an_exception_that_shows_a_secret_becomes_redacted_text(output: io.StringIO) -> None:
    """With its cause, and for every handler."""
    try:
        try:
            raise KeyError(f"access_token={SECRET}")  # noqa: EM102, TRY301 - a made-up secret
        except KeyError as cause:
            msg = "it broke"
            raise ValueError(msg) from cause
    except ValueError:
        logging.getLogger("program").exception("Failed")
    assert f"KeyError: 'access_token={HIDDEN}'" in output.getvalue()
    assert "ValueError: it broke" in output.getvalue()
    assert "test_redaction.py" in output.getvalue()
    assert SECRET not in output.getvalue()


def test_an_exception_without_a_secret_stays_an_exception() -> None:
    """Handlers may use it; a line of code that looks like a secret does not matter."""
    record = logging.makeLogRecord({"msg": "Failed"})
    try:
        dict(access_token=SECRET)["nothing"]  # noqa: C408 - a line that looks like a secret in a traceback
    except KeyError:
        record.exc_info = sys.exc_info()
    RedactingFilter().filter(record)
    assert record.exc_info is not None


def test_r11_a_stack_and_extra_fields_are_redacted(output: io.StringIO) -> None:
    stack = f"Stack: token=Bearer {SECRET}"
    record = logging.LogRecord("program", logging.INFO, "", 0, "hello", None, None, sinfo=stack)
    record.headers = {"Authorization": f"Basic {SECRET}"}
    record.url = f"https://user:{SECRET}@example.org/"
    record.number = 7
    record.exc_text = f"ValueError: client_secret={SECRET}"
    assert RedactingFilter().filter(record)
    assert SECRET not in repr(vars(record))
    assert vars(record)["number"] == 7


def test_r11_a_record_that_can_not_be_formatted_does_not_show_its_arguments(
    output: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """Logging itself would print them to stderr."""
    arguments = (f"access_token={SECRET}",)
    logging.getLogger("program").info("%s and %s", *arguments)
    assert "can't be formatted" in output.getvalue()
    assert SECRET not in output.getvalue() + capsys.readouterr().err


class Unshowable:
    def __repr__(self) -> str:
        raise RecursionError


@pytest.mark.parametrize(
    "record",
    [
        {"msg": "%r", "args": (Unshowable(),)},
        {"msg": "%s %s", "args": (Unshowable(),)},
        {"msg": "%(name)s", "args": {"name": Unshowable()}},
        {"msg": Unshowable()},
        {"msg": "a line", "about": Unshowable()},
    ],
    ids=range(5),
)
def test_a_failing_repr_breaks_neither_the_program_nor_the_line(record: dict[str, object]) -> None:
    """Logging catches errors of a formatter but not of a filter: they would reach the program."""
    handler = logging.StreamHandler(output := io.StringIO())
    handler.addFilter(RedactingFilter())
    for one in (record, {"msg": "the next line"}):
        handler.handle(logging.makeLogRecord(one))
    first, second = output.getvalue().splitlines()
    assert first == "a line" or "can't be formatted" in first
    assert second == "the next line"


async def test_r11_aiohttps_access_log_does_not_show_the_code(output: io.StringIO) -> None:
    """The access log of a program includes its OAuth callback."""
    server = TestServer(web.Application())
    await server.start_server(access_log=logging.getLogger("aiohttp.access"))
    url = server.make_url(f"/callback?code={SECRET}&state=s")
    async with server, aiohttp.ClientSession() as http, http.get(url):
        pass
    assert f"/callback?code={HIDDEN}&state={HIDDEN}" in output.getvalue()
    assert SECRET not in output.getvalue()


async def test_r11_aiohttps_error_for_a_broken_response_is_redacted(output: io.StringIO) -> None:
    """The error quotes the line that could not be parsed."""
    broken = f"HTTP/1.1 200 OK\r\nno header, but access_token={SECRET}\r\n\r\n".encode()
    async with scripted_server(cut_off(broken)) as server, aiohttp.ClientSession() as http:
        try:
            await http.get(server.origin)
        except aiohttp.ClientError:
            logging.getLogger("program").exception("Failed")
    assert f"access_token={HIDDEN}" in output.getvalue()
    assert SECRET not in output.getvalue()


async def test_r11_asyncios_debug_mode_shows_no_argument_that_is_secret(output: io.StringIO) -> None:
    """It prints the arguments of slow callbacks."""
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0.0

    def slow(_: str) -> None:
        """Take time, as everything does."""

    loop.call_soon(slow, f"access_token={SECRET[:8]}")
    loop.call_soon(slow, "secret=s3cr3t")
    await asyncio.sleep(0)
    loop.set_debug(False)
    assert f"access_token={HIDDEN}" in output.getvalue()
    assert f"secret={HIDDEN}" in output.getvalue()
    assert SECRET[:8] not in output.getvalue()
    assert "s3cr3t" not in output.getvalue()
