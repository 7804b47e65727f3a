"""mock_token_endpoint."""

import aiohttp
import pytest

from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.testing.aioresponses import TOKEN_ANSWER, mock_token_endpoint

URL = BITBUCKET_CLOUD.token_endpoint


async def test_the_endpoint_returns_the_same_token_each_time() -> None:
    with mock_token_endpoint() as mocked:
        async with aiohttp.ClientSession() as http:
            for _ in range(2):
                async with http.post(URL, data=b"grant_type=client_credentials") as response:
                    assert response.status == 200
                    assert await response.json() == TOKEN_ANSWER
        assert sum(map(len, mocked.requests.values())) == 2


async def test_status_headers_and_response_can_be_set() -> None:
    refusal = {"error": "invalid_request", "error_description": "Invalid refresh_token"}
    with mock_token_endpoint(refusal, status=400, headers={"Retry-After": "3"}):
        async with aiohttp.ClientSession() as http, http.post(URL) as response:
            assert (response.status, response.headers["Retry-After"]) == (400, "3")
            assert await response.json() == refusal


async def test_an_exception_can_replace_the_response() -> None:
    with mock_token_endpoint(exception=aiohttp.ServerDisconnectedError()):
        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await http.post(URL)


async def test_every_other_url_is_refused() -> None:
    with mock_token_endpoint(token_endpoint="https://other.example/token"):
        async with aiohttp.ClientSession() as http:
            async with http.post("https://other.example/token") as response:
                assert response.status == 200
            with pytest.raises(aiohttp.ClientConnectionError):
                await http.post(URL)
