"""What `greenai tune` measured as a picture: energy per token by batch, and a map of precision and batch.

matplotlib is reached through plot.py, its only door.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from greenai.cli import plot
from greenai.cli.plot import GREY, LINE, OFF, ON
from greenai.units import significant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from greenai.tune.cells import Cell
    from greenai.tune.run import Result
    from greenai.tune.search import Outcome
    from greenai.tune.space import Point

__all__ = ["cliff", "draw"]

COLOURS = (OFF, ON, LINE, "#CC79A7", "#56B4E9", "#E69F00")
LEAST_STEP = 1.03


def draw(result: Result, path: Path) -> None:
    """Draw a tuning to a file.

    Raises:
        PlotError: nothing ran, or the file cannot be written.
    """
    outcome = result.outcome
    if not any(cell.logs for cell in outcome.cells.of.values()):
        raise plot.PlotError("--plot: nothing was measured, so there is nothing to draw.")
    precisions = _precisions(outcome)
    figure = plot.new_figure(9.5, 5.6 + 0.45 * len(precisions))
    curve, map_ = figure.subplots(2, 1, height_ratios=[5, 1.2 + 0.45 * len(precisions)])
    _curve(curve, outcome, precisions)
    _map(figure, map_, outcome, precisions)
    title = f"{result.job.name} on {result.job.device}, requests of {result.job.options.tokens} tokens"
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    plot.save(figure, path)


def _precisions(outcome: Outcome) -> list[str]:
    """Return the precisions that were looked at, least energy first; rejected ones last."""
    least: dict[str, float] = {}
    for point, cell in outcome.cells.of.items():
        kind = point.setting.precision
        least[kind] = min(least.get(kind, math.inf), cell.mean)
    return sorted(least, key=lambda kind: (least[kind], kind))


# --- the curve ------------------------------------------------------------------------------


def _curve(axes: Any, outcome: Outcome, precisions: Sequence[str]) -> None:
    for colour, kind in zip(COLOURS * len(precisions), precisions, strict=False):
        _line(axes, outcome, kind, colour)
    _marks(axes, outcome)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    top = max(point.batch for point in outcome.cells.of)
    ticks = [1 << n for n in range(top.bit_length())]
    axes.set_xticks(ticks, [str(tick) for tick in ticks], fontsize=8)
    axes.minorticks_off()
    axes.set_xlim(min(point.batch for point in outcome.cells.of) / 1.2, top * 1.2)
    _joule_ticks(axes, [math.exp(cell.mean) for cell in outcome.cells.of.values() if cell.logs])
    axes.set_xlabel("batch: answers at the same time", fontsize=9)
    axes.set_ylabel("J per token", fontsize=9)
    axes.grid(color="#e3e3e3", linewidth=0.5, zorder=0)
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.set_title("Energy per token; a line is the setting that was best for its precision", loc="left", fontsize=9)


def _joule_ticks(axes: Any, values: Sequence[float]) -> None:
    """Put ticks in steps that people read: 1, 1.5, 2, 3, 5, 7 and their tenfolds."""
    low, high = min(values) / 1.15, max(values) * 1.15
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    wanted = (1, 2, 5) if high / low > 6 else (1, 1.5, 2, 3, 4, 5, 6, 8) if high / low > 2 else _FINE
    steps = [m * 10.0**p for p in powers for m in wanted]
    shown = sorted({float(f"{s:.3g}") for s in steps if low <= s <= high})
    axes.set_ylim(low, high)
    axes.set_yticks(shown, [significant(s, 3) for s in shown], fontsize=8)


_FINE = tuple(n / 10 for n in range(10, 20)) + tuple(n / 4 for n in range(8, 40))


def _line(axes: Any, outcome: Outcome, kind: str, colour: str) -> None:
    usable = [(p, c) for p, c in outcome.cells.candidates() if p.setting.precision == kind]
    if not usable:
        return
    setting = min(usable, key=lambda pair: pair[1].mean)[0].setting
    row = [(b, c) for b, c in outcome.cells.row(setting).items() if c.logs]
    noise = outcome.cells.noise
    errors = [1.96 * noise / math.sqrt(max(c.used, 1)) for _, c in row]
    means = [math.exp(c.mean) for _, c in row]
    spread = [[m * (1 - math.exp(-e)) for m, e in zip(means, errors, strict=True)],
              [m * (math.exp(e) - 1) for m, e in zip(means, errors, strict=True)]]  # fmt: skip
    batches = [b for b, _ in row]
    axes.errorbar(
        batches, means, yerr=spread, color=colour, marker="o", markersize=3.5, linewidth=1.2, elinewidth=0.7,
        capsize=1.5, label=_wrapped(str(setting)), zorder=3,
    )  # fmt: skip
    edge = min((b for b, c in outcome.cells.row(setting).items() if c.status == "out_of_memory"), default=None)
    if edge is not None:
        axes.axvline(edge, color=colour, linestyle=":", linewidth=1, label=f"{kind}: memory ends at {edge}")


def _wrapped(text: str) -> str:
    """Return a setting on lines that fit beside the picture."""
    parts = text.split(", ")
    return ",\n   ".join(", ".join(parts[n : n + 2]) for n in range(0, len(parts), 2))


def _marks(axes: Any, outcome: Outcome) -> None:
    chosen, default = outcome.chosen, outcome.default
    marked = [(default, "s", "as it is"), (chosen, "*", "chosen")]
    for point, mark, name in [(chosen, "*", "as it is")] if outcome.leave_it else marked:
        energy = outcome.energy(point)
        if energy is None:
            continue
        label = f"{name}: batch {point.batch}, {significant(energy.value, 3)} J"
        axes.plot(
            [point.batch], [energy.value], mark, markersize=14 if mark == "*" else 8, color="black",
            markerfacecolor="#F0E442" if mark == "*" else "none", label=label, zorder=5, linestyle="none",
        )  # fmt: skip
    step = cliff(outcome)
    if step is not None:
        before, after, factor = step
        axes.axvspan(before, after, color=GREY, alpha=0.18, zorder=1, linewidth=0,
                     label=f"cliff: +{factor - 1:.0%} from {before} to {after}")  # fmt: skip


def cliff(outcome: Outcome) -> tuple[int, int, float] | None:
    """Return the largest rise of energy between measured batches a step apart: both batches, and the factor."""
    row = [(b, c) for b, c in outcome.cells.row(outcome.chosen.setting).items() if c.logs]
    steps = [(b, c, d) for (b, c), (a, d) in pairwise(row) if a - b == 1 and _is_sure(outcome, c, d)]
    rises = [(math.exp(d.mean - c.mean), b, b + 1) for b, c, d in steps]
    factor, before, after = max(rises, default=(0.0, 0, 0))
    return (before, after, factor) if factor >= LEAST_STEP else None


def _is_sure(outcome: Outcome, one: Cell, other: Cell) -> bool:
    """Say whether two neighbours differ by more than their readings' noise."""
    error = math.hypot(outcome.cells.error(one), outcome.cells.error(other))
    return abs(one.mean - other.mean) > 1.96 * error


# --- the map --------------------------------------------------------------------------------


def _map(figure: Any, axes: Any, outcome: Outcome, precisions: Sequence[str]) -> None:
    batches = sorted({point.batch for point in outcome.cells.of})
    least = {(p.setting.precision, p.batch): math.inf for p in outcome.cells.of}
    for point, cell in outcome.cells.of.items():
        place = point.setting.precision, point.batch
        least[place] = min(least[place], cell.mean)
    best = min(least.values())
    grid = [[_times(least.get((kind, batch)), best) for batch in batches] for kind in precisions]
    shown = axes.pcolormesh(
        range(len(batches) + 1), range(len(precisions) + 1), grid, cmap="viridis_r", vmin=1.0, vmax=_top(grid),
        edgecolors="white", linewidth=0.5,
    )  # fmt: skip
    every = max(len(batches) // 24, 1)
    places = range(0, len(batches), every)
    axes.set_xticks([n + 0.5 for n in places], [str(batches[n]) for n in places], fontsize=8)
    axes.set_yticks([n + 0.5 for n in range(len(precisions))], precisions, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("batch (those that were measured)", fontsize=9)
    _mark_cells(axes, outcome, precisions, batches)
    axes.set_title("Precision and batch: the best setting's energy; white was not measured or did not run",
                   loc="left", fontsize=9)  # fmt: skip
    bar = figure.colorbar(shown, cax=axes.inset_axes((1.015, 0.0, 0.015, 1.0)))
    bar.set_label("times the least", fontsize=8)
    bar.ax.tick_params(labelsize=7)


def _times(mean: float | None, best: float) -> float:
    return math.nan if mean is None or math.isinf(mean) else math.exp(mean - best)


def _top(grid: Sequence[Sequence[float]]) -> float:
    """Return where the colours end: the worst measured, and no more than four times the best."""
    return min(max((1.1, *(v for row in grid for v in row if not math.isnan(v)))), 4.0)


def _mark_cells(axes: Any, outcome: Outcome, precisions: Sequence[str], batches: Sequence[int]) -> None:
    ran = {(p.setting.precision, p.batch) for p, cell in outcome.cells.of.items() if cell.logs}
    for point, cell in outcome.cells.of.items():
        if (point.setting.precision, point.batch) in ran:
            continue
        sign = "x" if cell.status == "rejected" else "M"
        axes.text(*_place(point, precisions, batches), sign, ha="center", va="center", fontsize=7, color=GREY)
    axes.plot(
        *_place(outcome.chosen, precisions, batches), "*", markersize=12, color="black", markerfacecolor="#F0E442"
    )
    if any(cell.status != "ok" for cell in outcome.cells.of.values()):
        axes.text(1.0, -0.32, "M: out of memory, x: rejected by the guard", transform=axes.transAxes, fontsize=7,
                  ha="right", va="top", color=GREY)  # fmt: skip


def _place(point: Point, precisions: Sequence[str], batches: Sequence[int]) -> tuple[float, float]:
    return batches.index(point.batch) + 0.5, precisions.index(point.setting.precision) + 0.5
