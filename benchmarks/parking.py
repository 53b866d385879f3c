"""What parking a local model costs and saves here: reload, idling, break-even, memory, and the rule on arrival traces.

    python benchmarks/parking.py [--model smollm2-135m] [--starts 7] [--idle 20] [--json FILE]

Starts the model several times and reads what starting took (core-seconds of the process, joules), how long an answer of
an unloaded and of a loaded model takes, what idling takes (core time and memory of the process, a GPU's context where
there is one), and the resident memory of this process's tree before, during and after, once a first round has imported
what the requests need. Then the rule is played against always-on, always-off and who knows every request, on random
arrivals, with the figures just measured.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import random
import statistics
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from greenai.local import Engine, Engines, EngineSettings, Lease, Parking
from greenai.local.parking import KeepPolicy
from greenai.meters.idle import IdlePower
from greenai.units import format_bytes, format_duration, format_energy

PROMPT = [{"role": "user", "content": "What is the capital of France?"}]
DAY_S = 86_400.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--starts", type=int, default=7)
    parser.add_argument("--idle", type=float, default=20.0)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    found = measured(asked.model, asked.starts, asked.idle)
    found["traces"] = traces(found["reload_j"]["median"], found["idle_w"])
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    told(found)


def measured(model: str, starts: int, idle_s: float) -> dict[str, Any]:
    power = IdlePower()
    engines = Engines(EngineSettings(), Parking(power=power, keeping=lambda _: KeepPolicy(keep_s=0.0)))
    once(engines, model)
    gc.collect()
    before = resident_bytes(os.getpid())
    core_s, load_s, cold_s, warm_s, during = [], [], [], [], 0
    idle: dict[str, Any] = {}
    for number in range(starts):
        began = time.perf_counter()
        lease = engines.lease(model)
        answer(lease.engine)
        cold_s.append(time.perf_counter() - began)
        began = time.perf_counter()
        answer(lease.engine)
        warm_s.append(time.perf_counter() - began)
        core_s.append(lease.engine.core_s or math.nan)
        load_s.append(lease.engine.load_s)
        during = max(during, resident_bytes(os.getpid()))
        if number == starts - 1:
            window = power.idle(lease.engine.pid)
            time.sleep(idle_s)
            reading = window.read()
            idle = {"watts": reading.energy_j / reading.seconds, "low_w": reading.low_j / reading.seconds,
                    "high_w": reading.high_j / reading.seconds, "method": reading.method}  # fmt: skip
        released(lease)
    del lease
    gc.collect()
    after = resident_bytes(os.getpid())
    engines.close()
    watts = power.core_watts()
    reload_j = [seconds * watts.value for seconds in core_s]
    return {
        "model": model,
        "watts_per_core": {"value": watts.value, "low": watts.low, "high": watts.high, "name": watts.name},
        "reload_core_s": spread(core_s),
        "reload_j": spread(reload_j),
        "load_s": spread(load_s),
        "first_answer_cold_s": spread(cold_s),
        "answer_warm_s": spread(warm_s),
        "idle_w": idle["watts"],
        "idle_w_interval": [idle["low_w"], idle["high_w"]],
        "idle_method": idle["method"],
        "break_even_s": statistics.median(reload_j) / idle["watts"],
        "break_even_interval_s": [min(reload_j) / idle["high_w"], max(reload_j) / idle["low_w"]],
        "resident": {"before": before, "during": during, "after": after, "after_over_before": after / before},
    }


def once(engines: Engines, model: str) -> None:
    """Ask once, so that what is imported for it is there before memory is read."""
    lease = engines.lease(model)
    answer(lease.engine)
    released(lease)


def released(lease: Lease) -> None:
    """Release the model and wait until its process is gone."""
    pid = lease.engine.pid
    lease.release()
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.01)


def spread(values: Sequence[float]) -> dict[str, Any]:
    return {"median": statistics.median(values), "least": min(values), "most": max(values), "runs": len(values)}


def answer(engine: Engine) -> None:
    body = {**engine.defaults, "messages": PROMPT, "max_tokens": 8}
    headers = {"Authorization": f"Bearer {engine.api_key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{engine.base_url}/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=120) as said:
        json.load(said)


def resident_bytes(root: int) -> int:
    """Return what a process and all that it started hold."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    tree = {root}
    while more := {pid for pid, parent in parents.items() if parent in tree} - tree:
        tree |= more
    total = 0
    for pid in tree:
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            continue
    return total


# --- the rule against others --------------------------------------------------------------


def traces(reload_j: float, idle_w: float) -> list[dict[str, Any]]:
    """Return what a day of arrivals takes by each way, for several mean gaps; ratios to who knows every request."""
    rows = []
    for mean_s in (1.0, 10.0, 60.0, 600.0, 3600.0):
        gaps: list[float] = []
        rng, left = random.Random(7), DAY_S
        while (gap := rng.expovariate(1 / mean_s)) < left and len(gaps) < 20_000:
            gaps.append(gap)
            left -= gap
        best = reload_j + sum(min(gap * idle_w, reload_j) for gap in gaps)
        stay_s = reload_j / idle_w
        rule = 2 * reload_j + sum(gap * idle_w if gap <= stay_s else 2 * reload_j for gap in gaps)
        always_on = reload_j + idle_w * sum(gaps)
        always_off = reload_j * (len(gaps) + 1)
        ways = {"rule": rule, "always_on": always_on, "always_off": always_off}
        rows.append({"mean_gap_s": mean_s, "requests": len(gaps) + 1, "best_j": best}
                    | {f"{name}_over_best": joules / best for name, joules in ways.items()})  # fmt: skip
    return rows


def told(found: Mapping[str, Any]) -> None:
    def line(name: str, values: Mapping[str, Any], unit: str) -> str:
        spread_ = f"{values['least']:.3g} to {values['most']:.3g}, {values['runs']} runs"
        return f"{name:<28}{values['median']:.3g} {unit} ({spread_})"

    memory = found["resident"]
    low_w, high_w = found["idle_w_interval"]
    print(f"{found['model']}, {found['watts_per_core']['value']:.3g} W per core ({found['watts_per_core']['name']})")
    print(line("starting", found["reload_core_s"], "core-seconds"))
    print(line("starting", found["reload_j"], "J"), f"= {format_energy(found['reload_j']['median'])}")
    print(line("first answer, unloaded", found["first_answer_cold_s"], "s"))
    print(line("answer, in memory", found["answer_warm_s"], "s"))
    print(f"{'idling':<28}{found['idle_w']:.3g} W ({low_w:.2g} to {high_w:.2g}); {found['idle_method']}")
    print(f"{'break-even':<28}{format_duration(found['break_even_s'])}"
          f" ({' to '.join(format_duration(s) for s in found['break_even_interval_s'])})")  # fmt: skip
    before, during, after = (format_bytes(memory[name]) for name in ("before", "during", "after"))
    more = memory["after_over_before"] - 1
    print(f"{'resident memory':<28}{before} before, {during} with the model, {after} after ({more:+.1%})")
    print("\nmean gap     requests   rule   always on   always off   (each over who knows every request)")
    for row in found["traces"]:
        print(f"{format_duration(row['mean_gap_s']):<12} {row['requests']:>8,}   {row['rule_over_best']:.2f}   "
              f"{row['always_on_over_best']:>9.2f}   {row['always_off_over_best']:>10.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
