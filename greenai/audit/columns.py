"""Calls as columns: what every estimate is made from, a number or a code per call, and no text.

A million calls are held at once; their texts are not. What a log does not say is NaN, or the code -1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from greenai.values import text_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.audit.store import Store
    from greenai.audit.values import Logged

    Floats: TypeAlias = NDArray[np.float64]
    Codes: TypeAlias = NDArray[np.int64]
    Flags: TypeAlias = NDArray[np.bool_]

__all__ = ["Calls", "Coded", "columns", "places_of", "stored", "system_of", "texts_of"]

PREFIX_TOKENS = 1024
"""The shortest beginning of a prompt that providers keep: 1,024 tokens (OpenAI, prompt caching guide; Anthropic's
shortest is 1,024 too, for most models)."""

ID_DIGITS = 6
"""Hex digits of a template's id: two of 100 templates have the same one in 3 of 10,000 logs."""

_NUMBERS = (
    "created", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost_usd", "latency_s",
    "answer_chars", "max_tokens", "attempt", "choices", "used", "energy_j", "energy_low_j", "energy_high_j",
)  # fmt: skip
_CHATS = ("chat", "responses", "completion")
_CUT = ("length", "max_tokens", "max_output_tokens", "MAX_TOKENS")
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
    """Return calls that stand in no file as columns: by the same rows as those of a log, each of them a call.

    Args:
        calls: in the log's order.
        template: what a call's template is called; None takes its system prompt's digest.
    """
    import numpy as np

    from greenai.audit.store import in_memory

    listed, named = list(calls), template or system_of
    with in_memory(listed) as store:
        made = stored(store)
    names = [named(call) for call in listed]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(name for name in names if name is not None))}
    codes = np.array([-1 if name is None else numbers[name] for name in names], np.int64)
    return replace(made, template=Coded(codes=codes, names=tuple(numbers)))


def system_of(call: Logged) -> str | None:
    """Return a name for the template of a call by its first message, where that is the app's own."""
    first = None if not call.messages else call.messages[0]
    if first is None or first.get("role") not in ("system", "developer"):
        return None
    return f"system {_digest(text_of(first.get('content')))[:8]}"


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
