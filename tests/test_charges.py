"""What a call is held for before it, and charged after it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai import charges, receipts
from greenai.budget import Amount
from greenai.charges import LEAST_KNOWN, MOST_KNOWN, History, Tariff, Task
from greenai.places import Site
from greenai.readings import Reading
from greenai.values import Attempt, Draft, Options, Request, Rung, Transport, Usage

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


@given(st.lists(st.tuples(st.integers(0, 10_000), st.floats(0, 1e6)), max_size=3 * MOST_KNOWN))
def test_the_95th_percentile_is_of_the_latest_calls(taken: list[tuple[int, float]]) -> None:
    history = History()
    for tokens, joules in taken:
        history.add(TASK, tokens, joules)
    found, kept = history.p95(TASK), taken[-MOST_KNOWN:]
    if len(kept) < LEAST_KNOWN:
        assert found is None
        return
    assert found is not None
    for place, value in enumerate(found):
        below = sum(row[place] <= value for row in kept)
        assert below >= 0.95 * len(kept)
        assert sum(row[place] < value for row in kept) < 0.95 * len(kept)


def test_joules_count_only_where_all_are_known() -> None:
    history = History()
    for n in range(LEAST_KNOWN):
        history.add(TASK, n, None if n == 3 else 1.0)
    assert history.p95(TASK) == (18, None)


def test_what_earlier_processes_had_is_read_once_and_counts_as_older() -> None:
    history = History()
    assert history.lacks("shop", "chat")
    for _ in range(LEAST_KNOWN):
        history.add(TASK, 10, 1.0)
    history.read("shop", "chat", [(TASK.model, False, 500, 9.0)] * MOST_KNOWN)
    history.read("shop", "chat", [(TASK.model, False, 900, 9.0)] * MOST_KNOWN)
    assert not history.lacks("shop", "chat")
    assert history.p95(TASK) == (500, 9.0)
    for _ in range(MOST_KNOWN):
        history.add(TASK, 10, 1.0)
    assert history.p95(TASK) == (10, 1.0)


def test_tasks_are_kept_apart_and_are_not_too_many() -> None:
    history = History()
    for n in range(charges.MOST_TASKS + 1):
        history.add(replace_task(n), 10, 1.0)
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
        history.add(TASK._replace(task=""), 300, 30.0)
    assert charges.most_tokens(request(), draft(), None, tariff(history)) == 300
    assert charges.most_tokens(request(), draft(max_tokens=64), None, tariff(history)) == 64
    whole = charges.expected(request(), draft(), None, tariff(history), 300)
    assert (whole.energy_j, whole.tokens, whole.calls, whole.reasoning_calls) == (30.0, 400, 1, 0)
    assert charges.expected(request(), draft(), None, tariff(history), 150).energy_j == 15.0


def test_a_model_that_reasons_by_itself_counts_as_reasoning() -> None:
    assert not charges.reasons(draft())
    assert charges.reasons(draft("gemini/gemini-2.5-pro", reasoning=None))
    assert not charges.reasons(draft("openai/nobody-knows-it", reasoning=None))


def test_unknown_price_and_energy_are_never_free() -> None:
    for model in ("openai/nobody-knows-it", "endpoint/mine"):
        found = charges.expected(request(), draft(model), None, tariff(), 10)
        assert (found.usd, found.energy_j) == (0.01, 3600.0)
        assert found.carbon_g > 0


def test_the_least_of_a_ladder() -> None:
    least, model = charges.least([Rung(model="openai/gpt-5.5"), Rung(model="openai/gpt-5.4-nano")])
    assert model == "openai/gpt-5.4-nano"
    assert 0 < least.usd < 1e-4
    assert 0 < least.energy_j < 100
    assert charges.least([Rung(model="openai/gpt-5.5"), Rung(model="local/mine")])[0] == Amount()
    assert charges.least([]) == (Amount(), "")


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
