"""Write a trace of an NVIDIA GPU's counter and power that is simulated, and says so: no hardware was at hand.

    python training/energy/synthetic_trace.py tests/training/data/nvml_trace_synthetic.json

The power drawn is made up: rest, a ramp, work that swings around a level. The counter shows it every 100 ms, exact to
the millijoule; the power sensor shows every 100 ms the mean of the last 25 ms, with an error of up to 2% (arXiv
2312.02741: on A100 and H100 the sensor sees a quarter of the time).
"""

from __future__ import annotations

import json
import math
import random
import sys
from pathlib import Path

STEP_S, TICK_S, SENSED_S = 0.1, 0.005, 0.025
NOTE = (
    "Simulated by training/energy/synthetic_trace.py, not recorded from hardware: it exercises the meter and the sweep "
    "and says nothing about any GPU."
)


def watts(now_s: float) -> float:
    """Return the power drawn at a time, in watts."""
    if now_s < 4.0:
        return 75.0
    level = 480.0 if now_s < 32.0 else 620.0
    ramp = min((now_s - 4.0) / 0.5, 1.0)
    return 75.0 + ramp * (level - 75.0 + 20.0 * math.sin(2.3 * now_s))


def samples(seconds: float) -> list[tuple[float, int, int]]:
    """Return seconds, counter in mJ and power in mW, one row for each step."""
    chance = random.Random(20261121)
    rows, drawn_j = [], 0.0
    per_step, sensed = round(STEP_S / TICK_S), round(SENSED_S / TICK_S)
    for step in range(round(seconds / STEP_S) + 1):
        ticks = [watts((step * per_step + tick) * TICK_S) for tick in range(-per_step, 0)]
        drawn_j += sum(ticks) * TICK_S if step else 0.0
        power_w = sum(ticks[-sensed:]) / sensed * (1 + chance.uniform(-0.02, 0.02))
        rows.append((round(step * STEP_S, 3), 7_000_000 + round(drawn_j * 1e3), round(power_w * 1e3)))
    return rows


def main() -> None:
    trace = {"note": NOTE, "synthetic": True, "device": "simulated GPU", "driver": "none"}
    head = json.dumps(trace, indent=1)[:-2]
    body = ",\n  ".join(json.dumps(row) for row in samples(60.0))
    Path(sys.argv[1]).write_text(f'{head},\n "samples": [\n  {body}\n ]\n}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
