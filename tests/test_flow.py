"""The order of the steps and what each may do: the generator is driven by hand."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from greenai import errors, flow, meters, nudges
from greenai.cache import ExactCache
from greenai.classify import Classifier
from greenai.ledger import Ledger
from greenai.places import Site
from greenai.readings import Reading
from greenai.store.ledger_db import LedgerDb
from greenai.testing import FakeEngines, FakeProvider, FakeReply, MemoryStore, ReplayMeter, error, offline
from greenai.values import Answer, Call, Draft, Options, Receipt, Request, Rung, Transport, Work

SMALL, LARGE = "openai/gpt-5.4-nano", "openai/gpt-5.5"
LADDER = (Rung(model=SMALL, tier="small"), Rung(model=LARGE, tier="large"))
PUZZLE = "Ava, Bo and Cy swap seats: first Ava and Bo, then Bo and Cy, then Ava and Cy. Who sits in the first seat?"
HARD = "Prove step by step that the square root of 2 is irrational, and justify each lemma."


def request(text: str = "Say hello to my friend Ada.", **changes: Any) -> Request:
    base = Request(
        call_id=f"call-{time.perf_counter_ns()}",
        entry="create",
        model=None,
        messages=({"role": "user", "content": text},),
        arguments={"temperature": 0},
        stream=False,
        transport=Transport(timeout_s=60.0),
        options=Options(),
        deadline=time.monotonic() + 60.0,
        namespace="test",
    )
    return replace(base, **changes)


def conversation(*turns: str) -> tuple[Mapping[str, Any], ...]:
    return tuple({"role": "user" if n % 2 == 0 else "assistant", "content": t} for n, t in enumerate(turns))


def steps(**changes: Any) -> flow.Steps:
    base = flow.Steps(
        classifier=Classifier(),
        ledger=Ledger(LedgerDb(None)),
        engines=FakeEngines(),
        site=Site(zone="WORLD"),
        ladder=LADDER,
        cache=ExactCache(MemoryStore()),
        meters=(),
    )
    return replace(base, **changes)


@dataclass
class Hand:
    """Drives a flow and keeps what it yielded."""

    provider: FakeProvider = field(default_factory=FakeProvider)
    seen: list[str] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)
    before: Callable[[Work[Any]], None] = lambda work: None

    def drive(self, running: flow.Flow[Any]) -> Any:
        try:
            step = next(running)
            while True:
                try:
                    result = self._do(step)
                except BaseException as failure:  # noqa: BLE001  # handed to the flow, as a driver does
                    step = running.throw(failure)
                else:
                    step = running.send(result)
        except StopIteration as done:
            return done.value

    def _do(self, step: Call | Work[Any]) -> Any:
        if isinstance(step, Call):
            self.seen.append(f"call {step.draft.rung.model}")
            self.drafts.append(step.draft)
            return self.provider.send(step)
        self.seen.append(step.name)
        self.before(step)
        return step.run()

    def answer(self, request: Request, steps: flow.Steps) -> Answer:
        answer: Answer = self.drive(flow.answer(request, steps))
        return answer


def hand(*script: Any) -> Hand:
    return Hand(provider=FakeProvider(*script))


def calls(steps: flow.Steps) -> list[dict[str, Any]]:
    return steps.ledger.recent()


def states(steps: flow.Steps, answer: Answer | str) -> list[str]:
    call_id = answer if isinstance(answer, str) else answer.receipt.call_id
    return [row["state"] for row in steps.ledger.attempts(call_id)]


def held(steps: flow.Steps) -> int:
    holds: int = steps.ledger.check()["holds"]
    return holds


# --- order --------------------------------------------------------------------------------


def test_a_call_takes_its_steps_in_order_and_ends_with_one_settled_row() -> None:
    here, by = steps(), hand("Hello, Ada.")
    answer = by.answer(request(), here)
    assert by.seen == ["cache", "reserve", f"call {SMALL}", "store", "record"]
    assert answer.reply.text == "Hello, Ada."
    assert (answer.receipt.outcome, answer.receipt.model) == ("small", SMALL)
    assert states(here, answer) == ["answered"]
    assert held(here) == 0
    (row,) = calls(here)
    assert (row["call_id"], row["outcome"], row["entry"]) == (answer.receipt.call_id, "small", "create")


def test_a_cache_hit_ends_the_call_before_it_is_classified() -> None:
    class Classifiers(Classifier):
        asked = 0

        def assess(self, messages: Any) -> Any:
            self.asked += 1
            return super().assess(messages)

    counting = Classifiers()
    here = steps(classifier=counting)
    first = hand("Hello, Ada.").answer(request(), here)
    by = hand("never said")
    again = by.answer(request(), here)
    assert by.seen == ["cache", "record"]
    assert counting.asked == 1
    assert again.reply.text == "Hello, Ada."
    assert (again.receipt.outcome, again.receipt.attempts, again.receipt.model) == ("cache", (), SMALL)
    assert again.receipt.avoided is not None
    assert again.receipt.avoided.energy == first.receipt.energy
    assert again.receipt.decision.reasons == (
        f"The same request was answered before by {SMALL}; the answer is still valid.",
    )


def test_a_sure_calculation_ends_the_call_before_it_is_routed() -> None:
    here, by = steps(), hand()
    answer = by.answer(request("What is 18% of 240?"), here)
    assert by.seen == ["cache", "record"]
    assert (answer.reply.text, answer.receipt.outcome, answer.receipt.model) == ("43.2", "answerer", "greenai/calc")
    assert answer.receipt.energy.energy_j is not None
    assert answer.receipt.cost_usd == 0


def test_explain_calls_nothing_and_records_nothing() -> None:
    here, by = steps(), hand()
    decision = by.drive(flow.explain(request(), here))
    assert by.seen == ["cache"]
    assert by.provider.calls == []
    assert calls(here) == []
    assert decision.route == (SMALL,)
    assert [(e.model, e.excluded is None) for e in decision.estimates] == [(SMALL, True), (LARGE, False)]
    assert all(e.energy.energy_j > 0 for e in decision.estimates)


FIRST_CALLS = """
from test_flow import hand, request, steps

by, here = hand(), steps(cache=None)
for text in ("What is 18% of 240?", "Who wrote Emma?", "Who wrote Hamlet?"):
    by.seen.clear()
    by.answer(request(text), here)
    print(*by.seen)
"""


def test_the_first_call_that_needs_the_weights_reads_them_as_work() -> None:
    folder = Path(__file__).parent
    ran = subprocess.run([sys.executable, "-c", FIRST_CALLS], check=True, capture_output=True, text=True, cwd=folder)
    later = f"reserve call {SMALL} record"
    assert ran.stdout.splitlines() == ["record", f"weights {later}", later]


def test_without_a_cache_nothing_is_looked_up_or_stored() -> None:
    by = hand("Hello.")
    by.answer(request(), steps(cache=None))
    assert by.seen == ["reserve", f"call {SMALL}", "record"]


# --- escalation ---------------------------------------------------------------------------


def ceiling(text: str = "Say hello to my friend Ada.", **changes: Any) -> Request:
    return request(text, model="gpt-5.5", **changes)


def test_it_escalates_once_and_lists_the_discarded_answer() -> None:
    here, by = steps(), hand("", "A real answer.")
    answer = by.answer(ceiling(), here)
    assert by.seen == ["cache", "reserve", f"call {SMALL}", "settle", "reserve", f"call {LARGE}", "store", "record"]
    assert [(a.model, a.state, a.error) for a in answer.receipt.attempts] == [
        (SMALL, "discarded", "the reply is empty"),
        (LARGE, "answered", None),
    ]
    assert answer.receipt.outcome == "large"
    assert answer.receipt.energy.energy_j == pytest.approx(
        sum(a.energy.energy_j or 0.0 for a in answer.receipt.attempts)
    )
    assert states(here, answer) == ["discarded", "answered"]
    assert held(here) == 0


def test_it_never_escalates_twice() -> None:
    ladder = (*LADDER[:1], Rung(model="openai/gpt-5.4-mini", tier="small"), LADDER[1])
    here, by = steps(ladder=ladder), hand("", "", "never asked")
    answer = by.answer(ceiling(), here)
    assert len(by.provider.calls) == 2
    assert [a.state for a in answer.receipt.attempts] == ["discarded", "answered"]


def test_above_the_small_rung_needs_the_opt_in_where_no_ceiling_was_named() -> None:
    here, by = steps(), hand("", "never asked")
    answer = by.answer(request(HARD), here)
    assert by.provider.models == [SMALL]
    assert answer.receipt.decision.reasons[-2:] == (
        (
            f'{LARGE} needs the opt-in large, so {SMALL} answers. To allow it: with_options(opt_in={{"large"}}, '
            'reason="...").'
        ),
        (
            "Reasoning is expected to help (P(it helps) 0.34 reaches 0.25); it stays at its least, as nobody gave the opt-in "
            'reasoning. To allow it: with_options(opt_in={"reasoning"}, reason="...").'
        ),
    )
    allowed = Options(opt_in=frozenset(("large",)), reason="a proof is checked by a person")
    opted = hand("A proof.").answer(request(HARD, options=allowed), here)
    assert (opted.receipt.model, opted.receipt.decision.opt_ins) == (LARGE, ("large",))
    assert calls(here)[0]["opt_in"] == ["large"]
    assert calls(here)[0]["opt_in_reason"] == "a proof is checked by a person"


def test_an_error_above_returns_the_earlier_answer_with_a_warning_and_does_not_keep_it() -> None:
    here, by = steps(), hand("I cannot help with that.", error(500))
    answer = by.answer(ceiling(), here)
    assert answer.reply.text == "I cannot help with that."
    assert answer.receipt.warnings == (
        f"{LARGE} was asked for a better answer and failed (InternalServerError); this is the earlier one.",
    )
    assert [(a.model, a.state) for a in answer.receipt.attempts] == [(SMALL, "discarded"), (LARGE, "failed")]
    assert (answer.receipt.model, answer.receipt.outcome) == (SMALL, "small")
    assert "store" not in by.seen
    assert held(here) == 0
    assert hand("", "A real answer.").answer(ceiling(), here).reply.text == "A real answer."


def test_a_stream_has_one_rung() -> None:
    by = hand("")
    answer = by.answer(ceiling(stream=True), steps())
    assert by.provider.models == [SMALL]
    assert answer.receipt.decision.route == (SMALL,)


# --- errors -------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_sibling_that_the_key_may_not_use_is_skipped_and_remembered(status: int) -> None:
    here = steps()
    by = hand(error(status), "From the model you named.")
    answer = by.answer(ceiling(), here)
    assert by.provider.models == [SMALL, LARGE]
    assert answer.receipt.model == LARGE
    assert [a.state for a in answer.receipt.attempts] == ["failed", "answered"]
    later = hand("Straight.")
    later.answer(ceiling("Say hello to Grace."), here)
    assert later.provider.models == [LARGE]
    assert held(here) == 0


def test_the_named_model_is_never_skipped() -> None:
    here, by = steps(ladder=LADDER[1:]), hand(error(404, "no such model"))
    with pytest.raises(Exception, match="no such model") as raised:
        by.answer(request(model="gpt-5.5-2026-01-01"), here)
    assert type(raised.value).__name__ == "NotFoundError"
    assert raised.value.__notes__[0] == "greenai tried: openai/gpt-5.5-2026-01-01 (NotFoundError)."
    assert here.denied == set()
    assert held(here) == 0


def test_a_ladder_that_is_refused_everywhere_ends_with_the_providers_error() -> None:
    two = (LADDER[0], Rung(model="openai/gpt-5.4-mini", tier="small"))
    here = steps(ladder=two)
    for _ in range(2):
        by = Hand(provider=FakeProvider(default=error(401)))
        with pytest.raises(Exception, match="scripted") as raised:
            by.answer(request(), here)
        assert type(raised.value).__name__ == "AuthenticationError"
        assert len(by.provider.calls) <= 2
    assert held(here) == 0


def test_a_denied_small_rung_does_not_open_the_large_one_without_an_opt_in() -> None:
    here, by = steps(), hand(error(403), "never asked")
    with pytest.raises(Exception, match="scripted") as raised:
        by.answer(request(), here)
    assert type(raised.value).__name__ == "PermissionDeniedError"
    assert by.provider.models == [SMALL]


@pytest.mark.parametrize("status", [400, 422, 429, 500, 503])
def test_the_named_model_answers_where_its_substitute_fails(status: int) -> None:
    here, by = steps(), hand(error(status), "From the model you named.")
    answer = by.answer(ceiling(), here)
    assert by.provider.models == [SMALL, LARGE]
    assert answer.receipt.model == LARGE
    assert here.denied == set()
    assert held(here) == 0


def test_without_a_small_rung_the_large_one_needs_the_opt_in() -> None:
    here = steps()
    here.denied.add(("test", SMALL))
    with pytest.raises(errors.OptInRequired) as raised:
        hand().answer(request(), here)
    assert raised.value.kind == "large"
    assert str(raised.value) == (
        "Only openai/gpt-5.5 can take this request, and above the small rung the opt-in large is needed. No model was "
        "named, so the settings' ladder applies: openai/gpt-5.4-nano < openai/gpt-5.5. Left out, because this key or "
        'this request rules them out: openai/gpt-5.4-nano. Name the model with model="...", or allow it: '
        'client = client.with_options(opt_in={"large"}, reason="why this is worth it")'
    )
    allowed = Options(opt_in=frozenset({"large"}), reason="a test")
    assert hand("Large.").answer(request(options=allowed), here).receipt.outcome == "large"


def test_a_denial_is_remembered_for_the_key_that_met_it() -> None:
    here = steps()
    hand(error(403), "From the model you named.").answer(ceiling(), here)
    other = hand("Small is fine.")
    other.answer(ceiling(namespace="another key"), here)
    assert other.provider.models == [SMALL]


def test_an_answer_that_does_not_suffice_is_delivered_with_a_warning_and_not_kept() -> None:
    here = steps()
    first = hand("I'm sorry, I can't help with that.").answer(request(model="gpt-5.5-2026-04-23"), here)
    assert first.receipt.warnings == ("The answer is delivered although the model refused.",)
    assert hand("Here you are.").answer(request(model="gpt-5.5-2026-04-23"), here).reply.text == "Here you are."


@pytest.mark.parametrize(
    "asked",
    [
        {"model": "ft:gpt-4o:acme::abc"},
        {"model": "gpt-5.5", "options": Options(substitute=False)},
        {"entry": "ask", "model": "gpt-5.5", "options": Options(substitute=False)},
        {"entry": "ask", "model": "ft:gpt-4o:acme::abc"},
    ],
)
def test_a_pin_is_asked_even_for_arithmetic(asked: dict[str, Any]) -> None:
    by = hand("Four.")
    assert by.answer(request("What is 2+2?", **asked), steps()).reply.text == "Four."
    assert len(by.provider.models) == 1


def test_observing_refuses_nothing() -> None:
    here = steps(max_prompt_bytes=10)
    by = hand("Long, but sent.")
    answer = by.answer(request(model="gpt-5.5", options=Options(observe=True)), here)
    assert answer.reply.text == "Long, but sent."
    assert answer.receipt.decision.reasons[0].startswith("Without observe this call would be refused: The prompt has")


def test_a_conversation_falls_to_the_named_model_where_its_substitute_fails() -> None:
    here = steps()
    hand("Hello.").answer(ceiling(), here)
    turns = (*ceiling().messages, {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "And now?"})
    by = hand(error(429), "From the model you named.")
    assert by.answer(ceiling(messages=turns), here).receipt.model == LARGE
    assert by.provider.models == [SMALL, LARGE]


def test_explain_tells_a_cache_hit() -> None:
    here = steps()
    hand("Hello.").answer(request(), here)
    assert hand().drive(flow.explain(request(), here)).outcome == "cache"


def test_an_error_carries_what_was_tried_and_its_attempt_is_settled() -> None:
    here, by = steps(), hand(error(500))
    asked = request()
    with pytest.raises(Exception, match="scripted") as raised:
        by.answer(asked, here)
    assert type(raised.value).__name__ == "InternalServerError"
    assert raised.value.__notes__ == [f"greenai tried: {SMALL} (InternalServerError)."]
    assert states(here, asked.call_id) == ["failed"]
    assert held(here) == 0
    (row,) = calls(here)
    assert (row["call_id"], row["outcome"], row["energy_j"]) == (asked.call_id, "failed", None)


def test_an_empty_ladder_says_how_to_name_models() -> None:
    with pytest.raises(errors.NoSufficientModel) as raised:
        hand().answer(request(), steps(ladder=()))
    assert str(raised.value) == (
        "No model was named and no ladder says which may answer (behind a base_url, only the settings' own ladder "
        'counts). Name one with model="...", or set ladder = ["provider/name", ...] in the settings.'
    )


def test_no_messages_are_refused() -> None:
    here = steps()
    with pytest.raises(errors.InvalidRequest) as raised:
        hand().answer(request(messages=()), here)
    assert [(row["outcome"], row["error"]) for row in calls(here)] == [("refused", "InvalidRequest")]
    assert str(raised.value) == (
        "The call has no messages. Pass at least one, such as {'role': 'user', 'content': '...'}."
    )


def test_ten_megabytes_are_refused_at_once_and_cost_nothing() -> None:
    here, by, asked = steps(), hand(), request("é" * 10_000_000)
    started = time.perf_counter()
    with pytest.raises(errors.RequestTooLarge) as raised:
        by.answer(asked, here)
    assert time.perf_counter() - started < 0.05
    assert (raised.value.size_bytes, raised.value.limit_bytes) == (10_000_000, 4_000_000)
    assert str(raised.value) == (
        "The prompt has 10.0 MB of text, and the limit is 4.0 MB. Send the relevant part of it, or raise max_prompt_bytes "
        "in the settings (GREENAI_MAX_PROMPT_BYTES, greenai.toml or [tool.greenai])."
    )
    assert by.seen == ["record"]
    assert [(row["outcome"], row["energy_j"], row["error"]) for row in calls(here)] == [
        ("refused", 0.0, "RequestTooLarge")
    ]
    assert asked.messages[0]["content"] == "é" * 10_000_000
    assert hand("Hello.").answer(request(), here).reply.text == "Hello."


# --- what fails never costs the answer ----------------------------------------------------


class Broken:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("broken")


def test_a_failing_cache_is_a_miss(caplog: pytest.LogCaptureFixture) -> None:
    class BrokenCache(ExactCache):
        def get(self, key: str) -> Any:
            raise RuntimeError("broken")

        def put(self, *args: Any) -> Any:
            raise RuntimeError("broken")

    answer = hand("Hello.").answer(request(), steps(cache=BrokenCache(MemoryStore())))
    assert answer.reply.text == "Hello."
    assert [r.message for r in caplog.records] == [
        "The cache could not be read; the call goes on without it.",
        "The answer could not be stored in the cache.",
    ]


def test_a_cache_entry_of_another_form_is_a_miss(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    here = steps(cache=ExactCache(store))
    hand("Hello.").answer(request(), here)
    (key,) = store._rows
    row = store.get(key)
    store.put(key, {**row, "body": {"unlike": "a completion"}}, 60.0)
    assert hand("Hello again.").answer(request(), here).reply.text == "Hello again."


def test_a_failing_nudge_sends_the_request_without_it(caplog: pytest.LogCaptureFixture) -> None:
    def nudge(draft: Draft, context: Any, /) -> Draft:
        raise RuntimeError("broken")

    by = hand("Hello.")
    here = steps(nudges=(*nudges.DEFAULT, nudge))
    assert by.answer(request(), here).reply.text == "Hello."
    assert by.drafts[0].arguments == {"temperature": 0, "reasoning_effort": "none", "max_completion_tokens": 4096}
    assert [r.message for r in caplog.records] == ["A nudge failed; the request goes out without it."]


class Unreadable(int):
    """A number that cannot be compared as one."""

    def __float__(self) -> float:
        raise RuntimeError("broken")


def test_a_rule_of_strict_opt_in_that_fails_lets_nothing_out(caplog: pytest.LogCaptureFixture) -> None:
    asked = {"max_tokens": Unreadable(9000), "reasoning_effort": "high"}
    by, strict = hand("Hello."), Options(strict_opt_in=True, without_opt_in="downgrade")
    with pytest.raises(errors.OptInRequired) as caught:
        by.answer(request(arguments=asked, options=strict), steps())
    assert by.drafts == []
    assert str(caught.value) == (
        "The arguments of this call could not be held against strict_opt_in, because that check failed (the log says "
        "how), so it is not made. Leave out what asks for the opt-in long_output, or allow it: "
        'client = client.with_options(opt_in={"long_output"}, reason="why this is worth it")'
    )
    assert (caught.value.kind, caught.value.fix) == ("long_output", str(caught.value).partition("allow it: ")[2])
    assert [r.message for r in caplog.records] == ["A nudge failed; the request goes out without it."]


@pytest.mark.parametrize(
    "options", [Options(), Options(strict_opt_in=True, opt_in=frozenset(("long_output",)), reason="a test")]
)
def test_what_strict_opt_in_does_not_gate_goes_out_where_a_nudge_fails(options: Options) -> None:
    by = hand("Hello.")
    by.answer(request(arguments={"max_tokens": Unreadable(9000)}, options=options), steps())
    assert by.drafts[0].arguments == {"max_tokens": 9000, "reasoning_effort": "none"}


def test_a_nudge_may_refuse() -> None:
    def gate(draft: Draft, context: Any, /) -> Draft:
        raise errors.OptInRequired("no", kind="reasoning")

    here = steps(nudges=(gate,))
    with pytest.raises(errors.OptInRequired):
        hand().answer(request(), here)
    assert held(here) == 0
    assert [(row["outcome"], row["energy_j"], row["error"]) for row in calls(here)] == [
        ("refused", 0.0, "OptInRequired: no")
    ]


def test_a_failing_observer_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Receipt] = []

    def broken(receipt: Receipt, /) -> None:
        raise RuntimeError("broken")

    answer = hand("Hello.").answer(request(), steps(observers=(broken, seen.append)))
    assert seen == [answer.receipt]
    assert [r.levelno for r in caplog.records] == [logging.WARNING]


LOCAL = Rung(model="local/smollm2-135m", tier="small")


@pytest.mark.parametrize("when", ["start", "stop"])
def test_a_failing_meter_leaves_a_modelled_reading(when: str, caplog: pytest.LogCaptureFixture) -> None:
    class Window:
        def stop(self, tokens: float | None = None) -> Reading | None:
            raise RuntimeError("broken")

    def meter(pid: int, watts: float | None, /) -> Any:
        if when == "start":
            raise RuntimeError("broken")
        return Window()

    answer = hand("Hello.").answer(request(), steps(ladder=(LOCAL,), meters=(meter,)))
    assert answer.receipt.energy.energy_j is not None
    assert answer.receipt.energy.evidence.startswith("modelled")
    assert len(caplog.records) == 1


def test_a_failing_energy_model_leaves_an_unknown_reading(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: Any, **kwargs: Any) -> Reading:
        raise ZeroDivisionError

    monkeypatch.setattr("greenai.meters.physics.estimate", broken)
    answer = hand("Hello.").answer(request(), steps())
    assert answer.reply.text == "Hello."
    assert answer.receipt.energy.energy_j is None
    assert str(answer.receipt.stars) == "not rated"


def test_a_measured_call_has_the_meters_reading() -> None:
    meter = ReplayMeter(2.5)
    answer = hand("Hello.").answer(request(), steps(ladder=(LOCAL,), meters=(meter,)))
    assert (answer.receipt.energy.energy_j, answer.receipt.energy.evidence) == (2.5, "measured")
    assert meter.windows == 1


@pytest.mark.parametrize("fails", [False, True])
def test_the_meter_is_told_how_much_work_a_call_was(fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float | None] = []

    class Window:
        def stop(self, tokens: float | None = None) -> Reading | None:
            told.append(tokens)
            return None

    if fails:
        monkeypatch.setattr("greenai.meters.work", None)
    answer = hand("Hello.").answer(request(), steps(ladder=(LOCAL,), meters=(lambda pid, watts: Window(),)))
    usage = answer.receipt.attempts[0].usage
    assert told == [None if fails else pytest.approx(meters.work(usage))]
    assert fails or told[0]


# --- abandoned ----------------------------------------------------------------------------


def advance(running: flow.Flow[Answer], until: str, by: Hand) -> Call | Work[Any]:
    step = next(running)
    while (f"call {step.draft.rung.model}" if isinstance(step, Call) else step.name) != until:
        step = running.send(by._do(step))
    return step


@pytest.mark.parametrize("until", ["cache", "reserve", f"call {SMALL}", "store", "record"])
def test_closing_the_flow_anywhere_leaves_no_hold(until: str) -> None:
    here, by = steps(), hand("Hello.")
    asked = request()
    running = flow.answer(asked, here)
    advance(running, until, by)
    running.close()
    assert held(here) == 0
    assert states(here, asked.call_id) == {
        "cache": [], "reserve": [], f"call {SMALL}": ["failed"], "store": ["answered"], "record": ["answered"],
    }[until]  # fmt: skip


def test_closing_between_two_rungs_leaves_no_hold() -> None:
    here, by = steps(), hand("", "never")
    asked = ceiling()
    running = flow.answer(asked, here)
    step = advance(running, "settle", by)
    assert isinstance(step, Work)
    step.run()
    running.close()
    assert states(here, asked.call_id) == ["discarded"]
    assert held(here) == 0


def test_a_reply_that_cannot_be_judged_is_delivered(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any) -> Any:
        raise RuntimeError("broken")

    monkeypatch.setattr("greenai.route.suffices", broken)
    here = steps()
    assert hand("Hello.").answer(request(), here).reply.text == "Hello."
    assert held(here) == 0


# --- observe ------------------------------------------------------------------------------


def observing(text: str, **changes: Any) -> Request:
    return request(text, model="gpt-5.5", options=Options(observe=True), **changes)


def test_observe_changes_nothing_and_says_what_it_would_have_saved() -> None:
    here, by = steps(), hand(FakeReply(text="Hello, Ada.", reasoning_tokens=300))
    answer = by.answer(observing("Say hello to my friend Ada."), here)
    (draft,) = by.drafts
    assert (draft.rung.model, draft.arguments, draft.extra, draft.notes) == (LARGE, {"temperature": 0}, {}, ())
    assert answer.receipt.model == LARGE
    assert answer.receipt.outcome == "large"
    assert answer.receipt.decision.observed
    assert answer.receipt.decision.route[0] == SMALL
    saved = answer.receipt.avoided
    assert saved is not None
    assert saved.hypothetical
    assert 0 < (saved.energy.energy_j or 0) < (answer.receipt.energy.energy_j or 0)


def test_observe_asks_the_model_even_where_it_could_calculate() -> None:
    by = hand("43.2, I think.")
    answer = by.answer(observing("What is 18% of 240?"), steps())
    assert by.provider.models == [LARGE]
    assert answer.reply.text == "43.2, I think."
    assert answer.receipt.decision.outcome == "answerer"
    assert answer.receipt.avoided is not None
    assert answer.receipt.avoided.energy == answer.receipt.energy


def test_observe_asks_again_although_it_could_repeat() -> None:
    here = steps()
    hand("One.").answer(observing("Say hello to Ada."), here)
    by = hand("Two.")
    again = by.answer(observing("Say hello to Ada."), here)
    assert (again.reply.text, by.provider.models) == ("Two.", [LARGE])
    assert again.receipt.decision.outcome == "cache"
    assert again.receipt.avoided is not None


# --- opt-ins ------------------------------------------------------------------------------


def test_reasoning_is_off_unless_somebody_opted_in() -> None:
    by = hand("Hello.")
    answer = by.answer(ceiling(), steps())
    sent = {"temperature": 0, "reasoning_effort": "none", "max_completion_tokens": 4096}
    assert by.drafts[0].arguments == sent
    assert answer.receipt.reasoning is False
    assert [n.nudge for n in answer.receipt.nudges] == ["effort", "output_length"]


def test_an_opt_in_for_reasoning_is_in_the_receipt_and_the_ledger() -> None:
    here = steps()
    options = Options(opt_in=frozenset(("reasoning",)), reason="tax advice is checked by a person")
    answer = hand("It is.").answer(ceiling(PUZZLE, options=options), here)
    assert answer.receipt.reasoning is True
    assert answer.receipt.decision.opt_ins == ("reasoning",)
    (row,) = calls(here)
    assert (row["opt_in"], row["opt_in_reason"]) == (["reasoning"], "tax advice is checked by a person")


def test_a_greeting_needs_no_reasoning_although_somebody_opted_in() -> None:
    by = hand("Hello.")
    answer = by.answer(ceiling(options=Options(opt_in=frozenset(("reasoning",)))), steps())
    assert by.drafts[0].arguments["reasoning_effort"] == "none"
    assert answer.receipt.reasoning is False
    note = answer.receipt.nudges[0]
    assert note.text.startswith(f"reasoning off for {SMALL}: P(it helps) 0.0")


def test_an_explicit_reasoning_effort_is_sent_and_logged_as_an_opt_in() -> None:
    provider = FakeProvider("Hello.")
    with offline(provider) as client:
        response = client.chat.completions.create(
            model="gpt-5.5", messages=[{"role": "user", "content": "Say hello."}], reasoning_effort="high"
        )
        (row,) = client._session.resources.ledger.recent()
    assert provider.calls[0].draft.arguments["reasoning_effort"] == "high"
    assert response.greenai.decision.opt_ins == ("reasoning",)  # type: ignore[attr-defined]
    assert (row["opt_in"], row["opt_in_reason"]) == (["reasoning"], "argument")


def test_strict_opt_in_gates_the_argument_too() -> None:
    provider = FakeProvider("Hello.")
    with offline(provider, settings={"strict_opt_in": True}) as client:
        response = client.chat.completions.create(
            model="gpt-5.5", messages=[{"role": "user", "content": "Say hello."}], reasoning_effort="high"
        )
        (row,) = client._session.resources.ledger.recent()
    assert provider.calls[0].draft.arguments["reasoning_effort"] == "none"
    receipt: Receipt = response.greenai  # type: ignore[attr-defined]
    assert receipt.nudges[0].text == "reasoning_effort not sent: strict_opt_in is set and nobody opted in"
    assert (row["opt_in"], row["opt_in_reason"]) == ([], None)


def test_reasoning_that_comes_back_although_it_was_off_is_reported() -> None:
    answer = hand(FakeReply(text="Hello.", reasoning_tokens=50)).answer(ceiling(), steps())
    assert answer.receipt.attempts[0].reasoning_leaked
    assert answer.receipt.warnings == (
        f"{SMALL} reasoned although reasoning was switched off; its tokens are counted.",
    )


def test_a_question_for_live_data_is_flagged() -> None:
    answer = hand("Sunny.").answer(request("What is the weather in Paris today?"), steps())
    assert answer.receipt.warnings == (
        "The question seems to ask for live data, which a model without a tool cannot know.",
    )


# --- conversations and tools --------------------------------------------------------------


def test_a_conversation_stays_on_the_model_that_began_it() -> None:
    here = steps()
    hand("A proof.").answer(ceiling(HARD), here)  # begins large
    begun = conversation(HARD, "A proof.", "Thanks")
    by = hand("You are welcome.")
    answer = by.answer(ceiling(messages=begun), here)
    assert by.provider.models == [LARGE]
    assert f"The conversation stays on {LARGE}, which answered its beginning." in answer.receipt.decision.reasons
    fresh = hand("Hello.")
    fresh.answer(ceiling(messages=conversation("Something else", "An answer", "Thanks")), here)
    assert fresh.provider.models == [SMALL]


def test_a_conversation_that_began_in_the_cache_stays_on_its_model() -> None:
    store = MemoryStore()
    first = steps(cache=ExactCache(store))
    opted = Options(opt_in=frozenset(("large",)), reason="checked")
    hand("A proof.").answer(request(HARD, options=opted), first)
    restarted = steps(cache=ExactCache(store))
    assert hand().answer(request(HARD, options=opted), restarted).receipt.outcome == "cache"
    by = hand("You are welcome.")
    by.answer(request(messages=conversation(HARD, "A proof.", "Thanks"), options=opted), restarted)
    assert by.provider.models == [LARGE]


def test_a_tool_loop_never_changes_model() -> None:
    messages = (
        {"role": "user", "content": "Is it open?"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]},
        {"role": "tool", "tool_call_id": "1", "content": "yes"},
    )
    by = hand("", "never asked")
    answer = by.answer(ceiling(messages=messages), steps())
    assert by.provider.models == [LARGE]
    assert [a.state for a in answer.receipt.attempts] == ["answered"]


# --- the ledger ---------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [False, True])
def test_prompts_are_in_the_ledger_only_where_that_was_asked_for(kept: bool) -> None:
    here = steps(ledger=Ledger(LedgerDb(None), store_prompts=kept), store_prompts=kept)
    hand("Hello.").answer(request("A private question about Ada."), here)
    (row,) = calls(here)
    assert row["prompt"] == ("A private question about Ada." if kept else None)


def test_a_key_in_an_error_does_not_reach_the_ledger() -> None:
    here = steps()
    asked = request()
    with pytest.raises(Exception, match="sk-"):
        hand(error(401, "Incorrect API key provided: sk-abcdefgh12345678")).answer(asked, here)
    assert "sk-abc" not in str(here.ledger.attempts(asked.call_id))


@pytest.fixture(autouse=True)
def _quiet_loggers(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.WARNING, logger="greenai"):
        yield
