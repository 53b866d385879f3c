"""pydantic-ai: `GreenModel`, a `WrapperModel` whose inner model asks through greenai. The only door to pydantic-ai.

The inner model keeps its class, its settings and its provider; that provider is a copy whose client is a wrapped one
(wrap.py), so that what greenai knows of the client's API holds: openai's, Anthropic's, Google's, Mistral's.

The receipt is in a response's `provider_details["greenai"]`, as a mapping, so that messages are serialised as before.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from greenai.errors import InvalidRequest, MissingExtra
from greenai.hooks import collecting
from greenai.integrations.wrap import wrap

try:
    from pydantic_ai.models import infer_model
    from pydantic_ai.models.wrapper import WrapperModel
except ImportError:
    raise MissingExtra("pydantic-ai", "pydantic-ai-slim", "pydantic-ai (GreenModel)") from None

if TYPE_CHECKING:
    from greenai.values import Receipt

__all__ = ["GreenModel"]


class GreenModel(WrapperModel):  # type: ignore[misc]  # pyright: ignore[reportUntypedBaseClass]
    """A model of pydantic-ai whose calls pass greenai: cached, budgeted, metered.

    Args:
        wrapped: the model, or its name as pydantic-ai has it, such as "openai-chat:gpt-5.5".
        options: what `greenai.wrap` takes beside a client.

    Raises:
        InvalidRequest: greenai does not know the client of that model's provider.
    """

    def __init__(self, wrapped: Any, **options: Any) -> None:
        super().__init__(_green(infer_model(wrapped), options))

    async def request(self, *args: Any, **kwargs: Any) -> Any:
        """Ask, and put the receipt on the response."""
        with collecting() as receipts:
            response = await super().request(*args, **kwargs)
        _tell(response, receipts)
        return response

    @asynccontextmanager
    async def request_stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any]:
        """Ask for a stream, whose response has the receipt once it was read to its end."""
        async with AsyncExitStack() as stack:
            with collecting() as receipts:  # the call is begun here, and is added when it ends
                stream: Any = await stack.enter_async_context(super().request_stream(*args, **kwargs))
            stream.get = partial(_got, stream.get, receipts)
            yield stream


def _green(model: Any, options: dict[str, Any]) -> Any:
    """Return a copy of a model whose provider has a wrapped client."""
    provider: Any = getattr(model, "_provider", None)
    if getattr(provider, "_client", None) is None:
        raise InvalidRequest(
            f"GreenModel cannot wrap {type(model).__name__}: it has no provider of its own with one client. "
            "Wrap the models within it, such as FallbackModel(GreenModel(...), GreenModel(...))."
        )
    made, made._provider = copy.copy(model), copy.copy(provider)  # noqa: SLF001  # where pydantic-ai's models keep it
    made._provider._client = wrap(provider._client, **options)  # noqa: SLF001
    return made


def _got(plain: Callable[[], Any], receipts: list[Receipt]) -> Any:
    response = plain()
    _tell(response, receipts)
    return response


def _tell(response: Any, receipts: list[Receipt]) -> None:
    """Put the receipt on a response."""
    if receipts:
        response.provider_details = {**(response.provider_details or {}), "greenai": receipts[-1].to_dict()}
