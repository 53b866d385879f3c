"""litellm: a callback that books the SDK's calls, and hooks by which a litellm proxy asks greenai before and after.

    where       hook                                     what happens
    ────────    ─────────────────────────────────────    ─────────────────────────────────────────────────
    SDK         (async_)log_success_event                the call is booked: energy, receipt, ledger
    proxy       async_pre_call_hook                      budgets, opt-ins, effort: the flow up to its call
                async_post_call_success_hook             the rest of the flow; a stream's, where that ends
                async_post_call_response_headers_hook    the receipt in a header
                async_post_call_failure_hook             what was held is settled

litellm tells of a call of the SDK after it was answered, on a thread of its own: so its budgets count it and refuse
nothing, and its receipt is there a moment later. What passes greenai.completion(), or one of greenai's clients, is not
booked again.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from greenai import drivers
from greenai.drivers import AsyncDriver, Live
from greenai.errors import BudgetExceeded, GreenAIError, OptInRequired
from greenai.integrations import returned
from greenai.provider import litellm_path
from greenai.session import Session
from greenai.values import Answer, Call, Reply, Work
from greenai.wire.chat import DIALECT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from greenai.hooks import Observer
    from greenai.steps import Flow, Steps
    from greenai.values import Receipt

__all__ = ["GreenCallback"]

MARK = "greenai_call"
MOST_WAITING = 10_000
"""How many calls of a proxy may wait for their end; a client that went away leaves one behind."""

_CODES = {BudgetExceeded: "budget_exceeded", OptInRequired: "opt_in_required"}


class GreenCallback:
    """A `CustomLogger` of litellm's: `litellm.callbacks = [GreenCallback()]`.

    Args:
        project: the project that calls are booked on.
        settings: as in `Client`.
        opt_in: expensive modes that calls through a proxy may use; needs a `reason`.
        reason: why, for the ledger.
        observers: callables that take every receipt.
    """

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Make one of litellm's class too, which is imported now."""
        kind: Any = cls
        made: Self = object.__new__(_logger(kind))
        return made

    def __init__(
        self,
        *,
        project: str | None = None,
        settings: Any = None,
        opt_in: str | Iterable[str] | None = None,
        reason: str | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        super().__init__()
        self._session = Session.open(
            settings, {"base_url": None}, project=project, observe=None, opt_in=opt_in, reason=reason, timeout=None,
            max_retries=None, observers=observers, pinned=True,
        )  # fmt: skip
        self._waiting: OrderedDict[str, tuple[Live, AsyncDriver]] = OrderedDict()
        # litellm takes two loggers for one where the texts and numbers among their public attributes are equal, and
        # drops the second without a word.
        self.greenai_id = uuid4().hex
        self._was_named = False

    # The SDK.

    def log_success_event(self, kwargs: Mapping[str, Any], response_obj: Any, start_time: Any, end_time: Any) -> None:
        """Book a call that was answered."""
        self._booked(kwargs, response_obj, (end_time - start_time).total_seconds())

    async def async_log_success_event(
        self, kwargs: Mapping[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Book an awaited call that was answered."""
        await asyncio.to_thread(self._booked, kwargs, response_obj, (end_time - start_time).total_seconds())

    def _booked(self, kwargs: Mapping[str, Any], response: Any, latency_s: float) -> None:
        if self._is_gone():
            return
        metadata = (kwargs.get("litellm_params") or {}).get("metadata") or {}
        if str(kwargs.get("litellm_call_id", "")).startswith(litellm_path.OWN) or MARK in metadata:
            return
        whole = kwargs.get("complete_streaming_response") or kwargs.get("async_complete_streaming_response") or response
        reply = returned.read(whole, str(kwargs.get("model")), latency_s)
        if reply is None or getattr(whole, "object", "") == "chat.completion.chunk":
            return
        asked, done = {**kwargs, **(kwargs.get("optional_params") or {})}, _Done(replace(reply, body=None))
        try:
            answer = drivers.run(self._flow(asked, _named(kwargs), ""), done)
        except BudgetExceeded:  # it was made all the same: it is booked beside its budgets
            answer = drivers.run(self._flow(asked, _named(kwargs), "", limited=False), done)
        _tell(response, answer.receipt)
        _tell(whole, answer.receipt)

    def _is_gone(self) -> bool:
        """Say whether it was taken out of `litellm.callbacks`: litellm goes on to tell it all the same."""
        named = [other for other in litellm_path.loaded().callbacks if isinstance(other, GreenCallback)]
        is_named = any(other is self for other in named)
        self._was_named = self._was_named or is_named
        return not is_named and (self._was_named or bool(named))

    # The proxy.

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: str
    ) -> dict[str, Any]:
        """Hold what a request may use, and put into it what the flow changed.

        Raises:
            HTTPException: 403 where a budget or an opt-in is missing, as no client retries.
        """
        del cache
        if call_type not in ("completion", "acompletion") or not data.get("messages"):
            return data
        key = str(getattr(user_api_key_dict, "api_key", None) or "")
        driver = AsyncDriver(_Opening(), self._session.resources.threads)
        try:
            opened = await driver.open_stream(self._flow(data, str(data.get("model")), key, stream=True))
        except GreenAIError as refusal:
            raise _http(refusal) from None
        if isinstance(opened, Answer):  # nothing was to be asked, which a pinned call without a cache never is
            return data
        name = opened.call.attempt_id.rpartition(".")[0]
        self._keep(name, opened, driver)
        data.setdefault("metadata", {})[MARK] = name
        return _changed(data, opened.call)

    async def async_post_call_success_hook(self, data: dict[str, Any], user_api_key_dict: Any, response: Any) -> Any:
        """Settle a call that was answered, and put the receipt on the response."""
        del user_api_key_dict
        waiting = self._taken(data)
        if waiting is not None:
            live, driver = waiting
            reply = returned.read(response, live.call.draft.rung.name, live.elapsed())
            if reply is None:
                live.flow.close()
                return response
            answer = await driver.resume(live, replace(reply, body=None, native=None))
            _tell(response, answer.receipt)
        return response

    async def async_post_call_streaming_iterator_hook(
        self, user_api_key_dict: Any, response: Any, request_data: dict[str, Any]
    ) -> AsyncGenerator[Any]:
        """Pass a stream on, and settle its call where it ends."""
        del user_api_key_dict
        waiting, seen, complete = self._taken(request_data), list[Any](), False
        try:
            async for chunk in response:
                seen.append(chunk)
                yield chunk
            complete = True
        finally:
            if waiting is not None:
                live, driver = waiting
                reply = returned.read_stream(seen, live.call.draft.rung.name, live.elapsed(), complete=complete)
                if reply is None:
                    live.flow.close()
                else:
                    await driver.resume(live, replace(reply, native=None))

    async def async_post_call_response_headers_hook(
        self, data: dict[str, Any], user_api_key_dict: Any, response: Any, *_: Any, **__: Any
    ) -> dict[str, str] | None:
        """Give the receipt as a header; a stream's header is sent before it, and has the call's id alone."""
        del user_api_key_dict
        receipt = (getattr(response, "_hidden_params", None) or {}).get("greenai")
        if receipt is None:
            name = (data.get("metadata") or {}).get(MARK)
            return None if name is None else {"x-greenai-call-id": name}
        return {"x-greenai-call-id": receipt.call_id, "x-greenai-receipt": _short(receipt)}

    async def async_post_call_failure_hook(self, request_data: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        """Settle a call that failed."""
        waiting = self._taken(request_data)
        if waiting is None:
            return
        error = next((a for a in (*args, *kwargs.values()) if isinstance(a, Exception)), RuntimeError("no answer"))
        await asyncio.to_thread(_failed, waiting[0].flow, error)

    # Both.

    def _flow(
        self, asked: Mapping[str, Any], model: str, key: str, *, stream: bool = False, limited: bool = True
    ) -> Flow[Answer]:
        said = {name: asked[name] for name in _ASKED if asked.get(name) is not None}
        read = DIALECT.read("", {**said, "model": model, "messages": list(asked.get("messages") or [])})
        arguments = {**read.arguments, "timeout": None, "greenai": {"cache": "off", "substitute": False}}
        request = self._session.request("create", read.messages, model, stream, arguments)
        if stream:
            return self._session.flow(request, key)
        return self._session.flow_with(request, _booking if limited else _unlimited)

    def _keep(self, name: str, live: Live, driver: AsyncDriver) -> None:
        self._waiting[name] = live, driver
        while len(self._waiting) > MOST_WAITING:
            self._waiting.popitem(last=False)[1][0].flow.close()

    def _taken(self, data: Mapping[str, Any]) -> tuple[Live, AsyncDriver] | None:
        name = (data.get("metadata") or {}).get(MARK)
        return None if name is None else self._waiting.pop(name, None)


class _Done:
    """The sender of a call that was made already."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def __call__(self) -> Any:
        """Return itself: a driver asks for its provider when it is first needed."""
        return self

    def send(self, call: Call) -> Reply:  # noqa: ARG002  # it is a driver's sender
        """Return the reply."""
        return self._reply


class _Opening:
    """The sender of a call that a proxy makes: its flow waits there for what comes of it."""

    response = source = None
    tries = ()

    def __call__(self) -> Any:
        """Return itself: a driver asks for its provider when it is first needed."""
        return self

    async def aopen(self, call: Call) -> Any:  # noqa: ARG002  # it is a driver's sender
        """Leave the call to the proxy."""
        return self


@cache
def _logger(kind: Any) -> Any:
    """Return the subclass that is litellm's `CustomLogger` too."""
    litellm_path.loaded()
    from importlib import import_module

    base = import_module("litellm.integrations.custom_logger").CustomLogger
    # A proxy calls only the hooks that a callback's class itself has, and none that it inherits.
    hooks = {name: vars(cls)[name] for cls in reversed(kind.__mro__) for name in vars(cls) if name.startswith(_HOOKS)}
    own = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    return type(kind.__name__, (kind, base), {**hooks, **own})


_HOOKS = ("async_", "log_")

_ASKED = ("max_completion_tokens", "max_tokens", "n", "reasoning_effort", "response_format", "stop", "temperature",
          "thinking", "tools", "top_p")  # fmt: skip


def _booking(steps: Steps) -> Steps:
    """Return the steps without what would change a call: it was made."""
    return replace(steps, nudges=())


def _unlimited(steps: Steps) -> Steps:
    return replace(steps, nudges=(), spending=None)


def _changed(data: dict[str, Any], call: Call) -> dict[str, Any]:
    """Return a proxy's request with what the flow changed in it; what it did not change is as it came."""
    body = call.draft.arguments.get("extra_body")
    after = {**call.draft.arguments, **(body if isinstance(body, Mapping) else {}), **call.draft.extra}
    changed = {name: value for name, value in after.items() if name not in ("extra_body", "stream_options")}
    return {**data, **{name: value for name, value in changed.items() if data.get(name) != value}}


def _named(kwargs: Mapping[str, Any]) -> str:
    """Return the model of a call of the SDK, with its provider."""
    model, provider = str(kwargs.get("model")), kwargs.get("custom_llm_provider")
    return model if not provider or model.startswith(f"{provider}/") else f"{provider}/{model}"


def _tell(response: Any, receipt: Receipt) -> None:
    """Put a receipt where litellm's responses have what is not the provider's."""
    hidden = getattr(response, "_hidden_params", None)
    if isinstance(hidden, dict):
        hidden["greenai"] = receipt


def _short(receipt: Receipt) -> str:
    """Return a receipt as a header's value."""
    energy = receipt.energy
    told = {
        "call_id": receipt.call_id, "outcome": receipt.outcome, "model": receipt.model, "energy_j": energy.energy_j,
        "low_j": energy.low_j, "high_j": energy.high_j, "evidence": energy.evidence,
    }  # fmt: skip
    return json.dumps(told, separators=(",", ":"))


def _failed(flow: Flow[Answer], error: Exception) -> None:
    """Hand a failure in; the flow settles, and raises it again."""
    with suppress(StopIteration, type(error)):
        step = flow.throw(error)
        while True:
            step = flow.send(step.run() if isinstance(step, Work) else None)


def _http(refusal: GreenAIError) -> Exception:
    """Return a refusal as a proxy answers it."""
    from importlib import import_module

    kind = import_module("fastapi").HTTPException
    code = next((code for cls, code in _CODES.items() if isinstance(refusal, cls)), "greenai_refused")
    detail = {"error": {"message": str(refusal), "type": code, "code": code}}
    made: Exception = kind(403 if code != "greenai_refused" else 400, detail, {"x-should-retry": "false"})
    return made
