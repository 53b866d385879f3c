"""From scores to an assessment: probabilities, held back where a text cannot be read well or leans on its context."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from operator import mul
from typing import TYPE_CHECKING, Any

from greenai.classify import ability, combine
from greenai.classify.signals import SIGNALS
from greenai.classify.timely import timeless, volatility
from greenai.classify.view import Asked, ruled
from greenai.classify.words import any_of, words
from greenai.values import AnswerSource, Assessment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greenai.classify.heads import Heads, Scored

TASKS = (
    "action", "calculation", "chat", "classify", "code", "extract", "fact", "live", "maths", "other", "puzzle",
    "rewrite", "summarise", "translate", "write",
)  # fmt: skip
SOURCES: tuple[AnswerSource, ...] = ("deterministic", "lookup", "task_model", "generate")

# What is assumed of a text that cannot be read well: careful about skipping generation, about storing, about spending.
_CAREFUL = {"needs_generation": 0.9, "volatile": 0.4, "large_gain": 0.2, "reasoning_gain": 0.1}
_MAKING = words("write compose draft summarise summarize")
_CHANGING = words("rewrite translate paraphrase classify")
_ON_TEXT = words("summarise rewrite translate classify extract")
_INSTRUCTED = 0.5
_INSTRUCTION = any_of(
    r"(?:can|could|would) you (?:summari[sz]e|translate|rewrite|paraphrase|shorten|extract)",
    r"(?:summari[sz]e|translate|rewrite|paraphrase|shorten|condense|proofread|extract|classify)",
    start=True,
)
# Where nothing is gained by reasoning: texts that are surely everyday ones, and resemble none of the recorded tasks.
_EVERYDAY = (0.8, 1.0)  # the share of the domain "other"
_LIKE_A_TASK = (0.95, 1.05)  # as near to a known reasoning task as its own prompts are
_BEYOND_ASCII = SIGNALS.index("share beyond ASCII")
_LIVE = 0.7  # from here on a rule saw words of live data
_UNSURE = 0.79
_ONE_OFF = 0.6  # what the rules say of an action, a random wish, or somebody's own records
_FOREIGN = words(
    # function words of German, French, Spanish, Italian, Portuguese and Dutch that English does not use
    "der und das ist nicht ein eine wie ich mit für auf dem den sich auch wird kann bitte warum wo wer wann welche zu "
    "le les une des est pas que pour dans avec sur vous je mon quel quelle pourquoi où quand combien du au "
    "el los las una es por para con como qué cuál cuándo dónde cuánto mi del al "
    "il della che non sono perché di quanto o os um uma são não você qual het een niet hoe wat waar met van"
)
_FOREIGN_TO_ENGLISH = words("a an the of to in is are what how why who when which and for i you my")

# Median and 90th percentile of answers in tokens outside exams and word problems, by task. Set by hand and held against
# AlpacaEval's recorded answers (docs/classifier.md).
LENGTHS: Mapping[str, tuple[int, int]] = {
    "action": (20, 60), "calculation": (12, 80), "chat": (25, 80), "classify": (10, 80), "code": (330, 950),
    "extract": (80, 350), "fact": (80, 450), "live": (40, 200), "maths": (250, 700), "other": (280, 800),
    "puzzle": (150, 500), "rewrite": (80, 400), "summarise": (110, 300), "translate": (40, 250), "write": (380, 1000),
}  # fmt: skip


def sigmoid(log_odds: float) -> float:
    """Return the probability of log-odds, without overflow."""
    if log_odds < 0:
        mass = math.exp(max(log_odds, -700.0))
        return mass / (1 + mass)
    return 1 / (1 + math.exp(-min(log_odds, 700.0)))


def softmax(scores: Sequence[float]) -> list[float]:
    """Return probabilities that add up to 1."""
    top = max(scores)
    mass = [math.exp(s - top) for s in scores]
    total = sum(mass)
    return [m / total for m in mass]


def judge(heads: Heads, scored: Scored, asked: Asked, *, method: str) -> Assessment:
    """Return the assessment of one text."""
    scored = _instructed(heads, scored, asked)
    params, scores = heads.params, scored.scores
    trust = legible(scored)
    domains = softmax([s * params["domain_slope"] for s in scores["domains"]])
    tasks = _mixed(softmax([s * params["task_slope"] for s in scores["tasks"]]), TASKS.index("other"), trust)
    sources = _mixed(softmax([s * params["source_slope"] for s in scores["sources"]]), SOURCES.index("generate"), trust)
    task = TASKS[tasks.index(max(tasks))]
    volatile, volatile_why, one_off = _volatile(params, scores, asked, task, trust)
    large = _careful("large_gain", large_gain(params, scored, domains), trust)
    reasoning = _careful("reasoning_gain", reasoning_gain(params, scored, domains), trust)
    return Assessment(
        task=task,
        task_probabilities=dict(zip(TASKS, tasks, strict=True)),
        needs_generation=_needs_generation(params, scores, asked, trust),
        answer_source=dict(zip(SOURCES, sources, strict=True)),
        large_gain=large,
        reasoning_gain=reasoning,
        volatile=volatile,
        one_off=one_off,
        expected_output_tokens=_lengths(params, scores, asked, task, domains),
        why=_why(heads, scored, task, tasks, domains, volatile_why, trust, asked),
        method=method,
        calibrated=True,
        suffices=partial(ability.suffices, params["ability"], _difficulties(params, scored, domains), trust),
    )


def _instructed(heads: Heads, scored: Scored, asked: Asked) -> Scored:
    """Score the instruction in place of a long text that it stands before or after: the text's own words drown it."""
    for said in asked.instructions:
        found = heads.score(said)
        tasks = softmax([s * heads.params["task_slope"] for s in found.scores["tasks"]])
        likely = sum(p for task, p in zip(TASKS, tasks, strict=True) if task in _ON_TEXT)
        if likely >= _INSTRUCTED or _INSTRUCTION.match(said.lower()):
            return replace(scored, scores={**found.scores, "volatility": scored.scores["volatility"]})
    return scored


def legible(scored: Scored) -> float:
    """Return how far the words can be read, in [0, 1]: few known words, other scripts or languages lower it."""
    bag = scored.bag
    if not any(w[0].isalnum() for w in bag.words):
        return 0.0
    known = 1 - (bag.strangers + bag.corrected) / len(bag.words)
    trust = min(1.0, max(0.0, (known - 0.3) / 0.4))
    foreign = len(bag.known & _FOREIGN)
    if foreign >= 2 and foreign > len(bag.known & _FOREIGN_TO_ENGLISH):
        trust *= 0.2
    beyond = scored.signals[_BEYOND_ASCII]
    return trust * max(0.0, 1 - 3 * beyond)


# --- the probabilities ----------------------------------------------------------------------


def large_gain(params: Mapping[str, Any], scored: Scored, domains: Sequence[float]) -> float:
    """Return P(a large model is right where a small one is not), a mixture over kinds of text."""
    scores, scaling = scored.scores, params["scaling"]
    length = scored.signals[0]
    z = {name: _standard(scaling, name, scores[name][0]) for name in (*combine.EXAM_HEADS[:-1], "gsm8k")}
    z["length"] = _standard(scaling, "length", length)
    familiar = _within(scored.exam, combine.EXAM_GATE)
    exam = sigmoid(combine.logit(params["exam"], combine.exam_score(z, familiar), familiar))
    z["length"] = _standard(scaling, "problem length", length)
    a, b = params["word_problem"]
    problem = sigmoid(a + b * combine.word_problem_score(z))
    low, high = combine.OTHER_GAIN
    rest = low + (high - low) * sigmoid(scores["hardness"][0])
    mixed: float = domains[0] * exam + domains[1] * problem + (domains[2] + domains[3]) * rest
    return mixed


def reasoning_gain(params: Mapping[str, Any], scored: Scored, domains: Sequence[float]) -> float:
    """Return P(reasoning turns a wrong answer right); small outside exams, problems and puzzles."""
    scores, scaling = scored.scores, params["scaling"]
    # three short lists: arrays would cost more than they save
    shares, means, within = softmax(scores["reasoning tasks"]), params["reasoning_means"], scores["within tasks"]
    gains = [mean + combine.WITHIN_TASK * own for mean, own in zip(means, within, strict=True)]
    by_task = sum(map(mul, shares, gains))
    z = {
        "by task": _standard(scaling, "by task", by_task),
        "reasoning": _standard(scaling, "reasoning", scores["reasoning"][0]),
    }
    familiar = _within(scored.reasoning, combine.REASONING_GATE)
    score = combine.reasoning_score(z, familiar)
    known = sigmoid(combine.logit(params["reasoning"], score, familiar))
    other = _within(domains[3], _EVERYDAY) * (1 - _within(scored.reasoning, _LIKE_A_TASK))
    mixed: float = (1 - other) * known + other * combine.OTHER_REASONING
    return mixed


def _needs_generation(
    params: Mapping[str, Any], scores: Mapping[str, Sequence[float]], asked: Asked, trust: float
) -> float:
    a, b = params["generation"]
    needs = _careful("needs_generation", sigmoid(a + b * scores["generation"][0]), trust)
    if asked.attachments:
        return max(needs, 0.98)  # what is in the picture, no tool reads
    return needs if asked.turns < 2 else 1 - 0.5 * (1 - needs)


def _volatile(
    params: Mapping[str, Any], scores: Mapping[str, Sequence[float]], asked: Asked, task: str, trust: float
) -> tuple[float, str | None, bool]:
    view = ruled(asked)
    rule, why = volatility(view, _made(view.words, task))
    a, b, c = params["volatility"]
    fitted = sigmoid(a + b * scores["volatility"][0] + c * math.log(rule / (1 - rule)))
    likely = _careful("volatile", fitted, trust)
    if rule <= 0.15 and (why or timeless(view)):  # the facts are given, or the question is about how things are
        return min(likely, 0.3), why, False
    # A stored answer that went stale costs more than one asked again: what a rule saw is never waved away.
    if rule >= _LIVE and len(view.words) > 1:
        return max(likely, rule), why, False
    # Without words of live data it is never sure enough to leave a question unasked (receipts.LIVE_DATA).
    return min(likely, _UNSURE), why, rule == _ONE_OFF


def _made(words: Sequence[str], task: str) -> str:
    """Return the task by the instruction at the beginning: to translate "today" asks nothing of the day."""
    first = words[0] if words else ""
    if first in _CHANGING:
        return "rewrite"
    return "write" if first in _MAKING else task


def _difficulties(params: Mapping[str, Any], scored: Scored, domains: Sequence[float]) -> tuple[ability.Kind, ...]:
    """Return kinds of text with their share and difficulty; outside exams and problems, from an easy to a hard one."""
    easy, hard = params["ability"]["choice"]["everyday"]
    everyday = easy + (hard - easy) * sigmoid(scored.scores["hardness"][0])
    familiar = _within(scored.exam, combine.EXAM_GATE)
    found = scored.scores["difficulty"][0]
    other = domains[3] * (1 - familiar)
    return (
        ("choice", domains[0] + domains[3] - other, found),
        ("word problem", domains[1], found),
        ("puzzle", domains[2], found),
        ("choice", other, everyday),
    )


def _lengths(
    params: Mapping[str, Any], scores: Mapping[str, Sequence[float]], asked: Asked, task: str, domains: Sequence[float]
) -> tuple[int, int]:
    median, high = LENGTHS[task]
    if task in ("rewrite", "translate"):
        size = len(asked.own) // 4
        median, high = max(median, size), max(high, size * 3 // 2)
    solved = 1 - domains[3]
    log_median = (1 - solved) * math.log(median) + solved * min(scores["lengths"][0], 9.0)
    log_high = (1 - solved) * math.log(high) + solved * (min(scores["lengths"][0], 9.0) + params["length_spread"])
    return max(1, round(math.exp(log_median))), max(2, round(math.exp(log_high)))


def _careful(name: str, probability: float, trust: float) -> float:
    return _CAREFUL[name] + trust * (probability - _CAREFUL[name])


def _mixed(probabilities: Sequence[float], usual: int, trust: float) -> list[float]:
    """Hold probabilities back: towards one half for the usual kind and the rest spread evenly."""
    if trust >= 1:
        return [*probabilities]
    even = 0.5 / len(probabilities)
    held = [even + trust * (p - even) for p in probabilities]
    held[usual] = even + 0.5 + trust * (probabilities[usual] - even - 0.5)
    return held


def _within(value: float, span: tuple[float, float]) -> float:
    """Return where a value lies between two others, in [0, 1]."""
    low, high = span
    if value <= low:
        return 0.0
    return 1.0 if value >= high else (value - low) / (high - low)


def _standard(scaling: Mapping[str, Sequence[float]], name: str, value: float) -> float:
    centre, spread = scaling[name]
    return (value - centre) / spread


# --- in words -------------------------------------------------------------------------------

_HEAD_OF_DOMAIN = {"choice": "gain", "word problem": "gsm8k", "puzzle": "hardness"}


def _why(
    heads: Heads, scored: Scored, task: str, tasks: Sequence[float], domains: Sequence[float],
    volatile_why: str | None, trust: float, asked: Asked,
) -> tuple[str, ...]:  # fmt: skip
    domain = combine.DOMAINS[max(range(len(domains)), key=domains.__getitem__)]
    heavy = [] if domain == "other" else heads.heaviest(scored.bag, _HEAD_OF_DOMAIN[domain])
    length = len(asked.own)
    reasons = (
        f"task: {task} ({tasks[TASKS.index(task)]:.2f}{'' if domain == 'other' else f', like a {domain}'})",
        f"words that ask for a larger model: {', '.join(heavy)}" if heavy else None,
        volatile_why,
        f"length: {length} characters" if length >= 400 else None,
        "few of its words are known, so every probability is held back" if trust < 0.5 else None,
    )
    return tuple(reason for reason in reasons if reason)


def unread(method: str) -> Assessment:
    """Return the assessment where nothing could be judged: careful in every respect, and not calibrated."""
    return Assessment(
        task="other",
        task_probabilities=dict(zip(TASKS, _mixed([0.0] * len(TASKS), TASKS.index("other"), 0.0), strict=True)),
        answer_source=dict(zip(SOURCES, _mixed([0.0] * len(SOURCES), SOURCES.index("generate"), 0.0), strict=True)),
        needs_generation=1.0,
        large_gain=_CAREFUL["large_gain"],
        reasoning_gain=_CAREFUL["reasoning_gain"],
        volatile=0.5,
        one_off=True,
        expected_output_tokens=LENGTHS["other"],
        why=("the classifier failed, so nothing is known of this request",),
        method=method,
        calibrated=False,
    )
