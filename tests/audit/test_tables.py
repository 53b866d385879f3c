"""Logs that were exported as tables, CSV or Parquet, sum up to what their JSON lines do."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from audit_fixtures import ALL, FIXTURES, Fixture, calls_of, summed

from greenai.audit.duck import connected

LINES = [fixture for fixture in ALL if len(fixture.files) == 1 and ".jsonl" in fixture.files[0]]
TABLES = [fixture for fixture in LINES if fixture.format not in {"otel", "openai"} and "posts" not in fixture.name]


@pytest.fixture(params=TABLES, ids=[fixture.name for fixture in TABLES])
def fixture(request: pytest.FixtureRequest) -> Fixture:
    found: Fixture = request.param
    return found


def rows_of(fixture: Fixture) -> list[dict[str, Any]]:
    data = (FIXTURES / fixture.files[0]).read_bytes()
    text = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
    return [json.loads(line) for line in text.decode().split("\n") if line]


def cell(value: object) -> str:
    """Return a value as an export of a table writes it: nothing for nothing, objects as JSON."""
    return "" if value is None else json.dumps(value) if isinstance(value, (dict, list)) else str(value)


def test_a_table_of_text_says_the_same(fixture: Fixture, tmp_path: Path) -> None:
    rows = rows_of(fixture)
    names = list(dict.fromkeys(name for row in rows for name in row))
    path = tmp_path / "log.csv"
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(names)
        writer.writerows([cell(row.get(name)) for name in names] for row in rows)
    calls, (source,) = calls_of([path])
    assert summed(calls) == fixture.truth()
    assert (source.format, source.malformed_count, source.skipped) == (fixture.format, 0, fixture.skipped)


def test_a_parquet_file_says_the_same(fixture: Fixture, tmp_path: Path) -> None:
    lines, path = tmp_path / "log.jsonl", tmp_path / "log.parquet"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows_of(fixture)), encoding="utf-8")
    connection = connected()
    connection.execute(f"COPY (SELECT * FROM read_json('{lines}')) TO '{path}' (FORMAT parquet)")
    connection.close()
    calls, (source,) = calls_of([path])
    assert summed(calls) == fixture.truth()
    assert (source.format, source.malformed_count, source.skipped) == (fixture.format, 0, fixture.skipped)


def test_moments_with_a_zone_are_read_wherever_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    connection = connected()
    connection.execute(
        "COPY (SELECT TIMESTAMPTZ '2026-11-22 06:00:00.25+01' AS created, {'model': 'gpt-5.5', "
        "'messages': [{'role': 'user', 'content': 'Hello'}], 'sent': TIMESTAMPTZ '2026-11-22 05:00:00+00'} AS request, "
        f"'Hello.' AS response) TO '{path}' (FORMAT parquet)"
    )
    connection.close()
    (call,), _ = calls_of([path])
    assert call.created == 1_795_323_600.25
    assert (call.model, call.answer) == ("gpt-5.5", "Hello.")
    assert call.messages == ({"role": "user", "content": "Hello"},)
