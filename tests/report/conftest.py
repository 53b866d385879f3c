"""What the tests of reports share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bookkeeping import Book, fill

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """An empty ledger."""
    return Book(tmp_path / "ledger.db")


@pytest.fixture
def filled(book: Book) -> Book:
    """Five outcomes, two projects, an unknown model and a failed call."""
    return fill(book)
