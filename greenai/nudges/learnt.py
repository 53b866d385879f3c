"""What this process learnt of models: which reasoned unasked, and which refused the field that turns it off.

It holds for a model at an address, for every client of the process, until the process ends: a provider may mend it.
A refusal holds for an hour: without the field the model may reason.
"""

from __future__ import annotations

import logging
import time

__all__ = ["forget", "leaked", "leaks", "reasoned", "reasons", "refused", "refuses"]

logger = logging.getLogger("greenai")

Place = tuple[str, str | None]

# Of a set, adding and looking up are each one step, which threads cannot see half done.
_leaks: set[Place] = set()
_reasoning: set[Place] = set()

REFUSED_S = 3600.0
"""How long a refusal holds, in seconds."""

MOST = 1024
"""Places of which a refusal is held at once; the oldest is dropped."""

# When a refusal ends, and the text by which it was learnt: None where no other text is needed.
_refusals: dict[Place, tuple[float, int | None]] = {}
_now = time.monotonic


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


def refused(model: str, base_url: str | None, *, text: str | None = None) -> None:
    """Learn that a server answers only without the field that turns reasoning off; the first time is logged.

    With the `text` of the request it holds from the second on that was refused with another text.
    """
    if refuses(model, base_url):
        return
    place = _place(model, base_url)
    until, first = _refusals.get(place, (0.0, None))
    digest = None if text is None else hash(text)
    if digest is not None and (until <= _now() or first == digest):
        _hold(place, digest)
        return
    _hold(place, None)
    logger.warning("%s refused the field that turns its reasoning off; it is asked without for an hour.", model)


def _hold(place: Place, digest: int | None) -> None:
    while len(_refusals) >= MOST and place not in _refusals:
        _refusals.pop(next(iter(tuple(_refusals))), None)
    _refusals[place] = (_now() + REFUSED_S, digest)


def refuses(model: str, base_url: str | None) -> bool:
    """Say whether a server refused the field within the last hour."""
    until, first = _refusals.get(_place(model, base_url), (0.0, None))
    return first is None and _now() < until


def forget() -> None:
    """Forget everything: for tests."""
    for known in (_leaks, _reasoning, _refusals):
        known.clear()


def _place(model: str, base_url: str | None) -> Place:
    """Return what is learnt of: the engine on this machine takes another port each time."""
    return model, None if model.startswith("local/") else base_url
