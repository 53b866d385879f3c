"""The rules of the first classifier: word lists and weights, each a guess that says so.

The weights of `_PROFILES` follow what is published about when a larger
model or reasoning changes the answer: large gains on puzzles, proofs and hard code, small ones on chat, rewriting,
translation and single facts (RouteLLM 2024; LLMRouterBench 2026; Sprague et al., "To CoT or not to CoT", 2024). They
were not fitted.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from greenai.values import Assessment


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the rules look at: the last user turn (clipped), its full length, and what stands around it.

    `context_chars` counts the characters of the other messages; `has_results` says that tool results are among them.
    """

    text: str
    chars: int
    context_chars: int
    has_results: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a task usually needs. `tokens` is the range of output tokens that covers most answers."""

    large_gain: float
    reasoning_gain: float
    needs_generation: float
    tokens: tuple[int, int]


_PROFILES: dict[str, Profile] = {
    "calculation": Profile(large_gain=0.2, reasoning_gain=0.1, needs_generation=0.1, tokens=(1, 60)),
    "chat": Profile(large_gain=0.05, reasoning_gain=0.02, needs_generation=0.7, tokens=(5, 80)),
    "classify": Profile(large_gain=0.2, reasoning_gain=0.05, needs_generation=0.4, tokens=(1, 40)),
    "code": Profile(large_gain=0.5, reasoning_gain=0.3, needs_generation=0.97, tokens=(80, 900)),
    "extract": Profile(large_gain=0.2, reasoning_gain=0.05, needs_generation=0.6, tokens=(10, 250)),
    "fact": Profile(large_gain=0.25, reasoning_gain=0.05, needs_generation=0.6, tokens=(5, 120)),
    "live": Profile(large_gain=0.25, reasoning_gain=0.03, needs_generation=0.3, tokens=(5, 120)),
    "maths": Profile(large_gain=0.55, reasoning_gain=0.5, needs_generation=0.9, tokens=(60, 700)),
    "other": Profile(large_gain=0.3, reasoning_gain=0.1, needs_generation=0.9, tokens=(40, 500)),
    "puzzle": Profile(large_gain=0.65, reasoning_gain=0.6, needs_generation=0.9, tokens=(40, 500)),
    "rewrite": Profile(large_gain=0.15, reasoning_gain=0.03, needs_generation=0.95, tokens=(20, 400)),
    "summarise": Profile(large_gain=0.2, reasoning_gain=0.03, needs_generation=0.95, tokens=(40, 300)),
    "translate": Profile(large_gain=0.2, reasoning_gain=0.02, needs_generation=0.9, tokens=(5, 300)),
    "write": Profile(large_gain=0.35, reasoning_gain=0.05, needs_generation=0.99, tokens=(80, 800)),
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
_FENCE = re.compile(r"```|^\s*(?:def |class |import |from \w+ import|#include|public |function )|[{;]\s*$|</\w+>", re.MULTILINE)
_CODE = _words(
    "python javascript typescript java kotlin swift rust golang c++ sql regex html css bash powershell php ruby "
    "function method class compile compiler traceback stacktrace exception refactor unittest algorithm api json yaml "
    "kubernetes docker git react django pandas numpy query schema debug code codebase script program"
)
_CODE_VERBS = _words("write fix debug implement refactor optimise optimize code create build review explain convert add")
_MATHS = _words(
    "prove proof theorem lemma integral integrate derivative differentiate equation equations polynomial matrix "
    "eigenvalue probability expectation modulo prime triangle hypotenuse logarithm divisible permutations "
    "combinations hexagon perimeter remainder coefficient quadratic inequality"
)
_SURE_MATHS = _words("prove integral theorem eigenvalue")
_LATEX = re.compile(r"\\(?:frac|sqrt|sum|int|begin|cdot|left)|\$[^$\n]{1,200}\$")
_PUZZLE = _words("riddle puzzle paradox trolley knights knaves truthful liar riddles sudoku")
_TRICK_HINTS = _words(
    "many hall crossing larger bigger greater heavier wolf seating logic logical sisters cat doors cross"
)
_TRICK = re.compile(
    r"how many (?:\w+ ){0,3}(?:letters?|r's|[a-z]s|times does)|monty hall|river crossing|(?:which|what) (?:one |number )?is "
    r"(?:larger|bigger|greater|heavier)|wolf|seating|logic(?:al)? puzzle|brothers and sisters|dead cat|three doors|in order to cross"
)
_NUMBERS = re.compile(r"\d+(?:[.,]\d+)?")
_WORD_PROBLEM = re.compile(r"how (?:many|much|long|far|old|fast)\b.{0,120}\?|what (?:is|was|will be) the (?:total|average|ratio)", re.S)
_ARITHMETIC = re.compile(r"\d\s*(?:[-+*/^×÷−=]|plus\b|minus\b|times\b|divided\b|%|percent of\b|squared\b|mod\b)|square root of \d")
_CHAT = re.compile(
    r"^\W*(?:hi|hello|hey|thanks|thank you|thx|ok|okay|great|good (?:morning|evening|night|afternoon)|bye|goodbye|how are you"
    r"|cool|nice|yes|no|sure|perfect)\b.{0,30}$",
    re.S,
)
_FIRST = {
    "translate": _words("translate"),
    "summarise": _words("summarise summarize summary tldr shorten condense"),
    "classify": _words("classify categorise categorize label sentiment"),
    "extract": _words("extract list identify find parse"),
    "rewrite": _words("rewrite rephrase paraphrase correct proofread edit improve polish reword simplify"),
    "write": _words("write compose draft generate create imagine brainstorm design plan suggest describe outline tell invent"),
    "explain": _words("explain compare discuss analyse analyze evaluate argue"),
}
_TASK_OF_VERB = {verb: task for task, verbs in _FIRST.items() for verb in verbs}
_FACT = re.compile(r"^\W*(?:who|what|when|where|which|whose|is|are|was|were|did|does|do|has|in what|in which|how (?:many|tall|old|far|big))\b")
_CARE_HINTS = _words("step prove derive justify trade tradeoff tradeoffs root edge think rigorous")
_CARE = re.compile(r"step by step|prove|derive|justify|trade-?offs?|root cause|edge cases?|think (?:carefully|hard)|rigorous")


def judge(view: View, *, method: str) -> Assessment:
    """Return the assessment of one request; `method` names the rules in it."""
    text = view.text.lower()
    words = _WORD.findall(text)
    known = frozenset(words)
    task, why = _task(view, text, words, known)
    volatile, volatile_why = _volatility(view, text, known, task)
    if volatile >= 0.7 and task in ("fact", "other"):
        task = "live"
    profile = _PROFILES[task]
    length_gain = _length_gain(view)
    reasons = [f"task: {task} ({why})"]
    if volatile_why:
        reasons.append(volatile_why)
    if length_gain >= 0.05:
        reasons.append(f"length: {view.chars + view.context_chars} characters")
    careful = 0.1 if _hits(_CARE, _CARE_HINTS, text, known) else 0.0
    if careful:
        reasons.append("asks for care or justification")
    low, high = profile.tokens
    return Assessment(
        task=task,
        needs_generation=profile.needs_generation,
        large_gain=round(min(profile.large_gain + length_gain + careful, 0.95), 3),
        reasoning_gain=round(min(profile.reasoning_gain + careful, 0.95), 3),
        volatile=volatile,
        expected_output_tokens=_expected_tokens(view, task, low, high),
        why=tuple(reasons),
        method=method,
    )


def _length_gain(view: View) -> float:
    """A longer request is more often a harder one: up to 0.15, by the logarithm of its length past 400 characters."""
    chars = view.chars + 0.25 * view.context_chars
    return min(0.15, 0.06 * math.log10(chars / 400)) if chars > 400 else 0.0


def _expected_tokens(view: View, task: str, low: int, high: int) -> tuple[int, int]:
    """Rewriting and translating give back about as much as they get, at four characters a token."""
    if task in ("rewrite", "translate"):
        tokens = view.chars // 4
        return max(low, tokens // 2), max(high, tokens * 3 // 2)
    return low, high


# --- task -----------------------------------------------------------------------------------


def _task(view: View, text: str, words: list[str], known: frozenset[str]) -> tuple[str, str]:
    if view.chars < 60 and _CHAT.match(text):
        return "chat", "a greeting or a thank you"
    if _is_code(text, known):
        return "code", "code or the words of code"
    if known & _PUZZLE or _hits(_TRICK, _TRICK_HINTS, text, known):
        return "puzzle", "the words of a puzzle or a trick question"
    if view.chars <= 300 and _ARITHMETIC.search(text) and len(words) <= 14:
        return "calculation", "numbers with an operation"
    if _is_maths(text, known):
        return "maths", "the words or signs of mathematics, or a word problem"
    first = _first_verb(words)
    if first is not None:
        return ("other" if first == "explain" else first), f"begins with the verb of {first}"
    if view.chars < 300 and _FACT.match(text):
        return "fact", "a short question"
    return "other", "no rule fits"


def _is_code(text: str, known: frozenset[str]) -> bool:
    code_words = len(known & _CODE)
    if code_words > 1 or (code_words and not known.isdisjoint(_CODE_VERBS)):
        return True
    return ("\n" in text or "```" in text or "</" in text) and _FENCE.search(text) is not None


def _is_maths(text: str, known: frozenset[str]) -> bool:
    if len(known & _MATHS) > 1 or not known.isdisjoint(_SURE_MATHS):
        return True
    if ("\\" in text or "$" in text) and _LATEX.search(text):
        return True
    return "how" in known and len(_NUMBERS.findall(text)) > 1 and _WORD_PROBLEM.search(text) is not None


def _first_verb(words: list[str]) -> str | None:
    return next((_TASK_OF_VERB[word] for word in words[:6] if word in _TASK_OF_VERB), None)


def _hits(pattern: re.Pattern[str], hints: frozenset[str], text: str, known: frozenset[str]) -> bool:
    """Search `text` only where one of the words that the pattern needs is there: most prompts have none."""
    return not known.isdisjoint(hints) and pattern.search(text) is not None


# --- does the answer change with time, or with who asks -------------------------------------

_LIVE_TOPIC = re.compile(
    r"\bweather\b|\bforecast\b|opening (?:hours|times?)|\bopen (?:on|now|today|tomorrow|until|late)\b|\bclosing time"
    r"|\b(?:stock|share|petrol|gas|fuel|bitcoin|gold|oil|house|flight|ticket)s? prices?\b|\bprices? (?:of|for)\b"
    r"|\bhow much (?:does|do|is|are) (?:a|an|the|one)\b.{0,60}\bcost|exchange rate|\btrading at\b|\btraffic\b|\bheadlines?\b"
    r"|\b(?:live )?scores?\b.{0,20}\b(?:game|match|now|live)|\blive score|what time is it|current time|\bflight [a-z]{2} ?\d+"
    r"|\b(?:train|bus|flight)s? (?:on time|delayed|status)|\bin stock\b|\bqueue\b.{0,30}\b(?:now|currently|today)|\b(?:site|server|service) (?:is )?down"
)
_NOW = re.compile(
    r"\btoday(?:'s)?\b(?! (?:world|society|age|culture|economy|era|landscape|market|business))|\btonight\b|\byesterday\b"
    r"|\bright now\b|\bnow\W*$|\bat the moment\b|\bcurrently\b|\bthis (?:week|weekend|month|morning|afternoon|evening|year)(?:'s)?\b"
    r"|\blast (?:night|week)(?:'s)?\b|\blatest\b|\bnewest\b|\bmost recent\b|\bcurrent\b|\btomorrow(?:'s)?\b|\bup to date\b|\bbreaking news\b"
)
_SLOW = re.compile(r"\bwho is the (?:\w+ )?(?:president|ceo|prime minister|king|queen|pope|mayor|chancellor)\b|\bpopulation of\b|\bholds the\b")
_PERSONAL = re.compile(
    r"\bmy (?:\w+ )?(?:order|balance|account|transactions?|subscription|calendar|schedule|inbox|emails?|appointments?|meetings?|vacation)\b"
    r"|\bdo i have left\b"
)
_RANDOM = re.compile(
    r"\brandom\b|\broll (?:a|the|two)\b|\bflip a coin\b|\banother (?:one|idea|joke|name)\b|\bunique (?:password|id|name)\b|\buuid\b"
    r"|\bsurprise me\b|\ba different (?:one|name|idea)\b|\ba (?:new|fresh|original) (?:poem|story|joke|song|idea)\b|\btell me a joke\b"
)
_ACTION = re.compile(
    r"^\W*(?:please )?(?:send|book|transfer|turn (?:on|off)|restart|cancel|deploy|add|order|buy|pay|schedule|delete|set (?:a|an|the)"
    r"|create a (?:ticket|reminder|event|task)|remind me|call|play|open the|close the)\b"
)
_PAST_YEAR = re.compile(r"\b(?:1\d{3}|20[01]\d)\b")
_TIMELESS = re.compile(r"^\W*(?:how (?:do|does|did|can|would|is \w+ (?:made|calculated|measured))\b|why\b|what (?:does|do) .{0,60}\bmean|define\b|explain\b)")
_ADVICE = re.compile(r"\b(?:should|can|could|shall) (?:i|we)\b|\bhelp me\b|\bi want to\b|\bideas? for\b|\btips\b")
_FACTS_GIVEN = re.compile(
    r"\bcontext:|\baccording to the\b|\bbased on the (?:following|text|above|table|data|article|passage)|\bfollowing (?:text|article|passage|table"
    r"|data|email|review|paragraph)|\bpassage:|\barticle:|\btext:|\bgiven\b|\bbelow\b|\bi paid\b|\bsuppose\b|\bassume\b|\bif (?:a|an|the)\b"
)
_ACTION_CHARS = 100
_FACTS_CHARS = 300
_FACTS_NUMBERS = 3
_MAKING = frozenset(("write", "rewrite", "translate", "classify", "extract", "code", "puzzle", "maths", "calculation"))

_TOPIC_HINTS = _words(
    "weather forecast opening open closing price prices cost exchange trading traffic headline headlines score scores "
    "time flight flights train trains bus buses stock queue site server service"
)
_NOW_HINTS = _words(
    "today today's tonight yesterday yesterday's now moment currently this last latest newest recent current tomorrow "
    "tomorrow's date breaking"
)
_SLOW_HINTS = _words("president ceo minister king queen pope mayor chancellor population holds")
_RANDOM_HINTS = _words("random roll flip another unique uuid surprise different new fresh original joke")


def _volatility(view: View, text: str, known: frozenset[str], task: str) -> tuple[float, str | None]:
    """Return how likely the answer changes within a day or differs by who asks, and why; None where nothing hints at it."""
    if view.chars < _ACTION_CHARS and _ACTION.match(text):
        return 0.6, "asks for something to be done"
    if _hits(_RANDOM, _RANDOM_HINTS, text, known):
        return 0.6, "asks for something random or new"
    if "my" in known or "left" in known:
        if task not in _MAKING and _PERSONAL.search(text):
            return 0.6, "asks about the person's own records"
    topic = None if known.isdisjoint(_TOPIC_HINTS) else _LIVE_TOPIC.search(text)
    now = None if known.isdisjoint(_NOW_HINTS) else _NOW.search(text)
    found = now or topic
    if found is None:
        return (0.4, "the answer changes within years") if _hits(_SLOW, _SLOW_HINTS, text, known) else (0.05, None)
    return _timely(view, text, task, found[0], topic=topic is not None, now=now is not None)


def _timely(view: View, text: str, task: str, found: str, *, topic: bool, now: bool) -> tuple[float, str]:
    """Judge a prompt with words of time or of live topics in it: `found` is the first of them."""
    if _carries_facts(view, text):
        return 0.1, f'"{found}", and the facts stand in the text'
    if task in _MAKING and not (topic and now):
        return 0.15, f'"{found}" in something to be written or worked out'
    if _TIMELESS.match(text) or _PAST_YEAR.search(text):
        return 0.15, f'"{found}" in a question about how things are or were'
    if not topic and _ADVICE.search(text):
        return 0.3, f'"{found}" in a question for advice'
    return (0.9 if topic and now else 0.8 if topic else 0.7), f'live data: "{found}"'


def _carries_facts(view: View, text: str) -> bool:
    if view.has_results or view.chars > _FACTS_CHARS or view.context_chars > 2 * _FACTS_CHARS:
        return True
    return len(_NUMBERS.findall(text)) >= _FACTS_NUMBERS or "\n" in text.strip() or _FACTS_GIVEN.search(text) is not None
