"""The one door to SciPy: what fitting and its bounds need of it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from greenai.answerers.kernel import BUCKETS, Counted, weighted
from greenai.errors import MissingExtra

if TYPE_CHECKING:
    from greenai.answerers.kernel import Floats, Numbers

__all__ = ["at_least", "at_most", "counted", "inverted", "least", "require", "table"]


def require() -> None:
    """Refuse to go on without SciPy.

    Raises:
        MissingExtra: it is not installed.
    """
    if importlib.util.find_spec("scipy") is None:
        raise MissingExtra("distil", "scipy", "Training a task model")


def inverted(matrix: Floats) -> Floats:
    """Return the inverse of a symmetric positive matrix, which is overwritten."""
    import numpy as np
    from scipy.linalg import get_lapack_funcs

    factorise, invert = get_lapack_funcs(("potrf", "potri"), (matrix,))
    factor, failed = factorise(matrix, lower=1, overwrite_a=1)
    half, worse = invert(factor, lower=1, overwrite_c=1)
    if failed or worse:
        raise ValueError(f"The matrix of similarities has no inverse ({failed}, {worse}).")
    lower = np.tril(half)
    whole: Floats = lower + np.tril(lower, -1).T
    return whole


def table(counted: Sequence[Counted], rarity: Floats) -> Any:
    """Return the weighted buckets of texts as a sparse matrix, one row a text."""
    import numpy as np
    from scipy.sparse import csr_array

    sizes = np.cumsum([0, *(len(one.buckets) for one in counted)])
    columns = np.concatenate([one.buckets for one in counted])
    weights = np.concatenate([weighted(one, rarity) for one in counted])
    return csr_array((weights, columns, sizes), shape=(len(counted), BUCKETS))


def counted(rows: Sequence[Numbers], columns: int) -> Any:
    """Return which columns each row fills, as a sparse matrix of ones."""
    import numpy as np
    from scipy.sparse import csr_array

    sizes = np.cumsum([0, *map(len, rows)])
    filled = np.concatenate(rows)
    return csr_array((np.ones(len(filled)), filled, sizes), shape=(len(rows), columns))


def least(loss: Callable[[Any], tuple[float, Any]], start: Any, rounds: int) -> Any:
    """Return where a smooth loss is least, by L-BFGS in at most so many rounds; `loss` returns its slope, too."""
    from scipy.optimize import minimize

    return minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": rounds}).x


def at_most(count: int, of: int, sure: float) -> float:
    """Return the largest share that explains so few: Clopper and Pearson's upper bound, one-sided."""
    from scipy.special import betaincinv

    return 1.0 if count >= of else float(betaincinv(count + 1, of - count, sure))


def at_least(count: int, of: int, sure: float) -> float:
    """Return the smallest share that explains so many: Clopper and Pearson's lower bound, one-sided."""
    from scipy.special import betaincinv

    return 0.0 if count <= 0 else float(betaincinv(count, of - count + 1, 1 - sure))
