"""Measure points of a GGUF on llama.cpp: one child process per point, which may die, and requests from threads here.

A point's batch is the number of the server's slots and of the requests at a time. Each child is loaded and warmed up
before it is measured; a few of them stay, so that the repeats of the leaders need no loading.
"""

from __future__ import annotations

import http.client
import json
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from greenai import meters
from greenai.errors import EngineError
from greenai.local.cpus import compute_threads, usable_cores
from greenai.local.names import precision_of
from greenai.local.process import Engine, EngineSettings, launch
from greenai.meters.core_time import process_ns
from greenai.tune.guard import Forced, Guard, compare
from greenai.tune.load import Load, Ran, driven, long_enough, percentile
from greenai.tune.memory import Forecast, available_bytes, die_first, peak_bytes
from greenai.tune.reading import BenchError, energy_of
from greenai.tune.space import Point, Sample, Setting, Space

__all__ = ["LlamaBench", "precision_of", "quantisations", "space_of"]

PLACES = 96
"""Places of the text at which the guard compares."""

LISTED = 100
"""Tokens whose probability llama.cpp tells; a text's token beyond them counts as the last of them."""

MOST_CHILDREN = 10
TIMEOUT_S = 600.0
_MEMORY_WORDS = ("alloc", "memory", "SIGKILL", "buffer")


def quantisations(path: Path) -> dict[str, Path]:
    """Return the model's file and the others beside it, by quantisation: files of the same name but for that part."""
    ours = precision_of(path)
    stem = path.name.lower().replace(ours.lower(), "")
    found = {ours: path}
    for other in sorted(path.parent.glob("*.gguf")):
        kind = precision_of(other)
        if other.name.lower().replace(kind.lower(), "") == stem:
            found.setdefault(kind, other)
    return found


def space_of(files: Mapping[str, Path], named: str, *, slots: int, threads: int | None, most_batch: int) -> Space:
    """Return what is searched for a GGUF on this machine's processor, and what runs without tuning."""
    usual = threads or compute_threads()
    counts = tuple(sorted({1, usual, usable_cores()}))
    first = Setting(precision=named, attention="auto", cache="f16", threads=usual, ubatch=512)
    space = Space(
        default=Point(setting=first, batch=min(slots, most_batch)),
        precisions=tuple(files),
        attentions=("auto", "off"),
        caches=("f16", "q8_0"),
        threads=counts,
        ubatches=(512, 128),
        most_batch=most_batch,
    )
    # llama.cpp refuses a quantised value cache without flash attention.
    without = frozenset(s for s in space.settings() if s.cache == "q8_0" and s.attention == "off")
    return replace(space, without=without)


@dataclass(slots=True, kw_only=True)
class LlamaBench:
    """A bench over llama.cpp. `files` has the weights by precision; `reference` is the one that the guard trusts."""

    name: str
    files: Mapping[str, Path]
    reference: str
    text: str
    load: Load = field(default_factory=Load)
    guard: Guard = field(default_factory=Guard)
    base: EngineSettings = field(default_factory=EngineSettings)
    watts_per_core: float | None = None
    judged: dict[tuple[str, str, str], str | None] = field(default_factory=dict)
    children: OrderedDict[Point, Engine] = field(default_factory=OrderedDict)
    forecast: Forecast = field(default_factory=Forecast)
    ids: list[int] = field(default_factory=list)
    trusted: Forced | None = None

    def measure(self, point: Point, *, short: bool) -> Sample:
        """Measure one repeat of a point in a child process.

        Raises:
            BenchError: the energy cannot be measured here.
        """
        began, started_s = time.perf_counter(), 0.0
        try:
            engine = self.children.get(point)
            if engine is None or not engine.alive():
                engine = self._started(point)
                started_s = _core_s(engine)
            self.children.move_to_end(point)
            why = self._judged(point, engine)
            if why is not None:
                self._end(point)
                return self._without("rejected", why, began)
            return self._measured(point, engine, started_s, began, short=short)
        except (EngineError, OSError, http.client.HTTPException) as error:
            if isinstance(error, BenchError):
                raise
            self._end(point)
            text = str(error)
            is_memory = isinstance(error, _TooLarge) or any(word in text for word in _MEMORY_WORDS)
            return self._without("out_of_memory" if is_memory else "rejected", text, began)

    def close(self) -> None:
        """End every child process."""
        for engine in self.children.values():
            engine.close()
        self.children.clear()

    # --- children -------------------------------------------------------------------------------

    def _started(self, point: Point) -> Engine:
        why = self.forecast.refuses(_kind(point.setting), point.batch)
        if why is not None:
            raise _TooLarge(why)
        self._make_room()
        engine = launch(self.name, self.files[point.setting.precision], self._settings(point))
        die_first(engine.pid)
        self.children[point] = engine
        if not self.ids:
            self.ids = _post(engine, "/tokenize", {"content": self.text})["tokens"]
        self._drive(engine, point.batch, point.batch)  # warm-up: the first batch pays for memory that is touched first
        return engine

    def _settings(self, point: Point) -> EngineSettings:
        setting = point.setting
        return replace(
            self.base,
            slots=point.batch,
            # As it will run: the memory that is found to fit must be that of the engine which takes the profile.
            context_tokens=max(self.base.context_tokens, max(self.load.tokens, PLACES) + 8),
            threads=setting.threads or None,
            flash={"on": True, "off": False}.get(setting.attention),
            cache_type=setting.cache or None,
            ubatch=setting.ubatch or None,
        )

    def _make_room(self) -> None:
        """End the child that was idle for longest where there are many, or where little memory is free."""
        free = available_bytes()
        held = sum(peak_bytes(engine.pid) for engine in self.children.values())
        while self.children and (len(self.children) >= MOST_CHILDREN or (free is not None and held > free)):
            _, engine = self.children.popitem(last=False)
            held -= peak_bytes(engine.pid)
            engine.close()

    def _end(self, point: Point) -> None:
        engine = self.children.pop(point, None)
        if engine is not None:
            engine.close()

    # --- one measurement ------------------------------------------------------------------------

    def _measured(self, point: Point, engine: Engine, started_s: float, began: float, *, short: bool) -> Sample:
        count = self.load.requests(point.batch, short=short)
        before_ns, window = process_ns(engine.pid), meters.window(engine.pid, watts_per_core=self.watts_per_core)
        ran = long_enough(lambda: self._drive(engine, count, point.batch), self.load.least_s(short=short))
        reading, after_ns = window.stop(float(ran.tokens)), process_ns(engine.pid)
        if not engine.alive():
            raise _TooLarge(f"llama.cpp ended while it answered: {'; '.join(engine.log_tail[-2:])}")
        energy_j = energy_of(reading)
        core_s = 0.0 if before_ns is None or after_ns is None else (after_ns - before_ns) / 1e9
        memory = peak_bytes(engine.pid)
        self.forecast.add(_kind(point.setting), point.batch, memory)
        return Sample(
            energy_j_per_token=energy_j / ran.tokens,
            tokens=ran.tokens,
            requests=len(ran.latencies_s),
            p50_s=percentile(ran.latencies_s, 0.5),
            p95_s=percentile(ran.latencies_s, 0.95),
            memory_bytes=memory,
            spent_j=energy_j * (1 + started_s / core_s if core_s else 1),
            took_s=time.perf_counter() - began,
            core_s=core_s,
            evidence=reading.evidence if reading else "unknown",
            method=reading.method if reading else "none",
        )

    def _drive(self, engine: Engine, count: int, batch: int) -> Ran:
        body = {
            "n_predict": self.load.answer_tokens,
            "temperature": 0.0,
            "ignore_eos": True,  # answers of one length, whatever the model says
            "cache_prompt": False,
        }
        return driven(
            lambda prompt: int(_post(engine, "/completion", {**body, "prompt": prompt})["tokens_predicted"]),
            self.load.prompts(self.ids, count),
            batch,
        )

    def _without(self, status: Any, why: str, began: float) -> Sample:
        return Sample(status=status, why=why, took_s=time.perf_counter() - began)

    # --- the guard ------------------------------------------------------------------------------

    def _judged(self, point: Point, engine: Engine) -> str | None:
        """Return why a setting is rejected; each precision, attention and cache is looked at once."""
        setting = point.setting
        key = setting.precision, setting.attention, setting.cache
        if key not in self.judged:
            self.judged[key] = self.guard.refuses(compare(self._reference(), self._forced(engine)))
        return self.judged[key]

    def _reference(self) -> Forced:
        if self.trusted is None:
            settings = replace(self.base, slots=1, context_tokens=PLACES * 2)
            engine = launch(self.name, self.files[self.reference], settings)
            try:
                self.trusted = self._forced(engine)
            finally:
                engine.close()
        return self.trusted

    def _forced(self, engine: Engine) -> Forced:
        """Ask for the next token at each place of the text, given the text before it."""
        places = self.ids[:PLACES]
        asked = [self._next(engine, places[:n], places[n]) for n in range(8, len(places))]
        return Forced(tops=[top for top, _ in asked], logprobs=[logprob for _, logprob in asked])

    def _next(self, engine: Engine, before: list[int], then: int) -> tuple[int, float]:
        body = {"prompt": before, "n_predict": 1, "temperature": 0.0, "n_probs": LISTED, "cache_prompt": True}
        said = _post(engine, "/completion", body)["completion_probabilities"][0]["top_logprobs"]
        own = next((one["logprob"] for one in said if one["id"] == then), said[-1]["logprob"])
        return int(said[0]["id"]), float(own)


class _TooLarge(EngineError):
    """A point that does not fit into memory."""


def _kind(setting: Setting) -> tuple[str, str, int]:
    return setting.precision, setting.cache, setting.ubatch


def _core_s(engine: Engine) -> float:
    return (process_ns(engine.pid) or 0) / 1e9


def _post(engine: Engine, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Ask a llama.cpp server for something of its own API; raises EngineError where it refuses."""
    address = urlsplit(engine.base_url)
    connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=TIMEOUT_S)
    headers = {"Authorization": f"Bearer {engine.api_key}", "Content-Type": "application/json"}
    try:
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        said = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise EngineError(f"llama.cpp answered {response.status} to {path}: {said[:200].decode(errors='replace')}")
    found: dict[str, Any] = json.loads(said)
    return found
