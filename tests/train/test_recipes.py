"""The recipes: their table, changes by options, and augmentation."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from minicnn import Sequential, architectures, runs, train
from minicnn.augmentation import Augmentation
from minicnn.optimizers import AdamW
from minicnn.schedules import Constant, CosineDecay
from minicnn.train import plan, recipes
from minicnn.train.options import parser
from minicnn.train.plan import Plan
from minicnn.train.recipes import Recipe

pytestmark = pytest.mark.usefixtures("own_cache")

SIZES = [1, 10, recipes.FEW - 1, recipes.FEW, 10_000, recipes.MANY - 1, recipes.MANY, 55_000]


@pytest.mark.parametrize("samples", SIZES)
@pytest.mark.parametrize("name", recipes.TABLE)
def test_every_recipe_for_any_number_of_images(name: str, samples: int) -> None:
    recipe = recipes.TABLE[name](samples)
    assert recipe.model in architectures.TABLE
    optimizer = recipe.make_optimizer(samples)
    assert recipe.make_loss().label_smoothing == recipe.label_smoothing
    steps = recipe.epochs * -(-samples // recipe.batch_size)
    rates = [optimizer.schedule(step) for step in range(steps)]
    assert 0 < max(rates) <= recipe.learning_rate * (1 + 1e-12)
    assert len(str(recipe).splitlines()) == 1
    json.dumps(asdict(recipe))  # run.json holds it


def test_the_default_depends_on_the_number_of_images() -> None:
    assert recipes.default(recipes.FEW - 1) is recipes.SMALL
    assert recipes.default(recipes.FEW) is recipes.default(recipes.MANY - 1) is recipes.DEFAULT
    assert recipes.default(recipes.MANY) is recipes.LARGE
    assert recipes.TABLE["default"] is recipes.default


def test_the_tutorial_recipe_does_not_depend_on_it() -> None:
    for samples in SIZES:
        recipe = recipes.TABLE["tutorial"](samples)
        assert recipe is recipes.TUTORIAL
        assert isinstance(recipe.schedule(samples), Constant)


def test_only_the_best_recipe_augments_and_has_its_own_network() -> None:
    for samples in SIZES:
        found = {name: make(samples) for name, make in recipes.TABLE.items()}
        augmented = [name for name, recipe in found.items() if recipe.augmentation is not None]
        assert augmented == ["best"]
        assert [name for name, recipe in found.items() if recipe.model != "course"] == ["best"]


def test_the_best_recipe_trains_longer_with_fewer_images() -> None:
    epochs = [recipes.best(samples).epochs for samples in SIZES]
    assert epochs == sorted(epochs, reverse=True)
    assert epochs[-1] == recipes.BEST.epochs


def test_changed() -> None:
    changed = recipes.BEST.changed(epochs=3, batch_size=None, model="course", learning_rate=None)
    assert (changed.epochs, changed.model) == (3, "course")
    assert changed.batch_size == recipes.BEST.batch_size
    assert changed.augmentation == recipes.BEST.augmentation
    assert recipes.BEST.changed() == recipes.BEST


def test_another_optimizer_has_its_own_rate_and_decay() -> None:
    changed = recipes.BEST.changed(optimizer="adam")
    assert (changed.learning_rate, changed.weight_decay) == (1e-3, 0.0)
    assert recipes.BEST.changed(optimizer="adam", learning_rate=0.5).learning_rate == 0.5
    assert recipes.BEST.changed(optimizer="adamw") == recipes.BEST


def test_str() -> None:
    recipe = Recipe(epochs=2, batch_size=8, optimizer="adam", learning_rate=0.01)
    assert str(recipe) == (
        "2 epochs, batch 8, adam at 0.01 (constant), weight decay 0, label smoothing 0"
    )
    moving = Recipe(2, 8, "adam", 0.01, warmup=0.1, augmentation=Augmentation(shift=2))
    assert "adam at 0.01 (cosine with warm-up)" in str(moving)
    assert str(moving).endswith("label smoothing 0; images: shift 2 px")


def test_the_warm_up_is_a_share_of_the_steps() -> None:
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
def sheet(
    make_sheet: Callable[[Path, int], Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with a sheet of 300 real digits and its labels."""
    return make_sheet(tmp_path_factory.mktemp("digits"), 300)


def planned(sheet: Path, *options: str) -> tuple[Namespace, Plan]:
    parsed = parser().parse_args(["--data", str(sheet), "--quiet", *options])
    return parsed, plan.make(parsed)


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
def test_the_network_of_a_recipe_and_of_an_option(
    sheet: Path, options: list[str], model: str
) -> None:
    parsed, chosen = planned(sheet, *options)
    assert parsed.model == chosen.model.name == chosen.recipe.model == model
    assert (
        chosen.model.num_params
        == Sequential(architectures.TABLE[model](10), (28, 28, 1)).num_params
    )


def run(folder: Path, *options: object) -> bytes:
    """Train; returns the bytes of the model."""
    assert train.main([str(option) for option in options]) == 0
    return (folder / "model.safetensors").read_bytes()


def test_a_run_of_the_best_recipe_augments(
    sheet: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runs, "draw", lambda *args, **options: None)  # it takes a second
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
