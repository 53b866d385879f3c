"""Accelerator joules of one request from a model's size and where it runs: arithmetic on stated values, no defaults.

    one decode step      launch + traffic x weights read in it
    per output token     step / batch + compute + exchange between experts + traffic x cache x context
    per prompt token     compute + a share of the exchange + attention over the prompt before it

Weights read in one step are all of them for a dense model. In a mixture of experts they are what every token uses and
the share of the experts that a batch of that size touches. Hybrids carry a fixed state in place of most of the cache.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["VLLM", "Coefficients", "Engine", "Gpu", "Rates", "Size", "Where", "coefficients_of", "rates"]

VLLM = "vllm-0.11"
"""The engine that the coefficients were fitted on."""

SIXTEEN_BIT = 1.5
"""From this many bytes per weight on, weights count as 16-bit; from half of it, as 8-bit; below, as 4-bit."""
EIGHT_BIT = 0.75

_FLOP_PER_PARAMETER = 2.0
_PARAMETERS_PER_LAYER_AND_WIDTH2 = 12.0
_ATTENTION_FLOP = 4.0


class Gpu(NamedTuple):
    """Factors of one GPU generation against an H100."""

    launch: float = 1.0
    traffic: float = 1.0
    compute: float = 1.0
    cache: float = 1.0


class Engine(NamedTuple):
    """Factors of serving software against vLLM 0.11 with 16-bit weights."""

    all: float = 1.0
    launch: float = 1.0
    traffic_8bit: float = 1.0
    moe_launch_8bit: float = 1.0
    traffic_4bit: float = 1.0
    all_8bit: float = 1.0
    all_4bit: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients:
    """What the fit of `training/energy/fit.py` finds, on H100 under vLLM 0.11; physics.json holds units and sources.

    Attributes:
        launch_j: J per layer and decode step of a dense model on one GPU.
        launch_gpu_exponent: how it grows with the number of GPUs.
        moe_launch_j: J per sqrt(1e9 routed parameters per token x layers) and decode step, mixture of experts.
        moe_launch_gpu_exponent: how that grows with the number of GPUs.
        traffic_j_per_gb: J per GB of weights read.
        compute_j_per_b: J per token and 1e9 active parameters, at `COMPUTE_AT_B` of them.
        compute_exponent: of active parameters, on top of proportionality: larger matrices are used better.
        cache_j_per_gb: J per GB of key-value cache read.
        exchange_j: J per token and sqrt(1e9 routed parameters per token x layers), mixture of experts on one GPU.
        exchange_gpu_exponent: how that grows with the number of GPUs.
        exchange_prefill_share: the part of it that a prompt token takes.
        state_gb_per_layer: GB of state that a hybrid reads and writes per layer and token.
        b200: factors of a B200 against an H100.
        vllm: factors of vLLM 0.11 for weights of fewer than 16 bits.
    """

    launch_j: float
    launch_gpu_exponent: float
    moe_launch_j: float
    moe_launch_gpu_exponent: float
    traffic_j_per_gb: float
    compute_j_per_b: float
    compute_exponent: float
    cache_j_per_gb: float
    exchange_j: float
    exchange_gpu_exponent: float
    exchange_prefill_share: float
    state_gb_per_layer: float
    b200: Gpu
    vllm: Engine


COMPUTE_AT_B = 30.0

STATE_PREFILL_SHARE = 0.1
"""Of a hybrid's state traffic, per prompt token: a chunk of the prompt passes through it at once. An assumption."""


class Size(NamedTuple):
    """A model, every value known. Parameters in 1e9, cache in GB per 1,000 tokens."""

    total: float
    active: float
    shared: float
    layers: float
    kv: float
    bytes_per_weight: float
    hybrid: bool
    moe: bool


class Where(NamedTuple):
    """A place, every value known. `batch` is the mean number of requests served at once."""

    gpu: Gpu
    gpus: float
    batch: float
    engine: Engine


class Rates(NamedTuple):
    """Accelerator joules per output token, per output token and 1,000 tokens of context; the same for prompt tokens."""

    decode: float
    context: float
    prefill: float
    attention: float

    def joules(self, fresh: float, cached: float, output: float, cached_share: float) -> tuple[float, float, float]:
        """Return decode, prefill and cached-token energy of a request, in joules."""
        decode = output * (self.decode + self.context * (fresh + cached + output / 2) / 1000)
        prefill = fresh * (self.prefill + self.attention * (cached + fresh / 2) / 1000)
        return decode, prefill, cached * cached_share * self.prefill

    def total(self, fresh: float, cached: float, output: float, cached_share: float) -> float:
        """Return their sum."""
        decode, context, prefill, attention = self
        return (
            output * (decode + context * (fresh + cached + output / 2) / 1000)
            + fresh * (prefill + attention * (cached + fresh / 2) / 1000)
            + cached * cached_share * prefill
        )


def rates(size: Size, where: Where, c: Coefficients) -> Rates:
    """Return what one token costs: a model of `size`, served as `where` says."""
    gpu, engine = where.gpu, where.engine
    compute = c.compute_j_per_b * math.pow(size.active / COMPUTE_AT_B, c.compute_exponent) * gpu.compute
    per_token = compute * size.active
    step, exchange = _step(size, where, c), 0.0
    if size.moe:
        exchange = c.exchange_j * _routed_width(size) * math.pow(where.gpus, c.exchange_gpu_exponent)
    state = c.cache_j_per_gb * c.state_gb_per_layer * size.layers * gpu.cache if size.hybrid else 0.0
    prefill = per_token + exchange * c.exchange_prefill_share + state * STATE_PREFILL_SHARE
    every = engine.all * _by_precision(size, 1.0, engine.all_8bit, engine.all_4bit)
    return Rates(
        decode=(step / where.batch + per_token + exchange + state) * every,
        context=c.cache_j_per_gb * size.kv * gpu.cache * every,
        prefill=prefill * every,
        attention=compute * _attention_b_per_1k(size) * every,
    )


def _by_precision(size: Size, sixteen: float, eight: float, four: float) -> float:
    if size.bytes_per_weight >= SIXTEEN_BIT:
        return sixteen
    return eight if size.bytes_per_weight >= EIGHT_BIT else four


def _step(size: Size, where: Where, c: Coefficients) -> float:
    """Return the joules of one decode step that the whole batch shares."""
    gpu, engine = where.gpu, where.engine
    traffic = c.traffic_j_per_gb * gpu.traffic * _by_precision(size, 1.0, engine.traffic_8bit, engine.traffic_4bit)
    if not size.moe:
        launch = c.launch_j * size.layers * math.pow(where.gpus, c.launch_gpu_exponent)
        return launch * gpu.launch * engine.launch + traffic * size.total * size.bytes_per_weight
    launch = c.moe_launch_j * _routed_width(size) * math.pow(where.gpus, c.moe_launch_gpu_exponent)
    launch *= gpu.launch * engine.launch * _by_precision(size, 1.0, engine.moe_launch_8bit, 1.0)
    routed = (size.active - size.shared) / (size.total - size.shared)
    touched = size.shared + (size.total - size.shared) * (1 - math.pow(1 - routed, where.batch))
    return launch + traffic * touched * size.bytes_per_weight


def _routed_width(size: Size) -> float:
    """Return what goes to the experts and back for one token, up to a constant: layers x the width of one."""
    return math.sqrt((size.active - size.shared) * size.layers)


def _attention_b_per_1k(size: Size) -> float:
    """Return the parameters, in 1e9, that would take the arithmetic of attending to 1,000 tokens.

    Attention takes about 4 x layers x width operations per earlier token, a parameter 2; a dense layer has about
    12 x width^2 parameters (Kaplan et al., arXiv 2001.08361, section 2.1). A hybrid attends in a tenth of its layers.
    """
    width = math.sqrt(size.active * 1e9 / (_PARAMETERS_PER_LAYER_AND_WIDTH2 * size.layers))
    operations = _ATTENTION_FLOP * size.layers * width * 1000 * (0.1 if size.hybrid else 1.0)
    return operations / _FLOP_PER_PARAMETER / 1e9


def coefficients_of(table: Mapping[str, Any]) -> Coefficients:
    """Return the fitted coefficients out of the parsed physics.json."""
    plain = {name: float(table[name]["value"]) for name in Coefficients.__dataclass_fields__ if name in table}
    return Coefficients(
        **plain, b200=Gpu(*table["b200_factors"]["value"]), vllm=Engine(*table[f"engine_{VLLM}"]["value"])
    )
