"""What calls took for nothing: counted where it can be, and nothing is said where the log says too little."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from audit_logs import LARGE, call, reads

from greenai.audit.advice import audited, finding_of
from greenai.audit.columns import columns
from greenai.audit.energy import law_of
from greenai.audit.estimate import looked_at
from greenai.audit.finding import Waste, Wasted
from greenai.audit.prefixes import KEPT_S, missed, saved_by_prefix
from greenai.audit.rows import PREFIX_CHARS
from greenai.audit.values import Logged
from greenai.audit.waste import ASSUMPTIONS, idle_reasoning, tries, wastes
from greenai.readings import Reading

LONG = "x" * PREFIX_CHARS


def wasted(log: list[Logged], reasons_from: float = 0.25) -> dict[str, Waste]:
    looked = looked_at(columns(log), reads(log), in_a_row=0)
    return {one.kind: one for one in wastes(looked, reasons_from)}


def test_nothing_is_wasted_by_calls_like_any_other() -> None:
    assert not wasted([call(f"Why is number {n} odd?", at=n) for n in range(50)])


def test_reasoning_of_which_little_is_expected() -> None:
    said = ("Say hello.", "Say hello!", "Say hello", "say hello.")
    log = [call(text, at=n, output_tokens=550, reasoning_tokens=500) for n, text in enumerate(said)]
    found = wasted(log)["reasoning"]
    law = law_of(LARGE)
    assert law is not None
    import numpy as np

    counts = [np.array([float(count)]) for count in (100, 0, 550)]
    less = [np.array([float(count)]) for count in (100, 0, 50)]
    each = float(law.joules(*counts)[0] - law.joules(*less)[0])
    assert found.calls == 4
    assert found.saved.energy_j is not None
    assert found.saved.energy_j.mid == pytest.approx(4 * each)
    assert found.detail == "4 calls that reasoned where the expected gain is below 25%"
    assert "reasoning" not in wasted(log, reasons_from=0.0)


def test_a_repeat_that_reasoned_is_saved_once() -> None:
    log = [call("Say hello.", at=n, output_tokens=550, reasoning_tokens=500) for n in range(10)]
    assert wasted(log)["reasoning"].calls == 1
    finding = finding_of(looked_at(columns(log), reads(log), in_a_row=0))
    imported = next(change for change in finding.changes if change.assumption == "import")
    assert imported.calls.mid == 10
    assert imported.saved.energy_j is not None
    assert finding.whole.was.energy_j is not None
    assert imported.saved.energy_j.mid < finding.whole.was.energy_j.mid


def test_cut_answers_may_be_lost_or_not() -> None:
    found = wasted([call("a", finish_reason="length"), call("b", at=1)])["truncated"]
    assert found.calls == 1
    assert found.saved.energy_j is not None
    assert found.saved.energy_j.low == 0.0
    assert found.detail == "1 answer cut at their token limit"


def test_answers_far_longer_than_their_templates() -> None:
    log = [call(f"mail {n}", at=n, system="Sum it up.", output_tokens=60) for n in range(40)]
    long = [call("mail", at=50, system="Sum it up.", output_tokens=2000)]
    assert wasted([*log, *long])["long_output"].calls == 1
    assert "long_output" not in wasted([*log[:20], *long])


def test_prefixes_that_a_cache_would_have_served() -> None:
    soon, late = KEPT_S - 1, KEPT_S + 1
    log = [
        call("a", system=LONG, at=0, input_tokens=2000, cached_tokens=0),
        call("b", system=LONG, at=soon, input_tokens=2000, cached_tokens=0),
        call("c", system=LONG, at=soon + 1, input_tokens=2000, cached_tokens=1500),
        call("d", system=LONG, at=soon + 1 + late, input_tokens=2000, cached_tokens=0),
        call("e", system=LONG, at=soon + 2 + late, input_tokens=2000),
    ]
    calls = columns(log)
    assert missed(calls).tolist() == [False, True, False, False, False]
    joules, dollars = saved_by_prefix(calls, missed(calls))
    assert joules[1] > 0
    assert dollars[1] == pytest.approx(1024 * (5.0 - 0.5) / 1e6)
    assert wasted(log)["prefix"].calls == 1


def test_tries_that_failed_and_were_made_again() -> None:
    log = [call("a", ok=False), call("a", at=5), call("b", ok=False), call("c", at=9, attempt=2, ok=False)]
    assert wasted(log)["retries"].calls == 2


def test_no_more_is_wasted_than_the_log_itself_says_was_taken() -> None:
    energy = Reading(energy_j=3.0, low_j=1.0, high_j=9.0, evidence="measured")
    own: dict[str, Any] = {"energy": energy, "cost_usd": 0.5}
    log = [
        call("a", finish_reason="length", **own),
        call("b", system=LONG, at=1, input_tokens=2000, cached_tokens=0, **own),
        call("c", system=LONG, at=2, input_tokens=2000, cached_tokens=0, **own),
    ]
    found = wasted(log)
    for kind in ("truncated", "prefix"):
        saved = found[kind].saved
        assert saved.energy_j is not None
        assert saved.cost_usd is not None
        assert 0 < saved.energy_j.mid < 3.0
        assert 0 < saved.cost_usd.high < 0.5


def test_a_log_without_moments_has_no_tries_in_a_row() -> None:
    assert not tries(columns([call("a", ok=False, created=None), call("a", created=None)]), 3).any()


def test_the_try_that_was_answered_is_not_wasted() -> None:
    log = [call("a", attempt=1, ok=False, input_tokens=None, output_tokens=None), call("a", at=2, attempt=2)]
    found = wasted(log)["retries"]
    assert found.calls == 1
    assert found.saved.energy_unknown == 1
    assert found.saved.energy_j is None
    assert "retries" not in wasted([call("a", attempt=2)])


def test_the_third_try_is_one_that_a_single_retry_leaves_out() -> None:
    log = [
        *(call("a", at=n, ok=False) for n in range(3)),
        call("a", at=3),
        call("b", ok=False),
        call("b", at=1),
        call("c", attempt=3, ok=False),
    ]
    calls = columns(log)
    assert tries(calls, 2).tolist() == [True, True, True, False, True, False, True]
    assert tries(calls, 3).tolist() == [False, True, True, False, False, False, True]


def test_reasoning_that_was_asked_for_is_told_apart_with_what_it_may_lose() -> None:
    own, asked = {"temperature": 0}, {"temperature": 0, "reasoning_effort": "high"}
    log = [
        call(f"Say hello to guest {n}.", at=n, output_tokens=550, reasoning_tokens=500, arguments=arguments)
        for n, arguments in enumerate((own, asked, asked, {"reasoning_effort": "none"}))
    ]
    looked = looked_at(columns(log), reads(log), in_a_row=0)
    found = {asks: idle_reasoning(looked, 0.25, asked=asks) for asks in (None, True, False)}
    assert {asks: None if one is None else one.calls for asks, one in found.items()} == {None: 4, True: 2, False: 1}
    risk = None if (whole := found[None]) is None else whole.risk
    assert risk is not None
    gains = looked.judged.reasoning
    assert risk.share.mid == pytest.approx(float(gains.mean()))
    assert 0 < risk.share.low < risk.share.mid < risk.share.high < 0.5


@pytest.mark.parametrize(
    ("model", "line"),
    [
        (LARGE, '; for the least, in code: reasoning_effort="none"'),
        ("openai/gpt-5", '; for the least, in code: reasoning_effort="minimal"'),
        ("deepseek/deepseek-flash", '; for the least, in code: extra_body={"thinking": {"type": "disabled"}}'),
        ("anthropic/claude-sonnet-4-5", "; for the least, in code: no argument that asks for reasoning"),
        ("ours/secret", ""),
    ],
)
def test_reasoning_says_how_much_was_asked_for_and_the_line_for_less(model: str, line: str) -> None:
    told: list[dict[str, Any]] = [*[{"reasoning_effort": "high"}] * 3, {"reasoning_effort": "medium"}, {}]
    log = [
        call(f"Say hello to guest {n}.", at=n, output_tokens=550, reasoning_tokens=500, model=model, arguments=own)
        for n, own in enumerate(told)
    ]
    assert wasted(log)["reasoning"].detail == (
        "5 calls that reasoned where the expected gain is below 25%; reasoning_effort as logged: high: 3, not said: 1, "
        f"medium: 1{line}"
    )
    found = audited(columns(log), reads(log), in_a_row=0)
    strict = [one.what for one in found.changes if one.lines == ("strict_opt_in = true",)]
    if line:
        assert strict == [
            "Reason only by opt-in, also where calls ask (high: 3, medium: 1); answers of at most 4,096 tokens"
        ]


def test_a_log_without_efforts_says_nothing_of_them() -> None:
    log = [call(f"Say hello to {n}.", at=n, output_tokens=550, reasoning_tokens=500) for n in range(2)]
    assert wasted(log)["reasoning"].detail == "2 calls that reasoned where the expected gain is below 25%"


def test_each_kind_says_what_it_rests_on() -> None:
    assert {one.key for one in ASSUMPTIONS} == {f"waste_{kind}" for kind in get_args(Wasted)}
