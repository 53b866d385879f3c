"""Answers from what is written down: pairs, files of pairs, folders of documents; word for word, with their source."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from greenai import InvalidRequest, SettingsError
from greenai.answerers import faq
from greenai.answerers.faq import Documents, Faq, Passage
from greenai.testing import FakeProvider, offline

PAIRS = {
    "How do I return an item?": "Within 30 days, in its box.",
    "Do you ship to Canada?": "Yes, by freight.",
    "Which payment methods do you accept?": "Cards and bank transfer.",
}
REFUNDS = """# Refunds

You may return a product within 30 days of delivery.
Send it in its original box.

## Gift cards

Gift cards cannot be refunded or exchanged for money.
"""
ACCOUNT = """To change your password, open Settings and choose Security.

Two-factor login can be switched on under Security.
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "help"
    (path / "deep").mkdir(parents=True)
    (path / "refunds.md").write_text(REFUNDS)
    (path / "deep" / "account.txt").write_text(ACCOUNT)
    (path / "notes.pdf").write_text("To change your password, ask.")
    (path / ".hidden").mkdir()
    (path / ".hidden" / "old.md").write_text("Gift cards can be refunded.")
    return path


def later(file: Path, text: str) -> None:
    """Write a file anew so that its time changes, however coarse the clock of the disk is."""
    file.write_text(text)
    os.utime(file, ns=(2_000_000_000_000_000_000, 2_000_000_000_000_000_000))


# --- pairs ----------------------------------------------------------------------------------


def test_a_source_without_questions_is_told(tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text("question,answer\n")
    (tmp_path / "docs").mkdir()
    with offline() as client:
        client.faq(tmp_path / "faq.csv")
        with pytest.raises(InvalidRequest) as pairs:
            client.prepare()
        with pytest.raises(InvalidRequest) as folder:
            client.faq(tmp_path / "docs")
        (tmp_path / "docs" / "a.md").write_text("\n")
        with pytest.raises(InvalidRequest):
            Faq(tmp_path / "docs").refresh()
    assert str(pairs.value) == (
        f"faq: 0 questions found in {tmp_path}/faq.csv. "
        "Write a question and its answer into it, or name another source."
    )
    assert str(folder.value) == (
        f"faq: 0 questions found in {tmp_path}/docs. Put .md or .txt files into it, or name another source."
    )


def test_a_source_that_is_emptied_later_is_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "faq.jsonl"
    file.write_text('["Do you ship?", "Yes."]\n')
    source = Faq(file)
    assert source.refresh()
    later(file, "")
    assert source.refresh()
    assert source.pairs == ()


def test_a_file_that_is_no_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes("question,answer\nWhere is the café?,There.\n".encode("latin-1"))
    with offline() as client:
        client.faq(tmp_path / "latin.csv")
        with pytest.raises(InvalidRequest) as refused:
            client.prepare()
    assert str(refused.value) == f"faq: {tmp_path}/latin.csv, line 2, is no UTF-8 text. Save the file as UTF-8."


@pytest.mark.parametrize("source", [PAIRS, list(PAIRS.items()), [list(pair) for pair in PAIRS.items()]])
def test_pairs_are_answered_word_for_word(source: object) -> None:
    provider = FakeProvider(default="A model said so.")
    with offline(provider) as client:
        client.faq(source)  # type: ignore[arg-type]
        answer = client.ask("how can I return an item")
        other = client.ask("Write a poem about Canada")
    assert (answer.text, answer.greenai.outcome, answer.greenai.model) == (
        "Within 30 days, in its box.",
        "answerer",
        "greenai/faq",
    )
    assert answer.greenai.decision.reasons[0].startswith('The question is like "How do I return an item?" of faq:faq')
    assert other.greenai.outcome == "small"


def test_a_question_about_something_else_is_not_answered_by_the_nearest_pair() -> None:
    with offline() as client:
        client.faq(PAIRS)
        assert client.ask("Do you ship to Canada").greenai.outcome == "answerer"
        assert client.ask("Do you ship to Chile?").greenai.outcome == "small"


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("How do I install version 12?", "How do I install version 34?"),
        ("How do I enable two-factor login?", "Can I disable two-factor login?"),
        ("How do I go from Pro to Basic?", "How do I go from Basic to Pro?"),
    ],
)
def test_a_pair_does_not_answer_another_number_the_opposite_or_another_order(written: str, asked: str) -> None:
    with offline() as client:
        client.faq({written: "Like this."})
        assert client.ask(written).text == "Like this."
        receipt = client.ask(asked).greenai
    assert receipt.outcome != "answerer"
    assert written in receipt.decision.checks[0].source


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("faq.jsonl", '{"question": "Do you ship to Canada?", "answer": "Yes."}\n', 1),
        ("faq.jsonl", '\n["Do you ship to Canada?", "Yes."]\n', 2),
        ("faq.csv", "question,answer\nDo you ship to Canada?,Yes.\n", 2),
    ],
)
def test_files_of_pairs_are_read_with_their_lines(tmp_path: Path, name: str, text: str, line: int) -> None:
    (tmp_path / name).write_text(text)
    with offline(settings={"faq": str(tmp_path / name)}) as client:
        answer = client.ask("Do you ship to Canada?")
    assert answer.text == "Yes."
    assert answer.greenai.decision.reasons[0].endswith(f"It stands in {name}, line {line}.")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([("q",)], "faq: entry 1 is no question with an answer. Write it as (question, answer), both text."),
        ([("q", "a"), "qa"], "faq: entry 2 is no question with an answer. Write it as (question, answer), both text."),
        ({"q": " "}, "faq: entry 1 is no question with an answer. Write it as (question, answer), both text."),
        ("", f"faq: '' holds no questions. {faq._FOR_EXAMPLE}"),
        (None, f"faq: None holds no questions. {faq._FOR_EXAMPLE}"),
        (5, f"faq: 5 holds no questions. {faq._FOR_EXAMPLE}"),
        ({}, f"faq: 0 questions found in {{}}. {faq._FOR_EXAMPLE}"),
        ([], f"faq: 0 questions found in []. {faq._FOR_EXAMPLE}"),
        ("/nowhere", "/nowhere does not exist. Pass a folder of .md or .txt files, a .jsonl or a .csv."),
    ],
)
def test_mistakes_are_told(source: object, message: str) -> None:
    with offline() as client, pytest.raises(InvalidRequest) as refused:
        client.faq(source)  # type: ignore[arg-type]
    assert str(refused.value) == message


def test_mistake_in_a_file_is_told_by_prepare_and_noted_by_a_call(tmp_path: Path) -> None:
    (tmp_path / "faq.jsonl").write_text('{"question": "Do you ship?"}\n')
    with offline() as client:
        client.faq(tmp_path / "faq.jsonl")
        with pytest.raises(InvalidRequest) as refused:
            client.prepare()
    assert str(refused.value) == (
        f"faq: {tmp_path}/faq.jsonl, line 1, is no question with an answer. Write it as (question, answer), both text."
    )
    with offline() as client:
        client.faq(tmp_path / "faq.jsonl")
        assert client.ask("Do you ship?").greenai.warnings == (
            "What was registered could not be indexed, and does not answer.",
        )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("faq.csv", 'question,answer\nDo you ship to Canada?,"Yes.\n\nBy freight."\n'),
        ("faq.csv", 'question,answer\r\nDo you ship to Canada?,"Yes.\r\n\r\nBy freight."\r\n'),
        ("faq.jsonl", '["Do you ship to Canada?", "Yes.\\n\\nBy freight."]\r\n'),
    ],
)
def test_an_answer_keeps_its_lines(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(text.encode())
    source = Faq(tmp_path / name)
    source.refresh()
    assert [pair.answer for pair in source.pairs] == ["Yes.\n\nBy freight."]


def test_a_line_ends_where_json_says(tmp_path: Path) -> None:
    (tmp_path / "faq.jsonl").write_text('["Do you ship?", "Yes.\u2028By freight."]\n["Where?", "There."]', "utf-8")
    source = Faq(tmp_path / "faq.jsonl")
    source.refresh()
    assert [(pair.answer, pair.source) for pair in source.pairs] == [
        ("Yes.\u2028By freight.", "faq.jsonl, line 1"),
        ("There.", "faq.jsonl, line 2"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "faq.csv",
            "question,answer\nq," + "a" * 200_000,
            ", below line 1, is no CSV: field larger than field limit (131072). Mend or shorten it.",
        ),
        (
            "faq.jsonl",
            "[" * 100_000,
            ", line 1, is no question with an answer. Write it as (question, answer), both text.",
        ),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidRequest) as refused:
        Faq(tmp_path / name).refresh()
    assert str(refused.value) == f"faq: {tmp_path / name}{message}"


# --- documents ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (
            "Can gift cards be refunded?",
            "Gift cards cannot be refunded or exchanged for money.\n\n(refunds.md, line 8)",
        ),
        (
            "How do I change my password?",
            "To change your password, open Settings and choose Security.\n\n(deep/account.txt, line 1)",
        ),
        (
            "How do I return a product?",
            "You may return a product within 30 days of delivery.\nSend it in its original box.\n\n(refunds.md, line 3)",
        ),
    ],
)
def test_best_passage_is_quoted_with_its_source(folder: Path, question: str, text: str) -> None:
    with offline() as client:
        client.faq(folder, name="help")
        answer = client.ask(question)
    assert answer.text.replace("\\", "/") == text
    assert answer.greenai.model == "greenai/faq:help"


@pytest.mark.parametrize(
    "question",
    ["What is the capital of France?", "Write a poem about a password", "refunds", "How do I sort a list in Python?"],
)
def test_what_does_not_stand_there_is_left_to_a_model(folder: Path, question: str) -> None:
    with offline() as client:
        client.faq(folder)
        assert client.ask(question).greenai.outcome == "small"


@pytest.mark.parametrize("question", ["Can I not return a product?", "Why can't I change my password?"])
def test_a_negated_question_is_not_answered_by_a_passage_that_is_not(folder: Path, question: str) -> None:
    with offline() as client:
        client.faq(folder)
        client.faq({"How do I return a product?": "By post."}, name="pairs")
        receipt = client.ask(question).greenai
        other = client.ask("Why can gift cards not be refunded?")
    assert receipt.outcome != "answerer"
    assert "the question is negated and the passage is not" in {check.source for check in receipt.decision.checks}
    assert other.text.startswith("Gift cards cannot be refunded")


def test_packaged_prompts_rarely_find_a_passage(folder: Path) -> None:
    source = Faq(folder)
    source.refresh()
    assert source.documents is not None
    found = [source.documents.best(text) for text in faq.negatives()[0]]
    assert sum(1 for one in found if one is not None and one.fires) <= 3


def test_index_follows_the_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faq, "CHECK_S", 0.0)
    with offline() as client:
        client.faq(folder)
        assert client.ask("Can gift cards be refunded?").text.startswith("Gift cards cannot")
        later(folder / "refunds.md", "Gift cards can be refunded since May.\n")
        assert client.ask("Can gift cards be refunded?").text == (
            "Gift cards can be refunded since May.\n\n(refunds.md, line 1)"
        )
        (folder / "refunds.md").unlink()
        assert client.ask("Can gift cards be refunded?").greenai.outcome == "small"


def test_files_are_not_looked_at_for_every_question(folder: Path) -> None:
    source = Faq(folder)
    assert (source.is_due(), source.refresh(), source.is_due(), source.refresh()) == (True, True, False, False)


def test_progress_is_told_per_file(folder: Path) -> None:
    told: list[tuple[int, int]] = []
    with offline() as client:
        client.faq(folder)
        client.prepare(lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def test_what_is_no_text_is_left_out_and_logged(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "broken.md").write_bytes(b"\xff\xfe\xff")
    Faq(folder).refresh()
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith(f"faq: {folder / 'broken.md'} is left out: ")


def test_too_much_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faq, "MAX_PASSAGES", 3)
    with pytest.raises(InvalidRequest) as passages:
        Faq(folder).refresh()
    assert str(passages.value) == (
        f"{folder} has more than 3 passages, which is more than is searched in memory. Name a smaller folder."
    )
    monkeypatch.setattr(faq, "MAX_FILES", 1)
    with pytest.raises(InvalidRequest) as files:
        Faq(folder).refresh()
    assert str(files.value) == (f"{folder} has 2 .md and .txt files, and at most 1 are read. Name a smaller folder.")


def test_long_paragraphs_are_cut_between_sentences() -> None:
    text = "The house has a garden. " * 60
    pieces = list(faq._cut(text, "a.md"))
    assert len(pieces) > 1
    assert all(len(p.text) <= faq.PASSAGE_CHARS and p.text.endswith(".") and p.text in text for p in pieces)


def test_no_documents_are_no_answer() -> None:
    assert Documents([]).best("Anything at all?") is None
    one = Documents([Passage(text="Gift cards cannot be refunded.", source="a.md, line 1")], threshold=0.9)
    assert one.threshold == 0.9


def test_settings_name_the_source(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        offline(settings={"faq": str(tmp_path / "none")})
    assert str(refused.value) == (
        f"faq: {tmp_path}/none does not exist. Pass a folder of .md or .txt files, a .jsonl or a .csv."
    )
