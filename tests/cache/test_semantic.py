"""The semantic tier with an encoder whose vectors the tests choose."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from greenai.cache.semantic import Hit, SemanticTier
from greenai.cache.vetoes import vetoes
from greenai.errors import InvalidRequest
from greenai.testing import MemoryStore

THINGS = ("opening hours", "delivery costs", "returns", "gift cards", "repairs", "parking", "invoices", "vouchers")


class Topics:
    """Texts that begin with the same word are near; the rest of a text moves it a little."""

    name = "topics-1"
    serves = True

    def __init__(self, spread: float = 0.05) -> None:
        self.spread = spread
        self.count = 0

    def encode(self, texts):
        return np.stack([self._vector(text) for text in texts])

    def _vector(self, text):
        self.count += 1
        topic = np.random.default_rng(sum(map(ord, text.split()[0]))).normal(size=64)
        rest = np.random.default_rng(sum(ord(c) * (i + 1) for i, c in enumerate(text))).normal(size=64)
        vector = topic / np.linalg.norm(topic) + self.spread * rest
        return (vector / np.linalg.norm(vector)).astype(np.float32)


class Wordless(Topics):
    name = "wordless-1"
    serves = False


def stream(count, seed=0, wrong=0.0):
    """Yield questions on a few topics with their answers; `wrong` of them have one that fits nobody else."""
    chosen = np.random.default_rng(seed)
    for number in range(count):
        topic = THINGS[int(chosen.integers(len(THINGS)))]
        answer = f"{topic}!" if chosen.random() >= wrong else f"number {number}"
        yield f"{topic.split()[0]} question {int(chosen.integers(10_000))}", answer


def played(tier, requests, scope="shop"):
    """Return the hits and how many of them were wrong."""
    hits = wrong = 0
    for text, answer in requests:
        hit = tier.lookup(scope, text)
        if hit is None:
            tier.admit(scope, text, answer)
        else:
            hits, wrong = hits + 1, wrong + (hit.answer != answer)
    return hits, wrong


def tier_of(**given):
    return SemanticTier(**{"encoder": Topics(), "vetoes": None, "seed": 1, "warm_up": 100, **given})


def test_nothing_is_given_before_enough_is_known():
    assert played(tier_of(), stream(100)) == (0, 0)


def test_after_the_warm_up_an_answer_serves_other_words_too():
    tier = tier_of()
    hits, wrong = played(tier, stream(600))
    assert hits > 300
    assert wrong == 0
    hit = next(hit for n in range(50) if (hit := tier.lookup("shop", f"parking question {n}x")) is not None)
    assert hit == Hit(
        answer="parking!", question=hit.question, similarity=hit.similarity, score=hit.score, bound=hit.bound,
        age_s=hit.age_s, threshold=hit.threshold,
    )  # fmt: skip
    assert hit.question.startswith("parking")
    assert 0.5 < hit.similarity <= 1.0001
    assert hit.bound <= 0.01
    assert hit.score > 0.9
    assert 0 <= hit.age_s < 60


def test_a_new_answer_is_given_only_once_it_was_found_right():
    tier = tier_of(audits=0.0)
    played(tier, stream(600))
    tier.admit("shop", "allergens question 1", "allergens!")
    proposed = tier.propose("shop", "allergens question 2")
    assert proposed is not None
    assert proposed.score >= proposed.threshold
    assert [asked(tier, f"allergens question {n}", "allergens!") for n in range(2, 5)] == [False, True, True]


def test_answers_that_differ_each_time_are_never_given():
    requests = [(text, f"answer {number}") for number, (text, _) in enumerate(stream(600))]
    assert played(tier_of(), requests) == (0, 0)


def test_more_wrong_answers_than_the_limit_are_given_to_nobody_and_a_wider_limit_lets_them_pass():
    assert played(tier_of(), stream(600, wrong=0.2))[0] == 0
    hits, wrong = played(tier_of(delta=0.4), stream(600, wrong=0.2))
    assert hits > 200
    assert wrong / hits < 0.4


def test_scopes_share_nothing():
    tier = tier_of()
    played(tier, stream(600))
    assert all(tier.lookup("another", text) is None for text, _ in stream(50, seed=5))


def test_a_share_of_what_could_be_given_is_audited():
    tier, every = tier_of(audits=0.5), tier_of(audits=0.0)
    assert played(tier, stream(800))[0] < 0.7 * played(every, stream(800))[0]


def test_an_audit_that_fails_drops_the_stored_question():
    tier = tier_of(audits=0.0)
    played(tier, stream(600))
    hit = tier.lookup("shop", "parking question 77")
    assert hit is not None
    tier._audits = 0.999
    assert tier.lookup("shop", "parking question 77") is None
    tier.admit("shop", "parking question 77", "There is no parking any more.")
    tier._audits = 0.0
    after = tier.propose("shop", "parking question 77")
    assert after is not None
    assert after.question != hit.question


def test_a_question_that_was_not_looked_up_teaches_nothing():
    tier = tier_of()
    for text, answer in stream(500):
        tier.admit("shop", text, answer)
    assert played(tier, stream(90, seed=3)) == (0, 0)


def test_a_plain_threshold_may_serve_until_then():
    tier = tier_of(before=0.5)
    tier.admit("shop", "parking question 1", "parking!", ref="r1")
    hit = next(h for n in range(5) if (h := tier.lookup("shop", f"parking question {n + 2}")) is not None)
    assert (hit.answer, hit.bound, hit.ref) == ("parking!", 1.0, "r1")
    assert tier.lookup("shop", "invoices question 2") is None


def test_a_veto_keeps_an_answer_back_and_the_next_one_of_the_same_answer_serves():
    tier = tier_of(before=0.3, audits=0.0, vetoes=lambda a, b: ["odd"] if "odd" in a + b else [])
    tier.admit("shop", "parking odd", "parking!")
    assert tier.lookup("shop", "parking question") is None
    tier.admit("shop", "parking even", "parking!")
    hit = tier.lookup("shop", "parking questions")
    assert hit is not None
    assert hit.question == "parking even"


def test_the_vetoes_of_the_package_are_the_default():
    tier = SemanticTier(encoder=Topics(0.0), before=0.1, audits=0.0)
    tier.admit("shop", "turn it on", "Done: on.")
    assert tier.lookup("shop", "turn it off") is None
    assert tier.lookup("shop", "turn it on please") is not None


@pytest.mark.parametrize("text", ["", "  ", "x" * 513, "parking ```code```"])
def test_what_is_no_short_text_is_neither_stored_nor_looked_up(text):
    encoder = Topics()
    tier = tier_of(encoder=encoder)
    tier.admit("shop", text, "answer")
    assert tier.lookup("shop", text) is None
    assert encoder.count == 0


def test_only_questions_of_the_given_classes_are_taken():
    tier = tier_of(before=0.1, audits=0.0, classes={"static"})
    tier.admit("shop", "what time is it now", "Noon.")
    assert tier.propose("shop", "what time is it now") is None
    tier.admit("shop", "what is a prime number", "One with two divisors.")
    assert tier.propose("shop", "what is a prime number") is not None


def test_an_old_answer_is_not_given(monkeypatch):
    tier = tier_of(before=0.1, audits=0.0, ttl_s=60)
    tier.admit("shop", "parking question 1", "parking!")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)
    assert tier.lookup("shop", "parking question 2") is None


def test_a_weak_encoder_proposes_and_gives_nothing():
    tier = tier_of(encoder=Wordless(), before=0.1)
    tier.admit("shop", "parking question 1", "parking!")
    assert tier.lookup("shop", "parking question 2") is None
    proposed = tier.propose("shop", "parking question 2")
    assert proposed is not None
    assert proposed.answer == "parking!"


def test_wordings_of_one_answer_count_as_one():
    said = (
        "{0} is a thing that our app tells you about: open it, go to {0} and follow what stands there.",
        "{0} we explain, step for step, on a page of the app which you find in the menu as {0}.",
    )
    names = [
        f"{first}{second}" for first in ("al", "be", "ca", "di", "el", "fo") for second in ("dor", "lin", "mar", "nus")
    ]
    chosen = np.random.default_rng(4)
    tier, hits = tier_of(), []
    for number in range(1500):
        name = names[int(chosen.integers(len(names)))]
        text, answer = f"{name} question {number}", said[int(chosen.integers(2))].format(name)
        hit = tier.lookup("shop", text)
        if hit is None:
            tier.admit("shop", text, answer)
        else:
            hits.append(hit.answer.startswith(name))
    assert len(hits) > 350
    assert all(hits)


def asked(tier, text, answer):
    hit = tier.lookup("shop", text)
    if hit is None:
        tier.admit("shop", text, answer)
    return hit is not None


def test_a_judge_decides_where_words_differ():
    seen = []

    def judge(question, stored, new):
        seen.append((question, stored, new))
        return stored.split()[0] == new.split()[0]

    tier = tier_of(judge=judge)
    requests = [(text, f"{answer.strip('!')} in wording {number}") for number, (text, answer) in enumerate(stream(500))]
    assert sum(asked(tier, text, answer) for text, answer in requests) > 200
    assert seen


# --- in a store ---------------------------------------------------------------------------


def test_another_process_and_a_later_one_know_what_this_one_learned(monkeypatch):
    monkeypatch.setattr("greenai.cache.log.FRESH_S", 0.0)
    store = MemoryStore()
    one, two = tier_of(store=store), tier_of(store=store)
    for number, (text, answer) in enumerate(stream(400)):
        asked(one if number % 2 else two, text, answer)
    later = tier_of(store=store, audits=0.0)
    assert played(later, stream(50, seed=9))[0] > 30


def test_rows_that_are_gone_or_no_rows_are_passed_over(monkeypatch):
    monkeypatch.setattr("greenai.cache.log.FRESH_S", 0.0)
    store = MemoryStore()
    played(tier_of(store=store), stream(150))
    keys = sorted(row.key for row in store.rows("semantic:") if not row.key.endswith(":count"))
    store.forget(keys[3])
    store.put(keys[5], {"question": 1}, 60)
    store.put(keys[7], "nonsense", 60)
    later = tier_of(store=store)
    later.lookup("shop", "parking question")
    assert later._scopes["shop"].count >= len(keys)


def test_another_encoder_starts_empty():
    store = MemoryStore()
    played(tier_of(store=store), stream(150))
    other = Topics()
    other.name = "topics-2"
    tier = tier_of(store=store, encoder=other)
    assert tier.propose("shop", "parking question 1") is None


class Flaky(MemoryStore):
    """A store that answers nothing and keeps nothing while it is `down`."""

    down = False

    def add(self, key, value, ttl_s):
        return not self.down and super().add(key, value, ttl_s)

    def get(self, key):
        return None if self.down else super().get(key)


def questions(tier, scope="shop"):
    return [held and held.question for held in tier._scopes[scope]._rows]


def test_with_a_store_that_keeps_nothing_nothing_is_given():
    store = Flaky()
    store.down = True
    assert played(tier_of(store=store), stream(300)) == (0, 0)


def test_what_a_store_did_not_take_is_known_to_nobody(monkeypatch):
    monkeypatch.setattr("greenai.cache.log.FRESH_S", 0.0)
    store, flaky = MemoryStore(), Flaky()
    flaky._rows = store._rows
    one, two = tier_of(store=flaky), tier_of(store=store)
    one.admit("shop", "parking question 1", "parking!")
    flaky.down = True
    one.admit("shop", "parking question 2", "parking!")
    flaky.down = False
    two.lookup("shop", "parking question 3")
    two.admit("shop", "parking question 3", "parking!")
    one.propose("shop", "parking question 4")
    two.propose("shop", "parking question 4")
    one.propose("shop", "parking question 4")
    assert questions(one) == questions(two) == ["parking question 1", "parking question 3"]


def test_a_scope_whose_log_was_cleared_begins_anew(monkeypatch):
    monkeypatch.setattr("greenai.cache.log.FRESH_S", 0.0)
    store = MemoryStore()
    one, two = tier_of(store=store), tier_of(store=store)
    one.admit("shop", "parking question 1", "parking!")
    one.admit("shop", "parking question 2", "parking!")
    store.clear("semantic:")
    two.admit("shop", "invoices question 1", "invoices!")
    assert one.lookup("shop", "parking question 3") is None
    one.admit("shop", "parking question 3", "parking!")
    two.propose("shop", "parking question 4")
    assert questions(one) == questions(two) == ["invoices question 1", "parking question 3"]


def test_a_long_log_is_read_a_part_at_a_time_and_nothing_is_given_until_all_is_known(monkeypatch):
    monkeypatch.setattr("greenai.cache.log.MOST_READ", 50)
    store = MemoryStore()
    played(tier_of(store=store, audits=0.0), stream(600))
    later = tier_of(store=store, audits=0.0)
    assert later.lookup("shop", "parking question 1") is None
    assert later._scopes["shop"].count == 50
    assert played(later, stream(20, seed=9))[0] > 10


def test_a_scope_that_is_busy_holds_up_no_other():
    tier = tier_of(before=0.3, audits=0.0)
    for scope in ("shop", "bank"):
        tier.admit(scope, "parking question 1", "parking!")
    with tier._scopes["shop"].lock, ThreadPoolExecutor(1) as pool:
        assert pool.submit(tier.lookup, "bank", "parking question 2").result(10) is not None


# --- taking back --------------------------------------------------------------------------


@pytest.mark.parametrize("store", [None, MemoryStore()], ids=["memory", "store"])
def test_an_answer_that_was_wrong_for_a_question_is_not_given_to_it_again(monkeypatch, store):
    monkeypatch.setattr("greenai.cache.log.FRESH_S", 0.0)
    tier = tier_of(audits=0.0, store=store)
    played(tier, stream(600))
    held = tier._scopes["shop"]
    judged = held.bound.judged
    assert tier.lookup("shop", "parking question 7x", call="c1") is not None
    assert tier.refute("c1")
    assert not tier.refute("c1")
    assert not tier.refute("c2")
    assert held.bound.judged == judged + 1
    assert tier.propose("shop", "parking question 7x") is None
    others = [tier] if store is None else [tier, tier_of(audits=0.0, store=store)]
    for one in others:
        assert one.propose("shop", "parking question 7x") is None
        assert one.propose("shop", "parking question 8x") is not None


def test_a_forgotten_answer_leaves_no_text_behind():
    store = MemoryStore()
    tier = tier_of(store=store, before=0.3, audits=0.0)
    tier.admit("shop", "parking question 1", "parking!", ref="r1")
    tier.admit("shop", "invoices question 1", "invoices!", ref="r2")
    assert tier.lookup("shop", "parking question 2", call="c1") is not None
    tier.refute("c1")
    tier.forget("r1")
    tier.forget("no such answer")
    assert tier.lookup("shop", "parking question 1") is None
    assert "parking" not in str([store.get(row.key) for row in store.rows()])
    assert "invoices" in str([store.get(row.key) for row in store.rows()])
    later = tier_of(store=store, before=0.3, audits=0.0)
    assert later.lookup("shop", "invoices question 2") is not None
    later.admit("shop", "repairs question 1", "repairs!")
    assert questions(later) == [None, "invoices question 1", None, "repairs question 1"]


def test_senseless_limits_are_refused():
    with pytest.raises(InvalidRequest) as refused:
        SemanticTier(delta=1.5)
    assert str(refused.value) == (
        "A semantic tier with delta=1.5 and audits=0.05: delta, the limit on the share of wrong answers, lies above 0 "
        "and at most at 0.5, audits from 0 to below 1. Pass delta=0.01, audits=0.05."
    )


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"before": 3}, "before=3 is no number from 0 to 1. Pass one, or leave it out."),
        ({"judge": 5}, "judge=5 cannot be called. Pass a function, or None."),
        ({"vetoes": "all"}, "vetoes='all' cannot be called. Pass a function, or None."),
        ({"delta": "x"}, "delta='x' is no number. Pass one, or leave it out."),
    ],
    ids=str,
)
def test_what_is_of_another_kind_is_refused(given: dict[str, Any], says: str):
    with pytest.raises(InvalidRequest) as refused:
        SemanticTier(**given)
    assert str(refused.value) == says


def test_what_is_no_text_is_refused():
    tier = SemanticTier(encoder=Topics())
    with pytest.raises(InvalidRequest, match=r"^text=3 is of type int\. Pass text as text \(str\)\.$"):
        tier.admit("s", 3, "a")
    with pytest.raises(InvalidRequest, match=r"^answer=None is of type NoneType"):
        tier.admit("s", "text", None)
    with pytest.raises(InvalidRequest, match=r"^a=None is of type NoneType"):
        vetoes(None, "a")


def test_a_text_that_the_encoder_cannot_read_is_not_taken():
    class English(Topics):
        def reads(self, text):
            return text.isascii()

    tier = tier_of(encoder=English(), before=0.5, audits=0.0, warm_up=1000)
    for text in ("parking here?", "parking ⛽?"):
        tier.admit("shop", text, "Behind the house.")
    assert tier.lookup("shop", "parking there?") is not None
    assert tier.lookup("shop", "parking ⛽!") is None
    assert tier.propose("shop", "parking ⛽!") is None
    assert tier.propose("shop", "parking there?").question == "parking here?"
