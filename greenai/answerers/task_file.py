"""The file of a distilled task model: one line that says what it is and its SHA-256, then a header and arrays.

Nothing is unpickled. Every byte after the first line counts in the hash, so that a file that was cut short or changed
is refused. The hash shows damage and changes by chance; it is no signature: whoever can write the file can write its
hash too, so that a file from elsewhere is to be compared with the version that its maker names.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import stat
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from greenai.errors import WeightsDamaged

__all__ = ["FORMAT", "Held", "TaskFileRefused", "load", "save"]

FORMAT = 1
LARGEST = 1 << 30
_FIRST = re.compile(rb"greenai task model (\d{1,9}) sha256=([0-9a-f]{64})\n")
_AGAIN = "Make it again with `greenai distil`, or copy it again from where it was made."


class TaskFileRefused(WeightsDamaged):
    """A file is no task model, or one that was damaged, changed, or made by a newer greenai."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a file holds: its header, its arrays by name, and the SHA-256 of both."""

    header: Mapping[str, Any]
    arrays: Mapping[str, Any]
    sha256: str


def save(path: Path, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> str:
    """Write a file that only its owner may read, at once or not at all, and return its SHA-256."""
    import numpy as np

    packed = io.BytesIO()
    told: Any = np.frombuffer(json.dumps(dict(header), ensure_ascii=False, allow_nan=False).encode(), np.uint8)
    if any(held.dtype.kind not in "fiu" for held in arrays.values()):
        raise ValueError("A task model consists of numbers only.")  # anything else would be pickled
    everything: dict[str, Any] = {**arrays, "header": told}
    np.savez(packed, **everything)
    body = packed.getvalue()
    digest = hashlib.sha256(body).hexdigest()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(f"greenai task model {FORMAT} sha256={digest}\n".encode() + body)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return digest


def load(path: Path) -> Held:
    """Read a file that `save` wrote.

    Raises:
        TaskFileRefused: it cannot be read, is no such file, was cut short or changed, or is of a newer format.
    """
    data = _bytes(path)
    first = _FIRST.match(data)
    if first is None:
        raise TaskFileRefused(f"{path.name} is no task model of greenai. {_AGAIN}")
    version, told = int(first[1]), first[2].decode()
    if version > FORMAT:
        raise TaskFileRefused(
            f"{path.name} has the format {version}, and this greenai reads up to {FORMAT}. Upgrade it: "
            "pip install --upgrade greenai"
        )
    body = memoryview(data)[first.end() :]
    found = hashlib.sha256(body).hexdigest()
    if found != told:
        raise TaskFileRefused(
            f"{path.name} has the SHA-256 {found[:12]}…, and it says itself {told[:12]}…: it was cut short or "
            f"changed. {_AGAIN}"
        )
    header, arrays = _unpacked(path, body)
    return Held(header=header, arrays=arrays, sha256=found)


def _bytes(path: Path) -> bytes:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # a pipe would be waited for
            raise TaskFileRefused(f"{path} is no file. Name one that `greenai distil` wrote.")
        if found.st_size > LARGEST:
            raise TaskFileRefused(f"{path.name} has {found.st_size:,} bytes, and a task model has at most {LARGEST:,}.")
        return path.read_bytes()
    except OSError as error:
        raise TaskFileRefused(
            f"The task model {path} could not be read ({error.strerror or error}). {_AGAIN}"
        ) from error


def _unpacked(path: Path, body: memoryview) -> tuple[dict[str, Any], dict[str, Any]]:
    import numpy as np

    try:
        with zipfile.ZipFile(io.BytesIO(body)) as listed:
            if any(info.compress_type != zipfile.ZIP_STORED for info in listed.infolist()):
                raise ValueError("it is packed")  # how much it unpacks to nobody would know
            for info in listed.infolist():
                with listed.open(info) as member:
                    _check_size(info, member)
        with np.load(io.BytesIO(body), allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
        header = json.loads(arrays.pop("header").tobytes())
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError, RecursionError) as error:
        raise TaskFileRefused(f"{path.name} is no task model that can be read ({error}). {_AGAIN}") from error
    if not isinstance(header, dict):
        raise TaskFileRefused(f"{path.name} is no task model: its header is no object. {_AGAIN}")
    return header, arrays


def _check_size(info: zipfile.ZipInfo, member: IO[bytes]) -> None:
    """Refuse an array of another size than it says itself: numpy takes the memory for that before it reads."""
    from numpy.lib import format as npy

    readers: Mapping[Any, Any] = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    shape, _, kind = readers[npy.read_magic(member)](member)
    if kind.hasobject:
        return  # which is refused as such
    says, has = math.prod(shape) * kind.itemsize, info.file_size - member.tell()
    if min(shape, default=0) < 0 or says != has:
        raise ValueError(f"{info.filename} is said to have {says:,} bytes, and has {has:,}")
