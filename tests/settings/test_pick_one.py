"""The table that names the model which picks one of a closed list."""

from __future__ import annotations

from typing import Any

import pytest

from greenai.errors import SettingsError
from greenai.resources import Outside, Resources
from greenai.settings import load_settings

MODEL = "local/smollm2-135m"
EXAMPLE = 'Write for example: pick_one = { model = "local/smollm2-135m", threshold = 0.995 }.'


def chooser_of(**settings: Any) -> Any:
    resources = Resources(load_settings({"state_dir": None, "ledger": ":memory:", **settings}), (), Outside())
    try:
        return resources.steps.chooser
    finally:
        resources.close()


def test_no_model_is_asked_unless_one_is_named() -> None:
    assert chooser_of() is None


@pytest.mark.parametrize(("given", "threshold"), [({}, 0.995), ({"threshold": 0.5}, 0.5), ({"threshold": 0}, 0.0)])
def test_a_model_is_named_with_a_threshold_or_the_measured_one(given: dict[str, float], threshold: float) -> None:
    chooser = chooser_of(pick_one={"model": MODEL, **given})
    assert (chooser.model, chooser.threshold) == (MODEL, threshold)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (
            {"model": "openai/gpt-5.5"},
            (
                'pick_one: "openai/gpt-5.5" is not valid: it must be a model on this machine, whose name begins with '
                f"local/. {EXAMPLE}"
            ),
        ),
        (
            {"model": MODEL, "threshold": 2},
            f"pick_one.threshold = 2 is not valid: input should be less than or equal to 1. {EXAMPLE}",
        ),
        ({"threshold": 0.9}, f'pick_one = {{"threshold": 0.9}} is not valid: it has no model. {EXAMPLE}'),
        ({"model": MODEL, "limit": 1}, "pick_one.limit is not a setting. Known settings: model, threshold."),
    ],
)
def test_what_is_wrong_is_told_with_what_to_write(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsError) as failure:
        load_settings({"pick_one": given})
    assert str(failure.value) == f"argument: {problem}"
