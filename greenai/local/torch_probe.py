"""Whether a loaded model can be run as `torch_lm` runs models: a few tokens tell, before anybody asks it anything.

transformers' models differ in what they do with a cache that is handed to them. One that leaves it aside would write
each token without having read the prompt, and some compute something else over a static one. Neither fails by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenai.errors import EngineError

if TYPE_CHECKING:
    from greenai.local.torch_lm import LanguageModel

__all__ = ["probe"]

FAR = 0.25
"""From which relative distance on, scores with a cache are not those without one. Assumption, 2026-11-22: what
rounding to 16 bits moves them by is below 0.05, and what a model that errs does is above 0.5."""

ROWS = ((1, 0, 1), (1,))
"""Tokens that every vocabulary has: of a row, and of one that is padded by two."""


def probe(model: LanguageModel) -> bool:
    """Run two short rows, and return whether one of them can leave the batch.

    Raises:
        EngineError: The model makes no use of the cache, or another use than it should.
    """
    if model.setting.cache == "static" and not model.takes_static:
        raise EngineError(_unfit(model, "transformers has none for it"))
    torch, cache = model.torch, model.new_cache(len(ROWS[0]) + 2)
    width = len(ROWS[0])
    pads = [width - len(row) for row in ROWS]
    tokens = model.tensor([[0] * pad + list(row) for pad, row in zip(pads, ROWS, strict=True)])
    mask = model.tensor([[0] * pad + [1] * (width - pad) for pad in pads])
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    with torch.inference_mode():
        try:
            model.step(tokens, mask, positions, cache)
            if not _is_used(torch, cache):
                raise EngineError(_unused(model))
            mask, positions = torch.cat([mask, mask.new_ones((2, 1))], -1), positions[:, -1:] + 1
            expected = model.step(model.tensor([[1], [1]]), mask, positions, cache)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
            raise EngineError(_unfit(model, f"{type(error).__name__}: {error}")) from error
        if model.setting.cache == "static" or model.is_exact:
            _check(model, expected)
        return _leaves(model, mask, positions, cache)


def _is_used(torch: Any, cache: Any) -> bool:
    """Say whether anything was put into a cache."""
    kept = [part for layer in cache.layers for part in vars(layer).values()]
    # Attention keeps tensors; other kinds of layers keep several states by their number.
    states = [state for part in kept if isinstance(part, dict) for state in part.values()]
    return any(isinstance(part, torch.Tensor) for part in (*kept, *states))


def _check(model: LanguageModel, expected: Any) -> None:
    """Hold the scores with a cache against those without any."""
    alone = model.logits([[*row, 1] for row in ROWS])
    away = [
        float((row - truth[-1]).norm() / (truth[-1] - truth[-1].mean()).norm().clamp(min=1e-9))
        for row, truth in zip(expected, alone, strict=True)
    ]
    if min(away) > FAR:
        raise EngineError(_unfit(model, f"its scores are off by {min(away):.0%}"))


def _leaves(model: LanguageModel, mask: Any, positions: Any, cache: Any) -> bool:
    """Take one row out and go on with the other."""
    if not all(hasattr(layer, "batch_select_indices") for layer in cache.layers):
        return False
    chosen, ones = model.tensor([1]), mask.new_ones((1, 1))
    try:
        cache.batch_select_indices(chosen)
        model.step(model.tensor([[1]]), model.torch.cat([mask[chosen], ones], -1), positions[chosen] + 1, cache)
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError):
        return False
    return True


def _unused(model: LanguageModel) -> str:
    return (
        f"local/{model.folder} cannot be run by torch here: a {model.architecture} keeps what it has read where this "
        "engine does not reach it. Name a GGUF of the model, which llama.cpp runs, or serve it elsewhere and name "
        "base_url=."
    )


def _unfit(model: LanguageModel, why: str) -> str:
    kind = model.setting.cache
    other = 'Use cache="dynamic", or make a new profile with: greenai tune' if kind == "static" else (
        "Name a GGUF of the model, which llama.cpp runs, or serve it elsewhere and name base_url="
    )  # fmt: skip
    first = next(iter(why.splitlines()), why)
    return f"local/{model.folder} cannot be run by torch with a {kind} cache ({model.architecture}): {first}. {other}."
