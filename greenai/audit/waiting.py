"""Calls that nobody waits for, and what they would have emitted less at a better hour of the 24 after each.

Those are calls that asked for a batch's or a flexible service, and loops: calls of one template in a row, each begun
as soon as the one before had ended, as many and as soon as for the nudge of batches (greenai/nudges/batching.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from greenai.audit.finding import Assumption, Span, Waiting
from greenai.audit.grid_hours import DAY_H, HOUR_S, J_PER_KWH
from greenai.meters.physics import Z90
from greenai.nudges.batching import GAP_S, LOOP

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.audit.columns import Calls
    from greenai.audit.estimate import Looked
    from greenai.audit.grid_hours import GridHours

    Floats: TypeAlias = NDArray[np.float64]
    Flags: TypeAlias = NDArray[np.bool_]

__all__ = ["ASSUMPTION", "loops", "waiting"]

DECLARED = ("batch", "flex")

ASSUMPTION = Assumption(
    key="waiting",
    text=f"Calls of the services {' and '.join(DECLARED)}, and loops: {LOOP} calls of one template or more in a row, "
    f"each begun within {GAP_S:g} s of the end of the one before. The lower end has the first alone, each at the hour "
    "of the day that is best on average; the upper end has both, each at the best of its next 24 hours, which nobody "
    "knows beforehand. That nobody waits for a loop is assumed, as is that the hour of asking is that of answering, "
    "and that there is room for all of them in one hour. Energy stays the same.",
    evidence="assumed",
)


def loops(calls: Calls) -> Flags:
    """Return the calls that are part of a loop; none where the log has no times or no latencies."""
    import numpy as np

    found = np.zeros(len(calls), np.bool_)
    rows = np.flatnonzero(np.isfinite(calls.created) & np.isfinite(calls.latency_s) & (calls.template.codes >= 0))
    if len(rows) < LOOP:
        return found
    keys = (calls.user.codes, calls.project.codes, calls.template.codes)
    rows = rows[np.lexsort((calls.created[rows], *(key[rows] for key in keys)))]
    end = calls.created[rows] + calls.latency_s[rows]
    goes_on = np.abs(calls.created[rows[1:]] - end[:-1]) <= GAP_S
    for key in keys:
        goes_on &= key[rows[1:]] == key[rows[:-1]]
    run = np.concatenate(([0], np.cumsum(~goes_on)))
    found[rows] = np.bincount(run)[run] >= LOOP
    return found


def waiting(looked: Looked) -> Waiting | None:
    """Return what calls that nobody waits for would have emitted less; None without hours, and where there are none."""
    import numpy as np

    calls, hours = looked.calls, looked.hours
    if hours is None:
        return None
    declared = np.isin(calls.tier.codes, [at for at, name in enumerate(calls.tier.names) if name in DECLARED])
    later = _Later(hours, calls.created)
    known = calls.ok & np.isfinite(looked.took.energy_j) & later.known
    surely, maybe = declared & known, (declared | loops(calls)) & known
    joules = looked.took.energy_j
    if not joules[maybe].any():
        return None
    factor = float(np.exp(Z90 * np.average(looked.took.sigma[maybe], weights=joules[maybe])))

    def emitted(of: Flags, g_per_kwh: Floats) -> float:
        return float((joules[of] * g_per_kwh[of]).sum() / J_PER_KWH)

    was, fixed = emitted(maybe, later.now), emitted(maybe, later.now - later.fixed)
    least = max(emitted(surely, later.now - later.fixed), 0.0) / factor
    most = emitted(maybe, later.now - later.best) * factor
    fixed = max(fixed, 0.0)
    return Waiting(
        calls=Span(mid=int(maybe.sum()), low=int(surely.sum()), high=int(maybe.sum())),
        of=len(calls),
        was_g=Span(mid=was, low=was / factor, high=was * factor),
        saved_g=Span(mid=fixed, low=min(least, fixed), high=max(most, fixed)),
        share=fixed / was if was > 0 else 0.0,
        best_share=emitted(maybe, later.now - later.best) / was if was > 0 else 0.0,
        hour=later.hour,
        assumption=ASSUMPTION.key,
    )


class _Later:
    """Grams per kWh when each call was made, at the next time of the hour that is best on average, and at best.

    Only calls are known of whose next 24 hours the file has all.
    """

    def __init__(self, hours: GridHours, created: Floats) -> None:
        import numpy as np

        self.hour = int(np.nanargmin(hours.by_hour()))
        self.now = hours.at(created)
        known, best, fixed = np.isfinite(self.now), self.now.copy(), self.now.copy()
        of_day = np.where(np.isfinite(created), np.nan_to_num(created) // HOUR_S % DAY_H, -1)
        for after in range(1, DAY_H):
            then = hours.at(created + after * HOUR_S)
            known &= np.isfinite(then)
            best = np.fmin(best, then)
            fixed = np.where((of_day + after) % DAY_H == self.hour, then, fixed)
        self.known, self.best, self.fixed = known, best, fixed
