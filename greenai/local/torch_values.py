"""What the models that torch runs have in common: how they are loaded, where they run, and what a task model says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["SAFE", "Done", "best_device"]

SAFE = {"use_safetensors": True, "trust_remote_code": False}
"""What every model is loaded with: no pickles, and no code that comes with it."""


def best_device(torch: Any) -> str:
    """Return the GPU where there is one, else the processor."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a task model said: text, the label where there is one, and how sure it was, in [0, 1] (None: unknown)."""

    text: str
    label: str | None = None
    confidence: float | None = None
