"""What a request needs, judged before anything is spent: fitted heads over its words, calibrated on unseen prompts.

It decides probabilities; what follows from them (a route, a cached answer's time to live, a tool) is decided elsewhere.
Weights, data, and what they reach on unseen prompts and unseen kinds of prompts: docs/classifier.md. Training and use
share `features`, `signals`, `combine` and `greenai.embed`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from greenai.classify import heads as packaged
from greenai.classify.judge import SOURCES, TASKS, unread
from greenai.classify.judge import judge as judged
from greenai.classify.view import Prompt, asked
from greenai.values import Assessment

if TYPE_CHECKING:
    from typing import Self

    from greenai.classify.heads import Heads

__all__ = ["SOURCES", "TASKS", "UNREAD", "VERSION", "Classifier"]

VERSION = "linear-2"
UNREAD = unread(VERSION)
"""What is taken for granted of a request where the classifier fails."""


class Classifier:
    """Judges requests with the packaged weights. It may be shared between threads; the weights are read once.

    `VERSION` names the weights; a cached answer is only valid for the version that it was decided under.
    """

    VERSION: ClassVar[str] = VERSION

    def __init__(self, heads: Heads | None = None) -> None:
        self._heads = heads

    @classmethod
    def load(cls) -> Self:
        """Return a classifier whose weights are read already. No network, no torch.

        Raises:
            WeightsDamaged: a packaged file is missing or not the one that was built.
        """
        return cls(packaged.load())

    @property
    def thresholds(self) -> Mapping[str, float]:
        """The shipped operating thresholds by probability.

        Below `needs_generation`, no language model has to write; from `volatile` on, the answer is taken to change
        within a day; from `reasoning_gain` on, a project that opted in to reasoning reasons; from `large_gain` on, a
        large model is expected to be worth its energy at the quality "standard".
        """
        return MappingProxyType(self._read().params["thresholds"])

    @property
    def is_read(self) -> bool:
        """Whether the weights are read; if not, the next `assess` takes about 0.1 s longer."""
        return self._heads is not None or packaged.is_loaded()

    def read(self) -> None:
        """Read the weights, unless they are.

        Raises:
            WeightsDamaged: a packaged file is missing or not the one that was built.
        """
        self._read()

    def assess(self, prompt: Prompt) -> Assessment:
        """Return what the last user turn asks for, given what stands around it.

        Args:
            prompt: the text of one user message, or openai's messages.
        """
        seen = asked(prompt)
        heads = self._read()
        return judged(heads, heads.score(seen.text), seen, method=VERSION)

    def assess_many(self, prompts: Iterable[Prompt]) -> list[Assessment]:
        """Return the assessments of many prompts, in order."""
        return [self.assess(prompt) for prompt in prompts]

    def features(self, texts: Sequence[str]) -> packaged.Features:
        """Return what the heads see of each text, for a linear head of one's own; see `heads.features_of`."""
        return packaged.features_of(self._read(), texts)

    def _read(self) -> Heads:
        if self._heads is None:
            self._heads = packaged.load()
        return self._heads
