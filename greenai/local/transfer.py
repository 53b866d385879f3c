"""What every way of bringing a file shares: room on the disk, copying with progress, the hash, the last atomic step.

A file is written as `<name>.part` beside its place and renamed only when it is whole and its hash is right.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol, TypeAlias

from greenai.errors import ModelError
from greenai.units import format_bytes

__all__ = ["Progress", "TransferError", "alone", "copy", "make_folder", "need_room", "part_of", "put_in_place"]

Progress: TypeAlias = Callable[[int, "int | None"], None]
"""Called with the bytes done and the bytes in all, or None where that is unknown."""

BLOCK_BYTES = 1 << 20


class TransferError(ModelError):
    """One source could not deliver the file; another may be tried."""


class Readable(Protocol):
    """What can be read in blocks."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; none at the end."""
        ...


def part_of(path: Path) -> Path:
    """Return where `path` is written before it is whole."""
    return path.with_name(path.name + ".part")


def make_folder(path: Path) -> None:
    """Make the folder `path`, and those above it that are missing, readable by their owner only.

    Raises:
        ModelError: It cannot be made.
    """
    try:
        for folder in (*reversed(path.parents), path):
            if not folder.is_dir():
                folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ModelError(
            f"The folder {path} for weights cannot be made ({error.strerror}). Set weights_dir in greenai.toml, or "
            "GREENAI_WEIGHTS_DIR, to a folder that you may write to."
        ) from error


@contextmanager
def alone(folder: Path) -> Generator[None]:
    """Hold a lock on `folder` that other processes and threads wait for: two pulls would write the same file.

    Where the system has no flock (Windows), nothing is locked; the hash still tells a mixed-up file.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def need_room(folder: Path, size_bytes: int, what: str) -> None:
    """Check that `folder`'s disk has `size_bytes` bytes free for `what`.

    Raises:
        ModelError: It has less.
    """
    free = shutil.disk_usage(folder).free
    if free < size_bytes:
        raise ModelError(
            f"{what} needs {format_bytes(size_bytes)} in {folder} and {format_bytes(free)} is free there. Free some "
            "space, or set weights_dir in greenai.toml, or GREENAI_WEIGHTS_DIR, to a folder on another disk."
        )


def copy(
    source: Readable, part: Path, *, done: int, size_bytes: int | None, progress: Progress | None, append: bool = False
) -> int:
    """Copy `source` into the file `part` and return the bytes in it.

    Args:
        source: What is copied.
        part: Where to.
        done: Bytes already there, kept when `append` is true.
        size_bytes: How long the whole is; more than that is refused.
        progress: Told after every block.
        append: Whether `part` is continued; otherwise it is begun anew.

    Raises:
        ModelError: The disk is full or refuses the file.
        TransferError: The source sends more than `size_bytes`.
    """
    with _open(part, append=append) as file:
        while block := source.read(BLOCK_BYTES):
            done += len(block)
            if size_bytes is not None and done > size_bytes:
                raise TransferError(f"it sent more than the {size_bytes} bytes expected")
            _write(file, block, part)
            if progress:
                progress(done, size_bytes)
    return done


def _open(part: Path, *, append: bool) -> IO[bytes]:
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC)
    try:
        return os.fdopen(os.open(part, flags, 0o600), "wb", buffering=0)
    except OSError as error:
        raise _disk_error(part, error) from error


def _write(file: IO[bytes], block: bytes, part: Path) -> None:
    rest = memoryview(block)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise _disk_error(part, error) from error


def _disk_error(part: Path, error: OSError) -> ModelError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        done = part.stat().st_size if part.exists() else 0
        return ModelError(
            f"The disk is full after {format_bytes(done)} of {part.name.removesuffix('.part')} in {part.parent}. Free "
            "some space and run the same command again, or set weights_dir in greenai.toml, or GREENAI_WEIGHTS_DIR, to "
            "a folder on another disk."
        )
    return ModelError(
        f"{part} cannot be written ({error.strerror}). Set weights_dir in greenai.toml, or GREENAI_WEIGHTS_DIR, to a "
        "folder that you may write to."
    )


def put_in_place(part: Path, path: Path, sha256: str | None) -> Path:
    """Give the whole file `part` its name `path`, after its hash was compared where one is known.

    Raises:
        TransferError: The hash differs; the file is deleted.
    """
    if sha256 is not None:
        with part.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != sha256:
            part.unlink()
            raise TransferError(f"it sent a file with SHA-256 {found} where {sha256} is expected; that file is deleted")
    part.chmod(0o600)
    part.replace(path)
    return path
