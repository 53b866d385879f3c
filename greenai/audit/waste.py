"""What calls took for nothing, whatever answers them: counted on all calls, but for reasoning, which is sampled.

reasoning      thought about although the expected gain is below the limit from which greenai lets a call reason
truncated      answers cut at their limit
long output    answers far longer than is usual for their template
prefix         beginnings of prompts that a provider's cache would have served
retries        calls that failed and were made again
always on      features that ask as often by night as by day
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from greenai.audit.energy import alike, law_of, usd_of
from greenai.audit.finding import Assumption, Span, Taken, Waste
from greenai.audit.prefixes import KEPT_S, missed, saved_by_prefix
from greenai.meters.carbon import grams
from greenai.meters.physics import Z90

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.audit.columns import Calls
    from greenai.audit.estimate import Looked

    Floats: TypeAlias = NDArray[np.float64]
    Codes: TypeAlias = NDArray[np.int64]
    Flags: TypeAlias = NDArray[np.bool_]

__all__ = ["ASSUMPTIONS", "always_on", "wastes"]

TIMES_LONGER = 4.0
FEWEST_OF_TEMPLATE = 30
LONG_TOKENS = 200
"""An answer is long from so many times its template's median on, where the template has so many calls, and from so
many tokens on."""
AGAIN_S = 600.0
"""A request that failed and comes again within so many seconds was retried."""
DAYS, CALLS, ROUND = 3, 200, 0.9
"""A feature is always on that was watched for so many days, has so many calls, and whose six quietest hours of the
day (UTC), taken together, have at least this share of the calls that six hours have on average."""
QUIET = 6

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
    Assumption(
        key="waste_always_on",
        text="The feature, or the project where the log has no features, asks as often in its six quietest hours of "
        "the day as in others. That nobody reads those answers is assumed: look who does.",
        evidence="assumed",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Saved:
    """What some calls would take less, a number per call; `sure` is False where it lies between nothing and that."""

    of: Flags
    joules: Floats
    dollars: Floats
    sure: bool = True


def wastes(looked: Looked, reasons_from: float) -> tuple[Waste, ...]:
    """Return what was taken for nothing, most energy first; kinds that do not occur are left out.

    Args:
        looked: what was looked at.
        reasons_from: the probability of a gain from which a call is to reason.
    """
    found = [waste for waste in (_reasoning(looked, reasons_from), *_counted(looked), _always_on(looked)) if waste]
    return tuple(sorted(found, key=lambda waste: -(waste.saved.energy_j.mid if waste.saved.energy_j else 0.0)))


def _counted(looked: Looked) -> Iterator[Waste | None]:
    calls = looked.calls
    yield _waste(looked, "truncated", _truncated(calls), "answers cut at their token limit")
    yield _waste(
        looked, "long_output", _long(calls), f"answers of more than {TIMES_LONGER:g} times the median of their template"
    )
    of = missed(calls)
    joules, dollars = saved_by_prefix(calls, of)
    said = f"prompts that begin as one within {KEPT_S / 60:g} minutes before did, and were not read from a cache"
    yield _waste(looked, "prefix", _Saved(of=of, joules=joules, dollars=dollars), said)
    again = _retried(calls)
    retried = _Saved(of=again, joules=looked.took.energy_j, dollars=looked.took.cost_usd)
    yield _waste(looked, "retries", retried, "tries that failed and were made again")


def _waste(looked: Looked, kind: str, saved: _Saved, detail: str) -> Waste | None:
    import numpy as np

    count = int(saved.of.sum())
    if not count:
        return None
    joules, dollars = saved.joules[saved.of], saved.dollars[saved.of]
    sigma = looked.took.sigma[saved.of]
    known = np.isfinite(joules)
    energy = float(joules[known].sum())
    factor = float(np.exp(Z90 * np.average(sigma[known], weights=joules[known]))) if known.any() and energy > 0 else 1.0
    return Waste(
        kind=kind,  # type: ignore[arg-type]
        calls=count,
        of=len(looked.calls),
        saved=_taken(looked, (energy, factor, saved.sure), dollars, unknown=int((~known).sum())),
        detail=f"{count:,} {detail}",
        assumption=f"waste_{kind}",
    )


def _taken(looked: Looked, energy: tuple[float, float, bool], dollars: Floats, *, unknown: int) -> Taken:
    import numpy as np

    joules, factor, sure = energy
    span = Span(mid=joules, low=joules / factor if sure else 0.0, high=joules * factor)
    if not sure:
        span = Span(mid=joules / 2, low=0.0, high=joules * factor)
    each = grams(1.0, looked.zone)[0]
    paid, unpriced = float(np.nansum(dollars)), int(np.isnan(dollars).sum())
    known = unknown == 0 or joules > 0
    return Taken(
        energy_j=span if known else None,
        carbon_g=Span(mid=span.mid * each, low=span.low * each, high=span.high * each) if known else None,
        cost_usd=(Span(mid=paid, low=paid, high=paid) if sure else Span(mid=paid / 2, low=0.0, high=paid))
        if unpriced < len(dollars)
        else None,
        energy_unknown=unknown,
        cost_unknown=unpriced,
    )


# --- by kind --------------------------------------------------------------------------------


def _without(calls: Calls, of: Flags, tokens: Floats) -> tuple[Floats, Floats]:
    """Return joules and dollars that calls would take less, were so many output tokens not written."""
    import numpy as np

    joules, dollars = np.full(len(calls), np.nan), np.full(len(calls), np.nan)
    for model, tier, rows in alike(calls, of):
        prompt, kept, wrote = calls.input_tokens[rows], calls.cached_tokens[rows], calls.output_tokens[rows]
        less, law = np.maximum(wrote - tokens[rows], 0.0), law_of(model, tier)
        if law is not None:
            joules[rows] = law.joules(prompt, kept, wrote) - law.joules(prompt, kept, less)
        dollars[rows] = usd_of(model, prompt, kept, wrote, tier=tier) - usd_of(model, prompt, kept, less, tier=tier)
    return joules, dollars


def _reasoning(looked: Looked, reasons_from: float) -> Waste | None:
    """Return reasoning of which little was to be expected: of the calls that were looked at, for all."""
    import numpy as np

    calls, judged = looked.calls, looked.judged
    part = looked.plan.of[judged.rows]
    seen = np.bincount(part, minlength=len(looked.plan.sizes))
    stands_for = (looked.plan.sizes / np.maximum(seen, 1))[part]
    # A repeat reasons no more once it is cached, and of a computed call no probability was asked for.
    looked_into = ~judged.repeat & ~judged.deterministic
    idle = judged.reasoned & (judged.reasoning < reasons_from) & looked_into
    if not idle.any():
        return None
    of = np.zeros(len(calls), np.bool_)
    of[judged.rows[idle]] = True
    joules, dollars = _without(calls, of, np.nan_to_num(calls.reasoning_tokens))
    weight = np.zeros(len(calls))
    weight[judged.rows] = stands_for
    found = _waste(looked, "reasoning", _Saved(of=of, joules=joules * weight, dollars=dollars * weight), "")
    if found is None:
        return None
    count = round(float((stands_for * idle).sum()))
    detail = f"{count:,} calls that reasoned where the expected gain is below {reasons_from:.0%}"
    return Waste(
        kind=found.kind, calls=count, of=found.of, saved=found.saved, detail=detail, assumption=found.assumption
    )


def _truncated(calls: Calls) -> _Saved:
    import numpy as np

    joules, dollars = _without(calls, calls.truncated, np.nan_to_num(calls.output_tokens))
    return _Saved(of=calls.truncated, joules=joules, dollars=dollars, sure=False)


def _long(calls: Calls) -> _Saved:
    import numpy as np

    said = calls.output_tokens - np.nan_to_num(calls.reasoning_tokens)
    rows = np.flatnonzero((calls.template.codes >= 0) & calls.ok & np.isfinite(said))
    rows = rows[np.lexsort((said[rows], calls.template.codes[rows]))]
    codes, starts, counts = np.unique(calls.template.codes[rows], return_index=True, return_counts=True)
    middle = said[rows[starts + counts // 2]] if len(codes) else np.zeros(0)
    limit = np.full(int(calls.template.codes.max(initial=-1)) + 2, np.inf)
    limit[codes] = np.where(counts >= FEWEST_OF_TEMPLATE, np.maximum(TIMES_LONGER * middle, LONG_TOKENS), np.inf)
    over = np.nan_to_num(said, nan=0.0) - limit[calls.template.codes]
    of = (calls.template.codes >= 0) & calls.ok & (over > 0)
    joules, dollars = _without(calls, of, np.where(of, over, 0.0))
    return _Saved(of=of, joules=joules, dollars=dollars)


def _retried(calls: Calls) -> Flags:
    import numpy as np

    found = (np.nan_to_num(calls.attempt) > 1) & ~calls.ok
    rows = np.flatnonzero((calls.key.codes >= 0) & np.isfinite(calls.created))
    rows = rows[np.lexsort((calls.created[rows], calls.key.codes[rows]))]
    codes, at, failed = calls.key.codes[rows], calls.created[rows], ~calls.ok[rows]
    again = np.zeros(len(rows), np.bool_)
    again[:-1] = (codes[1:] == codes[:-1]) & (at[1:] - at[:-1] <= AGAIN_S) & failed[:-1]
    found[rows] |= again
    return found


def always_on(calls: Calls) -> dict[str, Flags]:
    """Return features that ask as often by night as by day, with their calls in the six quietest hours."""
    import numpy as np

    column = calls.feature if (calls.feature.codes >= 0).any() else calls.project
    timed = np.isfinite(calls.created)
    hours = np.where(timed, np.nan_to_num(calls.created) // 3600 % 24, -1).astype(np.int64)
    found: dict[str, Flags] = {}
    for code in range(len(column.names)):
        of = timed & (column.codes == code)
        if of.sum() < CALLS or np.ptp(calls.created[of]) < DAYS * 86_400:
            continue
        by_hour = np.bincount(hours[of], minlength=24)
        quiet = np.argsort(by_hour, kind="stable")[:QUIET]
        if by_hour[quiet].sum() >= ROUND * by_hour.sum() * QUIET / 24:
            found[column.names[code]] = of & np.isin(hours, quiet)
    return found


def _always_on(looked: Looked) -> Waste | None:
    import numpy as np

    found = always_on(looked.calls)
    if not found:
        return None
    of = np.any(np.stack([*found.values()]), axis=0)
    saved = _Saved(of=of, joules=looked.took.energy_j, dollars=looked.took.cost_usd, sure=False)
    names = ", ".join(sorted(found))
    return _waste(looked, "always_on", saved, f"calls of {names} in the six quietest hours, as many as at any time")
