"""What the tests of reports share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from bookkeeping import Book, fill
from browser import Browser, program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """An empty ledger."""
    return Book(tmp_path / "ledger.db")


@pytest.fixture
def filled(book: Book) -> Book:
    """Five outcomes, two projects, an unknown model and a failed call."""
    return fill(book)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A real Chromium: a laptop without one skips, CI fails."""
    path = program()
    if path is None:
        message = "chromium is not here: apt-get install chromium"
        if os.environ.get("CI", "").lower() in ("true", "1"):
            pytest.fail(message)
        pytest.skip(message)
    with Browser(path, tmp_path_factory.mktemp("chromium")) as started:
        yield started
