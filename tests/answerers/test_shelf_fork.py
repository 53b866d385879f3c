"""Forked workers with one registered file: what each of them counted is written once, by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import task_files

if TYPE_CHECKING:
    from pathlib import Path

WORKERS = """
import atexit, json, os, sys
from greenai.testing import FakeProvider, offline

file, ledger, own, workers, each = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
BEFORE, AFTER = json.loads(sys.stdin.read())

def ask(client, number):
    text = f"my delivery has not arrived {number}"
    messages = [{"role": "user", "content": BEFORE + text + AFTER}]
    client.chat.completions.create(model="gpt-5.5", messages=messages)

client = offline(FakeProvider(default="Delivery."), settings={"ledger": ledger}).__enter__()
client.distilled(file, mode="on", audit=0.01)
client._session.resources.shelf._draw = lambda: 0.999
for number in range(own):
    ask(client, number)
children = []
for worker in range(workers):
    child = os.fork()
    if child == 0:
        for number in range(each):
            ask(client, 100 * (worker + 1) + number)
        atexit._run_exitfuncs()  # as a server's worker ends: the client is never closed
        os._exit(0)  # where onnxruntime 1.31 was imported before a fork, the end of the child waits for ever
    children.append(child)
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_no_count_is_lost_or_written_twice(tmp_path: Path) -> None:
    file, ledger = task_files.write(tmp_path / "department.greenai"), tmp_path / "ledger.db"
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WORKERS, str(file), str(ledger), "4", "3", "5"],
        check=True, timeout=120, input=json.dumps([task_files.BEFORE, task_files.AFTER]), text=True,
    )  # fmt: skip
    from greenai.ledger import open_ledger
    from greenai.settings import load_settings

    found = open_ledger(load_settings({"ledger": str(ledger)}))
    try:
        (row,) = found.all_distilled()
    finally:
        found.close()
    assert (row["answered"], row["audit_same"], row["abstained"]) == (4 + 3 * 5, 1, 0)
