"""Budgets on a Redis that is killed, stopped, full or not there: an error within a bounded time, and it comes back."""

from __future__ import annotations

import logging
import signal
import time as clocks
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from greenai.budget import Amount, Budget, BudgetLedger, open_ledger
from greenai.errors import LedgerError
from greenai.store import budget_redis

if TYPE_CHECKING:
    from servers import RedisServer

SCOPE = "project/shop"
DAY = Budget.parse("100 J/day")
J = Amount(energy_j=1)
BOUND_S = 2 * (budget_redis.TIMEOUT_S + budget_redis.CONNECT_S) + 1.0


def until_back(work: Callable[[], Any], within_s: float = 20.0) -> Any:
    deadline = clocks.monotonic() + within_s
    while True:
        try:
            return work()
        except LedgerError:
            assert clocks.monotonic() < deadline
            clocks.sleep(0.02)


def test_a_server_that_is_down_is_an_error_soon_and_comes_back(server: RedisServer) -> None:
    ledger = open_ledger(server.url)
    held = ledger.reserve(SCOPE, DAY, Amount(energy_j=10), attempt_id="a1")
    server.kill()
    begun = clocks.monotonic()
    with pytest.raises(LedgerError) as refused:
        ledger.reserve(SCOPE, DAY, J, attempt_id="a2")
    assert clocks.monotonic() - begun < BOUND_S
    assert str(refused.value).startswith(f"The budget ledger in Redis at 127.0.0.1:{server.port} does not answer (")
    assert str(refused.value).endswith("). Look whether the server runs.")
    with pytest.raises(LedgerError):
        held.settle(Amount(energy_j=12))
    server.start()  # empty: nothing was on its disk
    assert until_back(lambda: ledger.spent(SCOPE, DAY)).settled == 12  # what ended meanwhile is told, and counts
    assert not held.settle(Amount(energy_j=12))
    ledger.close()


def test_a_connection_that_was_cut_is_opened_again(server: RedisServer) -> None:
    ledger = open_ledger(server.url)
    ledger.reserve(SCOPE, DAY, J, attempt_id="a1").settle(J)
    server.say(b"CLIENT", b"KILL", b"TYPE", b"normal")
    assert ledger.reserve(SCOPE, DAY, J, attempt_id="a2").settle(J)
    ledger.close()


def test_a_server_that_hangs_is_waited_for_only_so_long(server: RedisServer) -> None:
    ledger = open_ledger(server.url)
    ledger.reserve(SCOPE, DAY, J, attempt_id="a1")
    server.signal(signal.SIGSTOP)
    try:
        begun = clocks.monotonic()
        with pytest.raises(LedgerError):
            ledger.reserve(SCOPE, DAY, J, attempt_id="a2")
        assert clocks.monotonic() - begun < BOUND_S
        begun = clocks.monotonic()
        for n in range(50):
            with pytest.raises(LedgerError):
                ledger.reserve(SCOPE, DAY, J, attempt_id=f"b{n}")
        assert clocks.monotonic() - begun < 2 * BOUND_S  # not every call waits
    finally:
        server.signal(signal.SIGCONT)
    until_back(lambda: ledger.reserve(SCOPE, DAY, J, attempt_id="a2"))
    assert ledger.spent(SCOPE, DAY).held == 2 + _held_meanwhile(ledger)
    ledger.close()


def _held_meanwhile(ledger: BudgetLedger) -> int:
    """Count what was sent to a stopped server and done by it later; each holds once and expires."""
    return sum(hold.attempt_id.startswith("b") for hold in ledger.unsettled())


def test_a_port_where_nobody_listens_is_an_error_and_no_wait() -> None:
    pytest.importorskip("redis")
    ledger = open_ledger("redis://127.0.0.1:1/0")
    begun = clocks.monotonic()
    with pytest.raises(LedgerError, match=r"^The budget ledger in Redis at 127\.0\.0\.1:1 does not answer \("):
        ledger.reserve(SCOPE, DAY, J, attempt_id="a1")
    assert clocks.monotonic() - begun < BOUND_S


def test_each_step_is_one_round_trip(server: RedisServer) -> None:
    import redis

    ledger = open_ledger(server.url)
    ledger.reserve(SCOPE, DAY, J, attempt_id="a1").settle(J)
    server.say(b"CONFIG", b"RESETSTAT")
    pairs = [
        (SCOPE, DAY),
        ("organisation", Budget.parse("1 kWh/30d rolling")),
        ("user/1", Budget.parse("9 calls/hour")),
    ]
    for n in range(5):
        ledger.reserve_all(pairs, J, attempt_id=f"b{n}").settle(J)
    ledger.close()
    with redis.Redis.from_url(server.url) as client:
        sent: Any = client.info("commandstats")
        clients: Any = client.info("stats")
    assert sent["cmdstat_evalsha"]["calls"] == 10
    assert "cmdstat_eval" not in sent
    assert clients["total_connections_received"] <= 3


def test_flushed_scripts_are_sent_again(server: RedisServer) -> None:
    ledger = open_ledger(server.url)
    for n in range(3):
        ledger.reserve(SCOPE, DAY, J, attempt_id=f"a{n}").settle(J)
        server.say(b"SCRIPT", b"FLUSH")
    assert ledger.spent(SCOPE, DAY).settled == 3
    ledger.close()


def test_a_server_without_memory_refuses_and_changes_nothing(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = open_ledger(server.url)
    ledger.reserve(SCOPE, DAY, J, attempt_id="a1").settle(J)
    server.say(b"CONFIG", b"SET", b"maxmemory", b"1")
    with pytest.raises(LedgerError) as refused:
        ledger.reserve(SCOPE, DAY, J, attempt_id="a2")
    assert str(refused.value).startswith(f"The budget ledger in Redis at 127.0.0.1:{server.port} refused a step (")
    assert str(refused.value).endswith(
        "). Give the server memory, or name one that may be written to and runs scripts."
    )
    server.say(b"CONFIG", b"SET", b"maxmemory", b"0")
    state = ledger.spent(SCOPE, DAY)
    assert (state.settled, state.held) == (1, 0)
    assert not caplog.records
    ledger.close()


def test_a_server_that_may_drop_what_is_counted_is_said_once(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.say(b"CONFIG", b"SET", b"maxmemory", b"100mb")
    server.say(b"CONFIG", b"SET", b"maxmemory-policy", b"allkeys-lru")
    ledger = open_ledger(server.url)
    with caplog.at_level(logging.WARNING, "greenai"):
        for n in range(3):
            ledger.reserve(SCOPE, DAY, J, attempt_id=f"a{n}").settle(J)
    assert [record.getMessage() for record in caplog.records] == [
        (
            f"The budget ledger in Redis at 127.0.0.1:{server.port} may lose what was counted: where memory is short, the "
            "server drops keys (maxmemory-policy allkeys-lru). Give budgets a server with: maxmemory-policy noeviction"
        )
    ]
    ledger.close()


def test_all_keys_are_of_one_slot_of_a_cluster(server: RedisServer) -> None:
    ledger = open_ledger(server.url)
    pairs = [("organisation", DAY), ("{other}", Budget.parse("1 Wh/1h rolling")), ("run/1", Budget.parse("1 Wh"))]
    ledger.reserve_all(pairs, J, attempt_id="{a1}", ttl_s=0.01)
    clocks.sleep(0.05)
    ledger.reserve_all(pairs, J, attempt_id="a2")
    ledger.close()
    import redis

    with redis.Redis.from_url(server.url) as client:
        keys: Any = client.keys("*")
        slots = {client.execute_command("CLUSTER KEYSLOT", key) for key in keys} if _has_slots(client) else {0}
    assert len(keys) >= 8
    assert all(key.startswith(b"{greenai:budgets}:") for key in keys)
    assert len(slots) == 1


def _has_slots(client: Any) -> bool:
    return bool(client.info("cluster")["cluster_enabled"])
