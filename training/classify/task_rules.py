"""Rules for the kind of task: labels, with little weight, for real prompts that nobody labelled."""

from __future__ import annotations

import re

from greenai.classify.timely import volatility
from greenai.classify.words import NUMBERS, View, any_of, hits, words


def task_of(text: str) -> str:
    """Return the task that the first fitting rule says."""
    text = text[:4000].lower().replace("\u2019", "'")
    found = tuple(_WORD.findall(text))
    view = View(text=text, words=found, known=frozenset(found), chars=len(text), context_chars=0, has_results=False)
    task, _ = _task(view, proof=_is_proof(view))
    return "live" if task in ("fact", "other") and volatility(view, task)[0] >= _LIVE else task


_LIVE = 0.7  # from this volatility on, a question is taken to ask for live data
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")


# --- task: the first rule that fits ---------------------------------------------------------

_CHAT_CHARS = 60
_CHAT = re.compile(
    r"^\W*(?:hi|hello|hey|thanks|thank you|thx|ok|okay|great|good (?:morning|evening|night|afternoon)|bye|goodbye"
    r"|how are you|cool|nice|yes|no|sure|perfect)\b.{0,30}$",
    re.DOTALL,
)
_CODE = words(
    "python javascript typescript java kotlin swift rust golang sql regex html css bash powershell php ruby function "
    "method class compile compiler traceback stacktrace exception refactor unittest algorithm api json yaml kubernetes "
    "docker git react django pandas numpy query schema debug code codebase script program"
)
_CODE_VERBS = words("write fix debug implement refactor optimise optimize code create build review explain convert add")
_FENCE = re.compile(
    r"```|^[ \t]*(?:def |class |import |from \w+ import|#include|public |function )|[{;][ \t]*$|</\w+>", re.MULTILINE
)
_PUZZLE = words("riddle puzzle paradox trolley knights knaves truthful liar riddles sudoku")
_TRICK = any_of(
    r"how many (?:\w+ ){0,3}(?:letters?|r's|[a-z]s|times does)|monty hall|three doors|river crossing|wolf|dead cat",
    r"(?:which|what) (?:one |number )?is (?:larger|bigger|greater|heavier)|seating|logic(?:al)? puzzle",
    r"brothers and sisters|in order to cross",
)
_TRICK_HINTS = words(
    "many hall crossing larger bigger greater heavier wolf seating logic logical sisters cat doors cross"
)
_ARITHMETIC = any_of(
    r"[0-9]\s*(?:[-+*/^%÷=\u00d7\u2212]|plus\b|minus\b|times\b|divided\b|percent of\b|squared\b|mod\b)",
    r"square root of [0-9]",
)
_ARITHMETIC_CHARS = 300
_ARITHMETIC_WORDS = 14
_MATHS = words(
    "prove proof theorem lemma integral integrate derivative differentiate equation equations polynomial matrix "
    "eigenvalue probability expectation modulo prime triangle hypotenuse logarithm divisible permutations "
    "combinations hexagon perimeter remainder coefficient quadratic inequality"
)
_SURE_MATHS = words("prove integral theorem eigenvalue")
_PROOF_HINTS = words("prove disprove derive derivation deduce proof show demonstrate establish justify irrational")
_PROOF = any_of(
    r"\b(?:(?:dis)?prove|derive|derivation|deduce)\b",
    r"(?<![0-9] )\bproof\b(?! of (?:concept|identity|address|purchase|payment))",
    r"\b(?:show|demonstrate|establish|justify)(?: me| us)? (?:that|why|there (?:is|are|exists?))\b",
    r"square root of .{1,40}\birrational\b",
)
_PROVABLE = _SURE_MATHS | words(
    "rational irrational transcendental prime primes divisible divides integer integers formula lemma corollary "
    "inequality converges diverges continuous differentiable injective bijective countable uncountable infinitely "
    "sqrt sum triangle polynomial equation quadratic derivative matrix pythagoras"
)
_SIGNS = re.compile(r"[=<>^√≤≥]|[0-9]\s*[-+*/]|square root")
_LATEX = re.compile(r"\\(?:frac|sqrt|sum|int|begin|cdot|left)|\$[^$\n]{1,200}\$")
_WORD_PROBLEM = any_of(
    r"how (?:many|much|long|far|old|fast)\b.{0,120}\?", r"what (?:is|was|will be) the (?:total|average|ratio)"
)
_VERBS = {
    "translate": "translate",
    "summarise": "summarise summarize summary tldr shorten condense",
    "classify": "classify categorise categorize label sentiment",
    "extract": "extract list identify find parse",
    "rewrite": "rewrite rephrase paraphrase correct proofread edit improve polish reword simplify",
    "write": "write compose draft generate create imagine brainstorm design plan suggest describe outline tell invent",
    "other": "explain compare discuss analyse analyze evaluate argue",
}
_TASK_OF_VERB = {verb: task for task, verbs in _VERBS.items() for verb in verbs.split()}
_VERB_WITHIN = 6
_FACT_CHARS = 300
_FACT = any_of(
    r"who|what|when|where|which|whose|is|are|was|were|did|does|do|has|in what|in which|how (?:many|tall|old|far|big)",
    start=True,
)


def _task(view: View, *, proof: bool) -> tuple[str, str]:
    if view.chars < _CHAT_CHARS and _CHAT.match(view.text):
        return "chat", "a greeting or a thank you"
    if _is_code(view):
        return "code", "code or the words of code"
    if not view.known.isdisjoint(_PUZZLE) or hits(_TRICK, _TRICK_HINTS, view):
        return "puzzle", "the words of a puzzle or a trick question"
    if not proof and _is_calculation(view):
        return "calculation", "numbers with an operation"
    if proof or _is_maths(view):
        return "maths", "a proof or a derivation" if proof else "the words or signs of mathematics, or a word problem"
    return _by_opening(view)


def _is_code(view: View) -> bool:
    code_words = len(view.known & _CODE)
    if code_words > 1 or (code_words and not view.known.isdisjoint(_CODE_VERBS)):
        return True
    return any(sign in view.text for sign in ("\n", "```", "</")) and _FENCE.search(view.text) is not None


def _is_calculation(view: View) -> bool:
    short = view.chars <= _ARITHMETIC_CHARS and len(view.words) <= _ARITHMETIC_WORDS
    return short and _ARITHMETIC.search(view.text) is not None


def _is_proof(view: View) -> bool:
    """A proof is asked for, and of something mathematical: numbers and an operation in it make it no calculation."""
    if not hits(_PROOF, _PROOF_HINTS, view):
        return False
    return len(view.known & _PROVABLE) > 0 or _SIGNS.search(view.text) is not None


def _is_maths(view: View) -> bool:
    if len(view.known & _MATHS) > 1 or not view.known.isdisjoint(_SURE_MATHS):
        return True
    if ("\\" in view.text or "$" in view.text) and _LATEX.search(view.text):
        return True
    return len(NUMBERS.findall(view.text)) > 1 and _WORD_PROBLEM.search(view.text) is not None


def _by_opening(view: View) -> tuple[str, str]:
    verb = next((word for word in view.words[:_VERB_WITHIN] if word in _TASK_OF_VERB), None)
    if verb is not None:
        return _TASK_OF_VERB[verb], f'begins with "{verb}"'
    if view.chars < _FACT_CHARS and _FACT.match(view.text):
        return "fact", "a short question"
    return "other", "no rule fits"
