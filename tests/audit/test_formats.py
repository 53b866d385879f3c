"""What real libraries logged of one workload is read as that workload, by each format, and nothing is guessed."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from audit_fixtures import ALL, FIXTURES, Fixture, calls_of, summed
from audit_loopback import asked
from audit_workload import WORKLOAD, Ask

BY_NAME = {fixture.name + Path(fixture.files[0]).suffix: fixture for fixture in ALL}


@pytest.fixture(params=ALL, ids=list(BY_NAME))
def fixture(request: pytest.FixtureRequest) -> Fixture:
    found: Fixture = request.param
    return found


def test_the_totals_are_the_workloads(fixture: Fixture, tmp_path: Path) -> None:
    calls, sources = calls_of(fixture.paths(tmp_path))
    assert summed(calls) == fixture.truth()
    assert {source.format for source in sources} == {fixture.format}
    assert sum(source.malformed_count for source in sources) == 0
    assert sum(source.rows for source in sources) == len(calls)


def test_what_a_format_cannot_tell_is_listed(fixture: Fixture, tmp_path: Path) -> None:
    _, sources = calls_of(fixture.paths(tmp_path))
    lacking = [{missing.field for missing in source.missing} for source in sources if source.rows]
    assert set.intersection(*lacking) == set(fixture.missing)
    assert sum(source.skipped for source in sources) == fixture.skipped


def test_each_prompt_is_what_was_asked(fixture: Fixture, tmp_path: Path) -> None:
    calls, _ = calls_of(fixture.paths(tmp_path))
    logged = [asked(call.messages) for call in calls if call.messages]
    assert sum(call.messages is None for call in calls) == fixture.promptless
    meant = Counter(words(ask, fixture) for ask in WORKLOAD if ask.ok or "errors" not in fixture.untold)
    assert Counter(logged) <= meant
    assert len(logged) == meant.total() - fixture.promptless


def words(ask: Ask, fixture: Fixture) -> str:
    """Return the words by which a prompt is found in a log."""
    messages = [part for part in ask.messages if part["role"] == "user"] if fixture.users else ask.messages
    said = asked(messages)
    return "" if said in fixture.unsaid else said


def test_each_answer_is_what_came_back(fixture: Fixture, tmp_path: Path) -> None:
    calls, _ = calls_of(fixture.paths(tmp_path))
    if "answer" in fixture.missing:
        assert {call.answer for call in calls} == {None}
        return
    told = {ask.answer for ask in WORKLOAD if ask.ok and ask.called is None}
    assert {call.answer for call in calls if call.answer} == told
    assert sum(call.tool_calls for call in calls) == sum(ask.called is not None for ask in WORKLOAD)


def test_each_call_has_its_moment(fixture: Fixture, tmp_path: Path) -> None:
    calls, _ = calls_of(fixture.paths(tmp_path))
    known = [call.created for call in calls if call.created is not None]
    assert known or fixture.format == "openai-batch"
    assert all(1_795_000_000 < moment < 2_000_000_000 for moment in known)


def test_every_file_says_what_made_it() -> None:
    made = json.loads((FIXTURES / "made_by.json").read_text())
    makers = {"greenai", "helicone", "langfuse", "langsmith", "litellm", "llm", "openai", "otel"}
    assert made.keys() == makers
    assert all("date" in versions and len(versions) > 1 for versions in made.values())
    assert all(path.stat().st_size < 60_000 for path in FIXTURES.iterdir())
