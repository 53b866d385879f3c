"""What to do: literal lines that the settings take, most saved per line first, and only observed at first."""

from __future__ import annotations

import json
import tomllib

import pytest
from audit_logs import LARGE, SMALL, call, reads

from greenai.audit import advice
from greenai.audit.advice import audited, toml
from greenai.audit.columns import columns
from greenai.audit.finding import Change, Finding
from greenai.audit.values import Logged
from greenai.settings import Settings

HARD = {"temperature": 0, "reasoning_effort": "high"}
MAILS = ("win a free prize and money now", "the meeting of the team about the report")
LOG = [
    *(call(f"Why is number {n} odd?", at=n, output_tokens=300) for n in range(60)),
    *(call(f"Say hello to guest {n}.", at=n, output_tokens=300, reasoning_tokens=200) for n in range(10)),
    *(call(f"What is {n} times 17?", at=n) for n in range(40)),
    *(call("What is the capital of France?", at=n) for n in range(20)),
    *(
        call(f"{MAILS[n // 3 % 2]} {n}", at=n, system="Label the mail.", answer=("spam", "ham")[n // 3 % 2])
        for n in range(400)
    ),
    *(call("Tell me about trees and birds and their names", at=n, arguments={}) for n in range(9)),
    *(call(f"Name tree {n}.", at=n, output_tokens=900, reasoning_tokens=800, arguments=HARD) for n in range(9)),
    *(
        call(f"Where is order {n}?", at=n, tool_chars={"ticket": 800}, project="shop", input_tokens=900)
        for n in range(100)
    ),
    *(call(f"{n}", at=n * 1800, feature="watch", finish_reason="length") for n in range(8 * 48)),
]


def of(log: list[Logged], **told: object) -> Finding:
    return audited(columns(log), reads(log), in_a_row=20, **told)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def found() -> Finding:
    return of(LOG)


def change(found: Finding, begins: str) -> Change:
    return next(one for one in found.changes if one.lines[0].startswith(begins))


def test_what_saves_most_per_line_comes_first(found: Finding) -> None:
    per_line = [one.per_line_j or 0.0 for one in found.changes]
    assert per_line == sorted(per_line, reverse=True)
    assert all(one.calls.high > 0 for one in found.changes)
    assert all(one.calls.low > 0 for one in found.changes if one.place != "shell")


def test_every_change_has_its_lines(found: Finding) -> None:
    assert change(found, "ladder").lines == (f'ladder = ["{SMALL}", "{LARGE}"]',)
    assert change(found, "from greenai").lines == ("from greenai import Client",)
    distil = change(found, "greenai distil")
    assert (distil.place, distil.lines[0][:44]) == ("shell", "greenai distil calls.jsonl --template system")
    assert change(found, "cache_also").lines == ('cache_also = ["sampled"]',)
    assert change(found, "cache_also").calls.mid == 8
    assert change(found, "client.feature").lines == ('client.feature("watch")',)
    assert change(found, "strict_opt_in").calls.mid == 9
    assert change(found, "tools").lines == (
        'tools=[tool for tool in tools if tool.get("function", tool).get("name") not in {"ticket"}],',
    )


def test_no_task_model_is_advised_for_a_few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advice, "LEAST_LABELLED", 401)
    assert not [one for one in of(LOG).changes if one.place == "shell"]


def test_the_import_is_one_change_and_holds_repeats_tools_and_reasoning(found: Finding) -> None:
    rows = {row.by: row.calls.mid for row in found.whole.sufficed}
    reasoned = next(waste.calls for waste in found.wastes if waste.kind == "reasoning") - 9  # these are asked for
    imported = change(found, "from greenai")
    assert imported.calls.mid == pytest.approx(rows["repeat"] + rows["deterministic"] + reasoned, abs=1)
    assert imported.risk is not None
    assert imported.risk.share.mid > 0.003 * rows["deterministic"] / imported.calls.mid  # it reasons less, too


def test_nothing_that_is_saved_is_below_nothing(found: Finding) -> None:
    mini = [call(f"Why is number {n} odd?", at=n, model="openai/gpt-5.4-mini") for n in range(200)]
    for one in (*found.changes, *of(mini).changes):
        assert one.saved.energy_j is None or one.saved.energy_j.low >= 0


def test_what_is_next_to_nothing_or_in_doubt_is_no_change(found: Finding) -> None:
    whole = found.whole.was.energy_j
    assert whole is not None
    assert not [one for one in found.changes if one.saved.energy_j and one.saved.energy_j.mid < whole.mid / 1000]
    assert not [one for one in found.changes if "cache" in one.lines[0] and one.assumption == "near_repeat"]


def test_the_settings_are_taken_and_only_observe(found: Finding) -> None:
    written = toml(found, {"OPENAI_API_KEY": "sk-1"})
    settings = Settings(**tomllib.loads(written))
    assert settings.observe
    assert settings.cache_also == {"sampled"}
    assert settings.ladder is not None
    assert [entry.model for entry in settings.ladder] == [SMALL, LARGE]
    assert settings.strict_opt_in
    assert written.startswith("# Made by greenai audit.")


def test_a_ladder_whose_key_is_not_there_is_a_comment(found: Finding) -> None:
    written = toml(found, {})
    settings = Settings(**tomllib.loads(written))
    assert settings.ladder is None  # calls of model="auto" go where they went
    assert settings.cache_also == {"sampled"}
    assert (
        '# OPENAI_API_KEY not set where this was written: calls of model="auto" would fail. Take "#" off where set.\n'
        f'# ladder = ["{SMALL}", "{LARGE}"]\n'
    ) in written
    assert Settings(**tomllib.loads(written.replace("# ladder", "ladder"))).ladder is not None


def test_what_rests_on_something_says_what(found: Finding) -> None:
    for one in [*(x.assumption for x in found.changes), *(x.assumption for x in found.wastes)]:
        assert found.assumption(one).text


def test_a_ladder_of_ones_own_is_what_would_be_asked() -> None:
    made = of(LOG[:60], ladder=("openai/gpt-4.1-nano", LARGE))
    assert change(made, "ladder").lines == (f'ladder = ["openai/gpt-4.1-nano", "{LARGE}"]',)


def test_a_model_that_is_expected_to_fail_is_not_advised() -> None:
    made = of(LOG[:60], ladder=("local/smollm2-135m", LARGE))
    assert not [one for one in made.changes if one.lines[0].startswith("ladder")]
    small = next(row for row in made.whole.sufficed if row.by == "small")
    assert small.models == ("local/smollm2-135m",)
    assert small.risk is not None
    assert small.risk.share.mid > 0.25


def test_a_log_that_names_no_model_has_no_ladder() -> None:
    made = of([call(f"Why is number {n} odd?", at=n, model=None) for n in range(9)], ladder=(SMALL, LARGE))
    assert not [one for one in made.changes if one.lines[0].startswith("ladder")]
    assert made.whole.avoidable.mid == 0.0


def test_lines_that_the_settings_do_not_take_are_not_told() -> None:
    made = of([call(f"{n}", at=n * 1800, feature="not a name!") for n in range(8 * 48)])
    assert [waste.kind for waste in made.wastes] == ["always_on"]
    assert not [one for one in made.changes if "not a name!" in one.lines[0]]


def test_a_finding_is_plain_json(found: Finding) -> None:
    assert json.loads(json.dumps(found.to_dict()))["whole"]["calls"] == len(LOG)


def test_settings_of_a_log_without_changes_are_taken_too() -> None:
    assert Settings(**tomllib.loads(toml(of([call("hello", model=SMALL)])))).observe
