"""Energy of a process on this machine's processor: the core-seconds it used, times watts per core.

Core-seconds are read from the kernel, exactly; watts per core are a coefficient of the processor (`watts.py`), so the
reading is modelled. How windows that are open on one process at once share what it uses is decided in `shares.py`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from greenai.meters.core_time import READS_OTHERS, process_ns
from greenai.meters.shares import Account, Accounts, Amounts, Claim
from greenai.meters.watts import here
from greenai.readings import Reading
from greenai.units import significant

__all__ = ["CpuWindow", "account_of", "begin", "core_seconds", "method", "probe", "reading", "uncharged_s"]


def reading(core_s: float, watts_per_core: float | None = None) -> Reading:
    """Return the energy of `core_s` core-seconds, in joules, processor package only.

    `watts_per_core` is what one busy core of this machine draws; without it the figure of the table for this
    processor, or a stated default with a wide interval.
    """
    watts = here(watts_per_core)
    energy_j = core_s * watts.value
    return Reading(
        energy_j=energy_j,
        low_j=core_s * watts.low,
        high_j=core_s * watts.high,
        gpu_energy_j=0.0,
        evidence="modelled_known_deployment",
        method=method(watts.value, watts.name),
        components={"cpu": energy_j},
    )


@lru_cache(maxsize=64)
def method(watts_per_core: float, whose: str | None = None) -> str:
    """Return the method's name with its one coefficient, and whose figure that is."""
    return f"cpu-time-2 ({significant(watts_per_core, 3)} W per core{f', {whose}' if whose else ''})"


def core_seconds(pid: int) -> float | None:
    """Return the core-seconds that process `pid` has used, all threads, or None where that cannot be read."""
    used_ns = process_ns(pid)
    return None if used_ns is None else used_ns / 1e9


@dataclass(frozen=True, slots=True)
class CoreTime:
    """Counts the core time of one process, in nanoseconds."""

    pid: int
    kinds: int = 1

    def read(self, *, resting: bool) -> Amounts | None:
        """Return the core time so far; None if the process is gone."""
        del resting
        used_ns = process_ns(self.pid)
        return None if used_ns is None else (used_ns,)


@dataclass(slots=True, eq=False)
class CpuWindow:
    """One piece of work in a process; once closed, `used_ns` is its share of the process's core time."""

    account: Account[CoreTime]
    claim: Claim
    watts_per_core: float | None = None
    used_ns: int = 0
    closed: bool = False
    result: Reading | None = field(default=None, repr=False)

    def stop(self, tokens: float | None = None) -> Reading | None:
        """Close the window and return its energy; None if the process ended or used no core time that can be seen.

        `tokens` is the window's work: windows that overlap are charged by it. A second stop changes nothing.
        """
        if not self.closed:
            self.closed = True
            taken = self.account.close(self.claim, tokens)
            self.used_ns = taken[0] if taken else 0
            self.result = reading(self.used_ns / 1e9, self.watts_per_core) if self.used_ns else None
        return self.result


_accounts: Accounts[CoreTime] = Accounts()


def account_of(pid: int) -> Account[CoreTime]:
    """Return the one account that shares out process `pid`'s core time."""
    return _accounts.of(pid, lambda: CoreTime(pid))


def begin(pid: int, watts_per_core: float | None = None) -> CpuWindow | None:
    """Begin measuring process `pid`; None where its core time cannot be read."""
    account = account_of(pid)
    claim = account.open()
    return None if claim is None else CpuWindow(account, claim, watts_per_core)


def uncharged_s(pid: int) -> float:
    """Return the core-seconds that process `pid` was seen to use while no window was open on it."""
    return account_of(pid).pots.uncharged[0] / 1e9


def probe() -> dict[str, Any]:
    """Return whether the core time of another process can be read, why not, and how to change that."""
    return {
        "name": "cpu-time",
        "usable": READS_OTHERS,
        "why_not": None if READS_OTHERS else f"{sys.platform} does not tell another process's core time",
        "how": None if READS_OTHERS else "local models are estimated here",
    }
