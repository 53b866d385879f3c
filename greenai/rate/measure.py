"""Measure a target: the prompts in order, in windows, run after run until the runs agree."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from greenai import meters
from greenai.errors import EngineError
from greenai.rate.estimate import MOST_RUNS, Run, enough
from greenai.rate.journal import Journal, Part
from greenai.rate.prompts import Prompt
from greenai.rate.target import Answer, Target
from greenai.readings import Reading

__all__ = ["CPU_WINDOW_S", "GPU_WINDOW_S", "Plan", "Progress", "measured"]

GPU_WINDOW_S, CPU_WINDOW_S = 5.0, 1.0
"""How long a window lasts at least: a GPU's counter needs seconds to be steady (ML.ENERGY's practice, read
2026-11-21), core time is exact. A window is also what a stopped rating may lose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a rating is. `left_s` is at most: runs that agree end it earlier."""

    run: int
    done: int
    expected: int
    left_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a target is measured. `runs` None: until they agree."""

    prompts: Sequence[Prompt]
    batch: int = 1
    runs: int | None = None
    window_s: float = CPU_WINDOW_S
    watts_per_core: float | None = None


def measured(
    target: Target, plan: Plan, journal: Journal, told: Callable[[Progress], object] | None = None
) -> list[Run]:
    """Measure until there are runs enough, going on where the journal ends; return the whole runs.

    Raises:
        EngineError: the target refuses, or its energy cannot be measured here.
    """
    count = len(plan.prompts)
    expected = count * (plan.runs or MOST_RUNS)
    target.ready(plan.prompts)
    _warm(target, plan)
    began, before = time.perf_counter(), sum(part.work.requests for part in journal.parts)
    while not enough(runs := journal.runs(count), plan.runs):
        number = len(runs)
        while (at := journal.done(number)) < count:
            journal.add(_window(target, plan, number, plan.prompts[at:], journal))
            if told is not None:
                done = sum(part.work.requests for part in journal.parts)
                each_s = (time.perf_counter() - began) / (done - before)
                told(Progress(run=number + 1, done=done, expected=expected, left_s=each_s * (expected - done)))
    return runs


@contextmanager
def _asking(batch: int) -> Generator[ThreadPoolExecutor]:
    """Ask with so many threads. Whoever stops it does not wait for answers: those in progress end with the engine."""
    pool = ThreadPoolExecutor(batch, thread_name_prefix="greenai-rate")
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _warm(target: Target, plan: Plan) -> None:
    """Ask the first prompts once, unmeasured: memory that is touched first, kernels that are compiled."""
    with _asking(plan.batch) as pool:
        list(pool.map(target.ask, plan.prompts[: plan.batch]))


def _window(target: Target, plan: Plan, run: int, prompts: Sequence[Prompt], journal: Journal) -> Part:
    """Measure from the first of `prompts` on until the window is long enough or they are over."""
    began, answers = time.perf_counter(), list[Answer]()
    window = meters.window(target.pid, watts_per_core=plan.watts_per_core)
    step = plan.batch * (1 if plan.batch == 1 else 4)  # a full server between two ends of a window
    with _asking(plan.batch) as pool:
        while len(answers) < len(prompts) and (not answers or time.perf_counter() - began < plan.window_s):
            answers += pool.map(target.ask, prompts[len(answers) : len(answers) + step])
    reading = window.stop(float(sum(a.prompt_tokens + a.output_tokens for a in answers)))
    return _part(run, reading, answers, time.perf_counter() - began, journal)


def _part(run: int, reading: Reading | None, answers: Sequence[Answer], took_s: float, journal: Journal) -> Part:
    if reading is None or not reading.energy_j:
        raise EngineError(
            "The energy of the model's process cannot be measured here, so nothing can be rated. "
            "greenai doctor says which meters there are and what they need."
        )
    boundary = "gpu" if reading.gpu_energy_j else "cpu"
    if journal.parts and journal.parts[0].boundary != boundary:
        raise EngineError(
            f"The meter changed from {journal.parts[0].boundary} to {boundary} energy in the middle of a rating, and "
            "the two do not add up. See greenai doctor, and begin anew without --resume."
        )
    # The public method counts what the GPU's counter shows, its power at rest included.
    energy_j = reading.energy_j
    if reading.gpu_energy_j:
        energy_j = reading.gpu_energy_j + reading.components.get("gpu_idle", 0.0)
    shift_j = energy_j - reading.energy_j
    low_j = reading.energy_j if reading.low_j is None else reading.low_j
    high_j = reading.energy_j if reading.high_j is None else reading.high_j
    work = Run(
        requests=len(answers),
        energy_j=energy_j,
        low_j=max(low_j + shift_j, 0.0),
        high_j=high_j + shift_j,
        prompt_tokens=sum(a.prompt_tokens for a in answers),
        output_tokens=sum(a.output_tokens for a in answers),
        took_s=took_s,
    )
    return Part(run=run, work=work, boundary=boundary, evidence=reading.evidence, method=reading.method)
