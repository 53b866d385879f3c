"""What is given, and what no longer is: the bound over facts that the tests choose."""

from __future__ import annotations

import numpy as np

from greenai.cache.bound import NEVER, Bound


def taught(count=400, *, seed=0):
    """Return a bound that has seen proposals of similarity 0.4 to 0.9, right from 0.6 on, and a second fact of 0."""
    chosen = np.random.default_rng(seed)
    bound = Bound(0.01, 2, warm_up=count)
    for similarity in np.linspace(0.4, 0.9, count)[chosen.permutation(count)]:
        bound.learn(np.array([similarity, 0.1 * chosen.random()]), right=bool(similarity > 0.6))
    return bound


def test_facts_beyond_those_that_were_judged_count_as_the_furthest_of_these():
    bound = taught()
    assert bound.score(np.array([0.9, 50.0])) == bound.score(np.array([5.0, 0.2]))
    assert bound.score(np.array([-9.0, 0.05])) == bound.score(np.array([0.3, 0.05]))


def test_the_floor_is_the_lowest_similarity_of_one_that_was_right():
    assert 0.6 < taught().floor < 0.61
    assert Bound(0.01, 2).floor == -np.inf


def test_a_failed_audit_has_all_reckoned_anew_at_once():
    bound = taught()
    before = bound.cut
    assert before != NEVER
    bound.learn(np.array([0.85, 0.05]), right=True, audited=True)
    assert bound.cut == before
    bound.learn(np.array([0.85, 0.05]), right=False, audited=True)
    assert bound.cut != before


def test_after_two_failed_audits_in_a_row_nothing_is_given_until_more_is_known():
    bound = taught(4000)
    for _ in range(2):
        assert bound.cut != NEVER
        bound.learn(np.array([0.9, 0.05]), right=False, audited=True)
    assert bound.cut == NEVER
    for _ in range(260):
        bound.learn(np.array([0.85, 0.05]), right=True)
    assert bound.cut != NEVER
    bound.learn(np.array([0.85, 0.05]), right=True, audited=True)
    bound.learn(np.array([0.85, 0.05]), right=False, audited=True)
    assert bound.cut != NEVER
