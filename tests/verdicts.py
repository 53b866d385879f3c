"""A classifier with one opinion, for tests of what follows from it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from greenai.values import Assessment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenai import AsyncClient, Client

METHOD = "fixed-1"


class Fixed:
    """Finds the same large_gain in every request."""

    is_read: ClassVar[bool] = True
    thresholds: ClassVar[Mapping[str, float]] = {"needs_generation": 0.5, "reasoning_gain": 0.5, "volatile": 0.8}

    def __init__(self, large_gain: float, *, calibrated: bool = True, suffices: float | None = None) -> None:
        self.large_gain = large_gain
        self.suffices = suffices
        self.calibrated = calibrated

    def assess(self, _: object) -> Assessment:
        return Assessment(
            task="other",
            needs_generation=1.0,
            large_gain=self.large_gain,
            reasoning_gain=0.0,
            volatile=0.0,
            expected_output_tokens=(40, 200),
            why=("fixed",),
            method=METHOD,
            calibrated=self.calibrated,
            suffices=None if self.suffices is None else lambda _: self.suffices or 0.0,
        )


def with_gain(client: Client | AsyncClient, large_gain: float, **more: Any) -> Any:
    """Let the client's classifier find `large_gain` in every request; return the client."""
    resources = client._session.resources
    resources.steps = replace(resources.steps, classifier=Fixed(large_gain, **more))  # type: ignore[arg-type]
    return client
