"""Run the openai package's own tests against greenai: its source distribution from PyPI, unpacked and left as it is.

    python tests/hosts/openai_suite.py [bare] [client] [wrap]

`openai_suite.toml` names the tests. Those that use only openai's public surface have to pass with `greenai.Client` in
place of `openai.OpenAI`, and with `greenai.wrap(openai.OpenAI(...))`; `bare` runs them with openai's own client.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LONGEST_S = 300


def main() -> int:
    """Run the suite in the ways that are asked for; return how many required tests did not pass."""
    listed = tomllib.loads((HERE / "openai_suite.toml").read_text())
    public = {f"{file}::{name}" for file, names in listed["public"].items() for name in names}
    private = set(listed["private"])
    missing = 0
    with tempfile.TemporaryDirectory() as folder:
        tests = unpacked(Path(folder), listed["version"])
        for way in sys.argv[1:] or ("client", "wrap"):
            results, said = run(tests, way, public | private)
            passed = {name for name, result in results.items() if result == "passed"}
            missing += len(public - passed)
            sys.stdout.write(
                f"{way}: {len(public & passed)} of {len(public)} tests of the public surface pass, "
                f"and {len(private & passed)} of {len(private)} that use private parts.\n"
            )
            for name in sorted(public - passed):
                sys.stdout.write(f"  {results.get(name, 'not found')}: {name}\n")
            if public - passed:
                sys.stdout.write(said[-20_000:])
    differing = Counter(reason for part in ("differs", "not_run") for reason in listed[part].values())
    for reason, count in differing.items():
        sys.stdout.write(f"not asked for: {count} ({reason})\n")
    return min(missing, 1)


def unpacked(folder: Path, version: str) -> Path:
    """Fetch the source distribution and unpack it."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download", "--no-deps"]
    subprocess.run([*pip, "--no-binary", ":all:", f"openai=={version}", "--dest", str(folder)], check=True)
    (archive,) = folder.glob("openai-*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / f"openai-{version}"


def run(tests: Path, way: str, names: set[str]) -> tuple[Mapping[str, str], str]:
    """Run tests one way; return what became of each, and what pytest said."""
    wanted, results = tests / "wanted.json", tests / f"{way}.json"
    wanted.write_text(json.dumps(sorted(names)))
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "GREENAI_"))}
    env = plain | {
        "GREENAI_SUITE": way,
        "GREENAI_SUITE_TESTS": str(wanted),
        "GREENAI_SUITE_RESULTS": str(results),
        # Many of these tests give other answers to one question.
        "GREENAI_CACHE": "off",
        "GREENAI_LEDGER": ":memory:",
        "PYTHONPATH": str(HERE),
    }
    files = sorted({name.partition("::")[0] for name in names})
    options = ["-q", "-p", "openai_plugin", "-p", "no:cacheprovider", "-o", "addopts=", "--tb=short", "-rfE"]
    command: list[Any] = [sys.executable, "-m", "pytest", *options, *files]
    done = subprocess.run(command, cwd=tests, env=env, capture_output=True, text=True, timeout=LONGEST_S, check=False)
    return json.loads(results.read_text()) if results.exists() else {}, done.stdout + done.stderr


if __name__ == "__main__":
    sys.exit(main())
