from __future__ import annotations

from pathlib import Path

import pytest

from greenai.local.cpus import compute_threads, usable_cores


@pytest.mark.parametrize(("quota", "cores"), [("50000 100000", 1), ("100000 100000", 1), ("0 100000", 1)])
def test_a_container_quota_limits_the_cores(tmp_path: Path, quota: str, cores: int) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota + "\n")
    assert usable_cores(tmp_path, file) == cores


def test_threads_of_one_core_count_once(tmp_path: Path) -> None:
    for cpu in range(1024):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text("0-1023\n")
    assert usable_cores(tmp_path, tmp_path / "none") == 1


def test_without_any_file_the_affinity_counts(tmp_path: Path) -> None:
    assert usable_cores(tmp_path, tmp_path / "none") >= 1
    assert compute_threads() >= 1
