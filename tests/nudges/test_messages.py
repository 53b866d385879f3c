"""Texts of the nudges, in languages."""

from __future__ import annotations

import pytest

from greenai.errors import InvalidRequest
from greenai.nudges import messages
from greenai.nudges.messages import ENGLISH, languages, register, say

DATA = {"expected_tokens": 40}


def test_every_text_is_there_in_every_language_with_the_same_data() -> None:
    for language in languages():
        texts = messages._languages[language]
        assert texts.keys() == ENGLISH.keys()
        for name, text in texts.items():
            assert messages._fields(text) <= messages._fields(ENGLISH[name]), (language, name)


def test_a_language_may_be_added_and_falls_back() -> None:
    register("fr", {"brevity.asked": "réponse courte demandée ({expected_tokens} jetons attendus)"})
    assert say("brevity.asked", DATA, "fr-CA") == "réponse courte demandée (40 jetons attendus)"
    assert say("brevity.asked", DATA, "de-AT").startswith("um eine kurze Antwort")
    assert say("brevity.asked", DATA, "xx").startswith("a short answer was asked for: about 40")
    assert languages() == ("en", "de", "fr")


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"brevity.aksed": "x"}, f"'brevity.aksed' is no text of a nudge. The ids are: {', '.join(sorted(ENGLISH))}."),
        (
            {"brevity.asked": "{tokens}"},
            "The text 'brevity.asked' names 'tokens', which its data has not. It has: expected_tokens.",
        ),
        (
            {"brevity.asked": "{expected"},
            "'{expected' is no template: expected '}' before end of string. Write a brace that is text twice.",
        ),
    ],
)
def test_a_text_that_could_not_be_said_is_refused(texts: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        register("fr", texts)
    assert str(raised.value) == said
    assert "fr" not in languages()


def test_words_are_neutral() -> None:
    for text in ENGLISH.values():
        assert not {"eco", "green", "waste", "wasteful", "please", "should"} & set(text.lower().split())
