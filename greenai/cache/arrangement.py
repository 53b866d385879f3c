"""Where words stand in two texts: who does what to whom, one word in another's place, a word that narrows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from greenai.cache import word_lists as w
from greenai.cache.pairs import Pair, spelt_otherwise, weighty
from greenai.cache.thesaurus import thesaurus
from greenai.cache.wording import Item, Wording

__all__ = ["added", "moved", "replaced"]

# All counted in words of meaning.
_SHORT = 8  # in longer texts places are too many to be compared one by one
_LAID = 10  # in longer texts a word that differs is mostly another word for the same
_DIFFERENT = 6  # so many that differ, and the two are worded too differently to be laid side by side
_BLOCK = 3
_REWORDED = 1  # more than this beside a change, and the change is one of wording


# --- who does what to whom ------------------------------------------------------------------


def moved(pair: Pair) -> Iterator[str]:
    """Look whether the same words play other parts."""
    if bool(pair.a.agent) != bool(pair.b.agent):
        yield from _turned_round(pair)
        return
    yield from _hanging(pair.a, pair.b)
    yield from _hanging(pair.b, pair.a)
    if max(len(pair.a.items), len(pair.b.items)) <= _SHORT:
        yield from _exchanged(pair)
        if not pair.only_a and not pair.only_b and _is_swap(pair):
            yield "the same words with changed places"
    if pair.same_content and {pair.a.asker, pair.b.asker} == {"subject", "object"}:
        yield "who does it in one, to whom in the other"


def _turned_round(pair: Pair) -> Iterator[str]:
    """Look whether who does it by a passive comes before the verb in the active text."""
    passive, active = (pair.a, pair.b) if pair.a.agent else (pair.b, pair.a)
    at = {item.stem: item.place for item in reversed(active.items)}
    if passive.verb in at and at.get(passive.agent, -1) > at[passive.verb]:
        yield f"who does it: {passive.agent} in only one"


def _hanging(one: Wording, other: Wording) -> Iterator[str]:
    """Look for "what is it a factor for" beside "what are the factors for it"."""
    if not one.hangs or other.hangs or one.kind.startswith("how"):
        return
    if one.hangs in other.known and not one.kind and not other.kind:  # at which temperature
        return
    roles = {item.stem: item.role for item in one.items}
    for item in other.items:
        if item.role == one.hangs and roles.get(item.stem, item.role) != item.role:
            yield f"{one.hangs} what, against {one.hangs} {item.word}"
            return


def _exchanged(pair: Pair) -> Iterator[str]:
    """Look for two words that have exchanged their prepositions and their order: from x to y, from y to x."""
    if _is_symmetric(pair):
        return
    other = {item.stem: item for item in pair.b.items}
    changed = [(x, other[x.stem]) for x in pair.a.items if x.stem in other and x.role != other[x.stem].role]
    for number, (x, x_now) in enumerate(changed):
        for y, y_now in changed[number + 1 :]:
            turned = (x.place < y.place) != (x_now.place < y_now.place)
            if turned and x.role == y_now.role and x_now.role == y.role and w.ROLES & {x.role, y.role}:
                yield f"{x.word} and {y.word} change places"


def _is_swap(pair: Pair) -> bool:
    """Say whether two parts around a middle have changed places: x beats y, y beats x."""
    order, left = list(pair.order_b), list(pair.order_a)
    while order and order[0] == left[0]:
        order, left = order[1:], left[1:]
    while order and order[-1] == left[-1]:
        order, left = order[:-1], left[:-1]
    if not order or pair.a.items[left[0]].role or pair.a.items[left[-1]].role:
        return False
    if _is_symmetric(pair) or w.CONNECTORS & pair.a.known & pair.b.known:
        return False
    return _around_a_middle(order, left)


def _is_symmetric(pair: Pair) -> bool:
    """Say whether the words are joined by what holds both ways: married to, the same as, the difference between."""
    return not w.SYMMETRIC.isdisjoint(pair.a.stems)


def _around_a_middle(order: Sequence[int], left: Sequence[int]) -> bool:
    size = len(left)
    return any(
        [*left[size - tail :], *left[head : size - tail], *left[:head]] == order
        for head in range(1, size - 1)
        for tail in range(1, size - head)
    )


# --- one word in another's place --------------------------------------------------------------


def replaced(pair: Pair) -> Iterator[str]:
    """Look for one word in another's place, in texts that are otherwise worded alike."""
    if not pair.only_a or not pair.only_b or pair.same_content or len(pair.mine) + len(pair.others) > _DIFFERENT:
        return
    if min(len(pair.a.items), len(pair.b.items)) > _LAID:
        return
    mine, others = _blocks(pair.only_a, pair.a), _blocks(pair.only_b, pair.b)
    if pair.rewording + max(len(mine), len(others)) - 1 > _REWORDED:
        return
    for anchors, x in mine.items():
        y = others.get(anchors, ())
        if y and max(len(x), len(y)) <= _BLOCK and _stands_for(x, y, pair):
            yield f"{' '.join(item.word for item in x)} in place of {' '.join(item.word for item in y)}"


def _stands_for(x: Sequence[Item], y: Sequence[Item], pair: Pair) -> bool:
    if not weighty(x) and not weighty(y):
        return False
    slots = {x[0].slot, y[0].slot}
    if len(slots) > 1 and not slots <= {"n", "c", "be"}:
        return False
    return not any(spelt_otherwise(item, pair.b) for item in x) and not any(spelt_otherwise(item, pair.a) for item in y)


def _blocks(only: Sequence[Item], wording: Wording) -> dict[tuple[int | str, int | str], list[Item]]:
    """Return runs of items that stand in one text only, by the meanings on either side of them."""
    lonely = {item.place for item in only}
    blocks: dict[tuple[int | str, int | str], list[Item]] = {}
    run: list[Item] = []
    before: int | str = ""
    for item in wording.items:
        if item.place in lonely:
            run.append(item)
            continue
        after = _meaning(item)
        if run:
            blocks[before, after] = run
            run = []
        before = after
    if run:
        blocks[before, ""] = run
    return blocks


def _meaning(item: Item) -> int | str:
    return min(thesaurus().alike.get(item.stem, ()), default=item.stem)


# --- a word that narrows ----------------------------------------------------------------------


def added(pair: Pair) -> Iterator[str]:
    """Look for a word that narrows the question, where the other text has nothing of its own."""
    if bool(pair.mine) == bool(pair.others) or pair.rewording > _REWORDED:
        return
    if min(len(pair.a.items), len(pair.b.items)) > _LAID:
        return
    wording, extra = (pair.a, pair.mine) if pair.mine else (pair.b, pair.others)
    lonely = {item.place for item in extra}
    condition = bool((pair.a.known ^ pair.b.known) & w.CONDITIONS & wording.known)
    for number, item in enumerate(wording.items):
        if item.place in lonely and (condition or _narrows(number, wording.items, lonely)):
            yield f'"{item.word}" in only one'


def _narrows(number: int, items: Sequence[Item], lonely: set[int]) -> bool:
    item = items[number]
    if item.word in w.ADVERBS or item.word in w.SCALES or item.word.endswith("ly"):
        return True
    if item.slot == "v" or item.stem in w.TAILS or item.stem in w.WAYS:
        return False
    if item.role:
        return True
    if number + 1 < len(items):
        following = items[number + 1]
        if following.place not in lonely and following.stem not in w.WAYS:
            return True
    return number > 0 and items[number - 1].place == item.place - 1 and items[number - 1].place not in lonely
