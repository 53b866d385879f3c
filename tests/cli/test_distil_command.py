"""`greenai distil`, end to end: from a log to a task model that answers, and how it is said to be doing."""

from __future__ import annotations

import json
import random
import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import task_files

from greenai import Client
from greenai.testing import FakeProvider, offline

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Shell

WORDS = sorted(
    {
        *[
            "lamp",
            "arrived",
            "broken",
            "please",
            "refund",
            "money",
            "late",
            "parcel",
            "kettle",
            "wrong",
            "invoice",
            "paid",
            "twice",
            "thank",
        ]
    }
)
WHAT = {
    "refund": ("money back for order {n}", "I want a refund of {n} euros", "reimburse my payment {n}"),
    "delivery": ("where is parcel {n}", "delivery {n} has not arrived", "the courier lost package {n}"),
    "password": ("I am {n} and forgot my password", "user {n} cannot log in", "reset the login of account {n}"),
}


def line(number: int, text: str, answer: str) -> str:
    call = {
        "request": {"model": "gpt-5.5", "messages": task_files.prompt(text)},
        "response": {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "created": 1_790_000_000 + 60 * number,
            "model": "gpt-5.5",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 30, "completion_tokens": 2, "total_tokens": 32},
        },
    }
    return json.dumps(call)


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 500 calls of one template."""
    rng, path = random.Random(5), tmp_path_factory.mktemp("logs") / "calls.jsonl"
    lines: list[str] = []
    for number in range(500):
        label = rng.choice([*WHAT])
        lines.append(line(number, rng.choice(WHAT[label]).format(n=1000 + number), label))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_templates_are_listed_with_what_could_be_saved(shell: Shell, log: Path) -> None:
    (one,) = shell.json("distil", str(log))
    assert one["skeleton"] == f"user: {task_files.BEFORE}{{1}}{task_files.AFTER}"
    assert (one["template"], one["calls"], sorted(one["labels"])) == (1, 500, ["delivery", "password", "refund"])
    assert 0 < one["call_low_j"] < one["call_j"] < one["call_high_j"]
    said = shell("distil", str(log), "--list").stdout.splitlines()
    assert said[0].startswith(f"#1 {one['id']}  user: Which department is this message for?")
    assert said[1].startswith("   500 calls, 3 answers make up 100%: ")
    assert " of this log could be saved." in said[2]
    assert said[3] == f"Next: greenai distil {log} --template {one['id']}"


def test_from_a_log_to_an_answer(shell: Shell, log: Path, tmp_path: Path) -> None:
    made = shell.json("distil", str(log), "--template", "1", "--out", "department.greenai", "--promise", "0.9")
    assert (made["file"], made["pairs"], made["promise"]) == ("department.greenai", 500, 0.9)
    assert made["tested"]["coverage"] > 0.5
    assert made["tested"]["agreement_low"] <= made["tested"]["agreement"] <= made["tested"]["agreement_high"]
    assert 0 < made["after_low_j"] <= made["after_j"] <= made["after_high_j"] < made["before_low_j"]
    expected, soonest, latest = made["pays_after"]
    assert 0 < soonest <= expected <= latest
    assert 0.9 <= made["promise_bound"] < 1
    assert (made["promise_tested"], made["replaces"], made["asked"]) == ("kept", None, None)

    path, settings = tmp_path / "department.greenai", {"ledger": str(tmp_path / "ledger.db")}
    with offline(FakeProvider(default="Delivery."), settings=settings) as client:
        client.distilled(path)
        seen = [ask(client, f"delivery {1600 + number} has not arrived").model for number in range(8)]
    compared = seen.count("openai/gpt-5.5")  # of the others it was not sure, and a smaller model may answer
    assert compared >= 4
    shell_settings = tmp_path / "greenai.toml"
    shell_settings.write_text(f'ledger = "{tmp_path / "ledger.db"}"\n', encoding="utf-8")
    (told,) = shell.json("distil", "--status", str(path))["projects"]
    assert told["shadow"] == {"compared": compared, "agreed": compared, "low": told["shadow"]["low"], "high": 1.0}
    assert not told["may_be_on"]
    assert told["more_needed"] > 10
    lines = shell("distil", "--status", str(path)).stdout.splitlines()
    assert lines[0] == f"department, version {made['version']}: 3 labels, 90.0% promised."
    assert lines[1] == "Project default:"
    assert lines[3].startswith(f"  In shadow: it said the same in {compared} of {compared} calls, 100.0% (")
    assert lines[4].startswith("  It may be on when the lower bound is ")


def test_a_rare_answer_that_is_never_given_is_told(shell: Shell, log: Path, tmp_path: Path) -> None:
    lines = log.read_text(encoding="utf-8").splitlines()
    lines[::30] = [re.sub(r'"content": "\w+"', '"content": "fraud"', line) for line in lines[::30]]
    path = tmp_path / "fraud.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    said = shell("distil", str(path), "--template", "1", "--promise", "0.9", "--out", "by mail.greenai").stdout
    assert "; greenai distil --status 'by mail.greenai' says when it may be on:\n" in said
    assert re.search(
        r"^Of \d+ texts of the log that were answered fraud, it says so of 0\. Where that answer matters, collect more "
        r"calls with it, or leave this template to the ladder\.$",
        said,
        re.MULTILINE,
    )


def ask(client: Client, text: str) -> Any:
    return client.chat.completions.create(model="gpt-5.5", messages=task_files.prompt(text)).greenai


def test_too_little_is_refused_with_the_numbers(shell: Shell, log: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.jsonl"
    short.write_text("\n".join(log.read_text(encoding="utf-8").splitlines()[:330]), encoding="utf-8")
    # So few can agree without exception and prove 98%, and no more than that.
    asked = ("--template", "1", "--promise", "0.995", "--out", str(tmp_path / "no.greenai"))
    kind, message = shell.error("distil", str(short), *asked)
    assert kind == "NotWorthIt"
    assert message.startswith("No threshold keeps the promise of 99.5%: ")
    assert not (tmp_path / "no.greenai").exists()


def test_a_wrong_use_is_told(shell: Shell, log: Path, tmp_path: Path) -> None:
    assert "Name a log, such as calls.jsonl" in shell("distil").output
    (one,) = shell.json("distil", str(log))
    refused = shell("distil", str(log), "--template", "9")
    assert refused.exit_code == 2
    said = " ".join(refused.output.replace("│", " ").split())
    assert f"--template 9: the log has 1 ({one['id']}). List them with --list." in said
    refused = shell("distil", str(log), "--out", str(tmp_path / "no.greenai"))
    assert refused.exit_code == 2
    said = " ".join(refused.output.replace("│", " ").split())
    assert "--out is for making a task model: name its template, too, with --template. Without options" in said
    assert "Asking a model takes both" in shell("distil", str(log), "--labels", "9").output
    kind, message = shell.error("distil", "--status", str(log))
    assert kind == "TaskFileRefused"
    assert message == (
        "calls.jsonl is no task model of greenai. Make it again with `greenai distil`, or copy it again from where it "
        "was made."
    )
    unused = task_files.write(tmp_path / "unused.greenai")
    lines = shell("distil", "--status", str(unused)).output.splitlines()
    assert lines[1] == "No call of its template was made yet. To register it, in greenai.toml:"
    told = tomllib.loads("\n".join(lines[2:]))
    assert told == {"distilled": [{"file": str(unused), "mode": "shadow"}]}


def test_one_that_fell_back_is_switched_on_again(shell: Shell, tmp_path: Path) -> None:
    path = task_files.write(tmp_path / "department.greenai")
    ledger = tmp_path / "ledger.db"
    (tmp_path / "greenai.toml").write_text(f'ledger = "{ledger}"\n', encoding="utf-8")
    with offline(FakeProvider(default="returns"), settings={"ledger": str(ledger)}) as client:
        client.distilled(path, mode="on", audit=1.0)
        for number in range(12):
            ask(client, f"where is my parcel {number}")
    assert shell("distil", "--status", str(path)).stdout.splitlines()[-1] == (
        "  It fell back to shadow: audits showed less than 98.0%. Make it again from newer calls, or switch it on again: "
        f"greenai distil --status {path} --again"
    )
    (told,) = shell.json("distil", "--status", str(path), "--again")["projects"]
    assert told["fell"] is None


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (
            ["Delivery.", "returns"],
            "  It is not known yet whether it comes to 98.0%, from when on it may be on: leave it in shadow.",
        ),
        (
            ["returns"] * 40,
            "  It should not be on: at this rate it does not come to 98.0%. Make it again from newer calls.",
        ),
    ],
)
def test_the_status_judges_no_sooner_than_it_can(shell: Shell, tmp_path: Path, said: list[str], verdict: str) -> None:
    path, ledger = task_files.write(tmp_path / "department.greenai"), tmp_path / "ledger.db"
    (tmp_path / "greenai.toml").write_text(f'ledger = "{ledger}"\n', encoding="utf-8")
    with offline(FakeProvider(*said), settings={"ledger": str(ledger)}) as client:
        client.distilled(path)
        for number in range(len(said)):
            ask(client, f"where is my parcel {number}")
    assert shell("distil", "--status", str(path)).stdout.splitlines()[-1] == verdict


def test_one_that_is_on_is_not_told_that_it_may_be(shell: Shell, tmp_path: Path) -> None:
    path, ledger = task_files.write(tmp_path / "department.greenai"), tmp_path / "ledger.db"
    (tmp_path / "greenai.toml").write_text(f'ledger = "{ledger}"\n', encoding="utf-8")
    with offline(FakeProvider(default="Delivery."), settings={"ledger": str(ledger)}) as client:
        client.distilled(path, mode="on", audit=1.0)
        for number in range(3):
            ask(client, f"where is my parcel {number}")
    (told,) = shell.json("distil", "--status", str(path))["projects"]
    assert (told["has_been_on"], told["may_be_on"]) == (True, False)
    assert shell("distil", "--status", str(path)).stdout.splitlines()[-1] == (
        "  It has been on, and nothing speaks against that: audits allow for 98.0%, where its promise is kept."
    )


def test_the_status_says_when_it_is_under_guard(shell: Shell, tmp_path: Path) -> None:
    scores = {"edges": [0.3], "known": [0.05, 0.95], "strangers": [0.8, 0.2], "lead": 0.3}
    path, ledger = task_files.write(tmp_path / "department.greenai", guard=scores), tmp_path / "ledger.db"
    (tmp_path / "greenai.toml").write_text(f'ledger = "{ledger}"\n', encoding="utf-8")
    said = ["Delivery."]
    with offline(FakeProvider(default=lambda _call: said[-1]), settings={"ledger": str(ledger)}) as client:
        client.distilled(path, mode="on", audit=0.01)
        for text in (
            *(f"quantum cats of neptune {n}" for n in range(8)),
            "where is my parcel",
            "refund my order please",
        ):
            ask(client, text)
        said.append("Quantum matters.")
        for number in range(6):
            ask(client, f"cats of quantum neptune {number}")
    (line,) = (one for one in shell("distil", "--status", str(path)).stdout.splitlines() if "guard" in one)
    assert re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "then", line) == (
        "  Under guard since then UTC, for prompts of a kind that its log does not have arrive, by their scores or by what "
        'models answer: 1 of 2 comparisons since agreed. In doubt: refund. New answers since: "quantum matters" 6 times;'
        " make it again from newer calls. It ends when all is as usual again, or with: greenai "
        f"distil --status {path} --again"
    )
    (told,) = shell.json("distil", "--status", str(path))["projects"]
    assert told["guard"]["new_answers"] == {"quantum matters": 6}
    (told,) = shell.json("distil", "--status", str(path), "--again")["projects"]
    assert told["guard"] is None


def test_a_template_whose_answers_are_copied_is_listed_as_one(shell: Shell, tmp_path: Path) -> None:
    rng, path = random.Random(3), tmp_path / "copied.jsonl"
    lines: list[str] = []
    for number in range(400):
        words = rng.sample(WORDS, 6)
        code = f"{rng.choice('ABC')}-{rng.randrange(1000, 99999)}"
        words.insert(rng.randrange(7), code)
        lines.append(line(number, " ".join(words), code))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    one = shell.json("distil", str(path))[0]
    assert (one["kind"], one["why_not"], one["share"]) == ("span", None, 1.0)
    assert "   400 calls, 100% of the answers are copied out of the text" in shell("distil", str(path)).stdout
