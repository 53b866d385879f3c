"""A batch whose process is killed (SIGKILL) at random moments: nothing that was committed is lost or asked again.

The promise: an item whose answer is in the journal is never asked again. One that was under way at a kill is asked again
when the job goes on, at most `at_once` of them for each kill; the exact cache and the ledger see both.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from echoing import Echoing

ITEMS, KILLS, AT_ONCE = 1_000, 4, 8

SCRIPT = """
import json, os, random, signal, sys, time
from pathlib import Path
from greenai import Client
from greenai.bulk.journal import Journal

folder, url, items, kills, at_once = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
rng = random.Random(8)
requests = [{"custom_id": str(n), "model": "m", "messages": [{"role": "user", "content": f"Item {n}"}]}
            for n in range(items)]
settings = {"state_dir": folder, "cache": "off"}

def opened():
    return Client(base_url=url, api_key="sk-test", settings=settings)

with opened() as client:  # loads what a call needs, once for all victims
    client.chat.completions.create(messages=[{"role": "user", "content": "Warm"}], model="m")

def answered():
    if not (folder / "batches" / "kill.db").exists():
        return []
    journal = Journal(folder / "batches", "kill")
    found = [answer.index for answer in journal.answers() if answer.error is None]
    journal.close()
    return found

committed = []
for kill in range(kills):
    pid = os.fork()
    if pid == 0:
        try:
            opened().batch(requests, name="kill", at_once=at_once, progress=False).run()
        finally:
            os._exit(1)
    known = len(answered())
    while len(found := answered()) < min(known + rng.randrange(60, 160), items - 100):
        time.sleep(0.02)
    time.sleep(rng.uniform(0, 0.02))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    committed.append(answered())
    print(json.dumps({"committed": committed[-1]}), flush=True)
    sys.stdin.readline()

with opened() as client:
    job = client.batch(requests, name="kill", at_once=at_once, progress=False)
    told = [(a.custom_id, a.text) for a in job]
    receipt = job.receipt
print(json.dumps({"answers": told, "counts": [receipt.requests, receipt.answered, receipt.failed, receipt.open]}))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork and SIGKILL")
@pytest.mark.timeout(120)
def test_killed_at_random_moments_nothing_committed_is_lost_or_asked_again(tmp_path: Path) -> None:
    arguments = [str(ITEMS), str(KILLS), str(AT_ONCE)]
    with (
        Echoing() as server,
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(tmp_path), server.url, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as child,
    ):
        assert child.stdin is not None
        assert child.stdout is not None
        asked = []
        committed: list[list[int]] = []
        for _ in range(KILLS):
            committed.append(json.loads(child.stdout.readline())["committed"])
            asked.append(server.counts())
            child.stdin.write("\n")
            child.stdin.flush()
        last = json.loads(child.stdout.readline())
        finally_asked = server.counts()
    assert child.returncode == 0
    assert last["counts"] == [ITEMS, ITEMS, 0, 0]
    assert last["answers"] == [[str(n), f"Answer to Item {n}"] for n in range(ITEMS)]
    for then, known in zip(asked, committed, strict=True):
        again = [n for n in known if finally_asked[f"Item {n}"] > then[f"Item {n}"]]
        assert again == []
    more = sum(count - 1 for text, count in finally_asked.items() if text != "Warm")
    assert more <= KILLS * AT_ONCE
    assert all(set(before) <= set(after) for before, after in itertools.pairwise(committed))
