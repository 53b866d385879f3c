"""Which file `greenai distil` writes a task model to: never over anything but a task model of the same template."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from greenai.errors import InvalidRequest

if TYPE_CHECKING:
    from greenai.distil.templates import Candidate
    from greenai.distil.train import Trained

__all__ = ["Target", "target", "written"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A file to write, and the SHA-256 of the task model of the same template that it holds now, if any."""

    path: Path
    replaces: str | None = None


def target(out: Path | None, chosen: Candidate) -> Target:
    """Return the file that is named, or one that is called after the template.

    Raises:
        InvalidRequest: the file that is named holds something else.
    """
    if out is None:
        path = Path(f"{_slug(chosen)}.greenai")
        return _looked(path, chosen) or _needed(path.with_stem(f"{path.stem}-{chosen.id}"), chosen)
    return _needed(out, chosen)


def _slug(chosen: Candidate) -> str:
    words = re.findall(r"[a-z]+", chosen.template.skeleton.partition(":")[2].lower())
    return "-".join(words[:4]) or "task"


def _looked(path: Path, chosen: Candidate) -> Target | None:
    """Return a file that may be written; None where something else is in it."""
    from greenai.answerers.task_file import TaskFileRefused, load

    if not path.exists():
        return Target(path=path)
    try:
        held = load(path)
    except TaskFileRefused:
        return None
    return Target(path=path, replaces=held.sha256) if held.header.get("template") == chosen.template.to_json() else None


def _needed(path: Path, chosen: Candidate) -> Target:
    found = _looked(path, chosen)
    if found is None:
        raise InvalidRequest(
            f"{path} is there already, and is no task model of template {chosen.id}: it is not overwritten. Name "
            "another file with --out, or remove that one."
        )
    return found


def written(made: Trained, to: Target) -> str:
    """Write a task model, and return its SHA-256.

    Raises:
        InvalidRequest: the file cannot be written.
    """
    from greenai.distil import file

    try:
        return file.write(made, to.path)
    except OSError as error:
        raise InvalidRequest(f"{to.path} cannot be written: {error}. Name another file with --out.") from None
