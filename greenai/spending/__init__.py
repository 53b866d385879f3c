"""Whose budgets hold for a call, and holding it against them: before a call, at its end, and for its receipt.

    scopes_of ── which budgets hold          organisation, project, feature, user, key; run: a block of code
    reserve ──── hold, or BudgetExceeded     `observe` refuses nothing, and says what would have been
    count ────── what went out unchecked     at its end, if the ledger can be reached by then
    left ─────── what is left of the tightest, and which shares were crossed

What is counted and how it is kept is in `budget`. A ledger that cannot be reached refuses what is limited, unless the
settings open it; once an answer is there, it costs nobody the answer.
"""

from __future__ import annotations

import copy
import difflib
import hashlib
import logging
import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, get_args
from weakref import WeakValueDictionary

from greenai._locks import Lock
from greenai.around import Around
from greenai.budget import Amount, Budget, BudgetExceeded, BudgetState, Hold, open_ledger
from greenai.errors import InvalidRequest, LedgerError
from greenai.readings import BudgetLeft
from greenai.settings import projects
from greenai.spending import charges
from greenai.spending.held import Cap, Charge, Rule, Unchecked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from greenai.budget import BudgetLedger
    from greenai.places import Site
    from greenai.settings.projects import WhenSpent
    from greenai.values import Options, Request, Rung

__all__ = ["Cap", "Rule", "Run", "Spending", "SpendingSettings", "address", "caps", "hard", "run_of"]

MOST_WARNED = 10_000

LATE_S = 60.0
"""For how long what went out unchecked is held at its end, to be settled at once."""

_ONCE = Amount(calls=1)

logger = logging.getLogger("greenai")


class SpendingSettings(projects.Tables, Protocol):
    """What this module needs to know of the settings."""

    @property
    def budget_url(self) -> str | None:
        """The address of a Redis that keeps the budgets; None keeps them on this machine."""
        ...

    @property
    def state_dir(self) -> Path | None:
        """The folder of this machine's state; None keeps the budgets in memory."""
        ...


@dataclass(slots=True, kw_only=True, weakref_slot=True, eq=False)
class Run:
    """A block of code with a budget of its own. What it shows stays after the block.

    Attributes:
        scope: its name, such as "run/3f2a…".
        budgets: what the block may use.
        when_spent: what happens when that is used.
        spent: what its calls used, six quantities in joules, US dollars, counts and grams.
    """

    budgets: tuple[Budget, ...]
    when_spent: WhenSpent
    scope: str = field(default_factory=lambda: f"run/{uuid.uuid4().hex[:12]}")
    spent: Amount = field(default_factory=Amount)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def left(self) -> tuple[str, ...]:
        """What is left of each budget, in its own unit."""
        return tuple(b.shown(max(b.limit - self.spent.of(b.unit), 0.0)) for b in self.budgets)

    def add(self, amount: Amount) -> None:
        """Count what a call used."""
        with self._lock:
            self.spent += amount

    def __str__(self) -> str:
        each = (f"{b.shown(self.spent.of(b.unit))} of {b.text}" for b in self.budgets)
        return f"{', '.join(each)} in {self.spent.calls} {'call' if self.spent.calls == 1 else 'calls'}"


runs: Around[tuple[Spending | None, Run]] = Around("greenai.runs", limits=True)
"""The budgets of blocks of code, with the client's own that they hold for; None holds for those of every client."""


class Spending:
    """The budgets of one client and its copies. Nothing is opened before a call is held against one.

    Args:
        settings: the tables, which are checked already.
        site: where work draws its electricity, for carbon.
        rungs: the ladder: a limit below the least of it is refused.

    Raises:
        SettingsError: a limit is below one call.
    """

    def __init__(self, settings: SpendingSettings, site: Site, rungs: Sequence[Rung] = ()) -> None:
        self._caps = caps(settings)
        self._open_when_broken = bool(settings.budget.open_when_broken)
        if self._caps:
            projects.refuse_below(settings, *charges.least(rungs, site))
        self.tariff = charges.Tariff(site=site, unknown=projects.unknown_of(settings), history=charges.History())
        self.address = address(settings)
        # A server's ledger is made now, so that a missing package is told now; it connects at its first use.
        self._ledger = open_ledger(self.address) if self._caps and settings.budget_url else None
        # A task that was begun in a block may ask after it: as long as its context knows the run, its budget holds.
        self._runs: WeakValueDictionary[str, Run] = WeakValueDictionary()
        self._warned: set[tuple[object, ...]] = set()
        self._lock = Lock()

    # Whose budgets hold.

    def scopes_of(self, options: Options, arguments: Mapping[str, object], key: Callable[[], str]) -> tuple[str, ...]:
        """Return the scopes that have a budget and hold for a call: none where nothing is limited."""
        around = runs.get()
        found = tuple(self._known(run).scope for spending, run in around if spending in (self, None)) if around else ()
        if not self._caps:
            return found
        named = ("organisation", f"project/{options.project}", f"feature/{options.feature}")
        found += tuple(scope for scope in named if self._caps.get(scope))
        if named[1] not in self._caps:
            self._warn_unnamed(options.project)
        if self._caps.get("user"):
            found += (f"user/{_user(options, arguments)}",)
        if self._caps.get("key"):
            found += (f"key/{key()}",)
        return found

    def _warn_unnamed(self, project: str) -> None:
        """Say once where a project has no budget, and another one has whose name is nearly the same."""
        if not self._first("unnamed", project):
            return
        known = [scope.removeprefix("project/") for scope in self._caps if scope.startswith("project/")]
        close = difflib.get_close_matches(project, known, n=1, cutoff=0.8)
        if close:
            logger.warning(
                "The project %r has no budget, and %r has one. If it is the same, correct the name of the table "
                "projects.%s; if not, give %r a table of its own.",
                project, close[0], close[0], project,
            )  # fmt: skip

    def caps_of(self, request: Request) -> tuple[Cap, ...]:
        """Return the budgets of a request's scopes."""
        caps: list[Cap] = []
        for scope in request.scopes:
            run, kind = self._runs.get(scope), scope.partition("/")[0]
            if run is not None:
                rule = Rule(when_spent=run.when_spent, open_when_broken=self._open_when_broken)
                caps += (Cap(scope=scope, budget=budget, rule=rule) for budget in run.budgets)
            elif scope in self._caps:
                caps += self._caps[scope]
            else:
                caps += (Cap(scope=scope, budget=cap.budget, rule=cap.rule) for cap in self._caps.get(kind, ()))
        return tuple(caps)

    @contextmanager
    def block(self, limits: Sequence[str], when_spent: WhenSpent, eur_usd: float | None) -> Generator[Run]:
        """Hold the calls of this context to budgets; those that are under way at its end settle all the same.

        Raises:
            InvalidRequest: a limit cannot be read, or there is none.
        """
        run = run_of(limits, when_spent, eur_usd)
        with runs.within((self, run)):
            yield run

    def _known(self, run: Run) -> Run:
        self._runs[run.scope] = run
        return run

    # Holding.

    def reserve(
        self,
        caps: tuple[Cap, ...],
        amount: Amount,
        attempt_id: str,
        ttl_s: float,
        *,
        observe: bool = False,
        task: charges.Task | None = None,
        above: Amount | None = None,
    ) -> Charge:
        """Hold an amount against all these budgets, or none.

        Args:
            caps: the budgets.
            amount: what the attempt may use.
            attempt_id: names it, and no other.
            ttl_s: for how long to hold it, in seconds, if nobody ends the hold.
            observe: refuse nothing.
            task: what the call is like, for the next of its kind.
            above: what it may become above that; room for it is then left, and for others like it.

        Raises:
            BudgetExceeded: one of them has too little left.
            LedgerError: they cannot be checked, and no setting lets calls go out unchecked.
        """
        kept = () if observe else hard(caps)
        holds: list[Hold] = []
        unchecked: list[Unchecked] = []
        told: list[str] = []
        if kept:
            try:
                holds.append(self._hold(kept, amount, attempt_id, ttl_s, above))
            except LedgerError as error:
                if not all(cap.rule.open_when_broken for cap in kept):
                    raise _not_checked(kept, error) from error
                unchecked.append(Unchecked(kept, attempt_id))
                told.append(self.warn_broken(error))
        for number, cap in enumerate(cap for cap in caps if cap not in kept):
            name = f"{attempt_id}/watched-{number}"
            try:
                told += self._watch(cap, amount, name, ttl_s, holds)
            except LedgerError as error:
                unchecked.append(Unchecked((cap,), name))
                told.append(self.warn_broken(error))
        return Charge(
            spending=self,
            caps=caps,
            amount=amount,
            holds=tuple(holds),
            unchecked=tuple(unchecked),
            runs=tuple(run for scope in {cap.scope for cap in caps} if (run := self._runs.get(scope)) is not None),
            task=task,
            told=tuple(told),
        )

    def _hold(
        self, caps: Sequence[Cap], amount: Amount, attempt_id: str, ttl_s: float, above: Amount | None = None
    ) -> Hold:
        # What is counted belongs to the window, so that a call may be held to a lower limit of it.
        pairs = [(cap.scope, cap.budget if above is None else cap.above(above)) for cap in caps]
        return self.ledger.reserve_all(pairs, amount, attempt_id=attempt_id, ttl_s=ttl_s)

    def count(self, unchecked: Unchecked, amount: Amount) -> None:
        """Count a call that went out unchecked, where its budgets can be reached by now."""
        try:
            self._hold(unchecked.caps, Amount(), unchecked.attempt_id, LATE_S).settle(amount)
        except LedgerError as error:
            self.warn_broken(error)

    def _watch(self, cap: Cap, amount: Amount, attempt_id: str, ttl_s: float, holds: list[Hold]) -> list[str]:
        """Count a call in a budget that refuses nothing; return what would have been refused."""
        try:
            holds.append(self._hold((cap,), amount, attempt_id, ttl_s))
        except BudgetExceeded as refusal:
            # Nothing is held, and nothing is refused; what was used is counted at the end.
            holds.append(self._hold((cap,), Amount(), f"{attempt_id}/over", ttl_s))
            return [f"Without observe this call would be refused or made smaller: {refusal}"]
        return []

    @property
    def ledger(self) -> BudgetLedger:
        """Where the budgets are counted."""
        if self._ledger is None:
            with self._lock:
                self._ledger = self._ledger or open_ledger(self.address)
        return self._ledger

    def warn_broken(self, error: LedgerError) -> str:
        """Say that budgets cannot be reached: once in the log, and return it for the receipt."""
        said = f"A budget could not be reached: {error}"
        if self._first("broken", type(error)):
            logger.warning(said)
        return said

    def _first(self, *what: object) -> bool:
        with self._lock:
            if what in self._warned:
                return False
            if len(self._warned) >= MOST_WARNED:
                self._warned.clear()
            self._warned.add(what)
            return True

    def looking(self) -> Spending:
        """Return the same budgets, which refuse as these would: nothing is held or counted, and nobody is told."""
        seen = copy.copy(self)
        seen._ledger = self.ledger.looking()  # noqa: SLF001 (its own copy)
        return seen

    # What a receipt says.

    def shown(self, caps: tuple[Cap, ...]) -> tuple[str, ...]:
        """Return what is left of each of these budgets.

        Raises:
            LedgerError: they cannot be reached.
        """
        states = self.ledger.spent_all([(cap.scope, cap.budget) for cap in caps])
        return tuple(_told_left(state).text for state in states)

    def left(self, caps: tuple[Cap, ...]) -> tuple[BudgetLeft | None, tuple[str, ...]]:
        """Return what is left of the tightest budget, and a line for each share of one that was just crossed."""
        try:
            states = self.ledger.spent_all([(cap.scope, cap.budget) for cap in caps])
        except LedgerError as error:
            return None, (self.warn_broken(error),)
        tightest = min(states, key=lambda state: state.left / state.limit)
        return _told_left(tightest), tuple(
            line for cap, state in zip(caps, states, strict=True) for line in self._crossed(cap, state)
        )

    def _crossed(self, cap: Cap, state: BudgetState) -> list[str]:
        share = state.settled / state.limit
        crossed = [at for at in cap.rule.warn_at if share >= at]
        which = (cap.scope, cap.budget.unit, cap.budget.text, state.window_start)
        fresh = [at for at in crossed if self._first(*which, at) and self._first_of_all(cap, at)]
        if not fresh:
            return []
        said = f"{max(fresh):.0%} of the budget of {cap.scope} is used: {_left_until(state)}"
        logger.warning(said)
        return [said]

    def _first_of_all(self, cap: Cap, at: float) -> bool:
        """Say whether no process has told of this share in this window: the ledger lets one do so."""
        once = replace(cap.budget, unit="calls", limit=1.0, text="1 call")
        scope = f"told/{at:g}/{cap.budget.unit}/{cap.budget.text}/{cap.scope}"
        try:
            hold = self.ledger.reserve(scope, once, _ONCE, attempt_id=f"told-{uuid.uuid4().hex}", ttl_s=LATE_S)
            hold.settle(_ONCE)
        except BudgetExceeded:
            return False
        except LedgerError as error:
            self.warn_broken(error)
        return True

    def close(self) -> None:
        """Close the ledger; a later use opens it again."""
        if self._ledger is not None:
            self._ledger.close()


def caps(settings: SpendingSettings) -> Mapping[str, tuple[Cap, ...]]:
    """Return the budgets of the settings by scope; those of `user` and `key` hold for each user and each key."""
    above = settings.budget
    return {scope: _caps(scope, table, above) for path, table in projects.tables(settings) if (scope := _scope(path))}


def address(settings: SpendingSettings) -> str:
    """Return where the budgets are counted: a Redis, a file, or the memory of each process."""
    if settings.budget_url is not None:
        return settings.budget_url
    return ":memory:" if settings.state_dir is None else str(settings.state_dir / "budgets.db")


def place(settings: SpendingSettings) -> str:
    """Return where the budgets are counted, for people; an address may hold a password, so its server alone is said."""
    where = address(settings)
    if where == ":memory:":
        return "the memory of each process, so a command sees none of it"
    scheme, apart, rest = where.partition("://")
    return f"{scheme}{apart}{rest.rpartition('@')[2]}" if apart else where


def _caps(scope: str, table: projects.BudgetTable, above: projects.BudgetTable) -> tuple[Cap, ...]:
    rule = Rule(
        when_spent=table.when_spent or above.when_spent or "downgrade",
        warn_at=table.warn_at if table.warn_at is not None else above.warn_at or (),
        open_when_broken=bool(above.open_when_broken if table.open_when_broken is None else table.open_when_broken),
    )
    return tuple(Cap(scope=scope, budget=budget, rule=rule) for _, budget in projects.budgets(table, above))


def run_of(limits: Sequence[str], when_spent: WhenSpent, eur_usd: float | None = None) -> Run:
    """Return a block of code's own budgets.

    Raises:
        InvalidRequest: a limit cannot be read, or there is none.
    """
    return Run(budgets=_read(limits, eur_usd), when_spent=_one_of_three(when_spent))


def _read(limits: Sequence[str], eur_usd: float | None) -> tuple[Budget, ...]:
    budgets = tuple(Budget.parse(text, eur_usd=eur_usd) for text in limits)
    if not budgets:
        raise InvalidRequest('budget() needs a limit. Write for example: client.budget("0.5 Wh").')
    for budget in budgets:
        if budget.window.kind != "total":
            raise InvalidRequest(
                f'"{budget.text}" has a window, and a block of code ends by itself. Write the amount alone, such as '
                f'"{budget.shown(budget.limit)}", or put the budget into the settings.'
            )
    return budgets


def _one_of_three(when_spent: WhenSpent) -> WhenSpent:
    if when_spent not in get_args(projects.WhenSpent):
        raise InvalidRequest(f"when_spent={when_spent!r} is unknown. Pass 'downgrade', 'refuse' or 'observe'.")
    return when_spent


def _scope(path: Sequence[str]) -> str:
    """Return the scope, or the kind of scope, that a table's path means."""
    if path[0] in ("projects", "features"):
        return f"{path[0].removesuffix('s')}/{path[1]}"
    return {"budget": "organisation", "user_budget": "user", "key_budget": "key"}[path[0]]


def _user(options: Options, arguments: Mapping[str, object]) -> str:
    """Return a digest of who the app says is asking; calls that name nobody share one budget."""
    named = options.user_scope or arguments.get("safety_identifier") or arguments.get("user")
    if not named and not options.tenant:
        return "unnamed"
    return hashlib.sha256(repr((options.tenant, named)).encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _told_left(state: BudgetState) -> BudgetLeft:
    budget = state.budget
    return BudgetLeft(
        scope=state.scope,
        budget=budget.text,
        left=max(state.left, 0.0) / budget.scale,
        limit=budget.limit / budget.scale,
        unit=budget.symbol,
        ends=None if state.window_end is None else state.window_end.timestamp(),
        text=_left_until(state, f" for {state.scope}"),
    )


def _left_until(state: BudgetState, whose: str = "") -> str:
    budget, left = state.budget, max(state.left, 0.0)
    ends = "" if state.window_end is None else f" until {state.window_end:%Y-%m-%d %H:%M} ({budget.timezone})"
    over = f", {budget.shown(state.debt)} over it" if state.debt else ""
    return f"{budget.shown(left)} of {budget.text} left{whose}{ends}{over}"


def hard(caps: Sequence[Cap]) -> tuple[Cap, ...]:
    """Return the budgets that can refuse, those first that do so at once: they are to be told of before any other."""
    kept = (cap for cap in caps if cap.rule.when_spent != "observe")
    return tuple(sorted(kept, key=lambda cap: cap.rule.when_spent != "refuse"))


def _not_checked(caps: Sequence[Cap], error: LedgerError) -> LedgerError:
    scopes = ", ".join(dict.fromkeys(cap.scope for cap in caps))
    said = str(error).rstrip(".")
    return LedgerError(
        f"The budgets of {scopes} cannot be checked, so this call is not made. {said}. "
        "To let calls go out unchecked while that lasts: open_when_broken = true in the table budget."
    )
