"""A process that is killed at any moment loses nothing that it was told is kept."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from greenai.store.disk import JsonCache
from greenai.store.ledger_db import LedgerDb

KILLS = 200

# A parent that has everything loaded forks one victim after another, so that a start takes a millisecond. A victim
# reserves, settles and records, puts into the cache, and writes the number of each call that was acknowledged to a
# pipe; it is killed at a random moment of its work.
SCRIPT = """
import json, os, random, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_ledger import attempt, hold, receipt
from greenai.ledger import Ledger
from greenai.store.disk import JsonCache
from greenai.store.ledger_db import LedgerDb

folder, kills, rng = Path(sys.argv[1]), int(sys.argv[3]), random.Random(1)

def victim(first, pipe):
    ledger, cache = Ledger(LedgerDb(folder / "ledger.db")), JsonCache(folder / "cache")
    n = first
    while True:
        last = attempt(f"a{n}", energy=attempt().energy)
        ledger.reserve(f"c{n}", last.attempt_id, "shop", last.model, last.energy, 60.0)
        ledger.settle_and_record(receipt(f"c{n}", last))
        kept = ledger.problem is None
        cache.put(f"k{n}", {"n": n, "text": "answer " * 40}, 600.0)
        os.write(pipe, f"{n}\\n".encode() if kept else b"-1\\n")
        n += 1

acknowledged = []
for kill in range(kills):
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            victim(kill * 1_000_000, writing)
        finally:
            os._exit(1)
    os.close(writing)
    seen = os.read(reading, 65536)
    time.sleep(rng.uniform(0, 0.02))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while chunk := os.read(reading, 65536):
        seen += chunk
    os.close(reading)
    acknowledged += [int(line) for line in seen.split(b"\\n")[:-1]]
    if kill % 20 == 19:
        db = LedgerDb(folder / "ledger.db")
        db.check()
        db.close()
print(json.dumps(acknowledged))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork and SIGKILL")
@pytest.mark.timeout(120)
def test_nothing_acknowledged_is_lost_and_nothing_is_damaged(tmp_path: Path) -> None:
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path, here, str(KILLS)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    acknowledged = json.loads(done.stdout)
    assert len(acknowledged) >= KILLS
    assert -1 not in acknowledged

    db = LedgerDb(tmp_path / "ledger.db")
    found = db.check()
    calls = {row["call_id"] for row in db.recent(10**9)}
    assert {f"c{n}" for n in acknowledged} <= calls
    assert found["holds"] <= KILLS  # at most the one that each victim was at
    assert db.expire(1e12) == found["holds"]
    db.close()
    con = sqlite3.connect(tmp_path / "ledger.db")
    answered = {row[0] for row in con.execute("SELECT call_id FROM attempts WHERE state = 'answered'")}
    con.close()
    assert {f"c{n}" for n in acknowledged} <= answered

    cache = JsonCache(tmp_path / "cache")
    assert all(cache.get(f"k{n}") == {"n": n, "text": "answer " * 40} for n in acknowledged)
    assert cache.problem is None


# The same with whole calls: each victim asks through a client of its own, is killed before, in or after its call to
# the provider, which takes up to 4 ms, and tells the id of every call whose answer it got.
CALLS = """
import json, os, random, signal, sys, time
from greenai.testing import FakeProvider, FakeReply, offline

ledger, kills, rng = sys.argv[1], int(sys.argv[2]), random.Random(2)

offline().ask("Load what a call needs, once for all victims.")

def victim(kill, pipe):
    slow = FakeProvider(default=lambda call: FakeReply(text="Yes.", delay_s=random.uniform(0, 0.004)))
    client = offline(slow, settings={"ledger": ledger})
    n = 0
    while True:
        n += 1
        if n % 3:
            receipt = client.ask(f"Write line {n} of poem {kill}.").greenai
        else:
            stream = client.ask(f"Write line {n} of poem {kill}.", stream=True)
            "".join(stream)
            receipt = stream.greenai
        os.write(pipe, f"{receipt.call_id}\\n".encode())

acknowledged = []
for kill in range(kills):
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            victim(kill, writing)
        finally:
            os._exit(1)
    os.close(writing)
    seen = os.read(reading, 65536)
    time.sleep(rng.uniform(0, 0.02))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while chunk := os.read(reading, 65536):
        seen += chunk
    os.close(reading)
    acknowledged += seen.decode().split("\\n")[:-1]
print(json.dumps(acknowledged))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork and SIGKILL")
@pytest.mark.timeout(120)
def test_a_client_killed_in_its_calls_loses_no_settled_row(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    done = subprocess.run(
        [sys.executable, "-c", CALLS, ledger, str(KILLS)], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    acknowledged = set(json.loads(done.stdout))
    assert len(acknowledged) >= KILLS

    con = sqlite3.connect(ledger)
    assert con.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    calls = {row[0] for row in con.execute("SELECT call_id FROM calls")}
    answered = {row[0] for row in con.execute("SELECT call_id FROM attempts WHERE state = 'answered'")}
    cut_short = con.execute("SELECT count(*) FROM attempts WHERE state = 'held'").fetchone()[0]
    con.close()
    assert acknowledged <= calls
    assert acknowledged <= answered
    assert 0 < cut_short <= KILLS  # some were killed inside a call, or this test would show nothing

    db = LedgerDb(ledger)
    assert db.expire(1e12) == cut_short
    assert db.check()["holds"] == 0
    db.close()
