"""Sharing one process's use among windows: exact sums, fair parts, and nobody pays for what was used before he came."""

from __future__ import annotations

import math
import os
import signal
import threading
import weakref
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai.meters.shares import Account, Accounts, Amounts, Claim, Pots, work
from greenai.values import Usage


@dataclass
class Script:
    """A source that says what the test sets."""

    totals: list[int] | None = field(default_factory=lambda: [0])
    resting: list[bool] = field(default_factory=list)

    @property
    def kinds(self) -> int:
        return 1

    def read(self, *, resting: bool) -> Amounts | None:
        self.resting.append(resting)
        return None if self.totals is None else tuple(self.totals)


def with_price(price: float, tokens: float = 1000.0, kinds: int = 1) -> Pots:
    """Return pots that learnt a price from one window alone."""
    pots = Pots(kinds)
    claim = pots.open()
    pots.charge((round(price * tokens),) * kinds)
    pots.close(claim, tokens)
    return pots


STEPS = st.lists(
    st.tuples(
        st.integers(0, 10**10),  # used since the last step
        st.booleans(),  # open, or close
        st.integers(0, 30),  # which one
        st.one_of(st.none(), st.floats(0, 1e6, allow_nan=False)),  # tokens
    ),
    max_size=60,
)


@given(STEPS)
def test_the_shares_add_up_to_what_was_used_whatever_happens(steps: list[tuple[int, bool, int, float | None]]) -> None:
    pots, given_out, used = Pots(2), [0, 0], [0, 0]
    claims: list[Claim] = []
    for amount, opens, which, tokens in [*steps, *[(7, False, 0, None)] * 61]:
        pots.charge((amount, amount // 3))
        used = [used[0] + amount, used[1] + amount // 3]
        if opens:
            claims.append(pots.open())
        elif claims:
            taken = pots.close(claims.pop(which % len(claims)), tokens)
            assert min(taken) >= 0
            given_out = [a + b for a, b in zip(given_out, taken, strict=True)]
    assert [a + b for a, b in zip(given_out, pots.uncharged, strict=True)] == used
    assert (pots.pots, pots.claims) == ([], [])


@given(STEPS)
def test_no_window_is_charged_more_than_was_used_while_it_was_open(
    steps: list[tuple[int, bool, int, float | None]],
) -> None:
    pots, used = Pots(), 0
    claims: list[tuple[Claim, int]] = []
    for amount, opens, which, tokens in steps:
        pots.charge((amount,))
        used += amount
        if opens:
            claims.append((pots.open(), used))
        elif claims:
            claim, before = claims.pop(which % len(claims))
            assert pots.close(claim, tokens)[0] <= used - before


def test_windows_with_equal_work_are_charged_alike() -> None:
    pots, charged = with_price(100.0), [0, 0, 0, 0]
    for _ in range(50):
        claims = [pots.open() for _ in range(4)]
        pots.charge((40_000,))
        one = [pots.close(claim, 100.0)[0] for claim in claims]
        assert one == pytest.approx([10_000] * 4, rel=0.3)
        charged = [a + b for a, b in zip(charged, one, strict=True)]
    assert charged == pytest.approx([500_000] * 4, rel=0.1)
    assert sum(charged) == 50 * 40_000


@pytest.mark.parametrize("large_first", [True, False])
def test_ten_times_the_tokens_cost_ten_times_as_much(large_first: bool) -> None:
    pots = Pots()
    charged = {20.0: 0, 200.0: 0}
    for n in range(60):
        claims = {tokens: pots.open() for tokens in charged}
        pots.charge((220_000,))
        for tokens in sorted(charged, reverse=large_first):
            taken = pots.close(claims[tokens], tokens)[0]
            charged[tokens] += taken if n >= 10 else 0  # the first ones teach the price
    assert charged[200.0] / charged[20.0] == pytest.approx(10, rel=0.2)
    assert sum(charged.values()) == 50 * 220_000


def test_a_caller_who_waits_pays_for_its_work_and_not_for_its_wait() -> None:
    pots = with_price(100.0)
    waiting = pots.open()
    for _ in range(10):
        served = pots.open()
        pots.charge((10_000,))
        assert pots.close(served, 80.0)[0] == pytest.approx(8_000, rel=0.15)
    pots.charge((2_000,))
    assert pots.close(waiting, 100.0)[0] == pytest.approx(22_000, rel=0.2)  # the rest stays with who was there


def test_what_one_window_alone_was_open_for_is_its_own() -> None:
    pots = with_price(100.0)
    first = pots.open()
    pots.charge((50_000,))
    second = pots.open()
    pots.charge((1_000,))
    assert pots.close(first, 1.0)[0] == 50_000
    assert pots.close(second, 1.0)[0] == 1_000


def test_without_tokens_a_window_takes_its_part_by_time() -> None:
    pots = with_price(100.0)
    cancelled, other, third = pots.open(), pots.open(), pots.open()
    pots.charge((30_000,))
    assert pots.close(cancelled)[0] == 10_000
    pots.charge((10_000,))
    assert pots.close(other)[0] == 15_000
    assert pots.close(third)[0] == 15_000


@pytest.mark.parametrize("tokens", [None, 0.0, -3.0])
def test_no_tokens_teach_no_price(tokens: float | None) -> None:
    pots = Pots()
    claim = pots.open()
    pots.charge((10,))
    pots.close(claim, tokens)
    assert pots.price is None


def test_calls_that_failed_do_not_raise_the_price() -> None:
    pots = with_price(1.0)
    for _ in range(20):
        failed, answered = pots.open(), pots.open()
        pots.charge((200,))
        pots.close(failed)
        pots.close(answered, 100.0)
    assert pots.price == pytest.approx(1.0)


def test_before_there_is_a_price_parts_are_equal() -> None:
    pots = Pots()
    small, large = pots.open(), pots.open()
    pots.charge((10_000,))
    assert pots.close(small, 1.0)[0] == 5_000
    assert pots.close(large, 1000.0)[0] == 5_000
    assert pots.price is not None


@pytest.mark.parametrize("tokens", [math.inf, math.nan, -1.0, 0.0])
def test_tokens_that_are_no_number_of_tokens_are_unknown_and_teach_no_price(tokens: float) -> None:
    pots = with_price(100.0)
    one, two = pots.open(), pots.open()
    pots.charge((10_000,))
    assert pots.close(one, tokens) == (5_000,)
    assert pots.price == pytest.approx(100.0)
    assert pots.close(two) == (5_000,)


def test_a_window_leaves_something_to_those_that_stay() -> None:
    pots = with_price(100.0)
    large, rest = pots.open(), pots.open()
    pots.charge((10_000,))
    assert pots.close(large, 1e9)[0] == 9_000
    assert pots.close(rest, 1.0)[0] == 1_000


def test_all_kinds_are_divided_alike_and_add_up() -> None:
    pots = with_price(1.0, kinds=3)
    one, two = pots.open(), pots.open()
    pots.charge((999, 100, 7))
    first, second = pots.close(one, 300.0), pots.close(two, 1.0)
    assert tuple(a + b for a, b in zip(first, second, strict=True)) == (999, 100, 7)
    assert first == (300, 30, 2)


# --- an account -----------------------------------------------------------------------------


def test_what_is_used_between_windows_is_charged_to_nobody_and_counted() -> None:
    source = Script()
    account = Account(source)
    first = account.open()
    assert first is not None
    source.totals = [10]
    assert account.close(first) == (10,)
    source.totals = [25]
    second = account.open()
    assert second is not None
    source.totals = [30]
    assert account.close(second) == (5,)
    assert account.pots.uncharged == [15]
    assert source.resting == [True, False, True, False]


@pytest.mark.parametrize("totals", [None, [3]])
def test_a_source_that_is_gone_or_starts_anew_loses_the_open_windows(totals: list[int] | None) -> None:
    source = Script([10])
    account = Account(source)
    claim = account.open()
    assert claim is not None
    source.totals = totals
    assert account.close(claim) is None
    assert (account.open() is None) == (totals is None)
    assert account.pots.price is None


def test_threads_that_open_and_close_at_once_share_all_of_it() -> None:
    source, total = Script(), 0
    account, charged = Account(source), list[int]()

    def calls() -> None:
        nonlocal total
        for _ in range(200):
            claim = account.open()
            assert claim is not None
            with account.lock:
                total += 7
                source.totals = [total]
            taken = account.close(claim, 3.0)
            assert taken is not None
            charged.append(taken[0])

    threads = [threading.Thread(target=calls) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(charged) + account.pots.uncharged[0] == 8 * 200 * 7


def test_one_account_for_each_key_as_long_as_somebody_holds_it() -> None:
    accounts: Accounts[Script] = Accounts()
    held, idle = accounts.of("held", Script), accounts.of("idle", Script)
    gone = weakref.ref(idle)
    del idle
    for n in range(64):
        accounts.of(n, Script)
    assert accounts.of("held", Script) is held
    assert gone() is None


def test_accounts_of_windows_that_were_given_up_are_forgotten() -> None:
    accounts: Accounts[Script] = Accounts()
    for n in range(200):
        assert accounts.of(n, Script).open() is not None
    assert len(accounts._accounts) == 64


def test_a_window_that_was_given_up_costs_the_later_ones_nothing() -> None:
    source = Script()
    account = Account(source)
    assert account.open() is not None
    source.totals = [100]
    charged = []
    for n in range(5):
        claim = account.open()
        assert claim is not None
        source.totals = [110 + n * 10]
        charged.append(account.close(claim))
    assert charged == [(10,)] * 5
    assert account.pots.uncharged == [100]


def test_what_a_window_that_was_given_up_shared_goes_to_the_others_and_its_own_to_nobody() -> None:
    pots = Pots()
    first, second, third = pots.open(), pots.open(), pots.open()
    pots.charge((30,))
    del first, second
    pots.expire()
    assert pots.close(third) == (30,)
    first, second = pots.open(), None
    pots.charge((7,))
    second = pots.open()
    pots.charge((50,))
    del first
    pots.expire()
    assert pots.close(second) == (50,)
    assert pots.uncharged == [7]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_window_of_the_parent_cannot_be_closed_in_a_forked_child() -> None:
    account = Account(Script())
    claim = account.open()
    assert claim is not None
    with account.lock:  # as another thread of the parent may
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            status = 1
            try:
                status = 0 if account.close(claim) is None else 1
            finally:
                os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert account.close(claim) == (0,)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_starts_with_no_account() -> None:
    accounts: Accounts[Script] = Accounts()
    account = accounts.of(1, Script)
    with account.lock, accounts._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if accounts.of(1, Script) is not account else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# --- work -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (Usage(), None),
        (Usage(input_tokens=0, output_tokens=0), None),
        (Usage(output_tokens=100), 100.0),
        (Usage(input_tokens=87), 48.0),
        (Usage(input_tokens=87, output_tokens=10), 58.0),
        (Usage(input_tokens=187, cached_tokens=100, output_tokens=10, reasoning_tokens=5), 58.0),
        (Usage(input_tokens=10, cached_tokens=20, output_tokens=1), 1.0),
    ],
)
def test_work_counts_output_and_fresh_input(usage: Usage, tokens: float | None) -> None:
    assert work(usage) == (None if tokens is None else pytest.approx(tokens))
