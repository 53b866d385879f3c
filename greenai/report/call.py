"""The whole story of one call, from the ledger alone: what was asked for, decided, tried, spent and said.

What the ledger does not keep is not told: no prompt, no answer, and of older calls no probabilities.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from greenai.errors import InvalidRequest
from greenai.report import words
from greenai.store import beginnings, schema, story
from greenai.store.reading import LedgerReader
from greenai.units import format_duration, format_energy, format_interval, format_mass, significant

__all__ = ["rows", "tell"]

_UNANSWERED = ("failed", "refused")

_CALL = f"SELECT {', '.join(schema.CALL_COLUMNS)} FROM calls WHERE call_id = ?"  # noqa: S608 (names of schema.py)
_ATTEMPTS = f"SELECT {', '.join(schema.ATTEMPT_COLUMNS)} FROM attempts WHERE call_id = ? ORDER BY created, attempt_id"  # noqa: S608


def tell(reader: LedgerReader, call: str) -> dict[str, Any]:
    """Return what the ledger has of the call with this id, or whose id begins so, as plain JSON values.

    Raises:
        InvalidRequest: there is none, or more than one begins so.
    """
    call_id = _found(reader, call.strip())
    known = reader.rows(_CALL, (call_id,))
    attempts = [_read(row, ("retries",)) for row in reader.rows(_ATTEMPTS, (call_id,))]
    none: dict[str, Any] = {"call_id": call_id, "outcome": None}
    row = _read(known[0], ("opt_in", "warnings", "granted")) if known else none
    row["story"] = story.read(row.get("story"))
    again = reader.rows("SELECT call_id, outcome, model FROM calls WHERE parent = ? ORDER BY created", (call_id,))
    said = reader.rows("SELECT good, source, created FROM labels WHERE call_id = ?", (call_id,))
    return {**row, "attempts": attempts, "asked_again": again, "feedback": said[0] if said else None}


def _read(row: Mapping[str, Any], lists: Sequence[str]) -> dict[str, Any]:
    data = dict(row)
    for name in lists:
        try:
            data[name] = json.loads(data[name]) if data[name] else []
        except ValueError:
            data[name] = []
    for name in ("reasoning", "used", "observed"):
        if data.get(name) is not None:
            data[name] = bool(data[name])
    return data


def _found(reader: LedgerReader, call: str) -> str:
    # A call that goes on, or was killed, has attempts and no row of its own.
    for table in ("calls", "attempts"):
        if call and reader.rows(f"SELECT 1 FROM {table} WHERE call_id = ? LIMIT 1", (call,)):  # noqa: S608
            return call
    if len(call) < beginnings.LEAST:
        raise InvalidRequest(
            f"{call!r} is too short to name a call. Pass the call_id of a receipt, or at least its first "
            f"{beginnings.LEAST} characters. The last calls are listed by: greenai why"
        )
    sql = (
        "SELECT call_id FROM calls WHERE call_id >= ?1 AND call_id < ?2 UNION "
        "SELECT call_id FROM attempts WHERE call_id >= ?1 AND call_id < ?2 LIMIT 100"
    )
    found = beginnings.only(call, [row["call_id"] for row in reader.rows(sql, (call, call + "\U0010ffff"))])
    if found is None:
        raise InvalidRequest(
            f"The ledger {reader.path} has no call {call!r}. Pass the call_id of a receipt of this machine "
            "(receipt.call_id), or list the last calls with: greenai why"
        )
    return found


# --- in words -------------------------------------------------------------------------------


def rows(told: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the story as labels and what stands beside them, in one line or more; what is empty is left out."""
    kept = told["story"]
    if told["outcome"] is None:
        head = [("call", words.clean(told["call_id"])), ("ended", "not yet, or its process was killed: it has no row")]
    else:
        head = _head(told, kept)
    tail = (
        ("attempts", "\n".join(_attempt(number, a) for number, a in enumerate(told["attempts"], 1))),
        ("warnings", "\n".join(told.get("warnings") or ())),
        ("error", told.get("error") or ""),
        ("asked again", _again(told)),
        ("feedback", _feedback(told["feedback"])),
        ("cache key", told.get("cache_key") or ""),
        ("prompt", told.get("prompt") or ""),
    )
    return tuple((label, _lines(text)) for label, text in (*head, *tail) if text)


def _lines(text: str) -> str:
    return "\n".join(words.clean(line) for line in text.split("\n"))


def _head(told: Mapping[str, Any], kept: Mapping[str, Any]) -> list[tuple[str, str]]:
    answered = words.outcome(told["outcome"])
    if told["reasoning"] is not None:
        answered += ", with reasoning" if told["reasoning"] else ", without reasoning"
    by = f"{told['model']}: {answered}" if told["model"] else answered
    return [
        ("call", f"{told['call_id']}, {words.moment(told['created'])}"),
        ("project", " / ".join(part for part in (told["project"], told["feature"]) if part)),
        ("asked for", f"{told['requested_model'] or 'no model: the ladder decides'} (through {told['entry']})"),
        ("ended", answered) if told["outcome"] in _UNANSWERED else ("answered by", by),
        ("why", "\n".join(kept.get("why") or _why(told))),
        ("probabilities", "\n".join(_check(check) for check in kept.get("checks", ()))),
        ("rungs", "\n".join(_rung(rung) for rung in kept.get("rungs", ()))),
        ("observing", "nothing was changed" if told["observed"] else ""),
        ("opt-ins", _opt_ins(told)),
        ("adjusted", "\n".join(_note(note) for note in kept.get("notes", ()))),
        ("energy", _energy(told)),
        ("method", told["method"] if told["outcome"] == "refused" else f"{told['evidence']}, {told['method']}"),
        ("carbon", _carbon(told)),
        ("water", "" if told["water_ml"] is None else f"{significant(told['water_ml'])} ml"),
        ("cost", _cost(told["cost_usd"])),
        ("tokens", _tokens(told)),
        ("avoided", _avoided(told)),
        ("budget", kept.get("budget") or ""),
        ("greenai itself", _own(told)),
    ]


def _why(told: Mapping[str, Any]) -> tuple[str, ...]:
    """Say what the outcome itself tells, where no reason was kept."""
    said = {
        "cache": "The same request was answered before; the answer was still valid.",
        "semantic_cache": "A question of the same meaning was answered before.",
        "answerer": "A tool or function was sure of its answer; no language model was asked.",
        "task_model": "A small model made for the task was sure of its answer.",
        "lookup_needed": "The question needs live data, which no model knows; none was asked.",
        "failed": "No answer came; the error says why.",
        "refused": "greenai refused the call, and nothing was sent; the error says why.",
    }
    return (said[told["outcome"]],) if told["outcome"] in said else ()


def _check(check: Mapping[str, Any]) -> str:
    source = f" ({check['source']})" if check["source"] else ""
    return f"{check['name']} {check['value']:.3f} against {check['threshold']:.3f}{source}"


def _rung(rung: Mapping[str, Any]) -> str:
    text = f"{rung['model']} ({rung['tier']}): {format_energy(rung['energy_j'])} expected"
    if rung["p_good"] is not None:
        text += f", answers well with {rung['p_good']:.2f}"
    if rung["loss"]:
        text += f", loss {rung['loss']:.2f}"
    return f"{text}; not used: {rung['excluded']}" if rung["excluded"] else text


def _note(note: Mapping[str, Any]) -> str:
    text = str(note["text"])
    return f"{text.removesuffix('.')}. To change it: {note['override']}" if note["override"] else text


def _opt_ins(told: Mapping[str, Any]) -> str:
    """Say which opt-ins held, who gave each, why and until when, and whether it was used."""
    used = [str(kind) for kind in told["opt_in"]]
    lines = [_grant(grant, used) for grant in told.get("granted") or ()]
    if lines:
        return "\n".join(lines)
    reason = f": {told['opt_in_reason']}" if told["opt_in_reason"] else ""
    return f"{', '.join(used)}{reason}" if used else ""


def _grant(grant: Mapping[str, Any], used: Sequence[str]) -> str:
    by = f"by {grant['user']}, " if grant.get("user") else ""
    until = f", until {words.moment(grant['until'])}" if grant.get("until") else ""
    not_used = "" if grant["kind"] in used else " (not used)"
    reason = f": {grant['reason']}" if grant.get("reason") else ""
    return f"{grant['kind']}{not_used}, {by}given by {grant['by']}{until}{reason}"


def _energy(row: Mapping[str, Any]) -> str:
    if row["energy_j"] is None:
        bound = f"; at most {format_energy(row['high_j'])}" if row["high_j"] is not None else ""
        return f"unknown{bound}"
    return f"{format_energy(row['energy_j'])} ({format_interval(row['low_j'], row['high_j'])})"


def _carbon(told: Mapping[str, Any]) -> str:
    if told["carbon_g"] is None:
        return "unknown"
    low, high = told["carbon_low_g"], told["carbon_high_g"]
    between = "" if low is None or high is None else f"{format_mass(low)} to {format_mass(high)}; "
    bought = told["market_carbon_g"]
    market = "" if bought is None else f"; {format_mass(bought)} by what the provider bought"
    return f"{format_mass(told['carbon_g'])} CO2e ({between}{told['carbon_source'] or 'grid not kept'}){market}"


def _cost(cost_usd: float | None) -> str:
    return "unknown" if cost_usd is None else f"{significant(cost_usd)} US dollars"


def _tokens(told: Mapping[str, Any]) -> str:
    if told["input_tokens"] is None and told["output_tokens"] is None:
        return ""
    named = (("input_tokens", "in"), ("output_tokens", "out"), ("cached_tokens", "of the input cached"))
    counts = [f"{told[name]} {what}" for name, what in (*named, ("reasoning_tokens", "of the output reasoning"))
              if told[name] is not None]  # fmt: skip
    return ", ".join(counts)


def _avoided(told: Mapping[str, Any]) -> str:
    if told["avoided_j"] is None:
        return ""
    between = words.between(told["avoided_low_j"], told["avoided_high_j"])
    would = "would have been avoided, " if told["observed"] else ""
    against = told["baseline"] or "a baseline that was not kept"
    return f"{format_energy(told['avoided_j'])} ({f'{between}; ' if between else ''}{would}against {against})"


def _own(told: Mapping[str, Any]) -> str:
    if told["overhead_ms"] is None:
        return ""
    return f"{format_duration(told['overhead_ms'] / 1e3)}, {format_energy(told['overhead_j'])}"


def _attempt(number: int, attempt: Mapping[str, Any]) -> str:
    text = f"{number}. {attempt['model']}: {attempt['state']}"
    text += f" ({attempt['error']})" if attempt["error"] else ""
    if attempt["state"] == "held":
        return f"{text} until {words.moment(attempt['expires'])}, {format_energy(attempt['held_j'])}"
    held = "" if attempt["held_j"] is None else f"held {format_energy(attempt['held_j'])}, "
    took = "" if attempt["latency_s"] is None else f" in {format_duration(attempt['latency_s'])}"
    evidence = f", {attempt['evidence']}" if attempt["evidence"] not in (None, "unknown") else ""
    cost = "" if attempt["cost_usd"] is None else f", {significant(attempt['cost_usd'])} US dollars"
    text += f"; {held}used {_energy(attempt)}{evidence}{cost}{took}"
    return "\n".join([text, *(_retry(one) for one in attempt["retries"])])


def _retry(one: Mapping[str, Any]) -> str:
    status = f", status {one['status']}" if one.get("status") else ""
    return f"   sent again after {format_duration(one.get('waited_s') or 0.0)}: {one.get('error')}{status}"


def _again(told: Mapping[str, Any]) -> str:
    lines = [f"after call {told['parent']}"] if told.get("parent") else []
    for call in told["asked_again"]:
        lines.append(f"as call {call['call_id']}: {words.outcome(call['outcome'])}, {call['model']}")  # noqa: PERF401
    return "\n".join(lines)


def _feedback(said: Mapping[str, Any] | None) -> str:
    return (
        ""
        if said is None
        else f"{'good' if said['good'] else 'bad'} ({said['source']}), {words.moment(said['created'])}"
    )
