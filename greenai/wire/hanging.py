"""Calls of host libraries made with a slot open, and receipts hung on what they return.

For libraries whose objects take no attribute of somebody else's by themselves, or whose streams are generators.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from greenai.wire.slot import Slot, held

if TYPE_CHECKING:
    from greenai.values import Receipt

__all__ = ["agenerated", "awaited", "called", "generated"]


def called(call: Callable[[], Any]) -> Any:
    """Return what a call of a host library returns, with its receipt; raise greenai's own refusal as it is."""
    slot = Slot()
    try:
        with held(slot):
            response = call()
    except Exception:
        _raise_own(slot)
        raise
    return _hung(response, slot)


async def awaited(call: Callable[[], Awaitable[Any]]) -> Any:
    """Do the same with a call that is awaited."""
    slot = Slot()
    try:
        with held(slot):
            response = await call()
    except Exception:
        _raise_own(slot)
        raise
    return _hung(response, slot)


def generated(parts: Iterator[Any]) -> Iterator[Any]:
    """Yield what a generator of a host library yields; the last object has the receipt, once the generator has ended.

    The slot is open while the generator runs, and never while its reader does.
    """
    slot, last = Slot(), None
    try:
        while True:
            try:
                with held(slot):
                    last = next(parts)
            except StopIteration:
                break
            except Exception:
                _raise_own(slot)
                raise
            yield last
    finally:
        close = getattr(parts, "close", None)
        if close is not None:
            close()
    _hung(last, slot)


async def agenerated(parts: AsyncIterator[Any], slot: Slot) -> AsyncIterator[Any]:
    """Do the same with a generator that is awaited, and whose first request `slot` has seen already."""
    last = None
    try:
        while True:
            try:
                with held(slot):
                    last = await anext(parts)
            except StopAsyncIteration:
                break
            except Exception:
                _raise_own(slot)
                raise
            yield last
    finally:
        close = getattr(parts, "aclose", None)
        if close is not None:
            await close()
    _hung(last, slot)


def _raise_own(slot: Slot) -> None:
    if slot.error is not None:
        raise slot.error from None


def _hung(response: Any, slot: Slot) -> Any:
    if response is not None:
        if getattr(response, "greenai", None) is None:  # of a client that is wrapped twice it may be there
            _put(response, None)
        slot.then(partial(_hang, _target(response)))
    return response


def _target(response: Any) -> Callable[[], Any]:
    """Return what gives the response, without keeping a stream alive that nobody reads any more."""
    try:
        return weakref.ref(response)
    except TypeError:
        return lambda: response


def _hang(target: Callable[[], Any], receipt: Receipt) -> None:
    response = target()
    if response is not None:
        _put(response, receipt)


def _put(response: Any, receipt: Receipt | None) -> None:
    with suppress(AttributeError, TypeError):  # what takes no attribute: `last_receipt()` has it
        object.__setattr__(response, "greenai", receipt)  # pydantic's models refuse what is no field of theirs
