"""Files from a model hub that speaks the API of huggingface.co: what a repository holds, and downloads that resume.

`HF_ENDPOINT` names another hub or mirror and `HF_TOKEN` opens private repositories, as everywhere else.
"""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from greenai.local.names import HubFile
from greenai.local.transfer import Progress, TransferError, copy, put_in_place

__all__ = ["download", "endpoint", "files_of", "url_of"]

TIMEOUT_S = 10.0
TRIES = 5
HTTP_PARTIAL = 206


def endpoint() -> str:
    """Return the hub's address."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def url_of(repo: str, path: str, revision: str = "main") -> str:
    """Return where a file of `repo` is downloaded."""
    return f"{endpoint()}/{repo}/resolve/{quote(revision, safe='')}/{quote(path)}"


def files_of(repo: str) -> tuple[HubFile, ...]:
    """Ask the hub which files `repo` has.

    Raises:
        TransferError: The hub does not answer, or has no such repository.
    """
    url = f"{endpoint()}/api/models/{repo}/tree/main?recursive=true"
    try:
        with _open(url) as answer:
            entries = json.load(answer)
    except urllib.error.HTTPError as error:
        raise TransferError(_refused(error)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise TransferError(_unreachable(error)) from error
    return tuple(_file(e) for e in entries if e.get("type") == "file")


def _file(entry: Mapping[str, Any]) -> HubFile:
    lfs = entry.get("lfs") or {}
    oid = str(lfs.get("oid", "")).removeprefix("sha256:")
    return HubFile(path=str(entry["path"]), size_bytes=int(entry["size"]), sha256=oid if len(oid) == 64 else None)


def download(url: str, part: Path, path: Path, file: HubFile, progress: Progress | None) -> Path:
    """Bring `url` to `path`, continuing where an earlier download stopped if the hash will tell whether it fits.

    Raises:
        TransferError: The hub cannot be reached, breaks off for good, or sends a file with another hash.
        ModelError: The disk is full or refuses the file.
    """
    if file.sha256 is None:
        part.unlink(missing_ok=True)
    resumed = part.exists() and part.stat().st_size > 0
    _fill(url, part, file, progress)
    try:
        return put_in_place(part, path, file.sha256)
    except TransferError:
        if not resumed:
            raise
    # The old beginning may be what was wrong.
    _fill(url, part, file, progress)
    return put_in_place(part, path, file.sha256)


def _fill(url: str, part: Path, file: HubFile, progress: Progress | None) -> None:
    """Fetch what `part` lacks. A connection that breaks after it brought something is opened again, at most `TRIES`."""
    for last in (*[False] * (TRIES - 1), True):
        before = part.stat().st_size if part.exists() else 0
        if before == file.size_bytes and before:
            return
        try:
            _fetch(url, part, before, file.size_bytes, progress)
        except urllib.error.HTTPError as error:
            raise TransferError(_refused(error)) from error
        except (OSError, http.client.HTTPException) as error:
            if last or not part.exists() or part.stat().st_size <= before:
                raise TransferError(_unreachable(error)) from error
    found = part.stat().st_size
    if found != file.size_bytes:
        raise TransferError(f"it broke off after {found} of {file.size_bytes} bytes")


def _fetch(url: str, part: Path, done: int, size_bytes: int, progress: Progress | None) -> None:
    if done > size_bytes:
        part.unlink()
        done = 0
    with _open(url, {"Range": f"bytes={done}-"} if done else {}) as answer:
        append = answer.status == HTTP_PARTIAL
        copy(answer, part, done=done if append else 0, size_bytes=size_bytes, progress=progress, append=append)


def _open(url: str, headers: Mapping[str, str] | None = None) -> http.client.HTTPResponse:
    request = urllib.request.Request(url, headers={"User-Agent": "greenai", **(headers or {})})  # noqa: S310 - the address is the hub's
    if token := os.environ.get("HF_TOKEN"):
        # Unredirected: the hub sends downloads on to other hosts, which must not see the token.
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT_S)  # noqa: S310 - as above
    return answer


def _refused(error: urllib.error.HTTPError) -> str:
    host = urlsplit(endpoint()).netloc
    error.close()
    if error.code in (401, 403, 404):
        return f"{host} answered {error.code}: no such file, or it is private (set HF_TOKEN)"
    return f"{host} answered {error.code} {error.reason}"


def _unreachable(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return f"{urlsplit(endpoint()).netloc} did not answer ({str(reason) or type(error).__name__})"
