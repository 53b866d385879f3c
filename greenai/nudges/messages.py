"""What nudges say, by an id and in a language: one place for every text, so that an app can add its own language.

A text is a `str.format` template over the data of the note, which stands on the receipt beside it. Words are neutral:
what was seen, with the numbers, and what could be done.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from typing import Any

from greenai.errors import InvalidRequest

__all__ = ["ENGLISH", "languages", "register", "say"]

ENGLISH: Mapping[str, str] = {
    "effort.off": "reasoning off for {model}",
    "effort.off_again": "reasoning off for {model}; it reasoned all the same before",
    "effort.lowest": "reasoning of {model} cannot be switched off; at its lowest: {sent}",
    "effort.always_on": "reasoning of {model} cannot be switched off",
    "effort.on": "reasoning on for {model}: P(it helps) {gain:.2f} reaches {threshold:.2f}",
    "effort.gains_little_off": "reasoning off for {model}: P(it helps) {gain:.2f} is below {threshold:.2f}",
    "effort.gains_little_lowest": (
        "reasoning at its lowest for {model}: P(it helps) {gain:.2f} is below {threshold:.2f}"
    ),
    "effort.right_anyway_off": "reasoning off for {model}: P(right without it) {right:.2f} reaches {threshold:.2f}",
    "effort.right_anyway_lowest": (
        "reasoning at its lowest for {model}: P(right without it) {right:.2f} reaches {threshold:.2f}"
    ),
    "effort.refused": "{model} refused the field that turns reasoning off, so it was asked without",
    "effort.gated": "{names} not sent: strict_opt_in is set and nobody opted in",
    "brevity.asked": "a short answer was asked for: about {expected_tokens} tokens are expected",
    "output_length.limited": "answer limited to {limit} tokens",
    "output_length.lowered": "{given} lowered to {limit}: strict_opt_in is set and nobody opted in",
    "budget.less": "{less}, to stay within {budget}",
    "budget.model": "{model} instead of {wanted}",
    "budget.unreasoned": "no reasoning",
    "budget.limited": "at most {limit} output tokens",
    "batching.loop": (
        "{count} calls of one form to {model} came one after another within {seconds:.0f} s. Where they can wait, "
        "{provider}'s batch API charges {share:.0%} of the price: {batch_usd:.2g} in place of {usd:.2g} US dollars "
        "for these."
    ),
    "batching.not_urgent": (
        "{count} calls of one form to {model} in {seconds:.0f} s were not urgent. {provider}'s batch API charges "
        "{share:.0%} of the price: {batch_usd:.2g} in place of {usd:.2g} US dollars for these."
    ),
    "caching.time": (
        "{count} requests within {minutes:.0f} min differ only in a time, so each was asked anew. Leave it out of the "
        "messages, or round it to the day, and the cache answers the others."
    ),
    "caching.id": (
        "{count} requests within {minutes:.0f} min differ only in an id or a date, {same_answers} of them with the "
        "answer before, and each was asked anew. Leave it out of the messages, and the cache answers the others."
    ),
    "caching.prefix": (
        "The first lines of {count} long prompts to {model} differ only in a time or an id, so the provider's own "
        "cache of prompts cannot serve them. Put what varies last: a cached token costs {share:.0%} of a fresh one, "
        "and these prompts had about {tokens} tokens each."
    ),
    "right_sizing.labels": (
        "The last {count} answers to calls of one form were one of {labels} short texts ({counts}). A task model can "
        'give them: client.task("...", examples={{label: [texts, ...], ...}}).'
    ),
    "timing.later": (
        "This call is not urgent: a kWh emits about {now_g:.0f} g CO2e now and {then_g:.0f} g ({change:+.0%}) from "
        "{defer_until} on."
    ),
}

GERMAN: Mapping[str, str] = {
    "effort.off": "Reasoning von {model} abgeschaltet",
    "effort.off_again": "Reasoning von {model} abgeschaltet; zuvor kam es trotzdem",
    "effort.lowest": "Reasoning von {model} lässt sich nicht abschalten; auf dem geringsten Stand: {sent}",
    "effort.always_on": "Reasoning von {model} lässt sich nicht abschalten",
    "effort.on": "Reasoning von {model} angeschaltet: P(es hilft) {gain:.2f} erreicht {threshold:.2f}",
    "effort.gains_little_off": (
        "Reasoning von {model} abgeschaltet: P(es hilft) {gain:.2f} liegt unter {threshold:.2f}"
    ),
    "effort.gains_little_lowest": (
        "Reasoning von {model} auf dem geringsten Stand: P(es hilft) {gain:.2f} liegt unter {threshold:.2f}"
    ),
    "effort.right_anyway_off": (
        "Reasoning von {model} abgeschaltet: P(auch ohne richtig) {right:.2f} erreicht {threshold:.2f}"
    ),
    "effort.right_anyway_lowest": (
        "Reasoning von {model} auf dem geringsten Stand: P(auch ohne richtig) {right:.2f} erreicht {threshold:.2f}"
    ),
    "effort.refused": "{model} hat das Feld abgelehnt, das Reasoning abschaltet, und wurde ohne es gefragt",
    "effort.gated": "{names} nicht gesendet: strict_opt_in ist gesetzt, und niemand hat zugestimmt",
    "brevity.asked": "um eine kurze Antwort wurde gebeten: erwartet werden etwa {expected_tokens} Token",
    "output_length.limited": "Antwort auf {limit} Token begrenzt",
    "output_length.lowered": "{given} auf {limit} gesenkt: strict_opt_in ist gesetzt, und niemand hat zugestimmt",
    "budget.less": "{less}, um {budget} einzuhalten",
    "budget.model": "{model} statt {wanted}",
    "budget.unreasoned": "kein Reasoning",
    "budget.limited": "höchstens {limit} Token Ausgabe",
    "batching.loop": (
        "{count} Aufrufe gleicher Form an {model} kamen innerhalb von {seconds:.0f} s nacheinander. Wenn sie warten "
        "können: Die Batch-Schnittstelle von {provider} kostet {share:.0%} des Preises, für diese {batch_usd:.2g} "
        "statt {usd:.2g} US-Dollar."
    ),
    "batching.not_urgent": (
        "{count} Aufrufe gleicher Form an {model} in {seconds:.0f} s waren nicht eilig. Die Batch-Schnittstelle von "
        "{provider} kostet {share:.0%} des Preises, für diese {batch_usd:.2g} statt {usd:.2g} US-Dollar."
    ),
    "caching.time": (
        "{count} Anfragen innerhalb von {minutes:.0f} min unterscheiden sich nur in einer Zeitangabe und wurden "
        "deshalb jede neu gestellt. Ohne sie in den Nachrichten, oder auf den Tag gerundet, antwortet der Cache."
    ),
    "caching.id": (
        "{count} Anfragen innerhalb von {minutes:.0f} min unterscheiden sich nur in einer Kennung oder einem Datum, "
        "{same_answers} davon mit der Antwort von zuvor, und wurden jede neu gestellt. Ohne sie in den Nachrichten "
        "antwortet der Cache."
    ),
    "caching.prefix": (
        "Der Anfang von {count} langen Prompts an {model} unterscheidet sich nur in einer Zeitangabe oder Kennung; "
        "der Prompt-Cache des Anbieters kann deshalb nicht greifen. Wechselndes ans Ende stellen: Ein Token aus dem "
        "Cache kostet {share:.0%} eines neuen, und diese Prompts hatten je etwa {tokens} Token."
    ),
    "right_sizing.labels": (
        "Die letzten {count} Antworten auf Aufrufe gleicher Form waren einer von {labels} kurzen Texten ({counts}). "
        'Ein Aufgabenmodell kann sie geben: client.task("...", examples={{label: [texte, ...], ...}}).'
    ),
    "timing.later": (
        "Dieser Aufruf ist nicht eilig: Eine kWh verursacht jetzt etwa {now_g:.0f} g CO2e, ab {defer_until} "
        "{then_g:.0f} g ({change:+.0%})."
    ),
}

_languages: dict[str, Mapping[str, str]] = {"en": ENGLISH, "de": GERMAN}


def languages() -> tuple[str, ...]:
    """Return the languages there are texts in."""
    return tuple(_languages)


def register(language: str, texts: Mapping[str, str]) -> None:
    """Add a language, or texts to one; an id without a text is said in English.

    Raises:
        InvalidRequest: an id nobody knows, or a template that names what the note's data does not have.
    """
    for name, text in texts.items():
        if name not in ENGLISH:
            raise InvalidRequest(f"{name!r} is no text of a nudge. The ids are: {', '.join(sorted(ENGLISH))}.")
        extra = sorted(_fields(text) - _fields(ENGLISH[name]))
        if extra:
            known = ", ".join(sorted(_fields(ENGLISH[name])))
            raise InvalidRequest(f"The text {name!r} names {extra[0]!r}, which its data has not. It has: {known}.")
    _languages[language] = {**_languages.get(language, {}), **texts}


def _fields(template: str) -> set[str]:
    try:
        return {field for _, field, _, _ in Formatter().parse(template) if field is not None}
    except ValueError as error:
        raise InvalidRequest(f"{template!r} is no template: {error}. Write a brace that is text twice.") from None


def say(name: str, data: Mapping[str, Any], language: str = "en") -> str:
    """Return a text in a language, else in the one that it is a variety of ("de-AT": "de"), else in English."""
    for known in (language, language.partition("-")[0]):
        template = _languages.get(known, {}).get(name)
        if template is not None:
            return template.format_map(data)
    return ENGLISH[name].format_map(data)
