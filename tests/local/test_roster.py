from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from greenai.local.roster import Loaded, Roster, here, running_dir


def test_what_is_noted_is_found_until_it_is_dropped(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "running"
    roster = Roster(folder)
    roster.note(os.getpid(), "local/a", 1000.0, 60.0, "the rule: so")
    (one,) = here(folder)
    assert one == Loaded(
        model="local/a", pid=os.getpid(), app_pid=os.getpid(), memory_bytes=one.memory_bytes, idle_since=1000.0,
        unload_at=1060.0, why="the rule: so",
    )  # fmt: skip
    assert one.memory_bytes is not None
    roster.rested(os.getpid())
    (later,) = here(folder)
    assert later.idle_since > 1_700_000_000
    assert later.unload_at == later.idle_since + 60.0
    roster.note(os.getpid(), "local/a", 1000.0, None, "keep_alive forever")
    assert [found.unload_at for found in here(folder)] == [None]
    roster.drop(os.getpid())
    assert here(folder) == []


def test_what_a_killed_app_left_is_removed(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    Roster(tmp_path).note(child.pid, "local/a", 1000.0, 60.0, "why")
    assert [one.pid for one in here(tmp_path)] == [child.pid]
    child.kill()
    child.wait()
    assert here(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_process_number_that_was_used_again_is_another_process(tmp_path: Path) -> None:
    Roster(tmp_path).note(os.getpid(), "local/a", 1000.0, 60.0, "why")
    (file,) = tmp_path.iterdir()
    file.write_text(json.dumps(json.loads(file.read_text()) | {"born": 1}))
    assert here(tmp_path) == []


def test_a_damaged_file_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text("{")
    (tmp_path / "2.json").write_text("{}")
    assert here(tmp_path) == []


def test_without_a_folder_nothing_is_told(tmp_path: Path) -> None:
    assert running_dir(None) is None
    assert here(None) == []
    assert here(tmp_path / "none") == []
    roster = Roster(None)
    roster.note(1, "local/a", 0.0, None, "why")
    roster.rested(1)
    roster.drop(1)
    blocked = tmp_path / "file"
    blocked.write_text("")
    Roster(blocked / "running").note(1, "local/a", 0.0, None, "why")
