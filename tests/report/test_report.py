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

from minicnn import Sequential, report, runs, train
from minicnn.report import page as report_page_module

ALL = [
    *("Curves", "Confusion matrix", "Classes", "Mistakes", "Filters", "Layers over time"),
    *("Network", "How it was made"),
]


@pytest.fixture(scope="module")
def written(finished, tmp_path_factory):
    """(the page's path, its text, what the command said)"""
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


def change_record(folder, **changes):
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


# ---- the page ----


def test_it_has_every_section(written):
    assert Page(written[1]).headings == ALL


def test_the_command_says_where_and_how_large(written):
    path, _, out = written
    assert out == f"{path} ({path.stat().st_size / 1e6:.1f} MB)\n"


def test_it_needs_no_other_file_and_no_network(written):
    page = Page(written[1])
    assert len(page.addresses) > 5
    assert all(address.startswith("data:") for address in page.addresses)
    assert re.findall(r"url\((?!data:)", written[1]) == []
    assert page.all("link") == []
    (policy,) = [a["content"] for a in page.all("meta") if "http-equiv" in a]
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_the_policy_lets_its_own_script_run_and_no_other(written):
    scripts = re.findall(r"<script>(.*?)</script>", written[1], re.S)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    (policy,) = [a["content"] for a in Page(written[1]).all("meta") if "http-equiv" in a]
    assert policy.endswith(f"script-src 'sha256-{digest}'")


def test_it_is_small(written):
    assert written[0].stat().st_size < 2e6


def test_names_of_classes_are_text_wherever_they_stand(written):
    page = Page(written[1])
    assert "<b>zero</b>" not in written[1]
    assert "<b>zero</b>" in page.text
    assert "one & only" in page.text
    cells = re.search(r'id="cells">(.*?)</script>', written[1], re.S)[1]
    assert "<" not in cells
    assert json.loads(cells)["names"] == NAMES


def test_every_picture_has_a_text_and_a_size(written):
    pictures = Page(written[1]).all("img")
    assert len(pictures) >= 4
    for attrs in pictures:
        assert len(attrs["alt"]) > 5
        assert int(attrs["width"]) > 100
        assert int(attrs["height"]) > 50


def test_the_numbers_are_those_of_the_model(written, finished):
    run = json.loads((finished / "run.json").read_text())
    accuracy = run["results"]["test_accuracy"]
    wrong = round((1 - accuracy) * 120)
    text = Page(written[1]).text
    assert f"{accuracy:.2%}" in text
    assert "of 120 misread" in text
    assert f"{wrong} of 120 were misread" in text
    assert run["command"] in text


def test_the_cells_add_up_to_the_test_images(written):
    counts = re.findall(r'data-cell="(\d)-(\d)"[^>]*>(\d+)<', written[1])
    assert sum(int(count) for _, _, count in counts) == 120
    shown = json.loads(re.search(r'id="cells">(.*?)</script>', written[1], re.S)[1])["images"]
    for true, predicted, count in counts:
        behind = [i for i in shown if i[1:3] == [int(true), int(predicted)]]
        assert len(behind) == min(int(count), 12 if true == predicted else 40)


def test_the_images_behind_the_cells_are_those_of_the_sheet(written, finished, sheet):
    from minicnn import MnistData

    data = MnistData(sheet).load()
    predicted = Sequential.load(finished / "model.safetensors").predict(data.test_x)
    cells = json.loads(re.search(r'id="cells">(.*?)</script>', written[1], re.S)[1])
    png = re.search(r"background-image: url\(data:image/png;base64,([^)]*)\)", written[1])[1]
    sprite = np.asarray(Image.open(io.BytesIO(base64.b64decode(png))))
    for number, (row, true, read_as, probability) in enumerate(cells["images"]):
        y, x = (28 * place for place in divmod(number, cells["columns"]))
        shown = sprite[y : y + 28, x : x + 28].reshape(-1)
        np.testing.assert_array_equal(shown, data.test_images[row])
        assert true == data.test_labels[row].argmax()
        assert read_as == predicted[row].argmax()
        assert probability == pytest.approx(predicted[row].max(), abs=1e-4)


def test_a_second_report_takes_the_place_of_the_first(copy):
    (copy / "report.html").write_text("old")
    assert page_of(copy).headings == ALL
    assert not list(copy.glob(".tmp-*"))


@pytest.mark.skipif(os.name == "nt", reason="closes a pipe")
def test_nobody_need_read_where_it_is(copy, unread):
    done = unread("report", copy)
    assert (done.returncode, done.stderr) == (0, "")
    assert (copy / "report.html").exists()


# ---- runs that lack something ----


def test_without_its_data_the_page_says_so_and_has_the_rest(copy, tmp_path):
    record = json.loads((copy / "run.json").read_text())
    change_record(copy, options=record["options"] | {"data": str(tmp_path / "gone")})
    page = page_of(copy)
    assert "what depends on them is left out" in page.text
    rest = [name for name in ALL if name not in ("Confusion matrix", "Classes", "Mistakes")]
    assert page.headings == rest
    assert f"{record['results']['test_accuracy']:.2%}" in page.text


def test_data_that_moved_can_be_named(copy, sheet, tmp_path):
    record = json.loads((copy / "run.json").read_text())
    change_record(copy, options=record["options"] | {"data": str(tmp_path / "gone")})
    assert page_of(copy, "--data", sheet).headings == ALL


def test_other_data_is_not_taken_for_the_runs_own(copy):
    page = page_of(copy, "--data", "sample")
    assert "does not hold the data of this run any more" in page.text
    assert "Confusion matrix" not in page.headings


def test_a_run_that_was_killed_is_shown_by_its_newest_checkpoint(copy):
    (copy / "model.safetensors").unlink()
    record = json.loads((copy / "run.json").read_text())
    del record["results"]
    (copy / "run.json").write_text(json.dumps(record | {"status": "running"}))
    page = page_of(copy)
    assert page.headings == ALL
    assert "the model is that of epoch-0003.safetensors" in page.text
    assert "still running, or killed" in page.text


def test_a_run_that_only_began_has_no_model(copy):
    for name in ("model.safetensors", "history.csv", "layers.json"):
        (copy / name).unlink()
    shutil.rmtree(copy / runs.CHECKPOINTS)
    page = page_of(copy)
    assert page.headings == ["How it was made"]
    assert "it has no model yet" in page.text


def test_damaged_layer_statistics_are_left_out(copy):
    (copy / "layers.json").write_text("{}")
    page = page_of(copy)
    assert "What was measured of the layers is left out" in page.text
    assert "Layers over time" not in page.headings


def test_a_perfect_model_has_no_mistakes(copy, sheet, monkeypatch):
    def measure(model, x, labels):
        found = usual(model, x, labels)
        return runs.Evaluation(0.0, 1.0, labels.astype(np.float32), found.true, found.true)

    usual = runs.measure
    monkeypatch.setattr(runs, "measure", measure)
    page = page_of(copy)
    assert "No mistakes" in page.headings
    assert "100.00%" in page.text


def test_the_report_of_a_run_that_diverged_can_be_read(sheet, tmp_path):
    options = ["--data", sheet, "--epochs", 2, "--optimizer", "sgd", "--lr", 1e9, "--quiet"]
    assert quietly(train, *options, "--out", tmp_path / "run")[0] == 1
    page = page_of(tmp_path / "run")
    assert "Confusion matrix" in page.headings
    assert "diverged" in page.text
    text = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    cells = re.search(r'id="cells">(.*?)</script>', text, re.S)[1]
    rows = json.loads(cells, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert rows["images"][0][3] is None
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    change_record(tmp_path / "run", options=record["options"] | {"data": str(tmp_path / "gone")})
    both = tmp_path / "both.html"
    assert quietly(report, tmp_path / "run", tmp_path / "run", "--out", both)[0] == 0
    assert "NaN" in both.read_text(encoding="utf-8")


def test_the_commands_that_went_on_with_it_are_shown_too(copy):
    change_record(copy, resumed=[{"command": "python -m minicnn.train --resume x --epochs 9"}])
    assert "--resume x --epochs 9" in page_of(copy).text


def test_while_a_finished_run_is_trained_on_its_newest_checkpoint_counts(copy):
    change_record(copy, status="running")
    assert "the model is that of epoch-0003.safetensors" in page_of(copy).text


def test_more_classes_than_a_matrix_can_show_still_have_their_rows(copy, monkeypatch):
    monkeypatch.setattr(report_page_module, "MOST_CLASSES", 9)
    page = page_of(copy)
    assert "Confusion matrix" not in page.headings
    assert {"Classes", "Mistakes"} <= set(page.headings)
    assert "A confusion matrix of 10 classes is left out" in page.text


# ---- bad input ----


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "run.json").unlink(), "holds no run.json"),
        (lambda f: (f / "run.json").write_text("{"), r"run.json: expected JSON"),
        (lambda f: (f / "run.json").write_text("[]"), r"expected an object, received"),
        (lambda f: (f / "run.json").write_text('{"options": {}}'), "recipe: expected dict"),
        (lambda f: (f / "model.safetensors").write_bytes(b"x" * 99), "expected a .safetensors"),
        (lambda f: (f / "history.csv").write_text("epoch,loss\n1,x\n"), "table of numbers"),
    ],
)
def test_a_damaged_run_folder_is_one_line_on_stderr(copy, damage, message):
    damage(copy)
    code, out, err = quietly(report, copy)
    assert (code, out) == (2, "")
    assert re.search(message, err)
    assert err.count("\n") == 1
    assert not (copy / "report.html").exists()


def test_no_such_folder(tmp_path):
    code, _, err = quietly(report, tmp_path / "nowhere")
    assert code == 2
    assert "there is no such folder" in err


def test_help_explains_every_option(capsys):
    with pytest.raises(SystemExit) as caught:
        report.main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for option in ("RUN", "--out", "--data", "--open"):
        assert option in text


# ---- several runs ----


@pytest.fixture(scope="module")
def second(sheet, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "second"
    options = [
        "--data",
        sheet,
        "--epochs",
        2,
        "--model",
        "codelab",
        "--lr",
        0.01,
        "--backend",
        "numpy",
    ]
    assert quietly(train, *options, "--quiet", "--out", folder)[0] == 0
    return folder


def test_two_runs_are_compared(finished, second, tmp_path):
    path = tmp_path / "both.html"
    code, _, err = quietly(report, finished, second, "--out", path)
    assert (code, err) == (0, "")
    page = Page(path.read_text(encoding="utf-8"))
    assert page.headings == ["Results", "Curves", "Classes", "What differs", "How they were made"]
    assert all(address.startswith("data:") for address in page.addresses)
    for text in ("first", "second", "option model", "codelab", "learning rate", "0.01", "5,994"):
        assert text in page.text
    assert "label smoothing" not in page.text  # the same in both


def test_a_run_compared_with_itself_differs_in_nothing(finished, tmp_path):
    path = tmp_path / "both.html"
    assert quietly(report, finished, finished, "--out", path)[0] == 0
    text = path.read_text(encoding="utf-8")
    assert "are the same" in text
    assert "(1)" in text
    assert "(2)" in text


def test_classes_are_not_compared_where_one_run_could_not_be_tested(finished, second, tmp_path):
    other = shutil.copytree(second, tmp_path / "other")
    record = json.loads((other / "run.json").read_text())
    change_record(other, options=record["options"] | {"data": str(tmp_path / "gone")})
    for pair in ((finished, other), (other, finished)):
        assert quietly(report, *pair, "--out", tmp_path / "both.html")[0] == 0
        page = Page((tmp_path / "both.html").read_text(encoding="utf-8"))
        assert "Classes" not in page.headings


def test_a_comparison_is_written_here_unless_told_otherwise(finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert quietly(report, finished, finished)[0] == 0
    assert (tmp_path / "comparison.html").stat().st_size > 10_000
