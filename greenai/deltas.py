"""A streamed message as JSON: what the chunks brought, recorded, put together, and cut into chunks again.

A piece is one chunk's `delta`, with the `logprobs` beside it where there are any. Recorded pieces that only go on with
the same texts are one; `split` cuts them anew. So whatever puts deltas together, in whatever way, gets from a replay
exactly what it got from the live stream. Nothing of openai is needed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

__all__ = ["Piece", "Record", "cut", "message_of", "pieces_of", "split"]

Piece: TypeAlias = Mapping[str, Any]

_PIECE = 24  # characters: small enough to look like a stream, large enough to cost nothing
_CALLS = "tool_calls"


# --- recording ----------------------------------------------------------------------------


class Record:
    """The pieces of one stream so far."""

    def __init__(self) -> None:
        self._pieces: list[dict[str, Any]] = []
        self._texts: dict[str, list[str] | None] | None = None  # what the last piece goes on with, by name

    def text(self, text: str) -> None:
        """Take in a chunk that brought some of the content and nothing else."""
        texts = self._texts
        if texts is not None and len(texts) == 1 and (said := texts.get("content")) is not None:
            said.append(text)
        else:
            self.add({"content": text})

    def add(self, delta: Mapping[str, Any], logprobs: Any = None) -> None:
        """Take in any chunk."""
        if not delta and logprobs is None:
            return
        texts = self._texts
        if logprobs is None and texts is not None and _goes_on(texts, delta):
            for name, said in texts.items():
                if said is not None:
                    said.append(delta[name])
            return
        self._close()
        self._pieces.append(
            {"delta": dict(delta)} if logprobs is None else {"delta": dict(delta), "logprobs": logprobs}
        )
        if logprobs is None and "role" not in delta and all(v is None or type(v) is str for v in delta.values()):
            self._texts = {name: None if value is None else [value] for name, value in delta.items()}

    def pieces(self) -> list[dict[str, Any]]:
        """Return what was recorded."""
        self._close()
        return self._pieces

    def _close(self) -> None:
        if self._texts is not None:
            whole = {name: None if said is None else "".join(said) for name, said in self._texts.items()}
            self._pieces[-1], self._texts = {"delta": whole}, None


def _goes_on(texts: Mapping[str, list[str] | None], delta: Mapping[str, Any]) -> bool:
    """Say whether a delta brings more of the same texts, and no other name."""
    return texts.keys() == delta.keys() and all(
        delta[name] is None if said is None else type(delta[name]) is str for name, said in texts.items()
    )


# --- putting together ---------------------------------------------------------------------


def message_of(pieces: Sequence[Piece]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Put pieces together: the message as a whole response has it, and its log probabilities."""
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    logprobs: dict[str, Any] | None = None
    for piece in pieces:
        _merge(message, piece["delta"])
        if piece.get("logprobs") is not None:
            logprobs = _merge({} if logprobs is None else logprobs, piece["logprobs"])
    calls = message.get(_CALLS)
    if isinstance(calls, list):
        message[_CALLS] = [{name: value for name, value in call.items() if name != "index"} for call in calls]
    return message, logprobs


def _merge(whole: dict[str, Any], delta: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in delta.items():
        before = whole.get(name)
        if before is None or value is None:
            whole[name] = _own(value) if before is None else before
        elif isinstance(before, str) and isinstance(value, str):
            # Some servers repeat what a call is with each of its pieces.
            once = name in ("role", "type", "id") or (name == "name" and before == value)
            whole[name] = value if once else before + value
        elif isinstance(before, dict) and isinstance(value, Mapping):
            _merge(cast("dict[str, Any]", before), cast("Mapping[str, Any]", value))
        elif isinstance(before, list) and isinstance(value, list):
            _extend(before, value)
        else:
            whole[name] = value
    return whole


def _extend(whole: list[Any], more: Sequence[Any]) -> None:
    for item in more:
        same = _goes_to(whole, item) if isinstance(item, Mapping) else None
        if same is None:
            whole.append(_own(item))
        else:
            _merge(same, item)


def _goes_to(whole: list[Any], item: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the item that this one goes on with: of the same index, or a block of thought that is not signed yet."""
    index = item.get("index")
    if isinstance(index, int):
        return next((one for one in whole if isinstance(one, dict) and one.get("index") == index), None)
    last: Any = whole[-1] if whole else None
    if not isinstance(last, dict) or "type" not in item or last.get("type") != item["type"]:
        return None
    block = cast("dict[str, Any]", last)
    thought = not {"signature", "thinking"}.isdisjoint({*block, *item})
    return block if thought and not block.get("signature") else None


def _own(value: Any) -> Any:
    """Return a copy that may grow: what was recorded must stay as it came."""
    if isinstance(value, Mapping):
        return {name: _own(item) for name, item in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list):
        whole: list[Any] = []
        _extend(whole, value)
        return whole
    return value


# --- cutting ------------------------------------------------------------------------------


def pieces_of(text: str) -> Iterator[str]:
    """Cut a text as a stream would bring it."""
    for start in range(0, len(text), _PIECE):
        yield text[start : start + _PIECE]


def split(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Cut long texts in pieces, where that changes nothing for whoever puts them together."""
    for piece in pieces:
        delta = cast("Mapping[str, Any]", piece["delta"])
        said = [name for name, value in delta.items() if value is not None]
        text = delta[said[0]] if len(said) == 1 and said[0] != "role" and "logprobs" not in piece else None
        if type(text) is not str or not text:
            yield piece
            continue
        for part in pieces_of(text):
            yield {"delta": {**delta, said[0]: part}}


def cut(message: Mapping[str, Any], logprobs: Mapping[str, Any] | None = None) -> list[Piece]:
    """Return the pieces that a live stream would have brought this message in: role, thoughts, words, calls."""
    content = message.get("content")
    first: dict[str, Any] = {"role": "assistant", "content": "" if isinstance(content, str) else None, "refusal": None}
    then: list[Piece] = []
    for name, value in message.items():
        if name in ("role", "content", _CALLS):
            continue
        if value is None or value in ([], "", {}):
            first[name] = value
        else:
            then.append({"delta": {name: value}})
    then.extend(_words(content, logprobs))
    for index, call in enumerate(message.get(_CALLS) or ()):
        then.append({"delta": {_CALLS: [{"index": index, **call}]}})
    return [{"delta": first}, *then]


def _words(content: object, logprobs: Mapping[str, Any] | None) -> Iterator[Piece]:
    tokens = (logprobs or {}).get("content") or []
    if isinstance(content, str) and tokens and "".join(str(t.get("token")) for t in tokens) == content:
        for token in tokens:
            yield {"delta": {"content": token["token"]}, "logprobs": {**(logprobs or {}), "content": [token]}}
    elif logprobs is not None:
        yield {"delta": {"content": content} if content else {}, "logprobs": logprobs}
    elif isinstance(content, str) and content:
        yield {"delta": {"content": content}}
