"""What some calls would take less, as a `Waste`: a column of joules and dollars, and whether they are sure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from greenai.audit.energy import alike, law_of, part_of, usd_of
from greenai.audit.finding import Risk, Span, Taken, Waste, Wasted
from greenai.meters.physics import Z90

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.audit.columns import Calls
    from greenai.audit.estimate import Looked

    Floats: TypeAlias = NDArray[np.float64]
    Flags: TypeAlias = NDArray[np.bool_]

__all__ = ["Saved", "wasted", "without"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Saved:
    """What some calls would take less, a number per call; `sure` is False where it lies between nothing and that."""

    of: Flags
    joules: Floats
    dollars: Floats
    sure: bool = True


def wasted(looked: Looked, kind: Wasted, saved: Saved, detail: str, *, risk: Risk | None = None) -> Waste | None:
    """Return calls with what they would take less; None where there are none.

    Args:
        looked: what was looked at.
        kind: of waste.
        saved: joules and dollars of all calls, and which are meant.
        detail: which calls those are, in words.
        risk: the share of answers that would be worse without it.
    """
    import numpy as np

    count = int(saved.of.sum())
    if not count:
        return None
    joules = saved.joules[saved.of]
    sigma = looked.took.sigma[saved.of]
    known = np.isfinite(joules)
    energy = float(joules[known].sum())
    factor = float(np.exp(Z90 * np.average(sigma[known], weights=joules[known]))) if known.any() and energy > 0 else 1.0
    return Waste(
        kind=kind,
        calls=count,
        of=len(looked.calls),
        saved=_taken(saved, (energy, factor), looked.grams_per_j(saved.of), unknown=int((~known).sum())),
        detail=detail,
        assumption=f"waste_{kind}",
        risk=risk,
    )


def _taken(saved: Saved, energy: tuple[float, float], each: float, *, unknown: int) -> Taken:
    import numpy as np

    (joules, factor), sure, dollars = energy, saved.sure, saved.dollars[saved.of]
    span = Span(mid=joules, low=joules / factor if sure else 0.0, high=joules * factor)
    if not sure:
        span = Span(mid=joules / 2, low=0.0, high=joules * factor)
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


def without(calls: Calls, of: Flags, *, output: Floats | None = None, prompt: Floats | None = None) -> Saved:
    """Return what calls would take less, were so many tokens of the output not written, or of the prompt not sent.

    Of the prompt's tokens those are taken to be cached in the share in which all are.
    """
    import numpy as np

    joules, dollars = np.full(len(calls), np.nan), np.full(len(calls), np.nan)
    nothing = np.zeros(len(calls))
    for model, tier, rows in alike(calls, of):
        sent, kept, wrote = calls.input_tokens[rows], calls.cached_tokens[rows], calls.output_tokens[rows]
        fewer = np.maximum(sent - (nothing if prompt is None else prompt)[rows], 0.0)
        cached = kept * np.divide(fewer, sent, out=np.ones_like(sent), where=sent > 0)
        less, law = np.maximum(wrote - (nothing if output is None else output)[rows], 0.0), law_of(model, tier)
        if law is not None:
            own, of_all = calls.energy_j[rows], law.joules(sent, kept, wrote)
            joules[rows] = part_of(own, of_all, law.joules(fewer, cached, less))
        of_all = usd_of(model, sent, kept, wrote, tier=tier)
        dollars[rows] = part_of(calls.cost_usd[rows], of_all, usd_of(model, fewer, cached, less, tier=tier))
    return Saved(of=of, joules=joules, dollars=dollars)
