"""The small model beside the log: which calls are asked, what is measured, where it stops, and what is never sent."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from audit_logs import LARGE, SMALL, call, reads

from greenai.audit.advice import finding_of
from greenai.audit.check_plan import Pair, Planned, planned
from greenai.audit.check_words import found, would
from greenai.audit.columns import columns
from greenai.audit.estimate import Looked, looked_at
from greenai.audit.shares import interval
from greenai.audit.side_by_side import applied, asked
from greenai.audit.values import Logged
from greenai.errors import InvalidRequest
from greenai.testing import FakeProvider, error, offline
from greenai.units import format_energy
from greenai.values import Call

LADDER = (SMALL, LARGE)
SECRET = "x4711q"
LABELS = ("spam", "ham")
LOG = [
    *(call(f"Is this mail spam? {n}", at=n, system="Label it.", answer=LABELS[n % 2]) for n in range(40)),
    *(call(f"Tell me a story of {n}", at=n, answer=f"Once there was {n}.") for n in range(10)),
    *(
        call(f"Book a room for {n} {SECRET}", at=n, answer=LABELS[n % 2], arguments={"tools": ["book"]})
        for n in range(10)
    ),
]


def looked_of(log: list[Logged]) -> Looked:
    return looked_at(columns(log), reads(log), ladder=LADDER, in_a_row=5, large_gain=lambda _: 0.0)


@pytest.fixture(scope="module")
def looked() -> Looked:
    return looked_of(LOG)


def plan_of(looked: Looked, most: int = 100) -> Planned:
    return planned(looked, reads(LOG), most, ladder=LADDER)


def says(asked_for: Call) -> str:
    """Say spam, whatever it is: wrong for every second mail."""
    return "Spam."


def test_only_what_can_be_compared_and_does_nothing_is_asked(looked: Looked) -> None:
    plan = plan_of(looked)
    assert len(plan.pairs) == 40
    assert dict(plan.models) == {SMALL: 40}
    assert plan.left_out == {"its answer is free text or code": 10, "has tools, and could do something twice": 10}
    assert plan.covered == pytest.approx(40 / 60)
    assert plan.input_tokens == 4_000
    assert plan.energy_j is not None
    assert plan.energy_j > 0
    assert SECRET not in repr([pair.call for pair in plan.pairs])


def test_a_smaller_part_is_spread_by_calls_and_the_same_each_time(looked: Looked) -> None:
    some = plan_of(looked, 15)
    assert len(some.pairs) == 15
    assert [pair.key for pair in some.pairs] == [pair.key for pair in plan_of(looked, 15).pairs]


def test_the_measured_risk_takes_the_place_of_the_estimate(looked: Looked) -> None:
    provider = FakeProvider(*[says] * 40)
    with offline(provider, settings={"ladder": list(LADDER)}) as client:
        check = asked(plan_of(looked), client, "10 Wh")
    assert (check.compared, check.worse, check.failed, check.stopped) == (40, 20, 0, None)
    assert check.risk is not None
    assert check.risk.share == interval(20, 40)
    assert check.stands_for_all
    assert {one.draft.rung.model for one in provider.calls} == {SMALL}
    finding = finding_of(looked, ladder=LADDER, measured={"small": check.risk})
    finding = applied(finding, looked, check)
    small = next(row for row in finding.whole.sufficed if row.by == "small")
    assert small.risk == check.risk
    assert finding.assumption("check").evidence == "measured"
    risks = {
        group.name.split()[0]: next(row.risk for row in group.sufficed if row.by == "small")
        for group in finding.templates
    }
    measured = [risk for risk in risks.values() if risk is not None and risk.evidence == "measured"]
    assert [risk.compared for risk in measured] == [40]
    assert not [one for one in finding.changes if one.lines[0].startswith("ladder")]  # half of its answers are others


@pytest.mark.parametrize(
    ("model", "logged", "limit"),
    [
        ("local/smollm2-135m", {"output_tokens": 2}, {"max_tokens": 256}),
        ("openai/gpt-5.4-nano", {"output_tokens": 300}, {"max_completion_tokens": 1200}),
        ("local/smollm2-135m", {"answer": "a" * 900, "output_tokens": None}, {"max_tokens": 1200}),
        ("local/smollm2-135m", {"arguments": {"max_completion_tokens": 9}}, {"max_completion_tokens": 9}),
    ],
)
def test_an_answer_may_be_four_times_as_long_as_the_logs_where_the_call_had_no_limit(
    model: str, logged: dict[str, object], limit: dict[str, int]
) -> None:
    pair = Pair(call=call("Which one?", **logged), model=model, form="label", template=1)
    assert {name: kept for name, kept in pair.arguments().items() if name != "temperature"} == limit


def test_the_budget_stops_it(looked: Looked) -> None:
    with offline(FakeProvider(*[says] * 40), settings={"ladder": list(LADDER)}) as client:
        check = asked(plan_of(looked), client, "5 calls")
    assert check.compared == 5
    assert check.stopped is not None
    assert "5 calls" in check.stopped
    with offline(FakeProvider(), settings={"ladder": list(LADDER)}) as client:
        nothing = asked(plan_of(looked), client, "0.000001 Wh")
    assert (nothing.compared, nothing.risk, nothing.stands_for_all) == (0, None, False)


def test_it_goes_on_where_it_stopped_and_keeps_no_text(looked: Looked, tmp_path: Path) -> None:
    journal = tmp_path / "work" / "check.jsonl"
    with offline(FakeProvider(*[says] * 5), settings={"ladder": list(LADDER)}) as client:
        asked(plan_of(looked), client, "5 calls", journal=journal)
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    assert "mail" not in journal.read_text()
    assert {tuple(json.loads(line)) for line in journal.read_text().splitlines()} == {
        ("key", "same", "first", "second", "near", "energy_j")
    }
    with journal.open("a") as file:
        file.write('{"key": "torn')
    provider = FakeProvider(*[says] * 35)
    with offline(provider, settings={"ladder": list(LADDER)}) as client:
        check = asked(plan_of(looked), client, "35 calls", journal=journal)
    assert (check.compared, check.worse, len(provider.calls)) == (40, 20, 35)
    with offline(FakeProvider(), settings={"ladder": list(LADDER)}) as client:
        again = asked(plan_of(looked), client, "1 call", journal=journal)
    assert again.risk == check.risk


def test_what_is_not_answered_is_in_no_share_and_three_in_a_row_end_it(looked: Looked) -> None:
    def failing() -> BaseException:
        return error(500)

    with offline(FakeProvider("spam", failing(), *[says] * 38), settings={"ladder": list(LADDER)}) as client:
        check = asked(plan_of(looked), client, "10 Wh")
    assert (check.compared, check.failed) == (39, 1)
    with offline(FakeProvider("spam", failing(), failing(), failing()), settings={"ladder": list(LADDER)}) as client:
        ended = asked(plan_of(looked), client, "10 Wh")
    assert (ended.compared, ended.failed, ended.unreachable, ended.interrupted) == (1, 2, True, False)
    assert ended.stopped is not None
    assert ended.stopped.startswith(f"{SMALL} did not answer. ")


def test_a_model_that_is_not_there_ends_it_at_the_first_call(looked: Looked) -> None:
    with offline(FakeProvider(error(401)), settings={"ladder": list(LADDER)}) as client:
        check = asked(plan_of(looked), client, "10 Wh")
    assert (check.compared, check.failed, check.unreachable, check.risk) == (0, 0, True, None)
    lines = list(found(check))
    assert lines[0] == "Check: nothing was compared; the small model's risk is still an estimate."
    assert lines[1].startswith(f"   Stopped after 0 of 40: {SMALL} did not answer. ")


def test_ctrl_c_keeps_what_was_compared(looked: Looked, tmp_path: Path) -> None:
    def stop(_: Call) -> str:
        raise KeyboardInterrupt

    journal = tmp_path / "check.jsonl"
    with offline(FakeProvider(*[says] * 4, stop), settings={"ladder": list(LADDER)}) as client:
        check = asked(plan_of(looked), client, "10 Wh", journal=journal)
    assert (check.compared, check.interrupted, check.unreachable) == (4, True, False)
    assert journal.read_text().count("\n") == 4
    assert "   Stopped after 4 of 40: Ctrl-C was pressed." in found(check)


def test_without_a_ladder_in_the_settings_nothing_is_asked(looked: Looked) -> None:
    with pytest.raises(InvalidRequest) as refused:
        planned(looked, reads(LOG), 5, ladder=())
    assert str(refused.value) == (
        "--check asks models that the settings name, and they name none. Write into greenai.toml, smallest first: "
        'ladder = ["local/smollm2-135m", "openai/gpt-5.5"]'
    )


def test_the_interval_is_clopper_and_pearsons() -> None:
    # scipy.stats.binomtest(k, n).proportion_ci(0.9, "exact")
    for count, of, low, high in ((0, 20, 0.0, 0.139108), (3, 20, 0.042169, 0.343664), (20, 20, 0.860892, 1.0)):
        share = interval(count, of)
        assert [share.low, share.high] == pytest.approx([low, high], abs=1e-5)
        assert share.mid == count / of


def test_pieces_that_are_not_text_and_answers_cut_off_are_left_out() -> None:
    image = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}
    log = [
        *(call(f"Mail {n}", at=n, answer="spam") for n in range(5)),
        call("Mail", at=6, answer="spam", finish_reason="length"),
        call("Mail", at=7, answer="spam", messages=(image,)),
        call("Mail, of which", at=9, answer="spam", cut=True),
        call(
            "Mail",
            at=8,
            answer="spam",
            messages=({"role": "tool", "content": "done"}, {"role": "user", "content": "?"}),
        ),
    ]
    plan = planned(looked_of(log), reads(log), 100, ladder=LADDER)
    assert len(plan.pairs) == 5
    assert plan.left_out == {
        "its answer is not in the log whole": 1, "asks about more than text": 1,
        "its prompt is not in the log whole": 1, "has tools, and could do something twice": 1,
    }  # fmt: skip


def test_where_there_is_nothing_to_ask_nothing_is_asked_or_claimed(tmp_path: Path) -> None:
    log = [call(f"Mail {n}", at=n, answer="spam", model=SMALL) for n in range(5)]
    plan = planned(looked_of(log), reads(log), 100, ladder=LADDER)
    assert (plan.pairs, plan.routed, plan.covered) == ((), 0, 0.0)
    assert list(would(plan, {})) == ["Check: there is no call to ask again."]
    with offline(FakeProvider(), settings={"ladder": list(LADDER)}) as client:
        check = asked(plan, client, "1 Wh", journal=tmp_path / "check.jsonl")
    assert list(found(check)) == ["Check: nothing was compared; the small model's risk is still an estimate."]


def test_too_few_that_can_be_compared_leave_the_estimate(looked: Looked) -> None:
    log = [*LOG[:20], *(call(f"Tell me a story of {n}", at=n, answer=f"Once there was {n}.") for n in range(40))]
    few = looked_of(log)
    plan = planned(few, reads(log), 100, ladder=LADDER)
    with offline(FakeProvider(*[says] * 20), settings={"ladder": list(LADDER)}) as client:
        check = asked(plan, client, "10 Wh")
    assert check.risk is not None
    assert not check.stands_for_all
    assert "too few to speak for all, so the risk above is still the estimate." in "\n".join(found(check))


def test_the_bar_says_what_this_run_took(looked: Looked, tmp_path: Path) -> None:
    shown: list[tuple[int, int | None, str]] = []

    def moved(doing: str, *, done: int, total: int | None, said: str) -> None:
        assert doing == "asking"
        shown.append((done, total, said))

    with offline(FakeProvider(*[says] * 3), settings={"ladder": list(LADDER)}) as client:
        asked(plan_of(looked), client, "3 calls", journal=tmp_path / "check.jsonl", moved=moved)
    assert [(done, total) for done, total, _ in shown] == [(1, 40), (2, 40), (3, 40)]
    shown.clear()
    with offline(FakeProvider(*[says] * 1), settings={"ladder": list(LADDER)}) as client:
        asked(plan_of(looked), client, "1 call", journal=tmp_path / "check.jsonl", moved=moved)
    assert [text.endswith(f"differ, {format_energy(0.0)} of 1 call") for _, _, text in shown] == [
        True,
        True,
        True,
        False,
    ]
