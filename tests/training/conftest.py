"""The training scripts are no package: their folders are put where imports look."""

from __future__ import annotations

import sys
from pathlib import Path

SCRIPTS = [Path(__file__).parents[2] / "training" / name for name in ("energy", "classify")]

if all(folder.is_dir() for folder in SCRIPTS):
    sys.path[:0] = map(str, SCRIPTS)
else:  # a source distribution holds the tests and not the scripts
    collect_ignore_glob = ["test_*.py"]
