"""What an audit prints: one screen of 80 columns, with intervals, marks of assumptions, and lines as they are typed."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from audit_found import HOSTILE, audited, nothing
from rich.console import Console

from greenai.audit import terminal, wording
from greenai.audit.audited import Audited
from greenai.audit.finding import Group, Span


def shown(found: Audited, by: str | None = None, *, width: int = 80) -> str:
    out = Console(file=io.StringIO(), width=width, highlight=False)
    for part in terminal.screen(found, width=width) if by is None else terminal.parts(found, by, width=width):
        out.print(part, crop=False)
    return str(out.file.getvalue())  # type: ignore[attr-defined]


def test_the_first_screen_is_one() -> None:
    lines = shown(audited()).splitlines()
    assert len(lines) <= 34
    assert max(map(len, lines)) <= 80


def test_it_says_what_was_and_what_could_have_been_with_intervals() -> None:
    said = shown(audited(), width=120)
    assert said.startswith("10,000 calls in 1 file, 2026-10-26 to 2026-11-25; 200 failed.\n")
    for figure in ("energy [1]  100 Wh (50 to 200 Wh)  30 Wh (15 to 60 Wh)", "40 g (20 to 80 g)", "1.00 USD"):
        assert figure in said, figure
    assert (
        "Of 9,700 calls that could be judged, less would have sufficed for 80% (76 to 88%); that is 70% (63 to 84%) of "
        "the energy. In brackets: 90% intervals. The energy of 3 calls is unknown and in no sum."
    ) in " ".join(said.split())


def test_four_changes_have_their_literal_lines_and_where_they_belong() -> None:
    said = shown(audited())
    assert "1. change 1\n   saves 50 Wh (25 to 100 Wh); worse: 2.0% (1.5 to 3.0%), measured on 200 [4]" in said
    assert "     [cache]   # greenai.toml\n     line_1 = true  # support-bot" in said
    assert "4. change 4" in said
    assert "change 5" not in said


def test_a_change_that_saves_next_to_nothing_is_not_on_the_first_screen() -> None:
    found = audited()
    first = found.finding.changes[0]
    tiny = replace(first, saved=replace(first.saved, energy_j=Span(mid=1.0, low=0.0, high=2.0)))
    said = shown(replace(found, finding=replace(found.finding, changes=(tiny, *found.finding.changes[1:]))))
    assert "change 1\n" not in said
    assert "1. change 2\n" in said


EXPLAINED = re.compile(r"\[(\d+)\] (?:[Cc]ounted|[Mm]easured|[Ee]stimated|[Aa]ssumed)")


def test_each_mark_is_explained_once() -> None:
    for by in (None, *terminal.PARTS):
        said = shown(audited(), by, width=999)
        explained = EXPLAINED.findall(said)
        assert len(explained) == len(set(explained))
        assert set(re.findall(r"\[(\d+)\]", said)) == set(explained), by


def test_a_mark_means_the_same_in_every_part() -> None:
    full = re.findall(r"^\[(\d+)\] (.*)$", shown(audited(), "assumptions", width=999), re.MULTILINE)
    short = {
        mark: wording.in_short(audited().finding, known.key)
        for mark, said in full
        for known in audited().finding.assumptions
        if said == wording.rests_on(audited().finding, known.key)
    }
    assert len(short) == len(audited().finding.assumptions)
    for by in (None, "project", "hour"):
        said = shown(audited(), by, width=999)
        assert all(f"[{mark}] {short[mark]}" in said for mark in EXPLAINED.findall(said)), by
    for by in ("sufficing", "waste"):
        said = shown(audited(), by, width=999)
        assert all(f"[{mark}] {dict(full)[mark]}" in said for mark in EXPLAINED.findall(said)), by


def test_a_figure_has_its_interval_below_where_there_is_no_room_beside() -> None:
    assert "80 Wh\n" not in shown(audited(), "project")
    assert re.search(r" 80 Wh +56 Wh *\n.*\(40 to 160 Wh\) +\(28 to 110 Wh\)", shown(audited(), "project"))
    assert "80 Wh (40 to 160 Wh)" in shown(audited(), "project", width=120)
    assert max(map(len, shown(audited(), "sufficing").splitlines())) <= 80
    assert "energy was" in shown(audited(), "sufficing")


def test_a_way_that_answers_no_call_has_no_row() -> None:
    found = audited().finding
    none = Span(mid=0.0, low=0.0, high=0.0)
    rows = tuple(replace(row, share=none) if row.by == "lookup" else row for row in found.whole.sufficed)
    said = shown(replace(audited(), finding=replace(found, whole=replace(found.whole, sufficed=rows))), "sufficing")
    assert "No call: live data, looked up." in said


def test_it_is_told_where_no_change_reaches_what_could_have_been_saved() -> None:
    first = audited().finding.changes[0]
    small = replace(first, saved=replace(first.saved, energy_j=Span(mid=9 * 3600.0, low=0.0, high=9 * 3600.0)))
    said = shown(replace(audited(), finding=replace(audited().finding, changes=(small,))), width=999)
    assert "No change below reaches half of that: it is known how many calls those are, not which." in said
    assert "no change below" not in shown(audited(), width=999)


def test_what_a_change_saves_is_wrapped_below_itself() -> None:
    first = audited().finding.changes[0]
    long = replace(first.saved, energy_j=Span(mid=3.5e6, low=8.3e5 * 1.234, high=4.7e9 * 1.234))
    said = shown(replace(audited(), finding=replace(audited().finding, changes=(replace(first, saved=long),))))
    assert re.search(r"\n   saves [^\n]{60,77}\n   [^ \n]", said)


def test_a_line_to_copy_is_not_broken() -> None:
    first = audited().finding.changes[0]
    line = f"tools = [{'a' * 100}]"
    found = replace(audited().finding, changes=(replace(first, lines=(line,)),))
    assert f"     {line}   # greenai.toml" in shown(replace(audited(), finding=found)).splitlines()


def test_what_to_change_is_wrapped_and_not_cut() -> None:
    first = audited().finding.changes[0]
    long = replace(
        first, what="Let openai/gpt-5.4-nano answer where it is expected to suffice, in place of openai/gpt-5.5"
    )
    said = shown(replace(audited(), finding=replace(audited().finding, changes=(long,))))
    assert (
        "1. Let openai/gpt-5.4-nano answer where it is expected to suffice, in place of\n   openai/gpt-5.5\n   saves "
        in said
    )


def test_assumptions_are_there_in_full() -> None:
    said = shown(audited(), "assumptions")
    for known in audited().finding.assumptions:
        assert f"{known.evidence.capitalize()}: {known.text}" in said.replace("\n", " ")


def test_names_steer_no_terminal() -> None:
    for by in (None, *terminal.PARTS):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown(audited(HOSTILE), by)), by


def test_files_tell_what_was_not_read_and_what_is_not_said() -> None:
    said = shown(audited(), "files", width=200)
    assert "31 lines could not be read and are in no figure:" in said
    assert "  support-bot.jsonl:24: torn off" in said
    assert "  and 11 more" in said
    assert "  user: features that nobody uses are not found" in said


def test_without_a_call_it_says_so() -> None:
    assert shown(nothing()) == "No call was found in what was read.\n"


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.5, 0.5, "50%"), (0.2, 0.7, "50% (20 to 70%)"), (0.0, 1.0, "50% (0 to 100%)"), (0.4999, 0.5001, "50%")],
)
def test_an_interval_is_told_where_there_is_one(low: float, high: float, said: str) -> None:
    assert wording.part(Span(mid=0.5, low=low, high=high)) == said


def test_without_prompts_it_says_that_nothing_is_known_of_what_would_have_sufficed() -> None:
    found = audited()
    whole, model = (
        replace(group, unjudged=group.calls - group.failed) for group in (found.finding.whole, found.finding.models[0])
    )
    bare = replace(found, finding=replace(found.finding, whole=whole, models=(model,), changes=()))
    said, why = shown(bare, width=120), "What would have sufficed is not known: the log has the prompt of no call"
    assert f"{why} that was answered. In brackets: 90% intervals." in " ".join(said.split())
    assert "energy [1]  100 Wh (50 to 200 Wh)\n" in said
    assert "could have been" not in said
    assert " ".join(shown(bare, "sufficing").split()) == f"{why} that was answered."
    row = next(line for line in shown(bare, "model", width=160).splitlines() if "openai/gpt-5.5" in line)
    assert row.split()[2:] == ["unknown", "90", "Wh", "(45", "to", "180", "Wh)", "unknown"]
    none = replace(whole, unjudged=0, failed=whole.calls)
    failed = shown(replace(bare, finding=replace(bare.finding, whole=none)), "sufficing")
    assert failed.rstrip() == "What would have sufficed is not known: no call was answered."


def test_dimes_have_their_nought() -> None:
    said = [wording.cost(Span(mid=amount, low=amount, high=amount)) for amount in (12.6, 0.7, 0.2, 0.044, 0.0)]
    assert said == ["12.60 USD", "0.70 USD", "0.20 USD", "0.044 USD", "0 USD"]


def test_templates_that_are_not_shown_are_counted_as_the_data_has_them() -> None:
    assert "and 6 more in --json" in shown(audited(), "template")


def test_calls_in_no_row_are_counted() -> None:
    found = audited()
    groups = found.finding.models
    calls, joules = sum(one.calls for one in groups), sum(energy_of(one) for one in groups)
    assert calls, "there are models in the fixture"
    for left, of, said in ((0, 1.0, None), (25, 0.75, "25 calls (25% of the energy) are of another model, or of none")):
        took = replace(found.finding.whole.was, energy_j=Span(mid=joules / of, low=0.0, high=joules / of))
        whole = replace(found.finding.whole, calls=calls + left, was=took)
        text = " ".join(shown(replace(found, finding=replace(found.finding, whole=whole)), "model").split())
        assert said in text if said else "in no row" not in text


def energy_of(group: Group) -> float:
    return 0.0 if group.was.energy_j is None else group.was.energy_j.mid


def test_the_number_of_an_assumption_begins_no_other_line() -> None:
    lines = [line for line in shown(audited(), "waste", width=999).splitlines() if line.startswith("[")]
    numbers = [line.partition("]")[0] for line in lines]
    assert len(numbers) == len(set(numbers)) > 0


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("project", "No call was found: nothing to part by project."),
        ("template", "No call has a prompt in the log: nothing to part by template."),
        ("model", "No call was found: nothing to part by model."),
        ("hour", "No call has a time in the log: nothing to part by hour."),
        ("waste", "Nothing was found that was taken for nothing."),
        ("sufficing", "What would have sufficed is not known: no call was answered."),
        ("files", "empty.jsonl: 0 calls, read as openai (it was said)"),
        ("assumptions", "No figure rests on an assumption: nothing was found."),
    ],
)
def test_a_part_of_which_nothing_was_found_says_so(by: str, said: str) -> None:
    assert shown(nothing(), by, width=120).strip() == said


def test_a_table_says_what_its_order_and_its_shares_are_of() -> None:
    for by, title in (
        ("project", "by project, most energy first"),
        ("template", "by template, most energy first (#1 has the most calls)"),
        ("model", "by model, most energy first"),
        ("hour", "by hour of the day (UTC)"),
        ("sufficing", "what would have sufficed, for how many of the calls, and their energy"),
        ("waste", "taken for nothing, whatever answers, most energy first; parts overlap"),
    ):
        said = " ".join(shown(audited(), by, width=160).split())
        assert said.startswith(title), by
    for by in ("project", "template", "model", "hour"):
        said = shown(audited(), by, width=160)
        assert re.search(r"calls +.+ less sufficed +.+ energy was +.+ energy saved", said), by
        assert "less sufficed: the share of the calls that could be judged, not of the energy" in " ".join(said.split())
