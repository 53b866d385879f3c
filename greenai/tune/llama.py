"""Measure points of a GGUF on llama.cpp: one child process per point, which may die, and requests from threads here.

A point's batch is the number of the server's slots and of the requests at a time. Each child is loaded and warmed up
before it is measured; a few of them stay, so that the repeats of the leaders need no loading.
"""

from __future__ import annotations

import http.client
import json
import math
import time
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
from greenai.tune.children import Children
from greenai.tune.guard import Agreement, Forced, Guard, compare, judged
from greenai.tune.load import Load, Ran, driven, enough, long_enough, percentile
from greenai.tune.memory import Forecast, dying_first, peak_bytes
from greenai.tune.reading import BenchError, energy_of, whole_j
from greenai.tune.space import Point, Sample, Setting, Space

__all__ = ["LlamaBench", "precision_of", "quantisations", "space_of"]

PLACES = 96
"""Places of the text at which the guard compares."""

LISTED = 100
"""Tokens whose probability llama.cpp tells; a text's token beyond them counts as the last of them."""

MOST_CHILDREN = 10
TIMEOUT_S = 600.0
ENDING_S = 2.0
"""How long a process that hangs up may take to be gone."""

_MEMORY_WORDS = ("alloc", "memory", "SIGKILL", "buffer")
_ADVICE = ". If memory ran out"


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
        default=Point(setting=first, batch=slots),
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
    judged: dict[tuple[str, str, str], Agreement] = field(default_factory=dict)
    children: Children[Point | None, Engine] = field(default_factory=lambda: Children(most=MOST_CHILDREN))
    forecast: Forecast = field(default_factory=Forecast)
    ids: list[int] = field(default_factory=list)
    trusted: Forced | None = None

    def measure(self, point: Point, *, short: bool) -> Sample:
        """Measure one repeat of a point in a child process.

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
        before = self.children.core_s(), time.perf_counter()
        try:
            engine = self.children.get(point)
            if engine is None or not engine.alive():
                self.children.end(point)
                engine = self._started(point)
            found = self._judged(point, engine)
            why = self.guard.refuses(found)
            if why is not None:
                self.children.end(point)
                return judged(self._without("rejected", why, before[1]), found)
            return judged(self._measured(point, engine, before, short=short), found)
        except (EngineError, OSError, http.client.HTTPException) as error:
            if isinstance(error, BenchError):
                raise
            hung_up = not isinstance(error, EngineError) and self._died(point)
            is_memory = isinstance(error, _TooLarge) or hung_up or _speaks_of_memory(str(error))
            self.children.end(point)
            return self._without("out_of_memory" if is_memory else "rejected", str(error), before[1])

    # --- children -------------------------------------------------------------------------------

    def _started(self, point: Point) -> Engine:
        kind = _kind(point.setting)
        why = self.forecast.refuses(kind, point.batch, self.children.bytes())
        if why is not None:
            raise _TooLarge(why)
        self.children.make_room(self.forecast.bytes_at(kind, point.batch) or 0.0)
        with dying_first():
            engine = launch(self.name, self.files[point.setting.precision], self._settings(point))
        self.children.put(point, engine)
        if not self.ids:
            self.ids = _tokens(engine, self.text)
        self._drive(engine, point.batch, point.batch)  # warm-up: the first batch pays for memory that is touched first
        return engine

    def _died(self, point: Point) -> bool:
        """Say whether the process of a point ended while it answered: the kernel takes it where memory runs out."""
        engine, until = self.children.get(point), time.monotonic() + ENDING_S
        while engine is not None and engine.alive() and time.monotonic() < until:
            time.sleep(0.02)
        return engine is not None and not engine.alive()

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

    # --- one measurement ------------------------------------------------------------------------

    def _measured(self, point: Point, engine: Engine, before: tuple[float, float], *, short: bool) -> Sample:
        count = self.load.requests(point.batch, short=short)
        began, before_ns = time.perf_counter(), process_ns(engine.pid)
        window = meters.window(engine.pid, watts_per_core=self.watts_per_core)
        ran = long_enough(lambda: self._drive(engine, count, point.batch), self.load.least_s(short=short))
        reading, after_ns, ended = window.stop(float(ran.tokens)), process_ns(engine.pid), time.perf_counter()
        if not engine.alive():
            raise _TooLarge(f"llama.cpp ended while it answered: {'; '.join(engine.log_tail[-2:])}")
        if not ran.tokens:
            raise EngineError(f"llama.cpp answered {len(ran.latencies_s)} requests without a token")
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
            spent_j=0.0 if reading is None else whole_j(reading, (core_s, ended - began), _since(self, before)),
            took_s=time.perf_counter() - before[1],
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

    def _judged(self, point: Point, engine: Engine) -> Agreement:
        """Return how near a setting is to the reference; each precision, attention and cache is looked at once."""
        setting = point.setting
        key = setting.precision, setting.attention, setting.cache
        if key not in self.judged:
            self.judged[key] = compare(self._reference(), self._forced(engine))
        return self.judged[key]

    def _reference(self) -> Forced:
        if self.trusted is None:
            settings = replace(self.base, slots=1, context_tokens=PLACES * 2)
            with dying_first():
                engine = self.children.put(None, launch(self.name, self.files[self.reference], settings))
            try:
                self.trusted = self._forced(engine)
            finally:
                self.children.end(None)
        return self.trusted

    def _forced(self, engine: Engine) -> Forced:
        """Ask for the next token at each place of the text, given the text before it."""
        places = self.ids[:PLACES]
        asked = [self._next(engine, places[:n], places[n]) for n in range(8, len(places))]
        return Forced(tops=[top for top, _ in asked], logprobs=[logprob for _, logprob in asked])

    def _next(self, engine: Engine, before: list[int], then: int) -> tuple[int, float]:
        body = {"prompt": before, "n_predict": 1, "temperature": 0.0, "n_probs": LISTED, "cache_prompt": True}
        answer = _post(engine, "/completion", body)
        try:
            said = answer["completion_probabilities"][0]["top_logprobs"]
            own = next((one["logprob"] for one in said if one["id"] == then), said[-1]["logprob"])
            return int(said[0]["id"]), math.nan if own is None else float(own)  # JSON has no word for "not a number"
        except (LookupError, TypeError, ValueError):
            raise EngineError(f"llama.cpp tells no probabilities: {str(answer)[:200]}") from None


class _TooLarge(EngineError):
    """A point that does not fit into memory."""


def _kind(setting: Setting) -> tuple[str, str, int]:
    return setting.precision, setting.cache, setting.ubatch


def _speaks_of_memory(text: str) -> bool:
    return any(word in text.partition(_ADVICE)[0] for word in _MEMORY_WORDS)


def _since(bench: LlamaBench, before: tuple[float, float]) -> tuple[float, float]:
    return bench.children.core_s() - before[0], time.perf_counter() - before[1]


def _tokens(engine: Engine, text: str) -> list[int]:
    """Return a text's tokens.

    Raises:
        BenchError: they are too few to judge by.
    """
    ids: list[int] = _post(engine, "/tokenize", {"content": text})["tokens"]
    return enough(ids)


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
    try:
        found: dict[str, Any] = json.loads(said)
    except ValueError:
        raise EngineError(f"llama.cpp's answer to {path} is no JSON: {said[:200].decode(errors='replace')}") from None
    return found
