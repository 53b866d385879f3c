"""What the GPUs did as a picture: the power of each over time by what it went to, and the energy of all as bars.

matplotlib is reached through plot.py, its only door.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from greenai.cli import plot
from greenai.cli.common import plain
from greenai.cli.plot import GREY, LINE, OFF, ON
from greenai.gpus import projects
from greenai.gpus.energy import PER_J
from greenai.units import format_duration, format_energy, wh_from_j

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from greenai.gpus.energy import Slice
    from greenai.gpus.summary import Gpu, Summary

__all__ = ["MOST_GPUS", "draw"]

MOST_GPUS = 16
MOST_PROJECTS = 6
MOST_STEPS = 1200
"""Steps that are drawn: more are joined, since they would be narrower than a pixel."""

IDLE, IN_USE, UNTOLD, OTHER = "idle", "at rest while used", "not told apart", "other projects"
# Of Okabe and Ito (2008), which people with colour blindness tell apart.
COLOURS = (OFF, ON, LINE, "#CC79A7", "#56B4E9", "#E69F00")
FIXED = {IDLE: "#d9d9d9", IN_USE: "#9a9a9a", UNTOLD: "#c9b8d8", OTHER: "#4d4d4d"}


def draw(found: Summary, path: Path) -> None:
    """Draw it to a file.

    Raises:
        PlotError: there is nothing to draw, too much, or the file cannot be written.
    """
    if not found.total.units:
        raise plot.PlotError("--plot: no energy could be read, so there is nothing to draw.")
    if len(found.gpus) > MOST_GPUS:
        raise plot.PlotError(f"--plot: {len(found.gpus)} GPUs are too many for a picture; {MOST_GPUS} fit.")
    shown = [gpu for gpu in found.gpus if gpu.total.units]
    colours = _colours(found)
    rows = len(shown)
    figure = plot.new_figure(11, 1.6 + 1.5 * rows)
    grid = figure.add_gridspec(rows, 2, width_ratios=[5, 1.3])
    scale = Scale(found, colours)
    timeline: Any = None
    for row, gpu in enumerate(shown):
        timeline = figure.add_subplot(grid[row, 0], sharex=timeline)
        _timeline(timeline, scale, gpu, last=row == rows - 1)
    _bars(figure.add_subplot(grid[:, 1]), scale, shown)
    handles = [plot_handle(timeline, colour, name) for name, colour in colours.items() if scale.has(name)]
    figure.legend(handles=handles, loc="outside lower left", ncols=min(len(handles), 5), fontsize=8, frameon=False)
    figure.suptitle(_title(found), x=0.01, ha="left", fontsize=11)
    plot.save(figure, path)


def plot_handle(axes: Any, colour: str, name: str) -> Any:
    """Return an entry of the legend."""
    return axes.fill_between([], [], color=colour, linewidth=0, label=plain(name))


def _title(found: Summary) -> str:
    began = datetime.fromtimestamp(found.trace.began, UTC)
    share = found.idle_share or 0.0
    made_up = "Synthetic recording. " if found.trace.synthetic else ""
    return (
        f"{made_up}{format_duration(found.trace.seconds)} from {began:%d %b %Y %H:%M} UTC: "
        f"{format_energy(found.total.energy_j, 3)}, {share:.0%} of it while nobody used the GPU"
    )


def _colours(found: Summary) -> dict[str, str]:
    """Return the colour of each part, from below: idle, at rest, then the projects."""
    names = list(found.by_project)[:MOST_PROJECTS]
    own = dict(zip(names, COLOURS, strict=False))
    more = {OTHER: FIXED[OTHER]} if len(found.by_project) > MOST_PROJECTS else {}
    return {name: FIXED[name] for name in (IDLE, IN_USE, UNTOLD)} | own | more


class Scale:
    """The parts of each GPU's energy, step by step, and the axes' common ends."""

    def __init__(self, found: Summary, colours: Mapping[str, str]) -> None:
        self.found = found
        self.colours = colours
        self.edges = _edges(found)
        self.parts = {gpu.card.index: self._of(gpu.card.index) for gpu in found.gpus}
        tops = [float(np.sum(list(parts.values()), axis=0).max()) for parts in self.watts().values()]
        self.top_w = max(tops) * 1.08

    def has(self, name: str) -> bool:
        """Say whether any GPU has energy of a part."""
        return any(parts[name].sum() > 0 for parts in self.parts.values())

    def watts(self) -> dict[int, dict[str, Any]]:
        """Return each GPU's watts by part, one for each step."""
        widths = np.diff(self.edges)
        return {i: {name: joules / widths for name, joules in parts.items()} for i, parts in self.parts.items()}

    def _of(self, gpu: int) -> dict[str, Any]:
        parts = {name: np.zeros(len(self.edges) - 1) for name in self.colours}
        for one in self.found.slices:
            if one.gpu == gpu and one.total:
                place = int(np.searchsorted(self.edges, (one.begin_s + one.end_s) / 2, side="right")) - 1
                for name, units in self._split(one):
                    parts[name][place] += units / PER_J
        return parts

    def _split(self, one: Slice) -> list[tuple[str, int]]:
        owners = projects.owners(one, self.found.trace, self.found.calls)
        named = [(o.project if o.project in self.colours else OTHER, o.units) for o in owners]
        return [(IDLE, one.idle), (IN_USE, one.rest), (UNTOLD, one.untold), *named]


def _edges(found: Summary) -> Any:
    moments = np.array([one.at_s for one in found.trace.rounds])
    every = -(-len(moments) // MOST_STEPS)
    return moments if every == 1 else np.append(moments[:-1:every], moments[-1])


def _joined(edges: Any, watts: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Join steps that look the same: a picture as lines would have megabytes of them."""
    rounded = np.round(np.array(list(watts.values())), 1)
    new = np.append(True, (rounded[:, 1:] != rounded[:, :-1]).any(axis=0))
    return np.append(edges[:-1][new], edges[-1]), {name: row[new] for name, row in zip(watts, rounded, strict=True)}


def _timeline(axes: Any, scale: Scale, gpu: Gpu, *, last: bool) -> None:
    edges, watts = _joined(scale.edges, scale.watts()[gpu.card.index])
    below = np.zeros(len(edges) - 1)
    for name, colour in scale.colours.items():
        if watts[name].any():
            axes.stairs(below + watts[name], edges, baseline=below, fill=True, color=colour, linewidth=0)
            below = below + watts[name]
    axes.set_xlim(scale.edges[0], scale.edges[-1])
    axes.set_ylim(0, scale.top_w)  # the same for all, so that heights compare
    axes.set_ylabel("W", fontsize=8)
    axes.tick_params(labelsize=8, labelbottom=last)
    axes.grid(axis="y", color="#ececec", linewidth=0.5)
    axes.set_axisbelow(True)
    busy = "utilisation unreadable" if gpu.busy is None else f"busy {gpu.busy:.0%}"
    title = f"GPU {gpu.card.index}, {plain(gpu.card.name)}: {busy}, {format_energy(gpu.total.energy_j, 3)}"
    axes.set_title(title, loc="left", fontsize=9, pad=3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if last:
        axes.set_xlabel("seconds", fontsize=8)


def _bars(axes: Any, scale: Scale, shown: Sequence[Gpu]) -> None:
    below = np.zeros(len(shown))
    for name, colour in scale.colours.items():
        heights = np.array([wh_from_j(float(scale.parts[gpu.card.index][name].sum())) for gpu in shown])
        axes.bar(range(len(shown)), heights, 0.7, below, color=colour, zorder=2)
        below = below + heights
    for place, gpu in enumerate(shown):
        share = gpu.idle.units / gpu.total.units
        axes.text(place, below[place], f"{share:.0%}\nidle", ha="center", va="bottom", fontsize=7, color=GREY)
    axes.set_xticks(range(len(shown)), [str(gpu.card.index) for gpu in shown], fontsize=8)
    axes.set_ylim(0, float(below.max()) * 1.12)
    axes.set_ylabel("Wh", fontsize=8)
    axes.set_xlabel("GPU", fontsize=8)
    axes.tick_params(axis="y", labelsize=8)
    axes.set_title("Energy", loc="left", fontsize=9, pad=3)
    axes.grid(axis="y", color="#e3e3e3", linewidth=0.5, zorder=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
