"""Signs: what one answer must not serve when only they differ, and those that only separate words."""

import time

import pytest

from greenai.cache import vetoes
from greenai.cache.wording import read


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("What does 🌞 mean?", "What does 🌚 mean?"),
        ("What does 🇦🇹 stand for?", "What does 🇹🇭 stand for?"),
        ("What does 🇦🇺 stand for?", "What does 🇺🇦 stand for?"),  # the same two signs
        ("What is this: 🏴\U000e0067\U000e0062\U000e0065?", "What is this: 🏴\U000e0067\U000e0062\U000e0073?"),
        ("What is the suit ♥?", "What is the suit ♠?"),
        ("What does the ⊂ sign mean?", "What does the ⊃ sign mean?"),
        ("Is the key of D♯ hard?", "Is the key of D♭ hard?"),
        ("Is y → z right?", "Is y ← z right?"),
        ("What is y²?", "What is y³?"),
        ("Solve this: y<7", "Solve this: y>7"),
        ("Is 7 < 8?", "Is 8 < 7?"),
        ("What does <= do in C?", "What does >= do in C?"),
        ("What does += do in C?", "What does -= do in C?"),
        ("What does && do in C?", "What does & do in C?"),
        ("What is ++n in C?", "What is n++ in C?"),
        ("What does std::swap do?", "What does std swap do?"),
        ("Is !done true?", "Is done true?"),
        ("What is 4!?", "What is 4?"),
        ("What does ! do in a shell?", "What does ? do in a shell?"),
        ('What does ";" mean?', 'What does ":" mean?'),
        ("Which key types ' and \"?", 'Which key types ` and "?'),
        ("What does ;) mean?", "What does ;( mean?"),
        ("Is -7 even?", "Is 7 even?"),
        ("Is \u22127 even?", "Is 7 even?"),
        ("Is -7 more than 7?", "Is 7 more than -7?"),
        ("What is 9 - 4?", "What is 9 + 4?"),
        ("What is 9-4?", "What is 9*4?"),
        ("Does (2, 3] hold 2?", "Does [2, 3) hold 2?"),
        ("What is 10% of 70?", "What is 10 of 70%?"),
        ("What is a tenth of $70?", "What is a tenth of €70?"),
        ("What is $70 and 5 more?", "What is 70 and $5 more?"),
        ("ਲੂਣ ਕੀ ਹੈ?", "ਖੰਡ ਕੀ ਹੈ?"),
        ("क्या यह खाना उचित है?", "क्या यह खाना अनुचित है?"),
        ("दिन क्या है?", "दान क्या है?"),  # a vowel sign alone
        ("Что такое соль?", "Что такое сода?"),
    ],
)
def test_a_sign_that_differs_is_a_reason(a, b):
    assert vetoes(a, b)
    assert vetoes(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("What is 10% of 70?", "What is 10 percent of 70?"),
        ("What is ten percent of 70?", "What is 10% of 70?"),
        ("Can I send $70?", "Can I send 70 dollars?"),
        ("What is 1,000 - 7?", "What is 1000 - 7?"),
        ("Is a part-time job fine?", "Is a part time job fine?"),
        ("Tea/coffee - which is older?", "Tea / coffee: which is older?"),
        ("What is Q&A?", "What is Q and A?"),
        ("What is the IMF (International Monetary Fund)?", "What is the IMF, International Monetary Fund?"),
        ("What does ❤\ufe0f mean?", "What does ❤ mean?"),
        ("What is a caf\u00e9?", "What is a cafe\u0301?"),
        ("Is “naïve” rude?", 'Is "naïve" rude?'),
        ("What is `numpy`?", "What is numpy?"),
        ("Is this *really* so?", "Is this really so?"),
        ("- What is a quay?", "What is a quay..."),
        ("So ... what is a quay?", "So what is a quay?"),
    ],
)
def test_a_sign_that_only_separates_is_none(a, b):
    assert vetoes(a, b) == []


@pytest.mark.parametrize("part", ["-", "$ ", "*a", "/ ", "(", "`", "+", "1,"])
def test_a_text_of_signs_takes_no_longer_than_its_length(part):
    began = time.perf_counter()
    read((part * 2000)[:2000])
    assert time.perf_counter() - began < 0.2  # 10 ms alone on a core


def test_the_reason_shows_the_signs():
    assert vetoes("What does 🌞 mean?", "What does 🌚 mean?") == ["signs: 🌚 against 🌞"]
    assert "numbers: $70 5 against 70 $5" in vetoes("What is $70 and 5 more?", "What is 70 and $5 more?")
    assert "words of another script: сода against соль" in vetoes("сода", "соль")
