"""Who asked what, as a digest: the same person's same question again within minutes is a sign of a poor answer.

The ledger keeps the digest and no text. It says nothing of turns in which a tool's result or nothing was asked, nor of
words so short ("yes", "go on") that they come twice in any conversation.
"""

from __future__ import annotations

from hashlib import blake2b

from greenai.values import Request, text_of

__all__ = ["SAME_WITHIN_S", "digest"]

SAME_WITHIN_S = 300.0
"""Asked again within this time, a question counts as one whose answer did not do."""

SHORTEST = 8
LONGEST = 2000  # of a longer text the two ends and the length count: reading all of it at each call would show
_END = LONGEST // 2
_DIGEST_BYTES = 8


def digest(request: Request) -> str | None:
    """Return the digest of a question in small letters, without its spacing and end marks; None where nothing is asked.

    Its key is the call's namespace (the API key, project, tenant and user) and openai's `user`: two people who ask the
    same have different ones.
    """
    if not request.messages or not request.wants_text or request.messages[-1].get("role") != "user":
        return None
    text = text_of(request.messages[-1].get("content"))
    if len(text) > LONGEST:
        text = f"{text[:_END]} {len(text)} {text[-_END:]}"
    text = " ".join(text.casefold().split()).rstrip(" .?!")
    if len(text) < SHORTEST:
        return None
    user = request.arguments.get("user") or request.arguments.get("safety_identifier") or ""
    said = f"{user}\0{text}".encode("utf-8", "surrogatepass")
    return blake2b(said, digest_size=_DIGEST_BYTES, key=request.namespace.encode()[:64]).hexdigest()
