"""Accuracy against energy: a frozen workload of recorded outcomes, replayed through the real client.

    python benchmarks/replay.py FOLDER [--json OUT] [--plot OUT.svg] [--quick] [--large 70B|405B] [--rows 25-50]

FOLDER holds one folder per data set, each with rows.jsonl.gz and meta.json. The workload is described in replay_mix.py
and refused where it is not the frozen one; what each model said is in replay_outcomes.py, with every assumption; the
tools of the app in replay_tools.py; the policies in replay_policies.py. Energies are greenai's own model of an 8B and
a 70B model for the tokens that were recorded, whatever the policy; what greenai itself takes is added to its lines.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import replay_mix
from replay_figures import by_intent, by_source, figures
from replay_outcomes import Outcomes, Recorded
from replay_policies import CARDS, every
from replay_server import digest, serving
from replay_tools import examples
from rich.console import Console
from rich.table import Table

QUICK = 8  # every eighth prompt, with all its repeats


def few(items: Sequence[replay_mix.Item]) -> list[replay_mix.Item]:
    """Return a part of the mix in its order, for a look: prompts by their hash, with all their repeats."""
    return [item for item in items if replay_mix.share("quick", item.prompt) < 1 / QUICK]


def replayed(
    folder: Path, *, bucket: range, quick: bool, unfrozen: bool, large: str, console: Console
) -> dict[str, Any]:
    """Run every policy and return the figures."""
    items = replay_mix.build(folder, bucket)
    if not unfrozen:
        replay_mix.check(items)
    whole, fingerprint = len(items), replay_mix.fingerprint(items)
    items = few(items) if quick else items
    outcomes = Outcomes(folder)
    recorded = [outcomes.of(item) for item in items]
    answers: dict[str, Recorded] = {digest(i.prompt): r for i, r in zip(items, recorded, strict=True)}
    began = time.perf_counter()
    functions = examples(folder, bucket)
    with serving(answers) as url:
        runs, curves = every(items, recorded, url, large, functions, lambda said: console.print(f"{said} …"))
    return {
        "mix": {"sha256": fingerprint, "requests": whole, "frozen": not unfrozen},
        "quick": quick,
        "large": large,
        "functions": sum(bool(texts) for texts in functions.values()),
        "versions": versions(),
        "duration_s": time.perf_counter() - began,
        "cuts": figures(items, runs, curves),
        "sources": by_source(items, runs),
        "tools": by_intent(items, next(run for run in runs if run.name == "greenai")),
    }


def versions() -> dict[str, str]:
    """Return what the figures depend on."""
    from greenai import __version__, catalog, nudges
    from greenai.classify import Classifier

    method = getattr(Classifier, "load", Classifier)().assess("Hello").method
    return {
        "greenai": __version__,
        "classifier": method,
        "nudges": nudges.VERSION,
        "catalog": catalog.VERSION,
        "python": platform.python_version(),
    }


# --- told -------------------------------------------------------------------------------------


def table(name: str, cut: Mapping[str, Any]) -> Table:
    """Return one cut as a table."""
    shown = Table(title=f"{name}: {cut['requests']:,} requests")
    heads = (
        "policy",
        "right, %",
        "95%",
        "Wh per 1,000",
        "less than large",
        "less than reasoning",
        "own mJ",
        "answered by",
    )
    for head in heads:
        shown.add_column(head, justify="left" if head in ("policy", "answered by") else "right")
    for row in cut["rows"]:
        low, high = row["accuracy_95"]
        shown.add_row(
            row["policy"],
            f"{100 * row['accuracy']:.1f}",
            f"{100 * low:.1f} to {100 * high:.1f}",
            f"{row['wh_per_1000']:.1f}",
            *(f"{row[f'vs {base}']['times_less']:.1f}x" for base in ("large", "large, reasoning")),
            f"{1000 * row['own_j_per_request']:.1f}",
            ", ".join(f"{by} {n}" for by, n in row["calls"].items()),
        )
    return shown


def source_table(found: Mapping[str, Any]) -> Table:
    """Return accuracy and energy by data set as a table."""
    policies = [name for name in next(iter(found.values())) if name != "requests"]
    shown = Table(title="right, and Wh per 1,000, by data set, each question once")
    shown.add_column("policy")
    for name, row in found.items():
        shown.add_column(f"{name} ({row['requests']['count']:.0f})", justify="right")
    for policy in policies:
        cells = (row[policy] for row in found.values())
        shown.add_row(policy, *(f"{100 * c['accuracy']:.0f}%, {c['wh_per_1000']:.0f}" for c in cells))
    return shown


def told(target: Mapping[str, Any]) -> str:
    """Return in words how a target is met."""
    wanted, reached, best = target["wanted"], target["reached"], target["possible"]
    low, high = reached["times_less_95"]
    other = target["other_floor"]
    floor = f"At a floor of {other['floor']:.3f}: {other['times_less']:.1f} times. " if other else ""
    a_low, a_high = reached["accuracy_95"]
    return (
        f"{target['policy']} against {target['baseline']}: {reached['times_less']:.1f} times less energy "
        f"({low:.1f} to {high:.1f}) at {reached['accuracy']:.1%} of its accuracy ({a_low:.1%} to {a_high:.1%}); "
        f"wanted {wanted['times_less']:g} times at {wanted['accuracy']:.0%}: {'met' if target['met'] else 'missed'}. "
        f"{floor}Knowing every outcome: {best['times_less']:.1f} times at {best['accuracy']:.1%}."
    )


def main() -> None:
    """Replay, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--plot", type=Path, help="draw accuracy against energy into this SVG file")
    parser.add_argument("--quick", action="store_true", help="an eighth of the mix, for a look")
    parser.add_argument("--large", choices=sorted(CARDS), default="70B", help="size of the large rung")
    parser.add_argument("--rows", default="0-25", help="hundredths of the rows, by hash: others than 0-25 to tune on")
    parser.add_argument("--unfrozen", action="store_true", help="accept another mix than the frozen one")
    arguments = parser.parse_args()
    bucket = range(*map(int, arguments.rows.split("-")))
    console = Console(width=None if sys.stdout.isatty() else 200)
    found = replayed(
        arguments.folder,
        bucket=bucket,
        quick=arguments.quick,
        unfrozen=arguments.unfrozen or bucket != replay_mix.BUCKET,
        large=arguments.large,
        console=console,
    )
    for name, cut in found["cuts"].items():
        console.print(table(name, cut))
        for target in cut["targets"]:
            console.print(told(target))
    console.print(source_table(found["sources"]))
    for intent, counts in found["tools"].items():
        console.print(f"{intent}: {', '.join(f'{by} {n}' for by, n in sorted(counts.items()))}", emoji=False)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if arguments.plot is not None:
        from replay_plot import draw

        draw(found, arguments.plot)


if __name__ == "__main__":
    main()
