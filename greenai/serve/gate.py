"""How many requests are answered at the same time, how many wait, and how long: what is beyond is refused."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["Busy", "Gate"]


class Busy(Exception):  # an answer, not an error of ours: 429
    """Too many requests at once; the text has the numbers."""


class Gate:
    """Lets so many in at a time; of one event loop.

    Args:
        most: how many at the same time.
        waiting: how many wait beyond those.
        longest_s: how long one waits, in seconds.
    """

    def __init__(self, most: int, waiting: int, longest_s: float) -> None:
        self._most = most
        self._room = waiting
        self._longest_s = longest_s
        self._queue: deque[asyncio.Future[None]] = deque()
        self.inside = 0

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._queue)

    @asynccontextmanager
    async def entered(self) -> AsyncGenerator[None]:
        """Be inside while the block runs.

        Raises:
            Busy: too many wait already, or the wait was too long.
        """
        if self.inside >= self._most or self._queue:
            await self._wait()
        else:
            self.inside += 1
        try:
            yield
        finally:
            self._leave()

    async def _wait(self) -> None:
        if len(self._queue) >= self._room:
            raise Busy(
                f"{self.inside} requests are being answered and {len(self._queue)} wait; the gateway takes "
                f"{self._most} and {self._room}. Ask again in a moment."
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            async with asyncio.timeout(self._longest_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._leave()  # the place that was given meanwhile
            else:
                self._queue.remove(turn) if turn in self._queue else None
            if isinstance(error, TimeoutError):
                raise Busy(
                    f"The request waited {self._longest_s:g} s for one of {self._most} places. Ask again in a moment."
                ) from None
            raise

    def _leave(self) -> None:
        """Hand the place to whoever has waited longest, or free it."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.inside -= 1
