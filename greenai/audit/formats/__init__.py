"""All formats of logs, and which of them a file is of."""

from __future__ import annotations

from greenai.audit.formats import (
    anthropic_batch,
    helicone,
    langfuse,
    langsmith,
    ledger,
    litellm,
    llm,
    mlflow,
    openai,
    openai_batch,
    otel,
)
from greenai.audit.formats.base import ASKED, Format, NoCall, Recognised, Sample, Unreadable

__all__ = ["ASKED", "FORMATS", "Format", "NoCall", "Recognised", "Sample", "Unreadable", "chosen", "known"]

FORMATS: dict[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (
        openai,
        openai_batch,
        anthropic_batch,
        litellm,
        langfuse,
        langsmith,
        helicone,
        otel,
        mlflow,
        llm,
        ledger,
    )
}


def chosen(sample: Sample) -> tuple[Format, Recognised] | None:
    """Return the format that knows a sample best, with its reason; None where none does."""
    looks = ((form, form.detect(sample)) for form in FORMATS.values())
    found = [(form, seen) for form, seen in looks if seen is not None]
    return max(found, key=lambda pair: pair[1].score, default=None)


def known() -> str:
    """Return a line for each format: its name and what it is known by."""
    return "\n".join(f"  {form.name:13} {form.known_by}" for form in FORMATS.values())
