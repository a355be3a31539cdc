import struct
import sys

import numpy as np
import pytest
from small_runs import SHAPE, STEPS, WHERE, Saver, images, new_model, resumed, train

from minicnn import RunWarning, Sequential, layers
from minicnn.callbacks import LambdaCallback, TensorBoard

pytest.importorskip("tensorboardX")


def events(path):
    """The events of a file: records of (length, checksum, data, checksum)."""
    from tensorboardX.proto.event_pb2 import Event

    content, found = path.read_bytes(), []
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        found.append(Event.FromString(content[12 : 12 + length]))
        content = content[16 + length :]
    return found


def files(folder):
    """Event files, oldest first."""
    return sorted(folder.glob("events.out.tfevents.*"), key=lambda path: int(path.suffix[1:]))


def shown(folder):
    """{tag: {step: value}}, as TensorBoard shows it: what a later file purges is hidden."""
    found = {}
    for path in files(folder):
        for event in events(path):
            if event.HasField("session_log"):
                for values in found.values():
                    for step in [step for step in values if step >= event.step]:
                        del values[step]
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = value
    return found


def curve(folder, tag):
    return {step: value.simple_value for step, value in shown(folder)[tag].items()}


def as_steps(values):
    return {step: pytest.approx(value) for step, value in enumerate(values, 1)}


def test_curves_of_each_epoch(tmp_path):
    _, history = train([TensorBoard(tmp_path, histograms=False, images=False)])
    h = history.history
    assert shown(tmp_path / "training").keys() == {"loss", "accuracy"}
    assert curve(tmp_path / "training", "loss") == as_steps(h["loss"])
    assert curve(tmp_path / "validation", "loss") == as_steps(h["val_loss"])
    assert curve(tmp_path / "validation", "accuracy") == as_steps(h["val_accuracy"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["training", "validation"]
    assert events(files(tmp_path / "training")[0])[0].file_version == "brain.Event:2"


def test_curves_of_each_batch(tmp_path):
    losses = []
    watch = LambdaCallback(on_batch_end=lambda s: losses.append(s.batch_logs["loss"]))
    train([watch, TensorBoard(tmp_path, False, False, batches=True)])
    assert curve(tmp_path / "batches", "loss") == as_steps(losses)


def test_histograms_of_weights_and_gradients(tmp_path):
    model, _ = train([TensorBoard(tmp_path, images=False)])
    found = shown(tmp_path / "training")
    for index, layer in enumerate(model.layers):
        for name, w in layer.params.items():
            tag = f"{index}.{layer.label}.{name}"
            for kind, array in (("weights", w), ("gradients", layer.grads[name])):
                histogram = found[f"{kind}/{tag}"][3].histo
                assert histogram.num == sum(histogram.bucket) == array.size
                assert histogram.min == pytest.approx(array.min(), rel=1e-4)
                assert histogram.max == pytest.approx(array.max(), rel=1e-4)
                assert histogram.sum == pytest.approx(array.sum(), rel=1e-3, abs=1e-4)
                squares = np.square(array).sum()
                assert histogram.sum_squares == pytest.approx(squares, rel=1e-3, abs=1e-9)
                limits = list(histogram.bucket_limit)
                assert len(limits) == len(histogram.bucket)
                assert limits == sorted(limits)
                assert limits[-1] == pytest.approx(array.max(), rel=1e-4)


def test_slow_histograms_are_throttled(tmp_path):
    watcher = TensorBoard(tmp_path, images=False)
    watcher._measuring.share = 1e-12
    train([watcher], epochs=5)
    assert list(shown(tmp_path / "training")["weights/0.Conv2D.w"]) == [1, 5]


def test_histograms_of_equal_numbers_and_of_nan(tmp_path):
    model = new_model()
    model.layers[0].params["b"][:] = 0.5
    model.layers[4].params["b"][:] = np.nan
    model.optimizer.learning_rate = 0.0
    with np.errstate(all="ignore"):
        train([TensorBoard(tmp_path, images=False)], model=model, epochs=1)
    found = shown(tmp_path / "training")
    histogram = found["weights/0.Conv2D.b"][1].histo
    assert (list(histogram.bucket_limit), list(histogram.bucket)) == ([0.5], [4.0])
    assert "weights/4.Dense.b" not in found


def test_pictures_of_the_last_epoch(tmp_path):
    train([TensorBoard(tmp_path, histograms=False)])
    found = shown(tmp_path / "training")
    for tag in ("filters", "misread"):
        ((step, value),) = found[tag].items()
        assert step == 3
        png = value.image.encoded_image_string
        assert png.startswith(b"\x89PNG")
        assert (value.image.height, value.image.width) == struct.unpack(
            ">II", png[20:24] + png[16:20]
        )
        assert min(value.image.height, value.image.width) > 50


def test_a_run_that_stops_early_has_pictures(tmp_path):
    def stop(state):
        state.stop = state.epoch == 1

    train([TensorBoard(tmp_path), LambdaCallback(on_epoch_end=stop)], epochs=9)
    assert list(shown(tmp_path / "training")["filters"]) == [2]


def test_a_model_without_images_and_classes(tmp_path):
    model = Sequential([layers.Flatten(), layers.Dense(1)], input_shape=SHAPE, seed=0)
    model.compile("sgd", "mse")
    model.fit(images(), np.ones((18, 1)), verbose=0, callbacks=[TensorBoard(tmp_path)])
    found = shown(tmp_path / "training")
    assert found.keys() == {
        "loss", "weights/1.Dense.w", "weights/1.Dense.b", "gradients/1.Dense.w",
        "gradients/1.Dense.b",
    }  # fmt: skip


@pytest.mark.parametrize("done", WHERE)
def test_a_resumed_run_hides_what_followed_the_checkpoint(tmp_path, done):
    make = lambda: TensorBoard(tmp_path / "board", images=False, batches=True)  # noqa: E731
    _, history = train([make(), Saver(tmp_path / "saved")])
    names = ("training", "validation", "batches")
    before = {name: shown(tmp_path / "board" / name) for name in names}
    resumed([make()], tmp_path / "saved", done)
    for name in names:
        folder = tmp_path / "board" / name
        _, second = files(folder)
        steps = {event.step for event in events(second) if event.summary.value}
        expected = range(done[0] * STEPS + done[1] + 1, 13) if name == "batches" else range(
            done[0] + 1, 4
        )  # fmt: skip
        assert steps == set(expected)
        assert shown(folder)["loss"].keys() == before[name]["loss"].keys()
        assert curve(folder, "loss") == {
            step: pytest.approx(value.simple_value) for step, value in before[name]["loss"].items()
        }
    assert len(history.history["loss"]) == 3


def test_a_second_run_hides_nothing(tmp_path):
    watcher = TensorBoard(tmp_path, False, False)
    train([watcher])
    train([watcher])
    _, second = files(tmp_path / "training")
    assert not any(event.HasField("session_log") for event in events(second))


def test_a_file_that_cannot_be_created_warns_once(tmp_path):
    (tmp_path / "training").write_text("in the way")
    with pytest.warns(RunWarning, match="TensorBoard: can't write") as caught:
        train([TensorBoard(tmp_path)])
    assert len(caught) == 1


def test_without_the_library(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r'pip install "minicnn\[tensorboard\]"'):
        TensorBoard(tmp_path)
