from __future__ import annotations

import asyncio
import contextlib
import email.utils
import json
import random
import sqlite3
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import openai
import pytest
import servers
from hypothesis import given
from hypothesis import strategies as st

from greenai import AsyncClient, Client
from greenai.provider import retry
from greenai.shapes import openai_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MESSAGES: Any = [{"role": "user", "content": "Name a colour."}]
SETTINGS = {"cache": "off", "ledger": ":memory:"}
SOON = {"retry-after-ms": "1"}
NOW = 1_800_000_000.0

# The time that the machine may take besides waiting: it is shared with other work.
SLACK_S = 0.4


@pytest.fixture
def client(scripted: servers.Scripted) -> Iterator[Client]:
    with Client(base_url=scripted.url, api_key="no-key", settings=SETTINGS) as client:
        yield client


def ask(client: Client, **arguments: Any) -> Any:
    return client.chat.completions.create(model=servers.MODEL, messages=MESSAGES, **arguments)


def failing(status: int, **headers: str) -> openai.APIError:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    error = openai_error("failed", status=status)
    assert isinstance(error, openai.APIStatusError)
    error.response.headers.update(names)
    return error


# --- what is tried again ------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 422])
def test_what_will_not_change_is_not_sent_again(scripted: servers.Scripted, client: Client, status: int) -> None:
    scripted.play(servers.status(status, headers=SOON))
    with pytest.raises(openai.APIStatusError) as caught:
        ask(client)
    assert len(scripted.requests) == 1
    assert caught.value.greenai_tries == ()  # type: ignore[attr-defined]


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
@pytest.mark.parametrize("stream", [False, True])
def test_what_may_pass_is_sent_again_at_most_twice(
    scripted: servers.Scripted, client: Client, status: int, stream: bool
) -> None:
    scripted.play(servers.status(status, headers=SOON))
    with pytest.raises(openai.APIStatusError) as caught:
        ask(client, stream=stream)
    assert caught.value.status_code == status
    assert len(scripted.requests) == 3
    assert len({r.raw for r in scripted.requests}) == 1  # the same request each time
    kind = type(caught.value).__name__
    assert [(t.error, t.status, t.waited_s) for t in caught.value.greenai_tries] == [(kind, status, 0.001)] * 2  # type: ignore[attr-defined]
    assert f"greenai tried: endpoint/scripted-model ({kind} after 2 retries)." in caught.value.__notes__


def test_the_server_may_say_itself_whether_to_try_again(scripted: servers.Scripted, client: Client) -> None:
    scripted.play(servers.status(503, headers={**SOON, "x-should-retry": "false"}))
    with pytest.raises(openai.InternalServerError):
        ask(client)
    assert len(scripted.requests) == 1
    scripted.play(servers.status(400, headers={**SOON, "x-should-retry": "true"}), servers.answer())
    assert ask(client).choices[0].message.content == "Hello there."


@pytest.mark.parametrize("retries", [0, 1, 4])
def test_max_retries(scripted: servers.Scripted, client: Client, retries: int) -> None:
    scripted.play(servers.status(500, headers=SOON))
    with client.with_options(max_retries=retries) as copy, pytest.raises(openai.InternalServerError):
        ask(copy)
    assert len(scripted.requests) == 1 + retries


def test_every_try_is_in_the_receipt_and_in_the_ledger(scripted: servers.Scripted, tmp_path: Path) -> None:
    scripted.play(
        servers.status(503, headers=SOON), servers.status(429, headers={"retry-after-ms": "2"}), servers.answer()
    )
    ledger = tmp_path / "ledger.db"
    with Client(base_url=scripted.url, api_key="no-key", settings={"cache": "off", "ledger": str(ledger)}) as client:
        (attempt,) = ask(client).greenai.attempts
    assert attempt.state == "answered"
    told = [{"error": t.error, "status": t.status, "waited_s": t.waited_s} for t in attempt.tries]
    assert told == [
        {"error": "InternalServerError", "status": 503, "waited_s": 0.001},
        {"error": "RateLimitError", "status": 429, "waited_s": 0.002},
    ]
    with sqlite3.connect(ledger) as connection:
        rows = connection.execute("SELECT state, retries FROM attempts").fetchall()
    connection.close()
    assert [(state, json.loads(retries)) for state, retries in rows] == [("answered", told)]


def test_a_failed_call_leaves_one_settled_attempt_and_no_hold(scripted: servers.Scripted, tmp_path: Path) -> None:
    scripted.play(servers.status(503, headers=SOON))
    ledger = tmp_path / "ledger.db"
    settings = {"cache": "off", "ledger": str(ledger)}
    with (
        Client(base_url=scripted.url, api_key="no-key", settings=settings) as client,
        pytest.raises(openai.InternalServerError),
    ):
        ask(client)
    with sqlite3.connect(ledger) as connection:
        rows = connection.execute("SELECT state, error, retries FROM attempts").fetchall()
    connection.close()
    assert [(state, error, len(json.loads(retries))) for state, error, retries in rows] == [
        ("failed", "InternalServerError", 2)
    ]


@pytest.mark.parametrize("scene", [servers.reset(), servers.truncated()], ids=["reset", "truncated"])
def test_a_connection_that_broke_is_tried_again(
    scripted: servers.Scripted, client: Client, scene: servers.Scene
) -> None:
    scripted.play(scene, servers.answer())
    response = ask(client)
    assert response.choices[0].message.content == "Hello there."
    assert [t.error for t in response.greenai.attempts[0].tries] == ["APIConnectionError"]


@pytest.mark.parametrize("scene", [servers.malformed(), servers.html()], ids=["malformed", "html"])
def test_an_answer_that_cannot_be_read_is_not_asked_for_again(
    scripted: servers.Scripted, client: Client, scene: servers.Scene
) -> None:
    scripted.play(scene)
    with pytest.raises((openai.APIResponseValidationError, json.JSONDecodeError)):
        ask(client)
    assert len(scripted.requests) == 1


def test_a_stream_that_broke_is_not_begun_again(scripted: servers.Scripted, client: Client) -> None:
    scripted.play(servers.stream(3, cut_after=1))
    stream = ask(client, stream=True)
    assert next(stream).choices[0].delta.content == "word0 "
    with pytest.raises(Exception, match=r"peer closed|Connection error"):
        next(stream)
    assert len(scripted.requests) == 1
    assert stream.greenai.attempts[0].state == "cut"


def test_awaited_calls_retry_alike(scripted: servers.Scripted) -> None:
    scripted.play(servers.status(503, headers=SOON), servers.answer())

    async def call() -> Any:
        async with AsyncClient(base_url=scripted.url, api_key="no-key", settings=SETTINGS) as client:
            return await client.chat.completions.create(model=servers.MODEL, messages=MESSAGES)

    (attempt,) = asyncio.run(call()).greenai.attempts
    assert [(t.error, t.status) for t in attempt.tries] == [("InternalServerError", 503)]


# --- Retry-After --------------------------------------------------------------------------


def test_retry_after_is_read_in_its_three_forms() -> None:
    assert retry.retry_after_s(failing(429, retry_after="7"), NOW) == 7
    assert retry.retry_after_s(failing(429, retry_after="0.5"), NOW) == 0.5
    assert retry.retry_after_s(failing(429, retry_after_ms="250", retry_after="7"), NOW) == 0.25
    date = email.utils.format_datetime(datetime.fromtimestamp(NOW + 30, UTC), usegmt=True)
    assert retry.retry_after_s(failing(429, retry_after=date), NOW) == 30


NONSENSE = ["", "0", "-1", "-0.0", "nan", "inf", "-inf", "1e999", "soon", "1,5", "Wed", "Wed, 99 Foo 99999 99:99:99",
            "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999999999 23:59:59 GMT", "31 Feb 2030 00:00:00 GMT"]  # fmt: skip


@pytest.mark.parametrize("text", NONSENSE)
def test_a_retry_after_that_makes_no_sense_is_ignored(text: str) -> None:
    assert retry.retry_after_s(failing(429, retry_after=text), NOW) is None
    assert retry.retry_after_s(failing(429, retry_after_ms=text), NOW) is None
    assert retry.retry_after_s(failing(429, retry_after_ms=text, retry_after="3"), NOW) == 3


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40) | st.floats().map(str))
def test_whatever_a_server_writes_is_a_time_to_wait_or_nothing(text: str) -> None:
    seconds = retry.retry_after_s(failing(503, retry_after=text), NOW)
    assert seconds is None or 0 < seconds < float("inf")


@pytest.mark.parametrize(
    ("headers", "least_s"),
    [
        (lambda: {"retry-after-ms": "120"}, 0.12),
        (lambda: {"retry-after": "0.3"}, 0.3),
        # Whole seconds: two from now are more than one away, whatever the fraction of this one.
        (lambda: {"retry-after": email.utils.formatdate(time.time() + 2, usegmt=True)}, 1.0),
        (lambda: {"retry-after": "garbage"}, 0.375),
        (lambda: {"retry-after": "-5"}, 0.375),
        (dict, 0.375),
    ],
    ids=["ms", "seconds", "date", "garbage", "negative", "none"],
)
def test_it_waits_as_long_as_asked_else_as_openai_does(
    scripted: servers.Scripted, client: Client, headers: Callable[[], dict[str, str]], least_s: float
) -> None:
    scripted.play(servers.status(429, headers=headers()), servers.answer())
    started = time.perf_counter()
    (attempt,) = ask(client).greenai.attempts
    took_s = time.perf_counter() - started
    (waited,) = attempt.tries
    longest_s = 2.0 if least_s == 1.0 else 0.5 if least_s == 0.375 else least_s
    assert least_s <= waited.waited_s <= longest_s
    assert waited.waited_s <= took_s <= waited.waited_s + SLACK_S


@pytest.mark.parametrize("asked", ["121", "3600", "99999999999"])
def test_a_wait_above_the_limit_fails_at_once(scripted: servers.Scripted, client: Client, asked: str) -> None:
    scripted.play(servers.status(429, headers={"retry-after": asked}))
    started = time.perf_counter()
    with pytest.raises(openai.RateLimitError):
        ask(client)
    assert time.perf_counter() - started < SLACK_S
    assert len(scripted.requests) == 1


def test_a_wait_beyond_the_deadline_fails_at_once(scripted: servers.Scripted, client: Client) -> None:
    scripted.play(servers.status(503, headers={"retry-after": "30"}))
    started = time.perf_counter()
    with pytest.raises(openai.InternalServerError):
        ask(client, timeout=5)
    assert time.perf_counter() - started < SLACK_S
    assert len(scripted.requests) == 1


# --- the budget ---------------------------------------------------------------------------


def calls(client: Client, count: int) -> None:
    for _ in range(count):
        with contextlib.suppress(openai.InternalServerError):
            ask(client)


def test_an_outage_multiplies_requests_by_less_than_a_third(scripted: servers.Scripted, client: Client) -> None:
    scripted.play(servers.status(503, headers=SOON))
    calls(client, 200)
    # Ten retries are saved up at first, and every call earns a fifth of one.
    assert 200 * 1.2 <= len(scripted.requests) <= 200 * 1.3


def test_at_a_fifth_of_failures_nearly_every_call_succeeds_with_a_quarter_more_requests(
    scripted: servers.Scripted, client: Client
) -> None:
    scenes = [servers.status(500, headers=SOON), *[servers.answer()] * 4] * 80
    random.Random(20).shuffle(scenes)  # the same order every time
    scripted.play(*scenes)
    failed = 0
    for _ in range(200):
        try:
            ask(client)
        except openai.InternalServerError:
            failed += 1
    assert len(scripted.requests) <= 200 * 1.25
    assert failed <= 200 * 0.04  # without retries it would be a fifth


def test_the_budget_fills_up_again() -> None:
    budget = retry.RetryBudget()
    assert sum(budget.spend() for _ in range(100)) == 10
    for _ in range(5):
        budget.earn()
    assert [budget.spend(), budget.spend()] == [True, False]
    for _ in range(1000):
        budget.earn()
    assert sum(budget.spend() for _ in range(100)) == 10


def test_copies_of_a_client_share_the_budget(scripted: servers.Scripted, client: Client) -> None:
    scripted.play(servers.status(503, headers=SOON))
    for _ in range(30):
        calls(client.with_options(project="another"), 1)
    assert len(scripted.requests) <= 30 + 10 + 30 * 0.2
