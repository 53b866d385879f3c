"""Two fits on sparse features: ridge by conjugate gradients (many outputs at once) and softmax regression by L-BFGS."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.optimize import minimize

Array = np.ndarray


def ridge(
    x: sp.csr_matrix, y: Array, penalty: float, *, weights: Array | None = None, rounds: int = 40
) -> tuple[Array, Array]:
    """Return coefficients (d, k) and intercepts (k,) of a weighted ridge regression of y (n, k)."""
    y = y.reshape(len(y), -1).astype(np.float32)
    w = np.ones(len(y), np.float32) if weights is None else (weights / weights.mean()).astype(np.float32)
    mean = (w[:, None] * y).sum(0) / w.sum()
    root = np.sqrt(w)
    scaled = sp.csr_matrix(sp.diags(root) @ x)
    return solve(scaled, root[:, None] * (y - mean), penalty, rounds), mean


def solve(x: sp.csr_matrix, y: Array, penalty: float, rounds: int) -> Array:
    """Minimise |x e - y|^2 + penalty |e|^2 by preconditioned conjugate gradients; e has shape (d, k)."""
    square = x.multiply(x) if sp.issparse(x) else x * x
    inverse = (1 / np.sqrt(np.asarray(square.sum(0)).ravel() + penalty)).astype(np.float32)
    scaled = sp.csr_matrix(x @ sp.diags(inverse))
    transposed = sp.csr_matrix(scaled.T)
    damping = (penalty * inverse**2)[:, None]
    found = np.zeros((x.shape[1], y.shape[1]), np.float32)
    rest = np.asarray(transposed @ y)
    direction, norm = rest.copy(), (rest * rest).sum(0)
    for _ in range(rounds):
        image = transposed @ (scaled @ direction) + damping * direction
        step = norm / ((direction * image).sum(0) + 1e-12)
        found += step * direction
        rest -= step * image
        new = (rest * rest).sum(0)
        direction, norm = rest + (new / (norm + 1e-12)) * direction, new
    return found * inverse[:, None]


def softmax_fit(
    x: sp.csr_matrix, targets: Array, penalty: float, *, weights: Array | None = None, rounds: int = 60
) -> tuple[Array, Array]:
    """Return coefficients (d, k) and intercepts (k,); `targets` (n, k) are probabilities."""
    width, kinds = x.shape[1], targets.shape[1]
    w = np.ones(len(targets), np.float32) if weights is None else weights.astype(np.float32)
    w = (w / w.sum())[:, None]
    transposed = sp.csr_matrix(x.T)

    def loss(flat: Array) -> tuple[float, Array]:
        table, bias = flat[: width * kinds].reshape(width, kinds).astype(np.float32), flat[width * kinds :]
        score = x @ table + bias
        score -= score.max(1, keepdims=True)
        mass = np.exp(score)
        total = mass.sum(1, keepdims=True)
        value = -(w * targets * (score - np.log(total))).sum() + 0.5 * penalty * (table * table).sum()
        slope = (mass / total - targets) * w
        gradient = np.concatenate([(transposed @ slope + penalty * table).ravel(), slope.sum(0)])
        return float(value), gradient.astype(float)

    start = np.zeros(width * kinds + kinds)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": rounds, "maxcor": 6}).x
    return found[: width * kinds].reshape(width, kinds).astype(np.float32), found[width * kinds :].astype(np.float32)


def hinge_fit(x: sp.csr_matrix, y: Array, cost: float, *, rounds: int = 60) -> tuple[Array, Array]:
    """Return coefficients (d, k) and intercepts (k,) of one linear support vector machine per class, by L-BFGS.

    The loss is half the squared norm plus `cost` times the squared hinge, as in LIBLINEAR's default (Fan et al., 2008).

    Args:
        x: features (n, d).
        y: each row's class, from 0 on.
        cost: of a row on the wrong side.
        rounds: L-BFGS iterations.
    """
    width, kinds = x.shape[1], int(y.max()) + 1
    sign = np.full((len(y), kinds), -1.0, np.float32)
    sign[np.arange(len(y)), y] = 1.0
    transposed = sp.csr_matrix(x.T)

    def loss(flat: Array) -> tuple[float, Array]:
        table, bias = flat[: width * kinds].reshape(width, kinds).astype(np.float32), flat[width * kinds :]
        short = np.maximum(1 - sign * (x @ table + bias), 0)
        slope = (-2 * cost * sign * short).astype(np.float32)
        value = 0.5 * float((table * table).sum()) + cost * float((short * short).sum())
        return value, np.concatenate([(transposed @ slope + table).ravel(), slope.sum(0)]).astype(float)

    start = np.zeros(width * kinds + kinds)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": rounds, "maxcor": 6}).x
    return found[: width * kinds].reshape(width, kinds).astype(np.float32), found[width * kinds :].astype(np.float32)


def softmax(score: Array) -> Array:
    """Return probabilities along the last axis."""
    mass = np.exp(score - score.max(-1, keepdims=True))
    return np.asarray(mass / mass.sum(-1, keepdims=True))
