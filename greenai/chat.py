"""openai's surface below a client: `client.chat.completions.create`, in both colours, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, overload

if TYPE_CHECKING:
    from typing import Unpack

    from openai.types.chat import ChatCompletionMessageParam

    from greenai._params import ChatParams, GreenCompletion
    from greenai.session import Session
    from greenai.streams import GreenAsyncStream, GreenStream

__all__ = ["AsyncChat", "AsyncCompletions", "Chat", "Completions", "Surface"]

# What openai's clients have besides, so that an app which changes its import is told at once what to keep.
_OPENAI_ONLY = frozenset(
    (
        "admin", "api_key", "assistants", "audio", "base_url", "batches", "beta", "completions", "containers",
        "conversations", "copy", "decisions", "embeddings", "evals", "files", "fine_tuning", "images", "list",
        "max_retries", "models", "moderations", "parse", "realtime", "responses", "retrieve", "stream", "timeout",
        "uploads", "vector_stores", "videos", "webhooks", "with_raw_response", "with_streaming_response",
    )
)  # fmt: skip


class Surface:
    """Says what to do where openai has a name and this release has not."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name not in _OPENAI_ONLY:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            raise AttributeError(
                f"greenai has no {name!r} here: this release answers chat.completions.create and leaves openai's other "
                "calls to openai. Keep an openai.OpenAI() beside the greenai.Client() for them."
            )


class Completions(Surface):
    """`client.chat.completions`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @overload
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
    def create(self, *, messages: Any, model: Any = None, stream: Any = None, **arguments: Any) -> Any:
        """Answer a chat with the least energy that still answers well; openai's arguments, openai's types back.

        The response has one attribute more, `greenai`: the receipt. `model` may be left out, or `"auto"`, to let the
        settings' ladder decide. `greenai=` takes options for this call.

        Raises:
            GreenAIError: what greenai refuses; see `greenai.errors`.
            openai.OpenAIError: the class that the bare openai client raises for the same failure.
        """
        request = self._session.request("create", messages, model, stream, arguments)
        if request.stream:
            return self._session.stream(request)
        return self._session.completion(self._session.answer(request))


class AsyncCompletions(Surface):
    """`async_client.chat.completions`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @overload
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
    async def create(self, *, messages: Any, model: Any = None, stream: Any = None, **arguments: Any) -> Any:
        """Do what `Completions.create` does, awaited."""
        request = self._session.request("create", messages, model, stream, arguments)
        if request.stream:
            return await self._session.astream(request)
        return self._session.completion(await self._session.aanswer(request))


class Chat:
    """`client.chat`."""

    def __init__(self, session: Session) -> None:
        self.completions = Completions(session)


class AsyncChat:
    """`async_client.chat`."""

    def __init__(self, session: Session) -> None:
        self.completions = AsyncCompletions(session)
