"""What real libraries logged of one workload is read as that workload, by each format, and nothing is guessed."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from audit_fixtures import ALL, FIXTURES, OTHER_KINDS, Fixture, calls_of, summed
from audit_loopback import asked
from audit_workload import WORKLOAD, Ask, totals

from greenai.audit.ingest import ingest
from greenai.audit.reading import opened
from greenai.audit.store import working

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
    without = sum(call.messages is None for call in calls)
    assert fixture.promptless in (without, None)
    meant = Counter(words(ask, fixture) for ask in WORKLOAD if ask.ok or "errors" not in fixture.untold)
    assert Counter(logged) <= meant
    assert len(logged) == meant.total() - without


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
    assert known or fixture.format in {"openai-batch", "anthropic-batch"}
    assert all(1_795_000_000 < moment < 2_000_000_000 for moment in known)


@pytest.mark.parametrize("name", [name for name, log in BY_NAME.items() if log.promptless == 0])
def test_the_same_repeats_are_found(name: str, tmp_path: Path) -> None:
    answered = [ask for ask in WORKLOAD if ask.ok]
    different = {json.dumps([ask.model, ask.messages, ask.arguments], sort_keys=True) for ask in answered}
    with working() as store:
        ingest(opened(BY_NAME[name].paths(tmp_path)), store)
        found = store.sql("SELECT count(*), count(DISTINCT exact), sum(input_tokens) FROM calls WHERE ok")
    assert found == [(len(answered), len(different), totals(answered).input_tokens)]


@pytest.mark.parametrize("name", OTHER_KINDS)
def test_responses_and_embeddings_are_told_apart(name: str) -> None:
    asks = OTHER_KINDS[name]
    calls, sources = calls_of([FIXTURES / name])
    assert [source.malformed_count for source in sources] == [0]
    said, truth = summed(calls), totals(asks)
    assert (said.calls, said.errors, said.models, said.projects) == (
        truth.calls,
        truth.errors,
        truth.models,
        truth.projects,
    )
    assert said.input_tokens == truth.input_tokens
    assert (said.output_tokens or 0, said.reasoning_tokens or 0) == (truth.output_tokens, truth.reasoning_tokens)
    answered = [call for call in calls if call.ok]
    assert Counter(call.kind for call in answered) == Counter(ask.kind for ask in asks if ask.ok)
    assert {call.answer for call in answered} <= {None, *(ask.answer for ask in asks)}


@pytest.mark.parametrize("name", [name for name in OTHER_KINDS if not name.startswith("otel")])
def test_prompts_of_responses_have_their_instructions(name: str) -> None:
    calls, _ = calls_of([FIXTURES / name])
    planned = [call.messages for call in calls if call.messages and asked(call.messages) == "Plan the third quarter."]
    assert planned == [
        (
            {"role": "system", "content": "You plan in one sentence."},
            {"role": "user", "content": "Plan the third quarter."},
        )
    ]


def test_arguments_that_nobody_gave_are_none() -> None:
    calls, _ = calls_of([FIXTURES / "langfuse_observations.jsonl"])
    given = [dict(call.arguments) for call in calls if call.messages and asked(call.messages).endswith("in 2026.")]
    plain = [dict(call.arguments) for call in calls if call.messages and asked(call.messages) == "Where is order A-17?"]
    assert given == [{"temperature": 0.0, "max_tokens": 8}]
    assert "max_tokens" not in plain[0]


def test_every_file_says_what_made_it() -> None:
    made = json.loads((FIXTURES / "made_by.json").read_text())
    makers = {
        "anthropic",
        "greenai",
        "helicone",
        "langfuse",
        "langsmith",
        "litellm",
        "llm",
        "mlflow",
        "openai",
        "openinference",
        "otel",
    }
    assert made.keys() == makers
    assert all("date" in versions and len(versions) > 1 for versions in made.values())
    assert all(path.stat().st_size < 60_000 for path in FIXTURES.iterdir())


def test_tools_that_were_given_and_called_are_named(fixture: Fixture, tmp_path: Path) -> None:
    calls, _ = calls_of(fixture.paths(tmp_path))
    called = Counter(name for call in calls for name in call.called or ())
    given = {name for call in calls for name in call.tool_chars}
    assert called.total() == sum(call.tool_calls for call in calls if call.called is not None)
    assert {*called, *given} <= {"order_status"}
    # Spans of OpenTelemetry's own conventions and the ledger have no definitions of tools.
    assert bool(given) == (not fixture.files[0].startswith(("otel", "greenai")))
