"""A batch that can be run, stopped, and run again: `client.batch(...)` returns one.

    run ─ hold the journal ─ write the requests ─ wait for the window ─ a lane answers what is left ─ results

What is said to whoever watches is in watching.py. Ctrl-C lets what is under way end, and leaves the rest for later.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeVar

from greenai.bulk import callers, ways, window
from greenai.bulk.answers import nothing
from greenai.bulk.calls_lane import Ask, at_once
from greenai.bulk.items import Given, read
from greenai.bulk.journal import Journal, folder_of
from greenai.bulk.lanes import Backend, Bench
from greenai.bulk.plan import CALL_S, Outlook, Plan, outlook
from greenai.bulk.values import Answered, Item
from greenai.bulk.watching import Progress, Shown, Watching, watched
from greenai.errors import BatchPaused, BudgetExceeded, GreenAIError, InvalidRequest
from greenai.readings import Reading

if TYPE_CHECKING:
    from greenai.bulk.answers import Answer, BatchReceipt
    from greenai.bulk.items import Requests
    from greenai.bulk.window import By, Window
    from greenai.session import Session

__all__ = ["AsyncJob", "Job", "Progress", "Watching"]

OWN = "The client's own calls: cache, budgets and receipts as for any other."
T = TypeVar("T")
_log = logging.getLogger("greenai")


class _Job:
    """What both jobs are."""

    def __init__(
        self,
        session: Session,
        requests: Requests | None,
        *,
        by: By = None,
        name: str | None = None,
        backend: ways.Way | None = None,
        model: str | None = None,
        at_once: int | None = None,
        progress: Watching = True,
        ask: Ask | None = None,
    ) -> None:
        if requests is None and name is None:
            raise InvalidRequest("A batch takes requests, or the name of one that was begun: batch(name=...).")
        if at_once is not None and at_once < 1:
            raise InvalidRequest(f"at_once={at_once!r} asks nothing. Pass 1 or more, or leave it out.")
        self._session = session
        self._requests = requests
        self._by = by
        self._named = name
        self._backend: ways.Way | None = backend
        self._model = model
        self._at_once = at_once
        self._progress = progress
        self._ask = ask
        self._stop = threading.Event()
        self._pressed = False
        self._finished = False
        self._read: Given | None = None
        self._laid = False
        self._broken: BaseException | None = None
        window.ends_by(by, now=datetime.now(UTC))  # which refuses nonsense before anything is read
        if backend is not None:
            ways.name_of(backend)

    def __repr__(self) -> str:
        made: Journal | None = self.__dict__.get("_journal")  # looking at it reads no requests
        name = self._named or (made and made.name)
        return f"<{type(self).__name__} {name or 'that was not read yet'}>"

    @property
    def name(self) -> str:
        """The name by which it is resumed."""
        return self._journal.name

    @property
    def command(self) -> str:
        """The line for a shell that goes on with it."""
        project = self._session.config.options.project
        return f"greenai batch --resume {self.name}{'' if project == 'default' else f' --project {project}'}"

    def stop(self) -> None:
        """Let what is under way end, and ask nothing more; from any thread."""
        self._stop.set()

    @property
    def _given(self) -> Given | None:
        """The requests; None where they are in the journal, and in memory no more."""
        if self._requests is None or (self._laid and self._journal.exists()):
            return None
        if self._read is None:
            self._read = self._all_of(self._requests)
        return self._read

    def _all_of(self, requests: Requests) -> Given:
        if self._broken is not None:
            raise InvalidRequest(
                f"The requests of this batch broke off ({self._broken}), and come from an iterator that cannot be read "
                "again from its beginning. Make the iterator anew, and a batch of it."
            ) from self._broken
        try:
            return read(requests, self._model, self._session.config.options)
        except BaseException as error:
            if isinstance(requests, Iterator):  # what is left of it would pass for all
                self._broken = error
            raise

    @cached_property
    def _journal(self) -> Journal:
        name = self._named or callers.name_of(self._session, self._given.digest if self._given else "")
        return Journal(folder_of(self._session.resources.settings), name)

    def _claim(self) -> Journal:
        """Return the journal for who may have it, to go on with the options that the job was begun with.

        Raises:
            BatchError: no job has this name, or it is another tenant's.
        """
        journal = self._journal
        if self._requests is None:
            journal.require()  # before a lock is made for a name that no job has
            self._session = callers.restored(self._session, journal.options())
        if journal.exists():
            callers.refuse_others(self._session, journal.options(), journal.name)
        return journal

    # Looking ahead.

    def _left(self) -> tuple[list[Item], int, int]:
        """Return the items to be asked, how many there are, and how many requests."""
        journal, given = self._claim(), self._given
        if given is None:
            counts = journal.counts()
            return journal.left(), counts.items, counts.requests
        done: frozenset[str] = frozenset()
        if journal.exists():
            journal.refuse_others(given)
            done = journal.keys_done()
        left = [item for key, item in given.items.items() if key not in done]
        return left, len(given.items), len(given.order)

    def _planned(self) -> Plan:
        left, items, requests = self._left()
        seen = outlook(self._session, left) if left else Outlook(looked_at=0, cached=0, refused=0, energy=_nothing())
        several, (way, why) = self._several(left), self._way
        return Plan(
            name=self.name,
            requests=requests,
            unique=items,
            done=items - len(left),
            left=len(left),
            cached=round(seen.cached * len(left) / seen.looked_at) if seen.looked_at else None,
            looked_at=seen.looked_at,
            refused=seen.refused,
            backend=way,
            why=why,
            at_once=several if way == "calls" else self._at_once,
            window=_of_a_provider() if way == "provider" else self._window(len(left), several),
            energy=seen.energy,
            models=seen.models,
        )

    @cached_property
    def _way(self) -> tuple[Backend, str]:
        """Return how the items are asked, and why so: as was said, as this job was begun, or as fits the time."""
        if self._backend is not None:
            return ways.name_of(self._backend), "As asked."
        begun = self._journal.backend() if self._journal.exists() else None
        if begun is not None:
            return begun, "As it was begun."
        over = self._over()
        if over is None:
            return "calls", OWN
        from greenai.bulk.provider_lane import why_not

        models = frozenset() if self._given is None else self._given.models
        left_s = round((over - datetime.now(UTC)).total_seconds())  # so that a day is one a moment later too
        against = why_not(self._session, models, left_s)
        if against is None:
            return "provider", "There is a day's time: a provider's batch API takes it at half the price."
        return "calls", f"{OWN} {against}"

    def _over(self) -> datetime | None:
        """Return until when it has to be done: as was said now, or when it was begun."""
        if self._by is None:
            return self._journal.by() if self._journal.exists() else None
        return window.ends_by(self._by, now=datetime.now(UTC))

    def _several(self, left: list[Item]) -> int:
        return self._at_once or at_once(self._session, frozenset(item.body.get("model") for item in left))

    def _window(self, left: int, several: int) -> Window:
        by = self._by if self._by is not None else self._over()
        return window.of_session(by, self._session, left * CALL_S / several)

    # Looking back.

    def _begun(self) -> bool:
        """Say whether there is anything of it. Looking makes no journal; a name that no job has is refused."""
        return self._claim().exists()

    def _answers(self) -> Iterator[Answer]:
        return self._journal.answers() if self._begun() else iter(())

    def _receipt(self) -> BatchReceipt:
        return self._journal.receipt() if self._begun() else nothing()

    # Running.

    def _run(self) -> None:
        journal = self._claim()
        (way, _), over = self._way, self._over()
        with journal.held():
            journal.begin(self._given, way, over, callers.said(self._session))
            self._read, self._laid = None, True
            counts = journal.counts()
            left = journal.left()
            with watched(self._progress) as tell, self._interruptible():
                shown = Shown(tell, counts.items - counts.left, counts.items)
                try:
                    if left:
                        self._answer(left, shown)
                finally:
                    self._stop.clear()  # so that it can be run again
                    self._pressed = False
        self._finished = True

    def _answer(self, left: list[Item], shown: Shown) -> None:
        several = self._several(left)
        way, _ = self._way
        if way != "provider":  # which has a day, and chooses the hour itself
            self._wait(self._window(len(left), several), shown)
        bench = self._bench(several if way == "calls" else self._at_once)

        def keep(key: str, answered: Answered) -> None:
            if self._journal.keep(key, answered):
                shown.count(answered)

        shown.begin()
        try:
            if not self._stop.is_set():
                ways.lane_of(self._backend or way, bench, self._ask).answer(left, keep, shown.say, self._stop.is_set)
        except InvalidRequest:  # a wrong use, with which it would end again
            raise
        except GreenAIError as error:
            raise self._paused(error) from error
        except Exception as error:
            if not _is_of_a_provider(error):
                raise
            raise self._paused(error) from error
        if self._stop.is_set() and self._journal.counts().left:
            raise KeyboardInterrupt if self._pressed else self._stopped()

    def _bench(self, at_once: int | None = None) -> Bench:
        journal = self._journal
        return Bench(session=self._session, state=journal.state, job=self.name, digest=journal.digest, at_once=at_once)

    def _forget(self) -> None:
        """Delete the job; what runs at a provider is cancelled first."""
        journal = self._claim()
        journal.require()
        with journal.held():
            if journal.backend() == "provider":
                from greenai.bulk.provider_lane import cancel

                cancel(self._bench(), lambda text: _log.warning("%s", text))
            journal.delete()
        self._finished = False

    def _wait(self, planned: Window, shown: Shown) -> None:
        """Wait until the window begins, or somebody stops the job."""
        while not self._stop.is_set() and (left_s := (planned.start - datetime.now(UTC)).total_seconds()) > 0:
            shown.say(f"waiting until {planned.start.astimezone():%a %H:%M}. {planned.reason}")
            self._stop.wait(min(left_s, 30.0))

    def _paused(self, error: Exception) -> BatchPaused:
        why = " ".join((str(error), *getattr(error, "__notes__", ())))
        kind = "a budget is spent" if isinstance(error, BudgetExceeded) else type(error).__name__
        return self._ended("paused", f" ({kind}): {why}")

    def _stopped(self) -> BatchPaused:
        return self._ended("stopped", ".")

    def _ended(self, how: str, why: str) -> BatchPaused:
        try:
            counts = self._journal.counts()
            done, of = counts.items - counts.left, counts.items
            said = f"{done:,} of {of:,} done"
        except GreenAIError:  # the disk that is full may also be the one that cannot be read
            done, of, said = 0, 0, "what was done is kept"
        return BatchPaused(
            f"The batch {self.name} is {how}, {said}{why}\nResume it with: {self.command}\nor in Python: "
            f"client.batch(name={self.name!r})",
            name=self.name,
            done=done,
            of=of,
        )

    @contextmanager
    def _interruptible(self) -> Generator[None]:
        """Take the first Ctrl-C as a wish to stop; the second one ends the program as ever."""
        ours = threading.current_thread() is threading.main_thread()
        if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return

        def asked(*_: object) -> None:
            self._pressed = True
            self._stop.set()
            signal.signal(signal.SIGINT, signal.default_int_handler)

        signal.signal(signal.SIGINT, asked)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)


class Job(_Job):
    """A batch: what `Client.batch` returns. Nothing is read or asked before it is run, looked at or iterated over."""

    @property
    def plan(self) -> Plan:
        """What it is going to do. Nothing is written and no model is asked."""
        return self._planned()

    def run(self) -> Self:
        """Answer what is left; waits for the window first.

        Raises:
            BatchPaused: a budget is spent, a provider refuses the caller, the disk is full, somebody called `stop` ...;
                run it again later.
            BatchError: another process runs it, or the name is that of other requests.
            KeyboardInterrupt: somebody pressed Ctrl-C; what was answered is kept.
        """
        self._run()
        return self

    def results(self, *, run: bool = True) -> Iterator[Answer]:
        """Return an answer for each request, in the order given; with `run=False` as far as there are any.

        One that this object has run to its end is not run again by this: `run` asks again what failed for now.
        """
        if run and not self._finished:
            self.run()
        return self._answers()

    def __iter__(self) -> Iterator[Answer]:
        return self.results()

    @property
    def receipt(self) -> BatchReceipt:
        """What it took so far, in all its runs."""
        return self._receipt()

    def forget(self) -> None:
        """Delete it: its requests and answers; what a provider has of it that has not ended is cancelled.

        Raises:
            BatchError: there is none, or a process runs it.
        """
        self._forget()


class AsyncJob(_Job):
    """The same, awaited: `await job` runs it and `async for answer in job` gives the answers."""

    async def plan(self) -> Plan:
        """Do what `Job.plan` does, awaited."""
        return await asyncio.to_thread(self._planned)

    async def run(self) -> Self:
        """Do what `Job.run` does, awaited. Cancelled, it lets what is under way end first."""
        loop = asyncio.get_running_loop()
        self._ask = lambda request: asyncio.run_coroutine_threadsafe(self._session.aanswer(request), loop).result()
        running = _apart(self._run)
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            self.stop()
            with suppress(Exception):
                await running
            raise
        return self

    def __await__(self) -> Generator[Any, Any, Self]:
        return self.run().__await__()

    async def results(self, *, run: bool = True) -> AsyncIterator[Answer]:
        """Do what `Job.results` does, awaited."""
        if run and not self._finished:
            await self.run()
        answers = await asyncio.to_thread(self._answers)
        while (answer := await asyncio.to_thread(next, answers, None)) is not None:
            yield answer

    def __aiter__(self) -> AsyncIterator[Answer]:
        return self.results()

    async def receipt(self) -> BatchReceipt:
        """Do what `Job.receipt` does, awaited."""
        return await asyncio.to_thread(self._receipt)

    async def forget(self) -> None:
        """Do what `Job.forget` does, awaited."""
        await asyncio.to_thread(self._forget)


def _apart(work: Callable[[], T]) -> asyncio.Future[T]:
    """Do work on a thread of its own, for the running loop.

    It lasts for hours, and its calls wait for the loop's pool of threads (to look up a host's name, for example): jobs
    that filled that pool would wait for themselves.
    """
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()  # so that nobody cancels it under the thread's feet

    def told() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  # whoever awaits it gets it
            done.set_exception(error)
        else:
            done.set_result(result)

    threading.Thread(target=copy_context().run, args=(told,), name="greenai-batch-job", daemon=True).start()
    return asyncio.wrap_future(done)


def _of_a_provider() -> Window:
    now = datetime.now(UTC)
    return window.Window(start=now, end=now + timedelta(days=1), reason="Now; the provider answers within 24 hours.")


def _is_of_a_provider(error: Exception) -> bool:
    import openai

    return isinstance(error, openai.OpenAIError)


def _nothing() -> Reading:
    return Reading(energy_j=0.0, low_j=0.0, high_j=0.0, evidence="measured", method="nothing is left to be asked")
