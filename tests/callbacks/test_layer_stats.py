import json
import os
import warnings

import numpy as np
import pytest
from small_runs import SHAPE, VALIDATION, WHERE, Saver, images, new_model, resumed, train

from minicnn import RunWarning, Sequential, architectures, kernels, layers
from minicnn.callbacks import LambdaCallback, LayerStats, read_layer_stats
from minicnn.layer_stats.array_stats import measure


def unthrottled(*arguments, **options):
    """It measures each epoch."""
    watcher = LayerStats(*arguments, **options)
    watcher._throttle.due = lambda: True
    return watcher


def run(**options):
    """A run without warnings: (model, watcher)."""
    watcher = options.pop("watcher", None) or unthrottled()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RunWarning)
        model, _ = train([watcher, *options.pop("others", ())], **options)
    return model, watcher


# ---- the callback ----


def test_a_row_for_each_epoch_and_layer():
    model, watcher = run()
    assert [row["epoch"] for row in watcher.epochs] == [1, 2, 3]
    rows = watcher.epochs[-1]["layers"]
    assert len(rows) == len(model.layers)
    for layer, row in zip(model.layers, rows, strict=True):
        assert row["weights"].keys() == row["gradients"].keys() == layer.params.keys()
        for name, w in layer.params.items():
            assert row["weights"][name] == measure(w)
            assert row["gradients"][name] == measure(layer.grads[name])
    x, relus, hidden = VALIDATION[0], {0, 4}, None
    for index, (layer, row) in enumerate(zip(model.layers, rows, strict=True)):
        x = layer.forward(x)
        assert row["activations"] == measure(x)
        assert (row["dead"] is not None) == (index in relus)
        hidden = x if index == 4 else hidden
    assert rows[4]["dead"] == pytest.approx((~hidden.any(axis=0)).mean(), rel=1e-4)


def test_the_probe_is_evenly_spaced():
    seen = []
    watcher = LayerStats(probe=4)
    model = new_model()
    real = model.layers[0].forward
    model.layers[0].forward = lambda x, training=False: seen.append(x) or real(x, training)
    run(watcher=watcher, model=model, epochs=1)
    probes = [x for x in seen if len(x) == 4]
    assert len(probes) == 1
    np.testing.assert_array_equal(probes[0], VALIDATION[0][[0, 3, 6, 9]])


def test_a_given_probe():
    probe = images(3, seed=5).astype(np.float64)
    model, watcher = run(watcher=LayerStats(probe=probe), validation=None, epochs=1)
    y = model.layers[0].forward(probe.astype(np.float32))
    assert watcher.epochs[0]["layers"][0]["activations"] == measure(y)


def test_without_validation_samples_there_are_no_activations(tmp_path):
    path = tmp_path / "a.json"
    _, watcher = run(watcher=LayerStats(path), validation=None, epochs=1)
    assert {row["activations"] for row in watcher.epochs[0]["layers"]} == {None}
    assert {row["dead"] for row in watcher.epochs[0]["layers"]} == {None}
    assert read_layer_stats(path)["probe"] == 0


def test_slow_measuring_skips_epochs_but_not_the_last():
    watcher = LayerStats()
    watcher._throttle.share = 1e-12
    run(watcher=watcher, epochs=5)
    assert [row["epoch"] for row in watcher.epochs] == [1, 5]


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_epoch_in_which_a_callback_stops_is_measured(place):
    def stop(state):
        state.stop = state.epoch == 2

    watcher, stopper = LayerStats(), LambdaCallback(on_epoch_end=stop)
    watcher._throttle.share = 1e-12
    order = [stopper, watcher] if place == "before" else [watcher, stopper]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RunWarning)
        train(order, epochs=9)
    assert [row["epoch"] for row in watcher.epochs] == [1, 3]


def test_a_failed_run_writes_its_epochs(tmp_path):
    def fail(state):
        if state.epoch == 1:
            raise KeyboardInterrupt

    watcher = LayerStats(tmp_path / "a.json")
    with pytest.raises(KeyboardInterrupt):
        run(watcher=watcher, others=[LambdaCallback(on_batch_end=fail)])
    assert [row["epoch"] for row in read_layer_stats(tmp_path / "a.json")["epochs"]] == [1]


@pytest.mark.parametrize("done", WHERE)
def test_a_resumed_run_has_the_same_numbers(tmp_path, done):
    whole, rest = unthrottled(tmp_path / "a.json"), unthrottled(tmp_path / "b.json")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RunWarning)
        train([whole, Saver(tmp_path)])
        resumed([rest], tmp_path, done)
    if done[1] == 4:  # the gradients of the batch before the interruption are gone
        assert rest.epochs[1]["layers"][0]["gradients"] == {}
        assert rest.epochs[2] == whole.epochs[2]
    else:
        assert rest.epochs == whole.epochs
        assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"LayerStats: .* ends in \.json, received a\.csv"):
        LayerStats("a.csv")
    with pytest.raises(ValueError, match="probe of >= 1 images, received 0"):
        LayerStats(probe=0)
    with pytest.raises(ValueError, match="probe of >= 1 images, received 0"):
        LayerStats(probe=images(0))
    with pytest.raises(ValueError, match=r"probe \(n, \*\(8, 8, 1\)\), received \(2, 64\)"):
        train([LayerStats(probe=np.zeros((2, 64)))])


def test_a_file_that_cannot_be_written_warns(tmp_path):
    (tmp_path / "file").write_text("")
    watcher = LayerStats(tmp_path / "file" / "a.json")
    with pytest.warns(RunWarning, match=r"LayerStats: can't write .*a\.json"):
        train([watcher])


# ---- warnings ----


def warned(model, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train([LayerStats()], model=model, **options)
    return [str(warning.message) for warning in caught if warning.category is RunWarning]


def plain(*stack, **options):
    model = Sequential(list(stack), input_shape=SHAPE, seed=0, **options)
    model.compile("sgd", metrics=["accuracy"])
    return model


def test_dead_units_warn_once():
    first = layers.Dense(8, activation="relu", name="hidden")
    model = plain(layers.Flatten(), first, layers.Dense(3, activation="softmax"))
    first.params["b"][:6], first.params["b"][6:] = -1e6, 9.0
    (text,) = warned(model)
    assert text.startswith("LayerStats: epoch 1: layer 1 (hidden): 75 % of its ReLUs are 0 for all")
    assert "smaller learning rate, LeakyReLU or BatchNorm" in text


def test_a_relu_layer():
    conv = layers.Conv2D(4, 3)
    model = plain(conv, layers.ReLU(), layers.Flatten(), layers.Dense(3, activation="softmax"))
    conv.params["b"][:] = -1e6
    assert any("layer 1 (ReLU): 100 % of its ReLUs" in text for text in warned(model))


def test_infinity_warns_once():
    model = new_model()
    model.layers[4].params["w"][0, 0] = np.inf
    with np.errstate(all="ignore"):
        texts = warned(model, epochs=2)
    assert any("layer 4 (Dense): " in text and "weights w are NaN or infinite" in text
               for text in texts)  # fmt: skip
    assert len([text for text in texts if "layer 4 (Dense)" in text]) == 1


def test_the_course_network_does_not_warn():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 300)
    x = rng.random((300, 28, 28, 1), dtype=np.float32) * 0.3
    for row, label in enumerate(y):
        x[row, 2 * label + 2 : 2 * label + 6] += 0.7
    model = Sequential(architectures.course(10), input_shape=(28, 28, 1), seed=0)
    model.compile("adam", metrics=["accuracy"])
    with kernels.use_backend("numpy"):  # Numba would compile for long
        model.fit(
            x, np.eye(10)[y], batch_size=32, epochs=2, verbose=0,
            validation_data=(x[:64], np.eye(10)[y[:64]]), callbacks=[LayerStats()],
        )  # fmt: skip


# ---- the file ----


def test_the_file_holds_the_measurements(tmp_path):
    path = tmp_path / "new" / "layers.json"
    model, watcher = run(watcher=unthrottled(path, probe=8))
    found = read_layer_stats(path)
    assert found["epochs"] == watcher.epochs
    assert found["probe"] == 8
    assert found["layers"][0] == {"name": "Conv2D", "kind": "Conv2D", "output_shape": [6, 6, 4]}
    assert len(found["layers"]) == len(model.layers)
    assert os.listdir(path.parent) == ["layers.json"]
    json.loads(path.read_text(), parse_constant=pytest.fail)


def test_the_file_of_a_diverged_network(tmp_path):
    model = new_model()
    model.layers[0].params["w"][:] = np.nan
    with np.errstate(all="ignore"):
        run(watcher=LayerStats(tmp_path / "a.json"), model=model)
    first = read_layer_stats(tmp_path / "a.json")["epochs"][0]["layers"][0]
    assert first["weights"]["w"]["mean"] is None
    assert first["weights"]["w"]["nonfinite"] == 36
