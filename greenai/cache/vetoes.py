"""Reasons why one answer must not serve two questions, however alike their vectors are.

Near in meaning is not the same: "turn it on" and "turn it off", 15 and 51 percent, who beat whom. Each rule looks for
one such difference; similarity is measured elsewhere. No rule learns: all of them are lists and patterns of general
English, and the same for both orders of the two texts. They are in differences.py, what they read of one text in
wording.py and symbols.py, words that are alike or opposite in thesaurus.py; none of that is loaded before two texts
are compared.
"""

from __future__ import annotations

from greenai.cache.checks import require_texts

__all__ = ["VERSION", "vetoes"]

VERSION = "vetoes-2"
_MAX_CHARS = 2000


def vetoes(a: str, b: str) -> list[str]:
    """Return why one answer must not serve both `a` and `b`, in words; [] where nothing speaks against it.

    The two may change places. Nothing here says that the texts mean the same: that is the similarity's part.

    Raises:
        InvalidRequest: one of them is no text.
    """
    require_texts(a=a, b=b)
    if a == b:
        return []
    if len(a) > _MAX_CHARS or len(b) > _MAX_CHARS:
        return [f"longer than {_MAX_CHARS:,} characters: too long to be compared word by word"]
    from greenai.cache.differences import reasons

    return reasons(a, b)
