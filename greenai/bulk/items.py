"""What a batch is given becomes rows and items: texts, arguments of `create`, or the lines of a JSONL file.

Two requests that are the same are one item: asked once, and both get the answer. They are not where each of them is to
be another sample (`temperature` above 0 without a `seed`), or where nothing may be shared (`cache="off"`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias, cast

from greenai.bulk.values import Item
from greenai.errors import InvalidRequest
from greenai.given import is_given
from greenai.values import Options

__all__ = ["Given", "Requests", "read"]

Requests: TypeAlias = "Iterable[str | Mapping[str, Any]] | str | PathLike[str]"

CHAT = "/v1/chat/completions"
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode
_FILE = 'Pass a list of requests, or the path of a JSONL file, such as "requests.jsonl".'


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """All requests of a batch: `order` has the key and the custom_id of each, `items` each key once.

    `digest` changes with any of them, and with their order.
    """

    order: tuple[tuple[str, str | None], ...] = field(repr=False)
    items: Mapping[str, Item] = field(repr=False)
    digest: str

    @property
    def models(self) -> frozenset[str | None]:
        """The models that are named."""
        return frozenset(item.body.get("model") for item in self.items.values())


def read(requests: Requests, model: str | None = None, usual: Options | None = None) -> Given:
    """Read all requests, once.

    Args:
        requests: texts, mappings of the arguments of `chat.completions.create`, or the path of a JSONL file with one
            of these a line, or with lines of OpenAI's batch files (`custom_id`, `body`).
        model: for those that name none.
        usual: the options of those that have none of their own.

    Raises:
        InvalidRequest: one of them is none; the message says which.
        OSError: the file cannot be read.
    """
    usual = usual or Options()
    items: dict[str, Item] = {}
    order: list[tuple[str, str | None]] = []
    named: dict[str, int] = {}
    seen: dict[str, int] = {}
    for number, (place, given) in enumerate(_placed(requests)):
        body, options, custom_id = _parts(given, place)
        if custom_id is not None and named.setdefault(custom_id, number) != number:
            raise InvalidRequest(f"{place}: the custom_id {custom_id!r} is another request's. Give each its own.")
        if model is not None and body.get("model") is None:
            body["model"] = model
        key = _key(body, options, seen, place, shares=_shares(body, options, usual))
        items.setdefault(key, Item(key=key, body=body, options=options))
        order.append((key, custom_id))
    if not order:
        raise InvalidRequest(f"A batch of no requests has nothing to do. {_FILE}")
    digest = hashlib.sha256()
    for one in order:
        digest.update(_encode(one).encode("ascii"))
    return Given(order=tuple(order), items=items, digest=digest.hexdigest())


# --- one request --------------------------------------------------------------------------


def _key(body: Mapping[str, Any], options: Mapping[str, Any], seen: dict[str, int], place: str, *, shares: bool) -> str:
    """Return what makes two requests the same; of those that are not to share an answer, each has its own."""
    try:
        text = _encode((body, options))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(
            f"{place} cannot be kept in the journal: {error}. Write it as JSON values: text, numbers, lists, mappings."
        ) from None
    if not shares:
        seen[text] = seen.get(text, 0) + 1
        text = f"{text}#{seen[text]}"
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _shares(body: Mapping[str, Any], options: Mapping[str, Any], usual: Options) -> bool:
    """Say whether one answer serves for all requests that are the same."""
    if options.get("cache", usual.cache) in ("off", "refresh"):
        return False
    sampled = isinstance(heat := body.get("temperature"), (int, float)) and heat > 0 and body.get("seed") is None
    return not sampled or "sampled" in (options.get("cache_also", usual.cache_also) or ())


def _parts(given: object, place: str) -> tuple[dict[str, Any], dict[str, Any], str | None]:
    """Return body, options and custom_id of one request."""
    if isinstance(given, str):
        if not given.strip():
            raise InvalidRequest(f"{place} is empty. Write a question, or leave it out.")
        return {"messages": [{"role": "user", "content": given}]}, {}, None
    if not isinstance(given, Mapping):
        raise InvalidRequest(
            f"{place} is of type {type(given).__name__}. Write a text, or the arguments of chat.completions.create: "
            '{"messages": [{"role": "user", "content": "..."}]}.'
        )
    whole, custom_id = dict(cast("Mapping[str, Any]", given)), None
    if "custom_id" in whole:
        custom_id = _custom_id(whole.pop("custom_id"), place)
    if "body" in whole:
        whole = _of_a_line(whole, place)
    return *_split(whole, place), custom_id


def _custom_id(found: object, place: str) -> str | None:
    if found is None:
        return None
    if isinstance(found, str):
        try:
            found.encode()
        except UnicodeEncodeError:
            raise InvalidRequest(
                f"{place}: the custom_id {found!r} has half a character, which no file holds."
            ) from None
        return found
    raise InvalidRequest(f'{place}: custom_id must be text, not {found!r}. Write it in quotes, such as "request-1".')


def _of_a_line(line: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return the body of a line of OpenAI's batch files."""
    url, body = line.get("url"), line["body"]
    if url not in (None, CHAT):
        raise InvalidRequest(
            f'{place} asks for "{url}". A batch answers chats: write "url": "{CHAT}". Others go through client.batches.'
        )
    if not isinstance(body, Mapping):
        raise InvalidRequest(f'{place}: body must be the arguments of a chat, such as {{"messages": [...]}}.')
    options = {"greenai": line["greenai"]} if "greenai" in line else {}
    return {**options, **cast("Mapping[str, Any]", body)}


def _split(whole: Mapping[str, Any], place: str) -> tuple[dict[str, Any], dict[str, Any]]:
    body: dict[str, Any] = {name: _plain(value) for name, value in whole.items() if is_given(value)}
    options = body.pop("greenai", None) or {}
    if not isinstance(options, dict):
        raise InvalidRequest(f'{place}: greenai must be options, such as {{"project": "reviews"}}.')
    if body.pop("stream", None):
        raise InvalidRequest(f"{place} has stream=true. A batch gives whole answers: leave that out.")
    if not isinstance(body.get("messages"), list):
        raise InvalidRequest(
            f'{place} has no messages. Write "messages": [{{"role": "user", "content": "..."}}], or a text alone.'
        )
    return body, cast("dict[str, Any]", options)


def _plain(value: Any) -> Any:
    """Return JSON values for what apps pass besides: openai's messages, tuples and sets."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", exclude_unset=True)
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, (set, frozenset)):
        return sorted(cast("Iterable[Any]", value))
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in cast("Iterable[Any]", value)]
    return value


# --- where they stand ---------------------------------------------------------------------


def _placed(requests: Requests) -> Iterator[tuple[str, object]]:
    """Return each request with where it stands."""
    if isinstance(requests, (str, PathLike)):
        yield from _lines(Path(requests))
        return
    several = cast("object", requests)  # an app may pass anything
    if isinstance(several, (bytes, Mapping)) or not isinstance(several, Iterable):
        raise InvalidRequest(f"requests is of type {type(several).__name__}. {_FILE}")
    for number, given in enumerate(cast("Iterable[object]", several), 1):
        yield f"Request {number:,}", given


def _lines(path: Path) -> Iterator[tuple[str, object]]:
    try:
        file = path.open(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidRequest(f"The file of requests {str(path)!r} cannot be read: {error.strerror}. {_FILE}") from None
    number = 0
    with file:
        try:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield f"{path}, line {number:,}", _parsed(line, f"{path}, line {number:,}")
        except UnicodeDecodeError as error:
            raise InvalidRequest(
                f"{path} is no UTF-8 after line {number:,}: {error.reason} ({error.object[error.start]:#04x}). Convert "
                f"it with: iconv -f ENCODING -t UTF-8 {path}"
            ) from None


def _parsed(line: str, place: str) -> object:
    try:
        found: object = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"{place} is no JSON: {error}. Write one request a line.") from None
    return found
