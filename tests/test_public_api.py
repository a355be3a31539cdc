"""What the README and the design show, typed as they show it."""

import importlib
import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minicnn

MODULES = ["minicnn"] + [
    module.name
    for module in pkgutil.walk_packages(minicnn.__path__, "minicnn.")
    if not module.name.endswith("__main__")
]
OPTIONAL = dict.fromkeys(("numba", "llvmlite"), "minicnn.kernels.") | dict.fromkeys(
    ("h11", "plotly", "starlette", "uvicorn"), "minicnn.visor."
)  # a package that an extra brings: where it may be needed


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINICNN_DATA", str(tmp_path / "cache"))
    return tmp_path


def test_the_script_of_the_design_runs_line_by_line(folder, capsys):
    """With fewer epochs: that it learns is another test's business."""
    from minicnn import MnistData, Sequential, callbacks, layers, losses, optimizers

    assert optimizers is minicnn.optimizers
    assert losses is minicnn.losses

    data = MnistData("sample").load()
    batch = data.next_train_batch(5500)
    assert (batch.xs.shape, batch.xs.dtype) == ((5500, 784), np.float32)
    assert (batch.labels.shape, batch.labels.dtype) == ((5500, 10), np.uint8)
    assert 0 <= batch.xs.min() < batch.xs.max() <= 1
    x = batch.xs.reshape(-1, 28, 28, 1)
    test = data.next_test_batch(1000)
    xt, yt = test.xs.reshape(-1, 28, 28, 1), test.labels

    model = Sequential(
        [
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPool2D(2),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ],
        input_shape=(28, 28, 1),
        seed=0,
    )
    model.summary()
    assert "53,866" in capsys.readouterr().out
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        x,
        batch.labels,
        batch_size=512,
        epochs=2,
        shuffle=True,
        validation_data=(xt, yt),
        callbacks=[callbacks.PlotMetrics("run/history.png")],
    )
    assert set(history.history) == {"epoch", "loss", "accuracy", "val_loss", "val_accuracy"}
    assert (folder / "run" / "history.png").read_bytes().startswith(b"\x89PNG")
    results = model.evaluate(xt, yt)
    predicted = model.predict(xt)
    assert results["accuracy"] == pytest.approx((predicted.argmax(1) == yt.argmax(1)).mean())
    assert results["accuracy"] > 0.5  # a guess is right one time in ten

    model.save("digits.safetensors")
    model = Sequential.load("digits.safetensors")
    np.testing.assert_array_equal(model.predict(xt), predicted)
    assert model.evaluate(xt, yt) == results


README = Path(__file__).parent.parent / "README.md"


@pytest.mark.skipif(not README.exists(), reason="no README beside the tests")
def test_the_code_in_the_readme_runs(folder):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(re.sub(r"epochs=\d+", "epochs=1, verbose=0", block), {})
    assert (folder / "digits.safetensors").exists()


def test_names_of_ones_own_data_are_taken():
    with pytest.raises(minicnn.DataError):
        minicnn.MnistData(images="mine.png", labels="mine_labels").load()


def test_the_errors_are_value_errors():
    assert issubclass(minicnn.DataError, ValueError)
    assert issubclass(minicnn.ModelError, ValueError)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_imports_and_has_every_name_that_it_promises(name):
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        needed_by = OPTIONAL.get(str(error.name))
        if needed_by and name.startswith(needed_by):
            pytest.skip(f"needs {error.name}")
        raise
    assert module.__doc__, "a module says what it is for"
    promised = getattr(module, "__all__", [])
    assert [n for n in promised if not hasattr(module, n)] == []
    assert len(set(promised)) == len(promised)


def test_the_package_exports_what_the_design_names():
    promised = {
        "Sequential",
        "layers",
        "optimizers",
        "losses",
        "callbacks",
        "MnistData",
        "DataError",
        "ModelError",
        "kernels",
        "use_backend",
    }
    assert promised <= set(minicnn.__all__)
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
    """Matplotlib and Numba take seconds: they come when they are needed."""
    code = (
        "import json, sys, minicnn\n"
        "print(json.dumps([name for name in sys.modules if '.' not in name]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert {"minicnn", "numpy"} <= loaded
    assert not loaded & {"matplotlib", "numba", "torch", "IPython"}
    assert done.stderr == ""
