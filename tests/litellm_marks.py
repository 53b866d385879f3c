"""What the tests that go through litellm have in common."""

from __future__ import annotations

import gc
import sys
from importlib.util import find_spec

import pytest

ONLY = [
    pytest.mark.needs_litellm,
    pytest.mark.skipif(find_spec("litellm") is None, reason="litellm is not installed beside openai 3"),
    # litellm keeps its clients for later calls and loops, and closes none of them.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
    # pydantic's, about litellm's own types, the first time that they are used.
    pytest.mark.filterwarnings("ignore:Item .* on TypedDict class:UserWarning"),
]


def load() -> None:
    """Import litellm: that takes seconds, which would count against the deadline of the first call."""
    from greenai.provider import litellm_path

    litellm_path.library()


def forget_clients() -> None:
    """Drop litellm's clients now, while warnings about them are ignored, and not in the middle of another test."""
    litellm = sys.modules.get("litellm")
    if litellm is not None:
        litellm.in_memory_llm_clients_cache.flush_cache()  # type: ignore[attr-defined]
        gc.collect()
