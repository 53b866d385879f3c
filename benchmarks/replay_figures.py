"""What the runs say: accuracy with its interval, energy, ratios to the baselines, and what would have been possible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from replay_policies import FLOORS

from greenai.units import wh_from_j

if TYPE_CHECKING:
    import numpy.typing as npt
    from replay_mix import Item
    from replay_policies import Run

RESAMPLES = 1_000
BASELINES = {"large, reasoning": "always large, reasoning", "large": "always large"}

CUTS: Mapping[str, Callable[[Item], bool]] = {
    "whole": lambda _: True,
    "without repeats": lambda item: not item.repeat,
    "without tool questions": lambda item: item.kind != "intent",
    "recorded questions, once": lambda item: item.kind == "recorded" and not item.repeat,
}


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a policy is held to: at least `times` less energy than a baseline, at `accuracy` of its accuracy."""

    policy: str
    baseline: str
    times: float
    accuracy: float
    reasoning: bool


TARGETS = (
    Target(
        policy="greenai, opted in to reasoning",
        baseline="always large, reasoning",
        times=20,
        accuracy=0.99,
        reasoning=True,
    ),
    Target(policy="greenai", baseline="always large", times=3, accuracy=0.97, reasoning=False),
)


def selected(items: Sequence[Item], keep: Callable[[Item], bool]) -> npt.NDArray[np.intp]:
    """Return the places of the items that a cut keeps."""
    return np.array([n for n, item in enumerate(items) if keep(item)], dtype=np.intp)


def draws(items: Sequence[Item], kept: npt.NDArray[np.intp], resamples: int = RESAMPLES) -> npt.NDArray[np.float64]:
    """Return weights of the kept requests for each resample; a prompt and its repeats are drawn together."""
    prompts = {items[n].prompt: 0 for n in kept}
    number = {prompt: i for i, prompt in enumerate(prompts)}
    of = np.array([number[items[n].prompt] for n in kept])
    generator = np.random.default_rng(2026)
    counts = generator.multinomial(len(number), np.full(len(number), 1 / len(number)), size=resamples)
    weights: npt.NDArray[np.float64] = counts[:, of].astype(float)
    return weights


def interval(values: npt.NDArray[np.float64]) -> list[float]:
    """Return the ends of the 95% interval."""
    return [float(end) for end in np.percentile(values, (2.5, 97.5))]


def line(
    run: Run, kept: npt.NDArray[np.intp], weights: npt.NDArray[np.float64], bases: Mapping[str, Run]
) -> dict[str, Any]:
    """Return one policy's figures on one cut."""
    right, energy = run.right[kept].astype(float), run.energy_j[kept]
    accuracies, energies = weights @ right / weights.sum(axis=1), weights @ energy
    found: dict[str, Any] = {
        "policy": run.name,
        "label": run.label,
        "accuracy": float(right.mean()),
        "accuracy_95": interval(accuracies),
        "wh_per_1000": wh_from_j(float(energy.mean())) * 1000,
        "own_j_per_request": float(run.own_j[kept].mean()),
        "own_share": float(run.own_j[kept].sum() / max(energy.sum(), 1e-12)),
        "calls": counted([run.by[n] for n in kept]),
    }
    if run.note:
        found["note"] = run.note
    for short, base in bases.items():
        theirs = base.right[kept].astype(float)
        their_accuracies, their_energies = weights @ theirs / weights.sum(axis=1), weights @ base.energy_j[kept]
        found[f"vs {short}"] = {
            "times_less": float(base.energy_j[kept].sum() / energy.sum()),
            "times_less_95": interval(their_energies / energies),
            "accuracy": float(right.mean() / theirs.mean()),
            "accuracy_95": interval(accuracies / their_accuracies),
        }
    return found


def counted(by: Sequence[str]) -> dict[str, int]:
    return {name: by.count(name) for name in sorted(set(by))}


def possible(
    items: Sequence[Item], kept: npt.NDArray[np.intp], rungs: Sequence[Run], base: Run, share: float
) -> dict[str, float]:
    """Return the least energy at `share` of the baseline's accuracy, for a policy that knows every outcome.

    A tool's question costs it nothing and is right; a repeat costs nothing and is as right as what was stored. Else it
    starts from the rung that takes least, and buys right answers from other rungs where they cost least.
    """
    times = Counter(items[n].prompt for n in kept)
    need, worth, energy_j = share * float(base.right[kept].sum()), 0, 0.0
    offers: list[tuple[float, float, int]] = []
    for n in (n for n in kept if not items[n].repeat):
        many = times[items[n].prompt]
        if items[n].kind == "intent":
            worth += many
            continue
        least = min(float(run.model_j[n]) for run in rungs)
        energy_j += least
        more_j = min((float(run.model_j[n]) - least for run in rungs if run.right[n]), default=None)
        if more_j is not None:
            offers.append((more_j / many, more_j, many))
    for _, more_j, many in sorted(offers):
        if worth >= need:
            break
        worth, energy_j = worth + many, energy_j + more_j
    return {
        "wh_per_1000": wh_from_j(energy_j / len(kept)) * 1000,
        "times_less": float(base.energy_j[kept].sum()) / max(energy_j, 1e-12),
        "accuracy": worth / max(float(base.right[kept].sum()), 1.0),
    }


def on_the_curve(curve: Sequence[Mapping[str, Any]], target: Target) -> dict[str, float] | None:
    """Return the point of greenai's floors that takes least at the target's accuracy; None where there is none."""
    short = next(s for s, name in BASELINES.items() if name == target.baseline)
    good = [row for row in curve if row[f"vs {short}"]["accuracy"] >= target.accuracy]
    if target.reasoning or not good:
        return None
    best = min(good, key=lambda row: row["wh_per_1000"])
    against = best[f"vs {short}"]
    return {"floor": float(best["label"]), "times_less": against["times_less"], "accuracy": against["accuracy"]}


def judged(
    rows: Sequence[Mapping[str, Any]], curve: Sequence[Mapping[str, Any]], best: Mapping[str, Mapping[str, float]]
) -> list[dict[str, Any]]:
    """Return how each target is met on one cut, with what another floor would reach and what was possible beside it."""
    found = []
    for target in TARGETS:
        row = next(r for r in rows if r["policy"] == target.policy)
        short = next(s for s, name in BASELINES.items() if name == target.baseline)
        reached = row[f"vs {short}"]
        found.append(
            {
                "policy": target.policy,
                "baseline": target.baseline,
                "wanted": {"times_less": target.times, "accuracy": target.accuracy},
                "reached": reached,
                "met": reached["times_less"] >= target.times and reached["accuracy"] >= target.accuracy,
                "other_floor": on_the_curve(curve, target),
                "possible": dict(best[target.policy]),
            }
        )
    return found


def by_source(items: Sequence[Item], runs: Sequence[Run]) -> dict[str, dict[str, dict[str, float]]]:
    """Return accuracy and energy of every policy on each data set, each question once."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for source in sorted({item.source for item in items}):
        kept = selected(items, lambda item, source=source: item.source == source and not item.repeat)  # type: ignore[misc]
        found[source] = {
            run.name: {
                "accuracy": float(run.right[kept].mean()),
                "wh_per_1000": wh_from_j(float(run.energy_j[kept].mean())) * 1000,
            }
            for run in runs
        }
        found[source]["requests"] = {"count": float(len(kept))}
    return found


def by_intent(items: Sequence[Item], run: Run) -> dict[str, dict[str, int]]:
    """Return, for each kind of tool question, what answered it, and what of that was wrong."""
    found: dict[str, dict[str, int]] = {}
    for item, by, right in zip(items, run.by, run.right, strict=True):
        if item.kind == "intent" and not item.repeat:
            row = found.setdefault(item.name, {})
            said = by if right else f"{by}, wrong"
            row[said] = row.get(said, 0) + 1
    return dict(sorted(found.items()))


def figures(items: Sequence[Item], runs: Sequence[Run], curves: Sequence[Run]) -> dict[str, Any]:
    """Return every figure of every cut."""
    by_name = {run.name: run for run in runs}
    bases = {short: by_name[name] for short, name in BASELINES.items()}
    small, large, thought = (by_name[n] for n in ("always small", "always large", "always large, reasoning"))
    found: dict[str, Any] = {}
    for name, keep in CUTS.items():
        kept = selected(items, keep)
        weights = draws(items, kept)
        rows = [line(run, kept, weights, bases) for run in runs]
        swept = [line(run, kept, weights, bases) for run in curves]
        best = {
            target.policy: possible(
                items,
                kept,
                [small, large, thought] if target.reasoning else [small, large],
                by_name[target.baseline],
                target.accuracy,
            )
            for target in TARGETS
        }
        found[name] = {
            "requests": len(kept),
            "rows": rows,
            "curves": swept,
            "targets": judged(rows, [row for row in swept if row["policy"] == FLOORS], best),
        }
    return found
