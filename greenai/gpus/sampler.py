"""Look at every GPU in turn, at even times. It waits and asks; what that means is decided elsewhere."""

from __future__ import annotations

import hashlib
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenai.gpus.values import GpusError, Known, Round, Trace
from greenai.meters import gpu_looks, nvml
from greenai.meters.processes import PROC, in_tree, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from greenai.meters.gpu_looks import GpuFacts
    from greenai.meters.nvml import Machine

__all__ = ["LEAST_STEP_S", "Sampler", "opened", "this_machine"]

LEAST_STEP_S = 0.2
"""Seconds between looks at least: NVML's utilisation is a mean of 1/6 s to 1 s, and the energy counter moves every
0.1 s. NVIDIA's NVML documentation, 2026-11-22."""

MOST_NAME = 24


@dataclass(slots=True, eq=False, kw_only=True)
class Sampler:
    """Looks at the GPUs of a machine. `engines` tells the processes of greenai's own engines, with their models."""

    machine: Machine
    every_s: float = 1.0
    engines: Callable[[], Mapping[int, str]] = dict
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    wait: Callable[[float], object] = time.sleep
    proc: Path = PROC
    known: dict[int, Known] = field(default_factory=dict)
    _watchers: dict[int, gpu_looks.Watcher] = field(default_factory=dict)

    def cards(self) -> tuple[GpuFacts, ...]:
        """Return the GPUs.

        Raises:
            GpusError: there is none, or the driver went away.
        """
        try:
            found = tuple(gpu_looks.facts(self.machine.api, g.index, g.handle) for g in self.machine.all())
        except self.machine.api.NVMLError as error:
            raise GpusError(_none(str(error), "install the NVIDIA driver; in a container, pass the GPUs in")) from None
        if not found:
            raise GpusError(_none("the driver knows of no GPU", "in a container, pass them in with --gpus all"))
        return found

    def rounds(self, cards: tuple[GpuFacts, ...], seconds: float | None) -> Iterator[Round]:
        """Yield a look at all GPUs every `every_s`, for so many seconds or, with None, for ever."""
        began_s = self.clock()
        count = 0
        while True:
            at_s = self.clock() - began_s
            yield Round(at_s=at_s, looks=self._looks(cards))
            if seconds is not None and at_s >= seconds:
                return
            # Times that were missed (a machine that slept) are left out, and not made up for.
            count = max(count + 1, int((self.clock() - began_s) / self.every_s) + 1)
            due_s = count * self.every_s if seconds is None else min(count * self.every_s, seconds)
            self.wait(max(began_s + due_s - self.clock(), 0.0))

    def watch(self, seconds: float | None, told: Callable[[Trace], object] | None = None) -> Trace:
        """Look for so many seconds and return what was seen; `told` is called after each look. Ctrl-C ends it."""
        cards, began, rounds = self.cards(), self.wall(), list[Round]()
        trace = Trace(
            began=began, every_s=self.every_s, cards=cards, rounds=rounds, known=self.known, machine=this_machine()
        )
        try:
            for one in self.rounds(cards, seconds):
                rounds.append(one)
                if told is not None:
                    told(trace)
        except KeyboardInterrupt:
            if len(rounds) < 2:
                raise
        return trace

    def _looks(self, cards: tuple[GpuFacts, ...]) -> dict[int, gpu_looks.GpuLook]:
        found: dict[int, gpu_looks.GpuLook] = {}
        for card in cards:
            watcher = self._watchers.get(card.index)
            if watcher is None:
                handle = self.machine.gpus[card.index].handle
                watcher = gpu_looks.Watcher(self.machine.api, handle, is_divided=card.divided)
                self._watchers[card.index] = watcher
            found[card.index] = watcher.look(int(self.wall() * 1e6))
        self._name({p.pid for look in found.values() for p in look.processes or ()})
        return found

    def _name(self, pids: set[int]) -> None:
        """Find out what processes are; an engine of greenai's is told as one once its model is in memory."""
        fresh = [pid for pid in pids if pid not in self.known or self.known[pid].model is None]
        engines = self.engines() if fresh else {}
        for pid in fresh:
            model = next((name for root, name in engines.items() if in_tree(pid, root, self.proc)), None)
            if pid not in self.known or model is not None:
                here = visible(pid, self.proc)
                name = _program(pid, self.proc) if here else None
                self.known[pid] = Known(pid=pid, name=name, model=model, is_here=here)


def _program(pid: int, proc: Path) -> str | None:
    """Return a process's short name. Its command line is not read: it may hold secrets."""
    try:
        text = (proc / str(pid) / "comm").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return "".join(sign for sign in text if sign.isprintable())[:MOST_NAME] or None


def opened(every_s: float, engines: Callable[[], Mapping[int, str]] = dict, *, api: Any = None) -> Sampler:
    """Return a sampler of this machine's GPUs. `api` stands in for the pynvml module in tests.

    Raises:
        GpusError: NVML does not answer, or `every_s` is too short.
    """
    if every_s < LEAST_STEP_S:
        raise GpusError(
            f"--every {every_s:g}s is shorter than {LEAST_STEP_S:g} s, in which NVML's figures do not change. "
            f"Use --every {LEAST_STEP_S:g}s or more."
        )
    found = nvml.machine(api)
    if found is None:
        told = nvml.probe(api)
        raise GpusError(_none(str(told["why_not"]), str(told["how"])))
    return Sampler(machine=found, every_s=every_s, engines=engines)


def this_machine() -> str:
    """Return a digest that tells this machine from others, and does not tell its name."""
    return hashlib.sha256(platform.node().encode("utf-8", "replace")).hexdigest()[:12]


def _none(why: str, how: str) -> str:
    return (
        f"No GPU can be watched here: {why}. To change that: {how}. "
        "A recording of another machine can be read here: greenai gpus --replay FILE.jsonl"
    )
