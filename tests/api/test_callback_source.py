"""CallbackSource: when the program's function is called, and which token callers get."""

import asyncio
from typing import Any

import pytest

from bitbucket_auth_async import LoginRequiredError, Token
from bitbucket_auth_async.api.callback_source import CallbackSource
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.testing.fake_clock import FakeClock


class TokenFunction:
    """Returns a new token at each call, once the gate is open."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, **_: object) -> dict[str, Any]:
        self.asked += 1
        await self.gate.wait()
        return {"access_token": f"token-{self.asked}", "expires_in": 3600, "token_type": "bearer"}


async def test_a_function_is_called_once_for_all_callers_and_again_after_expiry() -> None:
    clock = FakeClock()
    function = TokenFunction(clock)
    source = CallbackSource(function, {}, clock=clock)
    first = await asyncio.gather(*(source.get_token() for _ in range(50)))
    assert ({token.access_token for token in first}, function.asked) == ({"token-1"}, 1)
    await clock.advance(3569)
    assert (await source.get_token()).access_token == "token-1"
    await clock.advance(2)
    assert ((await source.get_token()).access_token, function.asked) == ("token-2", 2)


async def test_r10_a_refused_token_is_replaced_once() -> None:
    clock = FakeClock()
    function = TokenFunction(clock)
    source = CallbackSource(function, {}, clock=clock)
    first = await source.get_token()
    others = await asyncio.gather(*(source.get_token(rejected=first) for _ in range(50)))
    assert ({token.access_token for token in others}, function.asked) == ({"token-2"}, 2)
    assert (await source.get_token(rejected=first)).access_token == "token-2"
    assert (await source.get_token(rejected=others[0], still_accepted=True)).access_token == "token-2"
    assert function.asked == 2


async def test_r4_a_cancelled_caller_does_not_interrupt_the_function() -> None:
    clock = FakeClock()
    function = TokenFunction(clock)
    function.gate.clear()
    source = CallbackSource(function, {}, clock=clock)
    task = asyncio.create_task(source.get_token())
    await clock.settle()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    function.gate.set()
    assert ((await source.get_token()).access_token, function.asked) == ("token-1", 1)


@pytest.mark.parametrize("answer", [None, "token", 7, {"access_token": ""}, {"token_type": "mac", "access_token": "a"}])
async def test_a_result_that_is_not_a_token_is_refused(answer: object) -> None:
    with pytest.raises(ConfigurationError):
        await CallbackSource(lambda: answer, {}).get_token()


async def test_r5_an_expired_token_is_not_handed_out() -> None:
    clock = FakeClock()
    token = Token(access_token="a", issued_at=clock.wall() - 3600, expires_at=clock.wall() - 1)
    with pytest.raises(LoginRequiredError, match="an expired token"):
        await CallbackSource(lambda: token, {}, clock=clock).get_token()


async def test_an_error_of_the_function_is_raised_unchanged_and_the_next_caller_calls_it_again() -> None:
    answers: list[Any] = [KeyError("mine"), {"access_token": "a"}]

    def get() -> Any:  # noqa: ANN401 - a token or an error
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    source = CallbackSource(get, {})
    with pytest.raises(KeyError, match="mine"):
        await source.get_token()
    assert (await source.get_token()).access_token == "a"
