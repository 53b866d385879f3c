"""A task model's file: what was written is read, and anything else is refused."""

from __future__ import annotations

import io
import os
import stat
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai.answerers.task_file import FORMAT, TaskFileRefused, load, save
from greenai.errors import WeightsDamaged

HEADER = {"name": "mail", "labels": ["a", "é"]}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "mail.greenai"
    save(path, HEADER, {"numbers": np.arange(6.0, dtype=np.float16).reshape(2, 3)})
    return path


def test_what_was_written_is_read(written):
    held = load(written)
    assert held.header == HEADER
    assert held.arrays["numbers"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert held.sha256.encode() in written.read_bytes()[:120]


def test_only_its_owner_reads_it_and_nothing_is_left_beside_it(written):
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert [*written.parent.iterdir()] == [written]


@given(st.data())
def test_one_bit_anywhere_is_one_too_many(written, data):
    whole = bytearray(written.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    changed = written.with_name("changed")
    changed.write_bytes(whole)
    with pytest.raises(TaskFileRefused):
        load(changed)
    changed.unlink()


@given(st.data())
def test_a_file_that_was_cut_short_is_refused(written, data):
    whole = written.read_bytes()
    short = written.with_name("short")
    short.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(TaskFileRefused):
        load(short)
    short.unlink()


def test_a_changed_file_is_told_with_both_hashes(written, tmp_path):
    whole = bytearray(written.read_bytes())
    whole[-1] ^= 1
    (tmp_path / "mail.greenai").write_bytes(whole)
    with pytest.raises(
        TaskFileRefused,
        match=r"^mail\.greenai has the SHA-256 [0-9a-f]{12}…, and it says itself [0-9a-f]{12}…: it was cut short or "
        r"changed\. Make it again with `greenai distil`, or copy it again from where it was made\.$",
    ):
        load(tmp_path / "mail.greenai")


def test_a_newer_format_says_what_to_do(written, tmp_path):
    whole = written.read_bytes().replace(f"model {FORMAT} ".encode(), b"model 99 ", 1)
    (tmp_path / "mail.greenai").write_bytes(whole)
    with pytest.raises(TaskFileRefused) as refused:
        load(tmp_path / "mail.greenai")
    assert str(refused.value) == (
        "mail.greenai has the format 99, and this greenai reads up to 1. Upgrade it: pip install --upgrade greenai"
    )


def test_it_is_an_error_of_weights(tmp_path):
    with pytest.raises(WeightsDamaged, match="could not be read"):
        load(tmp_path / "none")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(WeightsDamaged, match="is no task model of greenai"):
        load(tmp_path / "text")


def signed(path, body):
    import hashlib

    path.write_bytes(f"greenai task model 1 sha256={hashlib.sha256(body).hexdigest()}\n".encode() + body)
    return path


def test_nothing_is_unpickled_though_the_hash_is_right(tmp_path):
    packed = io.BytesIO()
    np.savez(packed, header=np.array([{"a": 1}], dtype=object))
    with pytest.raises(TaskFileRefused, match="Object arrays cannot be loaded when allow_pickle=False"):
        load(signed(tmp_path / "pickled", packed.getvalue()))
    with pytest.raises(ValueError, match="consists of numbers only"):
        save(tmp_path / "x", {}, {"a": np.array([{}], dtype=object)})


def test_what_would_unpack_to_no_one_knows_what_is_refused(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("header.npy", b"0" * 10000)
    with pytest.raises(TaskFileRefused, match="it is packed"):
        load(signed(tmp_path / "packed", packed.getvalue()))
    with pytest.raises(TaskFileRefused, match="is no task model that can be read"):
        load(signed(tmp_path / "garbage", b"PK garbage"))


def array(shape, kind="|u1", data=b""):
    held = io.BytesIO()
    np.lib.format.write_array_header_1_0(held, {"descr": kind, "fortran_order": False, "shape": shape})
    return held.getvalue() + data


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"a.npy": array((1 << 50,), "<f8")}, "a.npy is said to have 9,007,199,254,740,992 bytes, and has 0"),
        ({"a.npy": array((-1, -8), data=b"12345678")}, "a.npy is said to have 8 bytes, and has 8"),
        ({"header.npy": array((200_000,), data=b"[" * 200_000)}, "maximum recursion depth exceeded"),
        ({"a.npy": b"no array"}, "the magic string is not correct"),
    ],
)
def test_what_says_more_than_it_holds_is_refused_before_it_is_read(tmp_path, members, why):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, data in {"header.npy": array((2,), data=b"{}"), **members}.items():
            file.writestr(name, data)
    with pytest.raises(TaskFileRefused, match=why):
        load(signed(tmp_path / "mail.greenai", packed.getvalue()))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "mail.greenai")
    with pytest.raises(TaskFileRefused, match="is no file"):
        load(tmp_path / "mail.greenai")
