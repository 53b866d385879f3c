"""A template fits what it was made of, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai.answerers.skeleton import Part, Template, text_of

SYSTEM = Part(role="system", literals=("Answer with one word.",))
ONE = Template(parts=(SYSTEM, Part(role="user", literals=("Mail: ", "\nKind:"))))
TWO = Template(parts=(Part(role="user", literals=("Subject: ", "\nText of the mail: ", "")),))


def asked(text, system="Answer with one word."):
    return [{"role": "system", "content": system}, {"role": "user", "content": text}]


def test_slots_are_what_varies():
    assert ONE.slots(asked("Mail: hello there\nKind:")) == ("hello there",)
    assert TWO.slots([{"role": "user", "content": "Subject: a\nText of the mail: b\nc"}]) == ("a", "b\nc")


@pytest.mark.parametrize(
    "messages",
    [
        asked("Mail: hello\nKind: "),
        asked("mail: hello\nKind:"),
        asked("Mail: \nKind:"),
        asked("Mail:  \nKind:"),
        asked("Mail: hello\nKind:", system="Answer with two words."),
        asked("Mail: hello\nKind:")[1:],
        [*asked("Mail: hello\nKind:"), {"role": "assistant", "content": "x"}],
        [{"role": "developer", "content": "Answer with one word."}, asked("Mail: hello\nKind:")[1]],
        [asked("")[0], {"role": "user", "content": "Mail: a\nKind:", "name": "Ann"}],
        [
            asked("")[0],
            {"role": "user", "content": [{"type": "text", "text": "Mail: a\nKind:"}, {"type": "image_url"}]},
        ],
        [asked("")[0], {"role": "user", "content": None}],
    ],
)
def test_any_other_prompt_is_not_of_it(messages):
    assert ONE.slots(messages) is None


def test_a_text_as_a_list_of_one_part_is_the_same_prompt():
    parts = [{"type": "text", "text": "Mail: hello\nKind:"}]
    assert ONE.slots([asked("")[0], {"role": "user", "content": parts}]) == ("hello",)
    assert text_of({"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {}}]}) is None


def test_nobody_can_say_where_a_slot_ends_whose_text_has_the_next_piece():
    assert TWO.slots([{"role": "user", "content": "Subject: a\nText of the mail: b\nText of the mail: c"}]) is None


slot = st.text(min_size=1).filter(str.strip)


@given(slot)
def test_whatever_fills_the_slot_is_found(text):
    assert ONE.slots(asked(f"Mail: {text}\nKind:")) == (text,)


@given(st.text(), st.text())
def test_only_what_has_all_of_the_constant_pieces_at_their_places_fits(system, text):
    found = ONE.slots(asked(text, system))
    fits = system == "Answer with one word." and text.startswith("Mail: ") and text.endswith("\nKind:")
    assert (found is not None) <= fits


@given(slot, slot)
def test_what_two_slots_hold_put_back_gives_the_prompt(first, second):
    prompt = f"Subject: {first}\nText of the mail: {second}"
    found = TWO.slots([{"role": "user", "content": prompt}])
    if found is not None:
        assert f"Subject: {found[0]}\nText of the mail: {found[1]}" == prompt
    assert found == (first, second) or "\nText of the mail: " in f"{first}\nText of the mail: {second}"[1:]


def test_it_goes_through_json_and_names_itself():
    again = Template.from_json(ONE.to_json())
    assert (again, again.digest) == (ONE, ONE.digest)
    assert ONE.digest != TWO.digest
    assert ONE.skeleton == "system: Answer with one word.\nuser: Mail: {1}\nKind:"


@pytest.mark.parametrize(
    "literals", [("Mail: ", ""), ("A constant message, and no slot",), ("constant text: ", "", "")]
)
def test_what_is_no_template_is_refused(literals):
    with pytest.raises(ValueError, match="A template needs a slot and 12 constant characters"):
        Template(parts=(Part(role="user", literals=literals),))
    with pytest.raises(ValueError):
        Template.from_json([["user", [1, 2]]])
