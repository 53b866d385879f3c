"""Keys, counters and the ledger on disk: one file per kind of store, each the only door to its library."""

from __future__ import annotations
