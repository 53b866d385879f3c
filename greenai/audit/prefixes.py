"""Beginnings of prompts that a provider's cache would have served: the same 1,024 tokens again within minutes.

OpenAI keeps a prefix of 1,024 tokens or more for 5 to 10 minutes after its last use (prompt caching guide, read
2026-11-22), Anthropic for 5 where a breakpoint asks for it. Only those first tokens are counted, so a longer shared
beginning saves more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from greenai.audit.columns import PREFIX_TOKENS
from greenai.audit.energy import alike, law_of, part_of, usd_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.audit.columns import Calls

    Floats: TypeAlias = NDArray[np.float64]
    Flags: TypeAlias = NDArray[np.bool_]

__all__ = ["KEPT_S", "missed", "saved_by_prefix"]

KEPT_S = 300.0
"""Seconds that a prefix is kept after its last use, at least."""


def missed(calls: Calls) -> Flags:
    """Return which calls repeat a prefix in time, and whose prompt the provider did not read from its cache.

    Only where the log says how many tokens were cached, and when calls were made: else nothing is known to be missed.
    """
    import numpy as np

    found = np.zeros(len(calls), np.bool_)
    rows = np.flatnonzero((calls.prefix.codes >= 0) & np.isfinite(calls.created))
    rows = rows[np.lexsort((calls.created[rows], calls.prefix.codes[rows]))]
    codes, at = calls.prefix.codes[rows], calls.created[rows]
    again = np.zeros(len(rows), np.bool_)
    again[1:] = (codes[1:] == codes[:-1]) & (at[1:] - at[:-1] <= KEPT_S)
    found[rows] = again
    return found & (calls.cached_tokens < PREFIX_TOKENS) & (calls.input_tokens >= PREFIX_TOKENS)


def saved_by_prefix(calls: Calls, of: Flags) -> tuple[Floats, Floats]:
    """Return joules and dollars that each of these calls would take less, its first 1,024 tokens read from a cache."""
    import numpy as np

    joules, dollars = np.full(len(calls), np.nan), np.full(len(calls), np.nan)
    for model, tier, rows in alike(calls, of):
        prompt, wrote = calls.input_tokens[rows], calls.output_tokens[rows]
        kept, law = calls.cached_tokens[rows], law_of(model, tier)
        most = np.maximum(kept, PREFIX_TOKENS)
        if law is not None:
            own, of_all = calls.energy_j[rows], law.joules(prompt, kept, wrote)
            joules[rows] = part_of(own, of_all, law.joules(prompt, most, wrote))
        of_all = usd_of(model, prompt, kept, wrote, tier=tier)
        dollars[rows] = part_of(calls.cost_usd[rows], of_all, usd_of(model, prompt, most, wrote, tier=tier))
    return joules, dollars
