"""What an audit gives: the finding, the files it is of, and by what they were narrowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from greenai.audit.finding import Finding
from greenai.audit.values import Source

if TYPE_CHECKING:
    from greenai.audit.side_by_side import Check

__all__ = ["Audited"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """A finding with the files that it is of.

    Attributes:
        project: the only project that was looked at; None for all.
        since: from when on calls were looked at, in seconds since 1970; `until` up to when.
        texts: a prompt for each of the largest templates, by the template's name: only where they were asked for.
        check: what the small model said beside the log, where it was asked.
    """

    finding: Finding
    sources: tuple[Source, ...]
    project: str | None = None
    since: float | None = None
    until: float | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    check: Check | None = None
