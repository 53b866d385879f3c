"""Which share of a template's calls a task model would answer, before one is made: by what the log tells.

    refused, with a probability ─── there are few prompts, the large model is inconsistent, or a quick fit goes astray
    else the share answered ─────── a line in the same, and in how many labels there are

Both were fitted on task models made as `greenai distil` makes them, with 98% promised, of logs of four public sets of
utterances with 2 to 150 labels (`covered.json`, by training/audit/covered.py). What differs between sets is in the
interval: each set was left out once. `greenai distil` measures it for a template.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from greenai.audit.finding import Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Generator: TypeAlias = np.random.Generator

__all__ = ["Task", "columns_of", "fitted", "made_of"]

FEWEST, MOST = 300, 6000
"""So many different prompts had the logs that were fitted on; more are taken for the most."""
SLIPS = (0.5, 24.5)
"""How often the large model is inconsistent, before a log tells it: half of the share of prompts whose answers differ
when they are asked again, and that share is a Beta distribution with these counts. So it is 1%, and in nine of ten logs
less than 3%. Assumption."""
SHOWN = 4000  # draws
QUICK = (2.0, 1.2)
"""The log-odds of what a quick fit closes of the gap, where too few texts were read to tell: about the mean and the
standard deviation of the logs fitted on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a log tells of a template whose answers are labels.

    Attributes:
        prompts: different ones.
        perplexity: of the labels: so many of the same frequency would be as hard to guess.
        asked_again: prompts that stand in the log more than once, and `differ` how many of these got another answer.
        closed: the share of the gap that a quick fit closes (`sufficing.closed`); None where too few were looked at.
        texts: of so many.
    """

    prompts: int
    perplexity: float
    asked_again: int = 0
    differ: int = 0
    closed: float | None = None
    texts: int = 0

    def drawn(self, draws: int, rng: Generator) -> Floats:
        """Return draws of the share that a task model would answer as the large model does; 0 where it is refused."""
        import numpy as np

        fit = fitted()
        slips = rng.beta(SLIPS[0] + self.differ, SLIPS[1] + self.asked_again - self.differ, draws) / 2
        guessed = 1 / (1 + np.exp(-rng.normal(*QUICK, draws)))
        quick = guessed if self.closed is None else np.full(draws, self.closed)
        x = columns_of(self.prompts, self.perplexity, slips, quick, self.texts or 200)
        kept = x @ np.array(fit["answered"]) + fit["answered_sd"] * rng.standard_normal(draws)
        refused = x @ np.array(fit["refused"]) + fit["refused_sd"] * rng.standard_normal(draws)
        found: Floats = np.where(rng.random(draws) < 1 / (1 + np.exp(-refused)), 0.0, 1 / (1 + np.exp(-kept)))
        return found

    @property
    def share(self) -> Span:
        """That share, with the 90% interval."""
        import numpy as np

        low, mid, high = np.quantile(self.drawn(SHOWN, np.random.default_rng(0)), (0.05, 0.5, 0.95)).tolist()
        return Span(mid=mid, low=low, high=high)


def columns_of(prompts: Any, perplexity: Any, slips: Any, closed: Any, texts: Any) -> Floats:
    """Return the columns of the fit, one row for each log: what is not one number is an array."""
    import numpy as np

    held = np.clip((np.asarray(closed) * texts + 0.5) / (np.asarray(texts) + 1), 0.05, 0.995)
    one = np.ones(np.broadcast(prompts, slips, held).shape)
    found: Floats = np.stack(
        [
            one,
            one * np.log(np.clip(prompts, FEWEST, MOST) / 1000),
            one * np.log(np.asarray(perplexity) / 10),
            one * 10 * np.sqrt(slips),
            one * (np.log(held / (1 - held)) - QUICK[0]),
            one * np.log(np.asarray(texts) / 200),
        ],
        axis=-1,
    )
    return found


def made_of() -> int:
    """Return of how many logs task models were made, to fit this."""
    return int(fitted()["logs"])


@cache
def fitted() -> Mapping[str, Any]:
    """Return what ships with the package: coefficients of `columns_of`, and spreads, in log-odds."""
    told: Mapping[str, Any] = json.loads(Path(__file__).with_name("covered.json").read_text(encoding="utf-8"))
    return told
