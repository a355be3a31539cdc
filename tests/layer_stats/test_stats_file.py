import json

import numpy as np
import pytest

from minicnn import DataError, Sequential, layers
from minicnn.callbacks import read_layer_stats
from minicnn.layer_stats.network_stats import measure_layers
from minicnn.layer_stats.stats_file import to_text
from minicnn.strict_json import to_json


@pytest.fixture(scope="module")
def valid():
    """The text of a valid file."""
    stack = [layers.Flatten(), layers.Dense(3, activation="relu"), layers.Dense(2)]
    model = Sequential(stack, input_shape=(2, 2, 1), seed=0)
    model.compile("sgd", "mse")
    x = np.ones((4, 2, 2, 1), np.float32)
    model.train_on_batch(x, np.ones((4, 2)))
    rows = measure_layers(model, x)
    texts = [to_json({"epoch": epoch, "layers": rows}) for epoch in (1, 2)]
    return to_text(model.layers, len(x), texts)


def change(found, where, value):
    *keys, last = where
    for key in keys:
        found = found[key]
    if value is KeyError:
        del found[last]
    else:
        found[last] = value


FIRST = ("epochs", 0, "layers", 1)


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("format",), "x", r"format: expected 'minicnn layer stats', received 'x'"),
        (("version",), 2, "version: expected 1, received 2"),
        (("bins",), KeyError, "bins: expected 40, received None"),
        (("probe",), -1, "probe: expected a whole number >= 0, received -1"),
        (("layers", 1), {"name": 1}, r"layers\[1\]: expected name, kind, output_shape"),
        (("layers", 0, "output_shape"), 3, r"layers\[0\]\.output_shape: expected a list"),
        (("epochs",), None, "epochs: expected a list, received None"),
        (("epochs", 1), 7, r"epochs\[1\]: expected epoch, layers, received 7"),
        (("epochs", 1, "epoch"), 1, r"epochs\[1\]\.epoch: expected a whole number >= 2"),
        (("epochs", 0, "layers"), [], r"epochs\[0\]\.layers: expected 3 layers, received 0"),
        ((*FIRST, "dead"), "x", r"layers\[1\]\.dead: expected a number or null"),
        ((*FIRST, "weights"), [], r"\.weights: expected an object"),
        ((*FIRST, "weights", "w"), {}, r"\.weights\.w: expected mean, std, norm"),
        ((*FIRST, "weights", "w", "std"), "1", r"w\.std: expected a number or null"),
        ((*FIRST, "gradients", "b", "nonfinite"), 0.5, r"b\.nonfinite: expected a whole number"),
        ((*FIRST, "activations", "histogram"), [1], r"histogram: expected 40 numbers"),
        ((*FIRST, "activations", "histogram"), [0.5] * 40, r"expected a whole number >= 0"),
    ],
)  # fmt: skip
def test_wrong_content(tmp_path, valid, where, value, message):
    found, path = json.loads(valid), tmp_path / "a.json"
    path.write_text(valid)
    assert read_layer_stats(path) == found
    change(found, where, value)
    path.write_text(json.dumps(found))
    with pytest.raises(DataError, match=message) as caught:
        read_layer_stats(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", '{"format": NaN}', "[" * 100_000])
def test_another_kind_of_file(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"a\.json"):
        read_layer_stats(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="expected a JSON object"):
        read_layer_stats(path)


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_layer_stats(tmp_path / "a.json")
