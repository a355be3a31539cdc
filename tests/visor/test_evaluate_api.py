"""The answers for the tab Evaluate, compared with direct computations."""

import io
import itertools
import shutil

import numpy as np
import pytest
from clients import client
from PIL import Image

from minicnn import MnistData, Sequential, kernels


@pytest.fixture(scope="module")
def data(run):
    return MnistData("sample", progress=False).load()


@pytest.fixture(scope="module")
def read(run, data):
    """(probabilities, predicted, true) of all test images."""
    with kernels.use_backend("numpy"):
        probabilities = Sequential.load(run / "model.safetensors").predict(data.test_x)
    return probabilities, probabilities.argmax(1), data.test_labels.argmax(1)


@pytest.fixture(scope="module")
def visitor(run, tmp_path_factory):
    return client(run, tmp_path_factory.mktemp("drawings"))


def get(visitor, path, status=200, **query):
    answer = visitor.get(path, params=query)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_the_confusion_matrix_counts_every_image(visitor, read):
    _, predicted, true = read
    told = get(visitor, "/api/evaluation")
    expected = np.zeros((10, 10), int)
    for one, other in zip(true, predicted, strict=True):
        expected[one, other] += 1
    assert told["matrix"] == expected.tolist()
    assert told["images"] == len(true)
    assert told["wrong"] == (true != predicted).sum()
    assert told["accuracy"] == pytest.approx((true == predicted).mean())
    low, high = told["interval"]
    assert low < told["accuracy"] < high
    for k, row in enumerate(told["classes"]):
        assert row["images"] == (true == k).sum()
        assert row["accuracy"] == pytest.approx((predicted[true == k] == k).mean())
        assert row["precision"] == pytest.approx((true[predicted == k] == k).mean())


@pytest.mark.parametrize(
    ("true", "predicted", "only"),
    list(itertools.product([None, 4], [None, 9, 4], ["all", "right", "wrong"])),
)
def test_a_search_finds_the_matching_images(visitor, read, true, predicted, only):
    probabilities, taken, label = read
    query = {"only": only, "limit": 200, "order": "row"}
    query |= {k: v for k, v in (("true", true), ("predicted", predicted)) if v is not None}
    expected = [
        row
        for row in range(len(label))
        if (true is None or label[row] == true)
        and (predicted is None or taken[row] == predicted)
        and (only == "all" or (label[row] == taken[row]) == (only == "right"))
    ]
    told = get(visitor, "/api/search", **query)
    assert told["total"] == len(expected)
    assert [found["row"] for found in told["found"]] == expected[:200]
    for found in told["found"]:
        row = found["row"]
        assert (found["true"], found["predicted"]) == (label[row], taken[row])
        assert found["probability"] == pytest.approx(probabilities[row].max(), abs=6e-5)


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.6), (0.6, 0.9), (0.99, 1.0)])
def test_a_search_by_confidence(visitor, read, low, high):
    sure = read[0].max(axis=1)
    told = get(visitor, "/api/search", low=low, high=high, limit=200)
    assert told["total"] == ((sure >= low) & (sure <= high)).sum()
    assert all(low - 6e-5 <= found["probability"] <= high + 6e-5 for found in told["found"])


@pytest.mark.parametrize("order", ["most_confident", "least_confident", "row"])
def test_pages_follow_each_other_in_order(visitor, read, order):
    sure = read[0].max(axis=1)
    rows = []
    while True:
        told = get(visitor, "/api/search", order=order, offset=len(rows), limit=200)
        rows += [found["row"] for found in told["found"]]
        if not told["found"]:
            break
    assert sorted(rows) == list(range(len(sure)))
    key = {"most_confident": -sure, "least_confident": sure, "row": np.arange(len(sure))}[order][
        rows
    ]
    assert (np.diff(key) >= 0).all()


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"true": "10"}, "from 0 to 9"),
        ({"predicted": "-1"}, "from 0 to 9"),
        ({"low": "0.8", "high": "0.2"}, "low <= high"),
        ({"high": "2"}, "from 0 to 1"),
        ({"low": "nan"}, "from 0 to 1"),
        ({"order": "random"}, "most_confident, least_confident, row"),
        ({"limit": "1000"}, "from 1 to 200"),
        ({"offset": "x"}, "offset"),
        ({"only": "odd"}, "all, right, wrong"),
    ],
)
def test_an_invalid_search_is_refused(visitor, query, says):
    assert says in get(visitor, "/api/search", 400, **query)["error"]


def test_several_digits_in_one_picture(visitor, data):
    rows = [*range(5, 45), 0]
    answer = visitor.get("/api/digits.png", params={"rows": ",".join(map(str, rows))})
    assert answer.headers["content-type"] == "image/png"
    sheet = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert sheet.shape == (2 * 28, 32 * 28)
    for place, row in enumerate(rows):
        top, left = 28 * (place // 32), 28 * (place % 32)
        pixels = sheet[top : top + 28, left : left + 28]
        np.testing.assert_array_equal(pixels.ravel(), data.test_images[row])


def test_one_digit_as_numbers(visitor, data):
    told = get(visitor, "/api/digits/7")
    np.testing.assert_allclose(told["pixels"], data.test_x[7].ravel(), atol=6e-5)
    assert told["true"] == data.test_labels[7].argmax()
    assert (told["row"], told["count"]) == (7, len(data.test_x))


def test_a_model_without_a_run_is_tested_on_the_sample(run, tmp_path, read):
    alone = client(run / "model.safetensors", tmp_path)
    assert get(alone, "/api/evaluation")["wrong"] == (read[1] != read[2]).sum()


def test_a_search_uses_the_model_that_was_evaluated(run, tmp_path):
    """A search does not evaluate a newer checkpoint."""
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    own = client(folder, tmp_path)
    before = get(own, "/api/evaluation")
    model = Sequential.load(folder / "model.safetensors")
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    model.save(folder / "model.safetensors")
    own.app.state.subject._checked = -np.inf  # the next request checks again
    again = get(own, "/api/search", only="wrong")
    assert (again["version"], again["total"]) == (before["version"], before["wrong"])
    after = get(own, "/api/evaluation")
    assert after["version"] != before["version"]
    assert get(own, "/api/search", only="wrong")["total"] == after["wrong"] > before["wrong"]
