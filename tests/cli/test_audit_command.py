"""`greenai audit` on a small log: the first screen, the page, JSON, what is refused, and what is not shown."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from servers import answer, status

from greenai.audit.formats import FORMATS
from greenai.cli.audit import BY, INTERRUPTED, UNREACHABLE, complete_by, complete_format
from greenai.settings import load_settings

if TYPE_CHECKING:
    from conftest import Shell
    from servers import Scripted

BEGIN = 1_793_000_000
SECRET = "x4711q"
ONES_OWN = "Kassandra"


def line(number: int, question: str, *, project: str = "shop", model: str = "gpt-5.5") -> str:
    asked = {"model": model, "messages": [{"role": "user", "content": question}], "temperature": 0}
    answered = {
        "id": f"chatcmpl-{number}", "object": "chat.completion", "created": BEGIN + 60 * number, "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Yes."}}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 120, "total_tokens": 140},
    }  # fmt: skip
    return json.dumps({"request": asked, "response": answered, "project": project})


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """60 calls of three kinds, and two lines that cannot be read."""
    lines = [line(n, "What is 18% of 240?") for n in range(20)]
    lines += [
        line(n, f"Does the parcel {n} of {ONES_OWN if n == 33 else 'Ada'} come? My pin is {SECRET}", project="post")
        for n in range(20, 50)
    ]
    lines += [line(n, f"Explain why the sea is salty, take {n}") for n in range(50, 60)]
    path = tmp_path / "calls.jsonl"
    path.write_text("\n".join([*lines[:30], "{torn", *lines[30:], '["no", "object"]']) + "\n")
    return path


def test_the_first_screen_says_what_was_what_could_be_and_what_was_not_read(shell: Shell, log: Path) -> None:
    result = shell("audit", str(log))
    assert result.exit_code == 0, result.output
    said = result.stdout
    assert said.startswith("60 calls in 1 file, 2026-10-26.")
    for words in (
        "as it was",
        "as it could have been",
        "saves",
        "In brackets: 90% intervals.",
        "energy [1]",
        "cost [3]",
    ):
        assert words in said, words
    assert "2 lines could not be read and are in no figure:" in said
    assert "calls.jsonl:31: no JSON" in said
    assert "Next: --toml try.toml (these settings, only observing), --check 100 (the risk)." in said
    assert (
        "More: --html audit.html, --json, --by sufficing, project, template, model, hour, waste, files, assumptions"
        in said
    )
    assert SECRET not in said
    assert ONES_OWN not in said


def test_json_has_all_figures_with_assumptions_and_no_text(shell: Shell, log: Path) -> None:
    data = shell.json("audit", str(log))
    assert data["schema"] == "greenai.audit/1"
    assert data["sources"][0]["malformed_count"] == 2
    whole = data["finding"]["whole"]
    assert whole["calls"] == 60
    keys = {known["key"] for known in data["finding"]["assumptions"]}
    assert {row["assumption"] for row in whole["sufficed"]} <= keys
    assert {group["name"]: group["calls"] for group in data["finding"]["projects"]} == {"post": 30, "shop": 30}
    repeats = next(row for row in whole["sufficed"] if row["by"] == "repeat")
    assert repeats["calls"] == {"mid": 19.0, "low": 19.0, "high": 19.0}
    names = [group["name"] for group in data["finding"]["templates"]]
    assert any(name.endswith("come? My pin is {\N{HORIZONTAL ELLIPSIS}}") for name in names), names
    assert SECRET not in json.dumps(data)
    assert ONES_OWN not in json.dumps(data)
    assert "texts" not in data


def test_the_page_is_for_its_owner_and_has_texts_only_where_asked(shell: Shell, log: Path, tmp_path: Path) -> None:
    result = shell("audit", str(log), "--html", "a.html")
    assert result.exit_code == 0, result.output
    assert result.stdout.rstrip().endswith("Page: a.html")
    assert stat.S_IMODE((tmp_path / "a.html").stat().st_mode) == 0o600
    text = (tmp_path / "a.html").read_text("utf-8")
    assert "What your calls could have been" in text
    assert SECRET not in text
    assert shell("audit", str(log), "--html", "b.html", "--texts").exit_code == 0
    assert SECRET in (tmp_path / "b.html").read_text("utf-8")


def test_the_settings_only_observe_and_are_read_by_greenai(shell: Shell, log: Path, tmp_path: Path) -> None:
    result = shell("audit", str(log), "--toml", "try.toml")
    assert result.exit_code == 0, result.output
    assert result.stdout.rstrip().endswith("Settings: try.toml")
    assert load_settings(tmp_path / "try.toml").observe is True
    assert shell.error("audit", str(log), "--toml", "try.toml") == (
        "InvalidRequest",
        "try.toml is there already, and is left as it is. Name another file: --toml audit.toml",
    )


def test_a_project_and_a_span_narrow_it(shell: Shell, log: Path) -> None:
    data = shell.json("audit", str(log), "--project", "post")
    assert data["finding"]["whole"]["calls"] == 30
    assert data["narrowed"]["project"] == "post"
    until = shell.json("audit", str(log), "--since", "2026-10-26", "--until", "2026-10-26T07:43:20+00:00")
    assert 0 < until["finding"]["whole"]["calls"] < 60


def test_hours_of_the_grid_are_taken_from_a_file(shell: Shell, log: Path, tmp_path: Path) -> None:
    hours = tmp_path / "hours.csv"
    hours.write_text("hour,g_per_kwh\n" + "".join(f"{hour},{100 + hour}\n" for hour in range(24)))
    result = shell("audit", str(log), "--grid-hours", str(hours), "--json")
    assert result.exit_code == 0, result.output
    finding = json.loads(result.stdout)["finding"]
    assert finding["grid_hours"] == "hours.csv"
    for group in finding["hours"]:
        emitted = group["was"]["carbon_g"]["mid"] / group["was"]["energy_j"]["mid"] * 3.6e6
        assert emitted == pytest.approx(100 + int(group["name"]))
    hours.write_text("hour,g_per_kwh\n25,1\n")
    result = shell("audit", str(log), "--grid-hours", str(hours))
    assert result.exit_code == 1
    assert "line 2: 25 is no hour from 0 to 23. Write for example: 14,212" in " ".join(result.output.split())


def test_each_part_is_printed_in_full(shell: Shell, log: Path) -> None:
    for part in BY:
        result = shell("audit", str(log), "--by", part, "--sample", "20")
        assert result.exit_code == 0, result.output
    said = shell("audit", str(log), "--by", "files").stdout
    assert "60 calls, read as" in said


def test_nothing_found_is_no_error(shell: Shell, log: Path) -> None:
    result = shell("audit", str(log), "--since", "2030-01-01", "--html", "a.html")
    assert result.exit_code == 0, result.output
    said = "None of the 60 calls in what was read is from 2030-01-01 00:00:00 UTC on. Take another --since."
    assert said in " ".join(result.stdout.split())
    assert said in Path("a.html").read_text("utf-8")


def test_what_is_refused(shell: Shell, log: Path) -> None:
    kind, message = shell.error("audit", "nowhere.jsonl")
    assert (kind, message) == ("LogUnreadable", "There is no file nowhere.jsonl. Check the name with: ls .")
    kind, message = shell.error("audit", str(log), "--project", "pots")
    assert (kind, message) == (
        "InvalidRequest",
        "No call of the log is of the project 'pots'. Did you mean 'post'?",
    )
    kind, message = shell.error("audit", str(log), "--until", "later")
    assert kind == "InvalidRequest"
    assert message.startswith("--until 'later' is no moment. Pass a date such as")
    result = shell("audit", str(log), "--by", "moon")
    assert result.exit_code == 2
    assert "'moon' is none of sufficing, project" in result.stderr


def test_the_formats_that_are_known_are_a_list(shell: Shell, tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    log.write_text('{"temperature_outside": 12}\n')
    first, *formats, last = shell("audit", str(log)).stderr.splitlines()
    assert first.endswith("Name it with --format if it is one of these:")
    assert [line.split()[0] for line in formats] == list(FORMATS)
    assert last.startswith("Else write each call as a line: {")


def test_ctrl_c_says_how_to_go_on(shell: Shell, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("greenai.audit.run.ingest", stop)
    result = shell("audit", str(log))
    assert result.exit_code == INTERRUPTED
    assert result.stderr.strip() == (
        "Stopped, and nothing was kept. With --work FOLDER the same command goes on where it was stopped."
    )
    result = shell("audit", str(log), "--work", "kept")
    assert result.exit_code == INTERRUPTED
    assert result.stderr.strip() == "Stopped. What was read is kept: the same command goes on from there."


def test_work_that_is_kept_is_gone_on_with(shell: Shell, log: Path, tmp_path: Path) -> None:
    first = shell.json("audit", str(log), "--work", "kept")
    assert (tmp_path / "kept" / "audit.duckdb").exists()
    assert shell.json("audit", str(log), "--work", "kept") == first


def test_a_shell_completes_formats_and_parts() -> None:
    assert complete_by("te") == ["template"]
    assert "litellm" in " ".join(complete_format("lite"))


@pytest.fixture
def labelled(tmp_path: Path, remote: Scripted) -> Path:
    """20 calls that are answered with yes, and a ladder whose small model is scripted."""
    path = tmp_path / "yes.jsonl"
    path.write_text("\n".join(line(n, f"Does the parcel {n} come?") for n in range(20)) + "\n")
    return path


def test_a_check_without_a_budget_says_what_would_be_sent_and_sends_nothing(
    shell: Shell, labelled: Path, remote: Scripted
) -> None:
    result = shell("audit", str(labelled), "--check", "5")
    assert result.exit_code == 0, result.output
    assert f"Check: would send 5 prompts of the log to openai/scripted-model ({remote.url})." in result.stdout
    assert "Next: --toml try.toml (these settings, only observing).\n" in result.stdout, "the check is made already"
    assert "Nothing was sent yet." in result.stdout
    assert remote.requests == []
    assert shell.json("audit", str(labelled), "--check", "5")["check"]["would_send"] == {"openai/scripted-model": 5}


def test_a_check_within_a_budget_asks_and_measures(
    shell: Shell, labelled: Path, remote: Scripted, tmp_path: Path
) -> None:
    remote.play(*[answer("No.")] * 20)
    work = str(tmp_path / "work")
    result = shell("audit", str(labelled), "--check", "20", "--budget", "3 calls", "--work", work)
    assert result.exit_code == 0, result.output
    assert (
        "Check: openai/scripted-model said something else than the log in 3 of 3 answers: 100% (37 to 100%)."
        in result.stdout
    )
    assert "   Stopped after 3 of 20: " in result.stdout
    assert len(remote.requests) == 3
    assert (tmp_path / "work" / "check.jsonl").read_text().count("\n") == 3
    data = shell.json("audit", str(labelled), "--check", "20", "--budget", "17 calls", "--work", work)
    small = next(row for row in data["finding"]["whole"]["sufficed"] if row["by"] == "small")
    assert (small["risk"]["evidence"], small["risk"]["compared"]) == ("measured", 20)
    assert data["check"]["worse"] == 20
    assert len(remote.requests) == 20


def test_a_check_needs_a_ladder_and_a_budget_needs_a_check(shell: Shell, log: Path) -> None:
    no_ladder = (
        "--check asks models that the settings name, and they name none. Write into greenai.toml, smallest first: "
        'ladder = ["local/smollm2-135m", "openai/gpt-5.5"]'
    )
    assert shell.error("audit", str(log), "--check", "5", "--budget", "2Wh") == ("InvalidRequest", no_ladder)
    free = shell("audit", str(log), "--check", "5")
    assert free.exit_code == 0, free.output
    assert f"Check: {no_ladder}" in free.stdout
    assert shell("audit", str(log), "--budget", "2Wh").exit_code == 2
    assert shell.error("audit", str(log), "--check", "5", "--budget", "much")[0] == "InvalidRequest"


def test_tools_and_task_models_are_compared_without_a_budget_or_a_ladder(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "greenai.toml").write_text('distilled = [{ file = "torn.greenai" }]\n')
    (tmp_path / "torn.greenai").write_text("no task model")
    path = tmp_path / "sums.jsonl"
    right = [line(n, f"What is {n} times 8?").replace("Yes.", f"{n} times 8 is {n * 8}.") for n in range(11, 41)]
    wrong = [line(n, f"What is {n} times 9?").replace("Yes.", f"It is {n * 9 + 1}.") for n in range(11, 16)]
    path.write_text("\n".join(right + wrong) + "\n")
    result = shell("audit", str(path), "--check", "5")
    assert result.exit_code == 0, result.output
    said = "Check: Built-in tools said something else than the log in 5 of 35 answers: 14% (5.8 to 28%). "
    assert f"{said}Its risk above is the measured one." in result.stdout
    assert "Check: torn.greenai could not be tried: torn.greenai is no task model of greenai." in result.stdout
    data = shell.json("audit", str(path), "--check", "5")
    computed = next(row for row in data["finding"]["whole"]["sufficed"] if row["by"] == "deterministic")
    assert (computed["risk"]["evidence"], computed["risk"]["compared"]) == ("measured", 35)
    assert data["check"]["replaced"] == ["deterministic"]
    assert "check_deterministic" in {known["key"] for known in data["finding"]["assumptions"]}


def test_a_model_that_does_not_answer_costs_no_audit(shell: Shell, labelled: Path, remote: Scripted) -> None:
    remote.play(status(503))
    result = shell("audit", str(labelled), "--check", "5", "--budget", "5 calls", "--html", "a.html")
    assert result.exit_code == UNREACHABLE, result.output
    assert result.stdout.startswith("20 calls in 1 file")
    assert "   Stopped after 0 of 5: openai/scripted-model did not answer. " in result.stdout
    assert result.stdout.rstrip().endswith("Page: a.html")


def test_a_judge_is_asked_within_the_budget_and_told_before(shell: Shell, tmp_path: Path, remote: Scripted) -> None:
    path = tmp_path / "free.jsonl"
    asks = [line(n, f"Explain why the sea is salty, take {n}").replace("Yes.", f"As rivers {n}") for n in range(6)]
    path.write_text("\n".join(asks) + "\n")
    judge = ("--judge", "openai/scripted-model")
    assert shell("audit", str(path), *judge).exit_code == 2
    before = shell("audit", str(path), "--check", "6", *judge).stdout
    sent = (
        f"   And 12 comparisons to openai/scripted-model ({remote.url}): 6 pairs of answers with their prompts, in both"
    )
    assert sent in before
    assert remote.requests == []
    remote.play(*[answer("SAME")] * 18)
    data = shell.json("audit", str(path), "--check", "6", *judge, "--budget", "18 calls")
    verdicts = data["check"]["verdicts"]
    assert (verdicts["judged"], verdicts["worse"], verdicts["unreadable"]) == (6, 0, 0)
    assert verdicts["why_not"].startswith("its errors are not known: 0 answers known to be worse")
    assert verdicts["kin"].startswith("It is the small model openai/scripted-model")
    assert len(remote.requests) == 18
