"""What a client opens once and shares with its `with_options` copies: its configuration, files, engines, provider."""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, cast

from greenai import drivers, hooks, meters, nudges, route
from greenai._locks import Lock
from greenai.answerers import Registry
from greenai.answerers.choosing import THRESHOLD, Chooser
from greenai.answerers.faq import Faq
from greenai.answerers.shelf import Shelf, listed
from greenai.cache import ExactCache, SemanticTier
from greenai.cache.callers import environment_of
from greenai.cache.exact import ManagedStore
from greenai.cache.flights import flights_at
from greenai.cache.semantic import STORED
from greenai.classify import Classifier
from greenai.errors import InvalidRequest, SettingsError
from greenai.feedback import Feedback
from greenai.grants import Grant
from greenai.hours import Forecast, from_csv
from greenai.ledger import Ledger, open_ledger
from greenai.local import Engines, EngineSettings, Parking
from greenai.local.parking import Keeping, KeepPolicy, keeping
from greenai.local.profiles import Profiles
from greenai.local.roster import running_dir
from greenai.local.tuned import Tuned
from greenai.meters import carbon
from greenai.meters.idle import IdlePower
from greenai.meters.inputs import register_cards
from greenai.opt_ins import Policies
from greenai.places import Site
from greenai.settings import Settings, load_settings
from greenai.settings.local import KeepTable, LocalSettings, keep_s
from greenai.settings.schedule import schedule
from greenai.settings.switches import merged
from greenai.spending import Spending
from greenai.steps import Steps
from greenai.store.opening import open_store
from greenai.values import Options, Request, Rung

if TYPE_CHECKING:
    from greenai.provider import Provider


_DEFAULTS = ("default_headers", "default_query")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """How one client (or a `with_options` copy of it) talks to providers, and what its calls may do.

    `grants` are the opt-ins that this client was given in place of those in the settings; None: it was given none.
    `policies` are what the settings say for each project. `ladder` are the
    rungs of the settings, whose keys tell callers apart, and `providers` who answers on them. `pinned`: a model's name
    is no ceiling, as in an app's own client that was wrapped. `identity` digests all
    that names the caller here; `token` is this client's own, for callers that cannot be told apart.
    """

    options: Options
    timeout: Any
    max_retries: int
    connection: Mapping[str, Any] = field(repr=False)
    grants: tuple[Grant, ...] | None = None
    policies: Policies | None = field(default=None, repr=False)
    ladder: tuple[Rung, ...] = field(default=(), repr=False)
    pinned: bool = False
    token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    identity: str = field(init=False, repr=False)
    providers: tuple[str, ...] = field(init=False, repr=False)

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
        # Every base_url goes through openai's library, which reads its own variables there too.
        object.__setattr__(self, "providers", tuple(dict.fromkeys(("openai", *(r.provider for r in self.ladder)))))

    @property
    def is_comparable(self) -> bool:
        """False where the caller is not in the arguments: the app's own HTTP client, or a key from a callable."""
        key, more = self.connection.get("api_key"), self.connection.get("more", {})
        named = more.get("workload_identity") is None and more.get("provider") is None
        return named and self.connection.get("http_client") is None and (key is None or isinstance(key, str))

    def key(self) -> str:
        """Return a digest of the API key that calls are made with: the client's own, else those of the environment."""
        given = self.connection.get("api_key")
        named = given if isinstance(given, str) else self.token if given else environment_of(self.providers)
        return hashlib.sha256(repr(named).encode("utf-8", "surrogatepass")).hexdigest()[:16]

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


class Resources:
    """Ledger, cache, engines, threads and steps of one client and its copies. Closing twice is harmless."""

    def __init__(
        self,
        settings: Settings,
        observers: Sequence[hooks.Observer],
        outside: Outside,
        forecast: Forecast | None = None,
    ) -> None:
        site = _site(settings, outside.env)
        self.settings = settings
        self.outside = outside
        self.threads = drivers.Threads()
        self._store = outside.store(settings)
        self.engines = outside.engines(settings)
        self.ledger = open_ledger(settings)
        self.engines.book_with(self.ledger.idled)
        self.own = _registry(settings)
        self.shelf = _shelf(settings, self.ledger)
        register_cards(settings.cards)
        self.spending = Spending(settings, site, settings.rungs(outside.env))
        self.steps = Steps(
            classifier=Classifier(),
            ledger=self.ledger,
            engines=self.engines,
            site=site,
            ladder=settings.rungs(outside.env),
            cache=ExactCache(self._store),
            semantic=SemanticTier(delta=settings.cache_delta, store=self._store, classes=STORED),
            meters=outside.meters,
            observers=(*hooks.DEFAULT, *observers),
            max_prompt_bytes=settings.max_prompt_bytes,
            feedback=Feedback(route.FLOORS, self.ledger),
            store_prompts=settings.store_prompts,
            own=self.own,
            nudges=nudges.ordered(settings.nudges.order),
            advisors=nudges.advisors(settings.nudges.order),
            switches=_switches(settings),
            forecast=forecast or (None if settings.carbon_forecast is None else from_csv(settings.carbon_forecast)),
            spending=self.spending,
            chooser=_chooser(settings),
            shelf=self.shelf,
            flights=flights_at(None if settings.state_dir is None else settings.state_dir / "in-flight.lock"),
        )

    @cached_property
    def pinned(self) -> Steps:
        """The steps where a name is no ceiling, unless the settings themselves name a ladder for it.

        Nor is a prompt too long for the model that the app named, unless the settings say so: its provider knows.
        """
        settings = self.settings
        longest = self.steps.max_prompt_bytes if "max_prompt_bytes" in settings.model_fields_set else sys.maxsize
        ladder = self.steps.ladder if settings.ladder is not None else ()
        return replace(self.steps, pinned=True, ladder=ladder, max_prompt_bytes=longest)

    def close(self) -> None:
        """Unload local models, close the ledger and the cache, let the threads end."""
        self.threads.close()
        self.engines.close()
        self.shelf.flush()
        self.ledger.close()
        self.spending.close()
        self._store.close()


def _switches(settings: Settings) -> Callable[[str], tuple[frozenset[str], str]]:
    """Return what says which nudges a project has off, and in which language the others speak."""
    whole = merged(settings.nudges, None)
    own = {name: merged(settings.nudges, table.nudges) for name, table in settings.projects.items()}
    return lambda project: own.get(project, whole)


def _chooser(settings: Settings) -> Chooser | None:
    """Return what picks one of a closed list, where the settings name a model for it."""
    table = settings.pick_one
    if table is None:
        return None
    return Chooser(model=table.model, threshold=THRESHOLD if table.threshold is None else table.threshold)


def _shelf(settings: Settings, ledger: Ledger) -> Shelf:
    """Return the distilled task models of the settings, which are read at the first call; the app may add more."""
    shelf = Shelf(ledger)
    try:
        shelf.add_unread(listed(table.file, table.mode, table.audit) for table in settings.distilled)
    except InvalidRequest as error:
        raise SettingsError(f"distilled: {error}") from None
    return shelf


def _registry(settings: Settings) -> Registry:
    """Return what the settings register; the app may register more."""
    registry = Registry()
    if settings.faq is None:
        return registry
    try:
        registry.add(Faq(settings.faq.path, threshold=settings.faq.threshold))
    except InvalidRequest as error:
        raise SettingsError(f"faq: {error}") from None
    return registry


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
        self._lock = Lock()

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


def _engines(settings: Settings) -> Engines:
    engines = Engines(
        EngineSettings(
            slots=settings.local.slots,
            context_tokens=settings.local.context_tokens,
            threads=settings.local.threads,
            weights_dir=settings.weights_dir,
        ),
        Parking(
            power=IdlePower(settings.watts_per_core),
            keeping=_keeping(settings.local),
            folder=running_dir(settings.state_dir),
        ),
    )
    given = frozenset(settings.local.model_fields_set)
    engines.tuned = Tuned(profiles=Profiles(settings.state_dir), device=meters.device, given=given)
    return engines


def _keeping(local: LocalSettings) -> Keeping:
    """Return what says how long each local model stays; what a model's own table leaves out, the whole table says."""

    def policy(table: KeepTable) -> KeepPolicy:
        kept = table.kept if table.kept is not None else local.kept
        run_at = table.run_at if table.run_at is not None or table.kept is not None else local.run_at
        recurs = None if run_at is None else schedule(run_at)
        return KeepPolicy(keep_s=None if kept is None else keep_s(kept), schedule=recurs)

    return keeping(policy(local), {name: policy(table) for name, table in local.models.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """All that a client reaches outside its process; greenai.testing puts doubles here."""

    provider: Callable[[Config], ProviderSource] = LazyProvider
    store: Callable[[Settings], ManagedStore] = open_store
    engines: Callable[[Settings], Engines] = _engines
    meters: Sequence[meters.Meter] = meters.METERS
    env: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)


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
        self._lock = Lock()

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

    def known(self, call_id: str) -> Request | None:
        """Return the request of that call, if it is still remembered."""
        found = self._requests.get(call_id)
        return None if found is None else found[0]

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
