"""Records that nobody has seen: whatever stands where a format expects something else, an audit goes on."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenai.audit.formats import FORMATS
from greenai.audit.ingest import ingest
from greenai.audit.reading import BROKEN, Chunk, opened, parsed
from greenai.audit.rows import row
from greenai.audit.store import working

NAMES = sorted(
    {
        "id", "type", "object", "model", "messages", "role", "content", "text", "request", "response", "choices", "message",
        "usage", "prompt_tokens", "prompt_tokens_details", "cached_tokens", "tools", "function", "arguments", "created",
        "metadata", "custom_id", "body", "error", "call_type", "spend", "startTime", "endTime", "response_cost", "run_type",
        "inputs", "outputs", "generations", "start_time", "end_time", "extra", "traceId", "usageDetails", "input", "output",
        "resourceSpans", "scopeSpans", "spans", "attributes", "resource", "key", "value", "stringValue", "status", "events",
        "gen_ai.request.model", "gen_ai.input.messages", "request_created_at", "request_body", "response_body", "max_tokens",
        "post", "patch", "parts", "output_text", "data", "context", "name", "latency", "total", "tool_calls",
    }
)  # fmt: skip
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["chat.completion", "llm", "GENERATION", "user", "[{", '{"messages": [1]}', "2026-11-22", "9" * 400])
)  # fmt: skip
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(record=st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=10))
def test_no_record_ends_an_audit(record: dict[str, Any]) -> None:
    for name in FORMATS:
        calls, tally = parsed(Chunk(name="a.jsonl", format=name, records=((1, record),), read=0))
        assert len(calls) == tally.rows
        assert tally.rows or tally.skipped or tally.malformed_count or not calls
        for call in calls:
            with suppress(*BROKEN):
                row(call, 0, 1, 0)


def test_what_no_table_can_hold_is_kept_as_far_as_it_can(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    request = {"model": "m\ud800", "messages": [{"role": "user", "content": "half \ud800"}], "max_tokens": 10**30}
    odd = {"request": request, "response": "x", "project": "p" * 10_000, "created": 1e300}
    deep: Any = "x"
    for _ in range(2_000):
        deep = {"messages": deep}
    fine = {"request": {"model": "m", "messages": [{"role": "user", "content": "so"}]}, "response": "x"}
    log.write_text(
        "".join(json.dumps(one) + "\n" for one in (fine, odd, {"request": fine["request"], "response": "y"}))
    )
    with log.open("a") as file:
        file.write('{"messages": ' * 3_000 + "1" + "}" * 3_000 + "\n")
    with working() as store:
        (source,) = ingest(opened(log), store)
        found = store.sql("SELECT model, max_tokens, length(project) FROM calls ORDER BY position")
    assert found == [("m", None, None), ("m?", None, 200), ("m", None, None)]
    assert (source.rows, source.malformed_count) == (3, 1)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_an_empty_record_is_none_of_any_format(name: str) -> None:
    calls, tally = parsed(Chunk(name="a", format=name, records=((1, {}),), read=0))
    if name in ("llm", "greenai"):  # rows of databases whose tables were checked
        assert len(calls) == 1
    else:
        assert (calls, tally.malformed_count) == ((), 1)
