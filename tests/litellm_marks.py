"""What the tests that go through litellm have in common."""

from __future__ import annotations

import gc
import inspect
import sys
from importlib.util import find_spec

import pytest

ONLY = [
    pytest.mark.needs_litellm,
    pytest.mark.skipif(find_spec("litellm") is None, reason="litellm is not installed beside openai 3"),
    # pydantic's, about litellm's own types, the first time that they are used.
    pytest.mark.filterwarnings("ignore:Items? .* on TypedDict class:UserWarning"),
]


def load() -> None:
    """Import litellm: that takes seconds, which would count against the deadline of the first call."""
    from greenai.provider import litellm_path

    litellm_path.loaded()


async def aclose() -> None:
    """Close litellm's asynchronous clients in the loop that they belong to: it keeps them for later, unclosed."""
    litellm = sys.modules.get("litellm")
    if litellm is not None:
        await litellm.close_litellm_async_clients()
        # One for all loops, which opens what it needs again.
        await litellm.module_level_aclient.client._transport.aclose()


def forget_clients() -> None:
    """Close litellm's other clients and drop all of them, so that they go away here and not in another test."""
    litellm = sys.modules.get("litellm")
    if litellm is None:
        return
    cache = litellm.in_memory_llm_clients_cache
    for client in list(cache.cache_dict.values()):
        if hasattr(client, "close") and not inspect.iscoroutinefunction(client.close):
            client.close()
    cache.flush_cache()
    gc.collect(1)
