import math

from minicnn.callbacks import History, LambdaCallback


def test_it_keeps_every_log_in_lists_of_equal_length(drive):
    history = History()
    drive([history], [{"loss": 2.0, "val_loss": 3.0}, {"loss": 1.0, "val_loss": 2.5}])
    assert history.history == {"epoch": [1, 2], "loss": [2.0, 1.0], "val_loss": [3.0, 2.5]}
    assert history.epoch == [0, 1]


def test_a_missing_value_is_nan(drive):
    history = History()
    drive([history], [{"loss": 3.0, "early": 1.0}, {"loss": 2.0}, {"loss": 1.0, "late": 7.0}])
    early, late = history.history["early"], history.history["late"]
    assert early[0] == 1.0
    assert late[2] == 7.0
    assert all(map(math.isnan, [*early[1:], *late[:2]]))
    assert {len(values) for values in history.history.values()} == {3}


def test_a_second_run_starts_afresh(drive):
    history = History()
    drive([history], [{"loss": 2.0}, {"loss": 1.0}])
    first = history.history
    drive([history], [{"loss": 0.5}])
    assert first["loss"] == [2.0, 1.0]
    assert history.history == {"epoch": [1], "loss": [0.5]}
    assert history.epoch == [0]


def test_an_unfinished_epoch_is_left_out(drive):
    history = History()
    stop = LambdaCallback(on_batch_end=lambda s: setattr(s, "stop", s.epoch == 1 and s.step == 2))
    drive([stop, history], [{"loss": 2.0}, {"loss": 1.0}])
    assert history.epoch == [0]
