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
    root, used = np.sqrt(w), _used(x)
    scaled = sp.csr_matrix(sp.diags(root) @ x[:, used])
    return _spread(solve(scaled, root[:, None] * (y - mean), penalty, rounds), used, x.shape[1]), mean


def _used(x: sp.csr_matrix) -> Array:
    """Return the columns that some row has: on any other every fit leaves 0, and most texts lack most words."""
    return np.flatnonzero(np.diff(sp.csc_matrix(x).indptr))


def _spread(table: Array, used: Array, width: int) -> Array:
    whole = np.zeros((width, table.shape[1]), np.float32)
    whole[used] = table
    return whole


def ridge_of_blocks(
    x: sp.csr_matrix, y: Array, blocks: tuple[slice, ...], penalties: tuple[float, ...], weights: Array
) -> tuple[Array, Array]:
    """Return (d, 1) coefficients and (1,) intercept: the mean of one ridge regression per block of columns.

    Each is divided by the deviation of what it predicts, so that a block counts once however strongly it fits. Columns
    of no block have the coefficient 0. For few, wide blocks of dense columns.
    """
    table, intercept = np.zeros((x.shape[1], 1), np.float32), 0.0
    w = (weights / weights.mean()).astype(np.float64)
    for block, penalty in zip(blocks, penalties, strict=True):
        part = x[:, block].toarray().astype(np.float64)
        middle = (w[:, None] * part).sum(0) / w.sum()
        centred = part - middle
        squares = (w[:, None] * centred).T @ centred + penalty * np.eye(part.shape[1])
        found = np.linalg.solve(squares, centred.T @ (w * (y - (w * y).sum() / w.sum())))
        found /= (centred @ found).std() + 1e-9
        table[block, 0] = found / len(blocks)
        intercept -= float(middle @ found) / len(blocks)
    return table, np.array([intercept], np.float32)


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
    whole, kinds, used = x.shape[1], targets.shape[1], _used(x)
    x, width = sp.csr_matrix(x[:, used]), len(used)
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
    table, bias = found[: width * kinds].reshape(width, kinds), found[width * kinds :]
    return _spread(table, used, whole), bias.astype(np.float32)


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
