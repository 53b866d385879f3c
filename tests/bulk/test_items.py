from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from openai.types.chat import ChatCompletionMessage

from greenai.bulk.items import read
from greenai.errors import InvalidRequest

if TYPE_CHECKING:
    from pathlib import Path

USER = [{"role": "user", "content": "Name a colour."}]


def test_texts_bodies_and_lines_of_openais_batch_files_are_requests() -> None:
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": USER}}
    given = read([line, {"messages": USER, "max_tokens": 3}, "Name a colour."])
    assert [custom_id for _, custom_id in given.order] == ["a", None, None]
    assert [item.body for item in given.items.values()] == [{"messages": USER}, {"messages": USER, "max_tokens": 3}]
    assert given.order[0][0] == given.order[2][0]  # the text is the same request as the line


def test_a_generator_is_read_once_and_names_a_model_where_a_request_does_not() -> None:
    given = read(({"messages": USER, **more} for more in ({}, {"model": "gpt-5.5"})), "gpt-5.5-mini")
    assert given.models == {"gpt-5.5-mini", "gpt-5.5"}


def test_options_part_requests_and_are_in_neither_body() -> None:
    given = read([{"messages": USER, "greenai": {"project": "reviews", "opt_in": {"large"}}}, {"messages": USER}])
    assert [item.options for item in given.items.values()] == [{"project": "reviews", "opt_in": ["large"]}, {}]
    assert all("greenai" not in item.body for item in given.items.values())


def test_a_key_says_what_is_the_same_however_it_is_written() -> None:
    one = read([{"messages": USER, "max_tokens": 3, "seed": 1}])
    other = read([{"seed": 1, "max_tokens": 3, "messages": tuple(USER)}])
    assert one.digest == other.digest
    assert one.digest != read([{"messages": USER, "max_tokens": 4, "seed": 1}]).digest


@pytest.mark.parametrize(
    ("more", "items"),
    [
        ({}, 1),
        ({"temperature": 0}, 1),
        ({"temperature": 0.7}, 3),
        ({"temperature": 0.7, "seed": 4}, 1),
        ({"temperature": 0.7, "greenai": {"cache_also": ["sampled"]}}, 1),
        ({"greenai": {"cache": "off"}}, 3),
    ],
)
def test_requests_that_are_the_same_are_one_unless_each_is_to_be_another_sample(
    more: dict[str, Any], items: int
) -> None:
    again = [{"messages": USER, **more}] * 3
    assert len(read(again).items) == items
    assert read(again).digest == read(again).digest


def test_messages_of_openais_own_class_become_json() -> None:
    message = ChatCompletionMessage(role="assistant", content="Blue.")
    given = read([{"messages": [*USER, message]}])
    (item,) = given.items.values()
    assert item.body["messages"][1] == {"role": "assistant", "content": "Blue."}


def test_a_file_is_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text('﻿{"messages": [{"role": "user", "content": "Name a colour."}]}\n\n"Name a tree."\n', "utf-8")
    assert len(read(path).items) == 2
    assert read(str(path)).digest == read(path).digest


@pytest.mark.parametrize(
    ("requests", "message"),
    [
        (
            [],
            (
                "A batch of no requests has nothing to do. Pass a list of requests, or the path of a JSONL file, such as "
                '"requests.jsonl".'
            ),
        ),
        (["Hi", " "], "Request 2 is empty. Write a question, or leave it out."),
        (
            [7],
            (
                "Request 1 is of type int. Write a text, or the arguments of chat.completions.create: "
                '{"messages": [{"role": "user", "content": "..."}]}.'
            ),
        ),
        (
            [{"model": "gpt-5.5"}],
            'Request 1 has no messages. Write "messages": [{"role": "user", "content": "..."}], or a text alone.',
        ),
        (
            [{"messages": USER, "stream": True}],
            "Request 1 has stream=true. A batch gives whole answers: leave that out.",
        ),
        (
            [{"url": "/v1/embeddings", "body": {}}],
            (
                'Request 1 asks for "/v1/embeddings". A batch answers chats: write "url": "/v1/chat/completions". Others go '
                "through client.batches."
            ),
        ),
        ([{"body": 3}], 'Request 1: body must be the arguments of a chat, such as {"messages": [...]}.'),
        (
            [{"messages": USER, "custom_id": "a"}, {"messages": USER, "custom_id": "a"}],
            "Request 2: the custom_id 'a' is another request's. Give each its own.",
        ),
        (
            [{"messages": USER, "custom_id": 3}],
            'Request 1: custom_id must be text, not 3. Write it in quotes, such as "request-1".',
        ),
        (
            [{"messages": USER, "greenai": "reviews"}],
            'Request 1: greenai must be options, such as {"project": "reviews"}.',
        ),
        (
            [{"messages": USER, "seed": float("nan")}],
            (
                "Request 1 cannot be kept in the journal: Out of range float values are not JSON compliant. Write it as "
                "JSON values: text, numbers, lists, mappings."
            ),
        ),
        (
            {"messages": USER},
            'requests is of type dict. Pass a list of requests, or the path of a JSONL file, such as "requests.jsonl".',
        ),
        (
            "nowhere.jsonl",
            (
                "The file of requests 'nowhere.jsonl' cannot be read: No such file or directory. Pass a list of requests, "
                'or the path of a JSONL file, such as "requests.jsonl".'
            ),
        ),
    ],
)
def test_what_is_no_request_is_refused_with_its_place(requests: Any, message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(requests)
    assert str(refused.value).replace(": nan", "") == message


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('"Hi"\n{"messages"\n')
    with pytest.raises(InvalidRequest) as refused:
        read(path)
    said = "is no JSON: Expecting ':' delimiter: line 2 column 1 (char 12). Write one request a line."
    assert str(refused.value) == f"{path}, line 2 {said}"


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('"Hi"\n', "utf-16")
    with pytest.raises(InvalidRequest) as refused:
        read(path)
    assert str(refused.value) == (
        f"{path} is no UTF-8 after line 0: invalid start byte (0xff). Convert it with: iconv -f ENCODING -t UTF-8 {path}"
    )


def test_a_line_that_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text("[" * 100_000)
    with pytest.raises(InvalidRequest, match=r"line 1 is no JSON: maximum recursion depth exceeded"):
        read(path)


def test_a_custom_id_that_no_file_holds_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refused:
        read([{"custom_id": "\ud800", "messages": USER}])
    assert str(refused.value) == "Request 1: the custom_id '\\ud800' has half a character, which no file holds."
