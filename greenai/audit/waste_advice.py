"""What to do about what was taken for nothing: a change for each kind, with lines that name this log's own figures."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from greenai.audit import chains, efforts, idle, waste
from greenai.audit.finding import Change, Finding, Span, Waste, Wasted
from greenai.audit.history import KEPT_MESSAGES
from greenai.audit.prefixes import missed
from greenai.audit.saving import Saved, wasted
from greenai.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.audit.estimate import Looked

    Flags: TypeAlias = NDArray[np.bool_]

__all__ = ["CODE", "FILE", "Place", "by_waste", "exactly", "is_taken"]

Place: TypeAlias = Literal["greenai.toml", "code", "shell"]

FILE: Place = "greenai.toml"
CODE: Place = "code"
MOST_FEATURES = 3
ON_REQUEST = "Generate when a person asks for it, and not before"


def by_waste(finding: Finding, looked: Looked, reasons_from: float) -> Iterator[Change]:
    """Yield a change for each kind of waste about which one line does something.

    Args:
        finding: what was found, with its wastes.
        looked: what was looked at.
        reasons_from: the probability of a gain from which a call is to reason.
    """
    found: dict[Wasted, Waste] = {one.kind: one for one in finding.wastes}
    asked = waste.idle_reasoning(looked, reasons_from, asked=True)
    if asked is not None:
        what = f"Reason only by opt-in, also where calls ask ({_efforts(looked)}); answers of at most 4,096 tokens"
        yield _change(what, ["strict_opt_in = true"], FILE, asked)
    if long := found.get("long_output"):
        lines = [f"max_completion_tokens={_usual(looked)},"]
        yield _change("Limit the template whose answers are too long most often", lines, CODE, long)
    if cut := found.get("truncated"):
        yield _change("Ask for a shorter answer in place of cutting it", ["nudges.brevity = true"], FILE, cut)
    if prefix := found.get("prefix"):
        yield _cached(looked, prefix)
    if storms := _storms(looked):
        yield _change("Retry once, in one place", ["max_retries = 1"], FILE, storms)
    if tools := found.get("tools"):
        names = [tool for one in idle.idle_tools(looked.calls) for tool in one.names]
        lines = [f'tools=[tool for tool in tools if tool.get("function", tool).get("name") not in {_set(names)}],']
        yield _change(f"Offer no tools that are never called: {idle.listed(names)}", lines, CODE, tools)
    if old := found.get("history"):
        what = f"Send a conversation's first message and its last {KEPT_MESSAGES + 1}, cut before one of the user"
        yield _change(what, [*CUT, "messages=[messages[0], *messages[since:]],"], CODE, old)
    if little := found.get("little_used"):
        yield _shorter(looked, little)
    yield from _on_request(looked, found)


CUT = (
    f"late = range(max(1, len(messages) - {KEPT_MESSAGES + 1}), len(messages))",
    'since = next((n for n in late if messages[n]["role"] == "user"), 1)  # a tool\'s answer cannot come first',
)


def _efforts(looked: Looked) -> str:
    """Return how many calls of the log ask for how much reasoning."""
    import numpy as np

    rows = np.flatnonzero(waste.explicit(looked.calls))
    return efforts.asked(looked.calls, rows, np.ones(len(rows)))


def _change(what: str, lines: Sequence[str], place: Place, found: Waste) -> Change:
    energy = found.saved.energy_j
    return Change(
        what=what,
        place=place,
        lines=tuple(lines),
        calls=exactly(found.calls),
        saved=found.saved,
        per_line_j=None if energy is None else energy.mid / len(lines),
        risk=found.risk,
        assumption=found.assumption,
    )


def exactly(count: float) -> Span:
    """Return an amount that was counted."""
    return Span(mid=count, low=count, high=count)


def _set(names: Sequence[str]) -> str:
    return "{" + ", ".join(json.dumps(name) for name in names) + "}"


def _usual(looked: Looked) -> int:
    """Return a limit for the template with most tokens beyond what is usual: that, and the reasoning of nearly all."""
    import numpy as np

    calls, limit = looked.calls, waste.long_from(looked.calls)
    reasoned = np.nan_to_num(calls.reasoning_tokens)
    over = np.where(np.isfinite(limit), np.maximum(np.nan_to_num(calls.output_tokens) - reasoned - limit, 0.0), 0.0)
    most = int(np.bincount(calls.template.codes[over > 0], weights=over[over > 0]).argmax())
    of = (calls.template.codes == most) & calls.ok
    tokens = limit[of].min() + np.quantile(reasoned[of], 0.95)
    return int(np.ceil(tokens / 50) * 50)


def _cached(looked: Looked, found: Waste) -> Change:
    """Return what has a provider cache a beginning that is the same already; the line is the provider's own.

    OpenAI sends requests with one `prompt_cache_key` and beginning to the machine that has it (openai 2.54,
    `types/chat/completion_create_params.py`); Anthropic caches up to a part that is marked.
    """
    import numpy as np

    calls = looked.calls
    codes = calls.model.codes[missed(calls)]
    model = calls.model.name(int(np.bincount(codes[codes >= 0]).argmax()), "") if (codes >= 0).any() else ""
    if "claude" in model:
        what = "Mark where the part that is the same in all prompts ends, so that it is cached"
        lines = ['{"type": "text", "text": CONSTANT, "cache_control": {"type": "ephemeral"}},']
    else:
        what = "Name the beginning that prompts share, so that they meet the same cache"
        lines = ['prompt_cache_key="template-1",']
    return _change(what, lines, CODE, found)


def _shorter(looked: Looked, found: Waste) -> Change:
    """Return what has the template with most tokens beyond what is used write less: fields, a beginning, or less."""
    import numpy as np

    largest, calls = chains.largest_of(looked), looked.calls
    name = calls.template.name(largest.template)
    if largest.fields:
        each = ", ".join(f'{json.dumps(field)}: {{"type": "{kind}"}}' for field, kind in largest.fields.items())
        schema = f'"type": "object", "properties": {{{each}}}, "required": {json.dumps([*largest.fields])}'
        inner = f'"name": "answer", "strict": True, "schema": {{{schema}, "additionalProperties": False}}'
        line = f'response_format={{"type": "json_schema", "json_schema": {{{inner}}}}},'
        return _change(f"Ask the template {name} for the fields that are used, and nothing else", [line], CODE, found)
    if largest.ends is not None:
        reasoned = np.nan_to_num(calls.reasoning_tokens[(calls.template.codes == largest.template) & calls.ok])
        most = int(np.ceil((largest.ends + np.quantile(reasoned, 0.95)) / 50) * 50)
        what = f"End the answers of the template {name} where what is used of them ends"
        return _change(what, [f"max_completion_tokens={most},"], CODE, found)
    what = f"Ask for shorter answers where little of them is used, as of the template {name}"
    return _change(what, ["nudges.brevity = true"], FILE, found)


def _storms(looked: Looked) -> Waste | None:
    """Return the tries that one retry would have left out: the third of a request, and those after it."""
    of = waste.tries(looked.calls, 3)
    saved = Saved(of=of, joules=looked.took.energy_j, dollars=looked.took.cost_usd)
    return wasted(looked, "retries", saved, "")


def _on_request(looked: Looked, found: dict[Wasted, Waste]) -> Iterator[Change]:
    """Yield features that generate when a person asks, for those that nobody uses or that ask day and night."""
    calls = looked.calls
    by_kind: dict[Wasted, dict[str, Flags]] = {"unused": idle.unused(calls)}
    if (calls.feature.codes >= 0).any():
        by_kind["always_on"] = idle.always_on(calls)
    for kind, features in by_kind.items():
        names = [name for name in sorted(features) if is_taken(f'features.{json.dumps(name)}.budget.calls = "1/day"')]
        lines = [f"client.feature({json.dumps(name)})" for name in names[:MOST_FEATURES]]
        if lines and kind in found:
            yield _change(ON_REQUEST, lines, CODE, found[kind])
    if "always_on" in found and "always_on" not in by_kind:
        line = 'client.feature("NAME")'
        yield _change(ON_REQUEST, [line], CODE, found["always_on"])


def is_taken(text: str) -> bool:
    """Say whether the settings take these lines."""
    try:
        Settings(**tomllib.loads(text))
    except ValueError:  # of pydantic, and of a text that is no TOML
        return False
    return True
