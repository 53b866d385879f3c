"""One kept answer, as a value and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from greenai.readings import Reading
from greenai.values import Tier, Usage

__all__ = ["Entry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One kept answer: the whole `ChatCompletion` as JSON, what gave it, and what it took then (`energy`).

    `created` is in seconds since 1970; `project` is the one that the call was booked on. `deltas`
    are those of a stream whose chunks cannot be made from the body.
    """

    body: Mapping[str, Any]
    model: str
    tier: Tier
    reasoning: bool | None
    energy: Reading
    usage: Usage
    created: float
    project: str = ""
    deltas: tuple[Mapping[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "body": self.body,
            "model": self.model,
            "tier": self.tier,
            "reasoning": self.reasoning,
            "energy": asdict(self.energy),
            "usage": asdict(self.usage),
            "created": self.created,
            "project": self.project,
            "deltas": self.deltas,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Entry:
        """Rebuild an entry from `to_json`.

        Raises:
            TypeError, KeyError: it is not one.
        """
        body = data["body"]
        if not isinstance(body, dict):
            raise TypeError("the body is no JSON object")
        return cls(
            body=cast("dict[str, Any]", body),
            model=data["model"],
            tier=data["tier"],
            reasoning=data["reasoning"],
            energy=Reading(**data["energy"]),
            usage=Usage(**data["usage"]),
            created=data["created"],
            project=data.get("project", ""),
            deltas=tuple(data.get("deltas", ())),
        )
