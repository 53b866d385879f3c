"""The audit's page as text: its policy, its parts, assumptions at figures, and that every name in it is text."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from itertools import pairwise

import pytest
from audit_found import BEGIN, HOSTILE, audited, finding, nothing, source, taken
from page_marks import Balanced

from greenai.audit import pictures
from greenai.audit.audited import Audited
from greenai.audit.finding import Risk, Span
from greenai.audit.judge import Verdicts
from greenai.audit.page import page
from greenai.audit.rungs import Tried
from greenai.audit.side_by_side import Check
from greenai.report.charts import ticks


def made(found: Audited | None = None) -> str:
    return page(found or audited(), made=BEGIN)


def test_it_has_the_policy_of_all_pages_and_no_script() -> None:
    text = made()
    assert "default-src 'none'; style-src 'sha256-" in text
    assert "<script" not in text
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)


def test_every_tag_is_closed_and_none_carries_a_style_or_a_handler() -> None:
    parser = Balanced()
    parser.feed(made(audited(HOSTILE)))
    assert (parser.wrong, parser.open) == ([], [])
    assert not {name for name in parser.attributes if name == "style" or name.startswith("on")}
    assert not parser.attributes & {"src", "href", "srcset", "action"}


def test_names_are_text() -> None:
    text = made(audited(HOSTILE))
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)


def test_each_figure_has_its_assumption_next_to_it() -> None:
    found = finding()
    text = unescape(made())
    for row in found.whole.sufficed:
        rests = found.assumption(row.assumption)
        part = text.partition('id="sufficing"')[2].partition("</section>")[0]
        assert f"{rests.evidence.capitalize()}: {rests.text}" in part
    for change in found.changes:
        part = text.partition(f"<strong>{change.what}</strong>")[2].partition("</li>")[0]
        assert found.assumption(change.assumption).text in part
        assert "\n".join(change.lines) in part
    for waste in found.wastes:
        assert f"{waste.detail} {found.assumption(waste.assumption).evidence.capitalize()}: " in text
    head = text.partition("</header>")[0]
    for key in ("energy", "carbon", "cost", "smaller_model"):
        assert found.assumption(key).text in head


def test_as_it_was_and_as_it_could_have_been_have_intervals() -> None:
    head = made().partition("</header>")[0]
    assert "100 Wh<br><small>50 to 200 Wh</small>" in head
    assert "30 Wh<br><small>15 to 60 Wh</small>" in head
    assert "<td>1.00 USD</td>" in head  # it was counted: no interval


def test_a_prompt_is_shown_where_it_was_asked_for_and_nowhere_else() -> None:
    name = finding().templates[0].name
    assert "Where is my parcel?" not in made()
    text = made(replace(audited(), texts={name: "Where is my parcel? <b>"}))
    assert "Where is my parcel? &lt;b&gt;" in text
    assert "With a prompt of each, as was asked for." in text


def test_what_was_measured_stands_beside_what_was_estimated() -> None:
    low, high = Span(mid=0.3, low=0.2, high=0.4), Span(mid=0.02, low=0.0, high=0.02)
    check = Check(
        planned=60, compared=50, worse=15, covered=0.9, models=("local/smollm2-135m",), energy_j=7200.0,
        risk=Risk(share=low, evidence="measured", compared=50),
        rungs=(Tried(by="repeat", name="the exact cache", compared=4, risk=Risk(share=high, evidence="measured")),),
    )  # fmt: skip
    estimated = {"small": Risk(share=Span(mid=0.06, low=0.03, high=0.13), evidence="estimated")}
    text = unescape(made(replace(audited(), check=check, estimated=estimated)))  # type: ignore[arg-type]
    part = text.partition('id="check"')[2].partition("</section>")[0]
    assert "30%<br><small>20 to 40%</small>" in part
    assert "6.0%<br><small>3.0 to 13%</small>" in part
    assert "a small model: local/smollm2-135m" in part
    assert "a repeat: the cache: the exact cache" in part
    assert part.count("<td>yes</td>") == 1  # of four answers of the cache nothing is said
    assert "Asking took 2 Wh." in part
    assert 'id="check"' not in made()


def test_what_could_not_be_read_and_what_the_log_does_not_say_are_told() -> None:
    text = unescape(made())
    assert "31 lines could not be read and are in no figure:" in text
    assert "support-bot.jsonl:5: torn off" in text
    assert "user: features that nobody uses are not found" in text
    assert "10,000 calls, read as litellm-callbacks" in text


def test_without_a_call_it_says_so() -> None:
    text = made(nothing())
    assert "No call was found in what was read." in text
    assert "<svg" not in text


def test_without_energy_there_is_no_picture_of_it() -> None:
    found = finding()
    unknown = replace(found.whole, was=replace(found.whole.was, energy_j=None, energy_unknown=10_000))
    text = made(Audited(finding=replace(found, whole=unknown), sources=(source(),)))
    assert 'id="pareto"' not in text
    assert "The energy of 10,000 calls is unknown: in no sum, never taken as 0." in text


def test_the_flow_has_every_call_once() -> None:
    found = finding()
    flows = pictures.flows(found)
    assert sum(flows.values()) == pytest.approx(found.whole.calls)
    assert {model for model, _ in flows} == {"openai/gpt-5.5", "vendor/support-bot", "other models"}
    assert sum(calls for (_, way), calls in flows.items() if way == "failed") == found.whole.failed


def test_the_front_goes_from_as_it_was_by_the_least_risk_for_a_joule() -> None:
    steps = pictures.steps(finding())
    assert [step.way for step in steps] == ["", "repeat", "deterministic", "near_repeat", "task_model", "small"]
    assert steps[0].worse == 0.0
    assert all(a.energy_j > b.energy_j and a.worse <= b.worse for a, b in pairwise(steps))
    # Nothing is left out but the lookup, whose risk nobody knows.
    assert steps[-1].energy_j / 3600 == pytest.approx(100 - 20 - 5 - 9.99 - 14.85 - 25.2)


def test_what_a_judge_is_worth_and_why_a_check_ended_stand_on_the_page() -> None:
    verdicts = Verdicts(
        judge="openai/<judge>", judged=40, worse=9, better=1, ties=12, first_both=11, unsure=0, unreadable=3,
        known_worse=4, known_good=30, seen=Span(mid=0.225, low=0.12, high=0.36), why_not="its errors are not known",
    )  # fmt: skip
    check = Check(planned=60, done=50, verdicts=verdicts, stopped="Ctrl-C was pressed.", interrupted=True)
    text = made(replace(audited(), check=check))
    part = unescape(text.partition('id="check"')[2].partition("</section>")[0])
    assert "openai/&lt;judge&gt;" in text
    assert "in 9 of 40 free answers, and the other in 1; 12 got two different verdicts (a tie; 11 for the first" in part
    assert "It is not believed, and its verdicts are in no risk: its errors are not known." in part
    assert "Stopped after 50 of 60: Ctrl-C was pressed." in part


def test_the_number_of_a_point_at_the_edge_stays_in_the_picture() -> None:
    found = finding()
    assert found.whole.was.energy_j is not None
    last = ticks(found.whole.was.energy_j.mid)[-1]  # the first point lies at the right end of the axis
    was = replace(found.whole.was, energy_j=Span(mid=last, low=last, high=last))
    rows = tuple(
        replace(
            row,
            was=row.could_be,
            could_be=taken(0.0),
            risk=None if row.risk is None else replace(row.risk, share=Span(mid=0, low=0, high=0)),
        )
        for row in found.whole.sufficed
        if row.by == "deterministic"
    )
    few = replace(found, whole=replace(found.whole, was=was, sufficed=rows * 3))
    drawn = pictures.pareto(few, width=300, height=300, name="a")
    numbers = re.findall(r'class="tick over" x="([0-9.]+)" y="[0-9.]+"( text-anchor="end")?>([0-9, ]+)<', drawn)
    assert [said for _, _, said in numbers] == ["0, 1, 2, 3"]
    for x, at_end, said in numbers:
        assert float(x) + (0 if at_end else pictures.LETTER * len(said)) <= 300


def test_without_prompts_no_figure_says_what_would_have_sufficed() -> None:
    found = finding()
    whole = replace(found.whole, unjudged=found.whole.calls - found.whole.failed)
    text = made(replace(audited(), finding=replace(found, whole=whole, changes=())))
    head = text.partition("</header>")[0]
    assert "What would have sufficed is not known: the log has the prompt of no call that was answered." in head
    assert "<td>unknown</td><td>unknown</td>" in head
    assert ">80%" not in head
    assert 'id="sufficing"' not in text
    assert 'id="pareto"' not in text


def test_a_risk_next_to_nothing_leaves_the_ticks_apart() -> None:
    found = finding()
    rows = tuple(
        row if row.risk is None else replace(row, risk=replace(row.risk, share=Span(mid=0.0, low=0.0, high=1e-5)))
        for row in found.whole.sufficed
    )
    flat = replace(found, whole=replace(found.whole, sufficed=rows))
    drawn = pictures.pareto(flat, width=680, height=340, name="wide-pareto")
    assert [said for said in ("0%", "0.2%", "0.5%", "0.8%", "1.0%") if f">{said}</text>" not in drawn] == []
