"""Which answers are kept, and for how long: by what was asked, how it was sampled, and what came back.

the question's class   kept for, at temperature 0      where no temperature was given
static                 30 days                         the same: sampled anew, it would say the same
slow                   24 hours                        the same
unknown                24 hours                        not kept: the provider may sample at 1
daily                  until midnight, an hour at most not kept
any other              not kept                        not kept
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, cast

from greenai.values import Reply, Request, text_of

__all__ = ["TTL_S", "class_of", "is_kept", "last_questions", "ttl_for", "ttl_of"]

DAY_S = 86_400.0
HOUR_S = 3_600.0

TTL_S: Mapping[str, float] = {"static": 30 * DAY_S, "slow": DAY_S, "unknown": DAY_S, "daily": HOUR_S}
"""How long an answer to a question of each class may be given again, in seconds; other classes are never kept."""

# Of these two, another sample says the same in other words.
_STEADY = frozenset(("static", "slow"))
# The later in this list, the less of its answers is kept: several questions are as volatile as the worst of them.
_CALMEST_FIRST = ("static", "slow", "unknown", "daily", "realtime", "personal", "nondeterministic", "action")
_LINKS = ("http://", "https://", "gs://", "s3://")
_TURNS = 4  # a question may lean on those before it: "And in Toronto?"


# --- the question -------------------------------------------------------------------------


def class_of(kinds: Iterable[str]) -> str:
    """Return the most volatile of some classes; "unknown" where there is none, or one that nobody knows."""
    ranks = {kind: rank for rank, kind in enumerate(_CALMEST_FIRST)}
    worst = max((ranks.get(kind, len(ranks)) for kind in kinds), default=ranks["unknown"])
    return _CALMEST_FIRST[worst] if worst < len(ranks) else _CALMEST_FIRST[-1]


def last_questions(request: Request) -> list[str]:
    """Return the texts of the latest questions, the last one first."""
    asked = (message for message in reversed(request.messages) if message.get("role") == "user")
    return [text_of(message.get("content")) for message in islice(asked, _TURNS)]


def ttl_of(request: Request, kind: str, *, temperature: object = None, now: datetime | None = None) -> float | None:
    """Return for how long an answer to this request may be given again, in seconds; None if it must not be kept.

    Args:
        request: the call as the app wrote it.
        kind: the class of its question.
        temperature: what the model was asked with, where the app gave none and greenai set one.
        now: the local time; by default the present.
    """
    options = request.options
    longest_s = TTL_S.get(kind)
    if longest_s is None or options.cache in ("off", "read") or not _is_repeatable(request):
        return None
    given = request.arguments.get("temperature")
    if not _is_settled(temperature if given is None else given, kind, options.cache_also):
        return None
    ttl_s = longest_s if options.ttl_s is None else options.ttl_s
    if kind == "daily":
        ttl_s = min(ttl_s, longest_s, _to_midnight_s(now or datetime.now().astimezone()))
    return ttl_s if ttl_s > 0 else None


def _is_settled(temperature: object, kind: str, also: frozenset[str]) -> bool:
    """Say whether a stored answer serves as well as a new sample."""
    if "sampled" in also:
        return True
    if temperature is None:
        return kind in _STEADY
    return isinstance(temperature, (int, float)) and temperature <= 0


def _to_midnight_s(now: datetime) -> float:
    midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), tzinfo=now.tzinfo)
    return (midnight - now).total_seconds()


def _is_repeatable(request: Request) -> bool:
    """True where nothing outside the request shapes the answer, and one answer was asked for."""
    arguments = request.arguments
    count = arguments.get("n")
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


# --- the answer ---------------------------------------------------------------------------


def ttl_for(
    request: Request, kind: str, reply: Reply, *, temperature: object = None, now: datetime | None = None
) -> float | None:
    """Return for how long this answer may be given again, in seconds; None if it must not be kept.

    What is in its JSON is for `is_kept`, which is asked when that is there.
    """
    if not _is_whole(reply, request.options.cache_also):
        return None
    return ttl_of(request, kind, temperature=temperature, now=now)


def _is_whole(reply: Reply, also: frozenset[str]) -> bool:
    """True for one finished text, or for calls of tools where these are kept: not cut, not filtered."""
    if not reply.complete:
        return False
    if reply.tool_calls:
        return "tool_calls" in also and reply.finish_reason in ("tool_calls", "function_call", "stop")
    return reply.finish_reason == "stop" and bool(reply.text.strip())


def is_kept(body: Mapping[str, Any]) -> bool:
    """Say whether a completion's JSON is an answer that may be given again: not refused, filtered, heard or found."""
    choices: Any = body.get("choices")
    if not isinstance(choices, list) or len(choices) != 1:
        return False
    choice = choices[0]
    message = cast("Mapping[str, Any]", choice).get("message") if isinstance(choice, Mapping) else None
    if not isinstance(message, Mapping) or _is_filtered(choice) or _is_filtered(body.get("prompt_filter_results")):
        return False
    said = cast("Mapping[str, Any]", message)
    # A refusal may be another sample's answer; citations come from a search, and a spoken answer has an id that ends.
    return not any(said.get(name) for name in ("refusal", "annotations", "audio"))


def _is_filtered(value: object) -> bool:
    """True where a provider's content filter says that it took something out."""
    if isinstance(value, Mapping):
        items = cast("Mapping[str, object]", value)
        return items.get("filtered") is True or any(
            _is_filtered(item) for name, item in items.items() if name != "message"
        )
    return isinstance(value, (list, tuple)) and any(_is_filtered(item) for item in cast("Sequence[object]", value))
