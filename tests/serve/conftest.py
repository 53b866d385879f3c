"""Gateways before a scripted provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from serving import Served, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from servers import Scripted


@pytest.fixture(autouse=True)
def _key_of_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-gateway")


@pytest.fixture
def gateway(scripted: Scripted) -> Iterator[Served]:
    """One without keys."""
    with serving(upstream=scripted.url) as served:
        yield served


@pytest.fixture
def gateways(scripted: Scripted) -> Callable[[Mapping[str, Any]], Any]:
    """What opens one with other settings."""
    return lambda settings: serving(settings, upstream=scripted.url)
