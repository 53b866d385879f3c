"""A linear head on text vectors, fitted on the spot from a few labelled examples, that says when it is not sure.

Ridge regression on the static vectors, one column per label. Every figure that decides (the strength of the ridge, the
sharpness of the probabilities, the threshold below which it abstains) comes from leave-one-out predictions, which a
ridge gives in closed form: no example is judged by a head that has seen it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from greenai.errors import InvalidRequest

if TYPE_CHECKING:
    from greenai.answerers.calibration import Matrix

__all__ = ["PROMISED_ERROR", "UNPROVEN", "Head"]

PROMISED_ERROR = 0.1
"""Where the head does not abstain, at most this share of its labels is wrong, on texts like its examples."""

UNPROVEN = 0.9  # the threshold where there are too few examples to prove a lower one
FEWEST = 2
RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
SHARPNESS = (1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0)


class Head:
    """Labels texts. `accuracy` is that of its leave-one-out predictions, `answered` the share above `threshold`.

    Raises:
        InvalidRequest: fewer than two labels, or a label with fewer than two examples.
    """

    def __init__(self, examples: Mapping[str, Sequence[str]], threshold: float | None = None) -> None:
        import numpy as np

        from greenai.embed import encode

        self.labels = tuple(examples)
        _require(examples)
        texts = [text for label in self.labels for text in examples[label]]
        owner = np.repeat(np.arange(len(self.labels)), [len(examples[label]) for label in self.labels])
        features = _with_bias(encode(texts))
        wanted = np.eye(len(self.labels))[owner]
        weights = (len(texts) / (len(self.labels) * wanted.sum(axis=0)))[owner]  # every label counts the same
        fits = list(_fits(features, wanted, weights))
        tried = ((_loss(out, owner, sharp), sharp, n) for n, (_, out) in enumerate(fits) for sharp in SHARPNESS)
        _, self._sharpness, best = min(tried)
        self._weights, left_out = fits[best]
        sure = _softmax(left_out * self._sharpness)
        confidence, right = sure.max(axis=1), sure.argmax(axis=1) == owner
        self.threshold = _threshold(confidence, right, len(self.labels)) if threshold is None else threshold
        self.accuracy = float(right.mean())
        self.answered = float((confidence >= self.threshold).mean())

    def __call__(self, text: str) -> tuple[str, float]:
        """Return the likeliest label of `text` and how likely it is."""
        from greenai.embed import encode

        sure = _softmax(_with_bias(encode([text])) @ self._weights * self._sharpness)[0]
        at = int(sure.argmax())
        return self.labels[at], float(sure[at])


def _require(examples: Mapping[str, Sequence[str]]) -> None:
    if len(examples) < 2:
        raise InvalidRequest(f"A task needs at least two labels with examples, and {len(examples)} is given.")
    for label, texts in examples.items():
        if isinstance(texts, str) or len(texts) < FEWEST:
            count = 1 if isinstance(texts, str) else len(texts)
            raise InvalidRequest(
                f'The label "{label}" has {count} of the {FEWEST} examples that a task needs at least. '
                f'Pass a list of texts: examples={{"{label}": ["...", "..."]}}; ten or more prove a threshold.'
            )


def _with_bias(vectors: Matrix) -> Any:
    import numpy as np

    return np.hstack([vectors, np.ones((len(vectors), 1), dtype=vectors.dtype)]).astype(np.float64)


def _fits(features: Any, wanted: Any, weights: Any) -> Iterator[tuple[Any, Any]]:
    """Yield for each ridge the coefficients, and what they predict for each row when fitted without that row."""
    import numpy as np

    root = np.sqrt(weights)[:, None]
    left, values, right = np.linalg.svd(features * root, full_matrices=False)
    seen = left.T @ (wanted * root)
    for ridge in RIDGES:
        shrunk = values**2 / (values**2 + ridge)
        leverage = (left**2 @ shrunk)[:, None]
        predicted = left @ (shrunk[:, None] * seen) / root
        coefficients = right.T @ ((values / (values**2 + ridge))[:, None] * seen)
        yield coefficients, (predicted - leverage * wanted) / np.maximum(1.0 - leverage, 1e-9)


def _softmax(scores: Any) -> Any:
    import numpy as np

    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _loss(left_out: Any, owner: Any, sharpness: float) -> float:
    """Return how far the probabilities are from Platt's targets: n examples prove nothing surer than (n+1)/(n+2)."""
    import numpy as np

    target = (len(owner) + 1) / (len(owner) + 2)
    sure = np.clip(_softmax(left_out * sharpness)[np.arange(len(owner)), owner], 1e-9, 1 - 1e-9)
    return float(-(target * np.log(sure) + (1 - target) * np.log(1 - sure)).mean())


def _threshold(confidence: Any, right: Any, labels: int) -> float:
    """Return the lowest confidence above which at most `PROMISED_ERROR` of the labels were wrong, one added.

    Where that holds for all examples, what lies below them is covered by the one that was added: the threshold then
    is half-way down to guessing, so that a text of another kind is not labelled.
    """
    import numpy as np

    order = np.argsort(-confidence)
    wrong = np.cumsum(~right[order])
    error = (wrong + 1) / (np.arange(len(order)) + 2)
    held = np.nonzero(error <= PROMISED_ERROR)[0]
    if not len(held):
        return UNPROVEN
    lowest = float(confidence[order][held[-1]])
    return (lowest + 1 / labels) / 2 if held[-1] == len(order) - 1 else lowest
