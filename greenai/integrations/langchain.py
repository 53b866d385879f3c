"""LangChain: `GreenChatModel`, a `ChatOpenAI` whose calls are answered by a greenai client.

Messages, streams, tools, structured output and errors are langchain-openai's own code; greenai's client stands where
openai's does, so that a ladder, the cache, budgets and opt-ins hold. The only door to langchain-openai.

The receipt is in `response_metadata["greenai"]`, as a mapping, so that a message is serialised as any other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, SecretStr, model_validator

from greenai.client import AsyncClient, Client
from greenai.errors import MissingExtra
from greenai.hooks import collecting

try:
    from langchain_core.messages import AIMessageChunk
    from langchain_core.outputs import ChatGenerationChunk
    from langchain_openai import ChatOpenAI
except ImportError:
    raise MissingExtra("langchain", "langchain-openai", "LangChain (GreenChatModel)") from None

if TYPE_CHECKING:
    from greenai.values import Receipt

__all__ = ["GreenChatModel"]


class GreenChatModel(ChatOpenAI):  # type: ignore[misc]  # pyright: ignore[reportUntypedBaseClass]
    """`ChatOpenAI`, whose calls are answered with the least energy that still answers well.

    Takes what `ChatOpenAI` takes, and greenai's options beside it. The model is named as in `greenai.Client`; without
    one, the settings' ladder decides.

    Args:
        project: the project that calls are booked on.
        settings: as in `greenai.Client`.
        opt_in: expensive modes that every call may use; needs a `reason`.
        reason: why, for the ledger.
        observe: change nothing, and record what would have been saved.
    """

    model_name: str = Field(default="auto", alias="model")
    project: str | None = None
    settings: Any = Field(default=None, exclude=True)
    opt_in: Any = None
    reason: str | None = None
    observe: bool | None = None

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Say that it is none: what it was loaded as would be `ChatOpenAI`."""
        return False

    @model_validator(mode="after")
    def validate_environment(self) -> Self:
        """Put greenai's clients where openai's would be."""
        model: Any = self
        if model.stream_usage is None:
            model.stream_usage = model.openai_api_base is None
        if model.client is None:
            model.root_client = Client(**self._opening(), http_client=model.http_client)
            model.client = model.root_client.chat.completions
        if model.async_client is None:
            model.root_async_client = AsyncClient(**self._opening(), http_client=model.http_async_client)
            model.async_client = model.root_async_client.chat.completions
        parent: Any = super()  # a pydantic validator, which pyright takes for its descriptor
        checked: Self = parent.validate_environment()
        return checked

    def _opening(self) -> dict[str, Any]:
        key = self.openai_api_key
        given = {
            "api_key": key.get_secret_value() if isinstance(key, SecretStr) else key,
            "base_url": self.openai_api_base,
            "organization": self.openai_organization,
            "timeout": self.request_timeout,
            "max_retries": self.max_retries,
            "default_headers": self.default_headers,
            "default_query": self.default_query,
            "settings": self.settings,
            "project": self.project,
            "opt_in": self.opt_in,
            "reason": self.reason,
            "observe": self.observe,
        }
        return {name: value for name, value in given.items() if value is not None}

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        with collecting() as receipts:
            result = super()._generate(*args, **kwargs)
        return _told(result, receipts)

    async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
        with collecting() as receipts:
            result = await super()._agenerate(*args, **kwargs)
        return _told(result, receipts)

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        pieces = super()._stream(*args, **kwargs)
        with collecting() as receipts:  # the call is begun with the first piece, and is added when it ends
            first = next(pieces, None)
        if first is not None:
            yield first
            yield from pieces
        yield from map(_ending, receipts[-1:])

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        pieces = super()._astream(*args, **kwargs)
        with collecting() as receipts:
            first = await anext(pieces, None)
        if first is not None:
            yield first
            async for piece in pieces:
                yield piece
        for receipt in receipts[-1:]:
            yield _ending(receipt)


def _told(result: Any, receipts: list[Receipt]) -> Any:
    """Return the result with the receipt on its messages."""
    if receipts:
        for generation in result.generations:
            generation.message.response_metadata["greenai"] = receipts[-1].to_dict()
    return result


def _ending(receipt: Receipt) -> Any:
    """Return the piece that ends a stream: no text, and the receipt."""
    return ChatGenerationChunk(message=AIMessageChunk(content="", response_metadata={"greenai": receipt.to_dict()}))
