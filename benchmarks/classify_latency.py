"""What deciding takes: `Classifier.assess` by the prompt's length, beside litellm's complexity_router in the same run.

    python benchmarks/classify_latency.py [--calls 2000] [--json OUT]

Every call gets a prompt of its own, so that nothing is answered from a memory of earlier ones. Both are called in
turn on the same prompts, in blocks. Loading and memory are taken in fresh processes: loading from before the import
of `greenai.classify` to the first assessment, memory as what the process grew by. Where other work shares the cores,
`core ms` (the thread's own time) is the steadier column. Exits with 1 where a prompt of up to 2,000 characters takes
more than 0.3 ms at the median or 2 ms at the 99th percentile, loading more than 100 ms, or memory more than 60 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

LENGTHS = (50, 100, 200, 500, 1_000, 2_000, 10_000, 100_000)
LIMIT_CHARS = 2_000
LIMITS = {"p50_ms": 0.3, "p99_ms": 2.0, "load_ms": 100.0, "memory_mb": 60.0}
BLOCK = 20

WORDS = """the of and to in a is that for it as was with be by on not he his but at are this have from or had an they
which one you were all her she there would their we him been has when who will no more if out so up said what its about
than into them can only other time new some could these two may first then do any like my now over such our man me even
most made after also well many must before back through years where much way down should because long each just state
people those too how little good world make very year still see own work men day get here old life both between being
under three never know same last another while us off might great go come since against right came take used himself
house small however home use place water number answer explain function matrix energy integral customer refund contract
translate python table probability garden recipe ticket protein voltage history treaty committee battery 17 240 3.5 12%
2026 function() x^2""".split()  # noqa: SIM905 (a list of 160 quoted words reads worse)

ENDS = (". ", "? ", ", ", "; ", ".\n", ": ")

CHILD = """
import json, resource, sys, time
def memory_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6
def grown(): return memory_mb() if sys.platform == "linux" else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
before, began = grown(), time.perf_counter()
{load}
loaded = (time.perf_counter() - began) * 1e3
for n in range(200): call("Explain question %d to a customer who is new here." % n)
print(json.dumps({{"load_ms": loaded, "memory_mb": grown() - before}}))
"""

OURS = """
from greenai.classify import Classifier
classifier = getattr(Classifier, "load", Classifier)()
call = classifier.assess
call("Explain this.")
"""

LITELLM = """
import os
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
from litellm.router_strategy.complexity_router.complexity_router import ComplexityRouter
call = ComplexityRouter(model_name="auto", litellm_router_instance=None).classify
call("Explain this.")
"""


def prompt_of(chars: int, seed: int) -> str:
    """Return prose of `chars` characters, another for each seed."""
    drawn = random.Random(f"{chars} {seed}")
    parts: list[str] = []
    size = 0
    while size < chars:
        part = drawn.choice(WORDS) + (drawn.choice(ENDS) if drawn.random() < 0.12 else " ")
        parts.append(part)
        size += len(part)
    return "".join(parts)[:chars]


def percentile(values: list[float], share: float) -> float:
    """Return the nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def timed(call: Callable[[str], Any], prompt: str) -> tuple[float, float]:
    """Return wall-clock and core milliseconds of one call."""
    core, wall = time.thread_time(), time.perf_counter()
    call(prompt)
    return (time.perf_counter() - wall) * 1e3, (time.thread_time() - core) * 1e3


def deciders() -> dict[str, Callable[[str], Any]]:
    """Return what is compared. litellm is left out where it is not installed or has no such router."""
    from greenai.classify import Classifier

    found: dict[str, Callable[[str], Any]] = {"greenai": getattr(Classifier, "load", Classifier)().assess}
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else litellm fetches a price list while it is imported
    try:
        from litellm.router_strategy.complexity_router.complexity_router import ComplexityRouter
    except ImportError:
        return found
    router: Any = ComplexityRouter
    found["litellm complexity_router"] = router(model_name="auto", litellm_router_instance=None).classify
    return found


def measure(calls: int) -> dict[str, dict[int, dict[str, float]]]:
    """Return the percentiles by decider and length."""
    every = deciders()
    results: dict[str, dict[int, dict[str, float]]] = {name: {} for name in every}
    for chars in LENGTHS:
        count = max(calls * min(1.0, LIMIT_CHARS / chars), 5 * BLOCK)
        prompts = [prompt_of(chars, seed) for seed in range(int(count))]
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in every}
        for call in every.values():
            call(prompt_of(chars, -1))
        for first in range(0, len(prompts), BLOCK):
            for name, call in every.items():
                times[name] += [timed(call, prompt) for prompt in prompts[first : first + BLOCK]]
        for name, pairs in times.items():
            wall, core = [w for w, _ in pairs], [c for _, c in pairs]
            results[name][chars] = {
                "p50_ms": percentile(wall, 0.5),
                "p99_ms": percentile(wall, 0.99),
                "core_p50_ms": percentile(core, 0.5),
                "core_p99_ms": percentile(core, 0.99),
            }
    return results


def fresh(load: str, runs: int = 5) -> dict[str, float]:
    """Return the medians of loading and memory over fresh processes."""
    code = CHILD.format(load=load)
    said = [
        json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(runs)
    ]
    return {key: statistics.median(one[key] for one in said) for key in said[0]}


def missed(found: dict[str, Any]) -> list[str]:
    """Return in words which limits are not kept."""
    said = []
    for chars, row in found["assess"]["greenai"].items():
        said += [
            f"{chars} characters: {row[key]:.2f} ms at {key[:3]}, limit {LIMITS[key]} ms"
            for key in ("p50_ms", "p99_ms")
            if chars <= LIMIT_CHARS and row[key] > LIMITS[key]
        ]
    loading = found["fresh process"]["greenai"]
    return said + [
        f"{key}: {loading[key]:.0f}, limit {LIMITS[key]:.0f}" for key in loading if loading[key] > LIMITS[key]
    ]


def table(found: dict[str, Any]) -> Table:
    """Return the figures as a table."""
    shown = Table(title="Deciding, by the prompt's length")
    for head in ("", "characters", "p50 ms", "p99 ms", "core p50 ms", "core p99 ms"):
        shown.add_column(head, justify="left" if not head else "right")
    for name, rows in found["assess"].items():
        for chars, row in rows.items():
            shown.add_row(name, f"{chars:,}", *(f"{row[key]:.3f}" for key in row))
    return shown


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2000, help="calls for each length up to 2,000 characters")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    found: dict[str, Any] = {"assess": measure(arguments.calls), "fresh process": {"greenai": fresh(OURS)}}
    if len(found["assess"]) > 1:
        found["fresh process"]["litellm complexity_router"] = fresh(LITELLM)
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(table(found))
    for name, row in found["fresh process"].items():
        console.print(f"{name}: loaded in {row['load_ms']:.0f} ms, memory {row['memory_mb']:.1f} MB")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({**found, "limits": LIMITS}, indent=2) + "\n", encoding="utf-8")
    complaints = missed(found)
    for complaint in complaints:
        console.print(f"Over the limit: {complaint}")
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
