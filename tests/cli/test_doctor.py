"""`greenai doctor`: what is here, what is missing, and never the value of a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenai import __version__, catalog

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from conftest import Shell  # type: ignore[attr-defined]


def test_everything_that_is_found(shell: Shell, tmp_path: Path) -> None:
    found = shell.json("doctor")
    assert found["version"] == __version__
    assert found["catalog"] == {"version": catalog.VERSION, "models": len(catalog.cards())}
    assert found["settings"]["ladder"] == ["local/smollm2-135m"]
    assert (found["ledger"]["ok"], found["ledger"]["calls"]) == (True, 0)
    assert found["weights"] == []
    assert not any(found["keys"].values())
    assert [sensor["name"] for sensor in found["sensors"]] == ["nvml", "apple", "rapl", "cpu-time"]
    assert {"name", "usable"} <= found["sensors"][0].keys()


def test_the_processor_and_whose_watts_it_has(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenai.meters.watts.model_name", lambda: "AMD EPYC 9654 96-Core Processor")
    monkeypatch.setattr("greenai.local.cpus.usable_cores", lambda: 6)
    processor = shell.json("doctor")["processor"]
    assert (processor["name"], processor["usable_cores"]) == ("AMD EPYC 9654 96-Core Processor", 6)
    assert processor["watts_per_core"] == {
        "value": 3.75,
        "low": 3.75 / 1.6,
        "high": 7.5,
        "name": "AMD EPYC 9654",
        "source": (
            "360 W / 96 cores; BoaviztAPI 2.5.0 (https://www.techpowerup.com/cpu-specs/epyc-9654.c2933) and "
            "CodeCarbon 3.3.2, 2026-11-21"
        ),
    }
    text = " ".join(shell("doctor").stdout.split())
    assert "AMD EPYC 9654 96-Core Processor, 6 usable cores; 3.8 W per core (2.3 to 7.5), AMD EPYC 9654: 360 W" in text


def test_watts_that_are_set_win(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENAI_WATTS_PER_CORE", "6.5")
    assert "6.5 W per core (4.9 to 8.6), as set: settings" in " ".join(shell("doctor").stdout.split())


def test_keys_are_named_and_never_shown(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-123")
    for result in (shell("doctor"), shell("doctor", "--json")):
        assert result.exit_code == 0
        assert "OPENAI_API_KEY" in result.output
        assert "secret" not in result.output


def test_what_is_missing_says_how_to_get_it(shell: Shell) -> None:
    text = shell("doctor").stdout
    assert "none; to get one: greenai models pull smollm2-135m" in text
    assert "none; for a provider set its variable, for example: export OPENAI_API_KEY=..." in text
    assert "remote models: modelled from tokens and model size, unless the provider reports energy" in text


def test_damaged_ledger_is_reported_and_left_alone(shell: Shell, tmp_path: Path) -> None:
    ledger = tmp_path / "greenai-state" / "ledger.db"
    ledger.parent.mkdir()
    ledger.write_bytes(b"not a database" * 100)
    result = shell("doctor")
    assert result.exit_code == 1
    assert "cannot be used:" in result.stdout
    assert ledger.read_bytes() == b"not a database" * 100


def test_each_rung_says_what_it_lacks(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENAI_LADDER", "openai/gpt-5.4-nano,openai/gpt-99")
    assert shell.json("doctor")["rungs"] == [
        {"model": "openai/gpt-5.4-nano", "missing": "no key: export OPENAI_API_KEY=..."},
        {"model": "openai/gpt-99", "missing": "no key: export OPENAI_API_KEY=..."},
    ]
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    assert [r["missing"] for r in shell.json("doctor")["rungs"]] == [
        None,
        "not in the catalog, so its energy stays unknown",
    ]
