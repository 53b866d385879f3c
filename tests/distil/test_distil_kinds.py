"""What a tolerance is read from: the log's own repeated prompts; and that a kind that is asked for is what is made."""

from __future__ import annotations

import random

import pytest
from distil_logs import TEMPLATE

from greenai.distil import kinds, train
from greenai.distil.pairs import Pairs
from greenai.errors import InvalidRequest


def numbers(twice=250, spread=2, seed=0):
    """So many prompts that were each answered twice, with numbers that differ by so much at most."""
    draw, texts, answers = random.Random(seed), list[str](), list[str]()
    for at in range(twice):
        first = draw.randrange(10, 90)
        texts += [f"text {at}"] * 2
        answers += [f"{first}", f"{first + draw.randint(-spread, spread)}"]
    return Pairs(template=TEMPLATE, texts=tuple(texts), answers=tuple(answers))


def test_repeated_prompts_tell_the_tolerance() -> None:
    assert kinds.repeats(numbers(), 0.98) == kinds.Repeats(tolerance=2.0, prompts=250)
    assert kinds.repeats(numbers(spread=10), 0.5).tolerance < kinds.repeats(numbers(spread=10), 0.98).tolerance <= 10
    assert kinds.repeats(numbers(twice=199), 0.98) is None
    assert kinds.repeats(numbers(spread=0), 0.98) is None  # it always says the same, which tells no tolerance


def test_numbers_without_a_tolerance_are_refused_with_the_line_to_add() -> None:
    with pytest.raises(InvalidRequest) as refused:
        kinds.made(numbers(twice=40), name="risk", kind="score")
    assert str(refused.value) == (
        "Nothing tells by how much two numbers may differ and agree: fewer than 200 prompts of the log were answered "
        "twice, or always the same. Write --tolerance 4, for example."
    )


def test_answers_that_are_no_numbers_are_refused_as_such() -> None:
    words = Pairs(template=TEMPLATE, texts=("a", "b"), answers=("much", "little"))
    with pytest.raises(train.NotWorthIt, match=r"^0\.0% of 2 answers are numbers that are written alike"):
        kinds.made(words, name="risk", kind="score")


def test_where_the_tolerance_is_from_is_told_where_none_keeps_the_promise(monkeypatch) -> None:
    def refuse(*_, **told):
        raise train.NotWorthIt(f"None within {told['tolerance']:g}.")

    monkeypatch.setattr(kinds.scores, "train", refuse)
    with pytest.raises(train.NotWorthIt) as refused:
        kinds.made(numbers(), name="risk")
    assert str(refused.value) == "None within 2. The tolerance is told by 250 prompts that the log answered twice."
    with pytest.raises(train.NotWorthIt, match=r"^None within 7\.$"):
        kinds.made(numbers(), name="risk", tolerance=7)


@pytest.mark.parametrize("kind", ["label", "span", "score"])
def test_the_kind_that_is_asked_for_is_made(kind, monkeypatch) -> None:
    made = list[str]()

    def making(name):
        return lambda *_, **__: made.append(name)

    for name, module in (("label", kinds.train), ("span", kinds.spans), ("score", kinds.scores)):
        monkeypatch.setattr(module, "train", making(name))
    kinds.made(numbers(), name="risk", kind=kind)
    kinds.made(numbers(), name="risk")
    assert made == [kind, "score"]  # what it is found to be, as its repeats tell a tolerance
