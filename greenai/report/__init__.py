"""What people look at: what a ledger adds up to, the story of one call, and what is left of a budget.

`read` adds a ledger up, `page` writes it as HTML; the commands `greenai report`, `why` and `budget` are thin shells
over this package. It writes no ledger, and locks nobody who does.
"""

from __future__ import annotations

from pathlib import Path

from greenai.report.aggregate import Report, Span, aggregate
from greenai.report.page import page
from greenai.store.reading import reading

__all__ = ["Report", "Span", "page", "read"]


def read(ledger: Path, *, since: float = 0.0, until: float = 1e18, project: str | None = None) -> Report | None:
    """Add up what a ledger has; None where there is no such file.

    Args:
        ledger: the file.
        since: from when on calls count, in seconds since 1970.
        until: before when, in seconds since 1970.
        project: only the calls that are booked on it; None: all.

    Raises:
        LedgerError: it cannot be read.
    """
    with reading(ledger) as reader:
        return None if reader is None else aggregate(reader, Span(since=since, until=until, project=project))
