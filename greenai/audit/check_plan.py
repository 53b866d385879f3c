"""Which logged calls the small model is asked again, and which of them can be compared with the log.

    calls that were looked at ── those that routing would give to the small model
        ── those that can be asked again (`left_out` counts the others by why)
        ── a random part of them, each template and model by its share of the calls

A call that has tools is never asked again: it could do something twice. Only models of the settings' ladder are asked,
and a judge or the logged model only where they are named for that.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from greenai.audit.energy import law_of, smaller
from greenai.audit.labels import WHOLE
from greenai.audit.matching import Form, form_of
from greenai.errors import InvalidRequest
from greenai.route import FLOORS
from greenai.values import text_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.audit.estimate import Looked
    from greenai.audit.sufficing import Texts
    from greenai.audit.values import Logged

    Codes: TypeAlias = NDArray[np.int64]
    Floats: TypeAlias = NDArray[np.float64]

__all__ = ["NO_LADDER", "Kind", "Pair", "Planned", "labelled_rows", "once_more", "planned", "weights"]

Kind: TypeAlias = Literal["asked", "planted", "again"]
"""Asked of the small model; an answer whose truth is known, for the judge; asked of the logged model once more."""

KEPT = ("max_tokens", "max_completion_tokens", "temperature", "top_p", "stop", "seed", "response_format")
"""Arguments that a call is asked with again; the others are of its model, its tools, or its caller."""
LIMITS = ("max_tokens", "max_completion_tokens")
TIMES_LONGER, LEAST_TOKENS, CHARS_PER_TOKEN = 4, 256, 3
"""A call without a limit is asked with one: so many times the tokens of the log's answer, and so many at least. A small
model may not know when to end, and an answer that long is no shorter way to say the same."""
TOOLS = ("tools", "tool_choice", "functions", "function_call", "web_search_options", "mcp_servers")
FEWEST_PROMPTS = 3
"""An answer that so many different prompts of a template were given is a label."""
NO_LADDER = (
    "--check asks models that the settings name, and they name none. Write into greenai.toml, smallest first: "
    'ladder = ["local/smollm2-135m", "openai/gpt-5.5"]'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A logged call, and an answer beside the logged one.

    Attributes:
        model: which is asked.
        form: as what both are compared; None for free text and code.
        template: the template's number, -1 for none.
        weight: how many calls of the log it stands for, beside the others.
        kind: where the other answer is from.
        said: the other answer, where nobody has to be asked for it.
    """

    call: Logged
    model: str
    form: Form | None
    template: int
    weight: float = 1.0
    kind: Kind = "asked"
    said: str | None = None

    @property
    def key(self) -> str:
        """Return what it is known by in a journal: a digest."""
        asked: list[Any] = [self.model, list(self.call.messages or ()), self.arguments(), self.call.answer]
        asked += [] if self.kind == "asked" else [self.kind, self.said]
        return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()[:32]

    def arguments(self) -> dict[str, Any]:
        """Return the arguments with which it is asked again."""
        kept = {name: self.call.arguments[name] for name in KEPT if self.call.arguments.get(name) is not None}
        return kept if kept.keys() & set(LIMITS) else {**kept, LIMITS[self.model.startswith("openai/")]: self._most}

    @property
    def _most(self) -> int:
        """How many tokens an answer may have, where the call set no limit."""
        told = self.call.output_tokens or len(self.call.answer or "") // CHARS_PER_TOKEN
        return max(LEAST_TOKENS, TIMES_LONGER * told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What would be asked.

    Attributes:
        pairs: in the order in which they are asked, which is random.
        routed: calls that were looked at and that routing would give to the small model.
        covered: the share of such calls of the log that can be compared without an opinion.
        free: the share whose answers are free text or code, and can be asked again.
        left_out: why others cannot be asked or compared, with how many.
        known: answers of known truth, for a judge; `again` calls that the logged model is to be asked once more.
        input_tokens: of all pairs, as the log counts them; `energy_j` what the models would take, None if not known.
    """

    pairs: tuple[Pair, ...]
    routed: int
    covered: float
    left_out: Mapping[str, int]
    input_tokens: int
    energy_j: float | None
    free: float = 0.0
    known: tuple[Pair, ...] = ()
    again: tuple[Pair, ...] = ()

    @property
    def models(self) -> Mapping[str, int]:
        """Return the small models that would be asked, with how many calls each."""
        return Counter(pair.model for pair in self.pairs)

    @property
    def order(self) -> tuple[Pair, ...]:
        """All of them as they are asked: of each kind as large a part is done, wherever the budget ends it."""
        kinds = [of for of in (self.pairs, self.known, self.again) if of]
        placed = [((at + 0.5) / len(of), pair) for of in kinds for at, pair in enumerate(of)]
        return tuple(pair for _, pair in sorted(placed, key=lambda one: one[0]))


def planned(
    looked: Looked, texts: Texts, most: int, *, ladder: Sequence[str], free: bool = False, seed: int = 0
) -> Planned:
    """Return which calls to ask again: up to `most` of those that can be compared.

    Args:
        looked: what was looked at.
        texts: reads the texts of some calls.
        most: calls to ask.
        ladder: the models of the settings, smallest first, which alone are asked.
        free: whether calls whose answers are free text or code are asked, too.
        seed: the same one chooses the same calls.

    Raises:
        InvalidRequest: the settings name no ladder.
    """
    import numpy as np

    if not ladder:
        raise InvalidRequest(NO_LADDER)
    judged = looked.judged
    routed = judged.tried(FLOORS["standard"])
    rows = judged.rows[routed]
    stands_for = weights(looked)[routed]
    found, left_out = list[Pair](), Counter[str]()
    kept, labels = list[int](), labelled_rows(looked)
    for at, (row, call) in enumerate(zip(rows.tolist(), texts(rows.tolist()), strict=True)):
        model = smaller(looked.calls.model.name(int(looked.calls.model.codes[row]), ""), tuple(ladder))
        pair = _pair(call, model, int(looked.calls.template.codes[row]), is_label=bool(labels[row]), free=free)
        if isinstance(pair, str):
            left_out[pair] += 1
        else:
            found.append(pair)
            kept.append(at)
    share = stands_for[kept]
    exact = np.array([pair.form is not None for pair in found], np.bool_)
    rng = np.random.default_rng(seed)
    chosen, times = _systematic(share, [pair.template for pair in found], most, rng)
    order = rng.permutation(len(chosen)).tolist()
    pairs = tuple(replace(found[chosen[at]], weight=float(times[at])) for at in order)
    joules = [_joules(pair) for pair in pairs]
    whole = max(float(stands_for.sum()), 1e-12)
    return Planned(
        pairs=pairs,
        routed=len(rows),
        covered=float(share[exact].sum() / whole),
        free=float(share[~exact].sum() / whole),
        left_out=dict(left_out.most_common()),
        input_tokens=sum(pair.call.input_tokens or 0 for pair in pairs),
        energy_j=None if None in joules else sum(joule or 0.0 for joule in joules),
    )


def once_more(plan: Planned, most: int) -> Planned:
    """Return the plan with calls of free answers that the logged model is asked again, to see how alike it answers."""
    free = [pair for pair in plan.pairs if pair.form is None and pair.call.model is not None]
    made = (replace(pair, kind="again", model=_logged_as(pair.call), weight=1.0) for pair in free[:most])
    return replace(plan, again=tuple(made))


def _logged_as(call: Logged) -> str:
    model = call.model or ""
    return model if "/" in model else f"{call.provider or 'openai'}/{model}"


def weights(looked: Looked) -> Floats:
    """Return how many calls of the log each that was looked at stands for."""
    import numpy as np

    part = looked.plan.of[looked.judged.rows]
    seen = np.bincount(part, minlength=len(looked.plan.sizes))
    found: Floats = looked.plan.sizes[part] / seen[part]
    return found


def labelled_rows(looked: Looked) -> NDArray[np.bool_]:
    """Return which calls have an answer that several different prompts of their template were given."""
    import numpy as np

    calls = looked.calls
    table = np.stack([calls.template.codes, calls.answer.codes, calls.key.codes], axis=1)
    different = np.unique(table, axis=0)
    _, place, prompts = np.unique(different[:, :2], axis=0, return_inverse=True, return_counts=True)
    often = {
        (int(t), int(a))
        for (t, a), n in zip(different[:, :2], prompts[place.ravel()], strict=True)
        if n >= FEWEST_PROMPTS
    }
    return np.array([(t, a) in often and a >= 0 for t, a in table[:, :2].tolist()], np.bool_)


def _systematic(
    stands_for: Floats, templates: Sequence[int], most: int, rng: np.random.Generator
) -> tuple[Codes, Floats]:
    """Return about `most` places, each with a chance by its weight, spread over the templates by their share.

    With each comes how often it counts: of all places its weight, of a part the points that fall on it.
    """
    import numpy as np

    if len(stands_for) <= most:
        return np.arange(len(stands_for)), stands_for
    order = np.lexsort((rng.random(len(stands_for)), np.array(templates)))
    ends = np.cumsum(stands_for[order])
    points = (np.arange(most) + rng.random()) * (ends[-1] / most)
    hit, times = np.unique(np.minimum(np.searchsorted(ends, points), len(order) - 1), return_counts=True)
    chosen: Codes = order[hit]
    return chosen, times.astype(np.float64)


def _pair(call: Logged | None, model: str | None, template: int, *, is_label: bool, free: bool) -> Pair | str:
    """Return a call to be asked again, or why not."""
    if call is None or not call.messages or model is None:
        return "not in the log any more"
    if call.tool_calls or any(call.arguments.get(name) for name in TOOLS) or any(map(_uses_tools, call.messages)):
        return "has tools, and could do something twice"
    if not all(map(_is_text, call.messages)):
        return "asks about more than text"
    if call.cut or not call.answer or call.finish_reason not in WHOLE:
        return f"its {'prompt' if call.cut else 'answer'} is not in the log whole"
    form = form_of(call.answer, is_label=is_label)
    if form is None and not free:
        return "its answer is free text or code"
    return Pair(call=call, model=model, form=form, template=template)


def _uses_tools(message: Mapping[str, Any]) -> bool:
    return message.get("role") in ("tool", "function") or bool(
        message.get("tool_calls") or message.get("function_call")
    )


def _is_text(message: Mapping[str, Any]) -> bool:
    content: Any = message.get("content")
    return isinstance(content, str) or (
        bool(content) and bool(text_of(content)) and "url" not in json.dumps(content, default=str)
    )


def _joules(pair: Pair) -> float | None:
    import numpy as np

    law, counts = law_of(pair.model), (pair.call.input_tokens, 0, pair.call.output_tokens)
    if law is None or None in counts:
        return None
    return float(law.joules(*(np.array([count], np.float64) for count in counts))[0])
