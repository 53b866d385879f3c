"""The limit on an answer's length: how high, in which field, what lifts it, where there is none, and what it cut."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from greenai import Client
from greenai.catalog import find
from greenai.classify import Classifier
from greenai.nudges import NudgeContext, output_length
from greenai.testing import FakeProvider, FakeReply, offline
from greenai.values import Draft, Note, Options, Rung

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenai.values import Assessment, Receipt

NANO = Rung(model="openai/gpt-5.4-nano", tier="small")
ASKED = ({"role": "user", "content": "Who was Ada Lovelace?"},)
LIFT = 'with_options(opt_in={"long_output"}, reason="...")'


def assessed(p90: int, *, calibrated: bool = True) -> Assessment:
    return replace(
        Classifier.load().assess("Who was Ada Lovelace?"), expected_output_tokens=(1, p90), calibrated=calibrated
    )


def drafted(
    p90: int = 100,
    *,
    rung: Rung = NANO,
    reasoning: bool | None = False,
    messages: tuple[Mapping[str, Any], ...] = ASKED,
    options: Options | None = None,
    extra: Mapping[str, Any] | None = None,
    stream: bool = False,
    pinned: bool = False,
    calibrated: bool = True,
    **given: Any,
) -> Draft:
    draft = Draft(rung=rung, messages=messages, arguments=given, extra=extra or {}, reasoning=reasoning)
    context = NudgeContext(
        card=find(rung.model),
        assessment=assessed(p90, calibrated=calibrated),
        options=options or Options(),
        stream=stream,
        pinned=pinned,
    )
    return output_length.nudge(draft, context)


# --- how high -------------------------------------------------------------------------------


@pytest.mark.parametrize(("p90", "limit"), [(2, 4096), (1365, 4096), (1366, None)])
def test_there_is_a_limit_where_three_times_what_is_expected_fits(p90: int, limit: int | None) -> None:
    assert output_length.limit_of(assessed(p90)) == limit
    assert drafted(p90).arguments == ({} if limit is None else {"max_completion_tokens": limit})


def test_there_is_none_where_the_classifier_failed() -> None:
    assert drafted(calibrated=False).arguments == {}


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("Who was Ada Lovelace?", 4096),
        ("Is this review positive? 'I loved it.'", 4096),
        ("Write an essay on the history of the bicycle.", 4096),
        ("Translate into French: " + "The meeting was moved to Tuesday, because the room is taken. " * 200, None),
    ],
)
def test_the_task_decides(text: str, limit: int | None) -> None:
    assert output_length.limit_of(Classifier.load().assess(text)) == limit


def test_it_says_what_it_did() -> None:
    assert drafted().notes == (
        Note(
            nudge="output_length",
            text="answer limited to 4096 tokens",
            override=LIFT,
            id="output_length.limited",
            data={"limit": 4096},
        ),
    )


def test_what_it_says_can_be_in_a_set() -> None:
    (one,), (other,) = drafted().notes, drafted().notes
    assert {one, other} == {one}


# --- in which field -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "base_url", "sent"),
    [
        ("openai/gpt-5.4-nano", None, {"max_completion_tokens": 4096}),
        ("openai/gpt-4.1", None, {"max_completion_tokens": 4096}),
        ("openai/gpt-4.1", "https://api.openai.com/v1", {"max_completion_tokens": 4096}),
        ("anthropic/claude-haiku-4-5", None, {"max_tokens": 4096}),
        ("local/smollm2-135m", None, {"max_tokens": 4096}),
        ("openai/gpt-4.1", "http://127.0.0.1:8000/v1", {}),  # whose own limit nobody told
        ("acme/unheard-of", None, {}),
    ],
)
def test_each_provider_gets_the_field_that_it_knows(model: str, base_url: str | None, sent: dict[str, Any]) -> None:
    assert drafted(rung=Rung(model=model, base_url=base_url)).arguments == sent


def test_a_prompt_that_leaves_no_room_has_none() -> None:
    room = find("local/smollm2-135m").context_tokens  # type: ignore[union-attr]
    assert room is not None
    local = Rung(model="local/smollm2-135m")
    around = len('[{"role":"user","content":""}]')
    fits, full = ({"role": "user", "content": "a" * (room - 4096 - around + more)} for more in (0, 1))
    assert drafted(rung=local, messages=(fits,)).arguments == {"max_tokens": 4096}
    assert drafted(rung=local, messages=(full,)).arguments == {}


CALLED = {"id": "1", "type": "function", "function": {"name": "look_up", "arguments": "a" * 27_000}}


@pytest.mark.parametrize(
    "messages",
    [
        (*ASKED, {"role": "assistant", "content": None, "tool_calls": [CALLED]}),
        ({"role": "user", "content": "\N{GRINNING FACE}" * 3_500},),
        ({"role": "user", "content": "a" * 4_090 + "\ud800"},),
    ],
    ids=["tool calls", "emoji", "half a character"],
)
def test_room_is_counted_in_bytes_of_all_that_is_sent(messages: tuple[Mapping[str, Any], ...]) -> None:
    assert drafted(rung=Rung(model="openai/gpt-4"), messages=messages).arguments == {}
    assert drafted(rung=Rung(model="openai/gpt-4")).arguments == {"max_completion_tokens": 4096}


def test_it_reaches_the_wire() -> None:
    bodies: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        message = {"role": "assistant", "content": "A mathematician."}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        return httpx.Response(200, json=body)

    ladder = {"ladder": ["openai/gpt-5.4-nano"], "without_opt_in": "downgrade"}
    wire = httpx.Client(transport=httpx.MockTransport(answer))
    with Client(api_key="test", http_client=wire, settings=ladder) as client:
        client.ask("Who was Ada Lovelace?")
        client.ask("Who was Ada Lovelace?", max_tokens=77)
        client.ask("Who was Ada Lovelace?", greenai={"opt_in": "long_output", "reason": "a biography"})
    sent = [{name: body[name] for name in output_length.LIMITS & body.keys()} for body in bodies]
    assert sent == [{"max_completion_tokens": 4096}, {"max_tokens": 77}, {}]


# --- what lifts it --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        {"max_tokens": 50},
        {"max_completion_tokens": 50_000},
        {"extra_body": {"max_tokens": 50}},
        {"extra_body": {"num_predict": 50}},
        {"extra_body": {"options": {"num_predict": 50}}},
        {"extra_body": {"generationConfig": {"maxOutputTokens": 50}}},
        {"extra": {"max_new_tokens": 50}},
        {"options": Options(opt_in=frozenset(("long_output",)), reason="a book")},
    ],
    ids=str,
)
def test_an_opt_in_or_a_limit_of_the_apps_own_lifts_it(given: dict[str, Any]) -> None:
    draft = drafted(**given)
    assert draft.arguments == {k: v for k, v in given.items() if k not in ("extra", "options")}
    assert draft.notes == ()


def test_an_argument_without_a_value_lifts_nothing() -> None:
    assert drafted(max_tokens=None).arguments == {"max_completion_tokens": 4096}
    assert drafted(max_completion_tokens=None).arguments == {"max_completion_tokens": 4096}


STRICT = Options(strict_opt_in=True)


def test_strict_opt_in_lowers_what_lies_above_it() -> None:
    draft = drafted(options=STRICT, max_tokens=32_000)
    assert draft.arguments == {"max_tokens": 4096}
    (note,) = draft.notes
    assert note.text == "max_tokens=32000 lowered to 4096: strict_opt_in is set and nobody opted in"
    assert drafted(options=STRICT, max_tokens=100).arguments == {"max_tokens": 100}
    allowed = replace(STRICT, opt_in=frozenset(("long_output",)), reason="a book")
    assert drafted(options=allowed, max_tokens=32_000).arguments == {"max_tokens": 32_000}


@pytest.mark.parametrize(
    "where",
    [
        {"stream": True},
        {"pinned": True},
        {"n": 2},
        {"tools": [{"type": "function", "function": {"name": "look_up"}}]},
        {"response_format": {"type": "json_object"}},
        {"reasoning": None},
        {"calibrated": False},
        {"rung": Rung(model="openai/gpt-4.1", base_url="http://127.0.0.1:8000/v1")},
    ],
    ids=lambda where: next(iter(where)),
)
def test_strict_opt_in_lowers_it_wherever_nothing_else_is_limited(where: dict[str, Any]) -> None:
    assert drafted(options=STRICT, max_tokens=50_000, **where).arguments["max_tokens"] == 4096


@pytest.mark.parametrize(
    ("given", "lowered"),
    [
        ({"max_completion_tokens": 50_000}, {"max_completion_tokens": 4096}),
        ({"max_tokens": "50000"}, {"max_tokens": 4096}),
        ({"options": {"num_predict": -1}}, {"options": {"num_predict": 4096}}),
        ({"generationConfig": {"maxOutputTokens": 5e4}}, {"generationConfig": {"maxOutputTokens": 4096}}),
        ({"max_tokens": 100, "top_k": 50_000}, {"max_tokens": 100, "top_k": 50_000}),
        ({"metadata": {"max_tokens": 50_000}}, {"metadata": {"max_tokens": 50_000}}),
    ],
    ids=str,
)
def test_strict_opt_in_lowers_it_in_extra_body(given: dict[str, Any], lowered: dict[str, Any]) -> None:
    assert drafted(options=STRICT, extra_body=given).arguments["extra_body"] == lowered
    assert drafted(options=STRICT, extra=given).extra == lowered


def test_strict_opt_in_leaves_what_the_task_needs_or_an_opt_in_allows() -> None:
    assert drafted(2_000, options=STRICT, max_tokens=50_000).arguments == {"max_tokens": 50_000}
    reasoning = replace(STRICT, opt_in=frozenset(("reasoning",)), reason="a proof")
    assert drafted(options=reasoning, reasoning=True, max_tokens=50_000).arguments == {"max_tokens": 50_000}


# --- where there is none --------------------------------------------------------------------


@pytest.mark.parametrize(
    "where",
    [
        {"stream": True},
        {"pinned": True},
        {"reasoning": True},
        {"reasoning": None},
        {"n": 2},
        {"tools": [{"type": "function", "function": {"name": "look_up"}}]},
        {"functions": [{"name": "look_up"}]},
        {"response_format": {"type": "json_object"}},
        {"modalities": ["text", "audio"]},
        {"prediction": {"type": "content", "content": "..."}},
        {"extra_body": {"tools": [{"type": "function", "function": {"name": "look_up"}}]}},
        {"extra_body": {"n": 2}},
        {"extra_body": {"response_format": {"type": "json_object"}}},
        {"extra_body": {"guided_json": {"type": "object"}}},
        {"extra_body": {"generationConfig": {"responseMimeType": "application/json"}}},
        {"messages": ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]},)},
        {"messages": ({"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}, *ASKED)},
    ],
    ids=lambda where: next(iter(where)),
)
def test_never(where: dict[str, Any]) -> None:
    before = {k: v for k, v in where.items() if k not in ("stream", "pinned", "reasoning", "messages")}
    assert drafted(**where).arguments == before


def test_parts_of_text_are_text() -> None:
    parts = ({"role": "user", "content": [{"type": "text", "text": "Who was Ada Lovelace?"}]},)
    assert drafted(messages=parts).arguments == {"max_completion_tokens": 4096}


def sent(call: dict[str, Any], **settings: Any) -> Mapping[str, Any]:
    provider = FakeProvider(default="An answer.")
    with offline(provider, settings=settings) as client:
        made = client.chat.completions.create(**{"messages": list(ASKED), **call})
        if call.get("stream"):
            list(made)
    arguments = provider.calls[0].draft.arguments
    return {name: arguments[name] for name in output_length.LIMITS & arguments.keys()}


@pytest.mark.parametrize(
    ("call", "settings"),
    [
        ({"stream": True}, {}),
        ({"model": "gpt-4.1-2025-04-14"}, {}),
        ({"model": "gpt-5.5", "greenai": {"substitute": False}}, {}),
        ({"model": "our-own-model"}, {}),
        ({"model": "gpt-5.5", "reasoning_effort": "high"}, {}),
        ({}, {"observe": True}),
        ({}, {"nudges": {"output_length": False}}),
    ],
)
def test_never_in_a_whole_call(call: dict[str, Any], settings: dict[str, Any]) -> None:
    assert sent(call, **settings) == {}


@pytest.mark.parametrize("nudges", [False, {"output_length": False}])
def test_strict_opt_in_holds_where_the_nudges_are_switched_off(nudges: object) -> None:
    assert sent({"max_tokens": 50_000}, strict_opt_in=True, nudges=nudges) == {"max_tokens": 4096}
    assert sent({}, strict_opt_in=True, nudges=nudges) == {}


@pytest.mark.parametrize("call", [{}, {"model": "gpt-5.5"}])
def test_in_a_whole_call(call: dict[str, Any]) -> None:
    assert sent(call) == {"max_completion_tokens": 4096}


# --- what it cut ----------------------------------------------------------------------------

DECIDED = {"without_opt_in": "downgrade"}
CUT = FakeReply(text="Ada Lovelace was", finish_reason="length", output_tokens=4096)
SAID = (
    "The answer was cut at 4096 tokens, greenai's limit for this kind of task. A longer one: pass max_tokens, or "
    'client = client.with_options(opt_in={"long_output"}, reason="why this is worth it")'
)


def receipt(*script: Any, **call: Any) -> Receipt:
    with offline(FakeProvider(*script), settings=DECIDED) as client:
        return client.ask("Who was Ada Lovelace?", **call).greenai


@pytest.mark.parametrize("model", [None, "gpt-5.5"])
def test_what_was_cut_is_delivered_and_says_so_and_nobody_else_is_asked(model: str | None) -> None:
    found = receipt(CUT, model=model)
    assert found.warnings == (SAID,)
    assert [(a.model, a.state) for a in found.attempts] == [("openai/gpt-5.4-nano", "answered")]


def test_the_line_that_it_says_gives_a_longer_answer() -> None:
    provider = FakeProvider(CUT, "All of it.")
    with offline(provider, settings=DECIDED) as client:
        scope = {"client": client}
        said = client.ask("Who was Ada Lovelace?").greenai.warnings[0]
        exec(said[said.index("client = ") :], scope)
        answer = scope["client"].ask("Who was Ada Lovelace?")
    assert (answer.text, answer.greenai.warnings) == ("All of it.", ())
    assert "max_completion_tokens" not in provider.calls[1].draft.arguments
    assert answer.greenai.decision.opt_ins == ("long_output",)


GATED = (
    "The answer was cut at 4096 tokens, greenai's limit for this kind of task, and strict_opt_in is set. A longer one: "
    'client = client.with_options(opt_in={"long_output"}, reason="why this is worth it")'
)


@pytest.mark.parametrize("call", [{}, {"max_tokens": 9000}, {"extra_body": {"max_tokens": 9000}}])
def test_what_strict_opt_in_cut_says_the_one_way_to_a_longer_answer(call: dict[str, Any]) -> None:
    provider = FakeProvider(CUT, "All of it.")
    with offline(provider, settings={**DECIDED, "strict_opt_in": True}) as client:
        message = {"role": "user", "content": "Who was Ada Lovelace?"}
        found = client.chat.completions.create(messages=[message], model="gpt-5.5", **call).greenai
    assert found.warnings == (GATED,)
    assert [a.model for a in found.attempts] == ["openai/gpt-5.4-nano"]


def test_an_own_limit_below_a_lowered_one_is_the_apps_affair() -> None:
    provider = FakeProvider(replace(CUT, output_tokens=None))
    with offline(provider, settings={**DECIDED, "strict_opt_in": True}) as client:
        message = {"role": "user", "content": "Who was Ada Lovelace?"}
        found = client.chat.completions.create(
            messages=[message], model="gpt-5.5-2026-04-23", max_tokens=100, extra_body={"num_predict": 9000}
        ).greenai
    assert not [line for line in found.warnings if "greenai's limit" in line]


def test_a_limit_that_no_float_holds_is_lowered_too() -> None:
    given = sent({"max_tokens": 10**400, "reasoning_effort": "high"}, strict_opt_in=True)
    assert given == {"max_tokens": 4096}


def test_what_was_cut_is_not_stored() -> None:
    provider = FakeProvider(CUT, "All of it.")
    with offline(provider) as client:
        assert client.ask("Who was Ada Lovelace?").text == "Ada Lovelace was"
        assert client.ask("Who was Ada Lovelace?").text == "All of it."
        assert client.ask("Who was Ada Lovelace?").greenai.outcome == "cache"


def test_what_the_apps_own_limit_cut_is_the_apps_affair() -> None:
    assert receipt(CUT, max_tokens=4).warnings == ()


def test_what_a_models_own_limit_cut_is_asked_above_as_before() -> None:
    options = {"opt_in": "long_output", "reason": "a test"}
    found = receipt(CUT, "All of it.", model="gpt-5.5", greenai=options)
    assert [a.state for a in found.attempts] == ["discarded", "answered"]


def test_what_a_lower_limit_of_the_model_cut_is_asked_above_as_before() -> None:
    found = receipt(replace(CUT, output_tokens=1024), "All of it.", model="gpt-5.5")
    assert [a.state for a in found.attempts] == ["discarded", "answered"]
    assert found.warnings == ()


def test_an_empty_answer_is_not_taken_for_a_cut_one() -> None:
    found = receipt(FakeReply(text="", finish_reason="length"), "All of it.", model="gpt-5.5")
    assert [a.state for a in found.attempts] == ["discarded", "answered"]


def test_asked_again_without_the_field_for_reasoning_it_is_asked_without_the_limit() -> None:
    limited = drafted()
    bare = output_length.lifted(limited, {})
    assert (bare.arguments, bare.notes) == ({}, ())
    lowered = drafted(options=STRICT, max_tokens=32_000)
    assert output_length.lifted(lowered, {"max_tokens": 32_000}) is lowered
    beside = drafted(options=STRICT, extra_body={"max_tokens": 32_000})
    assert output_length.lifted(beside, {}) is beside
    plain = drafted(stream=True)
    assert output_length.lifted(plain, {}) is plain
