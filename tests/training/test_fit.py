"""The fit on rows made from the formula itself, so that what it should find is known; no measured data are needed."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import fit
import pytest
import rows

from greenai.meters import Deployment, ModelCard, estimate
from greenai.meters.formula import Coefficients

SIZES = {"a": (8.0, 8.0, 2.0), "b": (32.0, 32.0, 1.0), "c": (30.0, 3.0, 2.0), "d": (235.0, 22.0, 1.0)}


def truth() -> Coefficients:
    centre = fit.unpacked(fit.CENTRES)
    return replace(centre, traffic_j_per_gb=0.21, compute_j_per_b=0.0033, cache_j_per_gb=0.25)


def made(fitted: Coefficients, scale: float = 1.0) -> list[rows.Row]:
    found = []
    for name, (total, active, weight) in SIZES.items():
        card = ModelCard(total_params_b=total, active_params_b=active, name=name)
        for gpu in ("H100", "B200"):
            for batch in (8.0, 64.0, 512.0):
                for tokens in ((300, 400), (2000, 250), (300, 8000)):
                    place = Deployment(gpu=gpu, gpus=2, batch=batch, engine="vllm-0.11", bytes_per_weight=weight)
                    reading = estimate(
                        card, input_tokens=tokens[0], output_tokens=tokens[1], deployment=place, fitted=fitted
                    )
                    assert reading.gpu_energy_j is not None
                    found.append(
                        rows.Row(
                            group=name,
                            model=name,
                            task="made",
                            card=card,
                            place=place,
                            input_tokens=tokens[0],
                            output_tokens=tokens[1],
                            joules=reading.gpu_energy_j * scale,
                            batch=batch,
                        )
                    )
    return found


def test_priors_are_where_the_search_begins() -> None:
    centre = fit.unpacked(fit.CENTRES)
    assert centre.launch_j == pytest.approx(0.005)
    assert centre.compute_exponent == -0.105
    assert centre.b200.compute == pytest.approx(0.63)
    assert (centre.vllm.all, centre.vllm.traffic_8bit) == (1.0, pytest.approx(1.5))


def test_it_finds_what_the_rows_were_made_from() -> None:
    true = truth()
    found = fit.fit(made(true) * 5)  # enough rows to outweigh the priors
    assert found.compute_j_per_b == pytest.approx(true.compute_j_per_b, rel=0.12)
    assert found.traffic_j_per_gb == pytest.approx(true.traffic_j_per_gb, rel=0.1)
    pairs = [(row.joules, fit.predicted(row, found).gpu_energy_j) for row in made(true)]
    assert fit.summary(pairs)["median_error"] < 0.05


def test_a_family_left_out_is_not_in_its_fit() -> None:
    some = [row for row in made(truth()) if row.group in ("a", "b")]
    doubled = [replace(row, joules=2 * row.joules) if row.group == "b" else row for row in some]
    fits = fit.left_out(doubled)
    assert set(fits) == {"a", "b"}
    assert fits["b"] == fit.fit([row for row in doubled if row.group == "a"])
    assert fits["a"].traffic_j_per_gb > fits["b"].traffic_j_per_gb


def test_one_scalar_taught_by_the_others() -> None:
    errors, scalar = fit.scaled(made(fit._shipped(), scale=1.7))
    assert scalar == pytest.approx(1.7)
    assert errors["median_error"] == pytest.approx(0, abs=1e-9)
    assert errors["within_two"] == 1.0


def test_the_summary_by_hand() -> None:
    found = fit.summary([(1.0, 1.1), (1.0, 0.4), (2.0, 2.0)])
    assert (found["rows"], found["median_error"], found["median_ratio"]) == (3, 0.1, 1.0)
    assert found["within_two"] == pytest.approx(2 / 3, rel=1e-2)
    assert fit.interval([(1.0, 0.5, 2.0), (9.0, 1.0, 8.0)]) == {"coverage": 0.5, "median_width": 6.0}


def test_the_spread_holds_nine_in_ten() -> None:
    some = made(truth())
    fits = dict.fromkeys(SIZES, truth())
    off = [replace(row, joules=row.joules * math.exp(0.01 * i)) for i, row in enumerate(some)]
    assert fit.spread(off, fits) == pytest.approx(0.9 * 0.01 * (len(some) - 1) / fit.Z90, rel=0.01)


def test_rows_of_a_file_as_the_estimator_sees_them(tmp_path: Path) -> None:
    measured = {
        "task": "lm-arena-chat",
        "model_id": "maker/model",
        "architecture": "MoE",
        "total_params_billions": "30",
        "activated_params_billions": "3",
        "weight_precision": "fp8",
        "gpu_model": "B200",
        "num_gpus": "2",
        "avg_batch_size": "63.9",
        "avg_output_len": "500.4",
        "energy_per_token_joules": "0.25",
        "family": "qwen3-30b",
    }
    shape = {"family": "qwen3-30b", "layers": "48", "kv_gb_per_1k_tokens_bf16": "0.0983", "hybrid_ssm": "0"}
    for name, row in (("mlenergy_v3_llm.csv", measured), ("arch_features.csv", shape)):
        with (tmp_path / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, row)
            writer.writeheader()
            writer.writerow(row)
    (row,) = rows.v3(tmp_path)
    assert row.joules == 0.25 * 500
    assert (row.input_tokens, row.output_tokens, row.group) == (300, 500, "qwen3-30b")
    assert row.place == Deployment(gpu="B200", gpus=2, batch=63.9, engine="vllm-0.11", bytes_per_weight=1.0)
    assert (row.card.layers, row.card.shared_params_b, row.card.moe) == (48, 1.5, True)


def test_the_shipped_errors_belong_to_the_shipped_coefficients() -> None:
    errors = json.loads(fit.ERRORS.read_text(encoding="utf-8"))
    assert errors["version"] == json.loads(fit.TARGET.read_text(encoding="utf-8"))["version"]
    # What the package promises: a fit of which this no longer holds must not be shipped unseen.
    assert errors["known_deployment"]["median_error"] <= 0.20
    assert errors["known_deployment"]["within_two"] >= 0.95
    assert 0.85 <= errors["batch_hidden_16_to_256"]["coverage"] <= 0.95
    assert errors["batch_hidden_16_to_256"]["median_width"] <= 9
    assert errors["vllm_older_a100"]["median_error"] <= 0.25
    assert errors["transformers_batch_1"]["median_error"] <= 0.15
