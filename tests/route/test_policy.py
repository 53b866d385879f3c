"""Where a route starts: losses, the floor, the price of energy, the opt-ins, and what is verified."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai.classify import Classifier
from greenai.correction import Correction
from greenai.errors import NoSufficientModel, OptInRequired
from greenai.readings import Reading
from greenai.route import FLOORS, Ladder, Route, losses, route
from greenai.values import Assessment, Check, Options, Quality, Request, Rung, Tier, Transport

NANO = Rung(model="acme/nano", tier="small")
MINI = Rung(model="acme/mini", tier="small")
MAX = Rung(model="acme/max", tier="large")
THREE = (NANO, MINI, MAX)
WH = {"acme/nano": 0.01, "acme/mini": 0.03, "acme/max": 0.6}
QUALITIES: tuple[Quality, ...] = ("basic", "standard", "high")


def request(*, stream: bool = False, floor: str | None = None, **options: Any) -> Request:
    return Request(
        call_id="c",
        entry="create",
        model=None,
        messages=({"role": "user", "content": "Hello?"},),
        arguments={},
        stream=stream,
        transport=Transport(timeout_s=1),
        options=Options(**options),
        deadline=0.0,
        namespace="n",
        floor=floor,
    )


def gain(value: float, suffices: Mapping[str, float] | None = None, *, calibrated: bool = True) -> Assessment:
    return Assessment(
        task="other",
        needs_generation=1,
        large_gain=value,
        reasoning_gain=0,
        volatile=0,
        expected_output_tokens=(1, 2),
        why=(),
        method="heads-1",
        calibrated=calibrated,
        suffices=None if suffices is None else suffices.__getitem__,
    )


def energies(wh: Mapping[str, float | None] = WH) -> Any:
    def of(rung: Rung) -> Reading:
        value = wh[rung.model]
        if value is None:
            return Reading.unknown("no card")
        return Reading(energy_j=value * 3600, low_j=None, high_j=None, evidence="modelled_api", method="m")

    return of


def routed(
    asked: Request,
    value: float,
    rungs: tuple[Rung, ...] = (NANO, MAX),
    named: str | None = "acme/max",
    wh: Mapping[str, float | None] = WH,
    **more: Any,
) -> Route:
    assessed = gain(value, more.pop("suffices", None), calibrated=more.pop("calibrated", True))
    climbing = Ladder(rungs=rungs, named=named, substitutable=True, reason="", escalates=more.pop("escalates", True))
    return route(asked, assessed, climbing, energies(wh), **more)


def tried(found: Route) -> tuple[str, ...]:
    return tuple(rung.model for rung in found.rungs)


# --- the loss of each rung ------------------------------------------------------------------


def test_large_gain_is_the_loss_of_the_small_end() -> None:
    good = {"acme/nano": 0.7, "acme/mini": 0.8, "acme/max": 0.9}
    assert losses(gain(0.1, good), THREE) == pytest.approx((0.1, 0.05, 0.0))


def test_without_probabilities_per_model_the_rungs_between_are_evenly_spaced() -> None:
    assert losses(gain(0.3), THREE) == pytest.approx((0.3, 0.15, 0.0))


def test_rungs_of_one_tier_differ_by_their_own_probabilities() -> None:
    assert losses(gain(0.9, {"acme/nano": 0.75, "acme/mini": 0.8}), (NANO, MINI)) == pytest.approx((0.05, 0.0))


def test_rung_that_is_far_too_weak_loses_more_than_large_gain_says() -> None:
    good = {"acme/nano": 0.1, "acme/mini": 0.8, "acme/max": 0.9}
    assert losses(gain(0.1, good), THREE)[0] == pytest.approx(0.65)


def test_no_rung_loses_more_than_one_below_it() -> None:
    good = {"acme/nano": 0.8, "acme/mini": 0.6, "acme/max": 0.9}
    found = losses(gain(0.3, good), THREE)
    assert found[0] >= found[1] >= found[2] == 0.0


# --- the floor ------------------------------------------------------------------------------


@pytest.mark.parametrize("quality", QUALITIES)
def test_small_rung_answers_within_the_floor(quality: Quality) -> None:
    floor = FLOORS[quality]
    at, above = routed(request(quality=quality), floor), routed(request(quality=quality), floor + 0.01)
    assert tried(at) == ("acme/nano", "acme/max")
    assert tried(above) == ("acme/max",)
    source = f'acme/nano; quality="{quality}"; heads-1'
    assert above.checks == (Check(name="loss", value=round(floor + 0.01, 4), threshold=floor, source=source),)
    assert above.reasons[0] == (
        f"A larger model is expected to answer better: acme/nano's loss {floor + 0.01:.2f} is above {floor:.2f}."
    )
    assert at.reasons[0] == f"acme/nano is expected to suffice: loss {floor:.2f} is within {floor:.2f}."


@pytest.mark.parametrize("quality", QUALITIES)
def test_where_the_classifier_failed_the_lowest_rung_answers_unpriced_and_verified(quality: Quality) -> None:
    close = {"acme/nano": 0.0100, "acme/mini": 0.0101, "acme/max": 0.0102}
    worst = Correction(slope=1.0, shift=9.0, labels=40, limits={quality: 0.0})
    found = routed(
        request(quality=quality), 0.9, THREE, calibrated=False, wh=close, correction=worst, unverifiable=can,
        suffices={"acme/nano": 0.0, "acme/mini": 0.5, "acme/max": 1.0},
    )  # fmt: skip
    assert (tried(found), found.verify) == (("acme/nano", "acme/mini"), True)
    source = f'acme/nano; quality="{quality}"; heads-1 failed, so the largest loss allowed is assumed'
    assert found.checks[0] == Check(name="loss", value=FLOORS[quality], threshold=FLOORS[quality], source=source)
    assert [(e.p_good, e.shipped_loss) for e in found.estimates] == [(None, None)] * 3


def test_shipped_threshold_of_large_gain_is_the_floor_of_standard() -> None:
    assert Classifier.load().thresholds["large_gain"] == FLOORS["standard"]


def test_estimates_hold_every_rung_with_its_loss_and_energy() -> None:
    found = routed(request(), 0.3, THREE, suffices={"acme/nano": 0.6, "acme/mini": 0.8, "acme/max": 0.9})
    assert tried(found) == ("acme/mini", "acme/max")
    assert [(e.model, e.p_good, round(e.loss or 0, 3), e.excluded) for e in found.estimates] == [
        ("acme/nano", 0.6, 0.3, "not expected to suffice"),
        ("acme/mini", 0.8, 0.1, None),
        ("acme/max", 0.9, 0.0, None),
    ]
    assert [e.energy.energy_j for e in found.estimates] == [36.0, 108.0, 2160.0]


# --- the price of energy --------------------------------------------------------------------


def test_better_answer_wins_where_it_takes_hardly_more() -> None:
    close = {"acme/nano": 0.0100, "acme/max": 0.0105}
    found = routed(request(), 0.15, wh=close)
    assert tried(found) == ("acme/max",)
    assert found.reasons == ("acme/max is expected to answer better than acme/nano by 15 points, for 0.5 mWh more.",)


def test_unknown_energy_leaves_the_lowest_rung_within_the_floor() -> None:
    assert tried(routed(request(), 0.15, wh={"acme/nano": None, "acme/max": 0.01}))[0] == "acme/nano"


# --- opt-ins, ceilings, escalation ----------------------------------------------------------


def test_at_most_one_escalation_and_none_for_a_stream_or_a_loop() -> None:
    assert len(routed(request(), 0.01, THREE).rungs) == 2
    assert tried(routed(request(stream=True), 0.01)) == ("acme/nano",)
    assert tried(routed(request(), 0.01, escalates=False)) == ("acme/nano",)


def test_large_needs_an_opt_in_where_no_ceiling_was_named() -> None:
    closed = routed(request(), 0.9, named=None)
    assert tried(closed) == ("acme/nano",)
    assert closed.reasons[-1] == (
        "acme/max needs the opt-in large, so acme/nano answers. "
        'To allow it: with_options(opt_in={"large"}, reason="...").'
    )
    assert closed.opt_ins == ()
    opened = routed(request(opt_in=frozenset(("large",))), 0.9, named=None)
    assert (tried(opened), opened.opt_ins) == (("acme/max",), ("large",))


def test_small_rungs_may_escalate_among_themselves_without_an_opt_in() -> None:
    assert tried(routed(request(), 0.1, THREE, named=None)) == ("acme/nano", "acme/mini")
    assert tried(routed(request(), 0.9, THREE, named=None)) == ("acme/mini",)


def test_lone_large_rung_needs_no_opt_in_but_one_that_was_left_alone_does() -> None:
    assert tried(routed(request(), 0.9, (MAX,), named=None)) == ("acme/max",)
    left = Ladder(rungs=(MAX,), named=None, substitutable=True, reason="It sees.", raised=True)
    with pytest.raises(OptInRequired, match=r"above the small rung the opt-in large is needed\. It sees\."):
        route(request(), gain(0.1), left, energies())


def test_floor_starts_one_rung_above() -> None:
    found = routed(request(floor="acme/nano"), 0.0, THREE, named=None)
    assert (tried(found), found.opt_ins) == (("acme/mini",), ("escalate",))
    assert found.reasons == ("escalate asked for the rung above acme/nano: acme/mini.",)
    assert tried(routed(request(floor="greenai/calc"), 0.0)) == ("acme/nano", "acme/max")


def test_floor_at_the_top_is_an_error() -> None:
    with pytest.raises(NoSufficientModel) as refused:
        routed(request(floor="acme/max"), 0.0)
    assert str(refused.value) == (
        "acme/max answered already and is the top of the ladder (acme/nano < acme/max), so there is no rung above it. "
        'Name a larger model with model="...", or add one to ladder in the settings.'
    )


# --- verifying near the floor ---------------------------------------------------------------


def can(_: Rung) -> str | None:
    return None


def test_answer_near_the_floor_is_verified_from_either_side() -> None:
    below, above = routed(request(), 0.15, unverifiable=can), routed(request(), 0.19, unverifiable=can)
    assert (tried(below), below.verify) == (("acme/nano", "acme/max"), True)
    assert (tried(above), above.verify) == (("acme/nano", "acme/max"), True)
    assert above.reasons == (
        "acme/nano may suffice: loss 0.19 is above 0.16.",
        "That is near the limit, so the answer of acme/nano is verified; acme/max is asked where it is unsure.",
    )


def test_verified_answer_above_the_floor_escalates_to_a_rung_within_it() -> None:
    good = {"acme/nano": 0.65, "acme/mini": 0.66, "acme/max": 0.9}
    found = routed(request(), 0.19, THREE, unverifiable=can, suffices=good)
    assert tried(found) == ("acme/nano", "acme/max")


def test_far_from_the_floor_nothing_is_verified() -> None:
    assert not routed(request(), 0.05, unverifiable=can).verify
    assert tried(routed(request(), 0.21, unverifiable=can)) == ("acme/max",)


def test_what_cannot_be_verified_says_why_and_keeps_to_the_floor() -> None:
    found = routed(request(), 0.15, unverifiable=lambda _: 'verify="off"')
    assert (found.verify, tried(found)) == (False, ("acme/nano", "acme/max"))
    assert found.reasons[-1] == 'That is near the limit, and the answer is not verified: verify="off".'
    assert tried(routed(request(), 0.19, unverifiable=lambda _: 'verify="off"')) == ("acme/max",)
    assert not routed(request(stream=True), 0.15, unverifiable=can).verify


def test_without_the_opt_in_nothing_is_verified_for_want_of_a_rung_above() -> None:
    found = routed(request(), 0.19, named=None, unverifiable=can)
    assert (tried(found), found.verify) == (("acme/nano",), False)


# --- feedback -------------------------------------------------------------------------------


def test_correction_moves_the_losses_and_its_limit_lowers_the_floor() -> None:
    worse = Correction(slope=1.0, shift=2.0, labels=40, limits={})
    found = routed(request(), 0.1, correction=worse)
    assert tried(found) == ("acme/max",)
    assert found.checks[0].source.endswith("; heads-1, corrected by 40 answers of this project")
    assert (found.estimates[0].shipped_loss, round(found.estimates[0].loss or 0, 2)) == (0.1, 0.45)
    limited = Correction(slope=1.0, shift=0.0, labels=40, limits={"standard": 0.05})
    assert tried(routed(request(), 0.1, correction=limited)) == ("acme/max",)
    assert tried(routed(request(), 0.05, correction=limited))[0] == "acme/nano"
    better = Correction(slope=1.0, shift=-2.0, labels=40, limits={})
    assert tried(routed(request(), 0.5, correction=better))[0] == "acme/nano"


def test_feedback_raises_spending_no_further_than_the_opt_ins() -> None:
    worst = Correction(slope=1.0, shift=9.0, labels=40, limits={"standard": 0.0})
    assert tried(routed(request(), 0.1, named=None, correction=worst)) == ("acme/nano",)


# --- for every ladder -----------------------------------------------------------------------


@st.composite
def ladders(draw: st.DrawFn) -> dict[str, Any]:
    """A ladder whose energies rise, with any probabilities."""
    count = draw(st.integers(2, 4))
    smalls = draw(st.integers(0, count))
    tiers: list[Tier] = ["small" if n < smalls else "large" for n in range(count)]
    rungs = tuple(Rung(model=f"a/{n}", tier=tier) for n, tier in enumerate(tiers))
    unit = st.floats(0, 1, allow_nan=False)
    wh = sorted(draw(st.lists(st.floats(1e-5, 3), min_size=count, max_size=count)))
    able = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    return {
        "rungs": rungs,
        "wh": {r.model: value for r, value in zip(rungs, wh, strict=True)},
        "suffices": draw(st.none() | st.fixed_dictionaries({r.model: unit for r in rungs})),
        "value": draw(unit),
        "named": draw(st.sampled_from((None, rungs[-1].model))),
        "unverifiable": {r.model: None if a else "no" for r, a in zip(rungs, able, strict=True)}.__getitem__,
        "correction": draw(
            st.none()
            | st.builds(
                Correction,
                slope=st.floats(0.2, 5),
                shift=st.floats(-3, 3),
                labels=st.just(30),
                limits=unit.map(lambda top: {"basic": top, "standard": top / 2, "high": top / 4}),
            )
        ),
    }


def start(asked: Request, given_: Mapping[str, Any], **more: Any) -> int:
    wanted = {**given_, "unverifiable": lambda rung: given_["unverifiable"](rung.model)}
    found = routed(asked, **wanted, **more)
    return [r.model for r in given_["rungs"]].index(found.rungs[0].model)


@given(ladders(), st.sampled_from(get_args(Quality)), st.booleans(), st.booleans())
def test_route_never_exceeds_what_code_allowed(
    found: dict[str, Any], quality: Quality, opted_in: bool, stream: bool
) -> None:
    asked = request(quality=quality, stream=stream, opt_in=frozenset(("large",) if opted_in else ()))
    able = found["unverifiable"]
    chosen = routed(asked, **{**found, "unverifiable": lambda rung: able(rung.model)})
    rungs = found["rungs"]
    assert 1 <= len(chosen.rungs) <= (1 if stream else 2)
    assert set(chosen.rungs) <= set(rungs)
    if found["named"] is None and not opted_in and rungs[0].tier == "small":
        assert {rung.tier for rung in chosen.rungs} == {"small"}
    assert [rungs.index(r) for r in chosen.rungs] == sorted(rungs.index(r) for r in chosen.rungs)


@given(ladders())
def test_higher_quality_never_starts_lower(found: dict[str, Any]) -> None:
    starts = [start(request(quality=quality), found) for quality in QUALITIES]
    assert starts == sorted(starts)


@given(ladders(), st.lists(st.floats(0, 1000), min_size=2, max_size=2))
def test_cheaper_energy_never_starts_lower(found: dict[str, Any], prices: list[float]) -> None:
    low, high = sorted(prices)
    assert start(request(), found, price=low) >= start(request(), found, price=high)


@given(ladders(), st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_larger_gain_never_starts_lower(found: dict[str, Any], values: list[float]) -> None:
    low, high = (start(request(), {**found, "suffices": None, "value": v}, price=1e6) for v in sorted(values))
    assert low <= high


# --- models that always reason -----------------------------------------------------------------


def always(*models: str) -> Any:
    return lambda rung: "cannot be switched off" if rung.model in models else None


def test_a_model_that_can_be_off_is_asked_instead_of_one_that_always_reasons() -> None:
    found = routed(request(), 0.05, THREE, reasons=always("acme/nano"))
    assert found.rungs[0] == MINI
    assert found.reasons == ("acme/nano cannot be switched off; acme/mini suffices without reasoning.",)
    assert routed(request(), 0.05, THREE).rungs[0] == NANO


def test_the_model_that_the_app_named_is_not_replaced_for_it() -> None:
    assert routed(request(), 0.9, THREE, reasons=always("acme/max")).rungs == (MAX,)


def test_where_every_model_reasons_nothing_changes() -> None:
    everything = always("acme/nano", "acme/mini", "acme/max")
    found, plain = routed(request(), 0.05, THREE, reasons=everything), routed(request(), 0.05, THREE)
    assert found.rungs == plain.rungs
    assert found.reasons == (*plain.reasons, "acme/nano cannot be switched off.")
    alone = routed(request(), 0.05, (MAX,), reasons=everything)
    assert alone.reasons == ("acme/max cannot be switched off.",)


def test_a_model_that_takes_more_than_reasoning_would_is_not_asked_for_it() -> None:
    assert routed(request(), 0.05, (NANO, MAX), reasons=always("acme/nano")).rungs[0] == NANO
    near = {**WH, "acme/max": 0.15}
    assert routed(request(), 0.05, (NANO, MAX), wh=near, reasons=always("acme/nano")).rungs[0] == MAX


def test_it_needs_the_same_opt_in_as_any_large_model() -> None:
    near = {**WH, "acme/max": 0.15}
    found = routed(request(), 0.05, (NANO, MAX), named=None, wh=near, reasons=always("acme/nano"))
    assert found.rungs[0] == NANO


def test_where_no_energy_is_known_the_lowest_that_can_be_off_is_asked() -> None:
    unknown: dict[str, float | None] = dict.fromkeys(WH)
    assert routed(request(), 0.05, THREE, wh=unknown, reasons=always("acme/nano")).rungs[0] == MINI
