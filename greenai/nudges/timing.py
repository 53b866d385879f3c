"""Name a cleaner hour for what is not urgent, where a forecast knows one.

A call that was made is answered at once: nothing sleeps inside it. The receipt's note carries `defer_until`, and
`client.when_clean()` says the same before a call, so that the app's own scheduler can wait.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from greenai.nudges.advice import Advice

if TYPE_CHECKING:
    from greenai.nudges.advice import Seen

__all__ = ["Timing"]

WORTH_IT = 0.9
"""From this share of the present intensity on, waiting changes too little to be worth a word."""


class Timing:
    """Says when a kWh will emit less."""

    name = "timing"

    def __call__(self, seen: Seen, /) -> Advice | None:
        """Return advice on a call that is not urgent; the next one comes with the next cleaner hour."""
        if seen.options.urgent or seen.cleaner is None:
            return None
        found = seen.cleaner()
        if found is None or found.share > WORTH_IT:
            return None
        start = found.start.astimezone(UTC).isoformat(timespec="minutes").replace("+00:00", "Z")
        data = {
            "defer_until": start,
            "now_g": found.now_g_per_kwh,
            "then_g": found.g_per_kwh,
            "change": found.share - 1,
        }
        return Advice(id="timing.later", data=data, about=start)
