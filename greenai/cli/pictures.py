"""A report and the burn-down of budgets as pictures; matplotlib itself comes in through plot.py."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from greenai.cli.plot import GREY, PlotError, new_figure, save
from greenai.report import charts, words
from greenai.report.aggregate import DAY_S, HOUR_S, STAGES
from greenai.units import wh_from_j

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from greenai.report.aggregate import Report
    from greenai.report.burn import Burn

__all__ = ["draw_burn_down", "draw_report"]

# The colours of the page on white, so that both tell the same.
COLOURS = {
    "large": "#c04a1a", "small": "#b3860b", "task_model": "#6d8b23", "semantic_cache": "#22618f", "cache": "#3c8dbf",
    "answerer": "#1b8a5a", "lookup_needed": "#7a7a7a", "failed": "#a33b6d", "other": "#5b5b8c", "reasoning": "#8c2a12",
}  # fmt: skip
BAND = "#17654a"


def draw_report(report: Report, path: Path) -> None:
    """Draw energy over time, stacked by what answered, with its interval; below it, how calls were answered.

    Raises:
        PlotError: the file cannot be written.
    """
    steps = charts.steps_of(report)
    if not steps:
        raise PlotError("--png: there is no call to draw. Take a longer span with --days.")
    figure = new_figure(9, 7)
    over_time, flow = figure.subplots(2, 1, height_ratios=[3, 2])
    _over_time(over_time, report, steps)
    _flow(flow, report)
    figure.text(0.005, 0.002, words.figures(report), fontsize=6.5, color=GREY, va="bottom", wrap=True)
    figure.get_layout_engine().set(rect=(0, 0.045, 1, 0.955))
    save(figure, path, "--png")


def _over_time(axes: Any, report: Report, steps: Sequence[charts.Step]) -> None:
    places = [index + 0.5 for index in range(len(steps))]
    below = [0.0] * len(steps)
    for outcome in charts.ORDER:
        amounts = [step.by_outcome.get(outcome) for step in steps]
        heights = [wh_from_j(a.energy_j or 0.0) if a is not None else 0.0 for a in amounts]
        if not any(heights):
            continue
        colour = COLOURS.get(outcome, COLOURS["other"])
        axes.bar(places, heights, 0.85, below, color=colour, label=words.outcome(outcome), zorder=2)
        below = [b + h for b, h in zip(below, heights, strict=True)]
    edges = list(range(len(steps) + 1))
    low, high = ([wh_from_j(getattr(s, end)) for s in steps] for end in ("low_j", "high_j"))
    axes.fill_between(edges, [*low, low[-1]], [*high, high[-1]], step="post", color=BAND, alpha=0.14, zorder=1)
    for end in (low, high):
        axes.step(edges, [*end, end[-1]], where="post", color=BAND, linewidth=0.8, linestyle="--", zorder=3)
    unknown = [place for place, step in zip(places, steps, strict=True) if step.unknown]
    if unknown:
        marks = {"markeredgecolor": GREY, "markerfacecolor": "none", "markersize": 5, "clip_on": False, "zorder": 4}
        axes.plot(unknown, [0.0] * len(unknown), "o", linestyle="none", label="of unknown energy too", **marks)
    every = max(len(steps) // 8, 1)
    names = [words.day(s.begin, hours=report.bucket_s == HOUR_S) for s in steps]
    axes.set_xticks(places[::every], names[::every], fontsize=8)
    axes.set_xlim(0, len(steps))
    axes.set_ylim(0)
    axes.set_ylabel("Wh", fontsize=9)
    axes.tick_params(axis="y", labelsize=8)
    axes.grid(axis="y", color="#e3e3e3", linewidth=0.5, zorder=0)
    step = {HOUR_S: "hour", DAY_S: "day"}.get(report.bucket_s, "week")
    title = f"Energy of each {step} (UTC), by what answered; the band is the sum of the 90% intervals"
    axes.set_title(title, loc="left", fontsize=10)
    axes.legend(fontsize=8, ncols=4, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.08))


def _flow(axes: Any, report: Report) -> None:
    found = {group.name: group.amounts for group in report.by_stage}
    stages = [stage for stage in STAGES if stage in found]
    reached = report.answerable
    for row, stage in enumerate(stages):
        ended = found[stage].calls
        axes.barh(-row, reached - ended, 0.6, color="#d3d6cf", zorder=2)
        axes.barh(-row, ended, 0.6, reached - ended, color=COLOURS.get(stage, COLOURS["other"]), zorder=2)
        text = f" {words.count(ended)} ({words.share(ended, report.answerable)}), {words.energy(found[stage])}"
        axes.text(reached, -row, text, fontsize=8, va="center")
        reached -= ended
    axes.set_yticks([-row for row in range(len(stages))], [words.STAGES[stage] for stage in stages], fontsize=8)
    axes.set_xlim(0, max(report.answerable, 1) * 1.25)
    axes.set_xticks([])
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_title(
        "How calls were answered: who reached a stage, and the part that ended there", loc="left", fontsize=10
    )


# --- budgets --------------------------------------------------------------------------------

MOST_BUDGETS = 12


def draw_burn_down(found: Sequence[tuple[Burn, Sequence[tuple[datetime, float]]]], path: Path) -> None:
    """Draw what is left of each budget from its window's beginning to its end, with the forecast.

    Args:
        found: each budget with how much of it was used at which moment.
        path: the file.

    Raises:
        PlotError: there are too many budgets, or the file cannot be written.
    """
    if len(found) > MOST_BUDGETS:
        raise PlotError(f"--plot: {len(found)} budgets are too many for a picture. Choose some with --scope.")
    columns = 1 if len(found) == 1 else 2
    rows = -(-len(found) // columns)
    figure = new_figure(5.2 * columns, 2.9 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, (burn, points) in zip(panels, found, strict=False):
        _burn_down(axes, burn, points)
    for axes in panels[len(found) :]:
        axes.set_visible(False)
    save(figure, path)


def _burn_down(axes: Any, burn: Burn, points: Sequence[tuple[datetime, float]]) -> None:
    state, scale = burn.state, burn.state.budget.scale
    limit = state.limit / scale
    places = [moment for moment, _ in points]
    left = [limit - used / scale for _, used in points]
    start, end, now = state.window_start or places[0], state.window_end, places[-1]
    axes.plot(places, left, color=BAND, linewidth=1.8, drawstyle="steps-post", zorder=3, label="left")
    axes.fill_between(places, left, step="post", color=BAND, alpha=0.12, zorder=2)
    if end is None or state.budget.window.kind == "rolling":
        end = now  # what rolls has no end towards which it burns down
    else:
        axes.plot([start, end], [limit, 0], color="#bbbbbb", linewidth=0.8, zorder=1, label="even pace")
    axes.set_xlim(start, end)
    ticks = [start + (end - start) * n / 4 for n in range(5)]
    hours = end - start <= timedelta(days=2)
    axes.set_xticks(ticks, [f"{moment:%H:%M}" if hours else f"{moment:%d %b}" for moment in ticks])
    if burn.at_end is not None:
        until = burn.spent_at or end
        lasting = max(limit - burn.at_end / scale, 0.0)
        ends, colour = [left[-1], lasting], COLOURS["large"]
        axes.plot([now, until], ends, color=colour, linestyle="--", linewidth=1.4, zorder=3, label="forecast")
    axes.plot([now], [left[-1]], "o", color=BAND, markersize=4, zorder=4)
    axes.set_ylim(min(0.0, *left), limit * 1.05)
    axes.set_title(f"{words.clean(state.scope)}: {state.budget.named}", loc="left", fontsize=9)
    axes.set_xlabel(f"time in {start.tzinfo}", fontsize=7)
    axes.set_ylabel(f"{state.budget.symbol} left", fontsize=8)
    axes.legend(fontsize=6.5, frameon=False, loc="best")
    axes.tick_params(labelsize=7)
    axes.grid(color="#e8e8e8", linewidth=0.5, zorder=0)
