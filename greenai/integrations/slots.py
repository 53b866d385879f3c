"""What fills the slots of a distilled task model's template, where a function's own arguments are the call.

arguments                                        messages that the template reads
─────────                                        ────────────────────────────────
messages                                         they themselves
those that distil_slots names, in order          the template, filled with them
one text alone, and the template has one slot    the template, filled with it; or the text, if it is the prompt
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from greenai.answerers import task_file
from greenai.answerers.skeleton import Template
from greenai.errors import GreenAIError, InvalidRequest

if TYPE_CHECKING:
    import inspect

__all__ = ["checked", "filled", "template_of", "unfit"]

NOT_TEXT = frozenset(("model", "system", "user", "self", "cls"))
"""Arguments whose text is not what fills a slot, unless they are named."""


def template_of(file: Path) -> Template | None:
    """Return the template of a file, None where it is refused; whoever asks the file for an answer says why."""
    try:
        changed = file.stat().st_mtime_ns
    except OSError:
        return None
    return _template_of(file, changed)


@lru_cache(maxsize=64)
def _template_of(file: Path, _changed: int) -> Template | None:
    try:
        return Template.from_json(task_file.load(file).header["template"])
    except (GreenAIError, KeyError, TypeError, ValueError):
        return None


def checked(names: object, signature: inspect.Signature | None, file: Path) -> tuple[str, ...]:
    """Return the names of the arguments that fill the slots.

    Raises:
        InvalidRequest: they are no names of the function's, or not as many as the file has slots.
    """
    given = (names,) if isinstance(names, str) else tuple(cast("Sequence[Any]", names))
    known = [] if signature is None else [*signature.parameters]
    strange = [name for name in given if name not in known]
    if strange:
        raise InvalidRequest(
            f"distil_slots names {', '.join(map(repr, strange))}, and the function takes "
            f"{', '.join(known) or 'nothing'}. Name those of its arguments whose texts fill the template, in its order."
        )
    template = template_of(file)
    slots = None if template is None else template.slot_count
    if template is not None and slots != len(given):
        raise InvalidRequest(
            f"distil_slots names {len(given)} arguments, and the template of {file.name} has {slots} slots: "
            f"{' '.join(template.skeleton.split())[:200]}. Name one argument for each slot, in this order."
        )
    return tuple(map(str, given))


def filled(template: Template, given: Mapping[str, Any], names: Sequence[str]) -> list[dict[str, Any]] | None:
    """Return the messages that a call's arguments are; None where they do not fill the template."""
    if names:
        return _filled(template, [given.get(name) for name in names])
    texts = [value for name, value in given.items() if isinstance(value, str) and name not in NOT_TEXT]
    if len(texts) != 1:
        return None
    whole = [{"role": "user", "content": texts[0]}]
    return whole if template.slots(whole) is not None else _filled(template, texts)


def unfit(template: Template, given: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """Say why such arguments never fill a template; None where other texts in them would."""
    wanted, texts = template.slot_count, [name for name, value in given.items() if isinstance(value, str)]
    have = [*names] or [name for name in texts if name not in NOT_TEXT]
    if len(have) == wanted and (names or wanted == 1):
        return None
    return (
        f"its template has {wanted} slots, and the texts that the function is given are {', '.join(have) or 'none'}. "
        "Name those that fill it, in its order: distil_slots=(...)."
    )


def _filled(template: Template, texts: Sequence[object]) -> list[dict[str, Any]] | None:
    if len(texts) != template.slot_count or not all(isinstance(text, str) for text in texts):
        return None
    messages = template.filled(cast("Sequence[str]", texts))
    return messages if template.slots(messages) == tuple(texts) else None
