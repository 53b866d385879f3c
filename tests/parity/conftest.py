"""The server that both sides ask, and what each case saw bare: asked once, however many ways it is held against."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from held_against import Case, driven
from servers import LlamaServer

from greenai import wrap

# What a prompt is made of is no part of what is compared, and the model's own template takes 0.1 s more of each call.
SHORT = "{% for message in messages %}{{ message.content }}\n{% endfor %}"

_SEEN: dict[object, Any] = {}


@pytest.fixture(scope="session")
def origin(weights: Path) -> Iterator[str]:
    """llama.cpp's own server: chat completions, responses, messages, completions and models, of a real model."""
    with LlamaServer(weights, template=SHORT) as server:
        yield server.url.removesuffix("/v1")


@pytest.fixture
def same() -> Callable[..., None]:
    """Hold what a case sees through greenai against what it sees bare; a failure shows both, field by field."""

    def hold(
        case: Case,
        bare: Callable[[], Any],
        *,
        ours: Callable[[], Any] | None = None,
        asynchronous: bool = False,
        scene: Callable[[], None] | None = None,
    ) -> None:
        place = (case, asynchronous)
        if scene is not None:
            _SEEN.pop(place, None)
            scene()
        if place not in _SEEN:
            _SEEN[place] = driven(case, bare, asynchronous=asynchronous)
        if scene is not None:
            scene()
        assert driven(case, ours or (lambda: wrap(bare())), asynchronous=asynchronous) == _SEEN[place]

    return hold
