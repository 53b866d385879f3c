"""A provider's files and batches, as openai's client has them: every message passes the meter of `client.batches`.

openai's own retries are off. What is sent again is sent by provider/retry.py, and a batch is made again only after the
provider was asked whether it has made it: an answer that got lost makes no second batch of the same requests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from greenai.bulk.batch_lines import ENDPOINT
from greenai.surface import Connections, Rest

if TYPE_CHECKING:
    from greenai.bulk.provider_parts import Part
    from greenai.session import Session

__all__ = ["Remote"]

T = TypeVar("T")

JOB, PART = "greenai_job", "greenai_part"
"""The names in a batch's metadata."""

_SKEW_S = 86_400.0
"""By how much the provider's clock and this machine's may differ, at most."""
_LONGEST_VALUE = 512
"""What the provider takes as a value of metadata, in characters."""


class Remote:
    """The files and batches of one session's account."""

    def __init__(self, session: Session, *, retries: int) -> None:
        own: dict[str, Any] = {"max_retries": 0}
        if _is_awaited(session.config.connection.get("http_client")):
            own["http_client"] = None
        self._connections = Connections(asynchronous=False)
        self._rest = Rest(session.with_options(own), self._connections)
        self._retries = retries
        self.account = session.config.key()

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def refusal(self) -> str | None:
        """Return why nothing can be sent; None where it can."""
        refused = self._rest.refusal()
        return None if refused is None else refused[1]

    def upload(self, part: Part, content: bytes) -> str:
        """Upload the lines of a part, and return the file's id."""
        made = self._sent(lambda: self._rest().files.create(file=(_filename(part), content), purpose="batch"))
        return str(made.id)

    def create(self, part: Part, file: str, job: str) -> Any:
        """Make a batch of an uploaded file, once: also where an earlier try made it and its answer was lost.

        Raises:
            BudgetExceeded: its budgets have too little left for it.
        """
        tries = 0

        def send() -> Any:
            nonlocal tries
            tries += 1
            found = self.found(part) if tries > 1 else None
            return found or self._rest().batches.create(
                input_file_id=file,
                endpoint=ENDPOINT,
                completion_window="24h",
                metadata={JOB: job[:_LONGEST_VALUE], PART: part.name},
            )

        return self._sent(send)

    def found(self, part: Part) -> Any:
        """Return the batch that was made of a part; None where there is none."""
        batches = _since(part, self._rest().batches.list(limit=100))
        return next((batch for batch in batches if (batch.metadata or {}).get(PART) == part.name), None)

    def adopted(self, part: Part) -> Any:
        """Do what `found` does, more than once where the provider fails."""
        return self._sent(lambda: self.found(part))

    def batch(self, name: str) -> Any:
        """Return a batch as it is now."""
        return self._sent(lambda: self._rest().batches.retrieve(name))

    def content(self, file: str) -> Any:
        """Return what is in a file: its `content`, and its receipt where it is a batch's."""
        return self._sent(lambda: self._rest().files.content(file))

    def cancel(self, name: str) -> Any:
        """Cancel a batch."""
        return self._sent(lambda: self._rest().batches.cancel(name))

    def delete(self, file: str) -> bool:
        """Delete a file; return whether it is gone."""
        import openai

        try:
            self._sent(lambda: self._rest().files.delete(file))
        except openai.NotFoundError:
            return True
        except openai.OpenAIError:
            return False
        return True

    def clear(self, part: Part) -> bool:
        """Delete the file of a part, also where it was uploaded and not written down; return whether it is gone."""
        if part.file is not None:
            return self.delete(part.file)

        def files() -> list[str]:
            listed = _since(part, self._rest().files.list(purpose="batch", limit=100))
            return [file.id for file in listed if file.filename == _filename(part)]

        deleted = [self.delete(file) for file in self._sent(files)]
        return all(deleted)

    def _sent(self, send: Callable[[], T]) -> T:
        from greenai.provider import retry

        return retry.run(send, max_retries=self._retries, deadline=math.inf, budget=retry.RetryBudget())[0]


def _since(part: Part, listed: Iterable[Any]) -> Iterator[Any]:
    """Yield what a provider lists, as far as it may be of a part: no older ones, where the latest come first."""
    before = -math.inf
    for one in listed:
        if one.created_at < before and one.created_at < part.begun - _SKEW_S:
            return
        yield one
        before = one.created_at


def _filename(part: Part) -> str:
    return f"greenai-{part.name}.jsonl"


def _is_awaited(http_client: object) -> bool:
    return any(kind.__name__ == "AsyncClient" for kind in type(http_client).__mro__)
