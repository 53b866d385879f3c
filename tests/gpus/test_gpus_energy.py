"""What each part of the energy went to: the parts add up exactly, and are those of the made-up fleet."""

from __future__ import annotations

import dataclasses
import math

import pytest
from fleets import fleets, sensors
from hypothesis import given, settings

from greenai.gpus import energy, synthetic
from greenai.gpus.energy import PER_J, UNSEEN, Rest, Slice, rests, slices, split
from greenai.gpus.summary import Summary, summed
from greenai.gpus.synthetic import Board, Job, Sensors, Spell
from greenai.gpus.values import GpuLook, GpusError, Round, Trace

HALF = [Spell(2, 6, 50.0)]


def found(*jobs: Job, boards: int = 1, seconds: float = 10, kinds: Sensors = synthetic.ALL) -> Summary:
    return summed(synthetic.trace([Board()] * boards, jobs, seconds=seconds, sensors=kinds))


# --- sums -----------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(made=fleets(), kinds=sensors())
def test_parts_add_up_to_the_total_exactly(made: tuple[list[Board], list[Job]], kinds: Sensors) -> None:
    trace = synthetic.trace(*made, seconds=20, sensors=kinds)
    told = summed(trace)
    total = told.total.energy_j
    assert sum(g.total.energy_j for g in told.gpus) == total
    for parts in (
        [told.idle, told.in_use, told.untold, *(p.dynamic for p in told.processes)],
        [told.idle, told.in_use, told.untold, *told.by_project.values()],
        [a for g in told.gpus for a in (g.idle, g.in_use, g.untold, g.dynamic)],
    ):
        assert sum(part.energy_j for part in parts) == total
        assert sum(part.energy_j for part in reversed(parts)) == total
        assert all(part.units >= 0 for part in parts)
    for one in [told.total, *(p.dynamic for p in told.processes), *told.by_project.values()]:
        assert one.low_j <= one.energy_j * (1 + 1e-9)
        assert one.high_j >= one.energy_j * (1 - 1e-9)


@settings(max_examples=40, deadline=None)
@given(made=fleets())
def test_the_total_is_that_of_the_fleet(made: tuple[list[Board], list[Job]]) -> None:
    by_counter = summed(synthetic.trace(*made, seconds=20))
    looks = by_counter.trace.rounds[-1].looks.values()
    assert by_counter.total.energy_j == pytest.approx(sum((look.counter_mj or 0) / 1e3 for look in looks), abs=1e-3)
    by_power = summed(synthetic.trace(*made, seconds=20, sensors=Sensors(counter=False)))
    assert by_power.total.low_j <= by_counter.total.energy_j * (1 + 1e-9)
    assert by_power.total.high_j >= by_counter.total.energy_j * (1 - 1e-9)


@pytest.mark.parametrize("weights", [[1.0], [1, 1, 1], [0, 0], [5, 0], [1e-9, 1e9], [math.inf, 1], [math.nan, 1], []])
@pytest.mark.parametrize("total", [0, 1, 7, 2**60 + 1])
def test_whole_numbers_are_parted_exactly(weights: list[float], total: int) -> None:
    parts = split(total, weights)
    assert sum(parts) == (total if weights else 0)
    assert all(part >= 0 for part in parts)
    assert split(7, [5, 0]) == [7, 0]
    assert split(100, [1, 3]) == [25, 75]


# --- who ------------------------------------------------------------------------------------


def test_one_process_is_told_from_the_power_at_rest() -> None:
    told = found(Job(pid=1, spells=HALF))
    (one,) = told.processes
    assert one.dynamic.energy_j == 4 * 0.5 * 500
    assert told.in_use.energy_j == 4 * 0.5 * 100
    assert told.idle.energy_j == 8 * 100
    assert told.idle_share == 800 / 2000
    assert told.gpus[0].rest == Rest(bare_w=None, context_w=100.0, least_w=100.0)
    assert (one.dynamic.low_j, one.dynamic.high_j) == (pytest.approx(950), pytest.approx(1050))  # the counter's 5%


def test_a_gpu_that_ran_for_a_part_of_the_time_was_idle_for_the_rest() -> None:
    told = found(Job(pid=1, spells=[Spell(2, 6, 20.0)]))
    assert (told.in_use.energy_j, told.idle.energy_j) == (4 * 20, 4 * 80 + 6 * 100)
    assert told.idle.energy_j + told.in_use.energy_j + told.dynamic.energy_j == told.total.energy_j


def test_shares_are_those_of_the_time_in_which_kernels_ran() -> None:
    told = found(Job(pid=1, spells=[Spell(2, 6, 45.0)]), Job(pid=2, memory_gib=40, spells=[Spell(2, 6, 15.0)]))
    assert {p.pid: p.dynamic.energy_j for p in told.processes} == {1: 900, 2: 300}
    assert not any(p.guessed for p in told.processes)


def test_without_these_shares_are_guessed_by_memory_and_the_interval_says_so() -> None:
    jobs = (Job(pid=1, memory_gib=10, spells=[Spell(2, 6, 45.0)]), Job(pid=2, memory_gib=30, begin_s=4))
    told = found(*jobs, kinds=Sensors(by_process=False))
    shares = {p.pid: p.dynamic for p in told.processes}
    assert {p.pid: p.guessed for p in told.processes} == {1: True, 2: True}
    assert {pid: a.energy_j for pid, a in shares.items()} == {1: 450 + 112.5, 2: 337.5}
    assert (shares[1].low_j, shares[1].high_j) == (pytest.approx(450 * 0.95), pytest.approx(900 * 1.05))
    assert (shares[2].low_j, shares[2].high_j) == (0, pytest.approx(450 * 1.05))


def test_without_memory_they_share_alike() -> None:
    jobs = (Job(pid=1, memory_gib=10, spells=HALF), Job(pid=2, memory_gib=30))
    told = found(*jobs, kinds=Sensors(by_process=False, memory=False))
    assert {p.pid: p.dynamic.energy_j for p in told.processes} == {1: 500, 2: 500}


def test_work_of_which_no_process_is_shown() -> None:
    made = synthetic.trace([Board()], [Job(pid=1, spells=HALF)], seconds=10)
    hidden = [
        Round(at_s=r.at_s, looks={i: dataclasses.replace(look, processes=()) for i, look in r.looks.items()})
        for r in made.rounds
    ]
    told = summed(dataclasses.replace(made, rounds=hidden))
    assert [(p.pid, p.dynamic.energy_j) for p in told.processes] == [(UNSEEN, 1000)]
    assert "Some work belongs to no process that NVML shows here: other users' or another container's." in told.notes


# --- what is not known ----------------------------------------------------------------------


def test_a_gpu_that_never_rests_has_no_power_at_rest() -> None:
    told = found(Job(pid=1, spells=[Spell(0, 10, 50.0)]))
    assert told.gpus[0].rest == Rest(bare_w=None, context_w=None, least_w=350.0)
    assert (told.idle.units, told.in_use.units) == (0, 0)
    (one,) = told.processes
    assert one.dynamic.energy_j == 3500
    assert (one.dynamic.low_j, one.dynamic.high_j) == (0, pytest.approx(3675))
    assert told.notes[-1] == (
        "GPU 0: never seen at rest, so its power at rest is in what processes took. Watch for longer, or state it "
        "with --idle-watts."
    )
    stated = summed(told.trace, idle_w=100)
    assert (stated.idle.energy_j, stated.in_use.energy_j, stated.dynamic.energy_j) == (500, 500, 2500)


def test_utilisation_that_cannot_be_read_is_never_nothing() -> None:
    told = found(Job(pid=1, spells=HALF), kinds=Sensors(utilisation=False, by_process=False))
    assert told.gpus[0].busy is None
    assert (told.idle.units, told.in_use.units) == (0, 0)
    assert told.dynamic.energy_j == told.total.energy_j == 2000
    stated = summed(told.trace, idle_w=100)
    assert (stated.untold.energy_j, stated.dynamic.energy_j) == (1000, 1000)


def test_energy_that_cannot_be_read_is_in_no_figure() -> None:
    made = synthetic.trace([Board(), Board()], [Job(pid=1, spells=HALF)], seconds=10, sensors=Sensors(counter=False))
    rounds = list(made.rounds)
    rounds[3] = Round(at_s=3.0, looks=dict(rounds[3].looks) | {0: dataclasses.replace(rounds[3].looks[0], watts=None)})
    told = summed(dataclasses.replace(made, rounds=rounds))
    assert told.gpus[0].unread_s == 2
    assert told.gpus[0].total.energy_j == 80 + 100 + 2 * 350 + 225 + 3 * 100  # trapezoids, less those two
    assert "GPU 0: for 2 s neither its counter nor its power could be read; that time is in no figure." in told.notes
    with_none = [Round(at_s=r.at_s, looks={0: GpuLook(), 1: r.looks[1]}) for r in rounds]
    told = summed(dataclasses.replace(made, rounds=with_none))
    assert (told.gpus[0].total.units, told.gpus[0].busy, told.gpus[0].sources) == (0, None, ())


def test_a_counter_that_starts_anew_gives_way_to_power() -> None:
    made = synthetic.trace([Board()], [], seconds=4)
    rounds = list(made.rounds)
    rounds[2] = Round(at_s=2.0, looks={0: dataclasses.replace(rounds[2].looks[0], counter_mj=5)})
    steps = list(slices(dataclasses.replace(made, rounds=rounds), rests(made)))
    assert [s.source for s in steps] == ["counter", "power", "counter", "counter"]
    assert steps[1].total == 60 * PER_J


def test_power_is_integrated_and_its_interval_is_that_of_the_looks() -> None:
    rounds = [
        Round(at_s=float(n), looks={0: GpuLook(busy_percent=50.0, watts=w)}) for n, w in enumerate((100.0, 300.0))
    ]
    card = synthetic.trace([Board()], []).cards
    trace = Trace(began=0.0, every_s=1.0, cards=card, rounds=rounds)
    (one,) = slices(trace, {0: Rest()})
    assert (one.source, one.total) == ("power", 200 * PER_J)
    assert (one.low, one.high) == (pytest.approx(0.5 * 0.95), pytest.approx(1.5 * 1.05))


def test_one_look_is_too_few() -> None:
    made = synthetic.trace([Board()], [], seconds=2)
    with pytest.raises(GpusError) as caught:
        summed(dataclasses.replace(made, rounds=made.rounds[:1]))
    assert str(caught.value) == (
        "1 look at the GPUs tells of no energy: it takes two. Watch for longer, with --for 10s."
    )


def test_rest_is_told_apart_with_and_without_a_process() -> None:
    told = found(Job(pid=1, begin_s=4, spells=[Spell(6, 8, 50.0)]), seconds=10)
    assert told.gpus[0].rest == Rest(bare_w=60.0, context_w=100.0, least_w=60.0)
    assert Rest(bare_w=60.0).at(held=True) == 60.0
    assert Rest(context_w=100.0).at(held=False) == 100.0
    assert Rest().at(held=True) is None


def test_the_interval_of_a_share() -> None:
    one = Slice(
        gpu=0, begin_s=0, end_s=1, source="counter", total=10 * PER_J, low=0.9, high=1.1,
        shares={1: 4 * PER_J, 2: 6 * PER_J}, maybe_rest=5 * PER_J,
    )  # fmt: skip
    assert one.range_of(1) == (pytest.approx(4 * 0.5 * 0.9), pytest.approx(4 * 1.1))
    assert dataclasses.replace(one, guessed=True).range_of(2) == (0, pytest.approx(11))
    assert energy.Amount(PER_J * 3, 1.0, 4.0).to_dict() == {"energy_j": 3.0, "low_j": 1.0, "high_j": 4.0}
