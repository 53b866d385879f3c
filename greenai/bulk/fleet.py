"""Answer many calls at once on an engine that takes whole lists of them: what both lanes of a GPU fleet share.

    item ─ flow ─ cache, budgets, nudges ─ its call ┐
    item ─ flow ─ …                      ─ its call ┼─ crew.ask([call, call, …]) ─ each flow goes on with its answer,
    item ─ flow ─ answered by the cache, kept       ┘                              which is settled, stored and kept

Every item goes through the client's own flow, stopped at the point where it would call a provider. So the same things
hold for it as for any call to a model on this machine: budgets, cache, reasoning off, ledger and receipt. What the
engine took together is shared out among its calls by their tokens.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from greenai import drivers
from greenai.bulk.calls_lane import ENDING, failure_of
from greenai.bulk.values import Answered, Item
from greenai.catalog import find
from greenai.errors import BudgetExceeded, EngineError, InvalidRequest
from greenai.local import Engine, Engines, Lease
from greenai.local.batcher import divide
from greenai.local.names import KNOWN
from greenai.meters import work
from greenai.readings import Reading
from greenai.receipts import modelled
from greenai.steps import Flow, NotBegunError, Steps
from greenai.values import Answer, Call, Reply, Usage, Work

if TYPE_CHECKING:
    from greenai.bulk.lanes import Keep, Stop
    from greenai.provider import Opened
    from greenai.session import Session
    from greenai.values import Request

__all__ = ["Crew", "Loaded", "Told", "drive", "one_model", "packed", "shared", "unpacked"]

PREFIXES = ("local/", "hosted_vllm/", "vllm/")
"""What a model's name may begin with here: all mean the weights of that name, on this fleet."""


# --- what an engine is, and says ------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an engine says of one call: a `ChatCompletion` as JSON, or why there is none, as `refused` and `status`.

    `energy` is this call's share of what was measured; None where nobody measured. `latency_s` counts the whole list.
    """

    body: Mapping[str, Any] | None = field(default=None, repr=False)
    refused: str | None = None
    status: int | None = None
    energy: Reading | None = None
    latency_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What loading an engine took here: seconds, core-seconds (None: not known), and joules of its GPUs."""

    seconds: float = 0.0
    core_s: float | None = None
    gpu_j: float = 0.0


class Crew(Protocol):
    """Whoever answers lists of calls. `model` is the name of its weights."""

    @property
    def model(self) -> str:
        """The name of the weights."""
        ...

    def load(self) -> Loaded:
        """Make ready; called once, before the first list."""
        ...

    def ask(self, calls: Sequence[Call]) -> Generator[tuple[int, Told]]:
        """Yield the place of each call and what came of it, in any order, as soon as it is there."""
        ...


def packed(told: Told) -> dict[str, Any]:
    """Return it as JSON, for a way between processes."""
    energy = None if told.energy is None else told.energy.to_dict()
    return {
        "body": told.body,
        "refused": told.refused,
        "status": told.status,
        "energy": energy,
        "latency_s": told.latency_s,
    }


def unpacked(said: Mapping[str, Any]) -> Told:
    """Return what `packed` packed."""
    energy: dict[str, Any] | None = said["energy"]
    fields: dict[str, Any] = {**said, "energy": None if energy is None else _reading(energy)}
    return Told(**fields)


def _reading(said: dict[str, Any]) -> Reading:
    fields: dict[str, Any] = {**said, "footprint": None}  # where it was drawn is said where receipts are made
    return Reading(**fields)


def shared(reading: Reading | None, usages: Sequence[Usage]) -> list[Reading | None]:
    """Share what was measured of several calls out among them by their tokens; the parts add up to the microjoule."""
    if reading is None or reading.energy_j is None or len(usages) <= 1:
        return [reading] * len(usages)
    micro_j = max(round(reading.energy_j * 1e6), 1)
    parts = divide(micro_j, [work(usage) or 0.0 for usage in usages])
    shares: list[Reading | None] = [_part(reading, part / micro_j, len(usages)) for part in parts]
    return shares


def _part(reading: Reading, part: float, count: int) -> Reading:
    names = ("energy_j", "low_j", "high_j", "gpu_energy_j", "gpu_low_j", "gpu_high_j")
    values: dict[str, Any] = {name: _times(getattr(reading, name), part) for name in names}
    return replace(
        reading,
        **values,
        evidence="measured_shared",
        method=f"{reading.method}, shared by the tokens of {count} calls",
        components={name: joules * part for name, joules in reading.components.items()},
    )


def _times(value: float | None, part: float) -> float | None:
    return None if value is None else value * part


# --- which model ----------------------------------------------------------------------------


def one_model(items: Sequence[Item], backend: str) -> str:
    """Return the name of the weights that all items ask for.

    Raises:
        InvalidRequest: they ask for several, or one of them for none.
    """
    named = {_weights(item.body.get("model")) for item in items}
    if "" in named:
        raise InvalidRequest(
            f'A request of this batch names no model, and backend="{backend}" loads one. '
            'Name it in each request: {"model": "Qwen/Qwen3-8B", "messages": [...]}.'
        )
    if len(named) > 1:
        raise InvalidRequest(
            f'This batch names {len(named)} models ({", ".join(sorted(named))}), and backend="{backend}" loads one at '
            "a time. Make a batch of each."
        )
    return next(iter(named))


def _weights(model: object) -> str:
    name = "" if model in (None, "auto") else str(model)
    return next((name.removeprefix(prefix) for prefix in PREFIXES if name.startswith(prefix)), name)


# --- the engine, as the flow sees it --------------------------------------------------------


class _Here(Engine):
    """The crew's engine in the place of a process of ours: the flow asks it for its defaults and what loading took."""

    def __init__(self, model: str, loaded: Loaded) -> None:
        # Engine's own __init__ wants a running process.
        known = KNOWN.get(model)
        self.model = model
        self.card_name = f"local/{model}"
        self.base_url, self.api_key = "http://fleet.invalid/v1", "none"  # nothing is sent there
        self.pid = os.getpid()
        self.load_s, self.core_s = loaded.seconds, loaded.core_s
        self.load_gpu_j = loaded.gpu_j
        self._start_core_s = deque(() if loaded.core_s is None else (loaded.core_s,))
        self.defaults = known.defaults if known else {}
        self.default_system = known.default_system if known else None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"

    def alive(self) -> bool:
        """Return True: whoever made it ends it."""
        return True

    def close(self) -> None:
        """Do nothing."""


class _CrewEngines(Engines):
    """Gives the crew's engine under its one name, loaded when it is first asked for."""

    def __init__(self, crew: Crew) -> None:
        super().__init__()
        self._crew = crew
        self._engine: _Here | None = None

    def lease(self, name: str, timeout_s: float | None = None) -> Lease:
        """Return the engine, loading it if need be."""
        del name, timeout_s
        if self._engine is None:
            self._engine = _Here(self._crew.model, self._crew.load())
        return Lease(self._engine)

    def seat(self, name: str, run_at: str | None = None) -> None:
        """Return None: a batch has a time of its own."""
        del name, run_at


class _Slot:
    """A meter for one call: it returns the share that the engine's answer came with."""

    reading: Reading | None = None

    def __call__(self, pid: int, watts_per_core: float | None, /) -> _Slot:
        del pid, watts_per_core
        return self

    def stop(self, tokens: float | None = None) -> Reading | None:
        del tokens
        return self.reading


class _Paused:
    """Stands for a provider where a flow is to stop at its call."""

    def open(self, call: Call) -> Opened:
        from greenai.provider import Opened

        del call
        return Opened(source=None, response=None, tries=())

    async def aopen(self, call: Call) -> Opened:
        return self.open(call)

    def send(self, call: Call) -> Reply:
        raise AssertionError(f"{call.draft.rung.model} is asked by its crew")

    async def asend(self, call: Call) -> Reply:
        return self.send(call)

    def close(self) -> None: ...

    async def aclose(self) -> None: ...


# --- the drive ------------------------------------------------------------------------------


def drive(session: Session, items: Sequence[Item], crew: Crew, keep: Keep, until: Stop, *, most: int) -> None:
    """Answer items, at most `most` of them at once, and keep each as soon as it is answered.

    Where a budget has too little left for as many at once, fewer are asked together.

    Raises:
        BudgetExceeded: a budget has too little left for a single item.
        EngineError: the engine did not start, or stopped in the middle.
        MissingExtra: it is not installed.
    """
    waiting, engines = deque(items), _CrewEngines(crew)
    while waiting and not until():
        wave = _Wave(session, crew, engines, keep)
        try:
            wave.fill(waiting, most, until)
            wave.ask(until)
        finally:
            wave.close()


@dataclass(frozen=True, slots=True, eq=False)
class _Open:
    """An item whose flow stands at its call."""

    item: Item
    slot: _Slot
    live: drivers.Live


class _Wave:
    """The items that are asked together."""

    def __init__(self, session: Session, crew: Crew, engines: _CrewEngines, keep: Keep) -> None:
        self._session, self._crew, self._engines, self._keep = session, crew, engines, keep
        self._paused = _Paused()
        self._standing: list[_Open] = []
        self._flying: dict[int, _Open] = {}

    def fill(self, waiting: deque[Item], most: int, until: Stop) -> None:
        """Begin items until there are so many, or a budget can hold no more of them at once."""
        while waiting and len(self._standing) < most and not until():
            try:
                self._begin(waiting[0])
            except BudgetExceeded:
                if not self._standing:
                    raise
                return  # what these take is known once they are answered: less than what is held for them
            waiting.popleft()

    def ask(self, until: Stop) -> None:
        """Ask for all that stand, and for what follows of them."""
        while self._standing and not until():
            self._flying, self._standing = dict(enumerate(self._standing)), []
            calls = [one.live.call for one in self._flying.values()]
            with closing(self._crew.ask(calls)) as telling:
                for number, told in telling:
                    self._go_on(self._flying.pop(number), told)
                    if until():
                        return
            if self._flying:
                raise EngineError(
                    f"The engine of {self._crew.model} answered {len(calls) - len(self._flying)} of {len(calls)} "
                    "requests and said nothing of the others. Resume the job to ask them again."
                )

    def close(self) -> None:
        """End what was not answered; what budgets hold for it is released."""
        for one in self._flying.values():
            one.live.flow.close()
        for one in self._standing:
            _close_unsent(one.live.flow)

    def _begin(self, item: Item) -> None:
        slot = _Slot()
        self._move(item, slot, lambda: self._session.flow_with(self._request(item), partial(self._changed, slot)))

    def _request(self, item: Item) -> Request:
        body = {"timeout": None, **item.body}
        model, messages = f"local/{_weights(body.pop('model'))}", body.pop("messages")
        if item.options:
            body["greenai"] = dict(item.options)
        return self._session.request("batch", messages, model, stream=False, arguments=body)

    def _changed(self, slot: _Slot, steps: Steps) -> Steps:
        """Return steps that reach this crew and nobody else."""
        return replace(steps, engines=self._engines, meters=(slot,), ladder=(), endpoint=None, pinned=True)

    def _go_on(self, one: _Open, told: Told) -> None:
        from greenai import shapes

        flow = one.live.flow
        if told.body is None:
            error = shapes.openai_error(told.refused or "The engine gave no answer.", status=told.status)
            self._move(one.item, one.slot, lambda: _continued(lambda: flow.throw(error), flow))
            return
        native = shapes.completion_from(told.body)
        reply = shapes.read(native, one.live.call.draft.rung.name, told.latency_s)
        one.slot.reading = told.energy or modelled(find(self._crew.model), reply.usage)
        self._move(one.item, one.slot, lambda: _continued(lambda: flow.send(reply), flow))

    def _move(self, item: Item, slot: _Slot, flow: Callable[[], Flow[Answer]]) -> None:
        """Drive a flow to its call, or to its end; raise what no other item would fare better with."""
        try:
            found = drivers.open_stream(flow(), lambda: self._paused)
        except Exception as error:
            failure = None if isinstance(error, (*ENDING, EngineError)) else failure_of(error)
            if failure is None:
                raise
            self._keep(item.key, Answered(error=failure))
            return
        if isinstance(found, Answer):
            self._keep(item.key, _answered(found))
        else:
            self._standing.append(_Open(item, slot, found))


def _continued(move: Callable[[], Call | Work[Any]], flow: Flow[Answer]) -> Flow[Answer]:
    """Go on with a flow that stood at its call: `move` hands in what came of it."""
    try:
        step = move()
        while True:
            try:
                came = yield step
            except GeneratorExit:
                flow.close()
                raise
            except BaseException as error:  # noqa: BLE001  # handed to the flow, which raises it again
                step = flow.throw(error)
            else:
                step = flow.send(came)
    except StopIteration as done:
        answer: Answer = done.value
        return answer


def _close_unsent(flow: Flow[Answer]) -> None:
    """Close a flow whose call was not sent."""
    try:
        flow.throw(NotBegunError())
    except (NotBegunError, StopIteration):
        return
    flow.close()


def _answered(answer: Answer) -> Answered:
    from greenai import shapes

    response = shapes.completion(answer.reply).model_dump(mode="json", exclude_unset=True)
    return Answered(response=response, receipt=answer.receipt.to_dict())


def timed() -> Callable[[], float]:
    """Return what tells the seconds since now."""
    began = time.perf_counter()
    return lambda: time.perf_counter() - began
