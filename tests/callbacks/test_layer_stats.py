import json
import os
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from small_runs import SHAPE, VALIDATION, WHERE, Saver, images, new_model, resumed, train

from minicnn import DataError, RunWarning, Sequential, architectures, kernels, layers
from minicnn.callbacks import LambdaCallback, LayerStats, read_layer_stats
from minicnn.callbacks.health import findings
from minicnn.layer_stats.array_stats import BINS, dead_share, histogram, measure, sample
from minicnn.strict_json import to_json

NUMBERS = ("mean", "std", "norm", "min", "max", "zeros")


def unhurried(*arguments, **options):
    """It measures each epoch, however long that takes."""
    watcher = LayerStats(*arguments, **options)
    watcher._pace.due = lambda: True
    return watcher


def quiet(**options):
    """A run whose warnings are no errors, and the watcher's numbers."""
    watcher = options.pop("watcher", None) or unhurried()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RunWarning)
        model, _ = train([watcher, *options.pop("others", ())], **options)
    return model, watcher


# ---- measures ----


def test_the_numbers_of_an_array():
    found = measure(np.array([[0.0, 3.0], [-4.0, 0.0]], np.float32))
    assert {name: found[name] for name in NUMBERS} == {
        "mean": -0.25, "std": 2.4875, "norm": 5, "min": -4, "max": 3, "zeros": 0.5
    }  # fmt: skip
    assert found["nonfinite"] == 0
    counts = found["histogram"]
    assert (len(counts), sum(counts), counts[0], counts[22], counts[-1]) == (40, 4, 1, 2, 1)


@given(
    npst.arrays(
        np.float64, npst.array_shapes(max_dims=3, max_side=6),
        elements=st.floats(-1e6, 1e6, allow_subnormal=False),
    )
)  # fmt: skip
def test_they_are_those_of_numpy(array):
    found = measure(array)
    size = max(abs(array).max(), 1e-300)
    for name, value in (
        ("mean", array.mean()), ("std", array.std()), ("norm", np.linalg.norm(array)),
        ("min", array.min()), ("max", array.max()), ("zeros", (array == 0).mean()),
    ):  # fmt: skip
        assert found[name] == pytest.approx(value, rel=1e-4, abs=1e-5 * size)
    assert sum(found["histogram"]) == array.size


@given(npst.arrays(np.float64, st.integers(1, 50), elements=st.integers(-1000, 1000).map(float)))
def test_the_histogram_is_that_of_numpy(x):
    low, high = x.min(), x.max()
    found = histogram(x, low, high)
    if low == high:
        assert found.tolist() == [len(x)] + [0] * (BINS - 1)
        return
    # a number on an edge may fall to either side
    edges = np.linspace(low, high, BINS + 1)
    for edge in range(1, BINS):
        below = np.count_nonzero(x < edges[edge] - 1e-9)
        assert below <= found[:edge].sum() <= np.count_nonzero(x < edges[edge] + 1e-9)
    assert found.sum() == len(x)


def test_numbers_that_are_not_finite_are_counted_apart():
    array = np.array([1.0, np.nan, np.inf, 3.0, -np.inf], np.float32)
    found = measure(array)
    assert (found["nonfinite"], found["mean"], found["min"], found["max"]) == (3, 2, 1, 3)
    assert sum(found["histogram"]) == 2
    found = measure(np.full(3, np.nan))
    assert [found[name] for name in NUMBERS] == [None] * 6
    assert (found["nonfinite"], found["histogram"]) == (3, [0] * BINS)
    assert measure(np.empty((0, 3)))["nonfinite"] == 0


@pytest.mark.parametrize("value", [3e38, 1e-40, 1e308, 5e-324])
def test_extremes_are_no_trouble(value):
    dtype = np.float32 if 1e-45 < value < 3.4e38 else np.float64
    array = np.array([value, -value, 0.0], dtype)
    found = json.loads(to_json(measure(array)))
    assert (found["nonfinite"], sum(found["histogram"])) == (0, 3)


@pytest.mark.parametrize("shape", [(200, 30, 16), (70_000,), (9_000, 10), (300, 300, 3)])
def test_large_arrays_are_sampled_alike_in_all_channels(shape):
    rng = np.random.default_rng(0)
    array = rng.normal(size=shape).astype(np.float32) + np.arange(shape[-1]) % 7
    few = sample(array, 8192)
    assert 8192 // (2 * shape[-1] if shape[-1] < 100 else 2) < len(few) <= 8192
    channel = np.broadcast_to(np.arange(shape[-1]), shape)
    if shape[-1] < 100:
        counts = np.bincount(sample(channel, 8192))
        assert counts.max() - counts.min() <= 1
    found = measure(array)
    assert found["mean"] == pytest.approx(array.mean(), abs=0.05)
    assert found["norm"] == pytest.approx(np.linalg.norm(array), rel=0.02)


def test_a_nan_outside_of_the_sample_is_found():
    array = np.ones(100_000, np.float32)
    array[1] = np.nan
    assert measure(array)["nonfinite"] == 1


def test_dead_units():
    y = np.zeros((4, 5))
    y[2, 1] = 0.1
    assert dead_share(y) == pytest.approx(0.8)
    assert dead_share(np.zeros((2, 3, 3, 8))) == 1
    maps = np.zeros((2, 3, 3, 2))
    maps[1, 2, 2, 0] = 1e-20
    maps[0, 0, 0, 1] = np.nan  # is not 0
    assert dead_share(maps) == 0


# ---- the callback ----


def test_a_row_an_epoch_and_a_layer():
    model, watcher = quiet()
    assert [row["epoch"] for row in watcher.epochs] == [1, 2, 3]
    rows = watcher.epochs[-1]["layers"]
    assert len(rows) == len(model.layers)
    for layer, row in zip(model.layers, rows, strict=True):
        assert row["weights"].keys() == row["gradients"].keys() == layer.params.keys()
        for name, w in layer.params.items():
            assert row["weights"][name] == measure(w)
            assert row["gradients"][name] == measure(layer.grads[name])
    x, relus = VALIDATION[0], {0, 4}
    for index, (layer, row) in enumerate(zip(model.layers, rows, strict=True)):
        x = layer.forward(x)
        assert row["activations"] == measure(x)
        assert (row["dead"] is not None) == (index in relus)
    assert rows[4]["dead"] == pytest.approx((~hidden(model).any(axis=0)).mean(), rel=1e-4)


def hidden(model):
    x = VALIDATION[0]
    for layer in model.layers[:5]:
        x = layer.forward(x)
    return x


def test_the_probe_is_spread_over_the_validation_samples():
    seen = []
    watcher = LayerStats(probe=4)
    model = new_model()
    real = model.layers[0].forward
    model.layers[0].forward = lambda x, training=False: seen.append(x) or real(x, training)
    quiet(watcher=watcher, model=model, epochs=1)
    probes = [x for x in seen if len(x) == 4]
    assert len(probes) == 1
    np.testing.assert_array_equal(probes[0], VALIDATION[0][[0, 3, 6, 9]])


def test_a_probe_of_ones_own():
    probe = images(3, seed=5).astype(np.float64)
    model, watcher = quiet(watcher=LayerStats(probe=probe), validation=None, epochs=1)
    y = model.layers[0].forward(probe.astype(np.float32))
    assert watcher.epochs[0]["layers"][0]["activations"] == measure(y)


def test_without_validation_samples_there_are_no_activations(tmp_path):
    path = tmp_path / "a.json"
    _, watcher = quiet(watcher=LayerStats(path), validation=None, epochs=1)
    assert {row["activations"] for row in watcher.epochs[0]["layers"]} == {None}
    assert {row["dead"] for row in watcher.epochs[0]["layers"]} == {None}
    assert read_layer_stats(path)["probe"] == 0


def test_epochs_are_left_out_where_measuring_is_slow_but_not_the_last():
    watcher = LayerStats()
    watcher._pace.share = 1e-12
    quiet(watcher=watcher, epochs=5)
    assert [row["epoch"] for row in watcher.epochs] == [1, 5]


@pytest.mark.parametrize("place", ["before", "after"])
def test_an_epoch_that_a_callback_makes_the_last_is_measured(place):
    def stop(state):
        state.stop = state.epoch == 2

    watcher, stopper = LayerStats(), LambdaCallback(on_epoch_end=stop)
    watcher._pace.share = 1e-12
    order = [stopper, watcher] if place == "before" else [watcher, stopper]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RunWarning)
        train(order, epochs=9)
    assert [row["epoch"] for row in watcher.epochs] == [1, 3]


def test_a_run_that_fails_still_writes_what_it_has(tmp_path):
    def fail(state):
        if state.epoch == 1:
            raise KeyboardInterrupt

    watcher = LayerStats(tmp_path / "a.json")
    with pytest.raises(KeyboardInterrupt):
        quiet(watcher=watcher, others=[LambdaCallback(on_batch_end=fail)])
    assert [row["epoch"] for row in read_layer_stats(tmp_path / "a.json")["epochs"]] == [1]


def test_a_second_run_starts_anew():
    _, watcher = quiet()
    quiet(watcher=watcher, epochs=1)
    assert [row["epoch"] for row in watcher.epochs] == [1]


@pytest.mark.parametrize("done", WHERE)
def test_a_resumed_run_has_the_same_numbers(tmp_path, done):
    whole, rest = unhurried(tmp_path / "a.json"), unhurried(tmp_path / "b.json")
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


def test_dead_units_are_told_once():
    first = layers.Dense(8, activation="relu", name="hidden")
    model = plain(layers.Flatten(), first, layers.Dense(3, activation="softmax"))
    first.params["b"][:6], first.params["b"][6:] = -1e6, 9.0
    (text,) = warned(model)
    assert text.startswith("LayerStats: epoch 1: layer 1 (hidden): 75 % of its ReLUs are 0 for all")
    assert "smaller learning rate, LeakyReLU or BatchNorm" in text


def test_a_relu_that_is_a_layer_of_its_own():
    conv = layers.Conv2D(4, 3)
    model = plain(conv, layers.ReLU(), layers.Flatten(), layers.Dense(3, activation="softmax"))
    conv.params["b"][:] = -1e6
    assert any("layer 1 (ReLU): 100 % of its ReLUs" in text for text in warned(model))


def test_half_of_them_is_not_too_many():
    first = layers.Dense(8, activation="relu")
    model = plain(layers.Flatten(), first, layers.Dense(3, activation="softmax"))
    first.params["b"][:4] = -1e6
    first.params["b"][4:] = 1.0
    assert warned(model) == []


def test_numbers_that_are_not_finite_are_told():
    model = new_model()
    model.layers[4].params["w"][0, 0] = np.inf
    with np.errstate(all="ignore"):
        texts = warned(model, epochs=2)
    assert any("layer 4 (Dense): " in text and "weights w are NaN or infinite" in text
               for text in texts)  # fmt: skip
    assert len([text for text in texts if "layer 4 (Dense)" in text]) == 1


def test_exploding_gradients_are_told():
    last = layers.Dense(3)
    model = Sequential([layers.Flatten(), last], input_shape=SHAPE, seed=0)
    model.compile("sgd", "mse")
    model.optimizer.learning_rate = 0.0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(images(), np.full((18, 3), 1e5), verbose=0, callbacks=[LayerStats()])
    (text,) = [str(warning.message) for warning in caught]
    assert "layer 1 (Dense): its gradient is" in text
    assert "global_clipnorm" in text


def test_vanishing_gradients_are_told():
    deep = [layers.Dense(16, activation="sigmoid") for _ in range(8)]
    model = plain(layers.Flatten(), *deep, layers.Dense(3, activation="softmax"))
    texts = warned(model, epochs=1)
    assert any("layer 1 (Dense): its gradient is" in text and "hardly learns" in text
               for text in texts)  # fmt: skip
    assert not any("layer 9" in text for text in texts)


def rows(*norms):
    """(gradient, weights) norms of layers."""
    return [
        {
            "weights": {"w": {"norm": w, "nonfinite": 0}},
            "gradients": {"w": {"norm": g, "nonfinite": 0}},
            "activations": None,
            "dead": None,
        }
        for g, w in norms
    ]


def kinds(found):
    return [(index, kind) for index, kind, _ in findings(found)]


def test_thresholds():
    assert kinds(rows((1.0, 1.0), (1.0001e-4, 1.0))) == []
    assert kinds(rows((1.0, 1.0), (0.9999e-4, 1.0))) == [(1, "vanishing")]
    assert kinds(rows((9.99, 1.0))) == []
    assert kinds(rows((10.01, 1.0))) == [(0, "exploding")]
    assert kinds(rows((1.0, 0.0), (0.0, 0.0))) == []  # weights of 0 have no measure
    assert kinds(rows((0.0, 1.0), (0.0, 1.0))) == []  # nothing to learn
    assert kinds(rows((0.0, 1.0), (1.0, 1.0))) == [(0, "vanishing")]
    assert kinds(rows((None, 1.0), (1.0, None))) == []
    assert kinds([{"weights": {}, "gradients": {}, "activations": None, "dead": 0.6}]) == [
        (0, "dead")
    ]


def test_a_sound_run_of_the_course_network_is_not_warned_of():
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


def test_the_file_holds_what_was_measured(tmp_path):
    path = tmp_path / "new" / "layers.json"
    model, watcher = quiet(watcher=unhurried(path, probe=8))
    found = read_layer_stats(path)
    assert found["epochs"] == watcher.epochs
    assert found["probe"] == 8
    assert found["layers"][0] == {"name": "Conv2D", "kind": "Conv2D", "output_shape": [6, 6, 4]}
    assert len(found["layers"]) == len(model.layers)
    assert os.listdir(path.parent) == ["layers.json"]
    json.loads(path.read_text(), parse_constant=pytest.fail)


def test_25_epochs_of_the_course_network_are_small(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.random((40, 28, 28, 1), dtype=np.float32), np.eye(10)[rng.integers(0, 10, 40)]
    model = Sequential(architectures.course(10), input_shape=(28, 28, 1), seed=0)
    model.compile("adam")
    watcher = unhurried(tmp_path / "a.json")
    with warnings.catch_warnings(), kernels.use_backend("numpy"):  # nothing to compile
        warnings.simplefilter("ignore", RunWarning)
        model.fit(x, y, epochs=25, verbose=0, callbacks=[watcher], validation_data=(x, y))
    assert len(read_layer_stats(tmp_path / "a.json")["epochs"]) == 25
    assert (tmp_path / "a.json").stat().st_size < 300_000


def test_numbers_of_a_network_that_has_gone_wrong_can_be_read(tmp_path):
    model = new_model()
    model.layers[0].params["w"][:] = np.nan
    with np.errstate(all="ignore"):
        quiet(watcher=LayerStats(tmp_path / "a.json"), model=model)
    first = read_layer_stats(tmp_path / "a.json")["epochs"][0]["layers"][0]
    assert first["weights"]["w"]["mean"] is None
    assert first["weights"]["w"]["nonfinite"] == 36


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("stats") / "a.json"
    quiet(watcher=unhurried(path), epochs=2)
    return path.read_text()


def change(found, where, value):
    *way, last = where
    for key in way:
        found = found[key]
    if value is KeyError:
        del found[last]
    else:
        found[last] = value


FIRST = ("epochs", 0, "layers", 0)


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("format",), "x", r"format: expected 'minicnn layer stats', received 'x'"),
        (("version",), 2, "version: expected 1, received 2"),
        (("bins",), KeyError, "bins: expected 40, received None"),
        (("probe",), -1, "probe: expected a whole number >= 0, received -1"),
        (("layers",), {}, r"layers: expected a list, received \{\}"),
        (("layers", 1), {"name": 1}, r"layers\[1\]: expected name, kind, output_shape"),
        (("layers", 0, "output_shape"), 3, r"layers\[0\]\.output_shape: expected a list"),
        (("epochs",), None, "epochs: expected a list, received None"),
        (("epochs", 1), 7, r"epochs\[1\]: expected epoch, layers, received 7"),
        (("epochs", 1, "epoch"), 1, r"epochs\[1\]\.epoch: expected a whole number >= 2"),
        (("epochs", 0, "epoch"), True, r"epochs\[0\]\.epoch: expected a whole number >= 1"),
        (("epochs", 0, "layers"), [], r"epochs\[0\]\.layers: expected 7 layers, received 0"),
        ((*FIRST, "dead"), "x", r"layers\[0\]\.dead: expected a number or null"),
        ((*FIRST, "dead"), KeyError, "expected weights, gradients, activations, dead"),
        ((*FIRST, "weights"), [], r"\.weights: expected an object"),
        ((*FIRST, "weights", "w"), {}, r"\.weights\.w: expected mean, std, norm"),
        ((*FIRST, "weights", "w", "std"), "1", r"w\.std: expected a number or null"),
        ((*FIRST, "gradients", "b", "nonfinite"), 0.5, r"b\.nonfinite: expected a whole number"),
        ((*FIRST, "activations", "histogram"), [1], r"histogram: expected 40 whole numbers"),
        ((*FIRST, "activations", "histogram"), [0.5] * 40, r"expected 40 whole numbers"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_what_it_should_be(tmp_path, sound, where, value, message):
    found, path = json.loads(sound), tmp_path / "a.json"
    path.write_text(sound)
    assert read_layer_stats(path) == found
    change(found, where, value)
    path.write_text(json.dumps(found))
    with pytest.raises(DataError, match=message) as caught:
        read_layer_stats(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", '{"format": NaN}', "[" * 100_000])
def test_what_is_no_such_file_at_all(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"a\.json"):
        read_layer_stats(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="strict JSON"):
        read_layer_stats(path)


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_layer_stats(tmp_path / "a.json")
