"""What a client opens once and shares with its `with_options` copies, and how a call's arguments become a Request."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, cast, get_args

from greenai import drivers, hooks, meters
from greenai._params import KNOWN
from greenai.budget import open_ledger
from greenai.cache import ExactCache, Store, namespace
from greenai.classify import Classifier
from greenai.errors import InvalidRequest
from greenai.local import Engines, EngineSettings
from greenai.meters import carbon
from greenai.meters.inputs import register_cards
from greenai.receipts import Site
from greenai.settings import Settings, load_settings
from greenai.stages import Steps
from greenai.store.disk import JsonCache
from greenai.values import OPT_INS, CacheMode, Entry, Message, Options, Quality, Request, Rung, Transport, is_given

if TYPE_CHECKING:
    from greenai.provider import Provider


_DEFAULTS = ("default_headers", "default_query")
# Where providers' libraries find the caller by themselves. A model may be named that is not on the ladder.
_CALLER_VARIABLES = (
    "OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY",
    "MISTRAL_API_KEY", "DEEPSEEK_API_KEY", "XAI_API_KEY", "GROQ_API_KEY", "COHERE_API_KEY", "CO_API_KEY",
    "TOGETHERAI_API_KEY", "TOGETHER_API_KEY", "FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY", "OPENROUTER_API_KEY",
    "DASHSCOPE_API_KEY", "MOONSHOT_API_KEY",
)  # fmt: skip
_AUTH_HEADERS = frozenset(("authorization", "x-api-key", "api-key"))


def _variables(providers: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*_CALLER_VARIABLES, *(f"{p.upper()}_API_KEY" for p in providers))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """How one client (or a `with_options` copy of it) talks to providers, and what its calls may do.

    `expiring` are the opt-ins that the settings grant until `expires_at`, in seconds since 1970. `ladder` are the
    rungs of the settings, whose keys tell callers apart. `identity` digests all that names the caller here; `token`
    is this client's own, for callers that cannot be told apart.
    """

    options: Options
    timeout: Any
    max_retries: int
    connection: Mapping[str, Any] = field(repr=False)
    expiring: frozenset[str] = frozenset()
    expires_at: float | None = None
    ladder: tuple[Rung, ...] = field(default=(), repr=False)
    token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    identity: str = field(init=False, repr=False)
    variables: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Digest once what is the same for every call."""
        named = {n: self.connection.get(n) for n in ("base_url", "organization", "openai_project")}
        parts: tuple[object, ...] = (
            sorted(named.items()),
            *(sorted((str(k), str(v)) for k, v in (self.connection.get(n) or {}).items()) for n in _DEFAULTS),
            [(r.model, r.base_url, r.api_key) for r in self.ladder],
            None if self.is_comparable else self.token,
        )
        digest = hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()
        object.__setattr__(self, "identity", digest)
        object.__setattr__(self, "variables", _variables(tuple(r.provider for r in self.ladder)))

    @property
    def is_comparable(self) -> bool:
        """False where the caller is not in the arguments: the app's own HTTP client, or a key from a callable."""
        key = self.connection.get("api_key")
        return self.connection.get("http_client") is None and (key is None or isinstance(key, str))

    @property
    def endpoint(self) -> str | None:
        """The address that `base_url` or OPENAI_BASE_URL names; None for OpenAI itself."""
        return self.connection.get("base_url")


class ProviderSource(Protocol):
    """Gives the provider when it is first needed: `LazyProvider`, or a double of it."""

    def __call__(self) -> drivers.Sender:
        """Return the provider, made now if need be."""
        ...

    def opened(self) -> drivers.Sender | None:
        """Return the provider if there is one already."""
        ...


class ClosableStore(Store, Protocol):
    """Where the cache keeps its entries, until it is closed."""

    def close(self) -> None:
        """Let go of files."""


class Resources:
    """Ledger, cache, engines, threads and steps of one client and its copies. Closing twice is harmless."""

    def __init__(self, settings: Settings, observers: Sequence[hooks.Observer], outside: Outside) -> None:
        site = _site(settings, outside.env)
        self.settings = settings
        self.outside = outside
        self.threads = drivers.Threads()
        self._store = outside.store(settings)
        self.engines = outside.engines(settings)
        self.ledger = open_ledger(settings)
        register_cards(settings.cards)
        self.steps = Steps(
            classifier=Classifier(),
            ledger=self.ledger,
            engines=self.engines,
            site=site,
            ladder=settings.rungs(outside.env),
            cache=ExactCache(self._store),
            meters=outside.meters,
            observers=(*hooks.DEFAULT, *observers),
            max_prompt_bytes=settings.max_prompt_bytes,
            store_prompts=settings.store_prompts,
        )

    def close(self) -> None:
        """Unload local models, close the ledger and the cache, let the threads end."""
        self.threads.close()
        self.engines.close()
        self.ledger.close()
        self._store.close()


def _site(settings: Settings, env: Mapping[str, str]) -> Site:
    """Return where work runs; a zone that nobody knows is an error now, not at the first receipt."""
    for code in (settings.zone, *settings.provider_zones.values()):
        carbon.zone(code)
    site = Site(
        zone=settings.zone,
        watts_per_core=settings.watts_per_core,
        provider_zones=MappingProxyType(settings.provider_zones),
    )
    if settings.carbon_source == "static":
        return site
    from greenai.meters import live

    feed = live.opened(
        settings.carbon_source, settings.zone, settings.provider_zones, env=env, state_dir=settings.state_dir
    )
    if feed is None:
        return site
    feed.intensity(settings.zone)  # asked for in the background now, so that the first receipt may have it
    return replace(site, live=feed.intensity)


class LazyProvider:
    """The provider of one configuration, made at its first call: until then openai is not imported."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._provider: Provider | None = None
        self._pid = os.getpid()
        self._lock = threading.Lock()

    def __call__(self) -> Provider:
        """Return the provider; a forked child gets one of its own, since sockets must not be shared."""
        if self._provider is None or self._pid != os.getpid():
            with self._lock:
                if self._provider is None or self._pid != os.getpid():
                    self._provider, self._pid = self._make(), os.getpid()
        return self._provider

    def _make(self) -> Provider:
        from greenai.provider import Connection, Provider

        given: dict[str, Any] = {**self._config.connection, "base_url": self._config.endpoint}
        connection = Connection(**given)
        return Provider(connection, max_retries=self._config.max_retries)

    def opened(self) -> Provider | None:
        """Return the provider if there is one already."""
        return self._provider if self._pid == os.getpid() else None


def _disk(settings: Settings) -> JsonCache:
    return JsonCache(settings.cache_dir)


def _engines(settings: Settings) -> Engines:
    return Engines(
        EngineSettings(
            slots=settings.local.slots,
            context_tokens=settings.local.context_tokens,
            threads=settings.local.threads,
            weights_dir=settings.weights_dir,
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """All that a client reaches outside its process; greenai.testing puts doubles here."""

    provider: Callable[[Config], ProviderSource] = LazyProvider
    store: Callable[[Settings], ClosableStore] = _disk
    engines: Callable[[Settings], Engines] = _engines
    meters: Sequence[meters.Meter] = meters.METERS
    env: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)


# --- options ------------------------------------------------------------------------------

_OPTION_NAMES = frozenset(f.name for f in fields(Options))
block_options: ContextVar[tuple[tuple[Resources, Mapping[str, Any]], ...]] = ContextVar("greenai.options", default=())


def of_blocks(resources: Resources) -> Mapping[str, Any]:
    """Return the options of the blocks around this call: those of the same client and its copies, the inner ones last.

    Another client's block is no opt-in for this one.
    """
    blocks = block_options.get()
    return {n: v for owner, changes in blocks if owner is resources for n, v in changes.items()} if blocks else {}


def options_from(settings: Settings) -> Options:
    """Return what calls may do by the settings alone."""
    return Options(
        project=settings.project,
        opt_in=frozenset(settings.active_opt_in()),
        reason=settings.opt_in_reason,
        strict_opt_in=settings.strict_opt_in,
        quality=settings.quality,
        cache=settings.cache,
        ttl_s=settings.cache_ttl_s,
        substitute=settings.substitute,
        observe=settings.observe,
    )


def changed(options: Options, changes: Mapping[str, Any]) -> Options:
    """Return options with `changes` applied.

    Raises:
        InvalidRequest: an option nobody knows, an opt-in nobody knows, or one without a reason.
    """
    if not changes:
        return options
    unknown = sorted(changes.keys() - _OPTION_NAMES)
    if unknown:
        raise InvalidRequest(f"Unknown option {unknown[0]!r}. Known options: {', '.join(sorted(_OPTION_NAMES))}.")
    given = dict(changes)
    if "opt_in" in given:
        given["opt_in"] = _opt_ins(given["opt_in"])
        if given["opt_in"] - options.opt_in and not given.get("reason"):
            raise InvalidRequest(
                f"The opt-in {', '.join(sorted(given['opt_in']))} needs a reason, which the ledger keeps: "
                'pass reason="why this is worth it" with it.'
            )
    for name, (fits, expected) in _OPTION_FORMS.items():
        if name in given and not fits(given[name]):
            raise InvalidRequest(f"{name}={given[name]!r} is no {name}. Pass {expected}.")
    return replace(options, **given)


def _one_of(*choices: object) -> tuple[Callable[[object], bool], str]:
    return (lambda value: value in choices), " or ".join(repr(c) for c in choices)


_BOOL = (lambda value: isinstance(value, bool)), "True or False"
_TEXT = (lambda value: value is None or (isinstance(value, str) and bool(value))), "some text, or None"
_OPTION_FORMS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "project": ((lambda value: isinstance(value, str) and bool(value)), "the name of a project"),
    "quality": _one_of(*get_args(Quality)),
    "cache": _one_of(*get_args(CacheMode)),
    "substitute": _one_of(True, False, None),  # noqa: FBT003  # values, not switches
    "observe": _BOOL,
    "strict_opt_in": _BOOL,
    "tenant": _TEXT,
    "reason": _TEXT,
    "ttl_s": (
        (
            lambda value: (
                value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0)
            )
        ),
        "seconds, 0 or more, or None",
    ),
}


def _opt_ins(value: str | Iterable[str]) -> frozenset[str]:
    kinds = frozenset((value,) if isinstance(value, str) else value)
    unknown = sorted(kinds - OPT_INS)
    if unknown:
        raise InvalidRequest(f"Unknown opt-in {unknown[0]!r}. Known opt-ins: {', '.join(sorted(OPT_INS))}.")
    return kinds


def _call_changes(given: Options | Mapping[str, Any] | None) -> Mapping[str, Any]:
    if given is None:
        return {}
    if isinstance(given, Options):
        default = Options()
        return {n: getattr(given, n) for n in _OPTION_NAMES if getattr(given, n) != getattr(default, n)}
    return given


# --- requests -----------------------------------------------------------------------------


def make_request(
    config: Config,
    entry: Entry,
    *,
    messages: Iterable[Any],
    model: str | None,
    stream: bool,
    arguments: Mapping[str, Any],
    block: Mapping[str, Any],
) -> Request:
    """Turn a call's arguments into a Request; nothing of the app's is changed, generators are read once.

    Raises:
        TypeError: an argument that openai's `create` does not have either.
        InvalidRequest: an unknown option, or messages of the wrong form.
    """
    given = {name: value for name, value in arguments.items() if is_given(value)}
    changes = {**block, **_call_changes(given.pop("greenai", None))}
    options = _with_explicit_reasoning(changed(_unexpired(config), changes), given)
    if not config.is_comparable and options.cache != "off":
        options = replace(options, cache="off")
    timeout = given.pop("timeout", config.timeout)
    timeout_s = _seconds(timeout)
    transport = Transport(
        timeout_s=timeout_s,
        timeout=None if isinstance(timeout, (int, float)) or timeout is None else timeout,
        extra_headers=given.pop("extra_headers", None),
        extra_query=given.pop("extra_query", None),
    )
    _require_known(given)
    if "tools" in given and given["tools"] is not None:
        given["tools"] = list(given["tools"])
    return Request(
        call_id=uuid.uuid4().hex,
        entry=entry,
        model=None if model is None or not is_given(model) else str(model),
        messages=_messages(messages),
        arguments=given,
        stream=bool(stream) and is_given(stream),
        transport=transport,
        options=options,
        deadline=time.monotonic() + timeout_s,
        namespace=_namespace(config, options, transport.extra_headers, model),
    )


def _unexpired(config: Config) -> Options:
    if config.expires_at is None or time.time() < config.expires_at:
        return config.options
    return replace(config.options, opt_in=config.options.opt_in - config.expiring)


def _require_known(given: Mapping[str, Any]) -> None:
    unknown = given.keys() - KNOWN
    if not unknown:
        return
    from greenai.provider.openai_path import parameters

    for name in sorted(unknown - parameters()):
        raise TypeError(
            f"Completions.create() got an unexpected keyword argument {name!r}. "
            f"A field that only this provider knows goes in extra_body={{{name!r}: ...}}."
        )


def _with_explicit_reasoning(options: Options, given: Mapping[str, Any]) -> Options:
    """Log an explicit reasoning argument as this call's opt-in, unless the project gates these too."""
    body = given.get("extra_body")
    wanted = _asks_reasoning(given) or (isinstance(body, Mapping) and _asks_reasoning(cast("Mapping[str, Any]", body)))
    if not wanted or options.strict_opt_in or "reasoning" in options.opt_in:
        return options
    return replace(options, opt_in=options.opt_in | {"reasoning"}, reason=options.reason or "argument")


def _asks_reasoning(fields: Mapping[str, Any]) -> bool:
    if fields.get("reasoning_effort") not in (None, "none"):
        return True
    thinking, reasoning = fields.get("thinking"), fields.get("reasoning")
    if isinstance(thinking, Mapping) and thinking.get("type") != "disabled":
        return True
    return (
        isinstance(reasoning, Mapping) and reasoning.get("effort") != "none" and reasoning.get("enabled") is not False
    )


def _seconds(timeout: Any) -> float:
    """Return the whole call's deadline in seconds: of an `httpx.Timeout`, its longest part."""
    if timeout is None:
        return float("inf")
    if isinstance(timeout, (int, float)):
        if not timeout > 0:
            raise InvalidRequest(f"timeout={timeout!r} leaves no time for the call. Pass seconds above 0, or None.")
        return float(timeout)
    if not hasattr(timeout, "connect"):
        raise InvalidRequest(f"timeout={timeout!r} is no time. Pass seconds above 0, an httpx.Timeout, or None.")
    parts = [getattr(timeout, name, None) for name in ("connect", "read", "write", "pool")]
    return float("inf") if None in parts else float(max(p for p in parts if p is not None))


def _messages(messages: object) -> tuple[Message, ...]:
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Iterable):
        raise InvalidRequest(
            f"messages must be a list of messages, not {type(messages).__name__}. "
            "Pass messages=[{'role': 'user', 'content': '...'}], or use client.ask('...')."
        )
    given: Iterable[Any] = messages
    return tuple(_message(m, n) for n, m in enumerate(given))


def _message(message: Any, position: int) -> Message:
    if isinstance(message, Mapping):
        return dict(cast("Mapping[str, Any]", message))  # the app may change its own later
    if hasattr(message, "model_dump"):
        # Apps append `response.choices[0].message` as it is; openai's client accepts that too.
        dumped: dict[str, Any] = message.model_dump(mode="json", exclude_unset=True)
        return dumped
    raise InvalidRequest(
        f"messages[{position}] is of type {type(message).__name__}. "
        "Each message must be a dictionary with 'role' and 'content', or openai's message object."
    )


def _namespace(config: Config, options: Options, headers: Mapping[str, str] | None, model: object) -> str:
    key = config.connection.get("api_key")
    env = os.environ
    return _namespace_of(
        key if isinstance(key, str) else None,
        options.project,
        options.tenant,
        config.identity,
        tuple(env.get(name) for name in config.variables),
        env.get(f"{model.partition('/')[0].upper()}_API_KEY") if isinstance(model, str) and "/" in model else None,
        tuple(sorted((n.lower(), str(v)) for n, v in headers.items() if n.lower() in _AUTH_HEADERS)) if headers else (),
    )


# The same few namespaces all day: an HMAC for each call would be a tenth of a cache hit's time.
_namespace_of = lru_cache(maxsize=1024)(namespace)


def _size(content: object) -> int:
    """Return about how many characters a content has, without joining or copying it."""
    if isinstance(content, str):
        return len(content)
    if not isinstance(content, (list, tuple)):
        return 0
    texts = (p.get("text") if isinstance(p, Mapping) else None for p in cast("Sequence[Any]", content))
    return sum(len(text) if isinstance(text, str) else 1000 for text in texts)


class Recent:
    """The requests behind the latest responses, for `escalate`: bounded in number and in size."""

    def __init__(self, most: int = 128, most_characters: int = 8_000_000) -> None:
        self._requests: OrderedDict[str, tuple[Request, int]] = OrderedDict()
        self._most = most
        self._room = most_characters
        self._lock = threading.Lock()

    def add(self, request: Request) -> None:
        """Remember a request, forgetting the oldest ones that no longer fit."""
        size = sum(_size(m.get("content")) for m in request.messages)
        with self._lock:
            _, before = self._requests.pop(request.call_id, (request, 0))
            self._requests[request.call_id] = (request, size)
            self._room += before - size
            while len(self._requests) > self._most or (self._room < 0 and len(self._requests) > 1):
                _, (_, freed) = self._requests.popitem(last=False)
                self._room += freed

    def find(self, call_id: str) -> Request:
        """Return the request of that call.

        Raises:
            InvalidRequest: it was not made by this client, or too many calls ago.
        """
        found = self._requests.get(call_id)
        if found is None:
            raise InvalidRequest(
                f"The call {call_id} is not among the latest {self._most} of this client, so it cannot be asked again. "
                "Escalate soon after the answer and with the client that gave it, or ask anew with a larger model."
            )
        return found[0]


def endpoint_rung(config: Config, model: str) -> Rung:
    """Return the one rung of a client with a `base_url`: the model's name goes there exactly as written."""
    return Rung(model=f"endpoint/{model}", base_url=config.endpoint, tier="large")


def load(explicit: Any, **arguments: Any) -> Settings:
    """Load the settings, leaving out arguments that were not given."""
    return load_settings(explicit, **{k: v for k, v in arguments.items() if v is not None})
