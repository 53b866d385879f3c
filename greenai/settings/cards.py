"""What an app may say of a model of its own, or of one that the catalog has: the entries of the setting `cards`.

Only the shape is checked here, and what is wrong with it said. Whether a name is taken is for `catalog.register`,
which knows the others.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    WithJsonSchema,
    model_validator,
)

from greenai.settings.fields import MODEL, URL, VARIABLE, like, shown
from greenai.values import Tier

__all__ = ["CardEntry", "DeploymentEntry", "LadderEntry", "PriceEntry", "SizeEntry", "explain"]

STATED_BY_APP = "stated in the app's settings"
DAY = like(r"\d{4}-\d{2}-\d{2}", 'it must be a day, for example "2026-11-21"')
_CAPABILITIES = ("tools", "vision", "json_schema", "audio")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class SizeEntry(_Strict):
    """A size in 1e9 parameters: the median guess and the ends of its range, all equal where it is known."""

    low: Annotated[float, Field(gt=0, le=1e6)]
    mid: Annotated[float, Field(gt=0, le=1e6)]
    high: Annotated[float, Field(gt=0, le=1e6)]

    @model_validator(mode="after")
    def _in_order(self) -> SizeEntry:
        if not self.low <= self.mid <= self.high:
            raise ValueError("low, mid and high must be in this order")
        return self


def _size(value: object) -> object:
    """Accept a number, [low, high] or a table of low, mid and high."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return {"low": value, "mid": value, "high": value}
    if isinstance(value, (list, tuple)):
        if len(value) != 2 or not all(isinstance(end, (int, float)) and end > 0 for end in value):
            raise ValueError("a list must be [low, high], two numbers above 0")
        return {"low": value[0], "mid": math.sqrt(value[0] * value[1]), "high": value[1]}
    if isinstance(value, (dict, SizeEntry)):
        return value
    raise ValueError("it must be a number, [low, high] or { low = …, mid = …, high = … }")


_NUMBER = {"type": "number", "exclusiveMinimum": 0, "maximum": 1e6}
_SIZE_SCHEMA: dict[str, Any] = {
    "description": "In 1e9: a number, [low, high], or low, mid and high.",
    "anyOf": [
        _NUMBER,
        {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2},
        {
            "type": "object",
            "properties": {"low": _NUMBER, "mid": _NUMBER, "high": _NUMBER},
            "required": ["low", "mid", "high"],
            "additionalProperties": False,
        },
        {"type": "null"},
    ],
}
Size = Annotated[
    SizeEntry | None, BeforeValidator(lambda v: v if v is None else _size(v)), WithJsonSchema(_SIZE_SCHEMA)
]


def _known(value: frozenset[str]) -> frozenset[str]:
    if unknown := value - set(_CAPABILITIES):
        raise ValueError(f"{min(unknown)!r} is none of {', '.join(_CAPABILITIES)}")
    return value


class PriceEntry(_Strict):
    """US dollars per million tokens."""

    input: Annotated[float, Field(ge=0)]
    output: Annotated[float, Field(ge=0)]
    cached_input: Annotated[float, Field(ge=0)] | None = None
    reasoning_output: Annotated[float, Field(ge=0)] | None = None


class DeploymentEntry(_Strict):
    """Where a model of the app's own is served, as far as it is known: `meters.Deployment` says what each is."""

    gpu: Annotated[str, Field(min_length=1)] | None = None
    gpus: Annotated[int, Field(ge=1, le=100_000)] | None = None
    batch: Annotated[float, Field(gt=0, le=1e6)] | None = None
    engine: Annotated[str, Field(min_length=1)] | None = None
    bytes_per_weight: Annotated[float, Field(gt=0, le=8)] | None = None
    software_factor: Annotated[float, Field(gt=0, le=1000)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where an entry was read; two entries that say the same are equal wherever they stand."""

    text: str = field(default="", compare=False)


class _Placed(_Strict):
    """An entry of a list of the settings."""

    LIST: ClassVar[str]
    _place: _Place = PrivateAttr(default_factory=_Place)

    @property
    def place(self) -> str:
        """Where the entry stands, for messages: the file and the line, and the setting."""
        return f"{self._place.text}: {self.LIST}" if self._place.text else self.LIST

    def stand_at(self, place: str) -> None:
        """Remember where the entry was read; the first place stays."""
        if not self._place.text:
            self._place = _Place(text=place)


class LadderEntry(_Placed):
    """One model of the ladder. `api_key_env` names the variable that holds the key, which is never set here."""

    LIST = "ladder"
    model: Annotated[str, MODEL]
    base_url: Annotated[str, URL] | None = None
    api_key_env: Annotated[str, VARIABLE] | None = None
    tier: Tier | None = None


class CardEntry(_Placed):
    """One card of the app's own.

    `active_params_b` None means that every parameter is used for each token. `ladder` are siblings at the same
    provider, least energy first, this model among them. `deployment` is the server, as far as the app knows it.
    `reasoning` names a switch of the catalog. `same_as` names a card of the catalog whose model this is, behind an
    address of the app's own: what the entry does not state is that card's. With `replace` the card is one that the
    catalog has: what the entry states replaces the catalog's, and the rest stays.
    """

    LIST = "cards"
    name: Annotated[str, MODEL]
    aliases: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    total_params_b: Size = None
    active_params_b: Size = None
    shared_params_b: Annotated[float, Field(gt=0, le=1e6)] | None = None
    layers: Annotated[int, Field(ge=1, le=10_000)] | None = None
    kv_gb_per_1k_tokens: Annotated[float, Field(gt=0, le=100)] | None = None
    bytes_per_weight: Annotated[float, Field(gt=0, le=8)] | None = None
    hybrid: bool = False
    deployment: DeploymentEntry | None = None
    tier: Tier = "large"
    ladder: tuple[Annotated[str, MODEL], ...] = ()
    reasoning: str = "unknown"
    price: PriceEntry | None = None
    context_tokens: Annotated[int, Field(ge=1)] | None = None
    capabilities: Annotated[frozenset[str], AfterValidator(_known)] = frozenset()
    source: Annotated[str, Field(min_length=3, max_length=500)] = STATED_BY_APP
    date: Annotated[str, DAY] | None = None
    same_as: Annotated[str, MODEL] | None = None
    replace: bool = False

    @model_validator(mode="after")
    def _whole(self) -> CardEntry:
        if self.same_as is not None and self.replace:
            raise ValueError("same_as is for a model that the catalog has not; leave out replace")
        based = self.replace or self.same_as is not None
        if self.active_params_b is not None and self.total_params_b is None and not based:
            raise ValueError("active_params_b needs total_params_b")
        if self.total_params_b and self.active_params_b and self.active_params_b.mid > self.total_params_b.mid:
            raise ValueError("active_params_b is above total_params_b")
        if self.ladder and self.name not in self.ladder:
            raise ValueError("ladder must name the model itself too, in the order of energy")
        return self


# --- what is wrong with an entry -----------------------------------------------------------

_TABLES: Mapping[str, type[BaseModel]] = {
    "price": PriceEntry,
    "total_params_b": SizeEntry,
    "active_params_b": SizeEntry,
    "deployment": DeploymentEntry,
}
_EXAMPLE = 'Write for example: [[cards]] with name = "hosted_vllm/acme/chat-7b" and total_params_b = 7.'
_PRICE_EXAMPLE = "Write for example: price = { input = 0.1, output = 0.4 }, in US dollars per million tokens."


def explain(detail: Mapping[str, Any], entries: Any, message: str, place_of: Callable[[int, str], str]) -> str:
    """Return what pydantic found, in words; `place_of` says where the key of an entry stands."""
    path: list[Any] = list(detail["loc"])
    index, inner = path[1], path[2:]
    entry = entries[index]
    name = entry.get("name") if isinstance(entry, Mapping) else None
    which = f"cards, entry {index + 1}" + (f" ({shown(name)})" if name else "")
    key = str(inner[0]) if inner else ""
    start = f"{place_of(index, key)}: {which}"
    example = _PRICE_EXAMPLE if key == "price" else _EXAMPLE
    if detail["type"] == "extra_forbidden":
        return f"{start}: {'.'.join(map(str, inner))} is no key of a card. {_hint(inner)}"
    if detail["type"] == "missing":
        return f"{start} has no {'.'.join(map(str, inner))}. {example}"
    if not inner:
        return f"{start} is not valid: {message}. {example}"
    more = f" {example}" if key == "price" else ""
    return f"{start}: {key} = {shown(entry.get(key))} is not valid: {message}.{more}"


def _hint(inner: list[Any]) -> str:
    """Return what may have been meant by the last key of `inner`, or every key that may stand there."""
    table = str(inner[0]) if len(inner) > 1 else ""
    known = _TABLES.get(table, CardEntry).model_fields
    close = difflib.get_close_matches(str(inner[-1]).lower(), known, n=1)
    hint = f"Did you mean {close[0]}?" if close else f"Known keys: {', '.join(known)}."
    return f"{hint} {_PRICE_EXAMPLE}" if table == "price" else hint
