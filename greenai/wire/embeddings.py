"""Embeddings: POST …/embeddings, as openai and the servers that are compatible with it speak it.

Equal texts have equal vectors, so answers are kept as long as any other that does not change, and what comes back is
the provider's own JSON, base64 vectors included. One answer is one entry: a batch is found again as the batch that it
was, not by its texts. Nothing is classified, no nudge touches the request, and no other model stands in for the one
that is named: vectors of two models cannot be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from greenai._params import KNOWN
from greenai.reported import energy_j
from greenai.values import Draft, Reply
from greenai.wire import Asked
from greenai.wire.fields import mapping, text, usage_of
from greenai.wire.sse import Event

__all__ = ["DIALECT", "Verbatim"]

_READ = frozenset(("model", "input", "stream"))


class Unseen:
    """Stands where a stream would be seen; such a request never has one."""

    def __init__(self, model: str, read: Callable[[Mapping[str, Any], str, float], Reply]) -> None:
        self._model = model
        self._read = read

    def add(self, event: Event) -> bool:  # noqa: ARG002  # nothing is known of it
        """Hand on whatever comes."""
        return True

    def reply(self, latency_s: float, *, complete: bool) -> Reply:  # noqa: ARG002  # nothing is known of it
        """Return that nothing was seen."""
        return replace(self._read({}, self._model, latency_s), body=None, complete=False)


class Verbatim:
    """An API whose requests are sent as they are, and whose answers are whole: there are no streams of them."""

    name = ""

    def read(self, path: str, body: Mapping[str, Any]) -> Asked:
        """Read a request's JSON."""
        raise NotImplementedError

    def reply(self, body: Mapping[str, Any], model: str, latency_s: float) -> Reply:
        """Read a whole response's JSON."""
        raise NotImplementedError

    def written(self, path: str, body: Mapping[str, Any], asked: Asked, draft: Draft) -> tuple[str, dict[str, Any]]:  # noqa: ARG002  # nothing of it is changed
        """Return path and JSON of the request: as it was."""
        return path, dict(body)

    def seen(self, model: str, asked: Asked) -> Unseen:  # noqa: ARG002  # there are no such streams
        """Return what takes in the events of a stream: there are none."""
        return Unseen(model, self.reply)

    def body(self, reply: Reply) -> dict[str, Any]:
        """Return the JSON of a stored answer."""
        return dict(mapping(mapping(reply.body).get("wire")))

    def events(self, reply: Reply, asked: Asked) -> Iterator[bytes]:  # noqa: ARG002  # there are no such streams
        """Return the events of a stream: there are none."""
        return iter(())

    def refusal(self, code: str, message: str) -> dict[str, Any]:
        """Return an error's JSON."""
        return {"error": {"message": message, "type": code, "param": None, "code": code}}


class Embeddings(Verbatim):
    """POST …/embeddings."""

    name = "embeddings"

    def read(self, path: str, body: Mapping[str, Any]) -> Asked:  # noqa: ARG002  # other APIs name the model there
        """Read a request's JSON.

        Raises:
            ValueError: no model is named, or nothing to be embedded.
        """
        model, given = body.get("model"), body.get("input")
        if not isinstance(model, str) or model == "auto" or not given:
            raise ValueError("no model is named, or nothing to be embedded")
        known = {name: value for name, value in body.items() if name in KNOWN - _READ}
        extra = {name: value for name, value in body.items() if name not in KNOWN and name not in _READ}
        return Asked(
            model=model,
            messages=[{"role": "user", "content": given if isinstance(given, str) else _parts(given)}],
            arguments={**known, **({"extra_body": extra} if extra else {})},
            exact=True,
        )

    def reply(self, body: Mapping[str, Any], model: str, latency_s: float) -> Reply:
        """Read the vectors: tokens went in, and none came out."""
        named = text(body.get("model")) or model
        message = {"role": "assistant", "content": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        usage = {name: value for name, value in mapping(body.get("usage")).items() if name != "completion_tokens"}
        return Reply(
            model=named,
            text="",
            finish_reason="stop",
            usage=replace(usage_of(usage), output_tokens=0, reasoning_tokens=0),
            latency_s=latency_s,
            body={"object": "chat.completion", "model": named, "choices": [choice], "usage": usage, "wire": dict(body)},
            reported_energy_j=energy_j(body),
            complete=bool(body.get("data")),
        )


def _parts(given: Any) -> list[dict[str, Any]]:
    """Return a batch as parts of a message: texts, or the numbers of tokens."""
    if all(isinstance(one, int) for one in given):
        return [{"type": "tokens", "tokens": given}]
    return [_part(one) for one in given]


def _part(one: object) -> dict[str, Any]:
    if isinstance(one, str):
        return {"type": "text", "text": one}
    return {"type": "tokens", "tokens": one} if isinstance(one, list) else dict(mapping(one))


DIALECT = Embeddings()
