"""A call by how its id begins: one rule for whoever takes an id, in Python and in the commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenai.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["LEAST", "only"]

LEAST = 4
"""With fewer characters an id is not begun."""

MOST_NAMED = 5
MOST_READ = 100  # of so many ids one reads at most


def only(begun: str, names: Collection[str]) -> str | None:
    """Return the one id that begins so; an id itself is its own beginning, also where it begins others.

    Args:
        begun: an id, or how one begins.
        names: the ids that begin so, 100 at most.

    Raises:
        InvalidRequest: more than one begins so.
    """
    if begun in names:
        return begun
    if len(begun) < LEAST or not names:
        return None
    if len(names) == 1:
        return next(iter(names))
    many = f"{MOST_READ} or more" if len(names) >= MOST_READ else str(len(names))
    listed = ", ".join(sorted(names)[:MOST_NAMED])
    more = ", ..." if len(names) > MOST_NAMED else ""
    raise InvalidRequest(f"{begun!r} begins {many} calls: {listed}{more}. Pass more of it.")
