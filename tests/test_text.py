"""Answers of the short form, as a notebook shows them."""

from __future__ import annotations

from greenai.testing import FakeProvider, offline
from greenai.text import TaskAnswer


def test_a_notebook_shows_the_text_and_the_receipt() -> None:
    with offline(FakeProvider("Use <b>,\nor & it.")) as client:
        answer = client.ask("How do I write bold text?", model="gpt-5.4-nano")
    shown = answer._repr_html_()
    assert shown == f'<p style="white-space:pre-wrap">Use &lt;b&gt;,\nor &amp; it.</p>{answer.greenai._repr_html_()}'
    assert "gpt-5.4-nano" in shown
    task = TaskAnswer(text="yes", label="yes", confidence=0.9, receipt=answer.greenai)
    assert task._repr_html_() == f'<p style="white-space:pre-wrap">yes</p>{answer.greenai._repr_html_()}'
