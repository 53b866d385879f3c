"""When a task model is guarded, what it may then answer, and when the guard goes off: by simulation, seeds fixed."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import accumulate
from typing import Any

import pytest

from greenai.answerers.guard import (
    ALARM_AFTER,
    DOUBT,
    FIRST,
    LEARNT,
    MEMORY,
    MODELS,
    NAMES,
    RECURS,
    Answered,
    Compared,
    Familiar,
    Guard,
)  # fmt: skip

KNOWN, STRANGE = (0.05, 0.05, 0.2, 0.7), (0.6, 0.2, 0.15, 0.05)
FAMILIAR = Familiar(
    edges=(0.2, 0.4, 0.6), known=KNOWN, strangers=STRANGE, lead=0.5, allowed=0.07, worse=0.1, left=(200, 0)
)
SAME, OTHER = Compared(1, same=True), Compared(1, same=False)


def prompts(rng: random.Random, count: int, strangers: float) -> list[int]:
    """Return the bins of some prompts, of which a share are strangers."""
    weights = [k * (1 - strangers) + s * strangers for k, s in zip(KNOWN, STRANGE, strict=True)]
    return rng.choices(range(4), cum_weights=list(accumulate(weights)), k=count)


def guarded(comparisons: int = 0) -> Guard:
    """Return a guard that has seen some comparisons, all of which agreed."""
    guard = Guard().after([0] * 30, FAMILIAR, 7.0)
    assert guard.on == 7.0
    return guard.after([Compared(n % 9, same=True) for n in range(comparisons)], FAMILIAR, 8.0)


def test_scores_lie_in_bins() -> None:
    assert [FAMILIAR.bin_of(score) for score in (-1.0, 0.2, 0.21, 0.6, 0.9)] == [0, 0, 1, 2, 3]


def test_strangers_raise_the_alarm_soon_and_no_others_do() -> None:
    rng, waits = random.Random(3), []
    for _ in range(40):
        guard, seen = Guard(), 0
        while guard.on is None:
            guard, seen = guard.after(prompts(rng, 1, 0.2), FAMILIAR, 1.0), seen + 1
        waits.append(seen)
    assert sorted(waits)[20] < 110
    assert min(waits) > 5
    guard = Guard()
    alarms = 0
    for _ in range(10):
        guard = guard.after(prompts(rng, ALARM_AFTER, 0.0), FAMILIAR, 1.0)
        alarms, guard = alarms + guard.times, Guard()
    assert alarms <= 10  # of 100,000 prompts: 10 are expected at most


def test_nothing_is_answered_before_some_answers_were_compared() -> None:
    assert Guard().answers(1, 0.1, FAMILIAR)  # off: the model's own threshold decides
    assert not guarded(FIRST - 1).answers(1, 0.9, FAMILIAR)
    assert guarded(FIRST).answers(1, 0.9, FAMILIAR)
    assert not guarded(FIRST).answers(1, 0.4, FAMILIAR)  # it leads by less than the guarded lead


def test_a_label_that_attracts_strangers_is_in_doubt_until_it_agrees_again() -> None:
    guard = guarded(FIRST)
    assert guard.doubted == ()
    guard = guard.after([OTHER], FAMILIAR, 9.0)
    assert guard.doubted == (1,)
    assert not guard.answers(1, 0.9, FAMILIAR)
    assert guard.answers(2, 0.9, FAMILIAR)
    guard = guard.after([OTHER] * 20, FAMILIAR, 9.0)
    again = 0
    while 1 in guard.doubted:
        guard, again = guard.after([SAME], FAMILIAR, 9.0), again + 1
    assert 10 < again < 15  # however long it was wrong
    assert guard.doubts[1] < DOUBT


@pytest.mark.parametrize(("wrong", "goes_off"), [(0.06, True), (0.13, False)])
def test_it_goes_off_where_all_that_it_would_answer_keeps_the_promise(wrong: float, goes_off: bool) -> None:
    rng = random.Random(5)
    guard = guarded()
    for _ in range(4000):
        guard = guard.after(
            [*prompts(rng, 1, 0.2), Compared(rng.randrange(9), same=rng.random() >= wrong)], FAMILIAR, 9
        )
        if guard.on is None:
            break
    assert (guard.on is None) is goes_off
    if goes_off:
        assert (guard.doubts, guard.watch, guard.same, guard.times) == ({}, 0.0, 0, 1)
        # What arrived meanwhile is usual now: the same share of strangers raises no alarm for long.
        assert guard.usual[0] == pytest.approx(0.16, abs=0.06)
        assert guard.after(prompts(rng, 1000, 0.2), FAMILIAR, 10.0).on is None
        assert guard.after(prompts(rng, 1000, 0.5), FAMILIAR, 10.0).on is not None


def test_it_goes_off_when_the_scores_are_as_usual_again_and_not_before() -> None:
    rng, waits = random.Random(8), []
    for _ in range(20):
        guard, seen = guarded(), 0
        while guard.on is not None:
            guard, seen = guard.after(prompts(rng, 1, 0.0), FAMILIAR, 9.0), seen + 1
        assert guard == Guard(times=1)
        waits.append(seen)
    assert sorted(waits)[10] < 150
    assert guarded().after(prompts(rng, 5000, 0.2), FAMILIAR, 9.0).on is not None


def answers(rng: random.Random, count: int, novel: float, model: str = "nano") -> list[Answered]:
    """Return what a model answered to prompts that were left to it, of which a share is no label."""
    return [Answered(model, novel=rng.random() < novel) for _ in range(count)]


@pytest.mark.parametrize(("usual", "most"), [(0.0, 15), (0.05, 35), (0.1, 80)])
def test_answers_with_no_label_raise_the_alarm_soon(usual: float, most: int) -> None:
    rng, waits = random.Random(11), []
    for _ in range(20):
        guard, heard = Guard().after(answers(rng, 60, usual), FAMILIAR, 1.0), 0
        while guard.on is None:
            guard, heard = guard.after(answers(rng, 1, 0.5), FAMILIAR, 2.0), heard + 1
        waits.append(heard)
    assert sorted(waits)[10] < most


@pytest.mark.parametrize("left", [(200.0, 0.0), (180.0, 20.0), (0.0, 0.0)])
@pytest.mark.parametrize("usual", [0.0, 0.02, 0.05, 0.3, 0.95, 1.0])
def test_a_model_that_usually_answers_so_raises_none(usual: float, left: tuple[float, float]) -> None:
    rng, familiar = random.Random(13), replace(FAMILIAR, left=left)
    alarms = sum(Guard().after(answers(rng, 1000, usual), familiar, 1.0).times for _ in range(10))
    # Thrice what the log has shows late in so few answers: that may raise one before it is learnt.
    assert alarms <= (3 if (usual, left) == (0.3, (180.0, 20.0)) else 1)


def test_each_model_is_heard_for_itself_and_only_some_are() -> None:
    guard = Guard().after([Answered("nano", novel=False)] * LEARNT, FAMILIAR, 1.0)
    assert guard.after([Answered("mini", novel=True)] * LEARNT, FAMILIAR, 1.0).times == 0  # its form is its own
    assert guard.after([Answered("nano", novel=True)] * 5, FAMILIAR, 1.0).times == 1
    many = Guard().after([Answered(f"model {number}", novel=False) for number in range(20)], FAMILIAR, 1.0)
    assert len(many.heard) == MODELS


def test_what_is_suspected_is_not_learnt_as_usual() -> None:
    guard = Guard().after([Answered("nano", novel=False)] * 100, FAMILIAR, 1.0)
    guard = guard.after([Answered("nano", novel=True)] * 3, FAMILIAR, 1.0)
    assert guard.heard == {"nano": (100, 1)}
    assert guard.after([Answered("nano", novel=False)] * 40, FAMILIAR, 1.0).heard["nano"][0] > 110


def test_the_guard_stays_on_while_answers_are_no_labels_however_prompts_score() -> None:
    guard = Guard().after([Answered("nano", novel=False)] * 40, FAMILIAR, 1.0)
    guard = guard.after([Answered("nano", novel=True)] * 6, FAMILIAR, 2.0)
    assert guard.on == 2.0
    assert guard.after([3] * 300, FAMILIAR, 3.0).on is not None
    ended = guard.after([*[Answered("nano", novel=False)] * 20, *[3] * 300], FAMILIAR, 3.0)
    assert (ended.on, ended.times, ended.heard) == (None, 1, guard.heard)


def test_when_it_goes_off_as_the_promise_is_kept_answers_are_learnt_anew() -> None:
    guard = Guard().after([*[Answered("nano", novel=False)] * 40, *[Answered("nano", novel=True)] * 6], FAMILIAR, 1.0)
    assert guard.on is not None
    guard = guard.after([Compared(n % 9, same=True) for n in range(300)], FAMILIAR, 2.0)
    assert (guard.on, guard.heard) == (None, {})
    assert guard.after(answers(random.Random(1), 1000, 0.9), FAMILIAR, 3.0).on is None


def test_an_answer_that_is_no_label_is_named_under_guard_when_it_recurs() -> None:
    said = Answered("nano", novel=True, said="play_music")
    assert Guard().after([said] * 9, FAMILIAR, 1.0).names == {}
    guard = guarded().after([said] * (RECURS - 1), FAMILIAR, 2.0)
    assert guard.news == {}
    assert "play_music" not in guard.written()
    guard = guard.after([said, said, *[Answered("nano", novel=True, said="buy_milk")] * 9], FAMILIAR, 3.0)
    assert [*guard.news.items()] == [("buy_milk", 9), ("play_music", RECURS + 1)]
    assert guard.after([Answered("nano", novel=True)], FAMILIAR, 3.0).names == guard.names
    many = guard.after([Answered("nano", novel=True, said=f"once {n}") for n in range(2 * NAMES)], FAMILIAR, 4.0)
    assert len(many.names) == NAMES
    assert many.news == guard.news


def test_a_comparison_counts_under_guard_only() -> None:
    assert Guard().after([OTHER, SAME], FAMILIAR, 1.0) == Guard()
    guard = guarded().after([OTHER, SAME, SAME], FAMILIAR, 1.0)
    assert (guard.same, guard.other) == (2, 1)


WRITTEN_BEFORE = {"on", "watch", "calm", "usual", "lately", "well", "doubts", "same", "other", "times"}
"""What greenai wrote before it heard what models answer."""


def test_what_the_ledger_keeps_is_read_as_it_was() -> None:
    guard = guarded(70).after([OTHER, 0, 3, Answered("nano", novel=True)], FAMILIAR, 9.0)
    assert Guard.read(guard.written()) == guard
    assert Guard.read(None) == Guard.read("") == Guard()
    heard = Guard().after([Answered("nano", novel=True)], FAMILIAR, 9.0)
    assert Guard.read(heard.written()) == heard
    before = {key: told for key, told in json.loads(Guard().written()).items() if key in WRITTEN_BEFORE}
    assert Guard.read(json.dumps(before)) == Guard()


HEADER: dict[str, Any] = {
    "promise": 0.98,
    "guard": {"edges": [0.2, 0.4], "known": [0.1, 0.2, 0.7], "strangers": [0.7, 0.2, 0.1], "lead": 0.5},
}


def test_a_file_of_before_there_was_a_guard_has_none() -> None:
    assert Familiar.of({"promise": 0.98}) is None
    read = Familiar.of(HEADER)
    assert read is not None
    assert (read.lead, read.allowed, read.worse) == (0.5, pytest.approx(0.02), pytest.approx(0.05))
    assert read.left == (0.0, 0.0)  # nor did it count what it left to the ladder
    counted = Familiar.of({**HEADER, "guard": {**HEADER["guard"], "left": [90, 3]}})
    assert counted is not None
    assert counted.left == (90.0, 3.0)


@pytest.mark.parametrize(
    "wrong", [{"edges": [0.4, 0.2]}, {"known": [0.1, 0.9]}, {"strangers": [1.2, -0.1, -0.1]}, {"edges": [0.1]}]
)
def test_bins_that_are_none_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="its scores have no bins"):
        Familiar.of({**HEADER, "guard": {**HEADER["guard"], **wrong}})
    with pytest.raises(ValueError, match="what it was not sure of has no counts"):
        Familiar.of({**HEADER, "guard": {**HEADER["guard"], "left": [-1, 3]}})


def test_it_stays_on_while_a_label_surely_disagrees_however_prompts_score() -> None:
    guard = guarded().after([OTHER] * 3, FAMILIAR, 9.0)
    assert guard.after([3] * 300, FAMILIAR, 9.0).on is not None
    assert guard.after([SAME, SAME, SAME, *[3] * 300], FAMILIAR, 9.0).on is None
    assert guarded().after([OTHER, *[3] * 300], FAMILIAR, 9.0).on is None  # one disagreement may be a slip


def test_a_label_that_no_prompt_gets_any_more_keeps_it_on_for_a_while_only() -> None:
    guard = guarded().after([OTHER] * 5, FAMILIAR, 9.0)
    assert guard.after([3] * (MEMORY - 1), FAMILIAR, 9.0).on is not None
    assert guard.after([3] * (MEMORY + 1), FAMILIAR, 9.0).on is None
    again = guard.after([*[3] * (MEMORY - 1), OTHER, *[3] * (MEMORY - 1)], FAMILIAR, 9.0)
    assert again.on is not None
    assert again.doubted == (1,)  # as long as it is on, the label stays silent until it agrees
