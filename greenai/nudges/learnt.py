"""What this process learnt of models: which reasoned unasked, and which refused the field that turns it off.

It holds for a model at an address, for every client of the process, until the process ends: a provider may mend it.
"""

from __future__ import annotations

import logging

__all__ = ["forget", "leaked", "leaks", "reasoned", "reasons", "refused", "refuses"]

logger = logging.getLogger("greenai")

Place = tuple[str, str | None]

# Of a set, adding and looking up are each one step, which threads cannot see half done.
_leaks: set[Place] = set()
_reasoning: set[Place] = set()
_refusals: set[Place] = set()


def leaked(model: str, base_url: str | None) -> None:
    """Learn that a model reasoned although that was switched off; the first time is logged."""
    if not leaks(model, base_url):
        _leaks.add(_place(model, base_url))
        logger.warning(
            "%s reasoned although reasoning was switched off. Its tokens are counted, and models that do not are "
            'preferred from now on. Its card can say so: reasoning = "always-on" in `cards`.',
            model,
        )


def leaks(model: str, base_url: str | None) -> bool:
    """Say whether a model reasoned before although that was switched off."""
    return _place(model, base_url) in _leaks


def reasoned(model: str, base_url: str | None) -> None:
    """Learn that a model reasoned of which nothing was known."""
    _reasoning.add(_place(model, base_url))


def reasons(model: str, base_url: str | None) -> bool:
    """Say whether a model of which nothing is known reasoned before."""
    return _place(model, base_url) in _reasoning


def refused(model: str, base_url: str | None) -> None:
    """Learn that a server answers only without the field that turns reasoning off; the first time is logged."""
    if not refuses(model, base_url):
        _refusals.add(_place(model, base_url))
        logger.warning("%s refused the field that turns its reasoning off; it is asked without from now on.", model)


def refuses(model: str, base_url: str | None) -> bool:
    """Say whether a server refused the field before."""
    return _place(model, base_url) in _refusals


def forget() -> None:
    """Forget everything: for tests."""
    for place in (_leaks, _reasoning, _refusals):
        place.clear()


def _place(model: str, base_url: str | None) -> Place:
    """Return what is learnt of: the engine on this machine takes another port each time."""
    return model, None if model.startswith("local/") else base_url
