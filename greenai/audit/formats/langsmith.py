"""LangSmith's runs: JSONL or CSV of an export, and the runs that its SDK posts.

Fields of langsmith 0.15.0 (`schemas.py`: `Run`) and of its page on the format of runs, 2026-11-22. Only runs of the
type `llm` are calls; chains and tools around them are not counted again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from greenai.audit.formats.base import Format, NoCall, Recognised, Sample, Unreadable, made
from greenai.audit.formats.chat import arguments, kind_of, messages_of, said, tokens, tool_chars
from greenai.audit.formats.fields import dollars, found, items, mapping, moment, text
from greenai.audit.values import Logged

__all__ = ["FORMAT"]

_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool", "function": "tool"}
_CLASSES = {"HumanMessage": "user", "AIMessage": "assistant", "SystemMessage": "system", "ToolMessage": "tool"}


def _detect(sample: Sample) -> Recognised | None:
    if sample.share("run_type", "inputs") > 0.5:
        return Recognised(score=0.95, reason='records with "run_type" and "inputs": runs')
    if sample.share("post") > 0.5 or sample.share("patch") > 0.5:
        return Recognised(score=0.85, reason='records with "post" and "patch": runs as the SDK sends them')
    return None


def calls(record: Mapping[str, Any], where: str) -> Iterable[Logged]:
    """Return the calls of one run, or of a package of them as the SDK sends it."""
    if "post" in record or "patch" in record:
        # A run whose end is sent later is counted there.
        ended = (run for run in _merged(record) if run.get("run_type") == "llm" and run.get("end_time"))
        return tuple(_run(run, where) for run in ended)
    if "run_type" not in record:
        raise Unreadable('no "run_type"')
    if record["run_type"] != "llm":
        raise NoCall
    return (_run(record, where),)


def _merged(package: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Put what a run began with and what it ended with together."""
    runs: dict[str, dict[str, Any]] = {}
    for run in (*items(package.get("post")), *items(package.get("patch"))):
        part = {name: value for name, value in mapping(run).items() if value is not None}
        runs.setdefault(str(part.get("id")), {}).update(part)
    yield from runs.values()


def _run(row: Mapping[str, Any], where: str) -> Logged:
    extra = mapping(row.get("extra"))
    metadata, invoked = mapping(extra.get("metadata")), mapping(extra.get("invocation_params"))
    body: dict[str, Any] = {**invoked, **mapping(row.get("inputs"))}
    body["messages"] = _messages(body)
    begun, ended = moment(row.get("start_time")), moment(row.get("end_time"))
    known: dict[str, Any] = {
        **_answered(row),
        "call_id": text(row.get("id")),
        "trace_id": text(row.get("trace_id")),
        "created": begun,
        "latency_s": None if begun is None or ended is None else max(ended - begun, 0.0),
        "project": text(metadata.get("project") or found(row, ("session_name", "project_name", "session_id"))),
        "user": text(found(metadata, ("user_id", "user"))),
        "feature": text(metadata.get("feature") or row.get("name")),
        "model": text(body.get("model") or found(metadata, ("ls_model_name", "model")) or body.get("model_name")),
        "provider": text(metadata.get("ls_provider")),
        "kind": kind_of(body, str(mapping(row.get("outputs")).get("object") or "")),
        "messages": messages_of(body) if body["messages"] else None,
        "arguments": {**_sampling(metadata), **arguments(body)},
        "tool_chars": tool_chars(body),
        "cost_usd": dollars(row.get("total_cost")),
        "ok": not row.get("error") and row.get("status") != "error",
        "span": text(row.get("id")),
        "parent": text(row.get("parent_run_id")),
    }
    return made(known, where)


def _sampling(metadata: Mapping[str, Any]) -> dict[str, Any]:
    named = {"temperature": metadata.get("ls_temperature"), "max_tokens": metadata.get("ls_max_tokens")}
    return {name: value for name, value in named.items() if value is not None}


def _messages(body: Mapping[str, Any]) -> list[Any] | None:
    given = items(body.get("messages"))
    if given and isinstance(given[0], (list, tuple)):
        given = cast("list[Any]", given[0])  # LangChain asks in batches; a run of a model is one of them
    if given:
        return [_message(mapping(part)) for part in given]
    prompt = found(body, ("input", "prompt", "prompts"))
    if prompt is None:
        return None
    first = items(prompt)[0] if items(prompt) else prompt
    return [first if isinstance(first, Mapping) else {"role": "user", "content": str(first)}]


def _message(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a message of LangChain's as openai has it."""
    if "role" in part:
        return part
    inner = mapping(part.get("kwargs")) or mapping(part.get("data")) or part
    names = [str(name) for name in items(part.get("id"))]
    role = _CLASSES.get(names[-1] if names else "") or _ROLES.get(str(inner.get("type") or part.get("type")), "user")
    message = {"role": role, "content": inner.get("content")}
    return {**message, "tool_calls": inner["tool_calls"]} if inner.get("tool_calls") else message


def _answered(row: Mapping[str, Any]) -> dict[str, Any]:
    outputs = mapping(row.get("outputs"))
    known = said(outputs)
    generations = items(outputs.get("generations"))
    if generations:
        first = mapping(items(generations[0])[0]) if items(generations[0]) else mapping(generations[0])
        message = _message(mapping(first.get("message")))
        spoken = said(message) if first.get("message") else {}
        known |= {**spoken, "answer": spoken.get("answer") or text(first.get("text"))}
        known["finish_reason"] = text(mapping(first.get("generation_info")).get("finish_reason"))
        inner = mapping(first.get("message"))
        known |= tokens(_details(mapping((mapping(inner.get("kwargs")) or inner).get("usage_metadata"))))
    elif "answer" not in known:
        known["answer"] = text(found(outputs, ("content", "output", "text")))
    usage = mapping(outputs.get("usage_metadata")) or mapping(mapping(outputs.get("llm_output")).get("token_usage"))
    known |= tokens(_details(usage))
    columns = {
        "prompt_tokens": row.get("prompt_tokens"),
        "completion_tokens": row.get("completion_tokens"),
        "prompt_tokens_details": row.get("prompt_token_details"),
        "completion_tokens_details": row.get("completion_token_details"),
    }
    known |= tokens({name: value for name, value in columns.items() if value not in (None, "")})
    return {name: value for name, value in known.items() if value is not None and name not in {"call_id", "model"}}


def _details(usage: Mapping[str, Any]) -> dict[str, Any]:
    names = {"input_token_details": "prompt_tokens_details", "output_token_details": "completion_tokens_details"}
    return {names.get(name, name): value for name, value in usage.items()}


FORMAT = Format(
    name="langsmith",
    known_by='runs with "run_type" and "inputs"',
    detect=_detect,
    calls=calls,
    lacks=frozenset(("status", "attempt")),
)
