"""Compare the energy model with measured rows of ML.ENERGY v3: accelerator joules per output token.

    python benchmarks/energy_model.py mlenergy_v3_llm.csv arch_features.csv

The shipped coefficients were fitted on rows of the same source, so these are in-sample figures; an honest error needs
whole model families held out of the fit. Prompt lengths are not in the file: 300, 300 and 2,000 tokens are assumed.
"""

from __future__ import annotations

import csv
import math
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from greenai.catalog import Card, Range
from greenai.meters.physics import Deployment, estimate

if TYPE_CHECKING:
    from collections.abc import Iterable

PROMPT_TOKENS = {"lm-arena-chat": 300, "gpqa": 300, "sourcegraph-fim": 2000}
BYTES = {"bfloat16": 2.0, "fp8": 1.0, "mxfp4": 0.53}


def main() -> None:
    rows = [r for r in read(sys.argv[1]) if r["task"] in PROMPT_TOKENS]
    shapes = {r["family"]: r for r in read(sys.argv[2])}
    known = [(measured(r), predict(r, shapes[r["family"]], known=True)) for r in rows]
    report("known deployment", known)
    mid = [r for r in rows if 31 <= float(r["avg_batch_size"]) <= 128]
    report(
        "batch unknown, 31 to 128 running", [(measured(r), predict(r, shapes[r["family"]], known=False)) for r in mid]
    )
    wide = [r for r in rows if 16 <= float(r["avg_batch_size"]) <= 256]
    report(
        "batch unknown, 16 to 256 running", [(measured(r), predict(r, shapes[r["family"]], known=False)) for r in wide]
    )


def read(path: str) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def measured(row: dict[str, str]) -> float:
    return float(row["energy_per_token_joules"])


def predict(row: dict[str, str], shape: dict[str, str], *, known: bool) -> tuple[float, float, float]:
    """Return median, low and high accelerator joules per output token."""
    total, active = float(row["total_params_billions"]), float(row["activated_params_billions"])
    sizes: dict[str, Any] = {
        "total_params_b": Range(low=total, mid=total, high=total),
        "active_params_b": Range(low=active, mid=active, high=active),
        "layers": int(shape["layers"]),
        "kv_gb_per_1k_tokens": float(shape["kv_gb_per_1k_tokens_bf16"]),
        "bytes_per_weight": BYTES[row["weight_precision"]],
        "hybrid": shape["hybrid_ssm"] == "1",
        "moe": row["architecture"] == "MoE",
    }
    card = Card(name=row["model_id"], provider="hosted_vllm", **sizes)
    gpu: Literal["B200", "H100"] = "B200" if row["gpu_model"] == "B200" else "H100"
    place = Deployment(gpu=gpu, gpus=int(row["num_gpus"]), batch=float(row["avg_batch_size"])) if known else None
    output = round(float(row["avg_output_len"]))
    reading = estimate(card, input_tokens=PROMPT_TOKENS[row["task"]], output_tokens=output, deployment=place)
    assert reading.gpu_energy_j is not None
    assert reading.energy_j is not None
    assert reading.low_j is not None
    assert reading.high_j is not None
    scale = reading.gpu_energy_j / reading.energy_j / output
    return reading.gpu_energy_j / output, reading.low_j * scale, reading.high_j * scale


def report(name: str, pairs: Iterable[tuple[float, tuple[float, float, float]]]) -> None:
    rows = list(pairs)
    errors = [abs(p - m) / m for m, (p, _, _) in rows]
    within = sum(abs(math.log(p / m)) <= math.log(2) for m, (p, _, _) in rows) / len(rows)
    covered = sum(low <= m <= high for m, (_, low, high) in rows) / len(rows)
    width = statistics.median(high / low for _, (_, low, high) in rows)
    print(
        f"{name}: {len(rows)} rows, median error {statistics.median(errors):.0%}, within two {within:.0%}, "
        f"90% interval covers {covered:.0%}, median width {width:.1f}x"
    )


if __name__ == "__main__":
    main()
