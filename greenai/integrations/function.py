"""A function of an app's own that calls a model, taken through the flow: its arguments, and what it returns.

    arguments ── Asked ── flow ──┬─ a stored answer     returned.again
                                 ├─ the function        run with what the nudges changed in its arguments
                                 └─ a refusal of ours   raised

Nothing is booked for a function whose calls greenai's own clients made inside it: they were booked there. Nor for one
whose value says nothing of a model's work.
"""

from __future__ import annotations

import inspect
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from greenai import drivers
from greenai.drivers import AsyncDriver
from greenai.integrations import returned
from greenai.steps import FUNCTION, NotOursError
from greenai.wire.stainless import attach

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenai.integrations.arguments import Bound
    from greenai.integrations.decorated import Function, Stay
    from greenai.values import Answer, Call, Reply, Request

__all__ = ["Carried", "Sending", "Unbooked", "awaited", "called", "given", "model_of", "streamed"]


class Unbooked(NotOursError):  # an event that leaves the flow, not an error
    """What the function returned or raised is not the flow's to book."""

    def __init__(self, value: Any = None, error: BaseException | None = None) -> None:
        super().__init__()
        self.value = value
        self.error = error

    def given(self) -> Any:
        """Return what the function returned, or raise what it raised."""
        if self.error is not None:
            raise self.error
        return self.value


class Carried(Exception):  # carries what no generator lets through
    """A `StopIteration` of the function's own, which would end the flow."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class Unread(Exception):  # an event, not an error
    """A task model's answer is no value of the type that the function returns."""


class Sending:
    """The sender of one call's flow: the function itself.

    Args:
        function: the function.
        bound: its arguments.
        request: what they are to the flow.
        stay: what stands around it.
    """

    def __init__(self, function: Function, bound: Bound, request: Request, stay: Stay) -> None:
        self._function = function
        self._bound = bound
        self._request = request
        self._stay = stay

    def __call__(self) -> Sending:
        """Return itself: a driver asks for its provider when it is first needed."""
        return self

    def _called(self, call: Call) -> Any:
        args, kwargs = self._bound.sent(self._request, call.draft)
        return self._function.func(*args, **kwargs)

    def _reply(self, value: Any, call: Call, started: float) -> Reply:
        """Return what the function returned as a reply.

        Raises:
            Unbooked: it is booked already, or cannot be.
        """
        if self._stay.collected.begun:
            raise Unbooked(value)
        latency_s = time.perf_counter() - started
        reply = self._typed(value, call, latency_s) or returned.read(value, model_of(call), latency_s)
        if reply is None:
            self.untold(value)
            raise Unbooked(value)
        self._function.form = returned.form_of(reply.body) if self._function.typed is None else None
        if self._function.distilled and self._function.form is None and self._function.typed is None:
            self._function.tell_once(
                f"it returns {type(value).__name__}, of which no task model's answer can be made, so none answers its "
                "calls. Annotate what it returns: str, int, float, bool, Literal, an Enum, dict, list or a pydantic "
                "model."
            )
        if reply.body is None and self._function.cache:
            self._function.tell_once("what it returns cannot be made again from JSON, so nothing is stored.")
        return reply

    def _typed(self, value: Any, call: Call, latency_s: float) -> Reply | None:
        """Return a value of the type that the function is annotated with as the label that it is."""
        typed = self._function.typed
        said = None if typed is None else typed.text(value)
        return None if said is None else returned.labelled(value, said, model_of(call), latency_s)

    def untold(self, value: Any) -> None:
        """Say once that a value says nothing of a model's work; one that has a receipt was booked elsewhere."""
        if not hasattr(value, "greenai") and not inspect.isawaitable(value):
            self._function.tell_once(
                f"it returns {type(value).__name__}, which says nothing of a model's work, so its calls have no "
                "receipt. Return the provider's response or its text, or call a client that passes greenai inside it: "
                "client = greenai.wrap(client)."
            )

    def _raised(self, error: BaseException) -> None:
        if self._stay.collected.begun:
            raise Unbooked(error=error) from None
        if isinstance(error, (StopIteration, StopAsyncIteration)):
            raise Carried(error) from None

    # Waiting in place.

    def send(self, call: Call) -> Reply:
        """Call the function."""
        started = time.perf_counter()
        try:
            with self._stay.body():
                value = self._called(call)
        except BaseException as error:
            self._raised(error)
            raise
        return self._reply(value, call, started)

    def open(self, call: Call) -> Any:
        """Begin the generator that the function is; nothing of it runs yet."""
        return Opened(self._called(call))

    def close(self) -> None:
        """Close nothing."""

    # Awaited.

    async def asend(self, call: Call) -> Reply:
        """Await the function."""
        started = time.perf_counter()
        try:
            with self._stay.body():
                value = await self._called(call)
        except BaseException as error:
            self._raised(error)
            raise
        return self._reply(value, call, started)

    async def aopen(self, call: Call) -> Any:
        """Do what `open` does."""
        return self.open(call)

    async def aclose(self) -> None:
        """Close nothing."""


class Opened:
    """A generator that has begun, as a driver wants a stream."""

    __slots__ = ("response", "source", "tries")

    def __init__(self, source: Any) -> None:
        self.source = source
        self.response = None
        self.tries = ()


def model_of(call: Call) -> str:
    """Return the model that a call's function is taken to ask, where its value names none."""
    rung = call.draft.rung
    return rung.model if rung.model.startswith(FUNCTION) else rung.name


def streamed(request: Request) -> Request:
    """Return the request of a generator."""
    return replace(request, stream=True)


def called(function: Function, stay: Stay, bound: Bound) -> Any:
    """Call a plain function, and return what it returns, or what it returned before."""
    unbooked: Unbooked | None = None
    try:
        with stay.around():
            if bound.is_contextual:
                return bound.alone(stay)
            request = bound.request()
            sending = Sending(function, bound, request, stay)
            try:
                return given(stay, drivers.run(bound.flow(request), sending), function)
            except Unread:
                return bound.alone(stay)
            except Unbooked as event:
                unbooked = event
            except Carried as event:
                unbooked = Unbooked(error=event.error)
        return unbooked.given()
    finally:
        bound.left(stay)


async def awaited(function: Function, stay: Stay, bound: Bound) -> Any:
    """Do the same with a function that is awaited."""
    unbooked: Unbooked | None = None
    try:
        with stay.around():
            if bound.is_contextual:
                return await bound.alone(stay, awaited=True)
            request = bound.request()
            driver = AsyncDriver(Sending(function, bound, request, stay), function.session.resources.threads)
            try:
                return given(stay, await driver.run(bound.flow(request)), function)
            except Unread:
                return await bound.alone(stay, awaited=True)
            except Unbooked as event:
                unbooked = event
            except Carried as event:
                unbooked = Unbooked(error=event.error)
        return unbooked.given()
    finally:
        bound.left(stay)


def given(stay: Stay, answer: Answer, function: Function | None = None) -> Any:
    """Return what an answer is to the function's caller: what it returned, now or when it was stored.

    What a task model answered instead has the form of what the function returns.

    Raises:
        Unread: that form cannot be made of it, as the file was replaced since the function was decorated.
    """
    native, body = answer.reply.native, answer.reply.body or {}
    if isinstance(native, returned.Returned):
        value = native.value
    else:
        value = returned.again(body) if "wire" in body else _made(function, body)
    stay.receipt = answer.receipt
    if function is not None and function.typed is not None:
        return value  # an Enum's member is everybody's: `last_receipt()` has the receipt
    attach(lambda: value, answer.receipt)
    if not hasattr(value, "greenai"):
        with suppress(AttributeError, TypeError):  # text, or JSON: `last_receipt()` has it
            object.__setattr__(value, "greenai", answer.receipt)  # pydantic's models refuse what is no field of theirs
    return value


def _made(function: Function | None, body: Mapping[str, Any]) -> Any:
    form, typed = (None, None) if function is None else (function.form, function.typed)
    if function is None or typed is None:
        return returned.made(form, body)
    try:
        return typed.value(returned.made(None, body))
    except ValueError as error:
        function.tell_once(f"a task model's answer is none of what it returns ({error}), so it is called itself.")
        raise Unread from None
