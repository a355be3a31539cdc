"""The sprite builder on folders of pictures, and the loader on what it builds."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from minicnn import DataError
from minicnn.data import MnistData
from minicnn.data.folder import build_from_folder, scan
from minicnn.data.picture import read_picture
from minicnn.data.subset import largest_remainder


def draw(path, seed, size=(28, 28), background=0):
    """A random square on an even background."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full(size, background, np.uint8)
    pixels[9:19, 9:19] = np.random.default_rng(seed).integers(80, 176, (10, 10))
    Image.fromarray(pixels).save(path)
    return pixels


@pytest.fixture
def pictures(tmp_path):
    """12 pictures of class "cat", 6 of "dog", 3 of "emu"."""
    folder = tmp_path / "pets"
    drawn = {}
    for seed, name in enumerate(["cat"] * 12 + ["dog"] * 6 + ["emu"] * 3):
        path = folder / name / f"{seed:02}.png"
        drawn[path] = draw(path, seed)
    return folder, drawn


def rows(data, part):
    names = [data.class_names[i] for i in getattr(data, f"{part}_labels").argmax(axis=1)]
    return [
        (name, row.tobytes())
        for name, row in zip(names, getattr(data, f"{part}_images"), strict=True)
    ]


def test_a_round_trip(pictures, tmp_path):
    folder, drawn = pictures
    report = build_from_folder(folder, tmp_path / "out", test=1 / 3)
    assert (report.skipped, report.inverted, report.num_images) == ([], 0, 21)
    data = MnistData(tmp_path / "out").load()
    assert data.class_names == ("cat", "dog", "emu")
    assert (data.num_train, data.num_test) == (14, 7)
    assert data.train_labels.sum(axis=0).tolist() == [8, 4, 2]
    assert data.test_labels.sum(axis=0).tolist() == [4, 2, 1]
    expected = sorted((path.parent.name, pixels.tobytes()) for path, pixels in drawn.items())
    assert sorted(rows(data, "train") + rows(data, "test")) == expected
    order = [name for name, _ in rows(data, "train")]
    assert order != sorted(order)  # shuffled
    assert data.next_train_batch(14).xs.max() <= 1


@pytest.mark.parametrize(("test", "counts"), [(0.01, [1, 1, 1]), (0.99, [11, 5, 2])])
def test_each_class_is_in_the_training_and_the_test_set(pictures, tmp_path, test, counts):
    build_from_folder(pictures[0], tmp_path / "out", test=test)
    data = MnistData(tmp_path / "out").load()
    assert data.test_labels.sum(axis=0).tolist() == counts


def test_the_manifest(pictures, tmp_path):
    folder, _ = pictures
    path = build_from_folder(folder, tmp_path / "out", name="zoo", test=1 / 3, seed=4).manifest
    assert path == tmp_path / "out" / "zoo.json"
    text = path.read_text()
    assert str(tmp_path) not in text
    manifest = json.loads(text)
    assert manifest["format"] == "minicnn-sprite"
    assert (manifest["num_images"], manifest["num_train"]) == (21, 14)
    assert manifest["class_names"] == ["cat", "dog", "emu"]
    assert manifest["train_counts"] == [8, 4, 2]
    assert manifest["test_counts"] == [4, 2, 1]
    assert manifest["image_shape"] == [28, 28, 1]
    assert manifest["source"] == "pets"
    assert manifest["built"]["seed"] == 4
    assert manifest["images"]["name"] == "zoo_images.png"
    assert manifest["labels"]["bytes"] == 63
    with Image.open(tmp_path / "out" / "zoo_images.png") as image:
        assert (image.mode, image.size) == ("L", (784, 21))


def test_the_same_input_gives_the_same_bytes(pictures, tmp_path):
    folder, _ = pictures
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        build_from_folder(folder, tmp_path / out, seed=seed)
    files = {
        out: [path.read_bytes() for path in sorted((tmp_path / out).iterdir())] for out in "abc"
    }
    assert len(files["a"]) == 3
    assert files["a"] == files["b"]
    assert files["a"][1] != files["c"][1]


def test_train_and_test_folders(tmp_path):
    folder = tmp_path / "pets"
    for seed, (part, name) in enumerate(
        [("train", "a"), ("train", "b"), ("train", "b"), ("test", "a"), ("test", "b")]
    ):
        draw(folder / part / name / f"{seed}.png", seed)
    build_from_folder(folder, tmp_path / "out")
    data = MnistData(tmp_path / "out").load()
    assert data.train_labels.sum(axis=0).tolist() == [1, 2]
    assert data.test_labels.sum(axis=0).tolist() == [1, 1]
    assert rows(data, "test")[0][1] in {draw(tmp_path / "x.png", s).tobytes() for s in (3, 4)}


def test_files_that_the_scan_skips(pictures):
    folder, drawn = pictures
    (folder / ".hidden").mkdir()
    draw(folder / ".hidden" / "x.png", 1)
    draw(folder / "cat" / ".x.png", 1)
    (folder / "cat" / "notes.txt").write_text("no picture")
    (folder / "readme.md").write_text("no class")
    os.symlink(folder, folder / "cat" / "loop")
    deep = folder / "dog" / "more" / "x.PNG"
    draw(deep, 1)
    names, entries = scan(folder)
    assert names == ["cat", "dog", "emu"]
    assert {entry.path for entry in entries} == {*drawn, deep}


@pytest.mark.parametrize("on_error", ["skip", "fail"])
def test_unreadable_pictures(pictures, tmp_path, on_error):
    folder, _ = pictures
    whole = (folder / "cat" / "00.png").read_bytes()
    (folder / "cat" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "dog" / "text.jpg").write_text("I am no picture")
    (folder / "dog" / "empty.gif").touch()
    if on_error == "fail":
        with pytest.raises(DataError, match=r"cut.png: can't be read as a picture"):
            build_from_folder(folder, tmp_path / "out", on_error=on_error)
        assert not (tmp_path / "out").exists()
        return
    report = build_from_folder(folder, tmp_path / "out", on_error=on_error)
    assert [path.name for path, _ in report.skipped] == ["cut.png", "empty.gif", "text.jpg"]
    assert all(reason for _, reason in report.skipped)
    assert report.num_images == 21
    assert json.loads(report.manifest.read_text())["built"]["skipped"] == 3


@pytest.mark.parametrize(
    ("invert", "light", "expected"),
    [
        ("auto", 15, [True, True]),
        ("auto", 5, [False, False]),
        ("each", 5, [True, False]),
        ("yes", 5, [True, True]),
        ("no", 15, [False, False]),
    ],
)
def test_inverting(tmp_path, invert, light, expected):
    """`light` of 20 pictures are light; expected: are light ones inverted, are dark ones?"""
    folder = tmp_path / "in"
    original = {}
    for seed in range(20):
        background = 255 if seed < light else 0
        pixels = draw(folder / "ab"[seed % 2] / f"{seed}.png", seed, background=background)
        original[pixels.tobytes()] = background
    report = build_from_folder(folder, tmp_path / "out", invert=invert)
    data = MnistData(tmp_path / "out").load()
    changed = {255: set(), 0: set()}
    for row in np.concatenate([data.train_images, data.test_images]):
        inverted = row.tobytes() not in original
        changed[original[(255 - row if inverted else row).tobytes()]].add(inverted)
    assert changed == {255: {expected[0]}, 0: {expected[1]}}
    assert report.inverted == light * expected[0] + (20 - light) * expected[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fit": "crop"}, "expected fit pad, stretch"),
        ({"invert": "maybe"}, "expected invert auto"),
        ({"on_error": "ignore"}, "expected on_error"),
        ({"test": 0}, "between 0 and 1"),
        ({"test": 1.0}, "between 0 and 1"),
        ({"size": (0, 28)}, "expected a size"),
        ({"name": "../x"}, "plain name"),
        ({"name": ".x"}, "plain name"),
    ],
)
def test_invalid_options(pictures, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        build_from_folder(pictures[0], tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_invalid_folders(tmp_path, pictures):
    with pytest.raises(DataError, match="expected a folder of pictures"):
        build_from_folder(tmp_path / "none", tmp_path / "out")
    draw(tmp_path / "one" / "a" / "1.png", 1)
    with pytest.raises(DataError, match=r"at least two subfolders.*found 1"):
        build_from_folder(tmp_path / "one", tmp_path / "out")
    draw(pictures[0] / "fox" / "1.png", 1)
    with pytest.raises(DataError, match=r"at least two readable pictures.*1 of 'fox'"):
        build_from_folder(pictures[0], tmp_path / "out")
    for part in ("train", "test"):
        for name in "ab":
            (tmp_path / "half" / part / name).mkdir(parents=True)
    for seed, name in enumerate("aabb"):
        draw(tmp_path / "half" / "train" / name / f"{seed}.png", seed)
    with pytest.raises(DataError, match="both train/ and test/"):
        build_from_folder(tmp_path / "half", tmp_path / "out")


def test_a_sheet_is_overwritten_with_force_only(pictures, tmp_path):
    folder, _ = pictures
    build_from_folder(folder, tmp_path / "out", seed=1)
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(DataError, match=r"already exists.*--force"):
        build_from_folder(folder, tmp_path / "out", seed=2)
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    build_from_folder(folder, tmp_path / "out", seed=2, force=True)
    assert MnistData(tmp_path / "out").load().num_train > 0
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="received a file"):
        build_from_folder(folder, tmp_path / "file")


@pytest.mark.parametrize("fails", ["write_bytes", "write"])
def test_a_failure_keeps_the_old_sheet(pictures, tmp_path, monkeypatch, fails):
    folder, _ = pictures
    build_from_folder(folder, tmp_path / "out", seed=1)
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    owner = "pathlib.Path" if fails == "write_bytes" else "minicnn.data.manifest.Manifest"
    with monkeypatch.context() as patch:
        patch.setattr(f"{owner}.{fails}", stop)
        with pytest.raises(KeyboardInterrupt):
            build_from_folder(folder, tmp_path / "out", seed=2, force=True)
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_a_changed_sheet_does_not_match_its_manifest(pictures, tmp_path):
    out = tmp_path / "out"
    manifest = build_from_folder(pictures[0], out).manifest
    content = manifest.read_text()
    labels = out / "pets_labels_uint8"
    labels.write_bytes(np.roll(np.frombuffer(labels.read_bytes(), np.uint8), 3).tobytes())
    with pytest.raises(DataError, match=r"expected the file that pets.json describes"):
        MnistData(out).load()
    manifest.unlink()
    assert MnistData(out).load().class_names == ("0", "1", "2")
    labels.unlink()
    manifest.write_text(content)
    with pytest.raises(DataError, match=r"expected pets_labels_uint8, which pets.json describes"):
        MnistData(out).load()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "expected manifest version 1, received 2"),
        ({"num_train": 21}, "damaged"),
        ({"num_train": -1}, "damaged"),
        ({"num_train": "14"}, "damaged"),
        ({"num_images": 22}, "expected 21 images of 3 classes"),
        ({"class_names": ["a", "b"]}, "expected 21 images of 3 classes"),
        ({"class_names": 7}, "damaged"),
        ({"image_shape": [28]}, "damaged"),
        ({"image_shape": [2, 2, 1]}, "4 pixels wide"),
        ({"images": {"name": "../../x", "bytes": 1, "sha256": ""}}, "a file name"),
        ({"images": {"name": 5, "bytes": 1, "sha256": ""}}, "damaged"),
        ({"labels": None}, "damaged"),
    ],
    ids=str,
)
def test_damaged_manifests(pictures, tmp_path, change, message):
    path = build_from_folder(pictures[0], tmp_path / "out").manifest
    damaged = json.dumps({**json.loads(path.read_text()), **change})
    path.write_text(damaged)
    with pytest.raises(DataError, match=message):
        MnistData(tmp_path / "out").load()
    path.write_text(damaged[:-10])
    with pytest.raises(DataError, match="expected a JSON manifest"):
        MnistData(tmp_path / "out").load()


def test_the_output_folder_is_not_a_class(pictures, tmp_path):
    with pytest.raises(DataError, match="inside, it would be one of the classes"):
        build_from_folder(pictures[0], pictures[0] / "out")
    build_from_folder(pictures[0], pictures[0])  # beside the classes, it works
    assert MnistData(pictures[0]).load().num_classes == 3


def test_other_json_files_are_ignored(pictures, tmp_path):
    out = tmp_path / "out"
    build_from_folder(pictures[0], out)
    (out / "run.json").write_text('{"seed": 1}')
    (out / "list.json").write_text("[1]")
    (out / "cut.json").write_text('{"a":')
    (out / "deep.json").write_text("[" * 100_000)
    assert MnistData(out).load().class_names[0] == "cat"
    given = MnistData(images=out / "pets_images.png", labels=out / "pets_labels_uint8").load()
    assert given.class_names[0] == "cat"  # also from the manifest beside the sheet


def test_largest_remainder():
    assert largest_remainder(np.array([50, 30, 20]), 10).tolist() == [5, 3, 2]
    assert largest_remainder(np.array([1, 1, 1]), 2).tolist() == [1, 1, 0]
    for counts in ([5, 0, 7], [1, 1, 98], [3, 3, 3]):
        for n in range(sum(counts) + 1):
            seats = largest_remainder(np.array(counts), n)
            assert seats.sum() == n
            assert (seats <= counts).all()


# ---- one picture ----


def test_proportions_are_kept_or_not(tmp_path):
    pixels = np.full((20, 40), 200, np.uint8)
    pixels[5:15, 10:30] = 90
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    padded, border = read_picture(tmp_path / "wide.png", (20, 20), "pad")
    assert border == 200
    assert (padded[:5] == 200).all()
    assert (padded[-5:] == 200).all()
    assert abs(int(padded[10, 10]) - 90) < 3
    stretched, _ = read_picture(tmp_path / "wide.png", (20, 20), "stretch")
    assert abs(int(stretched[7, 10]) - 90) < 10
    assert stretched.shape == (20, 20)


def test_resizing_averages(tmp_path):
    """A fine checkerboard becomes grey; taking every tenth pixel would keep black and white."""
    board = (np.indices((280, 280)).sum(axis=0) % 2 * 255).astype(np.uint8)
    Image.fromarray(board).save(tmp_path / "c.png")
    small = read_picture(tmp_path / "c.png", (28, 28)).pixels[2:-2, 2:-2]
    assert (abs(small.astype(int) - 127) <= 2).all()
