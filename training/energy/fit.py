"""Fit the energy model and write greenai/meters/physics.json (values) and errors.json (what they miss by).

    python training/energy/fit.py FOLDER            fit, validate, write
    python training/energy/fit.py FOLDER --check    fit and compare with the files on disk

Least squares on log energy, with a loss that forgives outliers and a prior on each coefficient: with 13 families, most
coefficients rest on a handful of models. Centres come from data sheets and published architectures where a comment
says so, and are round numbers near a first fit of all families where none does; they and the form of the model were
chosen with all 13 families in sight. What wider priors give is printed beside the errors, which are
leave-one-family-out: each family is predicted by a fit that never saw it.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
from rows import Row, local, v2, v3
from scipy.optimize import least_squares

from greenai.meters.formula import Coefficients, Engine, Gpu
from greenai.meters.inputs import Deployment
from greenai.meters.physics import Z90, estimate

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "greenai" / "meters" / "physics.json"
ERRORS = ROOT / "greenai" / "meters" / "errors.json"
DATE = "2026-11-21"

# Centre and standard deviation (of the logarithm; of the value for exponents of either sign, marked "+").
PRIORS: dict[str, tuple[float, float]] = {
    "launch_j": (0.005, 0.5),  # 250 W for 20 microseconds
    "launch_gpu_exponent": (0.5, 0.2),
    "moe_launch_j": (0.1, 0.5),
    "moe_launch_gpu_exponent": (0.5, 0.2),
    "traffic_j_per_gb": (0.17, 0.2),  # 450 W over 80% of 3,350 GB/s
    "compute_j_per_b": (0.0025, 0.2),  # 700 W over 57% of 989 TFLOP/s
    "cache_j_per_gb": (0.3, 0.25),  # as weights, read less evenly
    "exchange_j": (0.0015, 0.5),
    "exchange_gpu_exponent": (0.8, 0.15),
    "exchange_prefill_share": (0.4, 0.25),
    "state_gb_per_layer": (0.005, 0.2),  # a Mamba-2 state of 128 x 80 x 128 x 4 bytes, in half of the layers
    "b200_launch": (1.2, 0.15),  # between 1 and the ratio of power, 1,000/700 W
    "b200_traffic": (0.9, 0.15),  # power per bandwidth is 0.6 of an H100's; early kernels reach less of it
    "b200_compute": (0.63, 0.15),  # power per dense 16-bit TFLOP/s, 2,250 against 989
    "b200_cache": (0.75, 0.2),
    "traffic_8bit": (1.5, 0.2),
    "moe_launch_8bit": (1.5, 0.2),
    "traffic_4bit": (1.2, 0.2),
    "+compute_exponent": (-0.105, 0.05),
}
NAMES = tuple(PRIORS)
CENTRES = np.array([v if n[0] == "+" else math.log(v) for n, (v, _) in PRIORS.items()])
SPREADS = np.array([spread for _, spread in PRIORS.values()])
NESTED = (31, 128)
FORGIVING = 0.3  # from this log error on, the loss grows like the error, not like its square


def unpacked(x: Sequence[float]) -> Coefficients:
    """Return the coefficients of one point of the search."""
    at = {n.lstrip("+"): (v if n[0] == "+" else math.exp(v)) for n, v in zip(NAMES, map(float, x), strict=True)}
    b200 = Gpu(*(at.pop(f"b200_{name}") for name in Gpu._fields))
    vllm = Engine(**{name: at.pop(name) for name in ("traffic_8bit", "moe_launch_8bit", "traffic_4bit")})
    return Coefficients(**at, b200=b200, vllm=vllm)


def predicted(row: Row, fitted: Coefficients | None, place: Deployment | None = None) -> Any:
    """Return the reading of one row."""
    return estimate(
        row.card,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        deployment=place or row.place,
        fitted=fitted,
    )


def fit(rows: Sequence[Row], wider: float = 1.0) -> Coefficients:
    """Return the coefficients that lie nearest to the rows and to the priors, with `wider` times their spreads."""
    measured = np.log([row.joules for row in rows])

    def residuals(x: Any) -> Any:
        fitted = unpacked(x)
        error = np.log([predicted(row, fitted).gpu_energy_j for row in rows]) - measured
        soft = np.sign(error) * FORGIVING * np.sqrt(2 * (np.sqrt(1 + (error / FORGIVING) ** 2) - 1))
        return np.concatenate([soft, (x - CENTRES) / (SPREADS * wider)])

    return unpacked(least_squares(residuals, CENTRES, method="trf", diff_step=1e-4, xtol=1e-8, ftol=1e-9).x)


def left_out(rows: Sequence[Row], wider: float = 1.0) -> dict[str, Coefficients]:
    """Return, for each group, the fit that never saw it."""
    return {g: fit([row for row in rows if row.group != g], wider) for g in dict.fromkeys(row.group for row in rows)}


# --- errors -------------------------------------------------------------------------------


def summary(pairs: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Summarise (measured, predicted) pairs: rows, median absolute error, share within two, bias, and the factor
    either way that nine in ten rows stay within.
    """
    ratios = [p / m for m, p in pairs]
    return {
        "rows": len(pairs),
        "median_error": _round(statistics.median(abs(r - 1) for r in ratios)),
        "within_two": _round(sum(0.5 <= r <= 2 for r in ratios) / len(ratios)),
        "median_ratio": _round(statistics.median(ratios)),
        "p90_fold": _round(float(np.quantile([max(r, 1 / r) for r in ratios], 0.9))),
    }


def interval(triples: Sequence[tuple[float, float, float]]) -> dict[str, float]:
    """Summarise (measured, low, high): the share of rows inside, and the median of high over low."""
    return {
        "coverage": _round(sum(low <= m <= high for m, low, high in triples) / len(triples)),
        "median_width": _round(statistics.median(high / low for _, low, high in triples)),
    }


def _round(value: float) -> float:
    return float(f"{value:.3g}")


def scaled(rows: Sequence[Row]) -> tuple[dict[str, float], float]:
    """Summarise rows after one scalar that the other groups of them taught; return that of all rows too."""
    logs = [(row.group, math.log(row.joules / predicted(row, None).gpu_energy_j)) for row in rows]
    pairs = []
    for row in rows:
        scalar = math.exp(statistics.median(e for g, e in logs if g != row.group))
        pairs.append((row.joules, predicted(row, None).gpu_energy_j * scalar))
    return summary(pairs), math.exp(statistics.median(e for _, e in logs))


def unscaled(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with every factor of their software at 1."""
    return [replace(row, place=replace(row.place, engine=None, software_factor=1.0)) for row in rows]


def on_gpus(row: Row, reading: Any) -> tuple[float, float, float]:
    """Return what was measured, and the accelerators' own interval: nothing of host, idle share and facility."""
    return row.joules, reading.gpu_low_j, reading.gpu_high_j


def spread(rows: Sequence[Row], fits: dict[str, Coefficients]) -> float:
    """Return the sigma whose 90% interval holds nine in ten of the families' left-out log errors."""
    errors = [abs(math.log(predicted(row, fits[row.group]).gpu_energy_j / row.joules)) for row in rows]
    return _round(float(np.quantile(errors, 0.9)) / Z90)


def fit_images(rows: Sequence[Row]) -> tuple[int, dict[str, float]]:
    """Return the prompt tokens that one picture is worth, by the least median error, and the errors with them."""

    def pairs(tokens: int) -> list[tuple[float, float]]:
        return [
            (r.joules, predicted(replace(r, input_tokens=r.input_tokens + tokens), None).gpu_energy_j) for r in rows
        ]

    best = min(range(100, 3001, 100), key=lambda tokens: summary(pairs(tokens))["median_error"])
    return best, summary(pairs(best))


def validate(rows: Sequence[Row], fits: dict[str, Coefficients]) -> dict[str, Any]:
    """Return the errors of known and of hidden deployments, each family predicted by a fit that never saw it."""
    known = [(row, predicted(row, fits[row.group])) for row in rows]
    found: dict[str, Any] = {
        "known_deployment": summary([(row.joules, r.gpu_energy_j) for row, r in known])
        | interval([on_gpus(row, r) for row, r in known]),
        "families": {
            g: summary([(row.joules, r.gpu_energy_j) for row, r in known if row.group == g]) for g in sorted(fits)
        },
    }
    bare = [replace(row, card=replace(row.card, shared_params_b=None)) for row in rows]
    barer = [replace(row, card=replace(row.card, layers=None, kv_gb_per_1k_tokens=None)) for row in bare]
    for name, some in (("known_deployment_shared_unknown", bare), ("known_deployment_sizes_only", barer)):
        found[name] = summary([(row.joules, predicted(row, fits[row.group]).gpu_energy_j) for row in some])
    views: dict[str, Callable[[Row], Deployment]] = {
        "batch_hidden": lambda row: replace(row.place, batch=None),
        "engine_and_precision_known": lambda row: Deployment(
            engine=row.place.engine, bytes_per_weight=row.place.bytes_per_weight
        ),
        "api_view": lambda _row: Deployment(),
    }
    for name, view in views.items():
        readings = [(row, predicted(row, fits[row.group], view(row))) for row in rows]
        for low, high in ((31, 128), (16, 256)):
            some = [(row, r) for row, r in readings if low <= row.batch <= high]
            found[f"{name}_{low}_to_{high}"] = summary([(row.joules, r.gpu_energy_j) for row, r in some]) | interval(
                [on_gpus(row, r) for row, r in some]
            )
    return found


def nested(rows: Sequence[Row], fits: dict[str, Coefficients]) -> dict[str, float]:
    """Summarise rows with 31 to 128 running requests, each family with the batch that is best for the others."""
    some = [row for row in rows if NESTED[0] <= row.batch <= NESTED[1]]

    def pair(row: Row, batch: int) -> tuple[float, float]:
        return row.joules, predicted(row, fits[row.group], replace(row.place, batch=batch)).gpu_energy_j

    grid = {batch: [pair(row, batch) for row in some] for batch in range(48, 97, 4)}

    def best_without(group: str) -> int:
        others = [row.group != group for row in some]
        errors = {b: summary(list(compress(pairs, others)))["median_error"] for b, pairs in grid.items()}
        return min(errors, key=lambda b: errors[b])

    chosen = {group: best_without(group) for group in {row.group for row in some}}
    return summary([pair(row, chosen[row.group]) for row in some])


def fit_local(rows: Sequence[Row]) -> tuple[list[float], dict[str, float]]:
    """Fit transformers' factors on everything and on launch; return them with the leave-one-out errors."""
    parts = [(row.joules, *_split(row)) for row in rows]

    def search(some: Sequence[tuple[float, float, float]]) -> Any:
        def error(x: Any) -> Any:
            return [math.log(math.exp(x[0]) * (rest + math.exp(x[1]) * launch) / y) for y, rest, launch in some]

        return np.exp(least_squares(error, [0.1, 2.5], loss="soft_l1", f_scale=0.15).x)

    pairs = []
    for i, (y, rest, launch) in enumerate(parts):
        a, b = search(parts[:i] + parts[i + 1 :])
        pairs.append((y, a * (rest + b * launch)))
    return [_round(float(v)) for v in search(parts)], summary(pairs)


def _split(row: Row) -> tuple[float, float]:
    """Return the joules of everything but launch, and of launch, under factors of 1."""
    bare = replace(row.place, engine=None, software_factor=1.0)
    everything = predicted(row, None, bare).gpu_energy_j
    nothing = predicted(row, replace(_shipped(), launch_j=1e-12), bare).gpu_energy_j
    return nothing, everything - nothing


def _shipped() -> Coefficients:
    from greenai.meters import physics

    return physics._shipped()  # noqa: SLF001 (the fit is where they come from)


# --- files --------------------------------------------------------------------------------


def written(table: dict[str, Any], fitted: Coefficients) -> None:
    """Put the fitted values into the table."""
    for name, v in asdict(fitted).items():
        if name not in ("b200", "vllm"):
            table[name] |= {"value": _round(v), "date": DATE}
    table["b200_factors"]["value"] = [_round(v) for v in fitted.b200]
    table["engine_vllm-0.11"]["value"] = [_round(v) for v in fitted.vllm]


def text(table: dict[str, Any]) -> str:
    """Return a table as JSON with one entry a line."""
    lines = ",\n  ".join(f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in table.items())
    return "{\n  " + lines + "\n}\n"


def store(table: dict[str, Any]) -> None:
    """Write physics.json and let the package read it again."""
    from greenai.meters import coefficients, inputs, physics

    TARGET.write_text(text(table), encoding="utf-8")
    for cached in (coefficients.coefficients, physics._shipped, physics._plan, physics._input_sigmas, inputs.engines):  # noqa: SLF001
        cached.cache_clear()


def fitted_tables(folder: Path, table: dict[str, Any]) -> tuple[str, str]:
    """Fit, put the values into `table` and into the package, validate; return the texts of both files."""
    rows = v3(folder)
    written(table, fit(rows))
    store(table)
    fits = left_out(rows)
    table["model_sigma"]["value"] = spread(rows, fits)
    table["image_tokens"]["value"], image_errors = fit_images(v3(folder, ("image-chat",)))
    factors, local_errors = fit_local(local(folder))
    table["engine_transformers"]["value"][:2] = factors
    _, older = scaled(unscaled(v2(folder, "H100")))
    table["engine_vllm-0.5"]["value"][0] = _round(older)
    table["engine_vllm-0.6"]["value"][0] = _round(math.sqrt(older))
    store(table)
    errors: dict[str, Any] = {"version": table["version"], "date": DATE, **validate(rows, fits)}
    errors["batch_hidden_31_to_128_batch_of_the_others"] = nested(rows, fits)
    for wider in (3, 10):
        loose = left_out(rows, wider)
        pairs = [(row.joules, predicted(row, loose[row.group]).gpu_energy_j) for row in rows]
        errors[f"known_deployment_priors_{wider}_times_wider"] = summary(pairs)
    errors |= {"transformers_batch_1": local_errors, "image_chat": image_errors}
    for gpu in ("A100", "H100"):
        errors[f"vllm_older_{gpu.lower()}"], scalar = scaled(unscaled(v2(folder, gpu)))
        errors[f"vllm_older_{gpu.lower()}"]["scalar"] = _round(scalar)
    return text(table), text(errors)


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit the energy model.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", action="store_true", help="leave the files as they are; fail if a fit gives others")
    arguments = parser.parse_args()
    before = TARGET.read_text(encoding="utf-8"), ERRORS.read_text(encoding="utf-8") if ERRORS.exists() else ""
    after: tuple[str, str] | None = None
    try:
        after = fitted_tables(arguments.folder, json.loads(before[0]))
    finally:
        if after is None or arguments.check:
            TARGET.write_text(before[0], encoding="utf-8")
    if not arguments.check:
        ERRORS.write_text(after[1], encoding="utf-8")
        print(after[1])
    elif after != before:
        raise SystemExit("physics.json or errors.json is stale. Run: python training/energy/fit.py FOLDER")
    else:
        print("physics.json and errors.json are what the fit gives.")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
