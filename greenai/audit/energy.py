"""What calls took, and what other models would have taken for them: a column of joules and dollars per model.

The physics of a model is worked out once: an estimate is a polynomial of the tokens of a prompt, the cached ones among
them, and those of the answer. Unknown is NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from greenai.audit.models import card_of
from greenai.catalog import find
from greenai.meters import cost, physics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from greenai.audit.columns import Calls
    from greenai.catalog import Card

    Codes: TypeAlias = NDArray[np.int64]
    Flags: TypeAlias = NDArray[np.bool_]
    Floats: TypeAlias = NDArray[np.float64]

__all__ = ["Law", "Took", "alike", "law_of", "part_of", "smaller", "took", "usd_of"]

_TERMS = 9
# Token counts at which a model is asked, (fresh, cached, output): as many as there are terms, far apart.
_POINTS = (
    (100, 0, 0), (2000, 0, 0), (0, 1000, 0), (0, 0, 100), (0, 0, 2000), (1000, 0, 500), (0, 1000, 500),
    (1000, 1000, 0), (700, 300, 900),
)  # fmt: skip
_USUAL = (1000, 0, 300)


@dataclass(frozen=True, slots=True, eq=False)
class Law:
    """The energy of a model's calls: a weight per term of the tokens, and the standard deviation of its logarithm."""

    weights: Floats
    sigma: float

    def joules(self, input_tokens: Floats, cached: Floats, output: Floats) -> Floats:
        """Return joules per call; NaN where a count is."""
        import numpy as np

        cached = np.minimum(np.nan_to_num(cached), input_tokens)
        found: Floats = np.asarray(_terms(input_tokens - cached, cached, output), np.float64).T @ self.weights
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Took:
    """What each call took: joules, the standard deviation of their logarithm, and dollars; NaN where unknown."""

    energy_j: Floats
    sigma: Floats
    cost_usd: Floats


def _terms(fresh: Floats, cached: Floats, output: Floats) -> Sequence[Floats]:
    return (
        fresh, cached, output, fresh * output, cached * output, output * output, fresh * cached, fresh * fresh,
        fresh * 0 + 1,
    )  # fmt: skip


@lru_cache(maxsize=1024)
def law_of(model: str, tier: str | None = None) -> Law | None:
    """Return how a model's energy grows with tokens; None where the catalog states no size for it.

    Args:
        model: a name of the catalog.
        tier: openai's `service_tier`.
    """
    import numpy as np

    card = card_of(model)
    if card is None:
        return None
    larger_batches = tier in ("batch", "flex")
    readings = [
        physics.estimate(
            card, input_tokens=fresh + cached, output_tokens=output, cached_tokens=cached,
            service_tier="batch" if larger_batches else None,
        )
        for fresh, cached, output in (*_POINTS, _USUAL)
    ]  # fmt: skip
    joules = [r.energy_j for r in readings if r.energy_j is not None]
    usual = readings[-1]
    if len(joules) < len(readings) or not usual.low_j or not usual.high_j:
        return None
    points = np.array(_POINTS, np.float64).T
    scale = np.array([1e3, 1e3, 1e3, 1e6, 1e6, 1e6, 1e6, 1e6, 1.0])
    table = np.asarray(_terms(points[0], points[1], points[2])).T / scale
    weights = np.linalg.solve(table, np.array(joules[:-1])) / scale
    return Law(weights, math.log(usual.high_j / usual.low_j) / (2 * physics.Z90))


def alike(calls: Calls, of: Flags) -> Iterator[tuple[str, str | None, Codes]]:
    """Yield the numbers of some calls by their model and openai's `service_tier`; those of no model are left out."""
    import numpy as np

    rows = np.flatnonzero(of & (calls.model.codes >= 0))
    both = np.stack([calls.model.codes[rows], calls.tier.codes[rows]], axis=1)
    pairs, at = np.unique(both, axis=0, return_inverse=True)
    for number, (model, tier) in enumerate(pairs.tolist()):
        yield calls.model.name(model), calls.tier.names[tier] if tier >= 0 else None, rows[at.ravel() == number]


def took(calls: Calls) -> Took:
    """Return what each call took: the log's own figures, else the physics of its tokens, and list prices."""
    import numpy as np

    energy, usd = calls.energy_j.copy(), calls.cost_usd.copy()
    with np.errstate(invalid="ignore", divide="ignore"):
        sigma = np.log(calls.energy_high_j / calls.energy_low_j) / (2 * physics.Z90)
    sigma = np.where(np.isfinite(sigma), sigma, 0.0)
    for model, tier, rows in alike(calls, np.isnan(energy) | np.isnan(usd)):
        law, tokens = (
            law_of(model, tier),
            (calls.input_tokens[rows], calls.cached_tokens[rows], calls.output_tokens[rows]),
        )
        unknown = np.isnan(energy[rows])
        if law is not None:
            energy[rows] = np.where(unknown, law.joules(*tokens), energy[rows])
            sigma[rows] = np.where(unknown, law.sigma, sigma[rows])
        usd[rows] = np.where(np.isnan(usd[rows]), usd_of(model, *tokens, tier=tier), usd[rows])
    return Took(energy, sigma, usd)


def usd_of(model: str, input_tokens: Floats, cached: Floats, output: Floats, *, tier: str | None = None) -> Floats:
    """Return the list price of each call in dollars, as `meters/cost.py` has it of one; NaN where it is not known."""
    import numpy as np

    if model.startswith("local/"):
        return np.where(np.isnan(input_tokens), np.nan, 0.0)
    card, service = card_of(model), cost.SERVICES.get(tier)
    price = None if card is None else card.price
    found: Floats = np.full(len(input_tokens), np.nan)
    if price is None or service is None:
        return found
    kept = np.minimum(np.nan_to_num(cached), input_tokens)
    most = math.inf if price.long_from_tokens is None else float(price.long_from_tokens)
    for of, prompt in ((input_tokens <= most, 0), (input_tokens > most, most)):
        rate = price.rate(service, int(prompt) + 1) if of.any() else None
        if rate is not None:
            kept_usd = rate.input if rate.cached_input is None else rate.cached_input
            dollars = (input_tokens - kept) * rate.input + kept * kept_usd + output * rate.output
            found[of] = dollars[of] / 1e6
    return found


def part_of(own: Floats, of_all: Floats, of_rest: Floats) -> Floats:
    """Return the difference of two estimates, as the same part of what the log itself says that a call took."""
    import numpy as np

    share = np.divide(of_all - of_rest, of_all, out=np.zeros_like(of_all), where=of_all > 0)
    saved: Floats = np.where(np.isfinite(own) & np.isfinite(of_all), own * share, of_all - of_rest)
    return saved


@lru_cache(maxsize=1024)
def smaller(model: str, ladder: tuple[str, ...] = ()) -> str | None:
    """Return the model that would be asked in place of this one: the ladder's first, else the smallest sibling.

    None where this is a small model itself, no smaller one is known, or the log names no model.
    """
    if not model:
        return None
    card = card_of(model)
    names = ladder or (() if card is None else _siblings(card))
    for name in names:
        other = find(name)
        if name == model or _is_one(card, other):
            return None
        if other is None or other.tier == "small":
            return name
    return None


def _siblings(card: Card) -> tuple[str, ...]:
    """Return the models of the same provider that could be asked, smallest first.

    A dated snapshot, which is what providers put into their answers, and a model at a reseller have no ladder but
    themselves: they have that of the model that they are, as far as their provider has it.
    """
    behind = None if card.same_as is None or set(card.ladder) - {card.name} else find(card.same_as)
    if behind is None:
        return card.ladder
    if behind.provider == card.provider:
        return behind.ladder
    there = (f"{card.provider}/{name.partition('/')[2]}" for name in behind.ladder)
    return tuple(name for name in there if find(name) is not None)


def _is_one(card: Card | None, other: Card | None) -> bool:
    """Say whether two cards are of one model of a provider, be it under the name of a date."""
    if card is None or other is None or card.provider != other.provider:
        return False
    return (card.same_as or card.name) == (other.same_as or other.name)
