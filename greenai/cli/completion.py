"""What shells complete: models, projects, scopes, opt-ins and calls. What fails completes nothing: the shell waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from greenai.errors import GreenAIError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from greenai.settings import Settings

__all__ = ["beginning", "complete_call", "complete_model", "complete_opt_in", "complete_project", "complete_scope"]

MOST_CALLS = 500
MOST_READ = 20_000
_CALLS = "SELECT call_id FROM calls ORDER BY created DESC LIMIT ?"
_PROJECTS = "SELECT DISTINCT project FROM (SELECT project FROM calls ORDER BY created DESC LIMIT ?)"


def beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    """Return the names that begin so, each once."""
    return sorted({name for name in names if name.startswith(incomplete)})


def complete_model(incomplete: str) -> list[str]:
    """Return the names and aliases of the catalog that begin so."""
    from greenai import catalog

    return beginning(incomplete, (name for card in catalog.cards() for name in (card.name, *card.aliases)))


def complete_opt_in(incomplete: str) -> list[str]:
    """Return what `--opt-in` accepts."""
    from greenai.values import OptIn

    return beginning(incomplete, get_args(OptIn))


def complete_project(incomplete: str) -> list[str]:
    """Return the projects of the settings and of the last calls."""

    def named(settings: Settings) -> list[str]:
        return [*settings.projects, *_of_ledger(settings, _PROJECTS, MOST_READ)]

    return beginning(incomplete, _found(named))


def complete_scope(incomplete: str) -> list[str]:
    """Return the scopes that have a budget; of users and keys how they begin."""

    def named(settings: Settings) -> list[str]:
        from greenai import spending

        scopes = (scope for scope, caps in spending.caps(settings).items() if caps)
        return [f"{scope}/" if scope in ("user", "key") else scope for scope in scopes]

    return beginning(incomplete, _found(named))


def complete_call(incomplete: str) -> list[str]:
    """Return the last calls of the ledger that begin so, the latest first."""
    found = _found(lambda settings: _of_ledger(settings, _CALLS, MOST_CALLS))
    return [name for name in found if name.startswith(incomplete)]


def _found(named: Callable[[Settings], list[str]]) -> list[str]:
    from greenai.settings import load_settings

    try:
        return named(load_settings())
    except GreenAIError:  # the command itself will tell
        return []


def _of_ledger(settings: Settings, sql: str, most: int) -> list[str]:
    from greenai.store.reading import reading

    with reading(settings.ledger_path) as reader:
        return [] if reader is None else [str(*row.values()) for row in reader.rows(sql, (most,))]
