"""`greenai cache`: what it holds, what it saved, and how answers leave it."""

from __future__ import annotations

import json
import re
import sqlite3
import stat
from typing import TYPE_CHECKING, Any

import pytest

from greenai.settings import load_settings
from greenai.store.opening import open_store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from conftest import Shell  # type: ignore[attr-defined]
    from servers import Scripted

FACT = "What is the capital of France?"


@pytest.fixture
def asked(shell: Shell, remote: Scripted) -> list[str]:
    """The calls of two questions, the first asked twice."""
    assert remote
    calls = [("ask", FACT), ("ask", FACT), ("ask", "What is the capital of Italy?", "--project", "other")]
    return [shell.json(*call)["receipt"]["call_id"] for call in calls]


def test_stats_tell_how_full_it_is_and_what_it_answered(shell: Shell, asked: list[str]) -> None:
    found = shell.json("cache", "stats")
    assert (found["answers"], found["calls"], found["hits"]) == (2, 3, 1)
    assert found["size_bytes"] > 0
    text = shell("cache", "stats").stdout
    assert text.startswith("2 answers, ")
    assert "\nthey end in 30 days to 30 days\n" in text
    assert "last 30 days: 1 of 3 calls answered (33%)" in text
    assert len(asked) == 3


def test_only_answers_are_counted(shell: Shell, asked: list[str]) -> None:
    from greenai.ledger import open_ledger
    from greenai.settings import load_settings
    from greenai.store.opening import open_store

    loaded = load_settings()
    store, ledger = open_store(loaded), open_ledger(loaded)
    store.put("semantic:0:1", {"question": "?"}, 60.0)
    row = ledger.call(asked[1])
    assert row is not None
    with sqlite3.connect(ledger.check()["path"]) as db:
        db.execute("UPDATE calls SET outcome = 'semantic_cache' WHERE call_id = ?", (asked[1],))
    store.close()
    ledger.close()
    found = shell.json("cache", "stats")
    assert (found["answers"], found["calls"], found["hits"], found["semantic_hits"]) == (2, 3, 1, 1)
    assert shell("cache", "clear", "--yes").stdout == "2 answers dropped\n"
    assert not list(store.rows())


def test_stats_tell_what_the_semantic_tier_has_and_knows(shell: Shell, asked: list[str]) -> None:
    from greenai.cache import SemanticTier

    assert asked
    assert "by meaning" not in shell("cache", "stats").stdout
    store = open_store(load_settings())
    tier = SemanticTier(store=store, encoder=Letters())
    for scope, question in (("a", "How do I return it?"), ("a", "How can I return it?"), ("b", "Where is it?")):
        assert tier.lookup(scope, question) is None
        tier.admit(scope, question, "Within 30 days.")
    store.close()
    found = shell.json("cache", "stats")["semantic"]
    assert found == {"questions": 3, "scopes": 2, "judged": 1, "most_judged": 1}
    assert (
        "\nby meaning: 0 of these answers; 3 questions in 2 scopes, proposals judged: 1 (a scope gives answers from 250 "
        "on, and the furthest has 1)\n"
    ) in shell("cache", "stats").stdout


class Letters:
    """A vector of how often each letter stands in a text."""

    name, serves = "letters", True

    def encode(self, texts: Sequence[str]) -> Any:
        import numpy as np

        found = np.array([[text.lower().count(chr(97 + i)) + 0.1 for i in range(26)] for text in texts], np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_an_answer_is_forgotten_by_its_call_or_its_key(shell: Shell, asked: list[str]) -> None:
    result = shell("cache", "forget", asked[1])
    assert (result.exit_code, result.stdout) == (0, f"{asked[1]}: forgotten\n")
    assert shell("cache", "forget", asked[0]).stdout == f"{asked[0]}: its answer is not in the cache\n"
    key = shell.json("cache", "export")[0]["cache_key"]
    assert shell.json("cache", "forget", key) == {"call": key, "cache_key": key, "forgotten": True}
    assert shell.json("cache", "forget", asked[2][:8])["cache_key"] is not None
    kind, message = shell.error("cache", "forget", "nobody")
    assert kind == "InvalidRequest"
    assert message.startswith("The ledger has no call 'nobody', so nothing is known of its answer.")


def test_an_answer_is_forgotten_by_how_its_key_begins_unless_two_begin_so(shell: Shell, asked: list[str]) -> None:
    assert asked
    key, other = (one["cache_key"] for one in shell.json("cache", "export"))
    assert shell.json("cache", "forget", key[:8]) == {"call": key[:8], "cache_key": key, "forgotten": True}
    twin = other[:20] + ("0" if other[20] != "0" else "1") * 44
    store = open_store(load_settings())
    assert store.put(twin, 1, 60.0)
    store.close()
    kind, message = shell.error("cache", "forget", other[:8])
    assert (kind, message.startswith(f"'{other[:8]}' begins 2 calls and keys")) == ("InvalidRequest", True)
    assert shell.json("cache", "forget", other)["forgotten"]
    assert shell.json("cache", "forget", other[:4])["cache_key"] == twin
    kind, message = shell.error("cache", "forget", other[:3])
    assert (kind, "the first 4 characters" in message) == ("InvalidRequest", True)


def test_clearing_asks_first(shell: Shell, asked: list[str]) -> None:
    assert asked
    refused = shell("cache", "clear", stdin="n\n")
    assert refused.exit_code == 1
    assert "Drop 2 answers in " in refused.stderr
    _, message = _error(shell, "cache", "clear")
    assert re.fullmatch(r"2 answers in .* would be dropped, and nobody was asked\. Pass --yes to do so\.", message)
    unasked = shell("cache", "clear")
    assert (unasked.exit_code, unasked.stdout.strip()) == (1, "")
    assert message in unasked.stderr
    assert shell.json("cache", "clear", "--project", "other", "--yes")["dropped"] == 1
    assert shell("cache", "clear", stdin="y\n").stdout.endswith("1 answer dropped\n")
    assert shell.json("cache", "stats")["answers"] == 0
    assert shell("cache", "clear").stdout == "0 answers dropped\n"


def _error(shell: Shell, *arguments: str) -> tuple[str, str]:
    result = shell(*arguments, "--json")
    assert result.exit_code == 1
    error = json.loads(result.stdout)["error"]
    return error["type"], error["message"]


def test_answers_are_exported_without_their_questions(shell: Shell, asked: list[str], tmp_path: Path) -> None:
    assert asked
    lines = [json.loads(line) for line in shell("cache", "export").stdout.splitlines()]
    assert len(lines) == 2
    assert {line["project"] for line in lines} == {"default", "other"}
    assert all(line["body"]["choices"][0]["message"]["content"] for line in lines)
    assert "capital of" not in json.dumps([{**line, "body": None} for line in lines])
    assert [one["project"] for one in shell.json("cache", "export", "--project", "other")] == ["other"]
    file = tmp_path / "answers.jsonl"
    assert shell("cache", "export", "--output", str(file)).exit_code == 0
    assert len(file.read_text().splitlines()) == 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    kind, message = shell.error("cache", "export", "--output", str(tmp_path / "none" / "x"))
    assert (kind, "cannot be written (No such file or directory)" in message) == ("InvalidRequest", True)


def test_a_cache_that_cannot_be_reached_is_no_empty_one(
    shell: Shell, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREENAI_CACHE_URL", "redis://127.0.0.1:1/0")
    for command in (("clear", "--yes"), ("forget", asked[0]), ("export",), ("clear", "--yes", "--project", "other")):
        kind, message = shell.error("cache", *command)
        assert kind == "CacheError"
        assert message.startswith("The answer cache in Redis at 127.0.0.1:1 was not read or changed as told: it does ")
        assert "then run this again" in message
    assert "does not answer" in shell.json("cache", "stats")["problem"]
    assert shell("cache", "stats").stdout.startswith("an unknown number of answers, ")


def test_calls_are_completed(asked: list[str]) -> None:
    from greenai.cli.cache import complete_call

    assert sorted(complete_call("")) == sorted(asked)
    assert complete_call(asked[0]) == [asked[0]]
