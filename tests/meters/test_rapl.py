from __future__ import annotations

import os
from pathlib import Path

import pytest

from greenai.meters import cpu, rapl


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, label in (
        ("intel-rapl:0", "package-0"),
        ("intel-rapl:0:0", "core"),
        ("intel-rapl:1", "psys"),
        ("intel-rapl:2", "package-1"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "name").write_text(label + "\n")
        (folder / "energy_uj").write_text("1000000\n")
        (folder / "max_energy_range_uj").write_text("262143328850\n")
    return tmp_path


def stat(tmp_path: Path, ticks: int) -> Path:
    path = tmp_path / "stat"
    path.write_text(f"cpu  {ticks} 0 0 5000 10 0 0 0 0 0\ncpu0 1 0 0 0\n")
    return path


def burn(core_s: float) -> None:
    before = cpu.core_seconds(os.getpid())
    assert before is not None
    while (cpu.core_seconds(os.getpid()) or 0) - before < core_s:
        sum(range(1000))


def test_only_whole_packages_are_counted(root: Path) -> None:
    assert [p.counter.parent.name for p in rapl.packages(root)] == ["intel-rapl:0", "intel-rapl:2"]


def test_a_window_gets_its_part_of_the_packages(root: Path, tmp_path: Path) -> None:
    path = stat(tmp_path, 1000)
    window = rapl.begin(os.getpid(), root=root, stat=path)
    assert window is not None
    burn(0.1)
    (root / "intel-rapl:0" / "energy_uj").write_text("9000000\n")
    (root / "intel-rapl:2" / "energy_uj").write_text("3000000\n")
    stat(tmp_path, 1000 + os.sysconf("SC_CLK_TCK") // 2)  # the machine used half a core-second
    reading = window.stop()
    assert reading is not None
    assert reading.energy_j == pytest.approx(10.0 * window.process.used_ns / 0.5e9)
    assert reading.evidence == "measured_shared"
    assert reading.method == "rapl-1 (processor packages, shared by core time)"
    assert reading.low_j == pytest.approx(10.0 * window.process.used_ns / 0.5e9 / 1.3)


def test_a_counter_that_started_again(root: Path, tmp_path: Path) -> None:
    (root / "intel-rapl:0" / "energy_uj").write_text("262143000000\n")
    window = rapl.begin(os.getpid(), root=root, stat=stat(tmp_path, 1000))
    assert window is not None
    (root / "intel-rapl:0" / "energy_uj").write_text("671150\n")
    reading = window.stop()
    assert reading is not None
    assert reading.energy_j == pytest.approx(1.0)  # nobody else used a core: all of it


def test_a_counter_that_fails_leaves_the_modelled_reading(root: Path, tmp_path: Path) -> None:
    window = rapl.begin(os.getpid(), root=root, stat=stat(tmp_path, 1000))
    assert window is not None
    (root / "intel-rapl:0" / "energy_uj").unlink()
    reading = window.stop()
    assert reading is not None
    assert reading.method == "cpu-time-1 (5 W per core)"


def test_without_counters_there_is_no_window(tmp_path: Path) -> None:
    assert rapl.begin(os.getpid(), root=tmp_path) is None
    assert rapl.probe(tmp_path) == {
        "name": "rapl",
        "usable": False,
        "why_not": f"no processor package in {tmp_path}",
        "how": "virtual machines, containers and other systems than Linux do not have it; watts_per_core= replaces it",
    }


def test_a_readable_counter_is_usable(root: Path) -> None:
    assert rapl.probe(root) == {"name": "rapl", "usable": True, "why_not": None, "how": None}


def test_a_counter_that_may_not_be_read_says_how(root: Path) -> None:
    counter = root / "intel-rapl:0" / "energy_uj"
    counter.unlink()
    counter.mkdir()  # what no permission of a test that runs as root would give: an OSError on reading
    assert rapl.probe(root) == {
        "name": "rapl",
        "usable": False,
        "why_not": f"{counter}: Is a directory",
        "how": f"sudo chmod a+r {root}/*/energy_uj (until the next restart)",
    }
    assert rapl.begin(os.getpid(), root=root) is None
