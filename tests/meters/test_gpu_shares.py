from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

import gpus
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenai.meters.gpu_shares import Account, Claim, Share

IDLE_W, BUSY_W, STEP_S = 100.0, 500.0, 0.1


@dataclass
class Run:
    """Windows on one simulated GPU: what it drew in them is known, to compare with what they are charged."""

    gpu: gpus.SteppingGpu = field(default_factory=gpus.SteppingGpu)
    account: Account = field(default_factory=lambda: Account(STEP_S, idle_w=IDLE_W))
    paid_j: float = 0.0
    drawn_j: float = 0.0
    began_j: float = 0.0

    def __post_init__(self) -> None:
        self.gpu.draw(5.0, IDLE_W)
        self.account.power.guess_w, self.account.power.guess_factor = 260.0, 3.0
        self.began_j = self.gpu.shown_j
        self.account.advance(self.gpu.now_s, self.gpu.shown_j)
        self.began_j += self.account.between_j - self.account.ahead_j

    def open(self) -> Claim:
        return self.account.open(self.gpu.now_s, self.gpu.shown_j)

    def close(self, claim: Claim, tokens: float | None = None) -> Share | None:
        share = self.account.close(claim, self.gpu.now_s, self.gpu.shown_j, tokens)
        self.paid_j += share.energy_j if share else 0.0
        return share

    def window(self, seconds: float, watts: float = BUSY_W) -> Share | None:
        claim = self.open()
        self.drawn_j += self.gpu.draw(seconds, watts)
        return self.close(claim)

    def balance_j(self) -> float:
        """Return what the books do not explain of the counter, in joules."""
        account = self.account
        account.advance(self.gpu.now_s, self.gpu.shown_j)
        waiting_j = sum(pot.energy_j for pot in account.pots)
        booked_j = self.paid_j + waiting_j + account.owed_j + account.between_j
        return booked_j - (self.gpu.shown_j - self.began_j) - account.ahead_j


def test_a_long_window_is_what_the_counter_showed() -> None:
    run = Run()
    before_j = run.gpu.shown_j
    share = run.window(5.0)
    assert share is not None
    assert share.energy_j == pytest.approx(run.gpu.shown_j - before_j)
    assert share.seconds == share.duration_s == pytest.approx(5.0)
    assert share.alone
    assert share.factor == pytest.approx(1.02)


@pytest.mark.parametrize("gap_s", [0.0, 0.001, 0.01, 0.05, 0.3, 1.0])
@pytest.mark.parametrize("step_s", [0.1, 0.02])
def test_short_windows_add_up_to_what_was_drawn(gap_s: float, step_s: float) -> None:
    run, chance = Run(gpus.SteppingGpu(step_s)), random.Random(1)
    shares = []
    for _ in range(300):
        shares.append(run.window(0.03))
        run.gpu.draw(gap_s * chance.uniform(0.5, 1.5), IDLE_W)
    charged = [share.energy_j for share in shares if share is not None]
    assert run.balance_j() == pytest.approx(0.0, abs=1e-6)
    assert len(charged) >= 295
    # One step at full power may be on its way at the end, and the first windows rest on a guess.
    assert run.paid_j == pytest.approx(run.drawn_j, abs=0.01 * run.drawn_j + 2 * STEP_S * BUSY_W)
    within = sum(15 / 2.05 <= energy_j <= 15 * 2.05 for energy_j in charged) / len(charged)
    assert within >= 0.88


def test_short_windows_with_no_gap_add_up_to_the_counter() -> None:
    run = Run()
    for _ in range(1000):
        run.window(0.03)
    shown_j = run.gpu.shown_j - run.began_j
    assert run.paid_j == pytest.approx(shown_j, abs=STEP_S * BUSY_W)


def test_what_the_counter_shows_late_is_charged_to_the_next() -> None:
    run = Run(gpus.SteppingGpu(phase_s=0.09999))
    run.gpu.draw(1.0, IDLE_W)
    run.window(5.0)
    for _ in range(20):
        run.gpu.draw(0.02, IDLE_W)
        run.window(0.03, watts=900.0)
    for _ in range(40):
        run.gpu.draw(0.02, IDLE_W)
        run.window(0.03, watts=300.0)
    assert run.balance_j() == pytest.approx(0.0, abs=1e-6)
    assert run.paid_j == pytest.approx(run.drawn_j, abs=STEP_S * BUSY_W)


def test_short_windows_far_apart_are_charged_no_more_than_they_drew() -> None:
    run, chance = Run(), random.Random(5)
    for _ in range(300):
        run.window(0.03)
        run.gpu.draw(30 * chance.uniform(0.5, 1.5), IDLE_W)
    assert run.balance_j() == pytest.approx(0.0, abs=1e-6)
    # What the counter shows late is lost in 3 kJ of rest: the figure is what moves inside the windows tell.
    assert run.paid_j == pytest.approx(run.drawn_j, rel=0.15)


def test_short_windows_are_not_charged_the_rest_between_them_where_idle_power_is_unknown() -> None:
    run, chance = Run(account=Account(STEP_S)), random.Random(5)
    for _ in range(300):
        run.window(0.03)
        run.gpu.draw(chance.uniform(0.5, 2.0), IDLE_W)
    assert run.account.idle_w is None
    assert run.balance_j() == pytest.approx(0.0, abs=1e-6)
    assert run.paid_j == pytest.approx(run.drawn_j, rel=0.1)


def test_a_counter_that_moves_more_often_is_noticed() -> None:
    run = Run(gpus.SteppingGpu(step_s=0.02))
    for _ in range(20):
        run.window(0.03)
        run.gpu.draw(0.01, IDLE_W)
    assert run.account.step_s == pytest.approx(0.04, abs=0.021)


def test_power_that_changes_is_followed() -> None:
    run = Run()
    for _ in range(200):
        run.window(0.03, watts=600.0)
    for _ in range(400):
        run.window(0.03, watts=200.0)
    assert run.account.power.watts == pytest.approx(200.0, rel=0.1)
    assert run.paid_j == pytest.approx(run.drawn_j, abs=STEP_S * 600)


def test_the_gap_between_windows_is_charged_to_nobody() -> None:
    run = Run()
    for _ in range(20):
        run.window(3.0)
        run.gpu.draw(30.0, IDLE_W)
    assert run.paid_j == pytest.approx(run.drawn_j, rel=0.02)
    assert run.account.between_j == pytest.approx(20 * 30 * IDLE_W, rel=0.05)


def test_a_first_short_window_without_any_power_is_unknown() -> None:
    account = Account(STEP_S)
    claim = account.open(0.0, 50.0)
    assert account.close(claim, 0.03, 50.0) is None


def test_a_first_short_window_rests_on_the_guess() -> None:
    account = Account(STEP_S)
    account.power.guess_w, account.power.guess_factor = 260.0, 3.0
    claim = account.open(0.0, 50.0)
    share = account.close(claim, 0.03, 50.0)
    assert share is not None
    assert share.energy_j == pytest.approx(260 * 0.03)
    assert share.factor == 3.0


def test_a_counter_that_stands_still_is_charged_for_a_few_steps_only() -> None:
    account = Account(STEP_S)
    account.power.guess_w = 260.0
    claim = account.open(0.0, 50.0)
    share = account.close(claim, 60.0, 50.0)
    assert share is not None
    assert share.energy_j == pytest.approx(260 * 2.5 * STEP_S)


def test_a_counter_that_starts_anew_makes_what_was_open_unknown_and_nothing_else() -> None:
    account = Account(STEP_S)
    claim = account.open(0.0, 1000.0)
    assert account.close(claim, 2.0, 10.0) is None
    later = account.open(2.0, 10.0)
    share = account.close(later, 4.0, 1010.0)
    assert share is not None
    assert share.energy_j == pytest.approx(1000.0)


def test_a_second_window_over_the_restart_is_unknown_too() -> None:
    account = Account(STEP_S)
    first, second = account.open(0.0, 1000.0), account.open(0.5, 1200.0)
    assert account.close(first, 2.0, 10.0) is None
    assert account.close(second, 4.0, 900.0) is None
    assert not account.claims


def after_gaps(*gaps: tuple[float, float, float | None], idle_w: float | None = None) -> Account:
    """Return the account after a window and a gap of so many watts, seconds and sensor's watts, again and again."""
    gpu, account = gpus.SteppingGpu(), Account(STEP_S, idle_w=idle_w)
    account.advance(gpu.now_s, gpu.shown_j)
    for watts, gap_s, sensor_w in gaps:
        claim = account.open(gpu.now_s, gpu.shown_j, quiet=False)
        gpu.draw(2.0, BUSY_W)
        account.close(claim, gpu.now_s, gpu.shown_j)
        gpu.draw(gap_s, watts)
        claim = account.open(gpu.now_s, gpu.shown_j, sensor_w=sensor_w)
        account.close(claim, gpu.now_s, gpu.shown_j)
    return account


def test_idle_power_is_learnt_from_gaps_that_agree_and_the_least_counts() -> None:
    assert after_gaps((120.0, 30.0, None), (100.0, 30.0, None), (150.0, 30.0, None)).idle_w is None
    account = after_gaps((100.0, 30.0, None), (104.0, 30.0, None), (150.0, 30.0, None), (20.0, 3.0, None))
    assert account.idle_w == pytest.approx(100.0, rel=0.03)


def test_idle_power_is_learnt_from_two_readings_of_the_sensor_and_falls_with_a_lesser_one() -> None:
    assert after_gaps((80.0, 5.0, 444.0), (80.0, 5.0, 81.0)).idle_w is None
    assert after_gaps((80.0, 5.0, 444.0), (80.0, 5.0, 81.0), (80.0, 5.0, 80.0)).idle_w == 80.0
    assert after_gaps((80.0, 5.0, 81.0), (80.0, 5.0, 80.0), (60.0, 5.0, 60.0), (80.0, 5.0, 80.0)).idle_w == 60.0


def test_idle_power_is_not_learnt_from_the_sensor_while_it_shows_the_window_before() -> None:
    assert after_gaps(*[(80.0, 1.0, 300.0)] * 5).idle_w is None


def test_two_readings_of_the_sensor_at_once_are_one() -> None:
    account = Account(STEP_S)
    for now_s in (10.0, 10.5):
        account.rest.read(now_s, 70.0)
    assert account.rest.watts is None
    account.rest.read(11.0, 70.0)
    assert account.rest.watts == 70.0


def test_a_gap_in_which_the_gpu_worked_for_others_teaches_nothing() -> None:
    assert after_gaps(*[(500.0, 25.0, 80.0)] * 2, (80.0, 5.0, 300.0)).idle_w == 80.0
    assert after_gaps(*[(500.0, 25.0, 416.0), (80.0, 5.0, 80.0)] * 3).idle_w is None
    assert after_gaps(*[(380.0, 25.0, None)] * 3, idle_w=80.0).idle_w == 80.0


@pytest.mark.parametrize(("quiet", "stated"), [(False, False), (True, True)])
def test_idle_power_is_not_learnt_where_others_compute_or_it_was_stated(quiet: bool, stated: bool) -> None:
    account = Account(STEP_S, idle_w=77.0 if stated else None, stated=stated)
    for now_s in (0.0, 60.0, 120.0):
        account.close(account.open(now_s, now_s * 90, quiet=quiet), now_s + 1, now_s * 90 + 500)
    assert account.idle_w == (77.0 if stated else None)


# --- windows that overlap --------------------------------------------------------------------


def test_windows_that_overlap_share_equally_without_tokens() -> None:
    run = Run()
    first, second = run.open(), run.open()
    run.gpu.draw(4.0, BUSY_W)
    one, other = run.close(first), run.close(second)
    assert one is not None
    assert other is not None
    assert one.energy_j == pytest.approx(other.energy_j, rel=0.02)
    assert one.seconds + other.seconds == pytest.approx(4.0)
    assert not one.alone
    assert not other.alone


@pytest.mark.parametrize("tokens", [math.inf, math.nan, -1.0, 0.0])
def test_tokens_that_are_no_number_of_tokens_set_no_rate(tokens: float) -> None:
    run = Run()
    run.account.rate = 300.0
    claim = run.open()
    run.gpu.draw(1.0, BUSY_W)
    share = run.close(claim, tokens)
    assert share is not None
    assert run.account.rate == 300.0


def test_windows_that_overlap_share_by_their_rate_of_work() -> None:
    run = Run()
    run.account.rate = 300.0
    first, second = run.open(), run.open()
    run.gpu.draw(4.0, BUSY_W)
    one, other = run.close(first, tokens=400), run.close(second, tokens=1200)
    assert one is not None
    assert other is not None
    assert one.energy_j / (one.energy_j + other.energy_j) == pytest.approx(100 / 400)


def test_what_was_drawn_before_a_window_opened_is_never_its_own() -> None:
    run = Run()
    old = run.open()
    run.gpu.draw(10.0, BUSY_W)
    young = run.open()
    run.gpu.draw(1.0, BUSY_W)
    share = run.close(young, tokens=1e9)
    assert share is not None
    assert share.energy_j <= 1.2 * BUSY_W
    rest = run.close(old, tokens=1)
    assert rest is not None
    assert rest.energy_j >= 9.7 * BUSY_W


def test_32_windows_at_once_add_up_to_the_counter() -> None:
    run, chance = Run(), random.Random(7)
    waiting = []
    for _ in range(32):
        waiting.append(run.open())
        run.drawn_j += run.gpu.draw(0.004, BUSY_W)
    for _ in range(600):
        run.close(waiting.pop(chance.randrange(32)), tokens=chance.choice([None, 10, 1000]))
        waiting.append(run.open())
        run.drawn_j += run.gpu.draw(0.01, BUSY_W)
    for claim in waiting:
        run.close(claim, tokens=20)
    assert run.balance_j() == pytest.approx(0.0, abs=1e-6)
    assert run.paid_j == pytest.approx(run.gpu.shown_j - run.began_j, rel=0.02)


def test_a_window_that_was_given_up_costs_the_later_ones_nothing() -> None:
    run = Run()
    run.open()
    run.gpu.draw(3.0, IDLE_W)
    for _ in range(5):
        share = run.window(2.0)
        assert share is not None
        assert share.alone
        assert share.energy_j == pytest.approx(2 * BUSY_W, rel=0.06)
        run.gpu.draw(3.0, IDLE_W)
    assert run.balance_j() == pytest.approx(0.0, abs=1e-6)
    assert run.account.pots == []


def test_what_a_window_that_was_given_up_shared_goes_to_the_others() -> None:
    run = Run()
    first, second = run.open(), run.open()
    run.gpu.draw(2.0, BUSY_W)
    third = run.open()
    del second
    run.gpu.draw(2.0, BUSY_W)
    assert run.close(third) is not None
    del first
    assert run.balance_j() == pytest.approx(0.0, abs=1e-6)
    assert run.account.claims == []


EVENT = st.tuples(
    st.sampled_from(["open", "close", "pass"]),
    st.floats(0.0, 3.0),
    st.floats(0.0, 1000.0),
    st.one_of(st.none(), st.floats(0.0, 1e6)),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(EVENT, max_size=60), st.one_of(st.none(), st.floats(1.0, 300.0)))
def test_the_books_balance_and_no_share_is_negative(
    events: list[tuple[str, float, float, float | None]], idle_w: float | None
) -> None:
    run = Run(account=Account(STEP_S, idle_w=idle_w, stated=True))
    waiting: list[Claim] = []
    for what, seconds, watts, tokens in events:
        if what == "open":
            waiting.append(run.open())
        elif what == "close" and waiting:
            claim = waiting.pop(len(waiting) // 2)
            run.account.advance(run.gpu.now_s, run.gpu.shown_j)
            taken = run.account.drop(claim, tokens or None)
            assert taken.energy_j >= -1e-9
            assert taken.seconds >= 0
            run.paid_j += taken.energy_j
        run.gpu.draw(seconds, watts)
        assert all(pot.energy_j >= -1e-9 for pot in run.account.pots)
    assert run.balance_j() == pytest.approx(0.0, abs=1e-6 * max(run.gpu.shown_j, 1.0))
