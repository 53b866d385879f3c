"""What a task model is worth: energy per item before and after, what training took, and when that is paid back.

Before is what the log's model takes for the template's tokens, as everywhere: the meters' physics by its card. After is
core time of this machine, measured on prompts of the log. What the task model leaves to the ladder costs both. What
asking the large model for labels took is part of what has to be paid back.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from greenai import receipts
from greenai.catalog import find
from greenai.meters import cpu
from greenai.prompts import CHARACTERS_PER_TOKEN
from greenai.readings import Reading
from greenai.values import Usage

if TYPE_CHECKING:
    from greenai.answerers.distilled import TaskModel
    from greenai.distil.pairs import Pairs
    from greenai.distil.templates import Candidate

__all__ = ["Worth", "before", "core_seconds", "estimated", "pays_after", "tokens", "worth"]

ASSUMED_TOKENS = 8
"""Tokens of a label, where the log has no answer to count."""
ROUNDS = 5
MOST_PROMPTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """Energy per item, in joules with an interval, and of training; milliseconds of one core an item.

    `training` is core time, and `asking` what the large model took for labels. `pays_after` are the calls of the
    template after which both have paid for themselves, with an interval: None where nothing is known of the large
    model's energy, or nothing is saved.
    """

    before: Reading
    after: Reading
    training: Reading
    asking: Reading | None = None
    item_ms: float
    pays_after: tuple[int, int, int] | None


def before(candidate: Candidate, pairs: Pairs | None = None) -> Reading:
    """Return what one call of a template takes, by the model that answered most of them.

    Where the log tells no tokens, they are estimated from the letters of the pairs, with the interval that much wider.
    """
    if not candidate.models:
        return Reading.unknown("the log names no model")
    model, usage = candidate.models[0], tokens(candidate)
    card = find(model)
    if card is None:
        return Reading.unknown(f"the catalog has no card of {model}")
    is_told = usage.input_tokens is not None and usage.output_tokens is not None
    if not is_told and not (pairs and pairs.slots):
        return Reading.unknown("the log tells no tokens")
    return receipts.widened(
        receipts.modelled(card, usage if is_told or pairs is None else estimated(pairs, pairs.slots)),
        estimated=not is_told, cut=False,
    )  # fmt: skip


def estimated(pairs: Pairs, prompts: Sequence[tuple[str, ...]]) -> Usage:
    """Return the tokens of a call on average, estimated from the letters of some prompts and of the pairs' answers."""
    letters = [sum(len(m["content"]) for m in pairs.template.filled(slots)) for slots in prompts]
    said = sum(map(len, pairs.answers)) / len(pairs.answers) if pairs.answers else ASSUMED_TOKENS * CHARACTERS_PER_TOKEN
    return Usage(
        input_tokens=max(1, round(sum(letters) / max(1, len(letters)) / CHARACTERS_PER_TOKEN)),
        output_tokens=max(1, round(said / CHARACTERS_PER_TOKEN)),
        estimated=True,
    )


def tokens(candidate: Candidate) -> Usage:
    """Return the tokens of one call of a template on average; None where the log does not tell them."""
    calls = max(candidate.counted or candidate.calls, 1)
    return Usage(
        input_tokens=candidate.input_tokens // calls or None,
        output_tokens=candidate.output_tokens // calls or None,
        cached_tokens=0,
        reasoning_tokens=0,
    )


def core_seconds(model: TaskModel, prompts: Sequence[Sequence[Mapping[str, Any]]]) -> float:
    """Return core seconds an item, the median of some rounds over the prompts."""
    some = prompts[-MOST_PROMPTS:]
    model.explain(some[0])  # the first one loads the encoder
    rounds: list[float] = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for messages in some:
            model.explain(messages)
        rounds.append((time.process_time() - began) / len(some))
    return statistics.median(rounds)


def worth(
    earlier: Reading, item_s: float, training_s: float, coverage: float, watts: float | None,
    asking: Reading | None = None,
) -> Worth:  # fmt: skip
    """Return what a task model is worth that answers a share of the calls.

    Args:
        earlier: what one call took.
        item_s: core seconds an item.
        training_s: core seconds of training.
        coverage: the share that it answers.
        watts: of one core; None takes this processor's.
        asking: what asking for labels took, if it was asked.
    """
    after, training = cpu.reading(item_s, watts), cpu.reading(training_s, watts)
    return Worth(
        before=earlier,
        after=after,
        training=training,
        item_ms=item_s * 1e3,
        asking=asking,
        pays_after=pays_after(earlier, after, training, coverage, asking),
    )


def pays_after(
    earlier: Reading, after: Reading, training: Reading, coverage: float, asking: Reading | None = None
) -> tuple[int, int, int] | None:
    """Return after how many calls training is paid back: expected, at the earliest, at the latest.

    The same watts make an item and training dear, so their bounds go together; so do those of a call of the large model
    and of asking it.
    """
    asked = asking or Reading(energy_j=0.0, low_j=0.0, high_j=0.0)
    found = [
        _calls(earlier.energy_j, after.energy_j, training.energy_j, asked.energy_j, coverage),
        _calls(earlier.high_j, after.low_j, training.low_j, asked.high_j, coverage),
        _calls(earlier.low_j, after.high_j, training.high_j, asked.low_j, coverage),
    ]
    expected, soonest, latest = found
    if expected is None or soonest is None or latest is None:
        return None
    return expected, min(soonest, expected), max(latest, expected)


def _calls(
    earlier: float | None, after: float | None, training: float | None, asked: float | None, coverage: float
) -> int | None:
    if earlier is None or after is None or training is None or asked is None:
        return None
    saved = coverage * earlier - after
    return math.ceil((training + asked) / saved) if saved > 0 else None
