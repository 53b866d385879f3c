"""The table `pick_one`: which model on this machine picks one of a closed list, and how sure it has to be."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

__all__ = ["PickOneTable"]


def _on_this_machine(model: str) -> str:
    if not model.startswith("local/") or model == "local/":
        raise ValueError("it must be a model on this machine, whose name begins with local/")
    return model


class PickOneTable(BaseModel):
    """A model whose name begins with `local/`; None as `threshold` takes the one that was measured for SmolLM2-135M."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)

    model: Annotated[str, AfterValidator(_on_this_machine)]
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
