"""What a well-behaved server does not show: a key that is refused, limits, retries, time-outs, broken answers.

Each scene is played twice, once for either side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest
from held_against import failure, got, table, taken
from servers import (
    Scene,
    Scripted,
    answer,
    closed_port_url,
    html,
    malformed,
    reset,
    sleeps,
    status,
    stream,
    truncated,
)  # fmt: skip

SAY: Any = [{"role": "user", "content": "Say hello."}]
BASE: dict[str, Any] = {"model": "scripted-model", "messages": SAY}
SOON = {"retry-after-ms": "1"}

ONE: dict[str, list[Scene]] = {
    **{f"status {code}": [status(code, headers={"x-request-id": "r"})] for code in (400, 401, 402, 403, 404, 408, 409)},
    **{f"status {code}": [status(code)] for code in (413, 418, 422, 429, 500, 502, 503, 504, 529)},
    "a page of html": [html()],
    "half a JSON": [malformed()],
    "fewer bytes than said": [truncated()],
    "a reset connection": [reset()],
    "no text": [answer(None)],
    "no choices": [answer(choices=[])],
    "no usage": [answer(usage=None)],
    "fields of its own": [answer(own={"a": [1]}, service_tier="flex")],
    "two choices": [
        answer(
            choices=[
                {"index": n, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"} for n in (0, 1)
            ]
        )
    ],
    "a refusal": [
        answer(
            choices=[
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": None, "refusal": "No."},
                    "finish_reason": "stop",
                }
            ]
        )
    ],
    "a filter": [
        answer(
            choices=[{"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "content_filter"}]
        )
    ],
    "a request's id": [answer(headers={"x-request-id": "r", "x-ratelimit-remaining-requests": "9"})],
}
RETRIED: dict[str, list[Scene]] = {
    "retried after 500": [status(500, headers=SOON), answer()],
    "retried after 429": [status(429, headers=SOON), answer()],
    "retried twice": [status(503, headers=SOON), status(408, headers=SOON), answer()],
    "retried in vain": [status(500, headers=SOON)],
    "not to be retried": [status(500, headers={"x-should-retry": "false"}), answer()],
}
STREAMED: dict[str, list[Scene]] = {
    "a stream": [stream(4)],
    "a stream with no usage": [stream(4, usage=None)],
    "a stream cut by closing": [stream(4, cut_after=2)],
    "a stream cut by a reset": [stream(4, cut_after=2, how="reset")],
    "a stream with a clean end too early": [stream(4, cut_after=2, how="clean")],
    "a stream with an error inside": [stream(4, cut_after=2, how="error")],
    "a stream with garbage": [stream(4, cut_after=2, how="garbage")],
    "a stream of nothing": [stream(0)],
    "a stream that was refused": [status(429)],
    "a stream that is a page of html": [html()],
}


async def whole(c: Any) -> Any:
    response = await got(c.chat.completions.create(**BASE))
    return [response, response._request_id if hasattr(response, "_request_id") else response]


async def in_a_stream(c: Any) -> Any:
    seen: list[Any] = []
    pieces = await got(c.chat.completions.create(**BASE, stream=True))
    error = await failure(lambda: _into(seen, pieces))
    return [seen, error]


async def _into(seen: list[Any], pieces: Any) -> None:
    while True:
        try:
            seen += await taken(pieces, 1)
        except (StopIteration, StopAsyncIteration):
            return


CASES = {**dict.fromkeys((*ONE, *RETRIED), whole), **dict.fromkeys(STREAMED, in_a_stream)}
SCENES = {**ONE, **RETRIED, **STREAMED}


@pytest.mark.parametrize("awaited", [False, True], ids=["blocking", "awaited"])
@pytest.mark.parametrize("name", SCENES)
def test_only_greenai_differs(scripted: Scripted, same: Callable[..., None], name: str, awaited: bool) -> None:
    kind = openai.AsyncOpenAI if awaited else openai.OpenAI
    sent: list[Any] = []

    def scene() -> None:
        sent.append(
            [(r.path, r.headers.get("x-stainless-retry-count"), r.headers["authorization"]) for r in scripted.requests]
        )
        scripted.play(*SCENES[name])

    same(
        CASES[name],
        lambda: kind(base_url=scripted.url, api_key="key", max_retries=2 if name in RETRIED else 0),
        asynchronous=awaited,
        scene=scene,
    )
    scene()
    assert sent[1] == sent[2], "as many requests, and the same ones"


elsewhere = table()


@elsewhere
async def nobody_listens(c: Any) -> Any:
    return await failure(lambda: c.with_options(base_url=closed_port_url()).chat.completions.create(**BASE))


@elsewhere
async def an_address_that_is_none(c: Any) -> Any:
    return await failure(lambda: c.with_options(base_url="nowhere://x").chat.completions.create(**BASE))


@elsewhere
async def a_time_out(c: Any) -> Any:
    return await failure(lambda: c.with_options(timeout=0.2).chat.completions.create(**BASE))


@elsewhere
async def a_time_out_of_httpxs(c: Any) -> Any:
    given = httpx.Timeout(5, read=0.2)
    return await failure(lambda: c.with_options(timeout=given).chat.completions.create(**BASE))


@elsewhere
async def a_time_out_of_the_call(c: Any) -> Any:
    return await failure(lambda: c.chat.completions.create(**BASE, timeout=0.2))


@elsewhere
async def a_time_out_of_a_stream(c: Any) -> Any:
    return await failure(lambda: c.chat.completions.create(**BASE, stream=True, timeout=0.2))


@pytest.mark.parametrize("awaited", [False, True], ids=["blocking", "awaited"])
@pytest.mark.parametrize("name", elsewhere.cases)
def test_what_is_not_reached(scripted: Scripted, same: Callable[..., None], name: str, awaited: bool) -> None:
    kind = openai.AsyncOpenAI if awaited else openai.OpenAI
    scripted.play(sleeps(3))
    same(elsewhere.cases[name], lambda: kind(base_url=scripted.url, api_key="key", max_retries=0), asynchronous=awaited)
