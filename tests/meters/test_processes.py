from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from greenai.meters.processes import in_tree, visible


def stat(proc: Path, pid: int, parent: int, name: str = "python") -> None:
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "stat").write_text(f"{pid} ({name}) S {parent} 1 1 0")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    stat(tmp_path, 1, 0)
    stat(tmp_path, 10, 1)
    stat(tmp_path, 11, 10, "odd) S 99 (name")
    stat(tmp_path, 12, 11)
    stat(tmp_path, 20, 1)
    stat(tmp_path, 30, 31)
    stat(tmp_path, 31, 30)
    return tmp_path


@pytest.mark.parametrize(
    ("pid", "root", "inside"),
    [(10, 10, True), (12, 10, True), (11, 10, True), (10, 12, False), (20, 10, False), (12, 1, True), (99, 10, False)],
)
def test_a_process_belongs_to_its_parents(proc: Path, pid: int, root: int, inside: bool) -> None:
    assert in_tree(pid, root, proc) is inside


def test_a_circle_of_parents_ends(proc: Path) -> None:
    assert not in_tree(30, 10, proc)


def test_without_proc_only_the_process_itself_is_known(tmp_path: Path) -> None:
    assert in_tree(5, 5, tmp_path / "none")
    assert not in_tree(6, 5, tmp_path / "none")


def test_a_process_is_visible_where_proc_lists_it(proc: Path) -> None:
    assert visible(10, proc)
    assert not visible(4242, proc)
    assert visible(4242, proc / "none")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_real_child_is_in_the_tree_of_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert in_tree(child.pid, os.getpid())
        assert not in_tree(os.getpid(), child.pid)
        child.communicate(b"\n")
