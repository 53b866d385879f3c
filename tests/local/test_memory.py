from __future__ import annotations

import mmap
import os
from pathlib import Path

from greenai.local.memory import memory_bytes


def test_memory_is_what_the_process_holds(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "statm").write_text("9999 300 10 1 0 5 0\n")
    assert memory_bytes(7, tmp_path) == 300 * os.sysconf("SC_PAGE_SIZE")
    assert memory_bytes(8, tmp_path) is None
    assert (memory_bytes(os.getpid()) or 0) > 1_000_000


def test_it_grows_with_what_is_held() -> None:
    before = memory_bytes(os.getpid())
    # Pages of the kernel's own: malloc may hand out what earlier tests gave back to it.
    with mmap.mmap(-1, 50_000_000) as held:
        held.write(b"1" * len(held))
        after = memory_bytes(os.getpid())
    assert before is not None
    assert after is not None
    assert after - before >= 0.8 * 50_000_000
