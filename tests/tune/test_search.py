from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, replace

import pytest

from greenai.tune.search import Outcome, Plan, Progress, Search, distance, minima, rungs
from greenai.tune.space import Point, Sample, Setting, Space
from greenai.tune.synthetic import Device, device

SEEDS = 100


def searched(made: Device, seed: int, **changes: object) -> Outcome:
    return Search(space=made.space, bench=made, plan=Plan(seed=seed, **changes)).run()  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def outcomes() -> list[tuple[Device, Outcome]]:
    made = [device(seed) for seed in range(SEEDS)]
    return [(one, searched(one, seed)) for seed, one in enumerate(made)]


def test_the_best_point_is_found_within_3_percent_in_95_of_100_made_up_devices(
    outcomes: list[tuple[Device, Outcome]],
) -> None:
    found = [
        made.energy_j(o.chosen) <= 1.03 * made.energy_j(made.best()) and made.allows(o.chosen, 1.02)
        for made, o in outcomes
    ]
    assert sum(found) >= 0.95 * SEEDS


def test_it_takes_a_third_of_the_grids_measurements_at_most(outcomes: list[tuple[Device, Outcome]]) -> None:
    assert all(o.measurements == made.measured <= made.space.size() / 3 for made, o in outcomes)


def test_the_devices_have_what_makes_it_hard() -> None:
    made = [device(seed) for seed in range(SEEDS)]
    best = [one.best() for one in made]
    assert len({point.setting.precision for point in best}) == 3  # which precision is best differs
    assert sum(one.space.most_p95_s is not None for one in made) > SEEDS / 4
    assert sum(bool(one.rejected) for one in made) > SEEDS / 20
    edges = [any(not one.allows(p) for p in one.points() if p.setting.precision not in one.rejected) for one in made]
    assert sum(edges) > SEEDS / 2
    powers = sum(point.batch & (point.batch - 1) == 0 for point in best)
    assert powers < SEEDS / 2  # most of the best batches are no powers of two
    one_more = [
        one.energy_j(Point(setting=p.setting, batch=p.batch + 1)) / one.energy_j(p)
        for one, p in zip(made, best, strict=True)
    ]
    assert sum(step > 1.05 for step in one_more) > SEEDS / 3  # and one more is often a cliff


# --- a bench that is told what to say ---------------------------------------------------------


@dataclass
class Flat:
    """Energy by batch, without noise. `edge` is the first batch that does not fit."""

    energies: dict[int, float]
    edge: int = 10_000
    p95_s: float = 1.0
    rejected: str = ""
    asked: list[Point] = field(default_factory=list)

    def measure(self, point: Point, *, short: bool) -> Sample:
        del short
        self.asked.append(point)
        if point.setting.precision == self.rejected:
            return Sample(status="rejected", why="broken")
        if point.batch >= self.edge:
            return Sample(status="out_of_memory")
        energy_j = self.energies.get(point.batch, 1.0) * (0.5 if point.setting.precision == "fast" else 1.0)
        return Sample(energy_j_per_token=energy_j, p95_s=self.p95_s * point.batch, spent_j=2.0, took_s=3.0)


SLOW = Setting(precision="slow")


def space(**changes: object) -> Space:
    given = {"default": Point(setting=SLOW, batch=4), "precisions": ("slow",), "most_batch": 32, **changes}
    return Space(**given)  # type: ignore[arg-type]


def test_where_nothing_is_better_the_answer_is_to_leave_it_as_it_is() -> None:
    outcome = Search(space=space(), bench=Flat({}), plan=Plan(most=60)).run()
    assert outcome.leave_it
    assert outcome.chosen == Point(setting=SLOW, batch=4)


def test_what_runs_without_tuning_may_be_larger_than_what_is_looked_at() -> None:
    outcome = Search(space=space(most_batch=2), bench=Flat({1: 2.0, 2: 1.9, 4: 1.0}), plan=Plan(most=60)).run()
    assert outcome.leave_it
    assert {point.batch for point in outcome.cells.of} == {1, 2, 4}


def test_a_gain_that_is_not_clear_is_left_alone() -> None:
    noisy = device(3)
    only = Space(
        default=noisy.space.default, precisions=("float32",), attentions=("sdpa",), caches=("dynamic",), most_batch=1
    )
    outcome = Search(space=only, bench=noisy, plan=Plan(most=40)).run()
    assert outcome.leave_it


def test_the_smallest_of_a_cliffs_two_sides_is_found_and_its_neighbours_were_measured() -> None:
    energies = {b: 1 / min(b, 13) + (0.2 if b > 13 else 0.0) for b in range(1, 33)}
    bench = Flat(energies)
    outcome = Search(space=space(), bench=bench, plan=Plan(most=200)).run()
    assert outcome.chosen.batch == 13
    assert {12, 13, 14} <= {point.batch for point in bench.asked}
    assert outcome.ratio is not None
    assert outcome.ratio.high < 1


def test_no_point_beyond_memorys_edge_is_asked_for_twice() -> None:
    bench = Flat({b: 1 / b for b in range(1, 33)}, edge=23)
    outcome = Search(space=space(), bench=bench, plan=Plan(most=200)).run()
    beyond = [point.batch for point in bench.asked if point.batch >= 23]
    assert outcome.chosen.batch == 22
    assert sorted(set(beyond)) == sorted(beyond)
    assert beyond == sorted(beyond, reverse=True)  # each tighter than the one before


def test_the_latency_bound_holds_for_what_is_chosen() -> None:
    bench = Flat({b: 1 / b for b in range(1, 33)})
    outcome = Search(space=space(most_p95_s=10.5), bench=bench, plan=Plan(most=200)).run()
    assert outcome.chosen.batch == 10


def test_a_default_over_the_bound_cannot_win() -> None:
    bench = Flat({b: 1 / b for b in range(1, 33)})
    outcome = Search(space=space(most_p95_s=2.5), bench=bench, plan=Plan(most=200)).run()
    assert outcome.chosen.batch == 2  # although it takes more energy than the default's 4


def test_what_the_guard_rejects_is_never_chosen_and_asked_for_once() -> None:
    bench = Flat({}, rejected="fast")
    outcome = Search(space=space(precisions=("slow", "fast")), bench=bench, plan=Plan(most=100)).run()
    assert outcome.chosen.setting.precision == "slow"
    assert sum(point.setting.precision == "fast" for point in bench.asked) == 1


def test_the_better_precision_is_found() -> None:
    outcome = Search(space=space(precisions=("slow", "fast")), bench=Flat({}), plan=Plan(most=100)).run()
    assert outcome.chosen.setting.precision == "fast"


def test_a_budget_in_measurements_and_in_joules_is_kept() -> None:
    falling = {b: 1 / b for b in range(1, 33)}
    few = Search(space=space(), bench=Flat(falling), plan=Plan(most=17)).run()
    assert few.measurements == 17
    assert few.ended == "the budget of 17 measurements allows no more"
    poor = Search(space=space(), bench=Flat(falling), plan=Plan(most=100, budget_j=37.0)).run()
    assert poor.spent_j == 36.0  # one more would take it over
    assert poor.ended == "the budget of 10 mWh allows no more"


def test_what_failed_counts_towards_the_budget() -> None:
    class Failing(Flat):
        def measure(self, point: Point, *, short: bool) -> Sample:
            sample = super().measure(point, short=short)
            return sample if sample.status == "ok" else replace(sample, took_s=30.0)

    wide = space(precisions=("slow", "fast"), attentions=("", "a"), caches=("", "b"))
    outcome = Search(space=wide, bench=Failing({}, rejected="fast"), plan=Plan(most=60)).run()
    failed = sum(cell.status == "rejected" for cell in outcome.cells.of.values())
    assert failed == 4
    assert outcome.spent_j == pytest.approx(
        2.0 * (outcome.measurements - failed) + 20.0 * failed
    )  # ten times as long, as much power


def test_a_budget_in_joules_leaves_room_for_the_verdict() -> None:
    outcome = Search(
        space=space(), bench=Flat({b: 1 / b for b in range(1, 33)}), plan=Plan(most=1000, budget_j=60.0)
    ).run()
    assert outcome.spent_j == 60.0
    assert outcome.pairs >= 4
    assert not outcome.leave_it


def test_repeats_are_made_even_where_the_settings_alone_would_take_the_budget() -> None:
    wide = space(precisions=("slow", "fast"), attentions=tuple("abcd"), caches=tuple("efgh"))
    default = Point(setting=Setting(precision="slow", attention="a", cache="e"), batch=4)
    wide = Space(default=default, precisions=wide.precisions, attentions=wide.attentions, caches=wide.caches)
    outcome = Search(space=wide, bench=Flat({}), plan=Plan(most=60)).run()
    assert not outcome.leave_it
    assert len(outcome.cells.of[outcome.chosen].logs) >= 4
    assert outcome.cells.of[default].rounds


def test_progress_tells_the_time_that_is_left() -> None:
    told: list[Progress] = []
    falling = Flat({b: 1 / b for b in range(1, 33)})
    Search(space=space(), bench=falling, plan=Plan(most=20), told=told.append).run()
    assert [p.done for p in told] == list(range(20))
    assert told[0].left_s == 0.0  # not known yet
    assert told[10].left_s == 30.0
    assert {p.stage for p in told} <= {"ladder", "halving", "finals", "verdict"}


@pytest.mark.parametrize(("most", "expected"), [(1, [1]), (4, [1, 4]), (20, [1, 4, 16, 20]), (64, [1, 4, 16, 64])])
def test_the_ladder_ends_at_the_largest_batch(most: int, expected: list[int]) -> None:
    assert rungs(most, 4) == expected


def test_minima_are_below_both_neighbours() -> None:
    search = Search(space=space(), bench=Flat({1: 5.0, 4: 2.0, 8: 3.0, 16: 1.0, 32: 4.0}))
    for batch in (1, 4, 8, 16, 32):
        search._measure(Point(setting=SLOW, batch=batch))
    assert minima(search.cells.row(SLOW)) == [16, 4]


def test_settings_differ_by_axes() -> None:
    assert distance(SLOW, Setting(precision="fast", threads=2)) == 2


def test_the_verdict_rests_on_readings_made_after_the_choice() -> None:
    outcome = Search(space=space(), bench=Flat({b: 1 / b for b in range(1, 33)}), plan=Plan(most=200)).run()
    assert outcome.best is not None
    assert set(outcome.fresh) == {outcome.best, outcome.default}
    assert [len(cell.logs) for cell in outcome.fresh.values()] == [8, 8]  # clear after the first look


class Even(Flat):
    """A bench on which every batch takes the same, but for noise."""

    def __init__(self, seed: int, noise: float) -> None:
        super().__init__({})
        self.random, self.noise = random.Random(seed), noise

    def measure(self, point: Point, *, short: bool) -> Sample:
        sample = super().measure(point, short=short)
        return replace(sample, energy_j_per_token=math.exp(self.random.gauss(0.0, self.noise)))


@pytest.mark.parametrize(("most", "noise"), [(80, 0.08), (12, 0.3), (16, 0.3)])
def test_equal_points_are_left_alone_nearly_always(most: int, noise: float) -> None:
    outcomes = [
        Search(space=space(), bench=Even(seed, noise), plan=Plan(most=most, seed=seed)).run() for seed in range(200)
    ]
    assert sum(not outcome.leave_it for outcome in outcomes) <= 10  # two looks that miss in 2.5% together


def test_too_few_pairs_say_nothing() -> None:
    outcome = Search(space=space(), bench=Flat({b: 1 / b for b in range(1, 33)}), plan=Plan(most=13)).run()
    assert outcome.best == Point(setting=SLOW, batch=16)
    assert (outcome.pairs, outcome.ratio, outcome.leave_it) == (3, None, True)


def test_a_point_that_runs_out_of_memory_when_it_is_looked_at_again_is_not_chosen() -> None:
    class Failing(Flat):
        def measure(self, point: Point, *, short: bool) -> Sample:
            sample = super().measure(point, short=short)
            seen = search.fresh.get(point)
            fails = point.batch == 13 and seen is not None and len(seen.logs) == 6
            return Sample(status="out_of_memory") if fails else sample

    search = Search(space=space(), bench=Failing(dict.fromkeys((13,), 0.5)), plan=Plan(most=200))
    outcome = search.run()
    assert outcome.pairs == 6  # enough to be clear
    assert outcome.leave_it
