"""Does the audit's avoidable share, with its interval, cover the true one on logs whose truth is known?

    python benchmarks/audit_truth.py FOLDER [--left-out left_out.json] [--fits fits.json] [--pairs] [--mixes 50]
        [--work WORK]

FOLDER holds public routing data, one folder per set (rows.jsonl.gz). Each log is a random mix of

- MMLU questions of random subjects and GSM8K problems, answered by GPT-4 and Mixtral 8x7B (RouteLLM's records): less
  would have sufficed unless GPT-4 was right and Mixtral wrong;
- utterances of CLINC150 under a template that asks for one of some intents, 300 or more different ones, and repeats:
  less would have sufficed for a repeat, and for what a task model answers as recorded. Task models are made of these
  utterances as `greenai distil` makes them, 98% promised: each of four fifths, and asked the fifth that it has not
  seen; one that is refused answers none. What a task model leaves to the ladder, or answers otherwise, counts as not
  avoidable: no small model's answer to it is recorded. How many intervals hold the share that counts what it leaves as
  avoidable is told beside;
- sums, percentages, and which of two decimals is larger (ZeroEval's): a tool computes them.

Shares are drawn from a flat Dirichlet distribution, 2 to 40 subjects of 40, 5 to 40 intents of 150, 300 different
utterances up to all that the calls have room for: difficulty shifts from mix to mix. `--left-out` is made by
training/classify/left_out.py: each question is then judged by a fit that left its subject out; without it, by the
shipped weights, which were fitted on these rows. Near repeats are not looked for: no set records whether another
question's answer serves.

`--fits` is made by training/audit/pairs.py --leave-out: the small and the large model of a mix are then two that the
fit had not seen, of which it knows size and date. Without it, what was recorded of them counts.

With `--pairs` the mixes are of many pairs of models, so that the true share goes from a quarter to nearly all: of
MMLU-Pro's questions by category, or of GSM8K, MATH and CRUXEval (ZeroEval), and more of them in a mix. These sets are
fitted on, with other models; the classifier's weights have seen MMLU-Pro's and GSM8K's questions.

With `--unseen` the questions of MMLU are replaced by those of RouterBench (ARC-challenge, MBPP, WinoGrande; the same
two models, judged by the shipped weights): sets that no fit has seen, one to three of them in a mix. `--shift` measures
what the intervals allow for (greenai/audit/simulate.py).

A mix takes about 3 s of a core, after a minute for MiniLM's vectors. WORK keeps these, what task models answered, and
each mix that is done: the same command goes on where it was. Where the code changed that a part rests on, that part is
made anew.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import greenai
from greenai.answerers import kernel
from greenai.answerers.skeleton import Part, Template
from greenai.audit.columns import columns
from greenai.audit.estimate import found, looked_at
from greenai.audit.labels import LEAST
from greenai.audit.pairs import loaded
from greenai.audit.values import Logged
from greenai.classify import Classifier
from greenai.distil import train
from greenai.distil.pairs import Pairs
from greenai.embed import minilm
from greenai.values import Assessment

SMALL, MODEL = "Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview"
OWN = Path(__file__).parents[1] / "training" / "audit" / "smollm2.csv"
ONCE_S = 20.0
SYSTEM = "Which of these is the user's intent? Answer with its name only: "
PROMISE, FOLDS = 0.98, round(1 / train.TESTED)
MADE = ("mmlu", "gsm8k", "clinc", "tools", "subjects", "intents", "different", "answered", "refused")
PACKAGE = Path(greenai.__file__).parent


# --- what is made once -----------------------------------------------------------------------


def code_of(*patterns: str) -> str:
    """Return a digest of some of the package's files."""
    files = sorted({file for pattern in patterns for file in PACKAGE.glob(pattern)})
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


class Work:
    """What is made once for all mixes, and kept in a folder for the next run; without one, for this run."""

    def __init__(self, folder: Path | None, texts: list[str], run: str) -> None:
        self.folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._vectors = self._minilm(sorted(texts))
        self._seen: dict[str, kernel.Seen] = {}
        self._readable: dict[str, bool] = {}
        self._held: dict[str, dict[str, Any]] = {}
        self._made_by = code_of("distil/*.py", "answerers/distilled.py", "answerers/kernel.py", "embed/*")
        self._run = f"{run}-{code_of('audit/*.py', 'audit/*.json', 'classify/*')}-{self._made_by}"
        self._assessed: dict[str, Assessment] = {}
        self._classifier = Classifier.load()
        kernel.see, self._reads = self.see, kernel.readable
        train.split.__defaults__ = (self.readable,)

    def _kept(self, name: str, key: str, make: Callable[[], Any]) -> Any:
        file, held = None if self.folder is None else self.folder / name, self._held.setdefault(name, {})
        if key not in held and file is not None and file.exists():  # another run may have made it by now
            held.update(json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())
        if key not in held:
            held[key] = make()
            if file is not None:
                with file.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps([key, held[key]]) + "\n")
        return held[key]

    def _minilm(self, texts: list[str]) -> dict[str, np.ndarray]:
        encoder = minilm.load()
        file = None if self.folder is None else self.folder / f"{encoder.name}-clinc150.npz"
        if file is not None and file.exists():
            with np.load(file) as kept:
                return dict(zip(kept["texts"].tolist(), kept["vectors"], strict=True))
        vectors = encoder.encode(texts)
        if file is not None:
            np.savez(file, texts=np.array(texts), vectors=vectors)
        return dict(zip(texts, vectors, strict=True))

    def see(self, text: str, skimmed: kernel.Skimmed | None = None) -> kernel.Seen:
        """Return one text as task models see it."""
        if text not in self._seen:
            first = skimmed or kernel.skim(text)
            self._seen[text] = kernel.Seen(first.static, first.words, first.letters, self._vectors[text])
        return self._seen[text]

    def readable(self, text: str) -> bool:
        """Say whether MiniLM reads all of a text."""
        if text not in self._readable:
            self._readable[text] = self._reads(text)
        return self._readable[text]

    def assess(self, messages: Sequence[Mapping[str, Any]]) -> Assessment:
        """Return what the classifier says."""
        key = digest("\0".join(message["content"] for message in messages))
        if key not in self._assessed:
            self._assessed[key] = self._classifier.assess(messages)
        return self._assessed[key]

    def trained(self, key: str, make: Callable[[], Any]) -> Any:
        """Return what task models of some texts did."""
        return self._kept(f"trained-{self._made_by}.jsonl", key, make)

    def mixed(self, number: int, make: Callable[[], Any]) -> Any:
        """Return what was found of a mix."""
        return self._kept(f"mixes-{self._run}.jsonl", str(number), make)


# --- what was recorded -----------------------------------------------------------------------


def rows(folder: Path, name: str) -> list[dict]:
    with gzip.open(folder / name / "rows.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def paired(folder: Path, small: str, large: str) -> dict[str, list[dict]]:
    """Return the questions that both models were asked, by category of MMLU-Pro or by set of ZeroEval."""
    found: dict[str, list[dict]] = {}
    for name in ("mmlu_pro", "zeroeval_gsm8k", "zeroeval_math_l5", "zeroeval_crux"):
        models = json.loads((folder / name / "meta.json").read_text())["models"]
        own = {row["id"]: float(row["right"]) for row in csv.DictReader(OWN.open()) if row["set"] == name}
        if large not in models or (small not in models and not small.startswith("SmolLM2")):
            continue
        for row in rows(folder, name):
            key = str(row.get("question_id") or row["id"])
            weak = own.get(key) if small.startswith("SmolLM2") else row["ok"][models.index(small)]
            strong = row["ok"][models.index(large)]
            if weak is not None and strong is not None:
                prompt = "\n".join((row["prompt"], *row.get("options", ())))
                made = {"prompt": prompt, "weak_ok": weak, "strong_ok": strong}
                found.setdefault(row.get("category") or name, []).append(made)
    return found


class Known:
    """Calls whose truth is recorded, by kind."""

    def __init__(self, folder: Path, left_out: Path | None) -> None:
        told = json.loads(left_out.read_text()) if left_out else None
        self.left = None if told is None else {**told["mmlu"], **told["gsm8k"]}
        self.mmlu: dict[str, list] = {}
        for row in rows(folder, "routellm_mmlu"):
            if self.has(row["prompt"]) and not row["contaminated"]:
                self.mmlu.setdefault(row["subject"], []).append(row)
        self.mmlu = {subject: held for subject, held in self.mmlu.items() if len(held) >= 30}
        self.gsm8k = [r for r in rows(folder, "routellm_gsm8k") if self.has(r["prompt"]) and not r["contaminated"]]
        self.clinc: dict[str, list[str]] = {}
        for row in rows(folder, "clinc150"):
            if row["intent"] != "oos":
                self.clinc.setdefault(row["intent"], []).append(row["prompt"])
        self.decimals = [(r["prompt"], r["answer"]) for r in rows(folder, "zeroeval_numersense")]

    def unseen(self, folder: Path) -> None:
        """Take RouterBench's questions in place of MMLU's."""
        models = json.loads((folder / "routerbench_part" / "meta.json").read_text())["models"]
        weak, strong = models.index("mistralai/mixtral-8x7b-chat"), models.index("gpt-4-1106-preview")
        self.mmlu = {}
        for row in rows(folder, "routerbench_part"):
            ok = [(row["ok"][at] or 0) >= 0.5 for at in (weak, strong)]
            made = {"prompt": row["prompt"], "weak_ok": ok[0], "strong_ok": ok[1]}
            self.mmlu.setdefault(row["eval_name"], []).append(made)

    def has(self, prompt: str) -> bool:
        return self.left is None or digest(prompt) in self.left

    def judge(self, classifier: Work):
        if self.left is None:
            return None
        left = self.left

        def large_gain(call: Logged) -> float:
            text = call.messages[-1]["content"]
            held = left.get(digest(text))
            return classifier.assess(call.messages).large_gain if held is None else held

        return large_gain


def recorded(row: dict) -> bool:
    return not (row["strong_ok"] and not row["weak_ok"])


def answered(said: list[tuple[str, str]], intents: list[str]) -> tuple[dict[str, bool], int]:
    """Return what a task model made of the others answers, and whether as recorded; and how many of them were refused.

    What it leaves to the ladder is in none.
    """
    system = SYSTEM + ", ".join(intents)
    template = Template(parts=(Part(role="system", literals=(system,)), Part(role="user", literals=("", ""))))
    right, refused = {}, 0
    for fold in range(FOLDS):
        last = said[fold::FOLDS]
        before = [pair for other in range(FOLDS) if other != fold for pair in said[other::FOLDS]]
        texts, answers = zip(*before, *last, strict=True)
        try:
            pairs = Pairs(template=template, texts=texts, answers=answers)
            model = train.train(pairs, name="mix", promise=PROMISE).model
        except train.NotWorthIt:
            refused += 1
            continue
        for prompt, intent in last:
            reply = model.answer([{"role": "system", "content": system}, {"role": "user", "content": prompt}])
            if reply is not None:
                right[prompt] = reply.text == intent
    return right, refused


def mix(
    known: Known, work: Work, count: int, rng: np.random.Generator, questions: dict[str, list] | None, model: str
) -> tuple[list[Logged], np.ndarray, dict]:
    """Return a log, whether less would have sufficed for its calls, at least and at most, and what it is made of."""
    pools = known.mmlu if questions is None else questions
    shares = rng.dirichlet(np.ones(4) if questions is None else (4.0, 1e-9, 1.0, 1.0))
    if questions is not None:
        count = min(count, int(sum(map(len, pools.values())) / max(shares[0], 0.1)))
    parts = rng.multinomial(count, shares)
    parts[2] = max(parts[2], LEAST) if parts[2] else 0  # of fewer no task model is made
    asked: list[tuple[str, str, str, bool | None]] = []  # system, prompt, answer, truth: None where it is not recorded
    subjects = rng.choice(sorted(pools), rng.integers(max(1, min(2, len(pools) - 2)), len(pools) + 1), replace=False)
    pool = [row for subject in subjects for row in pools[subject]]
    for part, source in ((parts[0], pool), (parts[1], known.gsm8k)):
        chosen = rng.permutation(len(source))[:part].tolist()
        asked.extend(("", source[at]["prompt"], "A", recorded(source[at])) for at in chosen)
    rng = rng.spawn(1)[0]  # the same utterances whatever the questions are, so that their task models are made once
    intents = rng.choice(sorted(known.clinc), rng.integers(5, 41), replace=False).tolist()
    said = list({prompt: intent for intent in intents for prompt in known.clinc[intent]}.items())
    some = [
        said[at] for at in rng.permutation(len(said))[: rng.integers(LEAST, max(LEAST, min(parts[2], len(said))) + 1)]
    ]
    right, refused = ({}, 0)
    if parts[2]:
        right, refused = work.trained(digest(json.dumps([some, intents])), lambda: answered(some, intents))
    again = rng.choice(len(some), max(0, parts[2] - len(some))).tolist()
    for prompt, intent in (*some, *(some[at] for at in again)) if parts[2] else ():
        asked.append((SYSTEM + ", ".join(intents), prompt, intent, right.get(prompt)))
    for _ in range(parts[3]):
        a, b, kind = int(rng.integers(11, 999)), int(rng.integers(2, 99)), rng.integers(3)
        if kind == 2:
            prompt, answer = known.decimals[rng.integers(len(known.decimals))]
        else:
            prompt = f"What is {a} times {b}?" if kind else f"What is {b}% of {a}?"
            answer = str(a * b) if kind else str(a * b / 100)
        asked.append(("", prompt, answer, True))
    calls: list[Logged] = []
    truth, seen = np.zeros((2, len(asked)), bool), set()
    for number, at in enumerate(rng.permutation(len(asked)).tolist()):
        system, prompt, answer, true = asked[at]
        own = ({"role": "system", "content": system},) if system else ()
        calls.append(
            Logged(
                where=f"mix:{number}", created=1.79e9 + ONCE_S * number, model=model, answer=answer,
                messages=(*own, {"role": "user", "content": prompt}), arguments={"temperature": 0},
                input_tokens=len(system + prompt) // 4 + 4, output_tokens=max(1, len(answer) // 4),
            )
        )  # fmt: skip
        truth[:, number] = ((true or False), true is not False) if (system, prompt) not in seen else (True, True)
        seen.add((system, prompt))
    made = dict(zip(("mmlu", "gsm8k", "clinc", "tools"), (parts / parts.sum()).round(3).tolist(), strict=True))
    different = len(some) if parts[2] else 0
    kept = round(sum(right.values()) / max(1, different), 3)
    labelled = {"intents": len(intents), "different": different, "answered": kept, "refused": refused}
    return calls, truth, {**made, "subjects": len(subjects), **labelled}


def shifts(folder: Path, known: Known) -> None:
    """Print by how much the log-odds of P(large right, small wrong) are off, by set of questions."""
    odds = lambda p: float(np.log(p / (1 - p)))  # noqa: E731
    if known.left is not None:
        told = np.array(
            [
                [np.mean([known.left[digest(r["prompt"])] for r in held]), 1 - np.mean([recorded(r) for r in held])]
                for held in known.mmlu.values()
            ]
        )
        noise = np.mean([told[at, 0] * (1 - told[at, 0]) / len(h) for at, h in enumerate(known.mmlu.values())])
        points = np.sqrt(max((told[:, 1] - told[:, 0]).var() - noise, 0))
        slope = float(np.mean(told[:, 0] * (1 - told[:, 0])))
        print(f"{len(told)} subjects of MMLU: off by {points:.3f} beyond noise, {points / slope:.2f} in log-odds")
    judge, found = Classifier.load(), []
    known.unseen(folder)
    for name, held in known.mmlu.items():
        some = held[:300]
        chance = [judge.assess(r["prompt"]).large_gain for r in some]
        found.append((name, np.mean(chance), 1 - np.mean([recorded(r) for r in some])))
    models = json.loads((folder / "mmlu_pro" / "meta.json").read_text())["models"]
    pair = [models.index(name) for name in ("Meta-Llama-3_1-8B-Instruct", "Meta-Llama-3_1-70B-Instruct")]
    by: dict[str, list] = {}
    for row in rows(folder, "mmlu_pro"):
        by.setdefault(row["category"], []).append(row)
    for name, held in sorted(by.items()):
        some = [r for r in held if None not in (r["ok"][pair[0]], r["ok"][pair[1]])][:200]
        chance = [judge.assess("\n".join((r["prompt"], *r["options"]))).large_gain for r in some]
        found.append(
            (f"MMLU-Pro {name}", np.mean(chance), np.mean([r["ok"][pair[1]] > r["ok"][pair[0]] for r in some]))
        )
    off = [odds(true) - odds(told) for _, told, true in found]
    for (name, told, true), by_odds in zip(found, off, strict=True):
        print(f"  {name:28} told {told:.2f}, true {true:.2f}, off by {by_odds:+.2f}")
    square = np.sqrt(np.mean(np.square(off)))
    print(f"{len(off)} sets: mean {np.mean(off):+.2f}, root mean square {square:.2f} in log-odds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--left-out", type=Path)
    parser.add_argument("--unseen", action="store_true", help="RouterBench in place of MMLU")
    parser.add_argument("--fits", type=Path, help="of training/audit/pairs.py --leave-out")
    parser.add_argument("--pairs", action="store_true", help="many pairs of models, on MMLU-Pro and ZeroEval")
    parser.add_argument("--shift", action="store_true", help="how far the classifier is off, by set of questions")
    parser.add_argument("--mixes", type=int, default=50)
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--sample", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="a folder that keeps what was made, to go on")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    known = Known(arguments.folder, arguments.left_out)
    if arguments.shift:
        shifts(arguments.folder, known)
        return
    if arguments.unseen:
        known.unseen(arguments.folder)
    if known.left is None:
        print("Without --left-out the shipped weights judge rows that they were fitted on.", file=sys.stderr)
    fits = json.loads(arguments.fits.read_text()) if arguments.fits else {}
    pairs = (
        [tuple(pair.split()) for pair in fits if pair != f"{SMALL} {MODEL}"] if arguments.pairs else [(SMALL, MODEL)]
    )
    asked = {pair: paired(arguments.folder, *pair) if arguments.pairs else None for pair in pairs}
    texts = [text for held in known.clinc.values() for text in held]
    own = (arguments.fits, arguments.left_out)
    inputs = [vars(arguments)[name] for name in ("unseen", "pairs", "calls", "sample", "seed")]
    run = digest(json.dumps([inputs, *("" if file is None else digest(file.read_text()) for file in own)]))[:12]
    work = Work(arguments.work, texts, run)
    judge, began = known.judge(work), time.monotonic()

    def one(number: int) -> dict[str, Any]:
        small, model = pairs[number % len(pairs)]
        rng = np.random.default_rng((arguments.seed, number))
        calls, truth, made = mix(known, work, arguments.calls, rng, asked[small, model], model)
        looked = looked_at(
            columns(calls), lambda wanted: [calls[at] for at in wanted], classifier=work, ladder=(small, model),
            sample=arguments.sample, in_a_row=0, seed=number, large_gain=judge,
            pairs=loaded(fits[f"{small} {model}"]) if fits else None,
        )  # fmt: skip
        share = found(looked).whole.avoidable
        true, most = truth.mean(1).tolist()
        rung = bool(looked.judged.tasks)
        told = {"true": true, "most": most, "rung": rung, "mid": share.mid, "low": share.low, "high": share.high}
        return {**told, "small": small, "model": model, **made}

    told = []
    for number in range(arguments.mixes):
        told.append(now := work.mixed(number, lambda number=number: one(number)))
        mark = (" " if now["low"] <= now["true"] <= now["high"] else "*") + ("t" if now["rung"] else " ")
        made = {name: value for name, value in now.items() if name in MADE}
        print(
            f"{number:3} {mark} true {now['true']:.3f}  told {now['mid']:.3f} ({now['low']:.3f} to {now['high']:.3f})  "
            f"{now['small']} {made}",
            flush=True,
        )
    covered, at_most = ([one["low"] <= one[name] <= one["high"] for one in told] for name in ("true", "most"))
    width = np.array([one["high"] - one["low"] for one in told])
    error = np.array([one["mid"] - one["true"] for one in told])
    print(
        f"covered {sum(covered)} of {len(covered)}; width: median {np.median(width):.3f}, largest {width.max():.3f}; "
        f"error: mean {error.mean():+.3f}, median of its size {np.median(abs(error)):.3f}; truth from "
        f"{min(one['true'] for one in told):.2f} to {max(one['true'] for one in told):.2f}; "
        f"{time.monotonic() - began:.0f} s"
    )
    rung = [held for held, one in zip(covered, told, strict=True) if one["rung"]]
    print(
        f"a task model was among the ways in {len(rung)} (t), and in {sum(rung)} of them the share was covered; "
        f"{sum(one['refused'] > 0 for one in told)} mixes have one that is refused; counting what they left as "
        f"avoidable, covered {sum(at_most)}"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
