"""`greenai rate`: a record, a badge and a leaderboard; records of others checked and joined."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ratings import signed, unsigned

from greenai import meters
from greenai.errors import EngineError
from greenai.rate import run as rating
from greenai.rate import shelf
from greenai.rate.target import Answer
from greenai.readings import Reading

if TYPE_CHECKING:
    from conftest import Shell

    from greenai.rate.record import Record


class Answering:
    pid = os.getpid()

    def __init__(self, *, stops_at: int | None = None) -> None:
        self.asked, self.stops_at = 0, stops_at

    def ready(self, prompts: Any) -> None:
        pass

    def ask(self, prompt: Any) -> Answer:
        self.asked += 1
        if self.asked == self.stops_at:
            raise KeyboardInterrupt
        return Answer(prompt.tokens, 10)

    def close(self) -> None:
        pass


class Window:
    def stop(self, tokens: float | None = None) -> Reading:
        return Reading(energy_j=7.2, low_j=5.0, high_j=9.0, gpu_energy_j=0.0, evidence="measured", method="scripted")


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Answering:
    """A server of another process, measured by a script: 7.2 J, so 2 mWh, a window of one prompt."""
    target = Answering()
    monkeypatch.setattr(rating, "_target", lambda *_: target)
    monkeypatch.setattr(rating, "CPU_WINDOW_S", 0.0)
    monkeypatch.setattr(meters, "window", lambda _pid, **_: Window())
    monkeypatch.setattr(meters, "device", lambda: ("Processor", ""))
    monkeypatch.setattr(rating.nvml, "named", lambda: None)
    return target


REMOTE = ("rate", "some/model", "--base-url", "http://127.0.0.1:1/v1", "--pid", "1")


def kept(path: Path, *records: Record) -> str:
    path.write_text(json.dumps({"records": [record.to_dict() for record in records]}))
    return str(path)


def test_a_rating_makes_a_record_a_badge_and_a_leaderboard(shell: Shell, answering: Answering) -> None:
    said = shell.json(*REMOTE, "--prompts", "4")
    content = said["content"]
    assert content["wh_per_1000"]["value"] == pytest.approx(2.0)
    longer = 369.139 / 293  # the mean prompt of all, of that of the first four
    assert (content["wh_per_1000"]["low"], content["wh_per_1000"]["high"]) == pytest.approx((2 * 5 / 7.2, 2.5 * longer))
    assert (len(content["runs"]), content["boundary"], content["prompts"]["count"]) == (3, "cpu", 4)
    assert (content["stars"]["grade"], content["public_board"]["stars"]) == (5, None)
    assert content["public_board"]["why_not"][0] == "CPU energy, not a GPU's"
    record, badge, board = (Path(said["files"][key]) for key in ("record", "badge", "leaderboard"))
    assert badge.read_text().startswith("<svg")
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (record.parent, record.parent.parent)} == {0o700}
    assert "some/model" in board.read_text()
    assert "some/model" in board.with_suffix(".html").read_text()
    checked = shell.json("rate", "--verify", str(record))
    assert checked["records"] == [{"id": content["id"], "check": "signed", "key": said["signature"]["key"]}]


def test_a_rating_in_words(shell: Shell, answering: Answering) -> None:
    lines = shell(*REMOTE, "--prompts", "4", "--runs", "1").stdout.splitlines()
    assert lines[:4] == [
        "some/model on Processor: 2 Wh per 1,000 queries (no interval: one run).",
        "CPU energy, no GPU; reasoning off, batch 1; 1 run of 4 prompts, 293 tokens on average, answers of 10.0.",
        "Meter: scripted (measured).",
        "Stars (greenai-stars-1): not rated: no interval.",
    ]
    assert lines[4] == "Public board: does not compare (edition 2025-02)."


def test_ctrl_c_keeps_what_was_measured_and_resume_goes_on(
    shell: Shell, answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rating, "_target", lambda *_: Answering(stops_at=7))
    stopped = shell(*REMOTE, "--prompts", "4", "--runs", "2")
    assert stopped.exit_code == 130
    assert stopped.stderr.strip() == ("Stopped. What was measured is kept; go on with the same options and --resume.")
    monkeypatch.setattr(rating, "_target", lambda *_: answering)
    said = shell.json(*REMOTE, "--prompts", "4", "--runs", "2", "--resume")
    assert (said["resumed"], answering.asked) == (5, 1 + 3)


def test_what_cannot_be_rated_is_refused_with_the_next_step(shell: Shell) -> None:
    assert shell.error("rate", "m", "--base-url", "http://127.0.0.1:1/v1") == (
        "EngineError",
        (
            "Which process serves http://127.0.0.1:1/v1 is not known, so its energy cannot be measured. Name it with "
            "--pid, on the machine that it runs on: pgrep -f vllm, for example."
        ),
    )
    assert shell.error("rate", "smollm2-135m")[0] == "ModelMissing"
    assert shell.error("rate", "local/smollm2-135m") == (
        "ModelMissing",
        "The weights of local/smollm2-135m are not on this machine. Bring them with: greenai models pull smollm2-135m",
    )
    assert shell.error("rate", "gpt-5.5") == (
        "ModelError",
        (
            "gpt-5.5 is answered by a provider, whose energy no meter here sees; greenai rate measures what runs on this "
            "machine. Name a model of it, such as local/smollm2-135m. Estimates of others: greenai models --sort energy"
        ),
    )
    assert shell.error("rate", "--verify", "nope.json") == (
        "RecordError", "There is no file nope.json. Name one that greenai rate wrote."
    )  # fmt: skip
    assert shell.error("rate", "--verify", "/") == (
        "RecordError", "/ cannot be read: Is a directory. Name a file that greenai rate wrote."
    )  # fmt: skip
    for wrong in (("rate",), ("rate", "m", "--batch", "4"), ("rate", "--merge", "x.json"), ("rate", "a", "b")):
        assert shell(*wrong).exit_code == 2


def test_the_best_batch_of_somebody_elses_server_is_not_known(shell: Shell) -> None:
    assert shell.error(*REMOTE, "--served") == (
        "EngineError", "The best batch of http://127.0.0.1:1/v1 is not known here. Name one with --batch."
    )  # fmt: skip


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_measured(
    shell: Shell, answering: Answering, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    kind, said = shell.error(*REMOTE, "--prompts", "4", "--out", str(tmp_path / "file"))
    assert (kind, answering.asked) == ("RecordError", 0)
    assert said.startswith(f"Ratings cannot be written to {tmp_path / 'file'}: ")
    assert said.endswith(". Free it, or name another folder with --out.")


def test_a_record_that_cannot_be_kept_is_made_again_from_what_was_measured(
    shell: Shell, answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk may be full after hours: --resume then asks nothing but to warm up."""

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    arguments = (*REMOTE, "--prompts", "4", "--runs", "2")
    with monkeypatch.context() as patched:
        patched.setattr(shelf.Shelf, "check", lambda _: None)
        patched.setattr(shelf, "write", full)
        assert "No space left on device" in shell.error(*arguments)[1]
    answering.asked = 0
    assert (shell.json(*arguments, "--resume")["resumed"], answering.asked) == (8, 1)


def test_a_server_that_fails_on_the_way_leaves_what_was_measured(
    shell: Shell, answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = answering.ask

    def fails(prompt: Any) -> Answer:
        if answering.asked == 4:
            raise EngineError("answered 503")
        return ask(prompt)

    monkeypatch.setattr(answering, "ask", fails)
    result = shell(*REMOTE, "--prompts", "4")
    assert result.exit_code == 1
    assert result.stderr.split() == (
        [
            "answered",
            "503",
            "What",
            "was",
            "measured",
            "is",
            "kept;",
            "go",
            "on",
            "with",
            "the",
            "same",
            "options",
            "and",
            "--resume.",
        ]
    )


def test_resuming_nothing_is_told(shell: Shell, answering: Answering) -> None:
    said = shell(*REMOTE, "--prompts", "4", "--resume").stdout
    assert "There was nothing to go on with: no rating with these options was stopped. It was begun anew." in said


def test_the_record_says_all_that_differs_from_the_public_method(shell: Shell, answering: Answering) -> None:
    content = shell.json(*REMOTE, "--prompts", "4")["content"]
    assert content["deviations"] == [
        "CPU energy, not a GPU's",
        "measured on Processor, not on an H100 80GB",
        "4 prompts, not 1,000",
        "prompts of 293 tokens on average, not 369",
        "weights in an unknown precision, not in 16 bits",
        "run by server, not by transformers",
        "3 runs, not 10",
        "prompts sent as chat messages, in the model's template",
        "prompts of greenai's own, with the public ones' number and tokens but not their texts",
    ]


def test_a_changed_record_is_told_and_exits_with_one(shell: Shell, tmp_path: Path) -> None:
    record = signed(tmp_path / "key")
    row = json.dumps(record.to_dict()).replace('"value": 2.0', '"value": 1.6')
    (tmp_path / "a.json").write_text(row)
    result = shell("rate", "--verify", str(tmp_path / "a.json"))
    assert (result.exit_code, result.stdout) == (
        1, f"{record.id}: changed after it was written, or signed wrongly\n"
    )  # fmt: skip


def test_merging_joins_files_and_tells_what_is_kept_apart(shell: Shell, tmp_path: Path) -> None:
    a = kept(tmp_path / "a.json", unsigned(1), unsigned(2, wh=1.6))
    b = kept(tmp_path / "b.json", unsigned(1, wh=2.2), unsigned(3, wh=2.4))
    out = str(tmp_path / "all.json")
    assert shell("rate", "--merge", a, b, "--out", out).stdout.splitlines() == [
        "CPU energy, no GPU; reasoning off, batch 1",
        "  local/some-model  1.6 Wh (1.5 to 2.5 Wh)  5 of 5 stars  AMD EPYC  2026-11-22",
        "  local/some-model  2.4 Wh (1.5 to 2.5 Wh)  5 of 5 stars  AMD EPYC  2026-11-22",
        f"Kept apart: {1:032x}: 2 records with this id differ",
        f"Kept apart: {1:032x}: 2 records with this id differ",
        f"2 ratings, 2 kept apart. Written: {out}",
    ]
    again = shell.json("rate", "--merge", out, a, b, out, "--out", str(tmp_path / "again.json"))
    assert len(again["shown"]) == 2
    assert (tmp_path / "again.json").read_bytes() == Path(out).read_bytes()


def test_the_board_shows_ratings_of_here_and_of_files_and_tells_damaged_ones(shell: Shell, tmp_path: Path) -> None:
    given = kept(tmp_path / "a.json", unsigned(1))
    folder = Path(os.environ["GREENAI_STATE_DIR"]) / "rate" / "records"
    folder.mkdir(parents=True)
    kept(folder / "b.json", unsigned(2))
    (folder / "c.json").write_text("{")
    result = shell("rate", "--board", given)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].startswith("2 ratings, 0 kept apart. Leaderboard: ")
    assert f"{folder / 'c.json'} cannot be read as JSON" in result.stderr


@pytest.mark.needs_weights
def test_the_embedded_model_is_rated(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GREENAI_WEIGHTS_DIR")
    content = shell.json("rate", "local/smollm2-135m", "--prompts", "2", "--runs", "2")["content"]
    assert (content["output_tokens"]["mean"], content["boundary"]) == (10.0, "cpu")
    assert content["prompts"]["mean_tokens"] == pytest.approx((29 + 360) / 2)
    assert content["wh_per_1000"]["low"] < content["wh_per_1000"]["value"] < content["wh_per_1000"]["high"]
