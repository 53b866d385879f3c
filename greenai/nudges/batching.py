"""Point out loops of calls that a provider's batch API would serve for less, with what it charges.

A loop is `LOOP` calls of one form, each begun within `GAP_S` of the end of the one before, on one thread; of calls
that are not urgent by the app's own word, `NOT_URGENT` within `WINDOW_S` are enough. Nothing is said of a model whose
batch price the catalog does not list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenai.nudges.advice import Advice, Recent

if TYPE_CHECKING:
    from greenai.catalog import Price
    from greenai.nudges.advice import Seen

__all__ = ["Batching"]

LOOP = 20
GAP_S = 0.5
NOT_URGENT = 5
WINDOW_S = 600.0


@dataclass(slots=True)
class _Run:
    count: int = 0
    began: float = 0.0
    ended: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0


class Batching:
    """Counts calls of one form in a row."""

    name = "batching"

    def __init__(self) -> None:
        self._runs: Recent[tuple[object, ...], _Run] = Recent()

    def __call__(self, seen: Seen, /) -> Advice | None:
        """Return advice once a run is long enough, and begin to count anew."""
        price = None if seen.card is None else seen.card.price
        if price is None or "batch" not in price.services:
            return None
        urgent = seen.options.urgent
        key = (seen.options.project, seen.model, seen.form, urgent, seen.thread if urgent else None)
        with self._runs.lock:
            run = self._runs.take(key, _Run)
            if not run.count or not _goes_on(run, seen, urgent=urgent):
                run.count, run.began, run.input_tokens, run.output_tokens = 0, seen.started, 0, 0
            run.count += 1
            run.ended = seen.ended
            run.input_tokens += seen.usage.input_tokens or 0
            run.output_tokens += seen.usage.output_tokens or 0
            if run.count < (LOOP if urgent else NOT_URGENT):
                return None
            self._runs.drop(key)
        return _advice(run, seen, price)


def _goes_on(run: _Run, seen: Seen, *, urgent: bool) -> bool:
    if not urgent:
        return seen.started - run.began <= WINDOW_S
    return 0.0 <= seen.started - run.ended <= GAP_S


def _advice(run: _Run, seen: Seen, price: Price) -> Advice | None:
    batch = price.services["batch"]
    usd = (run.input_tokens * price.input + run.output_tokens * price.output) / 1e6
    batch_usd = (run.input_tokens * batch.input + run.output_tokens * batch.output) / 1e6
    if not usd or batch_usd >= usd:
        return None
    return Advice(
        id="batching.loop" if seen.options.urgent else "batching.not_urgent",
        data={
            "count": run.count,
            "seconds": max(run.ended - run.began, 1.0),
            "model": seen.model,
            "provider": seen.model.partition("/")[0],
            "share": batch_usd / usd,
            "usd": usd,
            "batch_usd": batch_usd,
            "price_source": price.source,
        },
        about=(seen.model, seen.form),
    )
