"""The process of the gateway."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from greenai.serve import server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def collector() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("collector")
def test_the_collector_leaves_out_what_was_there_at_the_start() -> None:
    frozen = gc.get_freeze_count()
    server._spare_collections()
    assert gc.get_freeze_count() > frozen + 10_000
    assert gc.get_threshold() == server.COLLECTED_EVERY
