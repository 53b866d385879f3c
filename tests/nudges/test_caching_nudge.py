"""Repeated misses that differ by a time or an id, and prompts that begin with one."""

from __future__ import annotations

from advised_calls import MODEL, seen

from greenai.catalog import find
from greenai.nudges.caching import PROMPTS, Caching
from greenai.nudges.messages import say
from greenai.values import Usage


def test_requests_that_differ_in_a_time_alone() -> None:
    advisor = Caching()
    found = [
        advisor(seen(f"Now: 2026-11-21T14:0{n}:00Z. Open?", ended=100.0 + 60 * n, reply=f"answer {n}"))
        for n in range(3)
    ]
    assert found[:2] == [None, None]
    assert found[2] is not None
    assert found[2].data == {"count": 3, "minutes": 2.0, "same_answers": 0}
    assert say(found[2].id, found[2].data) == (
        "3 requests within 2 min differ only in a time, so each was asked anew. Leave it out of the messages, or round "
        "it to the day, and the cache answers the others."
    )


def test_an_id_may_be_what_the_question_is_about_so_answers_have_to_be_equal_too() -> None:
    advisor = Caching()
    assert not any(advisor(seen(f"Where is order ORD-00123{n}?", reply=f"It is in city {n}.")) for n in range(10))
    found = [advisor(seen(f"Request ORD-00123{n}: open?", reply="From nine.")) for n in range(3)]
    assert found[:2] == [None, None]
    assert found[2] is not None
    assert (found[2].id, found[2].data["same_answers"]) == ("caching.id", 2)


def test_what_is_asked_seldom_or_never_stored_is_left_alone() -> None:
    advisor = Caching()
    slow = [seen(f"Now: 14:0{n}. Open?", ended=100.0 + 3000 * n) for n in range(6)]
    off = [seen(f"It is 14:0{n}. Open?", options={"cache": "off"}) for n in range(6)]
    same = [seen("At 14:05, open?") for _ in range(6)]
    assert not any(advisor(one) for one in (*slow, *off, *same))


def test_long_prompts_that_begin_with_what_varies() -> None:
    advisor = Caching()
    usage = Usage(input_tokens=1500, output_tokens=5)
    body = "You help in a shop. " * 80
    found = [advisor(seen(f"Question {n}", system=f"Request 0000000{n}1. {body}", usage=usage)) for n in range(PROMPTS)]
    assert found[:-1] == [None] * (PROMPTS - 1)
    card = find(MODEL)
    assert card is not None
    assert card.price is not None
    assert card.price.cached_input is not None
    share = card.price.cached_input / card.price.input
    assert found[-1] is not None
    assert found[-1].data == {
        "count": PROMPTS, "model": MODEL, "share": share, "tokens": 1500, "price_source": card.price.source,
    }  # fmt: skip
    assert say(found[-1].id, found[-1].data) == (
        f"The first lines of {PROMPTS} long prompts to {MODEL} differ only in a time or an id, so the provider's own "
        f"cache of prompts cannot serve them. Put what varies last: a cached token costs {share:.0%} of a fresh one, "
        "and these prompts had about 1500 tokens each."
    )


def test_a_provider_that_caches_already_and_short_prompts_need_no_advice() -> None:
    advisor = Caching()
    body = "You help in a shop. " * 80
    for usage in (Usage(input_tokens=1500, cached_tokens=1024), Usage(input_tokens=900)):
        found = [advisor(seen(f"Q {n}", system=f"Now: 14:0{n}. {body}", usage=usage)) for n in range(2 * PROMPTS)]
        assert not any(found)
