"""What a project registered, as one: what fails of it, what is read anew, and the key of stored answers."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from greenai import InvalidRequest, answerers
from greenai.answerers import faq, registry
from greenai.answerers.faq import Faq
from greenai.answerers.matching import Route
from greenai.answerers.registered import Function, version_of
from greenai.answerers.registry import Registry
from greenai.steps import caching
from greenai.testing import offline

if TYPE_CHECKING:
    from collections.abc import Callable

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


# --- the key of stored answers --------------------------------------------------------------


def enclosing(value: Any) -> Callable[[str], str]:
    return lambda question: f"{question} {value}"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda q: q.upper(), lambda q: q.lower()),
        (enclosing(1), enclosing(2)),
        (enclosing(1), enclosing(True)),
        (enclosing({"a": [1]}), enclosing({"a": [2]})),
        (lambda q, n=1: q * n, lambda q, n=2: q * n),
        (lambda q, *, n=1: q * n, lambda q, *, n=2: q * n),
        (lambda q: max(q, key=lambda x: x.upper()), lambda q: max(q, key=lambda x: x.lower())),
    ],
)
def test_functions_that_do_something_else_have_other_versions(one: Any, other: Any) -> None:
    assert version_of(one)
    assert version_of(one) != version_of(other)


def test_versions_are_the_same_in_every_process() -> None:
    code = (
        "from greenai.answerers.registered import version_of\n"
        "def f(q):\n"
        "    return [*map(lambda x: x in {'a', 'b', 'c', 'd'}, q)]\n"
        "print(version_of(f))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(said) == 1
    assert len(said.pop()) == 65


class _Callable:
    def __call__(self, question: str) -> str:
        return question

    def method(self, question: str) -> str:
        return question


@pytest.mark.parametrize(
    "call",
    [_Callable(), _Callable().method, functools.partial(max, "a"), str.upper, enclosing(object()), enclosing([len])],
)
def test_a_function_whose_versions_cannot_be_told_apart_is_not_stored(
    call: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert version_of(call) is None
    with offline() as client:
        client.answerer(examples=["who founded this company"], name="founder", volatile=False)(call)
        outcomes = [client.ask("Who founded this company?").greenai.outcome for _ in "12"]
    assert "cache" not in outcomes
    assert caplog.messages[0] == (
        "The answers of founder are not stored, although it is registered with volatile=False: its versions cannot be "
        "told apart. Register a plain function that encloses plain values only."
    )


def stored_key(path: Path) -> str:
    own = Registry()
    own.add(Faq(path))
    return own.fingerprint


def test_an_edit_of_a_file_ends_the_stored_answers(pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faq, "CHECK_S", 0.0)
    with offline() as client:
        client.faq(pairs)
        outcomes = [client.ask("How do I return a parcel?").greenai.outcome for _ in "123"]
        assert outcomes == ["small", "small", "cache"]
        pairs.write_text(CANADA + '["How do I return a parcel?", "By train."]\n')
        assert client.ask("How do I return a parcel?").text == "By train."


def test_the_key_follows_the_contents_and_is_the_same_in_every_process(pairs: Path, tmp_path: Path) -> None:
    unread = stored_key(pairs)
    assert unread == stored_key(pairs)
    own, other = Registry(), Registry()
    own.add(Faq(pairs))
    own.refresh()
    copy = tmp_path / "copy.jsonl"
    copy.write_text(CANADA.replace("freight", "sea"))
    other.add(Faq(copy))
    other.refresh()
    assert own.fingerprint != other.fingerprint
    pairs.write_text(CANADA.replace("freight", "sea"))
    assert stored_key(pairs) != unread


def test_an_edit_is_read_at_once_where_the_key_shows_it(pairs: Path) -> None:
    source = Faq(pairs)
    source.refresh()
    before = source.version()
    source._looked = 0.0
    pairs.write_text(CANADA * 2)
    assert not source.is_due()
    assert source.version() != before
    assert source.is_due()


def test_a_source_that_cannot_be_looked_at_costs_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.md").write_text("One.")
    (tmp_path / "b.md").write_text("Two.")
    monkeypatch.setattr(faq, "MAX_FILES", 1)
    assert stored_key(tmp_path)


def test_the_version_of_the_built_in_tools_is_part_of_the_key() -> None:
    assert caching._VERSIONS["built-in"] == answerers.VERSION
