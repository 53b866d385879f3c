"""What each head is fitted on: numbers of texts, targets, weights, and the group that a row is held out by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ability
import numpy as np
from data import Texts, models, rows, with_options
from labels import ANSWERED, ASKED, DETERMINISTIC, LIVE_TOOLS, LOOKUP, STABLE, TASK_OF_INTENT, VOLATILE
from phrases import phrases
from task_rules import task_of

from greenai.classify.combine import DOMAINS
from greenai.classify.judge import SOURCES, TASKS

FACTS = "facts"
CHAT = ("arena_hard", "self_instruct")
KNOWLEDGE = (
    "mmlu_pro", "routellm_mmlu", "nq_open", "math_levels", "gsm8k_6b_175b", "code_prompts", "zeroshot_cot_onoff",
    "bbh_reasoning_onoff", "reasoning_gym", "zeroeval_crux", "zeroeval_math_l5",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """One head's data: `rows` number the texts, `y` is (n,) or (n, k), `groups` name what is held out together."""

    rows: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    groups: np.ndarray

    def only(self, keep: np.ndarray) -> Target:
        """Return the part that `keep` marks."""
        return Target(self.rows[keep], self.y[keep], self.weights[keep], self.groups[keep])


class _Made:
    def __init__(self, texts: Texts) -> None:
        self.texts, self.items = texts, list[tuple[int, Any, float, str]]()

    def add(self, text: str, y: Any, weight: float, group: str) -> None:
        if self.texts.trainable[self.texts.number[text]]:
            self.items.append((self.texts.number[text], y, weight, group))

    def target(self) -> Target:
        at, y, weights, groups = zip(*self.items, strict=True)
        return Target(np.array(at), np.array(y, np.float32), np.array(weights, np.float32), np.array(groups))


# --- outcomes of models -------------------------------------------------------------------


def mmlu(texts: Texts) -> Target:
    """Return (Mixtral 8x7B right, GPT-4 right) on RouteLLM's MMLU rows."""
    found = [r for r in rows(texts.folder, "routellm_mmlu") if not r["contaminated"]]
    size = Counter(r["subject"] for r in found)
    made = _Made(texts)
    for row in found:
        made.add(row["prompt"], (row["weak_ok"], row["strong_ok"]), size[row["subject"]] ** -0.5, row["subject"])
    return made.target()


def hard_mmlu(texts: Texts) -> Target:
    """Return the share of all models that fail, on the questions of MMLU-Pro that come from MMLU."""
    made = _Made(texts)
    for row in rows(texts.folder, "mmlu_pro"):
        if row["src"].startswith("ori_mmlu"):
            right = [v for v in row["ok"] if v is not None]
            made.add(with_options(row), 1 - sum(right) / len(right), 1.0, row["src"].replace("ori_mmlu-", ""))
    return made.target()


def gsm8k(texts: Texts) -> Target:
    """Return what is gained on GSM8K: RouteLLM's pair, and the strong and weak models of ZeroEval on the same rows."""
    listed = rows(texts.folder, "zeroeval_gsm8k")
    held = np.array([[np.nan if v is None else v for v in r["ok"]] for r in listed], float)
    mean = np.nanmean(held, 0)
    more = np.nanmean(held[:, mean > 0.9], 1) - np.nanmean(held[:, mean < 0.82], 1)
    by_prompt = {r["prompt"]: m for r, m in zip(listed, more, strict=True)}
    made = _Made(texts)
    for row in rows(texts.folder, "routellm_gsm8k"):
        if not row["contaminated"]:
            extra = float(by_prompt.get(row["prompt"], np.nanmean(more)))
            made.add(row["prompt"], (row["weak_ok"], row["strong_ok"], extra), 1.0, "gsm8k")
    return made.target()


def reasoning(texts: Texts) -> Target:
    """Return (right without, right with reasoning) of one model, on BIG-Bench Hard and the zero-shot sets."""
    made = _Made(texts)
    for name, key in (("bbh_reasoning_onoff", "task"), ("zeroshot_cot_onoff", "dataset")):
        for row in rows(texts.folder, name):
            made.add(row["prompt"], (row["direct_ok"], row["cot_ok"]), 1.0, f"{name[:3]}:{row[key]}")
    for row in rows(texts.folder, "nq_open")[::2]:  # single facts: known or not, whatever is thought about them
        made.add(row["prompt"], (1, 1), 1.0, FACTS)
    return made.target()


# Models with and without reasoning, as pairs of sides. Where one model ran both ways, it is its own other side.
_ZEROEVAL = ((("o1-mini-2024-09-12", "o1-preview-2024-09-12"), ("gpt-4o-2024-05-13", "claude-3-5-sonnet-20240620")),)
_OTHER_MODELS: dict[str, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = {
    "reasoning_gym": ((
        ("deepseek_deepseek-r1", "openai_o3-mini", "qwen_qwq-32b", "x-ai_grok-3-mini-beta"),
        ("anthropic_claude-3.5-sonnet", "google_gemma-3-27b-it", "meta-llama_llama-3.3-70b-instruct",
         "meta-llama_llama-4-maverick", "meta-llama_llama-4-scout", "mistralai_mistral-small-3.1-24b-instruct"),
    ),),
    "zeroeval_crux": _ZEROEVAL,
    "zeroeval_math_l5": _ZEROEVAL,
    "misguided_attention": (
        (("qwen3-235b-a22b-think",), ("qwen3-235b-a22b-nothink",)),
        (("qwen3-30b-a3b-think",), ("qwen3-30b-a3b-nothink",)),
        (("claude-4-sonnet-0522-thinking",), ("claude-sonnet-4",)),
        (("claude-3.7-thinking-4k",), ("claude-3.7-sonnet",)),
        (("gemini-2.5-flash-preview-05-20:thinking",), ("gemini-2.5-flash-preview-05-20",)),
    ),
}  # fmt: skip
OTHER_MODELS = 0.15  # how much a task counts whose gain is between models, not of one; chosen on families left out


def transfer(texts: Texts) -> Target:
    """Return the gain of reasoning, each task with the same weight: what should hold for tasks that nobody listed.

    To the on and off runs of one model come tasks on which reasoning models and others were recorded: a hundred more
    kinds of task, though the gain there is also one between models.
    """
    made, same = _Made(texts), reasoning(texts)
    size = Counter(same.groups.tolist())
    for row, y, group in zip(same.rows.tolist(), same.y, same.groups.tolist(), strict=True):
        made.items.append((row, float(y[1] - y[0]), 1 / size[group], group))
    for name, pairs in _OTHER_MODELS.items():
        listed = [(row, _gain(texts.folder, name, row, pairs)) for row in rows(texts.folder, name)]
        gains = [(row, gain) for row, gain in listed if gain is not None]
        groups = [f"{name}:{row.get('task', '')} {row.get('level', '')}".rstrip(": ") for row, _ in gains]
        size = Counter(groups)
        for (row, gain), group in zip(gains, groups, strict=True):
            made.add(row["prompt"], gain, OTHER_MODELS / size[group], group)
    return made.target()


def _gain(folder: Path, name: str, row: dict[str, Any], pairs: Sequence[Any]) -> float | None:
    """Return the mean over pairs of (mean with reasoning - mean without), in shares right; None where none ran."""
    recorded = dict(zip(models(folder, name), row["score" if "score" in row else "ok"], strict=True))
    gains = []
    for on, off in pairs:
        sides = [[recorded[m] for m in side if recorded.get(m) is not None] for side in (on, off)]
        if all(sides):
            gains.append(sum(sides[0]) / len(sides[0]) - sum(sides[1]) / len(sides[1]))
    return sum(gains) / len(gains) if gains else None


# Tasks of one family are left out together: a new kind of task has no sibling among the known ones.
_FAMILIES = {
    "tracking": ("tracking_shuffled", "shuffled_objects"), "deduction": ("logical_deduction",), "dates": ("date_",),
    "word problems": ("multistep_arithmetic", "gsm8k", "multiarith", "addsub", "singleeq", "svamp", "aqua"),
    "tables": ("colored_objects", "penguins"), "common sense": ("commonsensqa",), "strategy": ("strategyqa",),
}  # fmt: skip


def family(group: str) -> str:
    """Return the family of a task; most tasks are one of their own."""
    return next((name for name, parts in _FAMILIES.items() if any(p in group for p in parts)), group)


RECORDED = ("mmlu_pro", "zeroeval_gsm8k", "zeroeval_math_l5", "zeroeval_crux")


def correctness(texts: Texts) -> ability.Outcomes:
    """Return, per set, the numbers of the texts, who was right (rows, models; NaN where not run), and the models."""
    found = {}
    for name in RECORDED:
        listed = rows(texts.folder, name)
        prompts = [r["prompt"] for r in listed]
        held = np.array([[np.nan if v is None else v for v in r["ok"]] for r in listed], float)
        keep = np.array([texts.trainable[texts.number[p]] for p in prompts])
        at = np.array([texts.number[p] for p in prompts])
        found[name] = (at[keep], held[keep], models(texts.folder, name))
    return found


# --- kinds of requests --------------------------------------------------------------------


def tasks(texts: Texts) -> Target:
    """Return task types: by intent, by set, by our own frames, and by rules for real prompts (with less weight)."""
    made = _Made(texts)
    one = np.eye(len(TASKS), dtype=np.float32)
    for name, task_of_intent in TASK_OF_INTENT.items():
        for row in rows(texts.folder, name):
            if row["intent"] in task_of_intent:
                made.add(row["prompt"], one[TASKS.index(task_of_intent[row["intent"]])], 0.3, name)
    fixed = {"code_prompts": "code", "zeroeval_crux": "code", "math_levels": "maths", "gsm8k_6b_175b": "maths",
             "zeroeval_math_l5": "maths", "nq_open": "fact", "zeroeval_numersense": "calculation",
             "reasoning_gym": "puzzle"}  # fmt: skip
    for name, task in fixed.items():
        for row in rows(texts.folder, name):
            made.add(row["prompt"], one[TASKS.index(task)], 0.3, name)
    for name in (*CHAT, "metatool_need", "bfcl_need_call", "routellm_mmlu"):
        for row in rows(texts.folder, name):
            task = task_of(row["prompt"])
            made.add(row["prompt"], one[TASKS.index(task)], 0.5 if task == "other" else 2.0, name)
    for text, task in phrases():
        named = {"about live things": "other", "assistant": "other", "with numbers": "write"}.get(task, task)
        made.add(text, one[TASKS.index(named)], 4.0, f"own:{task}")
    return made.target()


def sources(texts: Texts) -> Target:
    """Return where answers come from, over SOURCES."""
    made = _Made(texts)
    one = np.eye(len(SOURCES), dtype=np.float32)

    def add(text: str, source: str, weight: float, group: str) -> None:
        made.add(text, one[SOURCES.index(source)], weight, group)

    for name in TASK_OF_INTENT:
        for row in rows(texts.folder, name):
            intent = row["intent"]
            source = "deterministic" if intent in DETERMINISTIC else "lookup" if intent in LOOKUP else None
            if source:
                add(row["prompt"], source, 0.3, f"{name}:{intent}")
    for row in rows(texts.folder, "metatool_need"):
        add(row["prompt"], "lookup" if row["needs_tool"] else "generate", 6.0, f"tool:{row['tool']}")
    for row in rows(texts.folder, "metatool_queries"):
        add(row["prompt"], "lookup", 0.3, f"tool:{row['tool']}")
    for row in rows(texts.folder, "bfcl_need_call"):
        if row["label"] == "chat":
            add(row["prompt"], "generate", 1.0, "bfcl")
    for row in rows(texts.folder, "banking77"):
        add(row["prompt"], "lookup", 0.2, "banking77")
    for name in ("zeroeval_numersense", "recognizers_specs"):
        for row in rows(texts.folder, name):
            add(row["prompt"], "deterministic", 1.0, name)
    for name in (*CHAT, *KNOWLEDGE):
        for row in rows(texts.folder, name):
            helper = row.get("is_classification") == 1 or task_of(row["prompt"]) in ("classify", "extract", "translate")
            add(
                row["prompt"],
                "task_model" if helper and name in CHAT else "generate",
                2.0 if name in CHAT else 0.2,
                name,
            )
    of_task = {
        "classify": "task_model", "extract": "task_model", "translate": "task_model", "summarise": "task_model",
        "rewrite": "generate", "write": "generate", "code": "generate", "chat": "generate", "live": "lookup",
        "puzzle": "generate", "maths": "generate", "calculation": "deterministic", "fact": "generate",
        "other": "generate", "with numbers": "generate",
        "about live things": "generate",
        "assistant": "generate",
    }  # fmt: skip
    for text, task in phrases():
        if task in of_task:
            add(text, of_task[task], 2.0, f"own:{task}")
    return made.target()


def generation(texts: Texts) -> Target:
    """Return 1 where a model has to write, 0 where a tool or live data answers whole."""
    made = _Made(texts)
    for name in TASK_OF_INTENT:
        for row in rows(texts.folder, name):
            if row["intent"] in ANSWERED:
                made.add(row["prompt"], 0.0, 1.0, f"{name}:{row['intent']}")
    for name in ("zeroeval_numersense", "recognizers_specs"):
        for row in rows(texts.folder, name):
            made.add(row["prompt"], 0.0, 8.0 if name == "recognizers_specs" else 2.0, name)
    for name, weight in ((CHAT[0], 8.0), (CHAT[1], 8.0), *((n, 0.5) for n in KNOWLEDGE)):
        for row in rows(texts.folder, name):
            made.add(row["prompt"], 1.0, 2.0 if name == "nq_open" else weight, name)
    for row in rows(texts.folder, "metatool_need"):
        if not row["needs_tool"]:
            made.add(row["prompt"], 1.0, 6.0, "metatool_need")
    for row in rows(texts.folder, "bfcl_need_call"):
        if row["label"] == "chat":
            made.add(row["prompt"], 1.0, 6.0, "bfcl")
    for row in rows(texts.folder, "clinc150"):
        if row["intent"] in ASKED:
            made.add(row["prompt"], 1.0, 1.0, f"clinc150:{row['intent']}")
    for row in rows(texts.folder, "hwu64"):
        if row["intent"] in ASKED:
            made.add(row["prompt"], 1.0, 1.0, f"hwu64:{row['intent']}")
    for row in rows(texts.folder, "banking77"):
        made.add(row["prompt"], 1.0, 0.3, "banking77")
    for text, task in phrases():
        if task in ("live", "calculation"):
            made.add(text, 0.0, 2.0, f"own:{task}")
        elif task != "action":
            made.add(text, 1.0, 4.0, f"own:{task}")
    return made.target()


def volatility(texts: Texts) -> Target:
    """Return 1 where the answer changes within a day."""
    made = _Made(texts)
    for name in TASK_OF_INTENT:
        for row in rows(texts.folder, name):
            if row["intent"] in VOLATILE or row["intent"] in STABLE:
                made.add(row["prompt"], float(row["intent"] in VOLATILE), 1.0, f"{name}:{row['intent']}")
    for row in rows(texts.folder, "metatool_queries"):
        tool = row["tool"].lower()
        if any(word in tool for word in LIVE_TOOLS):
            made.add(row["prompt"], 1.0, 0.3, f"tool:{row['tool']}")
    for name in (*CHAT, *KNOWLEDGE, "zeroeval_numersense"):
        for row in rows(texts.folder, name):
            made.add(row["prompt"], 0.0, 2.0 if name in CHAT else 0.5, name)
    for row in rows(texts.folder, "metatool_need"):
        if not row["needs_tool"]:
            made.add(row["prompt"], 0.0, 2.0, "metatool_need")
    for text, task in phrases():
        if task != "action":
            made.add(text, float(task == "live"), 2.0, f"own:{task}")
    return made.target()


def hardness(texts: Texts) -> Target:
    """Return 1 for kinds of prompts on which models differ, 0 for everyday requests: for chat, where no outcome is."""
    made = _Made(texts)
    for name, y in (("arena_hard", 1), ("code_prompts", 1), ("reasoning_gym", 1), ("bbh_reasoning_onoff", 1),
                    ("zeroeval_math_l5", 1), ("hwu64", 0), ("clinc150", 0), ("nq_open", 0), ("self_instruct", 0),
                    ("metatool_need", 0)):  # fmt: skip
        found = rows(texts.folder, name)
        for row in found:
            made.add(row["prompt"], float(y), 1000 / len(found), name)
    for row in rows(texts.folder, "math_levels"):
        made.add(row["prompt"], 1.0, 0.15, "math_levels")
    for text, task in phrases():
        made.add(text, float(task in ("maths", "code", "puzzle")), 1.0, f"own:{task}")
    return made.target()


def domains(texts: Texts) -> Target:
    """Return the kind of text, over combine.DOMAINS, each kind with the same weight in all."""
    from_sets = {
        "choice": ("routellm_mmlu", "mmlu_pro", "mmlu_pro with options"),
        "word problem": ("routellm_gsm8k", "gsm8k_6b_175b", "math_levels", "zeroeval_math_l5", "arithmetic"),
        "puzzle": ("bbh_reasoning_onoff", "zeroshot_cot_onoff", "reasoning_gym", "zeroeval_crux"),
        "other": ("clinc150", "hwu64", "snips2017", "banking77", "nq_open", "metatool_queries", "metatool_need",
                  "arena_hard", "self_instruct", "code_prompts", "bfcl_need_call", "recognizers_specs",
                  "zeroeval_numersense"),
    }  # fmt: skip
    made, one = _Made(texts), np.eye(len(DOMAINS), dtype=np.float32)
    for kind, sets in from_sets.items():
        for name in sets:
            found = [(t, g) for t, g in _texts_of(texts, name)]
            weight = (6 if name in CHAT or name == "metatool_need" else 1) * 1000 / len(found) / len(sets)
            for text, group in found:
                made.add(text, one[DOMAINS.index(kind)], weight, group)
    for text, task in phrases():
        made.add(text, one[DOMAINS.index("puzzle" if task in ("puzzle", "maths") else "other")], 0.3, f"own:{task}")
    return made.target()


_ARITHMETIC = ("gsm8k", "multiarith", "addsub", "singleeq", "svamp", "aqua")


def _texts_of(texts: Texts, name: str) -> list[tuple[str, str]]:
    if name == "mmlu_pro with options":
        return [(with_options(r), r["src"].replace("ori_mmlu-", "")) for r in rows(texts.folder, "mmlu_pro")]
    source = "zeroshot_cot_onoff" if name == "arithmetic" else name
    found = rows(texts.folder, source)
    if source == "zeroshot_cot_onoff":
        found = [r for r in found if (r["dataset"] in _ARITHMETIC) == (name == "arithmetic")]
    key = next((k for k in ("subject", "task", "dataset") if k in found[0]), None)
    prefix = {"bbh_reasoning_onoff": "bbh:", "zeroshot_cot_onoff": "zer:", "reasoning_gym": "gym:"}.get(source, "")
    return [(r["prompt"], f"{prefix}{r[key]}" if key else name) for r in found]


def difficulty(texts: Texts) -> Target:
    """Return how hard a text is for recorded models, in log-odds of failing, with the set's mean in it."""
    made = _Made(texts)
    for name in RECORDED:
        listed = rows(texts.folder, name)
        held = np.array([[np.nan if v is None else v for v in r["ok"]] for r in listed], float)
        hard = ability.mean_difficulty(held)
        for row, value in zip(listed, hard, strict=True):
            group = row["src"].replace("ori_mmlu-", "") if name == "mmlu_pro" else name
            made.add(row["prompt"], value, 1.0, group)
            if name == "mmlu_pro":
                made.add(with_options(row), value, 1.0, group)
    return made.target()


def lengths(texts: Texts) -> Target:
    """Return ln(tokens) of answers at four characters a token: models of MMLU-Pro and ZeroEval, and direct answers."""
    made = _Made(texts)
    for name in ("mmlu_pro", "zeroeval_gsm8k", "zeroeval_math_l5", "zeroeval_crux"):
        for row in rows(texts.folder, name):
            held = np.array([c for c in row["chars"] if c], float)
            if len(held):
                made.add(row["prompt"], float(np.log(np.median(held) / 4)), 0.5, name)
    for name, key in (("bbh_reasoning_onoff", "task"), ("zeroshot_cot_onoff", "dataset")):
        for row in rows(texts.folder, name)[::4]:  # answered step by step, as chat models do without being asked
            made.add(row["prompt"], float(np.log(max(row["cot_chars"], 4) / 4)), 0.5, f"{name[:3]}:{row[key]}")
    return made.target()


def folder_of(path: str) -> Path:
    """Return the data folder, or end with what is missing."""
    folder = Path(path)
    if not (folder / "routellm_mmlu" / "rows.jsonl.gz").exists():
        raise SystemExit(f"{folder} holds no routing data: routellm_mmlu/rows.jsonl.gz is missing.")
    return folder
