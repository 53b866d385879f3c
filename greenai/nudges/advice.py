"""What is said about a call that a model answered, and never changes one: advisors, in their order, each seldom.

An advisor is a callable with a name that is shown each such call once it is done, and may say something about the calls
it has seen. What it keeps is bounded, holds no text, and is in this process alone. The same advice on calls of one form
is given to a project at most once a day.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from greenai._locks import Lock
from greenai.nudges.messages import say
from greenai.values import Note

if TYPE_CHECKING:
    from greenai.catalog import Card
    from greenai.hours import CleanHour
    from greenai.values import Message, Options, Usage

__all__ = ["Advice", "Advisor", "Recent", "Seen", "advised"]

K = TypeVar("K")
V = TypeVar("V")

AGAIN_S = 86_400.0
MOST_REMEMBERED = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One call that a model answered.

    Attributes:
        options: what the call was allowed; its project too.
        messages: what was sent, as the app wrote it.
        form: the form of the request, without its content.
        reply: the text of the answer.
        model: what answered.
        card: its card in the catalog, if it has one.
        usage: the tokens of the answer that was delivered.
        started: when the call began, in seconds of the monotonic clock.
        ended: when it was done.
        thread: the thread it was driven on.
        cleaner: returns the cleanest hour to come for that model, None where no forecast knows one.
    """

    options: Options
    messages: Sequence[Message] = field(repr=False)
    form: int
    reply: str = field(repr=False)
    model: str
    card: Card | None
    usage: Usage
    started: float
    ended: float
    thread: int = 0
    cleaner: Callable[[], CleanHour | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Something to say: `id` names the text, `data` are its figures, `about` tells it from the same on other calls."""

    id: str
    data: Mapping[str, Any]
    about: object = None


class Advisor(Protocol):
    """Looks at calls that are done, and may say something."""

    @property
    def name(self) -> str:
        """The name of its switch."""
        ...

    def __call__(self, seen: Seen, /) -> Advice | None:
        """Take note of a call; return what is worth saying."""
        ...


class Recent(Generic[K, V]):
    """The values of the keys that were used last, at most `most`; every method under one lock of the owner's."""

    def __init__(self, most: int = 1024) -> None:
        self._held: OrderedDict[K, V] = OrderedDict()
        self._most = most
        self.lock = Lock()

    def take(self, key: K, make: Callable[[], V]) -> V:
        """Return the value of a key, made now if it has none, and take it for the one used last."""
        found = self._held.get(key)
        if found is None:
            found = self._held[key] = make()
            if len(self._held) > self._most:
                self._held.popitem(last=False)
        else:
            self._held.move_to_end(key)
        return found

    def drop(self, key: K) -> None:
        """Forget a key."""
        self._held.pop(key, None)

    def __len__(self) -> int:
        return len(self._held)


class Given:
    """Which advice was given when, so that none is given twice in a day. Safe from any thread."""

    def __init__(self, again_s: float = AGAIN_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._again_s = again_s
        self._clock = clock
        self._last: Recent[tuple[object, ...], list[float]] = Recent(MOST_REMEMBERED)

    def may(self, project: str, advice: Advice) -> bool:
        """Say whether it may be given now, and remember that it was."""
        key, now = (project, advice.id, advice.about), self._clock()
        with self._last.lock:
            last = self._last.take(key, list)
            if last and now - last[0] < self._again_s:
                return False
            last[:] = [now]
            return True


def advised(
    seen: Seen, advisors: Sequence[Advisor], given: Given, off: frozenset[str], language: str
) -> tuple[Note, ...]:
    """Show a call to the advisors that are on; return what they have to say that was not said today."""
    project = seen.options.project
    found = [(one.name, one(seen)) for one in advisors if one.name not in off]
    return tuple(
        Note(
            nudge=name,
            text=say(advice.id, advice.data, language),
            override=f"nudges = {{ {name} = false }}",
            id=advice.id,
            data=advice.data,
        )
        for name, advice in found
        if advice is not None and given.may(project, advice)
    )
