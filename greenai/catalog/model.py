"""What a card holds: frozen values with their sources beside them. This module reads nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenai.values import Tier

__all__ = ["Card", "Price", "Quality", "Range", "Rate", "Switch"]

Default = Literal["on", "off", "none", "unknown"]
Status = Literal["off", "lowest", "always_on", "none", "unknown"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A size that is known (`low == high`) or assumed to lie between two values; `mid` is the median guess."""

    low: float
    mid: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """How a model's reasoning is turned off, and on.

    `default` is what happens when nothing is sent. `status` is the least that can be had: `off`, `lowest` (the
    smallest effort that the model accepts, `off` holds it), `always_on` (nothing can be sent), `none` (the model
    does not reason) or `unknown`. `off` and `on` hold the provider's native fields; empty means send nothing.
    """

    default: Default = "unknown"
    status: Status = "unknown"
    off: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    on: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    source: str = ""
    date: str = ""
    note: str | None = None


class Rate(NamedTuple):
    """US dollars per million tokens; `cached_input` is None where no discount is listed."""

    input: float
    cached_input: float | None
    output: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """List prices in US dollars per million tokens; `cached_input` is None where no discount is listed.

    Attributes:
        reasoning_output: of a reasoning token, where it differs from `output`.
        services: rates of `batch`, `flex` and `priority`, where they are listed.
        long_from_tokens: prompts of more tokens than this are charged by `long`, the answer included.
        long: rates of such prompts by service, `standard` among them.
    """

    input: float
    cached_input: float | None
    output: float
    source: str
    date: str
    reasoning_output: float | None = None
    services: Mapping[str, Rate] = field(default_factory=lambda: _NOTHING)
    long_from_tokens: int | None = None
    long: Mapping[str, Rate] = field(default_factory=lambda: _NOTHING)

    def rate(self, service: str = "standard", input_tokens: int = 0) -> Rate | None:
        """Return the rate of a service for a prompt of so many tokens; None where it is not listed."""
        if self.long_from_tokens is not None and input_tokens > self.long_from_tokens:
            return self.long.get(service)
        if service == "standard":
            return Rate(self.input, self.cached_input, self.output)
        return self.services.get(service)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """A published score of a model, out of 100, and whether it reasoned for it.

    `reasoning` is `off` where it did not, or as little as it can, and `on` where it did. Scores of one `name` are on
    one scale; others cannot be compared.
    """

    score: float
    reasoning: Literal["off", "on"]
    name: str
    source: str
    date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is known of one model.

    Attributes:
        name: `provider/name`, as litellm spells it.
        aliases: other exact spellings, the bare name among them.
        dated: True for a snapshot that names its date; such a name is a pin.
        same_as: the card whose model this is: of a dated snapshot, or at another host.
        ladder: siblings at the same provider, this model among them, least estimated energy first.
        total_params_b: parameters in 1e9; None where not even a range is stated.
        active_params_b: parameters used per token, in 1e9.
        shared_params_b: parameters that every token uses (attention, dense layers, shared experts), in 1e9.
        kv_gb_per_1k_tokens: key-value cache in GB per 1,000 tokens at 16 bits.
        bytes_per_weight: as the weights are usually served; None where unknown.
        hybrid: most layers keep a fixed state in place of a growing cache (Mamba and its kin).
        deployment: the server that the app said it knows: arguments of `meters.Deployment`.
        quality: public scores; empty where no readable source has one.
        capabilities: of `tools`, `vision`, `json_schema`, `audio`.
        default_system: system message for a call without one; None leaves it to the model's template.
        defaults: arguments for a call that does not give them.
    """

    name: str
    provider: str
    aliases: tuple[str, ...] = ()
    dated: bool = False
    same_as: str | None = None
    tier: Tier = "large"
    ladder: tuple[str, ...] = ()
    total_params_b: Range | None = None
    active_params_b: Range | None = None
    params_source: str = ""
    params_date: str = ""
    shared_params_b: float | None = None
    layers: int | None = None
    kv_gb_per_1k_tokens: float | None = None
    bytes_per_weight: float | None = None
    hybrid: bool = False
    moe: bool = False
    context_tokens: int | None = None
    capabilities: frozenset[str] = frozenset()
    reasoning: Switch = Switch()
    price: Price | None = None
    quality: tuple[Quality, ...] = ()
    deployment: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    default_system: str | None = None
    defaults: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    note: str | None = None
