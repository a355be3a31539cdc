import csv
import math
import os

import numpy as np
import pytest
from small_runs import WHERE, Saver, resumed, train

from minicnn import RunWarning
from minicnn.callbacks import CSVLogger, LambdaCallback

EPOCHS = [{"loss": 2.0, "val_loss": 2.5}, {"loss": 1.25, "val_loss": math.nan}]


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_a_row_an_epoch(drive, tmp_path):
    path = tmp_path / "new folder" / "history.csv"
    drive([CSVLogger(path)], EPOCHS)
    assert path.read_text() == "epoch,loss,val_loss\n1,2,2.5\n2,1.25,nan\n"


def test_float32_survives(drive, tmp_path):
    value = np.float32(0.1234567)
    drive([CSVLogger(tmp_path / "a.csv")], [{"loss": value, "count": 12_345_678_901}])
    _, row = table(tmp_path / "a.csv")
    assert np.float32(row[1]) == value
    assert row[2] == "12345678901"


def test_new_names_get_columns_at_the_end(drive, tmp_path):
    path = tmp_path / "a.csv"
    drive([CSVLogger(path)], [{"loss": 3, "x": 1}, {"loss": 2, 'a "b", c': 5}, {"loss": 1}])
    assert table(path) == [
        ["epoch", "loss", "x", 'a "b", c'],
        ["1", "3", "1", ""],
        ["2", "2", "", "5"],
        ["3", "1", "", ""],
    ]
    assert os.listdir(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("done", WHERE)
def test_a_resumed_run_continues_after_the_row_of_its_checkpoint(tmp_path, done):
    path = tmp_path / "a.csv"
    train([CSVLogger(path), Saver(tmp_path)])
    whole = path.read_bytes()
    resumed([CSVLogger(path)], tmp_path, done)
    assert path.read_bytes() == whole


def test_a_column_added_after_the_checkpoint_is_removed(tmp_path):
    path, plain = tmp_path / "a.csv", tmp_path / "plain.csv"
    add = LambdaCallback(on_epoch_end=lambda s: s.logs.update({"late": 7} if s.epoch > 1 else {}))
    train([CSVLogger(plain), add, CSVLogger(path), Saver(tmp_path)])
    assert table(path)[-1][-1] == "7"
    resumed([CSVLogger(path)], tmp_path, (2, 0))
    assert path.read_bytes() == plain.read_bytes()


def test_a_resumed_run_whose_file_was_deleted(tmp_path):
    path = tmp_path / "a.csv"
    train([CSVLogger(path), Saver(tmp_path)])
    path.unlink()
    resumed([CSVLogger(path)], tmp_path, (2, 0))
    assert [row[0] for row in table(path)] == ["epoch", "3"]


def test_rows_of_another_run_are_kept(tmp_path):
    path = tmp_path / "a.csv"
    train([CSVLogger(path, append=True), Saver(tmp_path)])
    train([CSVLogger(path, append=True)])
    with pytest.warns(RunWarning, match="another run has written to it since the checkpoint"):
        resumed([CSVLogger(path, append=True)], tmp_path, (2, 0))
    assert [row[0] for row in table(path)] == ["epoch", *"1231233"]


@pytest.mark.parametrize("damage", [b"epoch,loss\n1,caf\xe9\n", b'"' + b"9" * 200_000 + b"\n"])
def test_a_damaged_file_warns(tmp_path, damage):
    path = tmp_path / "a.csv"
    train([CSVLogger(path), Saver(tmp_path)])
    path.write_bytes(damage)
    with pytest.warns(RunWarning, match=r"a\.csv: expected the rows of a CSVLogger"):
        resumed([CSVLogger(path)], tmp_path, (2, 0))


def test_append(drive, tmp_path):
    path = tmp_path / "a.csv"
    drive([CSVLogger(path, append=True)], EPOCHS)
    drive([CSVLogger(path, append=True)], EPOCHS[:1])
    assert [row[0] for row in table(path)] == ["epoch", "1", "2", "1"]


def test_append_keeps_the_order_of_the_file(drive, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("val_loss,epoch,loss\n9,1,8\n")
    drive([CSVLogger(path, append=True)], EPOCHS[:1])
    assert table(path)[-1] == ["2.5", "1", "2"]


def test_append_refuses_another_header(drive, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("epoch,loss\n1,2\n")
    with pytest.raises(
        ValueError, match=r"columns epoch, loss, the logs have epoch, loss, val_loss"
    ):
        drive([CSVLogger(path, append=True)], EPOCHS)
    assert path.read_text() == "epoch,loss\n1,2\n"


def test_a_deleted_file_comes_back_with_its_header(drive, tmp_path):
    path = tmp_path / "a.csv"
    lose = LambdaCallback(on_epoch_end=lambda state: path.unlink() if state.epoch == 0 else None)
    drive([CSVLogger(path), lose], EPOCHS)
    assert table(path) == [["epoch", "loss", "val_loss"], ["2", "1.25", "nan"]]
