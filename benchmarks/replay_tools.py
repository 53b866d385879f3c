"""The app of the replay: the functions that it registers, and which answerer is meant for which question.

The examples of each function are questions from outside the mix, as many as a developer might write down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from replay_mix import BUCKET, Item, digest, in_bucket, read

from greenai import Client

EXAMPLES = 20
"""For each function and data set."""

FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "weather": ("clinc150:weather", "snips2017:GetWeather"),
    "screenings": ("snips2017:SearchScreeningEvent",),
    "exchange_rate": ("clinc150:exchange_rate",),
    "flight_status": ("clinc150:flight_status",),
    "traffic": ("clinc150:traffic",),
    "balance": ("clinc150:balance",),
    "bill_due": ("clinc150:bill_due",),
    "order_status": ("clinc150:order_status",),
    "roll_dice": ("clinc150:roll_dice",),
    "flip_coin": ("clinc150:flip_coin",),
}

BUILT_IN: Mapping[str, frozenset[str]] = {
    "clinc150:calculator": frozenset(("calc", "sums", "compare", "units")),
    "clinc150:measurement_conversion": frozenset(("units", "calc")),
    "clinc150:time": frozenset(("clock", "dates")),
    "clinc150:date": frozenset(("clock", "dates")),
    "clinc150:timezone": frozenset(("clock", "dates")),
    "zeroeval_numersense:compare": frozenset(("compare",)),
    "recognizers_specs": frozenset(("calc", "sums", "compare", "units", "clock", "dates")),
}
"""Which built-in answerer is meant for which question."""


def examples(folder: Path, bucket: range = BUCKET) -> dict[str, list[str]]:
    """Return the example questions of each function: none of them is in the mix, or may be."""

    def free(text: str) -> bool:
        return not in_bucket(text) and not in_bucket(text, bucket)

    rows = {name: read(folder, name) for name in ("clinc150", "snips2017")}
    found: dict[str, list[str]] = {}
    for function, intents in FUNCTIONS.items():
        found[function] = []
        for name, _, intent in (full.partition(":") for full in intents):
            texts = {r["prompt"] for r in rows[name] if r["intent"] == intent and free(r["prompt"])}
            found[function] += sorted(texts, key=lambda text: digest("example", text))[:EXAMPLES]
    return found


def register(client: Client, questions: Mapping[str, Sequence[str]]) -> None:
    """Register every function; what it returns stands for what the app's own system would say."""
    for name, texts in questions.items():
        if texts:
            client.answerer(examples=texts, name=name)(_function(name))
    client.prepare()


def _function(name: str) -> Callable[[str], str]:
    def answer(question: str) -> str:
        return f"{name}, asked {question!r}: what the app's own system says."

    return answer


def meant(item: Item) -> frozenset[str]:
    """Return the models of the receipts that answer this item as it was meant."""
    for function, intents in FUNCTIONS.items():
        if item.name in intents:
            return frozenset((f"greenai/registered:{function}",))
    names: Iterable[str] = BUILT_IN.get(item.name) or BUILT_IN.get(item.source) or ()
    return frozenset(f"greenai/{name}" for name in names)
