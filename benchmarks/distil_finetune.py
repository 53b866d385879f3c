"""Whether a task model answers more where MiniLM is fine-tuned to the labels first; it did not.

    pip install onnx torch transformers
    python benchmarks/distil_finetune.py DATA [--set banking77] [--seed 0] [--layers 3] [--epochs 6] [--most 9000]

DATA and the log are those of benchmarks/distil.py. The last layers of MiniLM, with the weights that greenai uses, are
tuned on three texts in four: softmax over cosines with one direction a label, label smoothing against the labels that
are wrong at random. The ridge that greenai fits on MiniLM's vectors is then fitted on the tuned ones. What an encoder
was tuned on it knows by heart, so that thresholds are set on the fourth text in four, for the ridges as they are, too.
"x4" counts each of these four times: it stands for tuning four encoders, each without another fourth, so that every
text counts. Agreement is with the right labels on the last fifth of the log, as is the most that any threshold could
answer at 98%.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import torch
import transformers
from onnx import numpy_helper

sys.path.insert(0, str(Path(__file__).parent))

from distil import PROMISE, log_of, rows_of, template_of

from greenai.answerers import kernel
from greenai.answerers.distilled import Head
from greenai.distil import fit, pairs, threshold, train
from greenai.embed import minilm

APART, TOGETHER = 4, 32
RATE, FASTER, WARMING, SMOOTHING, SHARPNESS = 1e-4, 10, 0.1, 0.1, 16.0
MATRICES = (
    "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
    "intermediate.dense", "output.dense",
)  # fmt: skip


def quiet(_step, _share=None):
    pass


def weights_of_minilm():
    """Return the packaged weights by their names in BertModel; the matrices lie layer by layer, as MATRICES says."""
    held = {one.name: numpy_helper.to_array(one) for one in onnx.load(minilm._model()).graph.initializer}

    def whole(name):
        return held[f"{name}_q"].astype(np.float32) * held[f"{name}_scale"]

    found = {
        name.removeprefix("inner."): one.copy()
        for name, one in held.items()
        if name.startswith("inner.") and not name.endswith(("_q", "_scale", "position_ids"))
    }
    for part in ("word", "position"):
        found[f"embeddings.{part}_embeddings.weight"] = whole(f"inner.embeddings.{part}_embeddings.weight")
    matrices = [name[:-2] for name in held if name.startswith("val_") and name.endswith("_q")]
    for at, name in enumerate(matrices):
        layer, part = divmod(at, len(MATRICES))
        found[f"encoder.layer.{layer}.{MATRICES[part]}.weight"] = whole(name).T.copy()
    return {name: torch.tensor(one) for name, one in found.items()}


class Encoder:
    def __init__(self, layers):
        config = transformers.BertConfig(
            hidden_size=384, num_attention_heads=12, num_hidden_layers=6, intermediate_size=1536
        )
        self.model = transformers.BertModel(config, add_pooling_layer=False)
        self.model.load_state_dict(weights_of_minilm())
        self.model.eval().requires_grad_(requires_grad=False)
        self.upper = self.model.encoder.layer[-layers:]

    def __call__(self, tokens):
        """Return unit vectors, each the mean of its tokens'."""
        numbers = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in tokens], batch_first=True)
        mask = torch.arange(numbers.shape[1]) < torch.tensor([len(row) for row in tokens])[:, None]
        states = self.model(input_ids=numbers, attention_mask=mask.long()).last_hidden_state * mask[..., None]
        return torch.nn.functional.normalize(states.sum(1), dim=-1)

    def all(self, tokens):
        order = np.argsort([len(row) for row in tokens], kind="stable")
        found = np.zeros((len(tokens), 384), np.float32)
        self.model.eval()
        with torch.inference_mode():
            for at in range(0, len(order), TOGETHER):
                some = order[at : at + TOGETHER]
                found[some] = self([tokens[row] for row in some]).numpy()
        return found

    def tune(self, tokens, labels, classes, epochs):
        torch.manual_seed(0)
        drawn, wanted = np.random.default_rng(0), torch.tensor(labels)
        sums = torch.zeros(classes, 384).index_add_(0, wanted, torch.tensor(self.all(tokens)))
        directions = torch.nn.functional.normalize(sums, dim=-1).requires_grad_()
        self.upper.train().requires_grad_(requires_grad=True)
        groups = [
            {"params": [*self.upper.parameters()], "lr": RATE},
            {"params": [directions], "lr": RATE * FASTER, "weight_decay": 0.0},
        ]
        search = torch.optim.AdamW(groups, weight_decay=0.01)
        steps = epochs * -(-len(tokens) // TOGETHER)
        rate = torch.optim.lr_scheduler.LambdaLR(
            search, lambda step: min(1, (step + 1) / (WARMING * steps)) * (steps - step) / steps
        )
        for _ in range(epochs):
            order = drawn.permutation(len(tokens))
            for many in np.array_split(order, -(-len(order) // (20 * TOGETHER))):
                rows = sorted(many.tolist(), key=lambda row: len(tokens[row]))
                for at in drawn.permutation(range(0, len(rows), TOGETHER)):
                    some = rows[at : at + TOGETHER]
                    cosines = self([tokens[row] for row in some]) @ torch.nn.functional.normalize(directions, dim=-1).T
                    loss = torch.nn.functional.cross_entropy(
                        SHARPNESS * cosines, wanted[some], label_smoothing=SMOOTHING
                    )
                    search.zero_grad()
                    loss.backward()
                    torch.nn.utils.clip_grad_norm_(self.upper.parameters(), 1.0)
                    search.step()
                    rate.step()


def most(scores, right):
    """Return the most that any threshold could answer at the promise, and the agreement over all."""
    leads = np.sort(scores, 1)
    agreed = (scores.argmax(1) == right)[np.argsort(leads[:, -2] - leads[:, -1], kind="stable")]
    shares = np.cumsum(agreed) / np.arange(1, len(agreed) + 1)
    return max(np.flatnonzero(shares >= PROMISE), default=-1) / len(agreed), agreed.mean()


def told(name, unseen, later, first, numbers, rows, right, labels):
    """Print what is answered with thresholds set on these rows; `unseen` and `later` are of both looks."""
    both, soon = (threshold.judge(one, numbers).answering(labels).only(rows) for one in (unseen, first[0]))
    found = threshold.thresholds(both, threshold.slips(both, (), ()), PROMISE, first=soon)
    if found is None:
        print(f"{name}: no threshold keeps the promise")
        return
    judged, skimmed = (threshold.judge(one, right).answering(labels) for one in (later, first[1]))
    said = found.answered(found.joined(judged, skimmed))
    print(f"{name}: answered {len(said.rank) / len(right):.1%}, agreement {(said.rank == 0).mean():.1%}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--set", default="banking77")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--most", type=int, default=train.MOST, help="pairs that are learnt")
    given = parser.parse_args()
    draw = random.Random(given.seed)
    known, _unseen = rows_of(given.data, given.set)
    known = draw.sample(known, len(known))
    names = sorted({intent for _, intent in known})
    template = template_of(names)
    train.MOST = given.most
    log = pairs.labelled(pairs.collect(log_of(template, known, names, draw), template))
    learnt, kept = train.split(log)
    numbers, classes, labels = np.array(learnt.numbers), log.classes, len(log.labels)
    intents = {text.strip().casefold(): intent for text, intent in known}
    right = np.array([log.labels.index(intents[text.strip().casefold()]) for text in kept.texts])

    plain = fit.fit(fit.see_all(learnt.texts, quiet), numbers, classes, quiet)
    head, seen = Head(plain.arrays, classes=classes), fit.see_all(kept.texts, quiet)
    first = plain.first.unseen, np.array([head.first(one) for one in seen])
    ridges = plain.both.unseen, np.array([head.both(soon, one) for soon, one in zip(first[1], seen, strict=True)])

    encode = minilm.load()._tokenizer.encode
    tokens = [[encode(text).ids for text in one.texts] for one in (learnt, kept)]
    apart = np.arange(len(numbers)) % APART == 0
    began = time.process_time()
    encoder = Encoder(given.layers)
    tuned_on = np.flatnonzero(~apart).tolist()
    encoder.tune([tokens[0][row] for row in tuned_on], numbers[tuned_on], classes, given.epochs)
    vectors, latest = (encoder.all(one) for one in tokens)
    print(f"tuning and reading: {time.process_time() - began:.0f} core-seconds", flush=True)
    wanted = np.full((len(numbers), classes), -1 / classes, np.float32)
    wanted[np.arange(len(numbers)), numbers] += 1
    adds, scores = fit.ridge(fit._similar(vectors, 1.0, (), quiet), wanted, numbers)
    second = scores.unseen, kernel.falloff(latest @ vectors.T) @ adds
    share = kernel.FIRST
    tuned = tuple(share * soon + (1 - share) * deep for soon, deep in zip(first, second, strict=True))
    mean = tuple((one + other) / 2 for one, other in zip(ridges, tuned, strict=True))

    told("as they are, all rows", *ridges, first, numbers, np.arange(len(numbers)), right, labels)
    for name, (unseen, later) in {"as they are": ridges, "tuned": tuned, "mean of both": mean}.items():
        answered, agreed = most(later, right)
        print(f"{name}: {answered:.1%} at most, agreement over all {agreed:.1%}")
        for times in (1, APART):
            rows = np.tile(np.flatnonzero(apart), times)
            told(f"{name}, x{times}", unseen, later, first, numbers, rows, right, labels)


if __name__ == "__main__":
    main()
