"""The leaderboard as a picture; the only door to matplotlib, which the extra `plot` brings: for pictures.py too."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenai.cli.leaderboard import STANDARD, Mode, Standing, Use, notes
from greenai.errors import GreenAIError, MissingExtra
from greenai.meters import stars
from greenai.units import wh_from_j

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FORMATS", "MAX_ROWS", "PlotError", "check", "draw", "new_figure", "save", "wrong_ending"]

FORMATS = (".svg", ".png", ".pdf")
MAX_ROWS = 120
ROW_INCHES = 0.24
# Colours of Okabe and Ito (2008), which people with colour blindness tell apart; shapes differ too.
OFF, ON, LINE, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
BANDS = ("#ffffff", "#f1f1f1")


class PlotError(GreenAIError):
    """The picture cannot be drawn or written; the message has the next step."""


def wrong_ending(path: Path, option: str = "--plot") -> str | None:
    """Return what is wrong with a file's ending where it names no format that is known, else None."""
    if path.suffix.lower() in FORMATS:
        return None
    ending = f"ends in {path.suffix}" if path.suffix else "has no ending"
    return f"{option}: {path.name} {ending}. Use one of {', '.join(FORMATS)}."


def check(path: Path, option: str = "--plot", what: str = "Drawing the leaderboard") -> None:
    """Refuse a picture that cannot be written, before anything is worked out.

    Raises:
        PlotError: the folder does not exist.
        MissingExtra: matplotlib is not installed.
    """
    if not path.resolve().parent.is_dir():
        raise PlotError(f"{option}: the folder {path.parent} does not exist. Make it, or choose another.")
    if find_spec("matplotlib") is None:
        raise MissingExtra("plot", "matplotlib", what)


def new_figure(width_inches: float, height_inches: float) -> Any:
    """Return an empty figure, whose parts keep clear of each other."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_inches, height_inches), layout="constrained")


def save(figure: Any, path: Path, option: str = "--plot") -> None:
    """Write a figure to a file.

    Raises:
        PlotError: it cannot be written.
    """
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise PlotError(f"{option}: {path} cannot be written: {error.strerror}. Choose another file.") from error


def draw(rows: Sequence[Standing], path: Path) -> None:
    """Write the leaderboard of `rows`, in their order from the top, to `path`.

    Raises:
        PlotError: there is nothing to draw, too much, or the file cannot be written.
    """
    known = [row for row in rows if row.least.energy.energy_j is not None]
    if not known:
        raise PlotError("--plot: none of these models has an energy that can be modelled.")
    if len(known) > MAX_ROWS:
        raise PlotError(f"--plot: {len(known)} models are too many for a picture. Use --limit {MAX_ROWS} or less.")
    save(_figure(known), path)


def _figure(rows: Sequence[Standing]) -> Any:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    scored = [row for row in rows if any(use and use.score is not None for use in (row.off, row.on))]
    bars = 1.6 + ROW_INCHES * len(rows)
    heights = [bars, 5.2] if len(scored) > 1 else [bars]
    foot = 0.9 / (sum(heights) + 1.1)  # the notes stand below the panels
    engine = ConstrainedLayoutEngine(rect=(0, foot, 1, 1 - foot))
    figure = Figure(figsize=(11, sum(heights) + 1.1), layout=engine)
    axes = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    _bars(axes[0], rows)
    if len(scored) > 1:
        _scatter(axes[1], scored)
    figure.text(0.01, 0.002, "\n".join(notes(rows)), fontsize=7, color=GREY, va="bottom", wrap=True)
    return figure


def _bars(axes: Any, rows: Sequence[Standing]) -> None:
    _energy_axis(axes, [use for row in rows for use in (row.off, row.on) if use])
    for position, row in enumerate(rows):
        for use, colour, marker, lift in ((row.off, OFF, "o", 0.14), (row.on, ON, "D", -0.14)):
            if use is None or use.energy.energy_j is None:
                continue
            y = -position + (lift if row.off and row.on else 0.0)
            low, mid, high = _wh(use)
            axes.plot([low, high], [y, y], color=colour, linewidth=3.2, alpha=0.35, solid_capstyle="butt", zorder=2)
            axes.plot([mid], [y], marker, color=colour, markersize=4.6, zorder=3)
    axes.set_yticks([-n for n in range(len(rows))], [_label(row) for row in rows], fontsize=8)
    axes.set_ylim(-len(rows) + 0.4, 0.6)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.5, zorder=0)
    axes.set_title(
        f"Energy of a standard request ({STANDARD.input_tokens} tokens in, {STANDARD.output_tokens} out): "
        "median and 90% interval",
        loc="left",
        fontsize=11,
        pad=16,
    )
    handles = [
        axes.plot([], [], marker, color=colour, linewidth=3.2, label=label)[0]
        for colour, marker, label in ((OFF, "o", "reasoning off"), (ON, "D", "reasoning on"))
    ]
    axes.legend(handles=handles, loc="lower left", fontsize=8, framealpha=0.95)


def _label(row: Standing) -> str:
    grade = row.least.stars
    mark = "" if grade.grade is None else "★" * grade.grade + "☆" * (5 - grade.grade)
    return f"{row.card.name.removeprefix('hosted_vllm/')}  {mark}"


def _energy_axis(axes: Any, uses: Sequence[Use]) -> None:
    """Draw the axis of energy, on a log scale, with a band and a label for each grade of the frozen scale."""
    ends = [wh for use in uses if use.energy.energy_j is not None for wh in _wh(use)]
    low, high = min(ends) / 1.3, max(ends) * 1.3
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_xlabel("Wh per request (log scale)", fontsize=9)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.tick_params(axis="x", labelsize=8)
    limits = stars._LIMITS_WH  # noqa: SLF001 (the one table of the scale)
    edges = [0.0, *(limit for limit, _ in limits), float("inf")]
    for n, (start, end) in enumerate(pairwise(edges)):
        left, right = max(start, low), min(end, high)
        if left >= right:
            continue
        axes.axvspan(left, right, color=BANDS[n % 2], zorder=0, linewidth=0)
        if right / left > 1.5:
            text = f"{5 - n} star{'s' if n < 4 else ''}"
            middle = (left * right) ** 0.5
            axes.annotate(
                text, (middle, 1), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=7, color=GREY
            )


def _scatter(axes: Any, rows: Sequence[Standing]) -> None:
    uses = [(row, use) for row in rows for use in (row.off, row.on) if use and use.score is not None]
    _energy_axis(axes, [use for _, use in uses])
    modes: tuple[tuple[Mode, str, str], ...] = (("off", OFF, "o"), ("on", ON, "D"))
    for mode, colour, marker in modes:
        points = sorted(
            (_wh(use)[1], use.score, row.card.name, use.on_pareto_line)
            for row in rows
            if (use := getattr(row, mode)) and use.score is not None and use.energy.energy_j is not None
        )
        if not points:
            continue
        axes.plot([p[0] for p in points], [p[1] for p in points], marker, color=colour, markersize=5, alpha=0.8)
        line = [p for p in points if p[3]]
        axes.step([p[0] for p in line], [p[1] for p in line], where="post", color=colour, linewidth=1.2)
        for n, (energy, score, name, _) in enumerate(line):
            # Of one mode the labels stand above the line, of the other below it, and neighbours apart.
            offset, side = ((-4, 5), "right") if mode == "on" else ((4, -11 - 10 * (n % 2)), "left")
            label = name.rpartition("/")[2]
            axes.annotate(label, (energy, score), xytext=offset, textcoords="offset points", fontsize=7, ha=side)
    axes.set_ylabel(rows[0].card.quality[0].name.partition(",")[0] + " score", fontsize=9)
    axes.tick_params(axis="y", labelsize=8)
    axes.grid(color="#dddddd", linewidth=0.5)
    axes.set_title("Score against energy, each mode with its Pareto line", loc="left", fontsize=11, pad=16)


def _wh(use: Use) -> tuple[float, float, float]:
    """Return low, median and high in Wh; where there is no interval the median three times."""
    reading = use.energy
    median = reading.energy_j or 0.0
    low = median if reading.low_j is None else reading.low_j
    high = median if reading.high_j is None else reading.high_j
    return wh_from_j(low), wh_from_j(median), wh_from_j(high)
