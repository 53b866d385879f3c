"""`Client` and `AsyncClient`: openai's shape on the outside, the flow on the inside.

A method here is a typed surface: it makes a request and asks its session (session.py), which drives the flow
(drivers.py); the order of a call's steps is in flow.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from greenai.around import block
from greenai.chat import AsyncChat, Chat, Surface
from greenai.features import AsyncFeature, Feature
from greenai.given import NOT_GIVEN, NotGiven
from greenai.own import AsyncTask, Registering, Task

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Unpack

    import httpx
    import openai
    from openai.types.chat import ChatCompletion

    from greenai._params import ChatParams, GreenCompletion
    from greenai.features import Generate
    from greenai.hooks import Observer
    from greenai.hours import CleanHour, Forecast
    from greenai.local.torch_engine import Kind
    from greenai.session import Session
    from greenai.settings import Settings
    from greenai.settings.projects import WhenSpent
    from greenai.spending import Run
    from greenai.text import AsyncTextStream, TextAnswer, TextStream
    from greenai.values import Decision, OptIn, Receipt


class _Base(Registering):
    """What both clients are: settings opened once, options, and the making of copies."""

    _owner: bool

    def __init__(
        self,
        *,
        api_key: Any = None,
        organization: str | None = None,
        base_url: str | httpx.URL | None = None,
        timeout: float | httpx.Timeout | NotGiven | openai.NotGiven | openai.Omit | None = NOT_GIVEN,
        max_retries: int | openai.NotGiven | openai.Omit | None = None,
        default_headers: Mapping[str, str] | None = None,
        default_query: Mapping[str, object] | None = None,
        http_client: Any = None,
        openai_project: str | None = None,
        project: str | None = None,
        settings: Settings | Mapping[str, Any] | Path | str | None = None,
        opt_in: str | Iterable[str] | None = None,
        reason: str | None = None,
        observe: bool | None = None,
        observers: Sequence[Observer] = (),
        forecast: Forecast | None = None,
    ) -> None:
        """Open a client.

        The first eight arguments are openai's own and mean what they mean there; `timeout` is the deadline of the
        whole call, in seconds, every rung and retry included.

        Args:
            api_key: the key for OpenAI or for `base_url`; without it OPENAI_API_KEY is read.
            organization: openai's organization header.
            base_url: an OpenAI-compatible server; model names then go there exactly as written.
            timeout: the deadline of a whole call in seconds, or an `httpx.Timeout`; None for no deadline;
                600 s by the settings where it is not given.
            max_retries: tries after the first; 2 by the settings.
            default_headers: headers for every request.
            default_query: query parameters for every request.
            http_client: the app's own HTTP client.
            openai_project: openai's `project` header. The name `project` is taken by greenai's own.
            project: the project that calls are booked on.
            settings: a mapping of settings, the path of a settings file, or a `Settings` object; over it stand
                the arguments here, below it `GREENAI_*` variables, `greenai.toml` and `[tool.greenai]`.
            opt_in: expensive modes that every call of this client may use; needs a `reason`.
            reason: why, for the ledger.
            observe: change nothing, and record what would have been saved.
            observers: callables that take every receipt.
            forecast: a function of a zone's code that returns the hours to come, for `when_clean` and for calls with
                `urgent=False`; by default the file that the setting `carbon_forecast` names.

        Raises:
            SettingsError: a setting is wrong; the message names the source, the key and the fix.
            InvalidRequest: an opt-in nobody knows, or one without a reason.
        """
        from greenai.session import Session

        if project is not None and project.startswith("proj_"):
            warnings.warn(
                f"project={project!r} looks like the id of an OpenAI project. greenai's project is the name that "
                f"calls are booked on; for OpenAI's header pass openai_project={project!r}.",
                UserWarning,
                stacklevel=2,
            )
        connection = {
            "api_key": api_key,
            "base_url": base_url,
            "organization": organization,
            "openai_project": openai_project,
            "default_headers": default_headers,
            "default_query": default_query,
            "http_client": http_client,
        }
        self._owner = True
        self._attach(
            Session.open(
                settings,
                connection,
                project=project,
                observe=observe,
                opt_in=opt_in,
                reason=reason,
                timeout=float("inf") if timeout is None else timeout,
                max_retries=max_retries,
                observers=observers,
                forecast=forecast,
            )
        )

    def _attach(self, session: Session) -> None:
        self._session = session

    @property
    def settings(self) -> Settings:
        """The settings this client was opened with."""
        return self._session.resources.settings

    def when_clean(self, within: str | float = "24h", *, zone: str | None = None) -> CleanHour:
        """Return when a kWh emits least, now or within a time such as "12h"; its `delay_s` is how long to wait.

        No call waits by itself: `time.sleep(client.when_clean("8h").delay_s)` does, or the app's own scheduler.

        Raises:
            InvalidRequest: no forecast is configured, it does not know the present, or `within` is no duration.
        """
        return self._session.when_clean(within, zone)

    @block
    def options(self, **changes: Any) -> Generator[Self]:
        """Apply options to every call inside the block, of this context only (threads and tasks have their own).

        Raises:
            InvalidRequest: an option nobody knows, or an opt-in without a reason.
        """
        with self._session.block(changes):
            yield self

    @block
    def opt_in(self, *kinds: OptIn, reason: str = "", user: str | None = None) -> Generator[Self]:
        """Allow expensive modes to every call inside the block, of this context only, besides what they may do already.

        Args:
            kinds: the modes: "reasoning", "large", "long_output", "semantic_cache".
            reason: why, for the ledger; none is an error.
            user: who allowed it, for the ledger.

        Raises:
            InvalidRequest: no opt-in, one nobody knows, or one without a reason.
        """
        with self._session.opted_in(kinds, reason, user):
            yield self

    @block
    def budget(self, *limits: str, when_spent: WhenSpent = "downgrade", eur_usd: float | None = None) -> Generator[Run]:
        """Hold every call inside the block, of this context only, to budgets; what it yields says what was used.

        Args:
            limits: amounts such as "0.5 Wh", "0.10 USD", "20 calls", "5 g CO2e".
            when_spent: "downgrade" to a cheaper model, no reasoning and a shorter answer, then refuse; "refuse" at
                once; or "observe".
            eur_usd: how many US dollars a euro is, for limits in EUR.

        Raises:
            InvalidRequest: a limit cannot be read.
        """
        with self._session.budget(limits, when_spent, eur_usd) as run:
            yield run

    def with_options(self, **changes: Any) -> Self:
        """Return a client that shares this one's models, ledger and cache, with other options.

        Takes greenai's options (`opt_in` with `reason`, `project`, `quality`, `cache`, `substitute`, `tenant`, …) and
        openai's own (`api_key`, `base_url`, `timeout`, `max_retries`, `default_headers`, …). Closing the copy leaves
        the models, the ledger and the cache open.

        Raises:
            InvalidRequest: an option nobody knows, or an opt-in without a reason.
        """
        return self._of(self._session.with_options(changes), owner=False)

    @classmethod
    def _of(cls, session: Session, *, owner: bool) -> Self:
        client = object.__new__(cls)
        client._owner = owner
        client._attach(session)
        return client


class Client(_Base, Surface):
    """`openai.OpenAI` for `chat.completions.create`, answered with the least energy that still answers well."""

    chat: Chat

    def _attach(self, session: Session) -> None:
        super()._attach(session)
        self.chat = Chat(session)

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
            kind: what that model does: classification, extraction, question-answering or summarisation.
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
        self._session.close(owner=self._owner)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(_Base, Surface):
    """`openai.AsyncOpenAI` for `chat.completions.create`; see `Client`."""

    chat: AsyncChat

    def _attach(self, session: Session) -> None:
        super()._attach(session)
        self.chat = AsyncChat(session)

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
        await self._session.aclose(owner=self._owner)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.close()
