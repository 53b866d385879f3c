"""What an estimate starts from: the size of a model, and where it runs. Bad values are refused here, with a reason."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from greenai.catalog import Card, Range, find, register, suggest
from greenai.errors import SettingsError, UnknownModel
from greenai.meters.coefficients import coefficients

if TYPE_CHECKING:
    from collections.abc import Iterable

    from greenai.own_cards import CardEntry

__all__ = ["Deployment", "ModelCard", "engine_name", "engines", "gpu_name", "gpus", "model_card", "span"]

_GPU, _ENGINE = "gpu_", "engine_"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """The size of a model: what its energy depends on.

    A parameter count that is not published may be a `Range(low=, mid=, high=)`; the interval then widens by it. What
    is None is filled by a law or a stated range of physics.json.

    Attributes:
        total_params_b: parameters in 1e9; None is unknown, and nothing can be estimated then.
        active_params_b: parameters that one token uses, in 1e9; None means all of them.
        layers: of the decoder.
        kv_gb_per_1k_tokens: key-value cache in GB (1e9 bytes) per 1,000 tokens at 16 bits.
        bytes_per_weight: as served; None leaves it to the deployment, then to a stated range.
        hybrid: most layers keep a fixed state in place of a growing cache (Mamba and its kin).
        moe: a mixture of experts; None means: where fewer parameters are active than there are.
        shared_params_b: parameters in 1e9 that every token uses (attention, dense layers, shared experts).
        deployment: where it is served, for a call that says nothing else.
        name, provider: for messages, and for the provider's published PUE.

    Raises:
        ValueError: a count is not above 0, or more parameters are active than there are.
    """

    total_params_b: float | Range | None
    active_params_b: float | Range | None = None
    layers: float | None = None
    kv_gb_per_1k_tokens: float | None = None
    bytes_per_weight: float | None = None
    hybrid: bool = False
    moe: bool | None = None
    shared_params_b: float | None = None
    deployment: Deployment | None = None
    name: str = "this model"
    provider: str | None = None

    def __post_init__(self) -> None:
        total, active = span(self.total_params_b), span(self.active_params_b)
        for field, size in (("total_params_b", total), ("active_params_b", active)):
            if size is not None and not 0 < size.low <= size.mid <= size.high < math.inf:
                raise ValueError(f"{field} of {self.name} must be above 0, in 1e9 parameters, not {size}.")
        if total is not None and active is not None and active.mid > total.mid * 1.001:
            raise ValueError(
                f"{self.name} has {total.mid:g}e9 parameters, so {active.mid:g}e9 of them cannot be active. "
                "Give both in 1e9."
            )
        for field in ("layers", "kv_gb_per_1k_tokens", "bytes_per_weight", "shared_params_b"):
            _refuse_unless_positive(field, getattr(self, field), self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Where a model runs, as far as it is known; None leaves a value to its stated distribution.

    Attributes:
        gpu: one of `gpus()`; a driver's name such as "NVIDIA H100 80GB HBM3" is understood.
        gpus: how many serve one copy of the model; None: the fewest, doubling, that hold its weights.
        batch: mean number of requests served at once by one copy.
        engine: the serving software with its version, such as "vllm-0.11". Software other than that of `engines()`
            counts as unknown: the interval says so, and so does the reading's method.
        bytes_per_weight: as served; goes before the card's.
        software_factor: multiplies the accelerators' energy against the engine, or against vLLM 0.11 without one:
            what a measurement of your own found.

    Raises:
        ValueError: a GPU without coefficients, or a count that is not above 0.
    """

    gpu: str | None = None
    gpus: int | None = None
    batch: float | None = None
    engine: str | None = None
    bytes_per_weight: float | None = None
    software_factor: float | None = None

    def __post_init__(self) -> None:
        if self.gpu is not None and gpu_name(self.gpu) is None:
            raise ValueError(
                f"gpu={self.gpu!r} has no coefficients. Use one of {', '.join(gpus())}, "
                "or leave gpu out: the API view's mix of GPUs is then taken."
            )
        for field in ("gpus", "batch", "bytes_per_weight", "software_factor"):
            _refuse_unless_positive(field, getattr(self, field), "Deployment")


@cache
def gpus() -> tuple[str, ...]:
    """Return the names of the GPUs that have coefficients."""
    return tuple(name.upper() for name in _named(_GPU))


@cache
def engines() -> tuple[str, ...]:
    """Return the serving software that has coefficients; the version is the first that a row stands for."""
    return _named(_ENGINE)


def _named(prefix: str) -> tuple[str, ...]:
    return tuple(name.removeprefix(prefix) for name in coefficients() if name.startswith(prefix))


@cache
def gpu_name(name: str) -> str | None:
    """Return the GPU of `gpus()` that a name means, in any case and with what a driver writes around it, or None."""
    words = re.split(r"[^A-Z0-9]+", name.upper().replace("GB200", "B200"))
    if "A100" in words and "80GB" in words:
        return "A100-80GB"
    return next((known for known in gpus() if known in words), None)


@cache
def engine_name(name: str | None) -> str | None:
    """Return the engine of `engines()` that stands for a name and version, or None where none does.

    Between two versions that have a row, the older one's counts; before the first, the first.
    """
    found = re.fullmatch(r"(?P<software>.*?)(?:[-= ]*v?(?P<version>\d+(?:\.\d+)*).*)?", (name or "").lower())
    if found is None or not found["software"]:
        return None
    rows = [known for known in engines() if known.partition("-0")[0] == found["software"].rstrip("-= ")]
    if found["version"] is None or len(rows) < 2:
        return rows[0] if rows else None
    versions = sorted((_version(known), known) for known in rows)
    reached = [known for version, known in versions if version <= _version(found["version"])]
    return reached[-1] if reached else versions[0][1]


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def model_card(model: str | Card | ModelCard) -> ModelCard:
    """Return the size of a model given by its catalog name, its catalog card, or as it is.

    Raises:
        UnknownModel: the catalog has no model of exactly this name; the size of a similar one is never taken.
    """
    if isinstance(model, ModelCard):
        return model
    card = find(model) if isinstance(model, str) else model
    if card is None:
        close = suggest(str(model))
        hint = f"Close names: {', '.join(close)}." if close else "All names: greenai models list --all."
        raise UnknownModel(
            f"The catalog has no model {model}. {hint} Or give ModelCard(total_params_b=…, active_params_b=…).",
            model=str(model),
            suggestions=close,
        )
    return ModelCard(
        total_params_b=card.total_params_b,
        active_params_b=card.active_params_b,
        layers=card.layers,
        kv_gb_per_1k_tokens=card.kv_gb_per_1k_tokens,
        bytes_per_weight=card.bytes_per_weight,
        hybrid=card.hybrid,
        moe=card.moe,
        shared_params_b=card.shared_params_b,
        deployment=Deployment(**card.deployment) if card.deployment else None,
        name=card.name,
        provider=card.provider,
    )


def register_cards(entries: Iterable[CardEntry]) -> None:
    """Add an app's own cards to the catalog, once the hardware that they name is known.

    Raises:
        SettingsError: a deployment has a GPU without coefficients, or what `catalog.register` raises.
    """
    entries = tuple(entries)
    for entry in entries:
        try:
            Deployment(**(entry.deployment.model_dump() if entry.deployment else {}))
        except ValueError as error:
            raise SettingsError(f"cards: the deployment of {entry.name}: {error}") from error
    register(entries)


def span(size: float | Range | None) -> Range | None:
    """Return a size as a range; a number is a range without width."""
    return size if size is None or isinstance(size, Range) else Range(low=size, mid=size, high=size)


def _refuse_unless_positive(field: str, value: float | None, of: str) -> None:
    if value is not None and not 0 < value < math.inf:
        raise ValueError(f"{field} of {of} must be above 0, not {value}.")
