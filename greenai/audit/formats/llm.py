"""The logs of the command `llm`: its SQLite database, `logs.db`.

Tables of llm 0.36 (`migrations.py`, `logs.py`), 2026-11-22: since its messages are stored once each, a call is a row of
`turns` and its prompt is the chain of `messages` up to it; older versions wrote whole rows into `responses`, which
stay. It logs no failed calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from greenai.audit.formats.base import Format, Recognised, Sample
from greenai.audit.formats.chat import arguments, tool_chars
from greenai.audit.formats.fields import count_of, found, items, mapping, moment, number, text
from greenai.audit.values import Logged

__all__ = ["FORMAT"]

_TURNS = """
SELECT t.id, t.thread_id AS conversation_id, t.model, t.resolved_model, t.options_json, t.schema_id, t.input_tokens,
    t.output_tokens, t.token_details, t.duration_ms, t.datetime_utc, t.parent_message_hash, t.tip_message_hash
FROM turns t ORDER BY t.rowid LIMIT -1 OFFSET ?
"""
_RESPONSES = "SELECT * FROM responses ORDER BY rowid LIMIT -1 OFFSET ?"
_CHAIN = """
WITH RECURSIVE chain (hash, parent, role, depth) AS (
    SELECT hash, parent_hash, role, 0 FROM messages WHERE hash = ?
    UNION ALL SELECT m.hash, m.parent_hash, m.role, chain.depth + 1 FROM messages m JOIN chain ON m.hash = chain.parent
)
SELECT chain.hash, chain.role, p.type, p.text, p.payload FROM chain LEFT JOIN parts p ON p.message_hash = chain.hash
ORDER BY chain.depth DESC, p.position
"""
_FRAGMENT = "SELECT content FROM fragments WHERE id = ?"
_TOOLS = """
SELECT tools.name, tools.description, tools.input_schema AS parameters
FROM turn_tools JOIN tools ON tools.id = turn_tools.tool_id WHERE turn_id = ?
"""


def _detect(sample: Sample) -> Recognised | None:
    if "_llm_migrations" in sample.tables and sample.tables & {"turns", "responses"}:
        newer = "turns" in sample.tables
        which = "turns" if newer else "responses"
        return Recognised(score=1.0, reason=f'a SQLite database with "_llm_migrations" and "{which}"')
    return None


def rows(reader: Any, skip: int) -> Iterator[Mapping[str, Any]]:
    """Return each call's row, older ones first, with its messages where they are stored apart."""
    tables = {row["name"] for row in reader.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    known: set[str] = set()
    if "turns" in tables:
        known = {row["id"] for row in reader.rows("SELECT id FROM turns")}
    older = reader.each(_RESPONSES, (0,)) if "responses" in tables else ()
    newer = reader.each(_TURNS, (0,)) if "turns" in tables else ()
    given = [row for row in older if row["id"] not in known]
    for number_of, row in enumerate((*given, *newer)):
        if number_of >= skip:
            yield _whole(reader, row) if "tip_message_hash" in row else row


def _whole(reader: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    """Put the messages before a turn and the answer that it added to its row."""
    chain = _chain(reader, row.get("tip_message_hash"))
    before = len(_chain(reader, row.get("parent_message_hash"))) if row.get("parent_message_hash") else 0
    asked = list(chain)
    answer: list[dict[str, Any]] = []
    while len(asked) > before and asked[-1]["role"] == "assistant":
        answer.insert(0, asked.pop())
    tools = [{"function": tool} for tool in reader.rows(_TOOLS, (row["id"],))]
    return {
        **row,
        "messages": asked,
        "response": "".join(str(message["content"] or "") for message in answer),
        "calls_tools": any(message.get("tool_calls") for message in answer),
        "called": [call["function"]["name"] for message in answer for call in message.get("tool_calls") or ()],
        "tools": tools,
    }


def _chain(reader: Any, tip: object) -> list[dict[str, Any]]:
    messages: dict[str, dict[str, Any]] = {}
    for part in reader.rows(_CHAIN, (tip,)) if tip else ():
        message = messages.setdefault(part["hash"], {"role": part["role"], "content": ""})
        payload = mapping(part["payload"])
        if part["type"] == "text":
            message["content"] += part["text"] if part["text"] is not None else _joined(reader, payload)
        elif part["type"] == "tool_call":
            function = {"name": payload.get("name"), "arguments": payload.get("arguments")}
            message.setdefault("tool_calls", []).append({"function": function})
        elif part["type"] == "tool_result":
            message["role"], message["content"] = "tool", str(payload.get("output") or "")
    return list(messages.values())


def _joined(reader: Any, payload: Mapping[str, Any]) -> str:
    """Return a text that borrows fragments, whole."""
    pieces: list[str] = []
    for piece in map(mapping, items(payload.get("text_ref"))):
        if "literal" in piece:
            pieces.append(str(piece["literal"]))
        else:
            pieces.extend(row["content"] for row in reader.rows(_FRAGMENT, (piece.get("fragment"),)))
    return "".join(pieces)


def calls(record: Mapping[str, Any], where: str) -> Iterable[Logged]:
    """Return the call of one row."""
    options = mapping(record.get("options_json"))
    details = mapping(record.get("token_details"))
    sent = mapping(found(details, ("prompt_tokens_details", "input_tokens_details")))
    made = mapping(found(details, ("completion_tokens_details", "output_tokens_details")))
    took = number(record.get("duration_ms"))
    known: dict[str, Any] = {**options, "tools": items(record.get("tools"))}
    if record.get("schema_id"):
        known["response_format"] = {"type": "json_schema"}
    return (
        Logged(
            where=where,
            call_id=text(record.get("id")),
            trace_id=text(record.get("conversation_id")),
            created=moment(record.get("datetime_utc")),
            latency_s=None if took is None else took / 1000.0,
            model=text(found(record, ("resolved_model", "model"))),
            messages=_messages(record),
            answer=text(record.get("response")),
            tool_calls=bool(record.get("calls_tools")),
            called=tuple(name for name in map(text, record["called"]) if name) if "called" in record else None,
            arguments=arguments(known),
            tool_chars=tool_chars(known),
            input_tokens=count_of(record.get("input_tokens")),
            output_tokens=count_of(record.get("output_tokens")),
            cached_tokens=count_of(sent.get("cached_tokens")),
            reasoning_tokens=count_of(made.get("reasoning_tokens")),
        ),
    )


def _messages(record: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...] | None:
    if "messages" in record:
        return tuple(mapping(message) for message in items(record["messages"])) or None
    system, prompt = text(record.get("system")), text(record.get("prompt"))
    head = ({"role": "system", "content": system},) if system else ()
    return (*head, {"role": "user", "content": prompt}) if prompt is not None else head or None


FORMAT = Format(
    name="llm",
    known_by='a SQLite database with "_llm_migrations", as the command `llm logs path` names it',
    detect=_detect,
    calls=calls,
    lacks=frozenset(("project", "user", "feature", "provider", "cost_usd", "finish_reason", "status", "attempt")),
    rows=rows,
)
