"""A token endpoint mocked by aioresponses."""

import aiohttp
import pytest

from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.testing.aioresponses import TOKEN_ANSWER, mock_token_endpoint

URL = BITBUCKET_CLOUD.token_endpoint


async def test_the_endpoint_answers_with_a_fixed_token_again_and_again() -> None:
    with mock_token_endpoint() as mocked:
        async with aiohttp.ClientSession() as http:
            for _ in range(2):
                async with http.post(URL, data=b"grant_type=client_credentials") as response:
                    assert response.status == 200
                    assert await response.json() == TOKEN_ANSWER
        assert sum(map(len, mocked.requests.values())) == 2


async def test_status_headers_and_answer_can_be_chosen() -> None:
    refusal = {"error": "invalid_request", "error_description": "Invalid refresh_token"}
    with mock_token_endpoint(refusal, status=400, headers={"Retry-After": "3"}):
        async with aiohttp.ClientSession() as http, http.post(URL) as response:
            assert (response.status, response.headers["Retry-After"]) == (400, "3")
            assert await response.json() == refusal


async def test_an_exception_can_take_the_place_of_an_answer() -> None:
    with mock_token_endpoint(exception=aiohttp.ServerDisconnectedError()):
        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await http.post(URL)


async def test_no_other_address_is_there() -> None:
    with mock_token_endpoint(token_endpoint="https://other.example/token"):
        async with aiohttp.ClientSession() as http:
            async with http.post("https://other.example/token") as response:
                assert response.status == 200
            with pytest.raises(aiohttp.ClientConnectionError):
                await http.post(URL)
