"""Never run: what decorated and wrapped code is to type checkers (mypy --strict, pyright strict)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Literal, assert_type, overload

import anthropic
import openai
from anthropic.types import Message
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from greenai import Receipt, green, instrument, last_receipt, uninstrument, wrap
from greenai.integrations.instrument import Instrumented


@green
def bare(prompt: str, *, times: int = 1) -> str:
    return prompt * times


@green(project="bot", feature="reply", opt_in="large", reason="a test", budget="0.5 Wh", cache="auto")
def optioned(prompt: str, times: int = 1) -> list[str]:
    return [prompt] * times


@green(budget=("0.5 Wh", "3 calls"), when_spent="refuse", cache=True, settings={"observe": True})
async def awaited(prompt: str) -> int:
    return len(prompt)


@green
def items(prompt: str) -> Iterator[str]:
    yield prompt


@green(project="bot")
async def awaited_items(prompt: str) -> AsyncIterator[bytes]:
    yield prompt.encode()


@overload
def overloaded(prompt: str) -> str: ...
@overload
def overloaded(prompt: bytes) -> bytes: ...
@green
def overloaded(prompt: str | bytes) -> str | bytes:
    return prompt


class Bot:
    @green
    def method(self, prompt: str) -> int:
        return len(prompt)

    @green(project="bot")
    async def awaited(self, prompt: str) -> int:
        return len(prompt)

    @classmethod
    @green
    def of_class(cls, prompt: str) -> type[Bot]:
        return cls

    @staticmethod
    @green
    def static(prompt: str) -> bytes:
        return prompt.encode()

    @green
    @classmethod
    def outer_class(cls, prompt: str) -> type[Bot]:
        return cls

    @green
    @staticmethod
    def outer_static(prompt: str) -> bytes:
        return prompt.encode()


async def functions(bot: Bot) -> None:
    assert_type(bare("a", times=2), str)
    assert_type(last_receipt(), Receipt | None)
    assert_type(last_receipt(bare), Receipt | None)
    assert_type(last_receipt(overloaded), Receipt | None)
    assert_type(last_receipt(bot.method), Receipt | None)
    last_receipt("bare")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(optioned("a", 2), list[str])
    assert_type(await awaited("a"), int)
    coroutine: Coroutine[Any, Any, int] = awaited("a")
    assert_type(await coroutine, int)
    assert_type(items("a"), Iterator[str])
    assert_type(overloaded("a"), str)
    assert_type(overloaded(b"a"), bytes)
    async for part in awaited_items("a"):
        assert_type(part, bytes)

    bare(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    bare("a", 2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    optioned()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    green(project=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]

    assert_type(bot.method("a"), int)
    assert_type(Bot.method(bot, "a"), int)
    assert_type(await bot.awaited("a"), int)
    assert_type(bot.of_class("a"), type[Bot])
    assert_type(Bot.of_class("a"), type[Bot])
    assert_type(bot.outer_class("a"), type[Bot])
    assert_type(Bot.outer_class("a"), type[Bot])
    assert_type(Bot.static("a"), bytes)
    assert_type(bot.static("a"), bytes)
    assert_type(Bot.outer_static("a"), bytes)
    assert_type(bot.outer_static("a"), bytes)
    bot.method(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def passed_on(function: Callable[[str], str]) -> Callable[[str], str]:
    passed_on(bare)
    return green(function)


def wrapped(flag: bool) -> None:
    client = wrap(openai.OpenAI(api_key="key"), project="bot")
    assert_type(client, openai.OpenAI)
    whole = client.chat.completions.create(model="gpt-5.5", messages=[])
    assert_type(whole, ChatCompletion)
    stream = client.chat.completions.create(model="gpt-5.5", messages=[], stream=True)
    assert_type(stream, openai.Stream[ChatCompletionChunk])
    either = client.chat.completions.create(model="gpt-5.5", messages=[], stream=flag)
    assert_type(either, ChatCompletion | openai.Stream[ChatCompletionChunk])
    assert_type(wrap(openai.AsyncOpenAI()), openai.AsyncOpenAI)

    claude = wrap(anthropic.Anthropic())
    message = claude.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=[], stream=False)
    assert_type(message, Message)

    decorated = green(client.chat.completions.create)
    assert callable(decorated)


def patched() -> None:
    handle = instrument(project="bot")
    assert_type(handle, Instrumented)
    with instrument() as entered:
        assert_type(entered, Instrumented)
    assert_type(handle.undo(), None)
    assert_type(uninstrument(), None)


_MODE: Literal["auto"] = "auto"
green(cache=_MODE)
