from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from greenai import catalog
from greenai.catalog import cards, find, suggest

TRAINING = Path(__file__).parents[1] / "training" / "catalog"


def test_a_name_and_its_aliases_find_one_card() -> None:
    card = find("openai/gpt-5.5")
    assert card is not None
    assert find("gpt-5.5") is card
    assert card.provider == "openai"
    assert card.tier == "large"
    assert card.ladder == ("openai/gpt-5.4-nano", "openai/gpt-5.4-mini", "openai/gpt-5.5")


@pytest.mark.parametrize("name", ["GPT-5.5", "gpt-5", "gpt5.5", "gpt-5.5 ", "", "gpt-5.5-2026-04-24", "ft:gpt-5.4:me"])
def test_a_similar_name_finds_nothing_or_only_itself(name: str) -> None:
    card = find(name)
    assert card is None or name in {card.name, *card.aliases}


def test_suggestions_are_names_of_cards() -> None:
    assert suggest("gpt5.5")[0] == "openai/gpt-5.5"
    assert suggest("smollm2") == ("local/smollm2-135m",)
    assert suggest("qqqqqqqq") == ()
    assert len(suggest("gpt", n=2)) <= 2


def test_a_dated_snapshot_is_a_pin_with_the_sizes_of_its_alias() -> None:
    dated, alias = find("gpt-5.4-2026-03-05"), find("gpt-5.4")
    assert dated is not None
    assert alias is not None
    assert (dated.dated, alias.dated) == (True, False)
    assert dated.ladder == ("openai/gpt-5.4-2026-03-05",)
    assert dated.active_params_b == alias.active_params_b


def test_the_model_that_ships() -> None:
    card = find("local/smollm2-135m")
    assert card is not None
    assert card.total_params_b == catalog.Range(low=0.1345, mid=0.1345, high=0.1345)
    assert card.kv_gb_per_1k_tokens == pytest.approx(2 * 30 * 3 * 64 * 2 * 1000 / 1e9)
    assert card.default_system == "You are a helpful AI assistant."
    assert dict(card.defaults) == {"temperature": 0.0}
    assert card.ladder == ("local/smollm2-135m",)


def test_every_card_is_whole() -> None:
    by_name = {card.name: card for card in cards()}
    assert len(by_name) == len(cards()) >= 80
    for card in cards():
        assert card.name.startswith(card.provider + "/")
        assert card.name in card.ladder
        assert set(card.ladder) <= by_name.keys()
        assert {by_name[name].provider for name in card.ladder} == {card.provider}
        assert card.params_source
        assert card.params_date
        for size in (card.total_params_b, card.active_params_b):
            assert size is not None
            assert 0 < size.low <= size.mid <= size.high
        assert card.price is None or (card.price.source and card.price.date and card.price.output > 0)
        assert card.capabilities <= {"tools", "vision", "json_schema", "audio"}


def test_every_switch_says_what_to_send() -> None:
    for card in cards():
        switch = card.reasoning
        assert switch.source, card.name
        if switch.status in {"none", "always_on", "unknown"}:
            assert not switch.off, card.name
        if switch.status == "lowest" or (switch.status == "off" and switch.default != "off"):
            assert switch.off, card.name
        if switch.default == "off":
            assert switch.on, card.name


def test_the_values_cannot_be_changed() -> None:
    card = find("gpt-5.5")
    assert card is not None
    with pytest.raises(TypeError):
        card.reasoning.off["reasoning_effort"] = "high"  # type: ignore[index]


def test_the_file_is_what_the_build_script_makes() -> None:
    if find_spec("litellm") is None:
        pytest.skip("the price map comes with litellm")
    done = subprocess.run(
        [sys.executable, TRAINING / "build.py", "--check"], capture_output=True, text=True, check=False
    )
    if "litellm 1.105.3" not in _citation():
        pytest.skip("models.json was made from another release of the price map")
    assert (done.returncode, done.stderr) == (0, "")


def _citation() -> str:
    from importlib.metadata import version

    return f"litellm {version('litellm')}"


def test_the_hand_kept_files_are_read() -> None:
    made = {card.name for card in cards()}
    for path in TRAINING.glob("*.toml"):
        file = tomllib.loads(path.read_text(encoding="utf-8"))
        for row in file.get("card", ()):
            assert f"{file['provider']}/{row['name']}" in made
