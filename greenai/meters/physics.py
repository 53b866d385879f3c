"""Estimate the energy of a call from its tokens and the model's card; nothing is measured here.

    decode per token    [c0 * layers * m * gpus^x + c1 * weights read] / batch + c2 * active + c3 * cache * context
    prefill per token   c2 * active

Weights read in one step are all of them for a dense model, and for a mixture of experts the share that a batch of
that size touches. Accelerator energy is then scaled to the site: host, idle share, facility. Every coefficient is in
physics.json with its source. The interval combines what is not known in log space: the model's own error, batch,
hardware mix, precision, serving software, parameters, prefill, host and facility. A model on this machine's
processor has a law of its own: core-seconds per token times watts per core.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from greenai.meters.coefficients import coefficients, value
from greenai.values import Evidence, Reading

if TYPE_CHECKING:
    from greenai.catalog import Card, Range

__all__ = ["Deployment", "estimate"]

METHOD = "physics-1"
CPU_METHOD = "physics-cpu-1"
Z90 = 1.645
"""Standard deviations from the median to either end of a 90% interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Where a model runs, as far as it is known; None leaves a value to its stated default.

    `batch` is the mean number of requests served at once. `software_factor` multiplies the accelerators' energy
    against vLLM 0.11 (1.0); vLLM 0.4 to 0.5 is 2.2 to 2.5.
    """

    gpu: Literal["H100", "B200"] = "H100"
    gpus: int | None = None
    batch: float | None = None
    bytes_per_weight: float | None = None
    software_factor: float = 1.0


class _Rates(NamedTuple):
    """Accelerator joules per output token, per output token and 1,000 tokens of context, and per input token."""

    decode: float
    context: float
    prefill: float


class _Shape(NamedTuple):
    """What the formula needs to know of a model."""

    total: Range
    active: Range
    layers: float
    kv: float
    bytes_per_weight: float | None
    hybrid: bool
    moe: bool


class _Plan(NamedTuple):
    """Rates at the median and at both ends of each thing that is not known, with the ends' distance in sigmas."""

    mid: _Rates
    ends: tuple[tuple[_Rates, _Rates, float], ...]
    fixed_variance: float
    host: float
    idle: float
    facility: float


def estimate(
    card: Card,
    *,
    input_tokens: int | None,
    output_tokens: int | None,
    cached_tokens: int | None = 0,
    reasoning_tokens: int | None = 0,
    batch: float | None = None,
    deployment: Deployment | None = None,
) -> Reading:
    """Return the modelled energy of one call, in joules, with a 90% interval.

    Args:
        card: the model; without a stated or assumed size nothing can be estimated.
        input_tokens: all of the prompt, cached part included.
        output_tokens: all that was generated, hidden reasoning included.
        cached_tokens: the part of the prompt that the provider read from its cache.
        reasoning_tokens: a part of the output; counted in full where a provider leaves it out of the output.
        batch: mean number of requests served at once, where known.
        deployment: hardware and software, where known.
    """
    if input_tokens is None or output_tokens is None:
        return Reading.unknown(f"{METHOD}: no token counts for {card.name}")
    if card.total_params_b is None or card.active_params_b is None:
        return Reading.unknown(f"{METHOD}: no size is stated for {card.name}")
    cached = min(max(cached_tokens or 0, 0), input_tokens)
    output = max(output_tokens, reasoning_tokens or 0)
    if card.provider == "local" and deployment is None:
        return _on_this_processor(card.active_params_b.mid, input_tokens - cached, cached, output)
    plan = _plan(_shape(card), batch, deployment)
    return _reading(plan, input_tokens - cached, cached, output, deployment is not None)


def _reading(plan: _Plan, fresh: int, cached: int, output: int, known: bool) -> Reading:
    share = value("cached_share")
    context = (fresh + cached + output / 2) / 1000
    decode = output * (plan.mid.decode + plan.mid.context * context)
    prefill, from_cache = fresh * plan.mid.prefill, cached * share * plan.mid.prefill
    gpu = decode + prefill + from_cache
    if gpu <= 0:
        return Reading(energy_j=0.0, low_j=0.0, high_j=0.0, gpu_energy_j=0.0, evidence=_evidence(known), method=METHOD)
    weighted = fresh + cached * share
    variance = plan.fixed_variance + _input_variance(prefill / gpu, from_cache / gpu)
    for low, high, sigmas in plan.ends:
        at_low = output * (low.decode + low.context * context) + weighted * low.prefill
        at_high = output * (high.decode + high.context * context) + weighted * high.prefill
        variance += (math.log(at_high / at_low) / sigmas) ** 2
    factor = math.exp(Z90 * math.sqrt(variance))
    host, idle = gpu * plan.host, gpu * plan.idle
    facility = (gpu + host + idle) * plan.facility
    energy = gpu + host + idle + facility
    parts = {"decode": decode, "prefill": prefill, "cached": from_cache}
    return Reading(
        energy_j=energy,
        low_j=energy / factor,
        high_j=energy * factor,
        gpu_energy_j=gpu,
        evidence=_evidence(known),
        method=METHOD,
        components={**parts, "host": host, "idle": idle, "facility": facility},
    )


def _evidence(known: bool) -> Evidence:
    return "modelled_known_deployment" if known else "modelled_api"


@lru_cache(maxsize=1)
def _input_sigmas() -> tuple[float, float]:
    c = coefficients()
    cached = c["cached_share"]
    return math.log(c["prefill_factor"]["value"]) / Z90, math.log(cached["high"] / cached["value"]) / Z90


def _input_variance(prefill_share: float, cached_share: float) -> float:
    prefill, cached = _input_sigmas()
    return (prefill * prefill_share) ** 2 + (cached * cached_share) ** 2


def _on_this_processor(params_b: float, fresh: int, cached: int, output: int) -> Reading:
    c = coefficients()
    per_decode, per_prefill = c["cpu_core_s_per_token_b"]["value"]
    watts, sigma = c["watts_per_core"], c["cpu_sigma"]["value"]
    decode = output * per_decode * params_b * watts["value"]
    prefill = fresh * per_prefill * params_b * watts["value"]
    energy = decode + prefill
    factor = math.exp(Z90 * math.hypot(sigma, math.log(watts["high"] / watts["low"]) / (2 * Z90)))
    return Reading(
        energy_j=energy,
        low_j=energy / factor,
        high_j=energy * factor,
        gpu_energy_j=0.0,
        evidence="modelled_known_deployment",
        method=CPU_METHOD,
        components={"decode": decode, "prefill": prefill, "cached": 0.0 * cached},
    )


# --- what does not depend on the tokens: worked out once for each model and deployment -----------


def _shape(card: Card) -> _Shape:
    if card.total_params_b is None or card.active_params_b is None:
        raise ValueError(f"{card.name} has no size")
    layer_law, kv_law = coefficients()["layers_law"]["value"], coefficients()["kv_law"]["value"]
    layers, kv = card.layers, card.kv_gb_per_1k_tokens
    if kv is None:
        kv = kv_law[0] * card.active_params_b.mid ** kv_law[1] * (0.1 if card.hybrid else 1.0)
    if layers is None:
        layers = layer_law[0] * card.total_params_b.mid ** layer_law[1]
    total, active = card.total_params_b, card.active_params_b
    return _Shape(total, active, layers, kv, card.bytes_per_weight, card.hybrid, card.moe)


@lru_cache(maxsize=1024)
def _plan(shape: _Shape, batch: float | None, deployment: Deployment | None) -> _Plan:
    c = coefficients()
    known = deployment or Deployment()
    running, spread = batch or known.batch, 0.0
    if running is None:
        running, spread = c["batch"]["value"], c["batch"]["sigma"]
    precision = c["bytes_per_weight"]
    weight_bytes = known.bytes_per_weight or shape.bytes_per_weight
    w = weight_bytes or precision["value"]
    share = value("b200_share") if deployment is None else float(known.gpu == "B200")

    def rates(batch_factor: float = 1.0, size: str = "mid", weight: float = w, b200: float = share) -> _Rates:
        total, active = getattr(shape.total, size), getattr(shape.active, size)
        gpus = known.gpus or _gpus(total * weight)
        return _rates(shape, total, active, weight, gpus, running * batch_factor, b200, known.software_factor)

    ends: list[tuple[_Rates, _Rates, float]] = []
    if spread:
        ends.append((rates(math.exp(spread)), rates(math.exp(-spread)), 2.0))
    if shape.active.low < shape.active.high or shape.total.low < shape.total.high:
        ends.append((rates(size="low"), rates(size="high"), 2 * Z90))
    if weight_bytes is None:
        ends.append((rates(weight=precision["low"]), rates(weight=precision["high"]), 2 * Z90))
    if 0 < share < 1:
        ends.append((rates(b200=1.0), rates(b200=0.0), 1 / math.sqrt(share * (1 - share))))
    host, idle, pue = c["host_share"], c["idle_share"], c["pue"]
    return _Plan(
        mid=rates(),
        ends=tuple(ends),
        fixed_variance=_fixed_variance(deployment is not None),
        host=host["value"],
        idle=idle["value"],
        facility=pue["value"] - 1,
    )


def _fixed_variance(known: bool) -> float:
    """Return the variance that no token count changes: the model's own error, software, host and facility."""
    c = coefficients()
    host, idle, pue = c["host_share"], c["idle_share"], c["pue"]
    site = math.log((1 + host["high"] + idle["high"]) / (1 + host["low"] + idle["low"])) / (2 * Z90)
    facility = math.log(pue["high"] / pue["low"]) / (2 * Z90)
    software = 0.0 if known else value("software_sigma")
    return value("model_sigma") ** 2 + software**2 + site**2 + facility**2


def _gpus(weights_gb: float) -> int:
    memory = coefficients()["memory_gb"]
    needed = memory["headroom"] * weights_gb / memory["value"]
    return 1 if needed <= 1 else int(2 ** math.ceil(math.log2(needed)))


def _rates(
    shape: _Shape, total: float, active: float, w: float, gpus: int, batch: float, b200: float, software: float
) -> _Rates:
    c = coefficients()
    overhead, traffic, compute, cache = (1 + b200 * (factor - 1) for factor in c["b200"]["value"])
    weights_gb = total * w
    if shape.moe:
        weights_gb *= 1 - (1 - min(active / total, 1.0)) ** batch
    step = value("decode_overhead_j") * shape.layers * gpus ** value("gpu_exponent") * overhead
    step *= value("moe_overhead") if shape.moe else 1.0
    step += value("weight_traffic_j_per_gb") * weights_gb * traffic
    per_token = value("compute_j_per_b_params") * active * compute
    per_token *= value("hybrid_compute") if shape.hybrid else 1.0
    context = value("kv_traffic") * shape.kv * cache
    return _Rates((step / batch + per_token) * software, context * software, per_token * software)
