"""Values as logs write them: what cannot be is None, and is in no sum."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from greenai.audit.columns import columns
from greenai.audit.formats import FORMATS
from greenai.audit.formats.chat import tokens
from greenai.audit.formats.fields import dollars, moment
from greenai.audit.reading import Chunk, parsed
from greenai.audit.rows import COLUMNS, row
from greenai.audit.sufficing import repeats as asked_again
from greenai.audit.values import Logged

AT = 1_763_800_000.0


@pytest.mark.parametrize(
    "said",
    [
        AT, int(AT), AT * 1e3, AT * 1e6, AT * 1e9, "1763800000", "2025-11-22T08:26:40Z", "2025-11-22 08:26:40 UTC",
        "2025-11-22 08:26:40+00", "2025-11-22T09:26:40+01:00", datetime.fromtimestamp(AT, UTC),
    ],
)  # fmt: skip
def test_a_moment_in_any_spelling(said: object) -> None:
    assert moment(said) == AT


@pytest.mark.parametrize(
    "said",
    [
        0,
        -1,
        1e25,
        5e9,
        "0001-01-01T00:00:00+10:00",
        datetime(1, 1, 1, tzinfo=UTC),
        date(1969, 1, 1),
        "soon",
        True,
        None,
    ],
)
def test_what_is_no_time_of_a_call(said: object) -> None:
    assert moment(said) is None


@pytest.mark.parametrize(
    ("said", "cost"),
    [(0, 0.0), ("0.25", 0.25), (-1, None), (1e308, None), ("Infinity", None), ("nan", None), ("free", None)],
)
def test_what_a_call_cost(said: object, cost: float | None) -> None:
    assert dollars(said) == cost


def test_another_currency_is_no_dollars() -> None:
    asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    record: dict[str, object] = {"request": asked, "response": "hello", "cost": 0.5}
    (call,) = FORMATS["openai"].calls(record, "a:1")
    (other,) = FORMATS["openai"].calls({**record, "currency": "EUR"}, "a:1")
    assert (call.cost_usd, other.cost_usd) == (0.5, None)


@pytest.mark.parametrize(
    ("status", "ok"), [(200, True), (None, True), (500, False), (-3, False), ("-1", False), (0, False)]
)
def test_what_helicone_never_got_an_answer_to_has_failed(status: object, ok: bool) -> None:
    record = {"request_created_at": "2026-11-01T00:00:00Z", "response_status": status}
    (call,) = FORMATS["helicone"].calls(record, "a:1")
    assert call.ok is ok


def _message(system: object, usage: dict[str, int], content: list[dict[str, str]]) -> dict[str, object]:
    asked = {"model": "claude-sonnet-4-5", "system": system, "messages": [{"role": "user", "content": "Sum it up."}]}
    answer = {"type": "message", "role": "assistant", "content": content, "stop_reason": "max_tokens", "usage": usage}
    return {"request": asked, "response": answer}


def test_a_message_of_anthropics() -> None:
    usage = {
        "input_tokens": 10,
        "cache_read_input_tokens": 5000,
        "cache_creation_input_tokens": 90,
        "output_tokens": 20,
    }
    (call,) = FORMATS["openai"].calls(_message("Be brief.", usage, [{"type": "text", "text": "So."}]), "a:1")
    assert call.messages is not None
    assert [part["content"] for part in call.messages] == ["Be brief.", "Sum it up."]
    assert (call.answer, call.finish_reason, call.tool_calls) == ("So.", "length", False)
    assert (call.input_tokens, call.cached_tokens, call.output_tokens) == (5100, 5000, 20)
    system = [{"type": "text", "text": "Be brief."}]
    (other,) = FORMATS["openai"].calls(_message(system, {}, [{"type": "tool_use", "name": "f"}]), "a:1")
    assert other.messages == call.messages
    assert (other.tool_calls, other.input_tokens) == (True, None)


def test_cached_tokens_of_openais_shape_are_among_those_of_the_prompt() -> None:
    usage = {"prompt_tokens": 5100, "completion_tokens": 20, "cache_read_input_tokens": 5000}
    assert tokens({**usage, "prompt_tokens_details": {"cached_tokens": 5000}})["input_tokens"] == 5100


def test_parts_that_are_more_than_their_whole_were_counted_apart() -> None:
    made = {"completion_tokens": 20, "completion_tokens_details": {"reasoning_tokens": 300}}
    sent = {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 4000}}
    record = {"request": {"messages": [{"role": "user", "content": "a"}]}, "response": {"usage": {**sent, **made}}}
    ((call,), _) = parsed(Chunk(name="a", format="openai", records=((1, record),), read=0))
    assert (call.input_tokens, call.output_tokens) == (4010, 320)


def _payload(**told: object) -> dict[str, object]:
    asked = [{"role": "user", "content": "What is the capital of France?"}]
    return {"call_type": "acompletion", "response_cost": 0.0, "model": "gpt-4o", "messages": asked, **told}


@pytest.mark.parametrize(("hit", "calls"), [(True, 0), ("True", 0), (False, 1), ("None", 1), (None, 1)])
def test_what_litellms_cache_answered_is_no_call(hit: object, calls: int) -> None:
    records = ((1, _payload(cache_hit=hit)),)
    found, tally = parsed(Chunk(name="a", format="litellm", records=records, read=0))
    assert (len(found), tally.skipped) == (calls, 1 - calls)


def test_a_price_that_litellm_could_not_tell_is_not_nothing() -> None:
    (known,), (unknown,) = (
        FORMATS["litellm"].calls(_payload(response_cost_failure_debug_info=why), "a:1")
        for why in (None, {"error_str": "not mapped"})
    )
    assert (known.cost_usd, unknown.cost_usd) == (0.0, None)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("OPENAI", "openai/gpt-4o"), ("azure.ai.openai", "azure/gpt-4o"), ("az.ai.openai", "azure/gpt-4o"),
        ("acme", "acme/gpt-4o"), (None, "gpt-4o"),
    ],
)  # fmt: skip
def test_a_provider_has_one_name_however_a_log_spells_it(said: str | None, name: str) -> None:
    record = {"provider": said, "request_created_at": "2026-11-01T00:00:00Z", "response_status": 200, "model": "gpt-4o"}
    (calls, _) = parsed(Chunk(name="a", format="helicone", records=((1, record),), read=0))
    assert columns(calls).model.names == (name,)


def test_a_text_is_no_name_of_a_feature() -> None:
    record: dict[str, object] = {"request": {"messages": [{"role": "user", "content": "a"}]}, "response": "b"}
    (call,) = FORMATS["openai"].calls({**record, "task": "Summarise the letter of Mrs Miller."}, "a:1")
    assert call.feature is None


def _read(form: str, record: dict[str, object]) -> Logged:
    ((call,), _) = parsed(Chunk(name="a", format=form, records=((1, record),), read=0))
    return call


def _observed(usage: dict[str, object], asked: object = "hi", kind: str = "GENERATION") -> Logged:
    return _read("langfuse", {"type": kind, "traceId": "t", "input": asked, "output": "x", "usageDetails": usage})


def test_langfuse_counts_nothing_and_other_things_than_tokens() -> None:
    assert _observed({"input": 10, "output": 0, "total": 10}).output_tokens == 0
    characters = _observed({"input": 1000, "output": 500, "total": 1500, "unit": "CHARACTERS"})
    assert (characters.input_tokens, characters.output_tokens) == (None, None)


def test_what_a_watched_function_was_called_with_is_what_was_asked() -> None:
    messages = [{"role": "user", "content": "deep"}]
    assert _observed({}, {"args": [], "kwargs": {"model": "m", "messages": messages}}).messages == tuple(messages)
    assert _observed({}, {"question": "what?"}).messages == ({"role": "user", "content": '{"question": "what?"}'},)


def test_an_embedding_writes_no_tokens() -> None:
    assert _observed({"input": 10, "total": 10}, kind="EMBEDDING").output_tokens == 0
    assert _observed({}, kind="EMBEDDING").output_tokens is None


def test_langchains_tokens_stand_in_its_message() -> None:
    usage = {"input_tokens": 10, "output_tokens": 300, "output_token_details": {"reasoning": 200}}
    message = {"id": ["langchain", "AIMessage"], "kwargs": {"content": "yo", "usage_metadata": usage}}
    outputs = {"generations": [[{"text": "yo", "message": message}]], "llm_output": None}
    call = _read("langsmith", {"run_type": "llm", "inputs": {"messages": []}, "outputs": outputs})
    assert (call.input_tokens, call.output_tokens, call.reasoning_tokens, call.answer) == (10, 300, 200, "yo")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/chat/completions", "chat"), ("https://audio.example/v1/chat/completions", "chat"),
        ("/v1/responses", "responses"), ("/v1/completions", "completion"), ("/v1/embeddings", "embeddings"),
        ("/v1/moderations", "other"), ("/v1/images/generations", "other"), ("/v1/audio/speech", "other"),
    ],
)  # fmt: skip
def test_what_is_asked_for_something_else_than_text_is_no_chat(path: str, kind: str) -> None:
    record: dict[str, object] = {"custom_id": "a", "url": path, "body": {"model": "m", "input": "a cat"}}
    assert _read("openai-batch", record).kind == kind


def test_items_of_responses_have_the_roles_of_messages() -> None:
    asked = [
        {"type": "function_call", "name": "f", "arguments": "{}"}, {"type": "function_call_output", "output": "42"},
        {"type": "reasoning", "summary": []}, {"role": "user", "content": "So?"},
    ]  # fmt: skip
    messages = _read("openai", {"request": {"input": asked}, "response": "yes"}).messages
    assert messages is not None
    assert [message["role"] for message in messages] == ["assistant", "tool", "assistant", "user"]
    assert messages[1]["content"] == "42"


@pytest.mark.parametrize(
    ("status", "ok"), [("success", True), ("error", False), ("Failed", False), (200, True), (429, False)]
)
def test_a_status_in_words_or_as_a_number(status: object, ok: bool) -> None:
    record = {
        "request": {"messages": [{"role": "user", "content": "a"}]},
        "response": {"choices": []},
        "status": status,
    }
    assert _read("openai", record).ok is ok


@pytest.mark.parametrize(("role", "repeats"), [("user", 0), ("system", 1)])
def test_what_a_user_asked_and_spend_logs_cut_is_no_repeat(role: str, repeats: int) -> None:
    cut = "Sum up: xxx... (litellm_truncated skipped 9000 chars. note) yyy"
    asked = [{"role": role, "content": cut}, {"role": "user", "content": "So?"}]
    calls = [_read("litellm", _payload(messages=asked, startTime=AT + n)) for n in range(2)]
    assert [call.cut for call in calls] == [role == "user"] * 2
    assert asked_again(columns(calls), 3600.0).sum() == repeats
    assert (row(calls[0], 0, 1, 0)[list(COLUMNS).index("exact")] is None) is (role == "user")
