"""An audit as plain JSON values: every figure in full, energies in joules, with the assumptions and the files."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from greenai import __version__

if TYPE_CHECKING:
    from greenai.audit.audited import Audited

__all__ = ["SCHEMA", "to_json"]

SCHEMA = "greenai.audit/1"


def to_json(audited: Audited) -> dict[str, Any]:
    """Return plain values; texts are there only where they were asked for."""
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "greenai": __version__,
        "narrowed": {"project": audited.project, "since": audited.since, "until": audited.until},
        "sources": [asdict(source) for source in audited.sources],
        "twice": audited.twice,
        "folded": audited.folded,
        "finding": audited.finding.to_dict(),
    }
    if audited.check is not None:
        data["check"] = audited.check.to_dict()
    if audited.texts:
        data["texts"] = dict(audited.texts)
    return data
