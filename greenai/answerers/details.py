"""Details of a question: places, people, days, numbers. They fill it in, and do not say what is asked.

"Will it rain in Boston on Monday?" and "What are the library's hours on Monday in Boston?" share the details, and
nothing that is asked. A route is compared by what is left without them (`matching.py`).
"""

from __future__ import annotations

import functools
import re

from greenai.answerers import zones
from greenai.answerers.sameness import content_words

__all__ = ["without_details"]

# Not "may", "sun", "sat" and "wed", which are words as well; nor "second", which is a unit.
_DAYS = (
    "monday tuesday wednesday thursday friday saturday sunday mon tue tues thu thurs fri january february march april "
    "june july august september october november december jan feb apr jun jul aug sept oct nov dec today tomorrow "
    "tonight yesterday weekend weekends noon midnight am pm"
)
# Names that are rarely anything else; not Mark, Will, Grace, Rose or Bill.
_PEOPLE = (
    "adam alice andrew anna anne anthony barbara ben benjamin betty bob brian carol charles chris christopher daniel "
    "david deborah dennis diana donald dorothy edward elena elizabeth emily emma eric ethan frank gary george hannah "
    "harry heather helen henry jacob james jane jason jeff jennifer jessica joan joe john jonathan joseph joshua julia "
    "julie karen kate katherine kelly kenneth kevin kim laura lauren linda lisa lucas lucy maria marie martha martin "
    "mary matthew megan melissa michael michelle mike nancy nathan nicholas nicole noah oliver olivia pamela patricia "
    "paul peter rachel rebecca richard robert ryan samantha samuel sandra sara sarah scott sharon simon sophia sophie "
    "stephanie stephen steve steven susan thomas tim tom tony vanessa victoria walter william zoe"
)
_NUMBER = re.compile(r"[$\u20ac\u00a3#]?\d+(?:[.,:/-]\d+)*(?:st|nd|rd|th|am|pm|%)?")  # not 401k, 2FA or W2
_MARKS = ".,;:!?()[]\"'\u2018\u2019\u201c\u201d"


def without_details(text: str) -> str:
    """Return a text in lower case without its details; the text as it is where nothing else would be left."""
    words = text.split()
    bare = [word.strip(_MARKS).removesuffix("'s").removesuffix("\u2019s") for word in words]
    kept: list[str] = []
    at = 0
    while at < len(words):
        taken = _detail(bare, at)
        if not taken:
            kept.append(words[at])
        at += taken or 1
    rest = " ".join(kept)
    return rest if len(kept) < len(words) and next(content_words(rest), None) is not None else text


def _detail(words: list[str], at: int) -> int:
    """Return of how many words the detail is that begins there; 0 where there is none."""
    one, longer = _known()
    first = words[at]
    if first in longer:
        for count in (3, 2):
            if " ".join(words[at : at + count]) in longer[first]:
                return count
    return int(first in one or _NUMBER.fullmatch(first) is not None)


@functools.cache
def _known() -> tuple[frozenset[str], dict[str, frozenset[str]]]:
    """Return the details of one word, and the longer ones by their first word."""
    places = zones.places()
    one = {*_DAYS.split(), *_PEOPLE.split(), *(place for place in places if " " not in place)}
    firsts = {place.partition(" ")[0] for place in places if " " in place}
    longer = {first: frozenset(p for p in places if p.startswith(f"{first} ")) for first in firsts}
    return frozenset(one), longer
