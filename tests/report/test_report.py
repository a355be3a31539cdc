"""python -m minicnn.report: one page from a run folder."""

import base64
import hashlib
import io
import json
import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from report_page import NAMES, Page, quietly

from minicnn import RunWarning, Sequential, report, runs, train
from minicnn.report import page as report_page_module

ALL = [
    *("Curves", "Confusion matrix", "Classes", "Mistakes", "Filters", "Layers over time"),
    *("Network", "Command and settings"),
]


@pytest.fixture(scope="module")
def written(finished, tmp_path_factory):
    """(the page's path, its text, the command's output)"""
    path = tmp_path_factory.mktemp("out") / "page.html"
    code, out, err = quietly(report, finished, "--out", path)
    assert (code, err) == (0, "")
    return path, path.read_text(encoding="utf-8"), out


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of the run that a test may change."""
    return shutil.copytree(finished, tmp_path / "run")


def page_of(folder, *options):
    code, _, err = quietly(report, folder, *options)
    assert (code, err) == (0, "")
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def cells_of(text):
    """The JSON about the images of the confusion matrix."""
    return re.search(r'id="cells">(.*?)</script>', text, re.S)[1]


def change_record(folder, **changes):
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


# ---- the page ----


def test_every_section(written):
    path, text, out = written
    assert Page(text).headings == ALL
    size = path.stat().st_size
    assert out == f"{path} ({size / 1e6:.1f} MB)\n"
    assert size < 2e6


def test_it_needs_no_other_file(written):
    page = Page(written[1])
    assert len(page.addresses) > 5
    assert all(address.startswith("data:") for address in page.addresses)
    assert re.findall(r"url\((?!data:)", written[1]) == []
    assert page.all("link") == []
    (policy,) = [a["content"] for a in page.all("meta") if "http-equiv" in a]
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_the_policy_allows_only_its_own_script(written):
    scripts = re.findall(r"<script>(.*?)</script>", written[1], re.S)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    (policy,) = [a["content"] for a in Page(written[1]).all("meta") if "http-equiv" in a]
    assert policy.endswith(f"script-src 'sha256-{digest}'")


def test_class_names_are_escaped(written):
    page = Page(written[1])
    assert "<b>zero</b>" not in written[1]
    assert "<b>zero</b>" in page.text
    assert "one & only" in page.text
    cells = cells_of(written[1])
    assert "<" not in cells
    assert json.loads(cells)["names"] == NAMES


def test_every_picture_has_an_alternative_text_and_a_size(written):
    pictures = Page(written[1]).all("img")
    assert len(pictures) >= 4
    for attrs in pictures:
        assert len(attrs["alt"]) > 5
        assert int(attrs["width"]) > 100
        assert int(attrs["height"]) > 50


def test_the_numbers_of_the_run(written, finished):
    run = json.loads((finished / "run.json").read_text())
    accuracy = run["results"]["test_accuracy"]
    wrong = round((1 - accuracy) * 120)
    text = Page(written[1]).text
    assert f"{accuracy:.2%}" in text
    assert f"{wrong} of 120misclassified" in text  # in two elements
    assert f"{wrong} of 120 were misclassified" in text
    assert run["command"] in text


def test_the_confusion_matrix_adds_up(written):
    counts = re.findall(r'data-cell="(\d)-(\d)"[^>]*>(\d+)<', written[1])
    assert sum(int(count) for _, _, count in counts) == 120
    shown = json.loads(cells_of(written[1]))["images"]
    for true, predicted, count in counts:
        behind = [i for i in shown if i[1:3] == [int(true), int(predicted)]]
        assert len(behind) == min(int(count), 12 if true == predicted else 40)


def test_the_images_of_the_cells_are_those_of_the_sheet(written, finished, sheet):
    from minicnn import MnistData

    data = MnistData(sheet).load()
    predicted = Sequential.load(finished / "model.safetensors").predict(data.test_x)
    cells = json.loads(cells_of(written[1]))
    png = re.search(r"background-image: url\(data:image/png;base64,([^)]*)\)", written[1])[1]
    sprite = np.asarray(Image.open(io.BytesIO(base64.b64decode(png))))
    for number, (row, true, as_class, probability) in enumerate(cells["images"]):
        y, x = (28 * place for place in divmod(number, cells["columns"]))
        shown = sprite[y : y + 28, x : x + 28].reshape(-1)
        np.testing.assert_array_equal(shown, data.test_images[row])
        assert true == data.test_labels[row].argmax()
        assert as_class == predicted[row].argmax()
        assert probability == pytest.approx(predicted[row].max(), abs=1e-4)


# ---- incomplete and damaged runs ----


def test_without_its_data_or_with_other_data(copy, sheet, tmp_path):
    record = json.loads((copy / "run.json").read_text())
    change_record(copy, options=record["options"] | {"data": str(tmp_path / "gone")})
    page = page_of(copy)
    assert "Everything that needs the test images is left out" in page.text
    rest = [name for name in ALL if name not in ("Confusion matrix", "Classes", "Mistakes")]
    assert page.headings == rest
    assert f"{record['results']['test_accuracy']:.2%}" in page.text
    assert page_of(copy, "--data", sheet).headings == ALL
    page = page_of(copy, "--data", "sample")
    assert "does not hold the data of this run any more" in page.text
    assert page.headings == rest


def test_a_killed_run_has_the_model_of_its_newest_checkpoint(copy):
    (copy / "model.safetensors").unlink()
    record = json.loads((copy / "run.json").read_text())
    del record["results"]
    resumed = [{"command": "python -m minicnn.train --resume x --epochs 9"}]
    record |= {"status": "running", "resumed": resumed}
    (copy / "run.json").write_text(json.dumps(record))
    page = page_of(copy)
    assert page.headings == ALL
    assert "the model is from epoch-0003.safetensors" in page.text
    assert "--resume x --epochs 9" in page.text
    assert "still running, or killed" in page.text


def test_a_run_without_model(copy):
    for name in ("model.safetensors", "history.csv", "layers.json"):
        (copy / name).unlink()
    shutil.rmtree(copy / runs.CHECKPOINTS)
    page = page_of(copy)
    assert page.headings == ["Command and settings"]
    assert "there is no model yet" in page.text


def test_damaged_layer_statistics(copy):
    (copy / "layers.json").write_text("{}")
    page = page_of(copy)
    assert "The layer statistics are left out" in page.text
    assert "Layers over time" not in page.headings


def test_a_perfect_model(copy, sheet, monkeypatch):
    def measure(model, x, labels):
        found = usual(model, x, labels)
        return runs.Evaluation(0.0, 1.0, labels.astype(np.float32), found.true, found.true)

    usual = runs.measure
    monkeypatch.setattr(runs, "measure", measure)
    page = page_of(copy)
    assert "No mistakes" in page.headings
    assert "100.00%" in page.text


def test_a_diverged_run(sheet, tmp_path):
    options = ["--data", sheet, "--epochs", 2, "--optimizer", "sgd", "--lr", 1e9, "--quiet"]
    with pytest.warns(RunWarning, match="NaN or infinite; they are not saved"):
        assert quietly(train, *options, "--out", tmp_path / "run")[0] == 1
    page = page_of(tmp_path / "run")
    note = "Training diverged: the network's outputs for 120 of 120 test images are not finite."
    assert page.text.index(note) < page.text.index("test accuracy")
    assert not {"Confusion matrix", "Classes", "Mistakes"} & set(page.headings)
    assert "interval" not in page.text
    assert "NaN" in page.text
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    change_record(tmp_path / "run", options=record["options"] | {"data": str(tmp_path / "gone")})
    both = tmp_path / "both.html"
    assert quietly(report, tmp_path / "run", tmp_path / "run", "--out", both)[0] == 0
    assert "NaN" in both.read_text(encoding="utf-8")
    assert "Training diverged: the loss became NaN or infinite" in Page(both.read_text()).text


def test_some_outputs_that_are_not_finite(copy, monkeypatch):
    def measure(model, x, labels):
        found = usual(model, x, labels)
        found.probabilities[:7] = np.nan
        return runs.Evaluation(np.nan, 0.5, found.probabilities, found.true, found.predicted)

    usual = runs.measure
    monkeypatch.setattr(runs, "measure", measure)
    page = page_of(copy)
    assert page.headings == ALL
    assert "outputs for 7 of 120 test images are not finite" in page.text
    assert "of 113 were misclassified" in page.text
    text = (copy / "report.html").read_text(encoding="utf-8")
    counts = re.findall(r'data-cell="\d-\d"[^>]*>(\d+)<', text)
    assert sum(map(int, counts)) == 113
    cells = json.loads(cells_of(text))
    assert min(row for row, *_ in cells["images"]) >= 7


def test_a_damaged_model_is_replaced_by_the_newest_intact_checkpoint(copy):
    newest = copy / runs.CHECKPOINTS / "epoch-0003.safetensors"
    shutil.copy(newest, newest.with_name("epoch-0002.safetensors"))
    for path in (copy / "model.safetensors", newest):
        path.write_bytes(b"x" * 99)
    page = page_of(copy)
    assert page.headings == ALL
    assert "model.safetensors can't be read: " in page.text
    assert "epoch-0003.safetensors can't be read: " in page.text
    assert "The model is from epoch-0002.safetensors." in page.text
    assert "has not ended" not in page.text


def test_a_run_with_only_damaged_models(copy):
    shutil.rmtree(copy / runs.CHECKPOINTS)
    (copy / "model.safetensors").write_bytes(b"x" * 99)
    page = page_of(copy)
    assert page.headings == ["Curves", "Layers over time", "Command and settings"]
    assert "expected a .safetensors file" in page.text
    assert "There is no other model" in page.text
    accuracy = json.loads((copy / "run.json").read_text())["results"]["test_accuracy"]
    assert f"{accuracy:.2%}" in page.text


@pytest.mark.parametrize(
    "name", ["seconds", "images_per_second", "epochs", "test_accuracy", "test_loss"]
)
def test_a_result_that_is_null_is_left_out(copy, tmp_path, name):
    record = json.loads((copy / "run.json").read_text())
    change_record(
        copy,
        results=record["results"] | {name: None},
        options=record["options"] | {"data": str(tmp_path / "gone")},
    )
    assert "Command and settings" in page_of(copy).headings
    assert quietly(report, copy, copy, "--out", tmp_path / "both.html")[0] == 0


@pytest.mark.skipif(os.name == "nt", reason="a name that is not text")
def test_a_folder_name_that_is_not_text(copy, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    odd = [os.fsdecode(os.fsencode(tmp_path) + name) for name in (b"/a/\xff", b"/b/\xff")]
    copy.rename(odd[0])
    shutil.copytree(odd[0], odd[1])
    assert quietly(report, odd[0])[0] == 0
    with open(f"{odd[0]}/report.html", encoding="utf-8") as file:
        assert file.read().count(": ?</h1>") == 1
    assert quietly(report, *odd, "--out", tmp_path / "both.html")[0] == 0
    assert f"{tmp_path}/b/?" in Page((tmp_path / "both.html").read_text(encoding="utf-8")).text


def test_many_classes_have_no_matrix(copy, monkeypatch):
    monkeypatch.setattr(report_page_module, "MOST_CLASSES", 9)
    page = page_of(copy)
    assert "Confusion matrix" not in page.headings
    assert {"Classes", "Mistakes"} <= set(page.headings)
    assert "A confusion matrix of 10 classes is left out" in page.text


# ---- errors ----


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "run.json").unlink(), "holds no run.json"),
        (lambda f: (f / "run.json").write_text("[]"), r"expected a JSON object, received"),
        (lambda f: (f / "run.json").write_text('{"status": ""}'), "expected an entry 'options'"),
        (lambda f: (f / "history.csv").write_text("epoch,loss\n1,x\n"), "table of numbers"),
        (
            lambda f: (f / "history.csv").write_text(f"epoch,loss\n1,{'1' * 131_073}\n"),
            r"history\.csv: .*field larger than field limit \(131072\)",
        ),
    ],
)
def test_a_damaged_run_folder(copy, damage, message):
    damage(copy)
    code, out, err = quietly(report, copy)
    assert (code, out) == (2, "")
    assert re.search(message, err)
    assert err.count("\n") == 1
    assert not (copy / "report.html").exists()


# ---- several runs ----


@pytest.fixture(scope="module")
def second(sheet, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "second"
    options = ["--data", sheet, "--epochs", 2, "--model", "codelab", "--lr", 0.01]
    options += ["--backend", "numpy", "--quiet", "--out", folder]
    assert quietly(train, *options)[0] == 0
    return folder


def test_two_runs(finished, second, tmp_path):
    path = tmp_path / "both.html"
    code, _, err = quietly(report, finished, second, "--out", path)
    assert (code, err) == (0, "")
    page = Page(path.read_text(encoding="utf-8"))
    assert page.headings == ["Results", "Curves", "Classes", "What differs", "Commands"]
    assert all(address.startswith("data:") for address in page.addresses)
    for text in ("first", "second", "option model", "codelab", "learning rate", "0.01", "5,994"):
        assert text in page.text
    assert "label smoothing" not in page.text  # the same in both


def test_a_run_compared_with_itself(finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert quietly(report, finished, finished)[0] == 0
    text = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert "are the same" in text
    assert "(1)" in text
    assert "(2)" in text


def test_classes_are_only_compared_if_all_runs_have_them(finished, second, tmp_path):
    other = shutil.copytree(second, tmp_path / "other")
    record = json.loads((other / "run.json").read_text())
    change_record(other, options=record["options"] | {"data": str(tmp_path / "gone")})
    for pair in ((finished, other), (other, finished)):
        assert quietly(report, *pair, "--out", tmp_path / "both.html")[0] == 0
        page = Page((tmp_path / "both.html").read_text(encoding="utf-8"))
        assert "Classes" not in page.headings
