"""Which points an NVML sweep measures: models of Llama's shape, and prefill, decode and cached work of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mode = Literal["prefill", "decode", "cached"]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A Llama-shaped model. The parameters are counted when it is built."""

    name: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    intermediate: int
    vocabulary: int
    tied: bool


SHAPES = {
    shape.name: shape
    for shape in (
        # As in the public config.json of Llama-3.2-1B, Llama-3.2-3B and Llama-3.1-8B; the weights are random.
        Shape(name="1b", hidden=2048, layers=16, heads=32, kv_heads=8, intermediate=8192, vocabulary=128256, tied=True),
        Shape(name="3b", hidden=3072, layers=28, heads=24, kv_heads=8, intermediate=8192, vocabulary=128256, tied=True),
        Shape(
            name="8b", hidden=4096, layers=32, heads=32, kv_heads=8, intermediate=14336, vocabulary=128256, tied=False
        ),
        # To exercise the script on a processor.
        Shape(name="tiny", hidden=64, layers=2, heads=4, kv_heads=2, intermediate=128, vocabulary=512, tied=True),
    )
}


@dataclass(frozen=True, kw_only=True)
class Point:
    """One kind of work: `new_tokens` are computed for each sequence of the batch, after `cached_tokens` in the cache.

    Prefill and cached work compute them in one pass, decode in as many passes as there are tokens.
    """

    model: str
    mode: Mode
    batch: int
    new_tokens: int
    cached_tokens: int

    @property
    def key(self) -> str:
        """Return the name by which a finished point is known again."""
        return f"{self.model}-{self.mode}-b{self.batch}-n{self.new_tokens}-c{self.cached_tokens}"


DECODED = 64
"""Tokens per sequence and unit of decode work: the cache grows by them, and is cut back after each unit."""

_FULL: tuple[tuple[Mode, int, int, int], ...] = (
    *(("prefill", 1, new, 0) for new in (128, 512, 2048, 8192)),
    *(("prefill", batch, 512, 0) for batch in (4, 16, 64)),
    *(("decode", batch, DECODED, 512) for batch in (1, 4, 16, 64, 128, 256)),
    *(("decode", 16, DECODED, cached) for cached in (2048, 8192)),
    *(("cached", 1, new, cached) for cached in (1024, 4096, 16384) for new in (128, 512)),
    ("cached", 8, 128, 4096),
)
_QUICK: tuple[tuple[Mode, int, int, int], ...] = (
    *(("prefill", 1, new, 0) for new in (512, 4096)),
    *(("decode", batch, DECODED, 512) for batch in (1, 16, 256)),
    ("cached", 1, 128, 4096),
)
_TINY: tuple[tuple[Mode, int, int, int], ...] = (
    *(("prefill", 1, new, 0) for new in (16, 64)),
    *(("decode", batch, 8, 16) for batch in (1, 4)),
    ("cached", 1, 8, 32),
)


def plan(models: tuple[str, ...], *, quick: bool = False) -> tuple[Point, ...]:
    """Return the points of these models, in order; a model is built once."""
    points: list[Point] = []
    for model in models:
        grid = _TINY if model == "tiny" else _QUICK if quick else _FULL
        points += [
            Point(model=model, mode=mode, batch=batch, new_tokens=new, cached_tokens=cached)
            for mode, batch, new, cached in grid
        ]
    return tuple(points)
