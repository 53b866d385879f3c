"""Every joule that is about to be spent is held before a call, and what was used is settled after it.

    reserve ──> Hold ──> settle / settle_and_record     what was used, whatever happened to the call
                  │────> release                        nothing was sent
                  │────> renew                          a long stream goes on
                  └────> (process died) ──> expire      the hold ends by itself

Every step is idempotent by attempt id and safe from any thread; the first end of an attempt wins, and one that
expired may still settle. A ledger that fails never costs the caller the answer: rows go to memory, with one warning,
and the disk is tried again later. A damaged file is left untouched.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from greenai import errors
from greenai._locks import Lock
from greenai.errors import EngineError, GreenAIError, LedgerCorrupt, LedgerError
from greenai.store import beginnings, story
from greenai.store.ledger_db import LedgerDb
from greenai.store.readable import clean, told
from greenai.store.schema import CALL_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from greenai.correction import Label
    from greenai.grants import Grant
    from greenai.local.parking import Spell
    from greenai.readings import Reading
    from greenai.values import Attempt, Entry, Receipt, Usage

__all__ = ["Hold", "Ledger", "open_ledger", "shipped"]

T = TypeVar("T")

WAIT_S = 2.0  # 16 processes at full load wait 1 s at worst; a caller waits no longer than twice that
RETRY_DISK_S = 30.0
DAY_S = 86_400.0

FAILED: Mapping[str, object] = {"outcome": "failed", "evidence": "unknown", "method": "no answer came"}
# Nothing was sent, so nothing is unknown of it.
REFUSED: Mapping[str, object] = {
    "outcome": "refused",
    "evidence": "modelled_known_deployment",
    "method": "greenai refused the call, and nothing was sent",
    "carbon_source": "nothing was sent",
    **dict.fromkeys(("energy_j", "low_j", "high_j", "cost_usd", "water_ml"), 0.0),
    **dict.fromkeys(("carbon_g", "carbon_low_g", "carbon_high_g"), 0.0),
}
# Errors of attempts under which nothing was sent. An engine may have worked before it failed.
UNSENT = frozenset(errors.__all__) - {EngineError.__name__}

_log = logging.getLogger("greenai")


class LedgerSettings(Protocol):
    """What the ledger needs to know of the settings."""

    @property
    def ledger_path(self) -> Path | None:
        """The file; None keeps the ledger in memory."""
        ...

    @property
    def store_prompts(self) -> bool:
        """Whether the text of prompts may be kept."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """An amount held for one attempt. Each way to end it may be called again, or late: the first one counts."""

    call_id: str
    attempt_id: str
    project: str
    ledger: Ledger

    def renew(self, ttl_s: float) -> None:
        """Let the hold last for `ttl_s` seconds from now."""
        self.ledger.renew(self.attempt_id, ttl_s)

    def settle(self, attempt: Attempt, cost_usd: float | None) -> None:
        """Replace the held amount by what `attempt` used."""
        self.ledger.settle(self, attempt, cost_usd)

    def release(self, error: str | None = None) -> None:
        """End the hold: nothing was used."""
        self.ledger.release(self.attempt_id, error)


class Ledger:
    """Holds, attempts and calls of one machine. It never raises: `problem` says why rows stay in memory.

    Args:
        db: where the rows go.
        store_prompts: keep the prompts that `record` is given; otherwise they are dropped here.
        clock: seconds since 1970.
    """

    def __init__(self, db: LedgerDb, *, store_prompts: bool = False, clock: Callable[[], float] = time.time) -> None:
        self._db = db
        self._store_prompts = store_prompts
        self._clock = clock
        self._memory = db if db.path is None else LedgerDb(None)
        self._retry_at = 0.0
        self._lock = Lock()
        self._swept = False
        self.problem: str | None = None

    # Before a call.

    def reserve(self, call_id: str, attempt_id: str, project: str, model: str, estimate: Reading, ttl_s: float) -> Hold:
        """Hold the estimate's energy for an attempt, for `ttl_s` seconds."""
        now = self._clock()
        if not self._swept:
            self._swept = True
            self.expire(now)  # what processes that died have left
        row = (attempt_id, call_id, project, model, now, now + ttl_s, estimate.energy_j)
        self._do(lambda db: db.reserve(row))
        return Hold(call_id=call_id, attempt_id=attempt_id, project=project, ledger=self)

    def renew(self, attempt_id: str, ttl_s: float) -> None:
        """Let a hold last for `ttl_s` seconds from now."""
        expires = self._clock() + ttl_s
        self._do(lambda db: db.renew(attempt_id, expires))

    # After it.

    def release(self, attempt_id: str, error: str | None = None) -> None:
        """End a hold under which nothing was used."""
        now = self._clock()
        self._do(lambda db: db.release(attempt_id, clean(error), now))

    def settle(self, hold: Hold, attempt: Attempt, cost_usd: float | None) -> None:
        """Replace a hold by what its attempt used."""
        row = _attempt_row(attempt, hold.call_id, hold.project, cost_usd, self._clock())
        self._do(lambda db: db.settle((row,)))

    def record(
        self,
        receipt: Receipt,
        opt_in_reason: str | None = None,
        prompt: str | None = None,
        *,
        entry: Entry = "create",
        asked: str | None = None,
    ) -> None:
        """Write a finished call that made no attempt, or whose attempts are settled; see `settle_and_record`."""
        call = self._call_row(receipt, entry, opt_in_reason, prompt, asked)
        self._do(lambda db: db.settle((), call))

    def settle_and_record(
        self,
        receipt: Receipt,
        opt_in_reason: str | None = None,
        prompt: str | None = None,
        *,
        entry: Entry = "create",
        costs: Mapping[str, float | None] | None = None,
        asked: str | None = None,
    ) -> None:
        """Settle every attempt of a receipt that is not settled yet, and write its call, in one transaction.

        Args:
            receipt: the finished call.
            opt_in_reason: why an expensive mode was allowed.
            prompt: the text asked; kept only with `store_prompts`.
            entry: how the call came in.
            costs: US dollars by attempt id; None takes the receipt's cost where there is one attempt.
            asked: a digest of who asked what, by which asking again is seen.
        """
        now = self._clock()
        if costs is None:
            costs = {receipt.attempts[0].attempt_id: receipt.cost_usd} if len(receipt.attempts) == 1 else {}
        rows = [
            _attempt_row(attempt, receipt.call_id, receipt.project, costs.get(attempt.attempt_id), now)
            for attempt in receipt.attempts
        ]
        call = self._call_row(receipt, entry, opt_in_reason, prompt, asked)
        self._do(lambda db: db.settle(rows, call))

    def record_failure(
        self,
        call_id: str,
        created: float,
        project: str,
        entry: Entry,
        requested_model: str | None,
        error: BaseException | str,
        opt_in_reason: str | None = None,
        *,
        feature: str | None = None,
        asked: str | None = None,
        grants: Sequence[Grant] = (),
        parent: str | None = None,
    ) -> None:
        """Write a call that got no answer: `refused` where nothing was sent, else `failed`, its energy unknown.

        Its attempts are rows already. A call that is written already stays as it is.

        Args:
            call_id: the call.
            created: when it began, in seconds since 1970.
            project: whose it was.
            entry: how it came in.
            requested_model: what was asked for.
            error: what ended it; see `told` for what is kept of it.
            opt_in_reason: why an expensive mode was allowed.
            feature: the feature of the app that it was made for.
            asked: a digest of who asked what.
            grants: the opt-ins that held for it.
            parent: the call that it asked again.
        """
        refused = isinstance(error, GreenAIError) and not isinstance(error, EngineError) and not self._was_sent(call_id)
        given: dict[str, object] = {
            "call_id": call_id,
            "created": created,
            "project": project,
            "entry": entry,
            "requested_model": requested_model,
            "opt_in_reason": opt_in_reason,
            "error": told(error),
            "feature": feature,
            "asked": asked,
            "granted": _granted(grants),
            "parent": parent,
            **(REFUSED if refused else FAILED),
        }
        row = tuple(given.get(name) for name in CALL_COLUMNS)
        self._do(lambda db: db.settle((), row))

    def _was_sent(self, call_id: str) -> bool:
        """Say whether a request of this call went out, as far as its attempts tell."""
        return any(row["state"] != "released" and row["error"] not in UNSENT for row in self.attempts(call_id))

    def ask_choice(self, project: str) -> bool:
        """Note that a project is being asked about opt-ins; return whether it was never asked before."""
        now = self._clock()
        return self._do(lambda db: db.ask_choice(project, now))

    # What features gave, and what of it was used.

    def offered(self, project: str, feature: str, *, offered: int = 0, used: int = 0) -> None:
        """Count today what a feature gave, generated or not, and how much of it somebody used."""
        day = int(self._clock() // DAY_S)
        self._do(lambda db: db.offer(project, feature, day, offered, used))

    def idled(self, spells: Sequence[Spell]) -> None:
        """Keep times in which nobody asked a model on this machine, each within a day; no call's own figures change."""
        rows = [
            (secrets.token_hex(8), s.model, s.kind, s.began, s.seconds, s.energy_j, s.low_j, s.high_j, s.staying_j,
             s.reload_j, s.method)
            for s in spells
        ]  # fmt: skip
        self._do(lambda db: db.idle(rows))

    def used(self, call_id: str) -> bool:
        """Note that somebody used what a call gave; return whether the ledger has the call."""
        return self._do(lambda db: db.use(call_id))

    def taken(self, project: str, task: str, most: int) -> list[tuple[str, bool, int | None, int, float | None]]:
        """Return (model, whether it reasoned, input and output tokens, joules) of a task's attempts, newest first."""
        return self._do(lambda db: db.taken(project, task, most)) or []

    # What distilled task models did.

    def distilled(
        self, row: Sequence[object], alarm: float, guard: Callable[[str | None], str] | None = None
    ) -> dict[str, Any]:
        """Add to the counts of a distilled task model (`DISTILLED_COLUMNS`); return what they are now."""
        return self._do(lambda db: db.distilled(row, alarm, guard))

    def all_distilled(self) -> list[dict[str, Any]]:
        """Return the counts of every distilled task model, by project."""
        return self._do(lambda db: db.all_distilled())

    def distilled_again(self, file: str) -> bool:
        """Forget that a distilled task model fell back; return whether the ledger has it."""
        return self._do(lambda db: db.distilled_again(file))

    # What was said of answers.

    def label(self, label: Label) -> None:
        """Keep what was said of an answer; the last word about a call wins."""
        row = (
            label.call_id, label.created, label.project, label.method, label.loss, label.model, label.outcome,
            label.good, label.source, label.top_bad,
        )  # fmt: skip
        self._do(lambda db: db.label(row))

    def labels(self, project: str, method: str, since: float, most: int) -> list[tuple[str, float, bool, float]]:
        """Return (call id, loss, good, top_bad) of the latest labels of smaller rungs' answers, the oldest first."""
        return self._do(lambda db: db.labels(project, method, since, most))

    def tally(self, project: str, method: str, era: int, counts: Mapping[int, int]) -> None:
        """Add counts of decisions to an era's bins."""
        self._do(lambda db: db.tally(project, method, era, counts))

    def tallies(self, project: str, method: str) -> list[tuple[int, int, int]]:
        """Return (era, bin, count) of a project's decisions."""
        return self._do(lambda db: db.tallies(project, method))

    def methods(self, project: str) -> list[str]:
        """Return the classifiers under which a project has labels or decisions."""
        return self._do(lambda db: db.methods(project))

    # Upkeep and reading.

    def expire(self, now: float | None = None) -> int:
        """End the holds whose time is over at `now` (default: the present); return how many."""
        moment = self._clock() if now is None else now
        return self._do(lambda db: db.expire(moment)) or 0

    def recent(self, count: int = 20) -> list[dict[str, Any]]:
        """Return the last calls as JSON values, the newest first; energy in joules."""
        return [_from_row(row) for row in self._do(lambda db: db.recent(count)) or []]

    def call(self, call_id: str) -> dict[str, Any] | None:
        """Return one call as JSON values, or None where the ledger does not have it."""
        row = self._do(lambda db: db.call(call_id))
        return None if row is None else _from_row(row)

    def whole(self, call: str) -> str:
        """Return the id of the call that `call` is or begins; `call` itself where the ledger has none such.

        Raises:
            InvalidRequest: more than one call begins so.
        """
        return beginnings.only(call, self.keys_of(call, whole=False)) or call

    def keys_of(self, call: str, *, whole: bool) -> dict[str, str | None]:
        """Return the cache's keys of the calls with this id (the `whole`), or of those whose id begins so."""
        return dict(self._do(lambda db: db.keys_of(call, call if whole else call + "\U0010ffff")) or ())

    def served(self, outcome: str, since: float = 0.0) -> tuple[int, int, float]:
        """Return how many calls there were since then, how many ended so, and the joules that these avoided."""
        return self._do(lambda db: db.served(outcome, since))

    def attempts(self, call_id: str) -> list[dict[str, Any]]:
        """Return the attempts of one call as JSON values."""
        return [_from_row(row) for row in self._do(lambda db: db.attempts(call_id)) or []]

    def check(self) -> dict[str, Any]:
        """Return where the ledger is and what is in it; `ok` is False, with `problem`, where it cannot be used."""
        where = str(self._db.path or ":memory:")
        try:
            return {"path": where, "ok": True, "problem": None, **self._db.check()}
        except LedgerError as error:
            return {"path": where, "ok": False, "problem": str(error)}

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self._db.close()

    # How.

    def _do(self, work: Callable[[LedgerDb], T]) -> T:
        """Work on the disk, or in memory while the disk fails."""
        if self._retry_at and time.monotonic() < self._retry_at:
            return work(self._memory)
        try:
            result = work(self._db)
        except LedgerError as error:
            self._fall_back(error)
            return work(self._memory)
        if self._retry_at:
            self._recovered()
        return result

    def _fall_back(self, error: LedgerError) -> None:
        with self._lock:
            damaged = isinstance(error, LedgerCorrupt)
            self._retry_at = float("inf") if damaged else time.monotonic() + RETRY_DISK_S
            first, self.problem = self.problem is None, str(error)
        if first:
            _log.warning("%s Until then this process keeps its ledger in memory; calls go on.", error)

    def _recovered(self) -> None:
        """Write what was kept in memory back, once."""
        with self._lock:
            if not self._retry_at:
                return
            try:
                self._db.absorb(self._memory)
            except LedgerError:
                self._retry_at = time.monotonic() + RETRY_DISK_S
                return
            self._retry_at, self.problem = 0.0, None
        _log.warning("The ledger %s works again; what was kept in memory is in it.", self._db.path)

    def _call_row(
        self,
        receipt: Receipt,
        entry: Entry,
        opt_in_reason: str | None,
        prompt: str | None,
        asked: str | None,
    ) -> tuple[object, ...]:
        energy, avoided = receipt.energy, receipt.avoided
        usages = [attempt.usage for attempt in receipt.attempts]
        return (
            receipt.call_id, receipt.created, receipt.project, entry, receipt.requested_model, receipt.model,
            receipt.outcome, receipt.reasoning, json.dumps(receipt.decision.opt_ins), opt_in_reason, energy.energy_j,
            energy.low_j, energy.high_j, energy.evidence, energy.method, receipt.carbon_g, receipt.cost_usd,
            _sum(usages, "input_tokens"), _sum(usages, "output_tokens"), _sum(usages, "cached_tokens"),
            _sum(usages, "reasoning_tokens"), None if avoided is None else avoided.energy.energy_j,
            receipt.overhead.duration_ms, receipt.parent,
            json.dumps(receipt.warnings) if receipt.warnings else None, prompt if self._store_prompts else None,
            receipt.overhead.energy.energy_j, None, receipt.decision.method or None, *shipped(receipt),
            receipt.cache_key, receipt.feature, None, asked, *_reported(receipt),
            story.written(receipt, whole=self._store_prompts), _granted(receipt.opt_ins),
            receipt.decision.task or None,
        )  # fmt: skip


def _granted(grants: Sequence[Grant]) -> str | None:
    """Return who gave the opt-ins of a call, why and until when, as JSON; keys in what an app wrote are taken out."""
    written = [{**grant.to_dict(), "reason": clean(grant.reason), "user": clean(grant.user)} for grant in grants]
    return json.dumps(written) if written else None


def _reported(receipt: Receipt) -> tuple[object, ...]:
    """Return carbon, water and what was avoided; of a source what stands before its citation, which is in the docs."""
    avoided = receipt.avoided
    saved = (None, None, None) if avoided is None else (avoided.energy.low_j, avoided.energy.high_j, avoided.baseline)
    sources = dict.fromkeys(part.partition(": ")[0] for part in receipt.carbon_source.split(" + "))
    return (
        " + ".join(sources) or None, receipt.carbon_low_g, receipt.carbon_high_g,
        receipt.market_carbon_g, receipt.embodied_carbon_g, receipt.water_ml, *saved, receipt.decision.observed or None,
    )  # fmt: skip


def _attempt_row(
    attempt: Attempt, call_id: str, project: str, cost_usd: float | None, now: float
) -> tuple[object, ...]:
    energy, usage = attempt.energy, attempt.usage
    tries = [{"error": clean(t.error), "status": t.status, "waited_s": t.waited_s} for t in attempt.tries]
    return (
        attempt.attempt_id, call_id, project, attempt.model, attempt.state, now - attempt.latency_s, energy.energy_j,
        energy.low_j, energy.high_j, energy.evidence, usage.input_tokens, usage.output_tokens, usage.cached_tokens,
        usage.reasoning_tokens, cost_usd, attempt.latency_s, clean(attempt.error),
        json.dumps(tries) if tries else None, now,
    )  # fmt: skip


def shipped(receipt: Receipt) -> tuple[float | None, float | None]:
    """Return the shipped loss of the rung that answered, and the probability that the ladder's top is bad too.

    The loss is None at a ladder's top, and where no route was chosen; the probability where nothing is known of it.
    """
    estimates = receipt.decision.estimates
    loss = next((e.shipped_loss for e in estimates if e.model == receipt.model), None)
    good = estimates[-1].p_good if estimates else None
    return loss, None if good is None else 1 - good


def _sum(usages: Sequence[Usage], name: str) -> int | None:
    """Add the known counts up; None where nothing is known."""
    counts = [count for usage in usages if (count := getattr(usage, name)) is not None]
    return sum(counts) if counts else None


def _from_row(row: Mapping[str, Any]) -> dict[str, Any]:
    data = dict(row)
    for name in ("opt_in", "warnings", "retries", "granted"):
        if name in data:
            data[name] = json.loads(data[name]) if data[name] else []
    if data.get("reasoning") is not None:
        data["reasoning"] = bool(data["reasoning"])
    for name in ("used", "observed"):
        if data.get(name) is not None:
            data[name] = bool(data[name])
    if data.get("story") is not None:
        data["story"] = story.read(data["story"])
    return data


def open_ledger(settings: LedgerSettings) -> Ledger:
    """Return the ledger that the settings name. It opens its file at the first use, and reports then what is wrong."""
    db = LedgerDb(settings.ledger_path, timeout_s=WAIT_S)
    return Ledger(db, store_prompts=settings.store_prompts)
