"""What the advisors have to say of a call that a model answered. No call is changed by it, and none waits for it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial

from greenai import nudges
from greenai.catalog import find
from greenai.hours import CleanHour, Forecast, cleanest
from greenai.meters import footprint
from greenai.places import Site
from greenai.steps import Climbed, Steps, fail_open
from greenai.stopwatch import Stopwatch
from greenai.values import Note, Reply, Request

__all__ = ["HORIZON_S", "clean_hour", "notes"]

HORIZON_S = 86_400.0
"""How far ahead a cleaner hour is looked for."""


def notes(request: Request, reply: Reply, climbed: Climbed, steps: Steps, watch: Stopwatch) -> tuple[Note, ...]:
    """Return what is worth saying of this call: nothing, as a rule."""
    off, language = steps.switches(request.options.project)
    if not reply.complete or not request.wants_text or all(one.name in off for one in steps.advisors):
        return ()
    advise = partial(_notes, request, reply, climbed, steps, watch, off, language)
    return fail_open("A nudge failed; the answer is as it was.", advise, ())


def _notes(
    request: Request,
    reply: Reply,
    climbed: Climbed,
    steps: Steps,
    watch: Stopwatch,
    off: frozenset[str],
    language: str,
) -> tuple[Note, ...]:
    seen = nudges.Seen(
        options=request.options,
        messages=request.messages,
        form=nudges.form_of(request.messages),
        reply=reply.text,
        model=climbed.rung.model,
        card=find(climbed.rung.model),
        usage=climbed.done.usage,
        started=watch.started,
        ended=time.perf_counter(),
        thread=watch.thread,
        cleaner=None if steps.forecast is None else partial(_cleaner, climbed.rung.site, steps.forecast, steps.site),
    )
    return nudges.advised(seen, steps.advisors, steps.advised, off, language)


def _cleaner(provider: str, forecast: Forecast, site: Site) -> CleanHour | None:
    zone = footprint.place(provider, site.zone, site.provider_zones).zone
    return clean_hour(forecast, zone, HORIZON_S)


def clean_hour(forecast: Forecast, zone: str, within_s: float) -> CleanHour | None:
    """Return the cleanest hour of a zone that begins within so many seconds; None where the forecast knows none."""
    return cleanest(forecast(zone), datetime.now(UTC), within_s)
