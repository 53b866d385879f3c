"""Many calls leave memory and descriptors flat: a tenth of `make soak` under CI, a hundredth elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "gateway.py"


@pytest.mark.timeout(600)
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors and memory are read from /proc")
def test_memory_and_descriptors_stay_flat() -> None:
    calls = 10_000 if os.environ.get("CI", "").lower() in ("true", "1") else 1_000
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "--soak", str(calls), "--json"],
        capture_output=True, text=True, timeout=580, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout[done.stdout.index("{") :])
    assert found["calls"] == calls
    assert found["growth in the second half (MB)"] < found["growth that is allowed (MB)"]
