"""Other estimators on the same rows, called through their own functions: accelerator joules of one request.

A peer that is not installed is left out, with the command that installs it. Host, idle share and PUE are left out of
every figure, because the measured rows are of accelerators alone.
"""

from __future__ import annotations

import importlib
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rows import Row

J_PER_KWH = 3.6e6
ECOLOGITS = "ecologits==0.11.3"
ECOCOST = "ecocost==0.2.4"

Estimator = Callable[[Row], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One way of asking one estimator; `joules` is None where its package is not installed."""

    name: str
    told: str
    joules: Estimator | None
    install: str | None = None


def peers() -> list[Peer]:
    """Return every peer but the constant, which needs the rows."""
    return [*_ecologits(), *_ecocost()]


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


# --- EcoLogits ----------------------------------------------------------------------------


def _ecologits() -> list[Peer]:
    llm = _module("ecologits.impacts.llm")

    def asked(*, batch: bool, gpus: bool) -> Estimator | None:
        if llm is None:
            return None
        return lambda row: _ecologits_joules(llm, row, row.batch if batch else None, row.place.gpus if gpus else None)

    told = {
        "sizes; batch 64, its own GPU count": asked(batch=False, gpus=False),
        "sizes, GPU count; batch 64": asked(batch=False, gpus=True),
        "sizes, batch; its own GPU count": asked(batch=True, gpus=False),
        "sizes, batch, GPU count": asked(batch=True, gpus=True),
    }
    return [Peer(name="EcoLogits 0.11.3", told=t, joules=j, install=ECOLOGITS) for t, j in told.items()]


def _ecologits_joules(llm: Any, row: Row, batch: float | None, gpus: int | None) -> float:
    """Return its energy of one GPU times its number of GPUs; what is not given is at its own default or rule."""
    one = llm.gpu_energy(
        row.card.active_params_b or row.card.total_params_b,
        row.output_tokens,
        llm.BATCH_SIZE if batch is None else batch,
        llm.GPU_ENERGY_ALPHA,
        llm.GPU_ENERGY_BETA,
        llm.GPU_ENERGY_GAMMA,
    )
    if gpus is None:
        memory = llm.model_required_memory(row.card.total_params_b, llm.MODEL_QUANTIZATION_BITS)
        gpus = llm.gpu_required_count(memory, llm.GPU_MEMORY)
    return float(one * gpus * J_PER_KWH)


# --- ecocost ------------------------------------------------------------------------------


def _ecocost() -> list[Peer]:
    calc, loader = _module("ecocost.calc"), _module("ecocost.loader")
    joules: Estimator | None = None
    if calc is not None and loader is not None:
        joules = lambda row: ecocost_joules(calc, loader.get_kb(), row, row.input_tokens)  # noqa: E731
    return [Peer(name="ecocost 0.2.4", told="active size, GPU, prompt tokens", joules=joules, install=ECOCOST)]


def ecocost_joules(calc: Any, known: Any, row: Row, input_tokens: int) -> float:
    """Return its path from a model's size: its measured path copies the rows that it would be judged on."""
    template = next(iter(known.models.values()))
    active = row.card.active_params_b or row.card.total_params_b
    size = replace(template.active_params_b, value=active, min=None, max=None)
    model = replace(template, active_params_b=size, measured_wh_per_1k_output_tokens_h100=None)
    provider, _ = known.resolve_provider(None, endpoint=None, model=model)
    chip = known.hardware["b200-sxm" if row.place.gpu == "B200" else calc.REFERENCE_HARDWARE_ID]
    reference = known.hardware[calc.REFERENCE_HARDWARE_ID]
    estimate = calc.estimate(
        model,
        provider,
        known.regions[provider.region],
        chip,
        reference,
        input_tokens=input_tokens,
        output_tokens=row.output_tokens,
    )
    return float(estimate.h100_seconds.mid * calc.H100_TDP_W * estimate.chip_energy_ratio.mid)


# --- a constant ---------------------------------------------------------------------------


def constant(rows: Sequence[Row]) -> Peer:
    """Return joules per output token times output tokens: the median of the rows of the other groups."""
    groups = dict.fromkeys(row.group for row in rows)
    rates = {g: statistics.median(r.joules / r.output_tokens for r in rows if r.group != g) for g in groups}
    return Peer(
        name="constant J per token",
        told="output tokens; median of the others",
        joules=lambda row: rates[row.group] * row.output_tokens,
    )


# --- the file of earlier predictions ------------------------------------------------------


def agreement(rows: Sequence[Row], table: Sequence[dict[str, str]]) -> dict[str, float | None]:
    """Return the largest relative difference from each column of predictions that were computed apart from this file.

    Rows are matched by model, task and GPUs, then by the nearest measured energy. A column of a peer that is not
    installed is None.
    """
    stated: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for r in table:
        stated.setdefault((r["model_id"], r["task"], r["gpu_model"], r["num_gpus"]), []).append(r)

    def difference(row: Row, column: str, joules: Estimator) -> float:
        place = row.model, row.task, str(row.place.gpu), str(row.place.gpus)
        measured = row.joules / row.output_tokens
        twin = min(stated[place], key=lambda r: abs(float(r["measured_j_per_token"]) - measured))
        return abs(joules(row) / row.output_tokens / float(twin[column]) - 1)

    return {
        column: None if joules is None else max(difference(row, column, joules) for row in rows)
        for column, joules in _columns().items()
    }


def _columns() -> dict[str, Estimator | None]:
    default, _, batch, both = (peer.joules for peer in _ecologits())
    calc, loader = _module("ecocost.calc"), _module("ecocost.loader")
    output_only: Estimator | None = None
    if calc is not None and loader is not None:
        output_only = lambda row: ecocost_joules(calc, loader.get_kb(), row, 0)  # noqa: E731
    return {
        "ecologits_default_j_per_token": default,
        "ecologits_true_batch_j_per_token": batch,
        "ecologits_true_batch_and_gpus_j_per_token": both,
        "ecocost_model_size_path_j_per_token": output_only,
    }
