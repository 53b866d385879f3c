"""`greenai ask`: text and receipt, JSON, standard input, opt-ins, missing weights, and one line for each error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import servers
from typer.main import get_command

from greenai import __version__
from greenai.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Shell  # type: ignore[attr-defined]

MISSING = "The weights of local/smollm2-135m are not on this machine. Bring them with: greenai models pull smollm2-135m"


def test_calculation_is_answered_without_a_model(shell: Shell) -> None:
    data = shell.json("ask", "What is 18% of 240?")
    assert (data["text"], data["finish_reason"]) == ("43.2", "stop")
    assert data["receipt"]["outcome"] == "answerer"
    assert data["receipt"]["attempts"] == []


def test_text_comes_first_then_the_receipt(shell: Shell) -> None:
    result = shell("ask", "What is 18% of 240?")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[:3] == ["43.2", "", "receipt".ljust(len(lines[2]))]
    assert "answered by      greenai/calc: a calculation or function, without a language model" in result.stdout
    assert result.stderr == ""


def test_receipt_can_be_left_out(shell: Shell) -> None:
    assert shell("ask", "2+2", "--no-receipt").stdout == "4\n"
    assert shell.json("ask", "2+2", "--no-receipt") == {
        "text": "4",
        "finish_reason": "stop",
        "outcome": "answerer",
    }


def test_dash_reads_standard_input(shell: Shell) -> None:
    assert shell("ask", "-", "--no-receipt", stdin="What is 6 times 7?\n").stdout == "42\n"


def test_stream_of_a_provider_is_printed(shell: Shell, remote: servers.Scripted) -> None:
    remote.play(servers.stream(3))
    result = shell("ask", "Say three words")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == "word0 word1 word2 "
    assert "answered by      openai/scripted-model: a small model" in result.stdout


ELSE = 'or use the model on this machine: --model local/smollm2-135m (in Python: model="local/smollm2-135m").'


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            "gpt-5.5-2026-04-23",
            (
                "This call goes to OpenAI, and no API key was found. Set one with: export OPENAI_API_KEY=... "
                f"(in Python also: Client(api_key=...)), {ELSE}"
            ),
        ),
        (
            "gemini/gemini-2.5-pro",
            (
                "This call goes to gemini, and no API key was found: GEMINI_API_KEY or GOOGLE_API_KEY is not set. "
                f"Set one with: export GEMINI_API_KEY=..., {ELSE}"
            ),
        ),
    ],
)
def test_a_missing_key_is_told_for_the_shell_first(shell: Shell, model: str, message: str) -> None:
    assert shell.error("ask", "Say three words", "--model", model) == ("MissingKey", message)


def test_every_option_has_a_help() -> None:
    def parameters(command: Any) -> Iterator[Any]:
        yield from command.params
        for inner in getattr(command, "commands", {}).values():
            yield from parameters(inner)

    assert [p.name for p in parameters(get_command(app)) if not p.help] == []


def test_options_reach_the_request(shell: Shell, remote: servers.Scripted) -> None:
    remote.play(servers.answer("Paris."))
    options = ("--system", "Be brief.", "--max-tokens", "9", "--temperature", "0")
    data = shell.json("ask", "Which city?", *options, "--project", "maps")
    assert data["text"] == "Paris."
    assert (data["receipt"]["project"], data["receipt"]["outcome"]) == ("maps", "small")
    sent = remote.bodies[0]
    assert sent["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Which city?"},
    ]
    assert (sent.get("max_tokens") or sent.get("max_completion_tokens"), sent["temperature"]) == (9, 0)


def test_second_time_comes_from_the_cache_unless_told_not_to(shell: Shell, remote: servers.Scripted) -> None:
    remote.play(servers.answer("Paris."), servers.answer("Paris!"))
    question = ("ask", "What is the capital of France?", "--temperature", "0")
    assert shell.json(*question)["receipt"]["outcome"] == "small"
    assert shell.json(*question)["receipt"]["outcome"] == "cache"
    assert shell.json(*question, "--no-cache")["text"] == "Paris!"
    assert len(remote.requests) == 2


def test_control_characters_of_a_model_do_not_reach_the_terminal(shell: Shell, remote: servers.Scripted) -> None:
    pieces = ["\x1b[2J", "red\x07", "\n\tend\x9b"]
    bodies = [servers.chunk_body({"content": piece}) for piece in pieces]
    remote.play(servers.stream(0, bodies=[*bodies, servers.chunk_body({}, "stop")]))
    assert shell("ask", "Say it", "--no-receipt").stdout == "[2Jred\n\tend\n"


def test_opt_in_needs_a_reason(shell: Shell) -> None:
    result = shell("ask", "2+2", "--opt-in", "large")
    assert result.exit_code == 2
    assert '--opt-in needs a reason, for example: --reason "checked by a person"' in result.stderr


def test_opt_in_with_a_reason_is_taken(shell: Shell) -> None:
    assert shell.json("ask", "2+2", "--opt-in", "large", "--reason", "a test")["text"] == "4"


# --- errors ---------------------------------------------------------------------------------


def test_missing_weights_without_a_terminal_are_an_error(shell: Shell) -> None:
    assert shell.error("ask", "What is the capital of France?") == ("ModelMissing", MISSING)


@pytest.mark.parametrize("how", [("--yes",), ()])
def test_missing_weights_are_brought_where_allowed(
    shell: Shell, hub: bytes, how: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not how:
        monkeypatch.setenv("GREENAI_YES", "1")
    result = shell("ask", "Hi?", "--model", "local/org/repo:m.gguf", *how)
    brought = list((tmp_path / "weights").rglob("m.gguf"))
    assert [path.read_bytes() for path in brought] == [hub]
    assert result.exit_code == 1  # what the hub gave is no model, and the engine says so


def test_bad_settings_are_one_line(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('quality = "best"\n')
    kind, message = shell.error("ask", "2+2", "--settings", str(tmp_path / "mine.toml"))
    assert kind == "SettingsError"
    assert message.startswith(f"{tmp_path / 'mine.toml'}, line 1: quality")


def test_error_of_a_provider_is_one_line(shell: Shell, remote: servers.Scripted) -> None:
    remote.play(servers.status(401, message="bad key"))
    result = shell("ask", "Hello, who are you?", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"]["type"] == "AuthenticationError"
    remote.play(servers.status(401, message="bad key"))
    plain = shell("ask", "Hello, who are you?")
    assert plain.exit_code == 1
    assert len(plain.stderr.strip().splitlines()) == 1
    assert plain.stderr.startswith("bad key (status 401) greenai tried: ")


def test_empty_question_is_an_error(shell: Shell) -> None:
    kind, message = shell.error("ask", " ")
    assert (kind, message) == (
        "InvalidRequest",
        "The question is empty. Pass some text, as in client.ask('What is 18% of 240?').",
    )


# --- the process ----------------------------------------------------------------------------


def test_version(shell: Shell) -> None:
    assert shell("--version").stdout == f"greenai {__version__}\n"


def test_calculation_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from greenai.cli import app\n"
        "app(['ask', '--json', 'What is 18% of 240?'], standalone_mode=False)\n"
        "heavy = {'openai', 'httpx', 'litellm', 'torch', 'transformers', 'xllamacpp'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)\n"
    )
    environment = {**os.environ, "GREENAI_STATE_DIR": str(tmp_path / "state")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert json.loads(done.stdout)["text"] == "43.2"


@pytest.mark.needs_weights
def test_model_of_this_machine_answers(shell: Shell, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENAI_WEIGHTS_DIR", str(weights.parent.parent))
    data = shell.json("ask", "What is the capital of France?")
    assert "Paris" in data["text"]
    receipt = data["receipt"]
    assert receipt["outcome"] == "small"
    assert receipt["energy"]["low_j"] < receipt["energy"]["energy_j"] < receipt["energy"]["high_j"]
    again = shell.json("ask", "What is the capital of France?")
    assert (again["text"], again["receipt"]["outcome"]) == (data["text"], "cache")


LOOKUP = (
    "This needs live data (such as the weather, prices, opening hours or the state of an order), "
    "which this assistant does not have."
)


def test_live_data_that_nothing_knows_end_with_a_code_of_their_own(shell: Shell) -> None:
    result = shell("ask", "What is the weather in Paris today?", "--no-receipt")
    assert result.exit_code == 3
    assert result.stdout == f"{LOOKUP}\n"
    assert '@client.answerer(examples=["What is the weather in Paris today?"])' in result.stderr
    with_receipt = shell("ask", "What is the weather in Paris today?")
    assert with_receipt.exit_code == 3
    assert "@client.answerer(examples=" in with_receipt.stdout
    assert with_receipt.stderr == ""
    told = shell("ask", "What is the weather in Paris today?", "--no-receipt", "--json")
    assert told.exit_code == 3
    assert json.loads(told.stdout)["outcome"] == "lookup_needed"


def test_faq_of_the_settings_is_read_with_a_bar_where_somebody_watches(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faq").mkdir()
    (tmp_path / "faq" / "cards.md").write_text("Gift cards cannot be refunded.\n")
    monkeypatch.setenv("GREENAI_FAQ", str(tmp_path / "faq"))
    quiet = shell("ask", "Can gift cards be refunded?", "--no-receipt")
    assert quiet.stdout == "Gift cards cannot be refunded.\n\n(cards.md, line 1)\n"
    assert quiet.stderr == ""
    told: list[bool] = []
    monkeypatch.setattr("greenai.client.Client.prepare", lambda *_: told.append(True))
    monkeypatch.setattr("greenai.cli.common._is_watched", lambda: True)
    assert shell("ask", "Can gift cards be refunded?", "--no-receipt").exit_code == 0
    assert told == [True]
    assert shell("ask", "Can gift cards be refunded?", "--json").exit_code == 0
    assert told == [True]
