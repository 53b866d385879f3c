"""`completion` and `acompletion`, held against litellm's own on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import litellm_marks
import openai
import pytest
from pydantic import BaseModel
from servers import LlamaServer, Scripted, answer, closed_port_url, status, stream

from greenai import BudgetExceeded, acompletion, completion

pytestmark = [
    *litellm_marks.ONLY,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.usefixtures("left_open_by_others"),
]

HELLO: Any = [{"role": "user", "content": "Say hello to Ada in a friendly way."}]
COUNT: Any = [{"role": "user", "content": "Count."}]
MODEL = "openai/some-model"


class City(BaseModel):
    """A city."""

    name: str


@pytest.fixture(autouse=True)
def litellm() -> Iterator[Any]:
    litellm_marks.load()
    import litellm

    yield litellm
    litellm_marks.forget_clients()


def at(server: Scripted, **changes: Any) -> dict[str, Any]:
    return {"api_base": server.url, "api_key": "key", "max_retries": 0, **changes}


def test_a_response_is_litellms_with_a_receipt(scripted: Scripted, litellm: Any) -> None:
    theirs = litellm.completion(MODEL, HELLO, **at(scripted, temperature=0.3))
    ours = completion(MODEL, HELLO, **at(scripted, temperature=0.3))
    assert type(ours) is type(theirs)
    assert (ours.greenai.outcome, ours.greenai.model) == ("large", "endpoint/some-model")
    assert ours.model_dump(exclude={"created"}) == theirs.model_dump(exclude={"created"})
    assert scripted.bodies[0] == scripted.bodies[1]
    assert scripted.requests[1].headers["authorization"] == "Bearer key"


def test_the_same_question_again_is_answered_from_the_cache(scripted: Scripted, litellm: Any) -> None:
    first = completion(MODEL, HELLO, **at(scripted, temperature=0))
    again = completion(MODEL, HELLO, **at(scripted, temperature=0))
    assert (first.greenai.outcome, again.greenai.outcome) == ("large", "cache")
    assert type(again) is litellm.ModelResponse
    assert again.choices[0].message.content == "Hello there."
    pieces = completion(MODEL, HELLO, stream=True, **at(scripted, temperature=0))
    assert isinstance(pieces, litellm.CustomStreamWrapper)
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == "Hello there."
    assert pieces.greenai.outcome == "cache"
    assert completion(MODEL, HELLO, **at(scripted, temperature=0, api_key="another")).greenai.outcome == "large"
    assert len(scripted.requests) == 2


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": True}}])
def test_a_stream_has_litellms_own_chunks(scripted: Scripted, options: dict[str, Any], litellm: Any) -> None:
    scripted.play(stream(4))
    unlike = {"id", "created"}
    theirs = litellm.completion(MODEL, COUNT, stream=True, **options, **at(scripted))
    ours = completion(MODEL, COUNT, stream=True, **options, **at(scripted))
    assert type(ours).__name__ == "CustomStreamWrapper"
    assert isinstance(ours, litellm.CustomStreamWrapper)
    assert ours.greenai is None
    assert [c.model_dump(exclude=unlike) for c in ours] == [c.model_dump(exclude=unlike) for c in theirs]
    assert ours.greenai.attempts[0].usage.output_tokens == 5


def test_awaited(scripted: Scripted) -> None:
    async def asked() -> tuple[Any, list[Any], Any]:
        whole = await acompletion(model=MODEL, messages=HELLO, **at(scripted))
        pieces = await acompletion(model=MODEL, messages=COUNT, stream=True, **at(scripted))
        left = await acompletion(model=MODEL, messages=[*COUNT, *HELLO], stream=True, **at(scripted))
        await anext(aiter(left))
        await left.aclose()
        return whole, [piece.choices[0].delta.content async for piece in pieces], (pieces, left)

    async def closing() -> Any:
        try:
            return await asked()
        finally:
            await litellm_marks.aclose()

    whole, texts, (pieces, left) = asyncio.run(closing())
    assert whole.greenai.outcome == "large"
    assert "".join(text or "" for text in texts) == "word0 word1 word2 "
    assert pieces.greenai.outcome == left.greenai.outcome == "large"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (403, "APIError"),
        (404, "NotFoundError"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
        (503, "ServiceUnavailableError"),
    ],
)
def test_a_failure_is_litellms(scripted: Scripted, litellm: Any, code: int, name: str) -> None:
    scripted.play(status(code))
    for ask in (litellm.completion, completion):
        with pytest.raises(openai.APIError) as error:
            ask(MODEL, HELLO, **at(scripted))
        assert type(error.value) is getattr(litellm, name)


def test_an_address_where_nobody_listens_fails_alike(litellm: Any) -> None:
    kinds = set()
    for ask in (litellm.completion, completion):
        with pytest.raises(openai.APIError) as error:
            ask(MODEL, HELLO, api_base=closed_port_url(), api_key="key", max_retries=0)
        kinds.add(type(error.value))
    assert len(kinds) == 1


def test_a_type_as_response_format_reaches_litellm(scripted: Scripted) -> None:
    scripted.play(answer('{"name": "Rome"}'))
    found = [completion(MODEL, HELLO, response_format=City, **at(scripted, temperature=0)) for _ in range(2)]
    assert scripted.bodies[0]["response_format"]["json_schema"]["name"] == "City"
    assert [response.greenai.outcome for response in found] == ["large", "cache"]


def test_what_is_no_json_is_sent_and_not_stored(scripted: Scripted) -> None:
    found = [completion(MODEL, HELLO, logger_fn=lambda _: None, **at(scripted, temperature=0)) for _ in range(2)]
    assert [response.greenai.outcome for response in found] == ["large", "large"]


def test_reasoning_is_off_by_default_for_a_model_that_is_known(scripted: Scripted) -> None:
    asked = completion("gpt-5.5", HELLO, mock_response="Hello, Ada.")
    assert asked.choices[0].message.content == "Hello, Ada."
    assert asked.greenai.nudges[0].text == "reasoning off for openai/gpt-5.5"
    assert asked.greenai.model == "openai/gpt-5.5"
    assert scripted.requests == []


def test_a_spent_budget_refuses(scripted: Scripted, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "greenai.toml").write_text('[projects.default.budget]\ncalls = "1/hour"\n')
    monkeypatch.chdir(tmp_path)
    completion(MODEL, HELLO, **at(scripted))
    with pytest.raises(BudgetExceeded):
        completion(MODEL, COUNT, **at(scripted))
    assert len(scripted.requests) == 1


@pytest.mark.needs_weights
def test_a_real_model_answers(llama: LlamaServer, litellm: Any) -> None:
    named = {"model": "openai/smollm2-135m", "api_base": llama.url, "api_key": "key", "temperature": 0, "max_tokens": 8}
    question = [{"role": "user", "content": "What is the capital of France?"}]
    theirs, ours = litellm.completion(messages=question, **named), completion(messages=question, **named)
    assert ours.choices[0].message.content == theirs.choices[0].message.content
    assert ours.usage.completion_tokens == theirs.usage.completion_tokens
