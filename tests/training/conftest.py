"""The training scripts are no package: their folder is put where imports look."""

from __future__ import annotations

import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "training" / "energy"

if SCRIPTS.is_dir():
    sys.path.insert(0, str(SCRIPTS))
else:  # a source distribution holds the tests and not the scripts
    collect_ignore_glob = ["test_*.py"]
