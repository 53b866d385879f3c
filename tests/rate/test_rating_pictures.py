"""The badge and the leaderboard: well-formed, legible, nothing from elsewhere, nothing of strangers' texts runs."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from ratings import signed, unsigned

from greenai.rate import badge as drawn
from greenai.rate.badge import badge
from greenai.rate.board import as_html, as_markdown, tables
from greenai.rate.merge import merged
from greenai.rate.prompts import HASH, VERSION
from greenai.rate.view import view

if TYPE_CHECKING:
    from pathlib import Path

EVIL = '<script>alert("1")</script>|[x](javascript:y)`&\u202e\x1b[31m\n# z'


def said(svg: str) -> list[str]:
    return [str(text.text) for text in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_the_badge_says_what_was_rated_and_how() -> None:
    assert said(badge(unsigned())) == [
        "local/some-model",
        "5 of 5 stars",
        "2 Wh per 1,000 queries",
        "90% interval 1.5 to 2.5 Wh; 50 of 1,000 prompts",
        "CPU energy, no GPU; reasoning off, batch 1",
        "AMD EPYC, 2026-11-22, greenai-stars-1",
    ]


def test_the_badge_has_no_stars_without_a_grade() -> None:
    for record, why in (
        (unsigned(low=1.0, high=20.0), "not rated: 4 to 5 stars"),
        (unsigned(low=None, high=None), "not rated: no interval"),
    ):
        svg = badge(record)
        assert "<polygon" not in svg
        assert said(svg)[1] == why


@pytest.mark.parametrize(("wh", "stars"), [(5.0, 5), (50.0, 4), (500.0, 3), (5000.0, 2), (50_000.0, 1)])
def test_so_many_stars_are_filled(wh: float, stars: int) -> None:
    svg = badge(unsigned(wh=wh, low=wh, high=wh))
    assert svg.count("<polygon") == 5
    assert svg.count(f'fill="{drawn.STAR}"') == stars


def test_long_names_keep_their_line_and_the_title_has_them_whole() -> None:
    name, device = "local/" + "long-name-" * 9, "A device " * 9
    svg = badge(unsigned(model={"name": name}, device={"name": device.strip()}))
    assert len(said(svg)[0]) == drawn.MOST_SIGNS[19]
    assert len(said(svg)[5]) == drawn.MOST_SIGNS[12]
    assert said(svg)[5].endswith(", 2026-11-22, greenai-stars-1")
    assert name in svg


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colour", [drawn.INK, drawn.MUTED, drawn.STAR])
def test_contrast_is_that_of_wcag_aa(colour: str) -> None:
    assert (luminance(drawn.PAPER) + 0.05) / (luminance(colour) + 0.05) >= 4.5


def test_nothing_comes_from_elsewhere_and_nothing_of_a_record_runs() -> None:
    record = unsigned(model={"name": EVIL, "quantisation": EVIL}, device={"name": EVIL}, mode={"batch": EVIL})
    whole = merged([record, replace(record, sha256=EVIL)])
    ET.fromstring(badge(record))
    for text in (badge(record), as_html(whole)):
        assert "<script" not in text
        assert not re.search(r"(src|href)=|url\(|@import", text)
        assert "\x1b" not in text
        assert "\u202e" not in text
    rows = as_markdown(whole).splitlines()
    assert "\\<script\\>" in as_markdown(whole)
    assert not any(row.startswith("# z") for row in rows)
    table = [row for row in rows if row.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in table} == {10}


def test_ratings_that_do_not_compare_stand_in_tables_of_their_own_least_energy_first() -> None:
    gpu = unsigned(1, wh=9.0, low=9.0, high=9.0, boundary="gpu")
    large, small = unsigned(2, wh=2.4), unsigned(3, wh=1.6)
    served = unsigned(4, mode={"reasoning": "on", "serving": "served", "batch": 8})
    found = [(title, [v.wh for v in rows]) for title, rows in tables([large, served, small, gpu])]
    assert found == [
        ("GPU energy; reasoning off, batch 1", [9.0]),
        ("CPU energy, no GPU; reasoning off, batch 1", [1.6, 2.4]),
        ("CPU energy, no GPU; reasoning on, served, batch 8", [2.0]),
    ]


def test_ratings_of_other_work_stand_in_tables_of_their_own() -> None:
    other = unsigned(2, wh=1.6, prompts={"version": "greenai-prompts-2", "hash": "0", "count": 50})
    image = unsigned(3, task="image | generation")
    alike = "CPU energy, no GPU; reasoning off, batch 1"
    assert [title for title, _ in tables([unsigned(), other, image])] == [
        alike,
        f"{alike}; image | generation, prompts {VERSION} {HASH}",
        f"{alike}; text_generation, prompts greenai-prompts-2 0",
    ]


def test_a_name_makes_no_address_person_or_formula_of_itself() -> None:
    name = "https://e.example www.e.example @admin $x$"
    row = as_markdown(merged([unsigned(model={"name": name})])).splitlines()[-1]
    assert row.startswith("| https\\://e.example www\\.e.example \\@admin \\$x\\$ |")


def test_a_letter_carries_two_marks_at_most() -> None:
    assert view(unsigned(model={"name": "q" + "\u0323" * 50 + "\u0061"})).model == "q\u0323\u0323a"


def test_figures_of_any_size_keep_their_line() -> None:
    line = said(badge(unsigned(wh=1e14, low=1.0, high=9e14)))[3]
    assert len(line) <= drawn.MOST_SIGNS[12]
    assert "…" in line
    assert line.endswith("; 50 of 1,000 prompts")


@pytest.mark.parametrize("name", ["W" * 60, "\u6a21" * 60, "long-name-" * 9])
def test_wide_signs_keep_the_line_too(name: str) -> None:
    first = said(badge(unsigned(model={"name": name})))[0]
    assert drawn._width(first) <= drawn.MOST_SIGNS[19]
    assert "…" in first
    assert name[:5] == first[:5]
    assert first.endswith(name[-5:])


def test_the_boards_stars_stand_beside_ours_with_their_edition() -> None:
    record = unsigned(
        wh=17.4, low=17.3, high=17.5, boundary="gpu", engine="torch", device={"name": "NVIDIA H100 80GB HBM3"},
        model={"name": "m", "quantisation": "bfloat16", "params_b": 8.0}, output_tokens={"mean": 10},
        prompts={"count": 1000, "mean_tokens": 369.1},
    )  # fmt: skip
    assert "| ★★★★☆ 4 | 3 of 5, class A, edition 2025-02 |" in as_markdown(merged([record]))


def test_stars_of_the_board_that_a_record_claims_are_not_shown() -> None:
    board = {"edition": "2026-08", "stars": 5, "model_class": "A"}
    assert "| does not compare (edition 2025-02) |" in as_markdown(merged([unsigned(public_board=board)]))


def test_who_signed_is_shown_and_a_date_ahead_is_told(tmp_path: Path) -> None:
    record = signed(tmp_path, date="2999-01-01T00:00:00+00:00")
    assert record.signature is not None
    key = base64.b64decode(record.signature["key"]).hex()[:16]
    assert view(record).check == f"signed, key {key}, dated ahead of this machine's clock"


def test_what_is_kept_apart_is_told_and_an_empty_board_says_so() -> None:
    page = as_markdown(merged([unsigned(1), unsigned(1, wh=2.2)]))
    assert page.count("2 records with this id differ") == 2
    assert "No ratings yet." in page
    assert "<p>No ratings yet.</p>" in as_html(merged([]))


def test_stars_are_taken_from_the_figures_whatever_a_record_claims() -> None:
    record = unsigned(wh=500.0, low=500.0, high=500.0, stars={"grade": 5})
    assert said(badge(record))[1] == "3 of 5 stars"
