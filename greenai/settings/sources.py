"""Where settings are read from: files found from the working directory upwards, each with the line of every key.

What the values mean, and whether they are right, is decided in `settings.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from greenai.errors import SettingsError

__all__ = ["MAX_FILE_BYTES", "PREFIX", "Source", "files"]

MAX_FILE_BYTES = 1_000_000
PREFIX = "GREENAI_"
_PATHS = ("state_dir", "weights_dir", "ledger", "faq", "carbon_forecast", "price_forecast")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Values from one place; `name` is how a message calls that place, `folder` where a file of settings lies."""

    name: str
    values: Mapping[str, Any]
    text: str = ""
    style: Literal["file", "env", "argument"] = "file"
    folder: Path | None = None

    def placed(self, key: str, value: Any) -> Any:
        """Return a value; a path of a file of settings is taken from its folder, from wherever the file was found."""
        if self.folder is None or key not in _PATHS:
            return value
        if isinstance(value, dict):  # the table of the FAQ
            table = cast("dict[str, Any]", value)
            return {**table, "path": self.placed(key, table["path"])} if "path" in table else table
        if not isinstance(value, str) or value.startswith("~") or value in ("", ":memory:"):
            return value
        return str(self.folder / value)

    def spell(self, key: str) -> str:
        """Return `key` as it is written in this source."""
        return PREFIX + key.upper() if self.style == "env" else key

    def where(self, key: str) -> str:
        """Return the source's name, with the line for a file."""
        found = re.search(
            rf"(?m)^[ \t]*(\"?{re.escape(key)}\"?[ \t]*=|\[\[?[ \t]*(tool\.greenai\.)?{re.escape(key)}[ \t]*[.\]])",
            self.text,
        )
        return self._at(found.start()) if found else self.name

    def where_in(self, table: str, index: int, key: str) -> str:
        """Return the source's name, with the line of `key` in a table's entry, or of the entry itself."""
        header = re.compile(rf"(?m)^[ \t]*\[\[[ \t]*(tool\.greenai\.)?{re.escape(table)}[ \t]*\]\]")
        starts = [match.start() for match in header.finditer(self.text)]
        if index >= len(starts):
            return self.where(table)
        end = re.compile(r"(?m)^[ \t]*\[").search(self.text, self.text.find("\n", starts[index]) + 1)
        line = re.compile(rf"(?m)^[ \t]*\"?{re.escape(key)}\"?[ \t]*=")
        found = line.search(self.text, starts[index], end.start() if end else len(self.text))
        return self._at(found.start() if found else starts[index])

    def where_path(self, path: Sequence[str]) -> str:
        """Return the source's name, with the line of the key that `path` leads to through tables, or of its table."""
        for depth in range(len(path), -1, -1):
            names = r"[ \t]*\.[ \t]*".join(_name(key) for key in ("tool", "greenai", *path[:depth]))
            own = r"[ \t]*\.[ \t]*".join(_name(key) for key in path[:depth])
            deeper = r"([ \t]*\.[^\]]*)?" if depth == len(path) else ""
            header = re.search(rf"(?m)^[ \t]*\[[ \t]*({names}{'|' + own if own else ''}){deeper}[ \t]*\]", self.text)
            if header is None and depth:
                continue
            start = header.end() if header else 0
            end = re.compile(r"(?m)^[ \t]*\[").search(self.text, start)
            key = rf"(?m)^[ \t]*{_name(path[depth])}[ \t]*[.=]" if depth < len(path) else r"(?!)"
            found = re.compile(key).search(self.text, start, end.start() if end else len(self.text)) or header
            if found is not None and (found is not header or depth):
                return self._at(found.start())
        return self.name

    def has(self, path: Sequence[str]) -> bool:
        """Say whether this source sets the key that `path` leads to."""
        table: Any = self.values
        for key in path:
            if not isinstance(table, Mapping) or key not in table:
                return False
            table = table[key]
        return True

    def _at(self, position: int) -> str:
        return f"{self.name}, line {self.text.count(chr(10), 0, position) + 1}"


def _name(key: str) -> str:
    """Return what matches a key as TOML writes it, bare or quoted."""
    return rf"[\"']?{re.escape(key)}[\"']?"


def files(explicit: Path | None) -> Iterator[Source]:
    """Yield the file sources, the weakest first."""
    if explicit is not None:
        yield _read(explicit, must_exist=True)
        return
    folders = (Path.cwd(), *Path.cwd().parents)
    project = next((s for f in folders if (s := _read_project(f / "pyproject.toml")) is not None), None)
    if project is not None:
        yield project
    own = next((f / "greenai.toml" for f in folders if (f / "greenai.toml").is_file()), None)
    if own is not None:
        yield _read(own)


def _read(path: Path, *, must_exist: bool = False) -> Source:
    if path.name == "pyproject.toml":
        return _read_project(path) or Source(name=str(path), values={})
    text = _text(path)
    if text is None:
        if must_exist:
            raise SettingsError(f"{path} does not exist. Name an existing file, or leave it out.")
        return Source(name=str(path), values={})
    return Source(name=str(path), values=_parse(path, text), text=text, folder=_folder(path))


def _read_project(path: Path) -> Source | None:
    text = _text(path)
    if text is None or "tool.greenai" not in text:
        return None
    tools = _parse(path, text).get("tool", {})
    table = tools.get("greenai") if isinstance(tools, dict) else None
    if not isinstance(table, dict):
        return None
    return Source(name=f"{path} [tool.greenai]", values=cast("dict[str, Any]", table), text=text, folder=_folder(path))


def _folder(path: Path) -> Path:
    return path.absolute().parent


def _text(path: Path) -> str | None:
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise SettingsError(
                f"{path} has {size} bytes; a settings file may have {MAX_FILE_BYTES}. Is it the right file?"
            )
        return path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}. Make it readable or move it away.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from error


def _parse(path: Path, text: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}. Fix that line.") from error
