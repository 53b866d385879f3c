"""Lines of JSON that are kept one by one, so that a process which ends at any moment loses none that it wrote."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from greenai.errors import LogUnreadable
from greenai.store.files import private_file, private_folder

__all__ = ["Lines"]


class Lines:
    """Rows in a file for its owner alone, or nowhere; `held` are the lines that it had.

    A line that was cut off by the end of a process stays, and the next one begins a line of its own.

    Args:
        path: the file, which is made with its folder; None keeps nothing.
        instead: what to do where it cannot be used, as a sentence.

    Raises:
        LogUnreadable: it cannot be used.
    """

    def __init__(self, path: Path | None, *, instead: str) -> None:
        self.held: tuple[str, ...] = ()
        self._file: int | None = None
        if path is None:
            return
        try:
            private_folder(path.parent)
            self._file = private_file(path)
            text = path.read_text("utf-8", "replace")
            os.lseek(self._file, 0, os.SEEK_END)
            if text and not text.endswith("\n"):
                os.write(self._file, b"\n")
        except OSError as error:
            self.close()
            raise LogUnreadable(f"{path} cannot be used: {error}. {instead}") from None
        self.held = tuple(text.splitlines())

    def add(self, row: Mapping[str, Any]) -> None:
        """Write a row at once."""
        if self._file is not None:
            os.write(self._file, (json.dumps(row) + "\n").encode())

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
