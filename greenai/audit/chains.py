"""Answers of which later calls carry on little: a chain of calls in which no person reads what the next one is given.

A template's answers are passed on where, in nearly all of a sample, the next calls have pieces of the very answer
before them that are not in its own prompt and not in what other chains have there, and begin sooner than a person
could have read it. What comes back as a turn of a conversation, or was streamed, is for a person, and is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from greenai.audit import wording
from greenai.audit.carried import Later, Said, later, said, texts
from greenai.audit.finding import Assumption, Span
from greenai.audit.history import goes_on_from
from greenai.audit.saving import wasted, without
from greenai.meters.physics import Z90
from greenai.report.words import count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.audit.carried import Field
    from greenai.audit.columns import Calls
    from greenai.audit.estimate import Looked
    from greenai.audit.finding import Waste
    from greenai.audit.values import Logged

    Codes: TypeAlias = NDArray[np.int64]
    Flags: TypeAlias = NDArray[np.bool_]
    Floats: TypeAlias = NDArray[np.float64]

__all__ = ["ASSUMPTIONS", "Chains", "Little", "largest_of", "little_used", "planned", "seen"]

LONG_TOKENS = 100
"""Shorter answers are not looked at."""
SOON_S = 10.0
"""So soon after an answer's end the next call begins: a person reads about 40 words in that time (238 words a minute,
Brysbaert, Journal of Memory and Language 109, 2019). Where the log has no latency, 20 tokens a second are allowed for.
Assumption."""
TOKENS_A_SECOND = 20.0
AFTER_S, MOST_AFTER = 3600.0, 12
"""So many calls are looked at after each, within so many seconds, of the same trace, else user, else project."""
FEWEST, CHAINS, TEMPLATES = 30, 30, 12
"""Of a template with so many answers that another call follows soon, so many are looked at; of so many templates."""
MOST_TOKENS = 15_000_000
"""Of prompts that are read for it: about 60 MB of text."""
LEAST_LOOKED, PASSED, BY_CHANCE, CONSTANT = 20, 0.8, 0.2, 0.5
"""A template's answers are passed on where so many chains could be looked at, such a share of them has pieces of its
own answer in later prompts, and at most such a share has pieces of another chain's answer there. A piece that is in
this share of all chains' later prompts belongs to those. Assumptions."""
CHATS = 0.1
"""Above this share of answers that come back as a turn, a template is a conversation's."""
LITTLE, LEAST_UNUSED = 0.25, 50
"""Little is at most this share of the words, and so many tokens beyond it."""
NAMED = 8
"""A field's name is told where so many answers have it, as words of prompts are."""
EARLY, MOST = 0.5, 0.95
"""What is carried on ends early where it does in this part of an answer, in so many of the chains."""

ASSUMPTIONS = (
    Assumption(
        key="waste_little_used",
        text=f"Tokens of answers beyond the words that later prompts carry on: runs of four words, and whole fields. "
        f"Looked at were up to {CHAINS} answers of a template, and the next {MOST_AFTER} calls within an hour of the "
        f"same trace, else user, else project; at least {PASSED:.0%} of them pass something on, within {SOON_S:g} "
        "seconds. What the app's own code reads of an answer, what a person does, and whether writing it made the part "
        "that is used better, the log does not say: between nothing and all of the rest is saved.",
        evidence="assumed",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chains:
    """What to look at: by template the answers, with the calls after each; and which calls those stand for."""

    after: Mapping[int, Mapping[int, tuple[int, ...]]]
    of: Flags

    @property
    def rows(self) -> frozenset[int]:
        """The numbers of all calls whose texts are wanted."""
        chains = [chain for of in self.after.values() for chain in of.items()]
        return frozenset(row for first, rest in chains for row in (first, *rest))


@dataclass(frozen=True, slots=True, kw_only=True)
class Little:
    """A template of whose answers later calls carry on little.

    Attributes:
        template: its code.
        chains: that were looked at.
        passed: the share of them that passes something on.
        share: of the words of an answer that is carried on, among those; its mean with a 90% interval.
        fields: names of the fields that are carried on, with JSON's word for what they are, where hardly anything else
            is carried on.
        ends: tokens up to the last word that is carried on, in 95% of the chains; None where that is late in an answer.
    """

    template: int
    chains: int
    passed: float
    share: Span
    fields: Mapping[str, str]
    ends: float | None


# --- which calls to look at -----------------------------------------------------------------


def planned(calls: Calls, seed: int = 0) -> Chains:
    """Choose the answers that are looked at, each with the calls after it."""
    import numpy as np

    rows, group = _in_order(calls)
    place = np.full(len(calls), -1, np.int64)
    place[rows] = np.arange(len(rows))
    end = _end(calls)
    following = np.append(rows[1:], -1)
    soon = np.zeros(len(calls), np.bool_)
    soon[rows[:-1]] = (group[1:] == group[:-1]) & (calls.created[rows[1:]] <= end[rows[:-1]] + SOON_S)
    parents = goes_on_from(calls)
    chat = np.zeros(len(calls), np.bool_)
    chat[parents[parents >= 0]] = True
    long = (_written(calls) >= LONG_TOKENS) & calls.ok & ~calls.tool_calls & (calls.answer.codes >= 0)
    long &= (calls.template.codes >= 0) & (following[place] >= 0) & (place >= 0)
    of = long & soon & (calls.before == 0) & ~chat
    of &= ~_chats(calls, long, chat | (calls.before != 0))
    after: dict[int, dict[int, tuple[int, ...]]] = {}
    rng, left = np.random.default_rng(seed), float(MOST_TOKENS)
    for template in _largest(calls, of):
        picked = np.flatnonzero(of & (calls.template.codes == template))
        picked = np.sort(rng.choice(picked, min(CHAINS, len(picked)), replace=False))
        chains = {int(row): _after(calls, rows, group, int(place[row]), end) for row in picked.tolist()}
        wanted = [row for first, rest in chains.items() for row in (first, *rest)]
        tokens = float(np.nansum(calls.input_tokens[wanted]))
        if tokens <= left:  # one with longer prompts takes no room from the others
            left -= tokens
            after[template] = chains
    return Chains(after=after, of=of & np.isin(calls.template.codes, [*after]))


def _in_order(calls: Calls) -> tuple[Codes, Codes]:
    """Return the calls whose time is known by what they belong to and by time, and what each belongs to."""
    import numpy as np

    trace, user, project = calls.trace.codes, calls.user.codes, calls.project.codes
    group = np.where(trace >= 0, 3 * trace, np.where(user >= 0, 3 * user + 1, 3 * project + 5))
    rows = np.flatnonzero(np.isfinite(calls.created))
    rows = rows[np.lexsort((rows, calls.created[rows], group[rows]))]
    return rows, group[rows]


def _written(calls: Calls) -> Floats:
    """Return the tokens of each answer, without its reasoning."""
    import numpy as np

    written: Floats = np.nan_to_num(calls.output_tokens) - np.nan_to_num(calls.reasoning_tokens)
    return written


def _end(calls: Calls) -> Floats:
    """Return when each answer had come, at the latest."""
    import numpy as np

    slow = np.nan_to_num(calls.output_tokens) / TOKENS_A_SECOND
    ended: Floats = calls.created + np.where(np.isfinite(calls.latency_s), np.nan_to_num(calls.latency_s), slow)
    return ended


def _chats(calls: Calls, long: Flags, chat: Flags) -> Flags:
    """Return the calls of templates that are a conversation's, as many of their answers come back as a turn."""
    import numpy as np

    size = int(calls.template.codes.max(initial=-1)) + 1
    every = np.bincount(calls.template.codes[long], minlength=size)
    turns = np.bincount(calls.template.codes[long & chat], minlength=size)
    is_chat = np.append(turns > CHATS * every, [False])
    return is_chat[calls.template.codes]


def _largest(calls: Calls, of: Flags) -> Sequence[int]:
    """Return the templates with most tokens in such answers, of those that have enough."""
    import numpy as np

    codes = calls.template.codes[of]
    often, tokens = np.bincount(codes), np.bincount(codes, weights=_written(calls)[of])
    order: list[int] = np.argsort(-tokens, kind="stable").tolist()
    return [code for code in order if often[code] >= FEWEST][:TEMPLATES]


def _after(calls: Calls, rows: Codes, group: Codes, at: int, end: Floats) -> tuple[int, ...]:
    """Return the calls after the one at a place, of what it belongs to."""
    rest = slice(at + 1, at + 1 + MOST_AFTER)
    near = (group[rest] == group[at]) & (calls.created[rows[rest]] <= end[rows[at]] + AFTER_S)
    found: list[int] = rows[rest][near].tolist()
    return tuple(found)


# --- what they pass on ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Chain:
    """An answer with its own prompt, the prompts after it, and which of those were sent soon."""

    answer: Said
    own: Later
    laters: tuple[Later, ...]
    soon: tuple[bool, ...]

    def carried(self) -> Flags:
        """Return which words of the answer stand in a later prompt, be it by chance."""
        import numpy as np

        found = np.zeros(len(self.answer.words), np.bool_)
        for one in self.laters:
            found |= self.answer.runs(one.runs(self.answer.grams))
            for field in self.answer.fields:
                if one.has(field):
                    found |= self.answer.places(field)
        return found

    def new(self, constant: Flags) -> tuple[Flags, tuple[Field, ...]]:
        """Return the runs and the fields of the answer that tell it from its own prompt, and from what is constant."""
        fields = tuple(field for field in self.answer.fields if not self.own.has(field))
        return ~self.own.runs(self.answer.grams) & ~constant, fields


def seen(calls: Calls, plan: Chains, read: Mapping[int, Logged | None]) -> tuple[Little, ...]:
    """Return the templates of whose answers later calls carry on little.

    Args:
        calls: all calls.
        plan: what was to be looked at.
        read: the texts of the calls that are in the plan.
    """
    found = (_little(calls, template, after, read) for template, after in plan.after.items())
    return tuple(one for one in found if one is not None)


def _little(
    calls: Calls, template: int, after: Mapping[int, tuple[int, ...]], read: Mapping[int, Logged | None]
) -> Little | None:
    import numpy as np

    chains, rows, chats = _chains(calls, after, read)
    if len(chains) < LEAST_LOOKED or chats > CHATS * (len(chains) + chats):
        return None
    own, other = _passed(chains)
    if own.mean() < PASSED or other.mean() > BY_CHANCE:
        return None
    linked = [chain for chain, is_linked in zip(chains, own, strict=True) if is_linked]
    tokens = _written(calls)[np.array(rows)[own]]
    carried = [chain.carried() for chain in linked]
    parts = np.array([chain.answer.part(words) for chain, words in zip(linked, carried, strict=True)])
    mean = float(np.average(parts, weights=tokens))
    off = Z90 * float(parts.std(ddof=1)) / len(parts) ** 0.5
    if mean > LITTLE or (1 - mean) * tokens.mean() < LEAST_UNUSED:
        return None
    last = np.array([1 - words[::-1].argmax() / max(len(words), 1) for words in carried])
    return Little(
        template=template,
        chains=len(chains),
        passed=float(own.mean()),
        share=Span(mid=mean, low=max(mean - off, 0.0), high=min(mean + off, 1.0)),
        fields=_named(linked, carried),
        ends=float(np.quantile(tokens * last, MOST)) if np.quantile(last, MOST) <= EARLY else None,
    )


def _chains(
    calls: Calls, after: Mapping[int, tuple[int, ...]], read: Mapping[int, Logged | None]
) -> tuple[list[_Chain], list[int], int]:
    """Return the chains whose texts the log has whole, their first calls, and how many are parts of conversations."""
    end, chats = _end(calls), 0
    found: list[_Chain] = []
    rows: list[int] = []
    for row, rest in after.items():
        first, following = read.get(row), [(at, read.get(at)) for at in rest]
        prompts = [one.messages for _, one in following if one is not None and one.messages is not None and not one.cut]
        if first is None or not first.answer or first.messages is None or len(prompts) < len(rest):
            continue
        if first.arguments.get("stream") or any(first.answer in texts(one, answers=True) for one in prompts):
            chats += 1
            continue
        soon = tuple(bool(calls.created[at] <= end[row] + SOON_S) for at in rest)
        laters = tuple(later(one) for one in prompts)
        found.append(_Chain(answer=said(first.answer), own=later(first.messages), laters=laters, soon=soon))
        rows.append(row)
    return found, rows, chats


def _passed(chains: Sequence[_Chain]) -> tuple[Flags, Flags]:
    """Return which chains pass on pieces of their own answer, and which would of the one before them in the sample."""
    import numpy as np

    every = [np.unique(np.concatenate([one.grams for one in chain.laters])) for chain in chains]
    grams, often = np.unique(np.concatenate(every), return_counts=True)
    constant = grams[often > CONSTANT * len(chains)]
    own, other = np.zeros(len(chains), np.bool_), np.zeros(len(chains), np.bool_)
    for at, chain in enumerate(chains):
        runs, fields = chain.new(np.isin(chain.answer.grams, constant))
        fields = tuple(field for field in fields if _often(field, chains) <= CONSTANT * len(chains))
        new = chain.answer.grams[runs]
        own[at] = _has(chain, new, fields)
        other[at] = _has(chains[at - 1], new, fields)
    return own, other


def _often(field: Field, chains: Sequence[_Chain]) -> int:
    return sum(any(one.has(field) for one in chain.laters) for chain in chains)


def _has(chain: _Chain, new: NDArray[np.uint64], fields: Sequence[Field]) -> bool:
    """Say whether a prompt of a chain that began soon has one of these runs or fields."""
    laters = [one for one, soon in zip(chain.laters, chain.soon, strict=True) if soon]
    return any(bool(one.runs(new).any()) or any(one.has(field) for field in fields) for one in laters)


def _named(chains: Sequence[_Chain], carried: Sequence[Flags]) -> Mapping[str, str]:
    """Return the names of the fields that nearly all chains carry on; none where other words are carried on, too."""
    import numpy as np

    often: dict[str, int] = {}
    kinds: dict[str, str] = {}
    inside: list[float] = []
    for chain, words in zip(chains, carried, strict=True):
        fields = [field for field in chain.answer.fields if any(one.has(field) for one in chain.laters)]
        kinds |= {field.name: field.kind for field in fields}
        for name in {field.name for field in fields}:
            often[name] = often.get(name, 0) + 1
        places = [chain.answer.places(field) for field in fields]
        of_fields = np.any(np.stack(places), axis=0) if places else np.zeros(len(words), np.bool_)
        inside.append(float((of_fields & words).sum() / max(words.sum(), 1)))
    if float(np.mean(inside)) < PASSED:
        return {}
    least = max(NAMED, PASSED * len(chains))
    return {name: kind for name, kind in kinds.items() if often[name] >= least and _is_plain(name)}


def _is_plain(name: str) -> bool:
    """Say whether a field's name is one that a program has, and nobody's."""
    return name.isidentifier() and not any(letter.isdigit() for letter in name)


# --- what that takes ------------------------------------------------------------------------


def unused(looked: Looked) -> Floats:
    """Return the tokens of each call's answer that are beyond what later calls carry on, as many as they may be."""
    import numpy as np

    calls, tokens = looked.calls, np.zeros(len(looked.calls))
    for one in looked.little:
        of = looked.chains.of & (calls.template.codes == one.template)
        tokens[of] = _written(calls)[of] * (1 - one.share.low) * one.passed
    return tokens


def little_used(looked: Looked) -> Waste | None:
    """Return answers of which later calls carry on little; None where there are none."""
    tokens = unused(looked)
    of = tokens > 0
    if not of.any():
        return None
    calls, largest = looked.calls, largest_of(looked)
    number = round(sum(one.passed * int((of & (calls.template.codes == one.template)).sum()) for one in looked.little))
    beyond = count(float(tokens[of].sum()) / max(number, 1), "token")
    said = f"{count(number, 'answer')} of {count(len(looked.little), 'template')} that the next call is given "
    said += f"within {SOON_S:g} seconds: up to {beyond} of each stand in no later prompt. Of those of "
    said += f"{calls.template.name(largest.template)}, later prompts carry on {wording.part(largest.share)} "
    said += f"of the words ({count(largest.chains, 'chain')} looked at)"
    found = wasted(looked, "little_used", replace(without(calls, of, output=tokens), sure=False), said)
    return None if found is None else replace(found, calls=number)


def largest_of(looked: Looked) -> Little:
    """Return the template with most tokens beyond what is carried on."""
    tokens, codes = unused(looked), looked.calls.template.codes
    largest: Little = max(looked.little, key=lambda one: float(tokens[codes == one.template].sum()))
    return largest
