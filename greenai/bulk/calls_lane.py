"""Answers items one by one, some at once, as the client answers any call: cache, budgets, receipts and ledger hold.

What fails for one item is kept as its error. What would fail for all of them (a budget that is spent, no key, a server
that is away) ends the run, and nothing that was answered is lost.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeAlias

from greenai.bulk.values import Answered, Failure, Item
from greenai.errors import (
    BudgetExceeded,
    CacheError,
    EngineError,
    GreenAIError,
    LedgerError,
    MissingExtra,
    MissingKey,
    ModelError,
    ModelMissing,
    NoSufficientModel,
    OptInRequired,
    SettingsError,
    UnknownModel,
)

if TYPE_CHECKING:
    from greenai.bulk.lanes import Backend, Bench, Keep, Stop, Tell
    from greenai.session import Session
    from greenai.values import Answer, Request

__all__ = ["AT_ONCE", "Ask", "CallsLane", "at_once", "failure_of"]

Ask: TypeAlias = "Callable[[Request], Answer]"

AT_ONCE = 8
"""How many requests are under way at the same time where nothing says otherwise: few enough for small rate limits."""

ENDING = (BudgetExceeded, LedgerError, MissingExtra, MissingKey, ModelMissing, SettingsError)
"""What no other item of a batch would fare better with."""
REFUSED = frozenset((401, 402, 403))
"""Statuses by which a provider refuses the caller, not the request."""
IN_A_ROW = 3
"""After so many times `at_once` failures on end that are no item's fault, the run ends: the server is away."""

_PASSING = (CacheError, EngineError)
_BY_OPTIONS = (NoSufficientModel, OptInRequired, UnknownModel)
"""What the same request would fare better with under other options or settings; nobody was asked."""
_ITS_OWN = frozenset(kind.__name__ for kind in _BY_OPTIONS)
_AGAIN = frozenset((404, 408, 409, 425, 429))
"""Statuses after which the same request may be answered later; 404: a model that the server does not have, yet."""
_LOOK_S = 0.2
STOPPING = "stopping; Ctrl-C again does not wait"


def at_once(session: Session, models: frozenset[str | None]) -> int:
    """Return how many requests are best under way at once: as many as a local engine generates together."""
    names = {name for model in models for name in ([model] if model not in (None, "auto") else _ladder(session))}
    if len(names) != 1 or not (name := next(iter(names))).startswith("local/"):
        return AT_ONCE
    return slots(session, name.removeprefix("local/"))


def _ladder(session: Session) -> list[str]:
    """Return who may answer where no model is named; a server behind `base_url` has models of its own."""
    if session.config.endpoint is not None:
        return [""]
    return [rung.model for rung in session.resources.steps.ladder]


def slots(session: Session, name: str) -> int:
    """Return how many answers the engine of a local model generates at the same time: as tuned, else as set."""
    from greenai.local.names import path_of

    engines = session.resources.engines
    try:
        path = path_of(name, engines.settings.weights_dir)
    except ModelError:  # which the first call says
        return engines.settings.slots
    if engines.tuned is None or path is None:
        return engines.settings.slots
    return engines.tuned(name, path, engines.settings)[0].slots


class CallsLane:
    """The client's own flow.

    Args:
        bench: what every lane works with.
        ask: answers one request; by default as the sync client does.
    """

    name: Backend = "calls"

    def __init__(self, bench: Bench, ask: Ask | None = None) -> None:
        self._session = bench.session
        self._at_once = bench.at_once or AT_ONCE
        self._ask = ask or bench.session.answer

    def answer(self, items: Sequence[Item], keep: Keep, tell: Tell, until: Stop) -> None:
        """Answer the items, `at_once` of them at a time."""
        tell(f"{min(self._at_once, len(items))} at once")
        run = _Run(self, items, keep, until, IN_A_ROW * self._at_once)
        workers = [
            threading.Thread(target=copy_context().run, args=(run.work,), name="greenai-batch", daemon=True)
            for _ in range(min(self._at_once, len(items)))
        ]
        for worker in workers:
            worker.start()
        try:
            stopping = False
            for worker in workers:
                while worker.is_alive():
                    worker.join(_LOOK_S)
                    if not stopping and until():
                        stopping = True
                        tell(STOPPING)
        except BaseException as error:  # a second Ctrl-C: nobody waits, and nothing more is asked
            run.end(error)
            raise
        if run.ended is not None:
            raise run.ended

    def asked(self, item: Item) -> Answered:
        """Ask one item; raises what no other item would fare better with."""
        try:
            body = dict(item.body)
            messages, model = body.pop("messages"), body.pop("model", None)
            if item.options:
                body["greenai"] = dict(item.options)
            request = self._session.request("batch", messages, model, stream=False, arguments=body)
            answer = self._ask(request)
        except ENDING:
            raise
        except Exception as error:
            failure = failure_of(error)
            if failure is None or failure.status in REFUSED or failure.code == "insufficient_quota":
                raise
            return Answered(error=failure)
        completion: Any = self._session.completion(answer)
        response = completion.model_dump(mode="json", exclude_unset=True, exclude={"greenai"})
        return Answered(response=response, receipt=answer.receipt.to_dict())


class _Run:
    """One run of the lane: who takes the next item, and whether there is to be one."""

    def __init__(self, lane: CallsLane, items: Sequence[Item], keep: Keep, until: Stop, most: int) -> None:
        self.ended: BaseException | None = None
        self._lane = lane
        self._items: Iterator[Item] = iter(items)
        self._keep = keep
        self._until = until
        self._most = most
        self._failing = 0
        self._lock = threading.Lock()

    def work(self) -> None:
        """Answer items until there are none left, or somebody or something ends the run."""
        while (item := self._next()) is not None:
            try:
                answered = self._lane.asked(item)
                self._keep(item.key, answered)
            except BaseException as error:  # noqa: BLE001  # raised again by the thread that waits for this one
                self.end(error)
                return
            self._note(answered)

    def _next(self) -> Item | None:
        with self._lock:
            return None if self.ended is not None or self._until() else next(self._items, None)

    def end(self, error: BaseException) -> None:
        """Ask nothing more; the first error is the one that is raised."""
        with self._lock:
            self.ended = self.ended or error

    def _note(self, answered: Answered) -> None:
        """Count failures on end that are no item's own: a server that is away would fail them all."""
        error = answered.error
        with self._lock:
            outside = error is not None and not error.final and error.code not in _ITS_OWN
            self._failing = self._failing + 1 if outside else 0
            if error is not None and self._failing >= self._most and self.ended is None:
                self.ended = GreenAIError(f"The last {self._failing:,} requests failed, each with: {error.message}")


def failure_of(error: Exception) -> Failure | None:
    """Return what came of an item whose call raised this; None where that is no failure of a call."""
    if isinstance(error, GreenAIError):
        return Failure(
            code=type(error).__name__, message=_said(error), final=not isinstance(error, (*_PASSING, *_BY_OPTIONS))
        )
    import openai

    if isinstance(error, TypeError):  # an argument that `create` does not have
        return Failure(code="invalid_request_error", message=_said(error), status=400)
    if not isinstance(error, openai.APIError):
        return None
    status = getattr(error, "status_code", None)
    final = status is not None and 400 <= status < 500 and status not in _AGAIN
    code = error.code or (error.type if isinstance(error.type, str) else None) or type(error).__name__
    return Failure(code=str(code), message=_said(error), status=status, final=final)


def _said(error: Exception) -> str:
    return " ".join((str(error), *getattr(error, "__notes__", ())))
