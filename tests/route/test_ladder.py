"""What may be substituted, and for whom."""

from __future__ import annotations

from typing import Any

import pytest

from greenai.catalog import Card, Switch
from greenai.errors import NoSufficientModel
from greenai.route import Ladder, ladder_for
from greenai.values import Options, Request, Rung, Transport

NAMES = ("acme/nano", "acme/mini", "acme/max")
ALL = frozenset(("tools", "vision", "json_schema"))
CARDS = {
    "acme/nano": Card(
        name="acme/nano",
        provider="acme",
        tier="small",
        ladder=NAMES,
        context_tokens=1000,
        reasoning=Switch(default="none", status="none"),
    ),
    "acme/mini": Card(name="acme/mini", provider="acme", tier="small", ladder=NAMES, capabilities=ALL),
    "acme/max": Card(name="acme/max", provider="acme", tier="large", ladder=NAMES, capabilities=ALL),
    "acme/max-2026-01-01": Card(name="acme/max-2026-01-01", provider="acme", tier="large", dated=True),
    "acme/lone": Card(name="acme/lone", provider="acme", tier="large", ladder=("acme/lone",)),
    "local/tiny": Card(name="local/tiny", provider="local", tier="small", ladder=("local/tiny",)),
}
NANO, MINI, MAX = (Rung(model=name, tier=CARDS[name].tier) for name in NAMES)
SETTINGS = (Rung(model="local/tiny", tier="small"), Rung(model="other/big", tier="large", api_key="k"))


def find(name: str) -> Card | None:
    return CARDS.get(name) or CARDS.get(f"acme/{name}")


def request(
    model: str | None = None, *messages: Any, stream: bool = False, floor: str | None = None, **given: Any
) -> Request:
    options = {name: given.pop(name) for name in ("opt_in", "quality", "substitute") if name in given}
    return Request(
        call_id="c",
        entry="create",
        model=model,
        messages=messages or ({"role": "user", "content": "Hello?"},),
        arguments=given,
        stream=stream,
        transport=Transport(timeout_s=1),
        options=Options(**options),
        deadline=0.0,
        namespace="n",
        floor=floor,
    )


def ladder(asked: Request, settings: tuple[Rung, ...] = SETTINGS, **named: Any) -> Ladder:
    return ladder_for(asked, settings, find, **named)


def models(found: Ladder) -> tuple[str, ...]:
    return tuple(rung.model for rung in found.rungs)


# --- what may be substituted ----------------------------------------------------------------


@pytest.mark.parametrize("model", [None, "auto"])
def test_without_a_name_the_settings_ladder_applies(model: str | None) -> None:
    found = ladder(request(model))
    assert found.rungs == SETTINGS
    assert (found.named, found.substitutable) == (None, True)
    assert found.reason == "No model was named, so the settings' ladder applies: local/tiny < other/big."


@pytest.mark.parametrize("model", ["max", "acme/max"])
def test_undated_name_of_the_catalog_is_a_ceiling(model: str) -> None:
    found = ladder(request(model))
    assert found.rungs == (NANO, MINI, MAX)
    assert (found.named, found.substitutable) == ("acme/max", True)
    assert found.reason == f"{model} is a ceiling; its siblings up to it apply: acme/nano < acme/mini < acme/max."


def test_ceiling_in_the_middle_leaves_out_what_is_above() -> None:
    assert models(ladder(request("mini"))) == ("acme/nano", "acme/mini")


def test_smallest_sibling_stands_alone() -> None:
    found = ladder(request("nano"))
    assert models(found) == ("acme/nano",)
    assert found.reason == "nano was named, and the catalog knows no smaller sibling of it."


@pytest.mark.parametrize(
    ("model", "rung", "reason"),
    [
        ("max-2026-01-01", "acme/max-2026-01-01", "max-2026-01-01 is a pin: a dated snapshot."),
        ("ft:gpt-4o:org::id", "openai/ft:gpt-4o:org::id", "ft:gpt-4o:org::id is a pin: the catalog does not know it."),
        ("mistral/new", "mistral/new", "mistral/new is a pin: the catalog does not know it."),
    ],
)
def test_everything_else_is_a_pin(model: str, rung: str, reason: str) -> None:
    found = ladder(request(model))
    assert models(found) == (rung,)
    assert (found.named, found.substitutable, found.escalates, found.reason) == (rung, False, False, reason)


def test_model_behind_an_own_address_is_a_pin() -> None:
    endpoint = Rung(model="endpoint/max", base_url="http://localhost:1/v1")
    found = ladder(request("max"), endpoint=endpoint)
    assert found.rungs == (endpoint,)
    assert found.reason == "max is a pin: it stands behind the client's own base_url."


def test_ladder_that_names_the_address_makes_it_a_ceiling() -> None:
    endpoint = Rung(model="endpoint/big", base_url="http://localhost:1/v1")
    here = Rung(model="openai/big", base_url="http://localhost:1/v1", api_key="k")
    found = ladder(request("big"), (SETTINGS[0], here), endpoint=endpoint)
    assert found.rungs == (SETTINGS[0], here)
    elsewhere = Rung(model="openai/big")
    assert ladder(request("big"), (SETTINGS[0], elsewhere), endpoint=endpoint).rungs == (endpoint,)


def test_name_is_a_pin_on_pinned_surfaces() -> None:
    found = ladder(request("max"), pinned=True)
    assert models(found) == ("acme/max",)
    assert found.reason == "max is a pin here; substitute=True in the settings allows smaller models."
    assert models(ladder(request("max", substitute=True), pinned=True)) == NAMES


def test_substitute_false_pins_and_true_opens() -> None:
    assert models(ladder(request("max", substitute=False))) == ("acme/max",)
    assert models(ladder(request("unknown-1", substitute=True))) == ("local/tiny", "openai/unknown-1")


def test_pin_that_the_settings_ladder_names_is_asked_at_the_address_given_there() -> None:
    own = Rung(model="hosted_vllm/own-8b", base_url="http://127.0.0.1:8000/v1", tier="large")
    found = ladder(request("hosted_vllm/own-8b", substitute=False), (SETTINGS[0], own))
    assert found.rungs == (own,)
    assert not found.substitutable


def test_settings_ladder_that_names_the_model_comes_first() -> None:
    settings = (SETTINGS[0], MAX, SETTINGS[1])
    found = ladder(request("max"), settings)
    assert models(found) == ("local/tiny", "acme/max")
    assert found.reason == "max is a ceiling; the settings' ladder up to it applies: local/tiny < acme/max."


def test_denied_siblings_are_skipped_but_never_the_named_model() -> None:
    assert models(ladder(request("max"), denied=frozenset(("acme/nano", "acme/max")))) == ("acme/mini", "acme/max")
    assert models(ladder(request(), denied=frozenset(("local/tiny",)))) == ("other/big",)
    assert models(ladder(request(), denied=frozenset(("local/tiny", "other/big")))) == ("local/tiny", "other/big")


IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}


@pytest.mark.parametrize(
    "asked",
    [
        request("max", tools=[{"type": "function"}]),
        request("max", IMAGE),
        request("max", response_format={"type": "json_schema", "json_schema": {}}),
        request("max", {"role": "user", "content": "x" * 5000}),
        request("max", reasoning_effort="low"),
    ],
)
def test_substitute_must_be_able_to_do_what_is_asked(asked: Request) -> None:
    found = ladder(asked)
    assert models(found) == ("acme/mini", "acme/max")
    assert found.reason.endswith(" Left out, because this key or this request rules them out: acme/nano.")


def test_nothing_substitutes_for_what_no_card_lists() -> None:
    assert models(ladder(request("max", web_search_options={}))) == NAMES
    assert models(ladder(request("max", web_search_options={"search_context_size": "low"}))) == ("acme/max",)


def test_ladder_without_an_able_model_is_an_error() -> None:
    with pytest.raises(NoSufficientModel) as refused:
        ladder(request(None, tools=[{}]), (SETTINGS[0],))
    assert str(refused.value) == (
        "No model of the ladder can take this request (local/tiny: no tools). "
        'Name one that can with model="...", or add one to ladder in the settings.'
    )


def test_later_turns_stay_on_the_model_of_the_beginning() -> None:
    found = ladder(request("max"), previous="acme/mini")
    assert (models(found), found.escalates) == (("acme/mini",), False)
    assert found.reason == "The conversation stays on acme/mini, which answered its beginning."
    assert models(ladder(request("max"), previous="acme/gone")) == NAMES


def test_tool_loop_never_changes_model() -> None:
    loop = (
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "tool", "tool_call_id": "1", "content": "rain"},
    )
    found = ladder(request("max", *loop))
    assert models(found) == ("acme/max",)
    assert found.reason == "A tool loop never changes model: acme/max was named."
    assert models(ladder(request("max", *loop), previous="acme/mini")) == ("acme/mini",)
    free = ladder(request(None, *loop), (NANO, MINI, MAX))
    assert (models(free), free.escalates) == (("acme/mini", "acme/max"), False)
