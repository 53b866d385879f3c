"""Spans of OpenInference as Phoenix gives them out: nested, or a row of a table. By its documented schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from audit_fixtures import calls_of

from greenai.audit.values import Logged

ATTRIBUTES: dict[str, Any] = {
    "openinference": {"span": {"kind": "LLM"}},
    "llm": {
        "model_name": "gpt-5.5",
        "provider": "openai",
        "token_count": {"prompt": 12, "completion": 3, "prompt_details": {"cache_read": 8}},
        "input_messages": [{"message": {"role": "user", "content": "Where is A-17?"}}],
        "output_messages": [
            {
                "message": {
                    "role": "assistant",
                    "tool_calls": [{"tool_call": {"function": {"name": "order_status", "arguments": "{}"}}}],
                }
            }
        ],
        "invocation_parameters": '{"temperature": 0.5}',
        "cost": {"total": 0.01},
    },
    "user": {"id": "ada"},
}
SPAN: dict[str, Any] = {
    "name": "ChatCompletion",
    "span_kind": "LLM",
    "start_time": "2026-11-22T08:00:00+00:00",
    "end_time": "2026-11-22T08:00:02+00:00",
    "status_code": "ERROR",
    "context": {"trace_id": "t1", "span_id": "s1"},
    "attributes": ATTRIBUTES,
}


def the_one(path: Path) -> Logged:
    (call,), (source,) = calls_of([path])
    assert (source.format, source.reason) == ("otel", 'records with "span_kind" and attributes: spans of Phoenix')
    assert (source.malformed_count, source.skipped) == (0, 1)
    return call


def as_read(call: Logged) -> None:
    assert (call.model, call.provider, call.kind, call.ok, call.cost_usd) == ("gpt-5.5", "openai", "chat", False, 0.01)
    assert (call.input_tokens, call.output_tokens, call.cached_tokens, call.reasoning_tokens) == (12, 3, 8, None)
    assert (call.created, call.latency_s, call.trace_id, call.call_id) == (1_795_334_400, 2.0, "t1", "s1")
    assert (call.messages, call.answer) == (({"role": "user", "content": "Where is A-17?"},), None)
    assert (call.called, dict(call.arguments), call.user) == (("order_status",), {"temperature": 0.5}, "ada")


def test_nested_json(tmp_path: Path) -> None:
    chain = {**SPAN, "span_kind": "CHAIN", "attributes": {"openinference": {"span": {"kind": "CHAIN"}}}}
    path = tmp_path / "spans.jsonl"
    path.write_text("".join(json.dumps(span) + "\n" for span in (SPAN, chain)))
    as_read(the_one(path))


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_a_table_with_a_column_for_each_attribute(tmp_path: Path, kind: str) -> None:
    told = ATTRIBUTES["llm"]
    row = {
        **{name: value for name, value in SPAN.items() if name not in {"context", "attributes"}},
        "context.trace_id": "t1",
        "context.span_id": "s1",
        "attributes.openinference.span.kind": "LLM",
        "attributes.llm.model_name": told["model_name"],
        "attributes.llm.provider": told["provider"],
        "attributes.llm.token_count.prompt": 12.0,
        "attributes.llm.token_count.completion": 3.0,
        "attributes.llm.token_count.prompt_details.cache_read": 8.0,
        "attributes.llm.input_messages": [{"message.role": "user", "message.content": "Where is A-17?"}],
        "attributes.llm.output_messages": [
            {
                "message.role": "assistant",
                "message.tool_calls": [
                    {"tool_call.function.name": "order_status", "tool_call.function.arguments": "{}"}
                ],
            }
        ],
        "attributes.llm.invocation_parameters": told["invocation_parameters"],
        "attributes.llm.cost.total": 0.01,
        "attributes.user.id": "ada",
    }
    other = {**row, "span_kind": "CHAIN", "attributes.openinference.span.kind": "CHAIN"}
    lines = tmp_path / "spans.jsonl"
    lines.write_text("".join(json.dumps(one) + "\n" for one in (row, other)))
    path = tmp_path / f"spans.{kind}"
    if kind == "parquet":
        duckdb.sql(f"COPY (SELECT * FROM read_json('{lines}')) TO '{path}' (FORMAT parquet)")
    as_read(the_one(path))
