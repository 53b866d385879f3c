"""Callers at once on one local model, the real one: what their receipts say adds up to what its process used."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from greenai import Client

pytestmark = [
    pytest.mark.needs_weights,
    pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's"),
    pytest.mark.timeout(300),
]

MODEL = "local/smollm2-135m"
WATTS_PER_CORE = 5.0


def outside_s(pid: int) -> float:
    """Return the core-seconds of a process as the system's accounting tells them to anybody."""
    user, system = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def ask(client: Client, n: int) -> Any:
    return client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": f"Tell me {n + 2} things about the number {n}."}],
        max_tokens=4 + 4 * (n % 4),
    )


@pytest.mark.usefixtures("weights")
def test_the_receipts_of_eight_threads_add_up_to_the_process(tmp_path: Path) -> None:
    settings = {"cache": "off", "ledger": ":memory:", "state_dir": str(tmp_path), "watts_per_core": WATTS_PER_CORE}
    receipts: list[Any] = []
    with Client(settings=settings) as client:
        ask(client, 0)
        (engine,) = client._session.resources.engines.running()
        before_s = outside_s(engine.pid)
        threads = [threading.Thread(target=lambda n=n: receipts.append(ask(client, n).greenai)) for n in range(16)]
        for first in (threads[:8], threads[8:]):
            for thread in first:
                thread.start()
            for thread in first:
                thread.join()
        used_s = outside_s(engine.pid) - before_s
    energies = [receipt.attempts[-1].energy for receipt in receipts]
    if any(not energy.method.startswith("cpu-time") for energy in energies):
        pytest.skip("this machine measures, so stated watts do not apply")
    assert len(energies) == 16
    assert all(energy.energy_j > 0 for energy in energies)
    assert sum(energy.energy_j for energy in energies) == pytest.approx(used_s * WATTS_PER_CORE, rel=0.05)
