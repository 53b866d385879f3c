"""Conversations that send all of their turns again: by the prompts' own words, and by no id."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from audit_chains import ASKED, SAID, conversation, older, write
from audit_logs import call, reads

from greenai.audit.advice import finding_of
from greenai.audit.columns import columns, stored
from greenai.audit.estimate import looked_at
from greenai.audit.finding import Waste
from greenai.audit.history import KEPT_MESSAGES, goes_on_from, history
from greenai.audit.ingest import ingest
from greenai.audit.reading import opened
from greenai.audit.store import working
from greenai.audit.values import Logged


def found(log: list[Logged]) -> Waste | None:
    return history(looked_at(columns(log), reads(log), in_a_row=0, sample=20))


def test_each_call_goes_on_from_the_one_before_whatever_lies_between() -> None:
    both = [one for pair in zip(conversation(4, name="x"), conversation(4, name="y"), strict=True) for one in pair]
    assert goes_on_from(columns(both)).tolist() == [-1, -1, 0, 1, 2, 3, 4, 5]
    assert goes_on_from(columns(both[::-1])).tolist() == [2, 3, 4, 5, 6, 7, -1, -1]  # by when they were made
    untimed = [replace(one, created=None) for one in both]
    assert goes_on_from(columns(untimed)).tolist() == [-1, -1, 0, 1, 2, 3, 4, 5]


def test_no_call_goes_on_from_another_projects_nor_from_one_that_failed() -> None:
    first, second = conversation(2)
    assert goes_on_from(columns([replace(first, project="a"), replace(second, project="b")])).tolist() == [-1, -1]
    assert goes_on_from(columns([replace(first, ok=False), second])).tolist() == [-1, -1]


def test_a_trimmed_conversation_goes_on_from_no_call() -> None:
    log = [replace(one, messages=(one.messages or ())[-3:]) for one in conversation(9)]
    assert goes_on_from(columns(log)).tolist() == [-1, 0, *[-1] * 7]
    assert found(log) is None


def test_a_log_of_bare_requests_and_responses_is_enough(tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"
    write(log, [*conversation(9)])
    with working() as store:
        ingest(opened([log], None, []), store)
        assert goes_on_from(stored(store)).tolist() == [-1, *range(8)]


def test_tokens_of_old_turns_are_those_that_were_sent() -> None:
    turns = 20
    waste = found([*conversation(turns), call("Hello", at=9)])
    assert waste is not None
    again = sum(turn * (ASKED + SAID) for turn in range(1, turns))
    old = older(turns, KEPT_MESSAGES)
    assert (waste.calls, waste.of) == (turns - 6, turns + 1)
    assert waste.detail == (
        f"14 calls with turns before the last 10 messages: {old:,} tokens of {again:,} that conversations sent again, "
        "of which the provider's cache served 0%"
    )
    assert waste.saved.cost_usd is not None
    assert waste.saved.cost_usd.low == 0.0
    assert waste.saved.cost_usd.high == pytest.approx(old * 5.0 / 1e6)


def test_turns_that_a_cache_serves_are_worth_less_and_may_be_worth_sending() -> None:
    fresh, half = found([*conversation(40)]), found([*conversation(40, cached=0.5)])
    assert fresh is not None
    assert half is not None
    assert fresh.saved.cost_usd is not None
    assert half.saved.cost_usd is not None
    assert half.saved.cost_usd.high < fresh.saved.cost_usd.high / 2
    assert half.detail.endswith("of which the provider's cache served 51%")  # half of the prompts, new turns among them
    assert found([*conversation(12, cached=0.98)]) is None  # trimmed, it would be read anew


def test_a_log_that_tells_no_cached_tokens_says_so() -> None:
    waste = found([*conversation(9, cached=None)])
    assert waste is not None
    assert waste.detail.endswith("; how many of these a provider's cache served, the log does not say")


def test_short_chats_single_calls_and_repeats_send_no_old_turns() -> None:
    log = [one for n in range(30) for one in conversation(6, name=f"c{n}", at=1000 * n)]
    log += [call(f"Why is number {n} odd?", at=n) for n in range(50)]
    log += [call("Why?", at=n) for n in range(50)]
    assert found(log) is None


def test_the_advice_cuts_what_is_sent() -> None:
    log = [*conversation(20)]
    finding = finding_of(looked_at(columns(log), reads(log), in_a_row=0))
    change = next(change for change in finding.changes if change.assumption == "waste_history")
    assert change.what == "Send a conversation's first message and its last 11, cut before one of the user"
    assert change.risk is None


@pytest.mark.parametrize(
    ("roles", "kept"),
    [
        ("s" + "ua" * 8 + "u", "s" + "ua" * 5 + "u"),
        ("s" + "uatatatata" * 2 + "u", "suatatatatau"),
        ("su" + "at" * 10, "su" + "at" * 10),
        ("suau", "suau"),
        ("u", "u"),
    ],
    ids=["chat", "tools", "one task", "short", "single"],
)
def test_the_advised_lines_never_begin_with_the_answer_of_a_tool(roles: str, kept: str) -> None:
    log = [*conversation(20)]
    finding = finding_of(looked_at(columns(log), reads(log), in_a_row=0))
    *before, last = next(change for change in finding.changes if change.assumption == "waste_history").lines
    names = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    held: dict[str, Any] = {"messages": [{"role": names[role]} for role in roles]}
    exec("\n".join([*before, f"sent = dict({last})"]), held)
    assert [one["role"] for one in held["sent"]["messages"]] == [names[role] for role in kept]
