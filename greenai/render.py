"""A receipt and a decision for people: a table for terminals, a fragment for notebooks.

It takes the plain dictionaries of `to_dict()`, whether fresh or read back from JSON, and decides only on words. rich is
imported when a table is made.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

from greenai.units import format_duration, format_energy, format_interval, format_mass, significant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.table import Table

__all__ = [
    "answer_html",
    "decision_html",
    "decision_rows",
    "decision_table",
    "receipt_html",
    "receipt_rows",
    "receipt_table",
]

Row = tuple[str, str]
"""A label and what stands beside it, which may have several lines."""

_OUTCOMES = {
    "cache": "the cache: the same request was answered before",
    "semantic_cache": "the cache: a request of the same meaning was answered before",
    "answerer": "a calculation or function, without a language model",
    "lookup_needed": "nothing: the question needs live data",
    "task_model": "a small model made for the task",
    "small": "a small model",
    "large": "a large model",
}
_ENDPOINT = "the model that was named, behind base_url"
_EVIDENCE = {
    "provider_reported": "reported by the provider",
    "measured": "measured",
    "measured_shared": "measured, shared",
    "modelled_known_deployment": "modelled",
    "modelled_api": "modelled",
    "unknown": "unknown",
}
_METHODS = {
    "cpu-time": "processor time x {detail}",
    "rapl": "energy counter of the processor, by core time",
    "nvml": "energy counter of the GPU",
    "apple": "energy counters of the chip, by core time",
    "physics": "tokens and model size",
    "physics-cpu": "tokens and model size, on this processor",
    "provider-field": "in its response, {detail}",
}
"""What a method is in plain words, whatever its version; `detail` is what stands in brackets after its name."""
_METHOD = re.compile(r"(?P<name>[a-z-]+?)(?:-\d+)?(?: \((?P<detail>.*)\))?(?P<note>(?:, .*)?)")
_STATES = {"answered": "answered", "discarded": "answer discarded", "failed": "failed", "cut": "cut off"}
_RECEIPT = "receipt"
_DECISION = "decision"


# --- receipt --------------------------------------------------------------------------------


def receipt_rows(receipt: Mapping[str, Any]) -> tuple[Row, ...]:
    """Return the rows of a receipt, given as `Receipt.to_dict()` makes it; what is empty has no row."""
    rows = (
        ("answered by", _answered_by(receipt)),
        ("energy", _energy(receipt["energy"])),
        ("stars", _stars(receipt["stars"])),
        ("carbon", _carbon(receipt)),
        ("market-based", _mass(receipt.get("market_carbon_g"), receipt.get("market_carbon_source"))),
        ("water", _water(receipt)),
        ("embodied", _mass(receipt.get("embodied_carbon_g"), receipt.get("embodied_source"))),
        ("cost", _cost(receipt["cost_usd"])),
        ("tokens", _tokens(receipt["attempts"])),
        ("avoided", _avoided(receipt["avoided"])),
        ("greenai itself", _overhead(receipt["overhead"])),
        ("budget", (receipt["budget"] or {}).get("text", "")),
        ("cache", _kept(receipt.get("cache"))),
        ("why", "\n".join(receipt["decision"]["reasons"])),
        ("adjusted", "\n".join(_note(note) for note in receipt["nudges"])),
        ("opt-ins", _opt_ins(receipt)),
        ("attempts", _attempts(receipt["attempts"])),
        ("note", "\n".join(receipt["warnings"])),
        ("feature", receipt.get("feature") or ""),
        ("asked again", f"after call {receipt['parent']}" if receipt["parent"] else ""),
    )
    return tuple((label, text) for label, text in rows if text)


def text_of_rows(rows: Sequence[Row]) -> str:
    """Return rows as plain text, labels in one column: what `print` shows."""
    width = max((len(label) for label, _ in rows), default=0) + 2
    return "\n".join(f"{label:{width}}{text}".replace("\n", "\n" + " " * width) for label, text in rows)


def receipt_table(receipt: Mapping[str, Any]) -> Table:
    """Return a receipt as a table for a terminal."""
    return _table(receipt_rows(receipt), _RECEIPT)


def answer_html(text: str, receipt: Mapping[str, Any]) -> str:
    """Return an answer and its receipt as HTML."""
    return f'<p style="white-space:pre-wrap">{escape(text)}</p>{receipt_html(receipt)}'


def receipt_html(receipt: Mapping[str, Any]) -> str:
    """Return a receipt as an HTML fragment; everything in it is escaped."""
    return _html(receipt_rows(receipt), _RECEIPT, "greenai-receipt")


def _answered_by(receipt: Mapping[str, Any]) -> str:
    outcome = receipt["outcome"]
    what = _OUTCOMES.get(outcome, str(outcome))
    model = receipt["model"]
    if outcome == "large" and model and model.startswith("endpoint/"):
        what = _ENDPOINT  # how large it is, nobody told
    text = f"{model}: {what}" if model else what
    if outcome in ("small", "large"):
        text += f", {_reasoning(receipt['reasoning'])}"
    asked = receipt["requested_model"]
    return f"{text} ({asked} was named)" if asked and not _same_model(asked, model) else text


def _same_model(asked: str, model: str | None) -> bool:
    return model is not None and (asked == model or model.partition("/")[2] == asked)


def _reasoning(reasoning: bool | None) -> str:
    return "reasoning unknown" if reasoning is None else "with reasoning" if reasoning else "without reasoning"


def _energy(reading: Mapping[str, Any]) -> str:
    """Joules as watt-hours with the interval and what the figure rests on."""
    basis = f"{_EVIDENCE.get(reading['evidence'], reading['evidence'])}: {_methods(reading['method'])}"
    if reading["energy_j"] is None:
        return basis
    if reading["energy_j"] == 0:
        return f"0 Wh ({basis})"
    interval = format_interval(reading["low_j"], reading["high_j"])
    return f"{format_energy(reading['energy_j'])} ({interval}; {basis})"


def _methods(joined: str) -> str:
    """A method in plain words; one that has none here, and the reason of an unknown reading, stay as they are."""
    return " + ".join(_method(name) for name in joined.split(" + "))


def _method(method: str) -> str:
    found = _METHOD.fullmatch(method)
    words = _METHODS.get(found["name"]) if found else None
    return method if found is None or words is None else words.format(detail=found["detail"] or "") + found["note"]


def _stars(stars: Mapping[str, Any]) -> str:
    text = stars.get("text") or ("not rated" if stars["grade"] is None else f"{stars['grade']} of 5")
    return f"{text} on the scale {stars['scale']}" if stars["grade"] is not None else text


def _carbon(receipt: Mapping[str, Any]) -> str:
    amount, low, high = (receipt.get(name) for name in ("carbon_g", "carbon_low_g", "carbon_high_g"))
    if amount is None or not low or high is None:
        return _mass(amount, receipt["carbon_source"]) or "unknown"
    interval = f"{format_mass(low)} to {format_mass(high)}"
    return f"{format_mass(amount)} CO2e ({interval}; {_heads(receipt['carbon_source'])[2:]}"


def _mass(grams: float | None, source: str | None) -> str:
    if grams is None:
        return ""
    return f"{format_mass(grams)} CO2e{_heads(source)}"


def _heads(source: str | None) -> str:
    """What stands before the citation after the colon, which is for `to_dict()`; of several sources, each once."""
    heads = dict.fromkeys(part.partition(": ")[0] for part in (source or "").split(" + "))
    return f" ({' + '.join(heads)})" if source else ""


def _water(receipt: Mapping[str, Any]) -> str:
    amount = receipt["water_ml"]
    return "" if amount is None else f"{significant(amount)} ml{_heads(receipt.get('water_source'))}"


def _cost(cost_usd: float | None) -> str:
    """What was paid for models, where anything was."""
    if cost_usd is None:
        return "unknown"
    return f"{significant(cost_usd)} US dollars" if cost_usd else ""


def _kept(kept: Mapping[str, Any] | None) -> str:
    """Whether the answer is stored for the next time, and why not."""
    if kept is None:
        return ""
    return (
        f"not stored: {kept['why']}"
        if kept["ttl_s"] is None
        else f"stored for {format_duration(kept['ttl_s'])}: {kept['why']}"
    )


def _tokens(attempts: Sequence[Mapping[str, Any]]) -> str:
    if not attempts:
        return ""
    usages = [attempt["usage"] for attempt in attempts]
    counts = {name: [u[name] for u in usages] for name in ("input_tokens", "output_tokens")}
    if any(None in values for values in counts.values()):
        return "not reported"
    text = f"{sum(counts['input_tokens'])} in, {sum(counts['output_tokens'])} out"
    for name, words in (("cached_tokens", "of the input cached"), ("reasoning_tokens", "of the output reasoning")):
        extra = sum(u[name] or 0 for u in usages)
        text += f", {extra} {words}" if extra else ""
    return f"{text} (counted by greenai)" if any(u["estimated"] for u in usages) else text


def _avoided(avoided: Mapping[str, Any] | None) -> str:
    if avoided is None or avoided["energy"]["energy_j"] is None:
        return ""
    would = "would have been avoided, " if avoided["hypothetical"] else ""
    return f"{_energy(avoided['energy'])}, {would}against {avoided['baseline']}"


def _overhead(overhead: Mapping[str, Any]) -> str:
    text = f"{format_duration(overhead['duration_ms'] / 1e3)}, {format_energy(overhead['energy']['energy_j'])}"
    load_ms = overhead.get("load_ms") or 0
    load_j, idle_j = overhead["energy"]["components"].get("load"), overhead.get("idle_j")
    took = "" if load_j is None else f" and {format_energy(load_j)}"
    text += f"; {format_duration(load_ms / 1e3)}{took} of it loaded the model" if load_ms else ""
    return f"{text}; besides, the model had idled for {format_energy(idle_j)}" if idle_j else text


def _note(note: Mapping[str, Any]) -> str:
    text = str(note["text"])
    return f"{text.removesuffix('.')}. To change it: {note['override']}" if note["override"] else text


_GRANTORS = {"call": "this call", "block": "a block", "client": "the client"}


def _opt_ins(receipt: Mapping[str, Any]) -> str:
    """The opt-ins that were used; those that held, with who gave them and why, each on a line of its own."""
    used, held = receipt["decision"]["opt_ins"], receipt.get("opt_ins") or ()
    bare = [kind for kind in used if kind not in {grant["kind"] for grant in held}]
    return "\n".join([*map(_grant, held), *bare])


def _grant(grant: Mapping[str, Any]) -> str:
    by = _GRANTORS.get(grant["by"], f"the {grant['by']}")
    text = f"{grant['kind']}, by {grant['user']} in {by}" if grant["user"] else f"{grant['kind']}, by {by}"
    if grant["until"] is not None:
        text += f" until {datetime.fromtimestamp(grant['until'], UTC):%Y-%m-%d %H:%M} UTC"
    return text if grant["reason"] in (None, grant["by"]) else f"{text}: {grant['reason']}"


def _attempts(attempts: Sequence[Mapping[str, Any]]) -> str:
    """List the attempts where there is more to see than one answer."""
    if len(attempts) < 2 and not any(attempt["tries"] for attempt in attempts):
        return ""
    return "\n".join(_attempt(attempt) for attempt in attempts)


def _attempt(attempt: Mapping[str, Any]) -> str:
    text = f"{attempt['model']}: {_STATES.get(attempt['state'], attempt['state'])}"
    if attempt["error"]:
        text += f" ({attempt['error']})"
    text += f", {format_energy(attempt['energy']['energy_j'])}, {format_duration(attempt['latency_s'])}"
    retries = len(attempt["tries"])
    return f"{text}, {retries} {'retry' if retries == 1 else 'retries'}" if retries else text


# --- decision -------------------------------------------------------------------------------


def decision_rows(decision: Mapping[str, Any]) -> tuple[Row, ...]:
    """Return the rows of a decision, given as `Decision.to_dict()` makes it."""
    outcome = decision["outcome"]
    rows = (
        ("answer from", _OUTCOMES.get(outcome, outcome)),
        ("route", " then ".join(decision["route"])),
        ("why", "\n".join(decision["reasons"])),
        ("checks", "\n".join(_check(check) for check in decision["checks"])),
        ("opt-ins", ", ".join(decision["opt_ins"])),
        ("estimates", "\n".join(_estimate(estimate) for estimate in decision["estimates"])),
        ("observing", "nothing is changed" if decision["observed"] else ""),
    )
    return tuple((label, text) for label, text in rows if text)


def decision_table(decision: Mapping[str, Any], title: str = _DECISION) -> Table:
    """Return a decision as a table for a terminal."""
    return _table(decision_rows(decision), title)


def decision_html(decision: Mapping[str, Any]) -> str:
    """Return a decision as an HTML fragment; everything in it is escaped."""
    return _html(decision_rows(decision), _DECISION, "greenai-decision")


def _check(check: Mapping[str, Any]) -> str:
    return f"{check['name']} {check['value']:.2f} against {check['threshold']:.2f} ({check['source']})"


def _estimate(estimate: Mapping[str, Any]) -> str:
    text = f"{estimate['model']} ({estimate['tier']}): {_energy(estimate['energy'])}"
    loss = estimate.get("loss")
    text += f"; loss {loss:.2f}" if loss else ""
    return f"{text}; not used: {estimate['excluded']}" if estimate["excluded"] else text


# --- tables ---------------------------------------------------------------------------------


def _html(rows: Sequence[Row], title: str, css_class: str) -> str:
    cells = "".join(
        f'<tr><th scope="row" style="text-align:left;vertical-align:top">{escape(label)}</th>'
        f'<td style="text-align:left">{"<br>".join(escape(line) for line in text.splitlines())}</td></tr>'
        for label, text in rows
    )
    return f'<table class="{css_class}"><caption>{title}</caption><tbody>{cells}</tbody></table>'


def _table(rows: Sequence[Row], title: str) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for label, text in rows:
        table.add_row(Text(label), Text(text))  # Text, not markup: a model's name may contain brackets
    return table
