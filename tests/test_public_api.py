"""The public API: names, imports, a user's program, the code in the README."""

import importlib
import json
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import user_program
from PIL import Image

import minicnn

MODULES = ["minicnn"] + [
    module.name
    for module in pkgutil.walk_packages(minicnn.__path__, "minicnn.")
    if not module.name.endswith("__main__")
]
OPTIONAL = dict.fromkeys(("numba", "llvmlite"), "minicnn.kernels.") | dict.fromkeys(
    ("h11", "plotly", "starlette", "uvicorn"), "minicnn.visor."
)  # package of an extra → the modules that may need it


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINICNN_DATA", str(tmp_path / "cache"))
    return tmp_path


def test_a_users_program_runs(folder, capsys):
    """Type-checked by test_user_program_passes_mypy_strict."""
    data = minicnn.MnistData("sample").load()
    Image.fromarray(data.test_images[0].reshape(28, 28)).save("five.png")
    history = user_program.train("five.png", epochs=1, size=1000)
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(history.history)
    assert "Conv2D" in capsys.readouterr().out
    assert (folder / "run" / "history.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "digits.safetensors").exists()
    user_program.compute(np.ones((1, 6, 6, 1)), np.ones((3, 3, 1, 2)))


@pytest.mark.exhaustive
def test_user_program_passes_mypy_strict(folder):
    pytest.importorskip("mypy")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--follow-imports=silent",
            user_program.__file__,
        ],
        env=os.environ | {"MYPYPATH": os.fspath(Path(minicnn.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


README = Path(__file__).parent.parent / "README.md"


@pytest.mark.skipif(not README.exists(), reason="no README beside the tests")
def test_the_code_in_the_readme_runs(folder):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(re.sub(r"epochs=\d+", "epochs=1, verbose=0", block), {})
    assert (folder / "digits.safetensors").exists()


def test_a_missing_sheet_is_a_data_error():
    with pytest.raises(minicnn.DataError):
        minicnn.MnistData(images="mine.png", labels="mine_labels").load()


def test_the_errors_are_value_errors():
    assert issubclass(minicnn.DataError, ValueError)
    assert issubclass(minicnn.ModelError, ValueError)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_imports_and_has_the_names_in_its_all(name):
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        needed_by = OPTIONAL.get(str(error.name))
        if needed_by and name.startswith(needed_by):
            pytest.skip(f"needs {error.name}")
        raise
    assert module.__doc__, "a module without a docstring"
    promised = getattr(module, "__all__", [])
    assert [n for n in promised if not hasattr(module, n)] == []
    assert len(set(promised)) == len(promised)


def test_the_package_exports_what_the_design_names():
    promised = (
        "Sequential layers optimizers losses callbacks MnistData DataError ModelError kernels "
        "use_backend"
    )
    assert set(promised.split()) <= set(minicnn.__all__)
    for names, module in (
        (
            "Conv2D MaxPool2D AvgPool2D GlobalAvgPool2D Dense Flatten Reshape ReLU LeakyReLU "
            "Sigmoid Tanh Softmax Dropout BatchNorm",
            minicnn.layers,
        ),
        (
            "ProgressBar History PlotMetrics CSVLogger EarlyStopping TerminateOnNaN LambdaCallback",
            minicnn.callbacks,
        ),
        ("SGD RMSprop Adam AdamW", minicnn.optimizers),
        (
            "conv2d conv2d_backward max_pool2d max_pool2d_backward avg_pool2d avg_pool2d_backward "
            "dense dense_backward im2col col2im",
            minicnn.kernels,
        ),
    ):
        for name in names.split():
            assert hasattr(module, name), name


def test_the_version_is_the_installed_one():
    from importlib.metadata import version

    assert minicnn.__version__ == version("minicnn")


def test_importing_is_light():
    """Matplotlib and Numba take seconds to import: they are imported when first used."""
    code = (
        "import json, sys, minicnn\n"
        "print(json.dumps([name for name in sys.modules if '.' not in name]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert {"minicnn", "numpy"} <= loaded
    assert not loaded & {"matplotlib", "numba", "torch", "IPython"}
    assert done.stderr == ""
