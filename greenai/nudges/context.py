"""What every nudge is given, and the shape of a nudge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from greenai.catalog import Card
    from greenai.values import Assessment, Draft, Options

__all__ = ["Nudge", "NudgeContext"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NudgeContext:
    """What a nudge may look at: the rung's card if it has one, the assessment, and what the app asked for.

    `explicit` names the arguments that the app gave itself. `thresholds` are what the classifier's probabilities are
    held against, by their names; one that has none says nothing about a single call. `off` names the nudges that the
    project switched off, `language` is that of what the others say. `stream` says that the answer comes in pieces,
    `pinned` that the call reaches exactly the model that it names. `api` is the HTTP API that the app speaks, by the
    name of its dialect: an override is told in that one's words.
    """

    card: Card | None
    assessment: Assessment | None
    options: Options
    explicit: frozenset[str] = frozenset()
    thresholds: Mapping[str, float] = field(default_factory=dict[str, float])
    off: frozenset[str] = frozenset(("brevity",))
    language: str = "en"
    stream: bool = False
    pinned: bool = False
    api: str = "chat"


class Nudge(Protocol):
    """Changes a draft, or returns it as it is."""

    def __call__(self, draft: Draft, context: NudgeContext, /) -> Draft:
        """Return the draft as it shall be sent."""
        ...
