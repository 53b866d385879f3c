from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from greenai.errors import BudgetExceeded, EngineError, InvalidRequest, RequestTooLarge
from greenai.ledger import Hold, Ledger, open_ledger
from greenai.local.parking import Spell
from greenai.readings import Reading
from greenai.settings import load_settings
from greenai.store.ledger_db import LedgerDb
from greenai.store.reading import reading
from greenai.values import Attempt, Avoided, Decision, Overhead, Receipt, Stars, Try, Usage

if TYPE_CHECKING:
    from pathlib import Path

ESTIMATE = Reading(energy_j=36.0, low_j=12.0, high_j=90.0, evidence="modelled_api", method="physics-1")


def attempt(attempt_id: str = "a1", **changes: Any) -> Attempt:
    given: dict[str, Any] = {
        "attempt_id": attempt_id,
        "model": "openai/gpt-5.5",
        "state": "answered",
        "energy": ESTIMATE,
        "usage": Usage(input_tokens=12, output_tokens=8, reasoning_tokens=0),
        "latency_s": 0.5,
    }
    return Attempt(**{**given, **changes})


def receipt(call_id: str = "c1", *attempts: Attempt, **changes: Any) -> Receipt:
    given: dict[str, Any] = {
        "call_id": call_id,
        "created": 1_800_000_000.0,
        "project": "shop",
        "outcome": "large",
        "reasoning": False,
        "model": "openai/gpt-5.5",
        "energy": ESTIMATE,
        "carbon_g": 0.004,
        "carbon_source": "WORLD",
        "water_ml": None,
        "cost_usd": 0.02,
        "stars": Stars(grade=4, worst=4, best=5, scale="greenai-stars-1"),
        "attempts": attempts,
        "decision": Decision(outcome="large", route=("openai/gpt-5.5",), reasons=(), opt_ins=("reasoning",)),
        "avoided": Avoided(energy=ESTIMATE, baseline="gpt-5.5 at its default"),
        "nudges": (),
        "budget": None,
        "overhead": Overhead(duration_ms=0.4, energy=ESTIMATE),
        "requested_model": "gpt-5.5",
    }
    return Receipt(**{**given, **changes})


def hold(ledger: Ledger, attempt_id: str = "a1", ttl_s: float = 60.0) -> Hold:
    return ledger.reserve("c1", attempt_id, "shop", "openai/gpt-5.5", ESTIMATE, ttl_s)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(LedgerDb(tmp_path / "state" / "ledger.db"))


def test_what_idle_models_take_is_in_rows_of_its_own(ledger: Ledger, tmp_path: Path) -> None:
    spell = Spell(
        model="local/a", kind="warm", began=1_800_000_000.0, seconds=60.0, energy_j=6.0, low_j=1.0, high_j=20.0,
        staying_j=6.0, method="idle-1",
    )  # fmt: skip
    ledger.idled([spell, replace(spell, kind="parked", energy_j=0.0, reload_j=4.0)])
    assert ledger.recent() == []
    with reading(tmp_path / "state" / "ledger.db") as reader:
        assert reader is not None
        rows = reader.rows("SELECT model, kind, began, seconds, energy_j, low_j, high_j, staying_j, reload_j FROM idle")
    assert sorted(tuple(row.values()) for row in rows) == [
        ("local/a", "parked", 1_800_000_000.0, 60.0, 0.0, 1.0, 20.0, 6.0, 4.0),
        ("local/a", "warm", 1_800_000_000.0, 60.0, 6.0, 1.0, 20.0, 6.0, 0.0),
    ]


def test_a_call_leaves_one_row_and_its_attempt(ledger: Ledger) -> None:
    hold(ledger)
    assert ledger.check()["held_j"] == 36.0
    tries = (Try(error="429 from provider", status=429, waited_s=0.5),)
    ledger.settle_and_record(receipt("c1", attempt(tries=tries)), "checked by a person", "secret text", entry="ask")
    [call] = ledger.recent()
    assert call == {
        "call_id": "c1",
        "created": 1_800_000_000.0,
        "project": "shop",
        "entry": "ask",
        "requested_model": "gpt-5.5",
        "model": "openai/gpt-5.5",
        "outcome": "large",
        "reasoning": False,
        "opt_in": ["reasoning"],
        "opt_in_reason": "checked by a person",
        "energy_j": 36.0,
        "low_j": 12.0,
        "high_j": 90.0,
        "evidence": "modelled_api",
        "method": "physics-1",
        "carbon_g": 0.004,
        "cost_usd": 0.02,
        "input_tokens": 12,
        "output_tokens": 8,
        "cached_tokens": None,
        "reasoning_tokens": 0,
        "avoided_j": 36.0,
        "overhead_ms": 0.4,
        "parent": None,
        "warnings": [],
        "prompt": None,
        "overhead_j": 36.0,
        "error": None,
        "classifier": None,
        "loss": None,
        "top_bad": None,
        "cache_key": None,
        "feature": None,
        "used": None,
        "asked": None,
        "carbon_source": "WORLD",
        "carbon_low_g": None,
        "carbon_high_g": None,
        "market_carbon_g": None,
        "embodied_carbon_g": None,
        "water_ml": None,
        "avoided_low_j": 12.0,
        "avoided_high_j": 90.0,
        "baseline": "gpt-5.5 at its default",
        "observed": None,
        "story": {"route": ["openai/gpt-5.5"]},
        "granted": [],
        "task": None,
    }
    [row] = ledger.attempts("c1")
    assert row["state"] == "answered"
    assert row["cost_usd"] == 0.02
    assert row["held_j"] == 36.0
    assert row["retries"] == [{"error": "429 from provider", "status": 429, "waited_s": 0.5}]
    found = ledger.check()
    assert (found["ok"], found["calls"], found["attempts"], found["holds"]) == (True, 1, 1, 0)


def failure(ledger: Ledger, error: BaseException | str, call_id: str = "c1") -> None:
    ledger.record_failure(call_id, 1_800_000_000.0, "shop", "create", "gpt-5.5", error, "checked by a person")


def test_a_call_that_failed_leaves_a_row_without_energy(ledger: Ledger) -> None:
    hold(ledger).settle(attempt(state="failed"), None)
    failure(ledger, TimeoutError("prompt text"))
    failure(ledger, "a second time")
    [call] = ledger.recent()
    known = {name: value for name, value in call.items() if value not in (None, [])}
    assert known == {
        "call_id": "c1",
        "created": 1_800_000_000.0,
        "project": "shop",
        "entry": "create",
        "requested_model": "gpt-5.5",
        "outcome": "failed",
        "opt_in_reason": "checked by a person",
        "evidence": "unknown",
        "method": "no answer came",
        "error": "TimeoutError",
    }
    assert [row["state"] for row in ledger.attempts("c1")] == ["failed"]


def test_a_refusal_took_nothing_and_says_why_with_its_numbers(ledger: Ledger) -> None:
    failure(ledger, BudgetExceeded("project/shop has 0 J left of its budget of 50 Wh/day"), "c1")
    failure(ledger, RequestTooLarge("quotes: secret", size_bytes=9, limit_bytes=3), "c2")
    assert [
        (row["outcome"], row["energy_j"], row["high_j"], row["cost_usd"], row["carbon_g"], row["method"], row["error"])
        for row in ledger.recent()
    ] == [
        ("refused", 0.0, 0.0, 0.0, 0.0, "greenai refused the call, and nothing was sent", error)
        for error in ("RequestTooLarge", "BudgetExceeded: project/shop has 0 J left of its budget of 50 Wh/day")
    ]


@pytest.mark.parametrize(
    ("before", "error", "outcome"),
    [
        ("APITimeoutError", BudgetExceeded("spent"), "failed"),
        ("MissingKey", BudgetExceeded("spent"), "refused"),
        (None, EngineError("stopped"), "failed"),
        (None, TimeoutError(), "failed"),
    ],
)
def test_a_call_is_refused_only_where_nothing_was_sent(
    ledger: Ledger, before: str | None, error: Exception, outcome: str
) -> None:
    if before is not None:
        hold(ledger).settle(attempt(state="failed", error=before), None)
    failure(ledger, error)
    assert [row["outcome"] for row in ledger.recent()] == [outcome]


def test_a_call_whose_hold_was_released_was_not_sent(ledger: Ledger) -> None:
    hold(ledger).release()
    failure(ledger, BudgetExceeded("spent"))
    assert [row["outcome"] for row in ledger.recent()] == ["refused"]


def test_a_failure_never_replaces_a_call_and_keeps_no_key(ledger: Ledger) -> None:
    ledger.settle_and_record(receipt("c1", attempt()))
    failure(ledger, TimeoutError())
    failure(ledger, "denied for sk-abcdefgh12345678", "c2")
    assert [(row["outcome"], row["error"]) for row in ledger.recent()] == [
        ("failed", "denied for [redacted]"),
        ("large", None),
    ]


def test_prompts_are_kept_only_where_the_settings_say_so(tmp_path: Path) -> None:
    kept = open_ledger(load_settings({"state_dir": tmp_path, "store_prompts": True}))
    kept.record(receipt(), prompt="What is 18% of 240?")
    assert kept.recent()[0]["prompt"] == "What is 18% of 240?"


def test_every_end_is_idempotent_and_the_first_one_counts(ledger: Ledger) -> None:
    held = hold(ledger)
    held.settle(attempt(state="discarded"), 0.5)
    held.settle(attempt(state="failed"), 9.0)
    held.release("too late")
    held.renew(600.0)
    hold(ledger)
    ledger.settle_and_record(receipt("c1", attempt()))
    ledger.settle_and_record(receipt("c1", attempt()))
    [row] = ledger.attempts("c1")
    assert (row["state"], row["cost_usd"]) == ("discarded", 0.5)
    assert len(ledger.recent()) == 1


def test_a_release_is_final_too(ledger: Ledger) -> None:
    held = hold(ledger)
    held.release("400 Bad Request: key=abc123 Bearer very-secret sk-proj-0123456789abcdef")
    held.settle(attempt(), None)
    [row] = ledger.attempts("c1")
    assert row["state"] == "released"
    assert row["error"] == "400 Bad Request: [redacted] [redacted] [redacted]"


def test_a_hold_ends_by_itself_and_may_still_settle(tmp_path: Path) -> None:
    now = 1000.0
    ledger = Ledger(LedgerDb(tmp_path / "ledger.db"), clock=lambda: now)
    held = hold(ledger, ttl_s=60.0)
    assert ledger.expire(1059.0) == 0
    held.renew(120.0)
    assert ledger.expire(1100.0) == 0
    assert ledger.expire(1121.0) == 1
    assert ledger.attempts("c1")[0]["state"] == "expired"
    held.settle(attempt(), 0.1)
    assert ledger.attempts("c1")[0]["state"] == "answered"


def test_what_a_dead_process_left_is_swept_by_the_next(tmp_path: Path) -> None:
    hold(Ledger(LedgerDb(tmp_path / "ledger.db"), clock=lambda: 1000.0), "dead")
    later = Ledger(LedgerDb(tmp_path / "ledger.db"), clock=lambda: 2000.0)
    hold(later, "alive")
    assert {row["attempt_id"]: row["state"] for row in later.attempts("c1")} == {"dead": "expired", "alive": "held"}


def test_unknown_stays_unknown(ledger: Ledger) -> None:
    unknown = Reading.unknown("no card")
    ledger.reserve("c1", "a1", "shop", "x/y", unknown, 60.0)
    ledger.settle_and_record(
        receipt(
            "c1", attempt(energy=unknown, usage=Usage()), energy=unknown, avoided=None, reasoning=None, cost_usd=None
        )
    )
    [call] = ledger.recent()
    assert [call[name] for name in ("energy_j", "input_tokens", "avoided_j", "reasoning", "cost_usd")] == [None] * 5
    assert ledger.attempts("c1")[0]["held_j"] is None


def test_text_and_counts_that_no_database_holds_are_kept_as_they_can_be(tmp_path: Path) -> None:
    ledger = Ledger(LedgerDb(tmp_path / "ledger.db"), store_prompts=True)
    usage = Usage(input_tokens=10**30, output_tokens=-5)
    ledger.settle_and_record(
        receipt("c1", attempt(usage=usage, error="bad \ud800")), prompt="half \udc00 a pair, 漢字 \x00"
    )
    [call] = ledger.recent()
    assert (call["prompt"], call["input_tokens"], call["output_tokens"]) == ("half \\udc00 a pair, 漢字 \x00", 1e30, -5)
    assert ledger.attempts("c1")[0]["error"] == "bad \\ud800"


def test_costs_go_to_their_attempts(ledger: Ledger) -> None:
    both = (attempt("a1", state="discarded"), attempt("a2"))
    ledger.settle_and_record(receipt("c1", *both), costs={"a1": 0.1, "a2": 0.2})
    assert [row["cost_usd"] for row in ledger.attempts("c1")] == [0.1, 0.2]
    ledger.settle_and_record(receipt("c2", attempt("b1"), attempt("b2")))
    assert [row["cost_usd"] for row in ledger.attempts("c2")] == [None, None]


def test_many_threads_settle_each_hold_once(ledger: Ledger) -> None:
    barrier = threading.Barrier(16)

    def run(n: int) -> None:
        barrier.wait()
        for i in range(20):
            hold(ledger, f"{n}-{i}")
            ledger.settle_and_record(receipt(f"{n}-{i}", attempt(f"{n}-{i}")))

    threads = [threading.Thread(target=run, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = ledger.check()
    assert (found["calls"], found["attempts"], found["holds"]) == (320, 320, 0)
    assert ledger.problem is None


# --- failing ------------------------------------------------------------------------------


def test_without_a_disk_calls_go_on_in_memory_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("not a folder")
    ledger = Ledger(LedgerDb(tmp_path / "file" / "ledger.db"))
    with caplog.at_level(logging.WARNING, "greenai"):
        hold(ledger)
        ledger.settle_and_record(receipt("c1", attempt()))
    path = tmp_path / "file" / "ledger.db"
    assert [record.getMessage() for record in caplog.records] == [
        (
            f"The ledger {path} cannot be used: [Errno 17] File exists: '{path.parent}'. Free some space or make it "
            'writable, or keep the ledger in memory with: ledger = ":memory:" Until then this process keeps its ledger in '
            "memory; calls go on."
        )
    ]
    assert [call["call_id"] for call in ledger.recent()] == ["c1"]
    assert ledger.check()["ok"] is False


def test_what_was_kept_in_memory_is_written_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greenai.ledger.RETRY_DISK_S", 0.0)
    blocker = tmp_path / "state"
    blocker.write_text("in the way")
    ledger = Ledger(LedgerDb(blocker / "ledger.db"))
    hold(ledger, "a1")
    hold(ledger, "still-held")
    ledger.settle_and_record(receipt("c1", attempt("a1")))
    blocker.unlink()
    with caplog.at_level(logging.WARNING, "greenai"):
        ledger.record(receipt("c2"))
    assert caplog.records[-1].getMessage() == (
        f"The ledger {blocker / 'ledger.db'} works again; what was kept in memory is in it."
    )
    fresh = Ledger(LedgerDb(blocker / "ledger.db"))
    assert {call["call_id"] for call in fresh.recent()} == {"c1", "c2"}
    assert {row["attempt_id"]: row["state"] for row in fresh.attempts("c1")} == {"a1": "answered", "still-held": "held"}
    assert ledger.problem is None


def test_a_damaged_ledger_is_reported_and_left_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "ledger.db"
    path.write_text("this is a text file, not a database\n" * 100)
    before = path.read_bytes()
    ledger = Ledger(LedgerDb(path))
    with caplog.at_level(logging.WARNING, "greenai"):
        hold(ledger)
        ledger.settle_and_record(receipt("c1", attempt()))
    problem = (
        f"The ledger {path} is damaged (file is not a database). It was left as it is. Save what can be read with: "
        f"sqlite3 {path} .recover | sqlite3 recovered.db   Then start a new one with: mv {path} {path}.damaged"
    )
    assert len(caplog.records) == 1
    assert ledger.problem == problem
    assert ledger.check() == {"path": str(path), "ok": False, "problem": problem}
    assert path.read_bytes() == before


def test_a_ledger_in_memory_keeps_the_latest_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenai.store.ledger_db.MEMORY_ROWS", 50)
    ledger = open_ledger(load_settings(ledger=":memory:"))
    for n in range(1000):
        ledger.settle_and_record(receipt(f"c{n}", attempt(f"a{n}")))
    found = ledger.check()
    assert (found["path"], found["calls"], found["attempts"]) == (":memory:", 50, 50)
    assert ledger.recent(1)[0]["call_id"] == "c999"


def test_reserving_and_settling_is_fast(ledger: Ledger) -> None:
    def once(n: int) -> float:
        last = receipt(f"c{n}", attempt(f"a{n}"))
        started = time.perf_counter()
        hold(ledger, f"a{n}")
        ledger.settle_and_record(last)
        return time.perf_counter() - started

    seconds = sorted(once(n) for n in range(500))
    assert seconds[250] < 0.002  # ten times what it takes on an idle machine


def test_what_features_gave_and_what_was_used_of_it(tmp_path: Path) -> None:
    now = [86_400.0 * 3 + 5]
    db = LedgerDb(tmp_path / "ledger.db")
    ledger = Ledger(db, clock=lambda: now[0])
    ledger.offered("shop", "summary", offered=2)
    ledger.offered("shop", "summary", used=1)
    now[0] += 86_400.0
    ledger.offered("shop", "summary", offered=1)
    with reading(db.path) as reader:
        assert reader is not None
        assert [tuple(row.values()) for row in reader.rows("SELECT * FROM offers ORDER BY day")] == [
            ("shop", "summary", 3, 2, 1),
            ("shop", "summary", 4, 1, 0),
        ]
    ledger.record(receipt("c1"), asked="ab12")
    assert (ledger.used("c1"), ledger.used("c1"), ledger.used("c2")) == (True, True, False)
    [call] = ledger.recent()
    assert (call["used"], call["asked"]) == (True, "ab12")
    ledger.close()


def test_offers_that_were_kept_in_memory_are_written_back(tmp_path: Path) -> None:
    target, source = LedgerDb(tmp_path / "ledger.db"), LedgerDb(None)
    target.offer("shop", "summary", 3, 1, 0)
    source.offer("shop", "summary", 3, 2, 2)
    target.absorb(source)
    with reading(target.path) as reader:
        assert reader is not None
        assert [tuple(row.values()) for row in reader.rows("SELECT * FROM offers")] == [("shop", "summary", 3, 3, 2)]
    target.close()


def test_a_call_is_named_by_how_its_id_begins_unless_two_begin_so(ledger: Ledger) -> None:
    for call_id in ("abcd1", "abcd2", "abcd", "efghi"):
        failure(ledger, "late", call_id)
    named = {"abcd": "abcd", "abcd2": "abcd2", "efgh": "efghi", "efg": "efg", "nobody": "nobody"}
    assert {call: ledger.whole(call) for call in named} == named
    failure(ledger, "late", "efgh2")
    with pytest.raises(InvalidRequest) as raised:
        ledger.whole("efgh")
    assert str(raised.value) == "'efgh' begins 2 calls: efgh2, efghi. Pass more of it."
