"""The ratings of this machine: a file and a badge for each, and one leaderboard."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from greenai.rate.badge import badge
from greenai.rate.board import as_html, as_markdown
from greenai.rate.merge import Merged, merged
from greenai.rate.record import Record, RecordError, read, write
from greenai.store.files import private_folder

__all__ = ["Kept", "Shelf"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Where a rating lies."""

    record: Path
    badge: Path


@dataclass(slots=True, kw_only=True)
class Shelf:
    """A folder of ratings. `problems` has what could not be read at the last look, in words."""

    folder: Path
    problems: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse a folder that cannot be written before anything is measured.

        Raises:
            RecordError: it cannot be.
        """
        with self._writing():
            tried = self.folder / "records" / ".check"
            write(tried, "")
            tried.unlink()

    def keep(self, record: Record) -> Kept:
        """Write a rating and its badge, and the leaderboard anew.

        Raises:
            RecordError: they cannot be written.
        """
        name = re.sub(r"[^\w.-]+", "_", str(record.content["model"]["name"]).removeprefix("local/")).strip("._")[-60:]
        stem = f"{name or 'model'}-{str(record.content['date'])[:10]}-{record.id[:8]}"
        kept = Kept(record=self.folder / "records" / f"{stem}.json", badge=self.folder / "records" / f"{stem}.svg")
        with self._writing():
            write(kept.record, json.dumps(record.to_dict(), indent=1) + "\n")
            write(kept.badge, badge(record))
        self.draw()
        return kept

    @contextmanager
    def _writing(self) -> Generator[None]:
        try:
            private_folder(self.folder)
            yield
        except OSError as error:
            raise RecordError(
                f"Ratings cannot be written to {self.folder}: {error}. Free it, or name another folder with --out."
            ) from None

    def all(self, more: Iterable[Record] = ()) -> Merged:
        """Return the ratings here, with `more` of them."""
        found, problems = list(more), list[str]()
        for path in sorted((self.folder / "records").glob("*.json")):
            try:
                found += read(path)
            except RecordError as error:
                problems.append(str(error))
        self.problems = tuple(problems)
        return merged(found)

    def draw(self, more: Iterable[Record] = ()) -> tuple[Merged, Path, Path]:
        """Write the leaderboard; return what it shows and where it lies.

        Raises:
            RecordError: it cannot be written.
        """
        whole = self.all(more)
        plain, page = self.folder / "leaderboard.md", self.folder / "leaderboard.html"
        with self._writing():
            write(plain, as_markdown(whole))
            write(page, as_html(whole))
        return whole, plain, page
