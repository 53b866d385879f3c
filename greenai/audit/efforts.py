"""How much reasoning calls asked for, as their log has it, and what asks for less in the app's own code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

from greenai.catalog import switch_of
from greenai.report.words import count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.audit.columns import Calls

    Codes: TypeAlias = NDArray[np.int64]
    Floats: TypeAlias = NDArray[np.float64]

__all__ = ["OPTED_IN", "asked", "least"]

OPTED_IN = "opted in"
"""What stands for a project's opt-in in greenai's ledger, which keeps no argument."""


def asked(calls: Calls, rows: Codes, stands_for: Floats) -> str:
    """Return how many of some calls asked for how much, most first: `high: 700, medium: 60, not said: 40`.

    Args:
        calls: all calls.
        rows: the numbers of those that are meant.
        stands_for: how many calls each of them stands for.
    """
    import numpy as np

    codes = calls.effort.codes[rows]
    often = np.bincount(codes + 1, weights=stands_for, minlength=1)
    order = [int(at) for at in np.argsort(-often, kind="stable") if round(float(often[at]))]
    return ", ".join(f"{calls.effort.name(at - 1, 'not said')}: {count(round(float(often[at])))}" for at in order)


def least(calls: Calls, rows: Codes) -> str | None:
    """Return what asks the model of most of these calls for the least reasoning, as an argument of openai's library.

    None where the catalog knows of nothing that does.
    """
    import numpy as np

    codes = calls.model.codes[rows]
    if not (codes >= 0).any():
        return None
    switch = switch_of(calls.model.name(int(np.bincount(codes[codes >= 0]).argmax())))
    if switch.status not in ("off", "lowest"):
        return None
    if not switch.off:
        return "no argument that asks for reasoning"
    own = {name: value for name, value in switch.off.items() if name != "reasoning_effort"}
    effort = switch.off.get("reasoning_effort")
    said = [] if effort is None else [f"reasoning_effort={json.dumps(effort)}"]
    return ", ".join([*said, *([f"extra_body={json.dumps(own)}"] if own else [])])
