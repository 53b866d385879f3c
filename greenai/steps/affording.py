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
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from greenai import receipts
from greenai.catalog import find
from greenai.errors import BudgetExceeded
from greenai.nudges import effort, output_length
from greenai.nudges.messages import say
from greenai.nudges.output_length import BUDGET as NAME
from greenai.prompts import input_tokens_estimate
from greenai.spending import charges, hard
from greenai.spending.held import MOST_ABOVE
from greenai.steps import Flow, Plan, Steps
from greenai.values import FORM_ARGUMENTS, Attempt, Draft, Note, Request, Rung, Work

if TYPE_CHECKING:
    from greenai.budget import Amount, Unit
    from greenai.readings import BudgetLeft
    from greenai.spending import Spending
    from greenai.spending.held import Cap, Charge, Held

__all__ = ["Way", "afforded", "settled"]

OVERRIDE = 'when_spent = "observe", or a larger limit, in the table of that budget'
OF_A_BLOCK = 'client.budget(..., when_spent="observe"), or a larger limit there'

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
    language: str = "en"

    def applied(self, draft: Draft) -> Draft:
        """Return a draft of this way's rung with its limit, and a note of what was made less."""
        draft = replace(draft, notes=(*draft.notes, *self.notes)) if self.notes else draft
        if self.most_tokens is None:
            return draft
        return output_length.limited(draft, self.most_tokens)

    def noted(self, rung: Rung, refusal: BudgetExceeded | None, caps: tuple[Cap, ...]) -> Way:
        """Return this way with a note of what is less in it than `rung` as it was drafted."""
        data: dict[str, Any] = {}
        less: list[str] = []
        if self.rung != rung:
            data |= {"model": self.rung.model, "wanted": rung.model}
            less.append(say("budget.model", data, self.language))
        if self.unreasoned:
            less.append(say("budget.unreasoned", data, self.language))
        if self.most_tokens is not None:
            data["limit"] = self.most_tokens
            less.append(say("budget.limited", data, self.language))
        if refusal is None or not less:
            return self
        cap = next(cap for cap in caps if _is_of(refusal, cap))
        named, override = cap.named, OF_A_BLOCK if cap.scope.startswith("run/") else OVERRIDE
        data |= {"budget": named, "less": ", ".join(less)}
        text = say("budget.less", data, self.language)
        return replace(self, notes=(Note(nudge=NAME, text=text, override=override, id="budget.less", data=data),))

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
    language = steps.switches(request.options.project)[1]
    for way, only_for in _ways(rung, request, plan, drafting):
        asked = _Asked.of(replace(way, language=language), plan, drafting, spending)
        if refusal is not None and (
            asked.least().of(_unit_of(refusal)) >= refusal.needed  # it needs no less of what is short
            or only_for not in (None, refusal.unit)
        ):
            continue
        try:
            return (yield from _held(asked, rung, caps, names, ttl_s, refusal))
        except BudgetExceeded as error:
            if _refuses(error, caps):
                raise
            refusal = error
    for _ in range(MOST_CUTS):
        asked = asked.shorter(refusal) if asked is not None and refusal is not None else None
        if asked is None:
            break
        try:
            return (yield from _held(asked, rung, caps, names, ttl_s, refusal))
        except BudgetExceeded as error:
            refusal = error
            if _refuses(error, caps):
                break
    raise refusal or AssertionError("there is always one way")


def _remembered(request: Request, plan: Plan, steps: Steps, spending: Spending) -> Flow[None]:
    """Read once what earlier processes' calls of this task took."""
    project, history = request.options.project, spending.tariff.history
    task = "" if plan.assessment is None else plan.assessment.task
    if not task or not history.lacks(project, task):
        return
    taken = partial(steps.ledger.taken, project, task, charges.MOST_KNOWN)
    yield Work("history", lambda: history.read(project, task, taken()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A way with the draft that it makes, the output tokens that it will hardly exceed, and those it has at worst."""

    way: Way
    draft: Draft
    tokens: int
    worst: int
    plan: Plan
    spending: Spending

    @classmethod
    def of(cls, way: Way, plan: Plan, drafting: Drafting, spending: Spending) -> _Asked:
        draft = drafting(way.rung, way.request)
        tokens = charges.most_tokens(way.request, draft, plan.assessment, spending.tariff)
        worst = charges.worst_tokens(draft, tokens)
        return cls(way=way, draft=draft, tokens=tokens, worst=worst, plan=plan, spending=spending)

    def amount(self, tokens: int | None = None) -> Amount:
        return charges.expected(
            self.way.request,
            self.draft,
            self.plan.assessment,
            self.spending.tariff,
            self.tokens if tokens is None else tokens,
        )

    @property
    def may_be_cut(self) -> bool:
        """Whether its answer may be limited: it is nothing but text, nobody said how long, and nothing reasons."""
        request = self.way.request
        said = any(request.arguments.get(name) is not None for name in output_length.LIMITS) or _is_formed(request)
        return self.draft.reasoning is False and not (said or request.stream or request.options.observe)

    @property
    def is_open(self) -> bool:
        """Whether its answer may be limited, and is not yet."""
        return self.may_be_cut and self.way.most_tokens is None and receipts.output_limit(self.draft.arguments) is None

    def least(self) -> Amount:
        """Return the least that has to be held for it as it is."""
        return self.amount() if self.may_be_cut else self.amount(self.worst)

    def limited(self, tokens: int) -> _Asked:
        """Return the same with an answer of so many tokens at most."""
        return replace(self, tokens=tokens, worst=tokens, way=replace(self.way, most_tokens=tokens))

    def shorter(self, refusal: BudgetExceeded) -> _Asked | None:
        """Return the same with an answer that fits what is left; None where it may not or cannot be cut."""
        if not self.may_be_cut:
            return None
        unit = _unit_of(refusal)
        least, most = self.amount(0).of(unit), self.amount().of(unit)
        if most <= least:
            return None
        tokens = min(int(self.tokens * (refusal.left - least) / (most - least)), self.tokens - 1)
        return None if tokens < LEAST_TOKENS else self.limited(tokens)


def _is_formed(request: Request) -> bool:
    """Say whether something shapes the answer besides the messages."""
    given = request.arguments
    return given.get("n") not in (None, 1) or any(given.get(name) is not None for name in FORM_ARGUMENTS - {"n"})


class _Holding(NamedTuple):
    """One try to hold a way: what for, and what its answer may become above that."""

    asked: _Asked
    amount: Amount
    above: Amount | None = None

    def needed(self, refusal: BudgetExceeded) -> float:
        """Return what has to be left of the budget that refused."""
        unit = _unit_of(refusal)
        return self.amount.of(unit) + (0.0 if self.above is None else MOST_ABOVE * self.above.of(unit))


def _holdings(asked: _Asked, caps: tuple[Cap, ...], refusal: BudgetExceeded | None) -> Iterator[_Holding]:
    """Yield the ways to hold what is asked, so that what its answer may still become does not overspend a budget.

    Where much is left, what it will hardly exceed; else all that it may have; else the former, which then limits it.
    """
    likely = asked.amount()
    kept = () if asked.way.request.options.observe else hard(caps)
    if not kept or (asked.worst <= asked.tokens and not asked.is_open):
        yield _Holding(asked, likely)
        return
    all_of_it = asked.limited(_room(asked)) if asked.is_open else asked
    worst = all_of_it.amount(all_of_it.worst)
    if refusal is None or worst.of(_unit_of(refusal)) <= refusal.left:
        above = worst - likely
        if asked.is_open or all(cap.has_room(likely, above) for cap in kept):
            yield _Holding(asked, likely, above)
        yield _Holding(all_of_it, worst)
    if asked.may_be_cut:
        fitting = asked.limited(max(asked.tokens, LEAST_TOKENS))
        yield _Holding(fitting, fitting.amount())


def _room(asked: _Asked) -> int:
    """Return a limit for an answer that has none: well above what it will hardly exceed, where its model has room."""
    card = find(asked.way.rung.model)
    room = 0 if card is None or card.context_tokens is None else card.context_tokens
    fits = input_tokens_estimate(asked.way.request) + output_length.LIMIT <= room // 2
    return max(asked.worst, output_length.LIMIT if fits else LEAST_TOKENS)


def _held(
    asked: _Asked,
    rung: Rung,
    caps: tuple[Cap, ...],
    names: Iterator[str],
    ttl_s: float,
    refusal: BudgetExceeded | None,
) -> Flow[Way]:
    """Hold what is asked in one of the ways to hold it.

    Raises:
        BudgetExceeded: none of them fits.
    """
    last: _Holding | None = None
    for holding in _holdings(asked, caps, refusal):
        if last is not None and refusal is not None and holding.needed(refusal) >= last.needed(refusal):
            continue
        (tried, amount, above), last = holding, holding
        way = tried.way
        reserve = partial(
            tried.spending.reserve,
            caps,
            amount,
            next(names),
            ttl_s,
            observe=way.request.options.observe,
            task=charges.task_of(way.request, tried.draft, tried.plan.assessment),
            above=above,
        )
        try:
            charge: Charge = yield Work("budget", reserve)
        except BudgetExceeded as error:
            refusal = error
        else:
            return replace(way, charge=charge).noted(rung, refusal, caps)
    raise refusal or AssertionError("there is always one way to hold")


def _ways(rung: Rung, request: Request, plan: Plan, drafting: Drafting) -> Iterator[tuple[Way, Unit | None]]:
    """Yield the ways to ask, from what was decided to less; and the quantity that one is for, where it is for one."""
    yield Way(rung=rung, request=request), None
    if request.options.observe:
        return
    lowest = rung
    for lowest in _cheaper(rung, request, plan):
        yield Way(rung=lowest, request=request), None
    if "reasoning" not in request.options.opt_in or effort.stated(request.arguments):
        return
    options = replace(request.options, opt_in=request.options.opt_in - {"reasoning"})
    bare = replace(request, options=options)
    if lowest != rung:  # a smaller model would not be the answer to calls that may not reason
        yield Way(rung=rung, request=bare, unreasoned=True), "reasoning_calls"
    if drafting(lowest, request).reasoning is not False:
        yield Way(rung=lowest, request=bare, unreasoned=True), None


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
    return (cap.scope, cap.budget.unit, cap.budget.text) == (refusal.scope, refusal.unit, refusal.budget)


def _unit_of(refusal: BudgetExceeded) -> Unit:
    return cast("Unit", refusal.unit)


def settled(held: Held, attempt: Attempt) -> Flow[tuple[BudgetLeft | None, tuple[str, ...]]]:
    """Charge the attempt whose answer is delivered; return what is left of its budgets, and what to say of them."""
    charge = held.charge
    if charge is None:
        return None, ()

    def work() -> tuple[BudgetLeft | None, tuple[str, ...]]:
        charge.settle(attempt)
        left, said = charge.spending.left(charge.caps) if charge.holds else (None, ())
        amount = charges.used(attempt, charge.spending.tariff, reasoned=False)
        unknown = charges.stated(attempt, amount, {cap.budget.unit for cap in charge.caps})
        return left, tuple(dict.fromkeys((*charge.told, *unknown, *said)))

    result: tuple[BudgetLeft | None, tuple[str, ...]] = yield Work("budget", work)
    return result
