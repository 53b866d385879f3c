"""The typed arguments of `create` are those of the installed openai, and ours."""

from __future__ import annotations

import inspect

import openai
from openai.resources.chat.completions import AsyncCompletions, Completions

from greenai import Client
from greenai._params import KNOWN, ChatParams
from greenai.chat import AsyncCompletions as GreenAsyncCompletions
from greenai.chat import Completions as GreenCompletions

OURS = {"greenai", "thinking"}
OWN_PARAMETERS = {"self", "messages", "model", "stream"}


def test_every_argument_of_openais_create_is_typed() -> None:
    theirs = set(inspect.signature(Completions.create).parameters)
    assert theirs == set(inspect.signature(AsyncCompletions.create).parameters)
    assert theirs - OWN_PARAMETERS - KNOWN == set()


def test_nothing_is_typed_that_no_openai_has() -> None:
    theirs = set(inspect.signature(Completions.create).parameters)
    newer = KNOWN - OURS - theirs
    # An older openai 2 lacks the newest arguments: they travel in extra_body then.
    assert newer <= {"moderation", "prompt_cache_options", "prompt_cache_retention", "safety_identifier", "verbosity"}


def test_every_argument_is_optional_and_keyword_only() -> None:
    assert ChatParams.__total__ is False
    for create in (GreenCompletions.create, GreenAsyncCompletions.create):
        parameters = inspect.signature(create).parameters
        kinds = {name: p.kind for name, p in parameters.items() if name != "self"}
        assert kinds.pop("arguments") is inspect.Parameter.VAR_KEYWORD
        assert set(kinds.values()) == {inspect.Parameter.KEYWORD_ONLY}


def test_the_client_takes_what_openais_client_takes() -> None:
    theirs = set(inspect.signature(openai.OpenAI.__init__).parameters)
    ours = set(inspect.signature(Client.__init__).parameters)
    # `project` is greenai's own here: openai's is called openai_project.
    assert {"api_key", "organization", "base_url", "timeout", "max_retries", "default_headers", "default_query",
            "http_client", "project"} <= ours & theirs  # fmt: skip
