"""Doubles for tests of apps that use greenai: no network, no disk, no model, and every call recorded.

    >>> from greenai.testing import FakeProvider, offline
    >>> provider = FakeProvider("Paris.")
    >>> with offline(provider) as client:
    ...     answer = client.ask("What is the capital of France?")
    >>> answer.text, answer.greenai.outcome
    ('Paris.', 'small')
    >>> [call.draft.rung.model for call in provider.calls]
    ['openai/gpt-5.4-nano']

Everything between the client and the provider is the real thing: routing, nudges, cache, ledger, receipts. What is
replaced is what `resources.Outside` names. The retry layer belongs to the real provider, so a scripted error is final.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, TypeVar, overload

from greenai.client import AsyncClient, Client
from greenai.testing.machine import FakeEngine, FakeEngines, MemoryStore, ReplayMeter
from greenai.thoughts import thinks
from greenai.values import Call, Reply, Try, Usage

if TYPE_CHECKING:
    from typing import Unpack

    import openai
    from openai.types.chat import ChatCompletionChunk

    from greenai.hooks import Observer
    from greenai.hours import Forecast
    from greenai.provider import Opened
    from greenai.resources import Config
    from greenai.settings import Settings

__all__ = ["FakeEngine", "FakeEngines", "FakeProvider", "FakeReply", "MemoryStore", "ReplayMeter", "error", "offline"]

C = TypeVar("C", bound="Client | AsyncClient")

LADDER = ("openai/gpt-5.4-nano", "openai/gpt-5.5")
"""The ladder of an offline client, unless its settings name another."""


# --- what a provider says -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeReply:
    """One scripted answer.

    Attributes:
        text: what the model says.
        finish_reason: why it ended.
        input_tokens: tokens of the prompt; None leaves the whole usage out, as some servers do.
        output_tokens: tokens of the answer; None counts one per four characters.
        cached_tokens: the part of the prompt that the provider read from its cache.
        reasoning_tokens: tokens thought, on top of the answer's.
        reasoning: text thought, as servers that show it do.
        tool_calls: tool calls in openai's JSON shape.
        model: the name the provider answers with; None repeats the one that was asked.
        delay_s: seconds before the answer, or before a stream is open.
        pause_s: seconds before each chunk of a stream.
        cut_after: chunks after which a stream breaks with `error`; None lets it end.
        error: what a cut stream raises; None makes it a connection error.
        energy_j: joules that the provider reports for this answer.
        service_tier: what the provider says it was served at.
        tries: tries that failed before, for the receipt.
        logprobs: log-probabilities of the answer's tokens, returned where the call asks for them.
    """

    text: str = "A scripted answer."
    finish_reason: str = "stop"
    input_tokens: int | None = 12
    output_tokens: int | None = None
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    reasoning: str | None = None
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    model: str | None = None
    delay_s: float = 0.0
    pause_s: float = 0.0
    cut_after: int | None = None
    error: Exception | None = None
    energy_j: float | None = None
    service_tier: str | None = None
    tries: tuple[Try, ...] = ()
    logprobs: tuple[float, ...] = ()

    def usage(self) -> dict[str, Any] | None:
        """Return the usage in openai's JSON shape."""
        if self.input_tokens is None:
            return None
        visible = max(len(self.text) // 4, 1) if self.output_tokens is None else self.output_tokens
        output = visible + self.reasoning_tokens
        return {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": output,
            "total_tokens": self.input_tokens + output,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
        }

    def message(self) -> dict[str, Any]:
        """Return the assistant's message in openai's JSON shape."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text or None, "refusal": None}
        if self.tool_calls:
            message |= {"content": None, "tool_calls": [dict(call) for call in self.tool_calls]}
        if self.reasoning is not None:
            message["reasoning_content"] = self.reasoning
        return message


Step: TypeAlias = "str | FakeReply | BaseException | Callable[[Call], str | FakeReply | BaseException]"


def error(
    status: int | None, message: str = "scripted", *, headers: Mapping[str, str] | None = None, timeout: bool = False
) -> openai.APIError:
    """Return the openai exception for an HTTP status, for no answer at all (None), or for a time-out."""
    from greenai.shapes import openai_error

    return openai_error(message, status=status, response=SimpleNamespace(headers=headers or {}), timeout=timeout)


# --- the provider -------------------------------------------------------------------------


class FakeProvider:
    """Answers calls from a script, in order, and records them in `calls`; then `default` for ever.

    A step of the script is a text, a `FakeReply`, an exception that is raised, or a function of the call that returns
    one of these. Safe from any thread and any event loop.
    """

    def __init__(self, *script: Step, default: Step = "A scripted answer.") -> None:
        self.calls: list[Call] = []
        self.closed = 0
        self._script = list(script)
        self._default = default
        self._lock = threading.Lock()

    def __call__(self) -> FakeProvider:
        """Return itself: a client asks for its provider when it is first needed."""
        return self

    def opened(self) -> FakeProvider:
        """Return itself: there is nothing to open."""
        return self

    @property
    def models(self) -> list[str]:
        """The models that were asked, in order."""
        return [call.draft.rung.model for call in list(self.calls)]

    def send(self, call: Call) -> Reply:
        """Answer a call with the next step of the script."""
        answer = self._next(call)
        time.sleep(answer.delay_s)
        return _reply(answer, call)

    async def asend(self, call: Call) -> Reply:
        """Do what `send` does, awaited."""
        answer = self._next(call)
        await asyncio.sleep(answer.delay_s)
        return _reply(answer, call)

    def open(self, call: Call) -> Opened:
        """Open a stream of the next step of the script."""
        answer = self._next(call)
        time.sleep(answer.delay_s)
        return _opened(FakeStream(answer, call), answer)

    async def aopen(self, call: Call) -> Opened:
        """Do what `open` does, awaited."""
        answer = self._next(call)
        await asyncio.sleep(answer.delay_s)
        return _opened(AsyncFakeStream(answer, call), answer)

    def close(self) -> None:
        """Count that it was closed; it goes on answering."""
        self.closed += 1

    async def aclose(self) -> None:
        """Count that it was closed; it goes on answering."""
        self.closed += 1

    def _next(self, call: Call) -> FakeReply:
        with self._lock:
            self.calls.append(call)
            step = self._script.pop(0) if self._script else self._default
        if callable(step) and not isinstance(step, (FakeReply, BaseException)):
            step = step(call)
        if isinstance(step, BaseException):
            raise _fresh(step)
        return FakeReply(text=step) if isinstance(step, str) else step


def _fresh(failure: BaseException) -> BaseException:
    """Copy an exception: raised twice, the same one would carry the first time's notes. openai's refuse copy.copy."""
    fresh = type(failure).__new__(type(failure), *failure.args)
    fresh.__dict__.update({name: value for name, value in vars(failure).items() if name != "__notes__"})
    return fresh


def _reply(answer: FakeReply, call: Call) -> Reply:
    usage = answer.usage()
    counts = Usage()
    if usage is not None:
        counts = Usage(
            input_tokens=usage["prompt_tokens"],
            output_tokens=usage["completion_tokens"],
            cached_tokens=answer.cached_tokens,
            reasoning_tokens=answer.reasoning_tokens,
        )
    shown = answer.logprobs if call.draft.arguments.get("logprobs") else ()
    choice = {
        "index": 0,
        "message": answer.message(),
        "finish_reason": answer.finish_reason,
        "logprobs": {"content": [_token(value) for value in shown], "refusal": None} if shown else None,
    }
    return Reply(
        model=answer.model or call.draft.rung.name,
        text="" if answer.tool_calls else answer.text,
        finish_reason=answer.finish_reason,
        usage=counts,
        latency_s=answer.delay_s,
        body={**_head(answer, call), "object": "chat.completion", "choices": [choice], "usage": usage},
        tool_calls=bool(answer.tool_calls),
        reasoning_text=answer.reasoning is not None or thinks(answer.text),
        reported_energy_j=answer.energy_j,
        service_tier=answer.service_tier,
        tries=answer.tries,
        token_logprobs=shown,
    )


def _token(logprob: float) -> dict[str, Any]:
    return {"token": "t", "bytes": None, "logprob": logprob, "top_logprobs": []}


def _head(answer: FakeReply, call: Call) -> dict[str, Any]:
    # Created in the past, and always then: a receipt's own time must never come from here.
    return {
        "id": f"chatcmpl-{call.attempt_id}",
        "created": 1_700_000_000,
        "model": answer.model or call.draft.rung.name,
    }


def _opened(source: FakeStream | AsyncFakeStream, answer: FakeReply) -> Opened:
    from greenai.provider import Opened
    from greenai.shapes import http_library

    http = http_library()
    response = http.Response(200, request=http.Request("POST", "greenai://offline/chat/completions"))
    return Opened(source=source, response=response, tries=answer.tries)


class FakeStream:
    """A scripted answer as a stream: role, words, tool calls, finish, usage."""

    def __init__(self, answer: FakeReply, call: Call) -> None:
        self.closed = False
        self._answer = answer
        self._chunks = _cut(_chunks(answer, call), answer)

    def __iter__(self) -> FakeStream:
        return self

    def __next__(self) -> ChatCompletionChunk:
        if self.closed:
            raise StopIteration
        time.sleep(self._answer.pause_s)
        return next(self._chunks)

    def close(self) -> None:
        """Stop: what is left is never sent."""
        self.closed = True


class AsyncFakeStream:
    """The same, awaited."""

    def __init__(self, answer: FakeReply, call: Call) -> None:
        self.closed = False
        self._answer = answer
        self._chunks = _cut(_chunks(answer, call), answer)

    def __aiter__(self) -> AsyncFakeStream:
        return self

    async def __anext__(self) -> ChatCompletionChunk:
        if self.closed:
            raise StopAsyncIteration
        await asyncio.sleep(self._answer.pause_s)
        for chunk in self._chunks:
            return chunk
        raise StopAsyncIteration

    async def close(self) -> None:
        """Stop: what is left is never sent."""
        self.closed = True


def _cut(chunks: Iterator[ChatCompletionChunk], answer: FakeReply) -> Iterator[ChatCompletionChunk]:
    for n, chunk in enumerate(chunks):
        if n == answer.cut_after:
            raise answer.error or error(None, "Connection error.")
        yield chunk


def _chunks(answer: FakeReply, call: Call) -> Iterator[ChatCompletionChunk]:
    from greenai.shapes import chunk_from

    head = {**_head(answer, call), "object": "chat.completion.chunk"}
    for delta in _deltas(answer):
        yield chunk_from({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield chunk_from({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": answer.finish_reason}]})
    if (usage := answer.usage()) is not None:
        yield chunk_from({**head, "choices": [], "usage": usage})


def _deltas(answer: FakeReply) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    if answer.reasoning is not None:
        yield {"reasoning_content": answer.reasoning}
    if answer.tool_calls:
        yield {"tool_calls": [{"index": n, **tool} for n, tool in enumerate(answer.tool_calls)]}
        return
    words = answer.text.split(" ")
    for n, word in enumerate(words):
        yield {"content": word if n == len(words) - 1 else word + " "}


# --- the client ---------------------------------------------------------------------------


class _Arguments(TypedDict, total=False):
    project: str
    observe: bool
    opt_in: str | Iterable[str]
    reason: str
    timeout: Any
    max_retries: int
    api_key: str
    base_url: str
    settings: Mapping[str, Any]
    meters: Sequence[ReplayMeter]
    observers: Sequence[Observer]
    forecast: Forecast


@overload
def offline(provider: FakeProvider | None = ..., **arguments: Unpack[_Arguments]) -> Client: ...
@overload
def offline(provider: FakeProvider | None = ..., *, client: type[C], **arguments: Unpack[_Arguments]) -> C: ...
def offline(provider: FakeProvider | None = None, *, client: type[Any] = Client, **arguments: Any) -> Any:
    """Return a client without network and disk, which is also a context manager.

    Settings files and the environment are not read; ledger and cache live in memory, apart for each client.

    Args:
        provider: answers every call, local models' too; a new `FakeProvider` where none is given.
        client: `Client` or `AsyncClient`.
        arguments: what `Client` takes; `settings` stand over those of an offline client, whose ladder is `LADDER`,
            and `meters` are replayed for calls to local models, whose energy is modelled without them.

    Raises:
        SettingsError: a setting is wrong.
        TypeError: an argument that `Client` does not have.
    """
    from greenai.nudges import learnt
    from greenai.session import Session

    learnt.forget()  # what an earlier client's models did with reasoning is no business of this one
    unknown = sorted(arguments.keys() - _Arguments.__annotations__.keys())
    if unknown:
        raise TypeError(f"offline() got an unexpected keyword argument {unknown[0]!r}")
    said: dict[str, Any] = {name: arguments.get(name) for name in _CALLS}
    session = Session.open(
        _settings(arguments.get("settings") or {}),
        {name: arguments.get(name) for name in _CONNECTION},
        **said,
        observers=arguments.get("observers", ()),
        forecast=arguments.get("forecast"),
        outside=_outside(provider or FakeProvider(), arguments.get("meters", ())),
    )
    return client._of(session, owner=True)  # noqa: SLF001  # the clients' own way to stand on a given session


_CALLS = ("project", "observe", "opt_in", "reason", "timeout", "max_retries")
_CONNECTION = ("api_key", "base_url")


def _settings(given: Mapping[str, Any]) -> Settings:
    from greenai.settings import Settings, load_settings

    base = Settings.model_validate({"ladder": LADDER, "state_dir": None, "weights_dir": None, "ledger": ":memory:"})
    return load_settings(base, **given)


def _outside(provider: FakeProvider, meters: Sequence[ReplayMeter]) -> Any:
    from greenai.resources import Outside

    def the_provider(_: Config) -> FakeProvider:
        return provider

    return Outside(
        provider=the_provider,
        store=lambda _: MemoryStore(),
        engines=lambda _: FakeEngines(),
        meters=tuple(meters),
        env={},
    )
