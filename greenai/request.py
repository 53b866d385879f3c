"""How a call's arguments become a Request: what it may do, whose answers it may share, how long it may take."""

from __future__ import annotations

import math
import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any, cast, get_args

from greenai._params import KNOWN
from greenai.cache import namespace
from greenai.cache.callers import environment_of
from greenai.catalog import find
from greenai.errors import InvalidRequest
from greenai.given import is_given
from greenai.grants import Grant, Grantor, WithoutOptIn, reasons
from greenai.nudges import effort
from greenai.opt_ins import Block, Policy, blocks, in_force, kinds_of, lapsed
from greenai.opt_ins import given as granted
from greenai.resources import Config, Resources
from greenai.settings import Settings, duration_s
from greenai.settings.schedule import schedule
from greenai.values import (
    Also,
    CacheMode,
    Entry,
    Message,
    Options,
    Quality,
    Request,
    Transport,
    Verify,
)

# --- options ------------------------------------------------------------------------------

OPTION_NAMES = frozenset(f.name for f in fields(Options))
"""What `with_options` takes of greenai's own, but for the short forms of durations."""
_NONE: tuple[Grant, ...] = ()


def of_blocks(resources: Resources) -> Sequence[Block]:
    """Return the blocks around this call: those of the same client and its copies, and of all, the outer ones first.

    Another client's block is no opt-in for this one.
    """
    around = blocks.get()
    return tuple(block for block in around if block.owner is resources or block.owner is None) if around else ()


def options_from(settings: Settings) -> Options:
    """Return what calls may do by the settings alone."""
    return Options(
        project=settings.project,
        opt_in=frozenset(settings.active_opt_in()),
        reason=settings.opt_in_reason,
        strict_opt_in=settings.strict_opt_in,
        quality=settings.quality,
        cache=settings.cache,
        cache_also=frozenset(settings.cache_also),
        ttl_s=settings.cache_ttl_s,
        substitute=settings.substitute,
        observe=settings.observe,
        verify=settings.verify,
    )


def changed(options: Options, changes: Mapping[str, Any]) -> Options:
    """Return options with `changes` applied.

    Raises:
        InvalidRequest: an option nobody knows, or an opt-in nobody knows.
    """
    if not changes:
        return options
    given = {_SHORT.get(name, name): value for name, value in changes.items()}
    unknown = sorted(given.keys() - OPTION_NAMES)
    if unknown:
        known = sorted(OPTION_NAMES.difference(_SHORT.values()).union(_SHORT))
        raise InvalidRequest(f"Unknown option {unknown[0]!r}. Known options: {', '.join(known)}.")
    for name in _SHORT.values() & given.keys():
        given[name] = _duration(name, given[name])
    if "cache_also" in given:
        given["cache_also"] = _kept_besides(given["cache_also"])
    if "opt_in" in given:
        given["opt_in"] = kinds_of(given["opt_in"])
    for name, (fits, expected) in _OPTION_FORMS.items():
        if name in given and not fits(given[name]):
            said = next((short for short, long in _SHORT.items() if long == name and short in changes), name)
            hint = ' "off" neither reads nor stores.' if name == "cache" and given[name] in (False, None) else ""
            wrong = "neither True nor False." if expected == _BOOL[1] else f"no {said}. Pass {expected}."
            raise InvalidRequest(f"{said}={given[name]!r} is {wrong}{hint}")
    return replace(options, **given)


# Durations may be written short, and then also as text: ttl="12h".
_SHORT: Mapping[str, str] = {"ttl": "ttl_s", "max_age": "max_age_s"}


def _duration(name: str, value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return duration_s(value)
    except ValueError as error:
        raise InvalidRequest(
            f"{name.removesuffix('_s')}={value!r} is no duration: {error}. Units: s, m, h, d, w."
        ) from None


def _kept_besides(value: object) -> frozenset[str]:
    known = get_args(Also)
    named = frozenset((value,) if isinstance(value, str) else cast("Iterable[str]", value or ()))
    unknown = sorted(named.difference(known))
    if unknown:
        raise InvalidRequest(f"cache_also={unknown[0]!r} is nothing that can be kept. Pass {' or '.join(known)}.")
    return named


def _one_of(*choices: object) -> tuple[Callable[[object], bool], str]:
    return (lambda value: value in choices), " or ".join(repr(c) for c in choices)


def _recurs(value: object) -> bool:
    if value is None:
        return True
    try:
        schedule(str(value))
    except ValueError:
        return False
    return isinstance(value, str)


_BOOL = (lambda value: isinstance(value, bool)), "True or False"
NAME = re.compile(r"[\w][\w./-]{0,99}")
_TEXT = (lambda value: value is None or (isinstance(value, str) and bool(value))), "some text, or None"
_SECONDS = (
    (
        lambda value: (
            value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf)
        )
    ),
    'seconds, 0 or more, or text such as "12h", or None',
)
_OPTION_FORMS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "project": ((lambda value: isinstance(value, str) and bool(value)), "the name of a project"),
    "quality": _one_of(*get_args(Quality)),
    "cache": _one_of(*get_args(CacheMode)),
    "verify": _one_of(*get_args(Verify)),
    "without_opt_in": _one_of(*get_args(WithoutOptIn), None),
    "substitute": _one_of(True, False, None),  # noqa: FBT003  # values, not switches
    "observe": _BOOL,
    "strict_opt_in": _BOOL,
    "urgent": _BOOL,
    "feature": (
        (lambda value: value is None or (isinstance(value, str) and NAME.fullmatch(value) is not None)),
        'a name of up to 100 letters, digits and _ - . /, such as "search_summary", or None',
    ),
    "run_at": (_recurs, 'five fields of cron, such as "*/15 * * * *", or None'),
    "tenant": _TEXT,
    "reason": _TEXT,
    "namespace": _TEXT,
    "user_scope": _TEXT,
    "ttl_s": _SECONDS,
    "max_age_s": _SECONDS,
}


def _call_changes(given: Options | Mapping[str, Any] | None) -> Mapping[str, Any]:
    if given is None:
        return {}
    if isinstance(given, Options):
        default = Options()
        return {n: getattr(given, n) for n in OPTION_NAMES if getattr(given, n) != getattr(default, n)}
    return given


_STAYING = (
    "project", "feature", "tenant", "user_scope", "namespace", "quality", "verify", "substitute", "urgent",
    "cache_also", "ttl_s", "max_age_s",
)  # fmt: skip


def asked_with(options: Options) -> dict[str, Any]:
    """Return the options that stay when a call is asked again: what it was and for whom, not what it was allowed."""
    kept = {name: getattr(options, name) for name in _STAYING}
    if options.cache != "semantic":  # which would allow itself
        kept["cache"] = options.cache
    return {**kept, "strict_opt_in": True} if options.strict_opt_in else kept


# --- requests -----------------------------------------------------------------------------


_AUTH_HEADERS = frozenset(("authorization", "x-api-key", "api-key", "x-goog-api-key"))


def make_request(
    config: Config,
    entry: Entry,
    *,
    messages: Iterable[Any],
    model: str | None,
    stream: bool,
    arguments: Mapping[str, Any],
    around: Sequence[Block] = (),
) -> Request:
    """Turn a call's arguments into a Request; nothing of the app's is changed, generators are read once.

    Raises:
        TypeError: an argument that openai's `create` does not have either.
        InvalidRequest: an unknown option, messages of the wrong form, or a model in `extra_body`.
    """
    given = {name: value for name, value in arguments.items() if is_given(value)}
    options, grants, over = _resolved(config, around, _call_changes(given.pop("greenai", None)))
    options, grants = _with_explicit_reasoning(*_with_semantic(options, grants), given)
    if not config.is_comparable and options.cache != "off":
        options = replace(options, cache="off")
    timeout = given.pop("timeout", config.timeout)
    timeout_s = _seconds(timeout)
    transport = Transport(
        timeout_s=timeout_s,
        timeout=None if isinstance(timeout, (int, float)) or timeout is None else timeout,
        extra_headers=given.pop("extra_headers", None),
        extra_query=given.pop("extra_query", None),
    )
    _require_known(given)
    if not options.observe:
        _require_one_model(given)
    if "tools" in given and given["tools"] is not None:
        given["tools"] = list(given["tools"])
    return Request(
        call_id=uuid.uuid4().hex,
        entry=entry,
        model=None if model is None or not is_given(model) else str(model),
        messages=_messages(messages),
        arguments=given,
        stream=bool(stream) and is_given(stream),
        transport=transport,
        options=options,
        deadline=time.monotonic() + timeout_s,
        namespace=_namespace(config, options, transport.extra_headers, model),
        grants=grants,
        lapsed=over,
    )


def _resolved(
    config: Config, around: Sequence[Block], call: Mapping[str, Any]
) -> tuple[Options, tuple[Grant, ...], tuple[Grant, ...]]:
    """Return what a call may do, and who gave its opt-ins: settings, client, blocks and call in this order.

    And the opt-ins of the settings that are over.
    """
    changes = {**{name: value for block in around for name, value in block.changes.items()}, **call}
    policy = _policy(config, changes)
    base = policy.grants if config.grants is None else config.grants
    if not (changes or around or base or config.options.opt_in or policy.without_opt_in):
        return config.options, _NONE, _NONE
    options = changed(config.options, changes)
    grants = in_force(base, around, granted(call, "call"))
    allowed, reason = frozenset(grant.kind for grant in grants), reasons(grants) or options.reason
    without = options.without_opt_in or policy.without_opt_in
    if (allowed, reason, without) != (options.opt_in, options.reason, options.without_opt_in):
        options = replace(options, opt_in=allowed, reason=reason, without_opt_in=without)
    return options, grants, _NONE if "opt_in" in changes else lapsed(base, grants)


def _policy(config: Config, changes: Mapping[str, Any]) -> Policy:
    project = changes.get("project", config.options.project)
    if config.policies is None or not isinstance(project, str):  # which `changed` refuses
        return Policy()
    policy = config.policies.of(project)
    if policy.refusal is not None and not changes.get("observe", config.options.observe):
        raise InvalidRequest(policy.refusal)
    return policy


def _require_known(given: Mapping[str, Any]) -> None:
    unknown = given.keys() - KNOWN
    if not unknown:
        return
    from greenai.provider.openai_path import parameters

    for name in sorted(unknown - parameters()):
        raise TypeError(
            f"Completions.create() got an unexpected keyword argument {name!r}. "
            f"A field that only this provider knows goes in extra_body={{{name!r}: ...}}."
        )


def _require_one_model(given: Mapping[str, Any]) -> None:
    """Refuse a model in `extra_body`: it would answer in place of the one that was decided on and is booked."""
    body = given.get("extra_body")
    model = cast("Mapping[str, Any]", body).get("model") if isinstance(body, Mapping) else None
    if model is not None:
        raise InvalidRequest(
            f"extra_body={{'model': {model!r}}} would send the call to another model than the one that is decided on "
            f"and booked. Pass model={model!r} instead."
        )


def also(options: Options, grants: tuple[Grant, ...], kind: str, by: Grantor) -> tuple[Options, tuple[Grant, ...]]:
    """Return options and grants with one more, whose reason is the call's own, or else what gave it."""
    reason = options.reason or by
    more = Grant(kind=kind, by=by, reason=reason)
    return replace(options, opt_in=options.opt_in | {kind}, reason=reason), (*grants, more)


def _with_semantic(options: Options, grants: tuple[Grant, ...]) -> tuple[Options, tuple[Grant, ...]]:
    """Take `cache="semantic"` as the opt-in that it names, unless the project gates these too."""
    if options.cache != "semantic" or options.strict_opt_in or "semantic_cache" in options.opt_in:
        return options, grants
    return also(options, grants, "semantic_cache", "argument")


def _with_explicit_reasoning(
    options: Options, grants: tuple[Grant, ...], given: Mapping[str, Any]
) -> tuple[Options, tuple[Grant, ...]]:
    """Log an explicit reasoning argument as this call's opt-in, unless the project gates these too."""
    if not effort.asks(given) or options.strict_opt_in or "reasoning" in options.opt_in:
        return options, grants
    return also(options, grants, "reasoning", "argument")


def _seconds(timeout: Any) -> float:
    """Return the whole call's deadline in seconds: of an `httpx.Timeout`, its longest part."""
    if timeout is None:
        return float("inf")
    if isinstance(timeout, (int, float)):
        if not timeout > 0:
            raise InvalidRequest(f"timeout={timeout!r} leaves no time for the call. Pass seconds above 0, or None.")
        return float(timeout)
    if not hasattr(timeout, "connect"):
        raise InvalidRequest(f"timeout={timeout!r} is no time. Pass seconds above 0, an httpx.Timeout, or None.")
    parts = [getattr(timeout, name, None) for name in ("connect", "read", "write", "pool")]
    return float("inf") if None in parts else float(max(p for p in parts if p is not None))


def _messages(messages: object) -> tuple[Message, ...]:
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Iterable):
        raise InvalidRequest(
            f"messages must be a list of messages, not {type(messages).__name__}. "
            "Pass messages=[{'role': 'user', 'content': '...'}], or use client.ask('...')."
        )
    given: Iterable[Any] = messages
    return tuple(_message(m, n) for n, m in enumerate(given))


def _message(message: Any, position: int) -> Message:
    if isinstance(message, Mapping):
        return dict(cast("Mapping[str, Any]", message))  # the app may change its own later
    if hasattr(message, "model_dump"):
        # Apps append `response.choices[0].message` as it is; openai's client accepts that too.
        dumped: dict[str, Any] = message.model_dump(mode="json", exclude_unset=True)
        return dumped
    raise InvalidRequest(
        f"messages[{position}] is of type {type(message).__name__}. "
        "Each message must be a dictionary with 'role' and 'content', or openai's message object."
    )


def _namespace(config: Config, options: Options, headers: Mapping[str, str] | None, model: object) -> str:
    key = config.connection.get("api_key")
    return _namespace_of(
        key if isinstance(key, str) else None,
        options.project,
        options.tenant,
        options.user_scope,
        options.namespace,
        config.identity,
        environment_of(_providers(config, model)),
        tuple(sorted((n.lower(), str(v)) for n, v in headers.items() if n.lower() in _AUTH_HEADERS)) if headers else (),
    )


def _providers(config: Config, model: object) -> tuple[str, ...]:
    """Return who may answer: those of the ladder, and the named model's, by whatever name it was called."""
    if not isinstance(model, str) or model == "auto" or config.endpoint is not None:
        return config.providers
    card = find(model)
    named = card.provider if card is not None else model.partition("/")[0] if "/" in model else "openai"
    return config.providers if named in config.providers else (*config.providers, named)


# The same few namespaces all day: an HMAC for each call would be a tenth of a cache hit's time.
_namespace_of = lru_cache(maxsize=1024)(namespace)
