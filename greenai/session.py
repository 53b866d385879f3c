"""One client's session: its configuration, what it shares with its copies, and a driver for each colour.

The clients (client.py) are typed surfaces over this. It is imported when one is made, since settings bring pydantic.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from greenai import drivers, flow
from greenai.answerers.tasks import Solved, TaskSpec
from greenai.background import background
from greenai.errors import InvalidRequest
from greenai.given import is_given
from greenai.grants import Grant
from greenai.opt_ins import Block, Policies, blocks, in_force, named
from greenai.opt_ins import given as granted
from greenai.request import also, asked_with, changed, make_request, of_blocks, options_from
from greenai.resources import Config, Outside, ProviderSource, Recent, Resources, endpoint_rung, load
from greenai.settings import duration_s
from greenai.steps import Flow, Steps, caching, learning
from greenai.steps.advising import clean_hour
from greenai.text import AsyncTextStream, TaskAnswer, TextAnswer, TextStream
from greenai.values import Answer, Decision, Entry, Receipt, Request

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion

    from greenai.hooks import Observer
    from greenai.hours import CleanHour, Forecast
    from greenai.settings.projects import WhenSpent
    from greenai.spending import Run
    from greenai.streams import GreenAsyncStream, GreenStream

_CONNECTION = (
    "api_key", "base_url", "organization", "openai_project", "default_headers", "default_query", "http_client", "more",
)  # fmt: skip

MOST_ENDPOINTS = 64  # model names behind one base_url whose steps are kept ready


class Session:
    """Makes requests, drives the flow and dresses the answers, for one client or one `with_options` copy."""

    def __init__(
        self, config: Config, resources: Resources, recent: Recent, shared: ProviderSource | None = None
    ) -> None:
        self.config = config
        self.resources = resources
        self._provider = shared or resources.outside.provider(config)
        self._owns_provider = shared is None
        self._recent = recent
        self._endpoints: dict[str, Steps] = {}
        self._driver = drivers.AsyncDriver(self._provider, resources.threads)

    @classmethod
    def open(
        cls,
        settings: Any,
        connection: Mapping[str, Any],
        *,
        project: str | None,
        observe: bool | None,
        opt_in: str | Iterable[str] | None,
        reason: str | None,
        timeout: Any,
        max_retries: Any,
        observers: Sequence[Observer],
        outside: Outside | None = None,
        forecast: Forecast | None = None,
        pinned: bool = False,
    ) -> Session:
        """Load the settings and open what they name; see `Client`."""
        outside = outside or Outside()
        loaded = load(settings, project=project, observe=observe)
        options = options_from(loaded)
        given = {} if opt_in is None else {"opt_in": opt_in, "reason": reason}
        options, policies = changed(options, given), Policies(loaded)
        config = Config(
            options=options,
            timeout=loaded.timeout_s if timeout is None or not is_given(timeout) else timeout,
            max_retries=loaded.max_retries if max_retries is None or not is_given(max_retries) else max_retries,
            connection=_addressed(connection, None if pinned else outside.env.get("OPENAI_BASE_URL")),
            grants=_over_standing(policies, options.project, granted(given, "client")),
            policies=policies,
            ladder=loaded.rungs(outside.env),
            pinned=pinned,
        )
        return cls(config, Resources(loaded, observers, outside, forecast), Recent())

    def with_options(self, changes: Mapping[str, Any]) -> Session:
        """Return a session that shares this one's models, ledger and cache."""
        given = {name: value for name, value in changes.items() if is_given(value)}
        connection = _addressed({**self.config.connection, **{n: given.pop(n) for n in _CONNECTION if n in given}})
        config = replace(
            self.config,
            timeout=given.pop("timeout", self.config.timeout),
            max_retries=given.pop("max_retries", self.config.max_retries),
            connection=connection,
            token=secrets.token_hex(16),
            options=changed(self.config.options, given),
            grants=self._granted(given),
        )
        same = (config.connection, config.max_retries) == (self.config.connection, self.config.max_retries)
        return Session(config, self.resources, self._recent, self._provider if same else None)

    def _granted(self, given: Mapping[str, Any]) -> tuple[Grant, ...] | None:
        """Return the opt-ins of a copy: its own, or this one's."""
        own = granted(given, "client")
        if own is None:
            return self.config.grants
        return in_force(self._standing(given), call=own)

    def _standing(self, given: Mapping[str, Any]) -> tuple[Grant, ...]:
        """Return what holds outside of some options: this client's opt-ins, or those of the project that they name."""
        policies, project = self.config.policies, given.get("project", self.config.options.project)
        if self.config.grants is not None or policies is None:
            return self.config.grants or ()
        return policies.of(project).grants

    # Requests.

    def request(self, entry: Entry, messages: Any, model: Any, stream: Any, arguments: Mapping[str, Any]) -> Request:
        """Make a request of a call's arguments, and remember it for `escalate`."""
        request = make_request(
            self.config,
            entry,
            messages=messages,
            model=model,
            stream=stream,
            arguments=arguments,
            around=of_blocks(self.resources),
        )
        self._recent.add(request)
        return request

    def again(self, response: ChatCompletion | TextAnswer) -> Request:
        """Make the request that asks one rung above the one that gave `response`, with the opt-ins that hold now.

        Raises:
            InvalidRequest: no call of this client or its copies gave it, or one too many calls ago.
        """
        receipt: Receipt | None = getattr(response, "greenai", None)
        if receipt is None:
            raise InvalidRequest(
                "This response has no receipt, so greenai did not give it and cannot ask it again. "
                "Pass what client.chat.completions.create() or client.ask() returned."
            )
        asked = self._recent.find(receipt.call_id)
        travelled = asked.transport
        timeout = travelled.timeout_s if travelled.timeout is None else travelled.timeout
        arguments = {
            **asked.arguments,
            "timeout": timeout,
            "extra_headers": travelled.extra_headers,
            "extra_query": travelled.extra_query,
            "greenai": asked_with(asked.options),
        }
        fresh = self.request(asked.entry, asked.messages, asked.model, stream=False, arguments=arguments)
        # Calling escalate() is an explicit act of the app's code, so it is an opt-in of its own for the rung above.
        options, grants = fresh.options, fresh.grants
        if "large" not in options.opt_in:
            options, grants = also(options, grants, "large", "escalate")
        again = replace(
            fresh,
            options=options,
            grants=grants,
            parent=receipt.call_id,
            floor=receipt.model,
            transport=asked.transport,
        )
        self._recent.add(again)
        return again

    def _learning(self, answered: Any, *, good: object, source: str = "feedback") -> Flow[None]:
        """Return the flow that learns from an answer: a response, its receipt, or a call's id."""
        told = learning.told(answered, "learn from it")
        if not isinstance(good, bool):
            raise InvalidRequest(f"good={good!r} is no verdict. Pass good=True or good=False.")
        return learning.learn(told, self.resources.steps, good=good, source=source)

    def _forgetting(self, answered: Any) -> Flow[bool]:
        return caching.forgotten(learning.told(answered, "forget it"), self.resources.steps, must=True)

    def _flow(self, request: Request) -> Flow[Answer]:
        return flow.answer(self._scoped(request), self.steps_of(request))

    def flow(self, request: Request, key: str, *, nudged: bool = True, laddered: bool = False) -> Flow[Answer]:
        """Return the flow of a request that a library made; `laddered`: the default ladder holds too."""
        digest = sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        key_of = (lambda: digest) if self.config.pinned else None  # a wrapped client has one of its own
        changes: dict[str, Any] = {"ladder": self.resources.steps.ladder} if laddered else {}
        steps, changes = self.steps_of(request), changes if nudged else {**changes, "nudges": ()}
        return flow.answer(self._scoped(request, key_of), replace(steps, **changes) if changes else steps)

    def flow_with(self, request: Request, change: Callable[[Steps], Steps]) -> Flow[Answer]:
        """Return the flow that answers a request with other steps than this session's own."""
        return flow.answer(self._scoped(request), change(self.steps_of(request)))

    @property
    def provider(self) -> ProviderSource:
        """What gives the provider of this session's calls."""
        return self._provider

    def _scoped(self, request: Request, key: Callable[[], str] | None = None) -> Request:
        """Return the request with the scopes whose budgets hold for it."""
        scopes = self.resources.spending.scopes_of(request.options, request.arguments, key or self.config.key)
        return replace(request, scopes=scopes) if scopes else request

    def steps_of(self, request: Request) -> Steps:
        """Return the steps that hold for a request of this session."""
        steps, model = self.resources.pinned if self.config.pinned else self.resources.steps, request.model
        if self.config.endpoint is None or (model is not None and model.startswith("local/")):
            return steps
        if model in (None, "auto") and self.resources.settings.ladder is not None:
            return steps
        found = self._endpoints.get(model := model or "auto")
        if found is None:
            # What that server has, nobody told: the default ladder's models are somewhere else.
            named = {"ladder": ()} if model == "auto" else {"endpoint": endpoint_rung(self.config, model)}
            found = replace(steps, **named)
            if len(self._endpoints) < MOST_ENDPOINTS:
                self._endpoints[model] = found
        return found

    @contextmanager
    def block(self, changes: Mapping[str, Any]) -> Generator[None]:
        """Apply options to the calls of this context while the block runs."""
        changed(self.config.options, changes)
        own, around = granted(changes, "block"), of_blocks(self.resources)
        outside = {name: value for block in around for name, value in block.changes.items()}
        in_force(self._standing({**outside, **changes}), around, own)  # which refuses one without a reason
        with blocks.within(Block(self.resources, changes, own)):
            yield

    @contextmanager
    def opted_in(self, kinds: Sequence[str], reason: object, user: object) -> Generator[None]:
        """Allow modes to the calls of this context while the block runs, besides what they may do already."""
        with blocks.within(Block(self.resources, {}, named(kinds, reason, user), adds=True)):
            yield

    @contextmanager
    def budget(self, limits: Sequence[str], when_spent: WhenSpent, eur_usd: float | None) -> Generator[Run]:
        """Hold the calls of this context to budgets while the block runs."""
        with self.resources.spending.block(limits, when_spent, eur_usd) as run:
            yield run

    @staticmethod
    def ask_messages(text: object, system: str | None) -> list[dict[str, str]]:
        """Return the messages of a short-form question.

        Raises:
            InvalidRequest: it is no text, or empty.
        """
        if not isinstance(text, str):
            raise InvalidRequest(f"ask takes a string, not {type(text).__name__}. For a list of messages use create().")
        if not text.strip():
            raise InvalidRequest("The question is empty. Pass some text, as in client.ask('What is 18% of 240?').")
        before = [] if system is None else [{"role": "system", "content": system}]
        return [*before, {"role": "user", "content": text}]

    # Answers.

    @staticmethod
    def text_answer(answer: Answer) -> TextAnswer:
        """Dress an answer as text."""
        return TextAnswer(
            text=answer.reply.text,
            greenai=answer.receipt,
            finish_reason=answer.reply.finish_reason,
            request=answer.request,
        )

    @staticmethod
    def completion(answer: Answer) -> ChatCompletion:
        """Dress an answer as openai's object, with the receipt on it."""
        from greenai import shapes

        return shapes.with_receipt(shapes.completion(answer.reply), answer.receipt)

    def dressed(self, like: object, answer: Answer) -> TextAnswer | ChatCompletion:
        """Dress an answer like the response that it follows."""
        return self.text_answer(answer) if isinstance(like, TextAnswer) else self.completion(answer)

    # Waiting.

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        return drivers.run(self._flow(request), self._provider)

    def explain(self, request: Request) -> Decision:
        """Decide about one request without calling a model."""
        return drivers.run(flow.explain(self._scoped(request), self.steps_of(request)), self._provider)

    def solve(self, task: TaskSpec, text: str, question: str | None) -> TaskAnswer:
        """Do a task on a text."""
        return _task_answer(*drivers.run(self._solving(task, text, question), self._provider))

    def _solving(self, task: TaskSpec, text: str, question: str | None) -> Flow[tuple[Solved, Answer]]:
        request = self.request("ask", self.ask_messages(text, None), None, stream=False, arguments={})
        return flow.solve(request, task, text, question, self.steps_of(request))

    def feedback(self, answered: Any, *, good: bool) -> None:
        """Learn whether an answer was good."""
        drivers.run(self._learning(answered, good=good), self._provider)

    def when_clean(self, within: str | float, zone: str | None) -> CleanHour:
        """Return the cleanest hour that begins within a time, in this machine's zone or another."""
        forecast = self.resources.steps.forecast
        if forecast is None:
            raise InvalidRequest(
                'No forecast is configured, so no hour is known to be cleaner. Set carbon_forecast = "forecast.csv" in '
                "the settings, or pass Client(forecast=...)."
            )
        zone = zone or self.resources.steps.site.zone
        try:
            within_s = duration_s(within)
        except ValueError as error:
            raise InvalidRequest(f"within={within!r} is no duration: {error}. Units: s, m, h, d, w.") from None
        found = clean_hour(forecast, zone, within_s)
        if found is None:
            raise InvalidRequest(
                f"The forecast knows nothing of the present in the zone {zone}. Bring it up to date, or pass zone=..."
            )
        return found

    def record_offer(self) -> str:
        """Count, in the background, that this session's feature gave something; return the project it is booked on."""
        named = [block.changes["project"] for block in of_blocks(self.resources) if "project" in block.changes]
        project: str = named[-1] if named else self.config.options.project
        background.start()
        background.put(partial(self.resources.ledger.offered, project, self._feature, offered=1))
        return project

    def record_use(self, project: str, call: str | None, *, first: bool) -> None:
        """Write that somebody used what this session's feature gave: once for the offer, and for each call."""
        if first:
            self.resources.ledger.offered(project, self._feature, used=1)
        if call is not None:
            self.resources.ledger.used(call)

    @property
    def _feature(self) -> str:
        return self.config.options.feature or ""

    def used(self, answered: Any) -> None:
        """Write that somebody used an answer."""
        told = learning.told(answered, "note that it was used")
        ledger = self.resources.ledger
        known = ledger.used(ledger.whole(told) if isinstance(told, str) else told.call_id)
        if isinstance(told, str) and not known:
            raise InvalidRequest(
                f"The ledger has no call {told!r}, so nothing can be noted of it. Pass the response itself, or the "
                "call_id of its receipt, on the machine that made the call."
            )

    def forget(self, answered: Any) -> bool:
        """Take an answer out of the cache."""
        return drivers.run(self._forgetting(answered), self._provider)

    def escalate(self, response: ChatCompletion | TextAnswer) -> TextAnswer | ChatCompletion:
        """Ask one rung above the one that gave `response`, which counts as a bad answer."""
        request = self.again(response)
        drivers.run(self._learning(response, good=False, source="escalate"), self._provider)
        return self.dressed(response, self.answer(request))

    def stream(self, request: Request) -> GreenStream:
        """Answer one request as openai's stream."""
        from greenai import streams

        opened = drivers.open_stream(self._flow(request), self._provider)
        if isinstance(opened, Answer):
            return streams.replayed(opened.reply, opened.receipt, with_usage=_wants_usage(request))
        return _live(opened)

    def text_stream(self, request: Request) -> TextStream:
        """Answer one request as pieces of text."""
        opened = drivers.open_stream(self._flow(request), self._provider)
        if isinstance(opened, Answer):
            return TextStream.done(opened.reply, opened.receipt)
        return TextStream.live(_live(opened))

    def close(self, *, owner: bool) -> None:
        """Close this session's own connections; as the owner also models, ledger and cache."""
        background.drain()
        provider = self._provider.opened() if self._owns_provider else None
        if provider is not None:
            provider.close()
        if owner:
            self.resources.close()

    # Awaited.

    async def aanswer(self, request: Request) -> Answer:
        """Do what `answer` does, awaited."""
        return await self._driver.run(self._flow(request))

    async def aexplain(self, request: Request) -> Decision:
        """Do what `explain` does, awaited."""
        return await self._driver.run(flow.explain(self._scoped(request), self.steps_of(request)))

    async def asolve(self, task: TaskSpec, text: str, question: str | None) -> TaskAnswer:
        """Do what `solve` does, awaited."""
        return _task_answer(*await self._driver.run(self._solving(task, text, question)))

    async def afeedback(self, answered: Any, *, good: bool) -> None:
        """Do what `feedback` does, awaited."""
        await self._driver.run(self._learning(answered, good=good))

    async def arecord_use(self, project: str, call: str | None, *, first: bool) -> None:
        """Do what `record_use` does, awaited."""
        await self._driver.elsewhere(partial(self.record_use, project, call, first=first))

    async def aused(self, answered: Any) -> None:
        """Do what `used` does, awaited."""
        await self._driver.elsewhere(partial(self.used, answered))

    async def aforget(self, answered: Any) -> bool:
        """Do what `forget` does, awaited."""
        return await self._driver.run(self._forgetting(answered))

    async def aescalate(self, response: ChatCompletion | TextAnswer) -> TextAnswer | ChatCompletion:
        """Do what `escalate` does, awaited."""
        request = self.again(response)
        await self._driver.run(self._learning(response, good=False, source="escalate"))
        return self.dressed(response, await self.aanswer(request))

    async def astream(self, request: Request) -> GreenAsyncStream:
        """Do what `stream` does, awaited."""
        from greenai import streams

        opened = await self._driver.open_stream(self._flow(request))
        if isinstance(opened, Answer):
            return streams.areplayed(opened.reply, opened.receipt, with_usage=_wants_usage(request))
        return _alive(opened, self._driver)

    async def atext_stream(self, request: Request) -> AsyncTextStream:
        """Do what `text_stream` does, awaited."""
        opened = await self._driver.open_stream(self._flow(request))
        if isinstance(opened, Answer):
            return AsyncTextStream.done(opened.reply, opened.receipt)
        return AsyncTextStream.live(_alive(opened, self._driver))

    async def aclose(self, *, owner: bool) -> None:
        """Do what `close` does, awaited."""
        await self._driver.elsewhere(background.drain)
        provider = self._provider.opened() if self._owns_provider else None
        if provider is not None:
            await provider.aclose()
        if owner:
            await self._driver.elsewhere(self.resources.close)


def _over_standing(policies: Policies, project: str, own: tuple[Grant, ...] | None) -> tuple[Grant, ...] | None:
    return None if own is None else in_force(policies.of(project).grants, call=own)


def _task_answer(solved: Solved, answer: Answer) -> TaskAnswer:
    sure = solved.sure
    return TaskAnswer(
        text=solved.text if sure else "",
        label=solved.label if sure else None,
        confidence=solved.confidence,
        receipt=answer.receipt,
    )


def _addressed(connection: Mapping[str, Any], default: str | None = None) -> dict[str, Any]:
    url = connection.get("base_url")
    address = default or None if url is None else str(url)
    if address is not None and not address.startswith(("http://", "https://")):
        raise InvalidRequest(
            f'base_url="{address}" must begin with http:// or https://, as in base_url="http://localhost:8080/v1".'
        )
    return {**connection, "base_url": address}


def _wants_usage(request: Request) -> bool:
    return bool((request.arguments.get("stream_options") or {}).get("include_usage"))


def _live(live: drivers.Live) -> GreenStream:
    from greenai import streams

    relay = streams.relay(streams.Seen(live.call.draft.rung.name), drivers.StreamEnding(live), live.elapsed, live.call)
    return streams.GreenStream(live.opened.source, relay, live.opened.response)


def _alive(live: drivers.Live, driver: drivers.AsyncDriver) -> GreenAsyncStream:
    from greenai import streams

    ending = drivers.StreamEnding(live, driver)
    relay = streams.relay(streams.Seen(live.call.draft.rung.name), ending, live.elapsed, live.call)
    return streams.GreenAsyncStream(live.opened.source, relay, live.opened.response)
