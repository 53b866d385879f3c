from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from greenai.tune.journal import Journal, Journaled, JournalError, read
from greenai.tune.search import Outcome, Plan, Search
from greenai.tune.space import Point, Sample, Setting
from greenai.tune.synthetic import Device, device
from greenai.tune.traces import Trace, load

HEAD = {"version": 1, "model": "local/made-up"}


@dataclass
class Counting:
    """A made-up device that dies after so many measurements."""

    made: Device
    dies_after: int = 10_000
    measured: list[Point] = field(default_factory=list)

    def measure(self, point: Point, *, short: bool) -> Sample:
        if len(self.measured) >= self.dies_after:
            raise KeyboardInterrupt
        self.measured.append(point)
        return self.made.measure(point, short=short)


def searched(bench: Counting, path: Path, *, resume: bool) -> Outcome:
    with closing(Journal(path=path, head=HEAD)) as journal:
        journal.begin(resume=resume)
        return Search(
            space=bench.made.space, bench=Journaled(bench=bench, journal=journal), plan=Plan(seed=1, most=300)
        ).run()


def test_a_search_that_was_stopped_goes_on_where_it_was_and_ends_the_same(tmp_path: Path) -> None:
    whole = searched(Counting(device(1)), tmp_path / "whole.jsonl", resume=False)
    path, first = tmp_path / "tune" / "cut.jsonl", Counting(device(1), dies_after=100)
    with pytest.raises(KeyboardInterrupt):
        searched(first, path, resume=False)
    second = Counting(first.made)
    again = searched(second, path, resume=True)
    assert again.chosen == whole.chosen
    assert again.measurements == whole.measurements
    assert len(first.measured) + len(second.measured) == whole.measurements


def test_a_crash_loses_the_line_that_was_being_written_at_most(tmp_path: Path) -> None:
    path, bench = tmp_path / "cut.jsonl", Counting(device(1), dies_after=50)
    with pytest.raises(KeyboardInterrupt):
        searched(bench, path, resume=False)
    path.write_text(path.read_text()[:-7])
    with closing(Journal(path=path, head=HEAD)) as journal:
        assert journal.begin(resume=True) == 49
        journal.add(bench.measured[0], Sample(energy_j_per_token=1.0))
    assert len(read(path)[1]) == 50


def test_a_journal_of_another_search_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with closing(Journal(path=path, head=HEAD)) as journal:
        journal.begin(resume=False)
    with closing(Journal(path=path, head=HEAD | {"tokens": 64})) as journal, pytest.raises(JournalError) as refused:
        journal.begin(resume=True)
    assert str(refused.value) == (
        f"The journal {path} is of another search: tokens differ. Give the same options, or leave out --resume to "
        "begin anew."
    )


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    path.write_text("hello\n")
    with pytest.raises(JournalError) as refused:
        Journal(path=path, head=HEAD).begin(resume=True)
    assert str(refused.value) == f"{path} is no journal of greenai tune. Leave out --resume to begin anew."


def test_what_makes_no_sense_in_a_journal_is_left_out(tmp_path: Path) -> None:
    path, point = tmp_path / "j.jsonl", Point(setting=Setting(precision="int8"), batch=2)
    with closing(Journal(path=path, head=HEAD)) as journal:
        journal.begin(resume=False)
        journal.add(point, Sample(energy_j_per_token=1.0))
    odd = b'{"point": {"precision": "x"}}\n{"point": {}, "sample": {}}\n7\n\xff\x00\n{"sample": {"of": "later"}}\n'
    path.write_bytes(path.read_bytes() + odd)
    assert [row[0] for row in read(path)[1]] == [point]
    with closing(Journal(path=path, head=HEAD)) as journal:
        assert journal.begin(resume=True) == 1


def test_a_full_disk_is_told_and_leaves_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, point = tmp_path / "j.jsonl", Point(setting=Setting(precision="int8"), batch=2)
    with closing(Journal(path=path, head=HEAD)) as journal:
        journal.begin(resume=False)
        journal.add(point, Sample(energy_j_per_token=1.0))

    path.write_text(path.read_text() + '{"point": {')

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with closing(Journal(path=path, head=HEAD)) as journal, pytest.raises(JournalError) as refused:
        journal.begin(resume=True)
    assert str(refused.value) == (
        f"The journal {path} cannot be written: [Errno 28] No space left on device. Make room, or set "
        "GREENAI_STATE_DIR to another folder; then go on with --resume."
    )
    assert len(read(path)[1]) == 1
    path.unlink()
    path.mkdir()
    with pytest.raises(JournalError):
        journal.add(point, Sample(energy_j_per_token=1.0))


def test_two_searches_of_one_model_do_not_run_at_once(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with closing(Journal(path=path, head=HEAD)) as first:
        first.begin(resume=False)
        with pytest.raises(JournalError) as refused:
            Journal(path=path, head=HEAD).begin(resume=True)
    assert str(refused.value) == (
        f"Another greenai tune of this model is at {path}, and two at once would measure each other. Wait for it, or "
        "stop it."
    )
    with closing(Journal(path=path, head=HEAD)) as second:
        assert second.begin(resume=True) == 0


def test_without_resume_it_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with closing(Journal(path=path, head=HEAD)) as journal:
        journal.begin(resume=False)
        journal.add(Point(setting=Setting(precision="int8"), batch=2), Sample(energy_j_per_token=1.0))
    with closing(Journal(path=path, head=HEAD)) as journal:
        assert journal.begin(resume=False) == 0
    assert read(path) == (HEAD, [])
    assert len(read(path.with_suffix(".before"))[1]) == 1  # --resume may have been forgotten


# --- the same file as a recorded sweep --------------------------------------------------------


def test_a_recorded_sweep_stands_in_for_the_device(tmp_path: Path) -> None:
    made = device(5, most_batch=32)
    journal = Journal(path=tmp_path / "sweep.jsonl", head=HEAD)
    journal.begin(resume=False)
    for point in made.points():
        for _ in range(3):
            journal.add(point, made.measure(point))
    trace = load(journal.path)
    space = trace.space(made.space.default, most_p95_s=made.space.most_p95_s)
    assert space.size() == made.space.size()
    outcome = Search(space=space, bench=trace, plan=Plan(seed=5)).run()
    assert outcome.measurements == trace.asked <= space.size() / 3
    assert made.energy_j(outcome.chosen) <= 1.03 * made.energy_j(made.best())


def test_a_trace_repeats_its_samples_in_turn_and_says_what_it_does_not_have() -> None:
    point = Point(setting=Setting(precision="int8"), batch=2)
    trace = Trace.of([(point, Sample(energy_j_per_token=e)) for e in (1.0, 2.0)])
    assert [trace.measure(point).energy_j_per_token for _ in range(5)] == [1.0, 2.0, 1.0, 2.0, 1.0]
    missing = trace.measure(Point(setting=Setting(precision="int8"), batch=3))
    assert (missing.status, missing.why) == ("rejected", "not in the recording")
