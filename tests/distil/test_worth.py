"""What a task model is worth, by figures worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import task_files

from greenai.distil.pairs import Pairs
from greenai.distil.templates import Candidate
from greenai.distil.worth import before, estimated, pays_after, worth
from greenai.readings import Reading

KNOWN = Candidate(
    number=1,
    id="0a1b2c",
    template=task_files.TEMPLATE,
    calls=100,
    labels=(("refund", 60), ("delivery", 40)),
    share=1.0,
    input_tokens=3000,
    output_tokens=200,
    cost_usd=None,
    models=("gpt-5.5",),
    projects=(),
    why_not=None,
)


def joules(energy: float, low: float, high: float) -> Reading:
    return replace(Reading.unknown("by hand"), energy_j=energy, low_j=low, high_j=high)


def test_training_is_paid_back_by_what_is_saved_on_the_calls_that_are_answered() -> None:
    found = pays_after(joules(10, 5, 20), joules(1, 0.5, 2), joules(70, 35, 140), 0.8)
    assert found == (10, 3, 70)  # 70 / 7, 35 / 15.5, 140 / 2


def test_asking_for_labels_is_paid_back_too() -> None:
    asking = joules(140, 70, 280)  # by the model whose calls are saved: dear where they are
    found = pays_after(joules(10, 5, 20), joules(1, 0.5, 2), joules(70, 35, 140), 0.8, asking)
    assert found == (30, 21, 105)  # 210 / 7, (35 + 280) / 15.5, (140 + 70) / 2
    whole = worth(joules(10, 5, 20), 0.004, 20.0, 0.9, 5.0, asking)
    assert whole.asking == asking
    unknown = worth(joules(10, 5, 20), 0.004, 20.0, 0.9, 5.0, Reading.unknown("no card"))
    assert unknown.pays_after is None


def test_tokens_are_of_the_calls_that_have_them() -> None:
    assert before(replace(KNOWN, counted=50)).energy_j == before(replace(KNOWN, calls=50)).energy_j


def test_nothing_saved_is_never_paid_back() -> None:
    assert pays_after(joules(1, 0.5, 2), joules(1, 0.5, 2), joules(70, 35, 140), 0.8) is None
    assert pays_after(Reading.unknown("no card"), joules(1, 0.5, 2), joules(70, 35, 140), 0.8) is None


def test_before_is_modelled_by_the_card_of_the_model_that_answered() -> None:
    each = before(KNOWN)
    assert each.energy_j is not None
    assert each.low_j is not None
    assert 0 < each.low_j < each.energy_j
    assert before(replace(KNOWN, models=("nobody-knows",))).method == "the catalog has no card of nobody-knows"
    assert before(replace(KNOWN, input_tokens=0)).method == "the log tells no tokens"
    assert before(replace(KNOWN, models=())).method == "the log names no model"


def test_tokens_that_the_log_does_not_tell_are_estimated_from_letters() -> None:
    pairs = Pairs(
        template=task_files.TEMPLATE, texts=("where is my parcel",), answers=("delivery",),
        slots=(("where is my parcel",),),
    )  # fmt: skip
    assert estimated(pairs, pairs.slots).output_tokens == 2  # 8 letters
    untold, told = replace(KNOWN, input_tokens=0), before(KNOWN)
    found = before(untold, pairs)
    assert None not in (found.energy_j, found.low_j, found.high_j, told.energy_j, told.low_j)
    assert (found.energy_j or 0) / (found.low_j or 1) > (told.energy_j or 0) / (told.low_j or 1)
    assert before(KNOWN, pairs) == told


def test_after_and_training_are_core_time() -> None:
    found = worth(joules(10, 5, 20), 0.004, 20.0, 0.9, 5.0)
    assert found.after.energy_j == 0.02
    assert found.training.energy_j == 100.0
    assert found.item_ms == 4.0
    assert found.pays_after is not None
