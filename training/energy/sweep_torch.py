"""Run one point's work with torch and transformers: a Llama-shaped model with random weights. Imports both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import transformers
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

if TYPE_CHECKING:
    from sweep_points import Point, Shape


class Workload:
    """A model on a device, and the work of one point after another. Running out of memory raises MemoryError."""

    def __init__(self, shape: Shape, device: str) -> None:
        self.device = torch.device(device)
        self.dtype = torch.bfloat16
        config = LlamaConfig(
            hidden_size=shape.hidden,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.kv_heads,
            intermediate_size=shape.intermediate,
            vocab_size=shape.vocabulary,
            tie_word_embeddings=shape.tied,
            max_position_embeddings=32768,
            attn_implementation="sdpa",
        )
        torch.manual_seed(0)
        before = torch.get_default_dtype()
        torch.set_default_dtype(self.dtype)
        try:
            with self.device:
                self.model: Any = LlamaForCausalLM(config).eval()
        finally:
            torch.set_default_dtype(before)
        self.vocabulary = shape.vocabulary
        self.cache: Any = None
        self.tokens: Any = None

    def about(self) -> dict[str, Any]:
        """Return what the model is: its parameters in 1e9, its weights and its cache in GB."""
        parameters = sum(p.numel() for p in self.model.parameters())
        config = self.model.config
        head = config.hidden_size // config.num_attention_heads
        per_token = 2 * config.num_hidden_layers * config.num_key_value_heads * head * self.dtype.itemsize
        return {
            "params_b": parameters / 1e9,
            "weights_gb": parameters * self.dtype.itemsize / 1e9,
            "layers": config.num_hidden_layers,
            "kv_gb_per_1k_tokens": per_token * 1000 / 1e9,
        }

    @torch.inference_mode()
    def prepare(self, point: Point) -> None:
        """Make the tokens of one unit and fill the cache that it starts from."""
        self.cache, self.tokens = None, None
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        try:
            shape = (point.batch, point.new_tokens)
            self.tokens = torch.randint(self.vocabulary, shape, device=self.device)
            if point.cached_tokens:
                self.cache = DynamicCache(config=self.model.config)
                for length in _pieces(point.cached_tokens):
                    piece = torch.randint(self.vocabulary, (point.batch, length), device=self.device)
                    self.model(piece, past_key_values=self.cache, use_cache=True, logits_to_keep=1)
            self.finish()
        except torch.OutOfMemoryError as error:
            raise MemoryError(str(error)) from error

    @torch.inference_mode()
    def run(self, point: Point) -> None:
        """Do one unit of work; the device may still be busy when this returns."""
        try:
            if point.mode == "decode":
                self._decode(point)
            else:
                kept = self.cache is not None
                self.model(self.tokens, past_key_values=self.cache, use_cache=kept, logits_to_keep=1)
            if self.cache is not None:
                self.cache.crop(-point.new_tokens)  # transformers takes the tokens to remove
        except torch.OutOfMemoryError as error:
            raise MemoryError(str(error)) from error

    def _decode(self, point: Point) -> None:
        token = self.tokens[:, :1]
        for _ in range(point.new_tokens):
            logits = self.model(token, past_key_values=self.cache, use_cache=True, logits_to_keep=1).logits
            token = logits[:, -1:].argmax(-1)

    def finish(self) -> None:
        """Wait until the device has done everything."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def _pieces(tokens: int, most: int = 4096) -> list[int]:
    return [min(most, tokens - done) for done in range(0, tokens, most)]


def has_cuda() -> bool:
    """Say whether this torch can use a GPU."""
    return bool(torch.cuda.is_available())


def versions() -> dict[str, str]:
    """Return the versions that a figure depends on."""
    return {"torch": torch.__version__, "transformers": transformers.__version__, "cuda": str(torch.version.cuda)}
