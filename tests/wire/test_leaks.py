"""Reasoning that comes back although it was switched off, and servers that refuse the field that switches it off."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import litellm_marks
import openai
import pytest
import servers

from greenai import AsyncClient, Client
from greenai.nudges import learnt
from greenai.testing import FakeProvider, FakeReply, offline

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGES: Any = [{"role": "user", "content": "Name a colour."}]
SETTINGS: dict[str, Any] = {"cache": "off", "ledger": ":memory:"}
COUNTED = {**servers.USAGE, "completion_tokens_details": {"reasoning_tokens": 3}}
WARNING = "{} reasoned although reasoning was switched off; its tokens are counted."


def message(**fields: Any) -> dict[str, Any]:
    body = servers.completion_body("Red.")
    body["choices"][0]["message"].update(fields)
    return body


LEAKS = {
    "counted": {**servers.completion_body("Red."), "usage": COUNTED},
    "reasoning_content": message(reasoning_content="It is red."),
    "reasoning": message(reasoning="It is red."),
    "in the text": message(content="<think>It is red.</think>Red."),
}
STREAMED = {
    "counted": [servers.chunk_body({"content": "Red."}, "stop"), servers.chunk_body(usage=COUNTED)],
    "reasoning_content": [
        servers.chunk_body({"reasoning_content": "It is red."}),
        servers.chunk_body({"content": "Red."}, "stop"),
        servers.chunk_body(usage=servers.USAGE),
    ],
    "in the text": [
        servers.chunk_body({"content": "<think>It "}),
        servers.chunk_body({"content": "is red.</think>"}),
        servers.chunk_body({"content": "Red."}, "stop"),
        servers.chunk_body(usage=servers.USAGE),
    ],
}


def direct(scripted: servers.Scripted, kind: type[Any] = Client) -> Any:
    ladder = [{"model": "openai/gpt-5.5", "base_url": scripted.url}]
    return kind(api_key="k", max_retries=0, settings={**SETTINGS, "ladder": ladder})


def is_told(response: Any, model: str) -> None:
    receipt = response.greenai
    assert [a.reasoning_leaked for a in receipt.attempts] == [True]
    assert receipt.warnings[0] == WARNING.format(model)
    assert receipt.reasoning is True
    assert receipt.energy.energy_j


# --- through the openai package -------------------------------------------------------------------


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_is_told_and_the_text_stays_as_it_came(scripted: servers.Scripted, leak: str) -> None:
    scripted.play(servers.raw(json.dumps(LEAKS[leak]).encode()))
    with direct(scripted) as client:
        response = client.chat.completions.create(messages=MESSAGES)
    assert scripted.bodies[0]["reasoning_effort"] == "none"
    is_told(response, "openai/gpt-5.5")
    assert response.choices[0].message.content == LEAKS[leak]["choices"][0]["message"]["content"]


@pytest.mark.parametrize("leak", STREAMED)
def test_a_leak_in_a_stream_is_told(scripted: servers.Scripted, leak: str) -> None:
    scripted.play(servers.stream(0, bodies=STREAMED[leak]))
    with direct(scripted) as client:
        stream = client.chat.completions.create(messages=MESSAGES, stream=True)
        text = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
    is_told(stream, "openai/gpt-5.5")
    assert text == ("<think>It is red.</think>Red." if leak == "in the text" else "Red.")


def test_a_leak_of_an_awaited_call_is_told(scripted: servers.Scripted) -> None:
    scripted.play(servers.raw(json.dumps(LEAKS["counted"]).encode()))

    async def ask() -> Any:
        async with direct(scripted, AsyncClient) as client:
            return await client.chat.completions.create(messages=MESSAGES)

    is_told(asyncio.run(ask()), "openai/gpt-5.5")


def test_reasoning_that_nobody_counted_is_counted(scripted: servers.Scripted) -> None:
    body = message(reasoning_content="x" * 400)
    del body["usage"]
    scripted.play(servers.raw(json.dumps(body).encode()))
    with direct(scripted) as client:
        receipt = client.chat.completions.create(messages=MESSAGES).greenai
    usage = receipt.attempts[0].usage
    assert (usage.output_tokens, usage.estimated) == (101, True)


def test_a_leak_is_logged_once_for_a_model(scripted: servers.Scripted, caplog: pytest.LogCaptureFixture) -> None:
    scripted.play(servers.raw(json.dumps(LEAKS["counted"]).encode()))
    with direct(scripted) as client:
        for _ in range(3):
            is_told(client.chat.completions.create(messages=MESSAGES), "openai/gpt-5.5")
    with direct(scripted) as another:
        is_told(another.chat.completions.create(messages=MESSAGES), "openai/gpt-5.5")
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    assert caplog.records[0].getMessage().startswith("openai/gpt-5.5 reasoned although reasoning was switched off.")


def test_an_empty_block_is_no_leak(scripted: servers.Scripted) -> None:
    scripted.play(servers.answer("<think>\n\n</think>\n\nRed."))
    with direct(scripted) as client:
        receipt = client.chat.completions.create(messages=MESSAGES).greenai
    assert not receipt.attempts[0].reasoning_leaked
    assert receipt.reasoning is False


def test_what_was_asked_for_is_no_leak(scripted: servers.Scripted) -> None:
    scripted.play(servers.raw(json.dumps(LEAKS["counted"]).encode()))
    with direct(scripted) as client:
        receipt = client.chat.completions.create(messages=MESSAGES, reasoning_effort="low").greenai
    assert not receipt.attempts[0].reasoning_leaked
    assert receipt.reasoning is True


def test_a_model_of_which_nothing_is_known_is_watched(scripted: servers.Scripted) -> None:
    scripted.play(servers.raw(json.dumps(LEAKS["counted"]).encode()))
    with Client(api_key="k", base_url=scripted.url, max_retries=0, settings=SETTINGS) as client:
        response: Any = client.chat.completions.create(model="our-own-model", messages=MESSAGES)
    assert set(scripted.bodies[0]) == {"model", "messages"}
    assert response.greenai.reasoning is True
    assert not response.greenai.attempts[0].reasoning_leaked
    assert learnt.reasons("endpoint/our-own-model", scripted.url)


# --- what is learnt -------------------------------------------------------------------------------


SIBLINGS = ["openai/gpt-5.4-nano", "openai/gpt-5.4-mini", "openai/gpt-5.5"]


def test_after_a_leak_a_sibling_that_does_not_leak_is_preferred() -> None:
    leaky = FakeReply(text="Red.", reasoning_tokens=40)
    provider = FakeProvider(default=lambda call: leaky if call.draft.rung.model == "openai/gpt-5.4-nano" else "Red.")
    with offline(provider, settings={"cache": "off", "ladder": SIBLINGS}) as client:
        routes = [
            client.chat.completions.create(model="gpt-5.5", messages=MESSAGES).greenai.decision  # type: ignore[attr-defined]
            for _ in range(2)
        ]
    assert [decision.route[0] for decision in routes] == ["openai/gpt-5.4-nano", "openai/gpt-5.4-mini"]
    assert (
        "openai/gpt-5.4-nano reasoned although that was switched off; openai/gpt-5.4-mini suffices without reasoning."
    ) in routes[1].reasons


def test_a_text_that_begins_with_a_tag_marks_its_receipt_and_teaches_nothing(scripted: servers.Scripted) -> None:
    scripted.play(servers.raw(json.dumps(LEAKS["in the text"]).encode()))
    with direct(scripted) as client:
        is_told(client.chat.completions.create(messages=MESSAGES), "openai/gpt-5.5")
    assert not learnt.leaks("openai/gpt-5.5", scripted.url)


def test_an_answer_that_repeats_tags_of_the_prompt_is_no_leak(scripted: servers.Scripted) -> None:
    scripted.play(servers.raw(json.dumps(LEAKS["in the text"]).encode()))
    with direct(scripted) as client:
        receipt = client.chat.completions.create(messages=saying("Repeat: <think>It is red.</think>Red.")).greenai
    assert not receipt.attempts[0].reasoning_leaked
    assert receipt.reasoning is False
    assert not learnt.leaks("openai/gpt-5.5", scripted.url)


@pytest.mark.parametrize("leak", ["counted", "reasoning_content", "reasoning"])
def test_what_a_provider_says_in_its_fields_is_learnt(scripted: servers.Scripted, leak: str) -> None:
    scripted.play(servers.raw(json.dumps(LEAKS[leak]).encode()))
    with direct(scripted) as client:
        client.chat.completions.create(messages=MESSAGES)
    assert learnt.leaks("openai/gpt-5.5", scripted.url)


LADDER = [{"model": model, "tier": "small"} for model in ("openai/gpt-5-nano", "openai/gpt-5.4-nano")]


def test_a_model_that_always_reasons_gives_way_to_one_that_need_not() -> None:
    with offline(settings={"ladder": LADDER}) as client:
        decision = client.explain("Name a colour.")
        assert decision.route[0] == "openai/gpt-5.4-nano"
        why = "openai/gpt-5-nano reasons, and that cannot be switched off; openai/gpt-5.4-nano suffices without reasoning."
        assert why in decision.reasons
        opted_in = client.with_options(opt_in={"reasoning"}, reason="checked")
        assert opted_in.explain("Name a colour.").route[0] == "openai/gpt-5-nano"


def test_the_receipt_says_that_a_named_model_cannot_be_switched_off() -> None:
    with offline(settings={"substitute": False}) as client:
        receipts = [
            client.chat.completions.create(model=model, messages=MESSAGES).greenai  # type: ignore[attr-defined]
            for model in ("groq/openai/gpt-oss-20b", "openai/gpt-5-pro")
        ]
    assert [receipt.model for receipt in receipts] == ["groq/openai/gpt-oss-20b", "openai/gpt-5-pro"]
    for receipt in receipts:
        assert f"reasoning of {receipt.model} cannot be switched off" in str(receipt)


# --- a server that refuses the field ----------------------------------------------------------------

REFUSED = servers.status(400, message="Unknown parameter: 'reasoning_effort'")


@pytest.mark.parametrize("stream", [False, True])
def test_a_refused_field_is_left_out(scripted: servers.Scripted, stream: bool) -> None:
    scripted.play(REFUSED, servers.answer())
    with direct(scripted) as client:
        response = client.chat.completions.create(messages=MESSAGES, stream=stream)
        if stream:
            list(response)
    assert [body.get("reasoning_effort") for body in scripted.bodies] == ["none", None]
    receipt = response.greenai
    assert receipt.reasoning is None
    assert [set(body) & {"max_tokens", "max_completion_tokens"} for body in scripted.bodies[1:]] == [set()]
    assert [n.text for n in receipt.nudges] == [
        "openai/gpt-5.5 refused the field that turns reasoning off, so it was asked without"
    ]
    (attempt,) = receipt.attempts
    assert [(t.error, t.status) for t in attempt.tries] == [("BadRequestError", 400)]


def refusing(param: str | None, **more: Any) -> servers.Scene:
    error = {"message": "Unknown parameter: 'reasoning_effort'", "type": "invalid_request_error", "param": param}
    return servers.raw(json.dumps({"error": {**error, **more}}).encode(), status=400)


def saying(text: str) -> Any:
    return [{"role": "user", "content": text}]


def efforts(scripted: servers.Scripted) -> list[Any]:
    return [body.get("reasoning_effort") for body in scripted.bodies]


def test_a_refusal_that_points_at_the_field_holds_for_the_next_call(scripted: servers.Scripted) -> None:
    scripted.play(refusing("reasoning_effort"), servers.answer())
    with direct(scripted) as client:
        for _ in range(3):
            client.chat.completions.create(messages=MESSAGES)
    assert efforts(scripted) == ["none", None, None, None]


def test_a_refusal_in_words_alone_holds_from_the_second_text_on(scripted: servers.Scripted) -> None:
    scripted.play(REFUSED, servers.answer(), REFUSED, servers.answer(), REFUSED, servers.answer())
    with direct(scripted) as client:
        for text in ("Name a colour.", "Name a colour.", "Name a bird.", "Name a tree."):
            client.chat.completions.create(messages=saying(text))
    assert efforts(scripted) == ["none", None, "none", None, "none", None, None]


def test_an_error_that_quotes_the_prompt_is_the_apps(scripted: servers.Scripted) -> None:
    scripted.play(servers.status(400, message="flagged text 'what is reasoning_effort?'"), servers.answer())
    with direct(scripted) as client, pytest.raises(openai.BadRequestError, match="flagged"):
        client.chat.completions.create(messages=saying("what is reasoning_effort?"))
    assert efforts(scripted) == ["none"]


def test_a_text_that_names_the_field_teaches_nothing(scripted: servers.Scripted) -> None:
    scripted.play(*(REFUSED, servers.answer()) * 4)
    with direct(scripted) as client:
        for text in ("What is reasoning_effort?", "Why reasoning_effort?", "Name a colour."):
            client.chat.completions.create(messages=saying(text))
    assert efforts(scripted) == ["none", None] * 3
    assert not learnt.refuses("openai/gpt-5.5", scripted.url)


@pytest.mark.parametrize("param", [None, "reasoning_effort"])
@pytest.mark.parametrize("given", [{"seed": 1}, {"extra_body": {"seed": 1}}])
def test_a_refusal_of_the_field_with_another_argument_holds_for_that_call(
    scripted: servers.Scripted, given: dict[str, Any], param: str | None
) -> None:
    both = refusing(param, message="'reasoning_effort' is not supported together with 'seed'.")
    scripted.play(both, servers.answer(), both, servers.answer())
    with direct(scripted) as client:
        for text in ("Name a colour.", "Name a bird."):
            client.chat.completions.create(messages=saying(text), **given)
        client.chat.completions.create(messages=MESSAGES)
    assert efforts(scripted) == ["none", None, "none", None, "none"]


def test_fields_that_an_error_echoes_are_not_refused(scripted: servers.Scripted) -> None:
    entry = {"loc": ["body", "messages", 0], "msg": "too long", "input": {"reasoning_effort": "none"}}
    scripted.play(servers.raw(json.dumps({"detail": [entry]}).encode(), status=422), servers.answer())
    with direct(scripted) as client, pytest.raises(openai.UnprocessableEntityError):
        client.chat.completions.create(messages=MESSAGES)
    assert len(scripted.requests) == 1


def test_a_field_that_a_server_locates_is_left_out(scripted: servers.Scripted) -> None:
    entry = {"type": "extra_forbidden", "loc": ["body", "reasoning_effort"], "msg": "Extra inputs", "input": "none"}
    scripted.play(servers.raw(json.dumps({"detail": [entry]}).encode(), status=422), servers.answer())
    with direct(scripted) as client:
        client.chat.completions.create(messages=MESSAGES)
    assert efforts(scripted) == ["none", None]


def test_where_the_request_is_refused_without_it_too_the_first_error_is_raised(scripted: servers.Scripted) -> None:
    scripted.play(REFUSED, servers.status(400, message="Bad reasoning_effort, whatever you send"))
    with direct(scripted) as client, pytest.raises(openai.BadRequestError, match="Unknown parameter") as caught:
        client.chat.completions.create(messages=MESSAGES)
    assert len(scripted.requests) == 2
    assert [(t.error, t.status) for t in caught.value.greenai_attempt.tries] == [("BadRequestError", 400)]  # type: ignore[attr-defined]
    assert not learnt.refuses("openai/gpt-5.5", scripted.url)


def test_the_limit_of_a_budget_holds_without_the_field_too(scripted: servers.Scripted) -> None:
    scripted.play(REFUSED, servers.answer())
    with direct(scripted) as client, client.budget("400 tokens"):
        client.chat.completions.create(messages=MESSAGES)
    first, second = scripted.bodies
    assert first["max_tokens"] == second["max_tokens"] < 400


def test_a_limit_of_none_is_no_limit_of_the_app(scripted: servers.Scripted) -> None:
    scripted.play(REFUSED, servers.answer())
    with direct(scripted) as client:
        client.chat.completions.create(messages=MESSAGES, max_tokens=None)
    assert [set(body) & {"max_tokens", "max_completion_tokens"} for body in scripted.bodies[1:]] == [set()]


def test_another_refusal_is_the_apps(scripted: servers.Scripted) -> None:
    scripted.play(servers.status(400, message="max_tokens is too large"))
    with direct(scripted) as client, pytest.raises(openai.BadRequestError):
        client.chat.completions.create(messages=MESSAGES)
    assert len(scripted.requests) == 1


# --- through litellm ------------------------------------------------------------------------------


@pytest.fixture
def claude(scripted: servers.Scripted, monkeypatch: pytest.MonkeyPatch) -> Iterator[servers.Scripted]:
    litellm_marks.load()
    monkeypatch.setenv("ANTHROPIC_BASE_URL", scripted.origin)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    monkeypatch.setenv("HOSTED_VLLM_API_BASE", scripted.url)
    yield scripted
    litellm_marks.forget_clients()


class TestLiteLLM:
    pytestmark = litellm_marks.ONLY

    def test_thinking_that_claude_returns_is_told(self, claude: servers.Scripted) -> None:
        body = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-5",
            "content": [{"type": "thinking", "thinking": "Red.", "signature": "s"}, {"type": "text", "text": "Red."}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 11, "output_tokens": 5},
        }
        claude.play(servers.raw(json.dumps(body).encode()))
        with Client(max_retries=0, settings={**SETTINGS, "substitute": False}) as client:
            response: Any = client.chat.completions.create(model="anthropic/claude-sonnet-5", messages=MESSAGES)
        assert claude.bodies[0]["thinking"] == {"type": "disabled"}
        is_told(response, "anthropic/claude-sonnet-5")

    @pytest.mark.parametrize("leak", STREAMED)
    def test_a_leak_in_a_stream_is_told(self, claude: servers.Scripted, leak: str) -> None:
        claude.play(servers.stream(0, bodies=STREAMED[leak]))
        model = "hosted_vllm/Qwen/Qwen3-8B"
        with Client(max_retries=0, settings={**SETTINGS, "substitute": False}) as client:
            stream: Any = client.chat.completions.create(model=model, messages=MESSAGES, stream=True)
            list(stream)
        assert claude.bodies[0]["chat_template_kwargs"] == {"enable_thinking": False}
        is_told(stream, model)

    def test_a_refused_field_is_left_out(self, claude: servers.Scripted) -> None:
        claude.play(servers.status(400, message="chat_template_kwargs: extra fields not permitted"), servers.answer())
        model = "hosted_vllm/Qwen/Qwen3-8B"
        with Client(max_retries=0, settings={**SETTINGS, "substitute": False}) as client:
            client.chat.completions.create(model=model, messages=MESSAGES)
        assert ["chat_template_kwargs" in body for body in claude.bodies] == [True, False]

    def test_a_field_that_litellm_itself_refuses_is_left_out(self, claude: servers.Scripted) -> None:
        """litellm raises for an effort at DeepInfra before anything is sent; a card of the app's own asks for one."""
        claude.play(servers.answer())
        card = {"name": "deepinfra/acme/thinker", "total_params_b": 8, "reasoning": "effort-none"}
        settings = {**SETTINGS, "cards": [card]}
        with Client(max_retries=0, settings=settings) as client, pytest.MonkeyPatch.context() as patch:
            patch.setenv("DEEPINFRA_API_KEY", "k")
            patch.setenv("DEEPINFRA_API_BASE", claude.url)
            response: Any = client.chat.completions.create(model=card["name"], messages=MESSAGES)
        assert ["reasoning_effort" in body for body in claude.bodies] == [False]
        assert response.greenai.reasoning is None
        assert learnt.refuses("deepinfra/acme/thinker", None)
