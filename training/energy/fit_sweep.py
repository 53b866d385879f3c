"""Fit the prefill and cached-token terms on a sweep of nvml_sweep.py, and print them as JSON with their spread.

    python training/energy/fit_sweep.py DIR [--above-idle]

A prefill of `new` tokens after `cached` ones, batch B, on a model of A (1e9 active parameters) whose weights take W GB
and that has L layers, is taken to draw, in joules:

    e_pre * A * B * new  +  e_cached * A * B * cached  +  traffic * W  +  launch * L

One pass reads the weights once and launches its kernels once. Least squares of the relative error, no term below 0.
The cached share is e_cached / e_pre. `low` and `high` are the extremes of the fits that leave one point out. Idle power
is part of the energy, as in the rows that the other coefficients were fitted on; `--above-idle` takes it off.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nvml_sweep import energy_j, lacking, read

if TYPE_CHECKING:
    from collections.abc import Sequence

TERMS = ("e_pre", "e_cached", "traffic", "launch")
UNITS = {
    "e_pre": "J per fresh token and 1e9 active parameters",
    "e_cached": "J per cached token and 1e9 active parameters",
    "traffic": "J per GB of weights read",
    "launch": "J per layer and pass",
    "cached_share": "share of prefill energy for a cached token",
}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One point: the median joules of its repeats for one unit of work, and what each term multiplies."""

    key: str
    unit_j: float
    factors: tuple[float, ...]


class TooFew(Exception):
    """The sweep holds too few points to tell the terms apart."""


def points(folder: Path, *, above_idle: bool = False) -> list[Measured]:
    """Return the prefill and cached points of a sweep."""
    models = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))["models"]
    repeats: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in read(folder / "sweep.csv"):
        if row["status"] == "ok" and row["mode"] in ("prefill", "cached"):
            repeats[row["key"]].append(row)
    found = []
    for key, rows in repeats.items():
        about, first = models[rows[0]["model"]], rows[0]
        tokens = float(first["params_b"]) * int(first["batch"])
        factors = (
            tokens * int(first["new_tokens"]),
            tokens * int(first["cached_tokens"]),
            float(about["weights_gb"]),
            float(about["layers"]),
        )
        each = [_unit_j(row, above_idle=above_idle) for row in rows]
        found.append(Measured(key=key, unit_j=statistics.median(each), factors=factors))
    return found


def _unit_j(row: dict[str, str], *, above_idle: bool) -> float:
    idle_j = float(row["idle_w"]) * float(row["seconds"]) if above_idle else 0.0
    return (energy_j(row) - idle_j) / int(row["units"])


def fit(measured: Sequence[Measured]) -> dict[str, float]:
    """Return the terms, and the cached share.

    Raises:
        TooFew: there are fewer points than terms, or no point has cached tokens.
    """
    cached = any(point.factors[1] for point in measured)
    if len(measured) < len(TERMS) or not cached:
        raise TooFew(
            f"{len(measured)} points of prefill and cached tokens, {'some' if cached else 'none'} with cached tokens: "
            f"{len(TERMS)} terms need at least as many, some with cached tokens. Run nvml_sweep.py to its end."
        )
    rows = [[factor / point.unit_j for factor in point.factors] for point in measured]
    terms = dict(zip(TERMS, _not_negative(rows), strict=True))
    if terms["e_pre"] <= 0:
        raise TooFew("the fit finds no energy for a fresh token: the points do not tell the terms apart.")
    return terms | {"cached_share": terms["e_cached"] / terms["e_pre"]}


def _not_negative(rows: list[list[float]]) -> list[float]:
    """Return the coefficients that bring each row's sum nearest to 1, the most negative one dropped until none is."""
    kept = list(range(len(rows[0])))
    while True:
        found = _least_squares([[row[k] for k in kept] for row in rows])
        if min(found) >= 0:
            break
        del kept[found.index(min(found))]
    terms = [0.0] * len(rows[0])
    for k, value in zip(kept, found, strict=True):
        terms[k] = value
    return terms


def _least_squares(rows: list[list[float]]) -> list[float]:
    """Solve the normal equations for a right-hand side of ones, columns scaled to their largest value."""
    n = len(rows[0])
    scales = [max(abs(row[i]) for row in rows) or 1.0 for i in range(n)]
    scaled = [[row[i] / scales[i] for i in range(n)] for row in rows]
    table = [[sum(r[i] * r[j] for r in scaled) for j in range(n)] + [sum(r[i] for r in scaled)] for i in range(n)]
    for i in range(n):
        pivot = max(range(i, n), key=lambda k: abs(table[k][i]))
        table[i], table[pivot] = table[pivot], table[i]
        if abs(table[i][i]) < 1e-12:
            raise TooFew("two terms cannot be told apart by these points: measure more models or lengths.")
        table[i] = [value / table[i][i] for value in table[i]]
        for k in range(n):
            if k != i:
                table[k] = [a - table[k][i] * b for a, b in zip(table[k], table[i], strict=True)]
    return [table[i][n] / scales[i] for i in range(n)]


def spread(measured: Sequence[Measured]) -> dict[str, tuple[float, float]]:
    """Return the least and greatest value of each term over the fits that leave one point out."""
    fits = []
    for i in range(len(measured)):
        try:
            fits.append(fit([*measured[:i], *measured[i + 1 :]]))
        except TooFew:
            continue
    return {name: (min(f[name] for f in fits), max(f[name] for f in fits)) for name in (fits[0] if fits else ())}


def result(folder: Path, *, above_idle: bool = False) -> dict[str, Any]:
    """Return the terms with unit, spread and source, and how far each point lies from the fit."""
    header = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
    measured = points(folder, above_idle=above_idle)
    terms, ends = fit(measured), spread(measured)
    off = {
        point.key: sum(terms[name] * factor for name, factor in zip(TERMS, point.factors, strict=True)) / point.unit_j
        - 1
        for point in measured
    }
    return {
        "source": f"nvml_sweep.py on {header['device']}, driver {header['driver']}, {header['versions']}",
        "synthetic": header["synthetic"],
        "date": header["date"],
        "idle": "taken off" if above_idle else "included",
        "terms": {
            name: {
                "value": value,
                "low": ends.get(name, (None,))[0],
                "high": ends.get(name, (None,))[-1],
                "unit": UNITS[name],
            }
            for name, value in terms.items()
        },
        "median_error": statistics.median(abs(error) for error in off.values()),
        "points": off,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="what nvml_sweep.py wrote")
    parser.add_argument("--above-idle", action="store_true", help="take the idle power off")
    asked = parser.parse_args()
    if said := lacking(asked.folder):
        raise SystemExit(said)
    try:
        print(json.dumps(result(asked.folder, above_idle=asked.above_idle), indent=2))
    except TooFew as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
