from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from greenai.local.profiles import Profile, Profiles, bin_of


def made(**changes: object) -> Profile:
    base = Profile(
        device="Test CPU",
        model="abc",
        name="local/x",
        engine="llama",
        sequence_bin=256,
        precision="Q4_1",
        batch=6,
        threads=1,
        energy_j_per_token=0.2,
        low=0.19,
        high=0.21,
        default_energy_j_per_token=0.3,
        measured="2026-11-22T10:00:00",
        versions={"greenai": "1"},
        more={"ubatch": 128},
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def test_what_is_kept_is_found_again_by_another_process(tmp_path: Path) -> None:
    Profiles(tmp_path).keep(made())
    assert Profiles(tmp_path).find("abc", device="Test CPU") == made()


@pytest.mark.parametrize("changes", [{"device": "Other CPU"}, {"driver": "570"}, {"model": "abd"}])
def test_a_profile_holds_for_its_device_driver_and_weights_only(tmp_path: Path, changes: dict[str, str]) -> None:
    profiles = Profiles(tmp_path)
    profiles.keep(made())
    wanted = {"model": "abc", "device": "Test CPU", "driver": ""} | changes
    assert profiles.find(wanted["model"], device=wanted["device"], driver=wanted["driver"]) is None


def test_the_narrowest_range_of_lengths_that_reaches_counts_and_else_the_widest(tmp_path: Path) -> None:
    profiles = Profiles(tmp_path)
    for edge in (256, 1024, 64):
        profiles.keep(made(sequence_bin=edge, batch=edge // 32))
    batches = [profiles.find("abc", device="Test CPU", tokens=tokens) for tokens in (1, 64, 65, 1000, 5000, None)]
    assert [p and p.sequence_bin for p in batches] == [64, 64, 256, 1024, 1024, 1024]


def test_a_newer_profile_of_the_same_key_replaces_the_older(tmp_path: Path) -> None:
    profiles = Profiles(tmp_path)
    profiles.keep(made())
    profiles.keep(made(batch=9))
    profiles.keep(made(precision="Q8_0", measured="2026-11-20T10:00:00"))
    assert [p.batch for p in profiles.all()] == [9, 6]
    found = profiles.find("abc", device="Test CPU")
    assert found is not None
    assert found.batch == 9
    found = profiles.find("abc", device="Test CPU", precision="Q8_0")
    assert found is not None
    assert found.precision == "Q8_0"
    assert profiles.find("abc", device="Test CPU", engine="torch") is None


def test_damaged_rows_are_told_and_skipped(tmp_path: Path) -> None:
    profiles = Profiles(tmp_path)
    profiles.keep(made())
    path = tmp_path / "profiles.json"
    held = json.loads(path.read_text())
    held["profiles"] = [{"device": "x"}, 7, *held["profiles"]]
    path.write_text(json.dumps(held))
    assert profiles.all() == (made(),)
    assert len(profiles.problems) == 2
    assert profiles.problems[0].startswith(f"{path}: profile 1 is skipped: model: ")
    profiles.keep(made(batch=2))
    assert [p.batch for p in profiles.all()] == [2]
    assert profiles.problems == ()


def test_a_file_of_something_else_is_told(tmp_path: Path) -> None:
    path = tmp_path / "profiles.json"
    profiles = Profiles(tmp_path)
    path.write_text("{")
    assert profiles.all() == ()
    assert profiles.problems[0].startswith(f"{path} cannot be read: ")
    path.write_text('{"version": 2}')
    assert profiles.all() == ()
    assert profiles.problems == (f"{path} is not a file of profiles of version 1.",)


def test_a_file_that_cannot_be_read_is_put_aside_rather_than_written_over(tmp_path: Path) -> None:
    path = tmp_path / "profiles.json"
    path.write_text('{"version": 2}')
    Profiles(tmp_path).keep(made())
    assert Profiles(tmp_path).all() == (made(),)
    assert (tmp_path / "profiles.unreadable").read_text() == '{"version": 2}'


@pytest.mark.parametrize("broken", [{"batch": 0}, {"batch": -2}, {"threads": 0}])
def test_a_row_that_no_engine_could_run_is_skipped(tmp_path: Path, broken: dict[str, int]) -> None:
    profiles = Profiles(tmp_path)
    profiles.keep(made())
    path = tmp_path / "profiles.json"
    held = json.loads(path.read_text())
    held["profiles"][0] |= broken
    path.write_text(json.dumps(held))
    assert profiles.all() == ()
    assert profiles.problems[0].endswith("must be 1 at least")


def test_only_the_user_can_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    Profiles(folder).keep(made())
    assert (folder / "profiles.json").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {p.name for p in folder.iterdir()} == {"profiles.json", "profiles.lock"}


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=Profiles(tmp_path).keep, args=(made(sequence_bin=bin_of(2**n)),)) for n in range(5, 13)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(p.sequence_bin for p in Profiles(tmp_path).all()) == [2**n for n in range(5, 13)]


def test_forgetting_by_name_by_weights_or_all(tmp_path: Path) -> None:
    profiles = Profiles(tmp_path)
    for name, model in (("local/a", "1"), ("local/b", "2"), ("local/c", "3"), ("local/d", "4")):
        profiles.keep(made(name=name, model=model))
    assert profiles.forget("local/a") == 1
    assert profiles.forget("2") == 1
    assert profiles.forget("nothing") == 0
    assert [p.name for p in profiles.all()] == ["local/c", "local/d"]
    assert profiles.forget() == 2
    assert profiles.all() == ()


def test_without_a_folder_nothing_is_kept() -> None:
    profiles = Profiles(None)
    profiles.keep(made())
    assert profiles.all() == ()
    assert profiles.find("abc", device="Test CPU") is None


@pytest.mark.parametrize(("tokens", "edge"), [(0, 32), (32, 32), (33, 64), (256, 256), (257, 512)])
def test_ranges_of_lengths_end_at_powers_of_two(tokens: int, edge: int) -> None:
    assert bin_of(tokens) == edge
