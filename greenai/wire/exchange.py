"""One HTTP request of a host library taken through the flow, and what came of it as an HTTP response.

    request ── dialect.read ── flow ──┬─ a stored answer      dialect.body, .events      a response of our own
                                      ├─ the host's rung      the host's own transport   the provider's own response
                                      ├─ another rung         greenai's own provider     dialect.body, .events
                                      └─ a refusal of ours    dialect.refusal            403, which no client retries

The provider's own errors leave as the responses that they were, so that the host library raises and retries as it
always does; each of its retries is a call of its own here. A request that no dialect can read is sent as it is.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from greenai.errors import BudgetExceeded, GreenAIError, OptInRequired
from greenai.steps import Flow
from greenai.values import Answer, Call, Reply, Request, Rung, Usage
from greenai.wire import Asked, Dialect, dialect_of
from greenai.wire.fields import mapping
from greenai.wire.signed import is_signed, without_signature

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greenai.session import Session

__all__ = ["Exchange", "Host", "Packet", "Refused", "opened_exchange", "status_of"]

logger = logging.getLogger("greenai")

_CODES: tuple[tuple[type[GreenAIError], str], ...] = (
    (BudgetExceeded, "budget_exceeded"),
    (OptInRequired, "opt_in_required"),
)
AUTH = ("authorization", "x-api-key", "api-key", "x-goog-api-key")
REFUSED = 403
_TELEMETRY = ("x-stainless-", "x-request-", "x-goog-api-client", "x-datadog-", "x-b3-", "x-newrelic-", "x-cloud-trace-")
_OF_THE_MESSAGE = frozenset(
    (
        "host", "accept", "accept-encoding", "connection", "keep-alive", "te", "expect", "content-type",
        "content-length", "content-encoding", "transfer-encoding", "user-agent", "date", "b3", "sentry-trace",
        "uber-trace-id", "newrelic", "elastic-apm-traceparent", "x-amzn-trace-id",
    )
)  # fmt: skip
"""Headers of one message or of its trace: none of them makes an answer another one. What is not known here counts."""

_INVALID = (400, 422)
_without_usage: set[str] = set()  # places that know no `stream_options`

_BALANCERS = ("__cf", "_cfuvid=", "cf_clearance=", "AWSALB", "GCLB=", "ARRAffinity")
"""How the cookies of load balancers begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Whose requests these are: the provider's name, and the address that its rungs have (None: the provider's own)."""

    provider: str
    base_url: str | None = None

    def serves(self, rung: Rung) -> bool:
        """Say whether a rung is the host's own, so that the host's transport reaches it."""
        return rung.provider in (self.provider, "endpoint") and rung.base_url in (None, self.base_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One HTTP message without its library: for a request `status` is 0, for a response `url` is empty."""

    status: int = 0
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    content: bytes = field(default=b"", repr=False)

    def json(self) -> Mapping[str, Any]:
        """Return the content where it is a JSON object, else an empty one."""
        try:
            return mapping(json.loads(self.content))
        except ValueError:
            return {}


class Refused(Exception):  # what the provider answered, on its way back to the host library
    """The provider refused: its response goes to the host library as it is."""

    def __init__(self, response: Any, packet: Packet) -> None:
        body = packet.json()
        error = mapping(body.get("error"))
        said = error.get("message") or body.get("message") or packet.content[:500].decode("utf-8", "replace")
        super().__init__(f"Error code: {packet.status} - {said}")
        self.response = response
        self.status_code = packet.status
        self.body = error or body
        self.message = str(said)
        self.param = error.get("param")


class Exchange:
    """One request, read: what it asks, and how its answer is written.

    Args:
        session: whose settings, cache, budgets and ledger hold.
        host: whose request it is.
        dialect: the API that it speaks.
        path: its path.
        body: its JSON.
        headers: its headers, by names in small letters.
        timeout_s: how long the host library waits for it, in seconds.
        place: where it goes, with the query: an answer from another place is another answer.
    """

    def __init__(
        self,
        session: Session,
        host: Host,
        dialect: Dialect,
        path: str,
        body: Mapping[str, Any],
        headers: Mapping[str, str],
        timeout_s: float | None,
        place: str = "",
    ) -> None:
        self.session = session
        self.host = host
        self.dialect = dialect
        self._path = path
        self._body = body
        self._signed = is_signed(headers)
        self._headers = without_signature(headers) if self._signed else headers
        self._timeout_s = timeout_s
        self._place = place
        self.content: bytes | None = None  # what `body` was read from, where that may be sent as it is

    @property
    def speaks_chat(self) -> bool:
        """Whether its API is openai's chat completions, or one like it."""
        return self.dialect.name in ("chat", "mistral")

    @cached_property
    def asked(self) -> Asked:
        """What the request asks."""
        return self.dialect.read(self._path, self._body)

    @cached_property
    def request(self) -> Request:
        """The request as the flow takes it.

        Raises:
            InvalidRequest: an option around the call is none, or its messages are none.
        """
        asked = self.asked
        said = {n: v for n, value in self._headers.items() if _counts(n) and (v := _without_balancers(n, value))}
        arguments = {**asked.arguments, "timeout": self._timeout_s, "extra_headers": said or None}
        request = self.session.request("create", asked.messages, self._model(), asked.stream, arguments)
        options = request.options
        if asked.exact or self._is_signed:
            options = replace(options, substitute=False)
        namespace = _namespace_at(request.namespace, self._place)
        return replace(request, namespace=namespace, options=options, api=self.dialect.name)

    @cached_property
    def _is_unnamed(self) -> bool:
        """Whether only the app's own server knows which model is meant: by its path, or by its own `auto`."""
        model, session = self.asked.model, self.session
        if not session.config.pinned or session.resources.settings.ladder is not None:
            return False
        return model is None or (model == "auto" and (self.host.base_url is not None or self.host.provider == "azure"))

    def _model(self) -> str | None:
        model = self.asked.model
        if self._is_unnamed:
            model = "unnamed" if model is None else f"unnamed-{model}"
        if model in (None, "auto") or self.host.base_url is not None or self.host.provider == "openai":
            return model
        return model if str(model).startswith(f"{self.host.provider}/") else f"{self.host.provider}/{model}"

    def flow(self) -> Flow[Answer]:
        """Return the flow that answers it; budgets of a key are those of the key in its headers."""
        keys = [self._headers[name] for name in AUTH if name in self._headers]
        return self.session.flow(self.request, "\n".join(keys), nudged=not self._is_signed)

    @cached_property
    def _is_signed(self) -> bool:
        """Whether a signature in its headers is of its content, which then has to stay as it is."""
        return self._signed and self.content is not None

    def sent(self, call: Call) -> tuple[str, bytes]:
        """Return path and content of what is sent to the host's provider: byte for byte where nothing was changed."""
        if self._is_signed and self.content is not None:
            return self._path, self.content
        path, body = self.dialect.written(self._path, self._body, self.asked, call.draft)
        if self._is_unnamed:
            body = {**{name: value for name, value in body.items() if name != "model"}, **self._named()}
        if self._place in _without_usage and "stream_options" not in self._body:
            body = {name: value for name, value in body.items() if name != "stream_options"}
        if self.content is not None and path == self._path and body == self._body:
            return path, self.content
        return path, _encoded(body)

    def refuses_usage(self, status: int, content: bytes) -> bool:
        """Say whether a stream was refused only for the usage that greenai asked of it; it is not asked there again."""
        if status not in _INVALID or b"stream_options" not in content or "stream_options" in self._body:
            return False
        if not self._place or self._place in _without_usage:
            return False
        _without_usage.add(self._place)
        return True

    def _named(self) -> dict[str, Any]:
        return {"model": self._body["model"]} if "model" in self._body else {}

    def reply(self, content: bytes, call: Call, latency_s: float, native: object) -> Reply:
        """Read a whole response of the host's provider; what is no answer of this API is delivered all the same."""
        try:
            body = mapping(json.loads(content))
            return replace(self.dialect.reply(body, call.draft.rung.name, latency_s), native=native)
        except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            logger.debug("A response could not be read: %s", error)
            nothing = Reply(model=call.draft.rung.name, text="", finish_reason=None, usage=Usage(), latency_s=latency_s)
            return replace(nothing, native=native, complete=False)

    def given(self, answer: Answer) -> Packet:
        """Return an answer that is not the host provider's response of just now as one."""
        body = self.dialect.body(answer.reply)
        return _json(200, body)

    def events(self, answer: Answer) -> Iterator[bytes]:
        """Return such an answer as the events of a stream."""
        return self.dialect.events(answer.reply, self.asked)

    def refusal(self, error: GreenAIError) -> Packet:
        """Return greenai's own refusal as a response that no client retries."""
        code = next((code for kind, code in _CODES if isinstance(error, kind)), "greenai_refused")
        return _json(status_of(error), self.dialect.refusal(code, str(error)), {"x-should-retry": "false"})


def status_of(error: GreenAIError) -> int:
    """Return the HTTP status of a refusal: 403 where a budget or an opt-in is missing, 400 where the call is wrong."""
    return REFUSED if any(isinstance(error, kind) for kind, _ in _CODES) else 400


_json_of = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _encoded(body: Mapping[str, Any]) -> bytes:
    try:
        return _json_of(body).encode()
    except UnicodeEncodeError:  # half of a pair, which JSON can name and UTF-8 cannot
        return json.dumps(body, separators=(",", ":")).encode()


def _json(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Packet:
    content = _encoded(body)
    whole = {"content-type": "application/json", "content-length": str(len(content)), **(headers or {})}
    return Packet(status=status, headers=whole, content=content)


def opened_exchange(
    session: Session, host: Host, method: str, path: str, content: Callable[[], bytes], headers: Mapping[str, str],
    timeout_s: float | None = None, place: str = "",
) -> Exchange | None:  # fmt: skip
    """Return the exchange of a request, None where it asks no model anything or cannot be read: it is sent as it is."""
    dialect = dialect_of(method, path, host.provider)
    if dialect is None:
        return None
    try:
        given = content()
        body = json.loads(given)
        if not isinstance(body, dict):
            return None
        exchange = Exchange(session, host, dialect, path, body, headers, timeout_s, place)
        exchange.content = given
        readable = bool(exchange.asked.messages)  # read now, where a failure costs nobody the call
    except Exception:  # a request that we cannot read is the provider's to judge
        logger.debug("A request could not be read; it is sent as it is.", exc_info=True)
        return None
    return exchange if readable else None


@lru_cache(maxsize=1024)
def _counts(header: str) -> bool:
    """Say whether a header may tell callers or answers apart: any may that nobody knew when this was written."""
    return header not in _OF_THE_MESSAGE and not header.startswith(_TELEMETRY)


def _without_balancers(header: str, value: str) -> str:
    """Return a header without the cookies that a load balancer gives the host library, which change by the hour."""
    if header != "cookie":
        return value
    return "; ".join(part for part in value.split("; ") if not part.startswith(_BALANCERS))


@lru_cache(maxsize=1024)
def _namespace_at(namespace: str, place: str) -> str:
    """Return whose answers these are where they come from: one client may reach several servers with the same key."""
    return sha256(f"{namespace} {place}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
