"""Which words a text must have for an alternative of a pattern to be found in it: greenai/cache/needs.json.

    python training/words/needs.py FOLDER

FOLDER holds data sets as for training/classify/train.py. Of all that an alternative needs, what their prompts have
least often is written, twice where two needs together are rarer still. What is needed follows from the pattern alone,
so another FOLDER changes how often an alternative is tried, and never what is found.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import re._constants as code
import re._parser as parser
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, TypeAlias

from greenai.cache import evidence, time_words, wishes
from greenai.cache.gates import DIGIT, Gate, split

TARGET = Path(__file__).parents[2] / "greenai" / "cache" / "needs.json"

Nodes: TypeAlias = "Sequence[tuple[Any, Any]]"
Need: TypeAlias = "tuple[frozenset[str], frozenset[str]]"  # words, parts of words

# What a piece of a pattern stands for beside letters: a digit, anything, one that belongs to no word, any number of
# those, and the edge of a word.
_DIGIT, _ANY, _GAP, _GAPS, _EDGE = "\ue000", "\ue001", "\ue002", "\ue003", "\ue004"
_MARKS = re.compile(f"[{_DIGIT}{_ANY}{_GAP}{_GAPS}{_EDGE}]")
_EDGES = (code.AT_BOUNDARY, code.AT_BEGINNING, code.AT_END, code.AT_BEGINNING_STRING, code.AT_END_STRING)
_GAP_CLASSES = (code.CATEGORY_NOT_WORD, code.CATEGORY_SPACE)

MOST_SPELLINGS = 4000  # of a piece that are looked at
MOST_WORDS = 400  # of one need
MOST_PARTS = 40
MOST_TRIED = 60  # needs of one alternative of which two are taken together
PROMPTS = 4000
LONGEST = 400  # characters of a prompt that counts
SECOND_COSTS = 15  # prompts that a second need has to spare
PART_COSTS = 60.0  # a part is looked for in the whole text each time, a word in a table
WORD_COSTS = 0.02


def main() -> None:
    """Write what every alternative needs."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path)
    seen = Seen(list(prompts(options.parse_args().folder)))
    held = {gate.name: [choose(source, seen) for source in split(gate.pattern)] for gate in gates()}
    rows = (
        f"{json.dumps(name)}: [\n" + ",\n".join(json.dumps(n, ensure_ascii=False) for n in needs) + "\n]"
        for name, needs in held.items()
    )
    TARGET.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


def gates() -> list[Gate]:
    """Return the patterns."""
    modules = (time_words, wishes, evidence)
    return [value for module in modules for value in vars(module).values() if isinstance(value, Gate)]


def prompts(folder: Path) -> Iterator[str]:
    """Return some prompts of every data set, in small letters."""
    files = sorted(folder.glob("*/rows.jsonl.gz"))
    for path in files:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            texts = [str(row["prompt"]).lower() for row in map(json.loads, lines) if row.get("prompt")]
        short = [text for text in texts if len(text) <= LONGEST]
        yield from short[:: max(1, len(short) * len(files) // PROMPTS)]


class Seen:
    """How many prompts have something, as numbers with a bit for each."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.having: dict[str, int] = defaultdict(int)
        for bit, text in enumerate(texts):
            words = {*re.findall(r"\w+", text), *([DIGIT] if re.search("[0-9]", text) else [])}
            for word in words:
                self.having[word] |= 1 << bit
        self._parts: dict[str, int] = {}

    def bits(self, need: Need) -> int:
        """Return the prompts that meet a need."""
        found = 0
        for word in need[0]:
            found |= self.having.get(word, 0)
        for part in need[1]:
            found |= self._with_part(part)
        return found

    def _with_part(self, part: str) -> int:
        if part not in self._parts:
            self._parts[part] = sum(1 << bit for bit, text in enumerate(self.texts) if part in text)
        return self._parts[part]


# --- the needs of an alternative ----------------------------------------------------------


def choose(source: str, seen: Seen) -> list[list[str]]:
    """Return one need or two: of each its words, and then the parts of words that do as well."""
    every = sorted(needs_of(source, seen), key=lambda need: (_cost(seen.bits(need), need), _written([need])))
    if not every:
        raise ValueError(f"nothing is needed by {source!r}: write it so that each spelling has a word")
    best, least = [every[0]], _cost(seen.bits(every[0]), every[0])
    for pair in combinations(every[:MOST_TRIED], 2):
        cost = _cost(seen.bits(pair[0]) & seen.bits(pair[1]), *pair) + SECOND_COSTS
        if cost < least:
            best, least = [*pair], cost
    return _written(best)


def _written(needs: Sequence[Need]) -> list[list[str]]:
    return [[" ".join(sorted(words)), *sorted(parts)] for words, parts in needs]


def _cost(bits: int, *needs: Need) -> float:
    return bits.bit_count() + sum(WORD_COSTS * len(words) + PART_COSTS * len(parts) for words, parts in needs)


def needs_of(source: str, seen: Seen) -> set[Need]:
    """Return what every text has in which this alternative is found: for each run of its nodes one need."""
    nodes = _flat(list(parser.parse(source)))
    spelled = [_spellings(*node) for node in nodes]
    found: set[Need] = set()
    for start in range(len(nodes)):
        so_far = [""]
        for end in range(start, len(nodes)):
            if len(so_far) * len(spelled[end]) > MOST_SPELLINGS:
                break
            so_far = _joined(so_far, spelled[end])
            need = _need(so_far, seen)
            if need is not None and len(need[0]) <= MOST_WORDS and len(need[1]) <= MOST_PARTS:
                found.add(need)
    return found


def _need(spellings: Sequence[str], seen: Seen) -> Need | None:
    """Return for each spelling the rarest of its words, else the longest part of one; None where one has neither."""
    words: set[str] = set()
    parts: set[str] = set()
    for spelling in spellings:
        whole = _words(spelling)
        if whole:
            words.add(min(whole, key=lambda word: (seen.having.get(word, 0).bit_count(), word)))
            continue
        longest = max(_MARKS.split(spelling), key=len)
        if len(longest.strip()) < 2:
            return None
        parts.add(longest)
    return frozenset(words), frozenset(parts)


def _words(spelling: str) -> list[str]:
    """Return the words of a spelling that have an edge on either side, and `DIGIT` for one with a digit."""
    found: list[str] = []
    for match in re.finditer(rf"(?:\w|{_DIGIT})+", spelling):
        if _DIGIT in match[0]:
            found.append(DIGIT)
        elif _ends(spelling[: match.start()][::-1]) and _ends(spelling[match.end() :]):
            found.append(match[0])
    return found


def _ends(beside: str) -> bool:
    """Say whether a word ends where this follows."""
    beside = beside.lstrip(_GAPS)
    return bool(beside) and beside[0] != _ANY


# --- how a node may be spelled ------------------------------------------------------------


def _flat(nodes: Nodes) -> list[tuple[Any, Any]]:
    """Return the nodes with those of groups that are no choice among them."""
    found: list[tuple[Any, Any]] = []
    for kind, value in nodes:
        inside = list(value[3]) if kind is code.SUBPATTERN else []
        if inside and all(node[0] is not code.BRANCH for node in inside):
            found += _flat(inside)
        else:
            found.append((kind, value))
    return found


def _joined(first: Sequence[str], second: Sequence[str]) -> list[str]:
    return [*dict.fromkeys(re.sub(f"{_ANY}+", _ANY, before + after) for before in first for after in second)]


def _all(nodes: Nodes) -> list[str]:
    found = [""]
    for kind, value in nodes:
        spelled = _spellings(kind, value)
        found = _joined(found, spelled if len(found) * len(spelled) <= MOST_SPELLINGS else [_ANY])
    return found


def _spellings(kind: Any, value: Any) -> list[str]:
    """Return how a node may be spelled; what is not said in letters is said by the marks above."""
    if kind is code.LITERAL:
        return [chr(value)]
    if kind is code.IN:
        return _of_class(value)
    if kind is code.AT:
        return [_EDGE if value in _EDGES else ""]
    if kind in (code.ASSERT, code.ASSERT_NOT):
        return [""]
    if kind is code.SUBPATTERN:
        return _all(list(value[3]))
    if kind is code.BRANCH:
        found = [spelling for one in value[1] for spelling in _all(list(one))]
        return [*dict.fromkeys(found)] if len(found) <= MOST_SPELLINGS else [_ANY]
    if kind in (code.MAX_REPEAT, code.MIN_REPEAT):
        return _repeated(*value)
    return [_ANY]


def _of_class(members: Sequence[tuple[Any, Any]]) -> list[str]:
    found: set[str] = set()
    for kind, value in members:
        if kind is code.LITERAL:
            found.add(chr(value))
        elif kind is code.RANGE and value == (ord("0"), ord("9")):
            found.add(_DIGIT)
        elif kind is code.RANGE and value[1] - value[0] < 10:
            found |= {*map(chr, range(value[0], value[1] + 1))}
        elif kind is code.CATEGORY and value in _GAP_CLASSES:
            found.add(_GAP)
        else:  # also of a class that says what it is not
            return [_ANY]
    return sorted(found)


def _repeated(least: int, most: int, inside: Nodes) -> list[str]:
    spelled = _all(list(inside))
    if spelled == [_GAP]:
        return [_GAP + _GAPS if least else _GAPS]
    if most == 1:
        return spelled if least else ["", *spelled]
    if not least:
        return [_ANY]
    if least == most and len(spelled) ** least <= MOST_SPELLINGS:
        return _all(list(inside) * least)
    return [spelling + _ANY for spelling in spelled]


if __name__ == "__main__":
    main()
