"""What the settings say of models on this machine: the table `local`. Only the shape is checked here.

When a model is unloaded is decided in `greenai.local.parking`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from greenai.settings.fields import duration_s
from greenai.settings.schedule import schedule

__all__ = ["EXAMPLES", "KeepTable", "LocalSettings", "keep_s"]

AUTO, FOREVER = "auto", "forever"

EXAMPLES: Mapping[str, str] = {
    "keep_alive": 'keep_alive = "10m" (or "auto", "forever", 0)',
    "run_at": 'run_at = "*/15 * * * *"',
}


def keep_s(keep_alive: str | float) -> float | None:
    """Return for how many seconds a model stays after its last answer; infinite is forever, None the rule.

    Raises:
        ValueError: it is none of these.
    """
    if keep_alive == AUTO:
        return None
    if keep_alive == FOREVER:
        return math.inf
    try:
        return duration_s(0.0 if keep_alive == "0" else keep_alive)
    except ValueError:
        raise ValueError('it must be "auto", "forever", 0 or a duration such as "10m"') from None


class KeepTable(BaseModel):
    """How long a model stays in memory when nobody asks; None in a model's own table takes it from `local`.

    Attributes:
        keep_alive: "auto" is the rule: until idling has taken as much energy as a reload takes. A duration such as
            "10m" counts from the last answer; "forever", or 0 for unloading after each.
        keep_warm: the same as keep_alive = "forever".
        run_at: calls wait for the next of these times and are answered together; cron's five fields.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)

    keep_alive: str | float | None = None
    keep_warm: bool | None = None
    run_at: str | None = None

    @field_validator("keep_alive")
    @classmethod
    def _keeps(cls, value: str | float | None) -> str | float | None:
        if value is not None:
            keep_s(value)
        return value

    @field_validator("run_at")
    @classmethod
    def _recurs(cls, value: str | None) -> str | None:
        if value is not None:
            schedule(value)
        return value

    @model_validator(mode="after")
    def _agrees(self) -> KeepTable:
        said = [name for name in ("keep_alive", "run_at") if getattr(self, name) is not None]
        if self.keep_warm and said:
            raise ValueError(f"keep_warm = true and {said[0]} contradict each other: write one of them")
        return self

    @property
    def kept(self) -> str | float | None:
        """What is said here of how long a model stays: as `keep_alive`; None says nothing."""
        return FOREVER if self.keep_warm else self.keep_alive


class LocalSettings(KeepTable):
    """How models on this machine run.

    `context_tokens` is per slot; `threads` None leaves it to the engine. `models` are tables of single models, by
    their names without `local/`.
    """

    slots: Annotated[int, Field(ge=1, le=64)] = 4
    context_tokens: Annotated[int, Field(ge=256, le=1_048_576)] = 4096
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    models: dict[Annotated[str, Field(min_length=1, max_length=500)], KeepTable] = Field(default_factory=dict)
