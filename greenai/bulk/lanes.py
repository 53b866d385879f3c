"""What a lane is: the way by which the items of a batch are answered. It knows nothing of the journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from greenai.bulk.values import Answered, Item

if TYPE_CHECKING:
    from greenai.session import Session

__all__ = ["Backend", "Bench", "Fleet", "Keep", "Lane", "State", "Stop", "Tell"]

Backend = Literal["calls", "provider", "ray", "vllm"]

Keep: TypeAlias = Callable[[str, Answered], None]
"""Keeps what was found for the item with this key; durable when it returns. Once an item, from any thread."""
Tell: TypeAlias = Callable[[str], None]
"""Shows a line beside the progress."""
Stop: TypeAlias = Callable[[], bool]
"""Says whether the lane is to end soon: somebody pressed Ctrl-C, or closed the job. What it was not asked is later."""


class State(Protocol):
    """What a lane has to remember from one process to the next, such as the id of a provider's batch."""

    def get(self, name: str) -> str | None:
        """Return what was set, in this process or an earlier one."""
        ...

    def set(self, name: str, text: str | None) -> None:
        """Remember `text`, or forget it with None; durable when it returns."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a lane works with.

    Attributes:
        session: whose settings, budgets, cache and ledger hold.
        state: what the lane remembers.
        job: the job's name.
        digest: what its requests are, as a hash.
        at_once: how many requests may be under way at the same time; None leaves it to the lane.
    """

    session: Session
    state: State
    job: str
    digest: str
    at_once: int | None = None


class Lane(Protocol):
    """Answers items: through the client's own flow, a provider's batch API, or a fleet. Made of a `Bench`."""

    name: Backend

    def answer(self, items: Sequence[Item], keep: Keep, tell: Tell, until: Stop) -> None:
        """Answer the items, and return when all are kept or `until` says so.

        A failure of one item is kept as its error. What ends the whole run (a budget that is spent, a disk that is
        full, a package that is missing) is raised; what was kept until then stays.
        """
        ...


class Fleet(Protocol):
    """How machines of one's own are used, as `backend=` takes it: `ray_lane.Ray` and `vllm_lane.Vllm`."""

    @property
    def name(self) -> Backend:
        """The name of its lane."""
        ...

    def lane(self, bench: Bench) -> Lane:
        """Return the lane that uses them so."""
        ...
