"""How often a smaller model fails where a larger one is right: by the prompt, and by what is known of the two.

    log-odds(the smaller one is wrong, where the larger one is right) =
        a line in the classifier's log-odds of `large_gain`
        + lines in size and date of both models
        + how far one kind of text, and one model, is off from that

The same of the larger one's being right at all. The lines and the spreads are fitted on recorded answers of models of
0.13 to 405 billion parameters from July 2023 to November 2024 (`pairs.json`, by training/audit/pairs.py); a model
beyond these, or of which less is known, has a wider spread. Sizes are of the catalog's cards.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from greenai.audit.models import card_of
from greenai.catalog import Card, find
from greenai.classify.ability import short

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Codes: TypeAlias = NDArray[np.int64]
    Generator: TypeAlias = np.random.Generator

__all__ = ["CENTRE_GAIN", "Able", "Coefficients", "Pair", "Pairs", "able", "features_of", "log_odds", "shipped"]

CENTRE_GAIN = -1.4
"""The log-odds of `large_gain` that the lines are centred at: about the mean of the questions fitted on."""
CENTRE_SIZE, CENTRE_LARGE, CENTRE_YEAR = 1.2, 1.8, 2024.5
NEXT_SMALLEST = math.log10(2.0)
"""Below 2 billion parameters only SmolLM2-135M was recorded, and it fails more than the line of the others has it: the
line has a bend here, whose slope rests on that model alone."""
FIRST, LAST = 2023.5, 2024.85
"""Years of release of the models fitted on. A later one is taken to be as able for its size as the last of these, with
a spread that grows by `PER_YEAR`: answers of later ones are not recorded, and progress has not been the same
everywhere (from 0.9 a year on MMLU-Pro to 4.8 on MATH, in log-odds)."""
PER_YEAR = 0.5
UNKNOWN_YEAR, UNKNOWN_YEAR_SD = 2024.4, 0.45
"""Where nothing tells when a model was released: anywhere in the years fitted on."""
UNKNOWN_SIZE = {"small": (1.2, 0.45), "large": (2.2, 0.45)}
"""log10 of 1e9 parameters of a model whose size nobody states, by its tier in the catalog, with its standard deviation:
those of the cards that state one have 0.9 to 1.5, and 1.8 to 2.6."""
SHARED = 0.5
"""The part of the variance between sets of questions that all texts of a log are taken to share; the rest is each
template's own. Assumed: no set of logs tells."""
SET_TAIL, MODEL_TAIL = 5, 6
"""Degrees of freedom: how far sets lie apart is known from six of them, and models are off from the lines by Student's
t rather than a normal distribution (the likeliest, of 57 models, has 5 to 8: Command R and Gemma 2 2B fail far more
often than size and date let expect)."""
Z90 = 1.645
SizeAndDate: TypeAlias = tuple[float, float, float, float, bool]


def log_odds(probability: Any) -> Any:
    """Return log-odds, of a number or an array; probabilities are held within 0.0001 and 0.9999."""
    import numpy as np

    held = np.clip(probability, 1e-4, 1 - 1e-4)
    return np.log(held / (1 - held))


def features_of(size: float, year: float, *, stated: bool) -> list[float]:
    """Return the columns of one model: its size, its date, whether its size is assumed, and how far below 2 billion."""
    below = max(0.0, NEXT_SMALLEST - size)
    return [size - CENTRE_SIZE, min(max(year, FIRST), LAST) - CENTRE_YEAR, float(not stated), below]


# --- what was fitted -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients:
    """Fixed effects with their covariance, and standard deviations of what is not explained, all in log-odds.

    Attributes:
        fixed: at the centre; per log-odds of `large_gain`; of the model, as `features_of`; of a pair also of the larger
            one: per log10 of its size, and per year.
        spread: between sets, kinds of question in a set, models, models by kind, larger models, and, per year and per
            log10 of size, between sets.
        recorded: what a recorded model is off from the lines, with its standard deviation.
    """

    fixed: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    spread: Mapping[str, float]
    recorded: Mapping[str, tuple[float, float]]

    def at(self, columns: list[float], of: Able) -> tuple[float, float, float]:
        """Return the log-odds at the centre of the prompts, their standard deviation, and the spread of models."""
        row = [1.0, 0.0, *columns]
        mid = sum(b * x for b, x in zip(self.fixed, row, strict=True))
        quiet = [0.0, 0.0, *columns]
        variance = sum(
            a * b * v for a, line in zip(quiet, self.covariance, strict=True) for b, v in zip(quiet, line, strict=True)
        )
        variance += (self.spread["size of set"] * columns[0]) ** 2 + (self.spread["date of set"] * columns[1]) ** 2
        variance += (self.fixed[2] * of.size_sd) ** 2 + (self.fixed[3] * of.year_sd) ** 2 + of.beyond**2
        own, spread = self.recorded.get(of.recorded, (0.0, self.spread["model"]))
        variance += self.spread.get("large", 0.0) ** 2
        return mid + own, math.sqrt(variance), spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Able:
    """What is known of one model that tells what it is able to.

    Attributes:
        size: log10 of its parameters in 1e9; of a mixture of experts the geometric mean of those used for a token and
            of all; `size_sd` its standard deviation.
        year: of its release, with `year_sd`.
        stated: whether its maker states the size.
        recorded: its name among the recorded ones, or empty.
        beyond: the standard deviation for being later than all that was fitted on.
        why: in words, what this rests on.
    """

    size: float
    size_sd: float
    year: float
    year_sd: float
    stated: bool
    recorded: str = ""
    beyond: float = 0.0
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two models, as log-odds: `fails` of the smaller one's failing where the larger one is right, `right` of that one.

    Each has the standard deviation of what is known of it, `_sd`, and the spread of the model beside others like it,
    `_own`, whose tails are longer.
    `shared` and `own` are the spreads of how hard a text is, beyond what the classifier reads: of all of a log, and of
    one template; `kind` is that of kinds of question within a set. A text that is harder is so for both, for the larger
    one `together` times as much; what is hard for that one alone has the spread `apart`.
    """

    small: str
    large: str
    fails: float
    fails_sd: float
    fails_own: float
    fails_slope: float
    right: float
    right_sd: float
    right_own: float
    right_slope: float
    shared: float
    own: float
    kind: float
    together: float
    apart: float
    why: str

    def fails_at(self, gain: Any) -> Any:
        """Return the expected probability that the smaller one fails, from log-odds of `large_gain`."""
        import numpy as np

        variance = self.fails_sd**2 + self.fails_own**2 + self.shared**2 + self.own**2 + self.kind**2
        spread = math.sqrt(1 + variance / 2.94)  # a normal within a logistic
        return 1 / (1 + np.exp(-(self.fails + self.fails_slope * (gain - CENTRE_GAIN)) / spread))

    def drawn(self, gain: Floats, hard: Floats, rng: Generator) -> tuple[Floats, Floats]:
        """Return by (draw, call) P(the smaller one fails where the larger one is right), and P(that one is right).

        Args:
            gain: log-odds of `large_gain`, by call.
            hard: how much harder than the classifier reads the texts are, by (model, draw, call); see `hardness`.
            rng: the same seed gives the same draws.
        """
        import numpy as np

        off = gain - CENTRE_GAIN
        shape = (2, hard.shape[1], 1)
        lines, own = rng.standard_normal(shape), _student(shape, MODEL_TAIL, rng)
        fails = self.fails + self.fails_slope * off + hard[0] + self.fails_sd * lines[0] + self.fails_own * own[0]
        right = self.right + self.right_slope * off - hard[1] + self.right_sd * lines[1] + self.right_own * own[1]
        return 1 / (1 + np.exp(-fails)), 1 / (1 + np.exp(-right))

    def hardness(self, template: Codes, draws: int, rng: Generator) -> Floats:
        """Return how much harder than the classifier reads the texts are, for both models, by (model, draw, call)."""
        import numpy as np

        names, code = np.unique(template, return_inverse=True)
        shape, code = (draws, len(names)), code.ravel()
        of_set = self.shared * _student((draws, 1), SET_TAIL, rng) + self.own * _student(shape, SET_TAIL, rng)
        hard = of_set + self.kind * rng.standard_normal(shape)
        half = rng.standard_normal((draws, 1)) + rng.standard_normal(shape)
        found: Floats = np.stack([hard, self.together * hard + self.apart * math.sqrt(0.5) * half])[:, :, code]
        return found


def _student(shape: tuple[int, ...], freedom: int, rng: Generator) -> Floats:
    """Return numbers of Student's t distribution."""
    found: Floats = rng.standard_t(freedom, shape)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """All that was fitted: of a pair, of one model alone, and the recorded models' size and date by short name.

    `correlation` is that of how hard kinds of question are for the two, beyond the lines.
    """

    fails: Coefficients
    right: Coefficients
    models: Mapping[str, tuple[float, float, bool]]
    correlation: float

    def pair(self, small: str, large: str) -> Pair:
        """Return what is known of a pair of models, by their names in the catalog."""
        return self._made(able(small, self.models), able(large, self.models), small, large)

    def of(self, small: SizeAndDate, large: SizeAndDate) -> Pair:
        """Return a pair by size, its standard deviation, year, its own, and whether the size is stated."""
        return self._made(_known(*small), _known(*large), "", "")

    def _made(self, small: Able, large: Able, name: str, larger: str) -> Pair:
        own = features_of(small.size, small.year, stated=small.stated)
        above = features_of(large.size, large.year, stated=large.stated)
        fails, fails_sd, fails_own = self.fails.at([*own, large.size - CENTRE_LARGE, above[1]], small)
        right, right_sd, right_own = self.right.at(above, large)
        spread = self.fails.spread
        of_right = math.hypot(self.right.spread["set"], self.right.spread["kind"])
        return Pair(
            small=name, large=larger, fails=fails, fails_sd=fails_sd, fails_own=fails_own,
            fails_slope=self.fails.fixed[1], right=right, right_sd=right_sd, right_own=right_own,
            right_slope=self.right.fixed[1], shared=spread["set"] * math.sqrt(SHARED),
            own=spread["set"] * math.sqrt(1 - SHARED), kind=math.hypot(spread["kind"], spread["model and kind"]),
            together=self.correlation * of_right / math.hypot(spread["set"], spread["kind"]),
            apart=of_right * math.sqrt(1 - self.correlation**2), why=small.why,
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def _known(size: float, size_sd: float, year: float, year_sd: float, stated: bool) -> Able:
    return Able(
        size=size, size_sd=size_sd, year=year, year_sd=year_sd, stated=stated, beyond=PER_YEAR * max(0.0, year - LAST)
    )


@cache
def shipped() -> Pairs:
    """Return what ships with the package."""
    return loaded(json.loads(Path(__file__).with_name("pairs.json").read_text(encoding="utf-8")))


def loaded(told: Mapping[str, Any]) -> Pairs:
    """Return what `to_dict` gave."""
    return Pairs(
        fails=_coefficients(told["fails"]), right=_coefficients(told["right"]),
        models={name: tuple(known) for name, known in told["models"].items()}, correlation=told["correlation"],
    )  # fmt: skip


def _coefficients(told: Mapping[str, Any]) -> Coefficients:
    return Coefficients(
        fixed=tuple(told["fixed"]), covariance=tuple(tuple(line) for line in told["covariance"]),
        spread=told["spread"], recorded={name: tuple(known) for name, known in told["recorded"].items()},
    )  # fmt: skip


# --- what is known of a model ----------------------------------------------------------------


def able(name: str, recorded: Mapping[str, tuple[float, float, bool]]) -> Able:
    """Return what is known of a model of the catalog, or of any name.

    Args:
        name: as the log or the settings have it.
        recorded: size, date and whether the size is stated, of recorded models by short name.
    """
    card = card_of(name)
    behind = card if card is None or card.same_as is None else find(card.same_as)
    for known in (name, *(spelt for one in (card, behind) if one is not None for spelt in (one.name, *one.aliases))):
        if short(known) in recorded:
            size, year, stated = recorded[short(known)]
            return Able(
                size=size, size_sd=0.0, year=year, year_sd=0.0, stated=stated, recorded=short(known),
                why="its recorded answers to exam questions and word problems",
            )  # fmt: skip
    return _carded(behind or card)


def _carded(card: Card | None) -> Able:
    size, size_sd, stated, by_size = _size(card)
    year = None if card is None else _year(card)
    if year is None:
        return Able(
            size=size, size_sd=size_sd, year=UNKNOWN_YEAR, year_sd=UNKNOWN_YEAR_SD, stated=stated,
            why=f"{by_size}, and no date",
        )  # fmt: skip
    return Able(
        size=size, size_sd=size_sd, year=year, year_sd=0.0, stated=stated,
        beyond=PER_YEAR * max(0.0, year - LAST), why=f"{by_size}, and its date ({int(year)})",
    )  # fmt: skip


def _size(card: Card | None) -> tuple[float, float, bool, str]:
    active = None if card is None else card.active_params_b
    if card is None or active is None:
        mid, sd = UNKNOWN_SIZE["large" if card is None else card.tier]
        return mid, sd, False, "no size that anybody states"
    total = card.total_params_b or active
    low, mid, high = (
        math.log10(math.sqrt(a * b))
        for a, b in ((active.low, total.low), (active.mid, total.mid), (active.high, total.high))
    )
    stated = active.low == active.high
    said = f"its size ({active.mid:.3g} billion active parameters{'' if stated else ', assumed'})"
    return mid, (high - low) / (2 * Z90), stated, said


_DATED = re.compile(r"(?<!\d)(20[12]\d)-?(0[1-9]|1[0-2])-?(?:[0-3]\d)(?!\d)|-(2[3-9])(0[1-9]|1[0-2])(?!\d)")


def _year(card: Card) -> float | None:
    """Return when a model was released: as its name says, else the year of the benchmark's table that it stands in."""
    years = [year for name in (card.name, *card.aliases, *_snapshots().get(card.name, ())) if (year := _named(name))]
    tables = [float(found[0]) for score in card.quality if (found := re.findall(r"release (20\d\d)-", score.source))]
    return min([*years, *tables], default=None)


def _named(name: str) -> float | None:
    found = _DATED.search(name)
    if found is None:
        return None
    year, month, short_year, short_month = found.groups()
    return (int(year) if year else 2000 + int(short_year)) + (int(month or short_month) - 0.5) / 12


@lru_cache(maxsize=1)
def _snapshots() -> Mapping[str, tuple[str, ...]]:
    """Return the dated names of each model of the catalog."""
    from greenai.catalog import cards

    found: dict[str, tuple[str, ...]] = {}
    for card in cards():
        if card.dated and card.same_as:
            found[card.same_as] = (*found.get(card.same_as, ()), card.name)
    return found
