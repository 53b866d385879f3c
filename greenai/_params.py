"""The keyword arguments of `chat.completions.create`, typed with openai's own types, for checkers only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    import httpx
    from openai.types.chat import ChatCompletion, ChatCompletionStreamOptionsParam, completion_create_params
    from openai.types.chat.chat_completion_audio_param import ChatCompletionAudioParam
    from openai.types.chat.chat_completion_prediction_content_param import ChatCompletionPredictionContentParam
    from openai.types.chat.chat_completion_tool_choice_option_param import ChatCompletionToolChoiceOptionParam
    from openai.types.chat.chat_completion_tool_union_param import ChatCompletionToolUnionParam
    from openai.types.shared.reasoning_effort import ReasoningEffort

    from greenai.values import Options, Receipt

    class GreenCompletion(ChatCompletion):
        """openai's `ChatCompletion` with its receipt. For type checkers: at run time it is openai's own class."""

        greenai: Receipt


class ChatParams(TypedDict, total=False):
    """Every argument of openai's `create` except `model`, `messages` and `stream`, plus `thinking` and `greenai`.

    `thinking` is the providers' own switch where it is not called `reasoning_effort`; `greenai` holds options
    of this library for one call.
    """

    audio: ChatCompletionAudioParam | None
    frequency_penalty: float | None
    function_call: completion_create_params.FunctionCall
    functions: Iterable[completion_create_params.Function]
    logit_bias: dict[str, int] | None
    logprobs: bool | None
    max_completion_tokens: int | None
    max_tokens: int | None
    metadata: dict[str, str] | None
    modalities: list[Any] | None
    moderation: Any
    n: int | None
    parallel_tool_calls: bool
    prediction: ChatCompletionPredictionContentParam | None
    presence_penalty: float | None
    prompt_cache_key: str
    prompt_cache_options: Any
    prompt_cache_retention: Any
    reasoning_effort: ReasoningEffort | None
    response_format: completion_create_params.ResponseFormat
    safety_identifier: str
    seed: int | None
    service_tier: Any
    stop: str | list[str] | None
    store: bool | None
    stream_options: ChatCompletionStreamOptionsParam | None
    temperature: float | None
    tool_choice: ChatCompletionToolChoiceOptionParam
    tools: Iterable[ChatCompletionToolUnionParam]
    top_logprobs: int | None
    top_p: float | None
    user: str
    verbosity: Any
    web_search_options: completion_create_params.WebSearchOptions
    extra_headers: Mapping[str, str] | None
    extra_query: Mapping[str, object] | None
    extra_body: Mapping[str, object] | None
    timeout: float | httpx.Timeout | None
    thinking: Mapping[str, object]
    greenai: Options | Mapping[str, Any]


class ClientParams(TypedDict, total=False):
    """What openai's clients take besides what greenai's take themselves, in openai 2 and 3."""

    admin_api_key: str | None
    webhook_secret: str | None
    websocket_base_url: str | httpx.URL | None
    workload_identity: Any
    provider: Any
    _strict_response_validation: bool
    _enforce_credentials: bool


KNOWN = frozenset(ChatParams.__annotations__)
MORE = frozenset(ClientParams.__annotations__)
