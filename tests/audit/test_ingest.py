"""A log into the store: all of it, in the order of its lines, from where it stopped, with any number of processes."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from greenai.audit import ingest as ingesting
from greenai.audit.duck import connected
from greenai.audit.ingest import ingest
from greenai.audit.reading import opened
from greenai.audit.run import Options, audit
from greenai.audit.skeleton import constant
from greenai.audit.store import Store, working
from greenai.audit.terminal import parts, screen
from greenai.audit.to_json import to_json
from greenai.errors import LogUnreadable


def call(number: int, text: str, **body: Any) -> dict[str, Any]:
    request = {"model": "gpt-5.5", "messages": [{"role": "user", "content": text}], **body}
    reply = {
        "id": f"c{number}",
        "object": "chat.completion",
        "model": "gpt-5.5",
        "choices": [{"message": {"role": "assistant", "content": "Paris."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 2},
    }
    return {"created": 1_763_800_000 + number, "project": "p", "request": request, "response": reply}


def write(path: Path, calls: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in calls))
    return path


def everything(store: Store) -> list[tuple[Any, ...]]:
    return store.sql("SELECT * FROM calls ORDER BY source, position, part")


def test_a_call_is_a_row_of_numbers_and_digests(tmp_path: Path) -> None:
    log = write(tmp_path / "a.jsonl", [call(0, "Where is Ada?"), call(1, "Where is Ada?"), call(2, "Where is Bo?")])
    with working() as store:
        (source,) = ingest(opened(log), store)
        assert (source.rows, source.malformed_count, source.format) == (3, 0, "openai")
        rows = store.sql(
            "SELECT position, exact, answer, input_tokens, prompt_chars, model FROM calls ORDER BY position"
        )
        assert [row[0] for row in rows] == [1, 2, 3]
        assert rows[0][1] == rows[1][1] != rows[2][1]
        assert rows[0][2:] == (rows[1][2], 10, 13, "gpt-5.5")
        assert not any("Ada" in str(value) for row in everything(store) for value in row)


def test_texts_are_read_in_the_log_again(tmp_path: Path) -> None:
    log = write(tmp_path / "a.jsonl", [call(number, f"Where is {number}?") for number in range(2_500)])
    with working() as store:
        ingest(opened(log), store)
        found = dict(store.texts([(0, 1, 0), (0, 2_400, 0), (0, 9_999, 0)]))
    assert {key: read.messages[0]["content"] for key, read in found.items() if read.messages} == {
        (0, 1, 0): "Where is 0?",
        (0, 2_400, 0): "Where is 2399?",
    }


def test_processes_make_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = write(tmp_path / "a.jsonl", [call(number, f"Where is {number % 70}?") for number in range(2_200)])
    with working() as store:
        ingest(opened(log), store)
        here = everything(store)
    monkeypatch.setattr(ingesting, "WORTH_WORKERS", 0)
    with working() as store:
        ingest(opened(log), store, workers=2)
        assert everything(store) == here


def test_an_audit_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingesting, "COMMIT", 1_000)
    log = write(tmp_path / "a.jsonl", [call(number, f"Where is {number}?") for number in range(3_500)])
    log.write_text(log.read_text() + '{"torn')
    with working() as store:
        told = ingest(opened(log), store)
        whole = everything(store)
    seen: list[int] = []

    def stop(done: int, of: int, calls: int) -> None:
        seen.append(calls)
        if calls >= 2_000:
            raise KeyboardInterrupt

    folder = tmp_path / "work"
    with pytest.raises(KeyboardInterrupt), working(folder) as store:
        ingest(opened(log), store, moved=stop)
    assert seen == [1_000, 2_000]
    with working(folder) as store:
        again: list[int] = []
        assert ingest(opened(log), store, moved=lambda done, of, calls: again.append(calls)) == told
        assert everything(store) == whole
        assert again == [3_000, 3_500]
    assert stat.S_IMODE((folder / "audit.duckdb").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_log_of_another_format_than_the_one_named_is_refused(tmp_path: Path) -> None:
    log = write(tmp_path / "a.jsonl", [call(number, "Where is Ada?") for number in range(3)])
    for _ in range(2):  # the second time it was read before
        with working(tmp_path / "work") as store, pytest.raises(LogUnreadable) as told:
            ingest(opened(log, "langsmith"), store)
        assert str(told.value) == (
            f"None of the 3 records of {log} is a call as langsmith writes it. The first: a.jsonl:1: "
            'no "run_type". It looks like openai (records with a request and its answer in openai\'s shape): leave '
            "--format out."
        )


def test_the_progress_is_told_while_no_transaction_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingesting, "TOLD_S", 0.0)
    log = write(tmp_path / "a.jsonl", [call(number, f"Where is {number}?") for number in range(3_500)])
    seen: list[tuple[int, int]] = []
    with working() as store:
        ingest(opened(log), store, moved=lambda done, of, calls: seen.append((done, calls)))
    assert [calls for _, calls in seen] == [1_000, 2_000, 3_000, 3_500, 3_500]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[0][0] > 0


def test_a_finished_audit_is_not_read_again_and_what_was_added_is(tmp_path: Path) -> None:
    log = write(tmp_path / "a.jsonl", [call(number, f"Where is {number}?") for number in range(30)])
    folder = tmp_path / "work"
    with working(folder) as store:
        ingest(opened(log), store)
    with log.open("a") as file:
        file.write(json.dumps(call(30, "And Bo?")) + "\n")
    with working(folder) as store:
        (source,) = ingest(opened(log), store)
        assert source.rows == 31
        assert store.sql("SELECT count(*), count(DISTINCT position) FROM calls") == [(31, 31)]


def test_a_line_that_was_being_written_is_read_again_when_it_is_whole(tmp_path: Path) -> None:
    lines = [json.dumps({**call(number, "Where is it?"), "note": "x" * 4000}) for number in range(40)]
    log, folder = tmp_path / "a.jsonl", tmp_path / "work"
    log.write_text("\n".join([*lines[:30], lines[30][:100]]))
    with working(folder) as store:
        (before,) = ingest(opened(log), store)
    assert (before.rows, before.malformed_count) == (30, 1)
    log.write_text("\n".join(lines) + "\n")
    with working(folder) as store:
        (after,) = ingest(opened(log), store)
        assert store.sql("SELECT count(*), count(DISTINCT position) FROM calls") == [(40, 40)]
    assert (after.rows, after.malformed_count, after.malformed) == (40, 0, ())


def test_a_database_that_was_written_to_is_read_anew(tmp_path: Path) -> None:
    folder, asked = tmp_path / "work", "INSERT INTO responses (id, model, prompt, response) VALUES (?, 'm', 'a', 'b')"
    with closing(sqlite3.connect(tmp_path / "logs.db")) as database:
        database.execute("PRAGMA journal_mode = wal")
        database.execute("CREATE TABLE _llm_migrations (name)")
        database.execute("CREATE TABLE responses (id, model, prompt, response)")
        for count in (1, 2):
            database.execute(asked, (str(count),))
            database.commit()
            with working(folder) as store:
                (source,) = ingest(opened(tmp_path / "logs.db"), store)
                assert store.sql("SELECT count(*) FROM calls") == [(count,)]
            assert source.rows == count


def test_what_stands_in_two_exports_is_counted_once(tmp_path: Path) -> None:
    every = [{**call(number, f"Where is {number}?"), "id": f"c{number}"} for number in range(45)]
    again = {**every[44], "created": every[44]["created"] + 1}
    write(tmp_path / "a.jsonl", every[:30])
    write(tmp_path / "b.jsonl", [*every[15:], again])
    audited = audit([tmp_path], Options())
    assert [source.rows for source in audited.sources] == [30, 31]
    assert (audited.finding.whole.calls, audited.twice) == (46, 15)
    assert to_json(audited)["twice"] == 15
    console = Console(width=100)
    with console.capture() as said:
        for part in (*screen(audited), *parts(audited, "files")):
            console.print(part)
    assert said.get().startswith("46 calls in 2 files, 2025-11-22; 15 more stand there again.")
    assert "15 records of calls that stand in it before: each call is counted once." in said.get()


def test_records_without_an_id_or_a_moment_are_all_calls(tmp_path: Path) -> None:
    same = call(1, "Where is it?")
    del same["response"]["id"]
    timeless = {name: value for name, value in same.items() if name != "created"} | {"id": "c1"}
    with working() as store:
        ingest(opened(write(tmp_path / "a.jsonl", [same, same, timeless, timeless])), store)
        assert store.sql("SELECT count(*) FROM calls") == [(4,)]


def test_all_that_is_written_beside_the_store_is_its_owners(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    before = os.umask(0o022)
    try:
        with working(tmp_path) as store:
            ingest(opened(write(tmp_path / "a.jsonl", [call(1, "Where is it?")])), store)
            store.sql("CREATE TABLE more AS SELECT range AS n FROM range(1000)")
            files = [file for file in tmp_path.iterdir() if file.name.startswith("audit.duckdb")]
            assert len(files) == 2
            assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


def test_a_disk_that_is_full_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    with pytest.raises(LogUnreadable) as told, working(folder) as store:
        store.sql("SELECT error('IO Error: No space left on device\nmore')")
    assert str(told.value) == (
        f"The work of the audit failed in {folder}: Invalid Input Error: IO Error: No space left on device Where the "
        "disk is full, make room or name a folder on another one with --work."
    )


def test_a_folder_of_other_files_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    with working(folder) as store:
        ingest(opened(write(tmp_path / "a.jsonl", [call(0, "A?")])), store)
    other = opened(write(tmp_path / "b.jsonl", [call(0, "B?")]))
    with working(folder) as store, pytest.raises(LogUnreadable) as told:
        ingest(other, store)
    assert str(told.value) == (
        f"{folder} holds the audit of other files ({tmp_path / 'a.jsonl'}). Name another folder with --work, or remove "
        "that one."
    )


def test_a_folder_that_is_none_or_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LogUnreadable) as refused, working(tmp_path / "file"):
        pass
    assert str(refused.value) == (
        f"{tmp_path / 'file'} cannot be a folder for the work (File exists). Name another one with --work."
    )
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "audit.duckdb").write_text("no database")
    with (
        pytest.raises(LogUnreadable, match=r"cannot be opened: .* Where no other audit works in"),
        working(tmp_path / "damaged"),
    ):
        pass
    (tmp_path / "other").mkdir()
    with connected(tmp_path / "other" / "audit.duckdb") as other:
        other.execute("CREATE TABLE something (of INTEGER)")
    with pytest.raises(LogUnreadable, match="was made by another version of greenai"), working(tmp_path / "other"):
        pass


def test_templates_are_where_prompts_gather(tmp_path: Path) -> None:
    words = ["tea", "milk", "salt", "bread", "ink", "glass", "wool"]
    asked = [f"Translate this into French: {words[n % 7]} {words[n % 5]} {n}" for n in range(210)]
    asked += [f"{words[n % 7]} parcel {n} {words[n % 5]}\n\nAnswer with one word, good or bad." for n in range(210)]
    asked += [f"{words[n % 7]} {words[n // 7 % 7]} {words[n // 49]}?" for n in range(210)]
    asked += ["When do you open on a Sunday?"] * 210  # one prompt again and again is a repeat, no template
    log = write(tmp_path / "a.jsonl", [call(number, text) for number, text in enumerate(asked)])
    with working() as store:
        ingest(opened(log), store)
        found = store.sql("SELECT position, template, depth FROM templates ORDER BY position")
    groups = [{template for _, template, _ in found[begin : begin + 210]} for begin in range(0, 840, 210)]
    assert [len(group) for group in groups] == [1, 1, 1, 1]
    assert len(groups[0] | groups[1] | groups[2]) == 3
    assert groups[3] == groups[2]  # what is left over of all that has no system prompt


def test_what_a_template_shares_is_shown_without_what_varies() -> None:
    texts = [
        "Translate this into French: tea for Ada",
        "Translate this into French: a glass of milk",
        "Translate this into French: ink",
    ]
    assert constant(texts) == "Translate this into French: {…}"
    assert constant(["Dear Ada, where is it?", "Dear Bo, where is it?"]) == "Dear {…} where is it?"
    assert constant(["the same"] * 3) == "the same"
    assert constant([]) == ""


KILLED = """
import os, signal, sys
from pathlib import Path
from greenai.audit import ingest as ingesting
from greenai.audit.reading import opened
from greenai.audit.store import working

if __name__ == "__main__":
    ingesting.WORTH_WORKERS, ingesting.COMMIT = 0, 1_000

    def die(done, of, calls):
        import multiprocessing
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

    with working(Path(sys.argv[2])) as store:
        ingesting.ingest(opened(sys.argv[1]), store, workers=2, moved=die)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="SIGKILL and process ids as on POSIX")
def test_after_a_kill_no_process_stays_and_the_rest_is_read(tmp_path: Path) -> None:
    log = write(tmp_path / "a.jsonl", [call(number, f"Where is {number}?") for number in range(4_500)])
    (tmp_path / "killed.py").write_text(KILLED)
    command = [sys.executable, str(tmp_path / "killed.py"), str(log), str(tmp_path / "work")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == -9, ended.stderr
    pids = [int(pid) for pid in ended.stdout.split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    with working(tmp_path / "work") as store:
        (begun,) = store.sql("SELECT count(*) FROM calls")[0]
        assert 0 < begun < 4_500
        (source,) = ingest(opened(log), store)
        assert source.rows == 4_500
        assert store.sql("SELECT count(*), count(DISTINCT position) FROM calls") == [(4_500, 4_500)]
