"""Measure points of a folder of weights with torch: one child process per precision, which may die.

A child holds the settings of one precision, at every batch, since torch takes the batch call by call. Loading,
compilation and the first batch are no part of a measurement.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from greenai import meters
from greenai.local.cpus import compute_threads, usable_cores
from greenai.meters.core_time import process_ns
from greenai.tune.guard import Forced, Guard, compare
from greenai.tune.load import Load, Ran, long_enough, percentile
from greenai.tune.memory import Forecast, available_bytes, die_first, forget_peak, peak_bytes
from greenai.tune.reading import energy_of
from greenai.tune.space import Point, Sample, Setting, Space, Status

__all__ = ["TorchBench", "space_of"]

REFERENCE = "float32"
PLACES = 256


def space_of(*, slots: int, threads: int | None, most_batch: int, gpu: bool, compiled: bool) -> Space:
    """Return what is searched for a model that torch runs, and what runs without tuning."""
    usual = threads or compute_threads()
    first = Setting(precision="auto" if gpu else "float32", attention="sdpa", cache="dynamic", threads=usual)
    precisions = ("auto", "float32", "bfloat16", "float16", "int8", "int4")
    return Space(
        default=Point(setting=first, batch=min(slots, most_batch)),
        precisions=precisions if gpu else ("float32", "bfloat16", "int8", "int4"),
        attentions=("sdpa", "eager"),
        caches=("dynamic", "static"),
        compiles=(False, True) if compiled else (False,),
        threads=(usual,) if gpu else tuple(sorted({1, usual, usable_cores()})),
        most_batch=most_batch,
    )


class _Died(Exception):  # an end, which is told as a sample
    """A child said why it ended, or did not; `memory` says that memory ran out."""

    def __init__(self, why: str, *, memory: bool) -> None:
        super().__init__(why)
        self.memory = memory


@dataclass(slots=True, kw_only=True)
class Child:
    """One process that holds the settings of one precision."""

    process: subprocess.Popen[str]
    ids: list[int] = field(default_factory=list)
    warmed: set[Point] = field(default_factory=set)

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    def ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Send a line and return the answer; raises _Died."""
        if self.process.stdin is None or self.process.stdout is None:
            raise _Died("its pipes are closed", memory=False)
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            line = ""
        else:
            line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            raise _Died(f"its process ended with {_ending(code)}", memory=code == -signal.SIGKILL)
        said: dict[str, Any] = json.loads(line)
        if "error" in said:
            raise _Died(said["error"], memory=bool(said["memory"]))
        return said

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


@dataclass(slots=True, kw_only=True)
class TorchBench:
    """A bench over torch. `python` is the interpreter that has it."""

    folder: Path
    text: str
    load: Load = field(default_factory=Load)
    guard: Guard = field(default_factory=Guard)
    watts_per_core: float | None = None
    python: str = sys.executable
    judged: dict[tuple[str, str, str, bool], str | None] = field(default_factory=dict)
    children: OrderedDict[str, Child] = field(default_factory=OrderedDict)
    forecast: Forecast = field(default_factory=Forecast)
    trusted: Forced | None = None

    def measure(self, point: Point, *, short: bool) -> Sample:
        """Measure one repeat of a point.

        Raises:
            BenchError: the energy cannot be measured here.
        """
        began, setting = time.perf_counter(), point.setting
        why = self.forecast.refuses((setting.precision, setting.cache), point.batch)
        if why is not None:
            return _without("out_of_memory", why, began)
        try:
            child, before_s = self._child(setting.precision)
            why = self._judged(setting, child)
            if why is not None:
                return _without("rejected", why, began)
            return self._measured(point, child, before_s, began, short=short)
        except _Died as error:
            self._end(setting.precision)
            return _without("out_of_memory" if error.memory else "rejected", str(error), began)

    def close(self) -> None:
        """End every child process."""
        for child in self.children.values():
            child.close()
        self.children.clear()

    # --- children -------------------------------------------------------------------------------

    def _child(self, precision: str) -> tuple[Child, float]:
        """Return the child of a precision, and the core-seconds it had used before this measurement."""
        child = self.children.get(precision)
        if child is not None:
            self.children.move_to_end(precision)
            return child, (process_ns(child.pid) or 0) / 1e9
        self._make_room()
        child = self.children[precision] = self._started()
        return child, 0.0

    def _started(self) -> Child:
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [self.python, "-m", "greenai.tune.torch_child"],
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C reaches the parent only
            env={**os.environ, "OMP_WAIT_POLICY": "passive", "TOKENIZERS_PARALLELISM": "false"},
        )
        child = Child(process=process)
        try:
            die_first(process.pid)
            child.ask({"model": str(self.folder), "text": self.text, "sys_path": [e for e in sys.path if e]})
        except BaseException:
            child.close()
            raise
        return child

    def _make_room(self) -> None:
        """End the child that was idle for longest where little memory is free."""
        free = available_bytes()
        held = sum(peak_bytes(child.pid) for child in self.children.values())
        while self.children and free is not None and held > free:
            _, child = self.children.popitem(last=False)
            held -= peak_bytes(child.pid)
            child.close()

    def _end(self, precision: str) -> None:
        child = self.children.pop(precision, None)
        if child is not None:
            child.close()

    # --- one measurement ------------------------------------------------------------------------

    def _measured(self, point: Point, child: Child, before_s: float, began: float, *, short: bool) -> Sample:
        if point not in child.warmed:
            self._drive(child, point, point.batch)  # compiles for this shape, and touches its memory
            child.warmed.add(point)
        forget_peak(child.pid)
        count = self.load.requests(point.batch, short=short)
        before_ns, window = process_ns(child.pid), meters.window(child.pid, watts_per_core=self.watts_per_core)
        ran = long_enough(lambda: self._drive(child, point, count), self.load.least_s(short=short))
        reading, after_ns = window.stop(float(ran.tokens)), process_ns(child.pid)
        energy_j = energy_of(reading)
        core_s = 0.0 if before_ns is None or after_ns is None else (after_ns - before_ns) / 1e9
        whole_s = (after_ns or 0) / 1e9 - before_s  # with loading, compilation and warm-up
        memory = peak_bytes(child.pid)
        self.forecast.add((point.setting.precision, point.setting.cache), point.batch, memory)
        return Sample(
            energy_j_per_token=energy_j / ran.tokens,
            tokens=ran.tokens,
            requests=len(ran.latencies_s),
            p50_s=percentile(ran.latencies_s, 0.5),
            p95_s=percentile(ran.latencies_s, 0.95),
            memory_bytes=memory,
            spent_j=energy_j * (whole_s / core_s if core_s else 1),
            took_s=time.perf_counter() - began,
            core_s=core_s,
            evidence=reading.evidence if reading else "unknown",
            method=reading.method if reading else "none",
        )

    def _drive(self, child: Child, point: Point, count: int) -> Ran:
        wanted = _plain(point.setting)
        if not child.ids:
            child.ids = child.ask({"setting": wanted, "load": True})["ids"]
        prompts = self.load.prompts(child.ids, count)
        asked = {"prompts": prompts, "answer_tokens": self.load.answer_tokens, "batch": point.batch}
        said = child.ask({"setting": wanted, **asked})
        return Ran(tokens=said["tokens"], latencies_s=said["latencies_s"])

    # --- the guard ------------------------------------------------------------------------------

    def _judged(self, setting: Setting, child: Child) -> str | None:
        key = setting.precision, setting.attention, setting.cache, setting.compile
        if key not in self.judged:
            self.judged[key] = self.guard.refuses(compare(self._reference(setting), self._forced(child, setting)))
        return self.judged[key]

    def _reference(self, setting: Setting) -> Forced:
        if self.trusted is None:
            plain = replace(setting, precision=REFERENCE, attention="eager", cache="dynamic", compile=False)
            self.trusted = self._forced(self._child(REFERENCE)[0], plain)
        return self.trusted

    def _forced(self, child: Child, setting: Setting) -> Forced:
        wanted = _plain(setting)
        if not child.ids:
            child.ids = child.ask({"setting": wanted, "load": True})["ids"]
        said = child.ask({"setting": wanted, "force": child.ids[:PLACES]})
        return Forced(tops=said["tops"], logprobs=said["logprobs"])


def _plain(setting: Setting) -> dict[str, Any]:
    """Return a setting as `TorchSetting` takes it."""
    return {
        "precision": setting.precision,
        "attention": setting.attention,
        "cache": setting.cache,
        "compile": setting.compile,
        "threads": setting.threads or None,
    }


def _without(status: Status, why: str, began: float) -> Sample:
    return Sample(status=status, why=why.splitlines()[0] if why else "", took_s=time.perf_counter() - began)
