"""The callback with litellm's SDK, on a real socket; the proxy's hooks are in test_litellm_proxy.py too."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import litellm_marks
import pytest
from servers import Scripted, answer, stream

from greenai import Client, completion
from greenai.integrations.litellm_callback import GreenCallback

pytestmark = [
    *litellm_marks.ONLY,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::RuntimeWarning"),
    pytest.mark.usefixtures("left_open_by_others"),
]

HELLO: Any = [{"role": "user", "content": "Say hello to Ada in a friendly way."}]
MODEL = "openai/some-model"


@pytest.fixture
def receipts() -> list[Any]:
    return []


@pytest.fixture
def litellm(receipts: list[Any]) -> Iterator[Any]:
    litellm_marks.load()
    import litellm

    litellm.callbacks = [GreenCallback(project="bot", observers=[receipts.append])]
    yield litellm
    litellm.callbacks = []
    for left in ("success_callback", "failure_callback", "_async_success_callback", "_async_failure_callback"):
        setattr(litellm, left, [])
    litellm_marks.forget_clients()


def at(server: Scripted, **changes: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": HELLO, "api_base": server.url, "api_key": "key", "max_retries": 0, **changes}


def until(done: Callable[[], object]) -> None:
    """Wait for litellm, which tells its callbacks after the call."""
    deadline = time.monotonic() + 20
    while not done() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert done()


def test_a_call_is_booked_and_its_receipt_is_beside_litellms_own_parameters(
    scripted: Scripted, litellm: Any, receipts: list[Any]
) -> None:
    response = litellm.completion(**at(scripted))
    until(lambda: response._hidden_params.get("greenai"))
    receipt = response._hidden_params["greenai"]
    assert receipts == [receipt]
    assert (receipt.model, receipt.project, receipt.outcome) == (MODEL, "bot", "large")
    assert receipt.attempts[0].usage.output_tokens == 5
    assert receipt.nudges == ()  # nothing was changed
    assert scripted.bodies == [{"model": "some-model", "messages": HELLO}]


def test_a_known_model_has_energy(litellm: Any, receipts: list[Any]) -> None:
    litellm.completion("gpt-5.5", HELLO, mock_response="Hello, Ada.")
    until(lambda: receipts)
    assert receipts[0].model == "openai/gpt-5.5"
    assert receipts[0].energy.low_j < receipts[0].energy.energy_j < receipts[0].energy.high_j


def test_the_callback_that_takes_anothers_place_is_told_alone(litellm: Any, receipts: list[Any]) -> None:
    litellm.completion("gpt-5.5", HELLO, mock_response="Hello, Ada.")
    until(lambda: receipts)
    later: list[Any] = []
    litellm.callbacks = [GreenCallback(project="other", observers=[later.append])]
    litellm.completion("gpt-5.5", HELLO, mock_response="Hello again, Ada.")
    until(lambda: later)
    assert [receipt.project for receipt in (*receipts, *later)] == ["bot", "other"]


def test_a_callback_that_was_taken_out_is_told_no_more(litellm: Any, receipts: list[Any]) -> None:
    litellm.completion("gpt-5.5", HELLO, mock_response="Hello, Ada.")
    until(lambda: receipts)
    told = GreenCallback(project="other")
    litellm.callbacks = []
    litellm.success_callback.append(told)  # named there alone: it is told
    response = litellm.completion("gpt-5.5", HELLO, mock_response="Hello again, Ada.")
    until(lambda: response._hidden_params.get("greenai"))
    assert response._hidden_params["greenai"].project == "other"
    assert len(receipts) == 1


def test_two_callbacks_are_both_told(litellm: Any, receipts: list[Any]) -> None:
    other: list[Any] = []
    litellm.callbacks = [*litellm.callbacks, GreenCallback(project="audit", observers=[other.append])]
    litellm.completion("gpt-5.5", HELLO, mock_response="Hello, Ada.")
    until(lambda: receipts and other)
    assert [receipt.project for receipt in (*receipts, *other)] == ["bot", "audit"]


STREAMED = """
import json, time
from greenai.provider import litellm_path
litellm_path.loaded()
import litellm
from greenai.integrations.litellm_callback import GreenCallback
receipts = []
litellm.callbacks = [GreenCallback(project="bot", observers=[receipts.append])]
pieces = list(litellm.completion(**{call!r}))
deadline = time.monotonic() + 30
while not receipts and time.monotonic() < deadline:
    time.sleep(0.02)
time.sleep(0.3)  # long enough for a second booking, if there were one
print(json.dumps([len(pieces), [receipt.attempts[0].usage.output_tokens for receipt in receipts]]))
"""


def test_a_stream_is_booked_once_at_its_end(scripted: Scripted) -> None:
    # In a process of its own: in one that had run thousands of other tests, litellm told its callbacks of no stream.
    scripted.play(stream(3))
    call = at(scripted, stream=True, stream_options={"include_usage": True})
    done = subprocess.run(
        [sys.executable, "-c", STREAMED.format(call=call)], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    pieces, booked = json.loads(done.stdout.splitlines()[-1])
    assert pieces >= 4
    assert booked == [5]


def test_awaited_calls_are_booked(scripted: Scripted, litellm: Any, receipts: list[Any]) -> None:
    async def asked() -> None:
        try:
            await litellm.acompletion(**at(scripted))
            async for _ in await litellm.acompletion(**at(scripted, stream=True)):
                pass
            await asyncio.to_thread(until, lambda: len(receipts) == 2)
        finally:
            await litellm_marks.aclose()

    asyncio.run(asked())
    assert [receipt.outcome for receipt in receipts] == ["large", "large"]


def test_what_passes_greenai_already_is_not_booked_again(scripted: Scripted, litellm: Any, receipts: list[Any]) -> None:
    own = completion(**at(scripted))
    litellm.completion("gpt-5.5", HELLO, mock_response="Hello, Ada.")
    until(lambda: receipts)
    assert own.greenai.model == "endpoint/some-model"
    assert [receipt.model for receipt in receipts] == ["openai/gpt-5.5"]


def test_a_clients_calls_that_go_through_litellm_are_booked_once(
    scripted: Scripted, litellm: Any, receipts: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", "key")
    monkeypatch.setenv("DEEPSEEK_API_BASE", scripted.url)  # a base_url would be asked without litellm
    rung = {"model": "deepseek/deepseek-chat"}
    scripted.play(answer("Hello there."), stream(3))
    with Client(settings={"ladder": [rung], "cache": "off"}, max_retries=0, observers=[receipts.append]) as client:
        own = client.chat.completions.create(messages=HELLO)
        chunks = client.chat.completions.create(messages=HELLO, stream=True)
        assert len(list(chunks)) >= 3
    assert len(scripted.requests) == 2
    litellm.completion("gpt-5.5", HELLO, mock_response="Hello, Ada.")
    until(lambda: len(receipts) == 3)
    assert own.greenai.model == "deepseek/deepseek-chat"
    assert [receipt.model for receipt in receipts] == ["deepseek/deepseek-chat"] * 2 + ["openai/gpt-5.5"]


def test_a_call_of_a_proxy_that_fails_is_settled(litellm: Any, receipts: list[Any]) -> None:
    (callback,) = litellm.callbacks
    key = SimpleNamespace(api_key="hashed")

    async def failed() -> Any:
        data = {"model": "gpt-5.5", "messages": HELLO}
        asked = await callback.async_pre_call_hook(key, None, data, "acompletion")
        assert asked["reasoning_effort"] == "none"
        assert len(callback._waiting) == 1
        await callback.async_post_call_failure_hook(asked, ValueError("no answer"), key)
        return await callback.async_post_call_response_headers_hook(asked, key, None)

    headers = asyncio.run(failed())
    assert list(headers) == ["x-greenai-call-id"]
    assert (callback._waiting, receipts) == ({}, [])
