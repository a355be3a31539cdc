import json
import math

import numpy as np
import pytest
from small_runs import STEPS, WHERE, Saver, resumed, train

from minicnn import RunWarning
from minicnn.callbacks import JSONLogger, LambdaCallback
from minicnn.strict_json import from_json, number, to_json

EPOCHS = [{"loss": 2.0, "val_loss": 2.5}, {"loss": 1.25, "val_loss": math.nan}]


def rows(path):
    return [from_json(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_an_object_an_epoch(drive, tmp_path):
    path = tmp_path / "new folder" / "log.jsonl"
    drive([JSONLogger(path)], EPOCHS)
    assert path.read_text() == (
        '{"epoch":1,"loss":2,"val_loss":2.5}\n{"epoch":2,"loss":1.25,"val_loss":null}\n'
    )


def test_per_batch_and_both(drive, tmp_path):
    path = tmp_path / "log.jsonl"
    drive([JSONLogger(path, per="batch")], EPOCHS, losses={(1, 2): math.inf})
    assert len(rows(path)) == 8
    assert rows(path)[6] == {"epoch": 2, "step": 3, "loss": None}
    drive([JSONLogger(path, per="both")], EPOCHS)
    assert ["step" in row for row in rows(path)] == ([True] * 4 + [False]) * 2


def test_lines_are_written_at_once(drive, tmp_path):
    path, seen = tmp_path / "log.jsonl", []
    watch = LambdaCallback(on_batch_end=lambda state: seen.append(len(rows(path))))
    drive([JSONLogger(path, per="batch"), watch], EPOCHS)
    assert seen == [1, 2, 3, 4, 5, 6, 7, 8]


def test_an_old_file_is_replaced_or_continued(drive, tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"epoch":9}\n{"ep')
    drive([JSONLogger(path, append=True)], EPOCHS[:1])
    assert [row["epoch"] for row in rows(path)] == [9, 1]
    drive([JSONLogger(path)], EPOCHS[:1])
    assert [row["epoch"] for row in rows(path)] == [1]


def test_a_lost_folder_warns_once(drive, tmp_path):
    path = tmp_path / "gone" / "log.jsonl"

    def lose(state):
        path.unlink()
        path.parent.rmdir()

    with pytest.warns(RunWarning, match=r"JSONLogger: can't write .*log\.jsonl") as caught:
        state = drive([JSONLogger(path), LambdaCallback(on_train_begin=lose)], EPOCHS * 2)
    assert len(caught) == 1
    assert state.epoch == 3


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"JSONLogger: expected per in .*, received 'step'"):
        JSONLogger("log.jsonl", per="step")


@pytest.mark.parametrize("done", WHERE)
@pytest.mark.parametrize("append", [False, True])
def test_a_resumed_run_writes_each_line_once(tmp_path, done, append):
    path = tmp_path / "log.jsonl"
    path.write_text('{"epoch":99}\n')
    make = lambda: JSONLogger(path, per="both", append=append)  # noqa: E731
    train([make(), Saver(tmp_path / "saved")])
    whole = path.read_bytes()
    assert whole.count(b"\n") == 3 * (STEPS + 1) + append
    path.write_bytes(whole[:-5])  # a crash, long after the checkpoint
    resumed([make()], tmp_path / "saved", done)
    assert path.read_bytes() == whole


def test_lines_of_another_run_are_kept(tmp_path):
    path = tmp_path / "log.jsonl"
    train([JSONLogger(path, append=True), Saver(tmp_path)])
    train([JSONLogger(path, append=True)])
    with pytest.warns(RunWarning, match="another run has written to it since the checkpoint"):
        resumed([JSONLogger(path, append=True)], tmp_path, (2, 0))
    assert [row["epoch"] for row in rows(path)] == [1, 2, 3, 1, 2, 3, 3]


def test_two_loggers_and_a_new_one_in_a_resumed_run(tmp_path):
    one, two, new = (tmp_path / f"{name}.jsonl" for name in ("one", "two", "new"))
    new.write_text("of something else\n")
    train([JSONLogger(one), JSONLogger(two, per="batch"), Saver(tmp_path)])
    resumed([JSONLogger(two, per="batch"), JSONLogger(one), JSONLogger(new)], tmp_path, (2, 0))
    assert [row["epoch"] for row in rows(one)] == [1, 2, 3]
    assert [row["epoch"] for row in rows(two)] == [n for n in (1, 2, 3) for _ in range(STEPS)]
    assert [row["epoch"] for row in rows(new)] == [3]


def test_a_resumed_run_whose_file_was_deleted(tmp_path):
    path = tmp_path / "log.jsonl"
    train([JSONLogger(path), Saver(tmp_path)])
    path.unlink()
    resumed([JSONLogger(path)], tmp_path, (1, 0))
    assert [row["epoch"] for row in rows(path)] == [2, 3]


def test_numbers():
    assert np.float32(number(np.float32(0.1234567))) == np.float32(0.1234567)
    assert [number(x) for x in (math.nan, math.inf, -math.inf)] == [None] * 3
    assert number(123456.789, 5) == 123460
    assert number(1.5e-12, 5) == 1.5e-12
    assert isinstance(number(12_345_678_901), int)
    assert to_json({"a": number(2.0), "ö": [1.5, None]}) == '{"a":2,"ö":[1.5,null]}'


def test_strict_json_is_strict():
    with pytest.raises(ValueError):
        to_json(math.nan)
    for text in ("NaN", "[Infinity]", '{"a": -Infinity}'):
        assert json.loads(text) is not None
        with pytest.raises(ValueError, match="not a number in JSON"):
            from_json(text)
