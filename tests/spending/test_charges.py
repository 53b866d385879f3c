"""What a call is held for before it, and charged after it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenai import receipts
from greenai.budget import Amount
from greenai.catalog import find
from greenai.places import Site
from greenai.readings import Reading
from greenai.spending import charges
from greenai.spending.charges import LEAST_KNOWN, MOST_KNOWN, History, Tariff, Task
from greenai.values import Attempt, Draft, Options, Request, Rung, Transport, Try, Usage

TASK = Task("shop", "chat", "openai/gpt-5.4-nano", False)
UNKNOWN = Amount(usd=0.01, energy_j=3600.0)


def tariff(history: History | None = None) -> Tariff:
    return Tariff(site=Site(zone="FRA"), unknown=UNKNOWN, history=history or History())


def request(**arguments: Any) -> Request:
    return Request(
        call_id="c", entry="ask", model=None, messages=({"role": "user", "content": "x" * 400},), arguments=arguments,
        stream=False, transport=Transport(timeout_s=60.0), options=Options(project="shop"), deadline=math.inf,
        namespace="n",
    )  # fmt: skip


def draft(model: str = "openai/gpt-5.4-nano", *, reasoning: bool | None = False, **arguments: Any) -> Draft:
    return Draft(rung=Rung(model=model), messages=request().messages, arguments=arguments, reasoning=reasoning)


def attempt(state: Any = "answered", energy: Reading | None = None, **changes: Any) -> Attempt:
    read = energy or Reading(
        energy_j=20.0, low_j=10.0, high_j=40.0, gpu_energy_j=None, evidence="modelled_api", method="m"
    )
    return replace(
        Attempt(
            attempt_id="a", model="openai/gpt-5.4-nano", state=state, energy=read, latency_s=0.1, site="openai",
            usage=Usage(input_tokens=100, output_tokens=50),
        ),
        **changes,
    )  # fmt: skip


# --- before a call ------------------------------------------------------------------------


def tokens(output: int, given: int = 100) -> Usage:
    return Usage(input_tokens=given, output_tokens=output)


def modelled_j(usage: Usage) -> float:
    return receipts.modelled(find(TASK.model), usage).energy_j or math.nan


@settings(deadline=None)
@given(st.lists(st.integers(0, 10_000), max_size=2 * MOST_KNOWN))
def test_the_95th_percentile_is_of_the_latest_calls(taken: list[int]) -> None:
    history = History()
    for output in taken:
        history.add(TASK, tokens(output), None)
    found, kept = history.p95(TASK), taken[-MOST_KNOWN:]
    if len(kept) < LEAST_KNOWN:
        assert found is None
        return
    assert found is not None
    assert sum(output <= found[0] for output in kept) >= 0.95 * len(kept)
    assert sum(output < found[0] for output in kept) < 0.95 * len(kept)


def test_energy_is_remembered_as_a_multiple_of_what_is_modelled() -> None:
    history = History()
    for n in range(LEAST_KNOWN):
        usage = tokens(n + 1, given=100 * n)
        history.add(TASK, usage, None if n == 3 else (1 + n) * modelled_j(usage))
    found = history.p95(TASK)
    assert found is not None
    assert found == (19, pytest.approx(19.0))
    less = History()
    for _ in range(LEAST_KNOWN):
        less.add(TASK, tokens(50), modelled_j(tokens(50)) / 10)
    assert less.p95(TASK) == (50, 1.0)


def test_a_long_prompt_is_held_for_although_the_task_s_calls_were_short() -> None:
    history, long = History(), "x" * 240_000
    for _ in range(LEAST_KNOWN):
        history.add(TASK._replace(task=""), tokens(200), modelled_j(tokens(200)))
    asked = replace(request(), messages=({"role": "user", "content": long},))
    held = charges.expected(asked, draft(), None, tariff(history), 200)
    assert held.energy_j == pytest.approx(modelled_j(tokens(200, given=60_000)))
    assert held.energy_j > 50 * modelled_j(tokens(200))
    short = charges.expected(request(), draft(), None, tariff(history), 200)
    assert held.carbon_g > 50 * short.carbon_g
    assert held.usd > 20 * short.usd


def test_what_earlier_processes_had_is_read_once_and_counts_as_older() -> None:
    history = History()
    assert history.lacks("shop", "chat")
    for _ in range(LEAST_KNOWN):
        history.add(TASK, tokens(10), None)
    tenfold = 10 * modelled_j(tokens(500))
    history.read("shop", "chat", [(TASK.model, False, 100, 500, tenfold)] * MOST_KNOWN)
    history.read("shop", "chat", [(TASK.model, False, 100, 900, tenfold)] * MOST_KNOWN)
    assert not history.lacks("shop", "chat")
    assert history.p95(TASK) == (500, pytest.approx(10.0))
    for _ in range(MOST_KNOWN):
        history.add(TASK, tokens(10), None)
    assert history.p95(TASK) == (10, 1.0)


def test_tasks_are_kept_apart_and_are_not_too_many() -> None:
    history = History()
    for n in range(charges.MOST_TASKS + 1):
        history.add(replace_task(n), tokens(10), None)
    assert len(history._taken) == charges.MOST_TASKS
    assert replace_task(0) not in history._taken


def replace_task(n: int) -> Task:
    return TASK._replace(task=str(n))


def test_what_is_expected_is_bounded_by_what_the_app_allows() -> None:
    most = charges.most_tokens(request(), draft(), None, tariff())
    assert most == charges.UNASSESSED
    assert charges.most_tokens(request(), draft(max_tokens=64), None, tariff()) == 64
    assert charges.most_tokens(request(), draft(reasoning=True), None, tariff()) == most + charges.THINKING
    history = History()
    for _ in range(LEAST_KNOWN):
        history.add(TASK._replace(task=""), tokens(300), 2 * modelled_j(tokens(300)))
    assert charges.most_tokens(request(), draft(), None, tariff(history)) == 300
    assert charges.most_tokens(request(), draft(max_tokens=64), None, tariff(history)) == 64
    whole = charges.expected(request(), draft(), None, tariff(history), 300)
    assert (whole.tokens, whole.calls, whole.reasoning_calls) == (400, 1, 0)
    assert whole.energy_j == pytest.approx(2 * modelled_j(tokens(300)))
    half = charges.expected(request(), draft(), None, tariff(history), 150)
    assert half.energy_j == pytest.approx(2 * modelled_j(tokens(150)))


def test_several_answers_are_several_times_the_output() -> None:
    assert charges.most_tokens(request(), draft(n=8, max_tokens=100), None, tariff()) == 800
    assert charges.most_tokens(request(), draft(n=3), None, tariff()) == 3 * charges.UNASSESSED
    assert [charges.choices(draft(n=n)) for n in (None, 1, 0, -3, True, "four", [4])] == [1] * 7
    assert [charges.choices(draft(**more)) for more in ({"n": "4"}, {"n": 4.0}, {"extra_body": {"n": 4}})] == [4] * 3
    history = History()
    for _ in range(LEAST_KNOWN):
        history.add(TASK._replace(task="", choices=8), tokens(720), None)
    assert charges.most_tokens(request(), draft(n=8), None, tariff(history)) == 720
    assert charges.most_tokens(request(), draft(), None, tariff(history)) == charges.UNASSESSED


def test_the_worst_is_the_limit_or_a_multiple_of_what_is_expected() -> None:
    assert charges.worst_tokens(draft(), 300) == charges.MARGIN * 300
    assert charges.worst_tokens(draft(max_tokens=4096), 300) == 4096
    assert charges.worst_tokens(draft(max_tokens=100, n=8), 300) == 800


@pytest.mark.parametrize("given", [9000, 9000.0, "9000", " 9000 "])
def test_a_limit_counts_in_every_form_that_servers_take(given: object) -> None:
    assert charges.worst_tokens(draft(max_tokens=given), 300) == 9000
    assert charges.worst_tokens(draft(extra_body={"max_tokens": given}), 300) == 9000
    assert charges.worst_tokens(draft(max_tokens=50, extra_body={"max_tokens": given}), 300) == 9000


@pytest.mark.parametrize("given", [0, -1, True, "many", math.inf, math.nan, [1], {}, None])
def test_what_is_no_limit_limits_nothing(given: object) -> None:
    assert charges.worst_tokens(draft(max_tokens=given), 300) == charges.MARGIN * 300
    assert charges.most_tokens(request(), draft(max_tokens=given), None, tariff()) == charges.UNASSESSED


@pytest.mark.parametrize("many", [{"max_tokens": 10**400}, {"n": 10**9}, {"max_tokens": 1e300, "n": 10**9}])
def test_no_number_of_tokens_is_too_large_to_be_refused(many: dict[str, Any]) -> None:
    asked = draft(**many)
    worst = charges.worst_tokens(asked, charges.most_tokens(request(), asked, None, tariff()))
    assert worst <= charges.MOST_TOKENS
    assert charges.expected(request(), asked, None, tariff(), worst).energy_j > 1000.0


def test_a_model_that_reasons_by_itself_counts_as_reasoning() -> None:
    assert not charges.reasons(draft())
    assert charges.reasons(draft("gemini/gemini-2.5-pro", reasoning=None))
    assert not charges.reasons(draft("openai/nobody-knows-it", reasoning=None))


def test_unknown_price_and_energy_are_never_free() -> None:
    for model in ("openai/nobody-knows-it", "endpoint/mine"):
        found = charges.expected(request(), draft(model), None, tariff(), 10)
        assert (found.usd, found.energy_j) == (0.01, 3600.0)
        assert found.carbon_g > 0


def test_unknown_price_and_energy_grow_with_the_tokens() -> None:
    usage = Usage(input_tokens=200_000, output_tokens=60_000)
    unknown = attempt(energy=Reading.unknown("no card"), model="endpoint/mine", site="endpoint", usage=usage)
    found = charges.used(unknown, tariff(), reasoned=False)
    assert (found.usd, found.energy_j) == (pytest.approx(110 * 0.01), pytest.approx(110 * 3600.0))


def test_the_least_of_a_ladder() -> None:
    site = Site(zone="FRA")
    least, model = charges.least([Rung(model="openai/gpt-5.5"), Rung(model="openai/gpt-5.4-nano")], site)
    assert model == "openai/gpt-5.4-nano"
    assert 0 < least.usd < 1e-4
    assert 0 < least.energy_j < 100
    assert 0 < least.carbon_g < 0.1
    assert (least.tokens, least.calls) == (9, 1)
    unknown, _ = charges.least([Rung(model="openai/gpt-5.5"), Rung(model="local/mine")], site)
    assert unknown == Amount(tokens=9, calls=1)
    assert charges.least([], site) == (Amount(), "")


# --- after it -----------------------------------------------------------------------------

REFUSED = Reading.unknown(receipts.REFUSED)
MAYBE = replace(Reading.unknown(receipts.MAYBE_GENERATED), high_j=500.0)


def test_what_was_used_is_charged() -> None:
    found = charges.used(attempt(), tariff(), reasoned=False)
    assert (found.energy_j, found.tokens, found.calls, found.reasoning_calls) == (20.0, 150, 1, 0)
    assert found.usd > 0
    assert found.carbon_g > 0
    thought = attempt(usage=Usage(input_tokens=1, output_tokens=50, reasoning_tokens=40))
    assert charges.used(thought, tariff(), reasoned=False).reasoning_calls == 1
    assert charges.used(attempt(), tariff(), reasoned=True).reasoning_calls == 1


def test_each_request_that_was_sent_again_counts_as_a_call() -> None:
    tries = (Try(error="InternalServerError", status=500, waited_s=0.5),) * 3
    found = charges.used(attempt(tries=tries), tariff(), reasoned=False)
    assert (found.calls, found.energy_j, found.tokens) == (4, 20.0, 150)


@pytest.mark.parametrize("state", ["cut", "discarded"])
def test_what_was_seen_of_an_answer_is_charged(state: str) -> None:
    assert charges.used(attempt(state), tariff(), reasoned=False).energy_j == 20.0


def test_of_a_failure_only_what_was_measured_is_charged() -> None:
    assert charges.used(attempt("failed", REFUSED), tariff(), reasoned=False) == Amount()
    assert charges.used(attempt("failed", MAYBE), tariff(), reasoned=False) == Amount()
    measured = charges.used(attempt("failed", usage=Usage()), tariff(), reasoned=False)
    assert (measured.energy_j, measured.calls, measured.tokens, measured.usd) == (20.0, 1, 0, 0.0)
    assert measured.carbon_g > 0


def test_an_answer_of_unknown_energy_is_charged_as_stated() -> None:
    unknown = attempt(energy=Reading.unknown("no card"), model="endpoint/mine", site="endpoint")
    found = charges.used(unknown, tariff(), reasoned=False)
    assert (found.energy_j, found.usd) == (3600.0, 0.01)
