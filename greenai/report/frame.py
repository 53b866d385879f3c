"""The frame of a page: one HTML file that opens offline, asks for nothing from elsewhere, and runs no script.

Its Content-Security-Policy allows its own style by its hash and nothing else. What stands in it escapes its own text.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from greenai import __version__
from greenai.report import words

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["cards", "document", "figure", "section"]


def document(title: str, *, head: str, body: str, made: float, again: str) -> str:
    """Return a whole page.

    Args:
        title: what it is; escaped here.
        head: the HTML below the heading.
        body: the HTML of its sections.
        made: when, in seconds since 1970.
        again: the HTML that says how to have the same figures as data.
    """
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer"><meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{style}</style></head>\n<body>"
        f"<header><h1>{escape(title)}</h1>{head}</header>\n"
        f"<main>{body}</main>\n"
        f"<footer><p>Made by greenai {escape(__version__)} at {escape(words.moment(made))}. Times are UTC. "
        f"{again}</p></footer></body></html>\n"
    )


@cache
def _style() -> str:
    """Return the style, with a class for each width of a bar: the policy allows no style on an element."""
    own = files("greenai.report").joinpath("style.css").read_text("utf-8")
    return own + "".join(f".w{n}{{width:{n}%}}" for n in range(101))


def cards(shown: Iterable[tuple[str, str, str]]) -> str:
    """Return a row of figures: the name, the figure, and what stands below it."""
    return f'<dl class="cards">{"".join(_card(*card) for card in shown)}</dl>'


def _card(name: str, figure: str, more: str) -> str:
    below = f'<dd class="more">{escape(more)}</dd>' if more else ""
    return f'<div><dt>{escape(name)}</dt><dd class="figure">{escape(figure)}</dd>{below}</div>'


def section(name: str, title: str, inner: str, note: str = "") -> str:
    """Return a part of the page under a heading, with a note below that."""
    said = f'<p class="note">{escape(note)}</p>' if note else ""
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{escape(title)}</h2>{said}{inner}</section>'


def figure(drawings: str, table: str, legend: Iterable[tuple[str, str]] = ()) -> str:
    """Return a chart with what its colours mean (a class and its words), and its figures as a table."""
    items = "".join(
        f'<li><svg viewBox="0 0 10 10" aria-hidden="true"><rect class="{css_class}" width="10" height="10"/>'
        f"</svg>{escape(said)}</li>"
        for css_class, said in legend
    )
    colours = f'<ul class="legend" aria-label="Colours">{items}</ul>' if items else ""
    return f"<figure>{drawings}{colours}</figure><details><summary>The figures as a table</summary>{table}</details>"
