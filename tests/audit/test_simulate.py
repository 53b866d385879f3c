"""Draws: what is counted has no spread, what is sampled or estimated has one, and the truth lies within it."""

from __future__ import annotations

import numpy as np
import pytest
from audit_logs import START, call, reads

from greenai.audit.columns import columns
from greenai.audit.estimate import found, looked_at
from greenai.audit.pairs import shipped
from greenai.audit.simulate import FEWEST, span, strata
from greenai.audit.values import Logged

MIXES, CALLS, SAMPLE = 40, 400, 150


def test_a_span_is_the_median_with_the_middle_nine_tenths() -> None:
    made = span(np.arange(101.0))
    assert (made.low, made.mid, made.high) == (5.0, 50.0, 95.0)
    counted = span(np.arange(101.0), 99.0)
    assert (counted.mid, counted.high) == (99.0, 99.0)


def test_every_stratum_is_looked_at_and_the_large_ones_more() -> None:
    log = [call(f"{n}", at=n, system="big" if n % 50 else "little") for n in range(1000)]
    calls = columns(log)
    plan = strata(calls, np.ones(len(log)), np.zeros(len(log), bool), 100, np.random.default_rng(0))
    seen = np.bincount(plan.of[plan.rows])
    assert sorted(plan.sizes.tolist()) == [20, 980]
    assert sorted(seen.tolist()) == [FEWEST, 98]
    assert len(set(plan.rows.tolist())) == len(plan.rows)


def test_the_smallest_strata_are_made_one() -> None:
    log = [call(f"{n}", at=n, project=f"p{n % 40}") for n in range(400)]
    plan = strata(columns(log), np.ones(400), np.zeros(400, bool), 100, np.random.default_rng(0))
    assert len(plan.sizes) == 4
    assert plan.sizes.sum() == 400


def test_calls_without_prompts_are_in_no_stratum() -> None:
    calls = columns([call("a", messages=None), call("b")])
    plan = strata(calls, np.ones(2), np.zeros(2, bool), 10, np.random.default_rng(0))
    assert plan.of.tolist() == [-1, 0]
    assert plan.rows.tolist() == [1]


def test_what_is_counted_on_all_calls_has_no_spread() -> None:
    log = [call("What is the capital of France?", at=n) for n in range(50)]
    whole = found(looked_at(columns(log), reads(log), in_a_row=0)).whole
    repeat = whole.sufficed[0]
    assert (repeat.by, repeat.calls.low, repeat.calls.mid, repeat.calls.high) == ("repeat", 49.0, 49.0, 49.0)


def mixed(rng: np.random.Generator) -> tuple[list[Logged], dict[str, float], float]:
    """Return a log of repeats, sums, and questions in four templates, answered as a pair of models that was drawn would.

    With it the classifier's `large_gain` by text, and the share for which less would do.
    """
    shares = rng.dirichlet(np.ones(3))
    parts = rng.multinomial(CALLS, shares)
    pair = shipped().pair("openai/gpt-5.4-nano", "gpt-5.5")
    gains = rng.normal(-1.2, 0.8, int(parts[0]))
    template = np.arange(len(gains)) % 4
    fails, right = pair.drawn(gains, pair.hardness(template, 1, rng), rng)
    lost = rng.random(len(gains)) < (fails * right)[0]
    log: list[Logged] = []
    told: dict[str, float] = {}
    less = 0
    for n in range(int(parts[0])):
        text = f"How would somebody explain the matter of case {n} to others?"
        told[text] = float(1 / (1 + np.exp(-gains[n])))
        less += not lost[n]
        log.append(call(text, system=f"Template {n % 4}"))
    for n in range(int(parts[1])):
        log.append(call("What is the capital of France?", system="Repeated"))
        less += n > 0
        told[log[-1].where] = 0.0
    log += [call(f"What is {n + 3} times 17?") for n in range(int(parts[2]))]
    less += int(parts[2])
    at = rng.permutation(len(log)).tolist()
    return [replaced(log[n], moment) for moment, n in enumerate(at)], told, less / CALLS


def replaced(one: Logged, at: int) -> Logged:
    return Logged(
        where=f"calls.jsonl:{at}", created=START + at, model=one.model, messages=one.messages, answer=one.answer,
        input_tokens=one.input_tokens, output_tokens=one.output_tokens, arguments=one.arguments,
    )  # fmt: skip


def test_the_interval_covers_the_true_share_of_random_mixes() -> None:
    covered, widths = 0, []
    for seed in range(MIXES):
        log, told, true = mixed(np.random.default_rng(seed))

        def large_gain(one: Logged, told: dict[str, float] = told) -> float:
            return told.get(str((one.messages or ({},))[-1]["content"]), 0.02)

        looked = looked_at(
            columns(log), reads(log), sample=SAMPLE, in_a_row=0, seed=seed, draws=200, large_gain=large_gain
        )
        share = found(looked).whole.avoidable
        covered += share.low <= true <= share.high
        widths.append(share.high - share.low)
    assert covered >= 0.8 * MIXES  # 90% are promised; of 40 that have that chance, 32 or more are covered in 98%
    assert np.median(widths) < 0.35


def test_the_same_seed_gives_the_same_draws() -> None:
    log = [call(f"Why is number {n} odd?", at=n) for n in range(100)]
    first, second, other = (
        found(looked_at(columns(log), reads(log), sample=30, in_a_row=0, seed=s)).whole for s in (1, 1, 2)
    )
    assert first == second
    assert first != other


def test_a_small_sample_says_less_than_a_large_one() -> None:
    log = [call(f"What is {n} times 17?" if n % 3 else f"Why is number {n} odd?", at=n) for n in range(600)]
    few, many = (
        found(looked_at(columns(log), reads(log), sample=most, in_a_row=0, large_gain=lambda _: 0.0)).whole.sufficed[2]
        for most in (60, 600)
    )
    assert few.share.high - few.share.low > 0.1
    assert many.share.low == pytest.approx(many.share.high)
    assert few.share.low <= many.share.mid <= few.share.high


def test_a_small_model_that_does_not_reason_is_worse_where_reasoning_helped() -> None:
    asked = (
        "Prove that there are infinitely many primes, in one line.",
        "How many ways are there to tile a 7 by 9 floor?",
    )

    def worse(**told: int) -> float:
        log = [call(f"{text} Take {n}.", at=n, output_tokens=900, **told) for n in range(40) for text in asked]
        looked = looked_at(columns(log), reads(log), in_a_row=0, large_gain=lambda _: 0.02)
        return float(np.median(looked.drawn.worse))

    assert worse(reasoning_tokens=800) > 2 * worse() > 0
