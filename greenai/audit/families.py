"""Which templates are one to a reader: the same instructions around other data, as a retrieved text or an earlier turn.

Templates are told by how prompts begin (skeleton.py), so that a task model answers no prompt that its template does not
match. Where what follows the instructions is one of a few documents, or a later turn of a chat, one line of an app's
code is several of them. In tables those stand as one row; their ids and what `greenai distil` takes stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from greenai.audit.exact import parts_of
from greenai.audit.skeleton import constant
from greenai.values import text_of

if TYPE_CHECKING:
    from greenai.audit.columns import Calls
    from greenai.audit.values import Logged

__all__ = ["Families", "families"]

SAMPLES, FEWEST_TEXTS, SKELETON_CHARS = 20, 8, 200
"""What so many prompts of a template share is shown of it, if so many differ, and so much of that: what fewer share may
be somebody's text."""
OF_EACH = 8
"""Prompts of each of two templates that are held against one another, and of so many of a family that are shown."""
HEAD_CHARS, TAIL_CHARS = 2_000, 1_000
"""So much of a prompt's beginning and end is."""
WORDS, PIECES, TEXT_WORDS = 5, 2, 30
"""Words that all have in common, or pieces with something between them, from which on these are instructions; and words
that the prompts of one template have in common beyond these, from which on they are a text that was put in. What is
shorter is another task: two translations that differ in the language are two. Assumption."""
MOST = 100
"""The largest templates of which texts were read are looked at."""
ALIKE_CHARS, KEPT_WORDS = 40, 4
"""Where skeletons begin with so many characters alike, only so many words of these are shown of each."""

_WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Families:
    """Templates by the one that stands for them, the largest, and what all prompts of it share."""

    head: Mapping[int, int]
    skeletons: Mapping[int, str]

    def of(self, code: int) -> int:
        """Return the template that stands for one; itself where it is like no other."""
        return self.head.get(code, code)

    def size(self, code: int) -> int:
        """Return for how many templates one stands."""
        return max(1, sum(head == code for head in self.head.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Template:
    own: frozenset[str]
    asked: tuple[str, ...]
    whole: tuple[str, ...]


def families(calls: Calls, read: Mapping[int, Logged | None], alone: Collection[int]) -> Families:
    """Return which templates are one to a reader.

    Args:
        calls: all calls of the log.
        read: the texts of some, by their numbers.
        alone: templates that stand for themselves, as those that a task model could answer.
    """
    found = {code: one for code, one in _templates(calls, read).items() if len(one.whole) >= FEWEST_TEXTS}
    head: dict[int, int] = {}
    for code in sorted(found)[:MOST]:  # the commonest have the lowest numbers
        heads = () if code in alone else (one for one in dict.fromkeys(head.values()) if one not in alone)
        head[code] = next((one for one in heads if _are_one(found[one], found[code])), code)
    skeletons: dict[int, str] = {}
    for code, one in found.items():
        of = [found[other].whole for other in head if head[other] == code] or [one.whole]
        texts = of[0] if len(of) == 1 else [text for whole in of[:OF_EACH] for text in whole[:OF_EACH]]
        if head.get(code, code) == code:
            skeletons[code] = constant(texts, len(texts))
    return Families(head=head, skeletons={code: said[:SKELETON_CHARS] for code, said in _apart(skeletons)})


def _templates(calls: Calls, read: Mapping[int, Logged | None]) -> dict[int, _Template]:
    """Return of each template some of its different prompts: the app's own messages, what was asked last, and all."""
    texts: dict[int, dict[str, tuple[str, str]]] = {}
    for row, call in read.items():
        code = int(calls.template.codes[row])
        if code >= 0 and call is not None and call.messages:
            of = texts.setdefault(code, {})
            if len(of) < SAMPLES:
                of["\n".join(text_of(one.get("content")) for one in call.messages)] = _parts(call)
    return {
        code: _Template(
            own=frozenset(own for own, _ in of.values()),
            asked=tuple(asked for _, asked in of.values()),
            whole=tuple(of),
        )
        for code, of in texts.items()
    }


def _parts(call: Logged) -> tuple[str, str]:
    messages = call.messages or ()
    own = "\0".join(text_of(one.get("content")) for one in messages if one.get("role") in ("system", "developer"))
    asked = [text_of(one.get("content")) for one in messages if one.get("role") == "user"]
    last = asked[-1] if asked else ""
    short = len(last) <= HEAD_CHARS + TAIL_CHARS
    return f"{call.kind}\0{own}", last if short else f"{last[:HEAD_CHARS]}\n{last[-TAIL_CHARS:]}"


def _are_one(one: _Template, other: _Template) -> bool:
    """Say whether two templates have the same app's own messages, and ask with the same words around other data.

    So have chats with nothing in common but what the app says.
    """
    if one.own != other.own or len(one.own) != 1:
        return False
    both = _shared((*one.asked[:OF_EACH], *other.asked[:OF_EACH]))
    of_all, of_each = sum(map(len, both)), [sum(map(len, _shared(of.asked[:OF_EACH]))) for of in (one, other)]
    if of_all >= WORDS or len(both) >= PIECES:
        return all(words <= of_all or words >= of_all + TEXT_WORDS for words in of_each)
    says = not next(iter(one.own)).endswith("\0")
    return says and not any(of_each)


def _shared(texts: Sequence[str]) -> list[list[str]]:
    """Return the words that texts have in common, by the pieces that they stand in."""
    return [words for piece in parts_of(texts) if (words := _WORD.findall(piece))]


def _apart(skeletons: Mapping[int, str]) -> Iterator[tuple[int, str]]:
    """Yield skeletons of which one tells what another does not within what is shown, as it is or shortened."""
    split = {code: said.split() for code, said in skeletons.items()}
    order = sorted(split, key=split.__getitem__)
    alike = dict.fromkeys(order, 0)
    for one, other in pairwise(order):
        both = zip(split[one], split[other], strict=False)
        same = next((at for at, (a, b) in enumerate(both) if a != b), min(len(split[one]), len(split[other])))
        alike[one], alike[other] = max(alike[one], same), max(alike[other], same)
    for code, words in split.items():
        same = alike[code]
        shortens = len(" ".join(words[:same])) >= ALIKE_CHARS and same < len(words)
        shown = [*words[:KEPT_WORDS], "\N{HORIZONTAL ELLIPSIS}", *words[same:]] if shortens else words
        yield code, " ".join(shown)
