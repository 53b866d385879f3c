"""Requests that ask no model: sent as they are, but for those of a batch API, which are looked at on their way."""

from __future__ import annotations

from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from greenai import hooks
from greenai.errors import GreenAIError
from greenai.wire import batches, dialect_of
from greenai.wire.exchange import Exchange
from greenai.wire.sending import Native
from greenai.wire.slot import Slot, current

if TYPE_CHECKING:
    from greenai.values import Receipt

__all__ = ["apassed", "passed"]

# A part of a file (206) says what a part of its batch took, and a batch is booked once.
_ANSWERED = frozenset((200, 201, 202)).__contains__


def passed(green: Any, request: Any) -> Any:
    """Return the response to a request, sent by a transport as it is."""
    seen = _passing(green, request)
    if seen is None:
        return green.greenai_inner.handle_request(request)
    if seen.reads_request:
        content = request.read()
        try:
            seen.before(lambda: content)
        except GreenAIError as error:
            return _refused(green, error)
    response = green.greenai_inner.handle_request(request)
    if not _ANSWERED(response.status_code):
        return response
    try:
        native = Native(response, b"".join(response.stream))
    finally:
        response.close()
    _told(seen.after(_decoded(green, native)))
    return green.whole(native)


async def apassed(green: Any, request: Any) -> Any:
    """Do the same, awaited; what waits for a disk runs on greenai's own threads."""
    seen = _passing(green, request)
    if seen is None or not green.is_driven():
        return await green.greenai_inner.handle_async_request(request)
    threads = green.greenai_session.resources.threads
    if seen.reads_request:
        content = await request.aread()
        try:
            await threads.submit(copy_context(), partial(seen.before, lambda: content))
        except GreenAIError as error:
            return _refused(green, error)
    response = await green.greenai_inner.handle_async_request(request)
    if not _ANSWERED(response.status_code):
        return response
    try:
        native = Native(response, b"".join([part async for part in response.stream]))
    finally:
        await response.aclose()
    decoded = _decoded(green, native)
    _told(await threads.submit(copy_context(), partial(seen.after, decoded)))
    return green.whole(native)


def _passing(green: Any, request: Any) -> batches.Passing | None:
    return batches.passing(
        green.greenai_session, green.greenai_host, request.method, request.url, request.headers, current()
    )


def _decoded(green: Any, native: Native) -> bytes:
    if "content-encoding" not in native.headers:
        return native.content
    content: bytes = green.made_over.http.Response(200, headers=native.headers, content=native.content).content
    return content


def _told(receipt: Receipt | None) -> None:
    slot: Slot | None = current()
    if receipt is None:
        return
    hooks.keep_last(receipt)
    if slot is not None:
        slot.expected = True
        slot.fill(receipt)


def _refused(green: Any, error: GreenAIError) -> Any:
    speaking: Any = dialect_of("POST", "/chat/completions")  # errors have one form in all of openai's APIs
    exchange = Exchange(green.greenai_session, green.greenai_host, speaking, "", {}, {}, None)
    return green.refused(exchange, error, current())
