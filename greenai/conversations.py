"""Which model answered the beginning of a conversation: later turns stay on it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from greenai.values import Reply, Request, text_of


class Conversations:
    """Remembers, in this process, the latest `most` answers. Safe from any thread: each operation is atomic."""

    def __init__(self, most: int = 4096) -> None:
        self._models: OrderedDict[int, str] = OrderedDict()
        self._most = most

    def remember(self, request: Request, reply: Reply, model: str) -> None:
        """Note the model under the conversation as it will come back, this answer included."""
        said = [*request.messages, {"role": "assistant", "content": reply.text}]
        self._models[self._key(request, said)] = model
        while len(self._models) > self._most:
            self._models.popitem(last=False)

    def find(self, request: Request) -> str | None:
        """Return the model that gave the last assistant turn of this request, if it was asked here."""
        for end in range(len(request.messages), 0, -1):
            if request.messages[end - 1].get("role") == "assistant":
                return self._models.get(self._key(request, request.messages[:end]))
        return None

    @staticmethod
    def _key(request: Request, messages: Sequence[Mapping[str, Any]]) -> int:
        turns = tuple((str(m.get("role")), text_of(m.get("content"))) for m in messages)
        return hash((request.namespace, request.model, turns))
