"""Answers that were given before, for a request that is the same in everything that can shape the answer.

Decides what the same request is (`exact_key`), whose answers may be shared (`namespace`), under which settings an
answer still holds (`policy_fingerprint`), and which answers are kept and how long (`ttl_for`). Where they are kept
is the store's business; whether the cache is asked at all is the flow's.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Protocol, cast

from greenai.readings import Reading
from greenai.values import Assessment, Reply, Request, Rung, Tier, Usage

__all__ = ["Entry", "ExactCache", "Store", "exact_key", "namespace", "policy_fingerprint", "ttl_for"]

VERSION = "exact-1"
DEFAULT_TTL_S = 86_400.0
VOLATILE_LIMIT = 0.5

# Everything else is part of the key, known or not: an argument forgotten here costs a hit, never a wrong answer.
NOT_IN_KEY = frozenset(
    (
        "api_key", "timeout", "max_retries", "num_retries", "callbacks", "metadata", "stream", "stream_options",
        "extra_headers", "extra_query",
    )
)  # fmt: skip
# Headers that identify one sending of a request, or the caller, whom the namespace tells apart. Any other counts.
_HEADERS_NOT_IN_KEY = frozenset(
    (
        "authorization", "x-api-key", "api-key", "idempotency-key", "traceparent", "tracestate", "baggage",
        "x-request-id", "x-client-request-id", "x-correlation-id", "user-agent",
    )
)  # fmt: skip
_LINKS = ("http://", "https://", "gs://", "s3://")


# --- keys ---------------------------------------------------------------------------------


def exact_key(request: Request, policy: str) -> str | None:
    """Return the key of a request under a policy fingerprint, or None where it is not cacheable.

    Equal are: another order of keys, 1 and 1.0. Different are: an absent argument and an explicit default, another
    order of messages, other Unicode for the same glyph. None: something that is not JSON, so not comparable.
    """
    options, transport = request.options, request.transport
    parts = (
        VERSION, policy, request.namespace, options.project, options.tenant, request.entry, request.model,
        request.floor, options.quality, sorted(options.opt_in), options.strict_opt_in, options.substitute,
        options.observe, request.messages,
        {name: value for name, value in request.arguments.items() if name not in NOT_IN_KEY},
        _headers(transport.extra_headers), transport.extra_query or None,
    )  # fmt: skip
    return _digest(parts)


def policy_fingerprint(
    ladder: Sequence[Rung], quality: str, opt_ins: Iterable[str], versions: Mapping[str, str]
) -> str:
    """Return a short digest of what decides which model answers; an entry holds only under the same one.

    Args:
        ladder: the rungs that may answer; their keys are left out.
        quality: the quality asked for.
        opt_ins: the opt-ins in force.
        versions: versions of classifier, nudges, catalog and whatever else decides, by name.
    """
    rungs = tuple((rung.model, rung.base_url, rung.tier) for rung in ladder)
    return _fingerprint(rungs, quality, frozenset(opt_ins), tuple(sorted(versions.items())))


@lru_cache(maxsize=256)
def _fingerprint(
    rungs: tuple[object, ...], quality: str, opt_ins: frozenset[str], versions: tuple[tuple[str, str], ...]
) -> str:
    text = json.dumps((VERSION, rungs, quality, sorted(opt_ins), versions))
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]


def namespace(api_key: str | None, project: str, tenant: str | None, *who: object) -> str:
    """Return whose answers these are, as a digest: nothing is shared between keys, projects, tenants or `who` else."""
    secret = b"local" if api_key is None else b"key:" + api_key.encode("utf-8", "surrogatepass")
    text = json.dumps((project, tenant, *who)).encode()
    return hmac.new(secret, text, hashlib.sha256).hexdigest()[:32]


def _digest(parts: object) -> str | None:
    try:
        text = json.dumps(_plain(parts), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _plain(value: Any) -> Any:
    """Return `value` with 1.0 as 1 and every mapping as a dict with str keys; json refuses what is not JSON."""
    kind: Any = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is float:
        return int(value) if value.is_integer() else value
    if kind is dict or isinstance(value, Mapping):
        plain = {key: _plain(item) for key, item in value.items()}
        if any(type(key) is not str for key in plain):
            raise TypeError("a key is not text")
        return plain
    if kind is list or kind is tuple:
        return [_plain(item) for item in value]
    return value


def _headers(headers: Mapping[str, str] | None) -> Mapping[str, str] | None:
    if not headers:
        return None
    lower = {name.lower(): value for name, value in headers.items()}
    return {name: value for name, value in lower.items() if name not in _HEADERS_NOT_IN_KEY} or None


# --- what is kept -------------------------------------------------------------------------


def ttl_for(request: Request, assessment: Assessment, reply: Reply) -> float | None:
    """Return for how long this answer may be given again, in seconds; None if it must not be kept."""
    if request.options.cache in ("off", "read") or assessment.volatile >= VOLATILE_LIMIT:
        return None
    if assessment.one_off:
        return None
    if not _is_whole(reply) or not _is_repeatable(request):
        return None
    ttl_s = DEFAULT_TTL_S if request.options.ttl_s is None else request.options.ttl_s
    return ttl_s if ttl_s > 0 else None


def _is_whole(reply: Reply) -> bool:
    """True for one finished text: not cut, not filtered, not refused, no tool call."""
    if not reply.complete or reply.finish_reason != "stop" or reply.tool_calls or not reply.text.strip():
        return False
    native = [dict(choice) for choice in getattr(reply.native, "choices", None) or ()]
    choices = native if reply.body is None else reply.body.get("choices") or ()
    return all(_is_bare(choice) for choice in choices)


def _is_bare(choice: Mapping[str, Any]) -> bool:
    """True where a message is text alone: a replayed stream has no place for log probabilities, reasoning or audio."""
    message = dict(choice.get("message") or {})
    more = (value for name, value in message.items() if name not in ("role", "content"))
    return _is_empty(choice.get("logprobs")) and all(_is_empty(value) for value in more)


def _is_empty(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(_is_empty(item) for item in cast("Mapping[str, object]", value).values())
    return value is None or value in ([], "")


def _is_repeatable(request: Request) -> bool:
    """True where a stored answer serves as well as a new one: no sampling asked for, nothing outside the request.

    An absent temperature counts as no wish to sample, although many providers then sample at 1: the README says so.
    """
    arguments = request.arguments
    temperature, count = arguments.get("temperature"), arguments.get("n")
    if temperature is not None and temperature > 0:
        return False
    if count is not None and count != 1:
        return False
    if arguments.get("web_search_options") is not None or "audio" in (arguments.get("modalities") or ()):
        return False
    if any(_is_server_tool(tool) for tool in arguments.get("tools") or ()):
        return False
    return not any(_points_outside(message.get("content")) for message in request.messages)


def _is_server_tool(tool: object) -> bool:
    return not isinstance(tool, Mapping) or cast("Mapping[str, Any]", tool).get("type") not in ("function", "custom")


def _points_outside(content: object) -> bool:
    """True where a part's content is somewhere else, and may change there: a link or the id of a file."""
    if not isinstance(content, (list, tuple)):
        return False
    parts = cast("Sequence[object]", content)
    return any(
        isinstance(p, Mapping) and cast("Mapping[str, Any]", p).get("type") != "text" and _has_link(p) for p in parts
    )


def _has_link(value: object) -> bool:
    if isinstance(value, str):
        return value.lower().startswith(_LINKS)
    if isinstance(value, Mapping):
        items = cast("Mapping[str, object]", value)
        return "file_id" in items or any(_has_link(item) for item in items.values())
    return isinstance(value, (list, tuple)) and any(_has_link(item) for item in cast("Sequence[object]", value))


# --- entries ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One kept answer: the whole `ChatCompletion` as JSON, what gave it, and what it took then (`energy`).

    `created` is in seconds since 1970.
    """

    body: Mapping[str, Any]
    model: str
    tier: Tier
    reasoning: bool | None
    energy: Reading
    usage: Usage
    created: float

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "body": self.body,
            "model": self.model,
            "tier": self.tier,
            "reasoning": self.reasoning,
            "energy": asdict(self.energy),
            "usage": asdict(self.usage),
            "created": self.created,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Entry:
        """Rebuild an entry from `to_json`.

        Raises:
            TypeError, KeyError: it is not one.
        """
        body = data["body"]
        if not isinstance(body, dict):
            raise TypeError("the body is no JSON object")
        return cls(
            body=cast("dict[str, Any]", body),
            model=data["model"],
            tier=data["tier"],
            reasoning=data["reasoning"],
            energy=Reading(**data["energy"]),
            usage=Usage(**data["usage"]),
            created=data["created"],
        )


class Store(Protocol):
    """Where entries stay: JSON values under keys. It answers None for what it cannot read, and never raises."""

    def get(self, key: str) -> Any:
        """Return the value under `key`, or None."""

    def put(self, key: str, value: object, ttl_s: float) -> bool:
        """Keep `value` for `ttl_s` seconds; return whether it is kept."""
        ...

    def forget(self, key: str) -> None:
        """Drop what is under `key`."""


class ExactCache:
    """Entries under exact keys, in any `Store`. What cannot be read is a miss."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, key: str) -> Entry | None:
        """Return the entry under `key`, or None."""
        data = self._store.get(key)
        if not isinstance(data, dict):
            return None
        try:
            return Entry.from_json(cast("dict[str, Any]", data))
        except (KeyError, TypeError):
            return None

    def put(self, key: str, entry: Entry, ttl_s: float) -> bool:
        """Keep `entry` for `ttl_s` seconds; return whether it is kept."""
        return self._store.put(key, entry.to_json(), ttl_s)

    def forget(self, key: str) -> None:
        """Drop the entry under `key`, for an answer that was wrong."""
        self._store.forget(key)
