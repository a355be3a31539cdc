import numpy as np
import pytest
from small_runs import CLASSES, VALIDATION, Saver, new_model, resumed, train

from minicnn import Sequential, layers, plots
from minicnn.callbacks import SampleGrid
from minicnn.callbacks.drawing import probabilities
from minicnn.callbacks.samples import in_unit_range

XV, YV = VALIDATION


def test_the_most_confident_mistakes_first(tmp_path):
    watcher = SampleGrid(tmp_path / "mistakes.png", CLASSES, count=3)
    model, _ = train([watcher])
    outputs, true = model.predict(XV), YV.argmax(1)
    wrong = [i for i in range(len(XV)) if outputs[i].argmax() != true[i]]
    assert watcher.rows == sorted(wrong, key=lambda i: -outputs[i].max())[:3]
    assert (tmp_path / "mistakes.png").read_bytes().startswith(b"\x89PNG")


def titled(watcher):
    return watcher.figure().axes[0].get_title(loc="left")


def test_the_title_counts_all_mistakes(tmp_path):
    watcher = SampleGrid(None, count=2)
    _, history = train([watcher])
    count = round(10 * (1 - history.history["val_accuracy"][-1]))
    assert count > 2
    assert titled(watcher) == (f"Epoch 3: {count} of 10 misclassified; the 2 most confident")
    watcher = SampleGrid(None)
    train([watcher])
    assert titled(watcher) == f"Epoch 3: {count} of 10 misclassified"


def test_without_mistakes_the_least_confident():
    model = new_model()
    right = np.eye(3)[model.predict(XV).argmax(1)]
    watcher = SampleGrid(None, count=4)
    model.optimizer.learning_rate = 0.0
    model.layers[2].momentum = 1.0  # nothing moves
    train([watcher], model=model, validation=(XV, right), epochs=1)
    assert watcher.rows == np.argsort(model.predict(XV).max(1), kind="stable")[:4].tolist()
    assert titled(watcher) == "Epoch 1: 0 of 10 misclassified. The least confident:"


@pytest.fixture
def drawn(monkeypatch):
    calls, real = [], plots.mistakes

    def draw(images, true, predicted, confidence, names, title, **options):
        calls.append((images, true, predicted, confidence, names))
        return real(images, true, predicted, confidence, names, title, **options)

    monkeypatch.setattr(plots, "mistakes", draw)
    return calls


class Rows:
    """Records which rows of x are read."""

    def __init__(self, x):
        self.x, self.shape, self.requests = x, x.shape, []

    def __len__(self):
        return len(self.x)

    def __getitem__(self, rows):
        self.requests.append(rows)
        return self.x[rows]


def test_only_the_rows_that_are_shown_are_taken(drawn, tmp_path):
    x, watcher = Rows(XV), SampleGrid(tmp_path / "a.png", count=2)
    model, _ = train([watcher], validation=(x, YV))
    assert x.requests[-1].tolist() == watcher.rows
    ((images, true, predicted, confidence, names),) = drawn
    np.testing.assert_array_equal(images, XV[watcher.rows])
    np.testing.assert_array_equal(true, YV.argmax(1)[watcher.rows])
    outputs = model.predict(XV)[watcher.rows]
    np.testing.assert_array_equal(predicted, outputs.argmax(1))
    np.testing.assert_allclose(confidence, outputs.max(1), rtol=1e-6)  # batches of other sizes
    assert names == ["0", "1", "2"]


def test_logits_become_probabilities():
    logits = np.array([[1.0, 2.0, 3.0], [1e4, 0.0, -1e4]], np.float32)
    shares = probabilities(logits)
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(
        shares[0], np.exp([-2, -1, 0]) / np.exp([-2, -1, 0]).sum(), rtol=1e-6
    )
    assert probabilities(shares) is shares
    assert np.isnan(probabilities(np.array([[np.nan, 1.0]]))).all()
    assert probabilities(np.empty((0, 3))).shape == (0, 3)


def test_images_are_scaled():
    x = np.array([0.0, 0.5, 1.0]).reshape(1, 3, 1, 1)
    np.testing.assert_array_equal(in_unit_range(x), x)
    np.testing.assert_allclose(in_unit_range(4 * x - 1).ravel(), [0, 0.5, 1])
    np.testing.assert_allclose(in_unit_range(x + np.array([0, np.nan, 0])[:, None, None]).max(), 1)
    assert in_unit_range(np.full((1, 2, 2, 1), np.inf)).max() <= 1


def test_samples_that_are_no_images():
    model = Sequential([layers.Dense(3, activation="softmax")], input_shape=(4,), seed=0)
    model.compile("sgd")
    x, y = np.zeros((6, 4), np.float32), np.eye(3)[[0, 1, 2] * 2]
    with pytest.raises(ValueError, match=r"SampleGrid: .* \(H, W, 3\), received samples \(4,\)"):
        model.fit(x, y, verbose=0, callbacks=[SampleGrid(None)], validation_data=(x, y))


def test_wrong_arguments(tmp_path):
    with pytest.raises(ValueError, match="SampleGrid: expected count >= 1, received 0"):
        SampleGrid(None, count=0)
    with pytest.raises(ValueError, match=r"SampleGrid: expected a path in \.png"):
        SampleGrid("a.bmp")
    with pytest.raises(ValueError, match=r"SampleGrid: expected validation samples"):
        train([SampleGrid(None)], validation=None)


def test_a_resumed_run_shows_the_same_samples(tmp_path):
    first, second = SampleGrid(None), SampleGrid(None)
    train([first, Saver(tmp_path)])
    resumed([second], tmp_path, (1, 2))
    assert second.rows == first.rows
    resumed([third := SampleGrid(None)], tmp_path, (3, 0))
    assert third.rows == first.rows
