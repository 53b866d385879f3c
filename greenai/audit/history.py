"""Conversations that send all of their turns again with each call: which call goes on from which, and what that takes.

A prompt goes on from an earlier call where the messages before its last answer are that call's prompt, word for word:
so the conversation was not trimmed between them, and no id is needed to know it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from greenai.audit.energy import alike, law_of, part_of, usd_of
from greenai.audit.finding import Assumption
from greenai.audit.saving import Saved, wasted
from greenai.report.words import count, share

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.audit.columns import Calls
    from greenai.audit.estimate import Looked
    from greenai.audit.finding import Waste

    Codes: TypeAlias = NDArray[np.int64]
    Floats: TypeAlias = NDArray[np.float64]

__all__ = ["ASSUMPTIONS", "KEPT_MESSAGES", "goes_on_from", "history"]

KEPT_MESSAGES = 10
"""Messages before the new one that a trimmed conversation would keep, beside its first prompt. Assumption."""

ASSUMPTIONS = (
    Assumption(
        key="waste_history",
        text=f"The messages between a conversation's first prompt and the last {KEPT_MESSAGES} before the new one "
        "would not have been sent. What is then left begins otherwise with each call, so it is taken to be read anew "
        "but for that first prompt; calls for which this takes more are left out. Where the log has no cached tokens, "
        "all were read anew. Whether answers need the older turns, the log does not say: between nothing and all of "
        "them is saved.",
        evidence="assumed",
    ),
)


def goes_on_from(calls: Calls) -> Codes:
    """Return for each call the number of the last earlier call that it goes on from; -1 for none."""
    import numpy as np

    size = len(calls)
    when = np.where(np.isfinite(calls.created), calls.created, -np.inf)
    place = np.empty(size, np.int64)
    place[np.lexsort((np.arange(size), when))] = np.arange(size)
    given, going = np.flatnonzero((calls.asked != 0) & calls.ok), np.flatnonzero(calls.before != 0)
    rows = np.concatenate((given, going))
    # A project's conversations are its own: the same words in two projects are two conversations.
    digests = np.concatenate((calls.asked[given], calls.before[going]))
    order = np.lexsort((place[rows], calls.project.codes[rows], digests))
    rows, digests, is_given = rows[order], digests[order], (order < len(given))
    last = np.maximum.accumulate(np.where(is_given, np.arange(len(rows)), -1))
    held = np.maximum(last, 0)
    same = (last >= 0) & (digests[held] == digests) & (calls.project.codes[rows[held]] == calls.project.codes[rows])
    found = np.full(size, -1, np.int64)
    found[rows[same & ~is_given]] = rows[held][same & ~is_given]
    return found


def history(looked: Looked) -> Waste | None:
    """Return calls that sent turns again which are older than the last messages; None where none did."""
    import numpy as np

    calls = looked.calls
    parent = goes_on_from(calls)
    old, first = _old(calls, parent)
    of, joules, dollars = _trimmed(calls, old, first)
    if not of.any():
        return None
    going = parent >= 0
    again = np.where(going, np.minimum(_held(calls)[parent], calls.input_tokens), np.nan)
    told = np.isfinite(again) & np.isfinite(calls.cached_tokens)
    said = f"{count(int(of.sum()), 'call')} with turns before the last {KEPT_MESSAGES} messages: "
    said += f"{count(float(old[of].sum()), 'token')} of {count(float(np.nansum(again)))} that conversations sent again"
    if told.any():
        cached = float(np.minimum(calls.cached_tokens, again)[told].sum())
        said += f", of which the provider's cache served {share(cached, float(again[told].sum()))}"
    else:
        said += "; how many of these a provider's cache served, the log does not say"
    return wasted(looked, "history", Saved(of=of, joules=joules, dollars=dollars, sure=False), said)


def _held(calls: Calls) -> Floats:
    """Return the tokens of each call's prompt and answer, as the next turn sends them; reasoning is not sent again."""
    import numpy as np

    held: Floats = calls.input_tokens + calls.output_tokens - np.nan_to_num(calls.reasoning_tokens)
    return held


def _old(calls: Calls, parent: Codes) -> tuple[Floats, Floats]:
    """Return the tokens of the turns that a trimmed call would not send, and those of the conversation's first prompt.

    The call half as many messages back, and one more, had them as its prompt and answer.
    """
    import numpy as np

    back = parent
    for _ in range(KEPT_MESSAGES // 2):
        back = np.where(back >= 0, parent[back], -1)
    root = np.where(parent >= 0, parent, np.arange(len(calls)))
    while not np.array_equal(further := root[root], root):
        root = further
    first = calls.input_tokens[root]
    old = np.where(back >= 0, np.nan_to_num(_held(calls)[back] - first), 0.0)
    return np.clip(old, 0.0, np.nan_to_num(calls.input_tokens)), first


def _trimmed(calls: Calls, old: Floats, first: Floats) -> tuple[NDArray[np.bool_], Floats, Floats]:
    """Return the calls that trimming would have had take less, with joules and dollars less of each."""
    import numpy as np

    joules, dollars = np.full(len(calls), np.nan), np.full(len(calls), np.nan)
    for model, tier, rows in alike(calls, old > 0):
        sent, kept, wrote = calls.input_tokens[rows], calls.cached_tokens[rows], calls.output_tokens[rows]
        fewer = sent - old[rows]
        cached, law = np.minimum(np.minimum(kept, first[rows]), fewer), law_of(model, tier)
        if law is not None:
            own, of_all = calls.energy_j[rows], law.joules(sent, kept, wrote)
            joules[rows] = part_of(own, of_all, law.joules(fewer, cached, wrote))
        of_all = usd_of(model, sent, kept, wrote, tier=tier)
        dollars[rows] = part_of(calls.cost_usd[rows], of_all, usd_of(model, fewer, cached, wrote, tier=tier))
    return (old > 0) & ~(joules <= 0) & ~(dollars <= 0), joules, dollars
