"""Where on the ladder to start: the most P(good answer) less the price of the energy, within what quality allows.

    loss       what asking this rung instead of the ladder's top loses: P(the top is right and this rung is not)
    floor      the largest loss that the caller's quality accepts; the top rung is always within it
    utility    -loss - ENERGY_PRICE x energy: of the rungs within the floor, the one with the highest is asked

The price is linear in energy because a day's energies add up and so do its expected good answers: only then do the
choices of single calls amount to the best use of the whole day's energy. Near the floor a rung whose token
probabilities can be had is asked first and its answer verified: see `Route.verify`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from greenai.correction import Correction
from greenai.errors import NoSufficientModel, OptInRequired
from greenai.grants import ended, fix
from greenai.readings import Reading
from greenai.route.ladder import Ladder, names
from greenai.units import wh_from_j
from greenai.values import Assessment, Check, Quality, Request, Rung, RungEstimate

__all__ = ["ENERGY_PRICE", "FLOORS", "VERIFY_BAND", "Route", "losses", "route"]

FLOORS: Mapping[Quality, float] = {"basic": 0.25, "standard": 0.16, "high": 0.12}
"""The largest loss that each quality accepts; it promises no share of good answers, as no rung gets everything right.

Chosen on out-of-fold rows of MMLU, answered by Mixtral 8x7B or GPT-4 (RouteLLM's records). On rows that nothing had
seen they keep 91.2%, 96.9% and 98.9% of GPT-4's accuracy, on unseen subjects 85.1%, 92.8% and 98.6%.
"""

ENERGY_PRICE = 100.0
"""Good answers per Wh: one wrong answer weighs as much as 0.01 Wh, about what a small model takes to be asked again.

To have the least energy per good answer is to maximise good answers less this price times energy, where the price is
one over the energy per good answer that is reached (Dinkelbach, Management Science 13, 1967). Small rungs reach 0.005
to 0.03 Wh. So thrift decides where a rung above takes much more, and the better answer where the difference is small.
"""

VERIFY_BAND = 0.25
"""How far round the floor, as a share of it, the classifier is taken to be unsure: there an answer is verified."""

REASONING_TAKES = 15.0
"""How many times as much an answer takes with reasoning: 543.5 thinking tokens per question against 37.7 of a concise
answer (Dauner and Socher, Frontiers in Communication, 2025, 14 models). A model that can answer without is asked
instead of one that always reasons up to so many times the other's energy, which is that of the visible answer."""

_ABILITY_SLACK = 0.15
"""A gap between two models' own probabilities counts from here on: it is blunter than `large_gain` about one prompt."""

Energy = Callable[[Rung], Reading]
Unverifiable = Callable[[Rung], "str | None"]
Reasons = Callable[[Rung], "str | None"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The rungs to try, one or two, with the checks, the reasons in words and the opt-ins that were used.

    `estimates` has every rung of the ladder. `verify` says that the first rung's answer is to be held against its own
    token probabilities, and the second rung asked where they are low. `lacks` is the model that was wanted, where the
    opt-in large is missing for it.
    """

    rungs: tuple[Rung, ...]
    checks: tuple[Check, ...] = ()
    reasons: tuple[str, ...] = ()
    opt_ins: tuple[str, ...] = ()
    estimates: tuple[RungEstimate, ...] = ()
    verify: bool = False
    lacks: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weighed:
    """The rungs of a ladder with what each loses and takes; `shipped` are the losses before the project's feedback."""

    rungs: tuple[Rung, ...]
    shipped: tuple[float, ...]
    losses: tuple[float, ...]
    energies: tuple[Reading, ...]
    good: tuple[float | None, ...]
    floor: float
    source: str
    known: bool

    def utility(self, index: int, price: float) -> float:
        """Return what asking this rung is worth, up to a constant."""
        return -self.losses[index] - price * wh_from_j(self.energies[index].energy_j or 0.0)

    def best(self, low: int, price: float) -> int:
        """Return the rung of the highest utility from `low` on.

        It is the lowest one where an energy is unknown, or where the losses are not: those have no price.
        """
        if not self.known or any(reading.energy_j is None for reading in self.energies):
            return low
        return max(range(low, len(self.rungs)), key=lambda index: (self.utility(index, price), -index))

    def lowest(self) -> int:
        """Return the lowest rung within the floor."""
        return next((i for i, loss in enumerate(self.losses) if loss <= self.floor), len(self.rungs) - 1)


def route(
    request: Request,
    assessment: Assessment,
    ladder: Ladder,
    energy: Energy,
    *,
    correction: Correction | None = None,
    unverifiable: Unverifiable | None = None,
    reasons: Reasons | None = None,
    price: float = ENERGY_PRICE,
) -> Route:
    """Return the one or two rungs to try.

    Without a named ceiling, rungs above the small one need the opt-in "large". A stream gets one rung: what was sent
    cannot be taken back. `request.floor` (from `escalate`) starts one rung above that model.

    Args:
        request: the call as the app wrote it.
        assessment: what the classifier thinks of it.
        ladder: the models that may answer.
        energy: what answering on a rung would take.
        correction: what the project's feedback taught about these probabilities.
        unverifiable: why a rung's answer cannot be verified, None where it can; without it none can.
        reasons: why a rung's model reasons although nobody asked for it, None where it does not.
        price: good answers that one Wh is worth.

    Raises:
        NoSufficientModel: `request.floor` is the top of the ladder already.
        OptInRequired: every small rung was left out, and nobody opted in to the large ones.
    """
    if ladder.raised and "large" not in request.options.opt_in:
        line = fix("large", *request.options.opt_in)
        over = ended((grant for grant in request.lapsed if grant.kind == "large"), request.options.project)
        why = f" {over[:1].upper()}{over[1:]}; set a later opt_in_expires." if over else ""
        raise OptInRequired(
            f"Only {names(ladder.rungs, ' or ')} can take this request, and above the small rung the opt-in large is "
            f'needed. {ladder.reason}{why} Name the model with model="...", or allow it: {line}',
            kind="large",
            fix=line,
        )
    weighed = _weigh(request, assessment, ladder.rungs, energy, correction)
    if request.floor is not None and any(r.model == request.floor for r in ladder.rungs):
        return _above_floor(request, ladder, weighed)
    if len(ladder.rungs) == 1:
        return Route(
            rungs=ladder.rungs, reasons=_unasked(ladder.rungs[0], reasons), estimates=_estimates(weighed, (0,))
        )
    return _routed(request, ladder, weighed, unverifiable, reasons, price)


def _routed(
    request: Request,
    ladder: Ladder,
    weighed: _Weighed,
    unverifiable: Unverifiable | None,
    reasons: Reasons | None,
    price: float,
) -> Route:
    rungs, allowed = ladder.rungs, _allowed(request, ladder)
    escalates = ladder.escalates and not request.stream
    within = weighed.lowest()
    low, verified = within, _Verified(weighed, unverifiable if escalates else None)
    while low > 0 and within < allowed and verified.may_start(low - 1):
        low -= 1
    best = weighed.best(low, price)
    wanted = best if reasons is None else _without_reasoning(ladder, weighed, best, range(low, allowed), reasons, price)
    start = min(wanted, allowed - 1)
    above = max(within, start + 1)  # an answer that is verified because its rung lies above the floor
    tried = [start, above] if escalates and above < allowed else [start]
    verify = len(tried) > 1 and verified.applies(start)
    words = [_why(weighed, within, wanted)]
    if wanted != best and reasons is not None:
        words = [f"{rungs[best].model} {reasons(rungs[best])}; {rungs[wanted].model} suffices without reasoning."]
    if start < wanted:
        words.append(_needs_opt_in(rungs[wanted].model, rungs[start].model))
    words += [*_unasked(rungs[start], reasons), *verified.words(start, rungs[above].model if verify else None)]
    return Route(
        rungs=tuple(rungs[index] for index in tried),
        checks=tuple(_check(weighed, index) for index in range(min(wanted + 1, len(rungs) - 1))),
        reasons=tuple(words),
        opt_ins=_used(request, ladder, start),
        estimates=_estimates(weighed, tried),
        verify=verify,
        lacks=rungs[wanted].model if start < wanted else None,
    )


def _without_reasoning(
    ladder: Ladder, weighed: _Weighed, best: int, within: range, reasons: Reasons, price: float
) -> int:
    """Return the rung to ask instead of one that reasons unasked: the best that suffices and does not, if there is one.

    The model that the app named is not replaced for it.
    """
    rungs, energies = ladder.rungs, [reading.energy_j for reading in weighed.energies]
    if best not in within or rungs[best].model == ladder.named or reasons(rungs[best]) is None:
        return best
    most_j = math.inf if energies[best] is None else REASONING_TAKES * (energies[best] or 0.0)
    calm = [i for i in within if reasons(rungs[i]) is None and (energies[i] or 0.0) <= most_j]
    known = weighed.known and all(energies[i] is not None for i in calm)
    return max(calm, key=lambda index: (weighed.utility(index, price) if known else 0.0, -index), default=best)


# --- what each rung loses -------------------------------------------------------------------


def losses(assessment: Assessment, rungs: Sequence[Rung]) -> tuple[float, ...]:
    """Return, for each rung, the probability that the ladder's top is right where this rung is not; the top's is 0.

    Between a small and a large end it is `large_gain`, shared out over the rungs between by their own probabilities.
    A rung that is weaker than that loses at least what its probability lacks. No rung loses more than one below it:
    a ladder is climbed upwards only.
    """
    good = [_probability(assessment.small_suffices(rung.model)) for rung in rungs]
    return _losses(assessment, rungs, good)


def _losses(assessment: Assessment, rungs: Sequence[Rung], good: Sequence[float]) -> tuple[float, ...]:
    top, span = good[-1], good[-1] - good[0]
    by_gain = assessment.suffices is None or rungs[0].tier != rungs[-1].tier
    found: list[float] = []
    for index, own in enumerate(good[:-1]):
        share = (top - own) / span if span > 0.01 else 1 - index / (len(rungs) - 1)
        gain = assessment.large_gain * min(max(share, 0.0), 1.0) if by_gain else 0.0
        gap = top - own - (_ABILITY_SLACK if by_gain else 0.0)
        loss = _probability(max(gain, gap, 0.0))
        found.append(min(loss, found[-1]) if found else loss)
    return (*found, 0.0)


def _probability(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _weigh(
    request: Request, assessment: Assessment, rungs: tuple[Rung, ...], energy: Energy, correction: Correction | None
) -> _Weighed:
    quality = request.options.quality
    floor, source = FLOORS[quality], f'quality="{quality}"; {assessment.method}'
    known = assessment.calibrated
    if not known:  # the classifier failed: the lowest rung answers, near enough to the floor to be verified
        assessment, correction = replace(assessment, large_gain=floor, suffices=None), None
        source += " failed, so the largest loss allowed is assumed"
    good = tuple(_probability(assessment.small_suffices(rung.model)) for rung in rungs)
    shipped = corrected = _losses(assessment, rungs, good)
    if correction is not None:
        corrected = (*(correction.of(loss) for loss in shipped[:-1]), 0.0)
        floor = min(floor, correction.of(correction.limits.get(quality, 1.0)))
        source += f", corrected by {correction.labels} answers of this project"
    return _Weighed(
        rungs=rungs,
        shipped=shipped,
        losses=corrected,
        energies=tuple(energy(rung) for rung in rungs),
        good=good if assessment.suffices is not None else (None,) * len(rungs),
        floor=floor,
        source=source,
        known=known,
    )


# --- verifying near the floor ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Verified:
    """Which rungs' answers are verified: those whose loss is near the floor, and whose token probabilities are had."""

    weighed: _Weighed
    unverifiable: Unverifiable | None

    def may_start(self, index: int) -> bool:
        """Say whether a rung just above the floor may be asked first, because its answer will be verified."""
        return self.weighed.losses[index] <= self.weighed.floor * (1 + VERIFY_BAND) and self._why_not(index) is None

    def applies(self, index: int) -> bool:
        return self._near(index) and self._why_not(index) is None

    def words(self, index: int, above: str | None) -> list[str]:
        if not self._near(index):
            return []
        model = self.weighed.rungs[index].model
        if above is not None:
            return [
                f"That is near the limit, so the answer of {model} is verified; {above} is asked where it is unsure."
            ]
        why_not = self._why_not(index)
        return [f"That is near the limit, and the answer is not verified: {why_not}."] if why_not else []

    def _near(self, index: int) -> bool:
        floor, loss = self.weighed.floor, self.weighed.losses[index]
        return floor * (1 - VERIFY_BAND) < loss <= floor * (1 + VERIFY_BAND)

    def _why_not(self, index: int) -> str | None:
        if self.unverifiable is None:
            return "this call has one rung"
        return self.unverifiable(self.weighed.rungs[index])


# --- words ----------------------------------------------------------------------------------


def _why(weighed: _Weighed, within: int, wanted: int) -> str:
    rungs, top = weighed.rungs, len(weighed.rungs) - 1
    if wanted < within:
        return f"{rungs[wanted].model} may suffice: {_against(weighed, wanted)}."
    if wanted > within:
        low, high = weighed.energies[within].energy_j or 0.0, weighed.energies[wanted].energy_j or 0.0
        points = 100 * (weighed.losses[within] - weighed.losses[wanted])
        return (
            f"{rungs[wanted].model} is expected to answer better than {rungs[within].model} by {points:.0f} points, "
            f"for {wh_from_j(high - low) * 1000:.2g} mWh more."
        )
    if wanted < top:
        return f"{rungs[wanted].model} is expected to suffice: {_against(weighed, wanted)}."
    return f"A larger model is expected to answer better: {rungs[top - 1].model}'s {_against(weighed, top - 1)}."


def _unasked(rung: Rung, reasons: Reasons | None) -> tuple[str, ...]:
    why = None if reasons is None else reasons(rung)
    return () if why is None else (f"{rung.model} {why}.",)


def _against(weighed: _Weighed, index: int) -> str:
    loss, floor = weighed.losses[index], weighed.floor
    return f"loss {loss:.2f} is {'within' if loss <= floor else 'above'} {floor:.2f}"


def _check(weighed: _Weighed, index: int) -> Check:
    source = f"{weighed.rungs[index].model}; {weighed.source}"
    return Check(name="loss", value=round(weighed.losses[index], 4), threshold=round(weighed.floor, 4), source=source)


def _estimates(weighed: _Weighed, tried: Sequence[int]) -> tuple[RungEstimate, ...]:
    return tuple(
        RungEstimate(
            model=rung.model,
            tier=rung.tier,
            energy=weighed.energies[index],
            excluded=_excluded(index, tried),
            p_good=weighed.good[index],
            loss=weighed.losses[index],
            shipped_loss=weighed.shipped[index] if weighed.known and index < len(weighed.rungs) - 1 else None,
        )
        for index, rung in enumerate(weighed.rungs)
    )


def _excluded(index: int, tried: Sequence[int]) -> str | None:
    if index in tried:
        return None
    if index < tried[0]:
        return "not expected to suffice"
    return "a smaller model is expected to suffice, or it needs an opt-in"


# --- what may be used -----------------------------------------------------------------------


def _allowed(request: Request, ladder: Ladder) -> int:
    """Return how many rungs from the bottom may be used."""
    if ladder.named is not None or "large" in request.options.opt_in:
        return len(ladder.rungs)
    small = 1
    while small < len(ladder.rungs) and ladder.rungs[small].tier == "small":
        small += 1
    return small


def _needs_opt_in(wanted: str, used: str) -> str:
    return (
        f"{wanted} needs the opt-in large, so {used} answers. "
        'To allow it: with_options(opt_in={"large"}, reason="...").'
    )


def _used(request: Request, ladder: Ladder, start: int) -> tuple[str, ...]:
    above_small = ladder.named is None and start > 0 and ladder.rungs[start].tier == "large"
    return ("large",) if above_small and "large" in request.options.opt_in else ()


def _above_floor(request: Request, ladder: Ladder, weighed: _Weighed) -> Route:
    index = next(i for i, r in enumerate(ladder.rungs) if r.model == request.floor)
    if index + 1 == len(ladder.rungs):
        raise NoSufficientModel(
            f"{request.floor} answered already and is the top of the ladder ({names(ladder.rungs)}), so there is no "
            'rung above it. Name a larger model with model="...", or add one to ladder in the settings.'
        )
    above = ladder.rungs[index + 1]
    return Route(
        rungs=(above,),
        reasons=(f"escalate asked for the rung above {request.floor}: {above.model}.",),
        opt_ins=("escalate",),
        estimates=_estimates(weighed, (index + 1,)),
    )
