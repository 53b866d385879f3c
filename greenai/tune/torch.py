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
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from greenai import meters
from greenai.local.cpus import compute_threads, usable_cores
from greenai.meters.core_time import process_ns
from greenai.tune.children import Children
from greenai.tune.guard import Agreement, Forced, Guard, compare, judged
from greenai.tune.load import Load, Ran, enough, long_enough, percentile
from greenai.tune.memory import Forecast, dying_first, forget_peak, own_bytes, peak_bytes
from greenai.tune.reading import energy_of, whole_j
from greenai.tune.space import Point, Sample, Setting, Space, Status

__all__ = ["TorchBench", "space_of"]

REFERENCES = ("float32", "auto", "bfloat16")
"""What the guard trusts: the first of these that fits into memory."""

PLACES = 256
MOST_CHILDREN = 8
WORKER = Path(__file__).with_name("torch_child.py")

ANSWER_TIMEOUT_S = 1800.0
"""How long one answer of a child may take, loading and compilation included. Assumption, 2026-11-22."""


def space_of(*, slots: int, threads: int | None, most_batch: int, gpu: bool, compiled: bool) -> Space:
    """Return what is searched for a model that torch runs, and what runs without tuning."""
    usual = threads or compute_threads()
    first = Setting(precision="auto" if gpu else "float32", attention="sdpa", cache="dynamic", threads=usual)
    precisions = ("auto", "float32", "bfloat16", "float16", "int8", "int4")
    return Space(
        default=Point(setting=first, batch=slots),
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
    timeout_s: float = ANSWER_TIMEOUT_S
    ids: list[int] = field(default_factory=list)
    besides_bytes: int = 0
    warmed: set[Point] = field(default_factory=set)

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    def ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Send a line and return the answer; raises _Died."""
        if self.process.stdin is None or self.process.stdout is None:
            raise _Died("its pipes are closed", memory=False)
        late = threading.Timer(self.timeout_s, self.process.kill)
        late.daemon = True
        late.start()
        began = time.monotonic()
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            line = ""
        else:
            line = self.process.stdout.readline()
        finally:
            late.cancel()
        if not line:
            if time.monotonic() - began >= self.timeout_s:
                raise _Died(f"it did not answer within {self.timeout_s:g} s", memory=False)
            code = self.process.wait()
            raise _Died(f"its process ended with {_ending(code)}", memory=code == -signal.SIGKILL)
        return _understood(line)

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(OSError):  # a line that it did not take
                    pipe.close()


def _understood(line: str) -> dict[str, Any]:
    """Return what a child said; raises _Died where it says an error, or nothing that makes sense."""
    try:
        said = json.loads(line)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise _Died(f"its process said {line[:80]!r}", memory=False)
    if "error" in said:
        raise _Died(str(said["error"]), memory=bool(said.get("memory")))
    return said


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
    judged: dict[tuple[str, str, str, bool], Agreement] = field(default_factory=dict)
    children: Children[str, Child] = field(default_factory=lambda: Children(most=MOST_CHILDREN))
    forecast: Forecast = field(default_factory=Forecast)
    trusted: Forced | None = None

    def measure(self, point: Point, *, short: bool) -> Sample:
        """Measure one repeat of a point.

        Raises:
            BenchError: the energy cannot be measured here.
        """
        sample = self._tried(point, short=short)
        if sample.status == "out_of_memory" and self.children.end_others():
            sample = self._tried(point, short=short)  # the edge is where it does not fit alone
        return sample

    def close(self) -> None:
        """End every child process."""
        self.children.close()

    def _tried(self, point: Point, *, short: bool) -> Sample:
        setting, before = point.setting, (self.children.core_s(), time.perf_counter())
        kind = setting.precision, setting.cache
        why = self.forecast.refuses(kind, point.batch, self.children.bytes())
        if why is not None:
            return _without("out_of_memory", why, before[1])
        try:
            found = self._judged(setting)
            why = self.guard.refuses(found)
            if why is not None:
                return judged(_without("rejected", why, before[1]), found)
            child = self._child(setting.precision)
            more = (self.forecast.bytes_at(kind, point.batch) or 0.0) - own_bytes(child.pid)
            self.children.make_room(more, but=setting.precision)
            return judged(self._measured(point, child, before, short=short), found)
        except _Died as error:
            self.children.end(setting.precision)
            return _without("out_of_memory" if error.memory else "rejected", str(error), before[1])

    # --- children -------------------------------------------------------------------------------

    def _child(self, precision: str) -> Child:
        """Return the child of a precision."""
        child = self.children.get(precision)
        if child is None:
            self.children.make_room(0.0)
            child = self.children.put(precision, self._started())
        return child

    def _started(self) -> Child:
        pipe = subprocess.PIPE
        with dying_first():
            process = subprocess.Popen(
                [self.python, "-P", str(WORKER)],  # the folder one stands in must not come before the libraries
                stdin=pipe,
                stdout=pipe,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,  # Ctrl-C reaches the parent only
                env={**os.environ, "OMP_WAIT_POLICY": "passive", "TOKENIZERS_PARALLELISM": "false"},
            )
        child = Child(process=process)
        try:
            child.ask({"model": str(self.folder), "text": self.text, "sys_path": [e for e in sys.path if e]})
        except BaseException:
            child.close()
            raise
        return child

    # --- one measurement ------------------------------------------------------------------------

    def _measured(self, point: Point, child: Child, before: tuple[float, float], *, short: bool) -> Sample:
        if child.ask({"setting": _plain(point.setting), "hold": True})["fresh"]:
            child.warmed.clear()  # it was loaded anew: nothing of it is compiled, or touched
        if point not in child.warmed:
            self._drive(child, point, point.batch)  # compiles for this shape, and touches its memory
            child.warmed.add(point)
        forget_peak(child.pid)
        count = self.load.requests(point.batch, short=short)
        began, before_ns = time.perf_counter(), process_ns(child.pid)
        window = meters.window(child.pid, watts_per_core=self.watts_per_core)
        ran = long_enough(lambda: self._drive(child, point, count), self.load.least_s(short=short))
        reading, after_ns, ended = window.stop(float(ran.tokens)), process_ns(child.pid), time.perf_counter()
        if not ran.tokens:
            raise _Died(f"it answered {len(ran.latencies_s)} requests without a token", memory=False)
        energy_j = energy_of(reading)
        core_s = 0.0 if before_ns is None or after_ns is None else (after_ns - before_ns) / 1e9
        whole = self.children.core_s() - before[0], time.perf_counter() - before[1]
        memory = max(peak_bytes(child.pid) - child.besides_bytes, 0)
        self.forecast.add((point.setting.precision, point.setting.cache), point.batch, memory)
        return Sample(
            energy_j_per_token=energy_j / ran.tokens,
            tokens=ran.tokens,
            requests=len(ran.latencies_s),
            p50_s=percentile(ran.latencies_s, 0.5),
            p95_s=percentile(ran.latencies_s, 0.95),
            memory_bytes=memory,
            spent_j=0.0 if reading is None else whole_j(reading, (core_s, ended - began), whole),
            took_s=whole[1],
            core_s=core_s,
            evidence=reading.evidence if reading else "unknown",
            method=reading.method if reading else "none",
        )

    def _drive(self, child: Child, point: Point, count: int) -> Ran:
        wanted = _plain(point.setting)
        prompts = self.load.prompts(self._ids(child, wanted), count)
        asked = {"prompts": prompts, "answer_tokens": self.load.answer_tokens, "batch": point.batch}
        said = child.ask({"setting": wanted, **asked})
        child.besides_bytes = int(said.get("besides_bytes", 0))
        return Ran(tokens=said["tokens"], latencies_s=said["latencies_s"])

    # --- the guard ------------------------------------------------------------------------------

    def _judged(self, setting: Setting) -> Agreement:
        key = setting.precision, setting.attention, setting.cache, setting.compile
        if key not in self.judged:
            trusted = self._reference(setting)  # first: making room for it may end the child of this precision
            self.judged[key] = compare(trusted, self._forced(self._child(setting.precision), setting))
        return self.judged[key]

    def _reference(self, setting: Setting) -> Forced:
        """Return what the reference says: float32, or what the weights were published in where that does not fit."""
        for precision in () if self.trusted is not None else REFERENCES:
            plain = replace(setting, precision=precision, attention="eager", cache="dynamic", compile=False)
            try:
                self.trusted = self._forced(self._child(precision), plain)
                break
            except _Died as error:
                self.children.end(precision)
                if not error.memory:
                    raise
                self.children.close()
        if self.trusted is None:
            raise _Died("no reference of it fits into memory", memory=True)
        return self.trusted

    def _forced(self, child: Child, setting: Setting) -> Forced:
        wanted = _plain(setting)
        said = child.ask({"setting": wanted, "force": self._ids(child, wanted)[:PLACES]})
        return Forced(tops=said["tops"], logprobs=said["logprobs"])

    def _ids(self, child: Child, wanted: Mapping[str, Any]) -> list[int]:
        if not child.ids:
            child.ids = enough(child.ask({"setting": wanted, "load": True})["ids"])
        return child.ids


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
