"""The picture of docs/replay.md and the front page: accuracy against energy, a point per policy.

It has a light card of its own, so it reads the same on a light and on a dark page.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

STYLE = {"svg.hashsalt": "greenai", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10}
INK, FAINT, CARD = "#222a33", "#66707a", "#fbfbf9"
GREEN, ORANGE, GREY = "#1b7f4d", "#c2571a", "#8a939c"

OURS = ("greenai", "greenai, opted in to reasoning")
SHOWN = "oracle, models alone"  # it needs no place beside the oracles that have the cache and the tools too


def colour(name: str) -> str:
    """Return the colour of a policy: ours, what knows the outcomes, everybody else."""
    if name in OURS:
        return GREEN
    return GREY if name.startswith("oracle") else ORANGE


def draw(found: Mapping[str, Any], path: Path, cut: str = "whole") -> None:
    """Draw one cut into an SVG file."""
    with mpl.rc_context(STYLE):
        _draw(found["cuts"][cut], path)


def _draw(cut: Mapping[str, Any], path: Path) -> None:
    figure = Figure(figsize=(8.4, 5.4), facecolor=CARD)
    axes = figure.subplots()
    axes.set_facecolor(CARD)
    _curve(axes, [r for r in cut["curves"] if r["policy"] == "prompt length"], ORANGE)
    _curve(axes, [r for r in cut["curves"] if r["policy"] == "greenai, every floor"], GREEN)
    _curve(axes, [r for r in cut["curves"] if r["policy"] == OURS[1]], GREEN)
    shown = [row for row in cut["rows"] if row["policy"] != SHOWN]
    for row in shown:
        _point(axes, row)
    _frame(axes, cut)
    figure.subplots_adjust(left=0.09, right=0.97, top=0.86, bottom=0.11)
    figure.canvas.draw()  # places are known from here on
    _labels(axes, shown)
    figure.savefig(path, format="svg", facecolor=CARD, metadata={"Date": None})


def _curve(axes: Any, rows: list[Mapping[str, Any]], ink: str) -> None:
    rows = sorted(rows, key=lambda row: row["wh_per_1000"])
    xs, ys = [r["wh_per_1000"] for r in rows], [100 * r["accuracy"] for r in rows]
    axes.plot(xs, ys, color=ink, linewidth=1.2, alpha=0.5, zorder=1)
    axes.plot(xs, ys, "o", color=ink, markersize=2.5, alpha=0.5, zorder=1)


def _point(axes: Any, row: Mapping[str, Any]) -> None:
    ink, x, y = colour(row["policy"]), row["wh_per_1000"], 100 * row["accuracy"]
    low, high = (100 * end for end in row["accuracy_95"])
    axes.plot([x, x], [low, high], color=ink, linewidth=1.2, alpha=0.7, zorder=2)
    axes.plot([x], [y], "o", color=ink, markersize=8 if row["policy"] in OURS else 6, zorder=3)


def _labels(axes: Any, rows: list[Mapping[str, Any]]) -> None:
    """Write each policy's name at the first place beside its point where it covers no other name and no point."""
    points = [axes.transData.transform((row["wh_per_1000"], 100 * row["accuracy"])) for row in rows]
    scale = 72 / axes.figure.dpi
    taken = [(x * scale - 6, y * scale - 6, x * scale + 6, y * scale + 6) for x, y in points]
    inside = axes.bbox.x0 * scale, axes.bbox.x1 * scale
    order = sorted(range(len(rows)), key=lambda n: (rows[n]["policy"] not in OURS, -rows[n]["accuracy"]))
    for n in order:
        row, (x, y) = rows[n], points[n]
        said = f"{row['policy']}  {100 * row['accuracy']:.1f}%"
        dx, dy, box = _free(said, x * scale, y * scale, taken, inside)
        taken.append(box)
        bold = "bold" if row["policy"] in OURS else "normal"
        axes.annotate(
            said,
            (row["wh_per_1000"], 100 * row["accuracy"]),
            xytext=(dx, dy),
            textcoords="offset points",
            color=colour(row["policy"]),
            weight=bold,
            va="center",
            arrowprops={"arrowstyle": "-", "color": colour(row["policy"]), "linewidth": 0.6, "alpha": 0.5},
        )


Box = tuple[float, float, float, float]


def _free(said: str, x: float, y: float, taken: list[Box], inside: tuple[float, float]) -> tuple[float, float, Box]:
    """Return how far from its point, in points, a text has room, and the box that it takes."""
    width = 6.1 * len(said)
    box: Box = (0.0, 0.0, 0.0, 0.0)
    for far in (0, 14, 28, 42, 56, 70, 84):
        for dx, dy in ((10, far), (10, -far), (-10 - width, far), (-10 - width, -far)):
            box = (x + dx, y + dy - 7, x + dx + width, y + dy + 7)
            free = all(box[2] < o[0] or o[2] < box[0] or box[3] < o[1] or o[3] < box[1] for o in taken)
            if free and inside[0] <= box[0] and box[2] <= inside[1]:
                return dx, dy, box
    return 10, 0, box


def _frame(axes: Any, cut: Mapping[str, Any]) -> None:
    axes.set_xscale("log")
    energies = [r["wh_per_1000"] for r in (*cut["rows"], *cut["curves"])]
    axes.set_xlim(min(energies) / 1.6, max(energies) * 1.4)
    ticks = [
        t
        for t in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
        if min(energies) / 1.6 < t < max(energies) * 1.4
    ]
    axes.set_xticks(ticks, [f"{t:,}" for t in ticks], color=INK)
    axes.minorticks_off()
    axes.set_xlabel("energy, Wh per 1,000 requests (logarithmic)", color=FAINT)
    axes.set_ylabel("right answers, %", color=FAINT)
    axes.tick_params(length=0, labelcolor=INK)
    axes.grid(color="#e3e6e3", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)
    title = f"{cut['requests']:,} recorded requests, replayed through the real client"
    axes.text(0, 1.1, title, transform=axes.transAxes, color=INK, fontsize=11.5, weight="bold")
    note = "lines: every floor on the expected loss, three qualities opted in, and every length. Bars: 95% intervals"
    axes.text(0, 1.045, note, transform=axes.transAxes, color=FAINT)
