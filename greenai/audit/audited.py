"""What an audit gives: the finding, the files it is of, and by what they were narrowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from greenai.audit.finding import Finding, Risk, Sufficing
from greenai.audit.values import Source

if TYPE_CHECKING:
    from greenai.audit.side_by_side import Check

__all__ = ["Audited"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """A finding with the files that it is of.

    Attributes:
        twice: records that stand in the log more than once, in exports that overlap; each is counted once.
        folded: spans around the span of a call that is counted, which tell the same call once more.
        project: the only project that was looked at; None for all.
        since: from when on calls were looked at, in seconds since 1970; `until` up to when.
        texts: a prompt for each of the largest templates, by the template's name: only where they were asked for.
        check: what the small model said beside the log, where it was asked.
        estimated: the risks before the check, by way of answering; those that were measured take their place.
    """

    finding: Finding
    sources: tuple[Source, ...]
    twice: int = 0
    folded: int = 0
    project: str | None = None
    since: float | None = None
    until: float | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    check: Check | None = None
    estimated: Mapping[Sufficing, Risk] = field(default_factory=dict[Sufficing, Risk])
