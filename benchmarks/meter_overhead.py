"""What a meter's window adds to a local call, and what one `estimate()` costs.

    python benchmarks/meter_overhead.py [--rounds 2000] [--json]

A window is begun and stopped on a child process that works, alone and with 31 others open. RAPL, Apple's and NVIDIA's
counters are doubles (files in a temporary folder, objects), so their figures leave out what the real driver takes: on
Linux a counter of RAPL is a file too. `machine` is what this machine uses. Exits with 1 where the 99th percentile of a
window is over 1 ms or the median of an estimate over 50 microseconds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from greenai import meters
from greenai.meters import Deployment, ModelCard, apple, cpu, nvml, rapl

BUSY = "print('up', flush=True)\nwhile True: sum(range(1000))"
WINDOW_MS, ESTIMATE_US = 1.0, 50.0
OTHERS = 31


def percentiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "p50_us": ordered[len(ordered) // 2] * 1e6,
        "p99_us": ordered[min(int(0.99 * len(ordered)), len(ordered) - 1)] * 1e6,
    }


def timed(work: Callable[[], object], rounds: int) -> dict[str, float]:
    work()
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return percentiles(taken)


def window(begin: Callable[[], Any]) -> None:
    opened = begin()
    assert opened is not None
    opened.stop(50.0)


def powercap(folder: Path) -> Path:
    """Make what a server of two processors with memory counters has."""
    for name, label in {"0": "package-0", "0:0": "dram", "1": "package-1", "1:0": "dram"}.items():
        counter = folder / f"intel-rapl:{name}"
        counter.mkdir()
        (counter / "name").write_text(label)
        (counter / "energy_uj").write_text("123456789")
        (counter / "max_energy_range_uj").write_text("262143328850")
    return folder


def monitor() -> Any:
    metrics = SimpleNamespace(cpu_total_mj=1, dram_mj=1, gpu_mj=1, gpu_sram_mj=None, ane_mj=1)
    return SimpleNamespace(get_cumulative_energy=lambda: metrics)


class Nvml:
    """A GPU on which process `pid` runs, whose counter moves with the clock at 300 W."""

    NVMLError = OSError

    def __init__(self, pid: int) -> None:
        self.processes = [SimpleNamespace(pid=pid)]

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetMigMode(self, _handle: int) -> list[int]:  # noqa: N802
        return [0, 0]

    def nvmlDeviceGetTotalEnergyConsumption(self, _handle: int) -> int:  # noqa: N802
        return int(time.monotonic() * 300_000)

    def nvmlDeviceGetComputeRunningProcesses(self, _handle: int) -> list[Any]:  # noqa: N802
        return self.processes


def measured(pid: int, folder: Path, rounds: int) -> dict[str, dict[str, dict[str, float]]]:
    begins: dict[str, Callable[[], Any]] = {
        "machine": partial(meters.window, pid),
        "cpu-time": partial(cpu.begin, pid),
        "rapl (double)": partial(rapl.begin, pid, root=powercap(folder)),
        "apple (double)": partial(apple.begin, pid, monitor=monitor()),
        "nvml (double)": partial(nvml.begin, pid, api=Nvml(pid)),
    }
    found = {}
    for name, begin in begins.items():
        alone = timed(partial(window, begin), rounds)
        others = [begin() for _ in range(OTHERS)]
        found[name] = {"alone": alone, "32 open": timed(partial(window, begin), rounds)}
        for other in others:
            other.stop()
    return found


def estimates(rounds: int) -> dict[str, dict[str, float]]:
    llama = ModelCard(total_params_b=70, active_params_b=70, layers=80, kv_gb_per_1k_tokens=0.3277)
    here = Deployment(gpu="H100", gpus=4, batch=64, engine="vllm-0.11", bytes_per_weight=2.0)
    numbers = iter(range(10**9))  # other token counts each time: nothing is remembered

    def ask(model: Any, **more: Any) -> None:
        n = next(numbers)
        meters.estimate(model, input_tokens=100 + n % 5000, output_tokens=50 + n % 3000, **more)

    return {
        "card, API view": timed(partial(ask, llama), rounds),
        "card, known deployment": timed(partial(ask, llama, deployment=here), rounds),
        "name of the catalog": timed(partial(ask, "openai/gpt-5.5"), rounds),
        "card, with zone": timed(partial(ask, llama, zone="FR"), rounds),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    child = subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        with tempfile.TemporaryDirectory() as folder:
            windows = measured(child.pid, Path(folder), options.rounds)
    finally:
        child.kill()
        child.communicate()
    found = {"windows": windows, "estimates": estimates(options.rounds)}
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)
    slow = any(times["p99_us"] > WINDOW_MS * 1e3 for by in windows.values() for times in by.values())
    sys.exit(slow or any(times["p50_us"] > ESTIMATE_US for times in found["estimates"].values()))


def show(found: dict[str, Any]) -> None:
    print(f"{'begin and stop, microseconds':32}{'p50':>10}{'p99':>10}{'p50, 32 open':>16}{'p99':>10}")
    for name, by in found["windows"].items():
        print(f"{name:32}" + "".join(f"{by[k][p]:{w}.0f}" for k, p, w in COLUMNS))
    print(f"\n{'estimate(), microseconds':32}{'p50':>10}{'p99':>10}")
    for name, times in found["estimates"].items():
        print(f"{name:32}{times['p50_us']:10.1f}{times['p99_us']:10.1f}")


COLUMNS = (("alone", "p50_us", 10), ("alone", "p99_us", 10), ("32 open", "p50_us", 16), ("32 open", "p99_us", 10))


if __name__ == "__main__":
    main()
