"""openai's responses and errors, made and read. Its streams are in streams.py; the two are the door to these classes.

Importing this module imports openai; the client does so at its first openai-shaped response. What an app gets back
is openai's own `ChatCompletion`, with one attribute more: `greenai`, the receipt.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import openai
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import ValidationError

from greenai.reported import count, energy_j
from greenai.thoughts import thinks
from greenai.values import Receipt, Reply, Usage

__all__ = [
    "ChatCompletion",
    "ChatCompletionChunk",
    "chunk_from",
    "completion",
    "completion_from",
    "http_library",
    "no_request",
    "openai_error",
    "read",
    "read_usage",
    "reasoning_of",
    "with_receipt",
]


def http_library() -> Any:
    """Return the HTTP library under the installed openai: httpx for 2.x, httpx2 for 3.x."""
    base = openai.DefaultHttpxClient.__mro__[1]
    return sys.modules[base.__module__.partition(".")[0]]


def no_request() -> Any:
    """Return a request that was never sent, for what openai's classes want one for."""
    return http_library().Request("POST", "greenai://no-request/chat/completions")


# --- whole responses ----------------------------------------------------------------------


def completion(reply: Reply) -> ChatCompletion:
    """Return the reply as openai's object: the provider's own where there is one, else made from its JSON."""
    if isinstance(reply.native, ChatCompletion):
        return reply.native
    return completion_from(reply.body or {})


def completion_from(body: Mapping[str, Any]) -> ChatCompletion:
    """Make a `ChatCompletion` from JSON, leniently where a provider's JSON does not fit openai's types."""
    try:
        return ChatCompletion.model_validate(body)
    except ValidationError:
        return ChatCompletion.construct(**body)


def chunk_from(body: Mapping[str, Any]) -> ChatCompletionChunk:
    """Make a `ChatCompletionChunk` from JSON, leniently where a provider's JSON does not fit openai's types."""
    try:
        return ChatCompletionChunk.model_validate(body)
    except ValidationError:
        return ChatCompletionChunk.construct(**body)


def with_receipt(response: ChatCompletion, receipt: Receipt) -> ChatCompletion:
    """Hang the receipt on the response, under the one name `greenai`."""
    response.greenai = receipt  # type: ignore[attr-defined]  # openai's models allow extra attributes
    return response


def read(native: Any, model: str, latency_s: float) -> Reply:
    """Read what the flow needs from a provider's completion, whatever is missing in it."""
    choices = getattr(native, "choices", None)
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = getattr(choice, "message", None)
    text, thought = _string(getattr(message, "content", None)), reasoning_of(message)
    return Reply(
        model=getattr(native, "model", None) or model,
        text=text,
        finish_reason=getattr(choice, "finish_reason", None),
        usage=_with_thought(read_usage(getattr(native, "usage", None)), text, thought),
        latency_s=latency_s,
        native=native,
        tool_calls=bool(getattr(message, "tool_calls", None) or getattr(message, "function_call", None)),
        reasoning_text=bool(thought) or thinks(text),
        reported_energy_j=energy_j(native),
        service_tier=tier_of(native),
        token_logprobs=_token_logprobs(choice),
    )


def _with_thought(usage: Usage, text: str, thought: str) -> Usage:
    """Count the reasoning beside an answer, at four characters per token, where a server counted nothing."""
    if not thought or usage.output_tokens:
        return usage
    return replace(usage, output_tokens=-(-(len(text) + len(thought)) // 4), estimated=True)


def _token_logprobs(choice: object) -> tuple[float, ...]:
    tokens = getattr(getattr(choice, "logprobs", None), "content", None)
    if not isinstance(tokens, list):
        return ()
    found = (getattr(token, "logprob", None) for token in tokens)
    return tuple(value for value in found if isinstance(value, float) and math.isfinite(value))


def tier_of(native: object) -> str | None:
    """Return the `service_tier` that a completion or a chunk says it was served at."""
    return _string(getattr(native, "service_tier", None)) or None


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def reasoning_of(message: object) -> str:
    """Return the reasoning in a message or a piece of one, empty where there is none."""
    # OpenAI-compatible servers disagree on the name: vLLM writes `reasoning`, others `reasoning_content`.
    return _string(getattr(message, "reasoning_content", None)) or _string(getattr(message, "reasoning", None))


def read_usage(usage: Any) -> Usage:
    """Read token counts; what is absent, negative or absurd becomes None."""
    if usage is None:
        return Usage()
    prompt = getattr(usage, "prompt_tokens_details", None)
    output = getattr(usage, "completion_tokens_details", None)
    sent, cached = count(getattr(usage, "prompt_tokens", None)), count(getattr(prompt, "cached_tokens", None))
    return Usage(
        input_tokens=sent,
        output_tokens=count(getattr(usage, "completion_tokens", None)),
        cached_tokens=cached if cached is None or sent is None else min(cached, sent),
        reasoning_tokens=count(getattr(output, "reasoning_tokens", None)),
    )


# --- errors -------------------------------------------------------------------------------

_BY_STATUS: dict[int, type[openai.APIStatusError]] = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
}


def openai_error(
    message: str, *, status: int | None, response: Any = None, body: object = None, timeout: bool = False
) -> openai.APIError:
    """Make the openai exception that the bare client raises for this status, or for no answer at all."""
    if timeout:
        return openai.APITimeoutError(request=no_request())
    if status is None:
        return openai.APIConnectionError(message=message, request=no_request())
    kind = _BY_STATUS.get(status) or (openai.InternalServerError if status >= 500 else openai.APIStatusError)
    http = http_library()
    if not isinstance(response, http.Response):
        headers = dict(getattr(response, "headers", None) or {})
        response = http.Response(status, request=no_request(), headers=headers)
    return kind(message, response=response, body=body)
