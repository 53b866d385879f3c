from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai.catalog import cards, find, switch_of
from greenai.nudges import NudgeContext, apply, learnt
from greenai.nudges.effort import Effort, asks, plain, resolve, why_not_off
from greenai.nudges.messages import say
from greenai.testing import FakeProvider, offline
from greenai.values import Assessment, Draft, Note, Options, Rung

OVERRIDE = 'with_options(opt_in={"reasoning"}, reason="...")'


def drafted(model: str, *, options: Options | None = None, extra: dict[str, Any] | None = None, **given: Any) -> Draft:
    draft = Draft(rung=Rung(model=model), messages=({"role": "user", "content": "hi"},), arguments=given)
    if extra:
        draft = Draft(rung=draft.rung, messages=draft.messages, arguments=given, extra=extra)
    context = NudgeContext(card=find(model), assessment=None, options=options or Options(), explicit=frozenset(given))
    return apply(draft, context)


OPTED_IN = Options(opt_in=frozenset({"reasoning"}), reason="checked by a person")


@pytest.mark.parametrize(
    ("model", "status", "arguments", "extra", "reasoning"),
    [
        ("openai/gpt-5.4-nano", "off", {"reasoning_effort": "none"}, {}, False),
        ("openai/gpt-5.5", "off", {"reasoning_effort": "none"}, {}, False),
        ("openai/gpt-6-luna", "off", {"reasoning_effort": "none"}, {}, False),
        ("openai/gpt-5", "lowest", {"reasoning_effort": "minimal"}, {}, True),
        ("openai/o3", "lowest", {"reasoning_effort": "low"}, {}, True),
        ("openai/gpt-5-pro", "always_on", {}, {}, True),
        ("openai/gpt-4.1", "off", {}, {}, False),
        ("anthropic/claude-opus-4-8", "off", {}, {}, False),
        ("anthropic/claude-haiku-4-5", "off", {}, {}, False),
        ("anthropic/claude-opus-5", "off", {}, {"thinking": {"type": "disabled"}}, False),
        ("anthropic/claude-sonnet-5", "off", {}, {"thinking": {"type": "disabled"}}, False),
        ("anthropic/claude-sonnet-5-5", "off", {}, {"thinking": {"type": "between_tools"}}, False),
        ("anthropic/claude-opus-5-5", "lowest", {}, {"output_config": {"effort": "low"}}, True),
        ("gemini/gemini-2.5-flash", "off", {"reasoning_effort": "none"}, {}, False),
        ("gemini/gemini-2.5-flash-lite", "off", {}, {}, False),
        ("gemini/gemini-2.5-pro", "lowest", {"reasoning_effort": "minimal"}, {}, True),
        ("gemini/gemini-3.1-pro-preview", "lowest", {"reasoning_effort": "low"}, {}, True),
        ("deepseek/deepseek-v4-pro", "off", {}, {"thinking": {"type": "disabled"}}, False),
        ("deepseek/deepseek-r1", "always_on", {}, {}, True),
        ("mistral/mistral-small-latest", "off", {"reasoning_effort": "none"}, {}, False),
        ("dashscope/qwen3.8-flash", "off", {}, {"enable_thinking": False}, False),
        ("hosted_vllm/Qwen/Qwen3-8B", "off", {}, {"chat_template_kwargs": {"enable_thinking": False}}, False),
        ("hosted_vllm/openai/gpt-oss-20b", "lowest", {"reasoning_effort": "low"}, {}, True),
        ("groq/openai/gpt-oss-120b", "lowest", {"reasoning_effort": "low"}, {}, True),
        ("moonshot/kimi-k2.6", "off", {"extra_body": {"thinking": {"type": "disabled"}}}, {}, False),
        ("xai/grok-4.5", "lowest", {"reasoning_effort": "low"}, {}, True),
        ("local/smollm2-135m", "off", {}, {}, False),
        ("acme/unheard-of", "unknown", {}, {}, None),
    ],
)
def test_nobody_opted_in(
    model: str, status: str, arguments: dict[str, Any], extra: dict[str, Any], reasoning: bool | None
) -> None:
    draft = drafted(model)
    assert resolve(model).status == status
    assert dict(draft.arguments) == arguments
    assert dict(draft.extra) == extra
    assert draft.reasoning is reasoning


def told(notes: Iterable[Note]) -> list[tuple[str, str | None]]:
    """What notes say, each by the id and with the data that it has."""
    assert [say(note.id, note.data) for note in notes] == [note.text for note in notes]
    return [(note.text, note.override) for note in notes if note.nudge == "effort"]


def test_a_note_speaks_the_language_of_the_project() -> None:
    settings = {"nudges": {"language": "de-AT"}, "without_opt_in": "downgrade", "strict_opt_in": True}
    with offline(FakeProvider(), settings=settings) as client:
        receipt = client.ask("Name a colour.", model="gpt-5.5-2026-04-23", reasoning_effort="high").greenai
    assert [note.text for note in receipt.nudges] == [
        "reasoning_effort nicht gesendet: strict_opt_in ist gesetzt, und niemand hat zugestimmt",
        "Reasoning von openai/gpt-5.5-2026-04-23 abgeschaltet",
    ]


def test_the_note_says_what_was_done_and_how_to_override_it() -> None:
    off, lowest, always = (drafted(m).notes for m in ("openai/gpt-5.5", "openai/o3", "deepseek/deepseek-r1"))
    assert off == (
        Note(
            nudge="effort",
            text="reasoning off for openai/gpt-5.5",
            override=OVERRIDE,
            id="effort.off",
            data={"model": "openai/gpt-5.5"},
        ),
    )
    assert told(lowest) == [
        ("reasoning of openai/o3 cannot be switched off; at its lowest: reasoning_effort='low'", OVERRIDE)
    ]
    assert told(always) == [("reasoning of deepseek/deepseek-r1 cannot be switched off", None)]
    assert drafted("openai/gpt-4.1").notes == ()


@pytest.mark.parametrize(
    ("model", "arguments", "extra", "reasoning"),
    [
        ("openai/gpt-5.4", {"reasoning_effort": "medium"}, {}, True),
        ("openai/gpt-5.5", {}, {}, True),
        ("anthropic/claude-haiku-4-5", {"reasoning_effort": "medium"}, {}, True),
        ("anthropic/claude-opus-5", {}, {}, True),
        ("dashscope/qwen-plus", {}, {"enable_thinking": True}, True),
        ("openai/gpt-4o", {}, {}, False),
        ("acme/unheard-of", {}, {}, None),
    ],
)
def test_opted_in(model: str, arguments: dict[str, Any], extra: dict[str, Any], reasoning: bool | None) -> None:
    draft = drafted(model, options=OPTED_IN)
    assert dict(draft.arguments) == arguments
    assert dict(draft.extra) == extra
    assert draft.reasoning is reasoning


@pytest.mark.parametrize(
    ("given", "reasoning"),
    [
        ({"reasoning_effort": "high"}, True),
        ({"reasoning_effort": "none"}, False),
        ({"extra_body": {"reasoning": {"enabled": False}}}, False),
        ({"extra_body": {"reasoning": {"effort": "high"}}}, True),
        ({"extra_body": {"chat_template_kwargs": {"enable_thinking": True}}}, True),
        ({"extra_body": {"enable_thinking": False}}, False),
        ({"thinking": {"type": "enabled", "budget_tokens": 100}}, True),
        ({"thinking": {"type": "disabled"}}, False),
        ({"output_config": {"effort": "high"}}, True),
        ({"reasoning_effort": "none", "thinking": {"type": "enabled"}}, True),
        ({"extra_body": {"google": {"thinking_config": {"thinking_budget": 0}}}}, False),
        ({"extra_body": {"google": {"thinking_config": {"thinking_budget": 99}}}}, True),
        ({"extra_body": {"thinkingConfig": {"thinkingLevel": "high"}}}, True),
    ],
)
def test_what_the_app_says_is_sent_as_it_is(given: dict[str, Any], reasoning: bool) -> None:
    draft = drafted("openai/gpt-5.5", **given)
    assert dict(draft.arguments) == given
    assert draft.reasoning is reasoning
    assert draft.notes == ()


def test_strict_opt_in_drops_what_the_app_said_and_says_so() -> None:
    body = {"top_k": 5, "chat_template_kwargs": {"enable_thinking": True, "style": "short"}}
    draft = drafted(
        "openai/gpt-5.5", options=Options(strict_opt_in=True), reasoning_effort="high", temperature=0.2, extra_body=body
    )
    assert dict(draft.arguments) == {
        "reasoning_effort": "none",
        "temperature": 0.2,
        "extra_body": {"top_k": 5, "chat_template_kwargs": {"style": "short"}},
    }
    assert draft.reasoning is False
    assert told(draft.notes)[0] == (
        "enable_thinking, reasoning_effort not sent: strict_opt_in is set and nobody opted in",
        OVERRIDE,
    )


def test_strict_opt_in_with_the_opt_in_honours_the_app() -> None:
    options = Options(strict_opt_in=True, opt_in=frozenset({"reasoning"}))
    assert dict(drafted("openai/gpt-5.5", options=options, reasoning_effort="high").arguments) == {
        "reasoning_effort": "high"
    }


def test_what_the_app_put_inside_a_nested_field_stays() -> None:
    draft = drafted("moonshot/kimi-k2.6", extra_body={"top_k": 5})
    assert dict(draft.arguments) == {"extra_body": {"top_k": 5, "thinking": {"type": "disabled"}}}
    draft = drafted("hosted_vllm/Qwen/Qwen3-8B", extra={"chat_template_kwargs": {"style": "short"}})
    assert dict(draft.extra) == {"chat_template_kwargs": {"style": "short", "enable_thinking": False}}
    draft = drafted("hosted_vllm/Qwen/Qwen3-8B", extra_body={"top_k": 5, "chat_template_kwargs": {"style": "short"}})
    assert dict(draft.extra) == {}
    assert dict(draft.arguments) == {
        "extra_body": {"top_k": 5, "chat_template_kwargs": {"style": "short", "enable_thinking": False}}
    }


@pytest.mark.parametrize(
    ("model", "given", "sent"),
    [
        (
            "anthropic/claude-opus-5-5",
            {"output_config": {"format": {"type": "json_schema"}}},
            {"output_config": {"format": {"type": "json_schema"}, "effort": "low"}},
        ),
        (
            "openrouter/x/y",
            {"extra_body": {"reasoning": {"exclude": True}}},
            {"extra_body": {"reasoning": {"exclude": True, "enabled": False}}},
        ),
    ],
)
def test_what_such_an_argument_holds_besides_is_no_word_on_reasoning(
    model: str, given: dict[str, Any], sent: dict[str, Any]
) -> None:
    draft = drafted(model, **given)
    assert {**draft.arguments, **draft.extra} == sent


def test_strict_opt_in_keeps_what_such_an_argument_holds_besides() -> None:
    given = {"output_config": {"effort": "high", "format": {"type": "json_schema"}}}
    draft = drafted("anthropic/claude-opus-5-5", options=Options(strict_opt_in=True), **given)
    assert {**draft.arguments, **draft.extra} == {"output_config": {"effort": "low", "format": {"type": "json_schema"}}}


@pytest.mark.parametrize(
    "given",
    [
        {"include_reasoning": True},
        {"thinking_mode": "on"},
        {"chat_template_args": {"enable_thinking": True}},
        {"chat_template_kwargs": {"thinking_mode": "thinking"}},
        {"chat_template_kwargs": {"reasoning": True}},
        {"reasoning_config": {"type": "enabled", "budget_tokens": 1024}},
        {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
        {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}},
        {"additionalModelRequestFields": {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}},
    ],
)
def test_every_field_that_asks_for_reasoning_is_known(given: dict[str, Any]) -> None:
    given = {"extra_body": given}
    assert asks(given) is True
    assert drafted("openai/gpt-5.5", **given).reasoning is True
    strict = drafted("openai/gpt-5.5", options=Options(strict_opt_in=True), **given)
    assert ({**strict.arguments, **strict.extra}, strict.reasoning) == ({"reasoning_effort": "none"}, False)


@pytest.mark.parametrize(
    "given",
    [
        {"reasoning_effort": "none"},
        {"extra_body": {"enable_thinking": False}},
        {"extra_body": {"thinking": {"type": "disabled"}}},
        {"extra_body": {"reasoning": {"enabled": False, "exclude": True}}},
        {"extra_body": {"google": {"thinking_config": {"thinking_budget": 0, "include_thoughts": False}}}},
        {"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}},
    ],
)
def test_strict_opt_in_leaves_what_switches_reasoning_off(given: dict[str, Any]) -> None:
    """Of a model that nobody knows, nothing else would."""
    draft = drafted("acme/new", options=Options(strict_opt_in=True), **given)
    assert ({**draft.arguments, **draft.extra}, draft.reasoning, draft.notes) == (given, False, ())


@pytest.mark.parametrize(
    "given",
    [
        {"reasoning": {"enabled": False, "effort": "high"}},
        {"reasoning": {"effort": "none", "max_tokens": 5000}},
        {"enable_thinking": False, "reasoning_effort": "high"},
    ],
)
def test_strict_opt_in_gates_what_says_both(given: dict[str, Any]) -> None:
    draft = drafted("openrouter/x/y", options=Options(strict_opt_in=True), extra_body=given)
    assert {**draft.arguments, **draft.extra} == {"extra_body": {"reasoning": {"enabled": False}}}


def test_reasoning_that_is_only_hidden_is_switched_off() -> None:
    given = {"extra_body": {"include_reasoning": False}}
    assert asks(given) is None
    draft = drafted("openai/gpt-5.5", options=Options(strict_opt_in=True), **given)
    assert {**draft.arguments, **draft.extra} == {**given, "reasoning_effort": "none"}


@pytest.mark.parametrize("mode", ["off", "disabled", "chat"])
def test_a_mode_may_say_off(mode: str) -> None:
    assert asks({"extra_body": {"thinking_mode": mode}}) is False


@pytest.mark.parametrize("value", [["enabled"], {"a": 1}])
def test_a_value_that_no_provider_knows_goes_out_as_it_is(value: Any) -> None:
    given = {"extra_body": {"thinking": {"type": value}}}
    assert drafted("openai/gpt-5.5", **given).arguments == given


# --- what a server refuses -----------------------------------------------------------------------


class Refusal(Exception):
    def __init__(self, text: str, status_code: int = 400) -> None:
        super().__init__(text)
        self.status_code = status_code


def test_a_refused_field_leaves_the_request_as_the_app_wrote_it() -> None:
    given = {"temperature": 0.2, "extra_body": {"top_k": 5, "chat_template_kwargs": {"style": "short"}}}
    draft = drafted("hosted_vllm/Qwen/Qwen3-8B", **given)
    bare = plain(draft, given, Refusal("Unknown parameter: 'chat_template_kwargs.enable_thinking'"))
    assert bare is not None
    assert (dict(bare.arguments), dict(bare.extra), bare.reasoning) == (given, {}, None)
    text = "hosted_vllm/Qwen/Qwen3-8B refused the field that turns reasoning off, so it was asked without"
    assert told(bare.notes) == [(text, None)]


def test_a_refusal_in_the_words_of_the_responses_api_is_understood() -> None:
    refusal = Refusal("Unsupported parameter")
    refusal.body = {"message": "It is not supported with this model.", "param": "reasoning.effort"}  # type: ignore[attr-defined]
    by_words = Refusal("Unsupported parameter: 'reasoning.effort' is not supported with this model.")
    for error in (refusal, by_words):
        bare = plain(drafted("openai/gpt-5.5"), {}, error)
        assert bare is not None
        assert bare.arguments == {}
    assert plain(drafted("openai/gpt-5.5"), {}, Refusal("Unsupported parameter: 'reasoning.summary'")) is None


@pytest.mark.parametrize("name", ["summary", "generate_summary", "context"])
def test_what_is_shown_or_kept_of_reasoning_asks_for_none(name: str) -> None:
    assert asks({"extra_body": {"reasoning": {name: "auto"}}}) is None


@pytest.mark.parametrize(
    "error",
    [Refusal("max_tokens is too large"), Refusal("Unknown parameter: reasoning_effort", 401), ValueError("thinking")],
)
def test_another_error_is_no_refusal_of_the_field(error: Exception) -> None:
    assert plain(drafted("openai/gpt-5.5"), {}, error) is None


def test_what_the_app_said_itself_is_not_taken_back() -> None:
    given = {"reasoning_effort": "high"}
    assert plain(drafted("openai/gpt-5.5", **given), given, Refusal("Unknown parameter: reasoning_effort")) is None


def test_reasoning_that_was_opted_in_is_not_taken_back() -> None:
    draft = drafted("openai/gpt-5.4-mini", options=OPTED_IN)
    assert draft.arguments == {"reasoning_effort": "medium"}
    assert plain(draft, {}, Refusal("Unknown parameter: reasoning_effort")) is None


def test_a_field_that_is_part_of_another_word_is_not_refused() -> None:
    assert plain(drafted("openai/gpt-5.5"), {}, Refusal("my_reasoning_effort_2 is unknown")) is None


def test_a_server_that_refused_the_field_is_asked_without() -> None:
    learnt.refused("openai/gpt-5.5", None)
    draft = drafted("openai/gpt-5.5")
    assert (dict(draft.arguments), draft.reasoning, draft.notes) == ({}, None, ())


# --- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "base_url", "status", "fields"),
    [
        ("gpt-5.5", None, "off", {"reasoning_effort": "none"}),
        ("gpt-5.5-2026-04-23", None, "off", {"reasoning_effort": "none"}),
        ("claude-sonnet-5", None, "off", {"thinking": {"type": "disabled"}}),
        ("anthropic/claude-sonnet-5-20991231", None, "off", {"thinking": {"type": "disabled"}}),
        ("bedrock/eu.anthropic.claude-opus-5-5-20991231-v1:0", None, "lowest", {"output_config": {"effort": "low"}}),
        ("zai/glm-5.2", None, "off", {"thinking": {"type": "disabled"}}),
        ("ollama/qwen3:8b", None, "off", {"think": False}),
        ("ollama/qwen3:8b", "http://10.0.0.7:11434/v1", "off", {"reasoning_effort": "none"}),
        ("endpoint/qwen3:8b", "http://10.0.0.7:11434/v1", "off", {"reasoning_effort": "none"}),
        ("endpoint/qwen3-8b", "http://10.0.0.7:1234/v1", "off", {"reasoning_effort": "none"}),
        ("endpoint/deepseek/deepseek-v4", "https://openrouter.ai/api/v1", "off", {"reasoning": {"enabled": False}}),
        ("endpoint/Qwen/Qwen3-8B", "http://gpu:8000/v1", "off", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("endpoint/gpt-5.5", "http://proxy/v1", "off", {"reasoning_effort": "none"}),
        ("endpoint/openai/gpt-oss-20b", "http://gpu:8000/v1", "lowest", {"reasoning_effort": "low"}),
        ("endpoint/our-own-model", "http://gpu:8000/v1", "unknown", {}),
        ("endpoint/our-own-model", "http://[", "unknown", {}),
        ("hosted_vllm/org/Name", None, "unknown", {}),
        ("our-own-model", None, "unknown", {}),
    ],
)
def test_a_name_without_a_card_goes_by_its_provider_and_its_family(
    model: str, base_url: str | None, status: str, fields: dict[str, Any]
) -> None:
    assert resolve(model, base_url) == Effort(status=status, fields=fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("openai/gpt-5.5", None),
        ("acme/unheard-of", None),
        ("openai/o3", "reasons, and that cannot be switched off"),
        ("deepseek/deepseek-r1", "reasons, and that cannot be switched off"),
    ],
)
def test_why_a_model_cannot_be_off(model: str, why: str | None) -> None:
    assert why_not_off(Rung(model=model)) == why


def test_a_model_that_reasoned_all_the_same_is_known_from_then_on(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        learnt.leaked("openai/gpt-5.5", None)
    assert why_not_off(Rung(model="openai/gpt-5.5")) == "reasoned although that was switched off"
    assert why_not_off(Rung(model="openai/gpt-5.5", base_url="http://127.0.0.1:9/v1")) is None
    assert [n.text for n in drafted("openai/gpt-5.5").notes] == [
        "reasoning off for openai/gpt-5.5; it reasoned all the same before"
    ]
    (record,) = caplog.records
    assert record.getMessage() == (
        "openai/gpt-5.5 reasoned although reasoning was switched off. Its tokens are counted, and models that do not "
        'are preferred from now on. Its card can say so: reasoning = "always-on" in `cards`.'
    )


@given(model=st.sampled_from([card.name for card in cards()]))
def test_without_an_opt_in_no_field_turns_reasoning_on(model: str) -> None:
    card = find(model)
    assert card is not None
    draft = drafted(model)
    sent = {**draft.arguments, **draft.extra}
    assert sent == dict(switch_of(model).off)
    assert card.reasoning.status == "unknown" or sent == dict(card.reasoning.off)
    assert sent.get("reasoning_effort") in {None, "none", "minimal", "low", "medium"}
    assert sent.get("reasoning_effort") != "medium" or card.reasoning.note == (
        "cannot be switched off; medium is the least it accepts"
    )
    assert sent.get("enable_thinking") in {None, False}
    assert "drop_params" not in sent


@given(model=st.sampled_from([card.name for card in cards()]))
def test_messages_are_never_changed(model: str) -> None:
    assert drafted(model).messages == ({"role": "user", "content": "hi"},)


# --- opted in: the classifier decides each call -----------------------------------------------


def decided(model: str, gain: float, *, right: float | None = None, **given: Any) -> Draft:
    draft = Draft(rung=Rung(model=model), messages=({"role": "user", "content": "hi"},), arguments=given)
    assessment = Assessment(
        task="chat",
        needs_generation=1.0,
        large_gain=0.0,
        reasoning_gain=gain,
        volatile=0.0,
        expected_output_tokens=(10, 20),
        why=(),
        method="by hand",
        suffices=None if right is None else lambda _: right,
    )
    context = NudgeContext(
        card=find(model), assessment=assessment, options=OPTED_IN, thresholds={"reasoning_gain": 0.3}
    )
    return apply(draft, context)


@pytest.mark.parametrize(
    ("model", "gain", "arguments", "reasoning", "text", "override"),
    [
        ("openai/gpt-5.5", 0.3, {}, True, "reasoning on for openai/gpt-5.5: P(it helps) 0.30 reaches 0.30", "none"),
        (
            "openai/gpt-5.5",
            0.12,
            {"reasoning_effort": "none"},
            False,
            "reasoning off for openai/gpt-5.5: P(it helps) 0.12 is below 0.30",
            "medium",
        ),
        (
            "openai/o3",
            0.12,
            {"reasoning_effort": "low"},
            True,
            "reasoning at its lowest for openai/o3: P(it helps) 0.12 is below 0.30",
            "medium",
        ),
    ],
)
def test_opted_in_reasoning_goes_by_what_it_is_expected_to_gain(
    model: str, gain: float, arguments: dict[str, Any], reasoning: bool, text: str, override: str
) -> None:
    draft = decided(model, gain)
    assert dict(draft.arguments) == arguments
    assert draft.reasoning is reasoning
    assert told(draft.notes) == [(text, f'reasoning_effort="{override}"')]


@pytest.mark.parametrize(("right", "reasoning"), [(0.4, True), (0.9, False)])
def test_what_a_model_gets_right_anyway_needs_no_reasoning(right: float, reasoning: bool) -> None:
    draft = decided("openai/gpt-5.5", 0.5, right=right)
    assert draft.reasoning is reasoning
    (note,) = draft.notes
    assert ("P(it helps) 0.50 reaches 0.30" if reasoning else "P(right without it) 0.90 reaches 0.90") in note.text


@pytest.mark.parametrize("model", ["openai/gpt-5-pro", "openai/gpt-4.1", "acme/unheard-of"])
def test_where_reasoning_cannot_be_chosen_nothing_is_decided(model: str) -> None:
    draft = decided(model, 0.0)
    assert draft.notes == ()
    assert dict(draft.arguments) == {}


@pytest.mark.parametrize(("effort", "reasoning"), [("high", True), ("none", False)])
def test_what_the_app_says_is_honoured_whatever_the_expectation(effort: str, reasoning: bool) -> None:
    draft = decided("openai/gpt-5.5", 0.0 if reasoning else 1.0, reasoning_effort=effort)
    assert dict(draft.arguments) == {"reasoning_effort": effort}
    assert draft.reasoning is reasoning
