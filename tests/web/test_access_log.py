"""The access log of the server that runs us holds no code."""

import logging

import pytest

from bitbucket_auth_async.web.access_log import CallbackFilter, clean_access_log


def cleaned(*args: object, msg: str = "%s", **more: object) -> logging.LogRecord:
    record = logging.LogRecord("access", logging.INFO, "", 0, msg, args, None)
    vars(record).update(more)
    assert CallbackFilter().filter(record)
    return record


def test_as_uvicorn_writes_it() -> None:
    record = cleaned("1.2.3.4", "GET", "/callback?code=c0de&state=st4te&x=y", 303, msg="%s %s %s %d")
    assert record.getMessage() == "1.2.3.4 GET /callback?code=…&state=…&x=y 303"


def test_as_aiohttp_writes_it() -> None:
    line = "GET /callback?state=st4te&code=c0de HTTP/1.1"
    record = cleaned(msg=f'1.2.3.4 "{line}" 303', first_request_line=line)
    assert record.getMessage() == '1.2.3.4 "GET /callback?state=…&code=… HTTP/1.1" 303'
    assert vars(record)["first_request_line"] == "GET /callback?state=…&code=… HTTP/1.1"


def test_what_is_no_secret_stays() -> None:
    assert (
        cleaned("/me?decode=1&estate=2", {"code": 1}, msg="%s %s").getMessage() == "/me?decode=1&estate=2 {'code': 1}"
    )


def test_it_is_there_once(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("an access log")
    clean_access_log(logger.name)
    clean_access_log(logger.name)
    assert len(logger.filters) == 1
