"""What is switched on and not used: counted where the log tells it, asked where it cannot, and else not said."""

from __future__ import annotations

from typing import Any

import pytest
from audit_logs import LARGE, call, reads

from greenai.audit.columns import columns
from greenai.audit.energy import law_of
from greenai.audit.estimate import looked_at
from greenai.audit.finding import Waste
from greenai.audit.idle import OFFERED, always_on, idle, idle_tools, unused
from greenai.audit.values import Logged

HOUR = 3600.0
TOOLS = {"search": 400, "create_ticket": 600, "rare": 200}


def offers(count: int = OFFERED, **told: Any) -> list[Logged]:
    """Return calls that were given three tools, of which every second calls one."""
    return [
        call(f"Where is parcel {n}?", at=n, tool_chars=TOOLS, tool_calls=n % 2 == 0, called=("search",) * (n % 2 == 0), **told)
        for n in range(count)
    ]  # fmt: skip


def found(log: list[Logged]) -> dict[str, Waste]:
    looked = looked_at(columns(log), reads(log), in_a_row=0, sample=20)
    return {one.kind: one for one in idle(looked) if one is not None}


def test_tools_that_are_given_to_each_call_and_never_called() -> None:
    waste = found(offers())["tools"]
    assert waste.detail == "create_ticket, rare: given to 100 calls and never called; about 200 tokens of each prompt"
    law = law_of(LARGE)
    assert law is not None
    import numpy as np

    one, none, wrote = (np.array([float(n)]) for n in (100, 0, 50))
    each = float((law.joules(one, none, wrote) - law.joules(none, none, wrote))[0])
    assert waste.saved.energy_j is not None
    assert waste.saved.energy_j.mid == pytest.approx(100 * each)  # of 100 tokens no more than these can go


def test_tokens_that_were_cached_save_what_cached_ones_cost() -> None:
    fresh = found(offers(input_tokens=2000, cached_tokens=0))["tools"].saved.cost_usd
    cached = found(offers(input_tokens=2000, cached_tokens=2000))["tools"].saved.cost_usd
    assert fresh is not None
    assert cached is not None
    assert fresh.mid == pytest.approx(100 * 200 * 5.0 / 1e6)
    assert cached.mid == pytest.approx(fresh.mid / 10)


def test_a_tool_that_few_calls_had_or_whose_project_calls_it_is_not_named() -> None:
    assert not idle_tools(columns(offers(OFFERED - 1)))
    other = [*offers(project="a"), *offers(project="b")]
    other += [call("now", tool_chars=TOOLS, tool_calls=True, called=("rare",), project="b")]
    assert {one.project: [*one.names] for one in idle_tools(columns(other))} == {
        "a": ["create_ticket", "rare"],
        "b": ["create_ticket"],
    }


def test_calls_whose_answers_are_not_told_are_none_without_a_call_of_a_tool() -> None:
    assert not idle_tools(columns([call(str(n), at=n, tool_chars=TOOLS, answer=None) for n in range(OFFERED)]))


def test_nothing_is_said_where_the_log_does_not_name_the_tools_that_were_called() -> None:
    assert not idle_tools(columns([*offers(), call("a", tool_chars=TOOLS, tool_calls=True)]))


def test_a_built_in_tool_is_called_by_the_name_of_what_was_offered() -> None:
    log = [
        call(str(n), at=n, tool_chars={"web_search_preview": 40}, tool_calls=True, called=("web_search",))
        for n in range(OFFERED)
    ]
    assert not idle_tools(columns(log))


def test_several_answers_are_a_question() -> None:
    waste = found([call(f"{n}", at=n, arguments={"n": 4}, output_tokens=400) for n in range(3)])["choices"]
    assert waste.detail == "3 calls asked for several answers (n up to 4): is more than the first one read?"
    assert waste.saved.cost_usd is not None
    assert waste.saved.cost_usd.low == 0.0
    assert waste.saved.cost_usd.high == pytest.approx(3 * 300 * 30.0 / 1e6)
    assert "choices" not in found([call("a", arguments={"n": 1})])


def test_json_that_was_asked_for_and_did_not_come() -> None:
    form = {"response_format": {"type": "json_object"}}
    log = [
        call("a", arguments=form, answer='{"a": 1}'),
        call("b", at=1, arguments=form, answer="Sure! Here it is."),
        call("c", at=2, arguments=form, answer='{"a": ', finish_reason="length"),
        call("d", at=3, answer="no JSON was asked for"),
    ]
    waste = found(log)["not_json"]
    assert (waste.calls, waste.detail) == (1, "1 of 2 answers for which JSON was asked are none")


def test_features_whose_answers_nobody_uses() -> None:
    log = [call(f"{n}", at=n, feature="digest", used=n == 0) for n in range(30)]
    log += [call(f"{n}", at=n, feature="chat", used=n % 2 == 0) for n in range(30)]
    log += [call(f"{n}", at=n, feature="untold") for n in range(30)]
    assert {name: int(of.sum()) for name, of in unused(columns(log)).items()} == {"digest": 29}
    assert found(log)["unused"].detail == "29 answers of digest that nobody used"


def test_a_feature_that_asks_day_and_night() -> None:
    night_and_day = [call(f"{n}", at=n * HOUR / 2, feature="watch") for n in range(8 * 48)]
    by_day = [call(f"{n}", at=n * HOUR / 2, feature="desk") for n in range(8 * 48) if n % 48 < 16]
    quiet = always_on(columns([*night_and_day, *by_day]))
    assert [*quiet] == ["watch"]
    assert quiet["watch"].sum() == 8 * 48 // 4
    assert not always_on(columns(night_and_day[:48]))
    assert found(night_and_day)["always_on"].detail == (
        "96 calls of watch in the six quietest hours, as many as at any time"
    )
