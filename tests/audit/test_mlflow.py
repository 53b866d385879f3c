"""MLflow's traces: which spans are calls, what belongs together, and what is no trace."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from audit_fixtures import FIXTURES, calls_of

from greenai.audit.formats import FORMATS, NoCall, Sample, Unreadable

MLFLOW = FORMATS["mlflow"]


def span(kind: str, **told: Any) -> dict[str, Any]:
    attributes = {
        "mlflow.spanType": json.dumps(kind),
        **{f"mlflow.{name}": json.dumps(of) for name, of in told.items()},
    }
    begun = 1_795_334_400_000_000_000
    return {
        "span_id": f"span of {kind}", "parent_span_id": "root", "attributes": attributes,
        "start_time_unix_nano": begun, "end_time_unix_nano": begun + 1_500_000_000,
        "status": {"code": "STATUS_CODE_OK"},
    }  # fmt: skip


def trace(*spans: dict[str, Any], **metadata: str) -> dict[str, Any]:
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "7"}}
    info = {"trace_id": "tr-1", "trace_location": place, "trace_metadata": metadata, "tags": {}}
    return {"info": info, "data": {"spans": list(spans)}}


CALL = span(
    "CHAT_MODEL",
    **{
        "spanInputs": {"messages": [{"role": "user", "content": "Hello"}], "temperature": 0.5},
        "spanOutputs": {"content": "Hi."},
        "llm.model": "claude-opus-4.8",
        "llm.provider": "anthropic",
        "llm.cost": {"input_cost": 0.01, "output_cost": 0.02, "total_cost": 0.03},
        "chat.tokenUsage": {"input_tokens": 12, "output_tokens": 3, "cache_read_input_tokens": 8},
    },
)


def test_a_span_of_a_model_is_a_call_and_others_are_none() -> None:
    (call,) = MLFLOW.calls(trace(span("AGENT"), CALL, span("TOOL")), "a:1")
    assert (call.model, call.provider, call.project, call.trace_id) == ("claude-opus-4.8", "anthropic", "7", "tr-1")
    assert (call.input_tokens, call.output_tokens, call.cached_tokens, call.cost_usd) == (12, 3, 8, 0.03)
    assert (call.created, call.latency_s, call.ok) == (1_795_334_400.0, 1.5, True)
    assert (call.messages, dict(call.arguments)) == (({"role": "user", "content": "Hello"},), {"temperature": 0.5})
    assert (call.span, call.parent) == ("span of CHAT_MODEL", "root")
    with pytest.raises(NoCall):
        MLFLOW.calls(trace(span("AGENT")), "a:1")
    with pytest.raises(Unreadable, match='no "spans" in "data"'):
        MLFLOW.calls({"info": {}, "data": {}}, "a:1")


def test_a_session_holds_its_traces_together_and_names_who_asked() -> None:
    (call,) = MLFLOW.calls(trace(CALL, **{"mlflow.trace.session": "s1", "mlflow.trace.user": "ada"}), "a:1")
    assert (call.trace_id, call.user) == ("s1", "ada")


def test_a_span_that_failed_and_one_of_vectors() -> None:
    failed = {**CALL, "status": {"code": "STATUS_CODE_ERROR"}}
    vectors = span("EMBEDDING", spanInputs={"model": "text-embedding-3-small", "input": "Hello"})
    one, other = MLFLOW.calls(trace(failed, vectors), "a:1")
    assert (one.ok, other.ok, other.kind, other.model) == (False, True, "embeddings", "text-embedding-3-small")


def test_calls_in_one_span_of_the_app_have_its_trace() -> None:
    calls, _ = calls_of([FIXTURES / "mlflow.jsonl.gz"])
    assert sorted(Counter(call.trace_id for call in calls).values())[-3:] == [1, 2, 2]


def test_other_records_with_info_and_data_are_not_taken_for_traces() -> None:
    assert MLFLOW.detect(Sample(records=({"info": {}, "data": {"rows": []}},))) is None
    seen = MLFLOW.detect(Sample(records=(trace(CALL),)))
    assert seen is not None
    assert seen.reason == 'records with "info" and the "spans" of "data": traces'
