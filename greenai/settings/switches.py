"""Which nudges the settings switch on or off, for all projects and for one. What each of them does is in `nudges`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

__all__ = ["DEFAULT", "NudgeName", "NudgeTable", "Nudges", "asking", "merged"]

NudgeName = Literal[
    "effort", "output_length", "brevity", "batching", "caching", "right_sizing", "timing", "team_ranking"
]
NAMES: tuple[str, ...] = get_args(NudgeName)

DEFAULT: Mapping[str, bool] = {name: name not in ("brevity", "team_ranking") for name in NAMES}
"""Brevity changes messages, and a ranking compares people: somebody has to want these."""

_ASKING = frozenset(("effort", "output_length", "brevity"))
_USUAL = frozenset(name for name in _ASKING if DEFAULT[name])

_WORDS = {"true": True, "on": True, "1": True, "yes": True, "false": False, "off": False, "0": False, "no": False}


class NudgeTable(BaseModel):
    """The table `nudges`: a switch for each, the language of what they say, and the order in which they stand.

    None is decided elsewhere: for a project by the table of all, for that one by `DEFAULT`. `order` names those that
    come first; the others follow in their own order.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    effort: bool | None = None
    output_length: bool | None = None
    brevity: bool | None = None
    batching: bool | None = None
    caching: bool | None = None
    right_sizing: bool | None = None
    timing: bool | None = None
    team_ranking: bool | None = None
    language: Annotated[str, Field(min_length=2, max_length=35)] | None = None
    order: tuple[NudgeName, ...] = ()


def _whole(value: object) -> object:
    """Read `nudges = false` as every switch off."""
    if isinstance(value, str):
        value = _WORDS.get(value.lower(), value)
    return dict.fromkeys(NAMES, False) if value is False else {} if value is True else value


Nudges = Annotated[NudgeTable, BeforeValidator(_whole)]
"""A table, or false for all of them in one line."""


def asking(off: frozenset[str]) -> str:
    """Return which nudges may change what a model is asked, where these are not the usual ones; else nothing."""
    on = _ASKING - off
    return "" if on == _USUAL else ",".join(sorted(on)) or "none"


def merged(whole: NudgeTable, project: NudgeTable | None) -> tuple[frozenset[str], str]:
    """Return which nudges are off for a project, and the language of what the others say."""
    tables = (whole,) if project is None else (project, whole)
    off = frozenset(name for name in NAMES if not _first(tables, name, otherwise=DEFAULT[name]))
    return off, next((table.language for table in tables if table.language), "en")


def _first(tables: tuple[NudgeTable, ...], name: str, *, otherwise: bool) -> bool:
    said = (getattr(table, name) for table in tables)
    return next((switch for switch in said if switch is not None), otherwise)
