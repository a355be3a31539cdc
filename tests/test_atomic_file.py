"""atomic_path: a complete file or none."""

import os
import stat
from pathlib import Path

import pytest

from minicnn.atomic_file import atomic_path


def inside(folder):
    return sorted(path.name for path in Path(folder).rglob("*"))


def test_the_old_file_stays_until_the_block_ends(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with atomic_path(target) as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".txt")
        assert temporary != target
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert inside(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("existing", [True, False])
def test_a_block_that_raises_changes_nothing(tmp_path, error, existing):
    target = tmp_path / "a.txt"
    if existing:
        target.write_text("old")

    def write():
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise error("stop")

    with pytest.raises(error, match="stop"):
        write()
    assert inside(tmp_path) == (["a.txt"] if existing else [])
    if existing:
        assert target.read_text() == "old"


def test_a_rename_that_fails_changes_nothing(tmp_path, monkeypatch):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space"), atomic_path(target) as temporary:
        temporary.write_text("new")
    monkeypatch.undo()
    assert target.read_text() == "old"
    assert inside(tmp_path) == ["a.txt"]


def test_missing_folders_are_created(tmp_path):
    with atomic_path(tmp_path / "x" / "y" / "a.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "x" / "y" / "a.txt").read_text() == "new"


def test_a_target_that_is_a_folder_or_is_in_a_file(tmp_path):
    target = tmp_path / "a.txt"
    target.mkdir()
    (target / "kept").write_text("kept")
    with pytest.raises(OSError), atomic_path(target) as temporary:
        temporary.write_text("new")
    with pytest.raises(OSError), atomic_path(target / "kept" / "b.txt"):
        pytest.fail("expected an OSError")
    assert inside(tmp_path) == ["a.txt", "kept"]


@pytest.mark.parametrize("name", ["a.txt", Path("ä b.txt"), "n" * 251 + ".txt"])
def test_names_in_the_current_folder(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with atomic_path(name) as temporary:
        temporary.write_text("new")
    assert inside(tmp_path) == [str(name)]


@pytest.mark.skipif(os.name != "posix", reason="permission bits")
def test_the_mode_of_a_file_follows_the_umask(tmp_path):
    old = os.umask(0o022)
    os.umask(old)
    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o666 & ~old


def test_two_writers_of_one_file(tmp_path):
    target = tmp_path / "a.txt"
    with atomic_path(target) as one, atomic_path(target) as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert target.read_text() == "one"  # the last to finish
    assert inside(tmp_path) == ["a.txt"]
