"""Lines of a provider's batch: whatever they say, reading them ends in answers and failures."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from greenai.bulk.batch_lines import encoded, missing, read, rejected
from greenai.bulk.values import Failure

WORDS = st.sampled_from(
    ["custom_id", "response", "status_code", "body", "choices", "error", "errors", "data", "line", "code", "usage"]
)
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@given(lines=st.lists(VALUES | st.dictionaries(WORDS, VALUES, max_size=5), max_size=5), junk=st.binary(max_size=20))
def test_any_line_is_an_answer_a_failure_or_nothing(lines: list[Any], junk: bytes) -> None:
    content = b"\n".join([*(json.dumps(line).encode() for line in lines), junk])
    found = list(read(content))
    assert all((line.body is None) != (line.failure is None) for line in found)
    assert len({line.key for line in found}) == len(found)


@given(said=VALUES)
def test_any_refusal_is_read(said: Any) -> None:
    lines, whole = rejected({"errors": {"data": said}})
    assert all(isinstance(failure, Failure) for failure in lines.values())
    assert whole is None or not whole.final


def test_a_line_that_is_too_deep_is_none() -> None:
    deep = b'{"custom_id": "a", "response": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert [line.key for line in read(deep + b'\n{"custom_id": "b"}')] == ["b"]


def test_texts_may_hold_what_ends_lines_elsewhere() -> None:
    text = "one\u2028two\u0085three\x0bfour"
    body = {"choices": [{"message": {"content": text}}]}
    line = {"custom_id": "a", "response": {"status_code": 200, "body": body}}
    (found,) = read(json.dumps(line, ensure_ascii=False).encode())
    assert found.body == body


def test_the_first_line_with_a_key_counts() -> None:
    lines = [{"custom_id": "a", "response": {"status_code": 200, "body": {"choices": [{"n": n}]}}} for n in range(2)]
    (found,) = read("\n".join(map(json.dumps, lines)).encode())
    assert found.body == {"choices": [{"n": 0}]}


def test_a_request_is_one_line_of_utf_8() -> None:
    line = encoded("k", {"model": "m", "messages": [{"role": "user", "content": "Grüße\nan alle \u2028"}]})
    assert line.count(b"\n") == 1
    assert "Grüße" in line.decode()
    assert json.loads(line)["body"]["messages"][0]["content"] == "Grüße\nan alle \u2028"
    half = encoded("k", {"messages": [{"role": "user", "content": "\ud83d"}]})
    assert json.loads(half)["body"]["messages"][0]["content"] == "\ud83d"


def test_why_a_request_has_no_line() -> None:
    assert {
        status: missing("b", status).message for status in ("completed", "expired", "cancelled", "failed", "lost")
    } == {
        "completed": "The provider's batch b has no line for this request in what it answered.",
        "expired": "The provider's batch b was over after 24 hours, before it came to this request.",
        "cancelled": "The provider's batch b was cancelled before it came to this request.",
        "failed": "The provider's batch b was refused as a whole.",
        "lost": "The provider's batch b is not at the provider any more.",
    }
