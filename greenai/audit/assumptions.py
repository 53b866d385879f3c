"""What the figures of a finding rest on, in words, with what that is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from greenai.audit.covered import made_of
from greenai.audit.finding import Assumption, Risk, Span, Sufficing
from greenai.meters.carbon import zone as grid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.audit.covered import Task
    from greenai.audit.grid_hours import GridHours
    from greenai.audit.pairs import Pair
    from greenai.audit.sufficing import NearRepeats

    Floats: TypeAlias = NDArray[np.float64]

__all__ = ["RISKS", "of"]

RISKS: Mapping[Sufficing, Risk] = {
    "repeat": Risk(share=Span(mid=0.0, low=0.0, high=0.0), evidence="counted"),
    "near_repeat": Risk(share=Span(mid=0.01, low=0.0, high=0.01), evidence="assumed"),
    "deterministic": Risk(share=Span(mid=0.003, low=0.0, high=0.01), evidence="estimated"),
    "task_model": Risk(share=Span(mid=0.02, low=0.0, high=0.02), evidence="assumed"),
}
"""The share of worse answers: of the semantic cache and of a task model, the limit that they are set to; of the
built-in tools, chat prompts wrongly answered (docs/classifier.md: 0.0033, at most 0.01)."""

MOST_NAMED = 3

_ALWAYS = (
    Assumption(
        key="repeat",
        text="The same request came before, and the exact cache would still have had its answer: counted, by the "
        "cache's own rules on what is kept and for how long (static 30 days, other questions a day at temperature 0). "
        "Where the log has no times, it is taken to lie within that.",
        evidence="counted",
    ),
    Assumption(
        key="deterministic",
        text="A built-in tool (sums, units, dates) understands the whole question. Tried on the calls that were "
        "looked at; a tool that is not sure keeps silent.",
        evidence="measured",
    ),
    Assumption(
        key="lookup",
        text="The question asks for live data, which no model has: P(lookup) times P(the answer changes within a day), "
        "of the classifier. It needs a function of yours that looks it up.",
        evidence="estimated",
    ),
    Assumption(
        key="large",
        text="The calls for which the small model is expected to fail and the large one to be right, by the same "
        "estimate; and those of a model of which neither a smaller one nor that it is small is known. They would take "
        "what they took, without reasoning tokens.",
        evidence="estimated",
    ),
    Assumption(
        key="reasoning",
        text="Of calls that reasoned, the classifier's probability that reasoning turned a wrong answer right; the "
        "interval allows for an error of its log-odds of 0.5 on the whole log and 0.47 on each template.",
        evidence="estimated",
    ),
    Assumption(
        key="energy",
        text="Where the log has no energy of its own, the physics of the tokens and the model's size, for a provider's "
        "servers whose hardware and load are not known. Half of its error (in variance) is taken to be shared by all "
        "models. Calls of models whose size nobody states are counted beside, and are in no sum.",
        evidence="estimated",
    ),
    Assumption(
        key="smaller_model",
        text="The smaller model is the first of your ladder, else the smallest sibling at the same provider, and "
        "writes as much as was written, without reasoning. Where none is known, nothing is said to be saved.",
        evidence="assumed",
    ),
    Assumption(
        key="routed",
        text='The calls that routing gives to the small model at quality "standard": those of which the classifier '
        "and the model's own ability let expect a loss of at most 0.16. The risk is their share whose answer would be "
        "worse, where the call reasoned also for want of that: the small model is taken not to reason.",
        evidence="estimated",
    ),
    Assumption(
        key="import",
        text="Repeats, built-in tools and reasoning where little was to be expected of it, added up: each rests on "
        "its own row.",
        evidence="estimated",
    ),
    Assumption(
        key="cost",
        text="The log's own cost, else list prices, of batches and of the service that was asked for.",
        evidence="counted",
    ),
)


def of(
    near: NearRepeats,
    *,
    zone: str,
    pairs: Sequence[Pair] = (),
    tasks: Sequence[Task] = (),
    hours: GridHours | None = None,
    created: Floats | None = None,
) -> tuple[Assumption, ...]:
    """Return what a finding rests on.

    Args:
        near: what is known of near repeats.
        zone: the grid that carbon is of.
        pairs: the small models, with what they stand in for, most calls first.
        tasks: the templates that a task model could be made of.
        hours: what a kWh of it emitted by the hour; None for its yearly mean.
        created: when the calls were made.
    """
    carbon = _carbon(zone) if hours is None or created is None else _carbon_of_hours(zone, hours, created)
    return (*_ALWAYS, _task_model(tasks), _small(pairs), _near(near), carbon)


def _task_model(tasks: Sequence[Task]) -> Assumption:
    """Say how much task models are expected to answer, of the templates with most prompts."""
    most = sorted(tasks, key=lambda task: -task.prompts)[:MOST_NAMED]
    said = "".join(
        f" Of the template with {task.prompts:,} different prompts: {share.mid:.0%} ({share.low:.0%} to "
        f"{share.high:.0%})."
        for task, share in ((task, task.share) for task in most)
    )
    return Assumption(
        key="task_model",
        text="The template has 300 different prompts or more whose answers are a few labels, and a linear model on "
        "half of the sampled texts tells them better than the commonest label would. How many of them a task model "
        "answers at 98% agreement, or that none can be made, is expected by how many prompts and labels there are, how "
        "often a prompt got another answer when it was asked again, and how well that linear model does: fitted on "
        f"task models of {made_of()} logs of public utterances.{said} `greenai distil` measures it.",
        evidence="estimated",
    )


def _small(pairs: Sequence[Pair]) -> Assumption:
    """Say which small model is meant, and what is known of it."""
    known = {pair.small: pair.why for pair in pairs}
    said = "".join(f" Of {name} is known: {why}." for name, why in [*known.items()][:MOST_NAMED])
    return Assumption(
        key="small",
        text="How often the small model fails where the large one is right, by the classifier's reading of each prompt "
        "and by size and date of both models, added up: no call is put down as certain. Fitted on recorded answers of "
        "62 models of 0.13 to 405 billion parameters, from July 2023 to November 2024, to exam questions, word "
        f"problems and code; less is known of others, and of a later date or a size that is assumed.{said} The risk is "
        "that of the calls that routing would give to it, where the log's answer is right. To measure it in place of "
        "this: the same command with --check 100 --budget 2Wh.",
        evidence="estimated",
    )


def _near(near: NearRepeats) -> Assumption:
    if not near.looked:
        return Assumption(
            key="near_repeat",
            text="Near repeats were not looked for, so none is counted: that needs the encoder of the extra "
            "`semantic`, and prompts in the log.",
            evidence="assumed",
        )
    return Assumption(
        key="near_repeat",
        text=f"The semantic cache, empty at first and with all its checks, was given {near.calls:,} calls in a row, "
        f"and would have answered {near.hits:,} of the {near.tried:,} that it takes. With a longer memory it finds "
        "more.",
        evidence="measured",
    )


def _carbon(zone: str) -> Assumption:
    place = grid(zone)
    return Assumption(
        key="carbon",
        text=f"{place.carbon_intensity_g_per_kwh:.0f} g CO2e per kWh at every hour, location-based: {place.source}.",
        evidence="assumed",
    )


def _carbon_of_hours(zone: str, hours: GridHours, created: Floats) -> Assumption:
    import numpy as np

    mean, unknown = grid(zone).carbon_intensity_g_per_kwh, int(np.isnan(hours.at(created)).sum())
    of = f" for {hours.zone}" if hours.zone else ""
    each = "the same hour of a usual day" if hours.usual_day else "its own hour"
    rest = f" It has no hour of {unknown:,} calls: they have the mean of a year, {mean:.0f} g." if unknown else ""
    return Assumption(
        key="carbon",
        text=f"Grams of CO2e per kWh of each call: those of {each} by {hours.name}{of}, which is taken to be the grid "
        f"that the calls drew on, location-based. What is saved is taken to fall in the hours of what was taken.{rest}",
        evidence="assumed",
    )
