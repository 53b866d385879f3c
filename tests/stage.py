"""Where documentation and examples run: the program as it is, with a scripted provider and no engine behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host_wires import set_hosts
from played import play

from greenai import session
from greenai.local import Engine, Engines
from greenai.resources import Outside
from greenai.testing import FakeEngine, FakeProvider

if TYPE_CHECKING:
    import pytest

    from greenai.values import Call

LOADED = "smollm2-135m"


class OneEngine(Engines):
    """One local model that is always loaded; every other name fails as it does on a machine without it."""

    def get(self, name: str, timeout_s: float | None = None) -> Engine:
        return FakeEngine(name) if name == LOADED else super().get(name, timeout_s)


def say(call: Call) -> str:
    """Answer the question about Italy rightly, and every other one with Paris."""
    asked = str(call.draft.messages[-1]["content"])
    country, city = ("Italy", "Rome") if "Italy" in asked else ("France", "Paris")
    return f"The capital of {country} is {city}."


def set_stage(monkeypatch: pytest.MonkeyPatch, *, keys: bool = True) -> None:
    """Make every client that is made without doubles answer from a script; `keys` False leaves the real provider."""
    if keys:
        play(monkeypatch)  # what an app's own client of a provider sends
        set_hosts(monkeypatch)

    def outside() -> Outside:
        provider = FakeProvider(default=say)
        if keys:
            return Outside(provider=lambda _: provider, engines=lambda _: OneEngine())
        return Outside(engines=lambda _: OneEngine())

    monkeypatch.setattr(session, "Outside", outside)
