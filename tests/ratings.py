"""Records of ratings for tests: content as `run` writes it, with what a test wants otherwise."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from greenai.rate.prompts import HASH, VERSION
from greenai.rate.record import SCHEMA, Record, canonical, made

if TYPE_CHECKING:
    from pathlib import Path


def content(
    number: int = 1, wh: float = 2.0, low: float | None = 1.5, high: float | None = 2.5, **more: Any
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "id": f"{number:032x}",
        "date": "2026-11-22T02:40:19+00:00",
        "task": "text_generation",
        "class": "A",
        "model": {"name": "local/some-model", "quantisation": "Q4_1", "params_b": 0.1345},
        "device": {"name": "AMD EPYC", "driver": ""},
        "mode": {"reasoning": "off", "serving": "single", "batch": 1},
        "prompts": {"version": VERSION, "hash": HASH, "count": 50},
        "boundary": "cpu",
        "wh_per_1000": {"value": wh, "low": low, "high": high},
        **more,
    }


def unsigned(number: int = 1, **more: Any) -> Record:
    held = content(number, **more)
    return Record(content=held, sha256=hashlib.sha256(canonical(held)).hexdigest())


def signed(folder: Path, number: int = 1, **more: Any) -> Record:
    return made(content(number, **more), folder)
