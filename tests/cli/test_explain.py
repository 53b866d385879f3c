"""`greenai explain`: a decision, and no model called."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Shell  # type: ignore[attr-defined]


def test_ceiling_shows_every_rung_with_its_energy(shell: Shell) -> None:
    decision = shell.json("explain", "Who wrote Hamlet?", "--model", "gpt-5.5")
    models = [estimate["model"] for estimate in decision["estimates"]]
    assert decision["outcome"] == "small"
    assert models[-1] == "openai/gpt-5.5"
    assert decision["route"][0] == models[0] != models[-1]
    energies = [estimate["energy"]["energy_j"] for estimate in decision["estimates"]]
    assert energies == sorted(energies)


def test_table_says_why(shell: Shell) -> None:
    result = shell("explain", "Who wrote Hamlet?", "--model", "gpt-5.5")
    assert result.exit_code == 0
    assert "decision, no model called" in result.stdout
    assert "task: fact (1.00)" in result.stdout
    assert "is expected to suffice: loss 0.04 is within" in result.stdout


def test_calculation_needs_no_rung(shell: Shell) -> None:
    decision = shell.json("explain", "-", stdin="2+2")
    assert (decision["outcome"], decision["route"], decision["estimates"]) == ("answerer", [], [])


def test_opt_in_opens_the_large_rung(shell: Shell) -> None:
    settings = 'ladder = ["openai/gpt-5.4-nano", "openai/gpt-5.5"]\n'
    with open("greenai.toml", "w", encoding="utf-8") as file:  # noqa: PTH123 (the folder is the shell's)
        file.write(settings)
    question = "Prove that there are infinitely many primes, step by step"
    closed = shell.json("explain", question)
    assert closed["route"] == ["openai/gpt-5.4-nano"]
    assert closed["reasons"][-2] == (
        "openai/gpt-5.5 needs the opt-in large, so openai/gpt-5.4-nano answers. "
        'To allow it: with_options(opt_in={"large"}, reason="...").'
    )
    opened = shell.json("explain", question, "--opt-in", "large", "--reason", "a proof is wanted")
    assert (opened["route"], opened["opt_ins"]) == (["openai/gpt-5.5"], ["large"])


def test_a_missing_opt_in_names_the_options_of_the_command(shell: Shell) -> None:
    settings = 'ladder = ["openai/gpt-5.4-nano", "openai/gpt-5.5"]\nwithout_opt_in = "refuse"\n'
    with open("greenai.toml", "w", encoding="utf-8") as file:  # noqa: PTH123 (the folder is the shell's)
        file.write(settings)
    kind, message = shell.error("explain", "Prove that there are infinitely many primes, step by step")
    assert kind == "OptInRequired"
    assert message.endswith('--opt-in large --opt-in reasoning --reason "why this is worth it"')
    assert "client" not in message
