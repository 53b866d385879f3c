"""The catalog as a leaderboard: what one standard request takes on each model, with its interval, grade and source.

A model's energy is told with reasoning off and on. Where its reasoning cannot be switched off there is only "on";
where the least it accepts is a low effort, "off" leaves out that effort's own thinking, which nobody states. Energy is
set against a public quality score where the catalog has one; the Pareto line holds the models for which no other takes
less energy and scores at least as high.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from greenai import catalog, receipts
from greenai.meters import stars
from greenai.readings import Reading
from greenai.units import significant, wh_from_j
from greenai.values import Usage

if TYPE_CHECKING:
    from rich.table import Table

    from greenai.catalog import Card
    from greenai.readings import Stars

__all__ = ["ORDERS", "STANDARD", "Mode", "Standing", "Use", "chosen", "first", "ranked", "standing", "standings"]

STANDARD = Usage(input_tokens=300, output_tokens=300)
"""The standard request: a convention, the same for every model, so that they compare; 300 tokens are some 225 words."""

Mode = Literal["off", "on"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One standard request on one model in one mode: the modelled energy, its grade, and the score in that mode."""

    energy: Reading
    stars: Stars
    score: float | None = None
    on_pareto_line: bool = False

    @property
    def width(self) -> float | None:
        """Upper over lower end of the 90% interval."""
        low, high = self.energy.low_j, self.energy.high_j
        return high / low if low and high is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One model of the leaderboard; `off` or `on` is None where the model has no such mode."""

    card: Card
    off: Use | None
    on: Use | None
    usd: float | None

    @property
    def least(self) -> Use:
        """The mode that takes least: off, wherever the model can do without reasoning."""
        if (found := self.off or self.on) is None:
            raise ValueError(f"{self.card.name} has neither mode")
        return found


# --- one model ------------------------------------------------------------------------------


def standing(card: Card) -> Standing:
    """Model the standard request on `card`, with reasoning off and on."""
    status = card.reasoning.status
    return Standing(
        card=card,
        off=None if status == "always_on" else _use(card, "off"),
        on=None if status == "none" else _use(card, "on"),
        usd=_usd(card),
    )


def _use(card: Card, mode: Mode) -> Use:
    energy = receipts.baseline_energy(card, STANDARD, thinking=mode == "on")
    score = next((quality.score for quality in card.quality if quality.reasoning == mode), None)
    return Use(energy=energy, stars=stars.grade(energy), score=score)


def _usd(card: Card) -> float | None:
    """The list price of the standard request without reasoning, in US dollars."""
    if card.price is None or STANDARD.input_tokens is None or STANDARD.output_tokens is None:
        return None
    return (STANDARD.input_tokens * card.price.input + STANDARD.output_tokens * card.price.output) / 1e6


# --- all of them ----------------------------------------------------------------------------


def chosen(*, provider: str | None = None, every: bool = False, scored: bool = False) -> list[Card]:
    """Return the cards of the leaderboard: each model once, or with `every` its snapshots and other hosts too.

    A model that its maker serves stands there once, under the maker's name: its weights on a server of one's own are
    the same model.
    """
    cards = [card for card in catalog.cards() if (every or not card.dated) and (card.quality or not scored)]
    if provider is not None:
        return [card for card in cards if card.provider == provider]
    if every:
        return cards
    cards = [card for card in cards if card.same_as is None]
    served = {_bare(card) for card in cards if card.provider != "hosted_vllm"}
    return [card for card in cards if card.provider != "hosted_vllm" or _bare(card) not in served]


def first(own: Iterable[str]) -> list[Card]:
    """Return the cards to begin with: models with a public score, local ones, and those that `own` names."""
    named = {card.name for name in own if (card := catalog.find(name)) is not None}
    scored = {card.name for card in chosen(scored=True)}
    return [card for card in catalog.cards() if card.provider == "local" or card.name in named | scored]


def _bare(card: Card) -> str:
    return card.name.rpartition("/")[2].lower()


def standings(cards: Iterable[Card]) -> list[Standing]:
    """Return the standing of each card, with the Pareto line of each mode marked among them."""
    found = [standing(card) for card in cards]
    lines: dict[Mode, set[str]] = {mode: _pareto(found, mode) for mode in ("off", "on")}

    def marked(use: Use | None, name: str, mode: Mode) -> Use | None:
        return replace(use, on_pareto_line=name in lines[mode]) if use is not None else None

    return [
        replace(row, off=marked(row.off, row.card.name, "off"), on=marked(row.on, row.card.name, "on")) for row in found
    ]


def _pareto(rows: Iterable[Standing], mode: Mode) -> set[str]:
    """Return the names for which no other model takes less energy and scores at least as high, in one mode.

    A model whose least is a low effort is on no line without reasoning: what that effort takes is not in its figure.
    """
    points: list[tuple[float, float, str]] = []
    for row in rows:
        use: Use | None = getattr(row, mode)
        if mode == "off" and row.card.reasoning.status == "lowest":
            continue
        if use is not None and use.score is not None and use.energy.energy_j is not None:
            points.append((use.energy.energy_j, -use.score, row.card.name))
    line: set[str] = set()
    best = (math.inf, -math.inf)
    for energy, negative, name in sorted(points):
        # Of models with equal energy the first has the best score; its equals stand beside it.
        if -negative > best[1] or (energy, -negative) == best:
            line.add(name)
            best = (energy, -negative)
    return line


def _energy(row: Standing) -> float:
    energy = row.least.energy.energy_j
    return math.inf if energy is None else energy


def _quality(row: Standing) -> float:
    return -max((score.score for score in row.card.quality), default=-math.inf)


ORDERS: Mapping[str, Callable[[Standing], tuple[Any, ...]]] = {
    "energy": lambda row: (_energy(row), row.card.name),
    "name": lambda row: (row.card.name,),
    "price": lambda row: (math.inf if row.usd is None else row.usd, row.card.name),
    "quality": lambda row: (_quality(row), _energy(row), row.card.name),
}
"""What `--sort` accepts. What is unknown comes last; the best score comes first."""


def ranked(rows: Iterable[Standing], order: str) -> list[Standing]:
    """Return the rows in one of `ORDERS`."""
    return sorted(rows, key=ORDERS[order])


# --- how it is shown ------------------------------------------------------------------------


def as_dict(row: Standing) -> dict[str, Any]:
    """Return one row as JSON values."""
    return {
        "name": row.card.name,
        "tier": row.card.tier,
        "reasoning_off": _use_dict(row.off),
        "reasoning_on": _use_dict(row.on),
        "usd_per_request": row.usd,
        "params_source": row.card.params_source,
        "params_date": row.card.params_date,
    }


def _use_dict(use: Use | None) -> dict[str, Any] | None:
    if use is None:
        return None
    energy = use.energy
    return {
        "energy_j": energy.energy_j,
        "low_j": energy.low_j,
        "high_j": energy.high_j,
        "high_over_low": use.width,
        "evidence": energy.evidence,
        "method": energy.method,
        "stars": use.stars.grade,
        "stars_worst": use.stars.worst,
        "stars_best": use.stars.best,
        "stars_scale": use.stars.scale,
        "score": use.score,
        "is_pareto": use.on_pareto_line,
    }


def as_json(rows: Sequence[Standing]) -> dict[str, Any]:
    """Return the leaderboard as JSON values, with what its figures stand for."""
    return {
        "standard_request": {
            "input_tokens": STANDARD.input_tokens,
            "output_tokens": STANDARD.output_tokens,
            "reasoning_tokens_when_on": receipts.DEFAULT_THINKING_TOKENS,
        },
        "score": next((quality.name for row in rows for quality in row.card.quality), None),
        "models": [as_dict(row) for row in rows],
    }


_USE_KEYS = (
    "energy_j", "low_j", "high_j", "high_over_low", "evidence", "method", "stars", "stars_worst", "stars_best",
    "stars_scale", "score", "is_pareto",
)  # fmt: skip
COLUMNS = (
    "name",
    "tier",
    *(f"{mode}_{key}" for mode in ("off", "on") for key in _USE_KEYS),
    "usd_per_request",
    "params_source",
    "params_date",
)
"""Of the comma-separated values, whichever rows there are; those of a mode begin with its name."""


def as_csv(rows: Iterable[Standing]) -> str:
    """Return the leaderboard as comma-separated values with the `COLUMNS`; what a model has not is empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_flat(as_dict(row)) for row in rows)
    return out.getvalue()


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in row.items() if not key.startswith("reasoning_")}
    for mode in ("off", "on"):
        found |= {f"{mode}_{key}": value for key, value in (row[f"reasoning_{mode}"] or {}).items()}
    return found


_NO_MODE = "-"


def energy_cell(use: Use | None) -> str:
    """Return a request's energy with its interval, in mWh: one unit, so that a column can be read downwards."""
    if use is None:
        return _NO_MODE
    reading = use.energy
    if reading.energy_j is None or reading.low_j is None or reading.high_j is None:
        return "unknown"
    median, low, high = (significant(1e3 * wh_from_j(j)) for j in (reading.energy_j, reading.low_j, reading.high_j))
    return f"{median} ({low} to {high})"


def score_cell(row: Standing) -> str:
    """Return the scores with reasoning off and on; a diamond marks the Pareto line."""
    parts = [
        f"{mode} {use.score:g}{' ◆' if use.on_pareto_line else ''}"
        for mode, use in (("off", row.off), ("on", row.on))
        if use is not None and use.score is not None
    ]
    return ", ".join(parts)


def as_table(rows: Sequence[Standing], width: int, order: str = "energy") -> Table:
    """Return the leaderboard as a table for a terminal `width` characters wide.

    Where it is narrow, columns are left out and names take several lines, so that no figure is cut.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    cells = [_cells(row) for row in rows]
    shown = _fitting(cells, width, _KEPT.get(order))
    names = _OF_ALL if len(shown) == len(_OF_ALL) else _OF_FEW
    table = Table(box=box.SIMPLE, pad_edge=False)
    for column in shown:
        figure = column not in _FOLDING and width >= _TINY
        justify: Literal["left", "right"] = "right" if column == "price" else "left"
        table.add_column(names[column], no_wrap=figure, overflow="fold", justify=justify)
    for row in cells:
        if "on" not in shown and row["off"] == _NO_MODE:  # it always reasons: its one figure must not go
            row["off"] = f"on: {row['on']}"
        table.add_row(*(Text(row[column]) for column in shown))
    return table


_OF_ALL = {
    "model": "model",
    "stars": "stars",
    "off": "mWh, reasoning off",
    "on": "mWh, reasoning on",
    "price": "$ per 1,000",
    "score": "score",
    "source": "source of the size",
}
_OF_FEW = {**_OF_ALL, "off": "off, mWh", "on": "on, mWh"}
_FOLDING = {"model": 28, "source": 18}
"""Columns that may take several lines, and how narrow they may get before another column is left out, in characters."""
_LEFT_OUT = ("price", "source", "score", "on", "stars")
"""In this order; the column that the rows are sorted by only at last."""
_KEPT = {"price": "price", "quality": "score"}
_GAP = 3
_TINY = 50
"""Width of a terminal below which even figures take several lines, in characters."""


def _cells(row: Standing) -> dict[str, str]:
    return {
        "model": row.card.name,
        "stars": str(row.least.stars),
        "off": energy_cell(row.off),
        "on": energy_cell(row.on),
        "price": "" if row.usd is None else significant(1000 * row.usd),
        "score": score_cell(row),
        "source": row.card.params_source.partition(":")[0].partition(",")[0],
    }


def _fitting(cells: Sequence[Mapping[str, str]], width: int, kept: str | None) -> list[str]:
    """Return the columns that have room."""
    shown = list(_OF_ALL)
    for column in sorted(_LEFT_OUT, key=lambda name: name == kept):
        names = _OF_ALL if len(shown) == len(_OF_ALL) else _OF_FEW
        tag = 0 if "on" in shown else len("on: ")
        if sum(_least(cells, name, names[name]) + _GAP for name in shown) + tag <= width:
            break
        shown.remove(column)
    return shown


def _least(cells: Sequence[Mapping[str, str]], column: str, heading: str) -> int:
    widest = max([len(heading), *(len(row[column]) for row in cells)])
    return min(widest, _FOLDING.get(column, widest))


def notes(rows: Sequence[Standing]) -> list[str]:
    """Return what the figures stand for, one sentence a line."""
    thinking = receipts.DEFAULT_THINKING_TOKENS
    few, many = (round(thinking * factor) for factor in (1 / receipts.THINKING_SPREAD, receipts.THINKING_SPREAD))
    scored = [row for row in rows if row.card.quality]
    method = next((row.least.energy.method for row in rows if row.least.energy.energy_j is not None), "")
    found = [
        (
            f"Standard request: {STANDARD.input_tokens} input and {STANDARD.output_tokens} output tokens; with "
            f"reasoning on {thinking} ({few} to {many:,}) more, an average over models (Dauner and Socher, 2025)."
        ),
        f"Modelled ({method}), 90% intervals. Stars are of the least mode, with the grades that its interval touches.",
    ]
    if not scored:
        return [*found, "No public score in the catalog for these models."]
    name = scored[0].card.quality[0].name
    return [
        *found,
        (
            f"Score: {name}; {len(scored)} of {len(rows)} models have one. With reasoning it was reached at a high "
            "effort, which takes more thinking than is counted here."
        ),
        "◆: no model with a score takes less energy in that mode and scores at least as high.",
    ]
