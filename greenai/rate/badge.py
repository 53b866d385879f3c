"""A rating as a small picture: SVG of our own drawing, with text as text and no font or file from elsewhere."""

from __future__ import annotations

import math
import unicodedata
from html import escape

from greenai.rate.record import Record
from greenai.rate.view import View, view

__all__ = ["badge"]

WIDTH, HEIGHT = 380, 150
INK, PAPER, MUTED, STAR, EDGE = "#1b1f24", "#ffffff", "#4b5563", "#0b6b4b", "#8a939e"
FONT = "system-ui, 'DejaVu Sans', Verdana, sans-serif"
MOST_SIGNS = {19: 26, 12: 50}
"""How many signs of a wide font fit between the margins, by size in pixels."""


def badge(record: Record) -> str:
    """Return the badge of a rating as SVG."""
    seen = view(record)
    label = escape(f"{seen.model}: {seen.energy} per 1,000 queries, {seen.grade_words}, {seen.device}, {seen.date}")
    lines = (
        _text(16, 32, 19, _cut(seen.model, 19), INK, bold=True),
        *_grade(seen),
        _text(16, 84, 15, f"{seen.energy} per 1,000 queries", INK, bold=True),
        _text(16, 103, 12, _cut(_interval(seen), 12, tail=f"; {seen.prompts} prompts"), MUTED),
        _text(16, 121, 12, _cut(f"{seen.boundary_words}; {seen.mode_words}", 12), MUTED),
        _text(16, 138, 12, _cut(seen.device, 12, tail=f", {seen.date}, {seen.scale}"), MUTED),
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'role="img" aria-label="{label}">\n<title>{label}</title>\n'
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="8" fill="{PAPER}" stroke="{EDGE}"/>\n'
        f'<g font-family="{FONT}">\n' + "\n".join(lines) + "\n</g>\n</svg>\n"
    )


def _grade(seen: View) -> list[str]:
    """Return five stars, or the words that there is no grade, and why."""
    if seen.grade is None:
        return [_text(16, 59, 14, seen.grade_words, INK)]
    drawn = [_star(26 + 23 * n, 53, filled=n < seen.grade) for n in range(5)]
    return [*drawn, _text(138, 58, 14, f"{seen.grade} of 5 stars", INK)]


def _star(x: float, y: float, *, filled: bool) -> str:
    turns = [(10 if k % 2 == 0 else 4.2, math.pi * k / 5) for k in range(10)]
    points = " ".join(f"{x + r * math.sin(a):.1f},{y - r * math.cos(a):.1f}" for r, a in turns)
    return f'<polygon points="{points}" fill="{STAR if filled else PAPER}" stroke="{STAR}" stroke-width="1.3"/>'


def _text(x: int, y: int, size: int, said: str, fill: str, *, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x}" y="{y}" font-size="{size}"{weight} fill="{fill}">{escape(said)}</text>'


def _cut(said: str, size: int, tail: str = "") -> str:
    """Shorten in the middle, where names say least, so that it fits with `tail`; the whole is in the title."""
    most = MOST_SIGNS[size] - len(tail)
    if _width(said) <= most:
        return said + tail
    head, end = said, said
    while _width(head) > (most - 1) // 2:
        head = head[:-1]
    while _width(end) > most - 1 - _width(head):
        end = end[1:]
    return f"{head}…{end}{tail}"


def _width(said: str) -> int:
    """Count signs: those of East Asia that are drawn wide, and the widest Latin letters, as two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" or sign in "MW" else 1 for sign in said)


def _interval(seen: View) -> str:
    return f"90% interval {seen.interval}" if seen.has_interval else "no interval: one run"
