"""A provider's batch: what its requests took together, booked once as one call in the ledger and in its budgets.

Which HTTP messages speak of a batch, and what their JSON says, is read in wire/batches.py. A batch is served whenever
there is room, at the price of that service and in larger batches than other calls, which the energy model knows
(`batch_batch` in physics.json: no provider and no measurement says how large). It is known by where it runs and by its
id: booking it again, in this process or another, changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

from greenai import receipts
from greenai.answerers import reply_of
from greenai.asked import digest as asked_by
from greenai.budget import Amount
from greenai.catalog import find
from greenai.errors import BudgetExceeded, InvalidRequest, LedgerError
from greenai.meters import cost
from greenai.readings import BudgetLeft, Reading, total
from greenai.spending import Spending, charges
from greenai.spending.held import Charge
from greenai.steps import Flow, Steps
from greenai.steps.telling import watched
from greenai.stopwatch import Stopwatch
from greenai.values import Answer, Attempt, Decision, Receipt, Request, Rung, Usage, Work

__all__ = ["Group", "booked", "checked", "evenly", "grouped", "held", "let_go", "shared"]

SERVICE = "batch"

# A provider ends a batch after a day; what is held for it ends some hours later, if nobody asked after it.
HOLD_S = 30 * 3600.0

# Requests whose tokens are alike to within a fifth are modelled once, at their mean: energy is nearly a line there.
PER_OCTAVE = 4

_JOULES = ("energy_j", "low_j", "high_j", "gpu_energy_j", "gpu_low_j", "gpu_high_j")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Requests of one batch to one model that are about as long; `usage` counts the tokens of one, at the mean."""

    rung: Rung
    count: int
    usage: Usage

    @property
    def energy(self) -> Reading:
        """What all of them took."""
        return _times(receipts.modelled(find(self.rung.model), self.usage, SERVICE), self.count)

    @property
    def cost_usd(self) -> float | None:
        """What all of them cost at list price; None where the provider lists none for batches, or elsewhere."""
        one = cost.of(self.rung.model, self.usage, SERVICE)
        return None if one is None else one * self.count

    def amount(self, tariff: charges.Tariff) -> Amount:
        """Return what budgets are charged for all of them."""
        one = _attempt(self.rung, "", [replace(self, count=1)])
        amount = charges.used(one, tariff, reasoned=False)
        return Amount(**{part.name: getattr(amount, part.name) * self.count for part in fields(amount)})


def grouped(lines: Iterable[tuple[Rung, Usage]]) -> list[Group]:
    """Put requests together that are alike; a price that changes from some length on parts them too."""
    alike: dict[tuple[object, ...], list[tuple[Rung, Usage]]] = {}
    for rung, usage in lines:
        key = (rung, _is_long(rung, usage), *(_size(count) for count in _counts(usage)))
        alike.setdefault(key, []).append((rung, usage))
    return [Group(rung=own[0][0], count=len(own), usage=_mean([usage for _, usage in own])) for own in alike.values()]


def evenly(rung: Rung, count: int, usage: Usage) -> list[Group]:
    """Share what requests took together out among them as evenly as whole tokens allow: no token is lost or made up."""
    columns, groups, begun = _counts(usage), list[Group](), 0
    for end in sorted({count, *(c % count for c in columns if c)} - {0}):
        read, written, cached, thought = (None if c is None else c // count + (begun < c % count) for c in columns)
        one = Usage(input_tokens=read, output_tokens=written, cached_tokens=cached, reasoning_tokens=thought)
        groups.append(Group(rung=rung, count=end - begun, usage=one))
        begun = end
    return groups


def _is_long(rung: Rung, usage: Usage) -> bool:
    card = find(rung.model)
    limit = None if card is None or card.price is None else card.price.long_from_tokens
    return limit is not None and (usage.input_tokens or 0) > limit


def _counts(usage: Usage) -> tuple[int | None, ...]:
    return usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens


def _size(count: int | None) -> int | None:
    return count if not count else round(PER_OCTAVE * math.log2(count))


def _mean(usages: Sequence[Usage]) -> Usage:
    return _usage(usages, len(usages))


def _usage(usages: Sequence[Usage], parts: int = 1, counts: Sequence[int] = ()) -> Usage:
    """Add tokens up, and divide; what one of them does not say is unknown of all."""
    columns = zip(*map(_counts, usages), strict=True)
    times = counts or [1] * len(usages)
    sums = [None if None in c else sum((n or 0) * t for n, t in zip(c, times, strict=True)) for c in columns]
    read, written, cached, thought = (None if s is None else round(s / parts) for s in sums)
    estimated = any(usage.estimated for usage in usages)
    return Usage(
        input_tokens=read, output_tokens=written, cached_tokens=cached, reasoning_tokens=thought, estimated=estimated
    )


def _times(reading: Reading, count: int) -> Reading:
    """Return what so many equal ones took: ends of intervals add up as they are, as in `total`."""
    values: dict[str, Any] = {name: _product(getattr(reading, name), count) for name in _JOULES}
    return replace(reading, **values, components={name: j * count for name, j in reading.components.items()})


def _product(value: float | None, count: int) -> float | None:
    return None if value is None else value * count


def _attempt(rung: Rung, attempt_id: str, groups: Sequence[Group]) -> Attempt:
    return Attempt(
        attempt_id=attempt_id,
        model=rung.model,
        state="answered",
        energy=total([group.energy for group in groups]),
        usage=_usage([group.usage for group in groups], counts=[group.count for group in groups]),
        latency_s=0.0,
        service=SERVICE,
        site=rung.site,
    )


# --- before it ----------------------------------------------------------------------------


def checked(request: Request, groups: Sequence[Group], spending: Spending) -> None:
    """Refuse a batch for which its budgets have too little left. Nothing is held: it has no id yet.

    Raises:
        BudgetExceeded: one of them has too little left.
        LedgerError: they cannot be checked, and no setting lets calls go out unchecked.
    """
    _reserve(request, _amount(groups, spending), spending.looking())


def held(request: Request, groups: Sequence[Group], spending: Spending) -> None:
    """Hold what a batch that was taken is expected to use, until it is booked or let go."""
    with suppress(BudgetExceeded):  # others were faster meanwhile: what it takes is counted at its end
        _reserve(request, _amount(groups, spending), spending)


def let_go(request: Request, spending: Spending) -> None:
    """End what is held for a batch that came to nothing."""
    charge = _reserve(request, Amount(), spending)
    if charge is not None:
        charge.release()


def _amount(groups: Sequence[Group], spending: Spending) -> Amount:
    return sum((group.amount(spending.tariff) for group in groups), Amount())


def _reserve(request: Request, amount: Amount, spending: Spending) -> Charge | None:
    caps = spending.caps_of(request)
    if not caps:
        return None
    name = f"batch/{request.call_id}"
    return spending.reserve(caps, amount, name, HOLD_S, observe=request.options.observe)


# --- after it -----------------------------------------------------------------------------


def booked(request: Request, groups: Sequence[Group], failed: int, steps: Steps, *, first: bool = True) -> Flow[Answer]:
    """Book a batch that has ended, and return its receipt.

    One that is booked already, or just now by another thread (not `first`), is told to nobody again.
    """
    watch = Stopwatch()
    known: object = yield Work("ledger", partial(steps.ledger.call, request.call_id))
    fresh = first and known is None
    made = _booking(request, groups, failed, steps, watch, write=fresh)
    return (yield from (watched(made, request, steps, lambda answer: answer) if fresh else made))


def _booking(
    request: Request, groups: Sequence[Group], failed: int, steps: Steps, watch: Stopwatch, *, write: bool
) -> Flow[Answer]:
    left: BudgetLeft | None = None
    said: tuple[str, ...] = ()
    if write and steps.spending is not None:
        left, said = yield Work("budget", partial(_settled, request, groups, steps.spending))
    rungs = list(dict.fromkeys(group.rung for group in groups))
    parts = [[group for group in groups if group.rung == rung] for rung in rungs]
    attempts = [_attempt(rung, f"{request.call_id}.{n}", parts[n]) for n, rung in enumerate(rungs)]
    costs = {attempt.attempt_id: _sum([g.cost_usd for g in own]) for attempt, own in zip(attempts, parts, strict=True)}
    unread = next((line for attempt in attempts for line in receipts.warnings(attempt, 0.0)), None)
    receipt = receipts.build(
        request,
        outcome="large",
        decision=_decision(groups, failed, attempts),
        answered_by=rungs[-1].model if rungs else "",
        attempts=attempts,
        own=receipts.overhead(watch, steps.site),
        site=steps.site,
        saved=None,
        budget=left,
        warnings=(*([unread] if unread else []), *said),
    )
    receipt = replace(receipt, cost_usd=_sum(list(costs.values())))
    if write:
        yield Work("record", partial(_record, receipt, request, costs, steps))
    return Answer(reply=reply_of(request.call_id, receipt.model or "", "", 0.0), receipt=receipt, request=request)


def shared(booked: Receipt, parts: Sequence[tuple[str, Usage]]) -> list[Attempt]:
    """Share what a booked batch took out among its requests, by what each would be modelled at: the sum stays.

    A part is a request's id and the tokens it took.
    """
    whole = booked.attempts[0]
    rung = Rung(model=whole.model)
    own = [_attempt(rung, name, [Group(rung=rung, count=1, usage=usage)]) for name, usage in parts]
    modelled = total([attempt.energy for attempt in own])
    ratios = {name: _ratio(getattr(booked.energy, name), getattr(modelled, name)) for name in _JOULES}
    return [replace(one, energy=_scaled(one.energy, ratios), site=whole.site) for one in own]


def _ratio(whole: float | None, sum_of_parts: float | None) -> float | None:
    return None if whole is None or not sum_of_parts else whole / sum_of_parts


def _scaled(reading: Reading, ratios: Mapping[str, float | None]) -> Reading:
    values: dict[str, Any] = {
        name: None if (ratio := ratios[name]) is None or (value := getattr(reading, name)) is None else value * ratio
        for name in _JOULES
    }
    times = ratios["energy_j"] or 1.0
    return replace(reading, **values, components={name: j * times for name, j in reading.components.items()})


def _decision(groups: Sequence[Group], failed: int, attempts: Sequence[Attempt]) -> Decision:
    answered = sum(group.count for group in groups)
    asked = "1 request" if answered + failed == 1 else f"{answered + failed} requests"
    lost = f", {failed} failed" if failed else ""
    reason = f"A batch of {asked}: {answered} answered{lost}. It is one call in the ledger."
    return Decision(outcome="large", route=tuple(attempt.model for attempt in attempts), reasons=(reason,))


def _record(receipt: Receipt, request: Request, costs: dict[str, float | None], steps: Steps) -> None:
    reason = request.options.reason
    steps.ledger.settle_and_record(receipt, reason, entry="batch", costs=costs, asked=asked_by(request))


def _settled(
    request: Request, groups: Sequence[Group], spending: Spending
) -> tuple[BudgetLeft | None, tuple[str, ...]]:
    """Charge the budgets, in place of what was held; what is used is used, so that nothing is refused any more."""
    try:
        charge = _reserve(request, Amount(), spending)
    except (InvalidRequest, LedgerError) as error:  # other budgets than those that hold for it, or none that answer
        return None, (f"The batch could not be counted in its budgets: {error}",)
    if charge is None:
        return None, ()
    charge.settle_at(_amount(groups, spending))
    left, said = spending.left(charge.caps) if charge.holds else (None, ())
    return left, tuple(dict.fromkeys((*charge.told, *said)))


def _sum(costs: Sequence[float | None]) -> float | None:
    return None if None in costs else sum(c or 0.0 for c in costs)
