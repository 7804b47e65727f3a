"""The web server's access log has no codes and states."""

import logging

import pytest
from uvicorn.logging import AccessFormatter

from bitbucket_auth_async.web.access_log import clean_access_log


@pytest.fixture
def logger() -> logging.Logger:
    clean_access_log("an access log", "an access log")
    return logging.getLogger("an access log")


def test_codes_are_redacted_in_the_log_of_uvicorn(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    address = "/callback?code=c0de&state=st4te&x=y"
    logger.info('%s - "%s %s HTTP/%s" %d', "1.2.3.4:5", "GET", address, "1.1", 303)
    (record,) = caplog.records
    line = AccessFormatter("%(client_addr)s %(request_line)s", use_colors=False).format(record)
    assert line == "1.2.3.4:5 GET /callback?code=[redacted]&state=[redacted]&x=y HTTP/1.1"


def test_codes_are_redacted_in_the_log_of_aiohttp(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    line = "GET /callback?state=st4te&code=c0de HTTP/1.1"
    logger.info(f'1.2.3.4 "{line}" 303', extra={"first_request_line": line})  # noqa: G004 - as aiohttp does
    (record,) = caplog.records
    clean = "GET /callback?state=[redacted]&code=[redacted] HTTP/1.1"
    assert (record.getMessage(), vars(record)["first_request_line"]) == (f'1.2.3.4 "{clean}" 303', clean)


def test_the_filter_is_added_once(logger: logging.Logger) -> None:
    assert len(logger.filters) == 1
