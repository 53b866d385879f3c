"""Small changes to a draft before it is sent, each of which says what it did and how to override it.

A nudge is a function or a callable object with two arguments. No nudge changes `messages` unless the project
switched that on, and none overrides what the app said explicitly. What only says something about calls that are done
is an advisor (advice.py). The settings' table `nudges` has a switch for each, and their order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenai.nudges import brevity, effort, output_length
from greenai.nudges.advice import Advice, Advisor, Given, Seen, advised
from greenai.nudges.batching import Batching
from greenai.nudges.caching import Caching
from greenai.nudges.context import Nudge, NudgeContext
from greenai.nudges.forms import form_of
from greenai.nudges.right_sizing import RightSizing
from greenai.nudges.timing import Timing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greenai.values import Draft

__all__ = [
    "BUILT_IN", "DEFAULT", "VERSION", "Advice", "Advisor", "Given", "Nudge", "NudgeContext", "Seen", "advised",
    "advisors", "apply", "form_of", "gated", "ordered",
]  # fmt: skip

VERSION = "nudges-6"

BUILT_IN: Mapping[str, Nudge] = {
    "effort": effort.nudge,
    "brevity": brevity.nudge,
    "output_length": output_length.nudge,
}
"""By the names of their switches, in their default order."""

DEFAULT: tuple[Nudge, ...] = tuple(BUILT_IN.values())

_RULES: Mapping[str, tuple[str, frozenset[str]]] = {
    "effort": ("reasoning", effort.STATED_IN),
    "output_length": ("long_output", output_length.LIMITS | {"extra_body"}),
}
"""What `strict_opt_in` makes rules of: the opt-in that each of them gates, and the arguments that may ask for it."""

_NAMES = {id(nudge): name for name, nudge in BUILT_IN.items()}


def apply(draft: Draft, context: NudgeContext, nudges: Sequence[Nudge] = DEFAULT) -> Draft:
    """Return the draft after each nudge in turn that is not switched off.

    With `strict_opt_in` what asks for reasoning is taken out, and too high a limit of the app's own is lowered,
    whatever the switches say: that is a rule, not a nudge.
    """
    off = context.off - _RULES.keys() if context.options.strict_opt_in else context.off
    for nudge in nudges:
        if _NAMES.get(id(nudge)) not in off:
            draft = nudge(draft, context)
    return draft


def gated(nudge: Nudge, context: NudgeContext) -> str | None:
    """Return the opt-in that a call may use unseen where this nudge failed; None where it could not, or may."""
    kind, fields = _RULES.get(_NAMES.get(id(nudge), ""), ("", frozenset[str]()))
    may = not context.options.strict_opt_in or kind in context.options.opt_in
    return None if may or context.explicit.isdisjoint(fields) else kind


def ordered(first: Sequence[str] = ()) -> tuple[Nudge, ...]:
    """Return the built-in nudges, those named `first` before the others."""
    names = dict.fromkeys((*(name for name in first if name in BUILT_IN), *BUILT_IN))
    return tuple(BUILT_IN[name] for name in names)


def advisors(first: Sequence[str] = ()) -> tuple[Advisor, ...]:
    """Return new advisors, which have seen nothing yet, those named `first` before the others."""
    made: tuple[Advisor, ...] = (Batching(), Caching(), RightSizing(), Timing())
    return tuple(sorted(made, key=lambda one: first.index(one.name) if one.name in first else len(first)))
