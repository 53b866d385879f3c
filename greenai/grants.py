"""One opt-in as a value: which expensive mode was allowed, by which code, why and until when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

__all__ = ["Grant", "Grantor", "WithoutOptIn", "ended", "fix", "reasons"]

WithoutOptIn = Literal["downgrade", "refuse"]
Grantor = Literal["call", "block", "client", "settings", "project settings", "argument", "escalate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """An expensive mode that somebody allowed.

    Attributes:
        kind: which mode: reasoning, large, long_output or semantic_cache.
        by: what allowed it: this call's options, a block around it, the client, the settings for all or for the
            project, an argument of openai's, or `escalate`.
        reason: why; None where a client was given none.
        until: when it ends, in seconds since 1970; None: with the call, the block or the client that gave it.
        user: who allowed it, where the app names somebody.
    """

    kind: str
    by: Grantor
    reason: str | None = None
    until: float | None = None
    user: str | None = None

    def holds(self, now: float) -> bool:
        """Say whether it has not expired at `now`, in seconds since 1970."""
        return self.until is None or now < self.until

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def reasons(grants: Iterable[Grant]) -> str | None:
    """Return the reasons of some grants as one text, each once; None where there is none."""
    return "; ".join(dict.fromkeys(grant.reason for grant in grants if grant.reason)) or None


def ended(over: Iterable[Grant], project: str) -> str:
    """Return in words that opt-ins of the settings are over, and since when; empty where there are none."""
    said: dict[str, list[str]] = {}
    for grant in over:
        if grant.until is not None:
            day = datetime.fromtimestamp(grant.until - 1, UTC)  # a day's end is the midnight after it
            whose = f" (project {project})" if grant.by == "project settings" else ""
            said.setdefault(f"of the settings{whose} ended on {day:%Y-%m-%d}", []).append(grant.kind)
    return "; ".join(f"the opt-in {', '.join(kinds)} {when}" for when, kinds in said.items())


def fix(*kinds: str) -> str:
    """Return the one line of code that allows modes to every later call of a client."""
    named = ", ".join(f'"{kind}"' for kind in sorted(set(kinds)))
    return f'client = client.with_options(opt_in={{{named}}}, reason="why this is worth it")'
