"""Answers of which later calls carry on little: what is found of chains whose truth is known, and of what is no chain."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from audit_chains import conversation, pipeline, words, write
from audit_logs import LARGE, call, reads

from greenai.audit.advice import finding_of
from greenai.audit.carried import later, said
from greenai.audit.chains import CHAINS, MOST_AFTER, MOST_TOKENS, Little, little_used, planned, seen
from greenai.audit.columns import columns
from greenai.audit.estimate import looked_at
from greenai.audit.finding import Change, Waste
from greenai.audit.run import Options, audit
from greenai.audit.values import Logged

LETTERS = 300 * 9 + len("code case0000 sure yes ")
TRUTH = {"code": len("code case0000 ") / LETTERS, "beginning": 40 * 9 / LETTERS}
"""The share of an answer's words that is passed on, by letters: a field's name and value, or its first 40 words."""


def by_words(one: Logged) -> str | None:
    """Take what is asked, up to its first slot, for the template."""
    return " ".join(str(one.messages[-1]["content"]).split()[:4]) if one.messages else None


def looked(log: list[Logged]) -> Any:
    return looked_at(columns(log, by_words), reads(log), in_a_row=0, sample=20)


def little(log: list[Logged]) -> tuple[Little, ...]:
    return looked(log).little


def waste(log: list[Logged]) -> Waste | None:
    return little_used(looked(log))


def advised(log: list[Logged]) -> Change:
    return next(one for one in finding_of(looked(log)).changes if one.assumption == "waste_little_used")


# --- chains whose truth is known ------------------------------------------------------------


@pytest.mark.parametrize("trace", [True, False])
@pytest.mark.parametrize("takes", ["code", "beginning"])
def test_the_share_that_is_passed_on_is_found(takes: str, trace: bool) -> None:
    log = [*pipeline(60, takes=takes, trace=trace)]
    (found,) = little(log)
    assert found.chains == CHAINS
    assert found.passed == 1.0
    assert found.share.mid == pytest.approx(TRUTH[takes], rel=1e-6)
    assert found.share.low <= found.share.mid <= found.share.high
    one = waste(log)
    assert one is not None
    assert (one.calls, one.of) == (60, 180)
    assert one.saved.cost_usd is not None
    assert one.saved.cost_usd.low == 0.0
    assert one.saved.cost_usd.high == pytest.approx(60 * 304 * (1 - TRUTH[takes]) * 30.0 / 1e6, rel=0.005)


def test_a_log_in_a_file_tells_the_same(tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"
    write(log, pipeline(60))
    finding = audit([log], Options(sample=20)).finding
    (one,) = (one for one in finding.wastes if one.kind == "little_used")
    assert one.calls == 60
    assert "later prompts carry on 0.5% of the words (30 chains looked at)" in one.detail
    assert next(x for x in finding.changes if x.assumption == one.assumption).what.endswith(", and nothing else")


def test_it_says_what_was_looked_at() -> None:
    one = waste([*pipeline(60)])
    assert one is not None
    assert one.detail == (
        "60 answers of 1 template that the next call is given within 10 seconds: up to 302 tokens of each stand in no "
        "later prompt. Of those of Read this ticket and, later prompts carry on 0.5% of the words (30 chains looked at)"
    )


def test_the_interval_holds_the_share_that_all_chains_pass_on() -> None:
    held = []
    for seed in range(30):
        log, truth = drawn(seed)
        calls = columns(log, by_words)
        plan = planned(calls, seed)
        (found,) = seen(calls, plan, dict(enumerate(log)))
        held.append(found.share.low <= truth <= found.share.high)
    assert sum(held) >= 24  # of 90% intervals fewer are held in 3 of 100 such tests


def drawn(seed: int) -> tuple[list[Logged], float]:
    """Return 100 chains that pass on beginnings of any length, and the share of all words that they are."""
    draw = random.Random(seed)
    top = draw.uniform(0.05, 0.4)
    log: list[Logged] = []
    every = passed = 0
    for n in range(100):
        said = words(draw.randint(150, 500), f"x{n:03}").split()
        part = said[: max(4, int(draw.uniform(0, top) * len(said)))]
        every, passed = every + sum(map(len, said)), passed + sum(map(len, part))
        told: dict[str, Any] = {"trace_id": f"t{n}", "latency_s": 5.0}
        asked = f"Read this ticket and {words(20, f'k{n}')}"
        log.append(call(asked, at=60 * n, answer=" ".join(said), output_tokens=len(said), **told))
        log.append(call(f"Write one line about {' '.join(part)}", at=60 * n + 6, output_tokens=3, **told))
    return log, passed / every


def test_what_a_third_call_takes_counts_as_used() -> None:
    log = [*pipeline(60)]
    for n in range(60):
        told = f"Tell the customer in two lines why: {(log[3 * n].answer or '').partition('{')[0]}"
        log.append(replace(log[3 * n + 2], created=(log[3 * n + 2].created or 0) + 5, messages=call(told).messages))
    assert not little(sorted(log, key=lambda one: one.created or 0))


def test_the_advice_asks_for_the_fields_or_the_beginning_or_less() -> None:
    fields = advised([*pipeline(60)])
    assert fields.what == "Ask the template Read this ticket and for the fields that are used, and nothing else"
    (line,) = fields.lines
    made: dict[str, Any] = eval(f"dict({line})")
    assert made["response_format"]["json_schema"]["schema"] == {
        "type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"], "additionalProperties": False,
    }  # fmt: skip
    assert advised([*pipeline(60, takes="beginning")]).lines == ("max_completion_tokens=50,",)
    ends = [
        replace(one, messages=call(f"Write one line to the owner of {' '.join((before.answer or '').split()[-20:])}").messages)
        if one.output_tokens == 3 else one
        for before, one in zip([*pipeline(60)][-1:] + [*pipeline(60)][:-1], pipeline(60), strict=True)
    ]  # fmt: skip
    less = advised(ends)
    assert (less.place, less.lines) == ("greenai.toml", ("nudges.brevity = true",))


# --- what is no such chain ------------------------------------------------------------------


def test_an_answer_that_is_passed_on_whole_is_used() -> None:
    assert not little([*pipeline(60, takes="all")])


def test_nothing_is_said_where_no_later_prompt_has_pieces_of_the_answer() -> None:
    assert not little([*pipeline(60, takes="nothing")])


def test_what_all_chains_have_in_their_prompts_is_no_piece_of_an_answer() -> None:
    log = [
        replace(one, answer=f"{one.answer} to the owner of the next one in the queue") if one.latency_s == 5.0 else one
        for one in pipeline(60, takes="nothing")
    ]
    assert not little(log)


def test_what_the_prompt_had_already_is_not_passed_on_by_the_answer() -> None:
    log = [
        replace(one, messages=call(f"Read this ticket and say why. {one.answer}").messages)
        if one.latency_s == 5.0
        else one
        for one in pipeline(60)
    ]
    assert not little(log)


def test_what_a_person_had_time_to_read_is_not_said_to_be_unread() -> None:
    assert not little([*pipeline(60, gap_s=30.0)])


def test_what_was_streamed_is_for_a_person() -> None:
    assert not little([*pipeline(60, first={"arguments": {"stream": True}})])


def test_chats_single_calls_and_people_who_quote_answers() -> None:
    chats = [
        one for n in range(60) for one in conversation(4, name=f"c{n}", at=900 * n, trace_id=f"t{n}", latency_s=59.0)
    ]
    assert not little(chats)
    trimmed = [replace(one, messages=(one.messages or ())[-3:]) for one in chats]
    assert not little(trimmed)
    assert not little([call(f"Why is number {n} odd?", at=n, output_tokens=400) for n in range(100)])
    quoting = [
        one
        for n in range(60)
        for one in (
            call(
                f"Tell me all about it: {n}.", at=600 * n, user=f"u{n}", answer=words(200, f"x{n}"), output_tokens=200
            ),
            call(f"What is meant here by {words(5, f'x{n}')}?", at=600 * n + 45, user=f"u{n}"),
        )
    ]
    assert not little(quoting)


def test_a_conversation_whose_answers_are_also_given_a_title() -> None:
    log: list[Logged] = []
    for n in range(90):
        answer = words(200, f"x{n}")
        told: dict[str, Any] = {"trace_id": f"t{n}", "latency_s": 4.0}
        log += [
            call(f"Tell me all about it: {n}.", at=600 * n, answer=answer, output_tokens=200, **told),
            call(f"Write a short title: {' '.join(answer.split()[:12])}", at=600 * n + 5, **told),
        ]
        if n % 4 == 0:  # the others were read, and nothing was asked then
            turns = ({"role": "assistant", "content": answer}, {"role": "user", "content": "And what then?"})
            log.append(call("", at=600 * n + 90, messages=turns, **told))
    assert not little(log)


def test_labels_that_meet_by_chance_are_not_passed_on() -> None:
    draw = random.Random(0)
    teams = ("billing", "returns", "parcels", "legal", "press", "shops", "repairs")
    log = [
        one
        for n in range(60)
        for one in (
            call(
                f"Read this ticket and name its teams: {n}", at=60 * n, latency_s=5.0, output_tokens=200,
                answer=f"{words(200, f'x{n}')} {json.dumps({'teams': draw.sample(teams, 3)})}", trace_id=f"t{n}",
            ),
            call(f"Count the tickets of {', '.join(draw.sample(teams, 3))}", at=60 * n + 6, trace_id=f"t{n}"),
        )
    ]  # fmt: skip
    assert not little(log)


def test_a_log_without_times_or_prompts_says_nothing() -> None:
    log = [*pipeline(60)]
    assert not little([replace(one, created=None) for one in log])
    assert not little([replace(one, messages=None) if one.output_tokens == 3 else one for one in log])


def test_few_chains_say_nothing() -> None:
    assert not little([*pipeline(29)])
    assert little([*pipeline(30)])


# --- how much is read, and what counts ------------------------------------------------------


def test_no_more_is_read_than_a_sample() -> None:
    plan = planned(columns([*pipeline(500, trace=False)], by_words))
    assert len(plan.rows) <= CHAINS * (1 + MOST_AFTER)
    assert int(plan.of.sum()) == 500
    assert planned(columns([*pipeline(500)], by_words)).rows == planned(columns([*pipeline(500)], by_words)).rows


def test_a_template_of_huge_prompts_is_left_out_and_the_next_one_looked_at() -> None:
    huge = [
        replace(one, messages=call("Look hard at all of this here").messages, input_tokens=MOST_TOKENS // CHAINS + 1)
        for one in pipeline(60)
        if one.latency_s == 5.0
    ]
    calls = columns(sorted([*huge, *pipeline(60)], key=lambda one: one.created or 0), by_words)
    assert {calls.template.name(code) for code in planned(calls).after} == {"Read this ticket and"}


def test_runs_of_four_words_and_whole_fields_are_carried() -> None:
    answer = said(
        'Because the lid broke on day two.\nOwner: Ada Lovelace\n{"code": "A-1", "n": 7, "deep": [{"city": "東京"}]}'
    )
    prompt = later([{"role": "user", "content": "the LID broke, on: ADA lovelace! 東京"}])
    assert answer.runs(prompt.runs(answer.grams)).tolist()[:7] == [False, True, True, True, True, False, False]
    assert {field.name: prompt.has(field) for field in answer.fields} == {
        "code": False, "n": False, "city": True, "Owner": True,
    }  # fmt: skip
    assert [field.kind for field in answer.fields] == ["string", "number", "string", "string"]


def test_a_broken_object_and_a_short_answer_have_no_fields() -> None:
    assert said('{"code": "A-1"').fields == ()
    assert said("").part(said("").runs(later([]).runs(said("").grams))) == 0.0


def test_of_an_unknown_model_the_tokens_are_told_and_no_energy() -> None:
    log = [replace(one, model="vendor/unknown") for one in pipeline(60)]
    one = waste(log)
    assert one is not None
    assert one.saved.energy_j is None
    assert one.saved.energy_unknown == 60
    assert LARGE not in one.detail


def test_a_field_of_a_line_ends_with_it() -> None:
    """Also where thousands of empty lines follow, as of models that are made to write JSON."""
    answer = said("Total: 42\nNote:\n\nnone\n" + "\n" * 5_000)
    assert [(one.name, one.value) for one in answer.fields] == [("Total", ("42",))]
