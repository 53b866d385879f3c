"""A power model that fails: models load, answer and are unloaded all the same, and no figure is made up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from parked import FakePower
from test_engines import gone

from greenai.local import Engines, EngineSettings
from greenai.local.guarded import UNKNOWN, Guarded
from greenai.local.parker import Parking
from greenai.local.parking import Idle, IdleWindow, KeepPolicy, Spell

SAID = "What a local model takes while nobody asks could not be measured."


class Broken:
    """A window whose sensor is gone."""

    def read(self) -> Idle:
        raise RuntimeError("no sensor")


@dataclass
class Fails:
    """A machine on which one kind of measurement fails."""

    what: str
    power: FakePower = field(default_factory=FakePower)

    def _try(self, what: str) -> None:
        if self.what == what:
            raise RuntimeError("no sensor")

    def loading(self) -> Fails:
        self._try("loading")
        return self

    def done(self, pid: int, core_s: float) -> tuple[float, float]:
        self._try("done")
        return self.power.done(pid, core_s)

    def idle(self, pid: int) -> IdleWindow:
        self._try("idle")
        return Broken() if self.what == "read" else self.power.idle(pid)


@dataclass
class Scene:
    """Engines whose power model fails, and what they booked."""

    what: str
    policy: KeepPolicy = field(default_factory=KeepPolicy)
    booked: list[Spell] = field(default_factory=list[Spell])

    def engines(self) -> Engines:
        parking = Parking(power=Fails(what=self.what), keeping=lambda _: self.policy, book=self.booked.extend)
        return Engines(EngineSettings(slots=2, context_tokens=512), parking)


@pytest.fixture(params=["loading", "done", "idle", "read"])
def scene(request: pytest.FixtureRequest) -> Scene:
    return Scene(request.param)


def test_a_model_loads_and_answers_again(
    scene: Scene, fake_llama: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    engines = scene.engines()
    try:
        first = engines.lease(fake_llama("serve"), 20.0)
        first.release()
        again = engines.lease(fake_llama("serve"), 20.0)
        assert again.engine is first.engine  # by the rule it stays where nothing could tell
        known = scene.what in ("loading", "done")  # idling was measured there, the start was not
        assert (again.idle_j is not None) is known
        again.release()
    finally:
        engines.close()
    assert {record.getMessage() for record in caplog.records} == {SAID}
    assert [spell.method for spell in scene.booked] == (["fake-1"] if known else [])


def test_what_the_settings_say_holds_all_the_same(fake_llama: Callable[[str], str]) -> None:
    engines = Scene("read", KeepPolicy(keep_s=0.05)).engines()
    try:
        lease = engines.lease(fake_llama("serve"), 20.0)
        pid = lease.engine.pid
        lease.release()
        assert gone(pid)
    finally:
        engines.close()


def test_how_long_it_was_is_known_where_nothing_else_is() -> None:
    window = Guarded(Fails(what="read")).idle(1)
    first, then = window.read(), window.read()
    assert 0 <= first.seconds <= then.seconds
    assert (then.method, then.watts, then.energy_j) == (UNKNOWN, 0.0, 0.0)
