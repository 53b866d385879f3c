"""One kept answer, as a value and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, fields
from typing import Any, cast

from greenai.readings import Reading
from greenai.values import Tier, Usage

__all__ = ["Entry", "copied"]

_ATOMS = frozenset((str, int, float, bool, type(None)))
_ENERGY = tuple(one.name for one in fields(Reading))
_USAGE = tuple(one.name for one in fields(Usage))


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
            "energy": _plain(self.energy, _ENERGY),
            "usage": _plain(self.usage, _USAGE),
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


def _plain(value: Reading | Usage, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the fields by name; `asdict` copies each value, which takes ten times as long."""
    held: dict[str, Any] = {name: getattr(value, name) for name in names}
    if isinstance(value, Reading):
        held["components"] = dict(value.components)
        held["footprint"] = None if value.footprint is None else asdict(value.footprint)
    return held


def copied(value: Any) -> Any:
    """Return a copy of JSON values; `deepcopy` takes six times as long over them, for it expects anything."""
    kind = type(value)
    if kind is dict:
        return {name: held if type(held) in _ATOMS else copied(held) for name, held in value.items()}
    if kind is list:
        return [held if type(held) in _ATOMS else copied(held) for held in value]
    return value if kind in _ATOMS else deepcopy(value)
