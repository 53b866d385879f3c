"""Share what one process used out over the windows that are open on it. No I/O: counters are passed in.

A window that closes must get its figure then, although nobody knows yet what the others will have done. The rule:

- *Pots.* What was used while some windows were open goes into the pot of exactly these windows. A window is charged
  from pots that it was open for and from no other, so it never pays for what was used before it came.
- *Price.* A window that closes takes its tokens times the price of a token. What only it was open for is its own in any
  case; the rest comes from the pots it shares, the same part of each, but never all: others have worked too
  (`LEAVE`). Without tokens (the call failed, or nobody counted), or before there is a price, it takes an equal part of
  each pot by the number of windows that own it, that is, by time.
- *Rest.* What it leaves stays for the other windows of that pot. The last to close takes what is left, so the shares
  add up, in whole numbers, to what was used. What was used while no window was open is nobody's (`uncharged`), and so
  is what only a window was open for that was thrown away without an end.

The price is learnt from the windows closed lately: what they were charged per token. That lags at first where many
start at once, so a second one, what was used from one close to the next per token, counts beside it (geometric mean)
and less with every window.
Tokens weigh by their work: a prompt token counts as `prefill / decode` output tokens (`work`).

benchmarks/shares.py runs the rule on a simulated engine and compares each call's share with what it caused.
"""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from greenai._locks import Lock
from greenai.meters.coefficients import coefficients
from greenai.values import Usage

__all__ = ["Account", "Accounts", "Amounts", "Claim", "Pots", "Source", "work"]

Amounts = tuple[int, ...]
"""Whole numbers of what was used, one of each kind, such as nanoseconds of core time and microjoules."""

LEAVE = 0.2
"""What k other windows keep of a pot at least: k / (k + 1) of this part. So no window that worked is left with nothing.
Assumption, 2026-11-21: chosen in the simulation, where less gave larger errors and more a worse split of 10 to 1."""

PRICE_MEMORY = 0.95
"""Weight that the price so far keeps when one more window closes. Assumption, 2026-11-21."""

FLOW_TRUST, FLOW_MEMORY = 0.5, 0.98
"""Weight of the second price, and what it keeps of it with each window. Assumption, 2026-11-21."""

MOST_ACCOUNTS = 64
"""Processes whose price is remembered while no window is open on them: those measured last."""


def work(usage: Usage) -> float | None:
    """Return the work of a call in output tokens: prompt tokens that were not cached count for less; None if unknown.

    The ratio is that of the core time a token takes, from `cpu_core_s_per_token_b`.
    """
    if usage.input_tokens is None and usage.output_tokens is None:
        return None
    decode, prefill = coefficients()["cpu_core_s_per_token_b"]["value"]
    fresh = max((usage.input_tokens or 0) - (usage.cached_tokens or 0), 0)
    return (usage.output_tokens or 0) + fresh * prefill / decode or None


@dataclass(slots=True, eq=False, weakref_slot=True)
class Claim:
    """One open window. `lost` says that the counters started anew or could not be read meanwhile."""

    lost: bool = False


@dataclass(slots=True, eq=False)
class Pots:
    """The open windows of one process, oldest first, and what waits for them. Who drops a claim gives it up.

    `pots[k]` belongs to the first k + 1 of `claims`: whatever was used while a window was open, the windows older than
    it were open too. The price is learnt in the first kind of amounts: `charged` and `used` for `tokens`, all three
    forgotten alike, and `since` was used since a window last closed with tokens.
    """

    kinds: int = 1
    claims: list[weakref.ref[Claim]] = field(default_factory=list)
    pots: list[list[int]] = field(default_factory=list)
    uncharged: list[int] = field(init=False)
    charged: float = 0.0
    used: float = 0.0
    tokens: float = 0.0
    since: int = 0
    closed: int = 0

    def __post_init__(self) -> None:
        self.uncharged = [0] * self.kinds

    @property
    def price(self) -> float | None:
        """Return the price of a token, or None before a window closed with tokens."""
        if not self.charged or not self.used:
            return None
        trust = FLOW_TRUST * FLOW_MEMORY**self.closed
        price: float = self.charged ** (1 - trust) * self.used**trust / self.tokens
        return price

    def open(self) -> Claim:
        """Open a window."""
        claim = Claim()
        self.claims.append(weakref.ref(claim))
        self.pots.append([0] * self.kinds)
        return claim

    def expire(self) -> None:
        """Forget the windows that were given up: nobody can close them any more."""
        for place in reversed([place for place, claim in enumerate(self.claims) if claim() is None]):
            left = self._remove(place)
            if not place:
                self.uncharged = [a + b for a, b in zip(self.uncharged, left, strict=True)]
                self.since = max(self.since - left[0], 0)

    def charge(self, amounts: Amounts) -> None:
        """Take in what was used since the last charge."""
        pot = self.pots[-1] if self.pots else self.uncharged
        self.since += amounts[0] if self.pots else 0
        for kind, amount in enumerate(amounts):
            pot[kind] += amount

    def lose(self) -> None:
        """Forget what waits and mark every open window as lost."""
        for claim in filter(None, (ref() for ref in self.claims)):
            claim.lost = True
        self.pots = [[0] * self.kinds for _ in self.claims]
        self.charged = self.used = self.tokens = 0.0
        self.since = 0

    def close(self, claim: Claim, tokens: float | None = None) -> Amounts:
        """Close a window and return what it is charged. `tokens` is its work, None where unknown."""
        tokens = tokens if tokens and 0 < tokens < math.inf else None
        place = self.claims.index(weakref.ref(claim))
        taken = [0] * self.kinds
        for pot, part in zip(self.pots[place:], self._parts(place, tokens), strict=True):
            for kind, amount in enumerate(pot):
                mine = amount if part == 1 else int(amount * part)
                pot[kind] -= mine
                taken[kind] += mine
        self._remove(place)
        self._learn(taken[0], tokens)
        return tuple(taken)

    def _parts(self, place: int, tokens: float | None) -> list[float]:
        """Return which part of each pot from `place` on the window at `place` takes."""
        last = len(self.pots)
        if tokens is None or self.price is None:
            return [1 / (k + 1) for k in range(place, last)]
        own = self.pots[0][0] if place == 0 else 0
        shared = sum(pot[0] for pot in self.pots[max(place, 1) :])
        part = max((tokens * self.price - own) / shared, 0.0) if shared else 0.0
        return [min(part, 1 - LEAVE * k / (k + 1)) if k else 1 for k in range(place, last)]

    def _learn(self, taken: int, tokens: float | None) -> None:
        if tokens is None:
            self.since = max(self.since - taken, 0)
            return
        self.charged = self.charged * PRICE_MEMORY + taken
        self.used = self.used * PRICE_MEMORY + self.since
        self.tokens = self.tokens * PRICE_MEMORY + tokens
        self.since = 0
        self.closed += 1

    def _remove(self, place: int) -> list[int]:
        """Remove a window and return what it left, which goes to those that its pot was shared with."""
        left = self.pots.pop(place)
        if place:
            self.pots[place - 1] = [a + b for a, b in zip(self.pots[place - 1], left, strict=True)]
        del self.claims[place]
        return left


class Source(Protocol):
    """Counts what one process uses, in `kinds` kinds of whole numbers."""

    @property
    def kinds(self) -> int:
        """Return how many amounts there are."""
        ...

    def read(self, *, resting: bool) -> Amounts | None:
        """Return totals that never fall, or None where they cannot be read. `resting`: no window is open."""
        ...


S = TypeVar("S", bound=Source)


@dataclass(slots=True, eq=False, weakref_slot=True)
class Account(Generic[S]):
    """One process: its counters' totals when a window last opened or closed, and its windows. Safe from any thread.

    `home` is the process that opens the windows. A forked child cannot close them: the parent does, and the copy may
    be torn.
    """

    source: S
    pots: Pots = field(init=False)
    seen: Amounts | None = None
    lock: Lock = field(default_factory=Lock)
    home: int = field(default_factory=os.getpid)

    def __post_init__(self) -> None:
        self.pots = Pots(self.source.kinds)

    def open(self) -> Claim | None:
        """Open a window; None where the process cannot be read."""
        with self.lock:
            return self.pots.open() if self._charge() else None

    def close(self, claim: Claim, tokens: float | None = None) -> Amounts | None:
        """Close a window and return what it is charged; None if a reading failed meanwhile, or in a forked child."""
        if os.getpid() != self.home:
            return None
        with self.lock:
            self._charge()
            taken = self.pots.close(claim, tokens)
        return None if claim.lost else taken

    def _charge(self) -> bool:
        self.pots.expire()
        now = self.source.read(resting=not self.pots.claims)
        before, self.seen = self.seen, now
        if now is None or (before is not None and any(b > n for b, n in zip(before, now, strict=True))):
            self.pots.lose()  # the process ended, or its number was given to another one
        elif before is not None:
            self.pots.charge(tuple(n - b for b, n in zip(before, now, strict=True)))
        return now is not None


class Accounts(Generic[S]):
    """The accounts of one meter, by process. A forked child starts with none: windows are open in the parent only.

    An account lives as long as a window on it, or `MOST_ACCOUNTS` processes more.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._accounts: weakref.WeakValueDictionary[Hashable, Account[S]] = weakref.WeakValueDictionary()
        self._latest: dict[Hashable, Account[S]] = {}
        _ALL.add(self)

    def of(self, key: Hashable, make: Callable[[], S]) -> Account[S]:
        """Return the one account of `key`; `make` is called for its source at the first window."""
        with self._lock:
            found = self._accounts.get(key)
            if found is None:
                found = self._accounts[key] = Account(make())
            self._latest.pop(key, None)
            self._latest[key] = found
            if len(self._latest) > MOST_ACCOUNTS:
                del self._latest[next(iter(self._latest))]
            return found

    def forget(self) -> None:
        """Start anew."""
        self._accounts = weakref.WeakValueDictionary()
        self._latest = {}


_ALL: weakref.WeakSet[Accounts[Any]] = weakref.WeakSet()


def _forget_all() -> None:
    for accounts in list(_ALL):
        accounts.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
