"""Never run: type checkers read that wrapped clients of other libraries keep their types, overloads included."""

from __future__ import annotations

from typing import assert_type

import anthropic
from anthropic.types import Message, RawMessageStreamEvent
from google import genai
from google.genai.types import GenerateContentResponse
from mistralai.client import Mistral
from mistralai.client.models import ChatCompletionResponse, UserMessage

from greenai import wrap


def clients() -> None:
    assert_type(wrap(anthropic.Anthropic()), anthropic.Anthropic)
    assert_type(wrap(anthropic.AsyncAnthropic()), anthropic.AsyncAnthropic)
    assert_type(wrap(genai.Client()), genai.Client)
    assert_type(wrap(Mistral(), project="bot"), Mistral)


def answers(question: str) -> None:
    messages = wrap(anthropic.Anthropic()).messages
    assert_type(messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": question}]), Message)
    streamed = messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": question}], stream=True)
    assert_type(streamed, anthropic.Stream[RawMessageStreamEvent])
    assert_type(wrap(genai.Client()).models.generate_content(model="m", contents=question), GenerateContentResponse)
    asked = wrap(Mistral()).chat.complete(model="m", messages=[UserMessage(content=question)])
    assert_type(asked, ChatCompletionResponse)


async def awaited(question: str) -> None:
    messages = wrap(anthropic.AsyncAnthropic()).messages
    answered = await messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": question}])
    assert_type(answered, Message)
    models = wrap(genai.Client()).aio.models
    assert_type(await models.generate_content(model="m", contents=question), GenerateContentResponse)
