"""A label for a text by an encoder that was made for something else, and one linear layer fitted on labelled texts.

The text's vector is the mean of its tokens', at length one. A few labelled texts of each kind and a minute on a
processor are enough; nothing of the encoder changes. A head is a folder with head.json: the labels, the layer, and the
folder of its encoder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from greenai.errors import MissingExtra
from greenai.local.torch_values import SAFE, Done, best_device

__all__ = ["HEAD_FILE", "EmbeddingHead", "Encoder", "fit"]

HEAD_FILE = "head.json"
MOST_TOKENS = 256
TOGETHER = 32
STEPS = 200
PENALTY = 1e-4
"""What the squares of the layer cost where it is fitted. Assumption, 2026-11-22."""


class Encoder:
    """Texts to vectors: the mean of the last layer over a text's tokens, at length one."""

    def __init__(self, transformers: Any, torch: Any, folder: str) -> None:
        self.torch = torch
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        self._model = transformers.AutoModel.from_pretrained(folder, **SAFE).to(best_device(torch)).eval()
        limit = getattr(self._model.config, "max_position_embeddings", None) or MOST_TOKENS
        self._most = min(int(limit), MOST_TOKENS)

    def __call__(self, texts: Sequence[str]) -> Any:
        """Return one row for each text; what is beyond its first tokens is not read."""
        given = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=self._most, return_tensors="pt"
        ).to(self._model.device)
        with self.torch.inference_mode():
            states = self._model(**given).last_hidden_state.float()
        mask = given["attention_mask"][..., None]
        return self.torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1)


class EmbeddingHead:
    """An encoder and its fitted layer, read from a folder with head.json."""

    def __init__(self, transformers: Any, torch: Any, folder: str) -> None:
        """Load both.

        Raises:
            OSError: There is no head, or no encoder.
            ValueError: The head is damaged.
        """
        read = json.loads((Path(folder) / HEAD_FILE).read_text(encoding="utf-8"))
        self._encode = Encoder(transformers, torch, str(Path(folder) / read["encoder"]))
        self.labels: list[str] = [str(label) for label in read["labels"]]
        self._weight, self._bias = (
            torch.tensor(read[name], dtype=torch.float32, device=best_device(torch)) for name in ("weight", "bias")
        )
        if self._weight.shape[0] != len(self.labels) or self._bias.shape != self._weight.shape[:1]:
            raise ValueError(f"{HEAD_FILE} has {len(self.labels)} labels and a layer of {tuple(self._weight.shape)}.")

    def __call__(self, text: str, question: str | None) -> Done:
        """Return the likeliest label of one text."""
        del question
        return self.many([text])[0]

    def many(self, texts: Sequence[str]) -> list[Done]:
        """Return the likeliest label of each text."""
        sure, which = (self._encode(texts) @ self._weight.T + self._bias).softmax(-1).max(-1)
        return [
            Done(text=self.labels[place], label=self.labels[place], confidence=chance)
            for place, chance in zip(which.tolist(), sure.tolist(), strict=True)
        ]


def fit(encoder: str | Path, examples: Mapping[str, Sequence[str]], folder: str | Path) -> Path:
    """Fit a head on labelled texts and write it into `folder`, which is then a model of the kind `embedding-head`.

    Args:
        encoder: The encoder's folder.
        examples: Texts by label; two labels at least, each with a text.
        folder: Where head.json goes; made if need be.

    Raises:
        MissingExtra: torch or transformers is not installed.
        ValueError: There are fewer than two labels, or one without a text.
    """
    if len(examples) < 2 or not all(examples.values()):
        raise ValueError(f"A head needs two labels or more, each with a text; there are {len(examples)}.")
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtra("torch", "transformers", "Fitting a head") from error
    labels = sorted(examples)
    texts = [(text, place) for place, label in enumerate(labels) for text in examples[label]]
    encode = Encoder(transformers, torch, str(encoder))
    rows = [encode([text for text, _ in texts[at : at + TOGETHER]]).cpu() for at in range(0, len(texts), TOGETHER)]
    weight, bias = _fitted(torch, torch.cat(rows), torch.tensor([place for _, place in texts]), len(labels))
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    made = {"encoder": str(Path(encoder).absolute()), "labels": labels, "weight": weight, "bias": bias}
    (path / HEAD_FILE).write_text(json.dumps(made), encoding="utf-8")
    return path


def _fitted(torch: Any, vectors: Any, targets: Any, count: int) -> tuple[Any, Any]:
    """Return the layer that makes the labels likeliest."""
    # Vectors made for inference cannot be learnt from; a copy can.
    vectors = vectors.clone()
    weight = torch.zeros(count, vectors.shape[1], requires_grad=True)
    bias = torch.zeros(count, requires_grad=True)
    search = torch.optim.LBFGS([weight, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Any:
        search.zero_grad()
        wrong = torch.nn.functional.cross_entropy(vectors @ weight.T + bias, targets) + PENALTY * weight.square().sum()
        wrong.backward()
        return wrong

    search.step(loss)
    return weight.tolist(), bias.tolist()
