"""Fit how often a smaller model fails where a larger one is right, by the sizes and dates of both, from public records.

    python training/audit/pairs.py FOLDER [--out greenai/audit/pairs.json] [--coverage] [--leave-out FILE]

FOLDER holds public routing data, one folder per set (rows.jsonl.gz). Of every pair of recorded open models, and those
closed ones for which EcoLogits assumes a size, it counts in each kind of question (a category of MMLU-Pro, a subject of
MMLU, a set of ZeroEval) how often the smaller one was wrong where the larger one was right. The log-odds of that are a
line in the classifier's log-odds, and in size and date of both models, with spreads between sets, kinds, and models:
a mixed model, fitted by restricted maximum likelihood. A second one is of the larger model's being right at all.

`--coverage` tries the 90% intervals on pairs of models that the fit had not seen, on sets fitted and on sets not fitted
(RouterBench, RouterDC, reasoning-gym). `--leave-out` writes fits without the models of each pair of PAIRS, for
benchmarks/audit_truth.py.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from records import EVALUATED, MODELS, PAIRS, Model
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from greenai.audit.pairs import CENTRE_GAIN, Coefficients, Pairs, features_of, loaded, log_odds, shipped
from greenai.classify import Classifier
from greenai.classify.ability import short

HERE = Path(__file__).parent
OUT = HERE.parents[1] / "greenai" / "audit" / "pairs.json"
FITTED = ("mmlu_pro", "zeroeval_gsm8k", "zeroeval_math_l5", "zeroeval_crux", "routellm_mmlu", "routellm_gsm8k")
UNSEEN = ("routerbench_part", "routerdc_7b", "reasoning_gym")
FEWEST_COUNTS = 3  # of a kind of question, to tell how hard it is
FEWEST_ROWS, FEWEST_RIGHT, FEWEST_OWN, APART = 60, 25, 15, -0.2
SMALLEST = "SmolLM2-135M-Instruct"
START = {
    "set": 0.8, "kind": 0.6, "model": 0.4, "model and kind": 0.2, "date of set": 1.2, "size of set": 0.1, "large": 0.1,
}  # fmt: skip
MORE_NOISE = 0.02  # variance of log-odds beside counting: a pair's right answers overlap with other pairs'
PRIOR_SD = 3.0  # of every fixed effect, in log-odds: what nothing was recorded of is not known
SET_SD = 0.72
"""At least so much between sets: the six sets are off from one line by 0.72 (standard deviation; from -1.09, GSM8K, to
1.06, MATH), which lines of their own would explain away."""
TESTED, TESTED_APART = 40, 0.2


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Questions of one kind, with who answered them right: NaN where a model was not asked."""

    data: str
    kind: str
    models: tuple[str, ...]
    right: np.ndarray
    gain: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Count:
    """How many of some questions came out one way: of a pair, those that the larger model got right."""

    data: str
    kind: str
    small: str
    large: str
    failed: int
    of: int
    gain: float

    @property
    def log_odds(self) -> float:
        """With half an outcome on either side."""
        return float(np.log((self.failed + 0.5) / (self.of - self.failed + 0.5)))


# --- what was recorded -----------------------------------------------------------------------


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the rows of one set."""
    with gzip.open(folder / name / "rows.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def cells(folder: Path, names: Iterable[str], judge: Classifier) -> list[Cell]:
    """Return the kinds of questions of some sets."""
    return [cell for name in names for cell in _cells(folder, name, judge)]


def _cells(folder: Path, name: str, judge: Classifier) -> list[Cell]:
    read = rows(folder, name)
    if name.startswith("routellm"):
        read = [row for row in read if not row["contaminated"]]
        models: tuple[str, ...] = ("Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview")
        right = np.array([[row["weak_ok"], row["strong_ok"]] for row in read], float)
    else:
        models = tuple(json.loads((folder / name / "meta.json").read_text())["models"])
        told = np.array([[np.nan if v is None else v for v in row.get("ok") or row["score"]] for row in read], float)
        right = np.where(np.isnan(told), np.nan, told >= 0.5)
    gain = np.array([a.large_gain for a in judge.assess_many(map(asked, read))])
    kinds = np.array([_kind(row) for row in read])
    found = [
        Cell(data=name, kind=f"{name}:{kind}", models=models, right=right[at], gain=gain[at])
        for kind in np.unique(kinds)
        if (at := kinds == kind).sum() >= FEWEST_ROWS
    ]
    own = _own(name, read)
    if (at := np.isfinite(own)).any():
        both = (*models, SMALLEST)
        found.append(Cell(data=name, kind=f"{name}:asked", models=both, right=np.c_[right, own][at], gain=gain[at]))
    return found


def asked(row: Mapping[str, Any]) -> str:
    """Return a question as the classifier reads it."""
    return "\n".join((row["prompt"], *row.get("options", ())))


def _kind(row: Mapping[str, Any]) -> str:
    kind = next((row[name] for name in ("category", "subject", "dataset", "eval_name") if row.get(name)), "all")
    return f"{kind}-{row['level']}" if row.get("level") else str(kind)


def _own(name: str, read: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Return what SmolLM2-135M got right, as measured for this (smollm2.csv); NaN where it was not asked."""
    with (HERE / "smollm2.csv").open(encoding="utf-8") as lines:
        told = {row["id"]: float(row["right"]) for row in csv.DictReader(lines) if row["set"] == name}
    return np.array([told.get(str(row.get("question_id") or row.get("id")), np.nan) for row in read])


def counted(found: Iterable[Cell], models: Mapping[str, Model], *, any_pair: bool = False) -> list[Count]:
    """Return the counts of all pairs of a model and one that is not much smaller; `any_pair` takes all pairs."""
    return [
        count
        for cell in found
        for small in cell.models
        for large in cell.models
        if small != large and small in models and large in models
        if any_pair or models[large].size - models[small].size > APART
        if (count := _count(cell, small, large)) is not None
    ]


def _count(cell: Cell, small: str, large: str) -> Count | None:
    a, b = (cell.right[:, cell.models.index(name)] for name in (small, large))
    at = np.isfinite(a) & (b == 1)
    if at.sum() < (FEWEST_RIGHT if small != SMALLEST else FEWEST_OWN) or (
        SMALLEST in cell.models and small != SMALLEST
    ):
        return None
    gain = float(np.mean(log_odds(cell.gain[at])))
    return Count(
        data=cell.data, kind=cell.kind, small=small, large=large, failed=int((a[at] == 0).sum()), of=int(at.sum()),
        gain=gain,
    )  # fmt: skip


def alone(found: Iterable[Cell], models: Mapping[str, Model]) -> list[Count]:
    """Return how often each model was right: `failed` counts right answers, as the fit is of them."""
    made: list[Count] = []
    for cell in found:
        for at, name in enumerate(cell.models):
            seen = np.isfinite(cell.right[:, at])
            if name in models and seen.sum() >= FEWEST_OWN and (SMALLEST not in cell.models or name == SMALLEST):
                right, gain = int(cell.right[seen, at].sum()), float(np.mean(log_odds(cell.gain[seen])))
                of = int(seen.sum())
                made.append(
                    Count(data=cell.data, kind=cell.kind, small=name, large=name, failed=right, of=of, gain=gain)
                )
    return made


# --- a mixed model ---------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A fitted mixed model: fixed effects with their covariance, and spreads and effects of each group."""

    fixed: np.ndarray
    covariance: np.ndarray
    spread: dict[str, float]
    effects: dict[str, dict[str, tuple[float, float]]]


def mixed(
    y: np.ndarray,
    x: np.ndarray,
    noise: np.ndarray,
    groups: Mapping[str, tuple[Sequence[str], Any]],
    spread: Mapping[str, float] | None = None,
) -> Fit:
    """Fit y = x b + effects of groups + noise by restricted maximum likelihood.

    Args:
        y: what is explained.
        x: the fixed effects' columns.
        noise: the variance of each.
        groups: by name, the member of each row, and None or what its effect is multiplied by.
        spread: the standard deviation of each group, if it is known already.
    """
    blocks, which, names = [], [], {}
    for number, (group, (member, times)) in enumerate(groups.items()):
        names[group], code = np.unique(np.array(member), return_inverse=True)
        block = np.zeros((len(y), len(names[group])))
        block[np.arange(len(y)), code] = 1.0 if times is None else times
        blocks.append(block)
        which += [number] * block.shape[1]
    z, of, w = np.hstack(blocks), np.array(which), 1 / noise
    zz, zx, zy, xx, xy, yy = (z.T * w) @ z, (z.T * w) @ x, (z.T * w) @ y, (x.T * w) @ x, (x.T * w) @ y, (y * w) @ y

    def solved(log_sd: np.ndarray) -> tuple[Any, ...]:
        variance = np.exp(2 * log_sd)[of]
        factor = cho_factor(zz + np.diag(1 / variance))
        by_x, by_y = cho_solve(factor, zx), cho_solve(factor, zy)
        left = xx - zx.T @ by_x + np.eye(x.shape[1]) / PRIOR_SD**2
        b = np.linalg.solve(left, xy - zx.T @ by_y)
        loss = yy - zy @ by_y - b @ (xy - zx.T @ by_y)
        loss += 2 * np.log(np.diag(factor[0])).sum() + np.log(variance).sum() + np.linalg.slogdet(left)[1]
        return loss, b, left, by_x, by_y, factor

    log_sd = np.log([(START if spread is None else spread)[group] for group in groups])
    if spread is None:
        bounds = [(np.log(SET_SD) if group == "set" else -4, 1) for group in groups]
        log_sd = minimize(lambda t: solved(t)[0], log_sd, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-5}).x
    _, b, left, by_x, by_y, factor = solved(log_sd)
    covariance = np.linalg.inv(left)
    effect = by_y - by_x @ b
    own = np.diag(cho_solve(factor, np.eye(len(of)))) + np.einsum("ij,jk,ik->i", by_x, covariance, by_x)
    told = {
        group: {
            str(name): (float(effect[of == number][at]), float(np.sqrt(own[of == number][at])))
            for at, name in enumerate(names[group])
        }
        for number, group in enumerate(groups)
    }
    return Fit(
        fixed=b, covariance=covariance, spread=dict(zip(groups, np.exp(log_sd).tolist(), strict=True)), effects=told
    )


def fitted(
    found: Sequence[Cell], models: Mapping[str, Model], like: Pairs | None = None, unseen: Sequence[Cell] = ()
) -> Pairs:
    """Return the coefficients of both: P(the smaller one fails), and P(the larger one is right).

    Args:
        found: the kinds of questions.
        models: those that are fitted on.
        like: a fit whose spreads and correlation are kept; None fits them too.
        unseen: kinds of questions that the lines are not fitted on, to tell how far both are off from them together.
    """
    spread = (None, None) if like is None else (like.fails.spread, like.right.spread)
    fails = _coefficients(counted(found, models), models, spread[0], paired=True)
    right = _coefficients(alone(found, models), models, spread[1], paired=False)
    known = {short(name): (round(model.size, 3), model.year, model.stated) for name, model in sorted(MODELS.items())}
    correlation = _correlation([*found, *unseen], fails, right) if like is None else like.correlation
    return Pairs(fails=fails, right=right, models=known, correlation=correlation)


def _coefficients(
    counts: Sequence[Count], models: Mapping[str, Model], spread: Mapping[str, float] | None, *, paired: bool
) -> Coefficients:
    x = np.array([row_of(count, models, paired=paired) for count in counts])
    y = np.array([count.log_odds for count in counts])
    share = np.array([(count.failed + 0.5) / (count.of + 1) for count in counts])
    noise = 1 / (np.array([count.of for count in counts]) * share * (1 - share)) + MORE_NOISE
    data, kind = [count.data for count in counts], [count.kind for count in counts]
    small = [short(count.small) for count in counts]
    groups: dict[str, tuple[Sequence[str], Any]] = {
        "set": (data, None), "kind": (kind, None), "model": (small, None),
        "model and kind": ([f"{a}|{b}" for a, b in zip(small, kind, strict=True)], None),
        "date of set": (data, x[:, 3]), "size of set": (data, x[:, 2]),
    }  # fmt: skip
    if paired:
        groups["large"] = ([short(count.large) for count in counts], None)
    found = mixed(y, x, noise, groups, spread)
    return Coefficients(
        fixed=tuple(found.fixed.round(4).tolist()),
        covariance=tuple(tuple(line) for line in found.covariance.round(5).tolist()),
        spread={name: round(sd, 3) for name, sd in found.spread.items()},
        recorded={n: (round(e, 3), round(sd, 3)) for n, (e, sd) in found.effects["model"].items()},
    )


def _correlation(found: Sequence[Cell], fails: Coefficients, right: Coefficients) -> float:
    """Return how far kinds of questions are harder than the lines have it for smaller and larger models together."""
    models = {**MODELS, **EVALUATED}
    of_pairs = _off(counted(found, models), models, fails, paired=True)
    off = (of_pairs, _off(alone(found, models), models, right, paired=False))
    both = np.array([[one[kind] for one in off] for kind in sorted(off[0].keys() & off[1].keys())])
    x, y = both.T
    return round(-float(x @ y / np.sqrt((x @ x) * (y @ y))), 3)


def _off(
    counts: Sequence[Count], models: Mapping[str, Model], lines: Coefficients, *, paired: bool
) -> Mapping[str, float]:
    """Return by kind of question how far the log-odds of its counts are off from the lines, their mean."""
    found: dict[str, list[float]] = {}
    for count in counts:
        expected = np.dot(lines.fixed, row_of(count, models, paired=paired))
        found.setdefault(count.kind, []).append(count.log_odds - float(expected))
    return {kind: float(np.mean(off)) for kind, off in found.items() if len(off) >= FEWEST_COUNTS}


def row_of(count: Count, models: Mapping[str, Model], *, paired: bool) -> list[float]:
    """Return the fixed effects' columns of one count."""
    small, large = models[count.small], models[count.large]
    own = features_of(small.size, small.year, stated=small.stated)
    other = [large.size - 1.8, large.year - 2024.5] if paired else []
    return [1.0, count.gain - CENTRE_GAIN, *own, *other]


# --- does it hold ----------------------------------------------------------------------------


def coverage(found: Sequence[Cell], unseen: Sequence[Cell], seed: int = 0) -> None:
    """Print how often 90% intervals of fits without both models of a pair hold its share."""
    rng, known = np.random.default_rng(seed), {**MODELS}
    pairs = [(s, large) for s in known for large in known if known[large].size - known[s].size > TESTED_APART]
    tested: dict[str, list[tuple[bool, float, float]]] = {}
    whole = loaded(json.loads(OUT.read_text(encoding="utf-8")))
    for at in rng.permutation(len(pairs))[:TESTED].tolist():
        small, large = pairs[at]
        counts = [count for count in counted(found, known) if (count.small, count.large) == (small, large)]
        if not counts:
            continue
        fit = fitted(found, others(small, large), whole)
        for data in sorted({count.data for count in counts}):
            one = [count for count in counts if count.data == data]
            tested.setdefault(f"fitted {data}", []).append(_holds(fit, one, known, rng))
    both = {**known, **EVALUATED}
    for data in sorted({cell.data for cell in unseen}):
        counts = [c for c in counted(unseen, both, any_pair=data == "routerdc_7b") if c.data == data]
        for small, large in sorted({(count.small, count.large) for count in counts}):
            one = [count for count in counts if (count.small, count.large) == (small, large)]
            tested.setdefault(f"not fitted {data}", []).append(_holds(whole, one, both, rng))
    for name, outcomes in tested.items():
        held = [outcome[0] for outcome in outcomes]
        off, width = [outcome[1] for outcome in outcomes], [outcome[2] for outcome in outcomes]
        print(f"{name:26} {sum(held):3} of {len(held):3}; off {np.mean(off):+.2f}; width {np.median(width):.2f}")


def others(*left_out: str) -> Mapping[str, Model]:
    """Return the models without some, however their names are spelt."""
    out = {short(name) for name in left_out}
    return {name: model for name, model in MODELS.items() if short(name) not in out}


def _holds(
    fit: Pairs, counts: Sequence[Count], models: Mapping[str, Model], rng: np.random.Generator
) -> tuple[bool, float, float]:
    """Return whether the interval of a pair's share over the kinds of one set holds it, how far off, and its width."""
    small, large = models[counts[0].small], models[counts[0].large]
    pair = fit.of((small.size, 0.0, small.year, 0.0, small.stated), (large.size, 0.0, large.year, 0.0, large.stated))
    of = np.array([count.of for count in counts], float)
    gain = np.array([count.gain for count in counts])
    drawn = pair.drawn(gain, pair.hardness(np.arange(len(counts)), 2000, rng), rng)[0]
    luck = rng.binomial(of.astype(int), drawn) @ np.ones(len(of)) / of.sum()
    low, mid, high = np.quantile(luck, [0.05, 0.5, 0.95])
    true = sum(count.failed for count in counts) / of.sum()
    return bool(low <= true <= high), float(true - mid), float(high - low)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the routing data")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--coverage", action="store_true", help="try the intervals on models that were left out")
    parser.add_argument("--leave-out", type=Path, help="write fits without the models of each pair of PAIRS")
    arguments = parser.parse_args()
    judge = Classifier.load()
    found = cells(arguments.folder, FITTED, judge)
    if arguments.coverage:
        coverage(found, cells(arguments.folder, UNSEEN, judge))
    elif arguments.leave_out:
        made = {}
        for small, large in PAIRS:
            made[f"{small} {large}"] = fitted(found, others(small, large), shipped()).to_dict()
        arguments.leave_out.write_text(json.dumps(made) + "\n", encoding="utf-8")
    else:
        made_of = fitted(found, MODELS, unseen=cells(arguments.folder, UNSEEN, judge))
        arguments.out.write_text(json.dumps(made_of.to_dict(), indent=1) + "\n", encoding="utf-8")
        print(
            made_of.fails.fixed,
            made_of.fails.spread,
            made_of.right.fixed,
            made_of.right.spread,
            made_of.correlation,
            sep="\n",
        )


if __name__ == "__main__":
    main()
