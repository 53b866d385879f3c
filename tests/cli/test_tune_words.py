"""What is said of a tuning, on outcomes that are made here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from greenai.cli.tune_words import found, use, verdict
from greenai.local.profiles import Profile
from greenai.settings import Settings
from greenai.tune.cells import Cell, Cells, Interval
from greenai.tune.outcome import Outcome
from greenai.tune.space import Point, Sample, Setting

DEFAULT = Point(setting=Setting(precision="float32", threads=2), batch=4)
OTHER = Point(setting=Setting(precision="int8", threads=1), batch=9)
RATIO = Interval(value=0.5, low=0.4, high=0.6)


def outcome(**changes: Any) -> Outcome:
    cells = Cells()
    for point, energy_j in ((DEFAULT, 2.0), (OTHER, 1.0)):
        cells.add(point, Sample(energy_j_per_token=energy_j, p95_s=energy_j))
    made = Outcome(
        chosen=OTHER, default=DEFAULT, best=OTHER, ratio=RATIO, ruled_out=False, ended="the winner is clear",
        measurements=2, spent_j=3600.0, cells=cells,
    )  # fmt: skip
    return replace(made, **changes)


def test_what_is_clearly_better_is_to_be_used() -> None:
    assert verdict(outcome()) == (
        "Use batch 9, int8, 1 thread: it takes 0.5 (0.4 to 0.6) times the energy per token of what runs without tuning."
    )


def test_where_what_runs_now_may_not_be_chosen_that_is_the_reason() -> None:
    dearer = Interval(value=1.5, low=1.4, high=1.6)
    assert verdict(outcome(ruled_out=True, ratio=dearer)) == (
        "Use batch 9, int8, 1 thread: what runs without tuning did not run, or does not keep --p95. It takes 1.5 (1.4 "
        "to 1.6) times the energy per token."
    )


def test_leaving_it_says_why() -> None:
    left = outcome(chosen=DEFAULT, ratio=Interval(value=0.95, low=0.85, high=1.05))
    assert verdict(left) == (
        "Leave it as it is: the best other point, batch 9, int8, 1 thread, takes 0.95 (0.85 to 1.05) times its energy, "
        "which is not clear."
    )
    assert verdict(replace(left, best=DEFAULT, ratio=None)) == (
        "Leave it as it is: nothing else that may be chosen was better."
    )
    assert verdict(replace(left, ratio=None)) == (
        "Leave it as it is: batch 9, int8, 1 thread looked better, but the budget left 0 of the 4 comparisons that it "
        "takes to say so. Raise --measurements or --budget, and go on with --resume."
    )
    assert verdict(replace(left, best=None, ratio=None, ruled_out=True)) == (
        "What runs without tuning did not run, or does not keep --p95, and nothing else that was measured does."
    )
    left.cells.of[OTHER].status = "out_of_memory"
    assert verdict(replace(left, ratio=None)) == (
        "Leave it as it is: the best other point, batch 9, int8, 1 thread, failed when it was looked at again."
    )


# --- what becomes of it -----------------------------------------------------------------------

PROFILE = Profile(
    device="CPU", model="abc", name="local/x", engine="torch", sequence_bin=128, precision="int8", batch=9, threads=1,
    energy_j_per_token=1.0, low=0.9, high=1.1, default_energy_j_per_token=2.0, p95_s=4.0, default_p95_s=0.5,
    measured="2026-11-22T10:00:00", evidence="modelled_known_deployment", method="cpu-time-2",
)  # fmt: skip


def result(told: Outcome, profile: Profile | None = PROFILE) -> Any:
    space = SimpleNamespace(size=lambda: 64)
    job = SimpleNamespace(name="local/x", space=space, options=SimpleNamespace(tokens=128))
    return SimpleNamespace(outcome=told, profile=profile, job=job, resumed=0)


def test_slower_answers_and_settings_that_stay_are_told() -> None:
    settings = Settings.model_validate({"local": {"slots": 2}})
    assert list(use(result(outcome()), settings)) == [
        "A request takes 4 s (p95) at batch 9; 500 ms at batch 4 as it is. Bound it with --p95 SECONDS.",
        "Core time does not see what the machine draws while fewer threads take longer.",
        "slots = 2 in the settings stays: take it out to run with 9.",
        "Local engines use this profile from now on. To undo: greenai tune local/x --forget",
    ]


def test_how_near_it_is_to_the_reference_is_told() -> None:
    told = outcome()
    told.cells.add(OTHER, Sample(energy_j_per_token=1.0, agreement=0.93, perplexity=1.02))
    first = next(use(result(told), Settings()))
    assert first == "93% of its tokens agree with the reference, perplexity x 1.02."


def test_the_profile_of_another_file_is_told_by_its_name() -> None:
    other = replace(PROFILE, name="local//models/x.Q8_0.gguf", p95_s=0.5, threads=2)
    told = outcome(chosen=replace(OTHER, setting=Setting(precision="Q8_0", threads=2)))
    told.cells.add(told.chosen, Sample(energy_j_per_token=1.0))
    assert list(use(result(told, other), Settings())) == [
        "A request takes 500 ms (p95) at batch 9; 500 ms at batch 4 as it is.",
        "These are other weights: name local//models/x.Q8_0.gguf to run so. local/x runs as before.",
    ]


@pytest.mark.parametrize("changes", [{"chosen": DEFAULT}, {}])
def test_nothing_is_used_where_it_is_left_or_nothing_was_kept(changes: dict[str, Any]) -> None:
    assert list(use(result(outcome(**changes), None if not changes else PROFILE), Settings())) == []


def test_a_precision_is_told_once_for_each_reason(tmp_path: Path) -> None:
    told = outcome()
    for attention in ("eager", "sdpa"):
        point = Point(setting=Setting(precision="int4", attention=attention), batch=1)
        told.cells.of[point] = Cell(status="rejected", samples=[Sample(status="rejected", why="47% agree")])
    odd = Point(setting=Setting(precision="fp8"), batch=1)
    told.cells.of[odd] = Cell(status="rejected", samples=[Sample(status="rejected", why="unknown")])
    lines = [line for line in found(result(told, None)) if line.startswith("Rejected")]
    assert lines == ["Rejected: fp8: unknown", "Rejected: int4 in 2 settings: 47% agree"]
