"""The frozen values that travel between the steps of one call. They decide nothing and do no I/O.

A quantity carries its unit in its name (`latency_s`); what is unknown is None, never 0. Energy is in readings.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from greenai import hosts
from greenai.grants import Grant, WithoutOptIn
from greenai.readings import Avoided, BudgetLeft, Kept, Overhead, Reading, Stars

T = TypeVar("T")

Outcome = Literal["cache", "semantic_cache", "answerer", "lookup_needed", "task_model", "small", "large"]
OptIn = Literal["reasoning", "large", "long_output", "semantic_cache"]
Tier = Literal["small", "large"]
Entry = Literal["ask", "create", "batch"]
Quality = Literal["basic", "standard", "high"]
CacheMode = Literal["auto", "off", "read", "refresh", "semantic"]
Also = Literal["sampled", "tool_calls"]
Verify = Literal["auto", "off"]
AttemptState = Literal["answered", "discarded", "failed", "cut"]
AnswerSource = Literal["deterministic", "lookup", "task_model", "generate"]
PENDING = "pending"  # the finish reason of an answer that comes later: nobody knows yet what it takes
Message: TypeAlias = Mapping[str, Any]
OPT_INS: frozenset[str] = frozenset(("reasoning", "large", "long_output", "semantic_cache"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one attempt. `output_tokens` includes `reasoning_tokens`, `input_tokens` includes `cached_tokens`.

    `estimated` says that greenai counted, because the provider reported nothing.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    estimated: bool = False


# --- what was asked -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What one call may do besides openai's own arguments: resolved from settings, client, block and call.

    `opt_in` names the expensive modes that somebody allowed, `reason` why (the ledger keeps both); `without_opt_in`
    what a call gets that needs another; None: undecided. `cache_also` is what the cache keeps besides; `namespace`,
    `tenant` and `user_scope` part its answers. `feature` is the part of the app that a call is made for; with `urgent`
    False it may wait for a cleaner hour, with `run_at` (as cron) local models are asked then. Defaults say nothing.
    """

    project: str = "default"
    opt_in: frozenset[str] = frozenset()
    reason: str | None = None
    strict_opt_in: bool = False
    without_opt_in: WithoutOptIn | None = None
    quality: Quality = "standard"
    cache: CacheMode = "auto"
    cache_also: frozenset[str] = frozenset()
    ttl_s: float | None = None
    max_age_s: float | None = None
    namespace: str | None = None
    substitute: bool | None = None
    observe: bool = False
    tenant: str | None = None
    user_scope: str | None = None
    verify: Verify = "auto"
    feature: str | None = None
    urgent: bool = True
    run_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One model that may answer. `model` is `provider/name`; `base_url` overrides where that provider is."""

    model: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    tier: Tier = "large"

    @property
    def provider(self) -> str:
        """The part before the first slash."""
        return self.model.partition("/")[0]

    @property
    def name(self) -> str:
        """The part after the first slash: what the provider calls the model."""
        return self.model.partition("/")[2]

    @property
    def site(self) -> str:
        """Whose machines answer: the provider, or `endpoint` at an address outside the provider's own domains."""
        if self.base_url is None or self.provider == "local":
            return self.provider
        return self.provider if hosts.is_of(self.provider, self.base_url) else "endpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """How a request travels, not what it asks. A cache key holds none of it but headers and query that may count.

    `timeout` is an `httpx.Timeout` where the app gave one: it then also bounds connecting and each read.
    """

    timeout_s: float
    timeout: Any = None
    extra_headers: Mapping[str, str] | None = field(default=None, repr=False)
    extra_query: Mapping[str, object] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call as the app wrote it; `grants` say who gave the opt-ins in its options, `scopes` whose budgets hold.

    `lapsed` are opt-ins of the settings that would hold for it, and are over. `api` is the one that it speaks.
    `model` is None where the app left the choice to the ladder. `arguments` holds every openai argument
    except `model`, `messages`, `stream` and the transport's. `deadline` is on the monotonic clock, in seconds.
    `distils` is False where a distilled task model's answer could not be handed to the app.
    """

    call_id: str
    entry: Entry
    model: str | None
    messages: tuple[Message, ...] = field(repr=False)
    arguments: Mapping[str, Any] = field(repr=False)
    stream: bool
    transport: Transport
    options: Options
    deadline: float
    namespace: str
    parent: str | None = None
    floor: str | None = None
    grants: tuple[Grant, ...] = ()
    lapsed: tuple[Grant, ...] = ()
    scopes: tuple[str, ...] = ()
    api: str = "chat"
    distils: bool = True

    @property
    def last_user_text(self) -> str:
        """The text of the last user message, its parts joined; empty if there is none."""
        for message in reversed(self.messages):
            if message.get("role") == "user":
                return text_of(message.get("content"))
        return ""

    @property
    def is_plain(self) -> bool:
        """True where only one user message was sent and no argument constrains the form of the answer."""
        return len(self.messages) == 1 and not FORM_ARGUMENTS & self.arguments.keys()

    @property
    def wants_text(self) -> bool:
        """False where vectors or verdicts are asked for: no text is written that could be judged or made less."""
        return self.api not in ("embeddings", "decisions")


FORM_ARGUMENTS: frozenset[str] = frozenset(
    (
        "tools", "tool_choice", "functions", "function_call", "response_format", "n", "stop", "logprobs",
        "top_logprobs", "modalities", "audio", "prediction", "logit_bias", "extra_body", "web_search_options",
    )
)  # fmt: skip
_AS_WITHOUT: Mapping[str, object] = {
    "n": 1, "response_format": {"type": "text"}, "modalities": ["text"], "logprobs": False, "top_logprobs": 0,
    "tools": [], "functions": [], "stop": [], "logit_bias": {}, "extra_body": {},
}  # fmt: skip
"""What an argument of `FORM_ARGUMENTS` may say to ask for what is had without it."""


def forming(arguments: Mapping[str, Any]) -> set[str]:
    """Return which arguments form the answer; None, and a default that is spelled out, form nothing."""
    return {
        name
        for name in FORM_ARGUMENTS & arguments.keys()
        if arguments[name] is not None and not (name in _AS_WITHOUT and arguments[name] == _AS_WITHOUT[name])
    }


def text_of(content: object) -> str:
    """Return the text of a message's content: a string, or the text parts of a list joined by newlines."""
    if isinstance(content, str):
        return content
    if isinstance(content, (list, tuple)):
        parts = (p.get("text") for p in content if isinstance(p, Mapping))
        return "\n".join(p for p in parts if isinstance(p, str))
    return ""


# --- what was decided ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What the classifier thinks of a request before anything is spent. Probabilities lie in [0, 1].

    Attributes:
        task: the likeliest of the documented task types.
        task_probabilities: of every task type; they add up to 1.
        needs_generation: that a language model has to write the answer.
        answer_source: where the answer can come from: a deterministic tool, a lookup (a tool or live data), a task
            model, or generation; they add up to 1.
        large_gain: that a large model is right where a small one is not; the routing score.
        reasoning_gain: that reasoning turns a wrong answer right.
        volatile: that the answer changes within a day.
        one_off: whether it asks for an action, something random, or somebody's own records: never answered twice alike.
        expected_output_tokens: the median and the 90th percentile of the answer's length, without reasoning.
        why: what weighed most, in words.
        method: the name of the classifier and its version.
        calibrated: whether the probabilities were calibrated on held-out data.
        suffices: model name to probability; call `small_suffices`.
    """

    task: str
    needs_generation: float
    large_gain: float
    reasoning_gain: float
    volatile: float
    expected_output_tokens: tuple[int, int]
    why: tuple[str, ...]
    method: str
    calibrated: bool = False
    one_off: bool = False
    task_probabilities: Mapping[str, float] = field(default_factory=dict[str, float])
    answer_source: Mapping[AnswerSource, float] = field(default_factory=dict[AnswerSource, float])
    suffices: Callable[[str], float] | None = field(default=None, repr=False, compare=False)

    def small_suffices(self, model: str) -> float:
        """Return the probability that `model` answers well, by its ability figure in the catalog, else its tier's."""
        return 1.0 - self.large_gain if self.suffices is None else self.suffices(model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One probability and the threshold it was held against."""

    name: str
    value: float
    threshold: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RungEstimate:
    """What answering on one rung would take and lose; `excluded` is None or the reason why the rung is left out.

    `p_good` is P(it answers well), `loss` P(the top does and it does not); `shipped_loss` is from before feedback.
    """

    model: str
    tier: Tier
    energy: Reading
    excluded: str | None = None
    p_good: float | None = None
    loss: float | None = None
    shipped_loss: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Why this call was answered so, on which models (`route`); `verify`: the first one's own doubts were to count.

    `task` is what the classifier took the call for.
    """

    outcome: Outcome
    route: tuple[str, ...]
    reasons: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    estimates: tuple[RungEstimate, ...] = ()
    opt_ins: tuple[str, ...] = ()
    observed: bool = False
    method: str = ""
    verify: bool = False
    task: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        from greenai.render import decision_rows, text_of_rows

        return text_of_rows(decision_rows(self.to_dict()))

    def __rich__(self) -> Any:
        from greenai.render import decision_table

        return decision_table(self.to_dict())

    def _repr_html_(self) -> str:
        from greenai.render import decision_html

        return decision_html(self.to_dict())


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A request as one rung will receive it: what the nudges may change.

    `arguments` are openai's, `extra` are native fields of the provider that openai's signature does not have.
    """

    rung: Rung
    messages: tuple[Message, ...]
    arguments: Mapping[str, Any]
    extra: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    reasoning: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One thing that a nudge did or has to say, in neutral words, with the one-line way to override it.

    `id` names the text among those of `greenai.nudges.messages`, where it is one; `data` holds the figures in it.
    """

    nudge: str
    text: str
    override: str | None = None
    id: str = ""
    data: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)  # equal notes have equal texts


# --- what is done -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Ask a driver to send this to a provider and send back a `Reply`, or throw the openai error in."""

    draft: Draft
    stream: bool
    hide_usage_chunk: bool
    transport: Transport
    deadline: float
    attempt_id: str
    renew: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Work(Generic[T]):
    """Ask a driver to run something that may wait (disk, a task model, an app's function) and send the result back."""

    name: str
    run: Callable[[], T | Awaitable[T]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One request on the wire that failed and was sent again: what went wrong and how long it waited, in seconds."""

    error: str
    status: int | None
    waited_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer in openai's shape, wherever it came from.

    `body` is the JSON of a `ChatCompletion` or None while only `native` (the provider's own object) is there.
    `complete` is False for a stream that ended before its last chunk. `service_tier` is what the provider says it used.
    `token_logprobs` are natural logarithms, where they were asked for. `deltas` is what a stream brought, where its
    chunks cannot be made from `body`.
    """

    model: str
    text: str
    finish_reason: str | None
    usage: Usage
    latency_s: float
    body: Mapping[str, Any] | None = None
    native: Any = None
    tool_calls: bool = False
    reasoning_text: bool = False
    reported_energy_j: float | None = None
    tries: tuple[Try, ...] = ()
    complete: bool = True
    service_tier: str | None = None
    token_logprobs: tuple[float, ...] = field(default=(), repr=False)
    deltas: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One rung that was tried, as the receipt and the ledger list it.

    `service` is the one whose prices hold: `standard`, `batch`, `flex`, `priority`; None has no list price. `site` is
    `endpoint` where an address that the app gave answered, and not the provider in the model's name.
    """

    attempt_id: str
    model: str
    state: AttemptState
    energy: Reading
    usage: Usage
    latency_s: float
    tries: tuple[Try, ...] = ()
    error: str | None = None
    reasoning_leaked: bool = False
    service: str | None = "standard"
    site: str = ""


# --- what is reported ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What answered, why, and what it took. Plain values: it pickles.

    `energy` sums every attempt, discarded ones too; greenai's own share is in `overhead`.
    `carbon_g` is grams of CO2 equivalent, location-based; `carbon_source` names the grid and its year, then after a
    colon the citation. `market_carbon_g` counts what the provider bought instead, `embodied_carbon_g` is the share of
    making the hardware: neither is in `carbon_g`. `water_ml` millilitres, `cost_usd` US dollars; None where unknown.
    `cache_key` is where the exact cache keeps the answer, if it does as `cache` says; `feature` the part of the app.
    `opt_ins` are those that held for the call, with who gave them, why and until when; `decision` says which were used.
    """

    call_id: str
    created: float
    project: str
    outcome: Outcome
    reasoning: bool | None
    model: str | None
    energy: Reading
    carbon_g: float | None
    carbon_source: str
    water_ml: float | None
    cost_usd: float | None
    stars: Stars
    attempts: tuple[Attempt, ...]
    decision: Decision
    avoided: Avoided | None
    nudges: tuple[Note, ...]
    budget: BudgetLeft | None
    overhead: Overhead
    requested_model: str | None = None
    parent: str | None = None
    warnings: tuple[str, ...] = ()
    carbon_low_g: float | None = None
    carbon_high_g: float | None = None
    market_carbon_g: float | None = None
    market_carbon_source: str | None = None
    water_source: str | None = None
    embodied_carbon_g: float | None = None
    embodied_source: str | None = None
    cache_key: str | None = None
    cache: Kept | None = None
    opt_ins: tuple[Grant, ...] = ()
    feature: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the receipt as JSON values; `stars` also as text."""
        data = asdict(self)
        data["stars"]["text"] = str(self.stars)
        return data

    def __str__(self) -> str:
        from greenai.render import receipt_rows, text_of_rows

        return text_of_rows(receipt_rows(self.to_dict()))

    def __rich__(self) -> Any:
        from greenai.render import receipt_table

        return receipt_table(self.to_dict())

    def _repr_html_(self) -> str:
        from greenai.render import receipt_html

        return receipt_html(self.to_dict())


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the flow returns: a reply, its receipt, and the request that led to it (for `escalate`)."""

    reply: Reply
    receipt: Receipt
    request: Request
