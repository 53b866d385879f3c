"""Grades of a rating: on our own frozen scale, and beside it on the public board's bands of a dated edition.

The two are never mixed: the board's bands hold for its own device, batch and boundary, and move at every edition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from greenai.meters import stars
from greenai.readings import Reading, Stars
from greenai.units import j_from_wh

__all__ = [
    "EDITION",
    "SOURCE",
    "Bands",
    "Class",
    "Conditions",
    "Public",
    "class_of",
    "deviations",
    "of_record",
    "own",
    "public",
]

Class = Literal["A", "B", "C"]

EDITION = "2025-02"
SOURCE = (
    "AI Energy Score leaderboard, text generation, edition of February 2025 "
    "(mirror ebbalg/AI-climate-overview @ 5a804d3, read 2026-11-21)"
)
BOARD = "https://huggingface.co/spaces/AIEnergyScore/Leaderboard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bands:
    """The board's range of GPU energy in one class, in Wh per 1,000 queries, cut into five bands of equal width."""

    least_wh: float
    most_wh: float

    def stars(self, wh: float) -> int:
        """Return 5 for the lowest band to 1 for the highest; outside the range the nearest band."""
        part = (wh - self.least_wh) / (self.most_wh - self.least_wh)
        return 5 - min(max(int(part * 5), 0), 4)


BANDS: dict[Class, Bands] = {
    "A": Bands(least_wh=1.313333, most_wh=28.741175),
    "B": Bands(least_wh=54.556478, most_wh=615.390413),
    "C": Bands(least_wh=1648.505252, most_wh=3426.381777),
}
"""Least and most of each class in `SOURCE`: distilgpt2 and phi-4, QwQ-32B-Preview and Mixtral-8x7B, Llama-2-70b and
command-r-plus. An edition with reasoning (December 2025) exists; its whole table is not published as data."""

TASK = "text_generation"
PUBLIC_RUNS = 10
DEVICES = frozenset(("NVIDIA H100 80GB HBM3", "NVIDIA H100 PCIe"))
"""The H100 of 80 GB as NVML names it; others, such as the H100 NVL of 94 GB, are not the board's."""

PROMPT_TOKENS = 369.139
"""Mean tokens of the board's prompts (huggingface/AIEnergyScore index.md: 369,139 in 1,000; read 2026-11-21)."""

CLOSE_LENGTH = 0.05
"""How far, as a part, the mean prompt may be from the board's: a query's energy goes with it. 2026-11-22."""

LARGEST_A, LARGEST_B = 20.0, 66.0
"""Parameters in 1e9: what fits one 24 GB GPU, and one H100 (huggingface/AIEnergyScore index.md, read 2026-11-21)."""


def class_of(total_params_b: float | None) -> Class | None:
    """Return the board's class for so many parameters, in 1e9; None where nobody knows."""
    if total_params_b is None:
        return None
    return "A" if total_params_b <= LARGEST_A else "B" if total_params_b <= LARGEST_B else "C"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How a rating was made, as far as the board cares. `output_tokens` is None where answers ended by themselves."""

    task: str = TASK
    boundary: str
    device: str
    batch: object
    prompts: object
    prompt_tokens: float | None
    output_tokens: float | None
    precision: str
    engine: str

    def differences(self) -> tuple[str, ...]:
        """Return in words what differs from the board's method; empty where nothing does."""
        sixteen = self.precision.upper() in {"FLOAT16", "BFLOAT16", "F16", "BF16", "FP16"}
        mean = self.prompt_tokens
        alike = mean is not None and abs(mean / PROMPT_TOKENS - 1) <= CLOSE_LENGTH
        known = f"{mean:.0f}" if mean is not None else "an unknown number of"
        checks = (
            (self.task == TASK, f"another task than {TASK}"),
            (self.boundary == "gpu", f"{self.boundary.upper()} energy, not a GPU's"),
            (self.device in DEVICES, f"measured on {self.device or 'an unknown device'}, not on an H100 80GB"),
            (self.batch == 1, f"batch {self.batch}, not 1"),
            (self.prompts == 1000, f"{self.prompts} prompts, not 1,000"),
            (alike, f"prompts of {known} tokens on average, not {PROMPT_TOKENS:.0f}"),
            (self.output_tokens == 10, "answers of other lengths than 10 tokens"),
            (sixteen, f"weights in {self.precision or 'an unknown precision'}, not in 16 bits"),
            (self.engine == "torch", f"run by {self.engine}, not by transformers"),
        )
        return tuple(said for holds, said in checks if not holds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Public:
    """What the board's bands say of a rating. `stars` is None where it does not compare; `why_not` has the reasons."""

    edition: str
    source: str
    model_class: Class | None
    stars: int | None
    why_not: Sequence[str]


def own(wh: float, low_wh: float | None, high_wh: float | None) -> Stars:
    """Grade Wh per 1,000 queries on the frozen scale of responses; no grade where the interval spans two bands."""
    if low_wh is None or high_wh is None:
        return Stars(grade=None, worst=None, best=None, scale=stars.SCALE)
    joules = [j_from_wh(value) / 1000 for value in (wh, low_wh, high_wh)]
    found = stars.grade(Reading(energy_j=joules[0], low_j=joules[1], high_j=joules[2]))
    if found.worst != found.best:
        return Stars(grade=None, worst=found.worst, best=found.best, scale=found.scale)
    return found


def public(
    wh: float, low_wh: float | None, high_wh: float | None, model_class: Class | None, conditions: Conditions
) -> Public:
    """Set a rating against the board's bands, where it was made as the board makes its own."""
    why_not = list(conditions.differences())
    if model_class is None:
        why_not.append("the model's number of parameters is not known")
    if low_wh is None or high_wh is None:
        why_not.append("there is no interval")
    grade = None
    if model_class is not None and low_wh is not None and high_wh is not None:
        bands = BANDS[model_class]
        spans = bands.stars(low_wh) != bands.stars(high_wh)
        if spans:
            why_not.append("the interval spans more than one band")
        grade = None if why_not else bands.stars(wh)
    return Public(edition=EDITION, source=SOURCE, model_class=model_class, stars=grade, why_not=tuple(why_not))


def of_record(content: Mapping[str, Any]) -> Public:
    """Set what a record says against the board's bands; what it claims of stars and differences does not count.

    The class is that of the model's size, where the record has it: a larger class has easier bands.
    """
    figure = content["wh_per_1000"]
    claimed: Class | None = next((name for name in get_args(Class) if name == content.get("class")), None)
    model_class = class_of(_figure(content["model"].get("params_b"))) or claimed
    return public(figure["value"], figure.get("low"), figure.get("high"), model_class, _conditions(content))


def _conditions(content: Mapping[str, Any]) -> Conditions:
    prompts = content["prompts"]
    reasoning, output = content["mode"].get("reasoning"), content.get("output_tokens")
    mean = _figure(output.get("mean")) if isinstance(output, dict) and reasoning == "off" else None
    return Conditions(
        task=str(content["task"]),
        boundary="gpu" if content.get("boundary") == "gpu" else "cpu",
        device=str(content["device"].get("name") or ""),
        batch=content["mode"].get("batch"),
        prompts=prompts.get("count"),
        prompt_tokens=_figure(prompts.get("mean_tokens")),
        output_tokens=mean,
        precision=str(content["model"].get("quantisation") or ""),
        engine=str(content.get("engine") or "an unknown engine"),
    )


def deviations(content: Mapping[str, Any]) -> list[str]:
    """Return in words all that differs from the public method, also what the board's bands would allow."""
    why_not = _conditions(content).differences()
    runs, sent = len(content["runs"]), content["prompts"]["sent_as"]
    more = (
        (runs >= PUBLIC_RUNS, f"{runs} run{'' if runs == 1 else 's'}, not {PUBLIC_RUNS}"),
        (content["mode"]["reasoning"] != "least", "reasoning at the least that the model accepts, which is not off"),
        (sent == "tokens", f"prompts sent as {sent}, in the model's template"),
        (False, "prompts of greenai's own, with the public ones' number and tokens but not their texts"),
    )
    return [*why_not, *(said for holds, said in more if not holds)]


def _figure(found: object) -> float | None:
    return found if isinstance(found, (int, float)) and not isinstance(found, bool) else None
