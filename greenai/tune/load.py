"""The work that is measured: prompts cut from a text, answers of one length, so many at a time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from math import ceil

from greenai.tune.reading import BenchError

__all__ = ["Load", "Ran", "driven", "enough", "long_enough", "percentile", "sample_text"]

LEAST_SHORT = 2
LEAST_FULL = 4

LEAST_TEXT = 64
"""Tokens of a text below which agreement is a matter of chance: a place more or less is 2%. Assumption, 2026-11-22."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How long a request is: `tokens` is prompt and answer together, a quarter of it the answer.

    A measurement lasts `window_s` seconds at least, a short one half of it.
    """

    tokens: int = 128
    window_s: float = 1.0

    @property
    def answer_tokens(self) -> int:
        """Tokens of the answer."""
        return max(self.tokens // 4, 4)

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt."""
        return self.tokens - self.answer_tokens

    def requests(self, batch: int, *, short: bool) -> int:
        """Return how many requests one measurement sends: whole batches, and more of them where few fit in one."""
        least = LEAST_SHORT if short else LEAST_FULL
        return ceil(least / batch) * batch

    def least_s(self, *, short: bool) -> float:
        """Return how long a measurement lasts at least, in seconds."""
        return self.window_s / 2 if short else self.window_s

    def prompts(self, ids: Sequence[int], count: int) -> list[list[int]]:
        """Cut `count` prompts from a text's tokens, each from another place, so that none is the start of another."""
        whole = list(ids) * ceil((self.prompt_tokens + 1) / len(ids) + 1)
        room = max(len(ids) - 1, 1)
        starts = [(n * 37) % room for n in range(count)]
        return [whole[start : start + self.prompt_tokens] for start in starts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a drive of requests gave: tokens in all, and how long each took, in seconds."""

    tokens: int
    latencies_s: Sequence[float]


def long_enough(drive: Callable[[], Ran], least_s: float) -> Ran:
    """Drive again until `least_s` seconds have passed: the counter of a short window says little."""
    began, tokens, latencies = time.perf_counter(), 0, list[float]()
    while not tokens or time.perf_counter() - began < least_s:
        ran = drive()
        tokens += ran.tokens
        latencies += ran.latencies_s
        if not ran.tokens:
            break
    return Ran(tokens=tokens, latencies_s=latencies)


def driven(ask: Callable[[list[int]], int], prompts: Sequence[list[int]], batch: int) -> Ran:
    """Send the prompts, `batch` at a time; `ask` returns how many tokens came back."""

    def timed(prompt: list[int]) -> tuple[int, float]:
        began = time.perf_counter()
        return ask(prompt), time.perf_counter() - began

    pool = ThreadPoolExecutor(batch, thread_name_prefix="greenai-tune")
    try:
        done = list(pool.map(timed, prompts))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # after Ctrl-C nobody waits for what was asked
    return Ran(tokens=sum(tokens for tokens, _ in done), latencies_s=[seconds for _, seconds in done])


def enough(ids: list[int]) -> list[int]:
    """Return a text's tokens.

    Raises:
        BenchError: they are too few to judge a precision by.
    """
    if len(ids) < LEAST_TEXT:
        raise BenchError(
            f"The text has {len(ids)} tokens, and the guard needs {LEAST_TEXT} at least. Give a longer one with "
            "--text, or leave it out."
        )
    return ids


def percentile(values: Sequence[float], part: float) -> float:
    """Return the value below which `part` of the values lie; of few values the next higher one."""
    if part == 0.5:
        return statistics.median(values)
    ordered = sorted(values)
    return ordered[min(ceil(part * len(ordered)) - 1, len(ordered) - 1)]


def sample_text() -> str:
    """Return the packaged text, written for this purpose."""
    return files("greenai.tune").joinpath("sample.txt").read_text(encoding="utf-8")
