"""Everything that is neither OpenAI, nor a `base_url`, nor local: the only door to litellm.

litellm takes seconds to import and would fetch a price list over the network; it is imported at the first
call that needs it, told to use the list it ships. It adapts formats, and nothing else: retries, caching,
budgets and dropped parameters stay off, because greenai answers for each of them itself.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import openai

from greenai._locks import Lock
from greenai.errors import GreenAIError, MissingKey
from greenai.shapes import ChatCompletion, ChatCompletionChunk, chunk_from, completion_from, openai_error
from greenai.values import Call

KEY_VARIABLES = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "mistral": ("MISTRAL_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "xai": ("XAI_API_KEY",),
    "groq": ("GROQ_API_KEY",),
    "cohere": ("COHERE_API_KEY", "CO_API_KEY"),
    "together_ai": ("TOGETHERAI_API_KEY", "TOGETHER_API_KEY"),
    "fireworks_ai": ("FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"),
    "openrouter": ("OPENROUTER_API_KEY",),
    "dashscope": ("DASHSCOPE_API_KEY",),
    "moonshot": ("MOONSHOT_API_KEY",),
}

OWN = "greenai-"
"""How the litellm_call_id of a call begins that greenai books itself: a callback of greenai's leaves it alone."""

_import_lock = Lock()


def loaded() -> Any:
    """Import litellm, quietly and without the network."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    with _import_lock:
        try:
            import litellm
        except ImportError as error:
            raise GreenAIError(
                f"This model goes through litellm, which cannot be imported here ({error}). "
                'Install it with: pip install "litellm>=1.105,!=1.106.*,!=1.107.*,<2"'
            ) from error
    litellm.suppress_debug_info = True
    return litellm


def wire(call: Call) -> dict[str, Any]:
    """Return the keyword arguments for litellm's `completion`."""
    rung = call.draft.rung
    _require_key(rung.provider, rung.api_key)
    arguments: dict[str, Any] = {
        **call.draft.arguments,
        **call.draft.extra,
        "model": rung.model,
        "messages": [dict(m) for m in call.draft.messages],
        "timeout": None if math.isinf(call.deadline) else max(call.deadline - time.monotonic(), 0.001),
        "num_retries": 0,
        "max_retries": 0,
        "litellm_call_id": f"{OWN}{uuid4()}",
    }
    given = {"api_key": rung.api_key, "api_base": rung.base_url, "extra_headers": call.transport.extra_headers}
    arguments |= {name: value for name, value in given.items() if value is not None}
    if call.stream:
        arguments["stream"] = True
        arguments["stream_options"] = {**(arguments.get("stream_options") or {}), "include_usage": True}
    return arguments


def _require_key(provider: str, api_key: str | None) -> None:
    variables = KEY_VARIABLES.get(provider, ())
    if variables and api_key is None and not any(os.environ.get(v) for v in variables):
        raise MissingKey(
            f"This call goes to {provider}, and no API key was found: {' or '.join(variables)} is not set. "
            f"Set one with: export {variables[0]}=..., or use the model on this machine: "
            '--model local/smollm2-135m (in Python: model="local/smollm2-135m").'
        )


def send(call: Call) -> ChatCompletion:
    """Send and return openai's shape; raise openai's errors."""
    arguments = wire(call)
    litellm = loaded()
    with _translated():
        return completion_of(litellm.completion(**arguments))


async def asend(call: Call) -> ChatCompletion:
    """Do what `send` does, awaited."""
    arguments = wire(call)
    litellm = loaded()
    with _translated():
        return completion_of(await litellm.acompletion(**arguments))


def completion_of(response: Any) -> ChatCompletion:
    """Return openai's completion."""
    return completion_from(response.model_dump(mode="json"))


def chunk_of(native: Any) -> ChatCompletionChunk:
    """Return openai's chunk; the one with the usage has no choices there, and an empty one with litellm."""
    body: dict[str, Any] = native.model_dump(mode="json")
    if body.get("usage") is not None and not any(_says(c) for c in body.get("choices") or ()):
        body["choices"] = []
    return chunk_from(body)


def _says(choice: dict[str, Any]) -> bool:
    return choice.get("finish_reason") is not None or any(v not in (None, "") for v in (choice["delta"] or {}).values())


class LiteLLMStream:
    """litellm's stream as a source of openai's chunks: its own has neither `close` nor openai's errors."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._iterator: Iterator[Any] = iter(inner)
        self.response = None

    def __next__(self) -> ChatCompletionChunk:
        with _translated():
            return chunk_of(next(self._iterator))

    def __iter__(self) -> Iterator[ChatCompletionChunk]:
        return self

    def close(self) -> None:
        """Close the provider's connection, where litellm lets one reach it."""
        source: Any = getattr(self._inner, "completion_stream", None)
        if hasattr(source, "close"):
            source.close()


class LiteLLMAsyncStream:
    """The same, awaited."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._iterator: AsyncIterator[Any] = aiter(inner)
        self.response = None

    async def __anext__(self) -> ChatCompletionChunk:
        with _translated():
            return chunk_of(await anext(self._iterator))

    def __aiter__(self) -> AsyncIterator[ChatCompletionChunk]:
        return self

    async def close(self) -> None:
        """Close the provider's connection, where litellm lets one reach it."""
        source: Any = getattr(self._inner, "completion_stream", None)
        if hasattr(source, "aclose"):
            await source.aclose()


def open_stream(call: Call) -> LiteLLMStream:
    """Open a stream; raise openai's errors."""
    arguments = wire(call)
    litellm = loaded()
    with _translated():
        return LiteLLMStream(litellm.completion(**arguments))


async def aopen_stream(call: Call) -> LiteLLMAsyncStream:
    """Do what `open_stream` does, awaited."""
    arguments = wire(call)
    litellm = loaded()
    with _translated():
        return LiteLLMAsyncStream(await litellm.acompletion(**arguments))


@contextmanager
def _translated() -> Generator[None]:
    outer = sys.exception()
    try:
        yield
    except openai.OpenAIError as error:
        raise as_openai(error, outer) from error


# What stands behind litellm's own exception where no answer came at all: names of httpx's and aiohttp's classes.
TIMEOUTS = frozenset(
    ("ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout", "TimeoutError", "APITimeoutError")
)
REFUSALS = frozenset(("ConnectError", "ReadError", "WriteError", "RemoteProtocolError", "ClientConnectorError"))

# Python errors inside litellm, before or after the request, which it reports as a lost connection: sending the request
# again would be paid for and fail again.
DEFECTS = frozenset(("AttributeError", "IndexError", "KeyError", "TypeError", "ValidationError", "JSONDecodeError"))

# The statuses that litellm makes up where there was none.
INVENTED = (None, 500, 503)


def as_openai(error: openai.OpenAIError, outer: BaseException | None = None) -> openai.OpenAIError:
    """Return the exception that the bare openai client raises for what litellm ran into.

    litellm's classes derive from openai's but not always from the right one: measured on 1.105.3, 403 arrives
    as a plain APIError, 503 as ServiceUnavailableError, a refused connection as a 500, and whatever breaks a
    stream as a 503 around the first exception. `outer` is the app's exception that was being handled when the call
    began: it is no part of this one's causes.
    """
    original = getattr(error, "original_exception", None)
    if isinstance(original, openai.OpenAIError):
        return as_openai(original, outer)
    status = getattr(error, "status_code", None)
    causes = _causes(error, outer) if status in INVENTED else frozenset[str]()
    if isinstance(error, openai.APITimeoutError) or TIMEOUTS & causes:
        return openai_error(str(error), status=None, timeout=True)
    if REFUSALS & causes:
        return openai_error(str(error), status=None)
    if isinstance(error, openai.APIConnectionError):
        return _defect(error) if DEFECTS & causes else openai_error(str(error), status=None)
    if not isinstance(status, int):
        return error
    body = getattr(error, "body", None)
    return openai_error(str(error), status=status, response=getattr(error, "response", None), body=body)


def _defect(error: openai.APIConnectionError) -> openai.APIError:
    return openai.APIError(f"litellm could not read the answer or make the request: {error}", error.request, body=None)


def _causes(error: BaseException, outer: BaseException | None) -> frozenset[str]:
    names: set[str] = set()
    seen: set[int] = {id(outer)}
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        names.add(type(cause).__name__)
        cause = cause.__cause__ or cause.__context__
    return frozenset(names)
