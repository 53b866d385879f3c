"""What a task model keeps of its promise when prompts of a kind arrive that its log did not have.

    python benchmarks/distil_drift.py DATA [--sets clinc150,banking77,snips2017] [--seeds 3] [--streams 2] [--json FILE]
    python benchmarks/distil_drift.py DATA --simulated 40 [--labels-only]

DATA as for benchmarks/distil.py. The log lacks one intent in seven of BANKING77 and SNIPS, drawn anew for each seed;
CLINC150 has prompts out of its scope besides. A task model is trained on it as `greenai distil` trains it, and
switched on in a client whose large model says what it said in the log, 5% of the time another label. Calls arrive one
by one: 500 prompts as the log had them, then 1,250 of which one in five is of a kind that the log lacked, none of them
seen before. Everything between the prompt and the receipt is the real thing. Reported is what the task model answered
itself, and whether that is what the large model means; beside it the same without the guard.

With `--simulated` the guard alone is shown so many streams, on what the model made of each prompt once, and long ones
without strangers, for false alarms. With `--labels-only` strangers are answered with some label of the log, each with
one drawn for it, so that the scores alone raise the alarm.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import distil
from distil import PROMISE, SLIPS, asked, log_of, remembered, rows_of, template_of

from greenai.answerers import agreement, kernel
from greenai.answerers.distilled import Abstained
from greenai.answerers.guard import AUDITED, Answered, Compared, Guard
from greenai.answerers.replies import novelty
from greenai.distil import file, pairs, train
from greenai.testing import FakeProvider, offline

BEFORE, DURING, STRANGERS = 500, 1250, 0.2
USUAL, FEW, MOST_OF = 20_000, 1 / 3, 0.8


def kept_out(known, seed):
    """Return the rows of all intents but every seventh or so, and those of the others."""
    labels = sorted({intent for _, intent in known})
    out = set(random.Random(seed).sample(labels, max(1, len(labels) // 7)))
    return [row for row in known if row[1] not in out], [row for row in known if row[1] in out]


def trained_on(known, seed, name):
    """Return a task model, its template, and the prompts that came after those that it learnt."""
    draw = random.Random(seed)
    known = draw.sample(known, len(known))
    labels = sorted({intent for _, intent in known})
    template = template_of(labels)
    logged = pairs.collect(log_of(template, known, labels, draw), template)
    cut = round(len(known) * (1 - train.TESTED))
    before = {text.casefold() for text, _ in known[:cut]}
    last = [(text, intent) for text, intent in known[cut:] if text.casefold() not in before]
    return train.train(logged, name=name, promise=PROMISE, teacher="recorded"), template, last


def arriving(last, strange, draw):
    """Return the prompts of one stream and what the large model means, and whether strangers arrive by then."""
    known, strangers = iter(draw.sample(last, len(last))), iter(draw.sample(strange, len(strange)))
    for at in range(BEFORE + DURING):
        drifts = at >= BEFORE
        yield (*next(strangers if drifts and draw.random() < STRANGERS else known), drifts)


def stream(path, template, last, strange, labels, seed):
    """Return how many prompts of each phase it was asked and answered, and how many answers were what was meant."""
    draw = random.Random(f"stream {seed}")
    counts, meant, guards = Counter(), "", []

    def large(_call):
        others = [label for label in labels if label != meant]
        return draw.choice(others) if draw.random() < SLIPS else meant

    with tempfile.TemporaryDirectory() as folder:
        settings = {"ledger": str(Path(folder) / "ledger.db"), "cache": "off", "without_opt_in": "downgrade"}
        with offline(FakeProvider(default=large), settings=settings) as client:
            client.distilled(path, mode="on")
            client._session.resources.shelf._draw = draw.random
            prompts = list(arriving(last, strange, random.Random(f"prompts {seed}")))
            for at, (text, intent, drifts) in enumerate(prompts):
                meant, phase = intent, "drift" if drifts else "before"
                response = client.chat.completions.create(model="gpt-5.5", messages=asked(template, text))
                own = response.greenai.outcome == "task_model"
                counts[phase, "asked"] += 1
                counts[phase, "answered"] += own
                counts[phase, "right"] += own and response.choices[0].message.content == intent
                if any(" is under guard since " in reason for reason in response.greenai.decision.reasons):
                    guards.append(at - BEFORE)
            fell = client._session.resources.ledger.all_distilled()[0]["fell"] is not None
    found = {"guarded_before": sum(at < 0 for at in guards), "guard_at": next((at for at in guards if at >= 0), None)}
    for phase in ("before", "drift"):
        answered = counts[phase, "answered"]
        found[f"coverage_{phase}"] = answered / counts[phase, "asked"]
        found[f"agreement_{phase}"] = counts[phase, "right"] / max(1, answered)
        found[f"answered_{phase}"], found[f"right_{phase}"] = answered, counts[phase, "right"]
    return {**found, "fell": fell}


def once(known, strange, seed, name, streams):
    kernel.see = remembered
    trained, template, last = trained_on(known, seed, name)
    labels = sorted({intent for _, intent in known})
    bare = {key: value for key, value in trained.held.header.items() if key != "guard"}
    with tempfile.TemporaryDirectory() as folder:
        paths = {True: Path(folder) / "guarded.greenai", False: Path(folder) / "bare.greenai"}
        file.write(trained, paths[True])
        file.write(replace(trained, held=replace(trained.held, header=bare)), paths[False])
        for at in range(streams):
            for guarded, path in paths.items():
                found = stream(path, template, last, strange, labels, f"{seed} {at}")
                yield {"set": name, "seed": seed, "stream": at, "guard": guarded, **found}


# --- the guard alone ------------------------------------------------------------------------


def looked(model, template, rows):
    """Return what each prompt means, and what the model makes of it, without guard and under it."""
    found = [
        (intent, *(model.explain(asked(template, text), guarded=guarded) for guarded in (False, True)))
        for text, intent in rows
    ]
    return [row for row in found if row[1].told is not None]


def simulated(model, last, strange, seed, *, labels_only):
    """Return the figures of one stream."""
    familiar, labels, draw = model.guard, model.labels, random.Random(f"stream {seed}")
    guard, counts, alarm = Guard(), Counter(), None
    prompts = arriving(last, strange, random.Random(f"prompts {seed}"))
    for at, (intent, usual, guarded, drifts) in enumerate(prompts):
        meant, phase = intent, "drift" if drifts else "before"
        if labels_only and intent not in labels:
            meant = draw.choice(labels)
        said = draw.choice([label for label in labels if label != meant]) if draw.random() < SLIPS else meant
        found = usual if guard.on is None else guarded
        guard = guard.after((familiar.bin_of(usual.told.watched),), familiar, at)
        counts[phase, "asked"] += 1
        if isinstance(found, Abstained):
            guard = guard.after((Answered("small", *novelty(said, labels)),), familiar, at)
        elif not guard.answers(found.told.label, found.told.lead, familiar) or draw.random() < _audited(guard):
            guard = guard.after((Compared(found.told.label, same=found.text == said),), familiar, at)
        else:
            counts[phase, "answered"] += 1
            counts[phase, "right"] += found.text == meant
        if guard.on is not None and alarm is None:
            alarm = at - BEFORE
    return counts, alarm


def _audited(guard):
    return agreement.AUDITED if guard.on is None else AUDITED


def false_alarms(model, last, seed, *, shifted):
    """Return how often the guard goes on without strangers; a third of the labels may make up 80% after a while."""
    familiar, labels, draw = model.guard, model.labels, random.Random(f"usual {seed}")
    some = set(draw.sample(labels, max(1, round(FEW * len(labels)))))
    parts = [[row for row in last if (row[0] in some) == chosen] for chosen in (True, False)]
    guard, alarms = Guard(), 0
    for at in range(USUAL):
        rows = parts[draw.random() >= MOST_OF] if shifted and at >= BEFORE else last
        intent, usual, _ = draw.choice(rows)
        said = draw.choice(labels) if draw.random() < SLIPS else intent
        guard = guard.after((familiar.bin_of(usual.told.watched),), familiar, at)
        if isinstance(usual, Abstained):
            guard = guard.after((Answered("small", *novelty(said, labels)),), familiar, at)
        if guard.on is not None:
            guard, alarms = Guard(heard=guard.heard), alarms + 1
    return alarms


def simulate(known, strange, seed, name, streams, *, labels_only):
    """Return the figures of all streams of one draw."""
    kernel.see = remembered
    trained, template, last = trained_on(known, seed, name)
    model = trained.model
    last, strange = (looked(model, template, rows) for rows in (last, strange))
    found = [simulated(model, last, strange, f"{seed} {at}", labels_only=labels_only) for at in range(streams)]
    total = sum((counts for counts, _ in found), Counter())
    each = [counts["drift", "right"] / max(1, counts["drift", "answered"]) for counts, _ in found]
    alarms = [DURING if alarm is None else alarm for _, alarm in found]
    return {
        "set": name, "seed": seed, "streams": streams, "labels_only": labels_only,
        **{f"coverage_{phase}": total[phase, "answered"] / total[phase, "asked"] for phase in ("before", "drift")},
        **{f"agreement_{phase}": total[phase, "right"] / total[phase, "answered"] for phase in ("before", "drift")},
        "least": min(each), "kept_97": sum(one >= 0.97 for one in each),
        "alarm": statistics.fmean(alarms), "alarm_median": statistics.median(alarms), "alarm_last": max(alarms),
        "too_early": sum(alarm < 0 for alarm in alarms),
        "false": false_alarms(model, last, seed, shifted=False),
        "false_shifted": false_alarms(model, last, seed, shifted=True),
    }  # fmt: skip


def measured(rows, strange, seed, name, given):
    if given.simulated:
        return [simulate(rows, strange, seed, name, given.simulated, labels_only=given.labels_only)]
    return once(rows, strange, seed, name, given.streams)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", default="clinc150,banking77,snips2017")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--streams", type=int, default=2)
    parser.add_argument("--simulated", type=int, default=0, metavar="STREAMS")
    parser.add_argument("--labels-only", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = []
    for name in given.sets.split(","):
        known, unseen = rows_of(given.data, name)
        for seed in range(given.first_seed, given.first_seed + given.seeds):
            rows, strange = (known, [(text, "none of them") for text in unseen]) if unseen else kept_out(known, seed)
            for one in measured(rows, strange, seed, name, given):
                found.append(one)
                print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in one.items()}), flush=True)
                if given.json:
                    given.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
        distil.SEEN.clear()


if __name__ == "__main__":
    main()
