"""What tests of integrations get besides: what one leaves open for the whole process is closed after it."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _left_open() -> Iterator[None]:
    yield
    decorated = sys.modules.get("greenai.integrations.decorated")
    if decorated is not None:
        decorated.close_all()
    instrument = sys.modules.get("greenai.integrations.instrument")
    if instrument is not None:
        instrument.uninstrument()


@pytest.fixture
def left_open_by_others() -> Iterator[None]:
    """Let what a framework never closes go away here, where its warnings are ignored, and not in another test."""
    yield
    gc.collect()
