"""The example of gpus.md, of a made-up fleet: `python docs/gpus_example.py` writes its recording and its picture."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from rich.console import Console

from greenai.cli import gpus_picture, gpus_words
from greenai.gpus import recording, synthetic
from greenai.gpus.summary import Summary, summed

ASSETS = Path(__file__).parent / "assets"
RECORDING = ASSETS / "gpus-synthetic.jsonl"


def parts() -> Mapping[str, Callable[[], str]]:
    """Return the generated part of the page by name."""
    return {"gpus-example": shown}


@cache
def found() -> Summary:
    """Return what the recording tells, with the made-up calls."""
    trace = recording.read(RECORDING)
    return summed(trace, synthetic.office_calls(trace))


def shown() -> str:
    """Return what the command prints."""
    out = io.StringIO()
    gpus_words.show(found(), Console(file=out, width=118, highlight=False))
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    return "```text\n" + "\n".join(lines) + "\n```\n"


def main() -> None:
    """Write the recording and the picture."""
    RECORDING.unlink(missing_ok=True)
    recording.write(synthetic.office(), RECORDING)
    gpus_picture.draw(found(), ASSETS / "gpus-synthetic.svg")


if __name__ == "__main__":
    main()
