"""What is searched: settings of an engine, the batches of each, and what one measurement of a point says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

__all__ = ["Bench", "Point", "Sample", "Setting", "Space", "Status"]

Status = Literal["ok", "out_of_memory", "rejected"]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Setting:
    """All of an engine's setting but the batch. An empty text, or 0, leaves that axis to the engine.

    Attributes:
        precision: Such as "bfloat16" or "Q4_1".
        attention: Such as "sdpa"; for llama.cpp "on" or "off" (flash attention).
        cache: Such as "static"; for llama.cpp the type of the key-value cache.
        compile: Whether the model is compiled.
        threads: Threads that compute.
        ubatch: Tokens of prompts that llama.cpp works on at once.
    """

    precision: str
    attention: str = ""
    cache: str = ""
    compile: bool = False
    threads: int = 0
    ubatch: int = 0

    def __str__(self) -> str:
        named = (
            self.precision,
            self.attention and f"attention {self.attention}",
            self.cache and f"cache {self.cache}",
            "compiled" if self.compile else "",
            self.threads and f"{self.threads} thread{'s' if self.threads > 1 else ''}",
            self.ubatch and f"ubatch {self.ubatch}",
        )
        return ", ".join(part for part in named if part)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Point:
    """A setting at a batch: so many answers are generated at the same time."""

    setting: Setting
    batch: int

    def __str__(self) -> str:
        return f"batch {self.batch}, {self.setting}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self.setting), "batch": self.batch}

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Point:
        """Make a point of what `to_dict` returned."""
        rest = dict(plain)
        batch = int(rest.pop("batch"))
        return cls(setting=Setting(**rest), batch=batch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The axes that are searched, each with its values, and the batches from 1 to `most_batch`.

    `default` is what runs where nobody tunes, be its batch larger or not: it wins unless another point is clearly below
    it. `most_p95_s` is the longest 95th percentile of a request's latency that may be chosen, in seconds; None bounds
    nothing.
    """

    default: Point
    precisions: tuple[str, ...]
    attentions: tuple[str, ...] = ("",)
    caches: tuple[str, ...] = ("",)
    compiles: tuple[bool, ...] = (False,)
    threads: tuple[int, ...] = (0,)
    ubatches: tuple[int, ...] = (0,)
    most_batch: int = 64
    most_p95_s: float | None = None
    without: frozenset[Setting] = field(default_factory=frozenset)

    def settings(self) -> Iterator[Setting]:
        """Yield every combination of the axes that can run."""
        axes = (self.precisions, self.attentions, self.caches, self.compiles, self.threads, self.ubatches)
        for precision, attention, cache, compiled, threads, ubatch in itertools.product(*axes):
            setting = Setting(
                precision=precision,
                attention=attention,
                cache=cache,
                compile=compiled,
                threads=threads,
                ubatch=ubatch,
            )
            if setting not in self.without:
                yield setting

    def size(self) -> int:
        """Return how many points there are: what a full grid would measure once."""
        return sum(1 for _ in self.settings()) * self.most_batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One repeat of one point.

    Attributes:
        status: Whether it ran; else why not.
        energy_j_per_token: Joules per token of the answers.
        tokens: How many tokens were answered with.
        requests: How many requests they belong to.
        p50_s: Median latency of a request, in seconds.
        p95_s: Its 95th percentile.
        memory_bytes: The most memory that the engine held.
        spent_j: What the measurement took as a whole, warm-up and loading included: the budget pays it.
        took_s: How long it took as a whole.
        core_s: Core-seconds of the engine within the measurement.
        evidence: How good the energy's evidence is, as a `Reading` says it.
        method: The meter's.
        why: Why it did not run, in words.
        agreement: Part of the tokens that agree with the reference, from 0 to 1; None where the guard did not look.
        perplexity: Perplexity as a multiple of the reference's; None likewise.
    """

    status: Status = "ok"
    energy_j_per_token: float = 0.0
    tokens: int = 0
    requests: int = 0
    p50_s: float = 0.0
    p95_s: float = 0.0
    memory_bytes: int = 0
    spent_j: float = 0.0
    took_s: float = 0.0
    core_s: float = 0.0
    evidence: str = "unknown"
    method: str = "none"
    why: str = ""
    agreement: float | None = None
    perplexity: float | None = None


class Bench(Protocol):
    """Measures points of one model on one device."""

    def measure(self, point: Point, *, short: bool) -> Sample:
        """Measure one repeat of `point`; `short` asks for a quick look, which may be less exact.

        A point that runs out of memory, or whose answers the guard rejects, says so in the sample's status.
        """
        ...
