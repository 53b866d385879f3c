"""Measure a classifier through `assess` on prompts that its fit never saw; every figure with a bootstrap interval.

APGR as in RouteLLM (Ong et al., 2024): the area under the share of the gap between weak and strong that is recovered,
at the eleven deciles of calls to the strong model, by trapezoids. Calibration error: the root mean square gap of
fifteen bins of equal count, less what chance alone would give (Kumar et al., 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from data import MEASURE_ONLY, models, rows
from labels import ANSWERED
from rich.table import Table
from targets import FACTS, difficulty, hard_mmlu, mmlu, reasoning

if TYPE_CHECKING:
    from bundle import Prepared
    from rich.console import Console
    from targets import Target

    from greenai.classify import Classifier
    from greenai.values import Assessment

Array = np.ndarray
SAMPLES = 200
BINS = 15
CHAT_SETS = ("alpaca_eval", "arena_hard", "self_instruct")


def apgr(score: Array, weak: Array, strong: Array) -> float:
    """Return the average performance gap recovered, random 0.5."""
    order = np.argsort(-score, kind="stable")
    gained = np.concatenate([[0.0], np.cumsum((strong - weak)[order])])
    at = np.rint(np.linspace(0, 1, 11) * len(order)).astype(int)
    return float(np.trapezoid(gained[at] / gained[-1], np.linspace(0, 1, 11)))


def interval(value: Callable[[Array], float], count: int, seed: int = 0) -> list[float]:
    """Return the 95% bootstrap interval of a figure over rows."""
    chance = np.random.default_rng(seed)
    found = [value(chance.integers(0, count, count)) for _ in range(SAMPLES)]
    return [round(float(v), 4) for v in np.percentile(found, [2.5, 97.5])]


def calibration_error(probability: Array, happened: Array) -> float:
    """Return the debiased calibration error."""
    gap = 0.0
    for part in np.array_split(np.argsort(probability, kind="stable"), BINS):
        p, y = probability[part].mean(), happened[part].mean()
        gap += len(part) / len(probability) * ((p - y) ** 2 - y * (1 - y) / max(1, len(part) - 1))
    return float(max(gap, 0.0) ** 0.5)


def routing(score: Array, length: Array, weak: Array, strong: Array) -> dict[str, Any]:
    """Return APGR, that of length, and the paired difference."""
    happened = (weak == 0) & (strong == 1)
    base = float(happened.mean())
    return {
        "rows": len(score),
        "apgr": round(apgr(score, weak, strong), 4),
        "interval": interval(lambda i: apgr(score[i], weak[i], strong[i]), len(score)),
        "length": round(apgr(length, weak, strong), 4),
        "above length": above(score, length, weak, strong),
        "calibration error": round(calibration_error(score, happened), 4),
        "brier": round(float(((score - happened) ** 2).mean()), 4),
        "brier of the base rate": round(base * (1 - base), 4),
    }


def above(score: Array, other: Array, weak: Array, strong: Array) -> list[float]:
    """Return the paired 95% interval of the difference between two scores' APGR."""
    return interval(lambda i: apgr(score[i], weak[i], strong[i]) - apgr(other[i], weak[i], strong[i]), len(score))


class _Measured:
    def __init__(self, classifier: Classifier, ready: Prepared, held: Array) -> None:
        self.classifier, self.ready, self.held = classifier, ready, held
        self._known: dict[str, Assessment] = {}

    def of(self, text: str) -> Assessment:
        if text not in self._known:
            self._known[text] = self.classifier.assess(text)
        return self._known[text]

    def is_held(self, text: str) -> bool:
        return bool(self.held[self.ready.texts.number[text]])

    def column(self, texts: Sequence[str], name: str) -> Array:
        return np.array([getattr(self.of(t), name) for t in texts])

    def listed(self, name: str) -> list[dict[str, Any]]:
        found = rows(self.ready.texts.folder, name)
        if name in MEASURE_ONLY:  # but prompts of AlpacaEval stand in Self-Instruct too, with other white space
            return [r for r in found if " ".join(r["prompt"].split()) not in self.fitted]
        return [r for r in found if self.is_held(r["prompt"])]

    @cached_property
    def fitted(self) -> frozenset[str]:
        """Texts that the fit may have seen, white space apart."""
        texts = self.ready.texts
        known = zip(texts.texts, texts.trainable, self.held, strict=True)
        return frozenset(" ".join(text.split()) for text, ok, held in known if ok and not held)


def figures(classifier: Classifier, ready: Prepared, held: Array, groups: frozenset[str]) -> dict[str, Any]:
    """Return every figure of the model card."""
    m = _Measured(classifier, ready, held)
    found: dict[str, Any] = {"thresholds": {k: round(v, 4) for k, v in classifier.thresholds.items()}}
    found["large_gain"] = _large(m, groups)
    found["reasoning_gain"] = _reasoning(m, groups)
    found["needs_generation"] = _generation(m)
    found["answer_source"] = _tools(m)
    found["small_suffices"] = _suffices(m, groups)
    found["tokens"] = _tokens(m)
    return found


def in_groups(ready: Prepared, groups: frozenset[str]) -> Array:
    """Mark every text that belongs to one of the groups in any set: no head and no word vector may see it."""
    found = np.zeros(ready.count, bool)
    for target in (mmlu(ready.texts), hard_mmlu(ready.texts), difficulty(ready.texts), reasoning(ready.texts)):
        found[target.rows[np.isin(target.groups, list(groups))]] = True
    return found


def _split(m: _Measured, target: Target, groups: frozenset[str]) -> dict[str, Array]:
    away = np.isin(target.groups, list(groups))
    return {"unseen rows": m.held[target.rows] & ~away, "unseen groups": away}


def _large(m: _Measured, groups: frozenset[str]) -> dict[str, Any]:
    found = {}
    target = mmlu(m.ready.texts)
    for name, part in _split(m, target, groups).items():
        texts = [m.ready.texts.texts[i] for i in target.rows[part]]
        y = target.y[part]
        found[f"RouteLLM MMLU, {name}"] = routing(m.column(texts, "large_gain"), _lengths(texts), y[:, 0], y[:, 1])
    for name, title in (("routellm_gsm8k", "RouteLLM GSM8K, unseen rows"), ("routellm_mtbench", "MT-Bench")):
        listed = m.listed(name) if name != "routellm_mtbench" else rows(m.ready.texts.folder, name)
        listed = [r for r in listed if not r["contaminated"]]
        texts = [r["prompt"] for r in listed]
        keys = ("weak_ok", "strong_ok") if name == "routellm_gsm8k" else ("weak_scores", "strong_scores")
        weak, strong = (np.array([np.mean(r[k]) for r in listed], float) for k in keys)
        found[title] = routing(m.column(texts, "large_gain"), _lengths(texts), weak, strong)
    return found


def _reasoning(m: _Measured, groups: frozenset[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    target = reasoning(m.ready.texts)
    target = target.only(target.groups != FACTS)
    gain = target.y[:, 1] - target.y[:, 0]
    parts = _split(m, target, groups)
    fitted = ~m.held[target.rows] & ~parts["unseen groups"]
    mean = {g: gain[fitted & (target.groups == g)].mean() for g in set(target.groups[fitted])}
    for name, part in parts.items():
        texts = [m.ready.texts.texts[i] for i in target.rows[part]]
        weak, strong = target.y[part].T
        score = m.column(texts, "reasoning_gain")
        found[name] = routing(score, _lengths(texts), weak, strong)
        found[name]["task's mean"] = round(
            apgr(np.array([mean.get(g, 0.0) for g in target.groups[part]]), weak, strong), 4
        )
        found[name]["mean within tasks"] = mean_of_groups(score, target.groups[part], weak, strong)
        found[name]["ranked by a task's mean score"] = _by_task(score, target.groups[part], weak, strong)
    part = parts["unseen rows"]
    score = m.column([m.ready.texts.texts[i] for i in target.rows[part]], "reasoning_gain")
    chosen = score >= m.classifier.thresholds["reasoning_gain"]
    found["policy"] = {
        "share of prompts that reason": round(float(chosen.mean()), 4),
        "share of the gain kept": round(float(gain[part][chosen].sum() / gain[part].sum()), 4),
    }
    return found


def mean_of_groups(score: Array, groups: Array, weak: Array, strong: Array) -> float:
    """Return the mean APGR within groups of 30 rows and more in which there is something to gain or to lose."""
    found = []
    for group in sorted(set(groups)):
        part = groups == group
        if part.sum() >= 30 and abs((strong - weak)[part].sum()) >= 0.05 * part.sum():
            found.append(apgr(score[part], weak[part], strong[part]))
    return round(float(np.mean(found)), 4) if found else float("nan")


def _by_task(score: Array, groups: Array, weak: Array, strong: Array) -> float:
    mean = {g: score[groups == g].mean() for g in set(groups)}
    return round(apgr(np.array([mean[g] for g in groups]) + 1e-6 * score, weak, strong), 4)


def _generation(m: _Measured) -> dict[str, Any]:
    threshold = m.classifier.thresholds["needs_generation"]
    found: dict[str, Any] = {"threshold": round(threshold, 4)}

    def share(name: str, wanted: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        below = m.column([r["prompt"] for r in m.listed(name) if wanted(r)], "needs_generation") < threshold
        return {
            "rows": len(below),
            "share": round(float(below.mean()), 4),
            "interval": interval(lambda i: below[i].mean(), len(below)),
        }

    chat = [r["prompt"] for name in CHAT_SETS for r in m.listed(name)]
    below = m.column(chat, "needs_generation") < threshold
    found["chat prompts taken for no generation"] = {
        "rows": len(below), "share": round(float(below.mean()), 4),
        "interval": interval(lambda i: below[i].mean(), len(below)),
        "by set": {name: share(name)["share"] for name in CHAT_SETS},
    }  # fmt: skip
    found["recognised"] = {
        "clinc150 (intents that a tool answers)": share("clinc150", lambda r: r["intent"] in ANSWERED),
        "snips2017 (weather, screenings)": share(
            "snips2017", lambda r: r["intent"] in ("GetWeather", "SearchScreeningEvent")
        ),
        "zeroeval_numersense": share("zeroeval_numersense"),
        "recognizers_specs": share("recognizers_specs"),
    }
    found["sweep"] = [_at(m, chat, t) for t in (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)]
    positive = [r["prompt"] for n in ("snips2017", "clinc150") for r in m.listed(n) if r["intent"] in ANSWERED]
    probability = np.concatenate([m.column(chat, "needs_generation"), m.column(positive, "needs_generation")])
    happened = np.concatenate([np.ones(len(chat)), np.zeros(len(positive))])
    found["calibration"] = calibrated(probability, happened)
    return found


def _at(m: _Measured, chat: list[str], threshold: float) -> dict[str, float]:
    """Return what another threshold would give: false skips of chat, and the least recall of a source."""
    tools = [
        [r["prompt"] for r in m.listed("clinc150") if r["intent"] in ANSWERED],
        [r["prompt"] for r in m.listed("snips2017") if r["intent"] in ("GetWeather", "SearchScreeningEvent")],
        *([r["prompt"] for r in m.listed(name)] for name in ("zeroeval_numersense", "recognizers_specs")),
    ]
    least = min(float((m.column(texts, "needs_generation") < threshold).mean()) for texts in tools)
    false = float((m.column(chat, "needs_generation") < threshold).mean())
    return {"threshold": threshold, "false": round(false, 4), "least recall": round(least, 4)}


def calibrated(probability: Array, happened: Array) -> dict[str, Any]:
    """Return calibration error and Brier score, beside the base rate's."""
    base = float(happened.mean())
    return {
        "rows": len(probability), "calibration error": round(calibration_error(probability, happened), 4),
        "brier": round(float(((probability - happened) ** 2).mean()), 4),
        "brier of the base rate": round(base * (1 - base), 4),
    }  # fmt: skip


def auroc(score: Array, positive: Array) -> float:
    """Return the area under the receiver's curve."""
    rank = np.empty(len(score))
    rank[np.argsort(score, kind="stable")] = np.arange(len(score))
    return float((rank[positive].mean() - (positive.sum() - 1) / 2) / (~positive).sum())


def _tools(m: _Measured) -> dict[str, Any]:
    listed = m.listed("metatool_need")
    needs = np.array([bool(r["needs_tool"]) for r in listed])
    source = [m.of(r["prompt"]).answer_source for r in listed]
    tool = np.array([s["lookup"] + s["deterministic"] for s in source])
    return {
        "MetaTool": {
            "rows": len(needs), "auroc": round(auroc(tool, needs), 4),
            "interval": interval(lambda i: auroc(tool[i], needs[i]), len(needs)),
            "auroc of 1 - generate": round(auroc(np.array([1 - s["generate"] for s in source]), needs), 4),
        }
    }  # fmt: skip


def _suffices(m: _Measured, groups: frozenset[str]) -> dict[str, Any]:
    listed = rows(m.ready.texts.folder, "mmlu_pro")
    away = np.array([r["src"].replace("ori_mmlu-", "") in groups for r in listed])
    held = np.array([m.is_held(r["prompt"]) for r in listed])
    recorded = [x.replace("Meta-", "").replace("3_1", "3.1") for x in models(m.ready.texts.folder, "mmlu_pro")]
    found = {}
    for model in ("Llama-3.1-8B-Instruct", "Llama-3.1-70B-Instruct", "Mixtral-8x7B-Instruct-v0.1"):
        at = recorded.index(model)
        for name, part in (("unseen rows", held & ~away), ("unseen subjects", away)):
            use = [r for r, p in zip(listed, part, strict=True) if p and r["ok"][at] is not None]
            probability = np.array([m.of(r["prompt"]).small_suffices(model) for r in use])
            found[f"{model}, MMLU-Pro, {name}"] = calibrated(probability, np.array([float(r["ok"][at]) for r in use]))
    return found


def _tokens(m: _Measured) -> dict[str, Any]:
    found = {}
    for name in ("alpaca_eval", "mmlu_pro"):
        listed = m.listed(name)
        tokens = np.array([np.median([c for c in r["chars"] if c]) / 4 for r in listed])
        told = np.array([m.of(r["prompt"]).expected_output_tokens for r in listed], float)
        found[name] = {
            "rows": len(listed), "share below the median told": round(float((tokens < told[:, 0]).mean()), 3),
            "share below the 90th percentile told": round(float((tokens < told[:, 1]).mean()), 3),
        }  # fmt: skip
    return found


def _lengths(texts: Sequence[str]) -> Array:
    return np.array([len(t) for t in texts], float)


def show(figures: dict[str, Any], console: Console) -> None:
    """Print the figures as one table."""
    table = Table("what", "figure")
    for head, parts in figures.items():
        for name, value in parts.items():
            table.add_row(f"{head}: {name}", str(value).replace("'", "").strip("{}"))
    console.print(table)
