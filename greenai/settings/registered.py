"""What a project registers in its settings to answer without a general model: its FAQ, and distilled task models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from greenai.settings.fields import Place

__all__ = ["DistilledTable", "FaqSettings"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class FaqSettings(_Strict):
    """Where the project's own answers stand: a folder of .md and .txt files, a .jsonl or a .csv of pairs.

    `threshold` None is calibrated. Whether the path exists, a client finds out that is to answer from it.
    """

    path: Place
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None


class DistilledTable(_Strict):
    """A file that `greenai distil` wrote, and what it may do.

    In shadow the large model answers, and both are compared; `audit` is the part of its answers that the large model
    gives, too, once it is on.
    """

    file: Place
    mode: Literal["shadow", "on"] = "shadow"
    audit: Annotated[float, Field(ge=0.01, le=1)] = 0.02
