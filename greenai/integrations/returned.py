"""What a function of an app's returned, read: the text, the tokens and the model in it, and its form in the cache.

returned                                           read by                    given again from the cache as
────────                                           ───────                    ─────────────────────────────
text, JSON values                                  their text, counted        the same
a completion of openai's, litellm's or mistral's   wire/chat.py               the library's own class
a message of anthropic's                           wire/messages.py           the library's own class
a response of openai's                             wire/responses.py          the library's own class
a response of google-genai's                       wire/gemini.py             the library's own class
anything else                                      not at all                 never
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

from greenai.integrations.decorated import TEXT
from greenai.values import Reply, Usage
from greenai.wire import dialect_of
from greenai.wire.fields import listed, mapping, text, usage_of

__all__ = ["Returned", "again", "form_of", "labelled", "made", "read", "read_stream"]

LIBRARIES = frozenset(("openai", "anthropic", "google", "mistralai", "litellm"))
"""Whose classes are made anew from JSON in the cache; no other is imported by what a cache says."""

_LENIENT = ("openai.", "anthropic.")
"""Libraries that make their objects of whatever a server sends, with a `construct` of their own."""

_PATHS: tuple[tuple[Callable[[Mapping[str, Any]], bool], str], ...] = (
    (lambda body: isinstance(body.get("choices"), list), "/chat/completions"),
    (lambda body: body.get("type") == "message" and "usage" in body, "/v1/messages"),
    (lambda body: body.get("object") == "response", "/responses"),
    (lambda body: isinstance(body.get("candidates"), list), ":generateContent"),
)
"""By what a provider's JSON is known, and the path of the API whose it is."""


class Returned:
    """What a function returned, to be handed on as it is."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def to_dict(self, *, mode: str) -> dict[str, Any]:  # noqa: ARG002  # a completion's has it
        """Return nothing: this has no JSON that could be stored."""
        return {}


def read(value: Any, model: str, latency_s: float) -> Reply | None:
    """Return a reply with what a function returned; None where nothing can be told from that."""
    if isinstance(value, str):
        return _plain(value, value, model, latency_s)
    body = _json_of(value)
    if body is None:
        return _of_json(value, model, latency_s)
    reply = _of_body(body, model, latency_s)
    if reply is None:
        return _of_json(body if isinstance(value, Mapping) else None, model, latency_s)
    form = "" if isinstance(value, Mapping) else _form(type(value))
    if form is None:
        return replace(reply, body=None, native=Returned(value))
    return replace(reply, body=_stored(reply, form, body), native=Returned(value))


def labelled(value: Any, said: str, model: str, latency_s: float) -> Reply:
    """Return a reply that says a label, with the value that a function returned for it."""
    return replace(_plain(said, value, model, latency_s), body=_json_body(said, value))


def _json_body(said: str, value: Any) -> dict[str, Any] | None:
    """Return what the cache keeps of a value; None where it would not give the same back."""
    body = {**_completion(said, "stop"), "wire": {"form": "", "value": value}}
    try:
        return body if type(json.loads(json.dumps(value))) is type(value) and _is_same(body) else None
    except (TypeError, ValueError, RecursionError):
        return None


def read_stream(items: Iterable[Any], model: str, latency_s: float, *, complete: bool) -> Reply | None:
    """Return a reply with what a generator yielded: pieces of text, or chunks of openai's, litellm's or mistral's."""
    listed_ = list(items)
    if listed_ and all(isinstance(item, str) for item in listed_):
        reply = _plain("".join(listed_), listed_, model, latency_s)
        return replace(reply, complete=complete, body=reply.body if complete else None)
    chunks = [body for item in listed_ if (body := _json_of(item)) is not None and "choices" in body]
    if not chunks:
        return None
    parts, finish, usage, named = list[str](), None, Usage(), model
    for chunk in chunks:
        choices = listed(chunk["choices"])
        choice = mapping(choices[0]) if choices else {}
        parts.append(text(mapping(choice.get("delta")).get("content")))
        finish = text(choice.get("finish_reason")) or finish
        usage = usage_of(chunk["usage"]) if chunk.get("usage") else usage
        named = text(chunk.get("model")) or named
    return Reply(
        model=named, text="".join(parts), finish_reason=finish, usage=usage, latency_s=latency_s, complete=complete,
        native=Returned(None),
    )  # fmt: skip


def again(body: Mapping[str, Any]) -> Any:
    """Return what a function returned, as the cache has it."""
    kept = mapping(body["wire"])
    if not kept["form"]:
        return kept["value"]
    module, _, name = kept["form"].partition(":")
    if module.partition(".")[0] not in LIBRARIES:
        raise ValueError(f"{module} is no library of a provider")
    kind: Any = getattr(import_module(module), name)
    if not module.startswith(_LENIENT):
        return kind.model_validate(kept["value"])
    try:
        return kind.model_validate(kept["value"], strict=True)  # a fourth of the time of `construct`
    except ValueError:
        return kind.construct(**kept["value"])


def form_of(body: Mapping[str, Any] | None) -> str | None:
    """Return how a reply's body was returned: "text", the class of a completion, or "" for its JSON.

    None: in a form in which no other text can be put.
    """
    kept = mapping((body or {}).get("wire"))
    if isinstance(kept.get("value"), str):
        return TEXT
    form, value = kept.get("form"), mapping(kept.get("value"))
    return form if isinstance(form, str) and isinstance(value.get("choices"), list) else None


def made(form: str | None, body: Mapping[str, Any]) -> Any:
    """Return a completion's body in the form of what a function returns."""
    if form in (None, TEXT):
        return text(mapping(mapping(listed(body["choices"])[0]).get("message")).get("content"))
    return again({"wire": {"form": form, "value": dict(body)}})


# --- forms --------------------------------------------------------------------------------


def _json_of(value: Any) -> Mapping[str, Any] | None:
    """Return a response's JSON, None where it is none."""
    if isinstance(value, Mapping):
        return mapping(value)
    dump = getattr(type(value), "model_dump", None)
    if dump is None:
        return None
    try:
        return mapping(dump(value, mode="json", by_alias=True, exclude_unset=True))
    except Exception:  # noqa: BLE001  # a class of somebody else's: what it cannot say of itself is not read
        return None


def _form(kind: type[Any]) -> str | None:
    """Return how a class is named in the cache, None where it is not of a provider's library."""
    found = kind.__module__.partition(".")[0] in LIBRARIES and "<" not in kind.__qualname__ and "[" not in kind.__name__
    return f"{kind.__module__}:{kind.__name__}" if found else None


def _stored(reply: Reply, form: str, native: Mapping[str, Any]) -> dict[str, Any] | None:
    kept = {"form": form, "value": native}
    body = {**(reply.body or _completion(reply.text, reply.finish_reason)), "wire": kept}
    body.pop("greenai", None)
    return body if _is_same(body) else None


def _is_same(body: Mapping[str, Any]) -> bool:
    """Say whether what the cache would give is what was returned."""
    try:
        value = again(json.loads(json.dumps(body)))
    except Exception:  # noqa: BLE001  # a class of somebody else's, or no JSON: it is not stored
        return False
    return bool((value if not body["wire"]["form"] else _json_of(value)) == body["wire"]["value"])


def _completion(said: str, finish: str | None) -> dict[str, Any]:
    message = {"role": "assistant", "content": said}
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish}]}


def _plain(said: str, value: object, model: str, latency_s: float) -> Reply:
    body = {**_completion(said, "stop"), "wire": {"form": "", "value": value}}
    return Reply(
        model=model, text=said, finish_reason="stop", usage=Usage(), latency_s=latency_s, body=body,
        native=Returned(value),
    )  # fmt: skip


def _of_json(value: Any, model: str, latency_s: float) -> Reply | None:
    """Return a reply with a JSON value as its text; None where it is nothing, or no JSON."""
    if value is None or isinstance(value, (bool, bytes)):
        return None
    try:
        said = json.dumps(value, ensure_ascii=False)
        same = json.loads(said) == value
    except (TypeError, ValueError, RecursionError):
        return None
    return _plain(said, value, model, latency_s) if same else None


# --- what it says -------------------------------------------------------------------------


def _of_body(body: Mapping[str, Any], model: str, latency_s: float) -> Reply | None:
    """Return the reply that a provider's JSON is; None where it is no provider's."""
    path = next((path for fits, path in _PATHS if fits(body)), None)
    dialect = None if path is None else dialect_of("POST", path)
    if dialect is None:
        return None
    try:
        return dialect.reply(body, model, latency_s)
    except (TypeError, ValueError, KeyError, AttributeError, IndexError):  # somebody else's idea of a response
        return None
