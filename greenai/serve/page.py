"""The live page: energy, calls by outcome, budgets. One file that asks for nothing from elsewhere.

The server writes it whole. A script of a few lines fetches it again and exchanges what has changed; without scripts the
browser loads it again by itself. Its policy allows that script and its style by their hashes, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from greenai import __version__
from greenai.report import words
from greenai.units import format_energy

__all__ = ["page", "policy"]

EVERY_S = 3

_NOT_KEPT = "The ledger is in memory only, so this page has no figures. Set state_dir or ledger in the settings."


def page(data: Mapping[str, Any], *, inside: int, waiting: int) -> str:
    """Return the page.

    Args:
        data: the figures, as `Live.read` returns them.
        inside: requests that are answered now.
        waiting: requests that wait.
    """
    style, script = _asset("style.css"), _asset("live.js")
    whose = "" if data["project"] is None else f" of {words.clean(data['project'])}"
    main = "".join((_now(data, inside, waiting), _outcomes(data), _budgets(data)))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer"><meta name="color-scheme" content="light dark">'
        f'<link rel="icon" href="data:,"><title>{escape(f"Gateway{whose}")}</title><style>{style}</style>'
        f'<noscript><meta http-equiv="refresh" content="{EVERY_S * 5}"></noscript></head>\n'
        f"<body><header><h1>{escape(f'Gateway{whose}')}</h1>"
        f'<p class="note">The last {data["hours"]} hours. Brought up to date every {EVERY_S} seconds.</p></header>\n'
        f'<main id="live" data-every="{EVERY_S}">{main}</main>\n'
        '<p id="state" role="status"></p>'
        f'<footer><p>greenai {escape(__version__)}. The same as data: <a href="/live.json">/live.json</a>, '
        '<a href="/metrics">/metrics</a>. More: <code>greenai report</code>.</p></footer>'
        f"<script>{script}</script></body></html>\n"
    )


@cache
def policy() -> str:
    """Return the page's Content-Security-Policy."""
    return (
        f"default-src 'none'; style-src {_hash('style.css')}; script-src {_hash('live.js')}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


@cache
def _asset(name: str) -> str:
    return files("greenai.serve").joinpath(name).read_text("utf-8")


def _hash(name: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(_asset(name).encode()).digest()).decode()}'"


def _now(data: Mapping[str, Any], inside: int, waiting: int) -> str:
    total: Mapping[str, Any] = data["total"]
    calls, unknown = total.get("calls", 0), total.get("energy_unknown", 0)
    cards = (
        ("Calls", words.count(calls), f"{unknown} of unknown energy" if unknown else ""),
        ("Energy", _energy(total, "energy_j"), words.between(total.get("low_j"), total.get("high_j"))),
        ("Avoided", _energy(total, "avoided_j"), ""),
        ("Now", f"{words.count(inside)} open", f"{waiting} waiting" if waiting else ""),
    )
    inner = "".join(
        f'<div><dt>{escape(name)}</dt><dd class="figure">{escape(figure)}</dd>'
        + (f'<dd class="more">{escape(more)}</dd>' if more else "")
        + "</div>"
        for name, figure, more in cards
    )
    note = "" if data["ledger"] else f'<p class="note">{escape(_NOT_KEPT)}</p>'
    return f'<section aria-labelledby="now"><h2 id="now">In all</h2>{note}<dl class="cards">{inner}</dl></section>'


def _energy(amounts: Mapping[str, Any], key: str) -> str:
    joules = amounts.get(key)
    return "-" if joules is None else format_energy(joules)


def _outcomes(data: Mapping[str, Any]) -> str:
    groups: Sequence[Mapping[str, Any]] = data["by_outcome"]
    if not groups:
        return _section("outcomes", "Calls by outcome", '<p class="note">No call yet.</p>')
    rows = "".join(
        f'<tr><th scope="row">{escape(words.outcome(group["outcome"]))}</th><td>{words.count(group["calls"])}</td>'
        f"<td>{escape(_energy(group, 'energy_j'))}</td>"
        f"<td>{escape(words.between(group['low_j'], group['high_j'])) or '-'}</td></tr>"
        for group in groups
    )
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("outcome", "calls", "energy", "90% interval"))
    table = (
        f"<table><caption>What answered, and what it took</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )
    return _section("outcomes", "Calls by outcome", table)


def _budgets(data: Mapping[str, Any]) -> str:
    budgets: Sequence[Mapping[str, Any]] = data["budgets"]
    if not budgets:
        return _section("budgets", "Budgets", '<p class="note">No budget is configured.</p>')
    return _section("budgets", "Budgets", f"<ul>{''.join(map(_budget, budgets))}</ul>")


def _budget(budget: Mapping[str, Any]) -> str:
    name = words.clean(f"{budget['scope']}: {budget['budget']}")
    used = max(min(budget["settled"] / budget["limit"], 1.0), 0.0) if budget["limit"] else 1.0
    said = f"{budget['settled_text']} used, {budget['left_text']} left"
    return (
        f'<li><span>{escape(name)}</span><meter min="0" max="1" high="0.8" value="{used:.4f}" '
        f'aria-label="{escape(f"used of {name}", quote=True)}">{used:.0%}</meter>'
        f'<span class="more">{escape(said)}</span></li>'
    )


def _section(name: str, title: str, inner: str) -> str:
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{title}</h2>{inner}</section>'
