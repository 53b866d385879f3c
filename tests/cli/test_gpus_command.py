"""`greenai gpus`, on recordings, and on a double of NVML."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from greenai.cli import gpus_picture
from greenai.gpus import recording, sampler, synthetic
from greenai.gpus.projects import Calls, Span, ordered
from greenai.gpus.summary import summed
from greenai.gpus.synthetic import Board, Job, Sensors, Spell
from greenai.store import schema
from greenai.store.ledger_db import LedgerDb

if TYPE_CHECKING:
    from conftest import Shell  # type: ignore[attr-defined]

command = importlib.import_module("greenai.cli.gpus")  # of the package it is the function
HALF = [Spell(2, 6, 50.0)]
REPLAY_ALONE = "--replay watches nothing, so it goes without --for, --every, --record and --watch."


@pytest.fixture
def office(tmp_path: Path) -> Path:
    path = tmp_path / "office.jsonl"
    recording.write(synthetic.office(), path)
    return path


def test_a_recording_is_told_in_tables(shell: Shell, office: Path) -> None:
    result = shell("gpus", "--replay", str(office))
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == (
        "10 min, 301 looks, 4 GPUs: 105 Wh (99.4 to 110 Wh). 40% of it while nobody used the GPU (41.8 Wh)."
    )
    for line in (
        "2 Made-up GPU 80 GB 3% 19% of 85.9 GB 19.3 Wh 15.9 Wh 562 mWh 2.81 Wh 60 W / 100 W",
        "3 Made-up GPU 24 GB 0% 0% of 25.8 GB 2.5 Wh 2.5 Wh 0 Wh 0 Wh 15 W",
        "4711 greenai-worker (local/qwen3-8b) 0 19.3 GB 21.2 Wh 20.3% 20.2 to 22.3 Wh",
        "not through greenai 31.1 Wh 29.7% 29.5 to 32.6 Wh",
        "at rest while used 10.5 Wh 10.0% 9.94 to 11 Wh",
        "idle: nobody used it 41.8 Wh 40.0% 39.7 to 43.9 Wh",
        "The same work on fewer of 3 Made-up GPU 80 GB, seen 102 Wh:",
        "on 2: 85.7 to 95.7 Wh, 6% to 16% less; GPU 2 released; 5151 from GPU 2 to 1; 5150 from GPU 2 to 0.",
        "on 1: does not fit: process 5150 of GPU 2: utilisation would be 150%, above 90%.",
        "On fewer: there is one Made-up GPU 24 GB, and models of GPU are not taken for each other.",
        "Note: This is a synthetic recording: no GPU was measured.",
    ):
        assert line in lines


def test_a_narrow_terminal_cuts_no_figure(shell: Shell, office: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = shell("gpus", "--replay", str(office)).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("\N{HORIZONTAL ELLIPSIS}" in line for line in lines)
    figures = [line.split() for line in lines if line.startswith(" 2 Made-up")]
    assert "562 mWh" in " ".join(figures[0])
    assert "  5150 from GPU 2 to 0." in [line.rstrip() for line in lines]


@pytest.mark.parametrize(("kept", "said"), [(1, "has 0 looks"), (2, "has 1 look")])
def test_a_recording_that_is_too_short_is_told_as_one(shell: Shell, tmp_path: Path, kept: int, said: str) -> None:
    path = tmp_path / "a.jsonl"
    recording.write(synthetic.trace([Board()], [], seconds=3), path)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:kept]))
    assert shell.error("gpus", "--replay", str(path)) == (
        "GpusError",
        (
            f"--replay: {path} {said} at the GPUs, and energy takes two. "
            "Record for longer, with: greenai gpus --for 10s --record FILE"
        ),
    )


def test_the_recording_of_the_docs_is_that_of_the_simulator(office: Path) -> None:
    assert (Path(__file__).parents[2] / "docs" / "assets" / "gpus-synthetic.jsonl").read_bytes() == office.read_bytes()


def test_json_has_every_part(shell: Shell, office: Path) -> None:
    told = shell.json("gpus", "--replay", str(office), "--most-busy", "100")
    assert told["synthetic"] is True
    assert told["idle_share"] == pytest.approx(0.3997, abs=1e-4)
    parts = ["idle", "at_rest_in_use", "not_told_apart", "by_processes"]
    assert sum(told[part]["energy_j"] for part in parts) == told["total"]["energy_j"]
    assert [group["least_gpus"] for group in told["on_fewer"]] == [2, 1]
    assert {p["pid"]: p["most_memory_bytes"] for p in told["processes"]}[5002] == 42 << 30


def test_what_cannot_be_read_is_said_and_never_nothing(shell: Shell, tmp_path: Path) -> None:
    sensors = Sensors(counter=False, utilisation=False, by_process=False)
    jobs = [Job(pid=1, spells=HALF), Job(pid=2, name="evil\x1b[2J", spells=HALF)]
    recording.write(synthetic.trace([Board()], jobs, seconds=10, sensors=sensors), tmp_path / "a.jsonl")
    result = shell("gpus", "--replay", str(tmp_path / "a.jsonl"))
    assert "0 Made-up GPU   unreadable" in result.stdout
    assert "guessed" in result.stdout
    assert "\x1b" not in result.stdout
    assert (
        "On fewer: GPU 0 (Made-up GPU) is left out, since its utilisation was not known at all times." in result.stdout
    )
    stated = shell.json("gpus", "--replay", str(tmp_path / "a.jsonl"), "--idle-watts", "100")
    assert stated["not_told_apart"]["energy_j"] == 980  # 10 s of it, of which half a second was less


def test_projects_come_from_the_ledger_of_the_same_machine(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "greenai.toml").write_text(f'ledger = "{(tmp_path / "ledger.db").as_posix()}"\n')
    trace = synthetic.trace([Board()], [Job(pid=1, model="local/m", spells=HALF)], seconds=10)
    db = LedgerDb(tmp_path / "ledger.db")
    row: dict[str, object] = dict.fromkeys(schema.SETTLE_COLUMNS)
    row |= {"attempt_id": "a", "call_id": "c", "project": "search", "model": "local/m", "state": "answered"}
    row |= {"created": trace.began + 2, "latency_s": 4.0}
    db.settle([tuple(row.values())])
    db.close()
    path = tmp_path / "a.jsonl"
    for machine, asked, project in (
        (sampler.this_machine(), (), "search"),
        ("another", (), "greenai, no call in progress"),
        ("another", ("--settings", "greenai.toml"), "search"),
    ):
        path.unlink(missing_ok=True)
        recording.write(trace, path)
        lines = path.read_text().replace('"synthetic":true', f'"machine":"{machine}"')
        path.write_text(lines)
        told = shell.json("gpus", "--replay", str(path), *asked)
        assert [one["project"] for one in told["projects"]] == [project]
        assert (command.ELSEWHERE in told["notes"]) is (project != "search")


def test_a_ledger_that_cannot_be_read_costs_no_more_than_the_projects(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "greenai.toml").write_text(f'ledger = "{(tmp_path / "ledger.db").as_posix()}"\n')
    (tmp_path / "ledger.db").write_bytes(b"no database" * 100)
    trace = synthetic.trace([Board()], [Job(pid=1, model="local/m", spells=HALF)], seconds=10)
    recording.write(trace, tmp_path / "a.jsonl")
    told = shell.json("gpus", "--replay", "a.jsonl", "--settings", "greenai.toml")
    assert told["total"]["energy_j"] == 2000
    assert told["notes"][-1].startswith("Calls are not looked up. ")


# --- watching -------------------------------------------------------------------------------


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> object:
    """This machine's GPUs are those of a double, on which time passes by waiting."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "gpus"))
    import cards as doubles

    jobs = [Job(pid=4711, memory_gib=20, spells=HALF), Job(pid=5000, gpus=(1,), spells=[Spell(4, 8, 30.0)])]
    trace = synthetic.trace([Board()] * 2, jobs, seconds=10)
    made = doubles.Cards(trace, doubles.Time(trace.began))
    real = sampler.opened

    def opened(every_s: float, engines: object) -> sampler.Sampler:
        found = real(every_s, engines, api=made)  # type: ignore[arg-type]
        found.clock, found.wall, found.wait = made.time.clock, made.time.wall, made.time.wait
        return found

    monkeypatch.setattr(sampler, "opened", opened)
    return made


def test_watching_records_and_tells_the_same_as_the_replay(shell: Shell, cards: object, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    told = shell.json("gpus", "--for", "10", "--record", str(path))
    assert told["looks"] == 11
    assert told["total"]["energy_j"] == 2 * 100 * 10 + 4 * 0.5 * 500 + 4 * 0.3 * 500
    assert [(p["pid"], p["energy_j"]) for p in told["processes"]] == [(4711, 1000), (5000, 600)]
    again = shell.json("gpus", "--replay", str(path))
    assert again == told
    assert shell.error("gpus", "--record", str(path)) == (
        "GpusError",
        f"--record: {path} is there already. Choose another file, or move it away.",
    )


def test_ctrl_c_tells_what_was_seen(shell: Shell, cards: object, tmp_path: Path) -> None:
    cards.time.stops_at_s = 5.0  # type: ignore[attr-defined]
    assert shell.json("gpus", "--record", str(tmp_path / "a.jsonl"))["looks"] == 5
    assert len(recording.read(tmp_path / "a.jsonl").rounds) == 5
    cards.time.stops_at_s = cards.time.now_s + 1  # type: ignore[attr-defined]
    stopped = shell("gpus")
    assert (stopped.exit_code, stopped.stdout) == (130, "")
    assert stopped.stderr.splitlines() == [
        "Watching for 60 s, a look every 1 s. Ctrl-C ends it earlier.",
        "Stopped before there were two looks: nothing to tell.",
    ]


def test_the_live_table(shell: Shell, cards: object) -> None:
    cards.time.stops_at_s = 5.0  # type: ignore[attr-defined]
    result = shell("gpus", "--watch")
    assert result.exit_code == 0, result.output
    assert "4.00 s, 5 looks, 2 GPUs" in result.stdout or "4 s, 5 looks, 2 GPUs" in result.stdout


def test_a_bar_is_shown_to_those_who_watch(shell: Shell, cards: object, monkeypatch: pytest.MonkeyPatch) -> None:
    with command._bar(10.0, watched=True) as told:
        assert told is not None
        told(cards.trace)  # type: ignore[attr-defined]
    with command._bar(10.0, watched=False) as told:
        assert told is None


def test_without_a_gpu_it_says_what_is_needed(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from greenai.meters import nvml

    monkeypatch.setattr(nvml, "_api", lambda pid: (None, "the NVIDIA driver does not answer: not found"))
    assert shell.error("gpus") == (
        "GpusError",
        (
            "No GPU can be watched here: the NVIDIA driver does not answer: not found. To change that: install the NVIDIA "
            "driver. A recording of another machine can be read here: greenai gpus --replay FILE.jsonl"
        ),
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--replay", "a.jsonl", "--watch"), REPLAY_ALONE),
        (("--replay", "a.jsonl", "--for", "1m"), REPLAY_ALONE),
        (("--replay", "a.jsonl", "--every", "1s"), REPLAY_ALONE),
        (("--watch", "--json"), "--watch shows a table, so it goes without --json."),
        (("--for", "soon"), '--for: it must be a number and a unit, such as "24h".'),
        (("--every", "0"), "--every 0: it must be longer than nothing."),
        (("--plot", "a.jpg"), "--plot: a.jpg ends in .jpg. Use one of .svg, .png, .pdf."),
    ],
)
def test_wrong_uses_are_refused(shell: Shell, arguments: tuple[str, ...], said: str) -> None:
    result = shell("gpus", *arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.replace("│", " ").split())


def test_too_many_looks_are_refused(shell: Shell, cards: object) -> None:
    assert shell.error("gpus", "--for", "7d") == (
        "GpusError",
        "--for 604800s with --every 1s are 604800 looks, above 200000. Use --every 3.1s or more.",
    )


# --- the picture ----------------------------------------------------------------------------


@pytest.mark.parametrize(("ending", "magic"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_the_picture(shell: Shell, office: Path, tmp_path: Path, ending: str, magic: bytes) -> None:
    path = tmp_path / f"gpus.{ending}"
    result = shell("gpus", "--replay", str(office), "--plot", str(path))
    assert result.exit_code == 0, result.output
    assert path.read_bytes().startswith(magic)
    assert path.stat().st_size > 10_000
    assert f"Picture: {path}" in result.stdout


def test_projects_beyond_six_are_drawn_together(tmp_path: Path) -> None:
    jobs = [Job(pid=1, model="local/m", spells=[Spell(0, 20, 50.0)])]
    trace = synthetic.trace([Board()], jobs, seconds=20)
    spans = ordered(Span(trace.began + 2 * n, trace.began + 2 * n + 2, f"project {n}") for n in range(9))
    found = summed(trace, Calls(calls={"local/m": spans}, unasked={}))
    scale = gpus_picture.Scale(found, gpus_picture._colours(found))
    assert len(found.by_project) == 9
    parts = {name: float(joules.sum()) for name, joules in scale.parts[0].items()}
    assert sum(parts.values()) == pytest.approx(found.total.energy_j)
    assert parts["other projects"] == sum(a.energy_j for a in list(found.by_project.values())[6:])
    gpus_picture.draw(found, tmp_path / "a.svg")
    assert (tmp_path / "a.svg").stat().st_size > 10_000


def test_what_cannot_be_drawn_is_said(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    recording.write(synthetic.trace([Board()] * 17, [], seconds=3), path)
    said = "--plot: 17 GPUs are too many for a picture; 16 fit."
    told = shell("gpus", "--replay", str(path), "--plot", "a.svg", "--json")
    assert (told.exit_code, json.loads(told.stdout)) == (1, {"error": {"type": "PlotError", "message": said}})
    tables = shell("gpus", "--replay", str(path), "--plot", "a.svg")  # what was watched is not lost for a picture
    assert (tables.exit_code, tables.stderr) == (1, f"{said}\n")
    assert tables.stdout.startswith("3 s, 4 looks, 17 GPUs")
    lines = path.read_text().splitlines()
    blank = [json.dumps({"t": json.loads(line)["t"], "g": [[0, None, None, None, None, None]]}) for line in lines[1:]]
    path.write_text("\n".join([lines[0], *blank]) + "\n")
    told = shell("gpus", "--replay", str(path), "--plot", "a.svg")
    assert (told.exit_code, told.stderr) == (1, "--plot: no energy could be read, so there is nothing to draw.\n")
    assert "4 looks, 17 GPUs: no energy could be read." in shell("gpus", "--replay", str(path)).stdout


def test_long_recordings_are_drawn_in_fewer_steps(shell: Shell, tmp_path: Path) -> None:
    trace = synthetic.trace([Board()], [Job(pid=1, spells=HALF)], seconds=3000)
    recording.write(trace, tmp_path / "a.jsonl")
    result = shell("gpus", "--replay", "a.jsonl", "--plot", "a.svg")
    assert result.exit_code == 0, result.output


def test_without_matplotlib_the_tables_are_left(shell: Shell, office: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenai.cli.plot.find_spec", lambda name: None)
    kind, message = shell.error("gpus", "--replay", str(office), "--plot", "a.svg")
    assert kind == "MissingExtra"
    assert message.startswith("Drawing what the GPUs did needs the package matplotlib, which is not installed.")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert shell("gpus", "--replay", str(office)).exit_code == 0
