"""A folder of documents answers word for word, with file and line; what does not stand there goes to a model."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from greenai import Client

REFUNDS = """# Refunds

You may return a product within 30 days. Gift cards cannot be refunded.
"""

with TemporaryDirectory() as folder, Client() as client:
    (Path(folder) / "refunds.md").write_text(REFUNDS)
    client.faq(folder)
    for question in ("Can gift cards be refunded?", "What is the capital of France?"):
        answer = client.ask(question)
        print(answer.text, f"({answer.greenai.model})")
