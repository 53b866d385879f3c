"""P(one model answers well): its ability against the difficulty of the text, on one scale.

log-odds = slope x (ability - difficulty). The ability comes from recorded outcomes of the model (MMLU-Pro, ZeroEval),
else from a public score in the catalog, else from its active parameters where they are published, else from its tier.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from greenai.catalog import Card, find

# LiveBench without reasoning: 45 points are taken for the ability of the first of these that was recorded on a kind of
# text (models of one class in 2024), and a point for 0.05 of log-odds; with
# reasoning 18 points are taken off (the mean difference of the seven cards that have both). Assumed, not fitted: no
# recorded model has a LiveBench score in the catalog.
SCORE_ANCHORS = ("gpt-4o-2024-08-06", "gemini-1.5-pro-002")
ANCHOR_POINTS = 45.0
PER_POINT = 0.05
REASONING_POINTS = 18.0
Kind: TypeAlias = tuple[str, float, float]

TIER_POINTS = {"small": 48.0, "large": 60.0}  # about the median of the cards that have a score, without reasoning


def short(name: str) -> str:
    """Return a model's name without vendor, host and punctuation, so that spellings of one model agree."""
    name = re.sub(r"@.*$", "", name.rpartition("/")[2].lower())
    name = re.sub(r"^meta-", "", name)
    return re.sub(r"[^a-z0-9]+", "-", name).strip("-")


def suffices(params: Mapping[str, Any], kinds: Sequence[Kind], trust: float, model: str) -> float:
    """Return the probability that `model` answers well, in [0, 1]; held towards 0.5 where the text is not legible.

    Args:
        params: by kind of text, the slope, the recorded abilities and the line through sizes.
        kinds: (kind of text, its share, the text's difficulty there).
        trust: how well the text can be read, in [0, 1].
        model: a name of the catalog, or any other.
    """
    probability = 0.0
    for kind, share, difficulty in kinds:
        of_kind = params[kind]
        gap = of_kind["slope"] * (ability_of(model, _known(of_kind)) - difficulty)
        probability += share / (1 + math.exp(-max(-30.0, min(30.0, gap))))
    return 0.5 + trust * (probability - 0.5)


class Known:
    """The fitted abilities of one kind of text, hashable by identity so that a look-up is done once per model."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = params


# By id: parameters are not hashable. Each entry holds its parameters, so that no others can get that id.
_held: dict[int, Known] = {}
_MOST_HELD = 64


def _known(params: Mapping[str, Any]) -> Known:
    """Return the one `Known` of these parameters."""
    found = _held.get(id(params))
    if found is None:
        if len(_held) >= _MOST_HELD:
            _held.clear()
        found = _held[id(params)] = Known(params)
    return found


@functools.lru_cache(maxsize=512)
def ability_of(model: str, known: Known) -> float:
    """Return a model's ability on the scale of the difficulties."""
    abilities: Mapping[str, float] = known.params["recorded"]
    start, slope = known.params["by_size"]
    card = find(model)
    for name in (model, *((card.name,) if card is not None else ())):
        if short(name) in abilities:
            return float(abilities[short(name)])
    if card is not None and (score := _score(card)) is not None:
        return _of_points(score, abilities)
    size = None if card is None else card.active_params_b
    if size is not None and size.low == size.high:
        return float(start) + float(slope) * math.log(size.mid)
    return _of_points(TIER_POINTS["large" if card is None else card.tier], abilities)


def _of_points(points: float, abilities: Mapping[str, float]) -> float:
    anchor = next((abilities[short(name)] for name in SCORE_ANCHORS if short(name) in abilities), 0.0)
    return float(anchor) + PER_POINT * (points - ANCHOR_POINTS)


def _score(card: Card) -> float | None:
    """Return the LiveBench score without reasoning, since that is what greenai sends."""
    off = [q.score for q in card.quality if q.reasoning == "off"]
    on = [q.score - REASONING_POINTS for q in card.quality if q.reasoning != "off"]
    return next(iter(off or on), None)
