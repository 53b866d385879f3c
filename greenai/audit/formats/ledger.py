"""Greenai's own ledger: its calls with their energy, and prompts only where the settings keep them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast, get_args

from greenai.audit.formats.base import Format, NoCall, Recognised, Sample
from greenai.audit.formats.fields import count_of, dollars, items, json_of, moment, number, text
from greenai.audit.values import Logged
from greenai.readings import Evidence, Reading
from greenai.store.schema import APPLICATION_ID

__all__ = ["FORMAT"]

_ROWS = """
SELECT calls.*, (SELECT sum(latency_s) FROM attempts WHERE attempts.call_id = calls.call_id) AS latency_s,
    (SELECT count(*) FROM attempts WHERE attempts.call_id = calls.call_id AND state != 'released') AS attempts,
    EXISTS (SELECT 1 FROM offers WHERE offers.project IS calls.project AND offers.feature = calls.feature) AS offered
FROM calls ORDER BY created, call_id LIMIT -1 OFFSET ?
"""
# Answered without asking a model.
_WITHOUT = frozenset(("cache", "semantic_cache", "answerer", "lookup_needed", "refused", "blocked"))


def _detect(sample: Sample) -> Recognised | None:
    if sample.application_id == APPLICATION_ID and "calls" in sample.tables:
        return Recognised(score=1.0, reason="a SQLite database with the mark of greenai's ledger")
    return None


def rows(reader: Any, skip: int) -> Iterator[Mapping[str, Any]]:
    """Return each call's row, oldest first."""
    yield from reader.each(_ROWS, (skip,))


def calls(record: Mapping[str, Any], where: str) -> Iterable[Logged]:
    """Return the call of one row; what was answered without a model is none."""
    if record.get("outcome") in _WITHOUT:
        raise NoCall
    prompt = json_of(record.get("prompt"))
    messages: tuple[Mapping[str, Any], ...] | None = None
    if isinstance(prompt, list):
        messages = tuple(cast("list[Mapping[str, Any]]", prompt))
    elif isinstance(prompt, str) and prompt:
        messages = ({"role": "user", "content": prompt},)
    attempts = count_of(record.get("attempts"))
    asked = str(record.get("model") or record.get("requested_model") or "")
    provider, _, name = asked.partition("/") if "/" in asked else ("", "", asked)
    opt_in = [str(name) for name in items(record.get("opt_in"))]
    return (
        Logged(
            where=where,
            call_id=text(record.get("call_id")),
            trace_id=text(record.get("parent")),
            created=moment(record.get("created")),
            project=text(record.get("project")),
            feature=text(record.get("feature")),
            model=name or None,
            provider=provider or None,
            kind="embeddings" if record.get("entry") == "embed" else "chat",
            messages=messages,
            arguments={"reasoning_effort": "opted in"} if "reasoning" in opt_in else {},
            input_tokens=count_of(record.get("input_tokens")),
            output_tokens=count_of(record.get("output_tokens")),
            cached_tokens=count_of(record.get("cached_tokens")),
            reasoning_tokens=count_of(record.get("reasoning_tokens")),
            cost_usd=dollars(record.get("cost_usd")),
            latency_s=number(record.get("latency_s")),
            ok=not record.get("error"),
            attempt=attempts or None,
            used=bool(record.get("used")) if record.get("used") or record.get("offered") else None,
            energy=_energy(record),
        ),
    )


def _energy(record: Mapping[str, Any]) -> Reading | None:
    evidence = text(record.get("evidence"))
    if number(record.get("energy_j")) is None or evidence not in get_args(Evidence):
        return None
    return Reading(
        energy_j=number(record.get("energy_j")),
        low_j=number(record.get("low_j")),
        high_j=number(record.get("high_j")),
        evidence=cast("Evidence", evidence),
        method=text(record.get("method")) or "none",
    )


FORMAT = Format(
    name="greenai",
    known_by="greenai's own ledger, as `greenai doctor` names it",
    detect=_detect,
    calls=calls,
    lacks=frozenset(("user", "answer", "finish_reason", "status")),
    rows=rows,
)
