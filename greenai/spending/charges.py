"""What a call is charged against budgets: before it, what it will hardly exceed; after it, what it took.

Before, the 95th percentile of the output of the same task's latest calls in the same project, with this call's own
input; until that is known, the classifier's 90th percentile; never more than the app allows. What nobody knows is
charged as the settings say, and more where there are many tokens.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from greenai import receipts
from greenai._locks import Lock
from greenai.budget import Amount
from greenai.catalog import find
from greenai.meters import cost
from greenai.places import drawn
from greenai.prompts import input_tokens_estimate
from greenai.readings import Reading
from greenai.units import format_energy, significant
from greenai.values import Attempt, Usage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from greenai.places import Site
    from greenai.values import Assessment, Draft, Request, Rung

__all__ = [
    "LEAST_KNOWN", "MOST_KNOWN", "History", "Tariff", "Task", "choices", "expected", "least", "most_tokens", "stated",
    "task_of", "used", "worst_tokens",
]  # fmt: skip

LEAST_KNOWN = 20
"""How many calls of a task have to be known before its own 95th percentile counts."""

MOST_KNOWN = 200
MOST_TASKS = 1000

THINKING = round(receipts.DEFAULT_THINKING_TOKENS * receipts.THINKING_SPREAD)
"""Thinking tokens that a call hardly exceeds where nothing is known of its task."""

UNASSESSED = 1000
"""Output tokens of a call that no classifier has looked at. Assumption, on the high side."""

MARGIN = 2
"""How far above what it will hardly exceed a call is taken to go at worst, where nothing limits its output. Assumption:
a stream, a tool call or a form of answer that is cut is worth nothing, so that none is limited here."""

MOST_TOKENS = 10**9
"""What an answer is held for at most: the app's own limit may be any number."""

STATED_FOR_TOKENS = 1000
"""The output tokens that a stated price or energy of a call is for; more are charged more (settings/projects.py)."""

INPUT_SHARE = 0.25
"""What an input token counts of an output token where neither's price is known. Assumption: a fifth is usual."""

_OF_ENERGY = frozenset(("energy_j", "carbon_g"))

SHORT = Usage(input_tokens=8, output_tokens=1)
"""As little as a question and its answer may be."""


class Task(NamedTuple):
    """What calls are alike: of one project, one task, one model, with or without reasoning, with as many choices."""

    project: str
    task: str
    model: str
    reasons: bool
    choices: int = 1


class History:
    """What the latest calls of each task took: output tokens, and how many times the modelled energy.

    Those that it is told of, and what it has read.
    """

    def __init__(self) -> None:
        self._taken: OrderedDict[Task, deque[tuple[int, float]]] = OrderedDict()
        self._found: dict[Task, tuple[int, float]] = {}
        self._read: set[tuple[str, str]] = set()
        self._lock = Lock()

    def lacks(self, project: str, task: str) -> bool:
        """Say whether nobody has read yet what earlier processes had of a project's task."""
        return (project, task) not in self._read

    def read(self, project: str, task: str, taken: Iterable[tuple[str, bool, int | None, int, float | None]]) -> None:
        """Take over (model, whether it reasoned, input and output tokens, joules) of earlier calls, newest first."""
        with self._lock:
            if (project, task) in self._read:
                return
            if len(self._read) >= MOST_TASKS:
                self._read.clear()
            self._read.add((project, task))
            self._found.clear()
            for model, reasoned, input_tokens, tokens, joules in taken:
                known = self._taken.setdefault(Task(project, task, model, reasoned), deque(maxlen=MOST_KNOWN))
                if len(known) < MOST_KNOWN:
                    usage = Usage(input_tokens=input_tokens, output_tokens=tokens)
                    known.appendleft((tokens, _times(model, usage, joules)))

    def add(self, task: Task, usage: Usage, energy_j: float | None, service: str | None = None) -> None:
        """Remember a call."""
        times = _times(task.model, usage, energy_j, service)
        with self._lock:
            self._taken.setdefault(task, deque(maxlen=MOST_KNOWN)).append((usage.output_tokens or 0, times))
            self._taken.move_to_end(task)
            self._found.pop(task, None)
            if len(self._taken) > MOST_TASKS:
                self._found.pop(self._taken.popitem(last=False)[0], None)

    def p95(self, task: Task) -> tuple[int, float] | None:
        """Return the 95th percentiles of output tokens, and of how many times the modelled energy they took.

        None while too few calls are known.
        """
        with self._lock:
            taken = self._taken.get(task)
            if taken is None or len(taken) < LEAST_KNOWN:
                return None
            if task not in self._found:  # one call asks several times
                at = _at(len(taken))
                tokens, times = (sorted(values)[at] for values in zip(*taken, strict=True))
                self._found[task] = int(tokens), times
            return self._found[task]


def _at(count: int) -> int:
    return min(-(-count * 95 // 100), count) - 1


def _times(model: str, usage: Usage, joules: float | None, service: str | None = None) -> float:
    """Return how many times the modelled energy a call took; 1 where that is less, or where one is not known."""
    if joules is None:
        return 1.0
    modelled_j = receipts.modelled(find(model), usage, service).energy_j
    return max(joules / modelled_j, 1.0) if modelled_j else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """How calls are charged: where they run, what unknown prices and energies count as, what tasks took before."""

    site: Site
    unknown: Amount
    history: History


def most_tokens(request: Request, draft: Draft, assessment: Assessment | None, tariff: Tariff) -> int:
    """Return the output tokens that this call will hardly exceed, thinking included."""
    known, several = tariff.history.p95(task_of(request, draft, assessment)), choices(draft)
    if known is not None:
        tokens = known[0]
    else:
        tokens = assessment.expected_output_tokens[1] if assessment else UNASSESSED
        tokens = (tokens + (reasons(draft) and THINKING)) * several
    limit = _limit(draft)
    return max(min(tokens, MOST_TOKENS if limit is None else limit * several), 1)


def worst_tokens(draft: Draft, most: int) -> int:
    """Return the output tokens that a call may have at worst: its limit, else `MARGIN` times what it hardly exceeds."""
    limit = _limit(draft)
    return min(MARGIN * most if limit is None else limit * choices(draft), MOST_TOKENS)


def choices(draft: Draft) -> int:
    """Return how many answers to one question are asked for."""
    return max(_whole(_sent(draft).get("n")) or 1, 1)


def _limit(draft: Draft) -> int | None:
    return receipts.output_limit({name: _whole(value) for name, value in _sent(draft).items()})


def _sent(draft: Draft) -> Mapping[str, object]:
    """Return the arguments as they are sent: those in `extra_body` stand over the others."""
    body = draft.arguments.get("extra_body")
    return {**draft.arguments, **body} if isinstance(body, Mapping) else draft.arguments


def _whole(value: object) -> int | None:
    """Return a number as servers read it that take 9000.0 and "9000" too; None of what is none."""
    if not isinstance(value, (int, float, str)) or isinstance(value, bool):
        return None
    try:
        return int(value)
    except (ValueError, OverflowError):  # a text, NaN, infinity
        return None


def task_of(request: Request, draft: Draft, assessment: Assessment | None) -> Task:
    """Return what calls this one is like."""
    task = "" if assessment is None else assessment.task
    return Task(request.options.project, task, draft.rung.model, reasons(draft), choices(draft))


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
    usage = Usage(input_tokens=input_tokens_estimate(request), output_tokens=output_tokens, estimated=True)
    service = cost.service(draft.arguments)
    energy = receipts.modelled(find(draft.rung.model), usage, service)
    known = tariff.history.p95(task_of(request, draft, assessment))
    if known is not None and energy.energy_j is not None:
        energy = replace(energy, energy_j=energy.energy_j * known[1])
    usd = cost.of(draft.rung.model, usage, service) if draft.rung.site != "endpoint" else None
    return _amount(energy, usd, usage, draft.rung.site, tariff, reasons=reasons(draft))


def least(rungs: Sequence[Rung], site: Site) -> tuple[Amount, str]:
    """Return the least that a short answer takes on any of these rungs, and the one of least energy.

    Nothing of what is unknown of a rung.
    """
    found: list[tuple[float, float, float, str]] = []
    for rung in rungs:
        energy = receipts.modelled(find(rung.model), SHORT)
        usd = cost.of(rung.model, SHORT) if rung.site != "endpoint" else None
        found.append((energy.low_j or 0.0, usd or 0.0, drawn(rung.site, energy, site).carbon_low_g or 0.0, rung.model))
    if not found:
        return Amount(), ""
    energy_j, usd, carbon_g = (min(each) for each in list(zip(*found, strict=True))[:3])
    tokens = (SHORT.input_tokens or 0) + (SHORT.output_tokens or 0)
    return Amount(energy_j=energy_j, usd=usd, carbon_g=carbon_g, tokens=tokens, calls=1), min(found)[3]


def used(attempt: Attempt, tariff: Tariff, *, reasoned: bool) -> Amount:
    """Return what an attempt is known to have taken: of one that failed, only what was measured.

    Each request that was sent again before the answer came counts as a call. What a provider may have generated for
    nobody then is in the receipt's interval, and not here.
    """
    if attempt.state == "failed":
        if attempt.energy.energy_j is None:
            return Amount()
        return _amount(attempt.energy, 0.0, attempt.usage, attempt.site, tariff, reasons=reasoned)
    reasoned = reasoned or bool(attempt.usage.reasoning_tokens)
    usd = cost.of_attempt(attempt)
    calls = 1 + len(attempt.tries)
    return _amount(attempt.energy, usd, attempt.usage, attempt.site, tariff, reasons=reasoned, calls=calls)


def stated(attempt: Attempt, amount: Amount, units: Collection[str]) -> tuple[str, ...]:
    """Return in words what budgets of these units were charged for an attempt, where the settings state it."""
    if attempt.state == "failed":
        return ()
    said: list[tuple[str, str, str]] = []
    if attempt.energy.energy_j is None and not _OF_ENERGY.isdisjoint(units):
        said.append(("energy", format_energy(amount.energy_j), "unknown_energy"))
    if cost.of_attempt(attempt) is None and "usd" in units:
        said.append(("price", f"{significant(amount.usd)} USD", "unknown_cost"))
    words = "The {} is unknown, so budgets were charged {}, by the setting {}."
    return tuple(words.format(*each) for each in said)


def _amount(
    energy: Reading, usd: float | None, usage: Usage, site: str, tariff: Tariff, *, reasons: bool, calls: int = 1
) -> Amount:
    read, written = usage.input_tokens or 0, usage.output_tokens or 0
    times = max((written + INPUT_SHARE * read) / STATED_FOR_TOKENS, 1.0)
    if energy.energy_j is None:
        energy = replace(energy, energy_j=times * tariff.unknown.energy_j)
    return Amount(
        energy_j=energy.energy_j or 0.0,
        usd=times * tariff.unknown.usd if usd is None else usd,
        tokens=read + written,
        calls=calls,
        reasoning_calls=int(reasons),
        carbon_g=drawn(site, energy, tariff.site).carbon_g or 0.0,
    )
