"""What the same request is, whose answers may be shared, and under which settings an answer still holds."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from greenai.values import Request, Rung

__all__ = ["exact_key", "namespace", "policy_fingerprint"]

VERSION = "exact-1"

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
