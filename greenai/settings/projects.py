"""What the settings say of projects and of what may be spent: the tables `projects`, `features` and the budgets.

Only the shape is checked here, and what is wrong with it said. What a limit means is for `budget`, which counts; when
a call reserves it, for `spending`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Any, Literal, Protocol, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from greenai.budget import Amount, Budget, Unit
from greenai.errors import InvalidRequest, SettingsError
from greenai.grants import WithoutOptIn
from greenai.settings.fields import shown, split
from greenai.settings.switches import Nudges, NudgeTable
from greenai.values import OptIn

__all__ = [
    "TABLES", "UNITS", "BudgetTable", "FeatureTable", "ProjectTable", "Tables", "WhenSpent", "as_json", "budgets",
    "check", "explain", "lacks", "refuse_below", "tables", "unknown", "unknown_of",
]  # fmt: skip

WhenSpent = Literal["downgrade", "refuse", "observe"]

UNITS: Mapping[str, Unit] = {
    "energy": "energy_j",
    "cost": "usd",
    "tokens": "tokens",
    "calls": "calls",
    "reasoning_calls": "reasoning_calls",
    "carbon": "carbon_g",
}
"""The keys of a budget that limit something, with the quantity that each counts."""

UNKNOWN_COST, UNKNOWN_ENERGY = "0.01 USD", "1 Wh"
"""What a call is charged for whose price or energy nobody knows, where the settings do not say: at least, and as often
as it has 1,000 output tokens. Assumptions, on the high side: 0.01 USD are 1,000 output tokens at 10 USD per million,
and 1 Wh is several times a large model's answer."""

LEAST = Amount(energy_j=0.01, usd=1e-7, tokens=2, calls=1, reasoning_calls=1, carbon_g=1e-8)
"""Less than the least that any call takes: a token in and one out, of the smallest model, at the lowest price."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_LIMIT_EXAMPLES: Mapping[str, str] = {
    "energy": 'energy = "50 Wh/day"',
    "cost": 'cost = "5 USD/day"',
    "tokens": 'tokens = "1000000/day"',
    "calls": 'calls = "500/hour"',
    "reasoning_calls": 'reasoning_calls = "20/day"',
    "carbon": 'carbon = "200 g/week"',
}


def lacks(keys: AbstractSet[str], opt_in: AbstractSet[str], reason: str | None) -> str | None:
    """Return what is missing beside the opt-ins of a table that has these keys; None where nothing is."""
    if opt_in and not reason:
        return "opt_in needs opt_in_reason: the ledger keeps why an expensive mode was allowed"
    if "opt_in_expires" in keys and "opt_in" not in keys:
        return "opt_in_expires says when opt_in ends, and there is no opt_in: add one, or take opt_in_expires out"
    return None


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


def _text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("it must be text: a number and a unit")  # noqa: TRY004  # pydantic catches this one
    return value


Text = Annotated[str, Field(min_length=1, max_length=100), BeforeValidator(_text)]
Limits = Annotated[
    tuple[Text, ...],
    Field(min_length=1),
    BeforeValidator(lambda value: value if isinstance(value, (list, tuple)) else (value,)),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """Where the keys of a table were read; two tables that say the same are equal wherever they stand."""

    texts: dict[str, str] = field(default_factory=dict[str, str], compare=False)


class BudgetTable(_Strict):
    """What may be spent in one scope. Each limit is a text such as "50 Wh/day", or a list of them.

    What is None here is taken from the organisation's table, and where that is silent, from the defaults of
    `spending`. `eur_usd` is how many US dollars a euro is worth. `unknown_cost` and `unknown_energy` are what a call is
    charged for whose price or energy nobody knows. With `open_when_broken` a call goes out although its budget cannot
    be checked.
    """

    energy: Limits = ()
    cost: Limits = ()
    tokens: Limits = ()
    calls: Limits = ()
    reasoning_calls: Limits = ()
    carbon: Limits = ()
    warn_at: tuple[Annotated[float, Field(gt=0, le=1)], ...] | None = None
    when_spent: WhenSpent | None = None
    timezone: Text | None = None
    eur_usd: Annotated[float, Field(gt=0, le=1e6)] | None = None
    unknown_cost: Text | None = None
    unknown_energy: Text | None = None
    open_when_broken: bool | None = None
    _places: _Places = PrivateAttr(default_factory=_Places)

    def place(self, key: str) -> str:
        """Return where a key stands, for messages: the file and the line, and the keys that lead to it."""
        return self._places.texts.get(key, key)

    def stand_at(self, key: str, place: str) -> None:
        """Remember where a key was read."""
        self._places.texts[key] = place


class ProjectTable(_Strict):
    """What holds for the calls of one project, in place of what the settings say for all.

    `without_opt_in` says what a call gets that needs an opt-in nobody gave; None: nobody has decided yet.
    """

    budget: BudgetTable = BudgetTable()
    opt_in: Annotated[frozenset[OptIn], BeforeValidator(split)] = frozenset()
    opt_in_reason: Annotated[str, Field(min_length=3, max_length=500)] | None = None
    opt_in_expires: datetime | date | None = None
    without_opt_in: WithoutOptIn | None = None
    nudges: Nudges = NudgeTable()

    @field_validator("opt_in_expires", mode="before")
    @classmethod
    def _day(cls, value: object) -> object:
        """Keep a day that is written as text a day: pydantic would make it midnight, and the opt-in a day shorter."""
        return date.fromisoformat(value) if isinstance(value, str) and _DAY.fullmatch(value) else value

    @model_validator(mode="after")
    def _opt_in_is_whole(self) -> ProjectTable:
        if found := lacks(self.model_fields_set, self.opt_in, self.opt_in_reason):
            raise ValueError(found)
        return self


class FeatureTable(_Strict):
    """What holds for the calls of one feature of the app, whichever project they are booked on."""

    budget: BudgetTable = BudgetTable()


# --- the limits of a table -------------------------------------------------------------------

Path = tuple[str, ...]


class Tables(Protocol):
    """The settings that this module speaks of, as `Settings` has them."""

    @property
    def projects(self) -> Mapping[str, ProjectTable]:
        """By name."""
        ...

    @property
    def features(self) -> Mapping[str, FeatureTable]:
        """By name."""
        ...

    @property
    def budget(self) -> BudgetTable:
        """The organisation's."""
        ...

    @property
    def user_budget(self) -> BudgetTable:
        """Each user's."""
        ...

    @property
    def key_budget(self) -> BudgetTable:
        """Each API key's."""
        ...


def tables(settings: Tables) -> Iterator[tuple[Path, BudgetTable]]:
    """Yield every table of a budget that says something, with the keys that lead to it."""
    every: list[tuple[Path, BudgetTable]] = [
        (("budget",), settings.budget),
        (("user_budget",), settings.user_budget),
        (("key_budget",), settings.key_budget),
        *((("projects", name, "budget"), table.budget) for name, table in settings.projects.items()),
        *((("features", name, "budget"), table.budget) for name, table in settings.features.items()),
    ]
    return ((path, table) for path, table in every if table.model_fields_set)


def budgets(table: BudgetTable, above: BudgetTable) -> Iterator[tuple[str, Budget]]:
    """Yield the limits of a table, each with its key; `above` is the organisation's, for what this one leaves open.

    Raises:
        InvalidRequest: a limit cannot be read.
    """
    timezone = table.timezone or above.timezone
    for key, unit in UNITS.items():
        for text in getattr(table, key):
            budget = Budget.parse(text, unit=unit, timezone=timezone or "UTC", eur_usd=table.eur_usd or above.eur_usd)
            if timezone is None and budget.window.kind in ("day", "week", "month"):
                raise InvalidRequest(
                    f'"{text}" begins anew at a midnight, and nothing says where. '
                    'Write for example: timezone = "Europe/Paris" (or "UTC"), here or in the table budget.'
                )
            if budget.window.kind == "total":
                raise InvalidRequest(f'"{text}" says no window. Write for example: {_LIMIT_EXAMPLES[key]}.')
            if budget.limit < LEAST.of(unit):
                raise InvalidRequest(
                    f'"{text}" is less than any call takes, so it would refuse them all. '
                    f"Write for example: {_LIMIT_EXAMPLES[key]}."
                )
            yield key, budget


def refuse_below(settings: Tables, least: Amount, model: str) -> None:
    """Refuse a limit below the least that any call takes on the ladder, on `model`: it would refuse them all.

    Raises:
        SettingsError: with the place, the key and the fix.
    """
    for _, table in tables(settings):
        for key, budget in budgets(table, settings.budget):
            if budget.limit < least.of(budget.unit):
                raise SettingsError(
                    f'{table.place(key)} is not valid: "{budget.text}" is below one call: a short answer of {model}, '
                    f"the least of the ladder, takes about {budget.shown(least.of(budget.unit))}. "
                    f"Write for example: {_LIMIT_EXAMPLES[key]}."
                )


def unknown(table: BudgetTable, above: BudgetTable) -> Amount:
    """Return what a call is charged for whose price or energy nobody knows.

    Raises:
        InvalidRequest: one of the two cannot be read.
    """
    cost = table.unknown_cost or above.unknown_cost or UNKNOWN_COST
    energy = table.unknown_energy or above.unknown_energy or UNKNOWN_ENERGY
    return Amount(
        usd=_at_once(cost, "usd", "unknown_cost", table.eur_usd or above.eur_usd).limit,
        energy_j=_at_once(energy, "energy_j", "unknown_energy").limit,
    )


def unknown_of(settings: Tables) -> Amount:
    """Return what a call is charged for whose price or energy nobody knows: the most that any table says."""
    above = settings.budget
    every = [(table, unknown(table, above)) for _, table in tables(settings)]
    otherwise = unknown(above, above)
    stated_usd = [u.usd for table, u in every if table.unknown_cost or above.unknown_cost]
    stated_j = [u.energy_j for table, u in every if table.unknown_energy or above.unknown_energy]
    return Amount(usd=max(stated_usd, default=otherwise.usd), energy_j=max(stated_j, default=otherwise.energy_j))


def _at_once(text: str, unit: Unit, key: str, eur_usd: float | None = None) -> Budget:
    found = Budget.parse(text, unit=unit, eur_usd=eur_usd)
    if found.window.kind != "total":
        raise InvalidRequest(f'"{text}" is for one call and has no window. Write for example: {_EXAMPLES[key]}.')
    return found


def check(settings: Tables, where: Callable[[Sequence[str]], str]) -> None:
    """Refuse a table of a budget that does not say what it limits: no slip may mean that there is no limit.

    Raises:
        SettingsError: with the place that `where` finds, the key and the fix.
    """
    above = settings.budget
    for path, table in tables(settings):
        for key in ("timezone", *UNITS, "unknown_cost", "unknown_energy"):
            if key in table.model_fields_set:
                table.stand_at(key, f"{where([*path, key])}: {'.'.join([*path, key])}")
                _check(key, table, above)
        if not any(getattr(table, key) for key in UNITS) and path != ("budget",):
            raise SettingsError(
                f"{where(path)}: {'.'.join(path)} limits nothing. Write for example: {_LIMIT_EXAMPLES['energy']}, "
                "or leave the table out."
            )


def _check(key: str, table: BudgetTable, above: BudgetTable) -> None:
    """Read one key alone, so that what is wrong is told of it."""
    shared = {name: getattr(table, name) for name in ("timezone", "eur_usd")}
    try:
        if key in UNITS:
            list(budgets(BudgetTable.model_construct(**shared, **{key: getattr(table, key)}), above))
        elif key == "timezone":
            Budget.parse("1 call/day", timezone=table.timezone or "")
        else:
            unknown(BudgetTable.model_construct(**shared, **{key: getattr(table, key)}), above)
    except InvalidRequest as error:
        said = str(error).removeprefix('"1 call/day": ')
        raise SettingsError(f"{table.place(key)} is not valid: {said}") from None


# --- what is wrong with a table ------------------------------------------------------------

_EXAMPLES: Mapping[str, str] = {
    **_LIMIT_EXAMPLES,
    "budget": 'budget = { energy = "50 Wh/day", timezone = "Europe/Paris" }',
    "warn_at": "warn_at = [0.5, 0.8]",
    "when_spent": 'when_spent = "downgrade" (or "refuse", "observe")',
    "timezone": 'timezone = "Europe/Paris"',
    "eur_usd": "eur_usd = 1.1",
    "unknown_cost": 'unknown_cost = "0.01 USD"',
    "unknown_energy": 'unknown_energy = "1 Wh"',
    "open_when_broken": "open_when_broken = true",
    "opt_in": 'opt_in = ["reasoning"] (of: large, long_output, reasoning, semantic_cache)',
    "opt_in_reason": 'opt_in_reason = "tax advice is checked by a person"',
    "opt_in_expires": "opt_in_expires = 2027-01-31",
    "without_opt_in": 'without_opt_in = "downgrade" (or "refuse")',
    "nudges": "nudges = { brevity = true, timing = false } (or false, which switches all of them off)",
    "language": 'language = "en" (or "de", or one that you registered)',
    "order": 'order = ["timing", "caching"]',
}
_OPEN = ("budget", "nudges")
"""Keys of a table whose own keys follow."""

TABLES: Mapping[str, type[BaseModel]] = {
    "projects": ProjectTable,
    "features": FeatureTable,
    "budget": BudgetTable,
    "user_budget": BudgetTable,
    "key_budget": BudgetTable,
    "nudges": NudgeTable,
}
"""The settings that this module speaks of."""


_JSON: Mapping[str, str] = {
    "projects": '{"support-bot": {"budget": {"calls": "500/hour"}}}',
    "features": '{"search": {"budget": {"calls": "500/hour"}}}',
    "budget": '{"calls": "500/hour"}',
    "user_budget": '{"calls": "500/hour"}',
    "key_budget": '{"calls": "500/hour"}',
    "nudges": '{"timing": false}',
}
_SINGULAR = {"project": "projects", "feature": "features"}


def as_json(key: str, prefix: str) -> str | None:
    """Return how the table is written as a variable that an unknown one means; None where it means none.

    Args:
        key: the variable's name in lower case, without the prefix, such as "budget__calls".
        prefix: what all variables begin with.
    """
    tables = (_SINGULAR.get(name, name) for name in (*_JSON, *_SINGULAR) if key.startswith(f"{name}_"))
    table = next(tables, None)
    if table is None:
        return None
    return f"A table is one variable, in JSON. Write for example: {prefix}{table.upper()}='{_JSON[table]}'."


def explain(detail: Mapping[str, Any], message: str, where: Callable[[Sequence[str]], str]) -> str:
    """Return what pydantic found in one of these tables, in words; `where` says where a path of keys stands."""
    path = _keys(cast("tuple[str | int, ...]", detail["loc"]))
    place, name = where(path), ".".join(key if key.isprintable() else shown(key) for key in path)
    if detail["type"] == "extra_forbidden":
        known = _known(path)
        close = difflib.get_close_matches(path[-1].lower(), known, n=1)
        hint = f"Did you mean {close[0]}?" if close else f"Known keys: {', '.join(known)}."
        return f"{place}: {name} is not a setting. {hint}"
    example = f" Write for example: {_EXAMPLES[path[-1]]}." if path[-1] in _EXAMPLES else ""
    value = detail["input"]
    said = name if isinstance(value, (Mapping, BaseModel)) or value in path else f"{name} = {shown(value)}"
    return f"{place}: {said} is not valid: {message}.{example}"


def _keys(loc: Sequence[str | int]) -> list[str]:
    """Return the keys that lead to a value, without what pydantic adds: places in a list, kinds that it tried."""
    path: list[str] = []
    for part in loc:
        if not isinstance(part, str) or part == "[key]" or (path and path[-1] in _EXAMPLES and path[-1] not in _OPEN):
            break
        path.append(part)
    return path


def _known(path: Sequence[str]) -> list[str]:
    """Return the keys of the table that the last one of `path` stands in."""
    named = path[0] in ("projects", "features")
    inner = NudgeTable if "nudges" in path[2:3] else BudgetTable
    table = TABLES[path[0]] if not named or len(path) <= 3 else inner
    return list(table.model_fields)
