"""The answers for the tab Inside."""

import base64
import json
import re

import numpy as np
import pytest
from clients import client

from minicnn import Sequential, architectures
from minicnn.explain import trace

IMAGE = [round(float(v), 3) for v in np.random.default_rng(0).random(784)]


@pytest.fixture
def asked(run, tmp_path):
    """asked(path, status, **body) → the answer."""
    visitor = client(run, tmp_path)

    def asked(path, status=200, **body):
        answer = visitor.post(path, json={"pixels": IMAGE, **body})
        assert answer.status_code == status, answer.text
        return answer.json()

    return asked


@pytest.fixture
def traced(run):
    """The same, computed here."""
    model = Sequential.load(run / "model.safetensors")
    image = np.array(IMAGE, np.float32).reshape(28, 28, 1)
    return lambda target=None: trace.run(model, image, target)


def floats(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


def test_all_layers(asked, traced):
    answer, done = asked("/api/inside", **{"class": 3}), traced(3)
    assert answer["target"] == 3
    assert answer["predicted"] == done.predicted
    assert answer["loss"] == pytest.approx(done.loss)
    np.testing.assert_allclose(answer["probabilities"], done.probabilities)
    np.testing.assert_array_equal(floats(answer["gradient"]), done.passes[0].dx.ravel())
    assert len(answer["layers"]) == len(done.passes)
    for told, one in zip(answer["layers"], done.passes, strict=True):
        assert told["kind"] == type(one.layer).__name__
        assert tuple(told["shape"]) == one.y.shape
        np.testing.assert_array_equal(floats(told["maps"]), one.y.ravel())
        gradient = one.dz if one.dy is None else one.dy
        np.testing.assert_array_equal(floats(told["gradient"]), gradient.ravel())
        assert told["gradient_of"] == ("z" if one.dy is None else "y")
        if told["kind"] == "Conv2D":
            np.testing.assert_array_equal(floats(told["z"]), one.z.ravel())
            np.testing.assert_array_equal(floats(told["z_gradient"]), one.dz.ravel())
            np.testing.assert_array_equal(floats(told["weights"]), one.layer.params["w"].ravel())
            np.testing.assert_array_equal(floats(told["weights_gradient"]), one.dw.ravel())
            assert tuple(told["weights_shape"]) == one.layer.params["w"].shape
        else:
            assert told["weights"] is None


def test_a_pixel(asked, traced):
    number = asked("/api/inside/pixel", **{"class": 3}, layer=2, row=1, column=2, channel=5)
    expected = trace.look(traced(3), 2, (1, 2, 5))
    assert number["place"] == [1, 2, 5]
    assert number["y"] == pytest.approx(expected.y)
    assert number["convolution"]["z"] == pytest.approx(expected.convolution.z)
    np.testing.assert_allclose(number["convolution"]["window"], expected.convolution.window)
    np.testing.assert_allclose(number["convolution"]["dw"], expected.convolution.dw)
    assert len(number["pooled"]) == 1
    unit = asked("/api/inside/pixel", **{"class": 3}, layer=2, unit=number["unit"])
    assert unit == number


def test_a_unit(asked, traced):
    number = asked("/api/inside/pixel", layer=6, unit=4)
    assert number["softmax"]["p"][4] == pytest.approx(number["y"])
    assert number["dy"] is None
    assert len(number["dense"]["terms"]) == 12


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("", {"pixels": IMAGE[:-1]}, "784 numbers"),
        ("", {"pixels": [2.0, *IMAGE[1:]]}, "784 numbers"),
        ("", {"pixels": None}, "received NoneType"),
        ("", {"class": 10}, "class as a whole number from 0 to 9, received 10"),
        ("", {"class": "x"}, "class"),
        ("/pixel", {}, "layer as a whole number from 0 to 6, received None"),
        ("/pixel", {"layer": 7, "unit": 0}, "layer"),
        ("/pixel", {"layer": 0, "row": 26, "column": 0, "channel": 0}, "row .* 0 to 25"),
        ("/pixel", {"layer": 0, "row": 0, "column": -1, "channel": 0}, "column"),
        ("/pixel", {"layer": 0, "row": 0, "column": 0}, "channel .* 0 to 7, received None"),
        ("/pixel", {"layer": 0, "row": 0.5, "column": 0, "channel": 0}, "row"),
        ("/pixel", {"layer": 0, "row": True, "column": 0, "channel": 0}, "row"),
        ("/pixel", {"layer": 4, "row": 0, "column": 0, "channel": 0}, "unit .* 0 to 399"),
        ("/pixel", {"layer": 6, "unit": 10}, "unit .* 0 to 9, received 10"),
    ],
)
def test_invalid_values_are_refused(asked, path, body, message):
    assert re.search(message, asked(f"/api/inside{path}", 400, **body)["error"])


@pytest.mark.parametrize("name", architectures.TABLE)
def test_every_network_gives_valid_json(name, tmp_path):
    """For each layer, without NaN."""
    model = Sequential(architectures.TABLE[name](10), input_shape=(28, 28, 1), seed=0)
    model.save(tmp_path / "model.safetensors")
    visitor = client(tmp_path / "model.safetensors", tmp_path)

    def refuse(constant):
        raise AssertionError(constant)

    answer = visitor.post("/api/inside", json={"pixels": IMAGE})
    assert answer.status_code == 200
    for layer in json.loads(answer.text, parse_constant=refuse)["layers"]:
        unit = layer["index"] % 10
        body = {"pixels": IMAGE, "layer": layer["index"], "unit": unit}
        number = visitor.post("/api/inside/pixel", json=body)
        assert number.status_code == 200
        found = json.loads(number.text, parse_constant=refuse)
        value = floats(layer["maps"])[unit]
        assert found["y"] == pytest.approx(value, rel=1e-5, abs=1e-7)


def test_a_network_that_diverged_is_an_error(tmp_path):
    model = Sequential(architectures.course(), input_shape=(28, 28, 1), seed=0)
    for layer in model.layers:
        for key in layer.params:
            layer.params[key][...] = np.nan
    model.save(tmp_path / "model.safetensors")
    answer = client(tmp_path / "model.safetensors", tmp_path).post(
        "/api/inside", json={"pixels": IMAGE}
    )
    assert answer.status_code == 409
    assert "diverged" in answer.json()["error"]


def test_infinity_is_null(tmp_path):
    """The probabilities are finite: ReLU turns minus infinity into 0."""
    model = Sequential(architectures.course(), input_shape=(28, 28, 1), seed=0)
    model.layers[0].params["b"][0] = -np.inf
    model.save(tmp_path / "model.safetensors")
    visitor = client(tmp_path / "model.safetensors", tmp_path)
    body = {"pixels": IMAGE, "layer": 0, "row": 0, "column": 0, "channel": 0}
    number = visitor.post("/api/inside/pixel", json=body).json()
    assert number["convolution"]["z"] is None
    assert number["convolution"]["bias"] is None
    assert number["y"] == 0
