"""Answers items through a provider's batch API: at half the price, in larger batches, within 24 hours.

    item ─ decided, drafted as any call ─┬─ for OpenAI: a line of a file ─ uploaded ─ a batch ─ asked after ─ kept
                                         └─ for no provider (cache, tools, this machine): the client's own flow

The model is the one that a call would ask, with reasoning off and the other nudges as there. A batch cannot ask one
rung above where an answer is in doubt: where a call would verify a cheaper model's answer, the next one is asked at
once.
The batch is one call in the ledger, booked by `client.batches` (wire/batches.py); each item's receipt has its share.

What is under way is in the job's state (provider_parts.py): a process that goes on with the job asks after the same
batches. Asked to stop, the lane leaves them running at the provider.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from greenai import receipts
from greenai.bulk.batch_lines import ENDED, Line, missing, read, rejected
from greenai.bulk.calls_lane import ENDING, CallsLane, failure_of
from greenai.bulk.provider_api import Remote
from greenai.bulk.provider_files import PROVIDER, File, line_of, request_of
from greenai.bulk.provider_parts import Made, Part, Parts, Record
from greenai.bulk.values import Answered, Failure, Item
from greenai.errors import BudgetExceeded, GreenAIError
from greenai.steps import booking, fail_open
from greenai.stopwatch import Stopwatch
from greenai.values import Attempt, Decision, Draft, Receipt, Rung

if TYPE_CHECKING:
    from greenai.bulk.lanes import Backend, Bench, Keep, Lane, Stop, Tell
    from greenai.session import Session

__all__ = ["DAY_S", "Pace", "ProviderLane", "cancel", "why_not"]

logger = logging.getLogger("greenai")

DAY_S = 86_400.0
"""Within this a provider answers a batch, or ends it."""

MOST_FAILED = 30
"""So many times in a row a provider may fail to say how a batch is doing, each with its own retries."""

_LOOK_S = 0.25
_NO_MODEL = "model_not_found"
"""By which a provider says that this key may not use a model: a sibling that a call would choose is then left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often a batch is asked after, in seconds: first, and at last, since it takes minutes or hours."""

    first_s: float = 5.0
    longest_s: float = 120.0
    growth: float = 1.5


def why_not(session: Session, models: frozenset[str | None], left_s: float | None) -> str | None:
    """Return why a job does not go through a provider's batch API by itself; None where it does.

    Args:
        session: the client's.
        models: those that the requests name.
        left_s: how long the job has; None where it is to be done now.
    """
    if not session.resources.settings.provider_batches:
        return "The setting provider_batches is off, so each request is a call of its own."
    if session.config.endpoint is not None:
        return (
            f"The calls go to {session.config.endpoint}, and whether that has a batch API is not known. Where it has, "
            'pass backend="provider".'
        )
    others = sorted("no model named" if model is None else model for model in models if not _is_openai_s(model))
    if others:
        return f"A provider's batch is for OpenAI's models by name, and there are others: {', '.join(others)}."
    if left_s is None or left_s < DAY_S:
        return (
            'A provider\'s batch takes up to 24 h at half the price. Give the job that long (by="24h"), or pass '
            'backend="provider".'
        )
    remote = Remote(session, retries=0)
    refusal = remote.refusal()
    remote.close()
    return refusal


def _is_openai_s(model: str | None) -> bool:
    return model is not None and model != "auto" and ("/" not in model or model.startswith(f"{PROVIDER}/"))


class ProviderLane:
    """A provider's batch API.

    Args:
        bench: what every lane works with.
        calls: answers what no provider is needed for; by default the client's own flow.
        pace: how often a batch is asked after.
    """

    name: Backend = "provider"

    def __init__(self, bench: Bench, calls: Lane | None = None, pace: Pace | None = None) -> None:
        self._bench = bench
        self._calls = calls or CallsLane(bench)
        self._pace = pace or Pace()

    def answer(self, items: Sequence[Item], keep: Keep, tell: Tell, until: Stop) -> None:
        """Answer the items; returns early where `until` says so, and leaves the batches running at the provider.

        Raises:
            BudgetExceeded: a budget has too little left for a batch; nothing of it is left there. What was sent before
                is waited for first.
            openai.OpenAIError: the provider refuses, or fails again and again. What was kept stays.
        """
        run = _Run(self._bench, {item.key: item for item in items}, keep, tell, until, self._pace)
        try:
            run.resume()
            others, refusal = run.send()
            if others and not until():
                tell(f"{_count(len(others))} for no provider's batch (cached, or for a model elsewhere).")
                self._calls.answer(others, keep, tell, until)
            run.wait()
            if refusal is not None:
                raise refusal
        finally:
            run.close()


def cancel(bench: Bench, tell: Tell) -> None:
    """Cancel what a job has under way at the provider, and delete its files there; for a job that is forgotten."""
    import openai

    parts, remote = Parts(bench.state, bench.job), Remote(bench.session, retries=_retries(bench.session))
    try:
        for part in parts:
            name = part.batch or getattr(remote.adopted(part), "id", None)
            try:
                if name is not None and remote.batch(name).status not in ENDED:
                    remote.cancel(name)
                    tell(f"{name} was cancelled at the provider. What it answered before is paid, and in no receipt.")
            except (openai.NotFoundError, openai.ConflictError) as error:
                tell(f"{name} could not be cancelled at the provider: {error}")
            remote.clear(part)
            parts.end(part)
    finally:
        remote.close()


def _retries(session: Session) -> int:
    found = session.config.max_retries
    return found if type(found) is int else 2


# --- one run ------------------------------------------------------------------------------


class _Run:
    """One run of the lane: what it sends, what it waits for, and what it keeps."""

    def __init__(
        self, bench: Bench, wanted: Mapping[str, Item], keep: Keep, tell: Tell, until: Stop, pace: Pace
    ) -> None:
        self._bench = bench
        self._wanted = wanted
        self._keep = keep
        self._tell = tell
        self._until = until
        self._pace = pace
        self._parts = Parts(bench.state, bench.job)
        self._denied = self._parts.denied
        self._remotes: dict[str, Remote] = {}
        self._said: dict[str, str] = {}
        self._failed = 0

    def close(self) -> None:
        """Close the connections."""
        for remote in self._remotes.values():
            remote.close()

    def _remote(self, options: Mapping[str, Any]) -> Remote:
        """Return the provider's API for calls with these options: a batch is booked on their project and budgets."""
        name = _canonical(options)
        if name not in self._remotes:
            session = self._bench.session
            with suppress(GreenAIError):  # such as an opt-in that is over: what was made while it held is fetched
                session = session.with_options(options) if options else session
            self._remotes[name] = Remote(session, retries=_retries(session))
        return self._remotes[name]

    # What an earlier process left.

    def resume(self) -> None:
        """Find the batches that were made and not written down; forget what was never made, or nobody waits for."""
        for part in self._parts:
            record = self._parts.record(part)
            remote = self._remote(record.options)
            if part.batch is None:
                found = remote.adopted(part)
                if found is None:
                    self._end(part, remote)
                    continue
                part = self._parts.change(part, file=found.input_file_id, batch=found.id)  # noqa: PLW2901
            if self._wanted.keys().isdisjoint(record.keys):
                self._end(part, remote)

    # What is sent.

    def send(self) -> tuple[list[Item], BudgetExceeded | None]:
        """Make batches of what is in none yet; return what is answered otherwise, and which budget refused a batch."""
        under_way = {key for part in self._parts for key in self._parts.record(part).keys}
        files: dict[tuple[str, str], File] = {}
        others: list[Item] = []
        try:
            for item in self._wanted.values():
                if self._until():
                    return [], None
                if item.key in under_way:
                    continue
                drafted = self._drafted(item)
                if drafted is None:
                    others.append(item)
                elif isinstance(drafted, Failure):
                    self._keep(item.key, Answered(error=drafted))
                else:
                    self._add(files, item, *drafted)
            for file in files.values():
                self._make(file)
        except BudgetExceeded as refusal:
            self._tell(str(refusal))
            return others, refusal
        return others, None

    def _add(self, files: dict[tuple[str, str], File], item: Item, made: Made, line: bytes) -> None:
        place = _canonical(item.options), made.model
        file = files.get(place)
        if file is None or not file.takes(line):
            if file is not None:
                self._make(file)
            file = files[place] = File(options=item.options, model=made.model)
        file.add(item.key, made, line)

    def _drafted(self, item: Item) -> tuple[Made, bytes] | Failure | None:
        try:
            return line_of(self._bench.session, item, self._denied)
        except ENDING:
            raise
        except (GreenAIError, TypeError) as error:
            failure = failure_of(error)
            if failure is None:
                raise
            return failure

    def _make(self, file: File) -> None:
        """Have the provider make a batch of a file. Where it refuses, or a budget does, nothing is left of it there."""
        import openai

        from greenai.provider.retry import is_retryable

        remote = self._remote(file.options)
        part = self._parts.begin(file.record, remote.account)
        try:
            part = self._parts.change(part, file=remote.upload(part, b"".join(file.lines)))
            batch = remote.create(part, part.file or "", self._bench.job)
        except (GreenAIError, openai.OpenAIError) as error:
            lost = is_retryable(error) or bool(getattr(error, "greenai_tries", ()))  # it may be there after all
            if isinstance(error, GreenAIError) or not lost:
                self._end(part, remote)
            raise
        self._parts.change(part, batch=batch.id)
        self._tell(
            f"{_count(len(file.keys))} in {batch.id} at the provider, to {file.model}, to be done within 24 hours."
        )

    def _end(self, part: Part, remote: Remote) -> None:
        """Forget a part, and delete its requests at the provider; what it answered stays there."""
        if not remote.clear(part):
            self._tell(f"The file {part.file or part.name} with the requests could not be deleted at the provider.")
        self._parts.end(part)

    # What comes back.

    def wait(self) -> None:
        """Ask after the batches until all are over, or somebody asks to stop."""
        wait_s = self._pace.first_s
        while open_parts := list(self._parts):
            ended = [self._looked_after(part) for part in open_parts if not self._until()]
            if self._until():
                break
            wait_s = self._pace.first_s if any(ended) else min(wait_s * self._pace.growth, self._pace.longest_s)
            if not all(ended):
                self._pause(wait_s)
        left = [part.batch for part in self._parts if part.batch]
        if left:
            job = self._bench.job
            logger.warning(
                "%s %s on at the provider. Fetch the answers with `greenai batch --resume %s`, or cancel with `greenai "
                "batch --forget %s`.",
                ", ".join(left),
                "goes" if len(left) == 1 else "go",
                job,
                job,
            )

    def _pause(self, wait_s: float) -> None:
        over = time.monotonic() + wait_s
        while not self._until() and (left_s := over - time.monotonic()) > 0:
            time.sleep(min(left_s, _LOOK_S))

    def _looked_after(self, part: Part) -> bool:
        """Ask after one batch; keep what came of it and return True where it is over."""
        record = self._parts.record(part)
        remote = self._remote(record.options)
        batch = self._seen(part, remote)
        if batch is None or batch.status not in (*ENDED, _LOST):
            return False
        found, booked = self._found(part, batch, record, remote)
        self._kept(batch, record, found, booked)
        self._end(part, remote)
        return True

    def _seen(self, part: Part, remote: Remote) -> Any:
        """Return the batch as it is; None where the provider fails to say."""
        import openai

        from greenai.provider.retry import is_retryable

        name = part.batch or ""
        try:
            batch = remote.batch(name)
        except openai.NotFoundError:
            if part.account == remote.account:
                return _Lost(id=name)
            raise GreenAIError(
                f"{name} is not known to the provider under this API key, and it was made under another one. Run the "
                f"job with that key, or with one of the same project, to have its answers. `greenai batch --forget "
                f"{self._bench.job}` gives them up."
            ) from None
        except openai.OpenAIError as error:
            self._failed += 1
            if self._failed > MOST_FAILED or not is_retryable(error):
                raise
            self._tell(f"The provider does not say how {name} is doing ({type(error).__name__}). It is asked again.")
            return None
        self._failed = 0
        counts = batch.request_counts
        done = f", {counts.completed:,} of {counts.total:,} answered" if counts and counts.total else ""
        said = f"{name}: {batch.status.replace('_', ' ')}{done}."
        if self._said.get(name) != said:
            self._said[name] = said
            self._tell(said)
        return batch

    def _found(self, part: Part, batch: Any, record: Record, remote: Remote) -> tuple[dict[str, Line], Receipt | None]:
        """Return what came of each request that has a line, and the receipt of the batch."""
        import openai

        found: dict[str, Line] = {}
        booked: Receipt | None = None
        for file in (batch.output_file_id, batch.error_file_id):
            if not file:
                continue
            try:
                content = remote.content(file)
            except openai.NotFoundError:
                self._tell(f"The file {file} of {part.batch} is not at the provider any more.")
                continue
            booked = booked or getattr(content, "greenai", None)
            found = {**{line.key: line for line in read(content.content)}, **found}
        lines, whole = rejected(batch.model_dump())
        if whole is not None and whole.code == _NO_MODEL:
            self._parts.deny(*(made.model for made in record.made))
        for number, key in enumerate(record.keys, 1):
            failure = lines.get(number) or (whole if batch.status == "failed" else None)
            if failure is not None and key not in found:
                found[key] = Line(key=key, failure=failure)
        return found, booked or getattr(batch, "greenai", None)

    def _kept(self, batch: Any, record: Record, found: Mapping[str, Line], booked: Receipt | None) -> None:
        shares = _shares(booked, list(found.values()))
        lacking = missing(batch.id, batch.status)
        for key in record.keys:
            item, line = self._wanted.get(key), found.get(key)
            if item is None:
                continue
            if line is None or line.body is None:
                self._keep(key, Answered(error=lacking if line is None else line.failure))
                continue
            receipt: Mapping[str, Any] | None = None
            if key in shares and booked is not None:
                made = record.made[record.keys[key]]
                make = partial(self._receipt, item, line, shares[key], made, booked, batch.id)
                receipt = fail_open("The receipt of a request could not be made; its answer is kept.", make, None)
            self._keep(key, Answered(response=line.body, receipt=receipt))

    def _receipt(
        self, item: Item, line: Line, share: Attempt, made: Made, booked: Receipt, batch: str
    ) -> Mapping[str, Any]:
        """Return the receipt of one request: its share of what the batch is booked with."""
        watch, session = Stopwatch(), self._bench.session
        request = replace(request_of(session, item), call_id=share.attempt_id.partition(".")[0], parent=booked.call_id)
        site = session.resources.steps.site
        why = f"One request of the provider's batch {batch}, which is one call in the ledger; this is its share."
        receipt = receipts.build(
            request,
            outcome=made.tier,
            decision=Decision(outcome=made.tier, route=(made.model,), reasons=(why,)),
            answered_by=share.model,
            attempts=[share],
            own=receipts.overhead(watch, site),
            site=site,
            saved=None,
            notes=made.notes,
            reasoning=_reasoned(line, made),
            warnings=tuple(receipts.warnings(share, 0.0)),
        )
        return receipt.to_dict()


def _shares(booked: Receipt | None, lines: Sequence[Line]) -> dict[str, Attempt]:
    answered = [line for line in lines if line.body is not None]
    if booked is None or not booked.attempts:
        return {}
    parts = [(f"{_id(booked, line.key)}.0", line.usage) for line in answered]
    shared: Iterator[Attempt] = iter(booking.shared(booked, parts))
    return {line.key: share for line, share in zip(answered, shared, strict=True)}


def _id(booked: Receipt, key: str) -> str:
    return sha256(f"{booked.call_id} {key}".encode()).hexdigest()[:32]


def _reasoned(line: Line, made: Made) -> bool | None:
    """Say whether the model reasoned, as for any call."""
    from openai.types.chat import ChatCompletion

    from greenai import shapes

    native: Any = ChatCompletion.construct(**(line.body or {}))
    draft = Draft(rung=Rung(model=made.model), messages=(), arguments={}, reasoning=made.reasoning)
    return receipts.reasoned(draft, shapes.read(native, made.model, 0.0))


def _count(requests: int) -> str:
    return "1 request is" if requests == 1 else f"{requests:,} requests are"


def _canonical(options: Mapping[str, Any]) -> str:
    return json.dumps(options, sort_keys=True)


_LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lost:
    """A batch that the provider has no more."""

    id: str
    status: str = _LOST
    output_file_id: str | None = None
    error_file_id: str | None = None

    @staticmethod
    def model_dump() -> dict[str, Any]:
        """Return what is known of it."""
        return {}
