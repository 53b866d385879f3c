"""`greenai models`: the catalog, and weights that come and go."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bookkeeping import Book

from greenai import catalog
from greenai.cli import app
from greenai.cli.models import complete_installed
from greenai.local.roster import Roster, running_dir

if TYPE_CHECKING:
    from conftest import Shell  # type: ignore[attr-defined]


def test_list_has_this_machine_and_the_ladder(shell: Shell) -> None:
    data = shell.json("models", "list")
    assert data["installed"] == []
    assert data["ladder"] == ["local/smollm2-135m"]
    assert "local/smollm2-135m" in [model["name"] for model in data["models"]]


def test_without_a_command_it_lists(shell: Shell) -> None:
    alone = shell("models")
    assert (alone.exit_code, alone.stderr) == (0, "")
    assert alone.stdout == shell("models", "list").stdout
    assert "local/smollm2-135m" in alone.stdout


def test_list_of_a_provider_and_of_all(shell: Shell) -> None:
    openai = shell.json("models", "list", "--provider", "openai")["models"]
    assert {model["name"].partition("/")[0] for model in openai} == {"openai"}
    assert len(shell.json("models", "list", "--all")["models"]) > len(openai) > 5
    table = shell("models", "list", "--provider", "openai").stdout
    assert "openai/gpt-5.5" in table
    assert "ladder: local/smollm2-135m" in table


def test_show_has_sources(shell: Shell) -> None:
    card = shell.json("models", "show", "gpt-5.5")
    assert card["name"] == "openai/gpt-5.5"
    assert card["params_source"]
    assert card["reasoning"]["source"]
    assert card["price"]["source"]
    assert card["quality"][0]["source"].startswith("livebench.ai, table of release ")
    off, on = card["standard_request"]["reasoning_off"], card["standard_request"]["reasoning_on"]
    assert 0 < off["low_j"] < off["energy_j"] < off["high_j"]
    assert off["energy_j"] < on["energy_j"]
    assert shell.json("models", "show", "smollm2-135m")["name"] == "local/smollm2-135m"


def test_show_prints_every_figure_with_its_source(shell: Shell) -> None:
    lines = shell("models", "show", "gpt-5.1").stdout.splitlines()

    def line(start: str) -> str:
        return next(" ".join(line.split()) for line in lines if line.startswith(f" {start} "))

    size = "EcoLogits 0.11.3 assumption, ecologits/data/models.json, 2026-11-21"
    assert line("parameters") == f"parameters 300 B (150 to 600 B) {size}"
    assert line("active per token") == f"active per token 52 B (30 to 90 B) {size}"
    assert line("layers") == "layers not entered left to the law of the estimator, fitted on models of known shape"
    assert "high over low: " in line("energy, reasoning off")
    assert line("energy, reasoning off").endswith("300 input and 300 output tokens")
    assert line("energy, reasoning on").endswith("543 of thinking more (Dauner and Socher, 2025)")
    assert line("stars, reasoning off").endswith("greenai-stars-1")
    assert "row gpt-5.1-2025-11-13-nothinking" in line("score, reasoning off")
    assert line("reasoning").startswith("reasoning can be switched off; by default off developers.openai.com/")
    assert 'sent without opt-in {"reasoning_effort": "none"}' in line("sent without opt-in")
    assert "1.25 input, 0.125 cached input, 10 output litellm" in line("$ per 1e6 tokens")


def test_show_says_of_each_figure_of_an_own_card_who_stated_it(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "_own", {})
    before = {line.split("  ")[0]: line for line in shell("models", "show", "gpt-5.5").stdout.splitlines()}
    (tmp_path / "greenai.toml").write_text(
        '[[cards]]\nname = "openai/gpt-5.5"\nreplace = true\nprice = { input = 4, output = 20 }\n'
        'source = "our contract"\ndate = "2026-10-01"\n'
        '[[cards]]\nname = "openai/gpt-5.4"\nreplace = true\ncontext_tokens = 1000\nlayers = 3\nsource = "a mail"\n'
    )
    after = {
        line.split("  ")[0]: " ".join(line.split()) for line in shell("models", "show", "gpt-5.5").stdout.splitlines()
    }
    assert after[" $ per 1e6 tokens"] == "$ per 1e6 tokens 4 input, 20 output our contract, 2026-10-01"
    for same in (" context", " capabilities", " parameters", " tier"):
        assert after[same] == " ".join(before[same].split())
    assert "litellm" in after[" context"]
    other = {
        line.split("  ")[0]: " ".join(line.split()) for line in shell("models", "show", "gpt-5.4").stdout.splitlines()
    }
    assert other[" context"] == "context 1,000 tokens a mail"
    assert other[" layers"] == "layers 3 a mail"
    assert "litellm" in other[" capabilities"]
    assert "litellm" in other[" $ per 1e6 tokens"]


def test_show_says_what_is_not_known(shell: Shell) -> None:
    out = shell("models", "show", "perplexity/sonar").stdout
    assert "not stated, so the energy is unknown" in out
    assert "no public score in the catalog" in out
    assert "not rated" in out


def test_show_names_what_a_host_serves(shell: Shell) -> None:
    out = " ".join(shell("models", "show", "deepinfra/Qwen/QwQ-32B").stdout.split())
    assert "the same as another host's name of hosted_vllm/Qwen/QwQ-32B" in out


def test_schema(shell: Shell) -> None:
    schema = json.loads(shell("models", "schema").stdout)
    assert schema["$defs"].keys() >= {"card", "own_card", "switch", "price", "quality"}


def test_schema_is_json_with_and_without_the_option(shell: Shell) -> None:
    assert shell("models", "schema", "--json").stdout == shell("models", "schema").stdout


def test_unknown_model_names_close_ones(shell: Shell) -> None:
    kind, message = shell.error("models", "show", "gtp-5.5")
    assert kind == "UnknownModel"
    assert message.startswith("The catalog has no model gtp-5.5. Close names: openai/gpt-5.5")
    assert shell.error("models", "show", "zzzz") == (
        "UnknownModel",
        "The catalog has no model zzzz. All names: greenai models list --all",
    )


def test_weights_come_and_go(shell: Shell, hub: bytes, tmp_path: Path) -> None:
    name = "org/repo:m.gguf"
    pulled = shell.json("models", "pull", f"local/{name}")
    assert (pulled["model"], pulled["bytes"]) == (f"local/{name}", len(hub))
    assert pulled["path"].startswith(str(tmp_path))
    assert [w["name"] for w in shell.json("models", "list")["installed"]] == [name]
    assert f"local/{name}: 16 B" in shell("models", "list").stdout
    assert shell.json("models", "rm", name) == {"model": f"local/{name}", "freed_bytes": len(hub)}
    assert shell("models", "rm", name, "--yes").stdout == f"{name} is not here; nothing was deleted.\n"


def test_a_wrong_name_is_refused_before_a_bar_is_drawn(shell: Shell) -> None:
    wrong = shell("models", "pull", "nonsense")
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("local/nonsense is no known model")
    assert len(wrong.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("models show openai/gpt-5.4-na", ["openai/gpt-5.4-nano", "openai/gpt-5.4-nano-2026-03-17"]),
        ("models show smollm2-1", ["smollm2-135m"]),
        ("models pull smol", ["smollm2-135m"]),
        ("models rm smol", []),
        ("models --provider mis", ["mistral"]),
        ("models list --provider open", ["openai"]),
        ("ask -m smollm2-1", ["smollm2-135m"]),
        ("explain --model smollm2-1", ["smollm2-135m"]),
        ("ask --opt-in la", ["large"]),
        ("ask --project sup", ["support-bot"]),
        ("report --project sh", ["shop"]),
        ("digest --project sup", ["support-bot"]),
        ("cache clear --project sup", ["support-bot"]),
        ("budget --scope ", ["organisation", "project/support-bot", "user/"]),
        ("budget --scope pro", ["project/support-bot"]),
        ("feedback 0000000000000000000000000000000", ["00000000000000000000000000000001"]),
        ("models --sort ", ["energy", "name", "price", "quality"]),
    ],
)
def test_the_shell_completes(shell: Shell, words: str, expected: list[str], tmp_path: Path) -> None:
    (tmp_path / "greenai.toml").write_text(
        f'ledger = "{tmp_path / "ledger.db"}"\n[budget]\nenergy = "50 Wh/day"\ntimezone = "UTC"\n'
        '[user_budget]\ncalls = "9/day"\n[projects.support-bot.budget]\nenergy = "5 Wh/day"\n'
    )
    Book(tmp_path / "ledger.db").call()
    line = f"greenai {words}"
    env = {"_GREENAI_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    found = shell.runner.invoke(app, [], prog_name="greenai", env=env)
    assert (found.exit_code, found.stdout.split()) == (0, expected)


def test_the_shell_completes_what_is_here(shell: Shell, hub: bytes, tmp_path: Path) -> None:
    assert complete_installed("") == []
    shell("models", "pull", "org/repo:m.gguf")
    assert complete_installed("org") == ["org/repo:m.gguf"]
    (tmp_path / "greenai.toml").write_text("not a setting")
    assert complete_installed("zzz") == []


def test_deleting_asks_first(shell: Shell, hub: bytes, tmp_path: Path) -> None:
    shell("models", "pull", "org/repo:m.gguf")
    kept = shell("models", "rm", "org/repo:m.gguf", stdin="n\n")
    assert kept.exit_code == 1
    assert list(tmp_path.rglob("m.gguf"))
    gone = shell("models", "rm", "org/repo:m.gguf", stdin="y\n")
    assert (gone.exit_code, list(tmp_path.rglob("m.gguf"))) == (0, [])
    assert gone.stdout.endswith("org/repo:m.gguf: 16 B freed\n")


def test_ps_tells_what_is_in_memory_and_why_it_is_unloaded(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shell("models", "ps").stdout == "No model is in memory.\n"
    assert shell.json("models", "ps") == {"running": []}
    state = Path(os.environ["GREENAI_STATE_DIR"])
    Roster(running_dir(state)).note(os.getpid(), "local/a[b]", 1000.0, 60.0, "the rule: so")
    (row,) = shell.json("models", "ps")["running"]
    assert (row["model"], row["pid"], row["unload_at"]) == ("local/a[b]", os.getpid(), 1060.0)
    assert row["why"] == "the rule: so"
    monkeypatch.setenv("COLUMNS", "140")
    lines = shell("models", "ps").stdout.splitlines()
    assert lines[1].split("  ")[0].strip() == "model"
    assert any("local/a[b]" in line and str(os.getpid()) in line and line.endswith("the rule: so ") for line in lines)
    assert lines[-1] == "Idle since the end of the last answer; each further one begins the stay anew."


def test_ps_keeps_names_whole_and_loses_nothing_in_80_columns(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    roster = Roster(running_dir(Path(os.environ["GREENAI_STATE_DIR"])))
    roster.note(
        os.getpid(), "local/smollm2-135m", 1000.0, 60.0, "the rule: idling takes as much as a reload after 74 s"
    )
    monkeypatch.setenv("COLUMNS", "80")
    lines = shell("models", "ps").stdout.splitlines()
    assert max(len(line) for line in lines) <= 80
    first = next(number for number, line in enumerate(lines) if "local/smollm2-135m" in line)
    begins = next(line.index("why") for line in lines if "why" in line)  # a process's number is long or short
    told = " ".join(line[begins:].strip() for line in lines[first:-2])
    assert told.strip() == "the rule: idling takes as much as a reload after 74 s"
    assert lines[-1] == "Idle since the end of the last answer; each further one begins the stay anew."
