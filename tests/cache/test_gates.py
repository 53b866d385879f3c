"""A gate finds what its pattern finds; texts are made of the patterns themselves."""

from __future__ import annotations

import random
import re
import re._constants as code  # type: ignore[import-not-found,unused-ignore]
import re._parser as parser  # type: ignore[import-not-found,unused-ignore]
from collections.abc import Sequence
from itertools import islice
from typing import Any

import pytest

from greenai.cache import evidence, time_words, wishes
from greenai.cache.gates import Gate, split

MODULES = (evidence, time_words, wishes)
GATES = {value.name: value for module in MODULES for value in vars(module).values() if isinstance(value, Gate)}
TEXTS_EACH = 6
TRIES = 400


@pytest.mark.parametrize("name", GATES)
def test_every_alternative_is_found_by_the_words_that_it_needs(name: str) -> None:
    gate, drawn = GATES[name], random.Random(name)
    whole = re.compile(gate.pattern)
    for source in split(gate.pattern):
        nodes = list(parser.parse(source))
        made = (written(nodes, drawn) for _ in range(TRIES))
        texts = [*islice((text for text in made if re.search(source, text)), TEXTS_EACH)]
        assert texts, f"no text was made of {source}"
        for text in texts:
            assert gate.is_in(text), text
            found, instead = gate.search(text), gate.sub("-", text)
            assert found is not None
            assert (found.span(), instead) == (whole.search(text).span(), whole.sub("-", text))  # type: ignore[union-attr]
            assert gate.findall(text) == whole.findall(text)
            for beside in (f"x{text}", f"{text}x", f"and {text}, so", text[: len(text) // 2]):
                assert gate.is_in(beside) == (whole.search(beside) is not None), beside
                assert (gate.match(beside) is None) == (whole.match(beside) is None), beside


@pytest.mark.parametrize("name", GATES)
def test_what_the_pattern_does_not_find_is_not_found(name: str) -> None:
    gate = GATES[name]
    for text in ("", "the sun", "#", "\u4e2d\u6587", "what is a tensor?", "name the 12 apostles"):
        assert gate.is_in(text) == (re.search(gate.pattern, text) is not None), text
        assert gate.sub("-", text) == re.sub(gate.pattern, "-", text)


def test_a_pattern_is_split_between_its_own_alternatives_only() -> None:
    assert split(r"a|b(?:c|d)|[|)]e|[^]|]|f\|\(g|") == ("a", "b(?:c|d)", "[|)]e", "[^]|]", r"f\|\(g", "")


def test_a_pattern_that_was_changed_says_so() -> None:
    gate = Gate("now word", r"\bnow\b")
    with pytest.raises(ValueError, match=r"^now word has 1 alternatives, and needs\.json knows 4 of them; run "):
        gate.is_in("now")


# --- texts of a pattern -------------------------------------------------------------------


def written(nodes: Sequence[tuple[Any, Any]], drawn: random.Random) -> str:
    """Return a text that the nodes of a pattern may match, but for what they look ahead for."""
    return "".join(spelled(kind, value, drawn) for kind, value in nodes)


def spelled(kind: Any, value: Any, drawn: random.Random) -> str:
    if kind is code.LITERAL:
        return chr(value)
    if kind in (code.ANY, code.NOT_LITERAL):
        return drawn.choice("ab c")
    if kind is code.IN:
        return member(value, drawn)
    if kind is code.SUBPATTERN:
        return written(list(value[3]), drawn)
    if kind is code.ASSERT:  # what has to follow; now and then the rest of the pattern does not say it
        return drawn.choice(("", " " + written(list(value[1]), drawn)))
    if kind is code.BRANCH:
        return written(list(drawn.choice(value[1])), drawn)
    if kind in (code.MAX_REPEAT, code.MIN_REPEAT):
        least, most, inside = value
        times = drawn.randint(least, min(most, least + 3))
        return "".join(written(list(inside), drawn) for _ in range(times))
    return ""


def member(members: Sequence[tuple[Any, Any]], drawn: random.Random) -> str:
    kind, value = drawn.choice(members)
    if kind is code.NEGATE:
        return drawn.choice("x ,")
    if kind is code.RANGE:
        return chr(drawn.randint(*value))
    if kind is code.CATEGORY:
        return {code.CATEGORY_WORD: "q", code.CATEGORY_DIGIT: "7", code.CATEGORY_NOT_SPACE: "z"}.get(value, " ")
    return chr(value)
