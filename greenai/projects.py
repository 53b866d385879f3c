"""What the settings say of projects and of what may be spent: the tables `projects`, `features` and the budgets.

Only the shape is checked here, and what is wrong with it said. What a limit means is for `budget`, which counts; when
a call reserves it, for `spending`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from greenai._fields import shown, split
from greenai.values import OptIn

__all__ = ["TABLES", "UNITS", "BudgetTable", "FeatureTable", "ProjectTable", "WhenSpent", "explain"]

WhenSpent = Literal["downgrade", "refuse", "observe"]
WithoutOptIn = Literal["downgrade", "refuse"]

UNITS = ("energy", "cost", "tokens", "calls", "reasoning_calls", "carbon")
"""The keys of a budget that limit something."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_LIMIT_EXAMPLES: Mapping[str, str] = {
    "energy": 'energy = "50 Wh/day"',
    "cost": 'cost = "5 USD/day"',
    "tokens": 'tokens = "1000000/day"',
    "calls": 'calls = "500/hour"',
    "reasoning_calls": 'reasoning_calls = "20/day"',
    "carbon": 'carbon = "200 g/week"',
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


def _text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("it must be text: a number and a unit")  # noqa: TRY004  # pydantic catches this one
    return value


Text = Annotated[str, Field(min_length=1, max_length=100), BeforeValidator(_text)]
Limits = Annotated[
    tuple[Text, ...], BeforeValidator(lambda value: value if isinstance(value, (list, tuple)) else (value,))
]


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


class ProjectTable(_Strict):
    """What holds for the calls of one project, in place of what the settings say for all.

    `without_opt_in` says what a call gets that needs an opt-in nobody gave; None: nobody has decided yet.
    """

    budget: BudgetTable = BudgetTable()
    opt_in: Annotated[frozenset[OptIn], BeforeValidator(split)] = frozenset()
    opt_in_reason: Annotated[str, Field(min_length=3, max_length=500)] | None = None
    opt_in_expires: datetime | date | None = None
    without_opt_in: WithoutOptIn | None = None
    nudges: dict[str, bool] = Field(default_factory=dict)

    @field_validator("opt_in_expires", mode="before")
    @classmethod
    def _day(cls, value: object) -> object:
        """Keep a day that is written as text a day: pydantic would make it midnight, and the opt-in a day shorter."""
        return date.fromisoformat(value) if isinstance(value, str) and _DAY.fullmatch(value) else value

    @model_validator(mode="after")
    def _opt_in_has_reason(self) -> ProjectTable:
        if self.opt_in and not self.opt_in_reason:
            raise ValueError("opt_in needs opt_in_reason: the ledger keeps why an expensive mode was allowed")
        return self


class FeatureTable(_Strict):
    """What holds for the calls of one feature of the app, whichever project they are booked on."""

    budget: BudgetTable = BudgetTable()


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
    "nudges": "nudges = { brevity = false }",
}
_OPEN = ("budget", "nudges")
"""Keys of a table whose own keys follow."""

TABLES: Mapping[str, type[BaseModel]] = {
    "projects": ProjectTable,
    "features": FeatureTable,
    "budget": BudgetTable,
    "user_budget": BudgetTable,
    "key_budget": BudgetTable,
}
"""The settings that this module speaks of."""


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
    table = TABLES[path[0]] if not named or len(path) <= 3 else BudgetTable
    return list(table.model_fields)
