"""The picture of docs/accuracy.md: predicted over measured energy, a dot a row, by model family, greenai and EcoLogits.

It has a light card of its own, so it reads the same on a light and on a dark page.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

STYLE = {"svg.hashsalt": "greenai", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10}
INK, FAINT, CARD, BAND = "#222a33", "#66707a", "#fbfbf9", "#e9ede9"
COLOURS = {"greenai": "#1b7f4d", "EcoLogits": "#c2571a"}
OFFSETS = {"greenai": 0.18, "EcoLogits": -0.2}
LOWEST, HIGHEST = 1 / 22, 10

FAMILIES = {
    "deepseek-v3": "DeepSeek V3, R1",
    "gemma3-12b": "Gemma 3 12B",
    "gemma3-27b": "Gemma 3 27B",
    "gptoss-120b": "gpt-oss-120b",
    "l4-mav": "Llama 4 Maverick",
    "llama-405b": "Llama 3.1 405B",
    "llama-8b": "Llama 3.1 8B",
    "nemo-9b": "Nemotron Nano 9B v2",
    "qwen3-235b": "Qwen3 235B-A22B",
    "qwen3-30b": "Qwen3 30B-A3B",
    "qwen3-32b": "Qwen3 32B",
    "qwen3-480b": "Qwen3 Coder 480B-A35B",
    "qwen3-8b": "Qwen3 8B",
}


def draw(found: dict[str, Any], path: Path) -> None:
    """Draw the errors by family into an SVG file."""
    with mpl.rc_context(STYLE):
        _draw(found, path)


def _draw(found: dict[str, Any], path: Path) -> None:
    families = sorted(found["families"], key=lambda f: -found["families"][f]["greenai"]["median_error"])
    figure = Figure(figsize=(8.4, 7.0), facecolor=CARD)
    axes = figure.subplots()
    axes.set_facecolor(CARD)
    axes.axvspan(0.5, 2, color=BAND, linewidth=0)
    axes.axvline(1, color=FAINT, linewidth=0.8)
    for y, family in enumerate(families):
        _family(axes, y, found["families"][family])
    _frame(axes, [FAMILIES.get(family, family) for family in families])
    _heads(axes, len(families), found)
    figure.subplots_adjust(left=0.235, right=0.83, top=0.86, bottom=0.09)
    figure.savefig(path, format="svg", facecolor=CARD, metadata={"Date": None})


def _family(axes: Any, y: int, family: dict[str, Any]) -> None:
    for name, ratios in family["ratios"].items():
        inside = [min(max(r, LOWEST * 1.06), HIGHEST / 1.06) for r in ratios]
        heights = [y + OFFSETS[name] + 0.09 * ((i * 7 % 5) - 2) / 2 for i in range(len(inside))]
        axes.plot(inside, heights, "o", markersize=2.8, color=COLOURS[name], alpha=0.5, markeredgewidth=0)
        median = sorted(inside)[len(inside) // 2]
        axes.plot([median] * 2, [y + OFFSETS[name] - 0.15, y + OFFSETS[name] + 0.15], color=COLOURS[name], linewidth=2)
    for name, x in (("greenai", 1.08), ("EcoLogits", 1.2)):
        error = family[name].get("median_error")
        said = "" if error is None else f"{error:.0%}"
        axes.text(x, y, said, transform=axes.get_yaxis_transform(), color=COLOURS[name], ha="right", va="center")


def _frame(axes: Any, names: list[str]) -> None:
    ticks = {1 / 16: "1/16", 1 / 8: "1/8", 1 / 4: "1/4", 1 / 2: "1/2", 1: "1", 2: "2", 4: "4", 8: "8"}
    axes.set_xscale("log")
    axes.set_xlim(LOWEST, HIGHEST)
    axes.set_xticks(list(ticks), list(ticks.values()), color=INK)
    axes.minorticks_off()
    axes.set_yticks(range(len(names)), names, color=INK)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.tick_params(length=0)
    axes.set_xlabel("predicted over measured accelerator energy; the band is within a factor of two", color=FAINT)
    for side in axes.spines.values():
        side.set_visible(False)


def _heads(axes: Any, rows: int, found: dict[str, Any]) -> None:
    known = next(block for block in found["blocks"] if block["name"] == "known_deployment")
    errors = {line["name"].split()[0]: line for line in reversed(known["lines"]) if "median_error" in line}
    both = next((line for line in known["lines"] if line["told"] == "sizes, batch, GPU count"), {})
    title = f"{known['lines'][0]['rows']} measured rows, 13 model families; each dot is one configuration"
    axes.text(0, 1.13, title, transform=axes.transAxes, color=INK, fontsize=11.5, weight="bold")
    told = {"greenai": errors["greenai"], "EcoLogits": both}
    words = {
        "greenai": "greenai, fitted without the family it predicts",
        "EcoLogits": "EcoLogits 0.11.3, told sizes, batch and GPU count",
    }
    for i, (name, line) in enumerate(told.items()):
        if "median_error" in line:
            said = f"{words[name]}: median error {line['median_error']:.0%}, {line['within_two']:.0%} within two"
            axes.text(0, 1.085 - 0.037 * i, said, transform=axes.transAxes, color=COLOURS[name])
    for x, head in ((1.08, "median"), (1.2, "error")):
        axes.text(x, rows - 0.35, head, transform=axes.get_yaxis_transform(), color=FAINT, ha="right")
