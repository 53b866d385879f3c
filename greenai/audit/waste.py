"""What calls took for nothing, whatever answers them: counted on all calls, but for reasoning, which is sampled.

reasoning      thought about although the expected gain is below the limit from which greenai lets a call reason
truncated      answers cut at their limit
long output    answers far longer than is usual for their template
prefix         beginnings of prompts that a provider's cache would have served
retries        calls that failed and were made again
idle           what is switched on and not used (idle.py)
history        turns of conversations that are sent again with each call (history.py)
little used    answers of which later calls carry on little (chains.py)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from greenai.audit import chains, efforts, history, idle
from greenai.audit.finding import Assumption, Risk, Span, Waste
from greenai.audit.prefixes import KEPT_S, missed, saved_by_prefix
from greenai.audit.saving import Saved, wasted, without
from greenai.audit.simulate import SHIFT, SHIFT_BY_TEMPLATE
from greenai.meters.physics import Z90
from greenai.report.words import count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.audit.columns import Calls
    from greenai.audit.estimate import Looked

    Floats: TypeAlias = NDArray[np.float64]
    Flags: TypeAlias = NDArray[np.bool_]

__all__ = ["ASSUMPTIONS", "explicit", "idle_reasoning", "long_from", "tries", "wastes"]

TIMES_LONGER = 4.0
FEWEST_OF_TEMPLATE = 30
LONG_TOKENS = 200
"""An answer is long from so many times its template's median on, where the template has so many calls, and from so
many tokens on."""
AGAIN_S = 600.0
"""A request that failed and comes again within so many seconds was retried."""
LEAST_EFFORTS = frozenset(("none", "minimal", efforts.OPTED_IN))
"""Values of `reasoning_effort` that ask for no more than the least, and the one that stands for a project's opt-in."""

ASSUMPTIONS = (
    Assumption(
        key="waste_reasoning",
        text="Of calls that reasoned, those whose probability that reasoning turns a wrong answer right is below the "
        "limit from which greenai reasons where a project opted in (docs/classifier.md). Their reasoning tokens would "
        "not have been written. Repeats and what a tool computes are left out.",
        evidence="estimated",
    ),
    Assumption(
        key="waste_truncated",
        text="Counted by the finish reason. Whether a cut answer was of use, the log does not say: between nothing "
        "and all of what was written is lost.",
        evidence="assumed",
    ),
    Assumption(
        key="waste_long_output",
        text="What stands beyond four times the median of its template is taken not to be needed. Answers of fewer "
        "than 200 tokens and templates of fewer than 30 calls are left out.",
        evidence="assumed",
    ),
    Assumption(
        key="waste_prefix",
        text="The same beginning of about 1,024 tokens came within 5 minutes before, and fewer tokens were read from "
        "the provider's cache. Only the first 1,024 tokens are counted.",
        evidence="estimated",
    ),
    Assumption(
        key="waste_retries",
        text="Calls that failed and whose request came again within 10 minutes, and those that failed at a later "
        "try where the log tells tries apart: not the try that was answered. What a failed call took is known only "
        "where the log has its tokens.",
        evidence="counted",
    ),
    *idle.ASSUMPTIONS,
    *history.ASSUMPTIONS,
    *chains.ASSUMPTIONS,
)


def wastes(looked: Looked, reasons_from: float) -> tuple[Waste, ...]:
    """Return what was taken for nothing, most energy first; kinds that do not occur are left out.

    Args:
        looked: what was looked at.
        reasons_from: the probability of a gain from which a call is to reason.
    """
    made = (idle_reasoning(looked, reasons_from), *_counted(looked), *idle.idle(looked))
    found = [waste for waste in (*made, history.history(looked), chains.little_used(looked)) if waste]
    return tuple(sorted(found, key=lambda waste: -(waste.saved.energy_j.mid if waste.saved.energy_j else 0.0)))


def _counted(looked: Looked) -> Iterator[Waste | None]:
    calls = looked.calls
    cut = _truncated(calls)
    yield wasted(looked, "truncated", cut, f"{_count(cut, 'answer')} cut at their token limit")
    long = _long(calls)
    yield wasted(looked, "long_output", long, f"{_count(long, 'answer')} of {TIMES_LONGER:g} times the median or more")
    of = missed(calls)
    joules, dollars = saved_by_prefix(calls, of)
    missing = Saved(of=of, joules=joules, dollars=dollars)
    said = (
        f"{_count(missing, 'prompt')} that begin as one in the {KEPT_S / 60:g} minutes before, read anew and not cached"
    )
    yield wasted(looked, "prefix", missing, said)
    failed = Saved(of=_retried(calls), joules=looked.took.energy_j, dollars=looked.took.cost_usd)
    said = f"{_count(failed, 'try').replace('trys', 'tries')} that failed and were made again"
    yield wasted(looked, "retries", failed, said)


def _count(saved: Saved, noun: str) -> str:
    return count(int(saved.of.sum()), noun)


# --- by kind --------------------------------------------------------------------------------


def idle_reasoning(looked: Looked, reasons_from: float, *, asked: bool | None = None) -> Waste | None:
    """Return reasoning of which little was to be expected: of the calls that were looked at, for all.

    Args:
        looked: what was looked at.
        reasons_from: the probability of a gain from which a call is to reason.
        asked: only calls whose `reasoning_effort` asked for it, or only those that said nothing of it; None for all.
    """
    import numpy as np

    calls, judged = looked.calls, looked.judged
    part = looked.plan.of[judged.rows]
    seen = np.bincount(part, minlength=len(looked.plan.sizes))
    stands_for = (looked.plan.sizes / np.maximum(seen, 1))[part]
    # A repeat reasons no more once it is cached, and of a computed call no probability was asked for.
    looked_into = ~judged.repeat & ~judged.deterministic
    little = judged.reasoned & (judged.reasoning < reasons_from) & looked_into
    if asked is not None:
        little &= explicit(calls)[judged.rows] if asked else calls.effort.codes[judged.rows] < 0
    if not little.any():
        return None
    of = np.zeros(len(calls), np.bool_)
    of[judged.rows[little]] = True
    saved = without(calls, of, output=np.nan_to_num(calls.reasoning_tokens))
    weight = np.zeros(len(calls))
    weight[judged.rows] = stands_for
    number, rows = round(float((stands_for * little).sum())), judged.rows[little]
    said = f"{count(number, 'call')} that reasoned where the expected gain is below {reasons_from:.0%}"
    if (calls.effort.codes[rows] >= 0).any():
        line = efforts.least(calls, rows)
        said += f"; reasoning_effort as logged: {efforts.asked(calls, rows, stands_for[little])}"
        said += f"; for the least, in code: {line}" if line else ""
    found = wasted(
        looked,
        "reasoning",
        Saved(of=of, joules=saved.joules * weight, dollars=saved.dollars * weight),
        said,
        risk=_lost(judged.reasoning[little], stands_for[little]),
    )
    return None if found is None else replace(found, calls=number)


def explicit(calls: Calls) -> Flags:
    """Return which calls set their reasoning themselves, above the least; a project's opt-in is no argument."""
    import numpy as np

    asks = [code for code, name in enumerate(calls.effort.names) if name not in LEAST_EFFORTS]
    return np.isin(calls.effort.codes, asks)


def _lost(gains: Floats, weights: Floats) -> Risk:
    """Return the share of answers that would be worse without reasoning: the mean of what was expected of it.

    The ends are those where all log-odds are off by 1.645 standard deviations of what a whole log and one template are
    off by (simulate.py).
    """
    import numpy as np

    odds = np.log(np.clip(gains, 1e-6, 1 - 1e-6) / (1 - np.clip(gains, 1e-6, 1 - 1e-6)))
    off = Z90 * float(np.hypot(SHIFT, SHIFT_BY_TEMPLATE))
    low, mid, high = (float(np.average(1 / (1 + np.exp(-odds - by)), weights=weights)) for by in (-off, 0.0, off))
    return Risk(share=Span(mid=mid, low=low, high=high), evidence="estimated")


def _truncated(calls: Calls) -> Saved:
    import numpy as np

    saved = without(calls, calls.truncated, output=np.nan_to_num(calls.output_tokens))
    return replace(saved, sure=False)


def long_from(calls: Calls) -> Floats:
    """Return from how many tokens on each call's answer is long, without its reasoning; infinite where nothing is."""
    import numpy as np

    said = calls.output_tokens - np.nan_to_num(calls.reasoning_tokens)
    rows = np.flatnonzero((calls.template.codes >= 0) & calls.ok & np.isfinite(said))
    rows = rows[np.lexsort((said[rows], calls.template.codes[rows]))]
    codes, starts, counts = np.unique(calls.template.codes[rows], return_index=True, return_counts=True)
    middle = said[rows[starts + counts // 2]] if len(codes) else np.zeros(0)
    limit = np.full(int(calls.template.codes.max(initial=-1)) + 2, np.inf)
    limit[codes] = np.where(counts >= FEWEST_OF_TEMPLATE, np.maximum(TIMES_LONGER * middle, LONG_TOKENS), np.inf)
    return np.where((calls.template.codes >= 0) & calls.ok, limit[calls.template.codes], np.inf)


def _long(calls: Calls) -> Saved:
    import numpy as np

    said = calls.output_tokens - np.nan_to_num(calls.reasoning_tokens)
    over = np.maximum(np.nan_to_num(said, nan=0.0) - long_from(calls), 0.0)
    return without(calls, over > 0, output=over)


def _retried(calls: Calls) -> Flags:
    return tries(calls, 2)


def tries(calls: Calls, least: int) -> Flags:
    """Return the tries that were made again and that were, from the first on, at least the (`least` - 1)th to fail."""
    import numpy as np

    found = (np.nan_to_num(calls.attempt) >= least) & ~calls.ok
    rows = np.flatnonzero((calls.key.codes >= 0) & np.isfinite(calls.created))
    rows = rows[np.lexsort((calls.created[rows], calls.key.codes[rows]))]
    codes, at, failed = calls.key.codes[rows], calls.created[rows], ~calls.ok[rows]
    again = np.zeros(len(rows), np.bool_)
    again[:-1] = (codes[1:] == codes[:-1]) & (at[1:] - at[:-1] <= AGAIN_S) & failed[:-1]
    deep = again.copy()
    for _ in range(least - 2):
        deep[1:] &= again[:-1]
        deep[:1] = False
        again = deep.copy()
    found[rows] |= deep
    return found
