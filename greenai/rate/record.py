"""One rating as it is kept: plain JSON with a hash of its content, signed where that is possible.

`content` is kept as it was written, also by other versions; what is read from it is checked here, once.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from greenai.errors import GreenAIError
from greenai.rate import signing
from greenai.store.files import private_folder

__all__ = ["SCHEMA", "Check", "Record", "RecordError", "canonical", "made", "of_json", "read", "write"]

SCHEMA = "greenai-rate-1"

Check = Literal["signed", "unsigned", "unchecked", "changed"]
"""Signed and its signature holds; unsigned, with content as its hash says; signed, and nothing here can check it;
changed since."""

MOST_BYTES = 64 * 1024**2
MOST_SHOWN = 60
"""Signs of a stranger's value that a message repeats."""

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_TEXTS = ("id", "date", "task")
_GROUPS = ("model", "device", "mode", "prompts", "wh_per_1000")


class RecordError(GreenAIError):
    """A file is no record of a rating; the message has the next step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A rating: what was measured, its SHA-256, and the signature if there is one."""

    content: Mapping[str, Any]
    sha256: str
    signature: Mapping[str, Any] | None = None

    @property
    def id(self) -> str:
        """The random number that the rating was given."""
        return str(self.content["id"])

    def check(self) -> Check:
        """Say whether the content is what was written."""
        data = canonical(self.content)
        if hashlib.sha256(data).hexdigest() != self.sha256:
            return "changed"
        if self.signature is None:
            return "unsigned"
        if not signing.can_sign():
            return "unchecked"
        return "signed" if signing.holds(data, self.signature) else "changed"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        plain: dict[str, Any] = {"content": dict(self.content), "sha256": self.sha256}
        return plain if self.signature is None else {**plain, "signature": dict(self.signature)}


def canonical(value: object) -> bytes:
    """Return the one spelling of JSON values that is hashed and signed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def made(content: Mapping[str, Any], folder: Path) -> Record:
    """Make a record of what was measured: signed with the key in `folder`, unsigned without `cryptography`."""
    data = canonical(content)
    signature = signing.sign(data, folder) if signing.can_sign() else None
    return Record(content=content, sha256=hashlib.sha256(data).hexdigest(), signature=signature)


# --- files ----------------------------------------------------------------------------------


def read(path: Path) -> tuple[Record, ...]:
    """Return the records of a file: one record, or what `merge` wrote.

    Raises:
        RecordError: it cannot be read, or holds something else.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise RecordError(f"{path} has {path.stat().st_size:,} bytes; records are read up to {MOST_BYTES:,}.")
        held = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordError(f"There is no file {path}. Name one that greenai rate wrote.") from None
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}. Name a file that greenai rate wrote.") from None
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path} cannot be read as JSON: {error}. Name a file that greenai rate wrote.") from None
    rows = held.get("records") if isinstance(held, dict) and "records" in held else [held]
    if not isinstance(rows, list):
        raise RecordError(f"{path}: records is no list. Name a file that greenai rate wrote.")
    try:
        return tuple(of_json(row) for row in rows)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path} is no record of a rating: {error}. Name a file that greenai rate wrote.") from None


def of_json(row: Any) -> Record:
    """Return a record from JSON values; raises ValueError where what a reader needs is missing or of another kind."""
    if not isinstance(row, dict) or not isinstance(row.get("content"), dict):
        raise ValueError("it has no content")  # noqa: TRY004  # what a file says is no caller's type error
    content: dict[str, Any] = row["content"]
    if content.get("schema") != SCHEMA:
        raise ValueError(f"its schema is {_shown(content.get('schema'))}, and this version reads {SCHEMA!r}")
    missing = [key for key in _TEXTS if not isinstance(content.get(key), str)]
    missing += [key for key in _GROUPS if not isinstance(content.get(key), dict)]
    if missing:
        raise ValueError(f"{', '.join(missing)} missing or of another kind")
    if not _ID.fullmatch(content["id"]):
        raise ValueError(f"its id is {_shown(content['id'])}, not 32 digits of base 16")
    if not _is_moment(content["date"]):
        raise ValueError(f"its date is {_shown(content['date'])}, not such as 2026-11-22T02:40:19+00:00")
    _check_figures(content["wh_per_1000"])
    signature = row.get("signature")
    if not isinstance(row.get("sha256"), str) or not (signature is None or isinstance(signature, dict)):
        raise ValueError("its hash or signature is missing or of another kind")
    canonical(row)  # raises ValueError on what JSON does not have, such as Infinity
    return Record(content=content, sha256=row["sha256"], signature=signature)


def _check_figures(figure: Mapping[str, Any]) -> None:
    """Refuse what is no amount, and an interval that its figure is not in: either would be graded wrongly."""
    value, low, high = (figure.get(key) for key in ("value", "low", "high"))
    for key, found in (("value", value), ("low", low), ("high", high)):
        if not (_is_amount(found) or (found is None and key != "value")):
            raise ValueError(f"wh_per_1000.{key} is {_shown(found)}")
    if value == 0:
        raise ValueError("wh_per_1000.value is 0, and no query takes nothing")
    ends = tuple(end for end in (low, high) if end is not None)
    if len(ends) == 1 or (ends and not ends[0] <= value <= ends[1]):
        raise ValueError(f"wh_per_1000 has {_shown(value)} in an interval from {_shown(low)} to {_shown(high)}")


def _shown(found: object) -> str:
    said = repr(found)
    return said if len(said) <= MOST_SHOWN else f"{said[: MOST_SHOWN - 1]}…"


def _is_moment(said: str) -> bool:
    try:
        return datetime.fromisoformat(said).tzinfo is not None
    except ValueError:
        return False


def _is_amount(figure: object) -> bool:
    return isinstance(figure, (int, float)) and not isinstance(figure, bool) and 0 <= figure < 1e15


def write(path: Path, text: str) -> None:
    """Replace a file whole, for this user only.

    Raises:
        OSError: it cannot be written.
    """
    private_folder(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
