"""Logs as calls: files of every kind and state, what is found out of them, and what is told where nothing is."""

from __future__ import annotations

import gzip
import json
import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import pytest
from audit_fixtures import read

from greenai.audit import containers, reading, wording
from greenai.audit.formats import FORMATS
from greenai.audit.reading import opened
from greenai.audit.values import Logged, Malformed, Source
from greenai.errors import LogUnreadable


def pair(text: str = "Where?", **more: Any) -> dict[str, Any]:
    reply = {"object": "chat.completion", "model": "gpt-5.5", "choices": [{"message": {"content": "Here."}}]}
    return {"request": {"model": "gpt-5.5", "messages": [{"role": "user", "content": text}]}, "response": reply, **more}


def everything(path: Path, form: str | None = None) -> tuple[list[Logged], Source]:
    calls, (source,) = read(path, form)
    return calls, source


def lines(*calls: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(call).encode() + b"\n" for call in calls)


def asked(call: Logged) -> Any:
    return call.messages[-1]["content"] if call.messages else None


def test_damaged_lines_are_counted_where_they_stand(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    bad = [b'{"request": "\xff\xfe"}', b"\x00\x00\x00", b"[1, 2]", b'{"other": 1}', b"", b'{"torn": "']
    log.write_bytes(b"\xef\xbb\xbf" + lines(pair("first")).replace(b"\n", b"\r\n") + b"\n".join(bad))
    calls, source = everything(log, "openai")
    assert [asked(call) for call in calls] == ["first"]
    assert source.malformed == (
        Malformed(where="a.jsonl:2", why="no UTF-8 at byte 13"),
        Malformed(where="a.jsonl:3", why="no JSON: expecting value"),
        Malformed(where="a.jsonl:4", why="JSON, but a list instead of an object"),
        Malformed(
            where="a.jsonl:5", why="neither a request with its answer, nor messages, nor a model with its tokens"
        ),
        Malformed(where="a.jsonl:7", why="no JSON: unterminated string starting at"),
    )
    assert source.malformed_count == 5


def test_only_the_first_of_many_are_named(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    log.write_bytes(lines(pair()) + b"{\n" * 2_500)
    _, source = everything(log)
    assert (len(source.malformed), source.malformed_count, source.rows) == (20, 2_500, 1)


def test_a_line_that_is_too_long_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "LONGEST", 5_000)
    log = tmp_path / "a.jsonl"
    log.write_bytes(lines(pair("a"), pair("x" * 9_000), pair("b")))
    calls, source = everything(log)
    assert [asked(call) for call in calls] == ["a", "b"]
    long = len(lines(pair("x" * 9_000)))
    assert source.malformed == (Malformed(where="a.jsonl:2", why=f"a line of {long:,} bytes; the most is 5,000"),)


def test_a_packed_file_that_breaks_off_gives_what_it_has(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl.gz"
    whole = gzip.compress(lines(*(pair(str(hash(str(number)))) for number in range(2_000))))
    log.write_bytes(whole[: len(whole) // 2])
    calls, source = everything(log)
    assert 100 < len(calls) < 2_000
    assert source.malformed_count in (1, 2)  # the last line may be torn as well
    assert source.malformed[-1].why.startswith("the packed file breaks off: Compressed file ended before")


def test_zstd_is_read_by_duckdb(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl.zst"
    held = duckdb.connect()
    held.execute("CREATE TABLE l (line VARCHAR)")
    held.executemany("INSERT INTO l VALUES (?)", [[json.dumps(pair('a "quoted", \t text'))], ['{"torn']])
    held.execute(f"COPY l TO '{log}' (FORMAT csv, HEADER false, QUOTE '', DELIMITER '\x1e', COMPRESSION zstd)")
    held.close()
    calls, source = everything(log)
    assert [asked(call) for call in calls] == ['a "quoted", \t text']
    assert source.malformed == (Malformed(where="a.jsonl.zst:2", why="no JSON: unterminated string starting at"),)


@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_is_cut_into_its_objects(tmp_path: Path, indent: int | None) -> None:
    log = tmp_path / "a.json"
    text = json.dumps([pair('}{ "quoted" \\'), pair("second")], indent=indent)
    log.write_text(text[:-1] + ', {"request": {')
    calls, source = everything(log)
    assert [asked(call) for call in calls] == ['}{ "quoted" \\', "second"]
    assert source.malformed == (
        Malformed(where="a.json:3", why="an object that is not closed: the file breaks off in it"),
    )


def test_objects_longer_than_a_block_are_whole(tmp_path: Path) -> None:
    log = tmp_path / "a.json"
    log.write_text(json.dumps([pair("x" * 3_000_000), pair("é\\" * 700_000), pair("end")]))
    calls, source = everything(log)
    assert [len(asked(call)) for call in calls] == [3_000_000, 1_400_000, 3]
    assert source.malformed_count == 0


def test_a_table_with_json_in_its_columns(tmp_path: Path) -> None:
    log = tmp_path / "a.csv"
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "two\nlines, a comma"}]}).replace(
        '"', '""'
    )
    log.write_bytes(
        b"\xef\xbb\xbfid,created,request,response\r\n"
        + f'r1,2026-11-01 10:00:00,"{body}","it is ""so"""\r\n'.encode()
        + b'r2,1,"\xff",x\r\n'
        + f'r3,2026-11-01T10:00:01Z,"{body}",yes\r\n'.encode()
    )
    calls, source = everything(log)
    assert [(call.call_id, call.answer, call.created) for call in calls] == [
        ("r1", 'it is "so"', 1793527200.0),
        ("r3", "yes", 1793527201.0),
    ]
    assert asked(calls[0]) == asked(calls[1]) == "two\nlines, a comma"
    assert source.malformed_count == 1
    assert source.malformed[0].why == "DuckDB: invalid encoding"


def test_nested_parquet(tmp_path: Path) -> None:
    log = tmp_path / "a.parquet"
    duckdb.execute(
        "COPY (SELECT 'r1' AS id, {'model': 'm', 'messages': [{'role': 'user', 'content': 'Where?'}]} AS request, "
        f"'Here.' AS response, TIMESTAMP '2026-11-01 10:00:00' AS created) TO '{log}'"
    )
    ((call,), source) = everything(log)
    assert (asked(call), call.answer, call.created, call.model) == ("Where?", "Here.", 1793527200.0, "m")
    assert (source.format, source.rows) == ("openai", 1)


def test_requests_of_a_batch_and_their_answers_are_one_call(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(
        lines(
            *({"custom_id": f"r{n}", "url": "/v1/chat/completions", "body": pair(str(n))["request"]} for n in range(3))
        )
    )
    (tmp_path / "out.jsonl").write_bytes(
        lines(*({"custom_id": f"r{n}", "response": {"status_code": 200, "body": pair()["response"]}} for n in range(2)))
    )
    calls, sources = read(tmp_path)
    assert [(call.where, asked(call), call.answer) for call in calls] == [
        ("out.jsonl:1", "0", "Here."),
        ("out.jsonl:2", "1", "Here."),
    ]
    assert [(source.rows, source.skipped) for source in sources] == [(0, 3), (2, 0)]
    assert [missing.field for source in sources for missing in source.missing if missing.field == "messages"] == []
    alone, _ = everything(tmp_path / "in.jsonl")
    assert [asked(call) for call in alone] == ["0", "1", "2"]


def test_an_id_of_two_batches_pairs_nothing(tmp_path: Path) -> None:
    def asks(*texts: str) -> str:
        bodies = [{"model": "m", "messages": [{"role": "user", "content": text}]} for text in texts]
        rows = [{"custom_id": f"request-{n}", "body": body} for n, body in enumerate(bodies)]
        return "".join(json.dumps(row) + "\n" for row in rows)

    answer = {"status_code": 200, "body": {"choices": [{"message": {"content": "so"}}]}}
    answers = [json.dumps({"custom_id": f"request-{n}", "response": answer}) + "\n" for n in range(3)]
    (tmp_path / "in1.jsonl").write_text(asks("the same", "one", "alone"))
    (tmp_path / "in2.jsonl").write_text(asks("the same", "another"))
    (tmp_path / "out.jsonl").write_text("".join(answers))
    calls, _ = read(tmp_path)
    assert [call.messages and call.messages[0]["content"] for call in calls] == ["the same", None, "alone"]


def test_a_damaged_table_is_told_by_its_name(tmp_path: Path) -> None:
    log = tmp_path / "a.parquet"
    log.write_bytes(b"PAR1" + b"\0" * 100)
    with pytest.raises(LogUnreadable) as told:
        opened(log)
    assert str(told.value).startswith(f"{log} cannot be read as parquet: Invalid Input Error: ")
    assert str(told.value).endswith("Write it anew, or convert it to JSONL.")


def test_a_pattern_and_a_folder_name_all_their_files(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", "deep/c.ndjson"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(lines(pair(name)))
    (tmp_path / "notes.txt").write_text("no log")
    assert [file.path.name for file in opened(tmp_path)] == ["a.jsonl", "b.jsonl", "c.ndjson"]
    assert [file.path.name for file in opened(str(tmp_path / "*.jsonl"))] == ["a.jsonl", "b.jsonl"]
    calls, _ = read([tmp_path / "b.jsonl", tmp_path / "a.jsonl"])
    assert [asked(call) for call in calls] == ["b.jsonl", "a.jsonl"]


def test_a_file_of_a_folder_that_is_no_log_is_left_out_and_told(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(pair()))
    (tmp_path / "b.json").write_text('{"temperature_outside": 12}')
    (tmp_path / "c.csv").touch()
    left: list[Source] = []
    assert [file.path.name for file in opened(tmp_path, left=left)] == ["a.jsonl"]
    assert wording.unread(tuple(left)) == (
        f"{tmp_path / 'b.json'}: left out: no format is known that it is of (lines)",
        f"{tmp_path / 'c.csv'}: left out: it is empty",
    )
    assert wording.unread(tuple(left), most=1)[1] == "and 1 more file left out"
    assert wording.sources(tuple(left))[1] == f"{tmp_path / 'c.csv'}: left out: it is empty"
    with pytest.raises(LogUnreadable, match="is empty"):
        opened([tmp_path, tmp_path / "c.csv"], left=[])
    (tmp_path / "a.jsonl").unlink()
    with pytest.raises(LogUnreadable, match="No format is known that"):
        opened(tmp_path, left=[])


def test_a_log_without_prompts_gives_tokens_by_model_and_hour(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 12, "completion_tokens": 3}
    shapes: list[dict[str, Any]] = [
        {"model": "gpt-5.5", "created": 1_763_800_000, "usage": usage},
        {"model": "gpt-5.5", "created": 1_763_800_000, "messages": [], "usage": usage},
        {"model": "gpt-5.5", "created": 1_763_800_000, **usage},
        {"created": 1_763_800_000, "request": {"model": "gpt-5.5", "messages": []}, "response": {"usage": usage}},
        {"created": 1_763_800_000, "request": {"model": "gpt-5.5"}, "usage": usage},
    ]
    for number, shape in enumerate(shapes):
        log = tmp_path / f"{number}.jsonl"
        log.write_bytes(lines(shape))
        (call,), source = everything(log)
        assert (source.format, source.malformed_count) == ("openai", 0)
        assert (call.model, call.created, call.messages, call.answer) == ("gpt-5.5", 1_763_800_000, None, None)
        assert (call.input_tokens, call.output_tokens) == (12, 3)


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    log.write_text(json.dumps(pair()) + "\n")
    (tmp_path / "link.jsonl").symlink_to(log)
    assert [file.path for file in opened([log, tmp_path, str(log)])] == [log]


def test_what_no_call_tells_is_listed_with_its_price(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    log.write_bytes(lines(pair()))
    _, source = everything(log)
    assert {one.field for one in source.missing} == set(reading.COSTS) - {"messages", "answer", "model"}
    assert all(one.costs == reading.COSTS[one.field] for one in source.missing)


def test_a_file_that_nobody_knows(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    log.write_text('{"temperature_outside": 12}\n')
    with pytest.raises(LogUnreadable) as told:
        opened(log)
    said = str(told.value)
    assert said.startswith(
        f"No format is known that {log} is of (lines). Name it with --format if it is one of these:\n"
    )
    assert all(f"  {name:13} {form.known_by}" in said for name, form in FORMATS.items())


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.jsonl", None, "There is no file {path}. Check the name with: ls {folder}"),
        ("empty.jsonl", b"", "{path} is empty. Name a file that has calls."),
        (
            "logs.db.gz",
            gzip.compress(b"SQLite format 3\x00"),
            "{path} is a compressed database, and one is read as it is only. Unpack it first: gunzip -k {path}",
        ),
        (
            "a.jsonl.gz",
            b"\x1f\x8b\x08garbage",
            (
                "{path} cannot be unpacked: Error -3 while decompressing data: unknown header flags set. "
                "Name a whole copy of it."
            ),
        ),
        (
            "a.jsonl",
            '{"request": {}}\n'.encode("utf-16"),
            "{path} is UTF-16, and logs are read as UTF-8. Convert it: iconv -f UTF-16 -t UTF-8 {path} > utf8.jsonl",
        ),
    ],
)
def test_what_cannot_be_opened_is_told(tmp_path: Path, name: str, content: bytes | None, said: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LogUnreadable) as told:
        opened(path)
    assert str(told.value) == said.format(path=path, folder=tmp_path)


def test_a_format_that_is_not_there() -> None:
    with pytest.raises(LogUnreadable, match=r'^There is no format "csv"\. Name one of these:\n  openai '):
        opened("a.csv", "csv")


def test_pairs_of_every_kind(tmp_path: Path) -> None:
    failed = {"request": pair()["request"], "response": None, "error": {"message": "boom"}, "status_code": 500}
    vectors = {
        "request": {"model": "e", "input": ["a", "b"]},
        "response": {"object": "list", "data": [{"embedding": []}], "usage": {"prompt_tokens": 2, "total_tokens": 2}},
    }
    cut = {
        "request": {"model": "m", "input": "hi", "instructions": "be kind", "max_output_tokens": 9},
        "response": {
            "object": "response",
            "output": [{"type": "reasoning"}, {"type": "message", "content": [{"type": "output_text", "text": "yo"}]}],
            "incomplete_details": {"reason": "max_output_tokens"},
            "usage": {"input_tokens": 3, "output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 4}},
        },
    }
    log = tmp_path / "a.jsonl"
    log.write_bytes(lines(failed, vectors, cut))
    calls, source = everything(log)
    assert source.malformed_count == 0
    told = [(call.kind, call.ok, call.status, call.answer, call.input_tokens, call.output_tokens) for call in calls]
    assert told == [
        ("chat", False, 500, None, None, None),
        ("embeddings", True, None, None, 2, 0),
        ("responses", True, None, "yo", 3, 9),
    ]
    assert (calls[2].finish_reason, calls[2].reasoning_tokens) == ("length", 4)
    assert calls[2].messages == ({"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"})


@pytest.mark.parametrize("total", [52, 15])
def test_langfuse_counts_parts_apart_or_within_their_sum_as_its_total_tells(tmp_path: Path, total: int) -> None:
    log = tmp_path / "a.jsonl"
    parts = {"input": 10, "input_cached_tokens": 30, "output": 5, "output_reasoning_tokens": 7}
    within = {"input": 10, "input_cached_tokens": 4, "output": 5, "output_reasoning_tokens": 3}
    usage = {**(parts if total == 52 else within), "total": total}
    log.write_bytes(lines({"id": "o", "traceId": "t", "type": "GENERATION", "model": "m", "usageDetails": usage}))
    ((call,), _) = everything(log)
    counted = (call.input_tokens, call.cached_tokens, call.output_tokens, call.reasoning_tokens)
    assert counted == ((40, 30, 12, 7) if total == 52 else (10, 4, 5, 3))


def test_older_rows_of_llm_have_their_prompt_beside_them(tmp_path: Path) -> None:
    log = tmp_path / "logs.db"
    connection = sqlite3.connect(log)
    connection.execute("CREATE TABLE _llm_migrations (name, applied_at)")
    names = (
        "id, model, prompt, system, options_json, response, conversation_id, duration_ms, datetime_utc, input_tokens"
    )
    connection.execute(f"CREATE TABLE responses ({names}, output_tokens, token_details)")
    row = (
        "a",
        "m",
        "hi",
        "be kind",
        '{"temperature": 0.5}',
        "hello",
        "c",
        1200,
        "2026-11-01T10:00:00+00:00",
        5,
        6,
        None,
    )
    connection.execute("INSERT INTO responses VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    connection.commit()
    connection.close()
    ((call,), source) = everything(log)
    assert call.messages == ({"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"})
    assert (call.answer, call.latency_s, call.created, call.arguments) == (
        "hello",
        1.2,
        1793527200.0,
        {"temperature": 0.5},
    )
    assert source.reason == 'a SQLite database with "_llm_migrations" and "responses"'
