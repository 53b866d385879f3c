"""Task models that copy: how much of held-out texts they answer, and how much of that is right.

    python benchmarks/distil_spans.py FOLDER [SEEDS]

FOLDER is the shared routing data. Three tasks on real texts:

- dates: Microsoft's Recognizers-Text specifications, texts of the English date model with one date or none (MIT);
- rating: SNIPS 2017, RateBook: how many points, written by a rule of ours (CC0);
- playlist: SNIPS 2017, AddToPlaylist: the name of the playlist, written by a rule of ours.

Rules are what a person would write to make such a set: what they leave out is answered "none". A wrong answer is a
stretch of the text at random. Counted is agreement with the answers before they were made wrong.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import statistics
import sys
import time
from pathlib import Path

from greenai.answerers import spans
from greenai.answerers.skeleton import Part, Template
from greenai.distil import kinds
from greenai.distil.pairs import Pairs
from greenai.distil.train import NotWorthIt

SLIPS, PROMISE, HELD_OUT = 0.05, 0.98, 0.2
NUMBER = r"zero|one|two|three|four|five|six|\d+"
RATED = re.compile(
    rf"\b(?:an?|give|rate|deserves|gets|is|with|at)\s+(?:rating of |rating value of )?({NUMBER})"
    r"(?= (?:stars?|points?|out of|of)|[.!]?$)",
    re.IGNORECASE,
)
LISTED = (
    re.compile(r"\b(?:to|on|onto|in|into) (?:my|the|a|this|our|[a-z]+'s) (.+?) playlist", re.IGNORECASE),
    re.compile(r"playlist (?:called|named|titled) (.+?)[.]?$", re.IGNORECASE),
)
TEMPLATE = Template(parts=(Part(role="user", literals=("What does the text name? Text: ", "")),))


def rows(path):
    with gzip.open(path / "rows.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def dates(data):
    for row in rows(data / "recognizers_specs"):
        found = row["results"]
        if row["spec"].startswith("DateTime/English") and len(found) < 2:
            yield row["prompt"], found[0]["text"] if found else "none"


def rating(data):
    for row in rows(data / "snips2017"):
        if row["intent"] == "RateBook":
            found = RATED.search(row["prompt"])
            yield row["prompt"], found[1] if found else "none"


def playlist(data):
    for row in rows(data / "snips2017"):
        if row["intent"] == "AddToPlaylist":
            found = next((one for rule in LISTED if (one := rule.search(row["prompt"]))), None)
            yield row["prompt"], found[1] if found else "none"


def slipped(text, answer, draw):
    if draw.random() >= SLIPS:
        return answer
    tokens = spans.tokens(text)
    begin = draw.randrange(len(tokens))
    return text[tokens[begin].begin : tokens[min(len(tokens) - 1, begin + draw.randrange(3))].end]


def once(task, seed):
    draw = random.Random(seed)
    known = [*{text.casefold(): (text, answer) for text, answer in task if spans.tokens(text)}.values()]
    draw.shuffle(known)
    pairs = Pairs(
        template=TEMPLATE,
        texts=tuple(text for text, _ in known),
        answers=tuple(slipped(text, answer, draw) for text, answer in known),
    )
    try:
        made = kinds.made(pairs, name="copy", promise=PROMISE, kind="span")
    except NotWorthIt as error:
        return {"pairs": len(known), "refused": str(error)}
    last = known[round(len(known) * (1 - HELD_OUT)) :]
    began = time.process_time()
    said = [
        made.model.answer([{"role": "user", "content": f"What does the text name? Text: {text}"}]) for text, _ in last
    ]
    took = (time.process_time() - began) / len(last)
    answered = [(one.text, answer) for one, (_, answer) in zip(said, last, strict=True) if one is not None]
    right = sum(spans.spelt(got) == spans.spelt(answer) for got, answer in answered)
    return {
        "pairs": len(known), "kind": made.model.kind, "coverage": len(answered) / len(last), "answered": len(answered),
        "right": right, "agreement": right / max(1, len(answered)), "core_ms": 1e3 * took,
        "fit_core_s": made.fit_core_s, "slips": made.slips.share,
    }  # fmt: skip


def main():
    data, seeds = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3
    for task in (dates, rating, playlist):
        found = [once([*task(data)], seed) for seed in range(seeds)]
        kept = [one for one in found if "refused" not in one]
        told = {name: [one[name] for one in kept] for name in ("coverage", "core_ms", "fit_core_s")} if kept else {}
        summed = {
            "task": task.__name__,
            "seeds": seeds,
            "pairs": found[0]["pairs"],
            "agreement": sum(one["right"] for one in kept) / max(1, sum(one["answered"] for one in kept)),
            **{name: statistics.fmean(values) for name, values in told.items()},
            "refused": [one["refused"] for one in found if "refused" in one],
        }
        print(json.dumps(summed), flush=True)


if __name__ == "__main__":
    main()
