"""`greenai batch`: what it prints, what it writes, and with which code it ends."""

from __future__ import annotations

import importlib
import json
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from echoing import Echoing

from greenai.bulk import calls_lane

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Shell

command = importlib.import_module("greenai.cli.batch")  # of the package it is the function
LINES = [{"custom_id": f"l{n}", "body": {"messages": [{"role": "user", "content": f"Write {n}"}]}} for n in range(4)]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Echoing]:
    """A server as the only rung of the ladder, and a file of four requests."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    with Echoing() as running:
        (tmp_path / "greenai.toml").write_text(
            f'max_retries = 0\nladder = [{{model = "openai/m", base_url = "{running.url}", tier = "small"}}]\n'
        )
        yield running


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_answers_come_as_lines_of_openais_batch_output(shell: Shell, server: Echoing) -> None:
    result = shell("batch", "r.jsonl")
    assert result.exit_code == 0, result.output
    told = lines(result.stdout)
    assert [line["custom_id"] for line in told] == ["l0", "l1", "l2", "l3"]
    assert told[1]["response"]["status_code"] == 200
    assert told[1]["response"]["body"]["choices"][0]["message"]["content"] == "Answer to Write 1"
    assert told[1]["error"] is None
    assert told[1]["id"] == f"batch_req_{told[1]['greenai']['call_id']}"
    assert result.stderr.startswith("4 requests: 4 answered.\nEnergy: unknown for 4 calls")


def test_a_file_of_answers_is_written_whole(shell: Shell, server: Echoing, tmp_path: Path) -> None:
    result = shell("batch", "r.jsonl", "--name", "four", "--out", "o.jsonl")
    assert result.exit_code == 0, result.output
    assert len(lines((tmp_path / "o.jsonl").read_text())) == 4
    assert result.stdout.splitlines()[-1] == "Answers: o.jsonl"
    assert not (tmp_path / "o.jsonl.part").exists()
    assert shell.json("batch", "--resume", "four", "--out", "o.jsonl")["out"] == "o.jsonl"
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("out", "why"),
    [
        ("nowhere/o.jsonl", "there is no folder nowhere. Make it with: mkdir -p nowhere."),
        ("r.jsonl", "the requests are in that file. Name another one."),
        (".", "it is a folder. Name a file in it."),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_asked(
    shell: Shell, server: Echoing, out: str, why: str
) -> None:
    result = shell("batch", "r.jsonl", "--out", out)
    assert (result.exit_code, result.stderr.strip()) == (1, f"The answers cannot be written to {out}: {why}")
    assert server.asked == []


def test_answers_that_cannot_be_written_at_the_end_are_kept(shell: Shell, server: Echoing, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    server.before = lambda _: (tmp_path / "there").rmdir() if (tmp_path / "there").exists() else None
    result = shell("batch", "r.jsonl", "--name", "four", "--at-once", "1", "--out", "there/o.jsonl")
    assert (result.exit_code, result.stderr.strip()) == (
        1,
        (
            "The answers could not be written to there/o.jsonl: No such file or directory. They are kept: free some space, "
            "or name another file, and write them with: greenai batch --resume four --out there/o.jsonl"
        ),
    )


def test_some_that_fail_make_1(shell: Shell, server: Echoing) -> None:
    server.failing = {"Write 2": 400}
    result = shell("batch", "r.jsonl")
    assert result.exit_code == 1
    failed = lines(result.stdout)[2]
    assert failed["error"]["code"] == "code_400"
    assert failed["response"]["status_code"] == 400
    assert failed["response"]["body"]["error"]["code"] == "code_400"
    assert failed["greenai"] is None
    assert result.stderr.startswith("4 requests: 3 answered, 1 failed.")


def test_json_holds_answers_and_receipt(shell: Shell, server: Echoing) -> None:
    whole = shell.json("batch", "r.jsonl", "--name", "four", "--at-once", "2")
    assert (whole["name"], whole["receipt"]["answered"], len(whole["answers"])) == ("four", 4, 4)


def test_explain_says_what_it_would_do_and_does_nothing(shell: Shell, server: Echoing, tmp_path: Path) -> None:
    result = shell("batch", "r.jsonl", "--explain")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0].endswith("4 requests. 4 to be asked.")
    plan = shell.json("batch", "r.jsonl", "--explain", "--by", "2h")
    assert (plan["left"], plan["backend"], plan["at_once"]) == (4, "calls", 8)
    assert server.asked == []


def test_a_pause_makes_3_and_prints_how_to_go_on(shell: Shell, server: Echoing) -> None:
    server.failing = {f"Write {n}": 401 for n in range(4)}
    result = shell("batch", "r.jsonl", "--name", "four", "--at-once", "1")
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "The batch four is paused, 0 of 4 done (AuthenticationError): " in result.stderr
    assert "Resume it with: greenai batch --resume four" in result.stderr
    told = json.loads(shell("batch", "--resume", "four", "--json").stdout)["error"]
    assert (told["type"], told["name"], told["done"], told["of"]) == ("BatchPaused", "four", 0, 4)
    server.failing = {}
    assert shell("batch", "--resume", "four").exit_code == 0


def test_ctrl_c_makes_130_and_prints_how_to_go_on(shell: Shell, server: Echoing) -> None:
    def pressed(text: str) -> None:
        if text == "Write 1":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(3 * calls_lane._LOOK_S)  # an answer that takes a while

    server.before = pressed
    result = shell("batch", "r.jsonl", "--name", "four", "--at-once", "1", "--out", "my answers.jsonl")
    assert (result.exit_code, result.stdout) == (130, "")
    stopping, stopped = result.stderr.splitlines()
    assert stopping.endswith("; stopping; Ctrl-C again does not wait")
    line = "greenai batch --resume four --out 'my answers.jsonl'"
    assert stopped == f"Stopped. What was answered is kept; go on with: {line}"
    server.before = None
    assert shell("batch", "--resume", "four").exit_code == 0
    assert server.counts() == {f"Write {n}": 1 for n in range(4)}


def test_why_some_failed_is_said_beside_the_sum(
    shell: Shell, server: Echoing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.failing = {"Write 1": 422, "Write 2": 400, "Write 3": 400}
    result = shell("batch", "r.jsonl", "--out", "o.jsonl")
    said = [line for line in result.stdout.splitlines() if line.startswith("Failed: ")]
    assert [line.partition(": ")[2].partition(":")[0] for line in said] == [
        "2 with code_400, such as",
        "1 with code_422",
    ]
    messages = [line["error"] and line["error"]["message"] for line in lines((tmp_path / "o.jsonl").read_text())]
    assert said[0].endswith(f": {messages[2]}")
    monkeypatch.setattr(command, "REASONS", 1)
    assert shell("batch", "r.jsonl").stderr.splitlines()[-1] == "Failed: 1 in other ways."


def test_repeats_are_told_in_the_list(shell: Shell, server: Echoing, tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text('"Write 1"\n"Write 1"\n')
    shell("batch", "r.jsonl", "--name", "two")
    assert shell("batch", "--list").stdout.startswith("two  1 of 1 (2 requests)  done  begun 20")


def test_jobs_are_listed_and_forgotten(shell: Shell, server: Echoing) -> None:
    assert shell("batch", "--list").stdout == (
        "No batch was begun on this machine. Begin one with: greenai batch requests.jsonl\n"
    )
    server.failing = {"Write 2": 400, "Write 3": 500}
    shell("batch", "r.jsonl", "--name", "four")
    assert shell("batch", "--list").stdout.startswith("four  3 of 4, 2 failed  1 left  begun 20")
    (row,) = shell.json("batch", "--list")["jobs"]
    assert (row["requests"], row["items"], row["answered"], row["failed"], row["left"]) == (4, 4, 2, 2, 1)
    forgotten = shell("batch", "--forget", "four")
    assert forgotten.stdout == "The batch four is forgotten: its prompts and answers.\n"
    assert shell.error("batch", "--resume", "four")[0] == "BatchError"


def test_a_damaged_job_hides_no_other(shell: Shell, server: Echoing, tmp_path: Path) -> None:
    shell("batch", "r.jsonl", "--name", "four")
    (tmp_path / "greenai-state" / "batches" / "bad.db").write_bytes(b"no database" * 100)
    bad, four = shell("batch", "--list").stdout.splitlines()
    assert bad.startswith("bad  The batch journal ")
    assert "is damaged (file is not a database)" in bad
    assert four.startswith("four  4 of 4  done  begun 20")


@pytest.mark.parametrize("wrong", [(), ("r.jsonl", "--list"), ("--resume", "a", "--forget", "a")])
def test_one_thing_at_a_time(shell: Shell, wrong: tuple[str, ...]) -> None:
    result = shell("batch", *wrong)
    assert result.exit_code == 2
    assert "Pass one of these: a file of requests, --list, --resume NAME, --forget NAME." in result.stderr
