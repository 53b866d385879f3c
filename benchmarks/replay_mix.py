"""The workload that is replayed: which requests, in which order, frozen by a hash before anything was tuned on it.

    recorded   50%   questions whose answers by small and large models are on record
    intent     25%   questions that a tool or a function of the app answers without a language model
    repeat     25%   an earlier request again, word for word

The shares are an assumption, made before anything was measured: an assistant with a handful of registered functions,
whose users ask a question again one time in four. No figure hangs on them alone: every result is also given without
repeats and without tool questions. Within the recorded questions the small sets are whole, and the two large ones
weigh the same.

Everything is chosen by the SHA-256 of the prompt, so that no random state, order of a file or version of a library
can change it. Only rows whose hash falls into `BUCKET` are taken: training leaves the same rows out.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

FROZEN = Path(__file__).with_name("replay_mix.json")

Kind = Literal["recorded", "intent"]
Row = Mapping[str, Any]

BUCKET = range(25)
"""The hundredths of all rows, by their hash, that the mix draws from and that training leaves out."""

RECORDED = {"routellm_mmlu": 650, "mmlu_pro": 650, "gsm8k": 208, "zeroeval_math_l5": 124, "zeroeval_crux": 135}
"""How many questions of each set: the small sets whole, the two large ones equally."""

CLINC = (
    "calculator",
    "measurement_conversion",
    "time",
    "date",
    "timezone",
    "weather",
    "exchange_rate",
    "flight_status",
    "traffic",
    "balance",
    "bill_due",
    "order_status",
    "roll_dice",
    "flip_coin",
)
SNIPS = {"GetWeather": 160, "SearchScreeningEvent": 160}
NUMERSENSE = 97
RECOGNIZERS = 60

REPEATS = 1 / 3
"""Repeats for each request that is asked for the first time: a quarter of all."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One request of the mix.

    `name` is the set's name, with the intent after a colon. `repeat` says that an earlier item has the same prompt.
    `row` is the data it was made of.
    """

    kind: Kind
    name: str
    prompt: str
    row: Row = field(repr=False)
    repeat: bool = False

    @property
    def source(self) -> str:
        """The data set alone."""
        return self.name.partition(":")[0]

    @property
    def intent(self) -> str:
        """The intent, or nothing."""
        return self.name.partition(":")[2]


# --- choosing -----------------------------------------------------------------------------


def digest(*parts: str) -> str:
    """Return the SHA-256 of the parts."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def share(*parts: str) -> float:
    """Return a number in [0, 1) that depends on the parts alone."""
    return int(digest(*parts)[:13], 16) / 16**13


def in_bucket(prompt: str, bucket: range = BUCKET) -> bool:
    """Say whether a row is the replay's, and no training's."""
    return int(hashlib.sha256(prompt.encode()).hexdigest()[:8], 16) % 100 in bucket


def read(folder: Path, name: str) -> list[Row]:
    """Return the rows of one set; the rows that training may not see among them."""
    path = folder / name / "rows.jsonl.gz"
    if not path.is_file():
        raise SystemExit(
            f"{path} is missing: the mix is made of {', '.join(sets())}. Pass the folder that holds one folder per "
            "set, each with rows.jsonl.gz and meta.json."
        )
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def sets() -> tuple[str, ...]:
    """Return the names of the folders that the mix is made of."""
    recorded = ("routellm_mmlu", "mmlu_pro", "routellm_gsm8k", "zeroeval_gsm8k", "zeroeval_math_l5", "zeroeval_crux")
    return (*recorded, "zeroeval_numersense", "clinc150", "snips2017", "recognizers_specs")


def first(rows: Iterable[Row], name: str, bucket: range, count: int | None = None) -> list[Row]:
    """Return the first `count` rows of the bucket in the order of their hashes, each prompt once."""
    once = {row["prompt"]: row for row in reversed(list(rows)) if in_bucket(row["prompt"], bucket)}
    return sorted(once.values(), key=lambda row: digest("replay", name, row["prompt"]))[:count]


def lettered(row: Row) -> str:
    """Return a question of MMLU-Pro with its options as a user would paste it."""
    letters = "ABCDEFGHIJKLMNOP"
    options = "\n".join(f"{letters[n]}. {option}" for n, option in enumerate(row["options"]))
    return f"{row['prompt']}\n{options}\nAnswer:"


def recorded(folder: Path, bucket: range = BUCKET) -> list[Item]:
    """Return the questions with recorded outcomes."""
    by_set: dict[str, Sequence[Row]] = {
        name: [row for row in read(folder, name) if not row.get("contaminated")] for name in RECORDED if name != "gsm8k"
    }
    by_set["gsm8k"] = gsm8k(folder)
    items = []
    for name, count in RECORDED.items():
        for row in first(by_set[name], name, bucket, count):
            source = row.get("set", name)
            prompt = lettered(row) if name == "mmlu_pro" else row["prompt"]
            items.append(Item(kind="recorded", name=source, prompt=prompt, row=row))
    return items


def gsm8k(folder: Path) -> list[Row]:
    """Return each question of GSM8K once: half with RouteLLM's pair of models, half with ZeroEval's.

    RouteLLM's rows have no answer of record; ZeroEval's row of the same question has it.
    """
    theirs = {row["prompt"]: row for row in read(folder, "routellm_gsm8k") if not row["contaminated"]}
    rows = []
    for row in read(folder, "zeroeval_gsm8k"):
        other = theirs.get(row["prompt"])
        if other is not None and share("gsm8k", row["prompt"]) < 0.5:
            rows.append({**other, "answer": row["answer"], "set": "routellm_gsm8k"})
        else:
            rows.append({**row, "set": "zeroeval_gsm8k"})
    return rows


def intents(folder: Path, bucket: range = BUCKET) -> list[Item]:
    """Return the questions that tools answer."""
    clinc = read(folder, "clinc150")
    items = [
        Item(kind="intent", name=f"clinc150:{intent}", prompt=row["prompt"], row=row)
        for intent in CLINC
        for row in first((r for r in clinc if r["intent"] == intent), "clinc150", bucket)
    ]
    snips = read(folder, "snips2017")
    for intent, count in SNIPS.items():
        rows = first((r for r in snips if r["intent"] == intent), "snips2017", bucket, count)
        items += [Item(kind="intent", name=f"snips2017:{intent}", prompt=row["prompt"], row=row) for row in rows]
    for row in first(read(folder, "zeroeval_numersense"), "numersense", bucket, NUMERSENSE):
        items.append(Item(kind="intent", name="zeroeval_numersense:compare", prompt=row["prompt"], row=row))
    specs = (row for row in read(folder, "recognizers_specs") if whole(row))
    for row in first(specs, "recognizers", bucket, RECOGNIZERS):
        kind = row["spec"].rpartition("/")[2].removesuffix("Model")
        items.append(Item(kind="intent", name=f"recognizers_specs:{kind}", prompt=row["prompt"], row=row))
    return items


def whole(row: Row) -> bool:
    """Say whether the prompt is one number, amount or date and nothing else: what a user types into a form."""
    results = row["results"]
    if len(results) != 1 or not isinstance(results[0], Mapping):
        return False
    return str(results[0].get("text", results[0].get("Text", ""))).strip().lower() == row["prompt"].strip().lower()


# --- order and repeats --------------------------------------------------------------------


def repeated(items: Sequence[Item], count: int) -> list[tuple[float, Item]]:
    """Return `count` repeats, each at its place in [0, 1) after the first of its kind.

    A few requests are repeated often and most never: the rank of the one that is repeated goes with the third power
    of a uniform number. Of ten items the first in the order of popularity gets 46% of the repeats.
    """
    popular = sorted(items, key=lambda item: digest("popular", item.prompt))
    found = []
    for n in range(count):
        item = popular[int(len(popular) * share("rank", str(n)) ** 3)]
        begin = place(item)
        at = begin + (1 - begin) * share("when", str(n), item.prompt)
        found.append((at, Item(kind=item.kind, name=item.name, prompt=item.prompt, row=item.row, repeat=True)))
    return found


def place(item: Item) -> float:
    """Return where in the workload, from 0 to 1, an item is asked first."""
    return share("place", item.prompt)


def build(folder: Path, bucket: range = BUCKET) -> list[Item]:
    """Return the workload in order. Another bucket gives one of the same make for tuning on."""
    once: dict[str, Item] = {}
    for item in (*recorded(folder, bucket), *intents(folder, bucket)):
        once.setdefault(item.prompt, item)
    items = list(once.values())
    placed = [(place(item), item) for item in items] + repeated(items, round(len(items) * REPEATS))
    return [item for _, item in sorted(placed, key=lambda pair: (pair[0], pair[1].repeat, pair[1].prompt))]


# --- what training must not see -----------------------------------------------------------

_OPTIONS = re.compile(r"\n\s*\(?A[.)]\s")


def stem(prompt: str) -> str:
    """Return a question without its options, case and punctuation.

    MMLU's questions come again in MMLU-Pro with other options: their texts differ, and so do their buckets.
    """
    return re.sub(r"\W+", " ", _OPTIONS.split(prompt)[0].lower()).strip()


def stems(folder: Path) -> frozenset[str]:
    """Return the stems of every question of the mix: no row of any set that has one may be trained on."""
    return frozenset(stem(item.row["prompt"]) for item in build(folder))


# --- frozen -------------------------------------------------------------------------------


def fingerprint(items: Sequence[Item]) -> str:
    """Return the SHA-256 over what each request is, and the order."""
    lines = [f"{i.kind} {i.name} {int(i.repeat)} {hashlib.sha256(i.prompt.encode()).hexdigest()}" for i in items]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def described(items: Sequence[Item]) -> dict[str, Any]:
    """Return what is kept of the mix: hashes and counts, no prompt."""
    counts: dict[str, int] = {}
    for item in items:
        key = "repeat" if item.repeat else f"{item.kind} {item.name}"
        counts[key] = counts.get(key, 0) + 1
    return {"sha256": fingerprint(items), "requests": len(items), "counts": dict(sorted(counts.items()))}


def check(items: Sequence[Item], frozen: Path = FROZEN) -> None:
    """Refuse a mix other than the frozen one."""
    kept = json.loads(frozen.read_text(encoding="utf-8"))
    found = fingerprint(items)
    if found != kept["sha256"]:
        raise SystemExit(
            f"This mix of {len(items)} requests has the hash {found[:16]}, and the frozen one of {kept['requests']} "
            f"requests has {kept['sha256'][:16]} ({frozen.name}): the data in this folder are not the ones it was made "
            "of. Pass the folder with the same data, or --unfrozen to measure on this mix and say so."
        )
