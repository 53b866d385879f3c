"""What asking beside the log has found so far, a line for each call: digests and outcomes, no text."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from greenai.errors import LogUnreadable
from greenai.store.files import private_file, private_folder

__all__ = ["Journal", "Outcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Whether an answer says the same; None where there was no answer."""

    same: bool | None
    energy_j: float = 0.0


class Journal:
    """Outcomes by what they are known by, in a file for its owner alone, or nowhere.

    A call that failed is asked again by the next run. A line that was cut off by the end of a process counts for
    nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._known: dict[str, Outcome] = {}
        self._file: int | None = None
        if path is None:
            return
        try:
            private_folder(path.parent)
            self._file = private_file(path)
            text = path.read_text("utf-8", "replace")
            self._known = dict(filter(None, map(_parsed, text.splitlines())))
            os.lseek(self._file, 0, os.SEEK_END)
            if text and not text.endswith("\n"):
                os.write(self._file, b"\n")
        except OSError as error:
            self.close()
            raise LogUnreadable(f"{path} cannot be used: {error}. Name another --work FOLDER.") from None

    def get(self, key: str) -> Outcome | None:
        """Return what was found before; None where it has to be asked."""
        return self._known.get(key)

    def add(self, key: str, outcome: Outcome) -> None:
        """Keep what was found, at once."""
        self._known[key] = outcome
        if self._file is not None and outcome.same is not None:
            os.write(self._file, (json.dumps({"key": key, **asdict(outcome)}) + "\n").encode())

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _parsed(line: str) -> tuple[str, Outcome] | None:
    try:
        row = cast("dict[str, Any]", json.loads(line))
        key, said, joules = row["key"], row["same"], row["energy_j"]
    except (ValueError, KeyError, TypeError):
        return None
    if not (isinstance(key, str) and isinstance(said, bool) and isinstance(joules, (int, float))):
        return None
    return key, Outcome(same=said, energy_j=float(joules))
