"""What a task model would answer: less of few prompts, of many labels, and where the large model is inconsistent."""

from __future__ import annotations

import numpy as np
import pytest
from audit_logs import call

from greenai.audit.assumptions import of
from greenai.audit.columns import columns
from greenai.audit.covered import FEWEST, MOST, Task, columns_of, fitted
from greenai.audit.labels import labels_of
from greenai.audit.sufficing import NearRepeats

DRAWS = 4000


def share(**told: float) -> np.ndarray:
    known = {"prompts": 1000, "perplexity": 10.0, "closed": 0.9, "texts": 300, "asked_again": 500, **told}
    return Task(**known).drawn(DRAWS, np.random.default_rng(0))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"prompts": 320}, {"prompts": 5000}),
        ({"perplexity": 100.0}, {"perplexity": 3.0}),
        ({"closed": 0.5}, {"closed": 0.98}),
        ({"differ": 60}, {"differ": 0}),
    ],
)
def test_what_a_log_tells_moves_the_share(less: dict[str, float], more: dict[str, float]) -> None:
    assert share(**less).mean() < share(**more).mean() - 0.03


def test_of_few_prompts_of_an_inconsistent_model_none_may_be_made() -> None:
    assert (share(prompts=320, differ=60) == 0).mean() > 0.5
    assert (share(prompts=5000) == 0).mean() < 0.02


def test_what_is_not_known_makes_the_interval_wider() -> None:
    known, unknown = (
        np.ptp(np.quantile(share(prompts=1500, **told), (0.05, 0.95))) for told in ({}, {"asked_again": 0})
    )
    assert known < unknown


def test_of_too_few_texts_the_quick_fit_is_drawn() -> None:
    told = Task(prompts=900, perplexity=8.0).drawn(DRAWS, np.random.default_rng(0))
    assert np.unique(told[told > 0]).size > 100
    assert 0 <= told.min() <= told.max() < 1


def test_beyond_the_logs_fitted_on_nothing_is_extrapolated() -> None:
    row = [columns_of(prompts, 10.0, 0.01, 0.9, 200)[1] for prompts in (10, FEWEST, MOST, 10 * MOST)]
    assert row == [row[1], row[1], row[2], row[2]]


def test_the_fit_names_what_it_is_of() -> None:
    assert fitted()["promise"] == 0.98
    assert fitted()["logs"] >= 100
    assert len(fitted()["refused"]) == len(fitted()["answered"]) == columns_of(300, 2, 0, 0.5, 60).shape[-1]


def test_labels_tell_how_many_they_are_worth_and_which_prompts_got_two_answers() -> None:
    log = [call(f"Is {n} even?", system="Say yes or no.", answer="no" if n % 2 else "yes") for n in range(300)]
    log += [call("Is 1 even?", system="Say yes or no.", answer=answer) for answer in ("no", "yes")]
    log += [call("Is 2 even?", system="Say yes or no.", answer="Yes.")]
    (found,) = labels_of(columns(log)).values()
    assert found.perplexity == pytest.approx(2.0, abs=0.001)
    assert (found.different, found.asked_again, found.differ) == (300, 2, 1)


def test_the_assumption_has_the_largest_templates_with_their_intervals() -> None:
    near = NearRepeats(hits=0, tried=0, calls=0, looked=False)
    tasks = [Task(prompts=prompts, perplexity=4.0, closed=0.95, texts=300, asked_again=400) for prompts in (400, 4000)]
    text = next(one.text for one in of(near, zone="WORLD", tasks=tasks) if one.key == "task_model")
    large, small = (text.index(f"Of the template with {prompts}") for prompts in ("4,000", "400"))
    assert large < small
    shares = tasks[1].share
    assert f"4,000 different prompts: {shares.mid:.0%} ({shares.low:.0%} to {shares.high:.0%})." in text
