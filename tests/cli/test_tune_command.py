"""`greenai tune`, with made-up devices in place of a bench."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from greenai.local.profiles import Profiles
from greenai.tune import run as tuning
from greenai.tune.search import Plan
from greenai.tune.synthetic import Device, device

if TYPE_CHECKING:
    from conftest import Shell  # type: ignore[attr-defined]


@dataclass
class Closed:
    made: Device
    dies_after: int = 10_000
    closed: bool = False

    def measure(self, point: object, *, short: bool) -> object:
        if self.made.measured >= self.dies_after:
            raise KeyboardInterrupt
        return self.made.measure(point, short=short)  # type: ignore[arg-type]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Closed:
    """Let every model be a made-up device."""
    made = Closed(device(1, most_batch=16))

    def job(name: str, settings: object, options: tuning.Options) -> tuning.Job:
        return tuning.Job(
            name=f"local/{name.removeprefix('local/')}",
            engine="torch",
            revision="abc",
            device="Made-up GPU",
            driver="1.0",
            space=made.made.space,
            bench=made,  # type: ignore[arg-type]
            plan=Plan(most=options.measurements or 100, budget_j=options.budget_j),
            journal=tmp_path / "tune" / "made-up.jsonl",
            head={"tokens": options.tokens},
            options=options,
        )

    monkeypatch.setattr(tuning, "job", job)
    return made


def test_it_prints_what_to_use_and_keeps_a_profile(shell: Shell, bench: Closed) -> None:
    result = shell("tune", "local/made-up", "--tokens", "64")
    assert result.exit_code == 0, result.output
    assert bench.closed
    assert "Use batch " in result.stdout
    assert "the energy per token of what runs without tuning." in result.stdout
    assert (
        "Local engines use this profile from now on. To undo: greenai tune local/made-up --forget"
        in result.stdout.replace("\n", " ")
    )
    listed = shell.json("tune", "--list")["profiles"]
    assert [(p["name"], p["sequence_bin"], p["driver"]) for p in listed] == [("local/made-up", 64, "1.0")]
    assert "local/made-up" in shell("tune", "--list").stdout
    (told,) = shell.json("doctor")["profiles"]["held"]
    assert told["used"] is False
    assert "of another device or driver, not used" in shell("doctor").stdout
    assert shell("tune", "local/made-up", "--forget").stdout == "1 profile forgotten.\n"
    assert shell("tune", "--list").stdout == "No profiles yet. Make one: greenai tune local/smollm2-135m\n"


def test_where_nobody_sees_a_bar_a_line_tells_what_is_under_way(shell: Shell, bench: Closed, tmp_path: Path) -> None:
    result = shell("tune", "made-up", "--measurements", "20", "--resume")
    assert result.stderr.splitlines() == [
        "There is nothing to resume: the search begins anew.",
        (
            "Measuring local/made-up on Made-up GPU, 20 times at most. Readings go to "
            f"{tmp_path / 'tune' / 'made-up.jsonl'}."
        ),
    ]


def test_profiles_are_listed_with_what_they_are_held_against(shell: Shell, bench: Closed) -> None:
    shell("tune", "made-up", "--tokens", "64")
    first, second = shell("tune", "--list").stdout.splitlines()
    assert first.startswith("local/made-up on Made-up GPU 1.0, to 64 tokens, 20")
    assert re.fullmatch(r"  batch \d+, \w+: [\d.]+ J/token ±\d+%; [\d.]+ without tuning", second)


def test_all_profiles_are_deleted_where_somebody_says_so(shell: Shell, bench: Closed) -> None:
    shell("tune", "made-up")
    kind, message = shell.error("tune", "--forget")
    assert kind == "InvalidRequest"
    assert message == "The only profile would be deleted, and nobody was asked. Name a model, or pass --yes."
    assert shell.json("tune", "--forget", "--yes") == {"forgotten": 1}
    assert shell.json("tune", "--forget") == {"forgotten": 0}


def test_one_reading_of_what_runs_now_makes_no_profile(shell: Shell, bench: Closed) -> None:
    told = shell.json("tune", "made-up", "--measurements", "1")
    assert (told["leave_it"], told["profile"]) == (True, None)


def test_a_model_that_runs_elsewhere_is_refused(shell: Shell) -> None:
    kind, message = shell.error("tune", "gpt-4o-mini")
    assert kind == "ModelError"
    assert message == (
        "gpt-4o-mini runs elsewhere, and tuning measures models on this machine. greenai models list shows those that "
        "are here."
    )


def test_requests_that_do_not_fit_are_refused(shell: Shell) -> None:
    kind, message = shell.error("tune", __file__, "--tokens", "100000")
    assert kind == "ModelError"
    assert message == (
        "Requests of 100000 tokens do not fit into the 4096 that a local engine takes (context_tokens of [local] in "
        "greenai.toml). Lower --tokens, or raise it."
    )


def test_json_has_every_point(shell: Shell, bench: Closed) -> None:
    told = shell.json("tune", "made-up", "--measurements", "60")
    assert told["measurements"] == 60
    assert told["grid"] == bench.made.space.size()
    assert sum(point["repeats"] for point in told["points"]) <= 60
    assert told["profile"]["engine"] == "torch"
    assert told["chosen"]["batch"] == told["profile"]["batch"]


def test_a_stopped_search_goes_on(shell: Shell, bench: Closed) -> None:
    bench.dies_after = 30
    stopped = shell("tune", "made-up")
    assert stopped.exit_code == 130
    assert stopped.stderr.splitlines()[-2] == "Stopping ..."
    assert "go on with the same options and --resume." in stopped.stderr
    bench.dies_after = 10_000
    told = shell.json("tune", "made-up", "--resume")
    assert told["resumed"] == 30
    assert told["measurements"] == bench.made.measured


def test_a_search_that_was_over_is_told_again_with_its_own_date(shell: Shell, bench: Closed, tmp_path: Path) -> None:
    first = shell.json("tune", "made-up")
    os.utime(tmp_path / "tune" / "made-up.jsonl", (1_750_000_000, 1_750_000_000))
    again = shell.json("tune", "made-up", "--resume")
    assert again["resumed"] == again["measurements"] == first["measurements"]
    assert again["profile"]["measured"] == "2025-06-15T15:06:40+00:00"


@pytest.mark.parametrize("budget", ["5 apples", "0 Wh", "5 Wh/day", "-1 Wh"])
def test_a_budget_that_is_no_amount_for_one_search_is_refused(shell: Shell, bench: Closed, budget: str) -> None:
    assert shell("tune", "made-up", f"--budget={budget}").exit_code == 2
    assert bench.made.measured == 0


def test_an_empty_text_is_refused(shell: Shell, bench: Closed, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(" \n")
    assert shell("tune", "made-up", "--text", str(tmp_path / "text.txt")).exit_code == 2
    assert bench.made.measured == 0


def test_the_journal_of_other_options_is_not_continued(shell: Shell, bench: Closed) -> None:
    shell("tune", "made-up", "--measurements", "12")
    kind, message = shell.error("tune", "made-up", "--tokens", "64", "--resume")
    assert kind == "JournalError"
    assert message.endswith(
        "is of another search: tokens differ. Give the same options, or leave out --resume to begin anew."
    )


def test_a_budget_of_energy_ends_it(shell: Shell, bench: Closed) -> None:
    told = shell.json("tune", "made-up", "--budget", "100 J")
    assert 0 < told["spent_j"] < 200  # one measurement that takes more than the mean may go over it


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_picture(shell: Shell, bench: Closed, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"tuned.{ending}"
    result = shell("tune", "made-up", "--plot", str(path))
    assert result.exit_code == 0, result.output
    assert path.stat().st_size > 10_000
    assert f"Picture: {path}" in result.stdout


def test_a_picture_that_cannot_be_written_is_refused_before_anything_is_measured(shell: Shell, bench: Closed) -> None:
    assert shell("tune", "made-up", "--plot", "tuned.gif").exit_code == 2
    assert bench.made.measured == 0


def test_a_model_must_be_named(shell: Shell) -> None:
    assert shell("tune").exit_code == 2


def test_weights_that_are_not_here(shell: Shell) -> None:
    kind, message = shell.error("tune", "local/org/repo")
    assert kind == "ModelMissing"
    assert message == (
        "The weights of local/org/repo are not on this machine. Bring them with: greenai models pull org/repo"
    )


def test_a_profile_that_cannot_be_kept_costs_nothing_else(
    shell: Shell, bench: Closed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Profiles, "keep", full)
    result = shell("tune", "made-up")
    assert result.exit_code == 0
    assert "The profile could not be kept: [Errno 28] No space left on device." in result.stderr
