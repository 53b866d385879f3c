"""What a call is charged against budgets: before it, what it will hardly exceed; after it, what it took.

Before, the 95th percentile of what the same task took lately in the same project; until that is known, the
classifier's 90th percentile; never more than the app allows. What nobody knows is charged as the settings say.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from greenai import receipts
from greenai._locks import Lock
from greenai.budget import Amount
from greenai.catalog import find
from greenai.meters import cost
from greenai.places import drawn
from greenai.readings import Reading
from greenai.values import Attempt, Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from greenai.places import Site
    from greenai.values import Assessment, Draft, Request, Rung

__all__ = ["LEAST_KNOWN", "MOST_KNOWN", "History", "Tariff", "Task", "expected", "least", "most_tokens", "used"]

LEAST_KNOWN = 20
"""How many calls of a task have to be known before its own 95th percentile counts."""

MOST_KNOWN = 200
MOST_TASKS = 1000

THINKING = round(receipts.DEFAULT_THINKING_TOKENS * receipts.THINKING_SPREAD)
"""Thinking tokens that a call hardly exceeds where nothing is known of its task."""

UNASSESSED = 1000
"""Output tokens of a call that no classifier has looked at. Assumption, on the high side."""


SHORT = Usage(input_tokens=8, output_tokens=1)
"""As little as a question and its answer may be."""


class Task(NamedTuple):
    """What calls are alike: of one project, one task, one model, with or without reasoning."""

    project: str
    task: str
    model: str
    reasons: bool


class History:
    """What the latest calls of each task took, output tokens and joules: those it is told of, and what it has read."""

    def __init__(self) -> None:
        self._taken: OrderedDict[Task, deque[tuple[int, float | None]]] = OrderedDict()
        self._read: set[tuple[str, str]] = set()
        self._lock = Lock()

    def lacks(self, project: str, task: str) -> bool:
        """Say whether nobody has read yet what earlier processes had of a project's task."""
        return (project, task) not in self._read

    def read(self, project: str, task: str, taken: Iterable[tuple[str, bool, int, float | None]]) -> None:
        """Take over (model, whether it reasoned, output tokens, joules) of earlier calls, the newest first."""
        with self._lock:
            if (project, task) in self._read:
                return
            if len(self._read) >= MOST_TASKS:
                self._read.clear()
            self._read.add((project, task))
            for model, reasoned, tokens, joules in taken:
                known = self._taken.setdefault(Task(project, task, model, reasoned), deque(maxlen=MOST_KNOWN))
                if len(known) < MOST_KNOWN:
                    known.appendleft((tokens, joules))

    def add(self, task: Task, output_tokens: int, energy_j: float | None) -> None:
        """Remember a call."""
        with self._lock:
            self._taken.setdefault(task, deque(maxlen=MOST_KNOWN)).append((output_tokens, energy_j))
            self._taken.move_to_end(task)
            if len(self._taken) > MOST_TASKS:
                self._taken.popitem(last=False)

    def p95(self, task: Task) -> tuple[int, float | None] | None:
        """Return the 95th percentiles of output tokens and of joules; None while too few calls are known."""
        with self._lock:
            taken = tuple(self._taken.get(task, ()))
        if len(taken) < LEAST_KNOWN:
            return None
        energies = sorted(joules for _, joules in taken if joules is not None)
        known = len(energies) == len(taken)
        return sorted(tokens for tokens, _ in taken)[_at(len(taken))], energies[_at(len(energies))] if known else None


def _at(count: int) -> int:
    return min(-(-count * 95 // 100), count) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """How calls are charged: where they run, what unknown prices and energies count as, what tasks took before."""

    site: Site
    unknown: Amount
    history: History


def most_tokens(request: Request, draft: Draft, assessment: Assessment | None, tariff: Tariff) -> int:
    """Return the output tokens that this call will hardly exceed, thinking included."""
    known = tariff.history.p95(task_of(request, draft, assessment))
    if known is not None:
        tokens = known[0]
    else:
        tokens = (assessment.expected_output_tokens[1] if assessment else UNASSESSED) + (reasons(draft) and THINKING)
    limit = receipts.output_limit(draft.arguments)
    return max(tokens if limit is None else min(tokens, limit), 1)


def task_of(request: Request, draft: Draft, assessment: Assessment | None) -> Task:
    """Return what calls this one is like."""
    task = "" if assessment is None else assessment.task
    return Task(request.options.project, task, draft.rung.model, reasons(draft))


def reasons(draft: Draft) -> bool:
    """Say whether the model will reason; where nothing was sent about it, as it does by default."""
    if draft.reasoning is not None:
        return draft.reasoning
    card = find(draft.rung.model)
    return card is not None and card.reasoning.default == "on"


def expected(
    request: Request, draft: Draft, assessment: Assessment | None, tariff: Tariff, output_tokens: int
) -> Amount:
    """Return what a call with so many output tokens is held for."""
    usage = Usage(input_tokens=receipts.input_tokens_estimate(request), output_tokens=output_tokens, estimated=True)
    service = cost.service(draft.arguments)
    energy = receipts.modelled(find(draft.rung.model), usage, service)
    known = tariff.history.p95(task_of(request, draft, assessment))
    if known is not None and known[1] is not None:
        energy = replace(energy, energy_j=known[1] * min(output_tokens / max(known[0], 1), 1.0))
    usd = cost.of(draft.rung.model, usage, service) if draft.rung.site != "endpoint" else None
    return _amount(energy, usd, usage, draft.rung.site, tariff, reasons=reasons(draft))


def least(rungs: Sequence[Rung]) -> tuple[Amount, str]:
    """Return the least energy and money that a short answer takes on any of these rungs, and the one of least energy.

    Nothing where a rung's are unknown.
    """
    found: list[tuple[float, float, str]] = []
    for rung in rungs:
        energy = receipts.modelled(find(rung.model), SHORT).low_j
        usd = cost.of(rung.model, SHORT) if rung.site != "endpoint" else None
        found.append((energy or 0.0, usd or 0.0, rung.model))
    if not found:
        return Amount(), ""
    return Amount(energy_j=min(j for j, _, _ in found), usd=min(usd for _, usd, _ in found)), min(found)[2]


def used(attempt: Attempt, tariff: Tariff, *, reasoned: bool) -> Amount:
    """Return what an attempt is known to have taken: of one that failed, only what was measured."""
    if attempt.state == "failed":
        if attempt.energy.energy_j is None:
            return Amount()
        return _amount(attempt.energy, 0.0, attempt.usage, attempt.site, tariff, reasons=reasoned)
    reasoned = reasoned or bool(attempt.usage.reasoning_tokens)
    return _amount(attempt.energy, cost.of_attempt(attempt), attempt.usage, attempt.site, tariff, reasons=reasoned)


def _amount(energy: Reading, usd: float | None, usage: Usage, site: str, tariff: Tariff, *, reasons: bool) -> Amount:
    if energy.energy_j is None:
        energy = replace(energy, energy_j=tariff.unknown.energy_j)
    return Amount(
        energy_j=energy.energy_j or 0.0,
        usd=tariff.unknown.usd if usd is None else usd,
        tokens=(usage.input_tokens or 0) + (usage.output_tokens or 0),
        calls=1,
        reasoning_calls=int(reasons),
        carbon_g=drawn(site, energy, tariff.site).carbon_g or 0.0,
    )
