"""DSPy: `GreenLM`, a `BaseLM` over a greenai client. The only door to dspy.

A response is openai's own, with the receipt on it, and DSPy keeps it in its history: `lm.history[-1]["response"]`.
DSPy's own cache stays off, since greenai's knows which answers may be given again, and books the hit.
"""

from __future__ import annotations

from typing import Any

from greenai.client import AsyncClient, Client
from greenai.errors import MissingExtra

try:
    from dspy import BaseLM
except ImportError:
    raise MissingExtra("dspy", "dspy", "DSPy (GreenLM)") from None

__all__ = ["GreenLM"]

_OF_DSPY = ("rollout_id", "cache", "num_retries")


class GreenLM(BaseLM):  # type: ignore[misc]  # pyright: ignore[reportUntypedBaseClass, reportGeneralTypeIssues]
    """A language model of DSPy that is answered with the least energy that still answers well.

    Args:
        model: as in `greenai.Client`; without one, the settings' ladder decides.
        client: the client to ask, such as one with other options; one of its own by default.
        async_client: the same, for `acall`.
        arguments: openai's arguments for every call, such as `temperature`.
    """

    def __init__(
        self,
        model: str = "auto",
        *,
        client: Client | None = None,
        async_client: AsyncClient | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(model=model, cache=False, **arguments)
        self._client = client
        self._async_client = async_client

    supports_function_calling = property(lambda _: True)
    supports_response_schema = property(lambda _: True)

    def forward(self, prompt: str | None = None, messages: Any = None, **arguments: Any) -> Any:
        """Ask, and return openai's response."""
        if self._client is None:
            self._client = Client()
        return self._client.chat.completions.create(**self._arguments(prompt, messages, arguments))

    async def aforward(self, prompt: str | None = None, messages: Any = None, **arguments: Any) -> Any:
        """Do what `forward` does, awaited."""
        if self._async_client is None:
            self._async_client = AsyncClient()
        return await self._async_client.chat.completions.create(**self._arguments(prompt, messages, arguments))

    def _arguments(self, prompt: str | None, messages: Any, arguments: dict[str, Any]) -> dict[str, Any]:
        given = {
            name: value
            for name, value in {**self.kwargs, **arguments}.items()
            if value is not None and name not in _OF_DSPY
        }
        return {**given, "model": self.model, "messages": messages or [{"role": "user", "content": prompt or ""}]}
