"""How a rung is asked when its budgets are short: the ways from what was drafted to less, until one can be held.

    as drafted ── a cheaper rung ── without reasoning ── a shorter answer ── BudgetExceeded

The cache and what answers without a model come before all of them, cost nothing, and are never refused. What the app
said itself is not made less: a model that it pinned, its own max_tokens, its own reasoning_effort.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from greenai import charges, receipts
from greenai.errors import BudgetExceeded
from greenai.nudges import effort
from greenai.stages import Flow, Plan, Steps
from greenai.values import FORM_ARGUMENTS, Attempt, Draft, Note, Request, Rung, Work

if TYPE_CHECKING:
    from greenai.budget import Amount, Unit
    from greenai.readings import BudgetLeft
    from greenai.spending import Cap, Charge, Held, Spending

__all__ = ["Way", "afforded", "settled"]

OVERRIDE = 'when_spent = "observe", or a larger limit, in the table of that budget'

LIMITS = ("max_completion_tokens", "max_tokens")
"""What limits an answer; OpenAI's models that reason take the first alone, and other providers know the second."""

LEAST_TOKENS = 16
"""An answer that has to be shorter than this is not asked for."""

MOST_CUTS = 3
"""Several budgets may each ask for a shorter answer."""

Drafting = Callable[[Rung, Request], Draft]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to ask: which rung, with the reasoning that was drafted or `unreasoned`, for how many output tokens.

    `most_tokens` None means as many as were drafted.
    """

    rung: Rung
    request: Request
    unreasoned: bool = False
    most_tokens: int | None = None
    charge: Charge | None = None
    notes: tuple[Note, ...] = ()

    def applied(self, draft: Draft) -> Draft:
        """Return a draft of this way's rung with its limit, and a note of what was made less."""
        draft = replace(draft, notes=(*draft.notes, *self.notes))
        if self.most_tokens is None:
            return draft
        known = (name for name in LIMITS if name in draft.arguments)
        name = next(known, LIMITS[0] if self.rung.site == "openai" else LIMITS[1])
        return replace(draft, arguments={**draft.arguments, name: self.most_tokens})

    def noted(self, rung: Rung, refusal: BudgetExceeded | None) -> Way:
        """Return this way with a note of what is less in it than `rung` as it was drafted."""
        if refusal is None:
            return self
        less = [f"{self.rung.model} instead of {rung.model}"] if self.rung != rung else []
        if self.unreasoned:
            less.append("no reasoning")
        if self.most_tokens is not None:
            less.append(f"at most {self.most_tokens} output tokens")
        text = f"{', '.join(less)}, to stay within {refusal.budget} of {refusal.scope}"
        return replace(self, notes=(Note(nudge="budget", text=text, override=OVERRIDE),))

    def release(self) -> None:
        """End what is held: nothing was sent."""
        if self.charge is not None:
            self.charge.release()


def afforded(
    rung: Rung, attempt_id: str, request: Request, plan: Plan, steps: Steps, ttl_s: float, drafting: Drafting
) -> Flow[Way]:
    """Hold what asking a rung may use, or the first less of it that its budgets allow. Without budgets: at once.

    Raises:
        BudgetExceeded: not even the least can be held, or a budget refuses at once.
        LedgerError: the budgets cannot be checked.
    """
    spending = steps.spending
    if spending is None or not request.scopes:
        return Way(rung=rung, request=request)
    caps = spending.caps_of(request)
    yield from _remembered(request, plan, steps, spending)
    names = (f"{attempt_id}/{number}" for number in count())  # a hold that was released is not held again by its name
    refusal: BudgetExceeded | None = None
    asked: _Asked | None = None
    for way in _ways(rung, request, plan, drafting):
        asked = _Asked.of(way, plan, drafting, spending)
        if refusal is not None and asked.amount().of(_unit_of(refusal, caps)) >= refusal.needed:
            continue  # it needs no less of what is short
        try:
            return (yield from _held(asked, caps, next(names), ttl_s)).noted(rung, refusal)
        except BudgetExceeded as error:
            if _refuses(error, caps):
                raise
            refusal = error
    for _ in range(MOST_CUTS):
        asked = asked.shorter(refusal) if asked is not None and refusal is not None else None
        if asked is None:
            break
        try:
            return (yield from _held(asked, caps, next(names), ttl_s)).noted(rung, refusal)
        except BudgetExceeded as error:
            refusal = error
    raise refusal or AssertionError("there is always one way")


def _remembered(request: Request, plan: Plan, steps: Steps, spending: Spending) -> Flow[None]:
    """Read once what earlier processes' calls of this task took."""
    project, history = request.options.project, spending.tariff.history
    task = "" if plan.assessment is None else plan.assessment.task
    if not task or not history.lacks(project, task):
        return
    taken = yield Work("history", partial(steps.ledger.taken, project, task, charges.MOST_KNOWN))
    history.read(project, task, taken)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A way with the draft that it makes, and the output tokens that it will hardly exceed."""

    way: Way
    draft: Draft
    tokens: int
    plan: Plan
    spending: Spending

    @classmethod
    def of(cls, way: Way, plan: Plan, drafting: Drafting, spending: Spending) -> _Asked:
        draft = drafting(way.rung, way.request)
        tokens = charges.most_tokens(way.request, draft, plan.assessment, spending.tariff)
        return cls(way=way, draft=draft, tokens=tokens, plan=plan, spending=spending)

    def amount(self, tokens: int | None = None) -> Amount:
        return charges.expected(
            self.way.request,
            self.draft,
            self.plan.assessment,
            self.spending.tariff,
            self.tokens if tokens is None else tokens,
        )

    def shorter(self, refusal: BudgetExceeded) -> _Asked | None:
        """Return the same with an answer that fits what is left; None where it may not or cannot be cut."""
        request = self.way.request
        said = receipts.output_limit(request.arguments) is not None or FORM_ARGUMENTS & request.arguments.keys()
        if said or request.stream or request.options.observe:
            return None
        unit = _unit_of(refusal, self.spending.caps_of(request))
        least, most = self.amount(0).of(unit), self.amount().of(unit)
        if most <= least:
            return None
        tokens = min(int(self.tokens * (refusal.left - least) / (most - least)), self.tokens - 1)
        if tokens < LEAST_TOKENS:
            return None
        return replace(self, tokens=tokens, way=replace(self.way, most_tokens=tokens))


def _held(asked: _Asked, caps: tuple[Cap, ...], name: str, ttl_s: float) -> Flow[Way]:
    way = asked.way
    reserve = partial(
        asked.spending.reserve,
        caps,
        asked.amount(),
        name,
        ttl_s,
        observe=way.request.options.observe,
        task=charges.task_of(way.request, asked.draft, asked.plan.assessment),
    )
    charge: Charge = yield Work("budget", reserve)
    return replace(way, charge=charge)


def _ways(rung: Rung, request: Request, plan: Plan, drafting: Drafting) -> Iterator[Way]:
    """Yield the ways to ask, from what was decided to less."""
    yield Way(rung=rung, request=request)
    if request.options.observe:
        return
    lowest = rung
    for lowest in _cheaper(rung, request, plan):
        yield Way(rung=lowest, request=request)
    may_reason = "reasoning" in request.options.opt_in and not effort.stated(request.arguments)
    if may_reason and drafting(lowest, request).reasoning is not False:
        options = replace(request.options, opt_in=request.options.opt_in - {"reasoning"})
        yield Way(rung=lowest, request=replace(request, options=options), unreasoned=True)


def _cheaper(rung: Rung, request: Request, plan: Plan) -> list[Rung]:
    """Return the rungs below one, the nearest first: none where the app chose it, or asked for a better answer."""
    ladder = plan.ladder
    if ladder is None or not ladder.substitutable or request.floor is not None or rung != next(iter(plan.rungs), None):
        return []
    place = next((n for n, known in enumerate(ladder.rungs) if known.model == rung.model), 0)
    return list(reversed(ladder.rungs[:place]))


def _refuses(refusal: BudgetExceeded, caps: tuple[Cap, ...]) -> bool:
    return any(cap.rule.when_spent == "refuse" for cap in caps if _is_of(refusal, cap))


def _is_of(refusal: BudgetExceeded, cap: Cap) -> bool:
    return (cap.scope, cap.budget.text, cap.budget.limit) == (refusal.scope, refusal.budget, refusal.limit)


def _unit_of(refusal: BudgetExceeded, caps: tuple[Cap, ...]) -> Unit:
    return next(cap.budget.unit for cap in caps if _is_of(refusal, cap))


def settled(held: Held, attempt: Attempt) -> Flow[tuple[BudgetLeft | None, tuple[str, ...]]]:
    """Charge the attempt whose answer is delivered; return what is left of its budgets, and what to say of them."""
    charge = held.charge
    if charge is None:
        return None, ()

    def work() -> tuple[BudgetLeft | None, tuple[str, ...]]:
        charge.settle(attempt)
        left, said = charge.spending.left(charge.caps) if charge.holds else (None, ())
        return left, tuple(dict.fromkeys((*charge.told, *said)))

    result: tuple[BudgetLeft | None, tuple[str, ...]] = yield Work("budget", work)
    return result
