"""The same work on fewer GPUs: within the bounds, never more than was seen, and the same on as many as there are."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from fleets import SECONDS, fleets, sensors
from hypothesis import given, settings

from greenai.gpus import packing, synthetic
from greenai.gpus.energy import Rest, rests, slices
from greenai.gpus.packing import Bounds, Fewer, Group, Load
from greenai.gpus.synthetic import Board, Job, Sensors, Spell
from greenai.gpus.values import GpuProcess, Trace

GIB = 1 << 30
HALF = [Spell(2, 6, 50.0)]


def grouped(trace: Trace, bounds: Bounds | None = None) -> tuple[Group, ...]:
    rest = rests(trace)
    return packing.groups(trace, list(slices(trace, rest)), rest, bounds)


def of(boards: int, *jobs: Job, bounds: Bounds | None = None, kinds: Sensors = synthetic.ALL) -> Group:
    (group,) = grouped(synthetic.trace([Board()] * boards, jobs, seconds=10, sensors=kinds), bounds)
    return group


# --- properties -----------------------------------------------------------------------------


def filled(trace: Trace, group: Group, one: Fewer) -> dict[int, list[Load]]:
    """Return the loads on each GPU after the moves."""
    moved = {(pid, m.source): m.target for m in one.moves for pid in m.pids}
    found: dict[int, list[Load]] = {}
    for gpu in group.gpus:
        if gpu in group.left_out:
            continue
        for load in packing.loads(trace, gpu):
            assert isinstance(load, Load)
            found.setdefault(moved.get((load.pids[0], gpu), gpu), []).append(load)
    return found


@settings(max_examples=80, deadline=None)
@given(made=fleets(), kinds=sensors())
def test_bounds_hold_and_fewer_never_take_more(made: tuple[list[Board], list[Job]], kinds: Sensors) -> None:
    trace = synthetic.trace(*made, seconds=SECONDS, sensors=kinds)
    bounds = Bounds(busy_percent=90, memory_percent=95)
    groups = grouped(trace, bounds)
    assert sorted(index for group in groups for index in group.gpus) == list(range(len(trace.cards)))
    for group in groups:
        usable = len(group.gpus) - len(group.left_out)
        assert [one.gpus for one in group.fewer] == list(range(usable, 0, -1))
        if not group.fewer:
            continue
        seen = group.fewer[0]
        assert (seen.moves, seen.released, seen.fits) == ((), (), True)
        assert seen.low_j == seen.high_j
        if not group.left_out:
            assert seen.low_j == group.energy.energy_j
        fits = [one.fits for one in group.fewer]
        assert fits == sorted(fits, reverse=True)
        known = [one for one in group.fewer if one.fits]
        for more, less in itertools.pairwise(known):
            assert less.low_j <= more.low_j + 1e-6  # type: ignore[operator]
            assert less.high_j <= more.high_j + 1e-6  # type: ignore[operator]
        for one in known:
            assert 0 <= one.low_j <= one.high_j + 1e-6  # type: ignore[operator]
            _check_bounds(trace, group, one, bounds)


def _check_bounds(trace: Trace, group: Group, one: Fewer, bounds: Bounds) -> None:
    found, seen = filled(trace, group, one), filled(trace, group, group.fewer[0])
    assert not set(found) & set(one.released)
    assert sum(map(len, found.values())) == sum(map(len, seen.values()))
    memory_bytes = group.memory_bytes or 0
    for gpu, put in found.items():
        pids = [pid for load in put for pid in load.pids]
        assert len(pids) == len(set(pids))
        home = [load for load in put if load.gpu == gpu]
        if len(put) == len(home):
            continue  # as it was seen
        for what, most in (("busy", bounds.busy_percent), ("memory", memory_bytes * bounds.memory_percent / 100)):
            all_ = sum(getattr(load, what) for load in put)
            stayed = sum((getattr(load, what) for load in home), np.zeros(len(all_)))
            alone = np.maximum.reduce([getattr(load, what) for load in put])
            assert (all_ <= np.maximum(np.maximum(most, stayed), alone) + 1e-9).all()


@settings(max_examples=30, deadline=None)
@given(made=fleets(kinds=1))
def test_an_idle_fleet_needs_one(made: tuple[list[Board], list[Job]]) -> None:
    boards, _ = made
    (group,) = grouped(synthetic.trace(boards, [], seconds=SECONDS))
    assert group.least == 1
    last = group.fewer[-1]
    assert last.low_j == pytest.approx(boards[0].bare_w * SECONDS)
    assert last.high_j == pytest.approx(boards[0].bare_w * SECONDS * len(boards))


# --- what fits ------------------------------------------------------------------------------


def test_work_at_different_times_fits_on_one() -> None:
    group = of(2, Job(pid=1, spells=HALF), Job(pid=2, gpus=(1,), spells=[Spell(6, 9, 80.0)], begin_s=5))
    one = group.fewer[1]
    assert (one.fits, one.released) == (True, (0,))
    assert [(m.pids, m.source, m.target) for m in one.moves] == [((1,), 0, 1)]
    # Seen: 10 s with a process at 100 W, 5 s so and 5 s at 60 W, and the work. Together: 10 s at 100 W on one GPU.
    work = 4 * 0.5 * 500 + 3 * 0.8 * 500
    assert group.fewer[0].low_j == pytest.approx(10 * 100 + 5 * 100 + 5 * 60 + work)
    assert one.low_j == pytest.approx(10 * 100 + work)
    assert one.high_j == pytest.approx(10 * 100 + 10 * 60 + work)


@pytest.mark.parametrize(
    ("jobs", "why"),
    [
        (
            (Job(pid=1, spells=HALF), Job(pid=2, gpus=(1,), spells=[Spell(5, 6, 45.0)])),
            "process 2 of GPU 1: utilisation would be 95%, above 90%",
        ),
        (
            (Job(pid=1, memory_gib=40), Job(pid=2, gpus=(1,), memory_gib=39)),
            "process 2 of GPU 1: 84.8 GB of memory would be needed, above 95% of the 85.9 GB of one",
        ),
        ((Job(pid=1, gpus=(0, 1)),), "process 1 of GPU 1: it runs on several GPUs at once"),
    ],
)
def test_what_does_not_fit_is_said(jobs: tuple[Job, ...], why: str) -> None:
    group = of(2, *jobs)
    assert (group.least, group.fewer[1].fits, group.fewer[1].why) == (2, False, why)
    assert (group.fewer[1].low_j, group.fewer[1].high_j) == (None, None)
    assert group.to_dict()["on_fewer"][1]["why_not"] == why


def test_the_bounds_may_be_stated() -> None:
    jobs = (Job(pid=1, spells=HALF), Job(pid=2, gpus=(1,), spells=[Spell(5, 6, 45.0)]))
    assert of(2, *jobs, bounds=Bounds(busy_percent=95)).least == 1
    jobs = (Job(pid=1, memory_gib=40), Job(pid=2, gpus=(1,), memory_gib=39))
    assert of(2, *jobs, bounds=Bounds(memory_percent=100)).least == 1


def test_a_process_alone_may_do_what_it_did() -> None:
    full = Job(pid=1, spells=[Spell(0, 10, 100.0)], memory_gib=79)
    group = of(3, full)
    assert group.least == 1
    assert group.fewer[-1].moves == ()


def test_models_of_gpu_are_never_taken_for_each_other() -> None:
    boards = [Board(), Board(name="Other"), Board(memory_gib=40)]
    groups = grouped(synthetic.trace(boards, [], seconds=5))
    assert [(g.name, g.gpus, g.least, len(g.fewer)) for g in groups] == [
        ("Made-up GPU", (0,), 1, 1),
        ("Other", (1,), 1, 1),
        ("Made-up GPU", (2,), 1, 1),
    ]


def test_what_would_keep_more_gpus_awake_than_before_is_no_saving() -> None:
    jobs = (
        Job(pid=1, memory_gib=30, spells=[Spell(0, 5, 40.0)]),
        Job(pid=2, memory_gib=30),
        Job(pid=3, gpus=(1,), memory_gib=40, end_s=5, spells=[Spell(0, 5, 20.0)]),
        Job(pid=4, gpus=(2,), memory_gib=40, begin_s=4, end_s=6, spells=[Spell(4, 5, 10.0)]),
    )
    # 1 and 2 share GPU 0 for 10 s. Put anew on two GPUs they would keep both awake all the time.
    group = of(3, *jobs)
    assert group.least == 3
    assert group.fewer[1].why == (
        "process 4 of GPU 2: 85.9 GB of memory would be needed, above 95% of the 85.9 GB of one"
    )
    longer = dataclasses.replace(jobs[2], end_s=10)
    assert of(3, *jobs[:2], longer, jobs[3]).least == 2  # both are awake all the time already


def test_loads_show_at_least_the_utilisation_of_the_whole_gpu() -> None:
    made = synthetic.trace([Board()], [Job(pid=1, spells=HALF), Job(pid=2, spells=[Spell(2, 6, 25.0)])], seconds=10)
    rounds = [
        dataclasses.replace(
            r, looks={0: dataclasses.replace(look, busy_percent=min((look.busy_percent or 0) * 1.2, 100))}
        )
        for r in made.rounds
        for look in r.looks.values()
    ]
    first, second = packing.loads(dataclasses.replace(made, rounds=rounds), 0)
    assert isinstance(first, Load)
    assert isinstance(second, Load)
    assert (first.busy.max(), second.busy.max()) == (pytest.approx(60), pytest.approx(30))


# --- what is not known ----------------------------------------------------------------------


def test_processes_that_cannot_be_told_apart_stay_together() -> None:
    jobs = (
        Job(pid=1, memory_gib=20, spells=HALF),
        Job(pid=2, memory_gib=20),
        Job(pid=3, gpus=(1,), memory_gib=30, spells=[Spell(2, 6, 60.0)]),
    )
    group = of(2, *jobs, kinds=Sensors(by_process=False))
    assert group.fewer[1].why == "processes 1, 2 of GPU 0: utilisation would be 110%, above 90%"
    apart = of(3, *jobs, kinds=Sensors(by_process=False))
    assert apart.least == 2


def test_a_gpu_of_which_nothing_can_be_told_is_left_out() -> None:
    group = of(2, Job(pid=1, spells=HALF), kinds=Sensors(utilisation=False))
    assert group.fewer == ()
    assert group.left_out == dict.fromkeys((0, 1), "its utilisation was not known at all times")
    made = synthetic.trace([Board()] * 2, [], seconds=5)
    cards = (dataclasses.replace(made.cards[0], divided=True), made.cards[1])
    (group,) = grouped(dataclasses.replace(made, cards=cards))
    assert group.left_out == {0: "multi-instance GPU is on"}
    assert [one.gpus for one in group.fewer] == [1]


def test_hidden_work_is_moved_too() -> None:
    made = synthetic.trace([Board()] * 2, [Job(pid=1, spells=HALF), Job(pid=2, gpus=(1,), spells=HALF)], seconds=10)
    hidden = [
        dataclasses.replace(r, looks={i: dataclasses.replace(look, processes=()) for i, look in r.looks.items()})
        for r in made.rounds
    ]
    (group,) = grouped(dataclasses.replace(made, rounds=hidden))
    assert group.fewer[1].why == ("work on GPU 1 of which no process is shown: utilisation would be 100%, above 90%")


def test_who_works_without_memory_of_its_own_is_not_moved_alone() -> None:
    made = synthetic.trace([Board()], [Job(pid=1, spells=HALF)], seconds=10)
    display = GpuProcess(pid=900, sm_percent=5.0, held=False)
    rounds = [
        dataclasses.replace(r, looks={0: dataclasses.replace(look, processes=(*(look.processes or ()), display))})
        for r in made.rounds
        for look in r.looks.values()
    ]
    (load,) = packing.loads(dataclasses.replace(made, rounds=rounds), 0)
    assert isinstance(load, Load)
    assert load.pids == (1, 900)
    assert load.memory.max() == 10 * GIB


def test_between_two_looks_a_process_holds_the_more_of_both() -> None:
    made = synthetic.trace([Board()], [Job(pid=1, memory_gib=7, begin_s=3, end_s=6)], seconds=10)
    (load,) = packing.loads(made, 0)
    assert isinstance(load, Load)
    assert [int(count) // GIB for count in load.memory] == [0, 0, 0, 7, 7, 7, 7, 0, 0, 0]


@pytest.mark.parametrize(
    ("rest", "saved"),
    [
        ([Rest(bare_w=60, context_w=100)], (40 * 7, 40 * 7 + 60 * 10)),
        ([Rest(bare_w=60)], (0, 600)),
        ([Rest(context_w=100, bare_w=None)], (26 * 7, 26 * 7 + 74 * 10)),
        ([Rest(bare_w=None, context_w=None, least_w=80)], (0, 800)),
        ([Rest()], (0, 0)),
        ([Rest(bare_w=100, context_w=60)], (0, 1000)),
    ],
)
def test_what_is_saved_of_what_is_known_at_rest(rest: list[Rest], saved: tuple[float, float]) -> None:
    watts = packing._Watts.of(rest)
    assert watts.saved(7.0, 10.0) == pytest.approx(saved)
