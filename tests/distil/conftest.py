"""The encoder takes milliseconds a text, and the tests ask for the same few hundred again and again."""

from __future__ import annotations

import functools

import pytest

from greenai.answerers import kernel

looked = functools.cache(kernel.see)


def seen(text, _skimmed=None):
    return looked(text)


@pytest.fixture(autouse=True, scope="package")
def remembered():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "see", seen)
        yield
