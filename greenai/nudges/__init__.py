"""Small changes to a draft before it is sent, each of which says what it did and how to override it.

A nudge is a function or a callable object with two arguments. No nudge changes `messages` unless the project
switched that on, and none overrides what the app said explicitly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenai.nudges import effort
from greenai.nudges.context import Nudge, NudgeContext

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greenai.values import Draft

__all__ = ["DEFAULT", "VERSION", "Nudge", "NudgeContext", "apply"]

VERSION = "nudges-4"

DEFAULT: tuple[Nudge, ...] = (effort.nudge,)


def apply(draft: Draft, context: NudgeContext, nudges: Sequence[Nudge] = DEFAULT) -> Draft:
    """Return the draft after each nudge in turn."""
    for nudge in nudges:
        draft = nudge(draft, context)
    return draft
