"""One rung asked, without the steps before it."""

from __future__ import annotations

import time

from greenai.classify import Classifier
from greenai.ledger import Ledger
from greenai.places import Site
from greenai.steps import Plan, Steps
from greenai.steps.affording import Way
from greenai.steps.attempt import attempt
from greenai.stopwatch import Stopwatch
from greenai.store.ledger_db import LedgerDb
from greenai.testing import FakeEngines
from greenai.values import Call, Decision, Options, Request, Rung, Transport, Work


def test_the_gate_holds_for_a_request_that_no_classifier_looked_at() -> None:
    rung = Rung(model="openai/gpt-5.5")
    request = Request(
        call_id="call-1",
        entry="create",
        model="gpt-5.5",
        messages=({"role": "user", "content": "Say hello."},),
        arguments={"reasoning_effort": "high", "max_tokens": 9000},
        stream=False,
        transport=Transport(timeout_s=60.0),
        options=Options(strict_opt_in=True),
        deadline=time.monotonic() + 60.0,
        namespace="test",
    )
    steps = Steps(
        classifier=Classifier(),
        ledger=Ledger(LedgerDb(None)),
        engines=FakeEngines(),
        site=Site(zone="WORLD"),
        ladder=(rung,),
        meters=(),
    )
    plan = Plan(decision=Decision(outcome="large", route=(rung.model,), reasons=()), rungs=(rung,))
    asking = attempt(Way(rung=rung, request=request), "call-1.0", plan, steps, Stopwatch())
    reserving = next(asking)
    assert isinstance(reserving, Work)
    call = asking.send(reserving.run())
    asking.close()
    assert isinstance(call, Call)
    assert dict(call.draft.arguments) == {"reasoning_effort": "none", "max_tokens": 4096}
