"""What the cache's stores share: values are opened only under their seal, and trouble is told once, never raised."""

from __future__ import annotations

import logging
import time
from typing import Any

from greenai.store.seal import RefusedError, Seal

__all__ = ["SealedStore"]

_log = logging.getLogger("greenai")


class SealedStore:
    """A store of sealed values. `problem` says in a sentence why it does not work, or did not last.

    `undone` says why the latest step that was not done was not: what nobody reads back, such as that an answer is to
    go, looks done otherwise. It stays until it is set to None.

    Args:
        place: what messages call it, without a password.
    """

    def __init__(self, place: str) -> None:
        self.problem: str | None = None
        self.undone: str | None = None
        self._place = place
        self._told: set[str] = set()

    @property
    def place(self) -> str:
        """Where the values are, without a password."""
        return self._place

    def forget(self, key: str) -> bool:
        """Drop what is under `key`; return False where that could not be done."""
        raise NotImplementedError

    def _unsealed(self, seal: Seal, key: str, blob: object) -> Any:
        """Return the value in a blob, or None. What no greenai wrote is removed; what a newer one wrote stays."""
        try:
            return seal.open(key, blob, time.time())
        except RefusedError as error:
            if error.newer:
                self._tell(
                    "newer",
                    f"A row of the answer cache in {self._place} was written by a newer greenai: {error}. It is left "
                    'alone, and its question is asked anew. Update this one: pip install --upgrade "greenai"',
                )
                return None
            self._tell(
                "refused",
                f"A row of the answer cache in {self._place} was not read: {error}. It is removed, as any other such "
                "row will be. If the secret of the cache or cache_encrypt was changed, that is why; else find out "
                "who can write there.",
            )
            self.forget(key)
            return None

    def _tell(self, kind: str, message: str) -> None:
        """Log each kind of trouble once, the first as a warning: damage shows in more than one way."""
        if kind not in self._told:
            _log.log(logging.INFO if self._told else logging.WARNING, "%s", message)
            self._told.add(kind)

    def _fail(self, problem: str) -> None:
        """Note why the store does not work, and log it unless it has not worked since."""
        if self.problem is None:
            _log.warning("%s", problem)
        self.problem = problem
