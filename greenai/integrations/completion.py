"""`completion` and `acompletion`: litellm's own, whose calls pass greenai.

    from greenai import completion  # instead of: from litellm import completion

litellm makes the call, with the arguments as the app wrote them and what the flow changed; so what comes back is
litellm's own response or stream, and what is raised is what litellm raises. A stored answer becomes a `ModelResponse`
again, and a stored stream one of litellm's chunks. What has a receipt has it as `.greenai`.

The model that a call names is the one that answers, unless it is "auto" or the settings name a ladder for it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from greenai import drivers
from greenai.around import ours
from greenai.drivers import AsyncDriver, StreamEnding
from greenai.integrations.decorated import session_of
from greenai.integrations.returned import Returned
from greenai.provider import litellm_path
from greenai.values import Answer, Call, Reply
from greenai.wire.chat import DIALECT

if TYPE_CHECKING:
    from greenai.drivers import Live
    from greenai.session import Session
    from greenai.steps import Flow
    from greenai.values import Draft, Request

__all__ = ["acompletion", "completion"]

_TRAVEL = frozenset(
    ("api_base", "api_key", "api_version", "base_url", "client", "extra_headers", "greenai", "headers",
     "litellm_call_id", "litellm_metadata", "max_retries", "metadata", "num_retries", "request_timeout",
     "shared_session", "stream", "timeout")
)  # fmt: skip
"""Arguments that say how a call travels, and not what it asks."""


def completion(model: str, messages: Any = None, **arguments: Any) -> Any:
    """Do what `litellm.completion` does, cached, budgeted and metered.

    Takes litellm's arguments, the first two by position, and returns litellm's `ModelResponse` or, with `stream=True`,
    its `CustomStreamWrapper`; each has one attribute more, `greenai`: the receipt, of a stream once it has ended.

    Raises:
        GreenAIError: what greenai refuses; see `greenai.errors`.
        openai.OpenAIError: the class that litellm raises for the same failure.
    """
    asked = _Asked(model, messages or [], arguments)
    sending = _Sending(asked)
    if not asked.stream:
        return asked.given(drivers.run(asked.flow(), sending))
    opened = drivers.open_stream(asked.flow(), sending)
    return asked.replayed(opened) if isinstance(opened, Answer) else _relayed(opened, StreamEnding(opened))


async def acompletion(model: str, messages: Any = None, **arguments: Any) -> Any:
    """Do what `completion` does, awaited."""
    asked = _Asked(model, messages or [], arguments)
    sending = _Sending(asked)
    driver = AsyncDriver(sending, asked.session.resources.threads)
    if not asked.stream:
        return asked.given(await driver.run(asked.flow()))
    opened = await driver.open_stream(asked.flow())
    return asked.replayed(opened) if isinstance(opened, Answer) else _relayed(opened, StreamEnding(opened, driver))


class _Asked:
    """One call: its arguments, the request that they are to the flow, and what is handed back."""

    def __init__(self, model: str, messages: Any, arguments: Mapping[str, Any]) -> None:
        self._model = model
        self._messages = messages
        self._arguments = dict(arguments)
        self.stream = bool(arguments.get("stream"))

    @cached_property
    def session(self) -> Session:
        """The session of the call: that of the process, at the address that it names."""
        session, address = session_of(None), self._arguments.get("api_base") or self._arguments.get("base_url")
        return session if address is None else session.with_options({"base_url": str(address)})

    @cached_property
    def request(self) -> Request:
        """The request that the call is.

        Raises:
            InvalidRequest: an option is wrong, or its messages are none.
        """
        told = {name: _json(value) for name, value in self._arguments.items() if name not in _TRAVEL}
        lacking = any(value is _NO_JSON for value in told.values())
        said = {name: value for name, value in told.items() if value is not None and value is not _NO_JSON}
        asked = DIALECT.read("", {**said, "model": self._model, "messages": _json(list(self._messages))})
        timeout, key = self._arguments.get("timeout"), self._arguments.get("api_key")
        headers = {**(self._arguments.get("headers") or {}), **(self._arguments.get("extra_headers") or {})}
        arguments = {
            **asked.arguments,
            "timeout": timeout if isinstance(timeout, (int, float)) else None,
            "extra_headers": {**headers, "authorization": key} if key else headers or None,
            "greenai": self._arguments.get("greenai"),
        }
        request = self.session.request("create", asked.messages, self._named, self.stream, arguments)
        return replace(request, options=replace(request.options, cache="off")) if lacking else request

    @property
    def _named(self) -> str:
        return self._model if self.session.config.endpoint is None else self._model.removeprefix("openai/")

    def flow(self) -> Flow[Answer]:
        """Return the flow that answers it."""
        return self.session.flow(self.request, str(self._arguments.get("api_key") or ""))

    def sent(self, call: Call) -> dict[str, Any]:
        """Return litellm's arguments: what the flow did not change is as the app wrote it."""
        before, after = _flat(self.request.arguments), {**_flat(call.draft.arguments), **call.draft.extra}
        gone = before.keys() - after.keys() | {"greenai"}
        sent = {name: value for name, value in self._arguments.items() if name not in gone}
        sent |= {name: value for name, value in after.items() if before.get(name) != value}
        sent |= self._place(call.draft)
        if call.stream:
            sent["stream_options"] = {**(sent.get("stream_options") or {}), "include_usage": True}
        return {**sent, "litellm_call_id": f"{litellm_path.OWN}{uuid4()}"}

    def _place(self, draft: Draft) -> dict[str, Any]:
        rung = draft.rung
        same = rung.name.rpartition("/")[2] == self._model.rpartition("/")[2]
        messages = self._messages if draft.messages == self.request.messages else list(draft.messages)
        place = {"model": self._model if same else rung.model, "messages": messages}
        elsewhere = {} if same else {"api_base": rung.base_url, "api_key": rung.api_key}
        return {**place, **{name: value for name, value in elsewhere.items() if value is not None}}

    def given(self, answer: Answer) -> Any:
        """Return an answer as litellm's response."""
        native = answer.reply.native
        if isinstance(native, Returned):
            value = native.value
        else:
            value = litellm_path.loaded().ModelResponse(**DIALECT.body(answer.reply))
        object.__setattr__(value, "greenai", answer.receipt)
        return value

    def replayed(self, answer: Answer) -> Any:
        """Return an answer that is no stream as litellm's stream."""
        from greenai import streams

        wanted = bool((self._arguments.get("stream_options") or {}).get("include_usage"))
        made = litellm_path.loaded()
        chunks = [
            made.ModelResponseStream(**chunk.model_dump(mode="json"))
            for chunk in streams.replay(answer.reply, with_usage=wanted)
        ]
        stream = object.__new__(_replaying(made.CustomStreamWrapper))
        stream._left, stream.greenai = iter(chunks), answer.receipt
        return stream


class _Sending:
    """The sender of one call's flow: litellm, and greenai's own provider for a model on this machine."""

    def __init__(self, asked: _Asked) -> None:
        self._asked = asked

    def __call__(self) -> _Sending:
        """Return itself: a driver asks for its provider when it is first needed."""
        return self

    def _own(self, call: Call) -> Any:
        return self._asked.session.provider() if call.draft.rung.provider == "local" else None

    def _reply(self, response: Any, call: Call, started: float) -> Reply:
        body = response.model_dump(mode="json")
        reply = DIALECT.reply(body, call.draft.rung.name, time.perf_counter() - started)
        return replace(reply, native=Returned(response))

    # Waiting in place.

    def send(self, call: Call) -> Reply:
        """Send and wait for the whole reply."""
        own = self._own(call)
        if own is not None:
            reply: Reply = own.send(call)
            return reply
        litellm, started = litellm_path.loaded(), time.perf_counter()
        with ours():
            return self._reply(litellm.completion(**self._asked.sent(call)), call, started)

    def open(self, call: Call) -> Any:
        """Open a stream."""
        own = self._own(call)
        if own is not None:
            return own.open(call)
        with ours():
            return _Opened(litellm_path.loaded().completion(**self._asked.sent(call)))

    def close(self) -> None:
        """Close nothing."""

    # Awaited.

    async def asend(self, call: Call) -> Reply:
        """Do what `send` does, awaited."""
        own = self._own(call)
        if own is not None:
            reply: Reply = await own.asend(call)
            return reply
        litellm, started = litellm_path.loaded(), time.perf_counter()
        with ours():
            return self._reply(await litellm.acompletion(**self._asked.sent(call)), call, started)

    async def aopen(self, call: Call) -> Any:
        """Do what `open` does, awaited."""
        own = self._own(call)
        if own is not None:
            return await own.aopen(call)
        with ours():
            return _Opened(await litellm_path.loaded().acompletion(**self._asked.sent(call)))

    async def aclose(self) -> None:
        """Close nothing."""


class _Opened:
    """A stream of litellm's that has begun, as a driver wants one."""

    __slots__ = ("response", "source", "tries")

    def __init__(self, source: Any) -> None:
        self.source = source
        self.response = None
        self.tries = ()


# --- streams ------------------------------------------------------------------------------


def _relayed(live: Live, ending: StreamEnding) -> Any:
    """Return litellm's stream, which settles its call where it ends; a local model's is openai's."""
    from greenai import streams

    relay = streams.relay(streams.Seen(live.call.draft.rung.name), ending, live.elapsed, live.call)
    source: Any = live.opened.source
    kind: Any = type(source)
    source.__class__ = _green(kind)
    source._greenai, source.greenai = relay, None  # noqa: SLF001
    return source


@cache
def _green(kind: type[Any]) -> type[Any]:
    """Return the subclass of litellm's stream, with its name, that settles its call at the end."""
    own = {"__next__": _following, "__anext__": _afollowing, "aclose": _aclosed, "__del__": _dropped}
    return _made(kind, own)


def _plain(stream: Any) -> Any:
    """Return litellm's own class of a stream."""
    return type(stream).__mro__[1]


def _following(self: Any) -> Any:
    relay, kind = self._greenai, _plain(self)
    while not relay.ended:
        try:
            chunk = kind.__next__(self)
        except StopIteration:
            self.greenai = relay.take().finish(relay.reply(complete=relay.seen.finish_reason is not None))
            break
        except BaseException:
            relay.take().finish(relay.reply(complete=False))
            raise
        if relay.relayed(litellm_path.chunk_of(chunk)):
            return chunk
    raise StopIteration


async def _afollowing(self: Any) -> Any:
    relay, kind = self._greenai, _plain(self)
    while not relay.ended:
        try:
            chunk = await kind.__anext__(self)
        except StopAsyncIteration:
            self.greenai = await relay.take().afinish(relay.reply(complete=relay.seen.finish_reason is not None))
            break
        except BaseException:
            await relay.take().afinish(relay.reply(complete=False))
            raise
        if relay.relayed(litellm_path.chunk_of(chunk)):
            return chunk
    raise StopAsyncIteration


async def _aclosed(self: Any) -> None:
    await _plain(self).aclose(self)
    ending = self._greenai.take()
    if ending is not None:
        self.greenai = await ending.afinish(self._greenai.reply(complete=False))


def _dropped(stream: Any) -> None:
    stream._greenai.abandon()  # noqa: SLF001


@cache
def _replaying(kind: type[Any]) -> type[Any]:
    """Return the subclass of litellm's stream that gives chunks which are there already."""

    async def afollowing(self: Any) -> Any:
        for chunk in self._left:
            return chunk
        raise StopAsyncIteration

    async def aclose(_: Any) -> None:
        return None

    own = {"__next__": lambda self: next(self._left), "__anext__": afollowing, "aclose": aclose, "response": None}
    return _made(kind, own)


def _made(kind: type[Any], own: Mapping[str, Any]) -> type[Any]:
    return type(kind.__name__, (kind,), {"__module__": kind.__module__, "__qualname__": kind.__qualname__, **own})


# --- arguments ----------------------------------------------------------------------------

_NO_JSON = object()


def _json(value: Any) -> Any:
    """Return an argument as JSON, `_NO_JSON` where it is none."""
    try:
        return json.loads(json.dumps(value, default=_dumped))
    except (TypeError, ValueError, RecursionError):
        return _NO_JSON


def _dumped(value: Any) -> Any:
    schema: Callable[[], Any] | None = getattr(value, "model_json_schema", None)
    if isinstance(value, type) and schema is not None:
        return schema()
    return value.model_dump(mode="json", exclude_none=True) if hasattr(value, "model_dump") else _refused(value)


def _refused(value: object) -> Any:
    raise TypeError(f"{type(value).__name__} is no JSON")


def _flat(arguments: Mapping[str, Any]) -> dict[str, Any]:
    body = arguments.get("extra_body")
    rest = {name: value for name, value in arguments.items() if name != "extra_body"}
    return {**rest, **(cast("Mapping[str, Any]", body) if isinstance(body, Mapping) else {})}
