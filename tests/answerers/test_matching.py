"""Which route a question is for: thresholds that keep the promise, the nearest route, counterexamples."""

from __future__ import annotations

import numpy as np
import pytest

from greenai.answerers import calibration
from greenai.answerers.calibration import conformal, negatives
from greenai.answerers.matching import Match, Route, Routes

HOURS = Route(name="hours", examples=("when do you open on sunday", "opening hours", "what time do you close"))
PARCEL = Route(name="parcel", examples=("where is my parcel", "track my order", "when does my package arrive"))


def fires(routes: Routes, question: str) -> str | None:
    match = routes.best(question)
    return match.route if match is not None and match.fires else None


@pytest.mark.parametrize(
    ("question", "route"),
    [
        ("When do you open on Sunday?", "hours"),
        ("what are your opening hours?", "hours"),
        ("please track my order", "parcel"),
        ("Write a poem about a parcel that is lost at sea", None),
        ("What is the capital of France?", None),
        ("", None),
        ("opening hours " * 40, None),
    ],
)
def test_a_question_goes_to_its_route_or_to_none(question: str, route: str | None) -> None:
    assert fires(Routes([HOURS, PARCEL]), question) == route


def test_capitals_and_marks_make_no_difference() -> None:
    routes = Routes([HOURS])
    plain, loud = routes.best("when do you open on sunday"), routes.best("  WHEN do you open on Sunday?! ")
    assert plain is not None
    assert plain == loud
    assert plain.similarity == pytest.approx(1.0, abs=1e-5)


def test_at_most_the_promised_share_of_packaged_prompts_reaches_any_route() -> None:
    routes = Routes([HOURS, PARCEL, Route(name="joke", examples=("tell me a joke", "make me laugh", "say a pun"))])
    texts, _ = negatives()
    near = [match for match in map(routes.best, texts) if match is not None and match.similarity >= match.threshold]
    strangers = [match for match in near if match.similarity < calibration.OWN]
    assert len(strangers) <= calibration.PROMISED * len(texts)


def test_thresholds_are_calibrated_given_or_strict() -> None:
    few = Route(name="few", examples=("how do i pay",))
    each = Route(name="each", examples=HOURS.examples, strict=True)
    given = Route(name="given", examples=("reset my router",), threshold=0.3)
    found = Routes([HOURS, few, each, given]).thresholds
    assert found["given"] == pytest.approx(0.3)
    assert found["few"] >= calibration.STRICT - 1e-6
    assert found["each"] >= calibration.STRICT - 1e-6
    assert found["hours"] >= calibration.LEAST
    assert Routes([HOURS]).thresholds["hours"] < calibration.STRICT


def test_a_counterexample_that_is_nearer_keeps_a_route_silent() -> None:
    against = Route(
        name="hours", examples=HOURS.examples, counterexamples=("opening hours of the other branch", "open a file")
    )
    assert fires(Routes([HOURS]), "Opening hours of the other branch?") == "hours"
    match = Routes([against]).best("Opening hours of the other branch?")
    assert match is not None
    assert (match.fires, match.against) == (False, 'nearer to "opening hours of the other branch"')
    assert fires(Routes([against]), "when do you open on sunday") == "hours"


def test_routes_that_cannot_be_told_apart_leave_the_question_to_a_model() -> None:
    lost = Route(name="lost", examples=("my card was lost", "i lost my bank card", "card is lost, what now"))
    stolen = Route(name="stolen", examples=("my card was lost", "i lost my bank card", "card stolen, what now"))
    match = Routes([lost, stolen]).best("my card was lost")
    assert match is not None
    assert (match.fires, match.against) == (False, 'too near to "my card was lost"')
    assert Routes([lost])._limits.lead == Routes([HOURS, PARCEL])._limits.lead == 0.0
    assert Routes([lost, stolen])._limits.lead > 0.0


@pytest.mark.parametrize(
    "question", ["Do not track my order", "I don't want you to track my order", "track my order without the app"]
)
def test_the_opposite_of_an_example_is_no_question_for_its_route(question: str) -> None:
    assert fires(Routes([PARCEL]), "track my order") == "parcel"
    match = Routes([PARCEL]).best(question)
    assert match is not None
    assert (match.fires, match.against) == (False, 'one of it and "track my order" is negated')
    assert fires(Routes([Route(name="halt", examples=("do not track my order",))]), "Don't track my order") == "halt"


def test_an_example_that_is_a_packaged_prompt_still_fires() -> None:
    routes = Routes([Route(name="joke", examples=("tell me a joke about programmers", "a joke", "make me laugh"))])
    assert fires(routes, "Tell me a joke about programmers") == "joke"


def test_match_fires_from_its_threshold_on() -> None:
    match = Match(route="r", example="e", similarity=0.5, threshold=0.5)
    assert match.fires
    assert not Match(route="r", example="e", similarity=0.49, threshold=0.5).fires


@pytest.mark.parametrize("count", [100, 300, 999])
def test_conformal_bound_holds_on_fresh_draws(count: int) -> None:
    rng = np.random.default_rng(7)
    above = [(rng.normal(size=2000) >= conformal(rng.normal(size=count), 0.05)).mean() for _ in range(60)]
    assert np.mean(above) <= 0.055  # the mean of 60 calibrations, give or take


def test_conformal_bound_of_few_scores_lies_above_all_of_them() -> None:
    assert conformal([0.1, 0.4, 0.2]) > 0.4


def test_packaged_prompts_are_many_and_distinct() -> None:
    texts, vectors = negatives()
    assert len(texts) == len(set(texts)) == len(vectors) >= 300


@pytest.mark.parametrize(
    ("example", "question", "why"),
    [
        ("how do i disable the alarm", "How do I enable the alarm?", 'it says "enable" where'),
        ("how do i subscribe to the letter", "How do I unsubscribe from the letter?", 'it says "unsubscribe" where'),
        ("switch the heating on", "Switch the heating off", 'it says "off" where'),
        ("what is the maximum weight", "What is the minimum weight?", 'it says "minimum" where'),
    ],
)
def test_a_word_against_its_opposite_is_no_question_for_a_route(example: str, question: str, why: str) -> None:
    match = Routes([Route(name="one", examples=(example,), threshold=0.5)]).best(question)
    assert match is not None
    assert match.similarity >= match.threshold
    assert match.against is not None
    assert match.against.startswith(why)
    both = Route(name="both", examples=(example, question), threshold=0.5)
    assert fires(Routes([both]), question.upper()) == "both"


# --- what a question is filled in with ------------------------------------------------------

WEATHER = Route(
    name="weather",
    examples=(
        "what is the weather in Boston on Monday",
        "will it rain in Boston tomorrow",
        "Monday forecast for Boston",
        "how cold is it in Boston tonight",
        "is it sunny in Boston this weekend",
    ),
)
FLIGHTS = Route(
    name="flights",
    examples=(
        "book a flight from Paris to Rome on Friday",
        "I need a plane ticket to London tomorrow",
        "find flights from New York to Chicago in June",
    ),
)


@pytest.mark.parametrize(
    "question",
    [
        "What are my library's hours on Monday in Boston?",
        "Who won the game in Boston on Monday?",
        "Who is the mayor of Boston?",
        "Is the museum in Boston open on Monday?",
        "What should I visit in Boston this weekend?",
        "Monday in Boston",
        "Hotels in Paris on Friday",
        "How far is Paris from Rome?",
        "What is on in London tomorrow?",
    ],
)
def test_a_shared_place_or_day_carries_no_match(question: str) -> None:
    assert fires(Routes([WEATHER]), question) is None
    assert fires(Routes([WEATHER, FLIGHTS]), question) is None


@pytest.mark.parametrize(
    ("question", "route"),
    [
        ("Will it snow in Denver tonight?", "weather"),
        ("Forecast for Osaka on Sunday", "weather"),
        ("Book me a flight from Oslo to Vienna on Sunday", "flights"),
        ("I need a plane ticket to Tokyo in July", "flights"),
        ("find flights from Berlin to Dallas", "flights"),
    ],
)
def test_another_place_or_day_is_a_question_for_the_route(question: str, route: str) -> None:
    assert fires(Routes([WEATHER, FLIGHTS]), question) == route


# --- neighbours that nobody registered -----------------------------------------------------


def test_routes_close_to_each_other_ask_for_more_than_one_alone() -> None:
    card = Route(
        name="card",
        examples=(
            "my card has not arrived",
            "when does my new card come",
            "where is the card i ordered",
            "card is late",
        ),
    )
    blocked = Route(
        name="blocked",
        examples=("my card was declined", "the shop refused my card", "card does not work", "my card is blocked"),
    )
    alone, both = Routes([card]).thresholds["card"], Routes([card, blocked]).thresholds["card"]
    assert both > alone
    assert fires(Routes([card, blocked]), "My new card has not arrived") == "card"
    given = Route(name="card", examples=card.examples, threshold=0.6)
    assert Routes([given, blocked]).thresholds["card"] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("question", "why"),
    [
        ("What is a parcel?", "it asks for a definition, unlike"),
        ("Write where is my parcel", 'it says "write", unlike'),
        ("where is my parcel " + "which i ordered some weeks ago from your shop " * 3, "it is far longer than"),
    ],
)
def test_a_question_of_another_kind_is_none_for_the_route(question: str, why: str) -> None:
    match = Routes([Route(name="parcel", examples=PARCEL.examples, threshold=0.2)]).best(question)
    assert match is not None
    assert match.against is not None
    assert match.against.startswith(why)


def test_half_a_character_has_a_vector() -> None:
    routes = Routes([Route(name="broken", examples=("where is \ud800 my parcel",)), HOURS])
    assert fires(routes, "opening hours") == "hours"
    assert routes.best("opening \udfff hours") is not None
