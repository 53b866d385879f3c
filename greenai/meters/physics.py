"""Estimate the energy of a call from its tokens and the model's size; nothing is measured here.

`formula.py` holds the arithmetic for a place where everything is known. Here what is not known becomes a distribution:
batch, GPU, precision, serving software, size, prefill, host and facility. Accelerator energy is scaled to the site
(host, idle share, PUE), and the interval combines the spreads in log space. Every coefficient is in physics.json with
its source; its leave-one-family-out errors lie beside it in errors.json. A model on this machine's processor has a
law of its own: core-seconds per token times watts per core.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from greenai.meters import footprint, sites
from greenai.meters.coefficients import coefficients, value
from greenai.meters.formula import VLLM, Coefficients, Engine, Gpu, Rates, Size, Where, coefficients_of, rates
from greenai.meters.inputs import Deployment, ModelCard, engine_name, fitted_gpu, gpu_name, model_card, span
from greenai.readings import Evidence, Reading

if TYPE_CHECKING:
    from greenai.catalog import Card, Range

__all__ = ["METHOD", "estimate", "median_j"]

METHOD = "physics-2"
CPU_METHOD = "physics-cpu-1"
Z90 = 1.645
"""Standard deviations from the median to either end of a 90% interval."""

MOST = 10**12
"""The largest count that is taken for one: above it somebody divided by nought, or meant something else."""

LOADS_AS_PUBLISHED = ("vllm", "transformers")
"""Engines that serve a checkpoint in the precision it was published in, unless told otherwise."""

Tier = Literal["auto", "default", "priority", "scale", "flex", "batch"]
TIERS: tuple[Tier | None, ...] = (None, *get_args(Tier))


class _Plan(NamedTuple):
    """Rates at the median and at both ends of each thing that is not known, with the ends' distance in sigmas."""

    mid: Rates
    ends: tuple[tuple[Rates, Rates, float], ...]
    fixed_variance: float
    site_variance: float
    host: float
    idle: float
    facility: float
    evidence: Evidence
    method: str


def estimate(
    model: str | Card | ModelCard,
    *,
    input_tokens: int | None,
    output_tokens: int | None,
    cached_tokens: int | None = 0,
    reasoning_tokens: int | None = 0,
    images: int = 0,
    deployment: Deployment | None = None,
    service_tier: Tier | None = None,
    zone: str | None = None,
    fitted: Coefficients | None = None,
) -> Reading:
    """Return the modelled energy of one call, in joules, with a 90% interval.

    Args:
        model: a name of the catalog, exactly; a catalog card; or a `ModelCard`.
        input_tokens: all of the prompt, cached part included. None is unknown, and so is the energy then.
        output_tokens: all that was generated, hidden reasoning included; 0 for an embedding.
        cached_tokens: the part of the prompt that the provider read from its cache; at most all of it counts.
        reasoning_tokens: a part of the output. More of them than output tokens cannot be a part: they are then added.
        images: pictures in the prompt that `input_tokens` does not count; providers usually bill them as tokens.
        deployment: hardware and software, as far as known; None takes the card's, if it has one, else the view from
            outside an API.
        service_tier: "batch" and "flex" work is served in larger batches; the others count as the default.
        zone: a grid such as "FR": the reading then carries its `footprint`.
        fitted: other coefficients than the shipped ones: those of a fit that left a family out, to validate.

    Raises:
        UnknownModel: the catalog has no model of exactly this name.
        TypeError, ValueError: a count is no number, below 0, not finite, or above `MOST`.
        SettingsError: no grid has the code `zone`.
    """
    card = model_card(model)
    if input_tokens is None or output_tokens is None:
        return Reading.unknown(f"{METHOD}: no token counts for {card.name}")
    if card.total_params_b is None:
        return Reading.unknown(f"{METHOD}: no size is stated for {card.name}")
    if service_tier not in TIERS:
        raise ValueError(f"service_tier={service_tier!r} is none of {', '.join(str(tier) for tier in TIERS)}.")
    cached, reasoning = cached_tokens or 0, reasoning_tokens or 0
    _refuse_bad_counts(
        card.name,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_tokens=cached,
        reasoning_tokens=reasoning,
        images=images,
    )
    cached = min(cached, input_tokens)
    output = output_tokens if reasoning <= output_tokens else output_tokens + reasoning
    fresh = input_tokens - cached + images * value("image_tokens")
    if fresh + cached + output == 0:
        return Reading.unknown(f"{METHOD}: no tokens were counted for {card.name}")
    deployment = deployment or card.deployment
    if not isinstance(deployment, (Deployment, type(None))):  # pyright: ignore[reportUnnecessaryIsInstance] - not all callers check types
        raise TypeError(f"deployment must be a greenai.meters.Deployment, not {type(deployment).__name__}.")
    if card.provider == "local" and deployment is None:
        reading = _on_this_processor(card, fresh, cached, output)
    else:
        reading = _reading(
            _plan(card, deployment, service_tier or "default", fitted or _shipped()), fresh, cached, output
        )
    return reading if zone is None else replace(reading, footprint=footprint.of(reading, zone, provider=card.provider))


def median_j(
    card: Card, *, input_tokens: int, output_tokens: int, cached_tokens: int = 0, service_tier: Tier | None = None
) -> float | None:
    """Return the `energy_j` of `estimate`, in joules, without working out its interval: a third of the time."""
    size = model_card(card)
    cached = min(cached_tokens, input_tokens)
    known = size.total_params_b is not None and (size.provider != "local" or size.deployment is not None)
    counted = min(cached, output_tokens) >= 0 and 0 < input_tokens + output_tokens <= MOST
    if not (known and counted):
        return estimate(
            card,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cached_tokens=cached_tokens,
            service_tier=service_tier,
        ).energy_j
    plan = _plan(size, size.deployment, service_tier or "default", _shipped())
    gpu = plan.mid.total(input_tokens - cached, cached, output_tokens, value("cached_share"))
    work = gpu + gpu * plan.host + gpu * plan.idle
    return work + work * plan.facility


def _refuse_bad_counts(of: str, **counts: object) -> None:
    for name, count in counts.items():
        try:
            good = 0 <= count <= MOST  # type: ignore[operator]
        except TypeError as error:
            raise TypeError(f"{name} of {of} must be a number, not {count!r}.") from error
        if not good:
            raise ValueError(f"{name}={count!r} of {of} must be from 0 to {MOST:,}.")


def _reading(plan: _Plan, fresh: float, cached: float, output: float) -> Reading:
    share = value("cached_share")
    decode, prefill, from_cache = plan.mid.joules(fresh, cached, output, share)
    gpu = decode + prefill + from_cache
    variance = plan.fixed_variance + _input_variance(prefill / gpu, from_cache / gpu)
    for low, high, sigmas in plan.ends:
        of_low, of_high = low.total(fresh, cached, output, share), high.total(fresh, cached, output, share)
        variance += (math.log(of_high / of_low) / sigmas) ** 2
    of_gpus = math.exp(Z90 * math.sqrt(variance))
    factor = math.exp(Z90 * math.sqrt(variance + plan.site_variance))
    host, idle = gpu * plan.host, gpu * plan.idle
    facility = (gpu + host + idle) * plan.facility
    energy = gpu + host + idle + facility
    parts = {"decode": decode, "prefill": prefill, "cached": from_cache}
    return Reading(
        energy_j=energy,
        low_j=energy / factor,
        high_j=energy * factor,
        gpu_energy_j=gpu,
        gpu_low_j=gpu / of_gpus,
        gpu_high_j=gpu * of_gpus,
        evidence=plan.evidence,
        method=plan.method,
        components={**parts, "host": host, "idle": idle, "facility": facility},
    )


@lru_cache(maxsize=1)
def _input_sigmas() -> tuple[float, float]:
    c = coefficients()
    cached = c["cached_share"]
    return math.log(c["prefill_factor"]["value"]) / Z90, math.log(cached["high"] / cached["value"]) / Z90


def _input_variance(prefill_share: float, cached_share: float) -> float:
    prefill, cached = _input_sigmas()
    return (prefill * prefill_share) ** 2 + (cached * cached_share) ** 2


def _on_this_processor(card: ModelCard, fresh: float, cached: int, output: int) -> Reading:
    c = coefficients()
    params_b = _mid(span(card.active_params_b) or span(card.total_params_b))
    per_decode, per_prefill = c["cpu_core_s_per_token_b"]["value"]
    watts, sigma = c["watts_per_core"], c["cpu_sigma"]["value"]
    decode = output * per_decode * params_b * watts["value"]
    prefill = fresh * per_prefill * params_b * watts["value"]
    # Reading a cached prompt takes memory traffic and no arithmetic: the same share as on a GPU, an assumption.
    from_cache = cached * value("cached_share") * per_prefill * params_b * watts["value"]
    energy = decode + prefill + from_cache
    factor = math.exp(Z90 * math.hypot(sigma, math.log(watts["high"] / watts["low"]) / (2 * Z90)))
    return Reading(
        energy_j=energy,
        low_j=energy / factor,
        high_j=energy * factor,
        gpu_energy_j=0.0,
        evidence="modelled_known_deployment",
        method=CPU_METHOD,
        components={"decode": decode, "prefill": prefill, "cached": from_cache},
    )


# --- what does not depend on the tokens: worked out once for each model and deployment -----------


@lru_cache(maxsize=4096)
def _plan(card: ModelCard, deployment: Deployment | None, tier: str, fitted: Coefficients) -> _Plan:
    c, place = coefficients(), deployment or Deployment()
    batch = c.get(f"batch_{tier}", c["batch_default"])
    native = str(engine_name(place.engine)).startswith(LOADS_AS_PUBLISHED)
    precision = c["bytes_per_weight_engine_known" if native else "bytes_per_weight"]
    weight = place.bytes_per_weight or card.bytes_per_weight
    gpu, other = _gpus_of(place, fitted)
    total, active = span(card.total_params_b), span(card.active_params_b)

    def at(gpu: Gpu = gpu, wider: float = 1.0, end: str = "mid", weight: float = weight or precision["value"]) -> Rates:
        size = _size(card, end, weight)
        running = place.batch or batch["value"] * wider
        gpus = place.gpus or _fewest_gpus(size.total * weight, place)
        return rates(size, Where(gpu, gpus, max(running, 1.0), _engine(place, fitted)), fitted)

    ends: list[tuple[Rates, Rates, float]] = []
    if place.batch is None:
        step = math.exp(batch["sigma" if engine_name(place.engine) is None else "sigma_engine_known"])
        ends.append((at(wider=step), at(wider=1 / step), 2.0))
    if any(size is not None and size.low < size.high for size in (total, active)):
        ends.append((at(end="low"), at(end="high"), 2 * Z90))
    if weight is None:
        ends.append((at(weight=precision["low"]), at(weight=precision["high"]), 2 * Z90))
    if other is not None:
        share = value("b200_share")
        ends.append((at(gpu=other), at(gpu=Gpu()), 1 / math.sqrt(share * (1 - share))))
    pue = sites.pue(card.provider)
    return _Plan(
        mid=at(),
        ends=tuple(ends),
        fixed_variance=_fixed_variance(place),
        site_variance=_site_variance(pue),
        host=value("host_share"),
        idle=value("idle_share"),
        facility=pue.value - 1,
        evidence=_evidence(card, place, weight),
        method=_method(card, place, weight),
    )


def _evidence(card: ModelCard, place: Deployment, weight: float | None) -> Evidence:
    """Return whether enough is known of the deployment: size, GPU, batch and software, and that they go together."""
    total, active = span(card.total_params_b), span(card.active_params_b)
    sized = all(size is None or size.low == size.high for size in (total, active))
    software = place.software_factor is not None or engine_name(place.engine) is not None
    known = sized and software and place.gpu and place.batch and not _too_much(card, place, weight)
    return "modelled_known_deployment" if known else "modelled_api"


def _method(card: ModelCard, place: Deployment, weight: float | None) -> str:
    """Return the method's name, with what a reader should know of this deployment."""
    if place.engine is not None and engine_name(place.engine) is None:
        return f"{METHOD} (no coefficients for the engine {place.engine}: taken as unknown)"
    return f"{METHOD} ({said})" if (said := _too_much(card, place, weight)) else METHOD


def _too_much(card: ModelCard, place: Deployment, weight: float | None) -> str | None:
    """Return words where the weights cannot lie in the memory of the stated GPUs: offloading is not modelled."""
    total = span(card.total_params_b)
    if total is None or weight is None or place.gpu is None or place.gpus is None:
        return None
    weights_gb, memory_gb = total.mid * weight, place.gpus * coefficients()[f"gpu_{_known_gpu(place)}"]["value"][3]
    if weights_gb <= memory_gb:
        return None
    gpus = f"{place.gpus} x {gpu_name(place.gpu)}"
    return f"{weights_gb:,.0f} GB of weights do not fit the {memory_gb:,.0f} GB of {gpus}: offloading is not modelled"


def _known_gpu(place: Deployment) -> str:
    return str(gpu_name(str(place.gpu))).lower()


def _size(card: ModelCard, end: str, weight: float) -> Size:
    """Return the size at one end of its range ("low", "mid", "high"), with laws for what the card leaves open."""
    layer_law, kv_law = coefficients()["layers_law"]["value"], coefficients()["kv_law"]["value"]
    total = float(getattr(span(card.total_params_b), end))
    known = span(card.active_params_b)
    active = total if known is None else min(float(getattr(known, end)), total)
    moe = active < total * 0.999 if card.moe is None else card.moe
    shared = active * value("shared_share") if card.shared_params_b is None else card.shared_params_b
    kv = card.kv_gb_per_1k_tokens
    if kv is None:
        kv = kv_law[0] * active ** kv_law[1] * (0.1 if card.hybrid else 1.0)
    return Size(
        total=total,
        active=active,
        shared=min(shared, active * 0.95),
        layers=card.layers or layer_law[0] * total ** layer_law[1],
        kv=kv,
        bytes_per_weight=weight,
        hybrid=card.hybrid,
        moe=moe,
    )


def _gpus_of(place: Deployment, fitted: Coefficients) -> tuple[Gpu, Gpu | None]:
    """Return the factors of the deployment's GPU; of the API view's mix of two, with the second, where unknown."""
    name = gpu_name(place.gpu) if place.gpu is not None else None
    if name is None:
        share = value("b200_share")
        return Gpu(*(1 + share * (factor - 1) for factor in fitted.b200)), fitted.b200
    return (fitted.b200 if name == "B200" else _by_data_sheet(name)), None


def _by_data_sheet(name: str) -> Gpu:
    """Return the factors of a GPU that was not fitted: its power, and power per bandwidth and arithmetic."""
    c = coefficients()
    watts, bandwidth, arithmetic, _ = c[f"gpu_{name.lower()}"]["value"]
    h_watts, h_bandwidth, h_arithmetic, _ = c["gpu_h100"]["value"]
    power = watts / h_watts
    traffic = power * h_bandwidth / bandwidth
    return Gpu(launch=power, traffic=traffic, compute=power * h_arithmetic / arithmetic, cache=traffic)


def _engine(place: Deployment, fitted: Coefficients) -> Engine:
    name = engine_name(place.engine)
    if name == VLLM:
        engine = fitted.vllm
    else:
        engine = Engine() if name is None else Engine(*coefficients()[f"engine_{name}"]["value"])
    return engine if place.software_factor is None else engine._replace(all=engine.all * place.software_factor)


def _fixed_variance(place: Deployment) -> float:
    """Return the variance of the accelerators' energy that no token count changes: formula, software, GPU."""
    c = coefficients()
    engine, software = engine_name(place.engine), 0.0
    if place.software_factor is None:
        software = value("software_sigma") if engine is None else c[f"engine_{engine}"].get("sigma", 0.0)
    gpu = value("datasheet_sigma") if place.gpu is not None and not fitted_gpu(place.gpu) else 0.0
    return math.hypot(value("model_sigma"), software, gpu) ** 2


@lru_cache(maxsize=64)
def _site_variance(pue: sites.Span) -> float:
    """Return the variance of what the site adds: host and idle share, facility."""
    host, idle = coefficients()["host_share"], coefficients()["idle_share"]
    site = math.log((1 + host["high"] + idle["high"]) / (1 + host["low"] + idle["low"])) / (2 * Z90)
    return math.hypot(site, math.log(pue.high / pue.low) / (2 * Z90)) ** 2


def _fewest_gpus(weights_gb: float, place: Deployment) -> int:
    memory = coefficients()["memory_gb"]
    each = (
        memory["value"] if place.gpu is None else coefficients()[f"gpu_{str(gpu_name(place.gpu)).lower()}"]["value"][3]
    )
    needed = memory["headroom"] * weights_gb / each
    return 1 if needed <= 1 else int(2 ** math.ceil(math.log2(needed)))


def _mid(size: Range | None) -> float:
    if size is None:
        raise ValueError("no size")
    return size.mid


@lru_cache(maxsize=1)
def _shipped() -> Coefficients:
    return coefficients_of(coefficients())
