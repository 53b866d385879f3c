"""The one door to DuckDB: a connection that reads files within a limit of memory, and reaches nothing but them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from greenai.errors import MissingExtra

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

__all__ = ["connected", "failures"]

if TYPE_CHECKING:
    Connection: TypeAlias = DuckDBPyConnection

MEMORY = "700MB"
"""What DuckDB may hold at once; what is more goes to its folder."""


def connected(
    path: Path | None = None, *, read_only: bool = False, memory: str = MEMORY, threads: int = 2
) -> Connection:
    """Open a database, or one in memory; it downloads no extension.

    Raises:
        MissingExtra: DuckDB is not installed.
    """
    try:
        import duckdb
    except ImportError:
        raise MissingExtra("audit", "duckdb", "Auditing logs") from None
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "memory_limit": memory,
        "threads": str(threads),
        "preserve_insertion_order": "true",
    }
    return duckdb.connect(":memory:" if path is None else str(path), read_only=read_only, config=config)


def failures() -> type[Exception]:
    """Return what DuckDB raises."""
    import duckdb

    return duckdb.Error
