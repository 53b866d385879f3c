"""What answers without a general model, beside the log: tools, task models, the semantic cache; all of it free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from audit_logs import LARGE, SMALL, call, reads

from greenai.answerers.distilled import Said, TaskModel
from greenai.audit.advice import finding_of
from greenai.audit.check_words import free
from greenai.audit.columns import columns
from greenai.audit.estimate import Looked, looked_at
from greenai.audit.rungs import Tried, tried
from greenai.audit.side_by_side import applied, unasked
from greenai.audit.values import Logged

LADDER = (SMALL, LARGE)
SUMS = [call(f"What is {n} times 7?", at=n, answer=f"It is {n * 7}." if n % 4 else "42.5") for n in range(11, 51)]
MAILS = [
    call(f"Is this mail spam? {n}", at=100 + n, system="Label it.", answer=("spam", "ham")[n % 2]) for n in range(20)
]


def looked_of(log: Sequence[Logged]) -> Looked:
    return looked_at(columns(log), reads(log), ladder=LADDER, in_a_row=5, large_gain=lambda _: 0.0)


class Labels:
    """A task model that says spam to every mail of the template, as the file would."""

    name = "mails"

    def answer(self, messages: Sequence[Mapping[str, Any]]) -> Said | None:
        return Said(text="Spam.", confidence=0.9) if messages[0]["role"] == "system" else None


def read_labels(_: Path) -> TaskModel:
    return cast("TaskModel", Labels())


def by_name(found: tuple[Tried, ...]) -> dict[str, Tried]:
    return {one.by: one for one in found}


def test_tools_and_task_models_are_compared_with_what_the_log_says() -> None:
    log = [*SUMS, *MAILS]
    looked = looked_of(log)
    found = by_name(tried(looked, reads(log), [Path("mails.greenai")], read_labels))
    tools, labels = found["deterministic"], found["task_model"]
    assert (tools.answered, tools.compared, tools.differ) == (40, 40, 10)
    assert (labels.answered, labels.compared, labels.differ) == (20, 20, 10)
    assert tools.risk is not None
    assert tools.risk.share.mid == pytest.approx(0.25)
    assert tools.risk.share.low == pytest.approx(0.143, abs=0.002)  # Clopper and Pearson's of 10 in 40
    check = unasked(tuple(found.values()))
    finding = applied(finding_of(looked, ladder=LADDER, measured=check.measured), looked, check)
    risks = {row.by: row.risk for row in finding.whole.sufficed}
    assert risks["deterministic"] == tools.risk
    assert risks["task_model"] == labels.risk
    small = risks["small"]
    assert small is not None
    assert small.evidence == "estimated"
    assert finding.assumption("check_task_model").text == (
        "mails (mails.greenai) would have answered 20 of the calls that were looked at. 20 of these answers could be "
        "compared with the log, and 10 say something else: without case and quotes; calls that it was trained on may "
        "be among them, and flatter it. The log's answer is taken to be right."
    )


def test_few_answers_do_not_take_the_place_of_what_is_assumed() -> None:
    log = [*SUMS[:6], *MAILS]
    looked = looked_of(log)
    check = unasked(tried(looked, reads(log)))
    assert dict(check.measured) == {}
    assert next(iter(free(check))) == (
        "Check: Built-in tools said something else than the log in 2 of 6 answers: 33% (6.3 to 73%). Too few to take "
        "the place of what is assumed."
    )


def test_answers_of_which_nothing_can_be_told_are_in_no_share() -> None:
    log = [call(f"What is {n} times 7?", at=n, answer="Let me think.", finish_reason="length") for n in range(11, 15)]
    found = unasked(tried(looked_of(log), reads(log)))
    assert next(iter(free(found))) == (
        "Check: Built-in tools would have answered 4 calls that were looked at; none of these answers could be compared."
    )


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    torn = tmp_path / "torn.greenai"
    torn.write_text("no task model")
    found = by_name(tried(looked_of(MAILS), reads(MAILS), [torn]))["task_model"]
    assert (found.answered, found.risk) == (0, None)
    assert found.why is not None
    assert found.why.startswith("torn.greenai is no task model of greenai.")
    told = list(free(unasked((found,))))
    assert told == [f"Check: torn.greenai could not be tried: {found.why}"]


def test_a_hit_of_the_semantic_cache_is_compared_with_what_was_answered_anew() -> None:
    asks = ("How do I reset my password", "How can I reset my password", "how do i reset the password for my account")
    log = [
        call(
            f"{asks[n % 3]}{'?' * (n // 3 % 2)}",
            at=n,
            answer="reset" if n < 150 else "other",
            system="Name the intent.",
        )
        for n in range(6)
    ]
    log += [call(f"{text} of {n}?", at=10 + n, answer="reset") for n, text in enumerate(asks)]
    found = by_name(tried(looked_of(log), reads(log)))["near_repeat"]
    assert found.name == "The semantic cache"
    assert found.why is None
    assert found.compared <= found.answered
