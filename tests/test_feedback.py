"""What feedback teaches: corrections, limits that keep to a floor, drift; and how a client takes it in."""

from __future__ import annotations

import asyncio
import math
import random
from pathlib import Path
from typing import Any

import pytest
from verdicts import METHOD, with_gain

from greenai import AsyncClient
from greenai.correction import Correction, Label, logit
from greenai.errors import InvalidRequest
from greenai.feedback import DRIFT, Feedback, binned, correction_of, limit_of, stability, warning_of
from greenai.route import FLOORS
from greenai.testing import offline

Told = list[tuple[float, bool, float]]


def labelled(count: int, bad_of: Any, seed: int = 0, top: float = 0.35, nobody: float = 0.0) -> Told:
    """Answers of small rungs within `top`, each lost with the probability that its loss has in truth.

    A share of the questions `nobody` gets right, which the classifier knows.
    """
    drawn = random.Random(seed)
    losses = [loss for loss in (drawn.betavariate(1.2, 5) for _ in range(20 * count)) if loss <= top]
    return [(loss, drawn.random() >= bad_of(loss) + nobody, nobody) for loss in losses[:count]]


def all_said(loss: float, count: int, *, good: bool) -> Told:
    return [(loss, good, 0.0)] * count


def shifted(by: float) -> Any:
    return lambda loss: 1 / (1 + math.exp(-logit(loss) - by))


# --- corrections ----------------------------------------------------------------------------


def test_few_labels_and_labels_of_one_kind_teach_nothing() -> None:
    assert correction_of(labelled(29, shifted(0)), FLOORS) is None
    assert correction_of(all_said(0.1, 100, good=False), FLOORS) is None


@pytest.mark.parametrize("by", [-1.0, 0.0, 1.0])
def test_correction_finds_the_shift_and_shrinks_to_what_was_shipped(by: float) -> None:
    few, many = (correction_of(labelled(n, shifted(by)), FLOORS) for n in (40, 1000))
    assert few is not None
    assert many is not None
    assert many.of(0.1) == pytest.approx(shifted(by)(0.1), abs=0.03)
    assert abs(few.of(0.1) - 0.1) <= abs(many.of(0.1) - 0.1) + 0.05
    assert many.labels == 1000


def test_what_no_model_gets_right_is_not_held_against_the_small_one() -> None:
    shares, moved = [], []
    for seed in range(20):
        found = correction_of(labelled(300, lambda loss: loss, seed, FLOORS["standard"], 0.15), FLOORS)
        assert found is not None
        floor = min(FLOORS["standard"], found.of(found.limits.get("standard", 1.0)))
        losses = [n / 100 for n in range(1, 16)]
        shares.append(sum(found.of(loss) <= floor for loss in losses) / len(losses))
        moved.append([found.of(loss) - loss for loss in (0.02, 0.05, 0.1)])
    assert sum(shares) / len(shares) > 0.85  # 0.29 of the calls where every bad answer counts as a loss
    assert [sum(column) / len(column) for column in zip(*moved, strict=True)] == pytest.approx([0, 0, 0], abs=0.03)


def test_corrections_are_monotone_whatever_was_labelled() -> None:
    upside_down = all_said(0.02, 40, good=False) + all_said(0.3, 40, good=True)
    found = correction_of(upside_down, FLOORS)
    assert found is not None
    assert 0 < found.of(0.05) < found.of(0.2) < 1


def test_labels_with_one_and_the_same_loss_still_give_a_correction() -> None:
    found = correction_of([(0.1, n % 2 == 0, 0.0) for n in range(60)], FLOORS)
    assert found is not None
    assert found.of(0.1) == pytest.approx((30 + 3) / 90, abs=0.05)


# --- limits ---------------------------------------------------------------------------------


def test_limit_is_the_largest_loss_that_keeps_to_what_is_allowed() -> None:
    good = [(0.001 * n, True, 0.0) for n in range(1, 41)]
    assert limit_of(good, 0.2) is None
    assert limit_of(good + all_said(0.5, 40, good=False), 0.2) == 0.04
    assert limit_of(all_said(0.1, 40, good=False), 0.2) == 0.0


def test_next_answer_is_counted_as_a_bad_one() -> None:
    high = all_said(0.3, 40, good=False)
    assert (
        limit_of(all_said(0.1, 6, good=False) + all_said(0.1, 28, good=True) + high, 0.2) == 0.1
    )  # (6 + 1) / (34 + 1)
    assert (
        limit_of(all_said(0.1, 6, good=False) + all_said(0.1, 27, good=True) + high, 0.2) == 0.0
    )  # (6 + 1) / (33 + 1) is too much


def test_first_look_that_fails_ends_it() -> None:
    bad_first = all_said(0.05, 60, good=True) + all_said(0.1, 40, good=False) + all_said(0.2, 300, good=True)
    assert limit_of(bad_first, 0.16) == 0.0  # two fifths of the first quarter were bad, though a tenth of all


def test_answers_that_are_too_bad_at_every_loss_pass_by_luck_only_rarely() -> None:
    given = 0.0
    for seed in range(100):
        labels = labelled(100, lambda _: 0.2, seed, 0.16)
        limit = limit_of(labels, 0.16)
        given += sum(loss <= (1.0 if limit is None else limit) for loss, _, _ in labels) / 100
    assert given / 100 < 0.12  # the largest loss that passes would give 32%


@pytest.mark.parametrize("quality", FLOORS)
@pytest.mark.parametrize("by", [0.0, 1.0, 2.0])
def test_allowed_share_of_lost_answers_holds_on_the_apps_own_traffic(quality: str, by: float) -> None:
    allowed, truth, shares = FLOORS[quality], shifted(by), []  # type: ignore[index]
    for seed in range(60):
        found = correction_of(labelled(150, truth, seed, allowed), FLOORS)
        assert found is not None
        drawn = random.Random(1000 + seed)
        traffic = [drawn.betavariate(1.2, 5) for _ in range(600)]
        floor = min(allowed, found.of(found.limits.get(quality, 1.0)))
        given = [loss for loss in traffic if found.of(loss) <= floor]
        bad = sum(drawn.random() < truth(loss) for loss in given)
        if given:
            shares.append((bad, len(given)))
    bad, answers = (sum(column) for column in zip(*shares, strict=True))
    error = math.sqrt(allowed * (1 - allowed) / answers)
    assert bad / answers <= allowed + 3 * error


def test_limits_are_stricter_for_a_higher_quality() -> None:
    found = correction_of(labelled(200, shifted(1.5)), FLOORS)
    assert found is not None
    limits = [found.limits.get(quality, math.inf) for quality in ("basic", "standard", "high")]
    assert limits == sorted(limits, reverse=True)


# --- drift ----------------------------------------------------------------------------------


def histogram(a: float, b: float, seed: int, count: int = 500) -> list[int]:
    drawn = random.Random(seed)
    return binned([(0, min(int(drawn.betavariate(a, b) * 50), 49), 1) for _ in range(count)])[0]


def test_index_is_small_without_drift_and_large_with_it() -> None:
    still = [stability(histogram(1.2, 5, n), histogram(1.2, 5, 1000 + n)) for n in range(100)]
    assert max(still) < DRIFT
    assert sum(still) / len(still) == pytest.approx(0.036, abs=0.01)
    assert stability(histogram(1.2, 5, 1), histogram(2, 5, 2)) > DRIFT


def test_index_of_values_that_are_all_alike_is_nothing() -> None:
    same = binned([(0, 12, 500)])[0]
    assert stability(same, same) == pytest.approx(0.0)
    assert stability(same, binned([(0, 40, 500)])[0]) > DRIFT


def test_warning_needs_two_full_windows() -> None:
    first, other = histogram(1.2, 5, 1), histogram(5, 2, 2)
    assert warning_of("p", {0: first}) is None
    assert warning_of("p", {0: first, 1: histogram(5, 2, 2, 499)}) is None
    assert warning_of("p", {0: first, 1: histogram(1.2, 5, 3)}) is None
    said = warning_of("shop", {0: first, 1: other})
    assert said is not None
    assert said.startswith("The requests of project shop have drifted: the stability index of its last 500 decisions")


def test_drift_is_said_once() -> None:
    taught = Feedback(FLOORS)
    said = [taught.count("p", "m", value) for value in [0.1] * 500 + [0.9] * 1000]
    assert [n for n, warning in enumerate(said) if warning] == [999]


# --- the step -------------------------------------------------------------------------------


def label(call_id: str, loss: float | None, *, good: bool, project: str = "p") -> Label:
    return Label(call_id=call_id, project=project, method="m", loss=loss, model="x/y", outcome="small", good=good)


def ledger(tmp_path: Path) -> Any:
    from greenai.ledger import Ledger
    from greenai.store.ledger_db import LedgerDb

    return Ledger(LedgerDb(tmp_path / "ledger.db"))


def test_last_word_about_a_call_wins_and_the_top_teaches_nothing() -> None:
    taught = Feedback(FLOORS)
    for n in range(40):
        taught.label(label(str(n), 0.1, good=False))
        taught.label(label(str(n), 0.1, good=n % 4 > 0))
        taught.label(label(f"top {n}", None, good=False))
    found = taught.correction("p", "m")
    assert isinstance(found, Correction)
    assert found.labels == 40
    assert taught.correction("another", "m") is None
    assert taught.correction("p", "m-2") is None


def test_other_process_reads_what_this_one_was_told(tmp_path: Path) -> None:
    now = [0.0]
    one, two = (Feedback(FLOORS, ledger(tmp_path), lambda: now[0]) for _ in range(2))
    assert not two.is_read("p", "m")
    two.read("p", "m")
    assert (two.is_read("p", "m"), two.correction("p", "m")) == (True, None)
    for n in range(40):
        one.label(label(str(n), 0.01 * n, good=n % 4 > 0))
    now[0] = 301.0
    assert not two.is_read("p", "m")
    two.read("p", "m")
    assert two.correction("p", "m") == one.correction("p", "m") != None  # noqa: E711


def test_label_given_while_others_are_read_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    here = ledger(tmp_path)
    taught = Feedback(FLOORS, here, lambda: now[0])
    for n in range(40):
        taught.label(label(str(n), 0.01 * n, good=n % 4 > 0))
    now[0] = 1.0

    def meanwhile(*_: object) -> list[tuple[int, int, int]]:  # the labels were read, the counts are next
        taught.label(label("late", 0.1, good=False))
        taught.label(label("0", 0.0, good=True))
        return []

    monkeypatch.setattr(here, "tallies", meanwhile)
    taught.read("p", "m")
    labels = taught._projects["p", "m"].labels
    assert (len(labels), labels["late"][:2], labels["0"][:2]) == (41, (0.1, False), (0.0, True))
    found = taught.correction("p", "m")
    assert found is not None
    assert found.labels == 41
    monkeypatch.undo()
    now[0] = 2.0
    taught.read("p", "m")
    assert (len(taught._projects["p", "m"].labels), taught._projects["p", "m"].told) == (41, {})


def test_counts_are_written_in_batches_and_add_up_over_processes(tmp_path: Path) -> None:
    here = ledger(tmp_path)
    one, two = Feedback(FLOORS, here), Feedback(FLOORS, here)
    for taught, calls in ((one, 30), (two, 24)):
        for _ in range(calls):
            taught.count("p", "m", 0.5)
            taught.flush("p", "m")
    assert here.tallies("p", "m") == [(0, 25, 25)]
    two.count("p", "m", 0.5)
    two.flush("p", "m")
    assert here.tallies("p", "m") == [(0, 25, 50)]


def test_counts_are_written_under_the_window_in_which_they_were_made(tmp_path: Path) -> None:
    here = ledger(tmp_path)
    taught = Feedback(FLOORS, here)
    for _ in range(510):
        taught.count("p", "m", 0.5)
    taught.read("p", "m")  # adds what is not written yet, each to its own window
    assert [sum(bins) for bins in taught._projects["p", "m"].eras.values()] == [500, 10]
    taught.flush("p", "m")
    assert here.tallies("p", "m") == [(0, 25, 500), (1, 25, 10)]


def test_only_the_first_and_the_last_two_windows_are_kept(tmp_path: Path) -> None:
    here = ledger(tmp_path)
    taught = Feedback(FLOORS, here)
    for _ in range(2300):
        taught.count("p", "m", 0.5)
        taught.flush("p", "m")
    assert [era for era, _, _ in here.tallies("p", "m")] == [0, 3, 4]
    fresh = Feedback(FLOORS, here)
    fresh.read("p", "m")
    assert fresh.count("p", "m", 0.5) is None


def test_memory_of_many_projects_is_bounded() -> None:
    taught = Feedback(FLOORS)
    for n in range(1100):
        taught.count(f"p{n}", "m", 0.5)
        taught.count("used", "m", 0.5)
    assert len(taught._projects) == 1024
    assert sum(map(sum, taught._projects["used", "m"].eras.values())) == 1100  # it was never left out
    assert ("p76", "m") not in taught._projects


# --- a client's feedback --------------------------------------------------------------------

OPTED_IN = {"opt_in": "large", "reason": "a test"}
QUESTION = "Write a letter to France."
GAIN = 0.1


def kept(client: Any) -> list[tuple[str, float, bool, float]]:
    return client._session.resources.ledger.labels("default", METHOD, 0.0, 100)


def test_response_receipt_and_call_id_are_taken() -> None:
    with offline() as client:
        with_gain(client, GAIN)
        answer = client.ask(QUESTION)
        response = client.chat.completions.create(messages=[{"role": "user", "content": QUESTION + " Please."}])
        client.feedback(answer, good=True)
        client.feedback(response, good=False)
        loss = answer.greenai.decision.estimates[0].shipped_loss
        first, second = kept(client)
        assert first == (answer.greenai.call_id, loss, True, 0.0)
        assert second[2] is False
        client.feedback(response.greenai, good=True)
        assert kept(client)[-1][2] is True
        client.feedback(response.greenai.call_id, good=False)
        assert kept(client)[-1][2] is False


def test_probability_that_the_top_is_bad_too_is_kept_with_the_call() -> None:
    with offline() as client:
        with_gain(client, GAIN, suffices=0.85)
        answer, other = client.ask(QUESTION), client.ask(QUESTION + " Please.")
        client.feedback(answer, good=False)
        client.feedback(other.greenai.call_id, good=True)
        assert [row[3] for row in kept(client)] == pytest.approx([0.15, 0.15])


def test_both_colours_keep_the_same() -> None:
    async def tell() -> list[tuple[str, float, bool, float]]:
        async with offline(client=AsyncClient, **OPTED_IN) as client:
            with_gain(client, GAIN)
            answer = await client.ask(QUESTION)
            await client.feedback(answer, good=True)
            other = await client.ask(QUESTION + " Please.")
            await client.escalate(other)
            return kept(client)

    with offline(**OPTED_IN) as client:
        with_gain(client, GAIN)
        client.feedback(client.ask(QUESTION), good=True)
        client.escalate(client.ask(QUESTION + " Please."))
        mine = kept(client)
    assert [row[1:] for row in mine] == [row[1:] for row in asyncio.run(tell())]
    assert [good for _, _, good, _ in mine] == [True, False]


def test_bad_answer_is_not_given_again_from_the_cache() -> None:
    with offline() as client:
        with_gain(client, GAIN)
        first = client.ask(QUESTION, temperature=0)
        assert client.ask(QUESTION, temperature=0).greenai.outcome == "cache"
        client.feedback(first, good=True)
        assert client.ask(QUESTION, temperature=0).greenai.outcome == "cache"
        client.feedback(first, good=False)
        assert client.ask(QUESTION, temperature=0).greenai.outcome == "small"


def test_project_that_reports_bad_answers_starts_higher_and_another_does_not() -> None:
    with offline(**OPTED_IN, settings={"cache": "off"}) as client:
        with_gain(client, GAIN)
        assert client.explain(QUESTION).route[0] == "openai/gpt-5.4-nano"
        for n in range(40):
            client.feedback(client.ask(f"Write a letter to country {n}."), good=n % 4 == 0)
        decision = client.explain(QUESTION)  # from the 30th label on the larger model answered, which teaches nothing
        assert decision.route == ("openai/gpt-5.5",)
        assert decision.checks[0].source.endswith(", corrected by 30 answers of this project")
        estimate = decision.estimates[0]
        assert estimate.loss is not None
        assert estimate.shipped_loss is not None
        assert estimate.loss > 0.3 > estimate.shipped_loss
        other = client.with_options(project="another").explain(QUESTION)
        assert other.route[0] == "openai/gpt-5.4-nano"


def test_feedback_never_opts_in() -> None:
    with offline(settings={"cache": "off"}) as client:
        with_gain(client, GAIN)
        for n in range(40):
            client.feedback(client.ask(f"Write a letter to country {n}."), good=n % 8 == 0)
        assert client.explain(QUESTION).route == ("openai/gpt-5.4-nano",)


def test_answer_of_the_top_and_of_no_model_teaches_nothing() -> None:
    with offline(settings={"ladder": ["openai/gpt-5.5"]}) as client:
        with_gain(client, GAIN)
        client.feedback(client.ask(QUESTION), good=False)
        client.feedback(client.ask("What is 2 + 2?"), good=False)
        assert kept(client) == []


def test_calls_where_the_classifier_failed_teach_nothing() -> None:
    with offline() as client:
        with_gain(client, GAIN, calibrated=False)
        client.feedback(client.ask(QUESTION), good=False)
        assert kept(client) == []
        assert client._session.resources.steps.feedback._projects["default", METHOD].eras == {}


def test_drift_is_told_in_a_receipt_once() -> None:
    with offline(settings={"cache": "off"}) as client:
        with_gain(client, GAIN)
        feedback = client._session.resources.steps.feedback
        feedback.read("default", METHOD)
        for value in [0.05] * 500 + [0.95] * 499:
            feedback.count("default", METHOD, value)
        said = [client.ask(QUESTION).greenai.warnings for _ in range(2)]
        assert [len(warnings) for warnings in said] == [1, 0]
        assert said[0][0].startswith("The requests of project default have drifted: ")


def test_what_is_no_answer_and_no_verdict_is_refused() -> None:
    with offline() as client:
        with_gain(client, GAIN)
        for wrong, message in (
            (42, "42 is no answer, so greenai cannot learn from it"),
            ("nobody", "The ledger has no call 'nobody'"),
        ):
            with pytest.raises(InvalidRequest, match=message):
                client.feedback(wrong, good=True)  # type: ignore[arg-type]
        with pytest.raises(InvalidRequest, match="good='yes' is no verdict"):
            client.feedback(client.ask(QUESTION), good="yes")  # type: ignore[arg-type]


def test_store_that_fails_costs_no_answer(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    with offline(settings={"cache": "off"}) as client:
        with_gain(client, GAIN)
        for name in ("read", "label", "count", "flush"):
            monkeypatch.setattr(client._session.resources.steps.feedback, name, fail)
        answer = client.ask(QUESTION)
        client.feedback(answer, good=True)
    assert answer.text
    assert [record.message for record in caplog.records] == [
        "Feedback could not be read; the call goes on without.",
        "A decision could not be counted.",
        "Counted decisions could not be written.",
        "What was said of an answer could not be kept.",
    ]
