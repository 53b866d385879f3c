"""Arithmetic that parses completely, computed exactly with fractions. It evaluates no code and never guesses.

The whole prompt has to be one expression, apart from the frames of `phrasing.py`. Everything else returns None, and so
does whatever can be read in two ways: `1,5`, `3-2-2024`, `200 + 10%`, `6/2(1+2)`, `-2^2`, `2^3^4`, `0^0`, `2 plus 3
squared`. A wrong answer costs more than a call to a model.

    expression = number "% of" operand | number "% off" operand | ["-"] term (("+" | "-") factor-with-*,/,mod)*
    operand    = number "% of" operand | number "% off" operand | atom
    power      = atom ["^" ["-"] atom]
    atom       = number | "(" expression ")" | root atom
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction

from greenai.answerers.numerals import NUMBER_WORDS, SCALES, number
from greenai.answerers.phrasing import is_ambiguous, phrase_of
from greenai.answerers.wording import Answered, Question

VERSION = "calc-2"

MAX_CHARS = 300
MAX_NUMBER_CHARS = 60
MAX_BITS = 2048  # of a numerator or denominator, about 600 digits: nobody reads a longer one
MAX_DEPTH = 30
MAX_DECIMALS = 40
ROUNDED_DIGITS = 10
MAX_EXACT_CHARS = 15  # a longer fraction tells a reader less than its decimals


def answer(question: Question) -> Answered | None:
    """Answer a question that is one arithmetic expression."""
    value = calculate(question.text)
    if value is None:
        return None
    phrase = phrase_of(question.text)
    expression = question.text if phrase is None else phrase.expression
    return Answered(text=value, working=f"{expression} {'≈' if value.startswith('about') else '='} {_bare(value)}")


def _bare(value: str) -> str:
    return value.removeprefix("about ").partition(" (")[0]


def calculate(text: str) -> str | None:
    """Return the value of the arithmetic that `text` asks for, or None where it is not surely arithmetic.

    The value is exact; one that has no finite decimal form is rounded to 10 digits and says so.
    """
    if len(text) > MAX_CHARS or not _has_number(text):
        return None
    phrase = phrase_of(text)
    if phrase is None:
        return None
    try:
        tokens = _tokens(_without_sentence(_in_digits(phrase.expression)))  # first, since prose fails at its first word
        if is_ambiguous(phrase):
            return None
        return _irrational_root(tokens) or written(_Parser(tokens).whole())
    except _NotArithmeticError:
        return None


# After a sign without a space, only the sign's own number would be scaled: "1/2 million" is no half of a millionth.
_SCALED = re.compile(
    rf"(?<![^ (])(?:(?:an? )?(?:(?:{'|'.join(NUMBER_WORDS)})(?:[ -]|\b)(?:(?<=hundred )and |(?<=thousand )and )?)+"
    rf"|[0-9.,]+ (?:{'|'.join(SCALES)})\b)"
)
_JOINS = re.compile(r"(?:add|sum|product|multiply|total)\b")  # "and" stands between two numbers
_AND_WITHIN = re.compile(r"(?:hundred|thousand) and ")
_NTH_POWER = re.compile(r"to the ([0-9]+)(?:st|nd|rd|th)(?: power)?\b")


def _in_digits(text: str) -> str:
    """Write numbers with a scale in digits ("a thousand", "1.5 million"), and "to the 6th power" as it is said else."""
    text = _NTH_POWER.sub(r"to the power of \1", text)
    if _SCALES.isdisjoint(_LETTERS.findall(text)) or (_JOINS.search(text) and _AND_WITHIN.search(text)):
        return text
    return _SCALED.sub(_digits_of, text)


def _digits_of(found: re.Match[str]) -> str:
    value = number(found[0].strip())
    if value is None or value.denominator != 1 or _SCALES.isdisjoint(_LETTERS.findall(found[0])):
        return found[0]
    return f"{value.numerator} "


def _has_number(text: str) -> bool:
    if _DIGIT.search(text):
        return True
    return not _WORDS.keys().isdisjoint(_LETTERS.findall(text.lower()))


class _NotArithmeticError(Exception):
    """The text is not arithmetic, or not surely so."""


# --- tokens ---------------------------------------------------------------------------------

_ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_TEENS = ("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = {w: n for n, w in enumerate((*_ONES, *_TEENS))} | {w: 10 * n for n, w in enumerate(_TENS, start=2)}
_SCALES = frozenset(("hundred", *SCALES))
_DIGIT = re.compile("[0-9]")
_LETTERS = re.compile("[a-z]+")

_SENTENCES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"add (?P<left>.+?) (?:and|to|plus) (?P<right>.+)"), "+"),
    (re.compile(r"(?:the )?sum of (?P<left>.+?) (?:and|plus) (?P<right>.+)"), "+"),  # "of 1 to 100" is a range
    (re.compile(r"subtract (?P<right>.+) from (?P<left>.+)"), "-"),
    (re.compile(r"(?:multiply|(?:the )?product of) (?P<left>.+?) (?:by|with|and) (?P<right>.+)"), "*"),
    (re.compile(r"divide (?P<left>.+) by (?P<right>.+)"), "/"),
)
_TOKEN = re.compile(
    r"""[ ]*(?:
      (?P<number>(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?(?![0-9.,]*[.,][0-9])|\.[0-9]+(?![.,]?[0-9]))
    | (?P<percent_of>%[ ]?of\b|per[ ]?cent[ ]of\b)
    | (?P<percent_off>%[ ]?off\b|per[ ]?cent[ ]off\b)
    | (?P<power>\*\*|\^)
    | (?P<power_word>(?:raised[ ])?to[ ]the[ ]power[ ]of\b)
    | (?P<square>²|³)
    | (?P<square_word>squared\b|cubed\b)
    | (?P<root>√|sqrt(?=[ ]?\())
    | (?P<root_word>(?:the[ ])?square[ ]root[ ]of\b|sqrt(?:[ ]of)?\b)
    | (?P<plus>\+|plus\b)
    | (?P<minus>-|minus\b)
    | (?P<times>\*|x(?![a-z])|times\b|multiplied[ ]by\b)
    | (?P<divide>/|divided[ ]by\b)
    | (?P<mod>%|mod\b|modulo\b)
    | (?P<open>\()
    | (?P<close>\))
    | (?P<word>[a-z]+)
    )""",
    re.VERBOSE,
)
_LEADING_ZERO = re.compile("0[0-9]|0,")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    kind: str
    text: str
    value: Fraction = Fraction(0)


def _without_sentence(text: str) -> str:
    """Turn "subtract 3 from 10" into signs. Each side must be one number: "divide 10 by 2 plus 3" has two readings."""
    for pattern, sign in _SENTENCES:
        found = pattern.fullmatch(text)
        if found:
            if [t.kind for t in (*_tokens(found["left"]), *_tokens(found["right"]))] != ["number", "number"]:
                raise _NotArithmeticError
            return f"{found['left']} {sign} {found['right']}"
    return text


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    position, text = 0, text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise _NotArithmeticError
        kind = match.lastgroup
        if kind == "word":
            _append_word(found, match[kind])
        else:
            found.append(_number(match[kind]) if kind == "number" else _Token(kind=kind, text=match[kind]))
        position = match.end()
    return found


def _number(text: str) -> _Token:
    if _LEADING_ZERO.match(text) or len(text) > MAX_NUMBER_CHARS:
        raise _NotArithmeticError
    return _Token(kind="number", text=text, value=Fraction(text.replace(",", "")))


def _append_word(found: list[_Token], word: str) -> None:
    value = _WORDS.get(word)
    if value is None:
        raise _NotArithmeticError
    if found and found[-1].text in _TENS and 0 < value < 10:
        value += _WORDS[found.pop().text]
    found.append(_Token(kind="number", text=word, value=Fraction(value)))


# --- grammar --------------------------------------------------------------------------------

_SHARES = ("percent_of", "percent_off")
_POWERS = ("power", "power_word", "square", "square_word")


class _Parser:
    """Recursive descent over the tokens of one expression.

    Words that may reach further than a sign ("squared", "square root of", "to the power of") are accepted only where
    they can reach no further.
    """

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self._operations = 0

    def whole(self) -> Fraction:
        value = self._expression()
        if self._at < len(self._tokens) or not self._operations:
            raise _NotArithmeticError
        return value

    def _kind(self, ahead: int = 0) -> str:
        index = self._at + ahead
        return self._tokens[index].kind if index < len(self._tokens) else "end"

    def _take(self, *kinds: str) -> str | None:
        kind = self._kind()
        if kind not in kinds:
            return None
        self._at += 1
        return kind

    def _expect(self, *kinds: str) -> None:
        if self._take(*kinds) is None:
            raise _NotArithmeticError

    def _require_end(self) -> None:
        if self._kind() not in ("end", "close"):
            raise _NotArithmeticError

    def _done(self, value: Fraction) -> Fraction:
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
            raise _NotArithmeticError
        self._operations += 1
        return value

    def _expression(self) -> Fraction:
        start = self._at
        if self._kind() == "number" and self._kind(1) in _SHARES:
            return self._share()
        value = self._term(start)
        while sign := self._take("plus", "minus"):
            right = self._term(start)
            value = self._done(value + right if sign == "plus" else value - right)
        return value

    def _share(self) -> Fraction:
        """`18% of 240`, `30% off 80`; nothing may follow, because `20% of 50 + 10` has two readings."""
        share = self._tokens[self._at].value / 100
        if self._kind(1) == "percent_off":
            share = 1 - share
        self._at += 2
        chained = self._kind() == "number" and self._kind(1) in _SHARES
        value = self._done(share * (self._share() if chained else self._atom()))
        self._require_end()
        return value

    def _term(self, start: int) -> Fraction:
        value = self._factor(start)
        while sign := self._take("times", "divide", "mod"):
            value = self._done(_apply(sign, value, self._factor(start)))
        return value

    def _factor(self, start: int) -> Fraction:
        if self._take("minus"):
            return self._raised(-self._atom(), odd=True)
        return self._power(start)

    def _power(self, start: int) -> Fraction:
        words_reach = self._at != start
        base = self._atom()
        if words_reach and self._kind() in ("power_word", "square_word"):
            raise _NotArithmeticError  # "2 plus 3 squared" may square the sum
        return self._raised(base)

    def _raised(self, base: Fraction, *, odd: bool = False) -> Fraction:
        """Raise to the power that follows, if any; `odd` allows no other, as -2^2 is 4 to some and -4 to others."""
        mark = self._tokens[self._at].text if self._kind() != "end" else ""
        kind = self._take(*_POWERS)
        if kind is None:
            return base
        exponent = self._exponent(kind, mark)
        if odd and exponent.numerator % 2 == 0:
            raise _NotArithmeticError
        value = self._done(_raise(base, exponent))
        if kind == "power_word":
            self._require_end()
        if self._kind() in _POWERS:
            raise _NotArithmeticError  # 2^3^4 has two readings
        return value

    def _exponent(self, kind: str, mark: str) -> Fraction:
        if kind in ("square", "square_word"):
            return Fraction(2 if mark in ("²", "squared") else 3)
        return -self._atom() if self._take("minus") else self._atom()

    def _atom(self) -> Fraction:
        if self._take("number"):
            return self._tokens[self._at - 1].value
        root = self._take("root", "root_word")
        if root is None:
            return self._parenthesised()
        value = self._done(_exact_root(self._atom()))
        if root == "root_word":
            self._require_end()
        return value

    def _parenthesised(self) -> Fraction:
        self._expect("open")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _NotArithmeticError
        value = self._expression()
        self._expect("close")
        self._depth -= 1
        if self._kind() in ("number", "open", "root"):
            raise _NotArithmeticError  # 6/2(1+2): multiplication without a sign has no agreed precedence
        return value


def _apply(sign: str, left: Fraction, right: Fraction) -> Fraction:
    if sign == "times":
        return left * right
    if right == 0:
        raise _NotArithmeticError
    if sign == "divide":
        return left / right
    if left < 0 or right < 0 or left.denominator != 1 or right.denominator != 1:
        raise _NotArithmeticError  # languages disagree on the remainder of negative numbers
    return left % right


def _raise(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1 or (base == 0 and exponent <= 0):
        raise _NotArithmeticError
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if bits * abs(exponent.numerator) > MAX_BITS + bits:
        raise _NotArithmeticError
    return base**exponent.numerator


def _exact_root(value: Fraction) -> Fraction:
    if value < 0:
        raise _NotArithmeticError
    top, bottom = math.isqrt(value.numerator), math.isqrt(value.denominator)
    if top * top != value.numerator or bottom * bottom != value.denominator:
        raise _NotArithmeticError
    return Fraction(top, bottom)


# --- the answer in words --------------------------------------------------------------------


_LONE_ROOTS = ("root number", "root_word number", "root open number close")


def _irrational_root(tokens: list[_Token]) -> str | None:
    """The root of one number that is no square, rounded; an inexact part of a longer expression is refused."""
    if " ".join(t.kind for t in tokens) not in _LONE_ROOTS:
        return None
    value = next(t.value for t in tokens if t.kind == "number")
    if math.isqrt(value.numerator) ** 2 == value.numerator and math.isqrt(value.denominator) ** 2 == value.denominator:
        return None
    context = Context(prec=MAX_NUMBER_CHARS)
    return f"about {_rounded(context.sqrt(_decimal(value, context)))}"


def written(value: Fraction) -> str:
    """Return a value in decimals: exactly, or rounded to 10 digits after "about", with a short fraction beside it."""
    if value.denominator == 1:
        return str(value.numerator)
    decimals = _finite_decimals(value.denominator)
    if decimals is not None:
        digits = str(abs(value.numerator) * 10**decimals // value.denominator).rjust(decimals + 1, "0")
        return f"{'-' if value < 0 else ''}{digits[:-decimals]}.{digits[-decimals:]}"
    rounded = f"about {_rounded(_decimal(value, Context(prec=MAX_NUMBER_CHARS)))}"
    exact = str(value)
    return f"{rounded} (exactly {exact})" if len(exact) <= MAX_EXACT_CHARS else rounded


def _finite_decimals(denominator: int) -> int | None:
    """Return how many decimals a fraction with this denominator has, or None where they never end or are too many."""
    for decimals in range(1, MAX_DECIMALS + 1):
        if 10**decimals % denominator == 0:
            return decimals
    return None


def _decimal(value: Fraction, context: Context) -> Decimal:
    return context.divide(Decimal(value.numerator), Decimal(value.denominator))


def _rounded(value: Decimal) -> str:
    rounded = Context(prec=ROUNDED_DIGITS).plus(value).normalize()
    if not -ROUNDED_DIGITS <= rounded.adjusted() <= 2 * ROUNDED_DIGITS:
        return f"{rounded:e}"
    return f"{rounded:f}"
