"""Which of the vectors of a scope are nearest: exactly by numpy, or nearly so by usearch beyond 100,000.

Vectors are of unit length, so that their dot product is their cosine similarity. A row that is dropped stays as zeros,
which are near nothing.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from greenai.embed import minilm

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.embed.vectors import Floats

__all__ = ["Index"]

NUMPY_ROWS = 100_000
"""Up to here numpy takes 5 ms for a look, and is exact."""

_FIRST_ROWS = 16
_BLOCK = 64


class Index:
    """Vectors under row numbers that the caller gives, from 0 on without holes. Not safe for threads.

    Args:
        dimensions: of each vector.
        exact_rows: from this many rows on, usearch looks, where it is installed.
    """

    def __init__(self, dimensions: int, *, exact_rows: int = NUMPY_ROWS) -> None:
        import numpy as np

        self.rows = 0
        self._exact_rows = exact_rows
        self._table: Floats = np.zeros((_FIRST_ROWS, dimensions), np.float32)
        self._graph: Any = None
        self._linked = 0  # rows that the graph has

    def put(self, row: int, vector: Floats) -> None:
        """Set the vector of the next row."""
        import numpy as np

        if row == len(self._table):
            self._table = np.concatenate([self._table, np.zeros_like(self._table)])
        self._table[row] = vector
        self.rows = max(self.rows, row + 1)
        if self.rows > self._exact_rows // 2:
            self._link()

    def _link(self) -> None:
        """Take two rows into the graph: begun half-way, it has all of them when it is needed, and no look waits."""
        if self._graph is None:
            if importlib.util.find_spec("usearch") is None:
                self._exact_rows = 2**62
                return
            minilm.import_first()
            from usearch.index import Index as Graph

            self._graph = Graph(ndim=self._table.shape[1], metric="ip", dtype="f32")
        for row in range(self._linked, min(self._linked + 2, self.rows)):
            if self._table[row].any():
                self._graph.add(row, self._table[row], threads=1)
            self._linked = row + 1

    def drop(self, row: int) -> None:
        """Make a row near nothing."""
        self._table[row] = 0
        if row < self._linked:
            self._graph.remove(row)

    def vectors(self, rows: Sequence[int]) -> Floats:
        """Return the vectors of some rows."""
        found: Floats = self._table[list(rows)]
        return found

    def nearest(self, vector: Floats, most: int) -> tuple[NDArray[np.int64], Floats]:
        """Return the rows nearest to a vector, at most `most`, nearest first, and their similarities above 0."""
        import numpy as np

        if self.rows >= self._exact_rows and self._linked == self.rows:
            rows = self._graph.search(vector, most).keys.astype(np.int64)
            near: Floats = self._table[rows] @ vector
        else:
            # Not `@`: for one vector BLAS takes twice as long over rows, and its threads wait for each other.
            near = np.einsum("ij,j->i", self._table[: self.rows], vector)
            rows = _largest(near, most)
            near = near[rows]
        order = np.argsort(-near, kind="stable")
        order = order[near[order] > 0]
        return rows[order], near[order]


def _largest(values: Floats, most: int) -> NDArray[np.int64]:
    """Return where the largest values are, in no order: they lie in the blocks whose largest ones are the largest."""
    import numpy as np

    whole = len(values) // _BLOCK * _BLOCK
    if whole <= most * _BLOCK:
        return np.argpartition(values, -most)[-most:] if len(values) > most else np.arange(len(values))
    blocks = np.argpartition(values[:whole].reshape(-1, _BLOCK).max(1), -most)[-most:]
    rows = np.concatenate([(blocks[:, None] * _BLOCK + np.arange(_BLOCK)).ravel(), np.arange(whole, len(values))])
    found: NDArray[np.int64] = rows[np.argpartition(values[rows], -most)[-most:]]
    return found
