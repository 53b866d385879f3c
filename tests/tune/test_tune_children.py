"""Which processes stay, on doubles that hold no memory, and how memory is read, on files that are made here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from greenai.tune.children import Children
from greenai.tune.memory import Forecast, available_bytes, dying_first, own_bytes


@dataclass
class Idle:
    """A child that is this process, and can be closed."""

    pid: int = os.getpid()
    closed: bool = False

    def close(self) -> None:
        self.closed = True


def held(count: int, most: int = 10) -> tuple[Children[int, Idle], list[Idle]]:
    children, made = Children[int, Idle](most=most), [Idle() for _ in range(count)]
    for number, child in enumerate(made):
        children.put(number, child)
    return children, made


def test_the_one_that_was_idle_for_longest_goes_first_where_there_are_many() -> None:
    children, made = held(3, most=3)
    assert children.get(0) is made[0]
    children.make_room(0.0)
    assert [child.closed for child in made] == [False, True, False]


def test_others_go_until_what_is_wanted_fits_but_never_the_one_that_works() -> None:
    children, made = held(3)
    children.make_room(1e18, but=1)
    assert [child.closed for child in made] == [True, False, True]
    assert children.end_others(1) is False


def test_core_time_of_those_that_ended_stays() -> None:
    children, made = held(2)
    before = children.core_s()
    assert before > 0
    assert children.end_others(0)
    assert made[1].closed
    assert children.core_s() >= before
    children.close()
    assert children.core_s() >= before
    assert children.get(0) is None


def test_what_ending_a_process_frees_is_its_own_memory() -> None:
    assert own_bytes(os.getpid()) > 1_000_000
    assert own_bytes(2**22 + 1) == 0


def test_a_batch_fits_where_what_the_bench_holds_makes_room_for_it() -> None:
    forecast = Forecast()
    free = available_bytes()
    assert free is not None
    forecast.add("x", 1, int(free * 0.5))
    forecast.add("x", 2, int(free * 0.75))
    assert forecast.refuses("x", 1) is None  # it ran
    why = forecast.refuses("x", 4)
    assert why is not None
    assert why.startswith("it would hold about ")
    assert forecast.refuses("x", 4, held_bytes=free) is None


def test_a_container_has_what_is_left_of_its_own(tmp_path: Path) -> None:
    whole = available_bytes(tmp_path)
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("3000\n")
    (tmp_path / "memory.stat").write_text("anon 100\ninactive_file 500\n")
    assert whole is not None
    assert available_bytes(tmp_path) == pytest.approx(whole, rel=0.2)
    (tmp_path / "memory.max").write_text("8000\n")
    assert available_bytes(tmp_path) == 5500


def test_children_are_the_first_to_go_and_this_process_is_not(tmp_path: Path) -> None:
    own = tmp_path / "oom_score_adj"
    own.write_text("7\n")
    with dying_first(own):
        assert own.read_text() == "1000"
    assert own.read_text() == "7\n"
    with dying_first(tmp_path / "gone" / "oom_score_adj"):
        pass
