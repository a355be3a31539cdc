import numpy as np
import pytest
from small_runs import CLASSES, VALIDATION, Saver, new_model, resumed, train

from minicnn import RunWarning, Sequential, layers, plots
from minicnn.callbacks import ConfusionMatrix, LambdaCallback
from minicnn.metrics import confusion_matrix

XV, YV = VALIDATION


def expected(model):
    return confusion_matrix(YV.argmax(1), model.predict(XV).argmax(1), 3)


def test_counts_of_each_epoch():
    watcher, right = ConfusionMatrix(), []
    look = LambdaCallback(on_epoch_end=lambda s: right.append(np.trace(watcher.counts) / 10))
    _, history = train([watcher, look])
    assert right == pytest.approx(history.history["val_accuracy"])


def test_shares_of_the_true_class(tmp_path, drawn):
    watcher = ConfusionMatrix(tmp_path / "a.png", shares=True)
    some = np.flatnonzero(YV.argmax(1) != 1)  # no sample of class 1
    train([watcher], validation=(XV[some], YV[some]))
    np.testing.assert_allclose(watcher.matrix.sum(axis=1), [1, 0, 1])
    assert watcher.counts.sum() == len(some)
    assert drawn[0][0].dtype == np.int64  # the picture shows counts


def test_outputs_with_a_nan_are_not_counted():
    watcher, x = ConfusionMatrix(), XV.copy()
    x[:4] = np.nan
    with np.errstate(all="ignore"):
        train([watcher], validation=(x, YV), epochs=1)
    assert watcher.matrix.sum() == len(YV) - 4


@pytest.fixture
def drawn(monkeypatch):
    """What was drawn: (matrix, names, title)."""
    calls, real = [], plots.confusion_matrix

    def draw(matrix, names, title=None):
        calls.append((matrix, list(names), title))
        return real(matrix, names, title)

    monkeypatch.setattr(plots, "confusion_matrix", draw)
    return calls


def test_it_is_drawn_at_the_end(tmp_path, drawn):
    path = tmp_path / "new" / "confusion.png"
    watcher = ConfusionMatrix(path, CLASSES)
    model, history = train([watcher])
    assert path.read_bytes().startswith(b"\x89PNG")
    ((matrix, names, title),) = drawn
    assert matrix.dtype == np.int64
    assert matrix.sum() == len(YV)
    np.testing.assert_array_equal(matrix, expected(model))
    np.testing.assert_array_equal(watcher.matrix, matrix)
    assert names == CLASSES
    assert title == f"Epoch 3: {100 * history.history['val_accuracy'][-1]:.2f} % right"


def test_names_come_from_the_model_or_are_numbers(tmp_path, drawn):
    model = new_model()
    train([ConfusionMatrix(tmp_path / "a.png")], model=model, epochs=1)
    model.class_names = CLASSES
    train([ConfusionMatrix(tmp_path / "a.png")], model=model, epochs=1)
    assert [names for _, names, _ in drawn] == [["0", "1", "2"], CLASSES]


def test_drawing_is_throttled(tmp_path, drawn):
    watcher = ConfusionMatrix(tmp_path / "a.png")
    watcher._throttle.every_seconds, watcher._throttle.share = 0.0, 1.0
    free = LambdaCallback(on_epoch_end=lambda s: watcher._throttle.begin())
    train([free, watcher], epochs=4)
    assert len(drawn) == 4  # after each epoch, and not once more at the end
    drawn.clear()
    watcher._throttle.every_seconds = 1e9
    train([watcher], epochs=4)
    assert len(drawn) == 1


def test_nothing_is_drawn_before_the_first_epoch_ends(tmp_path, drawn):
    def stop(state):
        state.stop = True

    train([LambdaCallback(on_batch_end=stop), ConfusionMatrix(tmp_path / "a.png")])
    assert drawn == []


def test_a_picture_that_cannot_be_written_warns_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(RunWarning, match=r"ConfusionMatrix: can't write .*a\.png") as caught:
        train([ConfusionMatrix(tmp_path / "file" / "a.png")])
    assert len(caught) == 1


def test_a_model_without_classes():
    model = Sequential([layers.Flatten(), layers.Dense(1)], input_shape=(2, 2, 1), seed=0)
    model.compile("sgd", "mse")
    x = np.zeros((4, 2, 2, 1), np.float32)
    with pytest.raises(ValueError, match=r"outputs \(classes >= 2,\), received \(1,\)"):
        model.fit(
            x, np.zeros((4, 1)), verbose=0, callbacks=[ConfusionMatrix()],
            validation_data=(x, np.zeros((4, 1))),
        )  # fmt: skip


def test_wrong_number_of_names():
    with pytest.raises(ValueError, match=r"expected 3 class names, .* received 2"):
        train([ConfusionMatrix(class_names=["a", "b"])])


def test_a_resumed_run_has_the_last_epoch(tmp_path):
    first, second, before = ConfusionMatrix(), ConfusionMatrix(), []
    look = LambdaCallback(on_epoch_begin=lambda s: before.append(second.matrix))
    train([first, Saver(tmp_path)])
    resumed([second, look], tmp_path, (1, 2))
    assert before[0].sum() == len(YV)
    np.testing.assert_array_equal(second.matrix, first.matrix)
    again = ConfusionMatrix(tmp_path / "a.png")
    resumed([again], tmp_path, (3, 0))  # nothing is left to train
    np.testing.assert_array_equal(again.matrix, first.matrix)
