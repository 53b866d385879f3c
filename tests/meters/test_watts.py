"""Watts per core: which processor this is, and whose figure is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from greenai.meters import watts
from greenai.meters.watts import watts_per_core


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("AMD EPYC 9654 96-Core Processor", "AMD EPYC 9654"),
        ("Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz", "Intel Xeon Platinum 8375C"),
        ("Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz", "Intel Xeon E5-2686 v4"),
        ("Intel(R) Xeon(R) Platinum 8480+", "Intel Xeon Platinum 8480+"),
        ("11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz", "Intel Core i7-1165G7"),
        ("AMD Ryzen 9 7950X 16-Core Processor            ", "AMD Ryzen 9 7950X"),
        ("AMD Ryzen 5 5500U with Radeon Graphics", "AMD Ryzen 5 5500U"),
        ("Arm Neoverse N1", "Arm Neoverse N1"),
    ],
)
def test_a_known_part_is_found_as_the_system_names_it(told: str, name: str) -> None:
    assert watts_per_core(told).name == name


def test_a_part_of_the_table_has_its_limit_over_its_cores() -> None:
    found = watts_per_core("AMD EPYC 9654 96-Core Processor")
    assert found.value == 3.75
    assert (found.low, found.high) == (3.75 / 1.6, 7.5)
    assert found.source == (
        "360 W / 96 cores; BoaviztAPI 2.5.0 (https://www.techpowerup.com/cpu-specs/epyc-9654.c2933) and "
        "CodeCarbon 3.3.2, 2026-11-21"
    )


@pytest.mark.parametrize(
    ("told", "family"),
    [
        ("AMD EPYC", "AMD EPYC"),
        ("AMD EPYC-Milan Processor", "AMD EPYC"),
        ("AMD EPYC 9R14", "AMD EPYC"),
        ("Intel(R) Xeon(R) CPU @ 2.20GHz", "Intel Xeon"),
        ("Intel Xeon Processor (Skylake, IBRS)", "Intel Xeon"),
    ],
)
def test_a_part_that_is_not_told_has_its_familys_figure_and_says_so(told: str, family: str) -> None:
    found = watts_per_core(told)
    assert found.name == family
    assert found.source.endswith("this part is not told, or new")
    assert found.low < found.value / 1.6 < found.value * 2 < found.high


@pytest.mark.parametrize("told", [None, "", "QEMU Virtual CPU version 2.5+", "Apple M3", "Intel(R) Core(TM) i9-14900K"])
def test_an_unknown_processor_has_the_stated_default(told: str | None) -> None:
    found = watts_per_core(told)
    assert (found.value, found.low, found.high, found.name) == (5.0, 2.0, 12.0, "default")


def test_what_the_settings_say_wins() -> None:
    found = watts.here(3.5)
    assert (found.value, found.name) == (3.5, "as set")
    assert found.high == pytest.approx(3.5 * 1.33)


def test_every_row_is_sound_and_narrower_than_the_default() -> None:
    rows = watts.table()["rows"]
    assert len({row["name"].casefold() for row in rows}) == len(rows) >= 30
    for row in rows:
        assert row.keys() == {"name", "tdp_w", "cores", "source", "date"}
        assert watts.plain(row["name"]) == row["name"]
        found = watts_per_core(row["name"])
        assert 1 < found.value < 22
        assert found.high / found.low < 12 / 2


# --- the name -------------------------------------------------------------------------------


def cpuinfo(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "cpuinfo"
    path.write_text(text)
    return path


def test_the_first_processors_name_is_taken(tmp_path: Path) -> None:
    text = "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC 7763 64-Core Processor\n\n"
    assert watts.linux_name(cpuinfo(tmp_path, text * 200)) == "AMD EPYC 7763 64-Core Processor"


def test_arm_tells_numbers(tmp_path: Path) -> None:
    text = "processor\t: 0\nBogoMIPS\t: 243.75\nCPU implementer\t: {}\nCPU architecture: 8\nCPU part\t: 0xd0c\n"
    assert watts.linux_name(cpuinfo(tmp_path, text.format("0x41"))) == "Arm Neoverse N1"
    assert watts.linux_name(cpuinfo(tmp_path, text.format("0x99"))) is None


def test_without_a_file_there_is_no_name(tmp_path: Path) -> None:
    assert watts.linux_name(tmp_path / "missing") is None


def test_the_table_is_read_without_the_import_systems_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.resources.files", None)  # another thread may hold them at a fork
    assert watts.table.__wrapped__()["rows"]
