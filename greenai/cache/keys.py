"""What the same request is, whose answers may be shared, and under which settings an answer still holds.

A key digests everything but a short list of what cannot shape an answer: a field that nobody knew when this was
written costs a hit, never a wrong answer.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from greenai.errors import InvalidRequest
from greenai.given import is_given
from greenai.values import Request, Rung

__all__ = ["NOT_IN_KEY", "cache_key", "exact_key", "namespace", "policy_fingerprint"]

VERSION = "exact-2"

# All that is left out of a key, reviewed one by one: who pays, how long to wait, how often to try again, what is
# written into a trace, and whether the answer comes in pieces. None of it reaches a model.
NOT_IN_KEY = frozenset(
    (
        "api_key", "timeout", "request_timeout", "stream_timeout", "max_retries", "num_retries", "callbacks",
        "metadata", "litellm_metadata", "litellm_call_id", "litellm_trace_id", "litellm_session_id", "stream",
        "stream_options",
    )
)  # fmt: skip
# A proxy may choose the deployment by what is written into traces elsewhere.
_ROUTING = frozenset(("metadata", "litellm_metadata"))
# Headers that identify one sending of a request, or the caller, whom the namespace tells apart. Any other counts.
_HEADERS_NOT_IN_KEY = frozenset(
    (
        "authorization", "x-api-key", "api-key", "idempotency-key", "traceparent", "tracestate", "baggage",
        "x-request-id", "x-client-request-id", "x-correlation-id", "user-agent",
    )
)  # fmt: skip
# A call of a batch is answered as any other call of `create` is, so that they share their answers.
_ENTRIES = {"batch": "create"}
# What the exact tier keeps does not depend on whether the semantic one may be asked after it.
_OPT_INS_NOT_IN_KEY = frozenset(("semantic_cache",))
# Mark JSON that was written inside a string, and a class by its schema, so that no other value looks like it.
_PARSED, _FORM = "\0json", "\0schema"


# --- keys ---------------------------------------------------------------------------------


def cache_key(request_kwargs: Mapping[str, Any] | str | bytes, namespace: str = "") -> str:
    """Return the key of a call's arguments as hex digits, for whoever keeps answers to `create` or `completion`.

    Equal are: another order of names, 0 and 0.0, JSON written with other spaces. Different are: an absent argument and
    an explicit default, another order of messages, other Unicode for the same glyph. Left out is `NOT_IN_KEY`; with a
    `base_url`, `metadata` counts.

    Args:
        request_kwargs: the arguments of openai's or litellm's call, provider's own fields included, or their JSON.
        namespace: whose answers these are; nothing is shared between two.

    Raises:
        InvalidRequest: something in them is no JSON, so that two of them cannot be compared.
    """
    try:
        given = json.loads(request_kwargs) if isinstance(request_kwargs, (str, bytes)) else request_kwargs
        if not isinstance(given, Mapping):
            raise TypeError(f"it is of type {type(given).__name__}")
        arguments = {name: value for name, value in cast("Mapping[str, Any]", given).items() if is_given(value)}
        headers, messages = arguments.get("extra_headers"), arguments.get("messages")
        if isinstance(headers, Mapping):
            arguments["extra_headers"] = _headers(cast("Mapping[str, str]", headers))
            if arguments["extra_headers"] is None:
                del arguments["extra_headers"]
        if isinstance(messages, (list, tuple)):
            arguments["messages"] = _messages(cast("Sequence[Any]", messages))
        proxied = any(arguments.get(name) is not None for name in ("base_url", "api_base"))
        return _digest((VERSION, "call", namespace, _arguments(arguments, proxied=proxied)))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(
            f"This request has no key: {error}. Pass the arguments of the call as JSON values (text, numbers, lists "
            "and mappings with text as names)."
        ) from None


def exact_key(request: Request, policy: str, *, proxied: bool = False) -> str | None:
    """Return the key of a request under a policy fingerprint, or None where it is not cacheable.

    What is equal and what is different: see `cache_key`. None: something that is not JSON, so not comparable. `proxied`
    says that the request may go to a `base_url`.
    """
    options, transport = request.options, request.transport
    told = (
        VERSION, policy, request.namespace, options.project, options.tenant, options.user_scope, options.namespace,
        _ENTRIES.get(request.entry, request.entry), request.model, request.floor, options.quality,
        sorted(options.opt_in - _OPT_INS_NOT_IN_KEY), options.strict_opt_in, options.without_opt_in == "refuse",
        options.substitute, options.observe, options.verify, sorted(options.cache_also),
    )  # fmt: skip
    asked = (
        _messages(request.messages), _arguments(request.arguments, proxied=proxied), _headers(transport.extra_headers),
        transport.extra_query or None,
    )  # fmt: skip
    try:
        return _digested((*told, *_plain(asked), *(() if request.api == "chat" else (request.api,))))
    except (TypeError, ValueError, RecursionError):
        return None


def policy_fingerprint(
    ladder: Sequence[Rung], quality: str, opt_ins: Iterable[str], versions: Mapping[str, str]
) -> str:
    """Return a short digest of what decides which model answers; an entry holds only under the same one.

    Args:
        ladder: the rungs that may answer; their keys are left out.
        quality: the quality asked for.
        opt_ins: the opt-ins in force.
        versions: versions of classifier, nudges, catalog, local weights and whatever else decides, by name.
    """
    rungs = tuple((rung.model, rung.base_url, rung.tier) for rung in ladder)
    return _fingerprint(rungs, quality, frozenset(opt_ins) - _OPT_INS_NOT_IN_KEY, tuple(sorted(versions.items())))


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


# --- canonical JSON -----------------------------------------------------------------------


_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def _digest(parts: object) -> str:
    return _digested(_plain(parts))


def _digested(plain: object) -> str:
    text = _encode(plain)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _plain(value: Any) -> Any:
    """Return `value` with 1.0 as 1 and every mapping as a dict with str keys; json refuses what is not JSON."""
    kind: Any = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else float(value)
    if kind is dict or isinstance(value, Mapping):
        plain = {key: _plain(item) for key, item in value.items()}
        if any(type(key) is not str for key in plain):
            raise TypeError("a name in it is not text")
        return plain
    if kind is list or kind is tuple:
        return [_plain(item) for item in value]
    if hasattr(value, "model_dump"):  # a message of openai's, or the form that an answer is to have
        return _plain(_dumped(value))
    return value


def _dumped(model: Any) -> Any:
    if isinstance(model, type):
        schema: Any = model
        return {_FORM: schema.model_json_schema()}
    return model.model_dump(mode="json", exclude_unset=True)


def _arguments(arguments: Mapping[str, Any], *, proxied: bool) -> Mapping[str, Any]:
    if NOT_IN_KEY.isdisjoint(arguments):
        return arguments
    left_out = NOT_IN_KEY - _ROUTING if proxied else NOT_IN_KEY
    return {name: value for name, value in arguments.items() if name not in left_out}


def _messages(messages: Sequence[Any]) -> Sequence[Any]:
    """Return the messages with the arguments of tool calls read: providers write the same JSON with other spaces."""
    if not any("tool_calls" in message for message in messages if isinstance(message, Mapping)):
        return messages
    return [_with_parsed_calls(message) for message in messages]


def _with_parsed_calls(message: Any) -> Any:
    calls = cast("Mapping[str, Any]", message).get("tool_calls") if isinstance(message, Mapping) else None
    if not isinstance(calls, (list, tuple)):
        return message
    return {**message, "tool_calls": [_parsed_call(call) for call in cast("Sequence[Any]", calls)]}


def _parsed_call(call: Any) -> Any:
    function = cast("Mapping[str, Any]", call).get("function") if isinstance(call, Mapping) else None
    text = cast("Mapping[str, Any]", function).get("arguments") if isinstance(function, Mapping) else None
    if not isinstance(text, str):
        return call
    try:
        parsed = json.loads(text, object_pairs_hook=_once, parse_constant=_refused)
    except (ValueError, RecursionError):
        return call
    return {**call, "function": {**cast("Mapping[str, Any]", function), "arguments": {_PARSED: parsed}}}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is given twice, and readers differ on which counts")
    return found


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _headers(headers: Mapping[str, str] | None) -> Mapping[str, str] | None:
    if not headers:
        return None
    lower = {name.lower(): value for name, value in headers.items()}
    return {name: value for name, value in lower.items() if name not in _HEADERS_NOT_IN_KEY} or None
