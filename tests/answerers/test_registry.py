"""What a project registered, as one: what fails of it, what is read anew, and the key of stored answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from greenai import InvalidRequest
from greenai.answerers import faq, registry
from greenai.answerers.faq import Faq
from greenai.answerers.matching import Route
from greenai.answerers.registered import Function
from greenai.answerers.registry import Registry
from greenai.testing import offline

CANADA = '["Do you ship to Canada?", "Yes, by freight."]\n'


def function(name: str = "hours", example: str = "when do you open on sunday", **options: bool) -> Function:
    return Function(name=name, call=lambda _: "At nine.", route=Route(name=name, examples=(example,)), **options)


def fired(own: Registry, question: str) -> list[str]:
    return [candidate.name for candidate in own.candidates(question) if candidate.fires]


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "faq.jsonl"
    path.write_text(CANADA)
    return path


# --- what fails -----------------------------------------------------------------------------


def test_one_bad_source_silences_no_other(tmp_path: Path, pairs: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text("no pair")
    with offline() as client:
        client.faq(bad, name="bad")
        client.faq(pairs, name="good")
        client.answerer(examples=["when do you open on sunday"], name="hours")(lambda _: "At nine.")
        first = client.ask("Do you ship to Canada?")
        assert first.text == "Yes, by freight."
        assert first.greenai.warnings == ("What was registered could not be indexed, and does not answer.",)
        assert client.ask("When do you open on Sunday?").text == "At nine."


def test_a_source_that_goes_bad_keeps_its_pairs_until_it_is_mended(
    pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Registry()
    own.add(Faq(pairs))
    own.refresh()
    monkeypatch.setattr(faq, "CHECK_S", 0.0)
    pairs.write_text("no pair at all")
    with pytest.raises(InvalidRequest, match="is no question with an answer"):
        own.refresh()
    assert fired(own, "Do you ship to Canada?") == ["faq"]
    pairs.write_text('["Do you ship to Norway?", "Yes."]\n')
    own.refresh()
    assert (fired(own, "Do you ship to Canada?"), fired(own, "Do you ship to Norway?")) == ([], ["faq"])


def test_an_index_that_failed_is_tried_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Registry()
    own.add(function())
    made, now = registry.Routes, [100.0]
    monkeypatch.setattr(registry.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(registry, "Routes", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        own.refresh()
    assert not own.is_due()
    monkeypatch.setattr(registry, "Routes", made)
    own.refresh()
    assert fired(own, "When do you open on Sunday?") == []
    now[0] += faq.CHECK_S
    assert own.is_due()
    own.refresh()
    assert fired(own, "When do you open on Sunday?") == ["hours"]
    assert not own.is_due()


def test_half_a_character_silences_nobody() -> None:
    own = Registry()
    own.add(function("broken", "where is \ud800 my parcel"))
    own.add(Faq({"Do you \udfff ship?": "Yes."}))
    own.add(function())
    own.refresh()
    assert fired(own, "When do you open on Sunday?") == ["hours"]
    assert own.candidates("\ud800?")


def test_registering_while_another_thread_looks(pairs: Path) -> None:
    own = Registry()

    class Another(Faq):
        def is_due(self) -> bool:
            own.add(Faq(pairs, name="second"))
            return False

    own.add(Another(pairs))
    own._stale = False
    assert not own.is_due()
