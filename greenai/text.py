"""What `ask` and a task return: text with a receipt, whole or in pieces. No openai type is needed for these."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from greenai.deltas import pieces_of
from greenai.values import Receipt, Reply, Request

if TYPE_CHECKING:
    from greenai.streams import GreenAsyncStream, GreenStream


@dataclass(frozen=True, slots=True, kw_only=True)
class TextAnswer:
    """A whole answer: `text`, its receipt `greenai`, and why it ended (`stop`, `length`, …)."""

    text: str
    greenai: Receipt
    finish_reason: str | None
    request: Request = field(repr=False)

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        from greenai.render import answer_html

        return answer_html(self.text, self.greenai.to_dict())


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskAnswer:
    """What a task model said, and the receipt.

    Below the threshold it abstains: `label` is None and `text` is empty; `confidence` still says how sure it was.
    """

    text: str
    label: str | None
    confidence: float | None
    receipt: Receipt

    @property
    def greenai(self) -> Receipt:
        """The receipt, under the name that it has on other answers."""
        return self.receipt

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        from greenai.render import answer_html

        return answer_html(self.text, self.greenai.to_dict())


class TextStream:
    """An answer in pieces. Iterate once; `greenai` is the receipt when the pieces are exhausted or it is closed."""

    def __init__(self, pieces: Iterator[str], receipt: Receipt | None, inner: GreenStream | None) -> None:
        self._pieces = pieces
        self._receipt = receipt
        self._inner = inner

    @classmethod
    def done(cls, reply: Reply, receipt: Receipt) -> TextStream:
        """Wrap an answer that is complete already."""
        return cls(pieces_of(reply.text), receipt, None)

    @classmethod
    def live(cls, stream: GreenStream) -> TextStream:
        """Wrap a running stream."""
        return cls(_texts(stream), None, stream)

    @property
    def greenai(self) -> Receipt | None:
        """The receipt; None while the stream runs."""
        return self._receipt if self._inner is None else self._inner.greenai

    def __iter__(self) -> Iterator[str]:
        return self._pieces

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the stream and settle the call at what was seen."""
        if self._inner is not None:
            self._inner.close()


class AsyncTextStream:
    """An answer in pieces, awaited; see `TextStream`."""

    def __init__(self, pieces: AsyncIterator[str], receipt: Receipt | None, inner: GreenAsyncStream | None) -> None:
        self._pieces = pieces
        self._receipt = receipt
        self._inner = inner

    @classmethod
    def done(cls, reply: Reply, receipt: Receipt) -> AsyncTextStream:
        """Wrap an answer that is complete already."""
        return cls(_apieces(reply.text), receipt, None)

    @classmethod
    def live(cls, stream: GreenAsyncStream) -> AsyncTextStream:
        """Wrap a running stream."""
        return cls(_atexts(stream), None, stream)

    @property
    def greenai(self) -> Receipt | None:
        """The receipt; None while the stream runs."""
        return self._receipt if self._inner is None else self._inner.greenai

    def __aiter__(self) -> AsyncIterator[str]:
        return self._pieces

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop the stream and settle the call at what was seen."""
        if self._inner is not None:
            await self._inner.close()


def _texts(stream: GreenStream) -> Iterator[str]:
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


async def _atexts(stream: GreenAsyncStream) -> AsyncIterator[str]:
    async for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


async def _apieces(text: str) -> AsyncIterator[str]:
    for piece in pieces_of(text):
        yield piece
