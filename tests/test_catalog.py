from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from greenai import catalog
from greenai.catalog import cards, find, register, suggest
from greenai.catalog.families import first
from greenai.errors import SettingsError
from greenai.settings import load_settings
from greenai.settings.cards import CardEntry, PriceEntry

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


def test_the_remedy_behind_a_base_url_is_a_card_alone() -> None:
    said = "Write in the settings, with its own size in 1e9 parameters: "
    card = 'cards = [{ name = "endpoint/acme-7b", total_params_b = 7 }].'
    assert catalog.remedy_for("endpoint/acme-7b") == said + card
    assert catalog.remedy_for("endpoint/gpt-5.5") == (
        "If it is openai/gpt-5.5 that answers there, write in the settings: "
        'cards = [{ name = "endpoint/gpt-5.5", same_as = "openai/gpt-5.5" }].'
    )
    assert catalog.remedy_for("openai/gpt-99").endswith(", or name the model as the catalog does.")


def test_suggestions_are_names_of_cards() -> None:
    assert suggest("gpt5.5")[0] == "openai/gpt-5.5"
    assert suggest("smollm2-135m") == ("local/smollm2-135m",)
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
    assert len(by_name) == len(cards())
    for card in cards():
        assert card.name.startswith(card.provider + "/")
        assert card.name in card.ladder
        assert set(card.ladder) <= by_name.keys()
        assert {by_name[name].provider for name in card.ladder} == {card.provider}
        assert card.params_source
        assert card.params_date
        assert (card.total_params_b is None) == (card.active_params_b is None) == (card.params_source == "not stated")
        for size in (card.total_params_b, card.active_params_b):
            assert size is None or 0 < size.low <= size.mid <= size.high
        if card.total_params_b is not None and card.active_params_b is not None:
            assert card.active_params_b.mid <= card.total_params_b.mid
        if card.same_as is not None:
            original = by_name[card.same_as]
            assert original.same_as is None
            assert (card.total_params_b, card.active_params_b) == (original.total_params_b, original.active_params_b)
        assert card.price is None or (card.price.source and card.price.date and card.price.input > 0)
        vectors = "embedding" in card.name  # nothing is generated, so nothing is charged for it
        assert card.price is None or (card.price.output == 0) == vectors
        assert card.capabilities <= {"tools", "vision", "json_schema", "audio"}


def test_there_are_three_hundred_chat_models_with_sizes() -> None:
    """Names that are no snapshot's and no other host's, and of equal last parts only one."""
    own = [card for card in cards() if card.same_as is None and not card.dated and card.total_params_b is not None]
    models = {card.name.rpartition("/")[2].lower() for card in own}
    assert len(models) >= 300
    assert len({card.provider for card in cards()}) >= 15


def test_a_size_from_a_name_allows_for_its_rounding() -> None:
    card = find("Qwen/Qwen3-Coder-480B-A35B-Instruct")
    assert card is not None
    assert card.moe
    assert card.total_params_b == catalog.Range(low=436.3636, mid=480.0, high=528.0)
    assert card.active_params_b == catalog.Range(low=31.8182, mid=35.0, high=38.5)
    assert card.params_source == (
        "the model's own name on its hub page: 480B-A35B, rounded, so 10% either way is allowed for (assumption)"
    )


def test_weights_are_the_same_at_a_host_and_siblings_are_its_own() -> None:
    host = find("deepinfra/meta-llama/Meta-Llama-3.1-8B-Instruct")
    assert host is not None
    assert host.same_as == "hosted_vllm/meta-llama/Llama-3.1-8B-Instruct"
    assert host.ladder[:2] == ("deepinfra/meta-llama/Llama-3.2-3B-Instruct", host.name)
    served = find("hosted_vllm/meta-llama/Llama-3.1-8B-Instruct")
    assert served is not None
    assert served.ladder == (served.name,)


def test_a_clouds_model_has_siblings_there_but_a_deployment_has_none() -> None:
    vertex, azure = find("vertex_ai/claude-opus-5"), find("azure/gpt-5.5")
    assert vertex is not None
    assert vertex.ladder[0].startswith("vertex_ai/claude-haiku")
    assert azure is not None
    assert azure.ladder == ("azure/gpt-5.5",)
    assert dict(azure.reasoning.off) == {"reasoning_effort": "none"}


def test_scores_are_public_and_on_one_scale() -> None:
    scored = [score for card in cards() for score in card.quality]
    assert len({score.name for score in scored}) == 1
    assert all(0 < score.score < 100 and "livebench.ai" in score.source and score.date for score in scored)
    gpt = find("gpt-5.1")
    assert gpt is not None
    assert [(score.reasoning, score.score) for score in gpt.quality] == [("off", 45.0), ("on", 75.2)]
    assert find("gpt-5.1-2025-11-13").quality == gpt.quality  # type: ignore[union-attr]


# --- the schema ---------------------------------------------------------------------------

FILES = Path(catalog.__file__).parent


def _errors(instance: object, part: str | None = None) -> list[str]:
    schema = catalog.schema()
    if part is not None:
        schema = {"$ref": f"#/$defs/{part}", "$defs": schema["$defs"]}
    return [error.message for error in Draft202012Validator(schema).iter_errors(instance)]


def test_the_catalog_keeps_its_schema() -> None:
    Draft202012Validator.check_schema(catalog.schema())
    assert _errors(json.loads((FILES / "models.json").read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "change",
    [
        {"total_params_b": [1, 2]},
        {"total_params_b": [0, 1, 2]},
        {"tier": "medium"},
        {"params_date": "yesterday"},
        {"name": "no-provider"},
        {"price": {"input": -1, "cached_input": None, "output": 1, "source": "x", "date": "2026-11-21"}},
        {"colour": "green"},
        {"quality": [{"score": 101, "reasoning": "off", "name": "x", "source": "x", "date": "2026-11-21"}]},
    ],
)
def test_the_schema_refuses_a_wrong_card(change: dict[str, Any]) -> None:
    card = json.loads((FILES / "models.json").read_text("utf-8"))["cards"][0]
    assert _errors(card, "card") == []
    assert len(_errors({**card, **change}, "card")) == 1


def test_the_schema_of_an_own_card() -> None:
    assert _errors({"name": "acme/a", "total_params_b": [4, 9], "price": {"input": 1, "output": 2}}, "own_card") == []
    assert len(_errors({"name": "acme/a", "total_params_b": [4, 9, 12]}, "own_card")) == 1
    assert len(_errors({"name": "acme/a", "colour": "green"}, "own_card")) == 1


# --- cards of the app's own ---------------------------------------------------------------


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Register cards for the length of one test."""
    monkeypatch.setattr(catalog, "_own", {})

    def register(*rows: dict[str, Any]) -> None:
        catalog.register(CardEntry.model_validate(row) for row in rows)

    return register


Register = Callable[..., None]


def test_an_own_card_is_found_like_any_other(own: Register) -> None:
    before = len(cards())
    own({"name": "acme/chat", "aliases": ["chat"], "total_params_b": 30, "active_params_b": [2, 8]})
    card = find("chat")
    assert card is not None
    assert find("acme/chat") is card
    assert (card.provider, card.moe, card.ladder) == ("acme", True, ("acme/chat",))
    assert card.active_params_b == catalog.Range(low=2, mid=4, high=8)
    assert (card.params_source, card.reasoning.status) == ("stated in the app's settings", "unknown")
    assert cards()[0] is card
    assert len(cards()) == before + 1
    assert "acme/chat" in suggest("acme/chta")


def test_a_dense_own_card_uses_every_parameter(own: Register) -> None:
    own({"name": "acme/dense", "total_params_b": 7, "source": "its README", "date": "2026-01-31"})
    card = find("acme/dense")
    assert card is not None
    assert card.active_params_b == card.total_params_b
    assert (card.moe, card.params_source, card.params_date) == (False, "its README", "2026-01-31")


def test_an_own_card_may_replace_what_the_catalog_says(own: Register) -> None:
    shipped = find("gpt-5.5")
    own({"name": "openai/gpt-5.5", "replace": True, "price": {"input": 1, "output": 2}, "aliases": ["big"]})
    card = find("gpt-5.5")
    assert card is not None
    assert shipped is not None
    assert card.price == catalog.Price(
        input=1, cached_input=None, output=2, source="stated in the app's settings", date=""
    )
    assert (card.total_params_b, card.params_source) == (shipped.total_params_b, shipped.params_source)
    assert card.reasoning == shipped.reasoning
    assert find("big") is card
    assert [c.name for c in cards()].count("openai/gpt-5.5") == 1


def test_another_size_is_another_shape(own: Register) -> None:
    name = "hosted_vllm/meta-llama/Llama-4-Maverick-17B-128E-Instruct"
    shipped = find(name)
    assert shipped is not None
    assert shipped.layers
    own({"name": name, "replace": True, "total_params_b": 8})
    card = find(name)
    assert card is not None
    assert (card.layers, card.kv_gb_per_1k_tokens, card.shared_params_b) == (None, None, None)
    own({"name": "hosted_vllm/Qwen/Qwen3-32B", "replace": True, "total_params_b": 33, "layers": 40})
    stated = find("hosted_vllm/Qwen/Qwen3-32B")
    assert stated is not None
    assert stated.layers == 40


def test_more_active_parameters_than_there_are_is_refused(own: Register) -> None:
    with pytest.raises(
        SettingsError, match=r"openai/gpt-4o would have 1000e9 active parameters of 440e9\. State total"
    ):
        own({"name": "openai/gpt-4o", "replace": True, "active_params_b": 1000})


def test_the_same_definition_twice_changes_nothing(own: Register) -> None:
    own({"name": "acme/chat", "total_params_b": 7})
    first = find("acme/chat")
    own({"name": "acme/chat", "total_params_b": 7})
    assert find("acme/chat") == first


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (
            [{"name": "openai/gpt-5.5", "total_params_b": 7}],
            (
                "cards: openai/gpt-5.5 is a name of the catalog's model openai/gpt-5.5. Choose another name, or set "
                "replace = true on a card named openai/gpt-5.5 to change what is known of it."
            ),
        ),
        (
            [{"name": "acme/x", "aliases": ["gpt-5.5"], "total_params_b": 7}],
            (
                "cards: gpt-5.5 is a name of the catalog's model openai/gpt-5.5. Choose another name, or set "
                "replace = true on a card named openai/gpt-5.5 to change what is known of it."
            ),
        ),
        (
            [{"name": "openai/gpt-5.5x", "replace": True, "total_params_b": 7}],
            (
                "cards: openai/gpt-5.5x has replace = true, and the catalog has no such model. "
                "Did you mean openai/gpt-5.5?"
            ),
        ),
        (
            [{"name": "acme/a", "total_params_b": 7}, {"name": "acme/a", "total_params_b": 8}],
            (
                "cards: acme/a is defined twice with different values; own cards hold for the whole process. "
                "Keep one definition."
            ),
        ),
        (
            [{"name": "acme/a", "ladder": ["acme/tiny", "acme/a"]}],
            "cards: the ladder of acme/a names acme/tiny, which no card describes.",
        ),
        (
            [{"name": "acme/a", "reasoning": "template-enabled"}],
            "cards: acme/a has reasoning = 'template-enabled', which is no switch. Did you mean template-enable?",
        ),
    ],
)
def test_a_card_that_cannot_stand_is_refused(own: Register, rows: list[dict[str, Any]], problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        own(*rows)
    assert str(caught.value) == problem
    assert find("acme/a") is None


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ('aliases = ["gpt-5.5"]', "gpt-5.5 is a name of the catalog's model openai/gpt-5.5. "),
        ('reasoning = "swich"', "acme/b has reasoning = 'swich', which is no switch. "),
        ('ladder = ["acme/b", "acme/z"]', "the ladder of acme/b names acme/z, which no card describes."),
        ("replace = true", "acme/b has replace = true, and the catalog has no such model. "),
    ],
)
def test_a_refused_card_names_its_line(own: Register, tmp_path: Path, more: str, problem: str) -> None:
    file = tmp_path / "greenai.toml"
    file.write_text(f'project = "x"\n\n[[cards]]\nname = "acme/b"\ntotal_params_b = 7\n{more}\n')
    with pytest.raises(SettingsError) as caught:
        catalog.register(load_settings(file).cards)
    assert str(caught.value).startswith(f"{file}, line 4: cards: {problem}")


def test_many_threads_register_and_all_cards_stay(own: Register) -> None:
    names = [f"acme/m{n}" for n in range(64)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: own({"name": name, "total_params_b": 7}), names))
    assert all(find(name) is not None for name in names)


def test_threads_that_look_up_at_once_find_the_same_card() -> None:
    for function in (
        catalog._file,
        catalog._switches,
        catalog._positions,
        catalog._shipped,
        catalog._all,
        catalog._index,
    ):
        function.cache_clear()
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(find, ["gpt-5.5", "openai/gpt-5.5"] * 64))
    assert all(card == found[0] for card in found)
    assert found[0] is not None


def test_a_client_reads_own_cards_from_its_settings(own: Register) -> None:
    from greenai import Client

    with Client(settings={"cards": [{"name": "acme/chat", "total_params_b": 7}], "ledger": ":memory:"}):
        assert find("acme/chat") is not None
    with pytest.raises(SettingsError, match="cards: acme/chat is defined twice"):
        Client(settings={"cards": [{"name": "acme/chat", "total_params_b": 8}], "ledger": ":memory:"})


# --- the data -----------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("pattern", "bytes_per_weight", "layers", "shared_params_b", "kv_gb"),
    [
        (r"deepseek-(v3(\.\d|p\d)?(-0324|-terminus|-exp)?|r1(-0528)?|chat|reasoner)", 1.0, 61, 17.1, 0.07027),
        (r"kimi-k2-instruct(-0905)?", 1.0, 61, 11.7, 0.07027),
        (r"kimi-k2(-thinking|[.p][56]|[.p]7-code)", 0.57, 61, 11.7, 0.07027),
        (r"minimax-m2([.p]\d)?", 1.0, 62, None, 0.253952),
        (r"deepseek-v4-flash", 0.56, None, None, 0.0069),
        (r"deepseek-v4-pro", 0.54, 61, None, 0.0098),
        (r"gpt-oss-20b", 0.55, 24, 1.8, 0.0307),
        (r"gpt-oss-120b", 0.55, 36, 2.1, 0.04608),
        (r"gpt-oss-safeguard-\d+b", 0.55, None, None, None),
    ],
)
def test_weights_published_in_few_bits_are_the_same_at_every_host(
    pattern: str, bytes_per_weight: float, layers: int | None, shared_params_b: float | None, kv_gb: float | None
) -> None:
    found = [card for card in cards() if re.fullmatch(pattern, card.name.rpartition("/")[2].lower())]
    assert len({card.provider for card in found}) > 1
    assert {(c.bytes_per_weight, c.layers, c.shared_params_b, c.kv_gb_per_1k_tokens) for c in found} == {
        (bytes_per_weight, layers, shared_params_b, kv_gb)
    }


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
        named = [row["name"] for row in file.get("card", ())]
        for group in file.get("group", ()):
            named += [*group.get("names", ()), *group.get("sizes", {})]
        assert {f"{file['provider']}/{name}" for name in named} <= made


# --- families: models without a card ------------------------------------------------------------


def test_a_family_says_of_a_card_what_the_card_says() -> None:
    for card in cards():
        provider, _, name = card.name.partition("/")
        family = first(catalog.families(), provider, name)
        if family is None or card.reasoning.status == "unknown":
            continue
        switch = catalog._switches()[family.switch]
        assert (switch.status, flat(switch.off)) == (card.reasoning.status, flat(card.reasoning.off)), card.name


def flat(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {**{k: v for k, v in fields.items() if k != "extra_body"}, **fields.get("extra_body", {})}


def test_a_familys_example_belongs_to_it() -> None:
    for family in catalog.families():
        assert first(catalog.families(), *family.example.split("/", 1)) is family, family.label


def test_a_switch_of_a_family_has_a_source_and_a_date() -> None:
    for family in catalog.families():
        switch = catalog.switch_of(family.example)
        assert switch.source
        assert switch.date >= "2026-11-21"


def test_an_own_card_that_says_nothing_is_known_has_nothing_sent(own: Register) -> None:
    own({"name": "hosted_vllm/acme/qwen3-tuned", "total_params_b": 8, "reasoning": "unknown"})
    own({"name": "hosted_vllm/acme/qwen3-other", "total_params_b": 8})
    assert catalog.switch_of("hosted_vllm/acme/qwen3-tuned").status == "unknown"
    assert catalog.switch_of("hosted_vllm/acme/qwen3-other").status == "off"


def test_a_card_may_be_the_same_as_one_of_the_catalog() -> None:
    theirs = find("openai/gpt-5.5")
    assert theirs is not None
    register([CardEntry(name="endpoint/gpt-5.5", same_as="openai/gpt-5.5", price=PriceEntry(input=1, output=2))])
    ours = find("endpoint/gpt-5.5")
    assert ours is not None
    same = ("total_params_b", "active_params_b", "params_source", "tier", "capabilities", "reasoning", "context_tokens")
    assert all(getattr(ours, field) == getattr(theirs, field) for field in same)
    assert (ours.provider, ours.ladder, ours.aliases, ours.same_as) == (
        "endpoint",
        ("endpoint/gpt-5.5",),
        (),
        theirs.name,
    )
    assert ours.price is not None
    assert (ours.price.input, find("gpt-5.5")) == (1, theirs)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            {"same_as": "openai/gpt-5.55"},
            "has same_as = 'openai/gpt-5.55', which the catalog has not. Did you mean openai/gpt-5.5?",
        ),
        (
            {"same_as": "openai/gpt-5.5", "replace": True},
            "same_as is for a model that the catalog has not; leave out replace",
        ),
    ],
)
def test_a_card_that_is_the_same_as_none_is_refused(entry: dict[str, Any], said: str) -> None:
    with pytest.raises((SettingsError, ValidationError)) as raised:
        register([CardEntry(name="endpoint/gpt-5.5", **entry)])
    assert said in str(raised.value)
