"""What an estimate starts from: the size of a model, and where it runs. Bad values are refused here, with a reason."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from numbers import Real
from types import MappingProxyType
from typing import TYPE_CHECKING

from greenai.catalog import Card, Range, find, register, suggest
from greenai.errors import SettingsError, UnknownModel
from greenai.meters.coefficients import coefficients

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from greenai.settings.cards import CardEntry

__all__ = ["Deployment", "ModelCard", "engine_name", "engines", "fitted_gpu", "gpu_name", "gpus", "model_card", "span"]

_GPU, _ENGINE = "gpu_", "engine_"

MOST_PARAMS_B = 100_000.0
_MOST: Mapping[str, tuple[float, str]] = MappingProxyType(
    {
        "layers": (10_000, ""),
        "kv_gb_per_1k_tokens": (100, ""),
        "bytes_per_weight": (8, "; 16-bit weights are 2 bytes"),
        "gpus": (100_000, ""),
        "batch": (1_000_000, ""),
        "software_factor": (1_000, ""),
    }
)
"""The largest value that makes sense, and what to remember: above it a unit was mistaken."""


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
            if size is not None and not 0 < size.low <= size.mid <= size.high <= MOST_PARAMS_B:
                given = f"{size.mid:g}" if size.low == size.high else f"{size.low:g}, {size.mid:g}, {size.high:g}"
                raise ValueError(
                    f"{field} of {self.name} must be above 0 and at most {MOST_PARAMS_B:,.0f}, in 1e9 parameters (70 "
                    f"means 70e9), not {given}."
                )
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
        for field in ("gpu", "engine"):
            if not isinstance(getattr(self, field), (str, type(None))):
                raise TypeError(f"{field} of Deployment must be a name, not {getattr(self, field)!r}.")
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


@lru_cache(maxsize=256)
def gpu_name(name: str) -> str | None:
    """Return the GPU of `gpus()` that a name means, in any case and with what a driver writes around it, or None."""
    words = _words(name)
    if "A100" in words and {"80GB", "80"} & set(words):
        return "A100-80GB"
    return next((known for known in gpus() if known in words), None)


@lru_cache(maxsize=256)
def fitted_gpu(name: str) -> bool:
    """Say whether the fit saw this very GPU: an H100 SXM or a B200, whole."""
    return gpu_name(name) in ("H100", "B200") and not {"PCIE", "NVL", "MIG", "GB200"} & set(_words(name))


def _words(name: str) -> list[str]:
    words = re.split(r"[^A-Z0-9]+", name.upper())
    return [*words, "B200"] if "GB200" in words else words


@lru_cache(maxsize=256)
def engine_name(name: str | None) -> str | None:
    """Return the engine of `engines()` that stands for a name and version, or None where none does.

    Between two versions that have a row, the older one's counts; before the first, the first.
    """
    said = re.sub(r"\btrt-?llm", "tensorrt-llm", (name or "").lower())
    words = re.split(r"[^a-z0-9.]+", said)
    rows = [known for known in engines() if words[: len(_software(known))] == _software(known)]
    number = next((word.removeprefix("v") for word in words if re.fullmatch(r"v?\d+(\.\d+)*", word)), None)
    if number is None or len(rows) < 2:
        return rows[0] if rows else None
    versions = sorted((_version(known), known) for known in rows)
    reached = [known for version, known in versions if version <= _version(number)]
    return reached[-1] if reached else versions[0][1]


def _software(row: str) -> list[str]:
    return re.split(r"-(?!\d)", row.partition("-0")[0])


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def model_card(model: str | Card | ModelCard) -> ModelCard:
    """Return the size of a model given by its catalog name, its catalog card, or as it is.

    Raises:
        UnknownModel: the catalog has no model of exactly this name; the size of a similar one is never taken.
    """
    if isinstance(model, ModelCard):
        return model
    if not isinstance(model, (str, Card)):  # pyright: ignore[reportUnnecessaryIsInstance] - not all callers check types
        raise TypeError(f"model must be a name of the catalog, a Card or a ModelCard, not {type(model).__name__}.")
    card = find(model) if isinstance(model, str) else model
    if card is None:
        close = suggest(str(model))
        hint = f"Close names: {', '.join(close)}." if close else "All names: greenai models list --all."
        raise UnknownModel(
            f"The catalog has no model {model}. {hint} Or give ModelCard(total_params_b=…, active_params_b=…).",
            model=str(model),
            suggestions=close,
        )
    return _of_card(card)


# By id, as a card is not hashable. Each entry holds its card, so that no other one can get that id.
_made: dict[int, tuple[Card, ModelCard]] = {}
_MOST_MADE = 1024


def _of_card(card: Card) -> ModelCard:
    """Return a catalog card as a `ModelCard`, made and checked once: every call asks for several energies."""
    known = _made.get(id(card))
    if known is not None:
        return known[1]
    made = ModelCard(
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
    if len(_made) >= _MOST_MADE:  # cards that an app makes itself, one for each call
        _made.clear()
    _made[id(card)] = (card, made)
    return made


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
            raise SettingsError(f"{entry.place}: the deployment of {entry.name}: {error}") from error
    register(entries)


def span(size: float | Range | None) -> Range | None:
    """Return a size as a range; a number is a range without width."""
    if size is None or isinstance(size, Range):
        return size
    if not isinstance(size, Real):  # numpy's numbers too
        raise TypeError(f"A size must be a number in 1e9 parameters, or Range(low=, mid=, high=), not {size!r}.")
    known = float(size)
    return Range(low=known, mid=known, high=known)


def _refuse_unless_positive(field: str, value: float | None, of: str) -> None:
    if value is None:
        return
    most, hint = _MOST.get(field, (MOST_PARAMS_B, ""))
    try:
        good = 0 < value <= most
    except TypeError as error:
        raise TypeError(f"{field} of {of} must be a number, not {value!r}.") from error
    if not good:
        raise ValueError(f"{field} of {of} must be above 0 and at most {most:,.0f}, not {value}{hint}.")
