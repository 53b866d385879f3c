"""One bar for all that works for long: what it does, how far it is, and what there is to say of it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Moved", "bar"]

DOING, BAR = 9, 16
"""Columns of a terminal for what is done, at least, and for the bar."""


class Moved(Protocol):
    """Moves a bar."""

    def __call__(self, doing: str, *, done: int, total: int | None, said: str) -> None:
        """Show what is done now, how far, of how much, and what is said beside it."""
        ...


@contextmanager
def bar(doing: str, *, watched: bool) -> Generator[Moved | None]:
    """Show a bar on standard error while somebody watches; give what moves it, or None."""
    if not watched:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=BAR), TextColumn("{task.fields[said]}"))
    screen = Console(stderr=True, soft_wrap=False, highlight=False)
    with Progress(*columns, console=screen, transient=True) as shown:
        task = shown.add_task(doing, total=None, said="")

        def moved(doing: str, *, done: int, total: int | None, said: str) -> None:
            room = screen.width - max(len(doing), DOING) - BAR - 2
            shown.update(task, description=f"{doing:{DOING}}", total=total, completed=done, said=_cut(said, room))

        yield moved


def _cut(text: str, room: int) -> str:
    """Return what has room of `text`; left to rich, each column would lose a part, the first ones most."""
    return text if len(text) <= room else text[: max(room - 1, 0)] + "\N{HORIZONTAL ELLIPSIS}"
