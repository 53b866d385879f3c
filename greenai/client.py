"""`Client` and `AsyncClient`: openai's shape on the outside, the flow on the inside.

A method here is a typed surface: it makes a request and asks its session (session.py), which drives the flow
(drivers.py); the order of a call's steps is in flow.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from greenai.chat import AsyncChat, Chat
from greenai.features import AsyncFeature, Feature
from greenai.opening import Opening
from greenai.own import AsyncTask, Task
from greenai.surface import Surface

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Unpack

    from openai import AsyncOpenAI, OpenAI
    from openai.types.chat import ChatCompletion

    from greenai._params import ChatParams, GreenCompletion
    from greenai.bulk.items import Requests
    from greenai.bulk.job import AsyncJob, Job, Watching
    from greenai.bulk.ways import Way
    from greenai.bulk.window import By
    from greenai.features import Generate
    from greenai.local.torch_engine import Kind
    from greenai.session import Session
    from greenai.text import AsyncTextStream, TextAnswer, TextStream
    from greenai.values import Decision, Receipt
else:  # what openai's clients have is looked up in one of them, when it is first touched
    OpenAI = AsyncOpenAI = Surface


class Client(Opening, OpenAI):
    """`openai.OpenAI`, whose `chat.completions.create` is answered with the least energy that still answers well."""

    chat: Chat

    def _attach(self, session: Session) -> None:
        super()._attach(session)
        self.chat = Chat(self._rest)  # pyright: ignore[reportIncompatibleMethodOverride]

    @overload
    def ask(
        self,
        text: str,
        *,
        model: str | None = ...,
        system: str | None = ...,
        stream: Literal[False] = ...,
        **arguments: Unpack[ChatParams],
    ) -> TextAnswer: ...
    @overload
    def ask(
        self,
        text: str,
        *,
        model: str | None = ...,
        system: str | None = ...,
        stream: Literal[True],
        **arguments: Unpack[ChatParams],
    ) -> TextStream: ...
    def ask(
        self, text: str, *, model: str | None = None, system: str | None = None, stream: bool = False, **arguments: Any
    ) -> TextAnswer | TextStream:
        """Ask one question: the short form. Returns the text and its receipt; raises what `create` raises."""
        session = self._session
        request = session.request("ask", session.ask_messages(text, system), model, stream, arguments)
        if request.stream:
            return session.text_stream(request)
        return session.text_answer(session.answer(request))

    def explain(
        self, question: str | Iterable[Any], *, model: str | None = None, **arguments: Unpack[ChatParams]
    ) -> Decision:
        """Say how a call would be answered, and the estimated energy of each rung. No model is called.

        A question is decided as `ask` would, a list of messages as `create` would.
        """
        session = self._session
        short = isinstance(question, str)
        messages = session.ask_messages(question, None) if short else question
        request = session.request("ask" if short else "create", messages, model, stream=False, arguments=arguments)
        return self._session.explain(request)

    @overload
    def escalate(self, response: TextAnswer) -> TextAnswer: ...
    @overload
    def escalate(self, response: ChatCompletion) -> GreenCompletion: ...
    def escalate(self, response: Any) -> Any:
        """Ask again one rung above the one that answered; the new receipt's `parent` is the old call.

        The first answer counts as a bad one in the project's feedback.

        Raises:
            NoSufficientModel: there is no rung above.
            InvalidRequest: the response was not given by this client, or too many calls ago.
        """
        return self._session.escalate(response)

    def feedback(self, answer: ChatCompletion | TextAnswer | Receipt | str, *, good: bool) -> None:
        """Say whether an answer was good: from 30 answers on, the project's thresholds follow what was said.

        `answer` is a response, its receipt, or the receipt's `call_id` or how that begins (4 characters or more), also
        in another process on this machine. The last word about a call counts. A bad answer is not given again from the
        cache.

        Raises:
            InvalidRequest: the response has no receipt, or the ledger has no such call.
        """
        self._session.feedback(answer, good=good)

    def feature(self, name: str, *, generate: Generate = "on_request", model: str | None = None) -> Feature:
        """Declare a part of the app that could generate, and does when a person asks.

        What it returns is called with what retrieval gave and with what to ask for (`messages` or `prompt`), or
        decorates a function that makes the prompt. The result's `text` is the retrieved text until `result.generate()`
        or `user_requested=True`; `result.used()` records that a person used it. The ledger keeps both by the name.

        Args:
            name: how the ledger calls it.
            generate: "on_request", or "always" for what has to generate each time.
            model: the model to name in its calls.

        Raises:
            InvalidRequest: the name or the rule is none.
        """
        return Feature(self._session, name, generate, model)

    def used(self, answer: ChatCompletion | TextAnswer | Receipt | str) -> None:
        """Record that a person used an answer: a response, its receipt, or the receipt's `call_id` or its beginning.

        Raises:
            InvalidRequest: the response has no receipt, or the ledger has no such call.
        """
        self._session.used(answer)

    def forget(self, answer: ChatCompletion | TextAnswer | Receipt | str) -> bool:
        """Take an answer out of the cache, so that the same request is asked anew; return whether it was there.

        `answer` is a response, its receipt, or the receipt's `call_id`, also in another process on this machine; or
        the receipt's `cache_key`.

        Raises:
            InvalidRequest: the response has no receipt, or the ledger has no such call.
            CacheError: the cache cannot be reached or written to, so the answer may still be there.
        """
        return self._session.forget(answer)

    def batch(
        self,
        requests: Requests | None = None,
        *,
        by: By = None,
        name: str | None = None,
        backend: Way | None = None,
        model: str | None = None,
        at_once: int | None = None,
        progress: Watching = True,
    ) -> Job:
        """Answer many requests that can wait: bounded, de-duplicated, at a cleaner hour, and resumable after a crash.

        `for answer in job` runs it and gives an `Answer` for each request, in the order given; `job.plan` says before
        what it would do, and `job.receipt` afterwards what it took. The same call again goes on where it ended.

        Args:
            requests: texts, mappings of the arguments of `chat.completions.create` (`greenai` holds options, and
                `custom_id` a name), or the path of a JSONL file; None goes on with the job of that name.
            by: when it has to be done: "tonight", "06:00", "2h", an aware datetime. It is then run at the cleanest or
                cheapest time until then, where the settings have a forecast; None runs it at once.
            name: of the job; by default one made of its requests.
            backend: "calls" for the client's own calls, "provider" for a provider's batch API, "ray" or "vllm" for a
                GPU fleet, or how that is used: `Ray(...)`, `Vllm(...)`; None decides.
            model: for requests that name none.
            at_once: how many are under way at the same time; by default as many as a local engine answers together,
                else 8.
            progress: True for a bar where standard error is a terminal; or a function that takes each `Progress`.

        Raises:
            InvalidRequest: the name, the time or a number is none. What is wrong with a request is said when it is run.
        """
        from greenai.bulk.job import Job

        return Job(
            self._session,
            requests,
            by=by,
            name=name,
            backend=backend,
            model=model,
            at_once=at_once,
            progress=progress,
        )

    def task(
        self,
        name: str,
        *,
        model: str | None = None,
        kind: Kind = "classification",
        labels: Sequence[str] = (),
        examples: Mapping[str, Sequence[str]] | None = None,
        examples_of_requests: Sequence[str] = (),
        threshold: float | None = None,
    ) -> Task:
        """Register a small model for one task, in place of a general one, and return it to be called with texts.

        Args:
            name: how receipts call it.
            model: a model that transformers runs, by its folder or its name on the hub (extra `torch`).
            kind: what that model does: classification, extraction, question-answering, summarisation or
                embedding-head.
            labels: the labels, in the order in which the model numbers them.
            examples: texts by label, in place of a model: a head is fitted on them now.
            examples_of_requests: requests that it answers within `ask` and `create`, such as "is this review
                positive"; the request has to show which part is the text: in quotes, after a colon, or below.
            threshold: the confidence below which it abstains, in [0, 1]; by default calibrated for a head, else 0.5.

        Raises:
            InvalidRequest: the arguments make no task, or the name is taken.
        """
        spec = self._task(name, model, kind, labels, examples, examples_of_requests, threshold)
        return Task(self._session, spec)

    def close(self) -> None:
        """Close connections; the client that opened them also unloads models and closes ledger and cache."""
        self._closed = True
        self._session.close(owner=self._owner)
        self._rest.close(owner=self._owner)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(Opening, AsyncOpenAI):
    """`openai.AsyncOpenAI`; see `Client`."""

    chat: AsyncChat
    _asynchronous = True

    def _attach(self, session: Session) -> None:
        super()._attach(session)
        self.chat = AsyncChat(self._rest)  # pyright: ignore[reportIncompatibleMethodOverride]

    @overload
    async def ask(
        self,
        text: str,
        *,
        model: str | None = ...,
        system: str | None = ...,
        stream: Literal[False] = ...,
        **arguments: Unpack[ChatParams],
    ) -> TextAnswer: ...
    @overload
    async def ask(
        self,
        text: str,
        *,
        model: str | None = ...,
        system: str | None = ...,
        stream: Literal[True],
        **arguments: Unpack[ChatParams],
    ) -> AsyncTextStream: ...
    async def ask(
        self, text: str, *, model: str | None = None, system: str | None = None, stream: bool = False, **arguments: Any
    ) -> TextAnswer | AsyncTextStream:
        """Ask one question: the short form. Returns the text and its receipt; raises what `create` raises."""
        session = self._session
        request = session.request("ask", session.ask_messages(text, system), model, stream, arguments)
        if request.stream:
            return await session.atext_stream(request)
        return session.text_answer(await session.aanswer(request))

    async def explain(
        self, question: str | Iterable[Any], *, model: str | None = None, **arguments: Unpack[ChatParams]
    ) -> Decision:
        """Say how a call would be answered, and the estimated energy of each rung. No model is called.

        A question is decided as `ask` would, a list of messages as `create` would.
        """
        session = self._session
        short = isinstance(question, str)
        messages = session.ask_messages(question, None) if short else question
        request = session.request("ask" if short else "create", messages, model, stream=False, arguments=arguments)
        return await self._session.aexplain(request)

    @overload
    async def escalate(self, response: TextAnswer) -> TextAnswer: ...
    @overload
    async def escalate(self, response: ChatCompletion) -> GreenCompletion: ...
    async def escalate(self, response: Any) -> Any:
        """Ask again one rung above the one that answered; see `Client.escalate`."""
        return await self._session.aescalate(response)

    async def feedback(self, answer: ChatCompletion | TextAnswer | Receipt | str, *, good: bool) -> None:
        """Say whether an answer was good; see `Client.feedback`."""
        await self._session.afeedback(answer, good=good)

    def feature(self, name: str, *, generate: Generate = "on_request", model: str | None = None) -> AsyncFeature:
        """Declare a part of the app that could generate, as `Client.feature` does; what it returns is awaited."""
        return AsyncFeature(self._session, name, generate, model)

    async def used(self, answer: ChatCompletion | TextAnswer | Receipt | str) -> None:
        """Record that a person used an answer; see `Client.used`."""
        await self._session.aused(answer)

    async def forget(self, answer: ChatCompletion | TextAnswer | Receipt | str) -> bool:
        """Take an answer out of the cache; see `Client.forget`."""
        return await self._session.aforget(answer)

    def batch(
        self,
        requests: Requests | None = None,
        *,
        by: By = None,
        name: str | None = None,
        backend: Way | None = None,
        model: str | None = None,
        at_once: int | None = None,
        progress: Watching = True,
    ) -> AsyncJob:
        """Answer many requests that can wait, as `Client.batch` does; the job is awaited: `async for answer in job`."""
        from greenai.bulk.job import AsyncJob

        return AsyncJob(
            self._session,
            requests,
            by=by,
            name=name,
            backend=backend,
            model=model,
            at_once=at_once,
            progress=progress,
        )

    def task(
        self,
        name: str,
        *,
        model: str | None = None,
        kind: Kind = "classification",
        labels: Sequence[str] = (),
        examples: Mapping[str, Sequence[str]] | None = None,
        examples_of_requests: Sequence[str] = (),
        threshold: float | None = None,
    ) -> AsyncTask:
        """Register a task as `Client.task` does; what it returns is awaited."""
        spec = self._task(name, model, kind, labels, examples, examples_of_requests, threshold)
        return AsyncTask(self._session, spec)

    async def close(self) -> None:
        """Close connections; the client that opened them also unloads models and closes ledger and cache."""
        self._closed = True
        await self._session.aclose(owner=self._owner)
        await self._rest.aclose(owner=self._owner)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.close()
