import pytest

from minicnn import RunWarning
from minicnn.callbacks.lines import LineFile, WarnOnce


def test_lines_and_header(tmp_path):
    file = LineFile(tmp_path / "new" / "a.txt")
    assert file.size() == 0
    file.open(append=False)
    file.append("one\n", header="head\n")
    file.append("zwö\n", header="head\n")
    assert file.path.read_bytes() == "head\none\nzwö\n".encode()
    assert file.size() == 14


def test_open_empties_or_continues(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\ntwo\nthr")
    LineFile(path).open(append=True)
    assert path.read_bytes() == b"one\ntwo\n"
    path.write_bytes(b"half a line")
    LineFile(path).open(append=True)
    assert path.read_bytes() == b""
    path.write_bytes(b"one\n")
    LineFile(path).open(append=False)
    assert path.read_bytes() == b""


def test_truncate_only_shortens(tmp_path):
    file = LineFile(tmp_path / "a.txt")
    file.truncate(3)  # no such file
    assert not file.path.exists()
    file.path.write_bytes(b"12345")
    file.truncate(9)
    assert file.path.read_bytes() == b"12345"
    file.truncate(2)
    assert file.path.read_bytes() == b"12"


@pytest.mark.parametrize("before", [b"", b"old\n"])
def test_a_line_on_a_full_disk_is_removed(tmp_path, fill_disk, before):
    path = tmp_path / "a.txt"
    path.write_bytes(before)
    fill_disk()
    with pytest.raises(OSError, match="the disk is full"):
        LineFile(path).append("a new line\n", header="head\n")
    assert path.read_bytes() == before


def test_one_warning_a_run(tmp_path):
    warning = WarnOnce("Watcher")

    def fail():
        with warning.instead_of_error(tmp_path / "a.txt"):
            raise OSError("gone")

    with pytest.warns(RunWarning, match=r"^Watcher: can't write .*a\.txt: gone$"):
        fail()
    fail()  # (a warning would be an error)
    warning.begin()
    with pytest.warns(RunWarning):
        fail()


def test_other_errors_pass(tmp_path):
    with pytest.raises(KeyError), WarnOnce("x").instead_of_error(tmp_path):
        raise KeyError
