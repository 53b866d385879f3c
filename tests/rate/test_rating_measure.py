"""Measuring: runs until they agree, windows that are kept at once, a GPU's counter as the public method counts it."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from gpus import Clock, FakeNvml

from greenai import meters
from greenai.errors import EngineError
from greenai.meters import nvml
from greenai.rate.estimate import Run, Sample, enough, estimate
from greenai.rate.journal import Journal, JournalError, Part
from greenai.rate.measure import Plan, Progress, measured
from greenai.rate.prompts import Prompt, prompts
from greenai.rate.target import Answer
from greenai.readings import Reading


@dataclass
class Answering:
    """A target that counts what it is asked."""

    asked: list[int] = field(default_factory=list)
    fails_at: int | None = None
    then: Callable[[], object] = lambda: None

    @property
    def pid(self) -> int:
        return os.getpid()

    def ready(self, prompts: Sequence[Prompt]) -> None:
        pass

    def ask(self, prompt: Prompt) -> Answer:
        if len(self.asked) == self.fails_at:
            raise KeyboardInterrupt
        self.asked.append(prompt.number)
        self.then()
        return Answer(prompt.tokens, 10)

    def close(self) -> None:
        pass


@dataclass
class Scripted:
    """Readings in turn, the last one for ever."""

    joules: list[float]

    def __call__(self, pid: int, **_: Any) -> Any:
        energy_j = self.joules.pop(0) if len(self.joules) > 1 else self.joules[0]
        reading = Reading(
            energy_j=energy_j, low_j=energy_j / 2, high_j=energy_j * 2, gpu_energy_j=0.0,
            evidence="modelled_known_deployment", method="scripted",
        )  # fmt: skip

        class Window:
            def stop(self, tokens: float | None = None) -> Reading:
                return reading

        return Window()


def run_of(energy_j: float, requests: int = 1) -> Run:
    return Run(
        requests=requests,
        energy_j=energy_j,
        low_j=energy_j,
        high_j=energy_j,
        prompt_tokens=1,
        output_tokens=1,
        took_s=1,
    )


def journal(tmp_path: Path, **head: Any) -> Journal:
    return Journal(path=tmp_path / "unfinished" / "j.jsonl", head=head)


def test_runs_that_agree_end_at_three_and_others_at_ten() -> None:
    equal, apart = [run_of(3.6) for _ in range(10)], [run_of(3.6 * (1 + n % 2)) for n in range(10)]
    assert [enough(equal[:n], None) for n in (1, 2, 3)] == [False, False, True]
    assert [enough(apart[:n], None) for n in (3, 9, 10)] == [False, False, True]
    assert [enough(apart[:n], 2) for n in (1, 2)] == [False, True]


def test_runs_end_where_the_meter_leaves_more_open_than_they_do() -> None:
    """Three runs of 1, 1.1 and 1.2 Wh: half their interval is 15%."""
    runs = [run_of(3.6), run_of(3.96), run_of(4.32)]

    def read_within(part: float) -> list[Run]:
        ends = [(run.energy_j * (1 - part), run.energy_j * (1 + part)) for run in runs]
        return [Run(**{**r_dict(r), "low_j": low, "high_j": high}) for r, (low, high) in zip(runs, ends, strict=True)]

    assert [enough(read_within(part), None) for part in (0.0, 0.5, 0.7)] == [False, False, True]


def test_the_interval_is_students_of_the_runs_widened_by_the_meter() -> None:
    runs = [run_of(3.6), run_of(7.2), run_of(10.8)]
    found = estimate(runs)
    half = 2.920 * 1.0 / 3**0.5  # t at two degrees of freedom; the sample's deviation is 1 Wh
    assert (found.value, found.repeats) == (pytest.approx(2.0), pytest.approx(half))
    assert (found.low, found.high) == (pytest.approx(2.0 - half), pytest.approx(2.0 + half))
    wide = [Run(**{**r_dict(run), "low_j": run.energy_j / 2, "high_j": run.energy_j * 3}) for run in runs]
    assert estimate(wide).high == pytest.approx((2.0 + half) * 3)
    assert estimate(wide).low == pytest.approx((2.0 - half) / 2)


def r_dict(run: Run) -> dict[str, Any]:
    return {name: getattr(run, name) for name in Run.__dataclass_fields__}


def test_one_run_has_no_interval() -> None:
    found = estimate([run_of(3.6)])
    assert (found.value, found.low, found.high, found.repeats) == (1.0, None, None, None)


def test_every_run_asks_every_prompt_once_after_a_warm_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meters, "window", Scripted([3.6]))
    target, seen, held = Answering(), list[Progress](), journal(tmp_path)
    held.begin(resume=False)
    runs = measured(target, Plan(prompts=prompts(5), window_s=0.0), held, seen.append)
    assert target.asked == [0, *([0, 1, 2, 3, 4] * 3)]
    assert [run.requests for run in runs] == [5, 5, 5]
    assert estimate(runs).value == pytest.approx(1.0)
    assert (seen[-1].run, seen[-1].done, seen[-1].expected) == (3, 15, 50)


def test_a_batch_asks_each_prompt_once_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meters, "window", Scripted([3.6]))
    target, held = Answering(), journal(tmp_path)
    held.begin(resume=False)
    runs = measured(target, Plan(prompts=prompts(30), batch=4, runs=1, window_s=0.0), held)
    assert sorted(target.asked[4:]) == list(range(30))
    assert runs[0].output_tokens == 300


def test_a_stopped_rating_goes_on_where_it_was_and_repeats_no_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meters, "window", Scripted([3.6]))
    plan, first = Plan(prompts=prompts(4), runs=2, window_s=0.0), journal(tmp_path, model="m")
    first.begin(resume=False)
    with pytest.raises(KeyboardInterrupt):
        measured(Answering(fails_at=1 + 6), plan, first)
    first.close()
    first.path.write_text(first.path.read_text() + '{"run": 1, "wo')  # as a crash in the middle of a line leaves it
    again, target = journal(tmp_path, model="m"), Answering()
    assert again.begin(resume=True) == 6
    runs = measured(target, plan, again)
    assert target.asked == [0, 2, 3]
    assert [run.requests for run in runs] == [4, 4]


def test_who_stops_a_batch_does_not_wait_for_the_rest_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meters, "window", Scripted([3.6]))
    target, held = Answering(fails_at=2, then=lambda: time.sleep(0.05)), journal(tmp_path)
    held.begin(resume=False)
    with pytest.raises(KeyboardInterrupt):
        measured(target, Plan(prompts=prompts(30), batch=2, runs=1, window_s=60.0), held)
    assert len(target.asked) < 2 + 4
    assert held.parts == []


def part(run: int = 0, energy_j: float = 3.6, **more: Any) -> Part:
    return Part(
        **{"run": run, "work": run_of(energy_j), "boundary": "cpu", "evidence": "measured", "method": "m", **more}
    )


def left(tmp_path: Path, *parts: Part, **head: Any) -> Path:
    """Leave a journal as a rating that was stopped does."""
    held = journal(tmp_path, **head)
    held.begin(resume=False)
    for one in parts:
        held.add(one)
    held.close()
    return held.path


def test_a_journal_of_another_rating_is_refused(tmp_path: Path) -> None:
    left(tmp_path, part(), model="m", batch=1)
    other = journal(tmp_path, model="n", batch=1)
    with pytest.raises(JournalError) as caught:
        other.begin(resume=True)
    assert str(caught.value) == (
        f"The journal {other.path} is of another rating: model differ. Give the same options, or leave out --resume to "
        "begin anew."
    )
    assert json.loads(other.path.read_text().splitlines()[0])["head"]["model"] == "m"


def test_a_journal_is_of_one_process_at_a_time_and_of_its_user(tmp_path: Path) -> None:
    first, second = journal(tmp_path), journal(tmp_path)
    first.begin(resume=False)
    first.add(part())
    with pytest.raises(JournalError) as caught:
        second.begin(resume=True)
    assert str(caught.value) == (
        f"Another process is at this rating now ({first.path}). Wait until it is done, or end it."
    )
    assert stat.S_IMODE(first.path.stat().st_mode) == 0o600
    first.close()
    assert second.begin(resume=True) == 1
    second.end()
    assert not list(first.path.parent.iterdir())


def test_what_was_measured_stays_until_another_rating_has_measured_something(tmp_path: Path) -> None:
    path = left(tmp_path, part(), part(1))
    new = journal(tmp_path)
    assert new.begin(resume=False) == 0
    assert len(path.read_text().splitlines()) == 3
    new.add(part())
    assert len(path.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    "line", ["{", "7", "{}", '{"run": 0, "work": 7}', '{"run": 0, "work": {"requests": 1}}', "NaN"]
)
def test_what_stands_behind_a_damaged_line_is_measured_again(line: str, tmp_path: Path) -> None:
    """Windows follow each other: without the second, the third is not of the prompts that it would be taken for."""
    path = left(tmp_path, part(), part(1), part(2))
    rows = path.read_text().splitlines()
    path.write_text("\n".join([*rows[:2], line, rows[3]]) + "\n")
    again = journal(tmp_path)
    assert again.begin(resume=True) == 1
    assert again.parts == [part()]


@pytest.mark.parametrize("energy_j", [0.0, -1.0, float("nan")])
def test_a_window_of_no_energy_is_damage_too(energy_j: float, tmp_path: Path) -> None:
    left(tmp_path, part(), part(1, energy_j))
    assert journal(tmp_path).begin(resume=True) == 1


@pytest.mark.parametrize(("runs", "done"), [((0, 0, 0), "[3]"), ((0, 1), "[1, 1]"), ((1, 1), "[2]")])
def test_a_journal_that_does_not_add_up_is_refused(runs: tuple[int, ...], done: str, tmp_path: Path) -> None:
    """Two prompts a run. Whoever counted on it would wait for a run to become whole for ever."""
    left(tmp_path, *(part(run) for run in runs))
    held = journal(tmp_path)
    held.begin(resume=True)
    with pytest.raises(JournalError) as caught:
        measured(Answering(), Plan(prompts=prompts(2)), held)
    assert str(caught.value) == (
        f"The journal {held.path} does not add up: its runs have {done} queries, of 2 each. Leave out --resume to begin "
        "anew."
    )


def test_a_server_is_kept_full_between_the_ends_of_a_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One slow answer of four holds nobody up: 25 others are answered meanwhile, in the same window."""
    monkeypatch.setattr(meters, "window", Scripted([3.6]))
    others, target = threading.Semaphore(0), Answering()

    def then() -> None:
        if threading.current_thread().name.endswith("_0") and len(target.asked) > 4:
            assert all(others.acquire(timeout=20) for _ in range(25))
        else:
            others.release()

    target.then = then
    held = journal(tmp_path)
    held.begin(resume=False)
    runs = measured(target, Plan(prompts=prompts(30), batch=4, runs=1, window_s=60.0), held)
    assert (runs[0].requests, len(held.parts)) == (30, 1)


def test_an_answer_that_was_cut_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meters, "window", Scripted([3.6]))
    for most, cut in ((10, 4), (11, 0)):
        held = journal(tmp_path / str(most))
        held.begin(resume=False)
        runs = measured(Answering(), Plan(prompts=prompts(4), runs=1, most_tokens=most), held)
        assert (runs[0].cut, runs[0].output_squares) == (cut, 400)


def test_the_interval_holds_what_other_prompts_may_take() -> None:
    """A tenth longer: all may take a tenth more. Answers of 5 and 15: the mean of ten is known to 29%."""
    longer, shorter = Sample(part=0.1, longer=1.1), Sample(part=0.1, longer=0.9)
    equal = [run_of(3.6)] * 3
    assert (estimate(equal, longer).low, estimate(equal, longer).high) == pytest.approx((1.0, 1.1))
    assert (estimate(equal, shorter).low, estimate(equal, shorter).high) == pytest.approx((0.9, 1.0))
    answers = {"requests": 10, "output_tokens": 100, "output_squares": 5 * (5**2 + 15**2), "energy_j": 36.0}
    spread = [Run(**{**r_dict(run_of(36.0)), **answers})] * 3
    half = 1.833 * (25 / 9 * 0.9) ** 0.5 / 10
    found = estimate(spread, Sample(part=0.1))
    assert (found.low, found.high) == (pytest.approx(1 - half), pytest.approx(1 + half))
    assert estimate(spread, Sample()).high == pytest.approx(1.0)


def test_what_a_gpu_took_unseen_is_not_taken_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meters, "window", Scripted([3.6]))
    monkeypatch.setattr(nvml, "named", lambda: ("A GPU", "580"))
    probe = {"usable": False, "why_not": "multi-instance GPU is on", "how": "measure with the mode off"}
    monkeypatch.setattr(nvml, "probe", lambda: probe)
    held = journal(tmp_path)
    held.begin(resume=False)
    with pytest.raises(EngineError) as caught:
        measured(Answering(), Plan(prompts=prompts(2)), held)
    assert str(caught.value) == (
        "This machine has a GPU, A GPU, whose energy cannot be measured: multi-instance GPU is on. The processor's alone "
        "would leave out what the GPU took. What helps: measure with the mode off."
    )
    monkeypatch.setattr(nvml, "probe", lambda: {"usable": True, "why_not": None, "how": None})
    assert len(measured(Answering(), Plan(prompts=prompts(2), runs=1), held)) == 1


def test_without_a_meter_nothing_is_rated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meters, "window", lambda _pid, **_: meters.NullWindow())
    held = journal(tmp_path)
    held.begin(resume=False)
    with pytest.raises(EngineError) as caught:
        measured(Answering(), Plan(prompts=prompts(2)), held)
    assert str(caught.value) == (
        "The energy of the model's process cannot be measured here, so nothing can be rated. greenai doctor says which "
        "meters there are and what they need."
    )


def test_a_gpus_counter_is_taken_whole_its_power_at_rest_included(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On NVML's double: 500 J a query, of which what the GPU takes at rest is subtracted by the meter alone."""
    fake, clock = FakeNvml([{os.getpid()}]), Clock()
    gpus = nvml.Machine(fake, clock)
    for gpu in gpus.all():
        gpu.account.idle_w, gpu.account.stated = 50.0, True

    def draw() -> None:
        clock.now_s += 1.0
        fake.energy_mj[0] = fake.energy_mj.get(0, 0) + 500_000

    monkeypatch.setattr(meters, "window", lambda pid, **_: gpus.begin(pid))
    held = journal(tmp_path)
    held.begin(resume=False)
    runs = measured(Answering(then=draw), Plan(prompts=prompts(4), runs=2, window_s=0.0), held)
    assert {part.boundary for part in held.parts} == {"gpu"}
    assert {part.method for part in held.parts} == {"nvml-1 (GPU only, above idle); power at rest added again"}
    assert [run.energy_j for run in runs] == [pytest.approx(2000.0), pytest.approx(2000.0)]
    assert all(run.low_j <= run.energy_j <= run.high_j for run in runs)
