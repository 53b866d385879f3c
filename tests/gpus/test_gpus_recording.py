"""Recordings: what was seen comes back, small, and a line that was cut off costs no more than itself."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from greenai.gpus import recording, synthetic
from greenai.gpus.summary import summed
from greenai.gpus.synthetic import Board, Job, Sensors, Spell
from greenai.gpus.values import GpusError, Trace


@pytest.fixture
def trace() -> Trace:
    jobs = [
        Job(pid=4711, model="local/qwen3-8b", memory_gib=20, spells=[Spell(2, 6, 50.0)]),
        Job(pid=5000, gpus=(0, 1), memory_gib=10, begin_s=3, end_s=8, spells=[Spell(4, 8, 30.0)]),
    ]
    return dataclasses.replace(synthetic.trace([Board(), Board()], jobs, seconds=20), machine="0123abcd")


def test_what_was_seen_comes_back(trace: Trace, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    recording.write(trace, path)
    assert recording.read(path) == trace
    assert json.loads(path.read_text().splitlines()[0]) == {
        "greenai_gpus": 1,
        "synthetic": True,
        "machine": "0123abcd",
        "began": 1795000000.0,
        "every_s": 1.0,
        "cards": [
            {"i": n, "uuid": f"GPU-{n}", "name": "Made-up GPU", "memory_mib": 81920, "divided": False} for n in (0, 1)
        ],
    }


def test_what_is_not_known_stays_so(tmp_path: Path) -> None:
    sensors = Sensors(counter=False, utilisation=False, by_process=False, memory=False)
    made = synthetic.trace([Board()], [Job(pid=1, spells=[Spell(0, 9, 50.0)])], seconds=9, sensors=sensors)
    look = dataclasses.replace(made.rounds[1].looks[0], processes=None, watts=None, problems={"power": "gone"})
    rounds = [made.rounds[2], dataclasses.replace(made.rounds[3], looks={0: look})]
    made = dataclasses.replace(made, rounds=rounds)
    recording.write(made, tmp_path / "a.jsonl")
    back = recording.read(tmp_path / "a.jsonl")
    assert back == made
    assert back.unread() == {"power": {0: "gone"}}


def test_a_look_takes_few_bytes(tmp_path: Path) -> None:
    path = tmp_path / "office.jsonl"
    made = synthetic.office()
    recording.write(made, path)
    assert path.stat().st_size / len(made.rounds) / len(made.cards) < 100


def test_lines_are_written_as_they_come_and_processes_once(trace: Trace, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    recorder = recording.Recorder(path)
    known = dict(trace.known)
    later = known.pop(4711)
    known[4711] = dataclasses.replace(later, model=None)
    rounds = list(trace.rounds[:4])
    growing = dataclasses.replace(trace, rounds=rounds, known=known)
    recorder(growing)
    first = path.read_text()
    assert first.count("\n") == 6  # the head, a process, four looks
    known[4711] = later  # its model came into memory
    rounds += trace.rounds[4:]
    recorder(growing)
    recorder.close()
    assert path.read_text().startswith(first)
    assert path.read_text().count('{"p":4711') == 2
    assert recording.read(path) == trace


@pytest.mark.parametrize("cut", [1, 7, 60])
def test_a_last_line_that_was_cut_off_is_left_out_and_told(trace: Trace, tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.jsonl"
    recording.write(trace, path)
    text = path.read_text().rstrip("\n")
    path.write_text(text[:-cut])
    found = recording.read(path)
    assert found.rounds == trace.rounds[:-1]
    lines = text.count("\n") + 1
    assert found.problems == (f"The last line of a.jsonl (line {lines}) was cut off and is left out.",)
    assert found.problems[0] in summed(found).notes


@pytest.mark.parametrize(
    "line",
    [
        '{"t": NaN, "g": []}',
        '{"t": 1, "g": [[0, 101, 1, 1, 1, []]]}',
        '{"t": 1, "g": [[0, 1, -5, 1, 1, []]]}',
        '{"t": 1, "g": [[0, 1]]}',
        '{"t": 0, "g": []}',
        '{"t": 1e300, "g": []}',
        '{"t": 1, "g": 5}',
        '{"p": "x"}',
        '{"why": {"power": ["a"]}}',
        "[1]",
        "\x00\xff",
    ],
)
def test_lines_that_cannot_be_read_are_left_out_and_told(trace: Trace, tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.jsonl"
    recording.write(trace, path)
    lines = path.read_text().splitlines()
    lines[3:3] = [line, line]
    path.write_text("\n".join(lines) + "\n")
    found = recording.read(path)
    assert found.rounds == trace.rounds
    assert found.problems == ("2 lines of a.jsonl cannot be read and are left out: 4, 5.",)


def test_a_file_that_is_no_recording_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    cases = {
        "": f"--replay: {path} is no recording of greenai gpus. Make one with: greenai gpus --record FILE",
        '{"a": 1}': f"--replay: {path} is no recording of greenai gpus. Make one with: greenai gpus --record FILE",
        '{"greenai_gpus": 2}': f"--replay: {path} has version 2 of recordings, and this greenai reads 1.",
        '{"greenai_gpus": 1}': f"--replay: the first line of {path} is damaged: KeyError('began'). Record it anew.",
    }
    for text, message in cases.items():
        path.write_text(text)
        with pytest.raises(GpusError) as caught:
            recording.read(path)
        assert str(caught.value) == message
    missing = tmp_path / "b.jsonl"
    with pytest.raises(GpusError) as caught:
        recording.read(missing)
    assert str(caught.value) == (
        f"--replay: {missing} cannot be read: No such file or directory. Name a file of --record."
    )


def test_two_recordings_in_one_file_are_refused(trace: Trace, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    recording.write(trace, path)
    path.write_text(path.read_text() * 2)
    with pytest.raises(GpusError) as caught:
        recording.read(path)
    assert str(caught.value) == (
        "--replay: the file has two recordings, one after the other. Give each a file of its own."
    )


def test_a_recording_is_never_written_over(trace: Trace, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("mine")
    with pytest.raises(GpusError) as caught:
        recording.write(trace, path)
    assert str(caught.value) == f"--record: {path} is there already. Choose another file, or move it away."
    assert path.read_text() == "mine"
    nowhere = tmp_path / "no" / "a.jsonl"
    with pytest.raises(GpusError) as caught:
        recording.write(trace, nowhere)
    assert str(caught.value) == (
        f"--record: {nowhere} cannot be written: No such file or directory. Choose another file."
    )
