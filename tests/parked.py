"""Doubles for tests of parking: a machine whose watts are known, and a client on given engines."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from greenai import Client
from greenai.local import Engines
from greenai.local.parking import Idle
from greenai.resources import Outside
from greenai.session import Session
from greenai.settings import Settings
from greenai.testing import FakeProvider, MemoryStore

LOCAL = "local/smollm2-135m"


@dataclass(frozen=True)
class Resting:
    """A process that draws so many watts while it idles."""

    watts: float
    began: float

    def read(self) -> Idle:
        seconds = time.monotonic() - self.began
        return Idle(seconds=seconds, watts=self.watts, energy_j=self.watts * seconds, method="fake-1")


@dataclass
class FakePower:
    """A machine on which idling draws `watts`, and a start takes `reload_j`."""

    watts: float = 10.0
    reload_j: float = 1.0
    started: list[int] = field(default_factory=list[int])

    def loading(self) -> FakePower:
        return self

    def done(self, pid: int, core_s: float) -> tuple[float, float]:
        assert core_s > 0
        self.started.append(pid)
        return self.reload_j, 0.0

    def idle(self, _pid: int) -> Resting:
        return Resting(self.watts, time.monotonic())


def client(engines: Engines, kind: Any = Client, provider: FakeProvider | None = None, **more: Any) -> Any:
    settings = Settings.model_validate(
        {"ladder": [LOCAL], "state_dir": None, "weights_dir": None, "ledger": ":memory:", "cache": "off", **more}
    )
    provider = provider or FakeProvider(default="Blue.")
    outside = Outside(
        provider=lambda _: provider, store=lambda _: MemoryStore(), engines=lambda _: engines, meters=(), env={}
    )
    said: dict[str, Any] = dict.fromkeys(("project", "observe", "opt_in", "reason", "timeout", "max_retries"))
    session = Session.open(settings, {"api_key": None, "base_url": None}, **said, observers=(), outside=outside)
    return kind._of(session, owner=True)
