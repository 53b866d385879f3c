"""OpenTelemetry: a span and metrics for each call of this process. The only door to opentelemetry, its API alone.

    from greenai.integrations import otel

    otel.instrument()  # and otel.uninstrument() to leave

Names of generative AI are plain strings: OpenTelemetry's own constants for them are deprecated, since they move. No
prompt, answer or error message is in any of it. A span is made when its call ends, with the time at which that began,
below the span that was current then; it is therefore no parent of what an instrumented HTTP library records meanwhile.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from greenai import __version__, hooks
from greenai._locks import Lock
from greenai.errors import MissingExtra
from greenai.hooks import Asked
from greenai.integrations.figures import ENERGY_BUCKETS_J, Bounded, Figures, failing_provider, operation_of
from greenai.values import Receipt

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Link, SpanContext, TracerProvider

__all__ = ["instrument", "uninstrument"]

Attributes = dict[str, str | bool | int | float]

MOST_LINKED = 1024  # calls whose escalation finds their span

# Where OpenTelemetry cuts these two (open-telemetry/semantic-conventions-genai, docs/gen-ai/gen-ai-metrics.md).
TOKEN_BUCKETS = tuple(float(4**n) for n in range(14))
DURATION_BUCKETS_S = tuple(0.01 * 2**n for n in range(14))

# Arguments of a call that OpenTelemetry has a name for.
REQUEST_NUMBERS: Mapping[str, tuple[str, type[int | float]]] = {
    "frequency_penalty": ("gen_ai.request.frequency_penalty", float),
    "max_completion_tokens": ("gen_ai.request.max_tokens", int),
    "max_tokens": ("gen_ai.request.max_tokens", int),
    "n": ("gen_ai.request.choice.count", int),
    "presence_penalty": ("gen_ai.request.presence_penalty", float),
    "seed": ("gen_ai.request.seed", int),
    "temperature": ("gen_ai.request.temperature", float),
    "top_p": ("gen_ai.request.top_p", float),
}


# --- on and off ---------------------------------------------------------------------------

_changing = Lock()
_state: dict[str, Any] = {}
_made: WeakKeyDictionary[Any, Metrics] = WeakKeyDictionary()


def instrument(*, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None) -> None:
    """Record a span and metrics for every call of this process, also of clients that are there already.

    Called again it changes nothing, unless it names other providers.

    Args:
        tracer_provider: who makes the spans; None is the process's own.
        meter_provider: who makes the metrics; None is the process's own.

    Raises:
        MissingExtra: opentelemetry-api is not installed.
    """
    given = (tracer_provider, meter_provider)
    with _changing:
        if _state.get("given") == given:
            return
        telling = Telling(Spans(tracer_provider), _metrics(meter_provider))
        _remove()
        _state.update(given=given, remove=hooks.observe(telling))


def uninstrument() -> None:
    """Record nothing from now on. Without `instrument` it changes nothing."""
    with _changing:
        _remove()


def _metrics(provider: MeterProvider | None) -> Metrics:
    """Return the metrics of a provider, the same ones again: it would go on reading those that were there before."""
    given = _api("metrics").get_meter_provider() if provider is None else provider
    found = _made.get(given)
    if found is None:
        found = _made[given] = Metrics(given)
    return found


def _remove() -> None:
    remove: Callable[[], None] | None = _state.pop("remove", None)
    _state.clear()
    if remove is not None:
        remove()


class Telling:
    """The observer: hands each call to its spans and its metrics."""

    def __init__(self, spans: Spans, metrics: Metrics) -> None:
        self._spans = spans
        self._metrics = metrics

    def finished(self, receipt: Receipt, asked: Asked, /) -> None:
        """Record a call that has a receipt."""
        figures = Figures.of(receipt)
        self._metrics.finished(receipt, figures, asked)
        self._spans.finished(receipt, figures, asked)

    def failed(self, error: BaseException, asked: Asked, /) -> None:
        """Record a call that ended with an error."""
        name, provider = type(error).__name__, failing_provider(error)
        self._metrics.failed(name, provider, asked)
        self._spans.failed(name, provider, asked)


# --- spans --------------------------------------------------------------------------------


class Spans:
    """Makes one span for each call."""

    def __init__(self, provider: TracerProvider | None) -> None:
        self._trace = _api("trace")
        self._current: Callable[[], Any] = _api("context").get_current
        self._tracer = self._trace.get_tracer("greenai", __version__, tracer_provider=provider)
        self._made: OrderedDict[str, SpanContext] = OrderedDict()

    def finished(self, receipt: Receipt, figures: Figures, asked: Asked) -> None:
        """Record a call that has a receipt, with an event for each attempt where there were several."""
        attributes = {**_of_request(asked, figures.provider), **_of_receipt(receipt, figures)}
        span = self._started(attributes, asked, remote=figures.provider != "greenai")
        for attempt in receipt.attempts if len(receipt.attempts) > 1 else ():
            told: dict[str, str | float | None] = {
                "greenai.attempt.model": attempt.model,
                "greenai.attempt.state": attempt.state,
                "greenai.attempt.joules": attempt.energy.energy_j,
                "greenai.attempt.duration_s": attempt.latency_s,
            }
            span.add_event("greenai.attempt", _known(told), timestamp=_end_ns(asked))
        span.end(end_time=_end_ns(asked))

    def failed(self, error: str, provider: str, asked: Asked) -> None:
        """Record a call that ended with an error: its class, since a message may quote the prompt."""
        attributes = {**_of_request(asked, provider), "error.type": error}
        span = self._started(attributes, asked, remote=provider != "greenai")
        span.set_status(self._trace.Status(self._trace.StatusCode.ERROR))
        span.end(end_time=_end_ns(asked))

    def _started(self, attributes: Attributes, asked: Asked, *, remote: bool) -> Any:
        kind = self._trace.SpanKind.CLIENT if remote else self._trace.SpanKind.INTERNAL
        span = self._tracer.start_span(
            " ".join(str(attributes[name]) for name in ("gen_ai.operation.name", "gen_ai.request.model")),
            context=asked.context.run(self._current),
            kind=kind,
            attributes=attributes,
            links=self._links(asked),
            start_time=asked.started_ns,
        )
        self._made[asked.call_id] = span.get_span_context()
        while len(self._made) > MOST_LINKED:
            self._made.popitem(last=False)
        return span

    def _links(self, asked: Asked) -> list[Link]:
        parent = None if asked.parent is None else self._made.get(asked.parent)
        return [] if parent is None else [self._trace.Link(parent, {"greenai.link": "escalated"})]


def _of_request(asked: Asked, provider: str) -> Attributes:
    attributes: Attributes = {
        "gen_ai.operation.name": operation_of(asked),
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": asked.model or "auto",
        "greenai.call_id": asked.call_id,
        "greenai.project": asked.project,
    }
    if asked.stream:
        attributes["gen_ai.request.stream"] = True
    if asked.feature is not None:
        attributes["greenai.feature"] = asked.feature
    for argument, (name, kind) in REQUEST_NUMBERS.items():
        if argument in asked.numbers and (argument, asked.numbers[argument]) != ("n", 1):
            attributes[name] = kind(asked.numbers[argument])
    return attributes


def _of_receipt(receipt: Receipt, figures: Figures) -> Attributes:
    usage, energy = figures.usage, figures.energy
    return _known(
        {
            "gen_ai.response.model": figures.model,
            "gen_ai.usage.input_tokens": usage.input_tokens,
            "gen_ai.usage.output_tokens": usage.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
            "greenai.usage.estimated": usage.estimated or None,
            "greenai.outcome": receipt.outcome,
            "greenai.energy.joules": energy.energy_j,
            "greenai.energy.joules.low": energy.low_j,
            "greenai.energy.joules.high": energy.high_j,
            "greenai.evidence": energy.evidence,
            "greenai.method": energy.method,
            "greenai.overhead.joules": figures.overhead_j,
            "greenai.avoided.joules": figures.avoided_j(),
            "greenai.carbon.grams": receipt.carbon_g,
            "greenai.cost.usd": receipt.cost_usd,
            "greenai.stars": receipt.stars.grade,
            "greenai.reasoning": receipt.reasoning,
        }
    )


# --- metrics ------------------------------------------------------------------------------


# What is summed up here and read when the SDK exports: recording each sum at once would take it 20 microseconds each.
_ENERGY = "Energy of calls: of the models, or greenai's own where none was asked"
SUMS: Mapping[str, tuple[str, str]] = {
    "greenai.calls": ("{call}", "Calls that have a receipt."),
    "greenai.energy.joules": ("J", f"{_ENERGY}."),
    "greenai.energy.joules.low": ("J", f"{_ENERGY}; the low end."),
    "greenai.energy.joules.high": ("J", f"{_ENERGY}; the high end."),
    "greenai.overhead.joules": ("J", "Energy of greenai's own work for models' answers."),
    "greenai.avoided.joules": ("J", "Energy avoided against the receipt's baseline."),
    "greenai.cost.usd": ("{USD}", "Cost of calls."),
    "greenai.carbon.grams": ("g", "Carbon dioxide equivalent of calls, location-based."),
}
OF_CALL = ("greenai.outcome", "greenai.project", "greenai.evidence", "greenai.method", "gen_ai.response.model")


class Sums:
    """Sums of calls with the same names, in the order of `SUMS`; None where nothing was ever known."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._sums: dict[tuple[str, ...], list[float | None]] = {}

    def add(self, names: tuple[str, ...], amounts: Sequence[float | None]) -> None:
        """Add what one call took; None adds nothing."""
        with self._lock:
            sums = self._sums.setdefault(names, [None] * len(SUMS))
            for n, amount in enumerate(amounts):
                if amount is not None:
                    sums[n] = (sums[n] or 0.0) + amount

    def reader(self, name: str) -> Callable[[object], list[Any]]:
        """Return what the SDK calls when it exports one of the sums."""
        observation, n = _api("metrics").Observation, list(SUMS).index(name)

        def read(_: object) -> list[Any]:
            with self._lock:
                known = [(names, sums[n]) for names, sums in self._sums.items() if sums[n] is not None]
            return [observation(amount, dict(zip(OF_CALL, names, strict=True))) for names, amount in known]

        return read


class Metrics:
    """Counts calls, with names of which there are never too many."""

    def __init__(self, provider: MeterProvider | None) -> None:
        meter = _api("metrics").get_meter("greenai", __version__, meter_provider=provider)
        self._models, self._requested, self._projects = Bounded(), Bounded(), Bounded()
        self._providers, self._methods, self._errors = Bounded(), Bounded(), Bounded()

        def histogram(name: str, unit: str, buckets: tuple[float, ...], description: str) -> Any:
            return meter.create_histogram(name, unit, description, explicit_bucket_boundaries_advisory=buckets)

        self._tokens = histogram("gen_ai.client.token.usage", "{token}", TOKEN_BUCKETS, "Tokens of a call.")
        self._duration = histogram("gen_ai.client.operation.duration", "s", DURATION_BUCKETS_S, "Duration of a call.")
        self._per_call = histogram("greenai.energy.joules.per_call", "J", ENERGY_BUCKETS_J, "Energy of one call.")
        self._sums = Sums()
        for name, (unit, description) in SUMS.items():
            meter.create_observable_counter(name, [self._sums.reader(name)], unit, description)

    def finished(self, receipt: Receipt, figures: Figures, asked: Asked) -> None:
        """Count a call that has a receipt."""
        of_operation = self._operation(asked, figures.provider)
        of_operation["gen_ai.response.model"] = model = self._models(figures.model)
        self._duration.record(asked.duration_ns / 1e9, of_operation)
        usage = figures.usage
        for kind, count in (("input", usage.input_tokens), ("output", usage.output_tokens)):
            if count is not None:
                self._tokens.record(count, {**of_operation, "gen_ai.token.type": kind})

        names = (
            figures.outcome,
            self._projects(receipt.project),
            figures.evidence,
            self._methods(figures.method),
            model,
        )
        joules = figures.joules()
        if joules is not None:
            self._per_call.record(joules[0], dict(zip(OF_CALL, names, strict=True)))
        middle_j, low_j, high_j = joules or (None, None, None)
        amounts = (1.0, middle_j, low_j, high_j, figures.overhead_j, figures.avoided_j())
        self._sums.add(names, (*amounts, receipt.cost_usd, receipt.carbon_g))

    def failed(self, error: str, provider: str, asked: Asked) -> None:
        """Count a call that ended with an error: its duration, which has the error's class."""
        attributes = self._operation(asked, provider)
        self._duration.record(asked.duration_ns / 1e9, {**attributes, "error.type": self._errors(error)})

    def _operation(self, asked: Asked, provider: str) -> Attributes:
        return {
            "gen_ai.operation.name": operation_of(asked),
            "gen_ai.provider.name": self._providers(provider),
            "gen_ai.request.model": self._requested(asked.model or "auto"),
        }


# --- the door -----------------------------------------------------------------------------


def _api(part: str) -> Any:
    try:
        from opentelemetry import context, metrics, trace
    except ImportError:
        raise MissingExtra("otel", "opentelemetry-api", "OpenTelemetry (otel.instrument)") from None
    return {"context": context, "metrics": metrics, "trace": trace}[part]


def _known(attributes: Mapping[str, str | bool | int | float | None]) -> Attributes:
    return {name: value for name, value in attributes.items() if value is not None}


def _end_ns(asked: Asked) -> int:
    return asked.started_ns + asked.duration_ns
