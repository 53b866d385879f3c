"""When two answers count as the same words."""

import pytest

from greenai.cache.compare import normalised


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("-7", "7"),
        ("y = -3", "y = 3"),
        ("y = \u22123", "y = 3"),
        ("[2, 3)", "(2, 3]"),
        ("2.5", "2 5"),
        (".5", "5"),
        ("4!", "4"),
        ("n!", "n"),
        ("4'", '4"'),
        ("Use `!x`.", "Use `x`."),
        ("Use `__init__`.", "Use `init`."),
        ("`List`", "`list`"),
        ("```\nif x:\n  y\nz\n```", "```\nif x:\n  y\n  z\n```"),
        ("2 * 3 * 4", "2 3 4"),
        ("a*b*c", "abc"),
        ("👍", "👎"),
        ("+", "-"),
        ("!", "?"),
        ("C++", "C"),
    ],
)
def test_what_differs_in_meaning_is_not_the_same(a, b):
    assert normalised(a) != normalised(b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Yes.", "yes!"),
        ("Yes, it is.", "Yes; it is"),
        ("It  is\n42.", "It is 42"),
        ("It is \u221242.", "it is -42"),
        ("**Paris**", "Paris."),
        ("It is *very* old, _really_.", "It is very old, really."),
        ("**It is Paris.**", "It is Paris"),
        ("“Paris”", "'Paris'"),
        ('"It is 42."', "It is 42"),
        ('He said "42".', "He said 42"),
        ("Use `x`.", "use `x`"),
        ("[2, 3)", "[2, 3)."),
        ("It\u2019s here.", "It's here"),
    ],
)
def test_what_differs_in_dress_is_the_same(a, b):
    assert normalised(a) == normalised(b)
