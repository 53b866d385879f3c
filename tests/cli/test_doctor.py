"""`greenai doctor`: what is here, what is missing, and never the value of a key."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
import task_files

from greenai import Client, __version__, catalog
from greenai.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

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


def test_the_cache_is_read_and_written(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = shell.json("doctor")["cache"]
    place = str(tmp_path / "greenai-state" / "cache")
    assert found.pop("size_bytes") > 0
    assert found == {"mode": "auto", "kind": "disk", "place": place, "answers": 0, "ok": True, "problem": None}
    assert f"cache {place} (disk): 0 answers, " in " ".join(shell("doctor").stdout.split())
    assert shell.json("cache", "stats")["size_bytes"] > 0
    monkeypatch.setenv("GREENAI_CACHE_URL", "redis://127.0.0.1:1/0")
    result = shell("doctor")
    assert result.exit_code == 1
    text = " ".join(result.stdout.split())
    assert "cache cannot be used: The answer cache in Redis at 127.0.0.1:1 does not answer (Error " in text


def test_grids_and_where_their_figures_come_from(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "greenai.toml").write_text(
        'zone = "UK"\ncarbon_source = "uk-carbon-intensity"\nprovider_zones = { openai = "US-VA" }\n'
    )
    chosen = shell.json("doctor")["settings"]
    assert (chosen["carbon_source"], chosen["provider_zones"]) == ("uk-carbon-intensity", {"openai": "US-VA"})
    text = " ".join(shell("doctor").stdout.split())
    assert "carbon zone GBR (United Kingdom); uk-carbon-intensity: live, else the yearly mean openai in US-VA (" in text
    (tmp_path / "greenai.toml").unlink()
    assert "carbon zone WORLD (World); static: yearly means" in " ".join(shell("doctor").stdout.split())


@pytest.mark.parametrize(
    "text",
    [
        'zone = "ukraina"',
        'zone = "EU"',
        'provider_zones = { openai = "US-XY" }',
        'provider_zones = { opnai = "USA" }',
        'carbon_source = "electricity-maps"',
        'carbon_source = "uk-carbon-intensity"',
        '[[cards]]\nname = "acme/doctor"\ntotal_params_b = 7\ndeployment = { gpu = "H1000" }',
        '[[cards]]\nname = "openai/gpt-5.5"\ntotal_params_b = 7',
    ],
)
def test_it_refuses_what_a_client_refuses(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.delenv("ELECTRICITY_MAPS_TOKEN", raising=False)
    (tmp_path / "greenai.toml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        Client()
    assert shell.error("doctor") == ("SettingsError", str(caught.value))


def test_one_way_to_install_what_reads_a_gpu(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = {"name": "nvml", "usable": False, "why_not": "nvidia-ml-py is not installed", "how": "another way"}
    monkeypatch.setattr("greenai.meters.available", lambda: [nvml])
    module = sys.modules["greenai.cli.doctor"]
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert shell.json("doctor")["sensors"][0]["how"] == 'pip install "greenai[nvidia]"'
    assert "another way" not in shell("doctor").stdout
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    assert shell.json("doctor")["sensors"][0]["how"] == "another way"


def test_a_rung_names_the_engine_that_its_weights_need(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    monkeypatch.setenv("GREENAI_LADDER", f"local/{tmp_path},local/org/repo")
    monkeypatch.setattr(sys.modules["greenai.cli.doctor"], "find_spec", lambda _: None)
    assert [rung["missing"] for rung in shell.json("doctor")["rungs"]] == [
        'no engine: pip install "greenai[torch]"',
        'no engine: pip install "greenai[local]"',
    ]
    monkeypatch.setattr(sys.modules["greenai.cli.doctor"], "find_spec", lambda _: object())
    assert [rung["missing"] for rung in shell.json("doctor")["rungs"]] == [
        None,
        "no weights: greenai models pull org/repo",
    ]


def test_each_rung_says_what_it_lacks(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENAI_LADDER", "openai/gpt-5.4-nano,openai/gpt-99")
    assert shell.json("doctor")["rungs"] == [
        {"model": "openai/gpt-5.4-nano", "missing": "no key: export OPENAI_API_KEY=..."},
        {"model": "openai/gpt-99", "missing": "no key: export OPENAI_API_KEY=..."},
    ]
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    assert [r["missing"] for r in shell.json("doctor")["rungs"]] == [
        None,
        (
            "not in the catalog, so its energy stays unknown. Write in the settings, with its own size in 1e9 parameters: "
            'cards = [{ name = "openai/gpt-99", total_params_b = 7 }], or name the model as the catalog does.'
        ),
    ]


def test_budgets_and_where_they_are_counted(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "none: nothing is limited; see greenai budget" in shell("doctor").stdout
    file = tmp_path / "greenai.toml"
    file.write_text(
        '[projects.bot.budget]\ncalls = ["5/hour", "9 calls/1d rolling"]\n[user_budget]\ntokens = "900/hour"\n'
    )
    found = shell.json("doctor", "--settings", str(file))["budgets"]
    place = str(tmp_path / "greenai-state" / "budgets.db")
    assert found == {
        "budgets": {"user": ["900/hour"], "project/bot": ["5/hour", "9 calls/1d rolling"]},
        "place": place,
        "ok": True,
        "problem": None,
    }
    monkeypatch.setenv("GREENAI_BUDGET_URL", "redis://user:hidden@127.0.0.1:9/0")
    result = shell("doctor", "--settings", str(file))
    assert result.exit_code == 1
    text = " ".join(result.stdout.split())
    assert "counted in redis://127.0.0.1:9/0: cannot be reached: " in text
    assert "hidden" not in text


def test_opt_ins_that_are_over(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shell.json("doctor")["settings"]["opt_ins_over"] == []
    monkeypatch.chdir(tmp_path)
    (tmp_path / "greenai.toml").write_text(
        'opt_in = ["reasoning"]\nopt_in_reason = "checked"\n'
        '[projects.tax]\nopt_in = ["large"]\nopt_in_reason = "checked"\nopt_in_expires = 2020-01-01\n'
    )
    over = "the opt-in large of the settings (project tax) ended on 2020-01-01"
    assert shell.json("doctor")["settings"]["opt_ins_over"] == [over]
    text = " ".join(shell("doctor").stdout.split())
    assert f"opt-ins reasoning warning: {over}. Set a later opt_in_expires, or take opt_in out." in text


def test_when_models_are_unloaded_and_names_that_no_model_has(shell: Shell, tmp_path: Path) -> None:
    assert " unloading keep_alive auto profiles " in " ".join(shell("doctor").stdout.split())
    (tmp_path / "greenai.toml").write_text(
        '[local]\nkeep_alive = "10m"\n[local.models.smollm]\nkeep_warm = true\n'
        '[local.models."org/repo"]\nrun_at = "0 2 * * *"\n'
    )
    assert shell.json("doctor")["unloading"] == [
        {"model": None, "keep_alive": "10m", "run_at": None},
        {
            "model": "local/smollm",
            "keep_alive": "forever",
            "run_at": None,
            "missing": "no model has that name. Did you mean local/smollm2-135m?",
        },
        {
            "model": "local/org/repo",
            "keep_alive": None,
            "run_at": "0 2 * * *",
            "missing": "no weights: greenai models pull org/repo",
        },
    ]
    text = shell("doctor").stdout
    assert "local/smollm: keep_alive forever; no model has that name. Did you mean local/smollm2-135m?" in text
    assert "local/org/repo: run_at 0 2 * * *; no weights: greenai models pull org/repo" in text


def test_task_models_are_named_and_whether_they_load(shell: Shell, tmp_path: Path) -> None:
    good = task_files.write(tmp_path / "department.greenai")
    cut = tmp_path / "cut.greenai"
    cut.write_bytes(good.read_bytes()[:900])
    settings = tmp_path / "greenai.toml"
    tables = "".join(f'[[distilled]]\nfile = "{file}"\n' for file in (good, cut))
    settings.write_text(tables, encoding="utf-8")
    first, second = shell.json("doctor", "--settings", str(settings))["distilled"]
    assert (first["name"], first["mode"], first["kind"], first["problem"]) == ("department", "shadow", "label", None)
    assert second["name"] is None
    assert "it was cut short or changed. Make it again with `greenai distil`" in second["problem"]
    said = " ".join(shell("doctor", "--settings", str(settings)).stdout.split())
    assert f"department, version {first['version']}, shadow" in said
    assert "does not answer: cut.greenai has the SHA-256" in said
