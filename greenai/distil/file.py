"""A trained task model as a file."""

from __future__ import annotations

from pathlib import Path

from greenai.answerers.task_file import save
from greenai.distil.train import Trained

__all__ = ["write"]


def write(trained: Trained, path: Path) -> str:
    """Write a task model that only its owner may read, and return the SHA-256 whose beginning is its version."""
    return save(path, trained.held.header, trained.held.arrays)
