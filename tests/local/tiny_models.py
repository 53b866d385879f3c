"""Small language models with random weights, made on the spot: a folder with config, safetensors and tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

VOCABULARY = 512
TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def llama(
    folder: Path,
    *,
    seed: int = 7,
    hidden: int = 64,
    layers: int = 2,
    heads: int = 4,
    inner: int | None = None,
    vocabulary: int = VOCABULARY,
    template: str | None = TEMPLATE,
) -> Path:
    """Write a Llama of a few hundred thousand parameters (or more) whose answers differ from prompt to prompt."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=hidden, intermediate_size=inner or 2 * hidden, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=heads // 3 if heads % 3 == 0 else heads // 2,
        max_position_embeddings=256, bos_token_id=1, eos_token_id=2, pad_token_id=0,
        tie_word_embeddings=vocabulary > VOCABULARY, initializer_range=4 / hidden**0.5 if hidden < 500 else 0.06,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer(template).save_pretrained(folder)
    return folder


def tokenizer(template: str | None = TEMPLATE) -> Any:
    """Return a tokenizer of bytes, so that every text has tokens and every token a text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<s>", "</s>", "<unk>", "<|user|>", "<|assistant|>", "<|system|>"]
    letters = [chr(code) for code in range(32, 127) if chr(code) not in "<>|"]
    words = [a + b for a in "abcdefghijklmnopqrstuvwxyz" for b in "aeiou lnrst "]
    vocabulary = {word: n for n, word in enumerate(dict.fromkeys([*special, *letters, *words]))}
    made = Tokenizer(
        models.BPE(vocab={k: v for k, v in vocabulary.items() if v < VOCABULARY}, merges=[], unk_token="<unk>")
    )
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>",
        extra_special_tokens=special[4:],
    )  # fmt: skip
    fast.chat_template = template
    return fast
