"""What `greenai tune` found best for a model on a device, kept in one file and found again by the engines.

A profile holds for one device, driver, model (its weights), engine and range of lengths, and for nothing else: the best
batch of one machine is not that of another. How it is measured is decided in `tune`; what an engine takes from it, in
`engines` and `torch_lm`.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from greenai.store.files import FileLock, private_folder

__all__ = ["Engine", "Profile", "Profiles", "bin_of"]

Engine = Literal["llama", "torch"]

FILE = "profiles.json"
VERSION = 1
LOCK_TIMEOUT_S = 5.0
LEAST_BIN = 32


def bin_of(tokens: int) -> int:
    """Return the upper edge of the range of lengths (prompt and answer, in tokens) that `tokens` falls in."""
    return max(LEAST_BIN, 1 << max(tokens - 1, 0).bit_length())


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The setting of an engine that took the least energy per token, and what that was measured against.

    Attributes:
        device: As NVML or the processor names itself.
        driver: The GPU's driver; empty on a processor.
        model: Which weights: `names.revision_of`, or a folder's hash.
        name: The name that was given to `greenai tune`, for people.
        engine: What ran it.
        sequence_bin: Upper edge of prompt and answer together, in tokens; a power of two.
        precision: Such as "bfloat16" or "Q4_1".
        batch: Answers that are generated at the same time.
        threads: Threads that compute; None leaves it to the engine.
        attention: Such as "sdpa", or "on" and "off" for llama.cpp's flash attention; None leaves it to the engine.
        cache: Such as "static", or the type of llama.cpp's key-value cache; None leaves it to the engine.
        compile: Whether the model was compiled.
        window_ms: How long a micro-batcher may wait for a batch to fill, in milliseconds.
        energy_j_per_token: Joules per token of the answers, with its 95% interval of repeats in `low` and `high`.
        default_energy_j_per_token: What the engine took per token as it is without a profile, in the same run; None
            where it did not run.
        p95_s: 95th percentile of a request's latency, in seconds.
        default_p95_s: That of the engine as it is without a profile.
        leave: Whether nothing was clearly better than the engine as it is: it is left so.
        measured: When, in ISO form.
        versions: Of the engine and of greenai.
        evidence: How good the energy's evidence is, as a `Reading` says it.
        method: The meter's.
        more: Further settings of the engine, such as llama.cpp's `ubatch`.
    """

    device: str
    driver: str = ""
    model: str
    name: str = ""
    engine: Engine
    sequence_bin: int
    precision: str
    batch: int
    threads: int | None = None
    attention: str | None = None
    cache: str | None = None
    compile: bool = False
    window_ms: float = 0.0
    energy_j_per_token: float
    low: float
    high: float
    default_energy_j_per_token: float | None
    p95_s: float | None = None
    default_p95_s: float | None = None
    leave: bool = False
    measured: str
    versions: Mapping[str, str] = field(default_factory=dict)
    evidence: str = "unknown"
    method: str = "none"
    more: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no engine could run.

        Raises:
            ValueError: a number is below 1.
        """
        if self.batch < 1 or (self.threads is not None and self.threads < 1):
            raise ValueError(f"batch {self.batch} and threads {self.threads} must be 1 at least")

    @property
    def key(self) -> tuple[str, str, str, str, int, str]:
        """What it holds for: a newer profile of the same key replaces it."""
        return self.device, self.driver, self.model, self.engine, self.sequence_bin, self.precision


class Profiles:
    """The profiles of this machine: one JSON file in `folder`. None for `folder` finds and keeps nothing.

    Attributes:
        problems: What of the file could not be read at the last look, in words. Such rows are skipped.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / FILE
        self.problems: tuple[str, ...] = ()

    def find(
        self,
        model: str,
        *,
        device: str,
        driver: str = "",
        tokens: int | None = None,
        engine: Engine | None = None,
        precision: str | None = None,
    ) -> Profile | None:
        """Return the profile that holds here, or None.

        Args:
            model: Which weights.
            device: As `Profile.device`.
            driver: As `Profile.driver`.
            tokens: How long prompt and answer are; the narrowest range that reaches there counts. None, or longer than
                any range, takes the widest.
            engine: Only of this engine.
            precision: Only of this precision.
        """
        wanted = (device, driver, model)
        fits = [p for p in self.all() if (p.device, p.driver, p.model) == wanted]
        fits = [p for p in fits if engine in {None, p.engine} and precision in {None, p.precision}]
        if not fits:
            return None
        reach = [p.sequence_bin for p in fits if tokens is not None and p.sequence_bin >= tokens]
        edge = min(reach) if reach else max(p.sequence_bin for p in fits)
        return max((p for p in fits if p.sequence_bin == edge), key=lambda p: p.measured)

    def keep(self, profile: Profile) -> None:
        """Keep a profile, in place of the one for the same key.

        Raises:
            OSError: The file cannot be written.
        """
        self._change(lambda kept: [*(p for p in kept if p.key != profile.key), profile])

    def forget(self, model: str | None = None) -> int:
        """Delete all profiles, or those of the model with these weights or that name; return how many.

        Raises:
            OSError: The file cannot be written.
        """
        before = self.all()
        left = [p for p in before if model is not None and model not in {p.model, p.name}]
        if len(left) < len(before) or (self.problems and model is None):
            self._change(lambda kept: [p for p in kept if p in left])
        return len(before) - len(left)

    def all(self) -> tuple[Profile, ...]:
        """Return every profile that can be read; `problems` tells of the others."""
        rows, problems = self._rows()
        found: list[Profile] = []
        for number, row in enumerate(rows, 1):
            try:
                found.append(_profile(row))
            except ValueError as error:
                problems.append(f"{self._path}: profile {number} is skipped: {error}")
        self.problems = tuple(problems)
        return tuple(found)

    def _rows(self) -> tuple[list[Any], list[str]]:
        if self._path is None:
            return [], []
        try:
            held = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return [], []
        except (OSError, ValueError) as error:
            return [], [f"{self._path} cannot be read: {error}"]
        rows = held.get("profiles") if isinstance(held, dict) and held.get("version") == VERSION else None
        if not isinstance(rows, list):
            return [], [f"{self._path} is not a file of profiles of version {VERSION}."]
        return rows, []

    def _change(self, change: Callable[[list[Profile]], list[Profile]]) -> None:
        if self._path is None:
            return
        private_folder(self._path.parent)
        lock = FileLock(self._path.with_suffix(".lock"))
        try:
            lock.acquire(time.monotonic() + LOCK_TIMEOUT_S)
            rows, problems = self._rows()
            if problems and not rows:  # not ours, or of a later version: not for us to write over
                self._path.replace(self._path.with_suffix(".unreadable"))
            _write(self._path, change(list(self.all())))
        finally:
            lock.close()


def _profile(row: Any) -> Profile:
    """Make a profile of a row of the file; raises ValueError."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(Profile).validate_python(row)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}") from None


def _write(path: Path, profiles: list[Profile]) -> None:
    """Replace the file whole: who reads meanwhile sees the old one or the new one."""
    plain = [{**asdict(p), "versions": dict(p.versions), "more": dict(p.more)} for p in profiles]
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # it makes files of mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"version": VERSION, "profiles": plain}, file, indent=1)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
