"""Whether an answer changes with time or with who asks: words of time, live topics, records, chance, actions.

What it finds decides whether an answer may be stored and whether a model can know it. Text that brings the facts
along, things to be written, and questions about how things are or were raise no alarm.
"""

from __future__ import annotations

import re

from greenai.classify.words import NUMBERS, View, any_of, hits, words

_TOPIC = any_of(
    r"\bweather\b|\bforecast\b|\btraffic\b|\bheadlines?\b",
    r"opening (?:hours|times?)|\bclosing time|\bopen (?:on|now|today|tomorrow|until|late)\b",
    r"\b(?:stock|share|petrol|gas|fuel|bitcoin|gold|oil|house|flight|ticket)s? prices?\b|\bprices? (?:of|for)\b",
    r"\bhow much (?:does|do|is|are) (?:a|an|the|one)\b.{0,60}\bcost|exchange rate|\btrading at\b|\bin stock\b",
    r"\bwho won\b.{0,40}\b(?:last night|yesterday|today|tonight)|\b(?:live|latest) scores?\b",
    r"\bscores?\b.{0,20}\b(?:game|match|now|live)\b|what time is it|current time",
    r"\bflight [a-z]{2} ?[0-9]+|\b(?:train|bus|flight)s? (?:on time|delayed|status)",
    r"\bqueue\b.{0,30}\b(?:now|currently|today)|\b(?:site|server|service) (?:is )?down",
)
_TOPIC_HINTS = words(
    "weather forecast opening open closing price prices cost exchange trading traffic headline headlines score scores "
    "time won flight flights train trains bus buses stock queue site server service"
)
_NOW = any_of(
    r"\btoday\b(?!'s (?:world|society|age|culture|economy|era|landscape|market|business))",
    r"\btonight\b|\byesterday\b|\btomorrow\b|\bright now\b|\bnow\W*$|\bat the moment\b|\bcurrent(?:ly)?\b",
    r"\bthis (?:week|weekend|month|morning|afternoon|evening|year)\b|\blast (?:night|week)\b",
    r"\blatest\b|\bnewest\b|\bmost recent\b|\bup to date\b|\bbreaking news\b",
)
_NOW_HINTS = words(
    "today today's tonight yesterday yesterday's now moment currently this last latest newest recent current tomorrow "
    "tomorrow's date breaking"
)
_SLOW = any_of(
    r"\bwho is the (?:\w+ )?(?:president|ceo|prime minister|king|queen|pope|mayor|chancellor)\b",
    r"\bpopulation of\b|\bholds the\b",
)
_SLOW_HINTS = words("president ceo minister king queen pope mayor chancellor population holds")
_PERSONAL = any_of(
    r"\bmy (?:\w+ )?(?:order|balance|account|transactions?|subscription|calendar|schedule|inbox|emails?)\b",
    r"\bmy (?:\w+ )?(?:appointments?|meetings?|vacation)\b|\bdo i have left\b",
)
_PERSONAL_HINTS = words("my left")
_RANDOM = any_of(
    r"\brandom\b|\broll (?:a|the|two)\b|\bflip a coin\b|\buuid\b|\bsurprise me\b|\btell me a joke\b",
    r"\banother (?:one|idea|joke|name)\b|\ba different (?:one|name|idea)\b|\bunique (?:password|id|name)\b",
    r"\ba (?:new|fresh|original) (?:poem|story|joke|song|idea)\b",
)
_RANDOM_HINTS = words("random roll flip another unique uuid surprise different new fresh original joke")
_ACTION = any_of(
    r"send|book|transfer|turn (?:on|off)|restart|cancel|deploy|add|order|buy|pay|schedule|delete",
    r"set (?:a|an|the)|create a (?:ticket|reminder|event|task)|remind me|call|play|open the|close the",
    start=True,
)

# --- why it may be no alarm -----------------------------------------------------------------

_PAST_YEAR = re.compile(r"\b(?:1[0-9]{3}|20[01][0-9])\b")
_TIMELESS = any_of(
    r"how (?:do|does|did|can|would|is \w+ (?:made|calculated|measured))|why|define|explain",
    r"what (?:does|do) .{0,60}\bmean|what (?:causes|caused)\b|what (?:is|are) the differences?|what (?:is|are) an?\b",
    start=True,
)
_ADVICE = any_of(r"\b(?:should|can|could|shall) (?:i|we)\b|\bhelp me\b|\bi want to\b|\bideas? for\b|\btips\b")
_FACTS_GIVEN = any_of(
    r"\b(?:context|passage|article|text):|\baccording to the\b|\bgiven\b|\bbelow\b|\bi paid\b|\bsuppose\b|\bassume\b",
    r"\bbased on the (?:following|text|above|table|data|article|passage)|\bif (?:a|an|the)\b",
    r"\bfollowing (?:text|article|passage|table|data|email|review|paragraph)",
)
_ACTION_CHARS = 100
_FACTS_CHARS = 300
_FACTS_NUMBERS = 3
_MAKING = words("write rewrite translate classify extract code puzzle maths calculation")
_REPORTING = words("write extract")  # "list today's headlines" asks for facts, and for nothing that can be made up
_FICTION = words("poem haiku limerick story song lyrics joke tale novel essay slogan")


def volatility(view: View, task: str) -> tuple[float, str | None]:
    """Return how likely the answer changes within a day or differs by who asks, and why, if anything hints at it."""
    asked = _not_a_fact(view, task)
    if asked is not None:
        return 0.6, asked
    topic = None if view.known.isdisjoint(_TOPIC_HINTS) else _TOPIC.search(view.text)
    now = None if view.known.isdisjoint(_NOW_HINTS) else _NOW.search(view.text)
    found = now or topic
    if found is None:
        return (0.4, "the answer changes within years") if hits(_SLOW, _SLOW_HINTS, view) else (0.05, None)
    calm = _no_alarm(view, task, topic=topic is not None, now=now is not None)
    if calm is not None:
        return calm[0], f'"{found[0]}" {calm[1]}'
    return (0.9 if topic and now else 0.8 if topic else 0.7), f'live data: "{found[0]}"'


def timeless(view: View) -> bool:
    """Say whether the question is, by its first words, about how things are."""
    return _TIMELESS.match(view.text) is not None


def _not_a_fact(view: View, task: str) -> str | None:
    if view.chars < _ACTION_CHARS and _ACTION.match(view.text):
        return "asks for something to be done"
    if hits(_RANDOM, _RANDOM_HINTS, view):
        return "asks for something random or new"
    if task not in _MAKING and hits(_PERSONAL, _PERSONAL_HINTS, view):
        return "asks about the person's own records"
    return None


def _no_alarm(view: View, task: str, *, topic: bool, now: bool) -> tuple[float, str] | None:
    if _carries_facts(view):
        return 0.1, "beside facts that stand in the text"
    reports = task in _REPORTING and topic and now and view.known.isdisjoint(_FICTION)
    if task in _MAKING and not reports:
        return 0.15, "in something to be written or worked out"
    if _TIMELESS.match(view.text) or _PAST_YEAR.search(view.text):
        return 0.15, "in a question about how things are or were"
    if not topic and _ADVICE.search(view.text):
        return 0.3, "in a question for advice"
    return None


def _carries_facts(view: View) -> bool:
    if view.has_results or view.chars > _FACTS_CHARS or view.context_chars > 2 * _FACTS_CHARS:
        return True
    numbers = len(NUMBERS.findall(view.text))
    return numbers >= _FACTS_NUMBERS or "\n" in view.text.strip() or _FACTS_GIVEN.search(view.text) is not None
