"""The coefficients of physics.json, each of which has its source and date there."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def coefficients() -> Mapping[str, Any]:
    """Return the parsed file; read once."""
    loaded: dict[str, Any] = json.loads(Path(__file__).with_name("physics.json").read_text(encoding="utf-8"))
    return loaded


def value(name: str) -> float:
    """Return the central value of one coefficient."""
    return float(coefficients()[name]["value"])
