"""The finding: parts add up, a call is under one row, what is not known is counted beside."""

from __future__ import annotations

import pytest
from audit_logs import LARGE, SMALL, call, reads

from greenai.audit.columns import columns
from greenai.audit.estimate import SHOWN_PROJECTS, found, looked_at
from greenai.audit.finding import SUFFICING, Finding, Group, Risk, Span
from greenai.audit.values import Logged

LOG = [
    *(call(f"Why is number {n} odd?", at=3600.0 * n, project="why", reasoning_tokens=20 * (n % 2)) for n in range(60)),
    *(call(f"What is {n} times 17?", at=3600.0 * n, project="sums", model=SMALL) for n in range(40)),
    *(call("What is the capital of France?", at=60.0 * n, project="sums") for n in range(20)),
    *(call("hello", at=n, ok=False, output_tokens=None) for n in range(5)),
    *(call("hello", at=n, messages=None) for n in range(3)),
    *(call(f"How is number {n} even?", at=n, model="acme/unheard-of") for n in range(4)),
]


def finding(log: list[Logged] = LOG, **told: object) -> Finding:
    return found(looked_at(columns(log), reads(log), in_a_row=0, **told))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole() -> Finding:
    return finding()


def test_every_judged_call_is_under_one_row(whole: Finding) -> None:
    group = whole.whole
    assert (group.calls, group.failed, group.unjudged) == (132, 5, 3)
    assert [row.by for row in group.sufficed] == [*SUFFICING]
    assert sum(row.share.mid for row in group.sufficed) == pytest.approx(1)
    assert sum(row.calls.mid for row in group.sufficed) == pytest.approx(124)


def test_counts_are_exact_where_all_calls_were_looked_at(whole: Finding) -> None:
    rows = {row.by: row.calls for row in whole.whole.sufficed}
    assert rows["repeat"] == Span(mid=19.0, low=19.0, high=19.0)
    assert rows["deterministic"] == Span(mid=40.0, low=40.0, high=40.0)


def test_projects_and_models_add_up_to_the_whole(whole: Finding) -> None:
    for parts in (whole.projects, whole.models, whole.hours):
        assert sum(part.calls for part in parts) == whole.whole.calls
        joules = sum(part.was.energy_j.mid for part in parts if part.was.energy_j is not None)
        assert whole.whole.was.energy_j is not None
        assert joules == pytest.approx(whole.whole.was.energy_j.mid)
    assert {part.name for part in whole.projects} == {"why", "sums", "not told"}


def test_only_the_largest_of_many_projects_are_told_apart() -> None:
    log = [call(f"Why {n}?", at=n, project=f"user {n}", input_tokens=100 + n) for n in range(SHOWN_PROJECTS + 20)]
    names = [part.name for part in finding(log).projects]
    assert names[0] == f"user {len(log) - 1}"
    assert len(names) == SHOWN_PROJECTS


def test_what_is_not_known_is_counted_beside_and_in_no_sum(whole: Finding) -> None:
    assert whole.whole.was.energy_unknown == 4 + 5
    unknown = next(part for part in whole.models if part.name == "acme/unheard-of")
    assert (unknown.was.energy_j, unknown.was.cost_usd, unknown.saved_share) == (None, None, None)
    assert unknown.avoidable.high == 0.0  # no smaller model is known


def test_less_is_taken_never_more(whole: Finding) -> None:
    for group in (whole.whole, *whole.projects, *whole.models):
        for row in group.sufficed:
            if row.was.energy_j is not None and row.could_be.energy_j is not None:
                assert row.could_be.energy_j.mid <= row.was.energy_j.mid * (1 + 1e-9)
        assert within(group)


def within(group: Group) -> bool:
    spans = (group.was.energy_j, group.could_be.energy_j, group.saved.energy_j, group.avoidable, group.saved_share)
    return all(one is None or one.low <= one.mid <= one.high for one in spans)


def test_what_it_was_less_what_is_saved_is_what_it_could_be(whole: Finding) -> None:
    for group in (whole.whole, *whole.projects, *whole.models):
        amounts = [(taken.energy_j, taken.cost_usd) for taken in (group.was, group.saved, group.could_be)]
        for was, saved, could in zip(*amounts, strict=True):
            if was is not None and saved is not None and could is not None:
                assert was.mid - saved.mid == pytest.approx(could.mid)
                assert saved.mid <= was.mid


def test_a_small_model_is_what_sufficed_for_its_own_calls() -> None:
    log = [call(f"Why is number {n} odd?", at=n, model=SMALL) for n in range(30)]
    whole = finding(log).whole
    assert whole.avoidable == Span(mid=0.0, low=0.0, high=0.0)
    assert {row.by: row.calls.mid for row in whole.sufficed}["small"] == 30


def test_a_model_that_nobody_knows_is_not_said_to_be_small() -> None:
    log = [call(f"Why is number {n} odd?", at=n, model="acme-llm-70b") for n in range(30)]
    whole = finding(log).whole
    assert whole.avoidable == Span(mid=0.0, low=0.0, high=0.0)
    calls = {row.by: row.calls.mid for row in whole.sufficed}
    assert (calls["small"], calls["large"]) == (0, 30)


def test_a_risk_that_was_measured_stands_in_place_of_the_assumed_one() -> None:
    measured = Risk(share=Span(mid=0.1, low=0.05, high=0.2), evidence="measured", compared=40)
    looked = looked_at(columns(LOG), reads(LOG), in_a_row=0)
    rows = {row.by: row.risk for row in found(looked, {"small": measured}).whole.sufficed}
    assert rows["small"] == measured
    assert rows["repeat"] is not None
    assert rows["repeat"].evidence == "counted"


def test_the_small_model_is_named_with_what_is_known_of_it() -> None:
    log = [call(f"Why is number {n} odd?", at=n) for n in range(30)]
    made = found(looked_at(columns(log), reads(log), ladder=("local/smollm2-135m", LARGE), in_a_row=0))
    small = next(row for row in made.whole.sufficed if row.by == "small")
    assert small.models == ("local/smollm2-135m",)
    assert small.risk is not None
    assert small.risk.share.low < 0.7 < small.risk.share.high
    told = made.assumption("small").text
    assert "Of local/smollm2-135m is known: its recorded answers to exam questions and word problems." in told
    assert "the same command with --check 100 --budget 2Wh" in told


def test_every_row_rests_on_an_assumption_that_is_told(whole: Finding) -> None:
    for row in whole.whole.sufficed:
        assert whole.assumption(row.assumption).text
    with pytest.raises(KeyError):
        whole.assumption("none such")


def test_a_template_is_shown_by_what_different_prompts_share_and_no_prompt_is_shown_whole() -> None:
    shared = [call(f"Is mail {n} about {n * 7} spam?", at=n, system="Label mail.") for n in range(30)]
    alone = [call("My password is swordfish", at=n, system="Keep it.") for n in range(30)]
    names = [group.name for group in finding([*shared, *alone]).templates]
    assert any("Label mail. Is mail {…} about {…} spam?" in name for name in names)
    assert not any("swordfish" in name for name in names)
    assert any(name.endswith("(system and user, about 6 words, one answer, openai/gpt-5.5)") for name in names)


def test_the_log_has_its_times_or_none(whole: Finding) -> None:
    assert whole.first is not None
    assert whole.last is not None
    assert whole.last - whole.first == 59 * 3600
    timeless = finding([call("a", created=None)])
    assert (timeless.first, timeless.last, timeless.hours) == (None, None, ())


def test_a_log_without_prompts_is_told_what_it_took() -> None:
    whole = finding([call("a", messages=None, model=LARGE) for _ in range(10)]).whole
    assert whole.unjudged == 10
    assert whole.was.energy_j is not None
    assert whole.was.energy_j.mid > 0
    assert whole.saved.energy_j == Span(mid=0.0, low=0.0, high=0.0)
