"""A task model of two known texts: it answers what is like them, and never a prompt that its template does not match."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenai.answerers import distilled, kernel
from greenai.answerers.distilled import Abstained, Said
from greenai.answerers.kernel import BUCKETS
from greenai.answerers.task_file import TaskFileRefused, save

SYSTEM = "Answer with one word: refund or thanks."
KNOWN = ("I want my money back", "many thanks for the fast delivery")
HEADER = {
    "name": "mail", "template": [["system", [SYSTEM]], ["user", ["Mail: ", "\nKind:"]]], "labels": ["refund", "thanks"],
    "classes": 2, "threshold": 0.3, "familiar": 0.1, "early": None, "longest": 200, "promise": 0.98, "teacher": "large",
}  # fmt: skip


def arrays():
    seen = [kernel.see(text) for text in KNOWN]
    return {
        "minilm": np.array([one.minilm for one in seen], np.float16),
        "static": np.array([one.static for one in seen], np.float16),
        "adds": np.array([[3, -3], [-3, 3]], np.float16),
        "deeper": np.array([[1, -1], [-1, 1]], np.float16),
        "linear": np.zeros((2 * BUCKETS, 2), np.float16),
        "rarity": np.ones(2 * BUCKETS, np.float32),
    }


def asked(text):
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": f"Mail: {text}\nKind:"}]


def made(path, **changed):
    save(path, {**HEADER, "encoder": kernel.encoder(), **changed}, arrays())
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return distilled.read(made(tmp_path_factory.mktemp("models") / "mail.greenai"))


def test_it_answers_what_is_like_what_it_knows(model):
    said = model.answer(asked("I want my money back please"))
    assert isinstance(said, Said)
    assert said.text == "refund"
    assert 0.3 <= said.confidence <= 1
    assert model.answer(asked("thanks for delivering so fast")).text == "thanks"


def test_it_says_why_it_does_not(model):
    assert model.explain(asked("the parliament of Iceland")) == Abstained(
        why="unlike", confidence=pytest.approx(0, abs=0.4)
    )
    between = model.explain(asked("I want my money back, many thanks for the fast delivery"))
    assert isinstance(between, Abstained)
    assert between.why in {"unsure", "unlike"}
    assert model.explain(asked("\ud800")) == Abstained(why="slot")
    assert model.explain(asked("x" * 201)) == Abstained(why="slot")
    assert model.explain(asked("\u8fd4\u91d1\u3057\u3066\u304f\u3060\u3055\u3044")) == Abstained(why="slot")
    assert model.explain(asked("I want my money back")[1:]) == Abstained(why="other template")


role = st.sampled_from(("system", "user", "assistant", "developer", "tool"))
text = st.one_of(
    st.text(), st.sampled_from((SYSTEM, *KNOWN, *(f"Mail: {known}\nKind:" for known in KNOWN), f"Mail: {KNOWN[0]}"))
)
messages = st.lists(st.fixed_dictionaries({"role": role, "content": text}), max_size=4)


@settings(deadline=None)
@given(messages)
def test_a_prompt_of_another_template_is_never_answered(model, prompt):
    told = model.explain(prompt)
    matches = (
        [message["role"] for message in prompt] == ["system", "user"]
        and prompt[0]["content"] == SYSTEM
        and prompt[1]["content"].startswith("Mail: ")
        and prompt[1]["content"].endswith("\nKind:")
    )
    if not matches:
        assert told == Abstained(why="other template")
        assert model.answer(prompt) is None


@settings(deadline=None)
@given(st.integers(0, len(SYSTEM) - 1), st.characters())
def test_one_changed_letter_of_the_template_is_another_template(model, at, letter):
    system = SYSTEM[:at] + letter + SYSTEM[at + 1 :]
    prompt = [{"role": "system", "content": system}, asked(KNOWN[0])[1]]
    assert (model.answer(prompt) is not None) == (system == SYSTEM)


def test_what_is_another_answer_to_the_large_model_is_left_to_it(tmp_path):
    model = distilled.read(made(tmp_path / "mail.greenai", labels=["refund"]))
    assert model.answer(asked(KNOWN[0])).text == "refund"
    assert model.explain(asked(KNOWN[1])).why == "other answer"


def test_labels_that_differ_in_case_alone_are_compared_to_the_letter(tmp_path):
    by_case = distilled.read(made(tmp_path / "case", labels=["mW", "MW"]))
    assert by_case.agrees("mW", ' "mW".')
    assert not by_case.agrees("mW", "MW")
    assert distilled.read(made(tmp_path / "other", labels=["mW", "GW"])).agrees("mW", "MW")


def test_threads_share_it(model):
    texts = [f"{known} {n}" for n in range(20) for known in KNOWN]
    alone = [model.explain(asked(one)) for one in texts]
    with ThreadPoolExecutor(4) as pool:
        assert [*pool.map(lambda one: model.explain(asked(one)), texts)] == alone


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"labels": ["a", "b", "c"]}, "its labels are not those of its head"),
        ({"promise": 1.5}, "it promises 1.5"),
        ({"classes": 3}, "its arrays have the shapes"),
        ({"template": [["user", ["", ""]]]}, "A template needs a slot"),
        ({"threshold": None}, "float"),
        ({"threshold": "nan"}, "its threshold is nan"),
        ({"familiar": "-inf"}, "its familiar is -inf"),
        ({"early": {"lead": "nan", "score": 0.1}}, "its lead is nan"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path, changed, why):
    with pytest.raises(TaskFileRefused, match=f"^mail is no task model that can be used: .*{why}"):
        distilled.read(made(tmp_path / "mail", **changed))


def test_numbers_that_are_none_are_refused(tmp_path):
    broken = arrays() | {"adds": np.array([[np.nan, 0], [0, 1]], np.float16)}
    save(tmp_path / "mail", {**HEADER, "encoder": kernel.encoder()}, broken)
    with pytest.raises(TaskFileRefused, match="not all of its numbers are finite"):
        distilled.read(tmp_path / "mail")


def test_vectors_of_another_kind_are_refused(tmp_path):
    with pytest.raises(TaskFileRefused, match="was made with the vectors other, and here are minilm-l6-v2-int8"):
        distilled.read(made(tmp_path / "mail", encoder="other"))


def test_half_signs_and_no_words_at_all():
    assert not kernel.readable("half a sign: \ud800")
    assert kernel.see("!!").words.buckets.tolist() == []
    assert len(kernel.counts_of(["\ud800"]).buckets) == 1
    assert kernel.weighted(kernel.counts_of([]), np.ones(BUCKETS, np.float32)).tolist() == []
    counted = kernel.counts_of(["a", "a", "b"])
    assert sorted(counted.weights.tolist()) == pytest.approx([1, 1 + np.log(2)])
    assert np.linalg.norm(kernel.weighted(counted, np.ones(BUCKETS, np.float32))) == pytest.approx(1)
