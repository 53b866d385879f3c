"""Measure a target: the prompts in order, in windows, run after run until the runs agree."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from greenai import meters
from greenai.errors import EngineError
from greenai.meters import nvml
from greenai.rate.estimate import MOST_RUNS, Run, enough
from greenai.rate.journal import Journal, Part
from greenai.rate.prompts import Prompt
from greenai.rate.target import ANSWER_TOKENS, Answer, Target
from greenai.readings import Reading

__all__ = ["CPU_WINDOW_S", "GPU_WINDOW_S", "Plan", "Progress", "measured"]

GPU_WINDOW_S, CPU_WINDOW_S = 5.0, 1.0
"""How long a window lasts at least: a GPU's counter needs seconds to be steady (ML.ENERGY's practice, read
2026-11-21), core time is exact. A window is also what a stopped rating may lose."""

REST_ADDED = "; power at rest added again"


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
    most_tokens: int = ANSWER_TOKENS
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


@dataclass(slots=True)
class _Queue:
    """Prompts in order, for several threads, until the window is long enough: `least` of them at any rate."""

    prompts: Sequence[Prompt]
    least: int
    until_s: float
    taken: int = 0
    is_shut: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> Prompt | None:
        with self.lock:
            late = self.taken >= self.least and time.perf_counter() >= self.until_s
            if self.is_shut or late or self.taken == len(self.prompts):
                return None
            self.taken += 1
            return self.prompts[self.taken - 1]

    def answered(self, target: Target) -> list[Answer]:
        found = list[Answer]()
        while (prompt := self.take()) is not None:
            found.append(target.ask(prompt))
        return found


def _asked(target: Target, batch: int, queue: _Queue) -> list[Answer]:
    """Ask with so many threads. Whoever stops it does not wait for answers: those in progress end with the engine."""
    pool = ThreadPoolExecutor(batch, thread_name_prefix="greenai-rate")
    try:
        asking = [pool.submit(queue.answered, target) for _ in range(batch)]
        wait(asking, return_when=FIRST_EXCEPTION)
        failed = next((f for f in asking if f.done() and f.exception() is not None), None)
        answers = [answer for f in ([failed] if failed else asking) for answer in f.result()]
    except BaseException:
        queue.is_shut = True
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    return answers


def _warm(target: Target, plan: Plan) -> None:
    """Ask the first prompts once, unmeasured: memory that is touched first, kernels that are compiled."""
    _asked(target, plan.batch, _Queue(plan.prompts[: plan.batch], plan.batch, 0.0))


def _window(target: Target, plan: Plan, run: int, prompts: Sequence[Prompt], journal: Journal) -> Part:
    """Measure from the first of `prompts` on until the window is long enough or they are over."""
    began = time.perf_counter()
    least = 1 if plan.batch == 1 else 4 * plan.batch  # most of the time between two ends the server is full
    window = meters.window(target.pid, watts_per_core=plan.watts_per_core)
    answers = _asked(target, plan.batch, _Queue(prompts, least, began + plan.window_s))
    reading = window.stop(float(sum(a.prompt_tokens + a.output_tokens for a in answers)))
    return _part(run, reading, answers, time.perf_counter() - began, plan, journal)


def _part(
    run: int, reading: Reading | None, answers: Sequence[Answer], took_s: float, plan: Plan, journal: Journal
) -> Part:
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
    if boundary == "cpu":
        _check_no_gpu()
    # The public method counts what the GPU's counter shows, its power at rest included.
    energy_j, method, rest_j = reading.energy_j, reading.method, reading.components.get("gpu_idle", 0.0)
    if reading.gpu_energy_j:
        energy_j = reading.gpu_energy_j + rest_j
        method = f"{method}{REST_ADDED}" if rest_j else method
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
        cut=sum(a.output_tokens >= plan.most_tokens for a in answers),
        output_squares=sum(a.output_tokens**2 for a in answers),
    )
    return Part(run=run, work=work, boundary=boundary, evidence=reading.evidence, method=method)


def _check_no_gpu() -> None:
    """Refuse the processor's energy where a GPU may have done the work unseen: that figure would be far too small."""
    named = nvml.named()
    if named is None or (seen := nvml.probe())["usable"]:
        return
    raise EngineError(
        f"This machine has a GPU, {named[0]}, whose energy cannot be measured: {seen['why_not']}. The processor's "
        f"alone would leave out what the GPU took. What helps: {seen['how']}."
    )
