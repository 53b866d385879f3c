"""The tables of replay.md, from assets/replay.json, which benchmarks/replay.py writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "assets" / "replay.json"

Table = Callable[[Sequence[str], Iterable[Sequence[object]]], str]


def parts(table: Table) -> Mapping[str, Callable[[], str]]:
    """Return the generated parts of the page by name; `table` writes Markdown."""
    return {
        "replay-run": run_sentence,
        "replay-targets": lambda: target_table(table),
        "replay-whole": lambda: policy_table(table, "whole"),
        "replay-cuts": lambda: cut_table(table),
        "replay-calls": lambda: call_table(table),
        "replay-own": own_sentence,
        "replay-sources": lambda: source_table(table),
    }


@cache
def data() -> dict[str, Any]:
    """Return what the benchmark wrote."""
    loaded: dict[str, Any] = json.loads(DATA.read_text("utf-8"))
    return loaded


def run_sentence() -> str:
    """Say which run, mix and versions the page's figures are of."""
    found = data()
    versions, mix = found["versions"], found["mix"]
    requests = found["cuts"]["whole"]["requests"]
    return (
        f"All figures on this page are of one run over {requests:,} requests (SHA-256 `{mix['sha256'][:16]}`), with "
        f"the classifier `{versions['classifier']}`, `{versions['nudges']}`, `{versions['catalog']}`; the large rung "
        f"is a dense model of {found['large']}, and {found['functions'] or 'no'} functions were registered.\n"
    )


def target_table(table: Table) -> str:
    """Every goal on every cut, what was found, and what knowing every outcome would have given."""
    rows = [
        (
            name,
            target["policy"],
            target["baseline"],
            f"{target['wanted']['times_less']:g} times, {target['wanted']['accuracy']:.0%}",
            _reached(target["reached"]),
            _elsewhere(target["other_floor"]),
            f"{target['possible']['times_less']:.1f} times, {target['possible']['accuracy']:.1%}",
            "yes" if target["met"] else "**no**",
        )
        for name, cut in data()["cuts"].items()
        for target in cut["targets"]
    ]
    return table(("requests", "line", "against", "goal", "found", "at another floor", "possible", "met"), rows)


def _elsewhere(other: Mapping[str, float] | None) -> str:
    return (
        "none" if other is None else f"{other['times_less']:.1f} times, {other['accuracy']:.1%} at {other['floor']:.2f}"
    )


def _reached(reached: Mapping[str, Any]) -> str:
    low, high = reached["times_less_95"]
    a_low, a_high = reached["accuracy_95"]
    return (
        f"{reached['times_less']:.1f} times ({low:.1f} to {high:.1f}), "
        f"{reached['accuracy']:.1%} ({a_low:.1%} to {a_high:.1%})"
    )


def policy_table(table: Table, cut: str) -> str:
    """Every policy on one cut."""
    heads = ("policy", "right", "95% interval", "Wh per 1,000", "less than always large", "less than with reasoning")
    rows = [
        (
            row["policy"],
            f"{row['accuracy']:.1%}",
            "{:.1%} to {:.1%}".format(*row["accuracy_95"]),
            f"{row['wh_per_1000']:.1f}",
            f"{row['vs large']['times_less']:.1f} times",
            f"{row['vs large, reasoning']['times_less']:.1f} times",
        )
        for row in data()["cuts"][cut]["rows"]
    ]
    return table(heads, rows)


def cut_table(table: Table) -> str:
    """Accuracy and energy of every policy on every cut."""
    cuts = data()["cuts"]
    policies = [row["policy"] for row in cuts["whole"]["rows"]]
    by_cut = {name: {row["policy"]: row for row in cut["rows"]} for name, cut in cuts.items()}
    rows = [
        (policy, *(f"{r[policy]['accuracy']:.1%}, {r[policy]['wh_per_1000']:.1f} Wh" for r in by_cut.values()))
        for policy in policies
    ]
    return table(("policy", *(f"{name} ({cut['requests']:,})" for name, cut in cuts.items())), rows)


def call_table(table: Table) -> str:
    """What answered, policy by policy."""
    rows = data()["cuts"]["whole"]["rows"]
    found = {name for row in rows for name in row["calls"]}
    order = ("cache", "answerer", "lookup_needed", "task_model", "small", "large", "large, reasoning")
    heads = [name for name in order if name in found]
    return table(("policy", *heads), [(row["policy"], *(row["calls"].get(h, 0) for h in heads)) for row in rows])


def source_table(table: Table) -> str:
    """Accuracy and energy by data set, for the policies that tell them apart."""
    shown = (
        "always large, reasoning",
        "always large",
        "always small",
        "greenai",
        "greenai, opted in to reasoning",
        "oracle",
    )
    rows = [
        (
            f"`{name}` ({row['requests']['count']:.0f})",
            *(f"{row[policy]['accuracy']:.0%}, {row[policy]['wh_per_1000']:.0f} Wh" for policy in shown),
        )
        for name, row in data()["sources"].items()
    ]
    return table(("data set", *shown), rows)


def own_sentence() -> str:
    """Say what greenai itself took."""
    row = next(r for r in data()["cuts"]["whole"]["rows"] if r["policy"] == "greenai")
    return (
        f"greenai itself took {row['own_j_per_request'] * 1000:.1f} mJ a request on the machine of this run, "
        f"{row['own_share']:.2%} of its line's energy. It is in every figure of its lines.\n"
    )
