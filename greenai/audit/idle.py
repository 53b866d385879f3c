"""What an app has switched on and does not use, as far as a log tells: features, tools, further answers, a form.

What a log cannot tell is asked and not claimed: whether more than one of several answers is read, for one. `logprobs`
and a limit that is never reached make no token, so nothing is said of them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from greenai.audit.finding import Assumption
from greenai.audit.saving import Saved, wasted, without
from greenai.report.words import count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.audit.columns import Calls
    from greenai.audit.estimate import Looked
    from greenai.audit.finding import Waste

    Floats: TypeAlias = NDArray[np.float64]
    Flags: TypeAlias = NDArray[np.bool_]

__all__ = ["ASSUMPTIONS", "Idle", "always_on", "idle", "idle_tools", "unused"]

DAYS, CALLS, ROUND, QUIET = 3, 200, 0.9, 6
"""A feature is always on that was watched for so many days, has so many calls, and whose six quietest hours of the
day (UTC), taken together, have at least this share of the calls that six hours have on average."""
OFFERED = 100
"""A tool is idle that a project gave to so many calls, and none called: only names that recur are told."""
GIVEN, USED = 20, 0.05
"""A feature is not used whose app tells what is used, that gave so many answers, of which at most this share was."""
CHARS_PER_TOKEN = 4.0
"""Characters of a tool's definition that are a token: of English about four (OpenAI, "What are tokens and how to count
them", read 2026-11-22)."""
MOST_NAMED = 4

ASSUMPTIONS = (
    Assumption(
        key="waste_tools",
        text="The names of tools that calls were given and that answers called are in the log. Their definitions stand "
        "in each prompt: a token for four characters of their JSON; a provider may write them shorter. A tool for a "
        "rare case is idle too until the case comes.",
        evidence="estimated",
    ),
    Assumption(
        key="waste_choices",
        text="The answers after the first of each call. Whether they are read, the log does not say: between nothing "
        "and all of them is saved.",
        evidence="assumed",
    ),
    Assumption(
        key="waste_not_json",
        text="A form was asked for, and the answer is neither a JSON object nor a list; cut answers are not among "
        "them. Whether the app could use them, the log does not say: between nothing and all of what was written is "
        "lost.",
        evidence="assumed",
    ),
    Assumption(
        key="waste_unused",
        text="The app tells greenai what is used (docs/features.md): at most 5% of what the feature gave was. What "
        "nobody used would not have been generated.",
        evidence="counted",
    ),
    Assumption(
        key="waste_always_on",
        text="The feature, or the project where the log has no features, asks as often in its six quietest hours of "
        "the day as in others. That nobody reads those answers is assumed: look who does.",
        evidence="assumed",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Idle:
    """Tools that a project gives to calls and that are never called: their names, with how many calls had each.

    Attributes:
        of: the calls that had any of them.
        tokens: of their definitions, by call.
    """

    project: str | None
    names: Mapping[str, int]
    of: Flags
    tokens: Floats


def idle(looked: Looked) -> Iterator[Waste | None]:
    """Yield what is switched on and not used."""
    yield _tools(looked)
    yield _choices(looked)
    yield _not_json(looked)
    yield _unused(looked)
    yield _always_on(looked)


# --- tools ----------------------------------------------------------------------------------


def idle_tools(calls: Calls) -> tuple[Idle, ...]:
    """Return the tools that are never called, by project; those of a log that does not name called ones are unknown."""
    import numpy as np

    return tuple(
        found
        for code in np.unique(calls.project.codes[calls.offered.codes >= 0]).tolist()
        if (found := _idle_of(calls, code)) is not None
    )


def _idle_of(calls: Calls, project: int) -> Idle | None:
    import numpy as np

    of = (calls.project.codes == project) & (calls.offered.codes >= 0) & calls.ok
    if (of & calls.tool_calls & (calls.called.codes < 0)).any():
        return None
    of &= (calls.answer.codes >= 0) | (calls.called.codes >= 0)  # of others it is not known what they called
    called = {
        _plain(n) for code in np.unique(calls.called.codes[of]) if code >= 0 for n in _read(calls.called.names[code])
    }
    sets = {int(code): _read(calls.offered.names[code]) for code in np.unique(calls.offered.codes[of])}
    often = np.bincount(calls.offered.codes[of], minlength=len(calls.offered.names))
    given: Counter[str] = Counter()
    for code, tools in sets.items():
        for tool in tools:
            given[tool] += int(often[code])
    names = {tool: n for tool, n in given.most_common() if n >= OFFERED and _plain(tool) not in called}
    each = np.zeros(len(calls.offered.names))
    for code, tools in sets.items():
        each[code] = sum(tools[tool] for tool in tools if tool in names) / CHARS_PER_TOKEN
    tokens = np.where(of, each[np.maximum(calls.offered.codes, 0)], 0.0)
    return (
        Idle(project=None if project < 0 else calls.project.names[project], names=names, of=tokens > 0, tokens=tokens)
        if names
        else None
    )


def _read(names: str) -> dict[str, int]:
    found = json.loads(names)
    return found if isinstance(found, dict) else dict.fromkeys(found, 0)


def _plain(tool: str) -> str:
    """Return a tool's name as offers and calls have it alike: a preview of a built-in tool is called as the tool."""
    return tool.partition("_preview")[0]


def _tools(looked: Looked) -> Waste | None:
    import numpy as np

    found = idle_tools(looked.calls)
    if not found:
        return None
    of = np.any(np.stack([one.of for one in found]), axis=0)
    tokens = np.sum(np.stack([one.tokens for one in found]), axis=0)
    names = [tool for one in found for tool in one.names]
    said = f"{listed(names)}: given to {count(int(of.sum()), 'call')} and never called; about "
    said += f"{count(float(tokens[of].mean()), 'token')} of each prompt"
    return wasted(looked, "tools", without(looked.calls, of, prompt=tokens), said)


def listed(names: list[str]) -> str:
    """Return the first of some names, and how many more there are."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


# --- answers --------------------------------------------------------------------------------


def _choices(looked: Looked) -> Waste | None:
    import numpy as np

    calls = looked.calls
    asked = np.nan_to_num(calls.choices, nan=1.0)
    of = (asked > 1) & calls.ok
    further = np.where(of, calls.output_tokens * (asked - 1) / np.maximum(asked, 1), 0.0)
    saved = replace(without(calls, of, output=np.nan_to_num(further)), sure=False)
    most = int(asked[of].max(initial=1))
    said = (
        f"{count(int(of.sum()), 'call')} asked for several answers (n up to {most}): is more than the first one read?"
    )
    return wasted(looked, "choices", saved, said)


def _not_json(looked: Looked) -> Waste | None:
    import numpy as np

    calls = looked.calls
    answered = calls.ok & (calls.answer.codes >= 0) & ~calls.truncated & ~calls.tool_calls
    of = calls.form & answered & ~calls.is_json
    saved = replace(without(calls, of, output=np.nan_to_num(calls.output_tokens)), sure=False)
    asked = count(int((calls.form & answered).sum()), "answer")
    return wasted(looked, "not_json", saved, f"{count(int(of.sum()))} of {asked} for which JSON was asked are none")


# --- features -------------------------------------------------------------------------------


def unused(calls: Calls) -> dict[str, Flags]:
    """Return the features whose answers are hardly used, as the app tells, with their calls that nobody used."""
    import numpy as np

    found: dict[str, Flags] = {}
    told = np.isfinite(calls.used)
    for code, name in enumerate(calls.feature.names):
        of = told & (calls.feature.codes == code)
        if of.sum() >= GIVEN and calls.used[of].sum() <= USED * of.sum():
            found[name] = of & (calls.used == 0)
    return found


def _unused(looked: Looked) -> Waste | None:
    import numpy as np

    found = unused(looked.calls)
    if not found:
        return None
    of = np.any(np.stack([*found.values()]), axis=0)
    saved = Saved(of=of, joules=looked.took.energy_j, dollars=looked.took.cost_usd)
    said = f"{count(int(of.sum()), 'answer')} of {listed(sorted(found))} that nobody used"
    return wasted(looked, "unused", saved, said)


def always_on(calls: Calls) -> dict[str, Flags]:
    """Return features that ask as often by night as by day, with their calls in the six quietest hours."""
    import numpy as np

    column = calls.feature if (calls.feature.codes >= 0).any() else calls.project
    timed = np.isfinite(calls.created)
    hours = np.where(timed, np.nan_to_num(calls.created) // 3600 % 24, -1).astype(np.int64)
    found: dict[str, Flags] = {}
    for code in range(len(column.names)):
        of = timed & (column.codes == code)
        if of.sum() < CALLS or np.ptp(calls.created[of]) < DAYS * 86_400:
            continue
        by_hour = np.bincount(hours[of], minlength=24)
        quiet = np.argsort(by_hour, kind="stable")[:QUIET]
        if by_hour[quiet].sum() >= ROUND * by_hour.sum() * QUIET / 24:
            found[column.names[code]] = of & np.isin(hours, quiet)
    return found


def _always_on(looked: Looked) -> Waste | None:
    import numpy as np

    found = always_on(looked.calls)
    if not found:
        return None
    of = np.any(np.stack([*found.values()]), axis=0)
    saved = Saved(of=of, joules=looked.took.energy_j, dollars=looked.took.cost_usd, sure=False)
    said = (
        f"{count(int(of.sum()), 'call')} of {listed(sorted(found))} in the six quietest hours, as many as at any time"
    )
    return wasted(looked, "always_on", saved, said)
