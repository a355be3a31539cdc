import io

import pytest

from minicnn import RunWarning
from minicnn.callbacks import lines
from minicnn.callbacks.lines import LineFile, WarnOnce


@pytest.mark.parametrize("before", [b"", b"old\n"])
def test_a_line_on_a_full_disk_is_removed(tmp_path, monkeypatch, before):
    class FullDisk(io.FileIO):
        def write(self, data):
            return super().write(data[:4])

    path = tmp_path / "a.txt"
    path.write_bytes(before)
    monkeypatch.setattr(lines, "open", lambda p, mode, buffering: FullDisk(p, mode), raising=False)
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
