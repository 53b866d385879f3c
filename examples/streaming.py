"""Streaming: text as it comes; the receipt is there once the stream has ended."""

from __future__ import annotations

from greenai import Client

with Client() as client, client.ask("What is the capital of France?", stream=True) as stream:
    for piece in stream:
        print(piece, end="", flush=True)
    print()
    if stream.greenai is not None:
        print(f"answered by {stream.greenai.model}, stars {stream.greenai.stars}")
