"""How alike free answers are, beside those of one model: figures for show, in no risk."""

from __future__ import annotations

from dataclasses import replace

import pytest
from audit_logs import LARGE, SMALL, call, reads

from greenai.audit.check_plan import once_more, planned
from greenai.audit.check_words import found
from greenai.audit.columns import columns
from greenai.audit.estimate import Looked, looked_at
from greenai.audit.likeness import alike, likeness, repeated, unrelated
from greenai.audit.side_by_side import Check, With, asked
from greenai.audit.values import Logged
from greenai.testing import FakeProvider, offline

LADDER = (SMALL, LARGE)
SEA = "The sea is salty because rivers carry dissolved minerals from rocks into it, and the sun takes only the water."
SALT = "Rivers wash minerals out of rocks and into the sea; water evaporates and the salt stays, so the sea is salty."
HATS = "A felt hat is made by pressing wool with steam until its fibres hold together, and then shaping it on a block."


def looked_of(log: list[Logged]) -> Looked:
    return looked_at(columns(log), reads(log), ladder=LADDER, in_a_row=5, large_gain=lambda _: 0.0)


def test_two_answers_of_one_meaning_are_nearer_than_two_of_different_ones() -> None:
    assert alike(SEA, SALT) > 0.7 > 0.3 > alike(SEA, HATS)
    assert alike(SEA, SEA) == pytest.approx(1.0, abs=1e-4)
    assert alike(f"{SEA} " * 40, f"{HATS} " * 40) < 0.3


def test_second_answers_of_the_log_are_found_and_identical_ones_only_counted() -> None:
    log = [
        call("Why is the sea salty?", at=0, answer=SEA), call("Why is the sea salty?", at=9, answer=SALT),
        call("How are hats made?", at=20, answer=HATS), call("How are hats made?", at=21, answer=HATS),
        call("Is it A or B?", at=30, answer="A"), call("Is it A or B?", at=31, answer="B"),
    ]  # fmt: skip
    cosines, identical = repeated(looked_of(log), reads(log))
    assert cosines == [pytest.approx(alike(SEA, SALT))]
    assert identical == 1


def test_what_is_further_off_than_the_large_model_is_from_itself_is_told() -> None:
    own = [0.9 + n / 1000 for n in range(40)]
    told = likeness([0.5] * 5 + [0.93] * 15, own, [0.2, 0.3], 3)
    assert told is not None
    assert told.further is not None
    assert told.further.mid == pytest.approx(0.25)
    assert told.further.low < 0.12 < 0.42 < told.further.high
    assert told.small.median == pytest.approx(0.93)
    few = likeness([0.5], own[:19], [], 0)
    assert few is not None
    assert few.further is None
    assert likeness([], own, [], 0) is None


def test_the_logged_model_is_asked_again_where_that_is_wished() -> None:
    log = [call(f"Why is the sea salty, take {n}?", at=n, answer=SEA) for n in range(24)]
    plan = once_more(planned(looked_of(log), reads(log), 10, ladder=LADDER, free=True), 4)
    assert [pair.model for pair in plan.again] == [LARGE] * 4
    provider = FakeProvider(*[lambda made: SALT if made.draft.rung.model == LARGE else HATS] * 20)
    with offline(provider, settings={"ladder": list(LADDER)}) as client:
        check = asked(plan, client, "10 Wh", free=With(embeds=True, unrelated=tuple(unrelated(plan.pairs))))
    assert check.risk is None
    told = check.likeness
    assert told is not None
    assert told.repeated is not None
    assert (told.small.pairs, told.repeated.pairs) == (10, 4)
    assert told.small.median < 0.3 < 0.7 < told.repeated.median
    said = "\n".join(found(check))
    assert ". That is no quality, and in no risk." in said
    assert "   Too few to compare with: 4 second answers of the large model, and 20 are needed" in said
    enough = replace(check, likeness=likeness([0.1], [0.9] * 20, [], 0))
    assert isinstance(enough, Check)
    assert "are further from the log's than 95% of the large model's own second answers are." in "\n".join(
        found(enough)
    )
