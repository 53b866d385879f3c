"""A small task model's file, made by hand: each known text adds to its own label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from greenai.answerers import kernel, task_file
from greenai.answerers.skeleton import Part, Template

LABELS = ("refund", "delivery", "password")
KNOWN = {
    "I want my money back": 0,
    "please refund my last order": 0,
    "where is my parcel": 1,
    "my delivery has not arrived": 1,
    "I forgot my password": 2,
    "how do I reset my login password": 2,
}
BEFORE, AFTER = "Which department is this message for? Answer with one word.\nMessage: ", "\nDepartment:"
TEMPLATE = Template(parts=(Part(role="user", literals=(BEFORE, AFTER)),))


def prompt(text: str) -> list[dict[str, Any]]:
    """Return the messages of the template, filled with a text."""
    return [{"role": "user", "content": f"{BEFORE}{text}{AFTER}"}]


def write(path: Path, **changes: Any) -> Path:
    """Write the file; `changes` replace what stands in its header."""
    seen = [kernel.see(text) for text in KNOWN]
    header = {
        "name": "department", "template": TEMPLATE.to_json(), "labels": [*LABELS], "threshold": 0.2, "familiar": 0.3,
        "early": None,
        "longest": 500, "promise": 0.98, "teacher": "openai/gpt-5.5", "encoder": kernel.encoder(), "classes": 3,
        "tested": {}, **changes,
    }  # fmt: skip
    arrays = {
        "minilm": np.array([s.minilm for s in seen], np.float16),
        "static": np.array([s.static for s in seen], np.float16),
        "adds": np.eye(3, dtype=np.float32)[[*KNOWN.values()]] * 3,
        "deeper": np.eye(3, dtype=np.float32)[[*KNOWN.values()]],
        "linear": np.zeros((2 * kernel.BUCKETS, 3), np.float16),
        "rarity": np.ones(2 * kernel.BUCKETS, np.float32),
    }
    task_file.save(path, header, arrays)
    return path
