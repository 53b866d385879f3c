"""Calls as columns: what every estimate is made from, a number or a code per call, and no text.

A million calls are held at once; their texts are not. What a log does not say is NaN, or the code -1.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from greenai.audit.formats.fields import count_of, text
from greenai.audit.labels import spelling
from greenai.audit.rows import asked_of, before_of, called_of, is_json, offered_of
from greenai.cache.keys import cache_key
from greenai.errors import InvalidRequest
from greenai.values import text_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.audit.store import Store
    from greenai.audit.values import Logged

    Floats: TypeAlias = NDArray[np.float64]
    Codes: TypeAlias = NDArray[np.int64]
    Flags: TypeAlias = NDArray[np.bool_]

__all__ = ["Calls", "Coded", "columns", "places_of", "prefix_of", "stored", "system_of", "texts_of"]

PREFIX_TOKENS = 1024
"""The shortest beginning of a prompt that providers keep: 1,024 tokens (OpenAI, prompt caching guide; Anthropic's
shortest is 1,024 too, for most models)."""
PREFIX_CHARS = 4 * PREFIX_TOKENS
"""About so many characters of English are those tokens."""

ID_DIGITS = 6
"""Hex digits of a template's id: two of 100 templates have the same one in 3 of 10,000 logs."""

_NUMBERS = (
    "created", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost_usd", "latency_s",
    "answer_chars", "max_tokens", "attempt", "choices", "used", "energy_j", "energy_low_j", "energy_high_j",
)  # fmt: skip
_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_CHATS = ("chat", "responses", "completion")
_CUT = ("length", "max_tokens", "max_output_tokens", "MAX_TOKENS")
_FLAGS = ("ok", "tool_calls", "judged", "truncated", "form", "is_json")
_CODES = (
    "project", "template", "model", "tier", "feature", "user", "key", "prefix", "answer", "effort", "offered",
    "called", "trace",
)  # fmt: skip
_DIGITS = ("asked", "before")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coded:
    """A column of names: the number of each call's name, -1 for none; `ids` are of templates in a store alone."""

    codes: Codes
    names: tuple[str, ...]
    ids: tuple[str, ...] = ()

    def name(self, code: int, none: str = "not told") -> str:
        """Return the name with this number."""
        return self.names[code] if code >= 0 else none


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calls:
    """The calls of a log, in its order.

    Attributes:
        created: seconds since 1970.
        answer_chars: how long the answer is.
        max_tokens: the limit that the call gave.
        choices: how many answers were asked for; NaN where the call does not say.
        used: 1 where somebody used what came back, 0 where nobody did; NaN where the app does not tell.
        energy_j: greenai's own ledger's, with its interval; NaN in other logs.
        judged: whether it is a chat whose prompt the log keeps, so that it can be told what would have sufficed.
        truncated: whether the answer was cut at its limit.
        form: whether the answer was asked for in a form, such as JSON; `is_json` whether it is JSON.
        tier: openai's `service_tier`: batch and flex have prices and energies of their own.
        key: what the exact cache knows the request by; -1 where nothing is known of it.
        prefix: the digest of the first 1,024 tokens or so; -1 for a shorter prompt.
        answer: the digest of the answer, without case, blanks and a full stop at its end.
        effort: how much reasoning the call asked for.
        offered: the tools that the call was given, `called` those that its answer calls (see rows.py); as JSON.
        trace: the trace, the session or the conversation that the log puts the call into.
        asked: the digest of the prompt, 0 for none; `before` of what stands before the last answer in it, which is the
            `asked` of the call that gave that answer.
    """

    created: Floats
    input_tokens: Floats
    output_tokens: Floats
    cached_tokens: Floats
    reasoning_tokens: Floats
    cost_usd: Floats
    latency_s: Floats
    answer_chars: Floats
    max_tokens: Floats
    attempt: Floats
    choices: Floats
    used: Floats
    energy_j: Floats
    energy_low_j: Floats
    energy_high_j: Floats
    ok: Flags
    tool_calls: Flags
    judged: Flags
    truncated: Flags
    form: Flags
    is_json: Flags
    project: Coded
    template: Coded
    model: Coded
    tier: Coded
    feature: Coded
    user: Coded
    key: Coded
    prefix: Coded
    answer: Coded
    effort: Coded
    offered: Coded
    called: Coded
    trace: Coded
    asked: Codes
    before: Codes

    def __len__(self) -> int:
        return len(self.created)


Template: TypeAlias = "Callable[[Logged], str | None]"


def columns(calls: Iterable[Logged], template: Template | None = None) -> Calls:
    """Return calls as columns.

    Args:
        calls: in the log's order.
        template: what a call's template is called; None takes its system prompt's digest.
    """
    made = _Columns(template or system_of)
    for call in calls:
        made.add(call)
    return made.done()


@dataclass(slots=True)
class _Names:
    numbers: dict[str, int] = field(default_factory=dict[str, int])
    codes: array[int] = field(default_factory=lambda: array("q"))

    def add(self, name: str | None) -> None:
        self.codes.append(-1 if name is None else self.numbers.setdefault(name, len(self.numbers)))


class _Columns:
    def __init__(self, template: Template) -> None:
        self.template = template
        self.numbers = {name: array("d") for name in _NUMBERS}
        self.flags = {name: array("b") for name in _FLAGS}
        self.names = {name: _Names() for name in _CODES}
        self.digits = {name: array("q") for name in _DIGITS}

    def add(self, call: Logged) -> None:
        for name, number in _numbers(call).items():
            self.numbers[name].append(_or_nan(number))
        judged = call.ok and call.messages is not None and call.kind in _CHATS
        cut = call.finish_reason in _CUT
        flags = (call.ok, call.tool_calls, judged, cut, "response_format" in call.arguments, bool(is_json(call.answer)))
        for name, flag in zip(_FLAGS, flags, strict=True):
            self.flags[name].append(flag)
        told = (
            call.project, self.template(call), _model(call), _tier(call), call.feature, call.user, _key(call),
            prefix_of(call), _digest(spelling(call.answer)) if call.answer else None,
            text(call.arguments.get("reasoning_effort")), offered_of(call), called_of(call), call.trace_id,
        )  # fmt: skip
        for name, said in zip(_CODES, told, strict=True):
            self.names[name].add(said)
        for name, digest in zip(_DIGITS, (asked_of(call), before_of(call)), strict=True):
            self.digits[name].append(digest or 0)

    def done(self) -> Calls:
        import numpy as np

        numbers: dict[str, Any] = {name: np.array(held, np.float64) for name, held in self.numbers.items()}
        flags: dict[str, Any] = {name: np.array(held, np.bool_) for name, held in self.flags.items()}
        names: dict[str, Any] = {
            name: Coded(codes=np.array(held.codes, np.int64), names=tuple(held.numbers))
            for name, held in self.names.items()
        }
        digits: dict[str, Any] = {name: np.array(held, np.int64) for name, held in self.digits.items()}
        return Calls(**numbers, **flags, **names, **digits)


def _numbers(call: Logged) -> Mapping[str, float | None]:
    energy = call.energy
    limit = next((call.arguments[name] for name in _LIMITS if name in call.arguments), None)
    told = (
        call.created, call.input_tokens, call.output_tokens, call.cached_tokens, call.reasoning_tokens, call.cost_usd,
        call.latency_s, None if call.answer is None else len(call.answer),
        limit if isinstance(limit, (int, float)) else None, call.attempt,
        count_of(call.arguments.get("n")), call.used,
        *((None, None, None) if energy is None else (energy.energy_j, energy.low_j, energy.high_j)),
    )  # fmt: skip
    return dict(zip(_NUMBERS, told, strict=True))


def _or_nan(number: float | None) -> float:
    return math.nan if number is None else float(number)


def _model(call: Logged) -> str | None:
    if call.model is None or call.provider is None or "/" in call.model:
        return call.model
    return f"{call.provider}/{call.model}"


def _tier(call: Logged) -> str | None:
    tier = call.arguments.get("service_tier")
    return tier if isinstance(tier, str) else None


def _key(call: Logged) -> str | None:
    """Return what the exact cache would know the request by, as far as the log tells its arguments."""
    if call.messages is None or call.cut:
        return None
    asked = {**call.arguments, "model": call.model, "messages": list(call.messages)}
    try:
        return cache_key(asked, f"{call.project}\0{call.provider}")
    except InvalidRequest:
        return None


def system_of(call: Logged) -> str | None:
    """Return a name for the template of a call by its first message, where that is the app's own."""
    first = None if not call.messages else call.messages[0]
    if first is None or first.get("role") not in ("system", "developer"):
        return None
    return f"system {_digest(text_of(first.get('content')))[:8]}"


def prefix_of(call: Logged) -> str | None:
    """Return the digest of the beginning of a prompt that a provider's cache would keep; None for a shorter one."""
    if call.messages is None:
        return None
    parts: list[str] = []
    length = 0
    for message in call.messages:
        text = text_of(message.get("content"))
        parts.append(f"{message.get('role')}:{text}")
        length += len(text)
        if length >= PREFIX_CHARS:
            return _digest(f"{call.model}\0" + "\0".join(parts)[:PREFIX_CHARS])
    return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


# --- from the store of an audit -------------------------------------------------------------

_ORDER = "ORDER BY c.source, c.position, c.part"
_FROM = "FROM calls c LEFT JOIN templates t USING (source, position, part)"
_NAMED = {
    "project": "c.project",
    "model": "CASE WHEN contains(c.model, '/') THEN c.model ELSE coalesce(c.provider || '/', '') || c.model END",
    "tier": "c.service_tier",
    "feature": "c.feature",
    "effort": "c.effort",
    "offered": "c.offered",
    "called": "c.called",
}
_DIGESTS = {
    "template": "t.template",
    "user": "c.user_digest",
    "key": "c.exact",
    "prefix": "c.prefix",
    "answer": "c.answer",
    "trace": "c.trace",
}


def stored(store: Store) -> Calls:
    """Return all calls of a store that is settled, as columns."""
    import numpy as np

    numbers = {
        name: np.ma.filled(held.astype(np.float64), np.nan)
        for name, held in store.arrays(f"SELECT {', '.join(f'c.{name}' for name in _NUMBERS)} {_FROM} {_ORDER}").items()
    }
    judged = f"c.ok AND c.asked IS NOT NULL AND c.kind IN {_CHATS}"
    flags = store.arrays(
        f"SELECT c.ok, c.tool_calls, {judged} AS judged, c.finish_reason IN {_CUT} AS truncated, c.form, c.is_json "
        f"{_FROM} {_ORDER}"
    )
    made: dict[str, Any] = {**numbers, **{name: np.ma.filled(held, fill_value=False) for name, held in flags.items()}}
    made |= {name: _named(store, sql) for name, sql in _NAMED.items()}
    made |= {name: _digests(store, sql) for name, sql in _DIGESTS.items()}
    digits = store.arrays(f"SELECT {', '.join(f'c.{name}' for name in _DIGITS)} {_FROM} {_ORDER}")
    made |= {name: np.ma.filled(held, 0).astype(np.int64) for name, held in digits.items()}
    return Calls(**made)


def _named(store: Store, sql: str) -> Coded:
    import numpy as np

    told = store.sql(f"SELECT DISTINCT {sql} AS n FROM calls c WHERE n IS NOT NULL ORDER BY n")  # noqa: S608 - columns
    names = tuple(str(name) for (name,) in told)
    ranks = store.arrays(
        f"SELECT n FROM (SELECT c.source, c.position, c.part, dense_rank() OVER (ORDER BY {sql} NULLS LAST) - 1 AS n "  # noqa: S608
        f"FROM calls c) c {_ORDER}"
    )["n"]
    codes = np.ma.filled(ranks, -1).astype(np.int64)
    return Coded(codes=np.where(codes < len(names), codes, -1), names=names)


def _digests(store: Store, sql: str) -> Coded:
    """Return digests as codes; the commonest has the lowest, so that a template's number says how large it is.

    Its id are the first digits of the digest: that of its prompts' common beginning, whatever else is in the log.
    """
    import numpy as np

    held = store.arrays(f"SELECT {sql} AS n {_FROM} {_ORDER}")["n"]
    known = ~np.ma.getmaskarray(held)
    values, codes, counts = np.unique(np.ma.getdata(held)[known], return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    found = np.full(len(held), -1, np.int64)
    found[known] = place[codes]
    if "template" not in sql:
        return Coded(codes=found, names=())
    ids = tuple(f"{value % 2**64:016x}"[:ID_DIGITS] for value in values[order].tolist())
    return Coded(codes=found, names=tuple(f"#{n + 1}" for n in range(len(values))), ids=ids)


def texts_of(store: Store) -> Callable[[Sequence[int]], Sequence[Logged | None]]:
    """Return what reads the texts of calls, by their numbers in `stored`, in the log again."""
    table = places_of(store)

    def texts(rows: Sequence[int]) -> Sequence[Logged | None]:
        keys = [(int(source), int(position), int(part)) for source, position, part in table[list(rows)]]
        found = dict(store.texts(keys))
        return [found.get(key) for key in keys]

    return texts


def places_of(store: Store) -> Codes:
    """Return where each call of `stored` stands: (call, 3), its source, position and part."""
    import numpy as np

    places = store.arrays(f"SELECT c.source, c.position, c.part FROM calls c {_ORDER}")  # noqa: S608
    return np.stack([np.ma.getdata(places[name]).astype(np.int64) for name in ("source", "position", "part")], axis=1)
