"""`greenai distil --labels`: the large model is asked anew, which shows how often it does not say the same twice."""

from __future__ import annotations

import random
import sys
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from greenai.cli.common import console
from greenai.errors import BudgetExceeded, InvalidRequest
from greenai.progress import bar
from greenai.units import format_energy

if TYPE_CHECKING:
    from greenai.answerers.skeleton import Template
    from greenai.client import Client
    from greenai.distil.pairs import Pairs
    from greenai.settings import Settings

__all__ = ["asked", "prompt"]


def prompt(template: Template, text: str) -> list[dict[str, str]]:
    """Return a prompt of a template with a text in its first slot, and a dash in each further one."""
    filled, messages = False, list[dict[str, str]]()
    for part in template.parts:
        content = part.literals[0]
        for piece in part.literals[1:]:
            content += ("-" if filled else text) + piece
            filled = True
        messages.append({"role": part.role, "content": content})
    return messages


def asked(pairs: Pairs, labels: int, teacher: str, budget: str | None, settings: Settings, *, as_json: bool) -> Pairs:
    """Return the pairs with further answers of the large model, each behind the one that the log has.

    Raises:
        InvalidRequest: the template has more than one slot, whose texts are no longer told apart.
    """
    from greenai import Client

    slots = sum(len(part.literals) - 1 for part in pairs.template.parts)
    if slots != 1:
        raise InvalidRequest(
            f"The template has {slots} slots, and --labels asks for one slot only. Leave --labels out."
        )
    drawn = random.Random(0).sample(range(len(pairs.texts)), min(labels, len(pairs.texts)))  # noqa: S311
    with Client(settings=settings) as client:
        said = _said(client, pairs, drawn, teacher, budget, as_json=as_json)
    order = [(at, again) for at in range(len(pairs.texts)) for again in ([False, True] if at in said else [False])]
    return replace(
        pairs,
        texts=tuple(pairs.texts[at] for at, _ in order),
        answers=tuple(said[at] if again else pairs.answers[at] for at, again in order),
        created=tuple(pairs.created[at] for at, _ in order) if pairs.created else (),
    )


def _said(
    client: Client, pairs: Pairs, drawn: list[int], teacher: str, budget: str | None, *, as_json: bool
) -> dict[int, str]:
    options: Any = {"cache": "off", "substitute": False}
    said, spent_j = dict[int, str](), 0.0
    limit = nullcontext() if budget is None else client.budget(budget, when_spent="refuse")
    with bar("asking", watched=not as_json and sys.stderr.isatty()) as moved, limit:
        for at in drawn:
            try:
                messages: Any = prompt(pairs.template, pairs.texts[at])
                response = client.chat.completions.create(model=teacher, messages=messages, greenai=options)
            except BudgetExceeded as error:
                console(stderr=True).print(f"{len(said)} were asked. {error}", markup=False, soft_wrap=True)
                break
            spent_j += response.greenai.energy.energy_j or 0.0
            if (text := response.choices[0].message.content) and response.choices[0].finish_reason == "stop":
                said[at] = text.strip()
            if moved is not None:
                moved("asking", done=len(said), total=len(drawn), said=format_energy(spent_j))
    return said
