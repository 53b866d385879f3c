"""What each model of the ladder said to each question of the mix: right or wrong, and how long, as it was recorded.

| set | small | large | large with reasoning |
| --- | --- | --- | --- |
| routellm_mmlu | Mixtral-8x7B-Instruct | gpt-4-1106-preview | the large one's outcome |
| routellm_gsm8k | Mixtral-8x7B-Instruct | gpt-4-1106-preview | the large one's outcome |
| mmlu_pro | Llama-3.1-8B-Instruct | Llama-3.1-70B-Instruct | the large one's outcome |
| zeroeval_* | Llama-3.1-8B-Instruct | gpt-4o-2024-08-06 | o1-mini |

Assumptions, each on the cautious side: reasoning takes `DEFAULT_THINKING_TOKENS` (543, whose source stands beside it
in greenai/receipts.py) on every question, since hidden tokens were not recorded; on hard mathematics it takes several
times that. Where no reasoning run was recorded, reasoning is as right as the large model without it. RouteLLM's MMLU
has no lengths: each answer has the length that a Mixtral or a Llama 70B gave to some question of MMLU-Pro. A question
for a tool takes a model `INTENT_TOKENS`, and every model is right about it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from replay_mix import Item, Row, read, share

from greenai.prompts import CHARACTERS_PER_TOKEN
from greenai.receipts import DEFAULT_THINKING_TOKENS

RungName = Literal["small", "large", "reasoning"]

LETTERS = "ABCD"
INTENT_TOKENS = 60
"""A sentence or two. An assumption."""

TOKENS_PER_WORD = 4 / 3
"""OpenAI, "What are tokens and how to count them?": 100 tokens are about 75 words of English."""

MODELS: Mapping[str, tuple[str, str, str | None]] = {
    "mmlu_pro": ("Meta-Llama-3_1-8B-Instruct", "Meta-Llama-3_1-70B-Instruct", None),
    "zeroeval_gsm8k": ("Meta-Llama-3.1-8B-Instruct", "gpt-4o-2024-08-06", "o1-mini-2024-09-12"),
    "zeroeval_math_l5": ("Meta-Llama-3.1-8B-Instruct", "gpt-4o-2024-08-06", "o1-mini-2024-09-12"),
    "zeroeval_crux": ("Meta-Llama-3.1-8B-Instruct", "gpt-4o-2024-08-06", "o1-mini-2024-09-12"),
    "zeroeval_numersense": ("Meta-Llama-3-8B-Instruct", "gpt-4o-2024-05-13", None),
}
LENGTHS_OF_MMLU = ("Mixtral-8x7B-Instruct-v0.1", "Meta-Llama-3_1-70B-Instruct")


@dataclass(frozen=True, kw_only=True)
class Said:
    """One model's recorded answer: whether it was right, its visible tokens, and those thought."""

    right: bool
    tokens: int
    thinking: int = 0


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What each rung said to one question, and the answer that is right."""

    gold: str
    wrong: str
    said: Mapping[RungName, Said]


class Outcomes:
    """Reads the recorded outcomes of the mix's items."""

    def __init__(self, folder: Path) -> None:
        self._models = {name: models_of(folder, name) for name in MODELS}
        self._mmlu_pro = read(folder, "mmlu_pro")

    def of(self, item: Item) -> Recorded:
        """Return what the three rungs said."""
        gold, wrong = answers(item)
        small, large, thought = self._three(item)
        reasoning = Said(right=thought.right, tokens=thought.tokens, thinking=DEFAULT_THINKING_TOKENS)
        return Recorded(gold=gold, wrong=wrong, said={"small": small, "large": large, "reasoning": reasoning})

    def _three(self, item: Item) -> tuple[Said, Said, Said]:
        if item.kind == "intent" and item.source != "zeroeval_numersense":
            short = Said(right=True, tokens=INTENT_TOKENS)
            return short, short, short
        if item.source == "routellm_mmlu":
            lengths = self._lengths(item.prompt)
            return routellm(item.row, *(of_chars(chars) for chars in lengths))
        if item.source == "routellm_gsm8k":
            words = (item.row["weak_words"], item.row["strong_words"])
            return routellm(item.row, *(max(round(n * TOKENS_PER_WORD), 1) for n in words))
        small, large, thought = MODELS[item.source]
        found = [self._said(item, model) for model in (small, large, thought or large)]
        return found[0], found[1], found[2]

    def _said(self, item: Item, model: str) -> Said:
        index = self._models[item.source].index(model)
        chars, right = item.row["chars"][index], item.row["ok"][index]
        # Every model is credited right about a tool's question: only what it takes is recorded there.
        return Said(right=bool(right) or item.kind == "intent", tokens=of_chars(chars or 0))

    def _lengths(self, prompt: str) -> tuple[int, int]:
        row = self._mmlu_pro[int(share("length", prompt) * len(self._mmlu_pro))]
        small, large = (row["chars"][self._models["mmlu_pro"].index(model)] for model in LENGTHS_OF_MMLU)
        return small or 0, large or 0


def models_of(folder: Path, name: str) -> Sequence[str]:
    """Return the models whose outcomes a set has, in the order of its columns."""
    meta: dict[str, Any] = json.loads((folder / name / "meta.json").read_text(encoding="utf-8"))
    models: list[str] = meta["models"]
    return models


def of_chars(chars: int) -> int:
    """Return about how many tokens a text of `chars` characters has."""
    return max(round(chars / CHARACTERS_PER_TOKEN), 1)


def routellm(row: Row, small_tokens: int, large_tokens: int) -> tuple[Said, Said, Said]:
    """Return the outcomes of RouteLLM's pair; a reasoning run was not recorded."""
    small = Said(right=bool(row["weak_ok"]), tokens=small_tokens)
    large = Said(right=bool(row["strong_ok"]), tokens=large_tokens)
    return small, large, large


def answers(item: Item) -> tuple[str, str]:
    """Return the right answer and a wrong one.

    RouteLLM's MMLU does not say which letter is right, only who was: there a letter by the prompt's hash stands in.
    """
    if item.source == "routellm_mmlu":
        letter = int(share("letter", item.prompt) * len(LETTERS))
        return LETTERS[letter], LETTERS[(letter + 1) % len(LETTERS)]
    if item.kind == "intent" and item.source != "zeroeval_numersense":
        return "as the tool says", "none of these"
    return str(item.row["answer"]).strip(), "none of these"
