"""What task models made of labelled intents keep of their promise, and what they cost.

    python benchmarks/distil.py DATA [--sets clinc150,banking77,snips2017] [--seeds 3] [--compared 30] [--json FILE]

DATA holds one folder a set with rows.jsonl.gz (split, intent, prompt): CLINC150 (Larson et al. 2019, CC-BY-3.0),
BANKING77 (Casanueva et al. 2020, CC-BY-4.0) and SNIPS (Coucke et al. 2018, CC0). The recorded large model gives the
set's label, and in 5% of the calls another one at random. A task model is trained on such a log as `greenai distil`
trains it, written, read again, and asked the prompts that came last; its answers are compared with what the large
model says when it is consistent, and with what the log says. Prompts of a kind that
the log does not have are those of benchmarks/distil_drift.py.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from greenai.answerers import distilled, kernel
from greenai.answerers.skeleton import Part, Template
from greenai.audit.values import Logged
from greenai.distil import file, pairs, train

SLIPS, PROMISE = 0.05, 0.98
SEEN: dict[str, kernel.Seen] = {}
see = kernel.see


def remembered(text, _skimmed=None):
    """Each text's vectors once for all seeds; latency is measured without."""
    if text not in SEEN:
        SEEN[text] = see(text)
    return SEEN[text]


def rows_of(data, name):
    with gzip.open(data / name / "rows.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    known = [(row["prompt"], row["intent"]) for row in rows if not row["split"].startswith("oos")]
    return known, [row["prompt"] for row in rows if row["split"].startswith("oos")]


def template_of(labels):
    system = "Say which intent the user's message has. Answer with its name alone. Intents: " + ", ".join(labels)
    return Template(parts=(Part(role="system", literals=(system,)), Part(role="user", literals=("Message: ", ""))))


def asked(template, text):
    return [
        {"role": "system", "content": template.parts[0].literals[0]},
        {"role": "user", "content": f"Message: {text}"},
    ]


def log_of(template, known, labels, draw):
    for at, (text, intent) in enumerate(known):
        slip = draw.random() < SLIPS
        answer = draw.choice([label for label in labels if label != intent]) if slip else intent
        yield Logged(where=f"log:{at}", created=float(at), messages=tuple(asked(template, text)), answer=answer)


def answers(model, template, texts):
    said = [model.answer(asked(template, text)) for text in texts]
    return [None if one is None else one.text for one in said]


def once(known, seed, name, compared=0):
    draw = random.Random(seed)
    known = draw.sample(known, len(known))
    labels = sorted({intent for _, intent in known})
    template = template_of(labels)
    logged = pairs.collect(log_of(template, known, labels, draw), template)
    kernel.see = remembered
    trained = train.train(logged, name=name, promise=PROMISE, teacher="recorded")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "task.greenai"
        file.write(trained, path)
        size, model = path.stat().st_size, distilled.read(path)
    cut = round(len(known) * (1 - train.TESTED))
    before = {text.casefold() for text, _ in known[:cut]}
    last = [(text, intent) for text, intent in known[cut:] if text.casefold() not in before]
    said = answers(model, template, [text for text, _ in last])
    answered = [(got, intent) for got, (_, intent) in zip(said, last, strict=True) if got is not None]
    right = sum(got == intent for got, intent in answered)
    kernel.see = see
    took, cores = [], []
    for text, _ in last[:300]:
        start, core = time.perf_counter(), time.process_time()
        model.answer(asked(template, text))
        took.append(time.perf_counter() - start)
        cores.append(time.process_time() - core)
    tested = trained.tested
    beside = {}
    for warm in (False, True) if compared else ():
        each = beside_the_language_model(model, template, [text for text, _ in last[:compared]], warm=warm)
        beside["prefix kept" if warm else "whole prompt"] = each
    return {
        "set": name, "seed": seed, "labels": len(labels), "learnt": model.header["learnt"], "asked": len(last),
        "coverage": len(answered) / len(last), "agreement": right / max(1, len(answered)),
        "slips": trained.slips.share, "bound": model.header["bound"],
        "early": tested.early / tested.pairs,
        "corrected": tested.corrected, "raw": tested.agreement, "tested_coverage": tested.coverage,
        "core_ms": 1000 * statistics.fmean(cores),
        "ms": 1000 * statistics.median(took), "ms_p95": 1000 * statistics.quantiles(took, n=20)[-1],
        "mb": size / 1e6, "fit_core_s": trained.fit_core_s, "language_model": beside,
    }  # fmt: skip


def beside_the_language_model(model, template, texts, *, warm):
    """Return core-milliseconds an item of both, prompt by prompt in turns; the language model may keep the prefix."""
    from batching import ask

    from greenai.local import Engines, EngineSettings
    from greenai.meters.core_time import process_ns

    engines = Engines(EngineSettings(slots=1, context_tokens=4096, threads=1))
    ours, theirs = [], []
    try:
        engine = engines.get("smollm2-135m")
        for at, text in enumerate([texts[0], *texts]):
            messages = asked(template, text)
            began, own = process_ns(engine.pid), time.process_time_ns()
            model.answer(messages)
            between, used = process_ns(engine.pid), time.process_time_ns()
            ask(engine, "", 8, messages=messages, cache_prompt=warm)
            if at:
                ours.append((used - own) / 1e6)
                theirs.append((process_ns(engine.pid) - between) / 1e6)
            assert between - began < 5e6, "the language model worked while ours was measured"
    finally:
        engines.close()
    draw, count = random.Random(1), len(ours)
    many = [draw.choices(range(count), k=count) for _ in range(2000)]
    drawn = sorted(sum(theirs[n] for n in rows) / sum(ours[n] for n in rows) for rows in many)
    return {
        "ours_core_ms": statistics.fmean(ours), "theirs_core_ms": statistics.fmean(theirs),
        "times": sum(theirs) / sum(ours), "times_low": drawn[50], "times_high": drawn[1949],
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", default="clinc150,banking77,snips2017")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--compared", type=int, default=0, help="prompts that SmolLM2 answers too, of the first seed")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = []
    for name in given.sets.split(","):
        known, _unseen = rows_of(given.data, name)
        for seed in range(given.first_seed, given.first_seed + given.seeds):
            found.append(once(known, seed, name, given.compared if seed == given.first_seed else 0))
            print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in found[-1].items()}), flush=True)
            if given.json:
                given.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
        SEEN.clear()


if __name__ == "__main__":
    main()
