"""What surrounds an arithmetic question ("what is …?", "… ="), and what looks like arithmetic but may be a name.

It decides which part of a prompt is the expression and whether a reader could mean a date, a range, a phone number, a
size or a name by it. The grammar of expressions is in `calc.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """An expression without its frame.

    `asked` says that a question surrounds it, `computing` that the frame can only mean arithmetic ("calculate", "=").
    """

    expression: str
    asked: bool
    computing: bool


# --- frames ---------------------------------------------------------------------------------

# minus sign, multiplication sign, middle dot, bullet operator, division sign, no-break spaces, typographic apostrophe
_SYMBOLS = str.maketrans("\u2212\u00d7\u00b7\u2219\u00f7\u00a0\u202f\u2019", "-***/  '")
_POLITE = re.compile(
    r"(?:hey|hi|hello|okay|ok|so|please|pls|quick question|(?:can|could|would|will) you(?: please)?|tell me|do you know"
    r"|(?:i )?(?:need|want) to know|find|show me|give me|provide)\b[ ,:!]*"
)
_ASKING = re.compile(
    r"(?:what do (?:you|we|i) get (?:if|when) (?:you|we|i)|what is|what's|whats|what are|what does|what do"
    r"|how much (?:is|are|does|do))\b[ :]*"
)
_COMPUTING = re.compile(
    r"(?:calculate|compute|evaluate|work out|solve|simplify"
    r"|(?:what is |what's )?the (?:result|value|answer|solution) (?:of|to))\b[ :]*"
)
_FRAMES = (_COMPUTING, _ASKING, _POLITE)
_CLOSING = re.compile(r"(?:[ ,]+(?:please|pls|thanks|thank you|for me)| (?:equals?(?: to)?|makes?))$")
_LONGEST_CLOSING = 20
_EMBEDDED = re.compile(r"(?<=\b(?:tell me|to know|ou know) )what (.+) is$")


def phrase_of(text: str) -> Phrase | None:
    """Return the expression in `text` with what its frame says, or None where nothing is left."""
    rest, computing = _without_end(" ".join(text.translate(_SYMBOLS).lower().split()))
    # "tell me what 2 plus 2 is"
    rest, embedded = _EMBEDDED.subn(r"\1", rest) if rest.endswith(" is") else (rest, 0)
    asked = embedded > 0
    while found := next(filter(None, (pattern.match(rest) for pattern in _FRAMES)), None):
        computing = computing or found.re is _COMPUTING
        asked = asked or found.re is _ASKING
        rest = rest[found.end() :]
    rest = _COMPOUND.sub(r"\1 \2", rest) if "-" in rest else rest
    return Phrase(expression=rest, asked=asked, computing=computing) if rest else None


def _without_end(text: str) -> tuple[str, bool]:
    """Take closing marks and thanks off; the flag says whether an equals sign closed the expression."""
    equals, before = False, None
    while before != text:
        before = text
        text = text.rstrip(" ?")
        if text.endswith("=") and not text.endswith("=="):
            text, equals = text[:-1], True
        elif text.endswith(".") and not text.endswith(".."):
            text = text[:-1]
        found = _CLOSING.search(text, max(len(text) - _LONGEST_CLOSING, 0))
        text = text[: found.start()] if found else text
    return text, equals


# --- what may mean something else -----------------------------------------------------------

_COMPOUND = re.compile(
    r"\b(twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)-(one|two|three|four|five|six|seven|eight|nine)\b"
)
_HYPHENATED = re.compile(r"[a-z]-|-[a-z]")
_SPOKEN_HYPHEN = re.compile(r"[a-z] -")  # "fifty - two" may be 52
_BULLET = re.compile(r"- ")
_HEX_OR_BINARY = re.compile(r"\b0[xb]")
_DATE = re.compile(
    r"(?<![0-9])(?:[0-9]{1,2}([-/])[0-9]{1,2}\1[0-9]{2,4}|[0-9]{4}([-/])[0-9]{1,2}\2[0-9]{1,2})(?![0-9])"
)
_CHAIN = re.compile(r"[0-9]+(?:-[0-9]+){2,}|[0-9]+(?:/[0-9]+){2,}")
_TIGHT = re.compile(r"[0-9]x|x[0-9]|[0-9]%[0-9(]|%[(]")
_LOPSIDED = re.compile(r"[0-9)] [-/%][0-9(]|[0-9)][-/%] [0-9(]")
_PAIR = re.compile(r"([0-9]+)([-/])([0-9]+)")
_ONLY_MINUS_OR_SLASH = re.compile(r"[0-9 ./-]+")
_NAMES = frozenset(("9/11", "24/7", "50/50", "20/20", "80/20", "60/40", "401/k"))
_SMALL = 13  # below it, "9-5" or "5-4" is as likely a span of hours or a score
_YEARS = range(1900, 2101)


def is_ambiguous(phrase: Phrase) -> bool:
    """Tell whether the expression may be a date, a range, a number plate and the like rather than arithmetic."""
    text = phrase.expression
    if _HYPHENATED.search(text) or _BULLET.match(text) or _HEX_OR_BINARY.search(text) or _DATE.search(text):
        return True
    if phrase.computing:
        return False
    if _CHAIN.search(text) or _TIGHT.search(text) or _LOPSIDED.search(text) or text.replace(" ", "") in _NAMES:
        return True
    if not phrase.asked:
        return bool(_ONLY_MINUS_OR_SLASH.fullmatch(text) or _SPOKEN_HYPHEN.search(text)) or " x " in text
    pair = _PAIR.fullmatch(text)
    return pair is not None and _is_name(int(pair[1]), pair[2], int(pair[3]))


def _is_name(left: int, sign: str, right: int) -> bool:
    """Tell whether `left` and `right` written without spaces may be a span, a share, a fraction or an aeroplane."""
    if sign == "/":
        return left < 100 or left in _YEARS or not 0 < right < 40 or left % right != 0
    aeroplane = re.fullmatch("7[0-9]7", str(left)) is not None
    return left <= right or left + right == 100 or aeroplane or left < _SMALL
