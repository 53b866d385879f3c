from __future__ import annotations

import gc
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from parked import FakePower
from test_engines import QUESTION, gone, post

from greenai.errors import EngineError
from greenai.local import Engines, EngineSettings
from greenai.local.parker import Parking
from greenai.local.parking import KeepPolicy, Spell
from greenai.local.roster import here
from greenai.meters.idle import IdlePower

FakeLlama = Callable[[str], str]


@dataclass
class Scene:
    """Engines that park, what they booked, and what they draw."""

    power: FakePower = field(default_factory=FakePower)
    policy: KeepPolicy = field(default_factory=KeepPolicy)
    booked: list[Spell] = field(default_factory=list[Spell])
    made: list[Engines] = field(default_factory=list[Engines])

    def engines(self, weights_dir: Path | None = None) -> Engines:
        parking = Parking(power=self.power, keeping=lambda _: self.policy, book=self.booked.extend)
        self.made.append(Engines(EngineSettings(weights_dir=weights_dir, slots=2, context_tokens=512), parking))
        return self.made[-1]

    def kinds(self) -> list[str]:
        return [spell.kind for spell in self.booked]


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    for engines in made.made:
        engines.close()


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in list(pids) if not gone(pid, within_s=0.001)]


def test_the_rule_unloads_once_idling_has_taken_what_a_reload_takes(scene: Scene, fake_llama: FakeLlama) -> None:
    scene.power = FakePower(watts=10.0, reload_j=4.0)  # 0.4 s
    engines = scene.engines()
    lease = engines.lease(fake_llama("serve"))
    rested = time.monotonic()
    lease.release()
    assert gone(lease.engine.pid)
    assert time.monotonic() - rested >= 0.4
    assert engines.running() == ()
    again = engines.lease(lease.engine.model)
    assert post(again.engine, {})["pid"] == again.engine.pid != lease.engine.pid
    again.release()
    lease.release()  # once more does nothing
    assert len(scene.power.started) == 2


def test_an_answer_in_progress_is_never_cut_whatever_the_policy_says(scene: Scene, fake_llama: FakeLlama) -> None:
    scene.policy = KeepPolicy(keep_s=0.0)
    engines = scene.engines()
    lease = engines.lease(fake_llama("serve"))
    time.sleep(1.2)  # longer than a new process is spared
    assert post(lease.engine, {})["pid"] == lease.engine.pid
    other = engines.lease(lease.engine.model)
    assert other.engine is lease.engine
    lease.release()
    assert post(other.engine, {})["pid"] == other.engine.pid
    other.release()
    assert gone(other.engine.pid)


def test_keep_alive_forever_stays(scene: Scene, fake_llama: FakeLlama) -> None:
    scene.policy = KeepPolicy(keep_s=math.inf)
    engines = scene.engines()
    lease = engines.lease(fake_llama("serve"))
    lease.release()
    time.sleep(0.5)
    assert [engine.pid for engine in engines.running()] == [lease.engine.pid]


def test_a_request_during_unload_waits_for_the_new_start_and_never_are_two_in_memory(
    scene: Scene, fake_llama: FakeLlama
) -> None:
    scene.policy = KeepPolicy(keep_s=0.0)
    engines = scene.engines()
    first = engines.lease(fake_llama("serve"))
    closing, go_on = threading.Event(), threading.Event()
    close = first.engine.close

    def slowly() -> None:
        closing.set()
        assert go_on.wait(10)
        assert len(scene.power.started) == 1  # nothing was started beside it
        close()

    first.engine.close = slowly  # type: ignore[method-assign]
    first.release()
    assert closing.wait(10)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(engines.lease, first.engine.model) for _ in range(8)]
        time.sleep(0.2)
        assert not any(one.done() for one in asked)
        assert alive([first.engine.pid]) == [first.engine.pid]
        go_on.set()
        leases = [one.result(10) for one in asked]
    assert {lease.engine.pid for lease in leases} == {scene.power.started[1]}
    assert gone(first.engine.pid)
    assert [post(lease.engine, {})["pid"] for lease in leases[:2]] == [scene.power.started[1]] * 2
    for lease in leases:
        lease.release()


def test_a_stay_that_ended_without_an_unload_keeps_nobody_waiting(scene: Scene, fake_llama: FakeLlama) -> None:
    engines = scene.engines()
    first = engines.lease(fake_llama("serve"))
    first.release()
    assert first.engine.stay is not None
    first.engine.stay.close()  # as at interpreter exit, where what is left is booked and threads may still ask
    again = engines.lease(first.engine.model, 10.0)
    assert again.engine is not first.engine
    assert gone(first.engine.pid)
    again.release()


def test_under_many_callers_and_constant_unloading_every_request_is_answered(
    scene: Scene, fake_llama: FakeLlama
) -> None:
    scene.policy = KeepPolicy(keep_s=0.0)
    engines = scene.engines()
    path = fake_llama("serve")
    engines.lease(path).release()
    most = 0

    def ask(number: int) -> bool:
        nonlocal most
        time.sleep(number % 5 * 0.25)
        lease = engines.lease(path)
        most = max(most, len(alive(scene.power.started)))
        answered = bool(post(lease.engine, {})["pid"] == lease.engine.pid)
        lease.release()
        return answered

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(ask, range(24)))
    assert most == 1
    assert len(scene.power.started) > 1


def test_a_lease_that_is_forgotten_is_released(scene: Scene, fake_llama: FakeLlama) -> None:
    scene.policy = KeepPolicy(keep_s=0.0)
    engines = scene.engines()
    lease = engines.lease(fake_llama("serve"))
    pid = lease.engine.pid
    del lease
    gc.collect()
    assert gone(pid)


def test_engines_that_are_forgotten_end_their_processes_and_book_what_idling_took(
    scene: Scene, fake_llama: FakeLlama
) -> None:
    scene.policy = KeepPolicy(keep_s=math.inf)
    engines = scene.engines()
    scene.made.clear()
    lease = engines.lease(fake_llama("serve"))
    pid = lease.engine.pid
    lease.release()
    time.sleep(0.1)
    del engines, lease
    gc.collect()
    assert gone(pid)
    assert scene.kinds() == ["warm"] * len(scene.booked) != []


def test_close_ends_a_model_that_idles_and_one_that_is_parked_is_booked(scene: Scene, fake_llama: FakeLlama) -> None:
    scene.policy = KeepPolicy(keep_s=0.0)
    engines = scene.engines()
    lease = engines.lease(fake_llama("serve"))
    lease.release()
    assert gone(lease.engine.pid)
    time.sleep(0.3)
    engines.close()
    engines.close()
    with pytest.raises(EngineError, match="are closed"):
        engines.lease(lease.engine.model)
    parked = scene.booked[-1]
    assert parked.kind == "parked"
    assert parked.model == f"local/{lease.engine.model}"
    assert parked.energy_j == 0.0
    assert parked.staying_j == pytest.approx(10.0 * parked.seconds)
    assert parked.reload_j == 0.0


def test_what_is_booked_is_counted_once_and_adds_up_to_the_time_that_nobody_asked(
    scene: Scene, fake_llama: FakeLlama
) -> None:
    scene.power = FakePower(watts=10.0, reload_j=3.0)
    engines = scene.engines()
    path = fake_llama("serve")
    began = time.monotonic()
    for _ in range(3):
        lease = engines.lease(path)
        time.sleep(0.1)
        lease.release()
        time.sleep(0.1)
    assert gone(lease.engine.pid)
    engines.lease(path).release()
    engines.close()
    whole_s = time.monotonic() - began
    warm = [spell for spell in scene.booked if spell.kind == "warm"]
    (parked,) = [spell for spell in scene.booked if spell.kind == "parked"]
    assert 0.5 <= sum(spell.seconds for spell in warm) < whole_s - 0.3
    assert sum(spell.energy_j for spell in warm) == pytest.approx(10.0 * sum(spell.seconds for spell in warm))
    assert parked.staying_j == pytest.approx(10.0 * parked.seconds)
    assert parked.reload_j == 3.0  # the reload that the rule had to pay


def test_a_ledger_that_fails_costs_nobody_the_answer(fake_llama: FakeLlama, caplog: pytest.LogCaptureFixture) -> None:
    def book(_: object) -> None:
        raise OSError("disk full")

    parking = Parking(power=FakePower(), keeping=lambda _: KeepPolicy(keep_s=0.0), book=book)
    engines = Engines(EngineSettings(slots=1, context_tokens=512), parking)
    lease = engines.lease(fake_llama("serve"))
    lease.release()
    assert gone(lease.engine.pid)
    engines.close()
    assert "What idle models took could not be booked." in caplog.text


def test_a_model_that_died_is_started_again_and_its_idling_booked(scene: Scene, fake_llama: FakeLlama) -> None:
    scene.policy = KeepPolicy(keep_s=math.inf)
    engines = scene.engines()
    lease = engines.lease(fake_llama("serve"))
    lease.release()
    os.kill(lease.engine.pid, 9)
    while lease.engine.alive():
        time.sleep(0.01)
    again = engines.lease(lease.engine.model)
    assert post(again.engine, {})["pid"] == again.engine.pid
    again.release()
    assert scene.kinds() == ["warm"]  # before the first lease, and after it
    assert engines.parker is not None
    assert len(engines.parker.stays) == 1


def test_a_model_that_the_system_killed_idles_no_more_and_is_no_zombie(
    scene: Scene, fake_llama: FakeLlama, tmp_path: Path
) -> None:
    folder = tmp_path / "running"
    parking = Parking(power=scene.power, keeping=lambda _: KeepPolicy(keep_s=math.inf), book=scene.booked.extend)
    engines = Engines(EngineSettings(slots=1, context_tokens=512), replace(parking, folder=folder))
    scene.made.append(engines)
    assert engines.parker is not None
    lease = engines.lease(fake_llama("serve"))
    lease.release()
    pid = lease.engine.pid
    os.kill(pid, 9)
    until = time.monotonic() + 10
    while (engines.parker.stays or Path(f"/proc/{pid}").exists()) and time.monotonic() < until:
        time.sleep(0.01)
    assert not Path(f"/proc/{pid}").exists()
    assert engines.parker.running() == ()
    assert list(folder.iterdir()) == []
    taken = sum(spell.seconds for spell in scene.booked)
    time.sleep(0.3)
    engines.close()
    assert 0 < sum(spell.seconds for spell in scene.booked) == taken


def test_a_model_that_was_killed_while_it_answered_is_started_anew(scene: Scene, fake_llama: FakeLlama) -> None:
    engines = scene.engines()
    lease = engines.lease(fake_llama("serve"))
    os.kill(lease.engine.pid, 9)
    while lease.engine.alive():  # its first thread may be gone before the last, which holds the socket
        time.sleep(0.01)
    again = engines.lease(lease.engine.model)
    lease.release()
    assert post(again.engine, {})["pid"] == again.engine.pid != lease.engine.pid
    assert [one.answering for one in engines.parker.running()] == [1]  # type: ignore[union-attr]
    again.release()


def test_a_forked_child_parks_its_own(scene: Scene, fake_llama: FakeLlama) -> None:
    scene.policy = KeepPolicy(keep_s=0.0)
    engines = scene.engines()
    lease = engines.lease(fake_llama("serve"))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            own = engines.lease(lease.engine.model)
            pid = own.engine.pid
            own.release()
            code = 0 if gone(pid) and pid != lease.engine.pid else 2
            engines.close()
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert post(lease.engine, {})["pid"] == lease.engine.pid
    lease.release()
    assert gone(lease.engine.pid)


def test_two_clients_have_engines_each(scene: Scene, fake_llama: FakeLlama) -> None:
    scene.policy = KeepPolicy(keep_s=0.0)
    path = fake_llama("serve")
    one, two = scene.engines(), scene.engines()
    kept, left = one.lease(path), two.lease(path)
    left.release()
    assert gone(left.engine.pid)
    assert post(kept.engine, {})["pid"] == kept.engine.pid
    kept.release()


def test_what_runs_is_told_with_when_and_why_it_is_unloaded(scene: Scene, fake_llama: FakeLlama) -> None:
    scene.power = FakePower(watts=10.0, reload_j=600.0)
    engines = scene.engines()
    assert engines.parker is not None
    assert engines.parker.running() == ()
    lease = engines.lease(fake_llama("serve"))
    (busy,) = engines.parker.running()
    assert (busy.answering, busy.idle_s, busy.unload_in_s, busy.why) == (1, None, None, "an answer is in progress")
    lease.release()
    (resting,) = engines.parker.running()
    assert (resting.model, resting.pid, resting.answering) == (f"local/{lease.engine.model}", lease.engine.pid, 0)
    assert resting.idle_s is not None
    assert resting.idle_j is not None
    assert resting.unload_in_s == pytest.approx(60.0, abs=1.0)
    assert resting.why == "the rule: after 60 s idling (10 W) has taken what a reload takes (600 J)"
    assert (resting.memory_bytes or 0) > 1_000_000


def test_other_processes_can_read_what_is_in_memory(scene: Scene, fake_llama: FakeLlama, tmp_path: Path) -> None:
    folder = tmp_path / "running"
    power = FakePower(watts=10.0, reload_j=600.0)
    engines = Engines(EngineSettings(slots=1, context_tokens=512), Parking(power=power, folder=folder))
    scene.made.append(engines)
    lease = engines.lease(fake_llama("serve"))
    lease.release()
    rested = time.time()
    (one,) = here(folder)
    assert (one.model, one.pid, one.app_pid) == (f"local/{lease.engine.model}", lease.engine.pid, os.getpid())
    assert one.idle_since == pytest.approx(rested, abs=0.5)
    assert one.unload_at == pytest.approx(rested + 60.0, abs=1.0)
    assert one.why == "the rule: after 60 s idling (10 W) has taken what a reload takes (600 J)"
    # The thread may be at a new file that takes this one's place.
    assert [path.stat().st_mode & 0o777 for path in (folder, *folder.glob("*.json"))] == [0o700, 0o600]
    engines.close()
    assert list(folder.iterdir()) == []


# --- the real model -------------------------------------------------------------------------


def resident_bytes(root: int) -> int:
    """Return what a process and all that it started hold in memory."""
    tree, total = {root}, 0
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(stat[1])
            except OSError:
                continue
    while more := {pid for pid, parent in parents.items() if parent in tree} - tree:
        tree |= more
    for pid in tree:
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            continue
    return total


@pytest.mark.needs_weights
def test_memory_after_unloading_is_within_5_percent_of_before(weights_dir: Path) -> None:
    parking = Parking(power=IdlePower(), keeping=lambda _: KeepPolicy(keep_s=0.0))
    engines = Engines(EngineSettings(weights_dir=weights_dir, slots=2, context_tokens=512), parking)
    try:
        gc.collect()
        before = resident_bytes(os.getpid())
        during: list[int] = []
        for _ in range(2):
            lease = engines.lease("smollm2-135m")
            answer = post(lease.engine, {**lease.engine.defaults, "messages": QUESTION, "max_tokens": 8})
            assert answer["choices"][0]["message"]["content"] == "The capital of France is Paris."
            during.append(resident_bytes(os.getpid()))
            pid = lease.engine.pid
            lease.release()
            del lease
            assert gone(pid)
        after = resident_bytes(os.getpid())
    finally:
        engines.close()
    assert min(during) > before + 100_000_000
    assert after == pytest.approx(before, rel=0.05)
