import asyncio
import copy
import json
from collections.abc import Mapping
from typing import Any

import pytest

from bitbucket_auth_async.errors import ConfigurationError, RecordError, StoreError
from bitbucket_auth_async.protocols import TokenStore, Versioned
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.stores.callbacks import CallbackStore
from bitbucket_auth_async.testing.store_contract import TokenStoreContract, a_record
from tests.support.swap_counting import SIZE, count_in_four_threads


class Keeper:
    """A program's configuration, stored as text."""

    def __init__(self, config: object = None) -> None:
        self.text = json.dumps(config)

    @property
    def config(self) -> Any:  # noqa: ANN401  - any JSON
        return json.loads(self.text)

    def load_config(self) -> Mapping[str, Any] | None:
        return json.loads(self.text)  # type: ignore[no-any-return]  # any JSON

    def save_config(self, config: dict[str, Any]) -> None:
        self.text = json.dumps(config)


class SlowKeeper:
    """The same with async functions that yield to other tasks in between."""

    def __init__(self) -> None:
        self.keeper = Keeper()

    async def load_config(self) -> Mapping[str, Any] | None:
        await asyncio.sleep(0)
        return self.keeper.load_config()

    async def save_config(self, config: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.keeper.save_config(config)


class TestCallbackStoreOfFunctions(TokenStoreContract):
    @pytest.fixture
    def store(self) -> TokenStore:
        keeper = Keeper()
        return CallbackStore(keeper.load_config, keeper.save_config)


class TestCallbackStoreOfAnAsyncObject(TokenStoreContract):
    @pytest.fixture
    def store(self) -> TokenStore:
        return CallbackStore(SlowKeeper())


async def test_other_fields_stay_and_the_npm_packages_field_holds_the_current_refresh_token() -> None:
    keeper = Keeper({"colour": "blue", "nested": {"a": [1]}, "refreshToken": None})
    store = CallbackStore(keeper)
    version = await store.swap("alice", a_record(), expected=0)
    token = a_record().token
    assert token is not None
    assert keeper.config == {
        "colour": "blue",
        "nested": {"a": [1]},
        "refreshToken": token.refresh_token,
        "bitbucket_auth_async": {"alice": {"version": version, "record": a_record().to_plain()}},
    }
    await store.swap("alice", Record(issuer=a_record().issuer, generation=2, signed_out=True), expected=version)
    assert keeper.config["refreshToken"] is None
    assert keeper.config["colour"] == "blue"


async def test_the_npm_packages_configuration_is_read_once() -> None:
    keeper = Keeper({"refreshToken": "r3fresh", "colour": "blue"})
    store = CallbackStore(keeper)
    found = await store.load("alice")
    assert found is not None
    token = found.record.token
    assert token is not None
    assert (token.access_token, token.refresh_token, token.expires_at) == ("", "r3fresh", 0.0)
    assert found.record.issuer.client_id == ""
    assert await store.swap("alice", a_record(), expected=0) == 0
    version = await store.swap("alice", a_record(), expected=found.version)
    assert await store.load("alice") == Versioned(a_record(), version)
    assert await store.load("bob") is None


@pytest.mark.parametrize("config", [None, {}, {"refreshToken": None}, {"refreshToken": ""}, {"colour": "blue"}])
async def test_a_configuration_without_tokens_is_empty(config: object) -> None:
    assert await CallbackStore(Keeper(config)).load("alice") is None


@pytest.mark.parametrize(
    "config, complaint",
    [
        ([], "load_config returned a list"),
        ("hunter2", "load_config returned a str"),
        (17, "load_config returned a int"),
        ({"refreshToken": ["hunter2"]}, "refreshToken in the configuration is damaged"),
        ({"bitbucket_auth_async": ["hunter2"]}, "bitbucket_auth_async in the configuration is damaged"),
        ({"bitbucket_auth_async": {"alice": "hunter2"}}, "entry 'alice' is damaged"),
    ],
)
async def test_an_invalid_configuration_is_an_error_and_is_left_unchanged(config: object, complaint: str) -> None:
    keeper = Keeper(config)
    store = CallbackStore(keeper)
    for act in (store.load("alice"), store.swap("alice", a_record(), expected=0)):
        with pytest.raises(RecordError, match=complaint) as caught:
            await act
        assert "hunter2" not in str(caught.value)
    assert keeper.config == config


async def test_the_program_may_change_the_configuration_that_it_was_given() -> None:
    saved: list[dict[str, Any]] = []
    given = {"colour": "blue"}
    config: dict[str, Any] = given

    def save_config(new: dict[str, Any]) -> None:
        nonlocal config
        config = copy.deepcopy(new)
        saved.append(new)

    store = CallbackStore(lambda: config, save_config)
    version = await store.swap("alice", a_record(), expected=0)
    saved[0]["bitbucket_auth_async"]["alice"].clear()
    assert await store.load("alice") == Versioned(a_record(), version)
    assert given == {"colour": "blue"}


async def test_a_failing_save_that_changes_its_argument_does_not_change_the_stored_records() -> None:
    kept: dict[str, Any] = {}

    def save_config(new: dict[str, Any]) -> None:
        if not kept:
            kept.update(new)
            return
        new["bitbucket_auth_async"]["alice"].clear()
        raise OSError

    store = CallbackStore(lambda: kept, save_config)
    version = await store.swap("alice", a_record(), expected=0)
    with pytest.raises(StoreError):
        await store.swap("bob", a_record(), expected=0)
    assert await store.load("alice") == Versioned(a_record(), version)


async def test_calls_run_in_the_order_in_which_they_were_made() -> None:
    keeper = Keeper()
    saving, may_end = asyncio.Event(), asyncio.Event()

    async def save_config(config: dict[str, Any]) -> None:
        saving.set()
        await may_end.wait()
        keeper.save_config(config)

    store = CallbackStore(keeper.load_config, save_config)
    first = asyncio.ensure_future(store.swap("first", a_record(), expected=0))
    await saving.wait()
    second = asyncio.ensure_future(store.swap("second", a_record(), expected=0))
    for _ in range(10):
        await asyncio.sleep(0)
    may_end.set()
    await first
    await asyncio.gather(second, store.swap("third", a_record(), expected=0))
    assert list(keeper.config["bitbucket_auth_async"]) == ["first", "second", "third"]


@pytest.mark.parametrize("fails", ["load_config", "save_config"])
@pytest.mark.parametrize("is_async", [False, True])
async def test_r11_an_error_of_a_function_is_named_by_its_type_alone(fails: str, *, is_async: bool) -> None:
    def fail(*_: object) -> None:
        raise OSError("hunter2")  # noqa: EM101  - as a program would

    async def fail_later(*_: object) -> None:
        await asyncio.sleep(0)
        fail()

    keeper = Keeper()
    functions: dict[str, Any] = {"load_config": keeper.load_config, "save_config": keeper.save_config}
    functions[fails] = fail_later if is_async else fail
    store = CallbackStore(functions["load_config"], functions["save_config"])
    with pytest.raises(StoreError) as caught:
        await store.swap("alice", a_record(), expected=0)
    assert str(caught.value) == f"{fails} raised OSError."
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.retryable
    assert keeper.config is None


async def test_our_own_errors_raised_by_a_function_pass_through() -> None:
    mine = StoreError("the vault is sealed")

    def load_config() -> None:
        raise mine

    with pytest.raises(StoreError, match="the vault is sealed"):
        await CallbackStore(load_config, Keeper().save_config).load("alice")


async def test_a_cancelled_task_inside_a_function_is_a_failure_and_does_not_cancel_the_caller() -> None:
    async def load_config() -> None:
        task = asyncio.ensure_future(asyncio.sleep(60))
        task.cancel()
        await task

    with pytest.raises(StoreError, match="load_config raised CancelledError"):
        await CallbackStore(load_config, Keeper().save_config).swap("alice", a_record(), expected=0)


async def test_cancelling_a_load_cancels_the_function_and_blocks_no_other_call() -> None:
    keeper = Keeper()
    asked: list[asyncio.Event] = [asyncio.Event(), asyncio.Event()]
    calls = iter(asked)

    async def load_config() -> Mapping[str, Any] | None:
        if (call := next(calls, None)) is not None:
            call.set()
            await asyncio.Event().wait()
        return keeper.load_config()

    store = CallbackStore(load_config, keeper.save_config)
    for call in asked:
        load = asyncio.ensure_future(store.load("alice"))
        await call.wait()
        load.cancel()
        await asyncio.wait([load])
        assert load.cancelled()
    assert await store.swap("alice", a_record(), expected=0)


async def test_r4_a_cancelled_swap_is_saved_before_the_next_one_starts() -> None:
    keeper = Keeper()
    saving, may_end = asyncio.Event(), asyncio.Event()

    async def save_config(config: dict[str, Any]) -> None:
        saving.set()
        await may_end.wait()
        keeper.save_config(config)

    store = CallbackStore(keeper.load_config, save_config)
    swap = asyncio.ensure_future(store.swap("alice", a_record(1), expected=0))
    await saving.wait()
    swap.cancel()
    await asyncio.wait([swap])
    assert swap.cancelled()
    late = asyncio.ensure_future(store.swap("alice", a_record(2), expected=0))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not late.done()
    may_end.set()
    assert await late == 0
    found = await store.load("alice")
    assert found is not None
    assert found.record == a_record(1)


async def test_a_failure_after_the_caller_was_cancelled_is_not_logged() -> None:
    noise: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: noise.append(context))
    may_end = asyncio.Event()

    async def load_config() -> None:
        await may_end.wait()
        raise OSError

    swap = asyncio.ensure_future(CallbackStore(load_config, Keeper().save_config).swap("a", a_record(), expected=0))
    await asyncio.sleep(0)
    swap.cancel()
    await asyncio.wait([swap])
    may_end.set()
    for _ in range(10):
        await asyncio.sleep(0)
    assert noise == []


def test_threads_with_their_own_event_loops_take_turns() -> None:
    store = CallbackStore(SlowKeeper())
    count_in_four_threads(store, 25)
    found = asyncio.run(store.load("alice"))
    assert found is not None
    assert found.record == a_record(100, size=SIZE)


@pytest.mark.parametrize(
    "given", [(None,), (object(),), (dict,), (Keeper().load_config, 17), (17, Keeper().save_config)]
)
def test_a_store_needs_both_functions(given: tuple[Any, ...]) -> None:
    with pytest.raises(ConfigurationError, match="load_config and save_config"):
        CallbackStore(*given)


async def test_a_key_that_json_cannot_hold_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="half of a surrogate pair"):
        await CallbackStore(Keeper()).load("\ud800")
