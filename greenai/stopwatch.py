"""Time of one call: what greenai took itself, apart from what it waited for a provider."""

from __future__ import annotations

import threading
import time

__all__ = ["Stopwatch"]


class Stopwatch:
    """Times one call, less the time spent waiting for a provider: what is left is greenai's own."""

    def __init__(self) -> None:
        self.started = self._started = time.perf_counter()
        self.thread = threading.get_ident()  # the app's own: parts of a call may be done on others
        self._away_s = 0.0
        self.load_s = 0.0
        self.load_core_s = 0.0
        self.load_gpu_j = 0.0
        self.idle_j: float | None = None

    def away(self, seconds: float) -> None:
        """Take out time that passed at a provider, in seconds."""
        self._away_s += seconds

    def loaded(self, elapsed_s: float, core_s: float | None, gpu_j: float = 0.0) -> None:
        """Note that a local model was started: how long that took, and its core-seconds and its GPUs' joules."""
        self.load_s += elapsed_s
        self.load_core_s += elapsed_s if core_s is None else core_s
        self.load_gpu_j += gpu_j

    def own_s(self) -> float:
        """Return greenai's own seconds so far."""
        return max(time.perf_counter() - self._started - self._away_s, 0.0)
