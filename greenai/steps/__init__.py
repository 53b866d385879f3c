"""What travels between the stages of one call: the collaborators, the plan and the climb; and how a stage fails open.

The stages themselves are in flow.py (their order) and steps/attempt.py (one rung asked).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from greenai import answerers, hooks, meters, nudges, route
from greenai.answerers.choosing import Chooser
from greenai.answerers.shelf import Shelf, Tried
from greenai.cache import Entry, ExactCache, SemanticTier
from greenai.cache.flights import Flight, Flights
from greenai.classify import Classifier
from greenai.conversations import Conversations
from greenai.feedback import Feedback
from greenai.hours import Forecast
from greenai.ledger import Ledger
from greenai.local import Engines
from greenai.nudges import Advisor, Given
from greenai.places import Site
from greenai.settings import switches
from greenai.spending import Spending
from greenai.spending.held import Held
from greenai.values import Assessment, Attempt, Call, Check, Decision, Draft, Outcome, Reply, Rung, Work

logger = logging.getLogger("greenai")

_SWITCHES = (frozenset(name for name, on in switches.DEFAULT.items() if not on), "en")

FUNCTION = "function/"
"""How the model and the API of a call begin that a function of the app's own makes: which model it asks, it says."""

T = TypeVar("T")
Flow: TypeAlias = Generator["Call | Work[Any]", Any, T]


class NotBegunError(BaseException):
    """Closes a flow whose next step was not begun: where that was a call, nothing was sent.

    No GeneratorExit, as which it would not reach a generator inside another: those are closed with a plain one.
    """


class NotOursError(NotBegunError):
    """Closes a flow whose call turned out to be none of its own: nobody is told of it."""


CLOSING = (GeneratorExit, NotBegunError)
"""What closes a flow; nothing may be yielded any more."""


def fail_open(message: str, work: Callable[[], T], otherwise: T) -> T:
    """Do work that must never cost the caller the answer: if it fails, log `message` and return `otherwise`.

    This is the one place that catches broadly for a cache, a meter, a nudge, an energy model or an observer.
    """
    try:
        return work()
    except Exception:
        logger.warning(message, exc_info=True)
        return otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The collaborators of one client: what the steps need besides the request.

    `denied` holds the models that a provider refused to a key, with that key's namespace; `silent` the models whose
    provider refused to return token probabilities; `asked` the projects that need not be asked for their choice of
    opt-ins. `clock` says what time it is, to the answerers; `own` is what the
    project registered to answer without a general model; `flights` are the calls that equal ones wait for. `advisors`
    see the calls that are done, `advised` is what they said; `switches` says which nudges a project has off, and its
    language; `forecast` knows the hours to come; `chooser` picks one of a closed list, where the settings name one;
    `shelf` has the distilled task models.
    """

    classifier: Classifier
    ledger: Ledger
    engines: Engines
    site: Site
    ladder: tuple[Rung, ...]
    endpoint: Rung | None = None
    pinned: bool = False
    cache: ExactCache | None = None
    semantic: SemanticTier | None = None
    nudges: Sequence[nudges.Nudge] = nudges.DEFAULT
    advisors: Sequence[Advisor] = ()
    advised: Given = field(default_factory=Given)
    switches: Callable[[str], tuple[frozenset[str], str]] = lambda _: _SWITCHES
    forecast: Forecast | None = None
    meters: Sequence[meters.Meter] = meters.METERS
    observers: Sequence[hooks.Observer] = hooks.DEFAULT
    max_prompt_bytes: int = 4_000_000
    store_prompts: bool = False
    denied: set[tuple[str, str]] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    memory: Conversations = field(default_factory=Conversations)
    feedback: Feedback = field(default_factory=lambda: Feedback(route.FLOORS))
    clock: Callable[[], datetime] = answerers.local_now
    own: answerers.Registry = field(default_factory=answerers.Registry)
    flights: Flights = field(default_factory=Flights)
    spending: Spending | None = None
    chooser: Chooser | None = None
    shelf: Shelf = field(default_factory=Shelf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """What came of step 4. `outcome` is None where a model has to be asked; `reply` is None also in a dry run.

    `away_s` are seconds in which others worked, or that an attempt's own reading counts; `keep` says that the answer
    may be stored. `tried` is what a distilled task model would have said, where the large model is to answer, too.
    """

    outcome: Outcome | None = None
    reply: Reply | None = None
    reasons: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    warnings: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    away_s: float = 0.0
    keep: bool = False
    tried: Tried | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was decided before anything was spent. `reply` is set where no model needs to be asked; `own` is step 4.

    `flight` is this call's own, where equal ones may wait for it.
    """

    decision: Decision
    ladder: route.Ladder | None = None
    rungs: tuple[Rung, ...] = ()
    assessment: Assessment | None = None
    key: str | None = None
    reply: Reply | None = None
    entry: Entry | None = None
    own: Answering = Answering()
    flight: Flight | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Climbed:
    """What came of climbing: the reply that is delivered, its hold, every attempt, and whether it was judged good.

    `less` says that less was asked than was decided, for want of budget.
    """

    reply: Reply
    rung: Rung
    draft: Draft
    done: Attempt
    hold: Held
    attempts: tuple[Attempt, ...] = ()
    good: bool = False
    less: bool = False
    warnings: tuple[str, ...] = ()
