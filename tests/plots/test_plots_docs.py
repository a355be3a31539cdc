"""The code in docs/plots.md runs, and the page shows every figure."""

import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from bench import gallery
from minicnn import plots

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "plots.md"
FIGURES = set(plots.__all__) - {"save", "seen"}  # the latter is shown in predict.md
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="no docs beside the tests")


@pytest.fixture
def page():
    return PAGE.read_text(encoding="utf-8")


def test_every_code_block_runs_and_draws(page):
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names = {}
    for number, block in enumerate(blocks):
        code = block.replace("epochs=8", "epochs=1")
        *_, last = re.split(r"\n(?=plots\.)", "\n" + code)
        exec(code, names)
        if number:
            assert isinstance(eval(last.split("  #")[0], names), Figure)


def test_every_figure_is_shown(page):
    shown = set(re.findall(r"\]\(images/plots/(\w+)\.png\)", page))
    assert shown == FIGURES
    assert all(f"plots.{name}(" in page for name in FIGURES)
    assert {path.stem for path in (DOCS / "images" / "plots").glob("*.png")} == FIGURES


def test_the_pictures_are_small(page):
    for path in (DOCS / "images" / "plots").glob("*.png"):
        assert path.stat().st_size <= 120 * 1024, path.name
        with Image.open(path) as image:
            assert max(image.size) <= 1400, path.name


@pytest.mark.exhaustive
def test_the_gallery_draws_every_figure(tmp_path, capsys):
    assert gallery.main([str(tmp_path), "--epochs", "1"]) == 0
    assert {path.stem for path in tmp_path.iterdir()} == FIGURES
    assert len(capsys.readouterr().out.splitlines()) == len(FIGURES)
