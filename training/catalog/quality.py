"""Add a public quality score to the cards that have one: LiveBench, without its agentic coding.

quality.csv holds LiveBench's published results per task (livebench.ai; tables of the releases 2026-01-08 and
2026-06-25, Apache-2.0), each with the cards that it belongs to and whether the model reasoned. Both releases have the
same questions in every category but agentic coding, whose results are therefore left out: only so are their scores on
one scale. The score is the mean of the categories' means, as LiveBench's own, over the six that remain.
"""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import mean
from typing import Any

SOURCE = "livebench.ai, table of release {release}, row {row}"
NAME = "LiveBench, mean of six categories (without agentic coding)"
READ = "2026-11-21"
CATEGORIES = {
    "reasoning": ("theory_of_mind", "zebra_puzzle", "spatial", "logic_with_navigation"),
    "coding": ("code_generation", "code_completion"),
    "mathematics": ("AMPS_Hard", "integrals_with_game", "math_comp", "olympiad"),
    "data analysis": ("consecutive_events", "tablejoin", "tablereformat"),
    "language": ("connections", "plot_unscrambling", "typos"),
    "instruction following": ("paraphrase", "simplify", "story_generation", "summarize"),
}


def add_scores(cards: list[dict[str, Any]]) -> None:
    """Give each card, its dated snapshots and its hosts the scores of their model."""
    found = scores()
    if absent := found.keys() - {card["name"] for card in cards}:
        raise SystemExit(f"quality.csv names {sorted(absent)}, which have no card.")
    for card in cards:
        if listed := found.get(card.get("same_as", card["name"])):
            card["quality"] = listed


def scores() -> dict[str, list[dict[str, Any]]]:
    """Return the scores by the name of the card, off before on."""
    found: dict[str, list[dict[str, Any]]] = {}
    with Path(__file__).with_name("quality.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            score = {
                "score": round(mean(mean(float(row[task]) for task in tasks) for tasks in CATEGORIES.values()), 1),
                "reasoning": row["reasoning"],
                "name": NAME,
                "source": SOURCE.format(release=row["release"], row=row["row"]),
                "date": READ,
            }
            for name in row["cards"].split():
                found.setdefault(name, []).append(score)
    return {name: sorted(listed, key=lambda score: score["reasoning"] == "on") for name, listed in found.items()}
