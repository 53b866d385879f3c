"""Shares and joules by what would have sufficed, drawn many times: what is not known is different in each draw.

Five things are drawn. Which calls were looked at: weights of a Bayesian bootstrap within each stratum, none where all
its calls were looked at; one more call like all the others stands for what a small sample cannot have seen. How wrong
the classifier is on this kind of text: its log-odds are shifted, together and by template. Which of the calls with a
probability p are among the p. Which share of a template's calls a task model would answer (covered.py). And the energy:
of a model's calls together, half of it shared by all models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from greenai.audit.finding import SUFFICING, Span, Sufficing
from greenai.audit.pairs import log_odds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.audit.columns import Calls
    from greenai.audit.energy import Took
    from greenai.audit.sufficing import Judged, NearRepeats

    Floats: TypeAlias = NDArray[np.float64]
    Codes: TypeAlias = NDArray[np.int64]
    Flags: TypeAlias = NDArray[np.bool_]
    Generator: TypeAlias = np.random.Generator

__all__ = ["Alternatives", "Drawn", "Strata", "drawn", "span", "strata"]

RUNG = {name: at for at, name in enumerate(SUFFICING)}

SHIFT = 0.5
"""Standard deviation of the log-odds by which `reasoning_gain` and P(live data) are off on a whole log; taken as large
as `large_gain` was off on 17 sets of questions with the models that it was fitted on (0.39, root mean square, from
-0.70 to 0.81; `benchmarks/audit_truth.py --shift`, 2026-11-22). What a small model loses has spreads of its own, by
pair of models (pairs.py)."""
SHIFT_BY_TEMPLATE = 0.47
"""The same of one template beside the others."""

CHEAP_J = {"repeat": 0.005, "near_repeat": 0.1, "deterministic": 0.005, "lookup": 0.1, "task_model": 0.1}
"""Joules of an answer without a language model: 0.3 to 10 ms of a processor core (benchmarks/overhead.py,
cache_semantic.py, tasks.py) at 6.5 to 15 W; all of it is below a thousandth of a small model's answer."""
CHEAP_SIGMA = 0.8

FEWEST = 10
"""So many calls of each stratum are looked at, if it has them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Strata:
    """Calls in parts that are looked at apart: by project, template, model, and whether they were asked before.

    Attributes:
        of: the stratum of each call; -1 where nothing can be told of it.
        sizes: the calls of each.
        rows: the calls to look at, in order.
    """

    of: Codes
    sizes: Codes
    rows: Codes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Alternatives:
    """What the calls that were looked at would take: joules and dollars of the smaller model, and without reasoning.

    NaN where that is not known: nothing is then said to be saved.
    """

    small_j: Floats
    small_usd: Floats
    small_sigma: Floats
    plain_j: Floats
    plain_usd: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """Draws by stratum and rung; axes (draw, stratum, rung).

    Attributes:
        share: of the calls.
        less: the share of the calls for which less would have sufficed than what answered, by (draw, stratum).
        was_j: what these took, per joule of the stratum; `could_j` what they would take.
        was_usd: the same of dollars.
        routed: the share of the calls that routing gives to the small model, by (draw, stratum), with `routed_j` that
            these take less, per joule, and `routed_usd`.
        worse: the share of answers that are worse, where the log's is right, among those that tell how the small model
            does (`Judged.tried`), by (draw, stratum); `tried` how many those are. Of a call that reasoned, also those
            that were right by reasoning alone, as the small model is taken not to.
        factor: what energies that nothing is simulated of are multiplied by, by draw.
    """

    share: Floats
    less: Floats
    was_j: Floats
    could_j: Floats
    was_usd: Floats
    could_usd: Floats
    routed: Floats
    routed_j: Floats
    routed_usd: Floats
    worse: Floats
    tried: Floats
    factor: Floats


def span(values: Floats, mid: float | None = None) -> Span:
    """Return the median of draws, or a middle that was counted, with the 90% interval."""
    import numpy as np

    low, middle, high = (float(v) for v in np.quantile(values, (0.05, 0.5, 0.95)))
    middle = middle if mid is None else mid
    return Span(mid=middle, low=min(low, middle), high=max(high, middle))


# --- what is looked at ----------------------------------------------------------------------


def strata(calls: Calls, energy_j: Floats, asked_before: Flags, most: int, rng: Generator) -> Strata:
    """Return which calls to look at: about `most`, half of them shared out by calls, half by energy."""
    import numpy as np

    judged = np.flatnonzero(calls.judged)
    of = np.full(len(calls), -1, np.int64)
    if not len(judged):
        return Strata(of=of, sizes=np.zeros(0, np.int64), rows=judged)
    codes = (calls.project.codes, calls.template.codes, calls.model.codes, asked_before.astype(np.int64))
    table = np.stack([column[judged] for column in codes], axis=1)
    _, part = np.unique(table, axis=0, return_inverse=True)
    part = _merged(np.asarray(part).ravel(), asked_before[judged], max(2, most // 20))
    of[judged] = part
    sizes = np.bincount(part)
    joules = np.bincount(part, weights=np.nan_to_num(energy_j[judged]))
    joules = joules / joules.sum() if joules.sum() > 0 else sizes / sizes.sum()
    wanted = np.ceil(most * (sizes / sizes.sum() + joules) / 2).astype(np.int64)
    wanted = np.minimum(sizes, np.maximum(wanted, FEWEST))
    order = np.lexsort((rng.random(len(judged)), part))
    starts = np.cumsum(sizes) - sizes
    place = np.arange(len(judged)) - np.repeat(starts, sizes)
    return Strata(of=of, sizes=sizes, rows=np.sort(judged[order[place < np.repeat(wanted, sizes)]]))


def _merged(part: Codes, asked_before: Flags, most: int) -> Codes:
    """Return strata of which the smallest are made one, those asked before apart."""
    import numpy as np

    sizes = np.bincount(part)
    if len(sizes) <= most:
        return part
    large = np.zeros(len(sizes), np.bool_)
    large[np.argsort(-sizes, kind="stable")[: most - 2]] = True
    named = np.where(large[part], part, len(sizes) + asked_before.astype(np.int64))
    return np.asarray(np.unique(named, return_inverse=True)[1]).ravel()


# --- draws ----------------------------------------------------------------------------------


def drawn(
    calls: Calls, took: Took, plan: Strata, judged: Judged, other: Alternatives, near: NearRepeats, draws: int,
    rng: Generator, floor: float,
) -> Drawn:  # fmt: skip
    """Return draws of what would have sufficed, by stratum.

    Args:
        calls: all of them.
        took: what they took.
        plan: what was looked at.
        judged: what was found, in the order of strata (see `plan`).
        other: what these calls would take otherwise.
        near: what is known of near repeats.
        draws: how many.
        rng: the same seed gives the same draws.
        floor: the loss up to which routing gives a call to the small model.
    """
    import numpy as np

    part = _Part(plan.of[judged.rows], plan.sizes)
    common = _normal(draws, 1, rng)
    by_model = _normal(draws, len(calls.model.names) + 1, rng)[:, calls.model.codes[judged.rows]]
    z_was = np.sqrt(0.5) * (common + by_model)
    z_small = np.sqrt(0.5) * (common + _normal(draws, 1, rng))
    fails, lost = _lost(judged, calls.template.codes[judged.rows], draws, rng)
    chosen = _chosen(calls, judged, lost, near, part, draws, rng)
    weights = part.weights(draws, rng)
    energy = took.energy_j[judged.rows]
    was = np.nan_to_num(energy) * np.exp(np.nan_to_num(took.sigma[judged.rows]) * z_was)
    could = _joules(judged, other, energy, was, z_small, rng)
    dollars = np.nan_to_num(took.cost_usd[judged.rows])
    flat, flat_usd = np.nan_to_num(energy)[None, :], dollars[None, :]
    cheap_usd = _dollars(judged, other, dollars)
    routed, tried = judged.routed(floor), judged.tried(floor)
    small = RUNG["small"]
    given = [np.broadcast_to(routed, lost.shape).astype(np.float64)]
    factor = np.exp(float(np.mean(took.sigma)) * np.sqrt(0.5) * (common + _normal(draws, 1, rng))).ravel()
    gained = _shifted(judged.reasoning, calls.template.codes[judged.rows], draws, rng)
    worse = 1 - (1 - fails) * (1 - gained)
    return Drawn(
        routed=part.ratios(weights, given, None, 1.0)[:, :, 0],
        routed_j=part.ratios(weights, given, [was - could[small]], flat)[:, :, 0],
        routed_usd=part.ratios(weights, given, [dollars[None, :] - cheap_usd[small]], flat_usd)[:, :, 0],
        share=part.ratios(weights, chosen, None, 1.0),
        less=part.ratios(weights, [_less(judged, chosen)], None, 1.0)[:, :, 0],
        was_j=part.ratios(weights, chosen, [was] * len(SUFFICING), flat),
        could_j=part.ratios(weights, chosen, could, flat),
        was_usd=part.ratios(weights, chosen, [dollars[None, :]] * len(SUFFICING), flat_usd),
        could_usd=part.ratios(weights, chosen, cheap_usd, flat_usd),
        worse=part.ratios(
            weights, [np.broadcast_to(tried, lost.shape).astype(np.float64)], [worse], tried[None, :].astype(np.float64)
        )[:, :, 0],
        tried=part.sums(weights * tried),
        factor=factor,
    )


def _normal(draws: int, columns: int, rng: Generator) -> Floats:
    """Return normal numbers, the columns each with the mean 0 and the variance 1: of few draws, too, that is known."""
    import numpy as np

    found = rng.standard_normal((draws, columns))
    found -= found.mean(0)
    made: Floats = found / np.maximum(found.std(0), 1e-12)
    return made


def _lost(judged: Judged, template: Codes, draws: int, rng: Generator) -> tuple[Floats, Floats]:
    """Return by (draw, call) P(the small model fails, where the large one is right), and P(both): what is lost.

    What is not known of a pair of models is the same for all its calls. A text that is harder than the classifier
    reads is harder for both.
    """
    import numpy as np

    fails = np.zeros((draws, len(judged.rows)))
    lost = fails.copy()
    lost[:, judged.alone] = 1.0  # nothing is known that could stand in for these: what answered sufficed, and no less
    if not judged.pairs:
        return fails, lost
    hard = judged.pairs[0].hardness(template, draws, rng)  # of the texts: the same for every pair
    gain = log_odds(judged.gain)
    for number, pair in enumerate(judged.pairs):
        of = judged.pair == number
        at = pair.drawn(gain[of], hard[:, :, of], rng)
        fails[:, of], right = at
        lost[:, of] = fails[:, of] * right
    return fails, lost


def _shifted(probability: Floats, template: Codes, draws: int, rng: Generator, scale: float = 1.0) -> Floats:
    """Return probabilities as they would be, were the classifier off by a shift of its log-odds; 0 stays 0."""
    import numpy as np

    shift = scale * SHIFT * rng.standard_normal((draws, 1))
    names, code = np.unique(template, return_inverse=True)
    own = rng.standard_normal((draws, len(names)))[:, code]
    inside = np.clip(probability, 1e-6, 1 - 1e-6)
    odds = np.log(inside / (1 - inside)) + shift + scale * SHIFT_BY_TEMPLATE * own
    return np.where(probability > 0, 1 / (1 + np.exp(-odds)), 0.0)


def _chosen(
    calls: Calls, judged: Judged, lost: Floats, near: NearRepeats, part: _Part, draws: int, rng: Generator
) -> list[Floats]:
    """Return for every rung by draw, whether each call is under it: 0 or 1, nearer to p where many are not seen."""
    import numpy as np

    template = calls.template.codes[judged.rows]
    counted = near.looked and near.tried > 0
    rate = rng.beta(near.hits + 0.5, near.tried - near.hits + 0.5, (draws, 1)) if counted else np.zeros((draws, 1))
    gained = _shifted(judged.reasoning, template, draws, rng)
    live = _shifted(judged.lookup, template, draws, rng)
    known = np.broadcast_to(judged.repeat | judged.deterministic, lost.shape)
    rest = np.where(known, 0.0, 1.0)
    found: dict[Sufficing, Floats] = {
        "repeat": np.broadcast_to(judged.repeat, lost.shape).astype(np.float64),
        "deterministic": np.broadcast_to(judged.deterministic & ~judged.repeat, lost.shape).astype(np.float64),
    }
    steps: tuple[tuple[Sufficing, Floats], ...] = (
        ("near_repeat", rate * judged.near), ("lookup", live), ("task_model", _covered(judged, draws, rng)),
        ("reasoning", gained), ("large", lost), ("small", np.ones_like(lost)),
    )  # fmt: skip
    for name, probability in steps:
        found[name] = rest * probability
        rest = rest - found[name]
    luck, below = rng.random(lost.shape), np.zeros_like(lost)
    for name in SUFFICING:
        p = found[name]
        hit = (luck >= below) & (luck < below + p)
        below = below + p
        found[name] = p + (hit - p) * part.seen
    return [found[name] for name in SUFFICING]


def _covered(judged: Judged, draws: int, rng: Generator) -> Floats:
    """Return by (draw, call) the share of its template's calls that a task model would answer."""
    import numpy as np

    by_task = [task.drawn(draws, rng) for task in judged.tasks]
    found: Floats = np.stack([*by_task, np.zeros(draws)], axis=1)[:, judged.task]
    return found


def _less(judged: Judged, chosen: list[Floats]) -> Floats:
    """Return how far less would have sufficed: not for a small model without reasoning, nor for one that needed it."""
    found = sum(chosen) - chosen[RUNG["reasoning"]]
    found = found - chosen[RUNG["small"]] * ~(judged.shrinks | judged.reasoned)
    less: Floats = found - chosen[RUNG["large"]] * ~judged.reasoned
    return less


def _joules(
    judged: Judged, other: Alternatives, energy: Floats, was: Floats, z_small: Floats, rng: Generator
) -> list[Floats]:
    """Return what each call would take under each rung, by draw; never more than it took."""
    import numpy as np

    cheap = np.exp(CHEAP_SIGMA * rng.standard_normal((len(was), 1)))
    known = np.isfinite(energy)
    plain = was * np.where(
        known & (energy > 0), np.nan_to_num(other.plain_j / np.where(energy > 0, energy, 1), nan=1), 1
    )
    small = other.small_j * np.exp(np.nan_to_num(other.small_sigma) * z_small)
    small = np.where(np.isfinite(small) & judged.shrinks, np.minimum(small, plain), plain)
    by: dict[Sufficing, Floats] = {"small": small, "large": plain, "reasoning": was}
    by |= {name: np.minimum(joules * cheap, was) for name, joules in _CHEAP.items()}
    return [np.where(known, by[name], 0.0) for name in SUFFICING]


def _dollars(judged: Judged, other: Alternatives, dollars: Floats) -> list[Floats]:
    import numpy as np

    plain = np.where(np.isfinite(other.plain_usd), np.minimum(other.plain_usd, dollars), dollars)
    small = np.where(np.isfinite(other.small_usd) & judged.shrinks, np.minimum(other.small_usd, plain), plain)
    by: dict[Sufficing, Floats] = {"small": small, "large": plain, "reasoning": dollars}
    nothing = np.zeros_like(dollars)
    return [by.get(name, nothing)[None, :] for name in SUFFICING]


_CHEAP: dict[Sufficing, float] = {name: CHEAP_J[name] for name in SUFFICING if name in CHEAP_J}


class _Part:
    """The calls that were looked at, by stratum: sums over each, by draw."""

    def __init__(self, of: Codes, sizes: Codes) -> None:
        import numpy as np

        self.of, self.sizes = of, sizes
        self.order = np.argsort(of, kind="stable")
        self.count = np.bincount(of, minlength=len(sizes))
        self.filled = np.flatnonzero(self.count)
        self.starts = (np.cumsum(self.count) - self.count)[self.filled]
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.nan_to_num(np.minimum(self.count / np.maximum(sizes, 1), 1.0))
        self.unseen = np.sqrt(1 - share)[of]
        self.seen = np.sqrt(share)[of]
        self.one_more = np.ones((1, len(sizes)))

    def weights(self, draws: int, rng: Generator) -> Floats:
        """Return how many calls each stands for, by draw."""
        import numpy as np

        luck = rng.exponential(size=(draws, len(self.of)))
        self.one_more = rng.exponential(size=(draws, len(self.sizes)))
        mean = self.sums(luck) / np.maximum(self.count, 1)
        even: Floats = 1 + (luck / np.maximum(mean[:, self.of], 1e-12) - 1) * self.unseen
        found: Floats = np.maximum(even, 0.0) * (self.sizes / np.maximum(self.count, 1))[self.of]
        return found

    def sums(self, values: Floats) -> Floats:
        """Return sums by stratum of (draw, call)."""
        import numpy as np

        found = np.zeros((len(values), len(self.sizes)))
        if len(self.of):
            found[:, self.filled] = np.add.reduceat(values[:, self.order], self.starts, axis=1)
        return found

    def ratios(self, weights: Floats, chosen: list[Floats], values: list[Floats] | None, of: Floats | float) -> Floats:
        """Return by (draw, stratum, rung) the sum of values under it over the sum of `of`, as one more call has it."""
        import numpy as np

        parts = [weights * under * (1.0 if values is None else values[at]) for at, under in enumerate(chosen)]
        above = np.stack([self.sums(part) for part in parts], axis=2)
        below = self.sums(weights * of)
        pooled = above.sum(1, keepdims=True) / np.maximum(below.sum(1), 1e-300)[:, None, None]
        partly = (self.count < self.sizes) / np.maximum(self.count, 1)
        one_more = np.where(self.count > 0, below * partly * self.one_more, 1.0)[:, :, None]
        found: Floats = (above + one_more * pooled) / np.maximum(below[:, :, None] + one_more, 1e-300)
        return found
