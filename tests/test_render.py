"""Receipts and decisions in words: every row, what is left out, and that nothing in them is markup."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from greenai import receipts
from greenai.meters import carbon, cpu, nvml, physics, rapl
from greenai.readings import Kept, Reading
from greenai.render import decision_html, decision_rows, decision_table, receipt_html, receipt_rows, receipt_table
from greenai.values import Attempt, Avoided, Check, Decision, Note, Overhead, Receipt, RungEstimate, Stars, Try, Usage

READING = Reading(
    energy_j=3.6, low_j=1.8, high_j=7.2, evidence="modelled_api", method="physics-1", components={"decode": 3.6}
)
NOTHING = Reading(energy_j=0.0, low_j=0.0, high_j=0.0, evidence="measured", method="nothing ran")
USAGE = Usage(input_tokens=30, output_tokens=12, cached_tokens=10, reasoning_tokens=4)


def attempt(state: Any = "answered", **named: Any) -> Attempt:
    given = {"attempt_id": "c.0", "model": "acme/nano", "energy": READING, "usage": USAGE, "latency_s": 0.25}
    return Attempt(**{**given, "state": state, **named})


def receipt(**named: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "call_id": "c",
        "created": 0.0,
        "project": "default",
        "outcome": "small",
        "reasoning": False,
        "model": "acme/nano",
        "energy": READING,
        "carbon_g": 0.00048,
        "carbon_source": "World grid mix, 2023: figures of somebody (CC BY 4.0), somewhere",
        "water_ml": None,
        "cost_usd": 0.00012,
        "stars": Stars(grade=5, worst=4, best=5, scale="greenai-stars-1"),
        "attempts": (attempt(),),
        "decision": Decision(outcome="small", route=("acme/nano",), reasons=("It is short.",)),
        "avoided": Avoided(energy=READING, baseline="acme/max with reasoning"),
        "nudges": (Note(nudge="effort", text="Reasoning was off.", override='with_options(opt_in={"reasoning"})'),),
        "budget": None,
        "overhead": Overhead(duration_ms=0.4, energy=NOTHING),
    }
    return Receipt(**{**given, **named}).to_dict()


def rows(**named: Any) -> dict[str, str]:
    return dict(receipt_rows(receipt(**named)))


def test_a_receipt_says_whether_the_answer_was_stored() -> None:
    stored = Kept(why="its answer does not change (static)", kind="static", ttl_s=2_592_000.0, until=1.0)
    assert rows(cache=stored)["cache"] == str(stored) == "stored for 30 days: its answer does not change (static)"
    other = Kept(why="the answer is empty")
    assert rows(cache=other)["cache"] == str(other) == "not stored: the answer is empty"
    assert "cache" not in rows()


def test_receipt_says_everything_in_words() -> None:
    assert rows() == {
        "answered by": "acme/nano: a small model, without reasoning",
        "energy": "1 mWh (500 µWh to 2 mWh; modelled: tokens and model size)",
        "stars": "★★★★★ (4 to 5) on the scale greenai-stars-1",
        "carbon": "480 µg CO2e (World grid mix, 2023)",
        "cost": "0.00012 US dollars",
        "tokens": "30 in, 12 out, 10 of the input cached, 4 of the output reasoning",
        "avoided": "1 mWh (500 µWh to 2 mWh; modelled: tokens and model size), against acme/max with reasoning",
        "greenai itself": "0.4 ms, 0 Wh",
        "why": "It is short.",
        "adjusted": 'Reasoning was off. To change it: with_options(opt_in={"reasoning"})',
    }


def test_unknown_is_said_and_never_zero() -> None:
    unknown = Reading.unknown("no usage came")
    found = rows(
        energy=unknown,
        carbon_g=None,
        cost_usd=None,
        stars=Stars(grade=None, worst=None, best=None, scale="greenai-stars-1"),
        attempts=(attempt(usage=Usage()),),
        avoided=None,
    )
    assert found["energy"] == "unknown: no usage came"
    assert (found["carbon"], found["stars"], found["tokens"]) == ("unknown", "not rated", "not reported")
    assert found["cost"] == "unknown"
    assert "avoided" not in found


@pytest.mark.parametrize("outcome", ["cache", "answerer", "small"])
def test_cost_is_left_out_where_nothing_was_paid(outcome: str) -> None:
    assert "cost" not in rows(outcome=outcome, cost_usd=0.0)


def test_carbon_names_the_grid_and_its_year_and_data_the_whole_source() -> None:
    amount, source = carbon.grams(0.06)
    data = receipt(carbon_g=amount, carbon_source=source)
    assert dict(receipt_rows(data))["carbon"] == "8 µg CO2e (World grid mix, 2023)"
    assert data["carbon_source"] == source
    assert "Our World in Data" in source


def test_what_is_not_location_based_carbon_has_its_own_rows() -> None:
    found = rows(
        market_carbon_g=0.000023,
        market_carbon_source="market-based, 2025: somebody",
        water_ml=0.1923,
        water_source="cooling and electricity: somebody",
        embodied_carbon_g=0.0027,
        embodied_source="share of making the hardware, within a factor of 2.9: somebody",
    )
    assert found["carbon"] == "480 µg CO2e (World grid mix, 2023)"
    assert found["market-based"] == "23 µg CO2e (market-based, 2025)"
    assert found["water"] == "0.19 ml (cooling and electricity)"
    assert found["embodied"] == "2.7 mg CO2e (share of making the hardware, within a factor of 2.9)"


def test_of_several_places_each_is_named_once() -> None:
    source = "France grid mix, 2023: a + United States grid mix, 2023, assumed for openai: b + France grid mix, 2023: a"
    assert rows(carbon_source=source)["carbon"] == (
        "480 µg CO2e (France grid mix, 2023 + United States grid mix, 2023, assumed for openai)"
    )


def test_an_older_receipt_without_the_newer_fields_is_shown() -> None:
    data = receipt()
    for name in ("market_carbon_g", "water_source", "embodied_carbon_g", "embodied_source", "market_carbon_source"):
        del data[name]
    assert dict(receipt_rows({**data, "water_ml": 2.0}))["water"] == "2 ml"


@pytest.mark.parametrize(
    ("evidence", "method", "words"),
    [
        ("modelled_known_deployment", cpu.method(5.0), "modelled: processor time x 5 W per core"),
        ("measured_shared", rapl.METHOD, "measured, shared: energy counter of the processor, by core time"),
        ("measured", nvml.METHOD, "measured: energy counter of the GPU"),
        ("modelled_api", physics.METHOD, "modelled: tokens and model size"),
        ("modelled_known_deployment", physics.CPU_METHOD, "modelled: tokens and model size, on this processor"),
        (
            "provider_reported",
            receipts.REPORTED,
            "reported by the provider: in its response, the provider's boundary; Neuralwatt's are its GPUs",
        ),
        (
            "modelled_api",
            "physics-1 + cpu-time-1 (6.5 W per core)",
            ("modelled: tokens and model size + processor time x 6.5 W per core"),
        ),
        ("measured", "replay-1", "measured: replay-1"),
        (
            "modelled_known_deployment",
            "cpu-time-2 (5 W per core), tuned 2026-11-22",
            "modelled: processor time x 5 W per core, tuned 2026-11-22",
        ),
        ("measured", "nvml-1, tuned 2026-11-22", "measured: energy counter of the GPU, tuned 2026-11-22"),
    ],
)
def test_evidence_is_said_in_plain_words(evidence: Any, method: str, words: str) -> None:
    reading = Reading(energy_j=1.2, low_j=0.5, high_j=2.8, evidence=evidence, method=method)
    assert rows(energy=reading)["energy"] == f"330 µWh (140 to 780 µWh; {words})"


def test_attempts_are_listed_where_there_is_more_than_one_answer() -> None:
    discarded = attempt("discarded", error="the reply is empty")
    retried = attempt(model="acme/max", tries=(Try(error="RateLimitError", status=429, waited_s=1.0),))
    found = rows(attempts=(discarded, retried))
    assert found["attempts"] == (
        "acme/nano: answer discarded (the reply is empty), 1 mWh, 250 ms\nacme/max: answered, 1 mWh, 250 ms, 1 retry"
    )
    assert found["tokens"] == "60 in, 24 out, 20 of the input cached, 8 of the output reasoning"


def test_named_model_is_mentioned_where_another_answered() -> None:
    assert rows(requested_model="acme/max")["answered by"].endswith(" (acme/max was named)")
    assert rows(requested_model="nano")["answered by"] == "acme/nano: a small model, without reasoning"


def test_observed_savings_are_hypothetical() -> None:
    avoided = Avoided(energy=READING, baseline="acme/max", hypothetical=True)
    assert rows(avoided=avoided)["avoided"].endswith("), would have been avoided, against acme/max")


def test_rows_are_the_same_after_json() -> None:
    data = receipt()
    assert receipt_rows(json.loads(json.dumps(data))) == receipt_rows(data)


def test_html_is_escaped() -> None:
    page = receipt_html(receipt(model="<script>alert(1)</script>", warnings=("a & b", "c")))
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "a &amp; b<br>c" in page


def printed(renderable: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=200, color_system=None).print(renderable)
    return out.getvalue()


def test_brackets_are_no_markup() -> None:
    text = printed(receipt_table(receipt(model="acme/[bold]nano[/bold]")))
    assert "acme/[bold]nano[/bold]: a small model, without reasoning" in text


def test_decision_lists_checks_and_every_rung() -> None:
    decision = Decision(
        outcome="small",
        route=("acme/nano", "acme/max"),
        reasons=("It is short.",),
        checks=(Check(name="large_gain", value=0.25, threshold=0.5, source='quality="standard"'),),
        estimates=(
            RungEstimate(model="acme/nano", tier="small", energy=READING, loss=0.25),
            RungEstimate(model="acme/max", tier="large", energy=READING, excluded="not needed"),
        ),
    ).to_dict()
    energy = "1 mWh (500 µWh to 2 mWh; modelled: tokens and model size)"
    assert dict(decision_rows(decision)) == {
        "answer from": "a small model",
        "route": "acme/nano then acme/max",
        "why": "It is short.",
        "checks": 'large_gain 0.25 against 0.50 (quality="standard")',
        "estimates": f"acme/nano (small): {energy}; loss 0.25\nacme/max (large): {energy}; not used: not needed",
    }
    assert printed(decision_table(decision)).splitlines()[0].rstrip() == "decision"
    assert printed(decision_table(decision, "no model called")).splitlines()[0].rstrip() == "no model called"
    assert decision_html(decision).startswith('<table class="greenai-decision"><caption>decision</caption>')


def test_a_decision_shows_itself() -> None:
    decision = Decision(outcome="small", route=("acme/<b>",), reasons=("It is short.",))
    assert "answer from   a small model" in printed(decision)
    assert "acme/&lt;b&gt;" in decision._repr_html_()
    assert repr(decision).startswith("Decision(outcome='small', route=('acme/<b>',)")


def test_a_model_behind_base_url_has_no_size() -> None:
    shown = rows(outcome="large", model="endpoint/qwen3", requested_model="qwen3")
    assert shown["answered by"] == "endpoint/qwen3: the model that was named, behind base_url, without reasoning"
