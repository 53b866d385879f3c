"""Anthropic's Messages API as Amazon's and Google's clouds have it: the model is in the path.

cloud        path                                                       a stream
─────────    ───────────────────────────────────────────────────────    ─────────────────────────────────────────
Bedrock      /model/{name}/invoke, …/invoke-with-response-stream        frames (frames.py), by the path
Vertex AI    …/publishers/anthropic/models/{name}:rawPredict, …         events, by the path and the body's `stream`
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from greenai.values import Draft, Reply
from greenai.wire import Asked, frames
from greenai.wire.messages import Messages
from greenai.wire.sse import Splitter

__all__ = ["BEDROCK", "VERTEX"]


class _OfCloud(Messages):
    """The same API under another path."""

    path: re.Pattern[str]

    def read(self, path: str, body: Mapping[str, Any]) -> Asked:
        """Read a request's path and JSON; one that is none of this API has no messages."""
        found = self.path.search(path.rstrip("/"))
        if found is None or "anthropic_version" not in body:
            return Asked(model=None, messages=[], arguments={})
        stream = found["stream"] is not None
        return replace(super().read(path, body), model=found["model"], stream=stream)

    def written(self, path: str, body: Mapping[str, Any], asked: Asked, draft: Draft) -> tuple[str, dict[str, Any]]:
        """Return path and JSON of the request as the draft has it."""
        _, sent = super().written(path, body, asked, draft)
        if "model" not in body:
            del sent["model"]
        if draft.rung.name == asked.model:
            return path, sent
        found = self.path.search(path)
        at = (0, 0) if found is None else found.span("model")
        return f"{path[: at[0]]}{draft.rung.name}{path[at[1] :]}", sent


class Bedrock(_OfCloud):
    """POST …/model/{name}/invoke."""

    path = re.compile(r"/model/(?P<model>.+)/invoke(?P<stream>-with-response-stream)?$")

    def read(self, path: str, body: Mapping[str, Any]) -> Asked:
        """Read a request's path and JSON."""
        return replace(super().read(path, body), framed=True)

    def events(self, reply: Reply, asked: Asked) -> Iterator[bytes]:
        """Return a reply as the frames that a live stream would have brought."""
        for part in super().events(reply, asked):
            for event in Splitter().feed(part):
                yield frames.written(event.data)


class Vertex(_OfCloud):
    """POST …/publishers/anthropic/models/{name}:rawPredict; counting tokens has a name of its own there."""

    path = re.compile(
        r"/publishers/anthropic/models/(?!count-tokens:)(?P<model>[^/]+):(?:r|(?P<stream>streamR))awPredict$"
    )


BEDROCK, VERTEX = Bedrock(), Vertex()
