"""Signals of a text besides its words: length, numbers, code, options, and what kind of words there are.

`SIGNALS` names them in the order of `signals_of`; training and use share both. Counts are taken as ln(1 + n), so that
a long text does not outweigh everything else.
"""

from __future__ import annotations

import math
import re

from greenai.classify.words import words as words_of

VERSION = "signals-1"

_WH = frozenset(("what", "who", "when", "where", "which", "why", "how", "whose"))
_VERBS = words_of(
    "write compose draft generate create make give list explain describe summarise summarize translate rewrite find "
    "calculate compute solve show tell prove determine convert compare classify identify design develop implement "
    "suggest provide discuss analyze analyse evaluate"
)
_NEGATIONS = words_of("not no never except without least false incorrect")
_TIMES = words_of("today tonight now currently current latest tomorrow yesterday week weekend month year recent")
_YOU = frozenset(("you", "your", "yours"))
_ME = frozenset(("i", "my", "me", "mine", "we", "our"))
_CONDITIONS = words_of("must should only exactly least most ensure constraint each every all if then")
_OPERATORS = frozenset("=+*/<>^%")
_FORMULAE = frozenset("\\$")
_CODE_MARKS = frozenset("`{(;")
_LONG = 8
_OPTION = re.compile(r"(?m)^\s{0,8}\(?[a-j][.)]\s")
_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*")

SIGNALS: tuple[str, ...] = (
    "characters", "words", "word length", "share of numbers", "numbers", "operators", "formulae", "code",
    "question marks", "answer options", "lines", "question words", "instructions", "negations", "words of time",
    "you", "me", "conditions", "share beyond ASCII", "share of different words", "share of long words", "quotes",
    "brackets", "begins with an instruction", "begins with a question word", "commas", "begins with how", "a gap",
    "length of options", "words outside the vocabulary",
)  # fmt: skip


def signals_of(
    text: str, words: list[str], known: frozenset[str] | None = None, *, strangers: int, numerals: int
) -> list[float]:
    """Return the signals of a text in lower case, given its words.

    Args:
        text: the text, clipped as `embed.words.clipped` does.
        words: its words, and its marks one by one.
        known: the same, each once.
        strangers: how many of them are not in the vocabulary.
        numerals: how many of them are numbers.
    """
    size, count = len(text), len(words) or 1
    lengths = list(map(len, words))
    known = frozenset(words) if known is None else known
    first = words[0] if words else ""
    has = text.count
    code = has("def ") + has("return ") + has("import ")
    if not known.isdisjoint(_CODE_MARKS):
        code += has("```") + has("{") + has("()") + has(";\n")
    options = _OPTION.split(text)[1:] if ". " in text or ") " in text or ".\n" in text else []
    return [
        math.log1p(size),
        math.log1p(len(words)),
        sum(lengths) / count,
        numerals / count,
        math.log1p(len(_NUMBER.findall(text))) if numerals else 0.0,
        math.log1p(sum(map(has, _OPERATORS & known))),
        math.log1p(sum(map(has, _FORMULAE & known))),
        math.log1p(code),
        math.log1p(has("?")),
        math.log1p(len(options)),
        math.log1p(has("\n")),
        float(len(known & _WH)),
        float(min(len(known & _VERBS), 3)),
        float(min(len(known & _NEGATIONS), 3)),
        float(min(len(known & _TIMES), 3)),
        float(min(len(known & _YOU), 2)),
        float(min(len(known & _ME), 3)),
        float(min(len(known & _CONDITIONS), 4)),
        (0.0 if text.isascii() else 1 - len(text.encode("ascii", "ignore")) / size),
        len(known) / count,
        sum(map(_LONG.__lt__, lengths)) / count,
        min(has('"'), 6) / 6,
        math.log1p(has("(")),
        float(first in _VERBS),
        float(first in _WH),
        math.log1p(has(",")),
        float(first == "how"),
        float("___" in text or "..." in text),
        math.log1p(sum(map(len, options)) / len(options)) if len(options) > 1 else 0.0,
        math.log1p(strangers),
    ]
