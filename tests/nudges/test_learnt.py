from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from greenai.nudges import learnt

URL = "http://127.0.0.1:8000/v1"


def test_what_is_learnt_holds_for_a_model_at_an_address() -> None:
    learnt.leaked("hosted_vllm/acme/x", URL)
    learnt.refused("hosted_vllm/acme/y", URL)
    learnt.reasoned("hosted_vllm/acme/z", URL)
    assert learnt.leaks("hosted_vllm/acme/x", URL)
    assert learnt.refuses("hosted_vllm/acme/y", URL)
    assert learnt.reasons("hosted_vllm/acme/z", URL)
    assert not learnt.leaks("hosted_vllm/acme/x", None)
    assert not learnt.refuses("hosted_vllm/acme/x", URL)
    assert not learnt.reasons("hosted_vllm/acme/x", URL)


def test_the_engine_of_this_machine_is_the_same_at_every_port() -> None:
    learnt.leaked("local/qwen3-8b", "http://127.0.0.1:4001/v1")
    assert learnt.leaks("local/qwen3-8b", "http://127.0.0.1:4002/v1")
    assert learnt.leaks("local/qwen3-8b", None)


def test_a_refusal_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        learnt.refused("openai/gpt-5.5", URL)
    (record,) = caplog.records
    assert record.getMessage() == (
        "openai/gpt-5.5 refused the field that turns its reasoning off; it is asked without for an hour."
    )


def test_a_refusal_holds_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    learnt.refused("openai/gpt-5.5", URL)
    now = learnt._now()
    monkeypatch.setattr(learnt, "_now", lambda: now + learnt.REFUSED_S - 1)
    assert learnt.refuses("openai/gpt-5.5", URL)
    monkeypatch.setattr(learnt, "_now", lambda: now + learnt.REFUSED_S + 1)
    assert not learnt.refuses("openai/gpt-5.5", URL)


def test_a_refusal_in_words_takes_two_texts() -> None:
    for text, known in (("a", False), ("a", False), ("b", True)):
        learnt.refused("openai/gpt-5.5", URL, text=text)
        assert learnt.refuses("openai/gpt-5.5", URL) is known


def test_refusals_of_many_places_are_bounded() -> None:
    for n in range(learnt.MOST + 1):
        learnt.refused(f"acme/m{n}", None)
    assert not learnt.refuses("acme/m0", None)
    assert learnt.refuses(f"acme/m{learnt.MOST}", None)


def test_everything_can_be_forgotten() -> None:
    learnt.leaked("openai/gpt-5.5", None)
    learnt.forget()
    assert not learnt.leaks("openai/gpt-5.5", None)


def test_many_threads_learn_at_once() -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: learnt.leaked(f"acme/m{n % 64}", None), range(1024)))
    assert all(learnt.leaks(f"acme/m{n}", None) for n in range(64))
