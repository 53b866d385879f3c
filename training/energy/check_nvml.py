"""Check on a sweep that greenai's NVML meter, the counter and the integrated power agree; exit 1 where they do not.

    python training/energy/check_nvml.py DIR [--most 0.05]

They agree where the median of the repeats of two seconds or more lies within `--most`: 5%, what NVIDIA states for
NVML's power. Shorter repeats are left out: a step of the counter is 100 ms.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from nvml_sweep import AGREE, lacking, read, summary

SHORTEST_S = 2.0


def check(folder: Path, most: float = AGREE) -> tuple[bool, list[str]]:
    """Return whether all agree, and a line on each; power that was never read does not agree."""
    rows = [r for r in read(folder / "sweep.csv") if r["status"] == "ok" and float(r["seconds"]) >= SHORTEST_S]
    good, lines = bool(rows), [] if rows else [f"no repeat of {SHORTEST_S:g} s or more in {folder}"]
    for name, agreement in summary(rows)["from_counter"].items():
        if agreement is None:
            good = False
            lines.append(f"{name}: not read")
            continue
        within = abs(agreement["median"]) <= most
        good = good and within
        apart = f"median {agreement['median']:+.2%}, worst {agreement['worst']:+.2%} of {agreement['rows']} repeats"
        lines.append(f"{name}: {apart}, {'within' if within else 'not within'} {most:.0%}")
    return good, lines


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="what nvml_sweep.py wrote")
    parser.add_argument("--most", type=float, default=AGREE, help="how far they may lie apart")
    asked = parser.parse_args()
    if said := lacking(asked.folder):
        print(said, file=sys.stderr)
        return 2
    good, lines = check(asked.folder, asked.most)
    print("\n".join(lines))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
