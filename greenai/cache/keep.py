"""Which answers are kept, and for how long: by what was asked, how it was sampled, and what came back.

the question's class   kept for, at temperature 0      where no temperature was given
static                 30 days                         the same: sampled anew, it would say the same
slow                   24 hours                        the same
unknown                24 hours                        not kept: the provider may sample at 1
daily                  until midnight, an hour at most not kept
any other              not kept                        not kept

Of those others are texts in another language than English of which nothing is known ("foreign"): an order or a question
for what is live would not be told from the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, cast

from greenai.units import format_duration
from greenai.values import Reply, Request, text_of

__all__ = ["TTL_S", "Term", "class_of", "is_kept", "last_questions", "term_for", "term_of", "ttl_for"]

DAY_S = 86_400.0
HOUR_S = 3_600.0

TTL_S: Mapping[str, float] = {"static": 30 * DAY_S, "slow": DAY_S, "unknown": DAY_S, "daily": HOUR_S}
"""How long an answer to a question of each class may be given again, in seconds; other classes are never kept."""

# Of these two, another sample says the same in other words.
_STEADY = frozenset(("static", "slow"))
# The later in this list, the less of its answers is kept: several questions are as volatile as the worst of them.
_CALMEST_FIRST = ("static", "slow", "unknown", "daily", "foreign", "realtime", "personal", "nondeterministic", "action")
_RANKS = {kind: rank for rank, kind in enumerate(_CALMEST_FIRST)}
_LINKS = ("http://", "https://", "gs://", "s3://")
_NESTED = ("extra_body", "google")  # Gemini's own fields come in the latter
# Fields of requests that have the provider look something up, or go on from what it keeps.
_OUTSIDE = frozenset((
    "web_search_options", "web_search", "search_parameters", "search_options", "enable_search", "online_search",
    "forced_search", "plugins", "connectors", "mcp_servers", "data_sources", "container",
    "previous_response_id", "conversation", "conversation_id", "assistant_id", "thread_id", "thread", "messages",
    "prompt",
))  # fmt: skip
# Fields of answers that say what was looked up for them, and counts of the look-ups.
_FOUND = frozenset((
    "citations", "search_results", "annotations", "grounding_metadata", "groundingMetadata", "web_search",
    "vertex_ai_grounding_metadata", "vertex_ai_url_context_metadata", "vertex_ai_citation_metadata",
    "url_context_metadata", "executed_tools", "web_search_results", "search_info",
))  # fmt: skip
_CORNERS = frozenset(("provider_specific_fields", "_hidden_params"))
_LOOK_UPS = frozenset(("num_search_queries", "num_sources_used", "web_search_requests"))
_TURNS = 4  # a question may lean on those before it: "And in Toronto?"


_ELSEWHERE = "it rests on what is outside the request: a link, a file, a search, a tool or a memory of the provider's"
_CUT = {"length": "the answer was cut at its token limit", "content_filter": "a content filter cut the answer"}
_KINDS = {
    "static": "its answer does not change",
    "slow": "its answer changes within months",
    "unknown": "nothing in it says that the answer changes",
    "daily": "its answer is that of the day",
    "realtime": "its answer may change at any moment",
    "personal": "its answer differs by who asks",
    "nondeterministic": "its answer is meant to differ each time",
    "action": "it wants something done",
    "foreign": "its language is not known well enough to tell",
}


@dataclass(frozen=True, slots=True)
class Term:
    """For how long an answer may be given again, in seconds, None if it must not be; and why, of the question."""

    ttl_s: float | None
    why: str


# --- the question -------------------------------------------------------------------------


def class_of(kinds: Iterable[str]) -> str:
    """Return the most volatile of some classes; "unknown" where there is none, or one that nobody knows."""
    worst = max((_RANKS.get(kind, len(_RANKS)) for kind in kinds), default=_RANKS["unknown"])
    return _CALMEST_FIRST[worst] if worst < len(_RANKS) else _CALMEST_FIRST[-1]


def last_questions(request: Request) -> list[str]:
    """Return the texts of the latest questions, the last one first."""
    asked = (message for message in reversed(request.messages) if message.get("role") == "user")
    return [text_of(message.get("content")) for message in islice(asked, _TURNS)]


def term_of(request: Request, kind: str, *, temperature: object = None, now: datetime | None = None) -> Term:
    """Return for how long an answer to this request may be given again, and why.

    Args:
        request: the call as the app wrote it.
        kind: the class of its question.
        temperature: what the model was asked with, where the app gave none and greenai set one.
        now: the local time; by default the present.
    """
    options = request.options
    longest_s = TTL_S.get(kind)
    if longest_s is None:
        return Term(None, f"{_KINDS.get(kind, 'its answer must not be given again')} ({kind})")
    if options.cache in ("off", "read"):
        return Term(None, f'cache="{options.cache}" stores nothing')
    arguments = _sent(request.arguments)
    outside = _rests_on(request, arguments)
    if outside is not None:
        return Term(None, outside)
    given = arguments.get("temperature")
    sampled = _sampled(temperature if given is None else given, kind, options.cache_also)
    if sampled is not None:
        return Term(None, sampled)
    ttl_s, why = longest_s if options.ttl_s is None else options.ttl_s, f"{_KINDS[kind]} ({kind})"
    if kind == "daily":
        wanted_s, ttl_s = ttl_s, min(ttl_s, longest_s, _to_midnight_s(now or datetime.now().astimezone()))
        if options.ttl_s is not None and ttl_s < wanted_s:
            why += f"; ttl={format_duration(wanted_s)} is cut to midnight, and an hour at most"
    return Term(ttl_s, why) if ttl_s > 0 else Term(None, "ttl is 0")


def _sampled(temperature: object, kind: str, also: frozenset[str]) -> str | None:
    """Return why a stored answer does not serve as well as a new sample, or None where it does."""
    if "sampled" in also:
        return None
    if temperature is None:
        unsaid = f"no temperature was given, and most providers then sample at 1 ({kind})"
        return None if kind in _STEADY else unsaid
    if isinstance(temperature, (int, float)) and temperature <= 0:
        return None
    return f"the temperature is {temperature}"


def _to_midnight_s(now: datetime) -> float:
    midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), tzinfo=now.tzinfo)
    return (midnight - now).total_seconds()


def _sent(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the arguments as they reach the provider: what is in `extra_body` comes over the others."""
    nested = [name for name in _NESTED if name in arguments and isinstance(arguments[name], Mapping)]
    if not nested:
        return arguments
    rest = {name: value for name, value in arguments.items() if name not in nested}
    for name in nested:
        rest |= arguments[name]
    return _sent(rest)


def _rests_on(request: Request, arguments: Mapping[str, Any]) -> str | None:
    """Return what else than the request shapes the answer, None where nothing does and one answer was asked for."""
    count = arguments.get("n")
    if count is not None and count != 1:
        return "several answers were asked for"
    modalities = arguments.get("modalities") or ()
    if not isinstance(modalities, (list, tuple)) or "audio" in modalities:
        return "sound was asked for"
    if request.api == "responses" and arguments.get("store") is not False:
        return "the provider keeps it too, so that an app may go on from its id (store=False leaves it to this cache)"
    # With messages in the body, the class of the question was told from others.
    if any(_is_on(arguments[name]) for name in _named(arguments, _OUTSIDE)) or _has_server_tool(arguments.get("tools")):
        return _ELSEWHERE
    pointing = any(_points_outside(message.get("content")) for message in request.messages)
    return _ELSEWHERE if pointing or _is_online(request.model) else None


def _named(items: Mapping[str, Any], names: frozenset[str]) -> Sequence[str]:
    """Return which of these names are there, in their own order: of most calls and answers none, seen at once."""
    return () if names.isdisjoint(items) else [name for name in items if name in names]


def _is_online(model: str | None) -> bool:
    return model is not None and model.endswith(":online")


def _is_on(value: object) -> bool:
    """Say whether a field asks for something: `{}` does, and `False`, `"off"` and an empty list do not."""
    if isinstance(value, Mapping):
        return cast("Mapping[str, Any]", value).get("mode") != "off"
    return value not in (None, False, "off", "none", "false", "disabled", 0, [], ())


def _has_server_tool(tools: object) -> bool:
    if not isinstance(tools, (list, tuple)):
        return tools is not None
    return any(_is_server_tool(tool) for tool in cast("Sequence[object]", tools))


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
        named = "file_id" in items or items.get("type") == "item_reference"
        return named or any(_has_link(item) for item in items.values())
    return isinstance(value, (list, tuple)) and any(_has_link(item) for item in cast("Sequence[object]", value))


# --- the answer ---------------------------------------------------------------------------


def ttl_for(
    request: Request, kind: str, reply: Reply, *, temperature: object = None, now: datetime | None = None
) -> float | None:
    """Return for how long this answer may be given again, in seconds; None if it must not be kept.

    What is in its JSON is for `is_kept`, which is asked when that is there.
    """
    return term_for(request, kind, reply, temperature=temperature, now=now).ttl_s


def term_for(
    request: Request, kind: str, reply: Reply, *, temperature: object = None, now: datetime | None = None
) -> Term:
    """Return the same with the reason."""
    lacking = None if reply.complete and not request.wants_text else _lacking(reply, request.options.cache_also)
    return term_of(request, kind, temperature=temperature, now=now) if lacking is None else Term(None, lacking)


def _lacking(reply: Reply, also: frozenset[str]) -> str | None:
    """Return why this is not one finished text, or calls of tools where these are kept; None where it is."""
    if not reply.complete:
        return "the answer was cut off"
    if reply.tool_calls and "tool_calls" not in also:
        return 'it calls tools (cache_also="tool_calls" stores that)'
    if reply.finish_reason not in (("tool_calls", "function_call", "stop") if reply.tool_calls else ("stop",)):
        return _CUT.get(reply.finish_reason or "", f"the answer ended with {reply.finish_reason!r}")
    return None if reply.tool_calls or reply.text.strip() else "the answer is empty"


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
    if _has_looked_up(body, choice, said) or _counts_look_ups(body.get("usage")):
        return False
    # A refusal may be another sample's answer; a spoken answer has an id that ends.
    return not any(said.get(name) for name in ("refusal", "audio"))


def _has_looked_up(*parts: object) -> bool:
    """Say whether one of these names what was found for the answer, here or in a provider's own corner."""
    for part in parts:
        if isinstance(part, Mapping):
            items = cast("Mapping[str, Any]", part)
            if any(items[name] for name in _named(items, _FOUND)):
                return True
            if any(_has_looked_up(items[name]) for name in _named(items, _CORNERS)):
                return True
    return False


def _counts_look_ups(usage: object) -> bool:
    if not isinstance(usage, Mapping):
        return False
    items = cast("Mapping[str, Any]", usage)
    if any(items[name] for name in _named(items, _LOOK_UPS)):
        return True
    return any(isinstance(value, Mapping) and _counts_look_ups(value) for value in items.values())


def _is_filtered(value: object) -> bool:
    """True where a provider's content filter says that it took something out."""
    if isinstance(value, Mapping):
        items = cast("Mapping[str, object]", value)
        return items.get("filtered") is True or any(
            _is_filtered(item) for name, item in items.items() if name != "message"
        )
    return isinstance(value, (list, tuple)) and any(_is_filtered(item) for item in cast("Sequence[object]", value))
