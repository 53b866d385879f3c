from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import openai
import pytest

from greenai import Receipt, receipts
from greenai.catalog import cards, find
from greenai.client import Client
from greenai.local import Engine
from greenai.meters.coefficients import coefficients
from greenai.meters.footprint import Intensity
from greenai.places import Site
from greenai.prompts import input_tokens_estimate
from greenai.readings import Reading
from greenai.resources import Outside
from greenai.session import Session
from greenai.testing import FakeEngine, FakeEngines, FakeProvider, MemoryStore, _settings, error, offline
from greenai.values import (
    Attempt,
    Avoided,
    Decision,
    Draft,
    Options,
    Overhead,
    Reply,
    Request,
    Rung,
    Transport,
    Try,
    Usage,
)

# gpt-5.5 reasons by default and can be told not to.
MODEL = "openai/gpt-5.5"
LOCAL = "local/smollm2-135m"
ASKED: Any = [{"role": "user", "content": "Describe a bee"}]


def request(model: str | None = MODEL, opt_in: frozenset[str] = frozenset(), **arguments: Any) -> Request:
    return Request(
        call_id="c1",
        entry="create",
        model=model,
        messages=tuple(ASKED),
        arguments=arguments,
        stream=False,
        transport=Transport(timeout_s=60.0),
        options=Options(opt_in=opt_in),
        deadline=float("inf"),
        namespace="",
    )


def reading(energy_j: float | None, low_j: float | None = None, high_j: float | None = None) -> Reading:
    return Reading(energy_j=energy_j, low_j=low_j, high_j=high_j, evidence="modelled_api", method="test")


def attempt(model: str = MODEL, **changes: Any) -> Attempt:
    given: dict[str, Any] = {
        "attempt_id": "c1.0",
        "model": model,
        "state": "answered",
        "energy": reading(1.0, 0.5, 2.0),
        "usage": Usage(input_tokens=1000, output_tokens=20),
        "latency_s": 0.1,
    }
    return Attempt(**{**given, **changes})


USED = Usage(input_tokens=1000, output_tokens=20)
REPLY = Reply(model="m", text="x" * 80, finish_reason="stop", usage=Usage(), latency_s=0.1)


def avoided(asked: Request, *attempts: Attempt, used_j: float = 0.001, model: str = MODEL) -> Avoided | None:
    return receipts.avoided(asked, attempts, REPLY, reading(used_j), model)


def energy_j(found: Avoided | None) -> float:
    assert found is not None
    assert found.energy.energy_j is not None
    return found.energy.energy_j


# --- avoided ------------------------------------------------------------------------------


def test_switching_reasoning_off_is_what_the_named_model_avoided() -> None:
    found = avoided(request(), attempt())
    assert found is not None
    assert "reasoning on, its default" in found.baseline


@pytest.mark.parametrize(
    "arguments",
    [
        {"reasoning_effort": "none"},
        {"reasoning_effort": "high"},
        {"extra_body": {"reasoning_effort": "none"}},
        {"extra_body": {"thinking": {"type": "disabled"}}},
        {"extra_body": {"reasoning": {"effort": "low"}}},
        {"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}},
    ],
)
def test_nothing_is_avoided_where_the_app_said_how_much_to_reason(arguments: dict[str, Any]) -> None:
    assert avoided(request(**arguments), attempt()) is None
    smaller = avoided(request(**arguments), attempt(LOCAL))
    assert smaller is not None
    assert "without any reasoning" in smaller.baseline


@pytest.mark.parametrize(
    "done",
    [attempt(reasoning_leaked=True), attempt(usage=Usage(input_tokens=9, output_tokens=90, reasoning_tokens=70))],
    ids=["leaked", "counted"],
)
def test_nothing_is_avoided_where_the_model_reasoned_all_the_same(done: Attempt) -> None:
    assert avoided(request(), done) is None


def test_nothing_is_avoided_with_an_opt_in() -> None:
    assert avoided(request(opt_in=frozenset(("reasoning",))), attempt()) is None


def test_nothing_is_avoided_on_a_model_that_cannot_be_switched_off() -> None:
    for status in ("lowest", "always_on"):
        model = next(c.name for c in cards() if c.reasoning.status == status and c.reasoning.default == "on")
        assert avoided(request(model), attempt(model), model=model) is None
        smaller = avoided(request(model), attempt(LOCAL), model=model)
        assert smaller is None or "without any reasoning" in smaller.baseline


def test_an_alias_is_the_same_model() -> None:
    card = find(MODEL)
    assert card is not None
    for alias in card.aliases:
        assert avoided(request(alias, reasoning_effort="none"), attempt(), model=alias) is None


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_apps_limit_caps_the_baseline(name: str) -> None:
    free, capped = avoided(request(), attempt()), avoided(request(None, frozenset(), **{name: 50}), attempt())
    card = find(MODEL)
    assert card is not None
    exact = receipts.modelled(card, Usage(input_tokens=1000, output_tokens=50)).energy_j
    assert energy_j(capped) == pytest.approx((exact or 0.0) - 0.001)
    assert energy_j(capped) < energy_j(free)
    assert capped is not None
    assert capped.energy.high_j is not None
    assert free is not None
    assert free.energy.high_j is not None
    assert capped.energy.high_j < free.energy.high_j


def test_no_limit_is_no_cap() -> None:
    assert avoided(request(max_tokens=None), attempt()) == avoided(request(), attempt())


def test_cached_input_counts_in_the_baseline_too() -> None:
    def of(cached: int) -> float:
        usage = Usage(input_tokens=10_000, output_tokens=20, cached_tokens=cached)
        return energy_j(avoided(request(reasoning_effort="none"), attempt(LOCAL, usage=usage)))

    assert of(9_000) < 0.5 * of(0)


def test_a_failed_attempt_is_not_what_was_delivered() -> None:
    tried = (attempt(), attempt("openai/gpt-5.4-nano", attempt_id="c1.1", state="failed", usage=Usage()))
    assert avoided(request(reasoning_effort="none"), *tried) is None


def test_a_calculated_answer_avoided_what_the_model_would_have_thought() -> None:
    found = avoided(request())
    assert found is not None
    assert "reasoning on" in found.baseline


def test_observing_counts_no_failed_attempt_as_the_answer() -> None:
    tried = (
        attempt(energy=reading(1000.0)),
        attempt(LOCAL, attempt_id="c1.1", state="failed", energy=reading(None), usage=Usage()),
    )
    decision = SimpleNamespace(route=(LOCAL,))
    found = receipts.would_avoid(request(), decision, tried, REPLY)  # type: ignore[arg-type]
    assert found is not None
    assert found.hypothetical


def test_end_to_end_an_effort_in_extra_body_is_seen() -> None:
    with offline(FakeProvider(default="word " * 20)) as client:
        said = client.chat.completions.create(
            model=MODEL, messages=ASKED, extra_body={"reasoning_effort": "none"}
        ).greenai
        unsaid = client.chat.completions.create(model=MODEL, messages=ASKED).greenai
    if said.model == MODEL:
        assert said.avoided is None
    elif said.avoided is not None:
        assert "without any reasoning" in said.avoided.baseline
    assert unsaid.avoided is not None


# --- what failed --------------------------------------------------------------------------


def test_what_was_measured_of_a_failed_attempt_is_kept() -> None:
    measured = reading(7.0, 6.0, 8.0)
    assert receipts.failed_energy(error(500), measured, reading(1.0, 0.5, 2.0)) == measured


@pytest.mark.parametrize("problem", [error(500), error(None, timeout=True), error(None), GeneratorExit()])
def test_what_may_have_been_generated_is_bounded(problem: BaseException) -> None:
    found = receipts.failed_energy(problem, None, reading(1.0, 0.5, 2.0))
    assert (found.energy_j, found.high_j) == (None, 2.0)


@pytest.mark.parametrize("status", [400, 401, 404, 429])
def test_what_was_refused_took_no_model_work(status: int) -> None:
    found = receipts.failed_energy(error(status), None, reading(1.0, 0.5, 2.0))
    assert (found.energy_j, found.high_j) == (None, None)


def test_a_connection_never_made_took_no_model_work() -> None:
    problem = error(None)
    problem.__cause__ = type("ConnectError", (Exception,), {})()
    assert receipts.failed_energy(problem, None, reading(1.0, 0.5, 2.0)).high_j is None


def test_every_lost_try_of_a_failed_attempt_counts() -> None:
    problem = error(429)
    problem.greenai_tries = (  # type: ignore[attr-defined]
        Try(error="APITimeoutError", status=None, waited_s=0.5),
        Try(error="InternalServerError", status=500, waited_s=0.5),
        Try(error="RateLimitError", status=429, waited_s=0.5),
    )
    assert receipts.failed_energy(problem, None, reading(1.0, 0.5, 2.0)).high_j == 4.0


def test_a_bound_raises_the_high_end_of_the_sum_and_nothing_else() -> None:
    lost = attempt(state="failed", energy=receipts.failed_energy(error(500), None, reading(9.0, 5.0, 20.0)))
    found = receipts.spent((lost, attempt(attempt_id="c1.1")))
    assert (found.energy_j, found.low_j, found.high_j) == (1.0, 0.5, 22.0)


def test_measured_failures_are_in_the_sum() -> None:
    failed = attempt(state="failed", energy=reading(7.0, 7.0, 7.0))
    assert receipts.spent((failed, attempt(attempt_id="c1.1"))).energy_j == 8.0


def test_the_attempt_left_on_an_error_is_found_again() -> None:
    problem, rung = error(500), Rung(model=LOCAL)
    ended = receipts.failed("c1.0", rung, problem, reading(7.0))
    receipts.mark(problem, ended)
    assert receipts.failed("c1.0", rung, problem) is ended
    assert receipts.failed("c1.1", rung, problem).energy.energy_j is None


class Measured:
    """A meter whose every window takes 7 J."""

    def stop(self, tokens: float | None = None) -> Reading:
        return Reading(energy_j=7.0, low_j=7.0, high_j=7.0, evidence="measured", method="test")


def client_with(provider: FakeProvider, engines: FakeEngines | None = None, **settings: Any) -> Client:
    outside = Outside(
        provider=lambda _: provider,
        store=lambda _: MemoryStore(),
        engines=lambda _: engines or FakeEngines(),
        meters=(lambda _pid, _watts: Measured(),),
        env={},
    )
    session = Session.open(
        _settings(settings), {}, project=None, observe=None, opt_in=None, reason=None, timeout=None,
        max_retries=None, observers=(), outside=outside,
    )  # fmt: skip
    return Client._of(session, owner=True)


def attempts_of(client: Client) -> list[dict[str, Any]]:
    connection = client._session.resources.ledger._db._connection
    assert connection is not None
    cursor = connection.execute("SELECT * FROM attempts")
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def test_a_failed_local_call_leaves_what_it_took_in_the_ledger() -> None:
    client = client_with(FakeProvider(default=error(500)), ladder=[LOCAL])
    with pytest.raises(Exception, match="scripted"):
        client.chat.completions.create(messages=ASKED)
    assert [(row["state"], row["energy_j"]) for row in attempts_of(client)] == [("failed", 7.0)]


# --- estimated tokens and cut streams -----------------------------------------------------


def done(reply: Reply, measured: Reading | None = None) -> Attempt:
    draft = SimpleNamespace(rung=Rung(model=MODEL), reasoning=False)
    return receipts.done("c1.0", find(MODEL), request(), draft, reply, measured)  # type: ignore[arg-type]


@pytest.mark.parametrize(("complete", "above"), [(True, 2.0), (False, 4.0)])
def test_tokens_that_nobody_reported_widen_the_interval(complete: bool, above: float) -> None:
    known = Usage(input_tokens=4, output_tokens=20)
    reply = Reply(model="m", text="x" * 80, finish_reason=None, usage=known, latency_s=0.1)
    plain = done(reply).energy
    wide = done(Reply(model="m", text="x" * 80, finish_reason=None, usage=Usage(), latency_s=0.1, complete=complete))
    assert wide.usage == Usage(input_tokens=4, output_tokens=20, estimated=True)
    assert plain.low_j is not None
    assert plain.high_j is not None
    assert wide.energy.energy_j == plain.energy_j
    assert wide.energy.low_j == pytest.approx(plain.low_j / 2)
    assert wide.energy.high_j == pytest.approx(plain.high_j * above)


def test_a_measured_reading_is_not_widened() -> None:
    measured = reading(7.0, 6.0, 8.0)
    tries = (Try(error="APITimeoutError", status=None, waited_s=0.5),)
    reply = Reply(model="m", text="x", finish_reason=None, usage=Usage(), latency_s=0.1, complete=False, tries=tries)
    assert done(reply, measured).energy == measured


def test_lost_tries_raise_what_a_provider_reported_for_its_answer() -> None:
    tries = (Try(error="InternalServerError", status=500, waited_s=0.5),)
    reply = Reply(
        model="m", text="x", finish_reason="stop", usage=Usage(), latency_s=0.1, tries=tries, reported_energy_j=3.0
    )
    found = done(reply).energy
    assert (found.energy_j, found.low_j, found.high_j) == (3.0, 2.0, 9.0)


def told(energy_j: float) -> Reading:
    reply = Reply(model="m", text="x", finish_reason="stop", usage=USED, latency_s=0.1, reported_energy_j=energy_j)
    return done(reply).energy


@pytest.mark.parametrize(
    ("energy_j", "figure"), [(1e300, "1e+300 J"), (float("inf"), "inf J"), (float("nan"), "nan J")]
)
def test_what_a_provider_reports_is_left_out_where_it_cannot_be(energy_j: float, figure: str) -> None:
    """A broken field of a server must not use up a budget."""
    reply = Reply(model="m", text="x", finish_reason="stop", usage=USED, latency_s=0.1, reported_energy_j=energy_j)
    made, without = done(reply), done(replace(reply, reported_energy_j=None))
    assert (made.energy.energy_j, made.energy.evidence) == (without.energy.energy_j, without.energy.evidence)
    (said,) = receipts.warnings(made, 0.0)
    assert said == f"{made.model} reported {figure} for this answer, which cannot be; that is left out."


def test_what_a_provider_reports_is_taken_up_to_a_thousand_times_the_modelled_high_end() -> None:
    reply = Reply(model="m", text="x", finish_reason="stop", usage=USED, latency_s=0.1)
    high_j = done(reply).energy.high_j or 0.0
    for times, evidence in ((999.0, "provider_reported"), (1001.0, "modelled_api")):
        assert done(replace(reply, reported_energy_j=times * high_j)).energy.evidence == evidence


def test_what_a_provider_reports_is_taken_as_it_is_with_its_boundary_named_and_not_as_exact() -> None:
    found = told(15.23)
    assert found == Reading(
        energy_j=15.23,
        low_j=15.23 / 1.5,
        high_j=15.23 * 1.5,
        gpu_energy_j=15.23,
        evidence="provider_reported",
        method="provider-field-1 (the provider's boundary; Neuralwatt's are its GPUs)",
        components={"reported": 15.23},
    )


@pytest.mark.parametrize("nonsense", [0.0, -1.0, float("nan"), float("inf")])
def test_a_reported_energy_that_none_can_be_is_modelled_instead(nonsense: float) -> None:
    found = told(nonsense)
    assert found.evidence == "modelled_api"
    assert found.energy_j is not None
    assert 0 < found.energy_j < float("inf")


def test_what_a_reported_call_avoided_is_compared_within_the_same_boundary() -> None:
    small = attempt("openai/gpt-5.4-nano", usage=USED)
    modelled = replace(reading(0.001), gpu_energy_j=0.001)
    whole = receipts.avoided(request(), [small], REPLY, modelled, MODEL)
    alike = receipts.avoided(request(), [small], REPLY, replace(modelled, evidence="provider_reported"), MODEL)
    card = find(MODEL)
    assert card is not None
    baseline = receipts.baseline_energy(card, USED, thinking=True)
    assert baseline.gpu_energy_j is not None
    assert energy_j(alike) == pytest.approx(baseline.gpu_energy_j - 0.001)
    assert energy_j(alike) < energy_j(whole)


def test_thinking_and_the_model_widen_the_baseline_independently() -> None:
    card = find(MODEL)
    assert card is not None
    plain, thinking = (receipts.baseline_energy(card, USED, thinking=on) for on in (False, True))
    assert plain.energy_j
    assert plain.low_j
    assert plain.high_j
    assert thinking.energy_j
    assert thinking.low_j
    assert thinking.high_j
    width, wider = plain.high_j / plain.low_j, thinking.high_j / thinking.low_j
    # Less than the model's width times the ninefold of the tokens: both would have to be at their ends at once.
    assert width < wider < width * receipts.THINKING_SPREAD**2


def test_a_model_without_a_card_says_what_to_do() -> None:
    unknown = attempt("endpoint/gpt-99", energy=receipts.modelled(None, USED))
    assert receipts.warnings(unknown, 0.0) == (
        (
            "The catalog has no card for endpoint/gpt-99, so energy, carbon and cost are unknown. Write in the settings, with "
            'its own size in 1e9 parameters: cards = [{ name = "endpoint/gpt-99", total_params_b = 7 }].'
        ),
    )


# --- counts that a provider leaves out ------------------------------------------------------


def test_no_tokens_for_a_text_are_no_count() -> None:
    usage = receipts.filled(Usage(input_tokens=0, output_tokens=0), request(), REPLY)
    assert usage == Usage(input_tokens=input_tokens_estimate(request()), output_tokens=20, estimated=True)
    empty = receipts.filled(Usage(input_tokens=9, output_tokens=0), request(), replace(REPLY, text=""))
    assert empty == Usage(input_tokens=9, output_tokens=0)


def test_pictures_count_where_nobody_counted_them() -> None:
    shown = [{"type": "text", "text": "Say."}, {"type": "image_url", "image_url": {"url": "data:"}}]
    asked = request()
    with_two = replace(asked, messages=({"role": "user", "content": [*shown, shown[1]]},))
    without = replace(asked, messages=({"role": "user", "content": shown[:1]},))
    more = input_tokens_estimate(with_two) - input_tokens_estimate(without)
    assert more == 2 * coefficients()["image_tokens"]["value"]


@pytest.mark.parametrize(
    ("asked", "answered", "service"),
    [
        (None, None, "standard"),
        ("flex", None, "flex"),
        ("auto", "flex", "flex"),
        ("flex", "default", "standard"),
        (None, "priority", "priority"),
        (None, "scale", None),
    ],
)
def test_the_service_that_answered_sets_the_price(asked: str | None, answered: str | None, service: str | None) -> None:
    arguments = {} if asked is None else {"service_tier": asked}
    draft = Draft(rung=Rung(model=MODEL), messages=tuple(ASKED), arguments=arguments)
    reply = replace(REPLY, usage=USED, service_tier=answered)
    done = receipts.done("c1.0", find(MODEL), request(**arguments), draft, reply, None)
    assert done.service == service


# --- carbon, water, money -----------------------------------------------------------------


def built(*attempts: Attempt, site: Site | None = None, **arguments: Any) -> Receipt:
    return receipts.build(
        request(**arguments),
        outcome="large",
        decision=Decision(outcome="large", route=(MODEL,), reasons=()),
        answered_by="the cache",
        attempts=attempts,
        own=Overhead(duration_ms=1.0, energy=replace(reading(3.6e6), gpu_energy_j=0.0)),
        site=site or Site(zone="FRA"),
        saved=None,
    )


def test_a_remote_call_draws_its_electricity_where_its_provider_is() -> None:
    found = built(attempt(energy=reading(3.6e6, 1.8e6, 7.2e6)))
    assert found.carbon_g == pytest.approx(369.473)
    assert found.carbon_low_g == pytest.approx(369.473 / 2)
    assert found.carbon_high_g == pytest.approx(369.473 * 2)
    assert found.carbon_source.startswith("United States grid mix, 2023, assumed for openai: ")
    assert found.water_ml == pytest.approx(569 + 3132.1)
    assert (found.water_source or "").startswith("cooling and electricity: ")
    assert found.market_carbon_g is None
    assert found.embodied_carbon_g is None


@pytest.mark.parametrize(
    ("base_url", "grid"),
    [
        (None, "United States grid mix, 2023, assumed for openai"),
        ("https://eu.api.openai.com/v1", "United States grid mix, 2023, assumed for openai"),
        ("https://api.neuralwatt.com/v1", "France grid mix, 2023"),
        ("http://127.0.0.1:8000/openai", "France grid mix, 2023"),
    ],
)
def test_another_address_is_not_at_the_provider_in_the_models_name(base_url: str | None, grid: str) -> None:
    reply = Reply(model="m", text="x", finish_reason="stop", usage=USED, latency_s=0.1)
    draft: Any = SimpleNamespace(rung=Rung(model=MODEL, base_url=base_url), reasoning=False)
    made = receipts.done("c1.0", find(MODEL), request(), draft, reply, None)
    assert built(made).carbon_source.partition(": ")[0] == grid


def test_the_app_may_say_where_a_provider_is() -> None:
    found = built(attempt(energy=reading(3.6e6)), site=Site(zone="FRA", provider_zones={"openai": "US-VA"}))
    assert found.carbon_source.startswith("Virginia, United States grid mix, 2023: EPA eGRID2023")


def test_a_local_call_and_greenais_own_work_are_in_the_apps_zone() -> None:
    for found in (built(attempt(LOCAL, energy=reading(3.6e6))), built()):
        assert found.carbon_g == pytest.approx(56.039)
        assert found.carbon_source.startswith("France grid mix, 2023: ")
        assert found.water_ml == pytest.approx(3673.7)


def test_attempts_in_several_places_are_added() -> None:
    small = attempt(LOCAL, state="discarded", energy=replace(reading(3.6e6), gpu_energy_j=0.0))
    found = built(small, attempt(energy=reading(3.6e6)))
    assert found.carbon_g == pytest.approx(56.039 + 369.473)
    assert [part.partition(":")[0] for part in found.carbon_source.split(" + ")] == [
        "France grid mix, 2023",
        "United States grid mix, 2023, assumed for openai",
    ]


def test_a_live_intensity_serves_where_there_is_one() -> None:
    live = {"USA": Intensity(g_per_kwh=300.0, at="2026-11-21T09:00Z", source="United States live, 09:00Z: somebody")}
    found = built(attempt(energy=reading(3.6e6)), site=Site(zone="FRA", live=live.get))
    assert found.carbon_g == pytest.approx(300.0)
    assert found.carbon_source.startswith("United States live, 09:00Z, assumed for openai: somebody; place: ")
    assert built(attempt(LOCAL, energy=reading(3.6e6)), site=Site(zone="FRA", live=live.get)).carbon_source.startswith(
        "France grid mix, 2023: "
    )


def served(tier: str | None) -> Reading:
    arguments = {} if tier is None else {"service_tier": tier}
    reply = Reply(model="m", text="x", finish_reason="stop", usage=USED, latency_s=0.1)
    draft: Any = SimpleNamespace(rung=Rung(model=MODEL), reasoning=False)
    return receipts.done("c1.0", find(MODEL), request(**arguments), draft, reply, None).energy


def test_a_service_that_shares_larger_batches_takes_less_energy() -> None:
    standard, flex, priority = (served(tier).energy_j or 0.0 for tier in (None, "flex", "priority"))
    assert 0 < flex < standard == priority


@pytest.mark.parametrize(("tier", "share"), [(None, 1.0), ("flex", 0.5), ("priority", 2.5), ("scale", None)])
def test_the_service_that_was_asked_for_sets_the_price(tier: str | None, share: float | None) -> None:
    arguments = {} if tier is None else {"service_tier": tier}
    reply = Reply(model="m", text="x", finish_reason="stop", usage=USED, latency_s=0.1)
    draft: Any = SimpleNamespace(rung=Rung(model=MODEL), reasoning=False)
    made = receipts.done("c1.0", find(MODEL), request(**arguments), draft, reply, None)
    found = built(made, **arguments).cost_usd
    assert found == (None if share is None else pytest.approx(share * (1000 * 5.0 + 20 * 30.0) / 1e6))


# --- loading ------------------------------------------------------------------------------


class Started(FakeEngine):
    """An engine that says what its start took."""

    def __init__(self, model: str, core_s: float | None) -> None:
        super().__init__(model)
        self._core_s = core_s

    def take_start(self) -> float | None:
        return self._core_s


class Slow(FakeEngines):
    """Engines that say whether this caller started the model; `asked` keeps the time-outs."""

    def __init__(self, started_core_s: float | None) -> None:
        self.started_core_s = started_core_s
        self.asked: list[float | None] = []

    def get(self, name: str, timeout_s: float | None = None) -> Engine:
        self.asked.append(timeout_s)
        return Started(name, self.started_core_s)

    def close(self) -> None:
        """Nothing runs."""


def loaded(engines: Slow, **arguments: Any) -> Receipt:
    client = client_with(FakeProvider(default="A bee is an insect."), engines, ladder=[LOCAL])
    receipt: Receipt = client.chat.completions.create(messages=ASKED, **arguments).greenai
    return receipt


def test_loading_is_charged_to_the_call_that_started_the_model_only() -> None:
    starter, waiter = loaded(Slow(100.0)), loaded(Slow(None))
    assert starter.overhead.energy.energy_j is not None
    assert waiter.overhead.energy.energy_j is not None
    assert starter.overhead.energy.energy_j > 100.0 > waiter.overhead.energy.energy_j
    assert starter.overhead.load_ms > 0 == waiter.overhead.load_ms


def test_loading_gets_the_seconds_that_are_left() -> None:
    engines = Slow(None)
    loaded(engines, timeout=30.0)
    [asked] = engines.asked
    assert asked is not None
    assert 25.0 < asked <= 30.0


def test_no_model_is_started_after_the_deadline() -> None:
    engines = Slow(None)
    with suppress(openai.APITimeoutError):  # a scripted provider may answer all the same
        loaded(engines, timeout=1e-9)
    assert engines.asked == []


def test_a_hold_of_an_endless_call_ends() -> None:
    client = client_with(FakeProvider(default="A bee is an insect."), ladder=[LOCAL])
    client.with_options(timeout=None).chat.completions.create(messages=ASKED)
    [row] = attempts_of(client)
    assert 0 < row["expires"] - row["created"] < 700
