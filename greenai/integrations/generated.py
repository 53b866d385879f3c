"""A generator of an app's own that calls a model, taken through the flow as a stream.

Its context holds while its body runs, and not between: what the caller does meanwhile is the caller's own. It is
settled once at its end, at what it yielded: text, or the chunks of openai, litellm and mistral.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from greenai import drivers
from greenai.background import background
from greenai.drivers import AsyncDriver, Live, StreamEnding
from greenai.integrations import function as functions
from greenai.integrations.arguments import Bound
from greenai.integrations.decorated import Function, Stay
from greenai.integrations.function import Sending, Unbooked
from greenai.integrations.returned import read_stream
from greenai.values import Answer, Reply

__all__ = ["AsyncRunning", "Ended", "Running"]


class Ended(Exception):  # an event that leaves the loop, not an error
    """The generator has ended, with this value."""

    def __init__(self, value: Any = None) -> None:
        super().__init__()
        self.value = value


class _Running:
    """What both colours are: one generator, and the call that it amounts to."""

    def __init__(self, function: Function, stay: Stay, bound: Bound) -> None:
        self._function = function
        self._stay = stay
        self._bound = bound
        self._source: Any = None
        self._stored: Iterator[Any] | None = None
        self._live: Live | None = None
        self._ending: StreamEnding | None = None
        self._items: list[Any] = []

    @contextmanager
    def _stretch(self) -> Generator[None]:
        with self._stay.around(), self._stay.body():
            yield

    def _flow(self) -> tuple[Any, Sending]:
        request = functions.streamed(self._bound.request())
        return self._bound.flow(request), Sending(self._function, self._bound, request, self._stay)

    def _take(self, opened: Answer | Live, driver: AsyncDriver | None = None) -> None:
        if isinstance(opened, Answer):
            self._stored = iter(functions.given(self._stay, opened))
            return
        self._source = opened.opened.source
        self._live, self._ending = opened, StreamEnding(opened, driver)

    def _reply(self, *, complete: bool) -> Reply | None:
        """Return what was yielded as a reply; None where the call is not to be booked."""
        live = self._live
        if live is None or self._stay.collected.begun:
            return None
        model = functions.model_of(live.call)
        reply = read_stream(self._items, model, live.elapsed(), complete=complete)
        if reply is None and self._items:
            self._function.tell_once(
                f"it yields {type(self._items[0]).__name__}, which says nothing of a model's work, so its calls have "
                "no receipt. Yield text or the provider's chunks, or call a client that passes greenai inside it: "
                "client = greenai.wrap(client)."
            )
        return reply

    def _over(self) -> tuple[StreamEnding | None, Live | None]:
        """Return what ends the call, the first time."""
        ending, live, self._ending, self._live = self._ending, self._live, None, None
        return ending, live

    def _abandon(self) -> None:
        """Queue the settlement: this may be a finalizer, which takes no lock of ours."""
        reply = self._reply(complete=False)
        ending, live = self._over()
        if ending is not None and reply is not None:
            ending.abandon(reply)
        elif live is not None:
            background.put(lambda: _drop(live))
        self._bound.left(self._stay)

    def _stored_next(self) -> Any:
        stored = self._stored
        if stored is not None:
            for item in stored:
                return item
            self._bound.left(self._stay)
        raise Ended


class Running(_Running):
    """A generator that runs in place."""

    def next(self, value: Any, error: BaseException | None) -> Any:
        """Return what it yields next, after handing it what its caller sent or threw.

        Raises:
            Ended: it has ended.
        """
        if self._source is None and self._stored is None:
            self._open()
        if self._stored is not None:
            if error is not None:
                raise error
            return self._stored_next()
        try:
            source: Any = self._source
            with self._stretch():
                item = source.send(value) if error is None else source.throw(error)
        except StopIteration as stop:
            self._finish(complete=True)
            raise Ended(stop.value) from None
        except BaseException:
            self._finish(complete=False)
            raise
        if self._ending is not None:
            self._items.append(item)
        return item

    def _open(self) -> None:
        if self._bound.is_contextual:
            self._source = self._bound.alone(self._stay)
            return
        with self._stay.around():
            flow, sending = self._flow()
            self._take(drivers.open_stream(flow, sending))

    def _finish(self, *, complete: bool) -> None:
        reply = self._reply(complete=complete)
        ending, live = self._over()
        if ending is not None and reply is not None:
            with self._stay.around():
                self._stay.receipt = ending.finish(reply)
        elif live is not None:
            _drop(live)
        self._bound.left(self._stay)

    def close(self) -> None:
        """Close it; the call is settled at what was yielded."""
        try:
            if self._source is not None:
                with self._stretch():
                    self._source.close()
        finally:
            self._abandon()


class AsyncRunning(_Running):
    """A generator that is awaited."""

    async def next(self, value: Any, error: BaseException | None) -> Any:
        """Do what `Running.next` does, awaited."""
        if self._source is None and self._stored is None:
            await self._open()
        if self._stored is not None:
            if error is not None:
                raise error
            return self._stored_next()
        try:
            source: Any = self._source
            with self._stretch():
                item = await (source.asend(value) if error is None else source.athrow(error))
        except StopAsyncIteration:
            await self._finish(complete=True)
            raise Ended from None
        except BaseException:
            self._abandon()  # it may have been cancelled: nothing is awaited any more
            raise
        if self._ending is not None:
            self._items.append(item)
        return item

    async def _open(self) -> None:
        if self._bound.is_contextual:
            self._source = self._bound.alone(self._stay)
            return
        with self._stay.around():
            flow, sending = self._flow()
            driver = AsyncDriver(sending, self._function.session.resources.threads)
            self._take(await driver.open_stream(flow), driver)

    async def _finish(self, *, complete: bool) -> None:
        reply = self._reply(complete=complete)
        ending, live = self._over()
        if ending is not None and reply is not None:
            with self._stay.around():
                self._stay.receipt = await ending.afinish(reply)
        elif live is not None:
            _drop(live)
        self._bound.left(self._stay)

    async def close(self) -> None:
        """Do what `Running.close` does, awaited."""
        try:
            if self._source is not None:
                with self._stretch():
                    await self._source.aclose()
        finally:
            self._abandon()


def _drop(live: Live) -> None:
    """Close the flow of a call that is not to be booked."""
    with suppress(Unbooked, StopIteration):
        live.flow.throw(Unbooked())
