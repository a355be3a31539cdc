"""atomic_path: a whole file or none."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from minicnn.atomic_file import atomic_path


def inside(folder):
    return sorted(path.name for path in Path(folder).rglob("*"))


def test_the_file_is_there_after_the_block_and_nothing_else(tmp_path):
    target = tmp_path / "a.txt"
    with atomic_path(target) as temporary:
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert inside(tmp_path) == ["a.txt"]


def test_the_old_file_stands_until_the_block_ends(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with atomic_path(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert inside(tmp_path) == ["a.txt"]


def test_the_temporary_file_is_beside_the_target_and_has_its_suffix(tmp_path):
    with atomic_path(tmp_path / "a.tar.png") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".png"
        assert temporary.name != "a.tar.png"
        temporary.write_bytes(b"")


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("existing", [True, False])
def test_a_block_that_raises_leaves_everything_as_it_was(tmp_path, error, existing):
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


def test_a_rename_that_fails_leaves_everything_as_it_was(tmp_path, monkeypatch):
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


def test_missing_folders_are_made(tmp_path):
    with atomic_path(tmp_path / "x" / "y" / "a.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "x" / "y" / "a.txt").read_text() == "new"


def test_a_target_that_is_a_folder_is_an_os_error_and_stays(tmp_path):
    target = tmp_path / "a.txt"
    target.mkdir()
    (target / "kept").write_text("kept")
    with pytest.raises(OSError), atomic_path(target) as temporary:
        temporary.write_text("new")
    assert inside(tmp_path) == ["a.txt", "kept"]


def test_a_folder_that_is_a_file_is_an_os_error(tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OSError), atomic_path(tmp_path / "file" / "a.txt"):
        pytest.fail("there is no place for a temporary file")
    assert inside(tmp_path) == ["file"]


def test_a_name_without_a_folder_is_in_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with atomic_path("a.txt") as temporary:
        temporary.write_text("new")
    assert inside(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("kind", [str, Path])
def test_paths_may_be_text_or_path(tmp_path, kind):
    with atomic_path(kind(tmp_path / "ä b.txt")) as temporary:
        temporary.write_text("new")
    assert inside(tmp_path) == ["ä b.txt"]


def test_a_longest_possible_name_works(tmp_path):
    name = "n" * 251 + ".txt"
    with atomic_path(tmp_path / name) as temporary:
        temporary.write_text("new")
    assert inside(tmp_path) == [name]


@pytest.mark.skipif(os.name != "posix", reason="permission bits")
@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077, 0o002])
def test_others_may_read_what_the_umask_lets_them(tmp_path, umask):
    """mkstemp's files are private: a run folder that a web server can't read would be the price."""
    target = tmp_path / "a.txt"
    code = (
        "import sys; from minicnn.atomic_file import atomic_path\n"
        "with atomic_path(sys.argv[1]) as t: t.write_text('new')\n"
    )
    subprocess.run(
        [sys.executable, "-c", f"import os; os.umask({umask})\n{code}", str(target)],
        check=True,
        env={**os.environ, "MINICNN_BACKEND": "numpy"},
    )
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~umask


@pytest.mark.skipif(os.name != "posix", reason="permission bits")
def test_the_umask_itself_is_left_alone(tmp_path):
    old = os.umask(0o022)
    try:
        with atomic_path(tmp_path / "a.txt") as temporary:
            temporary.write_text("new")
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(old)


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    target = tmp_path / "a.txt"
    with atomic_path(target) as one, atomic_path(target) as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert target.read_text() == "one"  # the last to end
    assert inside(tmp_path) == ["a.txt"]
