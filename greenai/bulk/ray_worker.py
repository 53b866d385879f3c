"""What runs in each actor of a Ray fleet: an engine of our own, vLLM's, or the app's, asked one block at a time.

Which actor gets which block, and where actors run, is Ray's affair. A block comes and goes as JSON, so that the actors
need greenai and the engine, and nothing of the app that made the batch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeAlias

from greenai import meters
from greenai.bulk.fleet import Told, packed, timed
from greenai.errors import GreenAIError
from greenai.values import Call, Draft, Rung, Transport

__all__ = ["Actor", "LocalEngine", "Make", "Own", "VllmEngine", "Worker", "call_of", "row_of"]

Worker: TypeAlias = "Callable[[Sequence[dict[str, Any]]], Sequence[Mapping[str, Any]]]"
"""An app's own engine: takes the arguments of `create` of several calls, returns a `ChatCompletion` as JSON of each."""


class Ask(Protocol):
    """An engine that is ready: answers several calls, in their order."""

    def __call__(self, calls: Sequence[Call], /) -> Sequence[Told]:
        """Answer them."""
        ...


class Make(Protocol):
    """Says how an actor makes its engine; it travels to the actors."""

    def __call__(self) -> Ask:
        """Make it, and load the model."""
        ...


# --- between processes ----------------------------------------------------------------------


def row_of(number: int, call: Call) -> dict[str, Any]:
    """Return a call as a row of Ray's."""
    draft = call.draft
    asked = {
        "model": draft.rung.model,
        "messages": list(draft.messages),
        "arguments": dict(draft.arguments),
        "extra": dict(draft.extra),
    }
    return {"number": number, "call": json.dumps(asked)}


def call_of(text: str) -> Call:
    """Return what `row_of` wrote, for whichever engine is there."""
    asked = json.loads(text)
    draft = Draft(
        rung=Rung(model=asked["model"]),
        messages=tuple(asked["messages"]),
        arguments=asked["arguments"],
        extra=asked["extra"],
    )
    return Call(
        draft=draft,
        stream=False,
        hide_usage_chunk=True,
        transport=Transport(timeout_s=math.inf),
        deadline=math.inf,
        attempt_id="",
    )


class Actor:
    """What Ray makes in each actor, and calls with blocks of rows."""

    def __init__(self, make: Make) -> None:
        self._ask = make()

    def __call__(self, block: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Answer a block."""
        told = self._ask([call_of(str(text)) for text in block["call"]])
        return {
            "number": [int(number) for number in block["number"]],
            "told": [json.dumps(packed(one)) for one in told],
        }


# --- engines --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmEngine:
    """vLLM's offline engine in each actor, measured there."""

    model: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __call__(self) -> Ask:
        """Load the model."""
        from greenai.bulk.vllm_lane import Offline

        return Offline(self.model, self.arguments).chat


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEngine:
    """greenai's own engine in each actor, as for `local/` models: `settings` are fields of `EngineSettings`."""

    model: str
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    watts_per_core: float | None = None

    def __call__(self) -> Ask:
        """Start the model."""
        return _Served(self)


class _Served:
    """A model that greenai serves in a process of its own, which the actor asks: as many at once as it has slots."""

    def __init__(self, made: LocalEngine) -> None:
        from greenai.local import Engines, EngineSettings
        from greenai.provider import Connection, Provider

        settings = EngineSettings(**made.settings)
        self._engines = Engines(settings)
        self._engine = self._engines.get(made.model)
        self._rung = Rung(
            model=f"local/{made.model}", base_url=self._engine.base_url, api_key=self._engine.api_key, tier="small"
        )
        self._provider = Provider(Connection(), max_retries=2)
        self._watts = made.watts_per_core
        self._threads = ThreadPoolExecutor(max_workers=settings.slots, thread_name_prefix="greenai-actor")

    def __call__(self, calls: Sequence[Call]) -> Sequence[Told]:
        """Answer them."""
        return list(self._threads.map(self._one, calls))

    def close(self) -> None:
        """End the model's process; Ray ends the actor's, and with it this one."""
        self._threads.shutdown()
        self._provider.close()
        self._engines.close()

    def _one(self, call: Call) -> Told:
        import openai

        seconds = timed()
        window = meters.window(self._engine.pid, watts_per_core=self._watts)
        try:
            reply = self._provider.send(_at(call, self._rung))
        except (openai.OpenAIError, GreenAIError) as error:
            return Told(refused=str(error), status=getattr(error, "status_code", None), energy=window.stop())
        energy = window.stop(meters.work(reply.usage))
        return Told(body=reply.native.model_dump(mode="json", exclude_unset=True), energy=energy, latency_s=seconds())


def _at(call: Call, rung: Rung) -> Call:
    return replace(call, draft=replace(call.draft, rung=rung))


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """An engine of the app's: a class whose instances are a `Worker`. Nothing is measured, so it may say what it took.

    It does so as servers do: a field `energy_joules` of the completion, for example.
    """

    kind: Callable[[], Worker]

    def __call__(self) -> Ask:
        """Make one."""
        return _Wrapped(self.kind())


class _Wrapped:
    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def __call__(self, calls: Sequence[Call]) -> Sequence[Told]:
        from greenai.provider.openai_path import wire

        seconds = timed()
        bodies = list(self._worker([wire(call) for call in calls]))
        if len(bodies) != len(calls):
            raise ValueError(f"The worker returned {len(bodies)} answers for {len(calls)} requests.")
        return list(_told(bodies, seconds()))


def _told(bodies: Sequence[Mapping[str, Any]], latency_s: float) -> Iterator[Told]:
    for body in bodies:
        error = body.get("error")
        if error is None:
            yield Told(body=body, latency_s=latency_s)
        else:
            said: Mapping[str, Any] = error if isinstance(error, Mapping) else {"message": str(error)}
            yield Told(refused=str(said.get("message", said)), status=said.get("status", 500))
