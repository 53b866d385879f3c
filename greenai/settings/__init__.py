"""One validated object with everything that can be set, and where each value came from when it is wrong.

Sources, first wins: arguments, `GREENAI_*` variables, `greenai.toml`, `[tool.greenai]` in `pyproject.toml`.
Both files are searched for from the working directory upwards. This module decides no policy: it only says
what the user wants. With `settings/fields.py` and `settings/cards.py` it is the only door to pydantic and platformdirs.

`pydantic-settings` is not used: it adds about 110 ms to the first client, and cannot say which file and line
a bad value came from.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from platformdirs import user_state_path
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from greenai.errors import SettingsError
from greenai.grants import WithoutOptIn
from greenai.settings import cards as own_cards
from greenai.settings import projects, serve
from greenai.settings.cards import CardEntry, LadderEntry
from greenai.settings.fields import (
    CACHE_URL,
    CARBON_SOURCE,
    FEATURE,
    ONE_LINE,
    PROVIDERS,
    UPPER,
    VARIABLE,
    ZONE,
    Place,
    duration_s,
    entry,
    place,
    shown,
    size_bytes,
    split,
)
from greenai.settings.local import EXAMPLES as KEEP_EXAMPLES
from greenai.settings.local import KeepTable, LocalSettings
from greenai.settings.pick_one import PickOneTable
from greenai.settings.projects import BudgetTable, FeatureTable, ProjectTable
from greenai.settings.registered import DistilledTable, FaqSettings
from greenai.settings.serve import ServeTable
from greenai.settings.sources import PREFIX, Source, files
from greenai.settings.switches import Nudges, NudgeTable
from greenai.values import Also, CacheMode, OptIn, Quality, Rung, Tier, Verify

__all__ = [
    "FaqSettings",
    "LadderEntry",
    "LocalSettings",
    "Settings",
    "default_ladder",
    "duration_s",
    "end_of",
    "load_settings",
]

MEMORY = ":memory:"

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_DEFAULT_LADDERS: tuple[tuple[str, str, str], ...] = (
    ("OPENAI_API_KEY", "openai/gpt-5.4-nano", "openai/gpt-5.5"),
    ("ANTHROPIC_API_KEY", "anthropic/claude-haiku-4-5", "anthropic/claude-opus-5"),
    ("GEMINI_API_KEY", "gemini/gemini-3.1-flash-lite", "gemini/gemini-2.5-pro"),
    ("MISTRAL_API_KEY", "mistral/mistral-small-latest", "mistral/mistral-large-latest"),
)
_LOCAL_MODEL = "local/smollm2-135m"
_EXAMPLES: Mapping[str, str] = {
    "project": 'project = "support-bot"',
    "ladder": 'ladder = ["openai/gpt-5.4-nano", "openai/gpt-5.5"]',
    "quality": 'quality = "standard" (or "basic", "high")',
    "verify": 'verify = "auto" (or "off")',
    "opt_in": 'opt_in = ["reasoning"] (of: large, long_output, reasoning, semantic_cache)',
    "opt_in_reason": 'opt_in_reason = "tax advice is checked by a person"',
    "opt_in_expires": "opt_in_expires = 2027-01-31",
    "without_opt_in": 'without_opt_in = "downgrade" (or "refuse")',
    "cache": 'cache = "auto" (or "off", "read", "refresh", "semantic")',
    "cache_also": 'cache_also = ["tool_calls"] (of: sampled, tool_calls)',
    "cache_ttl": 'cache_ttl = "24h" (units: s, m, h, d, w)',
    "cache_size": 'cache_size = "1GB" (units: kB, MB, GB, KiB, MiB, GiB)',
    "cache_delta": "cache_delta = 0.02",
    "cache_url": 'cache_url = "redis://127.0.0.1:6379/0"',
    "cache_secret_env": 'cache_secret_env = "CACHE_SECRET"',
    "zone": 'zone = "FRA"',
    "provider_zones": 'provider_zones = { openai = "US-VA", mistral = "FRA" }',
    "carbon_source": 'carbon_source = "electricity-maps"',
    "ledger": 'ledger = "ledger.db" (or ":memory:")',
    "timeout_s": "timeout_s = 600",
    "max_retries": "max_retries = 2",
    "max_prompt_bytes": "max_prompt_bytes = 4000000",
    "carbon_forecast": 'carbon_forecast = "forecast.csv"',
    "price_forecast": 'price_forecast = "prices.csv"',
    "provider_batches": "provider_batches = false",
    "watts_per_core": "watts_per_core = 6.5",
    "budget_url": 'budget_url = "redis://127.0.0.1:6379/0"',
    "unknown_project": 'unknown_project = "refuse" (or "allow")',
    "faq": 'faq = "docs/faq" (or { path = "faq.jsonl", threshold = 0.8 })',
    "pick_one": 'pick_one = { model = "local/smollm2-135m", threshold = 0.995 }',
    "distilled": 'distilled = [{ file = "intents.greenai", mode = "shadow" }] (or mode = "on")',
    "local": "local = { slots = 4, context_tokens = 4096 }",
    "cards": 'cards = [{ name = "hosted_vllm/acme/chat-7b", total_params_b = 7 }]',
}


# --- the object ---------------------------------------------------------------------------


def _state_dir() -> Path | None:
    try:
        path = user_state_path("greenai")
    except RuntimeError:  # without a home folder platformdirs gives up, and older ones answer "~/..."
        return None
    return path if path.is_absolute() else None


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


Name = Annotated[str, Field(min_length=1, max_length=100), ONE_LINE]
FeatureName = Annotated[str, FEATURE]


class Settings(_Strict):
    """Everything that can be set. Durations are in seconds where the name ends in `_s`.

    `ladder` None means `default_ladder`; `weights_dir` None the user's cache folder. `state_dir` None means that
    this machine has no folder for state: the ledger is then in memory, and nothing is cached. `opt_in` needs
    `opt_in_reason`, which the ledger keeps.
    """

    project: Name = "default"
    ladder: (
        Annotated[
            tuple[Annotated[LadderEntry, BeforeValidator(entry)], ...], Field(min_length=1), BeforeValidator(split)
        ]
        | None
    ) = None
    quality: Quality = "standard"
    verify: Verify = "auto"
    opt_in: Annotated[frozenset[OptIn], BeforeValidator(split)] = frozenset()
    opt_in_reason: Annotated[str, Field(min_length=3, max_length=500)] | None = None
    opt_in_expires: datetime | date | None = None
    strict_opt_in: bool = False
    without_opt_in: WithoutOptIn | None = None
    substitute: bool | None = None
    observe: bool = False
    cache: CacheMode = "auto"
    cache_also: Annotated[frozenset[Also], BeforeValidator(split)] = frozenset()
    cache_ttl: str | float | None = None
    cache_size: str | float = "256MB"
    cache_delta: Annotated[float, Field(gt=0, le=0.5)] = 0.01
    cache_url: Annotated[str, CACHE_URL] | None = Field(default=None, repr=False)  # it may hold a password
    cache_secret_env: Annotated[str, VARIABLE] | None = None
    cache_encrypt: bool = False
    zone: Annotated[str, UPPER, ZONE] = "WORLD"
    provider_zones: dict[str, Annotated[str, UPPER, ZONE]] = Field(default_factory=dict)
    carbon_source: Annotated[str, CARBON_SOURCE] = "static"
    state_dir: Place | None = Field(default_factory=_state_dir)
    weights_dir: Place | None = None
    ledger: Place | Literal[":memory:"] | None = None
    timeout_s: Annotated[float, Field(gt=0, le=86_400)] = 600.0
    max_retries: Annotated[int, Field(ge=0, le=10)] = 2
    max_prompt_bytes: Annotated[int, Field(ge=1, le=100_000_000)] = 4_000_000
    watts_per_core: Annotated[float, Field(gt=0, le=1000)] | None = None
    store_prompts: bool = False
    local: LocalSettings = LocalSettings()
    cards: tuple[CardEntry, ...] = ()
    faq: Annotated[FaqSettings, BeforeValidator(place)] | None = None
    pick_one: PickOneTable | None = None
    distilled: tuple[DistilledTable, ...] = ()
    projects: dict[Name, ProjectTable] = Field(default_factory=dict)
    nudges: Nudges = NudgeTable()
    carbon_forecast: Place | None = None
    price_forecast: Place | None = None
    provider_batches: bool = True
    features: dict[FeatureName, FeatureTable] = Field(default_factory=dict)
    budget: BudgetTable = BudgetTable()
    user_budget: BudgetTable = BudgetTable()
    key_budget: BudgetTable = BudgetTable()
    budget_url: Annotated[str, CACHE_URL] | None = Field(default=None, repr=False)  # it may hold a password
    unknown_project: Literal["allow", "refuse"] = "allow"
    serve: ServeTable = ServeTable()

    @field_validator("opt_in_expires", mode="before")
    @classmethod
    def _day(cls, value: object) -> object:
        """Keep a day that is written as text a day: pydantic would make it midnight, and the opt-in a day shorter."""
        return date.fromisoformat(value) if isinstance(value, str) and _DAY.fullmatch(value) else value

    @field_validator("cache_ttl")
    @classmethod
    def _is_duration(cls, value: str | float | None) -> str | float | None:
        if value is not None:
            duration_s(value)
        return value

    @field_validator("cache_size")
    @classmethod
    def _is_size(cls, value: str | float) -> str | float:
        size_bytes(value)
        return value

    @model_validator(mode="after")
    def _opt_in_is_whole(self) -> Settings:
        if found := projects.lacks(self.model_fields_set, self.opt_in, self.opt_in_reason):
            raise ValueError(found)
        return self

    @property
    def cache_ttl_s(self) -> float | None:
        """How long an answer may be cached, in seconds; None leaves it to the cache."""
        return None if self.cache_ttl is None else duration_s(self.cache_ttl)

    @property
    def cache_bytes(self) -> int:
        """How large the cache on disk may become."""
        return size_bytes(self.cache_size)

    @property
    def ledger_path(self) -> Path | None:
        """The ledger's file; None keeps it in memory."""
        if self.ledger == MEMORY:
            return None
        if self.ledger is not None:
            return Path(self.ledger)
        return None if self.state_dir is None else self.state_dir / "ledger.db"

    @property
    def cache_dir(self) -> Path | None:
        """The folder of the answer cache; None keeps no cache."""
        return None if self.state_dir is None else self.state_dir / "cache"

    @property
    def opt_in_ends(self) -> float | None:
        """When the opt-ins end, in seconds since 1970; None where they do not."""
        return None if self.opt_in_expires is None else end_of(self.opt_in_expires)

    def active_opt_in(self, now: float | None = None) -> frozenset[OptIn]:
        """Return the opt-ins that have not expired at `now` (seconds since 1970, default: the present)."""
        if self.opt_in_expires is None:
            return self.opt_in
        return self.opt_in if (time.time() if now is None else now) < end_of(self.opt_in_expires) else frozenset()

    def rungs(self, env: Mapping[str, str] | None = None) -> tuple[Rung, ...]:
        """Return the ladder, least energy first, with the keys that `env` (default: the process's) holds."""
        env = os.environ if env is None else env
        if self.ladder is None:
            return default_ladder(env)
        return tuple(_rung(entry, n == len(self.ladder) - 1, env) for n, entry in enumerate(self.ladder))


def _rung(entry: LadderEntry, top: bool, env: Mapping[str, str]) -> Rung:
    guessed: Tier = "large" if top and not entry.model.startswith("local/") else "small"
    key = None
    if entry.api_key_env is not None:
        key = env.get(entry.api_key_env)
        if not key:
            raise SettingsError(
                f"{entry.place}: {entry.model} takes its key from the variable {entry.api_key_env}, which is not set. "
                f"Set it with: export {entry.api_key_env}=..."
            )
    return Rung(model=entry.model, base_url=entry.base_url, api_key=key, tier=entry.tier or guessed)


def default_ladder(env: Mapping[str, str]) -> tuple[Rung, ...]:
    """Return the rungs for the first provider whose key is in `env`, else the model on this machine alone."""
    for variable, small, large in _DEFAULT_LADDERS:
        if env.get(variable):
            return Rung(model=small, tier="small"), Rung(model=large, tier="large")
    return (Rung(model=_LOCAL_MODEL, tier="small"),)


def end_of(moment: datetime | date) -> float:
    """Return the end of a day, or the moment itself, as seconds since 1970; without a zone it is UTC."""
    if not isinstance(moment, datetime):
        return datetime(moment.year, moment.month, moment.day, tzinfo=UTC).timestamp() + 86_400.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


# --- sources ------------------------------------------------------------------------------


def load_settings(explicit: Mapping[str, Any] | Path | str | Settings | None = None, **arguments: Any) -> Settings:
    """Read every source and return the settings.

    Args:
        explicit: a file to read in place of the search for `greenai.toml`, a mapping that counts as arguments,
            or finished settings, to which only `arguments` are applied.
        arguments: single settings; they win over everything else. None means not given.

    Raises:
        SettingsError: a source cannot be read, or a key or value is wrong. Names the source, the key and the fix.
    """
    given = {key: value for key, value in arguments.items() if value is not None}
    if isinstance(explicit, Settings):
        if not given:
            return explicit
        set_values = {key: getattr(explicit, key) for key in explicit.model_fields_set}
        set_values |= explicit.model_dump(include=set(projects.TABLES), exclude_unset=True)  # joined key by key
        return _validated([Source(name="argument", values=v, style="argument") for v in (set_values, given)])
    if isinstance(explicit, Mapping):
        given = {**explicit, **given}
    file = None if explicit is None or isinstance(explicit, Mapping) else Path(explicit)
    sources = [*files(file), _environment(os.environ), Source(name="argument", values=given, style="argument")]
    return _validated(sources)


def _environment(env: Mapping[str, str]) -> Source:
    """Read `GREENAI_*`. An unknown variable is an error only where it looks like a known one, or a part of a table."""
    values: dict[str, Any] = {}
    fields = Settings.model_fields
    local: dict[str, str] = {}
    for variable, raw in env.items():
        key = variable.removeprefix(PREFIX).lower()
        if not variable.startswith(PREFIX) or not raw.strip():
            continue
        if key in fields:
            values[key] = _from_text(raw.strip())
        elif key.startswith("local_") and key.removeprefix("local_") in LocalSettings.model_fields:
            local[key.removeprefix("local_")] = raw.strip()
        elif close := difflib.get_close_matches(key, fields, n=1, cutoff=0.8):
            raise SettingsError(f"environment: {variable} is not a setting. Did you mean {PREFIX}{close[0].upper()}?")
        elif hint := projects.as_json(key, PREFIX):  # a limit that nobody reads would be none
            raise SettingsError(f"environment: {variable} is not a setting. {hint}")
    if local:
        values["local"] = {**values.get("local", {}), **local}
    return Source(name="environment", values=values, style="env")


def _from_text(raw: str) -> object:
    """Read a list or table written as JSON; anything else stays text."""
    if raw[0] not in "[{":
        return raw
    try:
        return json.loads(raw)
    except ValueError:
        return raw


# --- validation and its messages ----------------------------------------------------------


def _validated(sources: list[Source]) -> Settings:
    """Merge `sources`, the weakest first, and validate; the message names the source of the bad value."""
    merged: dict[str, Any] = {}
    origin: dict[str, Source] = {}
    for source in sources:
        for key, value in source.values.items():
            if key not in Settings.model_fields:
                raise SettingsError(_unknown_key(source, key, list(Settings.model_fields)))
            merged[key] = _joined(merged.get(key), source.placed(key, value))
            origin[key] = source
    where = partial(_where, sources)
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_context=False)[0]
        found = cast("dict[str, Any]", detail)
        if found["loc"] and found["loc"][0] in projects.TABLES:
            raise SettingsError(projects.explain(found, _lower(_worded(found)), where)) from None
        if found["loc"] and found["loc"][0] == "serve":
            raise SettingsError(serve.explain(found, _lower(_worded(found)), origin["serve"].where("serve"))) from None
        raise SettingsError(_explain(found, merged, origin)) from None
    for number, card in enumerate(settings.cards):
        card.stand_at(origin["cards"].where_in("cards", number, "name"))
    for number, rung in enumerate(settings.ladder or ()):
        rung.stand_at(origin["ladder"].where_in("ladder", number, "api_key_env"))
    if settings.provider_zones:
        _refuse_unknown_provider(settings, origin["provider_zones"])
    projects.check(settings, where)
    return settings


def _joined(weak: Any, strong: Any) -> Any:
    """Join two tables, those inside them too: a stronger source must not undo a budget it says nothing of."""
    if not (isinstance(weak, dict) and isinstance(strong, dict)):
        return strong
    return {**weak, **{key: _joined(weak.get(key), value) for key, value in strong.items()}}


def _where(sources: Sequence[Source], path: Sequence[str]) -> str:
    """Return where the key stands that `path` leads to: in the strongest source that has it, or has its table."""
    for depth in range(len(path), 0, -1):
        for source in reversed(sources):
            if source.has(path[:depth]):
                return source.where_path(path)
    return "settings"


def _refuse_unknown_provider(settings: Settings, source: Source) -> None:
    """Refuse a zone for a provider that neither the catalog nor these settings know: it would never be used."""
    models = (*(rung.model for rung in settings.ladder or ()), *(card.name for card in settings.cards))
    known = PROVIDERS | {model.partition("/")[0] for model in models}
    for provider in settings.provider_zones:
        if provider not in known:
            close = difflib.get_close_matches(provider.lower(), known, n=1)
            hint = f"Did you mean {close[0]}?" if close else f"Known providers: {', '.join(sorted(known))}."
            place = source.where("provider_zones")
            raise SettingsError(f"{place}: provider_zones.{provider} is no provider. {hint}")


def _unknown_key(source: Source, key: str, known: list[str], inside: str = "") -> str:
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"Did you mean {inside}{close[0]}?" if close else f"Known settings: {', '.join(sorted(known))}."
    return f"{source.where(key)}: {inside}{key} is not a setting. {hint}"


def _worded(detail: Mapping[str, Any]) -> str:
    words = _WORDS.get(str(detail["type"]))
    return words.format(*detail["loc"][-1:]) if words else str(detail["msg"]).removeprefix("Value error, ")


def _explain(detail: Mapping[str, Any], merged: Mapping[str, Any], origin: Mapping[str, Source]) -> str:
    path = cast("tuple[str | int, ...]", detail["loc"])
    message = _worded(detail)
    if not path:
        at, lacking = ("opt_in", "opt_in_reason") if "opt_in" in origin else ("opt_in_expires", "opt_in")
        return f"{origin[at].where(at)}: {message}. Add for example: {_EXAMPLES[lacking]}"
    key = str(path[0])
    source = origin[key]
    if key == "cards" and path[1:]:
        return own_cards.explain(detail, merged[key], _lower(message), partial(source.where_in, "cards"))
    if key == "project" and isinstance(merged[key], Mapping):
        name = next(iter(cast("dict[str, Any]", merged[key])), "support-bot")
        meant, fix = source.spell("projects"), f"A project's name alone is written {_EXAMPLES[key]}."
        return f"{source.where(key)}: {source.spell(key)} is a table. Did you mean {meant}.{name}? {fix}"
    if detail["type"] == "extra_forbidden":
        one = path[1:2] == ("models",)
        known = KeepTable.model_fields if one else _TABLES.get(key, LadderEntry).model_fields
        inside = f"{key}.models.{path[2]}." if one else f"{key}."
        return _unknown_key(source, str(path[-1]), list(known), inside=inside)
    example = (key == "local" and KEEP_EXAMPLES.get(str(path[-1]))) or _EXAMPLES.get(key)
    example = f" Write for example: {example}." if example and "for example" not in message else ""
    place = source.where_path([str(part) for part in path]) if key == "local" else source.where(key)
    return f"{place}: {_spelled(detail, merged[key], source)} is not valid: {_lower(message)}.{example}"


_TABLES: Mapping[str, type[BaseModel]] = {
    "local": LocalSettings, "faq": FaqSettings, "pick_one": PickOneTable, "distilled": DistilledTable,
}  # fmt: skip
_INNER_KEYS = frozenset((*LadderEntry.model_fields, *LocalSettings.model_fields, *FaqSettings.model_fields))
_WORDS = {
    "bool_parsing": "it must be true or false",
    "bool_type": "it must be true or false",
    "dict_type": "it must be a table",
    "missing": "it has no {0}",
    "model_type": "it must be a table",
    "path_type": "it must be a path",
    "too_short": "it must name at least one",
    "tuple_type": "it must be a list",
}
"""What pydantic says in terms of Python, in those of a settings file. {0} is the key."""


def _spelled(detail: Mapping[str, Any], whole: object, source: Source) -> str:
    """Return the key with its bad value; of a list only the bad item, and never what may be a secret."""
    path = cast("tuple[str | int, ...]", detail["loc"])
    key, inner = source.spell(str(path[0])), path[-1]
    if path[:2] == ("local", "models") and path[3:]:
        key = f"{key}.models.{path[2]}"
    if detail["type"] == "missing":
        return f"{key}, entry {path[1] + 1}," if isinstance(path[1], int) else f"{key} = {shown(whole)}"
    if inner == "api_key_env":  # somebody may have written the key itself
        return f"{key}.{inner}"
    if path[0] in ("cache_url", "cache_secret_env", "budget_url"):  # an address may hold a password
        return key
    if isinstance(inner, int) or inner == "model":
        return f"{key}: {shown(detail['input'])}"
    return f"{key}.{inner} = {shown(detail['input'])}" if inner in _INNER_KEYS else f"{key} = {shown(whole)}"


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:].rstrip(".")
