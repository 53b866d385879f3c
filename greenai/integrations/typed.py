"""What a function returns that is annotated with a type of its own: a task model's labels as values of it.

annotated                    a label is read as
─────────                    ──────────────────
str, str | None              text, as it is
int, float                   the number that it is
bool                         true or false, yes or no, 1 or 0
Literal, an Enum             the member that is written so, or an Enum's that is named so; case aside
dict, list, a model          its JSON; a model by its `model_validate_json`, as pydantic's have
nothing, Any, a response     not known before a first call has returned one
anything else                not at all, which is told where the function is decorated

A type is used where each label of the file has a value of its own. In shadow and in audits what the function returned
counts as the label with that value.
"""

from __future__ import annotations

import enum
import json
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from greenai.answerers import task_file
from greenai.answerers.scores import number_of
from greenai.answerers.task_file import TaskFileRefused
from greenai.audit.labels import spelling
from greenai.integrations.returned import LIBRARIES

__all__ = ["TEXT", "Typed", "Untyped", "typed"]

TEXT = "text"
_OPEN = (Any, object, None, type(None))
_BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Untyped:
    """No label can be a value of the function's type, and why."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """How labels are values of a type.

    Attributes:
        read: makes a value of a text.
        labels: the file's labels with their values; empty where the answers are numbers on a scale.
    """

    read: Callable[[str], Any]
    labels: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def value(self, text: str) -> Any:
        """Return an answer of the task model's as the function would return it.

        Raises:
            ValueError: it is no such value.
        """
        return self.read(text)

    def text(self, value: object) -> str | None:
        """Return the label that a value is, or its own text; None where it says nothing."""
        if value is None:
            return None
        same = (text for text, known in self.labels.items() if type(known) is type(value) and known == value)
        return next(same, None) or _written(value)


def typed(function: Any, file: Path) -> Typed | Untyped | str | None:
    """Return how a file's labels are values of what a function returns.

    `TEXT` where it returns text; None where that is not known before it has returned something, or the file cannot be
    read, which is told where it is asked.
    """
    annotation = _bare(_annotation(function))
    if annotation is str:
        return TEXT
    if annotation in _OPEN or isinstance(annotation, typing.TypeVar) or _is_response(annotation):
        return None
    read = _reader(annotation)
    if read is None:
        name = getattr(annotation, "__name__", None) or str(annotation)
        return Untyped(
            why=f"it returns {name}, which no label can be read as. Annotate it with str, int, float, bool, Literal, "
            "an Enum, dict, list or a pydantic model, and make of that what else it is to be outside of it."
        )
    try:
        header = task_file.load(file).header
    except TaskFileRefused:
        return None
    return _fitted(read, annotation, header, file.name)


def _annotation(function: Any) -> Any:
    """Return what a function is annotated to return; a name that cannot be resolved counts as nothing."""
    raw = getattr(function, "__annotations__", {}).get("return")
    if not isinstance(raw, str):
        return raw
    simple = {"str": str, "int": int, "float": float, "bool": bool, "str | None": str}
    try:
        return simple[raw] if raw in simple else typing.get_type_hints(function).get("return")
    except Exception:  # noqa: BLE001  # an annotation runs somebody else's code
        return None


def _bare(annotation: Any) -> Any:
    """Return an annotation without `Annotated`, new names for it, and None beside it."""
    if hasattr(annotation, "__value__"):
        return _bare(annotation.__value__)
    if hasattr(annotation, "__supertype__"):
        return _bare(annotation.__supertype__)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _bare(arguments[0])
    if origin in (typing.Union, types.UnionType):
        some = [one for one in arguments if one is not type(None)]
        return _bare(some[0]) if len(some) == 1 else annotation
    return origin if origin in (dict, list) else annotation


def _is_response(annotation: Any) -> bool:
    return str(getattr(annotation, "__module__", "")).partition(".")[0] in LIBRARIES


def _reader(annotation: Any) -> Callable[[str], Any] | None:
    """Return what makes a value of a text, raising ValueError; None where nothing does."""
    if annotation is bool:
        return _members(_BOOLS)
    if annotation in (int, float):
        return cast("Callable[[str], Any]", _number(annotation))
    if typing.get_origin(annotation) is Literal:
        return _members({str(member): member for member in typing.get_args(annotation)})
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _members({**{one.name: one for one in annotation}, **{str(one.value): one for one in annotation}})
    if annotation in (dict, list):
        return _json(annotation)
    return getattr(annotation, "model_validate_json", None) if isinstance(annotation, type) else None


def _members(members: Mapping[str, Any]) -> Callable[[str], Any]:
    spelt = {spelling(text): member for text, member in members.items()}

    def read(text: str) -> Any:
        found = members.get(text, spelt.get(spelling(text)))
        if found is None:
            raise ValueError(f"{text!r} is none of {', '.join(members)}")
        return found

    return read


def _number(kind: type[int | float]) -> Callable[[str], int | float]:
    def read(text: str) -> int | float:
        found = number_of(text)
        if found is None or (kind is int and found[0] != int(found[0])):
            raise ValueError(f"{text!r} is no {kind.__name__}")
        return kind(found[0])

    return read


def _json(kind: type[Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        found = json.loads(text)
        if not isinstance(found, kind):
            raise ValueError(f"{text!r} is no {kind.__name__}")  # noqa: TRY004  # of a text, as json's own
        return found

    return read


def _fitted(read: Callable[[str], Any], annotation: Any, header: Mapping[str, Any], name: str) -> Typed | Untyped:
    kind, said = header.get("kind", "label"), getattr(annotation, "__name__", None) or str(annotation)
    if kind == "score" and (annotation is float or (annotation is int and not header.get("decimals"))):
        return Typed(read=read)
    if kind != "label":
        what = "copies words of a text" if kind == "span" else "says numbers with decimals or of another form"
        return Untyped(why=f"{name} {what}, and it returns {said}. Annotate it with str, and read its text outside.")
    found, values = dict[str, Any](), list[Any]()
    for label in map(str, header.get("labels", ())):
        try:
            value = read(label)
        except (ValueError, RecursionError):
            return Untyped(why=f"it returns {said}, and the label {label[:80]!r} of {name} is none of its values.")
        if any(type(one) is type(value) and one == value for one in values):
            return Untyped(why=f"it returns {said}, and two labels of {name} would be the same: {label[:80]!r} is one.")
        found[label] = value
        values.append(value)
    return Typed(read=read, labels=found)


def _written(value: Any) -> str:
    """Return the text of a value that no label has."""
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    dump = getattr(type(value), "model_dump_json", None)
    if dump is not None:
        return str(dump(value))
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (dict, list)) else str(value)
