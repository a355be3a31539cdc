"""The recipes: their table, what a change of options makes of them, and the one that augments."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minicnn import MnistData, Sequential, architectures, kernels, runs, train
from minicnn.augmentation import Augmentation
from minicnn.optimizers import AdamW
from minicnn.schedules import Constant, CosineDecay
from minicnn.train import plan, recipes
from minicnn.train.options import parser
from minicnn.train.plan import Plan
from minicnn.train.recipes import Recipe

SIZES = [1, 10, recipes.FEW - 1, recipes.FEW, 10_000, recipes.MANY - 1, recipes.MANY, 55_000]


@pytest.mark.parametrize("samples", SIZES)
@pytest.mark.parametrize("name", recipes.TABLE)
def test_every_recipe_serves_any_number_of_images(name: str, samples: int) -> None:
    recipe = recipes.TABLE[name](samples)
    assert recipe.model in architectures.TABLE
    optimizer = recipe.make_optimizer(samples)
    assert recipe.make_loss().label_smoothing == recipe.label_smoothing
    steps = recipe.epochs * -(-samples // recipe.batch_size)
    rates = [optimizer.schedule(step) for step in range(steps)]
    assert 0 < max(rates) <= recipe.learning_rate * (1 + 1e-12)
    assert len(str(recipe).splitlines()) == 1
    json.dumps(asdict(recipe))  # run.json holds it


def test_the_default_follows_the_number_of_images() -> None:
    assert recipes.default(recipes.FEW - 1) is recipes.SMALL
    assert recipes.default(recipes.FEW) is recipes.default(recipes.MANY - 1) is recipes.DEFAULT
    assert recipes.default(recipes.MANY) is recipes.LARGE
    assert recipes.TABLE["default"] is recipes.default


def test_the_tutorials_is_the_same_for_all() -> None:
    for samples in SIZES:
        recipe = recipes.TABLE["tutorial"](samples)
        assert recipe is recipes.TUTORIAL
        assert isinstance(recipe.schedule(samples), Constant)


def test_only_the_best_augments_and_has_a_network_of_its_own() -> None:
    for samples in SIZES:
        found = {name: make(samples) for name, make in recipes.TABLE.items()}
        augmented = [name for name, recipe in found.items() if recipe.augmentation is not None]
        assert augmented == ["best"]
        assert [name for name, recipe in found.items() if recipe.model != "course"] == ["best"]


def test_the_best_trains_longer_where_there_are_fewer_images() -> None:
    epochs = [recipes.best(samples).epochs for samples in SIZES]
    assert epochs == sorted(epochs, reverse=True)
    assert epochs[-1] == recipes.BEST.epochs


def test_what_is_given_takes_the_place_of_the_recipes_own() -> None:
    changed = recipes.BEST.changed(epochs=3, batch_size=None, model="course", learning_rate=None)
    assert (changed.epochs, changed.model) == (3, "course")
    assert changed.batch_size == recipes.BEST.batch_size
    assert changed.augmentation == recipes.BEST.augmentation
    assert recipes.BEST.changed() == recipes.BEST


def test_another_optimizer_brings_its_own_rate_and_decay_unless_given() -> None:
    changed = recipes.BEST.changed(optimizer="adam")
    assert (changed.learning_rate, changed.weight_decay) == (1e-3, 0.0)
    assert recipes.BEST.changed(optimizer="adam", learning_rate=0.5).learning_rate == 0.5
    assert recipes.BEST.changed(optimizer="adamw") == recipes.BEST


def test_it_is_told_in_one_line() -> None:
    recipe = Recipe(epochs=2, batch_size=8, optimizer="adam", learning_rate=0.01)
    assert str(recipe) == (
        "2 epochs, batch 8, adam at 0.01 (constant), weight decay 0, label smoothing 0"
    )
    moving = Recipe(2, 8, "adam", 0.01, warmup=0.1, augmentation=Augmentation(shift=2))
    assert "adam at 0.01 (cosine with warm-up)" in str(moving)
    assert str(moving).endswith("label smoothing 0; images: shift 2 px")


def test_the_warm_up_is_a_share_of_all_steps_but_never_all_of_them() -> None:
    recipe = Recipe(10, 100, "adamw", 0.01, warmup=0.1)
    schedule = recipe.schedule(1000)
    assert isinstance(schedule, CosineDecay)
    assert (schedule.decay_steps, schedule.warmup_steps) == (100, 10)
    assert schedule(9) == pytest.approx(0.01)
    one_step = Recipe(1, 100, "adamw", 0.01, warmup=0.9).schedule(1)
    assert isinstance(one_step, CosineDecay)
    assert (one_step.decay_steps, one_step.warmup_steps) == (1, 0)
    optimizer = recipe.make_optimizer(1000)
    assert isinstance(optimizer, AdamW)
    assert np.isclose(optimizer.schedule(99), 0, atol=1e-5)


# ---- on the command line ----


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sheet of 300 real digits and its labels."""
    folder = tmp_path_factory.mktemp("digits")
    data = MnistData("sample").load()
    Image.fromarray(data.train_images[:300]).save(folder / "digits_images.png")
    (folder / "digits_labels_uint8").write_bytes(data.train_labels[:300].tobytes())
    return folder


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The command chooses backend and threads for the whole process; here that must not last."""
    monkeypatch.setenv("MINICNN_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(runs, "draw", lambda *args, **options: None)  # it takes a second
    threads = kernels.get_threads()
    with kernels.use_backend(kernels.current_backend()):
        yield
    kernels.set_threads(threads)


def planned(sheet: Path, *options: str) -> tuple[Namespace, Plan]:
    parsed = parser().parse_args(["--data", str(sheet), "--quiet", *options])
    return parsed, plan.make(parsed, lambda text: None)


@pytest.mark.parametrize(
    ("options", "model"),
    [
        ([], "course"),
        (["--recipe", "tutorial"], "course"),
        (["--recipe", "best"], recipes.BEST.model),
        (["--recipe", "best", "--model", "codelab"], "codelab"),
        (["--model", "examples"], "examples"),
    ],
)
def test_the_network_is_the_recipes_own_unless_one_is_named(
    sheet: Path, options: list[str], model: str
) -> None:
    parsed, chosen = planned(sheet, *options)
    assert parsed.model == chosen.model.name == chosen.recipe.model == model
    assert (
        chosen.model.num_params
        == Sequential(architectures.TABLE[model](10), (28, 28, 1)).num_params
    )


def test_the_recipe_is_that_of_the_table_with_the_other_options_in_its_place(sheet: Path) -> None:
    _, chosen = planned(sheet, "--recipe", "best", "--epochs", "3", "--lr", "0.5")
    samples = len(chosen.train[0])
    assert chosen.recipe == recipes.best(samples).changed(epochs=3, learning_rate=0.5)
    assert planned(sheet)[1].recipe == recipes.default(samples)


def test_an_unknown_recipe_is_refused_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        train.main(["--recipe", "secret"])
    said = capsys.readouterr().err
    assert all(name in said for name in ("--recipe", "secret", *recipes.TABLE))


def run(folder: Path, *options: object) -> bytes:
    """Train; the model that is left."""
    assert train.main([str(option) for option in options]) == 0
    return (folder / "model.safetensors").read_bytes()


def test_a_run_of_the_best_recipe_trains_on_changed_images_and_tells_so(
    sheet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--data", sheet, "--recipe", "best", "--model", "codelab", "--epochs", 2]
    one = run(tmp_path / "one", *common, "--out", tmp_path / "one")
    assert f"images: {recipes.BEST.augmentation}" in capsys.readouterr().out
    two = run(tmp_path / "two", *common, "--quiet", "--out", tmp_path / "two", "--threads", 1)
    assert one == two
    record = json.loads((tmp_path / "one" / "run.json").read_text())
    assert recipes.BEST.augmentation is not None
    assert record["recipe"]["augmentation"] == asdict(recipes.BEST.augmentation)
    assert (record["options"]["recipe"], record["options"]["model"]) == ("best", "codelab")
    plain = run(tmp_path / "plain", *common[:2], *common[4:], "--out", tmp_path / "plain")
    assert plain != one


def test_a_run_of_the_best_recipe_goes_on_as_if_it_had_never_stopped(
    sheet: Path, tmp_path: Path
) -> None:
    common = ["--data", sheet, "--recipe", "best", "--model", "codelab", "--epochs", 3, "--quiet"]
    whole = run(tmp_path / "whole", *common, "--out", tmp_path / "whole")
    halves = run(tmp_path / "halves", *common, "--stop-after", 1, "--out", tmp_path / "halves")
    assert halves != whole
    assert run(tmp_path / "halves", "--resume", tmp_path / "halves", "--quiet") == whole
