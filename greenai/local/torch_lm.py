"""A language model that torch runs: many prompts at once, greedy or sampled. No HTTP and no waiting for company here.

Prompts of different lengths are padded on the left and keep their own positions, so that in float32 each row writes
what it would write alone. A row that is done leaves the batch, where the cache lets it. Who comes together in one
batch is decided by `batcher`, who asks over HTTP by `torch_worker`. Weights are read from safetensors only, and no code
that comes with a model is run.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from greenai.errors import EngineError, MissingExtra, ModelMissing
from greenai.local.torch_packing import pack
from greenai.local.torch_probe import probe
from greenai.local.torch_values import SAFE, best_device

__all__ = ["ATTENTIONS", "CACHES", "PRECISIONS", "LanguageModel", "Sampling", "TorchSetting", "Watch"]

Precision = Literal["auto", "float32", "bfloat16", "float16", "int8", "int4"]
Attention = Literal["auto", "eager", "sdpa"]
CacheKind = Literal["dynamic", "static"]
PRECISIONS: tuple[Precision, ...] = ("auto", "float32", "bfloat16", "float16", "int8", "int4")
ATTENTIONS: tuple[Attention, ...] = ("auto", "eager", "sdpa")
CACHES: tuple[CacheKind, ...] = ("dynamic", "static")

BITS: Mapping[str, Literal[4, 8]] = {"int8": 8, "int4": 4}

Watch = Callable[[int, int], bool]
"""Told of every token as it is written: the row and the token. False ends the row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchSetting:
    """How a model is run.

    Args:
        precision: `auto` is float32 on a processor, where rows then equal single runs, and what the weights were
            published in on a GPU. `int8` and `int4` store the weights of the layers so and compute in bfloat16.
        attention: Which of transformers' implementations; `auto` is transformers' choice for the model.
        cache: `dynamic` grows by a token at a time; `static` is taken at once, at its largest.
        compile: Whether torch compiles the model. The first calls take seconds to minutes.
        threads: CPU threads; None leaves torch's own number.
    """

    precision: Precision = "auto"
    attention: Attention = "auto"
    cache: CacheKind = "dynamic"
    compile: bool = False
    threads: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a row picks its tokens: at temperature 0 the likeliest one, else by chance among the likeliest `top_p`."""

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None


GREEDY = Sampling()


class LanguageModel:
    """One model and how it is run. For one thread at a time.

    Attributes:
        setting: How it is run.
        device: Where: `cpu`, `cuda` or `mps`.
        stops: The tokens that end an answer.
        context_tokens: How long prompt and answer may be together.
        rows_leave: Whether a row that is done can be taken out of a batch.
    """

    def __init__(self, model: str | Path, setting: TorchSetting | None = None) -> None:
        """Load the weights.

        Args:
            model: A folder with `config.json` and safetensors.
            setting: How it is run.

        Raises:
            MissingExtra: torch or transformers is not installed.
            ModelMissing: The folder holds no such model.
            EngineError: It is one that cannot be run so; see `torch_probe`.
        """
        self.setting = setting or TorchSetting()
        self.folder = str(model)
        self._torch, self._transformers = _libraries(self.folder)
        self.device: str = best_device(self._torch)
        if self.setting.threads is not None:
            self._torch.set_num_threads(self.setting.threads)
        self._model = self._weights()
        self.stops = _stops(self._model)
        self.context_tokens = _longest(self._model)
        takes = inspect.signature(self._model.forward).parameters
        self._cache_name = "cache_params" if "cache_params" in takes else "past_key_values"
        self._forward: Any = self._model
        self.rows_leave = probe(self)
        if self.setting.compile:
            self._forward = self._torch.compile(self._model)

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer that lies beside the weights.

        Raises:
            ModelMissing: There is none.
        """
        with _told(self.folder):
            return self._transformers.AutoTokenizer.from_pretrained(self.folder, trust_remote_code=False)

    @property
    def weight_bytes(self) -> int:
        """Return how much memory the weights take."""
        held = {t.data_ptr(): t.nbytes for m in (self._model.parameters(), self._model.buffers()) for t in m}
        return sum(held.values())

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        most_tokens: Sequence[int],
        sampling: Sequence[Sampling] | None = None,
        watch: Watch | None = None,
        ignore_stops: bool = False,
    ) -> list[list[int]]:
        """Answer all prompts together and return their tokens in the same order, without the one that ended them.

        Args:
            prompts: Tokens of each, at least one.
            most_tokens: How many tokens each answer may have; what the context has room for is the limit.
            sampling: How each row picks; None is greedy.
            watch: Told of every token but the last of a row that a stop token ends; may end a row.
            ignore_stops: Go on after a token that ends an answer, for measurements of a given length.

        Raises:
            ValueError: A prompt is empty or fills the context.
        """
        self._check(prompts)
        limits = [min(most, self.context_tokens - len(p)) for p, most in zip(prompts, most_tokens, strict=True)]
        rows = [
            _Row(index, prompt, limit, pick, watch, frozenset() if ignore_stops else self.stops)
            for index, (prompt, limit, pick) in enumerate(
                zip(prompts, limits, sampling or [GREEDY] * len(prompts), strict=True)
            )
        ]
        alive = [row for row in rows if row.limit > 0]
        if alive:
            with self._torch.inference_mode():
                _Pass(self, alive).run()
        return [row.written for row in rows]

    def logits(self, tokens: Sequence[Sequence[int]]) -> list[Any]:
        """Return for each list a tensor (tokens, vocabulary) in float32: what is expected after each token."""
        self._check(tokens, room=0)
        with self._torch.inference_mode():
            return [
                self._forward(input_ids=self.tensor([list(row)]), use_cache=False).logits[0].float() for row in tokens
            ]

    def perplexity(self, tokens: Sequence[Sequence[int]]) -> float:
        """Return e to the mean surprise of every token but each list's first."""
        surprise, count = 0.0, 0
        for row in tokens:
            (expected,) = self.logits([row])
            target = self.tensor(list(row[1:]))
            surprise += float(self._torch.nn.functional.cross_entropy(expected[:-1], target, reduction="sum"))
            count += len(row) - 1
        return math.exp(surprise / count) if count else math.nan

    def tensor(self, values: object) -> Any:
        """Return `values` as whole numbers on the model's device."""
        return self._torch.tensor(values, dtype=self._torch.long, device=self.device)

    def step(self, tokens: Any, mask: Any, positions: Any, cache: Any) -> Any:
        """Return what each row expects next, in float32, and put the tokens into the cache."""
        if self._cache_name == "cache_params":  # no attention looks back there: the mask is of the new tokens alone
            mask = mask[:, -tokens.shape[1] :]
        said = self._forward(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=positions,
            use_cache=True,
            logits_to_keep=1,
            **{self._cache_name: cache},
        )
        return said.logits[:, -1].float()

    def new_cache(self, tokens: int) -> Any:
        """Return an empty cache for rows of at most `tokens`."""
        config = self._model.config
        if self.setting.cache == "static":
            return self._transformers.StaticCache(config=config, max_cache_len=tokens)
        return self._transformers.DynamicCache(config=config)

    @property
    def torch(self) -> Any:
        """The library, for what runs a batch."""
        return self._torch

    @property
    def is_exact(self) -> bool:
        """Whether it computes in float32."""
        return bool(self._model.dtype == self._torch.float32)

    @property
    def takes_static(self) -> bool:
        """Whether transformers says that the model can be run with a static cache."""
        return bool(getattr(self._model, "_can_compile_fullgraph", False))

    @property
    def architecture(self) -> str:
        """The name of the model's class, as transformers has it."""
        return type(self._model).__name__

    def _check(self, prompts: Sequence[Sequence[int]], room: int = 1) -> None:
        for index, prompt in enumerate(prompts):
            if not 0 < len(prompt) <= self.context_tokens - room:
                raise ValueError(
                    f"Prompt {index} has {len(prompt)} tokens; {self.folder} takes 1 to {self.context_tokens - room}, "
                    "with its answer after it. Shorten it."
                )

    def _weights(self) -> Any:
        attention = None if self.setting.attention == "auto" else self.setting.attention
        with _told(self.folder):
            model = self._transformers.AutoModelForCausalLM.from_pretrained(
                self.folder, dtype=self._dtype(), attn_implementation=attention, **SAFE
            )
        model = model.to(self.device).eval()
        if self.setting.precision in BITS and not pack(self._torch, model, BITS[self.setting.precision]):
            raise EngineError(
                f"local/{self.folder} cannot be run in {self.setting.precision}: a {type(model).__name__} has no layer "
                'of a kind and shape that can be stored so. Use precision="bfloat16", or name a GGUF of the model.'
            )
        return model

    def _dtype(self) -> Any:
        precision = self.setting.precision
        if precision == "auto":
            return self._torch.float32 if self.device == "cpu" else "auto"
        return self._torch.bfloat16 if precision in BITS else getattr(self._torch, precision)


# --- one batch ------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class _Row:
    """One prompt and what was written for it."""

    index: int
    prompt: Sequence[int]
    limit: int
    sampling: Sampling
    watch: Watch | None
    stops: frozenset[int]
    written: list[int] = field(default_factory=list)
    generator: Any = None

    def take(self, token: int) -> bool:
        """Write `token`, and return whether the row goes on."""
        if token in self.stops:
            return False
        self.written.append(token)
        wanted = self.watch is None or self.watch(self.index, token)
        return wanted and len(self.written) < self.limit


class _Pass:
    """One batch from its prompts to its last token."""

    def __init__(self, model: LanguageModel, rows: list[_Row]) -> None:
        self._model, self._torch = model, model.torch
        self.rows = rows
        width = max(len(row.prompt) for row in rows)
        pads = [width - len(row.prompt) for row in rows]
        # What stands in the padding is never looked at: the mask hides it.
        self._tokens = model.tensor([[0] * pad + list(row.prompt) for pad, row in zip(pads, rows, strict=True)])
        self._mask = model.tensor([[0] * pad + [1] * (width - pad) for pad in pads])
        self._positions = (self._mask.cumsum(-1) - 1).clamp(min=0)
        self._cache = model.new_cache(width + max(row.limit for row in rows))
        self._going = [True] * len(rows)

    def run(self) -> None:
        """Write until every row is done."""
        while True:
            expected = self._model.step(self._tokens, self._mask, self._positions, self._cache)
            picked = self._pick(expected)
            for place, token in enumerate(picked):
                self._going[place] = self._going[place] and self.rows[place].take(token)
            if not any(self._going):
                return
            kept = self._leave(picked)
            self._tokens = self._model.tensor([[token] for token in kept])
            self._mask = self._torch.cat([self._mask, self._mask.new_ones((len(kept), 1))], dim=-1)
            self._positions = self._positions[:, -1:] + 1

    def _pick(self, expected: Any) -> list[int]:
        likeliest: list[int] = expected.argmax(-1).tolist()
        return [
            self._drawn(row, expected[place]) if row.sampling.temperature > 0 else likeliest[place]
            for place, row in enumerate(self.rows)
        ]

    def _drawn(self, row: _Row, expected: Any) -> int:
        """Draw a token by chance, from the row's own generator: its neighbours change nothing."""
        torch = self._torch
        if row.generator is None:
            row.generator = torch.Generator()
            row.generator.seed() if row.sampling.seed is None else row.generator.manual_seed(row.sampling.seed)
        chances, order = (expected.cpu() / row.sampling.temperature).softmax(-1).sort(descending=True)
        # The likeliest token stays whatever top_p says.
        beyond = chances.cumsum(-1) - chances >= max(row.sampling.top_p, 1e-9)
        return int(order[torch.multinomial(chances.masked_fill(beyond, 0.0), 1, generator=row.generator)])

    def _leave(self, picked: list[int]) -> list[int]:
        """Take the rows out that are done, where the cache can, and return the tokens of those that stay."""
        if all(self._going) or not self._model.rows_leave:
            return picked
        places = [place for place, goes in enumerate(self._going) if goes]
        chosen = self._model.tensor(places)
        self._cache.batch_select_indices(chosen)
        self._mask, self._positions = self._mask[chosen], self._positions[chosen]
        self.rows = [self.rows[place] for place in places]
        self._going = [True] * len(places)
        return [picked[place] for place in places]


# --- loading --------------------------------------------------------------------------------


def _libraries(model: str) -> tuple[Any, Any]:
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtra("torch", "transformers", f"local/{model}") from error
    return torch, transformers


def _longest(model: Any) -> int:
    """Return how many tokens a model takes; one without a limit has none there, or -1."""
    limit = getattr(model.config, "max_position_embeddings", None)
    return int(limit) if limit and limit > 0 else 1 << 30


def _stops(model: Any) -> frozenset[int]:
    """Return the tokens that end an answer: those of the generation settings, else of the model's."""
    for config in (getattr(model, "generation_config", None), model.config):
        found = getattr(config, "eos_token_id", None)
        if found is not None:
            return frozenset(found if isinstance(found, list) else [found])
    return frozenset()


@contextmanager
def _told(folder: str) -> Generator[None]:
    """Say which folder it was that transformers could not read."""
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise ModelMissing(
            f"local/{folder} could not be loaded: {first} Name a folder with config.json, its weights as safetensors "
            "and its tokenizer.",
            model=f"local/{folder}",
        ) from error
