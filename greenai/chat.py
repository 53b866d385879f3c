"""`client.chat.completions.create`, in both colours; what openai has there besides is openai's own (surface.py)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, overload

from greenai.surface import Rest, Surface

if TYPE_CHECKING:
    from typing import Unpack

    from openai.resources.chat import AsyncChat as OpenAIAsyncChat
    from openai.resources.chat import Chat as OpenAIChat
    from openai.resources.chat.completions import AsyncCompletions as OpenAIAsyncCompletions
    from openai.resources.chat.completions import Completions as OpenAICompletions
    from openai.types.chat import ChatCompletionMessageParam

    from greenai._params import ChatParams, GreenCompletion
    from greenai.streams import GreenAsyncStream, GreenStream

else:  # what openai's classes have is looked up in objects of them, when it is first touched
    OpenAIChat = OpenAIAsyncChat = OpenAICompletions = OpenAIAsyncCompletions = Surface

__all__ = ["AsyncChat", "AsyncCompletions", "Chat", "Completions"]


class Completions(OpenAICompletions):
    """`client.chat.completions`."""

    def __init__(self, rest: Rest) -> None:
        self._green = rest
        self._rest = rest.completions

    @overload  # type: ignore[override]  # greenai's arguments besides; at run time no base has one
    def create(
        self,
        *,
        messages: Iterable[ChatCompletionMessageParam],
        model: str = ...,
        stream: Literal[False] | None = ...,
        **arguments: Unpack[ChatParams],
    ) -> GreenCompletion: ...
    @overload
    def create(
        self,
        *,
        messages: Iterable[ChatCompletionMessageParam],
        model: str = ...,
        stream: Literal[True],
        **arguments: Unpack[ChatParams],
    ) -> GreenStream: ...
    @overload
    def create(
        self,
        *,
        messages: Iterable[ChatCompletionMessageParam],
        model: str = ...,
        stream: bool,
        **arguments: Unpack[ChatParams],
    ) -> GreenCompletion | GreenStream: ...
    def create(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, *, messages: Any, model: Any = None, stream: Any = None, **arguments: Any
    ) -> Any:
        """Answer a chat with the least energy that still answers well; openai's arguments, openai's types back.

        The response has one attribute more, `greenai`: the receipt. `model` may be left out, or `"auto"`, to let the
        settings' ladder decide. `greenai=` takes options for this call.

        Raises:
            GreenAIError: what greenai refuses; see `greenai.errors`.
            openai.OpenAIError: the class that the bare openai client raises for the same failure.
        """
        if messages == [] and self._green.refusal() is None:  # nothing to decide about: the server's to judge
            return self._green.completions().create(**_as_asked(model, stream, arguments))
        session = self._green.session
        request = session.request("create", messages, model, stream, arguments)
        if request.stream:
            return session.stream(request)
        return session.completion(session.answer(request))


class AsyncCompletions(OpenAIAsyncCompletions):
    """`async_client.chat.completions`."""

    def __init__(self, rest: Rest) -> None:
        self._green = rest
        self._rest = rest.completions

    @overload  # type: ignore[override]  # greenai's arguments besides; at run time no base has one
    async def create(
        self,
        *,
        messages: Iterable[ChatCompletionMessageParam],
        model: str = ...,
        stream: Literal[False] | None = ...,
        **arguments: Unpack[ChatParams],
    ) -> GreenCompletion: ...
    @overload
    async def create(
        self,
        *,
        messages: Iterable[ChatCompletionMessageParam],
        model: str = ...,
        stream: Literal[True],
        **arguments: Unpack[ChatParams],
    ) -> GreenAsyncStream: ...
    @overload
    async def create(
        self,
        *,
        messages: Iterable[ChatCompletionMessageParam],
        model: str = ...,
        stream: bool,
        **arguments: Unpack[ChatParams],
    ) -> GreenCompletion | GreenAsyncStream: ...
    async def create(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, *, messages: Any, model: Any = None, stream: Any = None, **arguments: Any
    ) -> Any:
        """Do what `Completions.create` does, awaited."""
        if messages == [] and self._green.refusal() is None:
            return await self._green.completions().create(**_as_asked(model, stream, arguments))
        session = self._green.session
        request = session.request("create", messages, model, stream, arguments)
        if request.stream:
            return await session.astream(request)
        return session.completion(await session.aanswer(request))


def _as_asked(model: Any, stream: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    given = {"model": model, "stream": stream}
    own = {name: value for name, value in arguments.items() if name != "greenai"}
    return {"messages": [], **{name: value for name, value in given.items() if value is not None}, **own}


class Chat(OpenAIChat):
    """`client.chat`."""

    completions: Completions

    def __init__(self, rest: Rest) -> None:
        self.completions = Completions(rest)  # pyright: ignore[reportIncompatibleMethodOverride]
        self._rest = rest.chat


class AsyncChat(OpenAIAsyncChat):
    """`client.chat`."""

    completions: AsyncCompletions

    def __init__(self, rest: Rest) -> None:
        self.completions = AsyncCompletions(rest)  # pyright: ignore[reportIncompatibleMethodOverride]
        self._rest = rest.chat
