from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from greenai.meters import cpu, rapl, watts

SECOND = os.sysconf("SC_CLK_TCK")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="powercap is Linux's")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a powercap folder as a server of two Intel processors has it, and more that must not be counted twice."""
    for name, label in (
        ("intel-rapl:0", "package-0"),
        ("intel-rapl:0:0", "core"),
        ("intel-rapl:0:1", "dram"),
        ("intel-rapl:1", "psys"),
        ("intel-rapl:2", "package-1"),
        ("intel-rapl:2:0", "dram"),
        ("intel-rapl-mmio:0", "package-0"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "name").write_text(label + "\n")
        (folder / "energy_uj").write_text("1000000\n")
        (folder / "max_energy_range_uj").write_text("262143328850\n")
    return tmp_path


@pytest.fixture(autouse=True)
def own_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watts, "model_name", lambda: None)


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """Core time of the process, in nanoseconds: what the test sets."""
    now: list[int | None] = [0]
    monkeypatch.setattr(rapl, "process_ns", lambda _pid: now[0])
    return now


def stat(tmp_path: Path, ticks: int) -> Path:
    path = tmp_path / "stat"
    path.write_text(f"cpu  {ticks} 0 0 5000 10 0 0 0 0 0\ncpu0 1 0 0 0\n")
    return path


def put(root: Path, **counters: int) -> None:
    for name, microjoules in counters.items():
        folder = name.replace("_", ":").replace("rapl", "intel-rapl")
        (root / folder / "energy_uj").write_text(f"{microjoules}\n")


def begin(root: Path, watts_per_core: float | None = None) -> rapl.RaplWindow:
    window = rapl.begin(1, watts_per_core, root=root, stat=root / "stat")
    assert window is not None
    return window


def test_whole_packages_and_their_memory_are_counted_once(root: Path) -> None:
    found = [(c.name, c.read_uj(), c.wraps_at_uj) for c in rapl.counters(root)]
    assert found == [(kind, 1_000_000, 262143328851) for kind in ("cpu", "dram", "cpu", "dram")]


def test_a_processor_without_a_memory_counter_has_packages_only(root: Path) -> None:
    for folder in ("intel-rapl:0:1", "intel-rapl:2:0"):
        (root / folder / "name").write_text("core\n")
    assert [c.name for c in rapl.counters(root)] == ["cpu", "cpu"]


def test_a_window_gets_its_part_of_packages_and_memory(root: Path, used: list[int | None]) -> None:
    stat(root, 1000)
    window = begin(root)
    used[0] = 100_000_000
    put(root, rapl_0=9_000_000, rapl_2=3_000_000, rapl_0_1=1_500_000, rapl_2_0=1_500_000)
    stat(root, 1000 + SECOND // 2)  # the machine used half a core-second
    reading = window.stop(12.0)
    assert reading is not None
    assert reading.components == {"cpu": pytest.approx(2.0), "dram": pytest.approx(0.2)}
    assert reading.energy_j == pytest.approx(2.2)
    assert (reading.low_j, reading.high_j) == (pytest.approx(2.2 / 1.3), pytest.approx(2.2 * 1.3))
    assert reading.evidence == "measured_shared"
    assert reading.method == "rapl-2 (processor packages, and memory where counted, shared by core time)"
    assert window.stop() == reading


def test_windows_at_once_divide_the_processs_part_and_add_up(root: Path, used: list[int | None]) -> None:
    stat(root, 1000)
    windows = [begin(root) for _ in range(3)]
    readings = []
    for n, window in enumerate(windows, 1):
        used[0] = n * 300_000_000
        put(root, rapl_0=1_000_000 + n * 4_000_000, rapl_0_1=1_000_000 + n * 500_000)
        stat(root, 1000 + n * SECOND * 6 // 10)  # half of it is this process's
        readings.append(window.stop(50.0 * n))
    assert sum(window.used_ns for window in windows) == 900_000_000
    total_j = {k: sum((r.components or {})[k] for r in readings if r is not None) for k in ("cpu", "dram")}
    assert total_j == {"cpu": pytest.approx(6.0), "dram": pytest.approx(0.75)}


def test_a_counter_that_started_again(root: Path, used: list[int | None]) -> None:
    put(root, rapl_0=262143000000)
    stat(root, 1000)
    window = begin(root)
    used[0] = 50_000_000
    put(root, rapl_0=671149)
    reading = window.stop()
    assert reading is not None
    assert reading.energy_j == pytest.approx(1.0)  # nobody else used a core: all of it


def test_a_counter_that_fails_leaves_the_modelled_reading(root: Path, used: list[int | None]) -> None:
    stat(root, 1000)
    window = begin(root)
    used[0] = 2_000_000_000
    (root / "intel-rapl:0" / "energy_uj").unlink()
    reading = window.stop()
    assert reading == cpu.reading(2.0)


def test_a_counter_that_stands_still_leaves_the_modelled_reading(root: Path, used: list[int | None]) -> None:
    stat(root, 1000)
    window = begin(root, 3.0)
    used[0] = 2_000_000_000
    assert window.stop() == cpu.reading(2.0, 3.0)


@pytest.mark.parametrize(("limits_w", "seconds"), [((), 520.0), ((0, 0), 520.0), ((200, 240), 1080.0)])
def test_a_window_in_which_a_counter_may_have_wrapped_twice_is_modelled(
    root: Path, used: list[int | None], monkeypatch: pytest.MonkeyPatch, limits_w: tuple[int, ...], seconds: float
) -> None:
    for folder in (root / "intel-rapl:0", root / "intel-rapl:2"):  # the memory's is its package's
        for n, limit_w in enumerate(limits_w):
            (folder / f"constraint_{n}_power_limit_uw").write_text(f"{limit_w}000000\n")
    stat(root, 1000)
    for lasts_s, measured in ((seconds, True), (seconds + 20, False), (seconds, True)):
        window = begin(root, 3.0)
        share, used_ns = window.account.source.share, used[0] or 0
        used[0] = used_ns + 1_000_000_000
        put(root, rapl_0=1_000_000 + used[0] // 1000)
        now_s = share.clock()
        monkeypatch.setattr(share, "clock", lambda now_s=now_s + lasts_s: now_s)
        reading = window.stop()
        assert reading is not None
        assert (reading == cpu.reading(1.0, 3.0)) is not measured
        monkeypatch.setattr(share, "clock", lambda now_s=now_s + 1e4: now_s)  # between windows nobody minds


def test_without_a_counter_of_a_package_memory_alone_is_no_measurement(root: Path, used: list[int | None]) -> None:
    for folder in ("intel-rapl:0", "intel-rapl:2"):
        (root / folder / "name").write_text("psys\n")
    stat(root, 1000)
    assert rapl.counters(root) == ()
    assert rapl.begin(1, root=root, stat=root / "stat") is None


@pytest.mark.parametrize("text", ["", "\n", "none\n", "-5\n"])
def test_a_counter_without_a_number_is_one_that_fails(root: Path, used: list[int | None], text: str) -> None:
    counter = root / "intel-rapl:0" / "energy_uj"
    stat(root, 1000)
    window = begin(root)
    counter.write_text(text)
    used[0] = 2_000_000_000
    assert window.stop() == cpu.reading(2.0)
    assert rapl.begin(1, root=root, stat=root / "stat") is None
    assert rapl.probe(root)["why_not"] == f"{counter}: no number in it"


def test_after_a_failure_the_next_window_is_measured_again(root: Path, used: list[int | None]) -> None:
    stat(root, 1000)
    counter = root / "intel-rapl:0" / "energy_uj"
    counter.rename(root / "away")
    assert rapl.begin(1, root=root, stat=root / "stat") is None
    (root / "away").rename(counter)
    window = begin(root)
    used[0] = 10_000_000
    put(root, rapl_0=1_500_000)
    reading = window.stop()
    assert reading is not None
    assert reading.energy_j == pytest.approx(0.5)


def test_a_process_that_ended_is_unknown(root: Path, used: list[int | None]) -> None:
    stat(root, 1000)
    window = begin(root)
    used[0] = None
    put(root, rapl_0=9_000_000)
    assert window.stop() is None
    assert rapl.begin(1, root=root, stat=root / "stat") is None


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
    counter = root / "intel-rapl:2:0" / "energy_uj"
    counter.unlink()
    counter.mkdir()  # what no permission of a test that runs as root would give: an OSError on reading
    assert rapl.probe(root) == {
        "name": "rapl",
        "usable": False,
        "why_not": f"{counter}: Is a directory",
        "how": f"sudo chmod a+r {root}/*/energy_uj (until the next restart)",
    }
    stat(root, 1000)
    assert rapl.begin(os.getpid(), root=root, stat=root / "stat") is None
