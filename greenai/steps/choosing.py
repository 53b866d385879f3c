"""A request that picks one of a closed list: asked of a small model on this machine, which reads and does not write.

    a closed list, and the settings name a model for it? ── two prefills ── sure: the label, outcome task_model
                                                                         └─ not sure, or failed: the next rung

The outcome is `task_model`, and not `small`: the model is none of the ladder, and does this one task. It is asked where
answerers are, so never for a pin; what it reads is an attempt of the call, also where it was not sure.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from greenai import answerers, meters
from greenai.answerers.choosing import (
    EMPTY,
    UNDECIDED,
    Chooser,
    ClosedList,
    Form,
    agreed,
    calibrated,
    closed_list,
    spoken,
)
from greenai.meters.idle import own
from greenai.readings import Reading, total
from greenai.steps import CLOSING, Answering, Flow, Steps, fail_open
from greenai.values import Attempt, Check, Request, Usage, Work

if TYPE_CHECKING:
    from greenai.local import Engine, Lease

__all__ = ["chosen"]

logger = logging.getLogger("greenai")

NOT_SURE = "not sure enough"

MOST_OF_THE_TIME = 0.5
"""Of a call's time the small model may use so much, its load included: the rest is the model's that is asked if it is
not sure. Assumption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    """Which label is meant and how sure that is, the tokens that were looked at, and what reading took."""

    at: int
    probability: float
    usage: Usage
    energy: Reading
    elapsed_s: float


def chosen(request: Request, steps: Steps, so_far: Answering, *, dry: bool) -> Flow[Answering]:
    """Pick one of a closed list, if a small model is sure; a failure costs nobody the answer."""
    chooser = steps.chooser
    listed = None if chooser is None else closed_list(request)
    if chooser is None or listed is None or chooser.form(listed).is_hopeless:
        return so_far
    if dry:
        would = (
            f"The answer is one of {len(listed.labels)}, so {chooser.model} is asked first, and answers if it is sure."
        )
        return replace(so_far, reasons=(*so_far.reasons, would))
    started = time.perf_counter()
    try:
        scored = yield from _scored(chooser, listed, request, steps)
    except Exception as error:
        if isinstance(error.__context__, CLOSING):
            raise
        failed = f"{chooser.model} was to pick one of a list, failed ({type(error).__name__}) and was passed over."
        logger.warning(failed, exc_info=error)
        away_s = so_far.away_s + time.perf_counter() - started
        return replace(so_far, warnings=(*so_far.warnings, failed), away_s=away_s)
    return _answering(chooser, listed, scored, request, so_far)


def _scored(chooser: Chooser, listed: ClosedList, request: Request, steps: Steps) -> Flow[_Scored]:
    started, now = time.perf_counter(), time.monotonic()
    until = now + MOST_OF_THE_TIME * (request.deadline - now)
    name = chooser.model.removeprefix("local/")
    lease: Lease = yield Work("load", partial(steps.engines.lease, name, _left_s(until)))
    try:
        engine = lease.engine
        begin = partial(meters.window, engine.pid, watts_per_core=steps.site.watts_per_core, meters=steps.meters)
        window = fail_open("The meter failed; this attempt's energy is unknown.", begin, None)
        read = partial(_read, engine, chooser.form(listed), listed, until)
        (at, probability), usage = yield Work("choose", read)
        stop = None if window is None else partial(window.stop, meters.work(usage))
        reading = None if stop is None else fail_open("The meter failed.", stop, None)
        core_s, load_gpu_j = engine.take_start(), engine.load_gpu_j
    finally:
        lease.release()
    energy = reading or Reading.unknown("no meter could tell")
    if core_s is not None:  # this call started the model
        energy = total([energy, own(0.0, core_s, load_gpu_j, steps.site.watts_per_core)])
    elapsed_s = time.perf_counter() - started
    return _Scored(at=at, probability=probability, usage=usage, energy=energy, elapsed_s=elapsed_s)


def _left_s(until: float) -> float | None:
    return None if math.isinf(until) else max(until - time.monotonic(), 0.001)


def _read(engine: Engine, form: Form, listed: ClosedList, until: float) -> tuple[tuple[int, float], Usage]:
    """Return the label that is meant and how sure that is, and the tokens that were looked at."""
    from greenai.local.labels import Read, prepared

    read, readings = Read(), list[list[float]]()
    for system, wording in zip(listed.systems, form.wordings, strict=True):
        if wording.labels is None or wording.labels.engine is not engine:
            wording.labels = prepared(engine, system, [spoken(label) for label in listed.labels], _left_s(until))
        labels = wording.labels
        if not wording.of_nothing:
            wording.of_nothing = [labels.probabilities(text, read, _left_s(until)) for text in EMPTY]
        readings.append(calibrated(labels.probabilities(listed.text, read, _left_s(until)), wording.of_nothing))
        if max(readings[-1]) < UNDECIDED:
            break  # no second reading would make it sure
    usage = Usage(
        input_tokens=read.input_tokens,
        output_tokens=read.output_tokens,
        cached_tokens=read.cached_tokens,
        reasoning_tokens=0,
    )
    return agreed(readings), usage


def _answering(chooser: Chooser, listed: ClosedList, scored: _Scored, request: Request, so_far: Answering) -> Answering:
    form = chooser.form(listed)
    likeliest = scored.probability
    sure = likeliest >= chooser.threshold
    form.asked, form.sure = form.asked + 1, form.sure + sure
    attempt = Attempt(
        attempt_id=f"{request.call_id}.choice",
        model=chooser.model,
        state="answered" if sure else "discarded",
        energy=scored.energy,
        usage=scored.usage,
        latency_s=scored.elapsed_s,
        error=None if sure else NOT_SURE,
    )
    check = Check(name="one of a list", value=likeliest, threshold=chooser.threshold, source=chooser.model)
    after = replace(
        so_far,
        attempts=(*so_far.attempts, attempt),
        away_s=so_far.away_s + scored.elapsed_s,
        checks=(*so_far.checks, check),
    )
    figures = f"(probability {likeliest:.3f}, from {chooser.threshold:.3f} on)"
    if not sure:
        unsure = (
            f"The answer is one of {len(listed.labels)}: {chooser.model} was asked first and was {NOT_SURE} {figures}."
        )
        return replace(after, reasons=(*after.reasons, unsure))
    label = listed.labels[scored.at]
    reply = answerers.reply_of(request.call_id, chooser.model, listed.answer(label), scored.elapsed_s)
    why = f'The answer is one of {len(listed.labels)}: {chooser.model} read the request and means "{label}" {figures}.'
    return replace(after, outcome="task_model", reply=reply, reasons=(why, answerers.OVERRIDE))
