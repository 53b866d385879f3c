"""Each call is counted once: a batch's request with its answer, a record in two exports, a call in two spans."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from audit_fixtures import read

from greenai.audit import store as storing
from greenai.audit.ingest import ingest
from greenai.audit.reading import opened
from greenai.audit.run import Options, audit
from greenai.audit.store import working
from greenai.audit.terminal import screen
from greenai.audit.to_json import to_json
from greenai.audit.values import Logged

NANO = 10**9


def write(path: Path, records: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def asked(call: Logged) -> Any:
    return call.messages[-1]["content"] if call.messages else None


# --- requests of batches and their answers ------------------------------------------------


def request(number: int) -> dict[str, Any]:
    body = {"model": "gpt-5.5", "messages": [{"role": "user", "content": f"Where is {number}?"}], "max_tokens": 9}
    return {"custom_id": f"r{number}", "url": "/v1/chat/completions", "body": body}


def answer(number: int) -> dict[str, Any]:
    body = {
        "object": "chat.completion",
        "created": 1_763_800_000 + number,
        "model": "gpt-5.5-2026-04-24",
        "choices": [{"message": {"content": f"There, {number}."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 3},
    }
    return {"custom_id": f"r{number}", "response": {"status_code": 200, "body": body}}


@pytest.mark.parametrize("held", [1, 60, 1 << 20])
def test_texts_of_answers_have_their_requests_however_many_are_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    monkeypatch.setattr(storing, "HELD_CHARS", held)
    write(tmp_path / "in.jsonl", [request(number) for number in range(50)])
    write(tmp_path / "out.jsonl", [answer(number) for number in reversed(range(40))])
    calls, (requests, answers) = read(tmp_path)
    assert [(asked(call), call.answer) for call in calls] == [
        (f"Where is {number}?", f"There, {number}.") for number in reversed(range(40))
    ]
    assert (requests.rows, requests.skipped, answers.rows, answers.skipped) == (0, 50, 40, 0)
    assert {missing.field for missing in answers.missing} == {
        "cached_tokens", "reasoning_tokens", "project", "latency_s", "cost_usd",
    }  # fmt: skip


def test_a_row_of_an_answer_has_what_its_request_tells(tmp_path: Path) -> None:
    alone = {"request": request(1)["body"], "response": answer(1)["response"]["body"], "service_tier": "batch"}
    write(tmp_path / "in.jsonl", [request(1)])
    write(tmp_path / "out.jsonl", [answer(1)])
    write(tmp_path / "pair.jsonl", [alone])
    told = "asked, answer, prompt_chars, answer_chars, turns, text_only, max_tokens, kind, mark_0, mark_3, tools, model"
    with working() as store:
        ingest(opened([tmp_path / "in.jsonl", tmp_path / "out.jsonl"]), store)
        (row,) = store.sql(f"SELECT {told} FROM calls")
        assert store.sql("SELECT service_tier, batch FROM calls") == [("batch", "joined")]
    with working() as store:
        ingest(opened(tmp_path / "pair.jsonl"), store)
        assert store.sql(f"SELECT {told} FROM calls") == [row]


def test_answers_that_come_later_take_their_requests(tmp_path: Path) -> None:
    folder, log = tmp_path / "work", tmp_path / "log"
    log.mkdir()
    write(log / "in.jsonl", [request(number) for number in range(30)])
    for answered in (0, 10, 10, 25):  # none, some, again, and more of them
        if answered:
            write(log / "out.jsonl", [{**answer(number), "padding": "x" * 4_000} for number in range(answered)])
        with working(folder) as store:
            ingest(opened(log), store)
            ((calls, prompts),) = store.sql("SELECT count(*), count(asked) FROM calls")
            assert (calls, prompts) == ((answered, answered) if answered else (30, 30))
            places = [(int(a), int(b), int(c)) for a, b, c in store.sql("SELECT source, position, part FROM calls")]
            assert sorted(asked(call) for _, call in store.texts(places)) == sorted(
                f"Where is {number}?" for number in range(answered or 30)
            )


# --- exports that overlap -----------------------------------------------------------------


def failed(second: float, text: str = "Where is it?", **more: Any) -> dict[str, Any]:
    body = {"model": "gpt-5.5", "messages": [{"role": "user", "content": text}]}
    return {"created": 1_763_800_000 + second, "request": body, "response": None, "status_code": 500, **more}


def test_failed_calls_without_an_id_are_counted_once_in_exports_that_overlap(tmp_path: Path) -> None:
    tried = [failed(1), failed(1), failed(2), failed(3, "And this?")]  # two in one second are two
    write(tmp_path / "a.jsonl", tried[:3])
    write(tmp_path / "b.jsonl", [*tried, failed(4)])
    audited = audit([tmp_path], Options())
    assert (audited.finding.whole.calls, audited.finding.whole.failed, audited.twice) == (5, 5, 3)


def test_what_differs_in_anything_or_tells_too_little_is_two_calls(tmp_path: Path) -> None:
    for number, record in enumerate((failed(1), failed(1, user="u2"), failed(1, status_code=429))):
        write(tmp_path / f"{number}.jsonl", [record])
    assert audit([tmp_path], Options()).finding.whole.calls == 3
    answered = {"created": 1_763_800_000, "request": failed(0)["request"], "response": "Here."}
    for name in "ab":  # a common answer of two machines within a second
        write(tmp_path / f"{name}.jsonl", [answered])
    assert audit([tmp_path / "a.jsonl", tmp_path / "b.jsonl"], Options()).finding.whole.calls == 2
    for name in "ab":  # to the millisecond, it is one
        write(tmp_path / f"{name}.jsonl", [{**answered, "created": 1_763_800_000.125}])
    assert audit([tmp_path / "a.jsonl", tmp_path / "b.jsonl"], Options()).finding.whole.calls == 1


# --- a call in two spans ------------------------------------------------------------------


def span(own: str, parent: str | None = None, tokens: int | None = None, **more: Any) -> dict[str, Any]:
    """Return a chat's span of OTLP; its model is its id, so that it is known again."""
    told: dict[str, Any] = {"gen_ai.operation.name": "chat", "gen_ai.request.model": own, **more}
    if tokens is not None:
        told |= {"gen_ai.usage.input_tokens": tokens, "gen_ai.usage.output_tokens": 1}
    attributes = [
        {"key": key, "value": {"intValue" if isinstance(value, int) else "stringValue": value}}
        for key, value in told.items()
        if value is not None
    ]
    begun = {"startTimeUnixNano": str(1_763_800_000 * NANO), "endTimeUnixNano": str(1_763_800_002 * NANO)}
    around = {} if parent is None else {"parentSpanId": parent}
    failed = {"status": {"code": 2}} if "error.type" in more else {}
    return {"traceId": "t", "spanId": own, "name": own, **around, **begun, **failed, "attributes": attributes}


def counted(folder: Path, *records: Sequence[Mapping[str, Any]]) -> tuple[list[str], int]:
    """Return the models of the calls that are counted, and how many spans around them are not."""
    lines = [{"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": list(spans)}]}]} for spans in records]
    log = write(folder / "spans.jsonl", lines)
    with working() as store:
        ingest(opened(log), store)
        return [str(model) for (model,) in store.sql("SELECT model FROM calls ORDER BY model")], store.folded()


NONE = {"gen_ai.request.model": None, "gen_ai.operation.name": "invoke_agent"}
CASES: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "the inner of two": ([span("a", tokens=9), span("b", "a", tokens=9)], ["b"]),
    "the outer, where only that has tokens": ([span("a", tokens=9), span("b", "a")], ["a"]),
    "the inner, where neither has": ([span("a"), span("b", "a")], ["b"]),
    "the innermost that has": ([span("a", tokens=9), span("b", "a", tokens=9), span("c", "b")], ["b"]),
    "all inner ones": ([span("a", tokens=18), span("b", "a", tokens=9), span("c", "a", tokens=9)], ["b", "c"]),
    "a failed try and the next": (
        [span("a", tokens=9), span("b", "a", **{"error.type": "429"}), span("c", "a", tokens=9)],
        ["b", "c"],
    ),
    "a failed try below what has the tokens": (
        [span("a", tokens=9), span("b", "a", **{"error.type": "429"}), span("c", "a")],
        ["a", "b"],
    ),
    "past a span that is no call": ([span("a", tokens=9), span("n", "a", **NONE), span("b", "n", tokens=9)], ["b"]),
    "two calls of one agent": ([span("n", **NONE), span("a", "n", tokens=9), span("b", "n", tokens=9)], ["a", "b"]),
    "vectors for a chat": (
        [span("a", tokens=9), span("b", "a", tokens=9, **{"gen_ai.operation.name": "embeddings"})],
        ["a", "b"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_of_spans_in_one_another_the_innermost_that_has_tokens_is_the_call(tmp_path: Path, name: str) -> None:
    spans, kept = CASES[name]
    calls = [one for one in spans if any(part["key"] == "gen_ai.request.model" for part in one["attributes"])]
    assert counted(tmp_path, spans) == (kept, len(calls) - len(kept))
    if "no call" not in name:  # the spans of one trace come in several records
        assert counted(tmp_path, *[[one] for one in reversed(spans)]) == (kept, len(calls) - len(kept))


def test_a_parent_of_another_trace_is_none(tmp_path: Path) -> None:
    assert counted(tmp_path, [span("a", tokens=9), {**span("b", "a", tokens=9), "traceId": "u"}]) == (["a", "b"], 0)


def test_a_span_around_an_openinference_call_is_folded(tmp_path: Path) -> None:
    def llm(own: str, parent: str | None) -> dict[str, Any]:
        told = {
            "openinference.span.kind": "LLM", "llm.model_name": own,
            "llm.token_count.prompt": 9, "llm.token_count.completion": 2,
        }  # fmt: skip
        return {
            "name": own, "span_kind": "LLM", "start_time": "2026-11-22T08:00:00Z", "parent_id": parent,
            "context": {"trace_id": "t", "span_id": own}, "attributes": told,
        }  # fmt: skip

    with working() as store:
        ingest(opened(write(tmp_path / "a.jsonl", [llm("a", None), llm("b", "a")])), store)
        assert store.sql("SELECT model FROM calls") == [("b",)]
        assert store.folded() == 1


@pytest.mark.parametrize("around", ["parent_run_id", "parentObservationId"])
def test_runs_and_observations_in_one_another_are_one_call(tmp_path: Path, around: str) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 2}
    base: dict[str, Any] = {"trace_id": "t", "start_time": "2026-11-22T08:00:00Z"}
    if around == "parent_run_id":
        base |= {"run_type": "llm", "inputs": {"messages": []}, "outputs": {}, **usage}
    else:
        base = {"traceId": "t", "type": "GENERATION", "startTime": base["start_time"], "usageDetails": {"input": 9}}
    with working() as store:
        ingest(opened(write(tmp_path / "a.jsonl", [{**base, "id": "a"}, {**base, "id": "b", around: "a"}])), store)
        assert (store.sql("SELECT count(*) FROM calls"), store.folded()) == ([(1,)], 1)


def test_spans_that_are_left_out_are_told_and_stay_so(tmp_path: Path) -> None:
    counted(tmp_path, [span("a", tokens=9), span("b", "a", tokens=9)])
    for _ in range(2):  # the second time it was read before
        audited = audit([tmp_path / "spans.jsonl"], Options(folder=tmp_path / "work"))
        assert (audited.finding.whole.calls, audited.folded, audited.twice) == (1, 1, 0)
        assert to_json(audited)["folded"] == 1
        first = str(next(iter(screen(audited))))
        assert first == "1 call in 1 file, 2025-11-22; 1 span around them left out."
