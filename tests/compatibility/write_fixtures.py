"""Write what a later version of minicnn must still be able to read.

    python tests/compatibility/write_fixtures.py tests/compatibility/minicnn-VERSION

Run it with the version whose files are to be kept, on Linux, and commit the folder. It uses public
names only, so that this script runs with old and new versions alike. An existing folder is never
written again: what it holds is what that version wrote.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from threadpoolctl import threadpool_info

from minicnn import Sequential, __version__, callbacks, layers, optimizers, use_backend

SHAPE, CLASSES, EPOCHS = (6, 6, 1), 3, 4
CLASS_NAMES = ["cat", "dog", "bird"]
PREPARATION = {"fit": "stretch", "invert": "no"}
CHECKPOINTS = "epoch-0001+000002.safetensors", "epoch-0002.safetensors"
TRAIN = ["--data", "sheet", "--out", "run", "--model", "codelab", "--epochs", "4"]
TRAIN += ["--batch-size", "16", "--backend", "numpy", "--threads", "1", "--quiet"]


def images(n: int, shape: tuple[int, int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """n noisy images with a bright band, and its position (0, 1 or 2) as the class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % CLASSES
    x = 0.3 * rng.random((n, *shape), dtype=np.float32)
    band = shape[0] // CLASSES
    for image, label in zip(x, labels, strict=True):
        image[label * band : (label + 1) * band] += np.float32(0.5)
    return x, labels


def every_layer() -> Sequential:
    """A model with each of the layers that a file can hold."""
    model = Sequential(
        [
            layers.Conv2D(3, 3, padding="same", l2=0.01),
            layers.BatchNorm(),
            layers.LeakyReLU(0.1),
            layers.MaxPool2D(2, strides=1),
            layers.Conv2D(4, 2, strides=2, activation="relu", use_bias=False),
            layers.AvgPool2D(2, strides=1, padding="same"),
            layers.ReLU(),
            layers.Reshape((4, 4, 1)),
            layers.Conv2D(3, 3, activation="sigmoid"),
            layers.Dropout(0.25),
            layers.Sigmoid(),
            layers.Tanh(),
            layers.GlobalAvgPool2D(),
            layers.Flatten(),
            layers.Dense(5, activation="tanh"),
            layers.Dense(CLASSES),
            layers.Softmax(),
        ],
        input_shape=SHAPE,
        seed=1,
    )
    model.compile(optimizers.RMSprop(0.01, momentum=0.5), "categorical_crossentropy", ["accuracy"])
    return model


def in_training() -> Sequential:
    """A model whose training needs more than weights: dropout's generator, moving averages."""
    model = Sequential(
        [
            layers.Conv2D(2, 3),
            layers.BatchNorm(0.9),
            layers.ReLU(),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dropout(0.25),
            layers.Dense(CLASSES, activation="softmax"),
        ],
        input_shape=SHAPE,
        seed=2,
    )
    model.compile(optimizers.Adam(0.01), "sparse_categorical_crossentropy", ["accuracy"])
    return model


def simple() -> Sequential:
    """A model whose convolution, ReLU and pooling run as one fused kernel with Numba."""
    model = Sequential(
        [
            layers.Conv2D(2, 3, activation="relu"),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dense(CLASSES, activation="softmax"),
        ],
        input_shape=SHAPE,
        seed=3,
    )
    model.compile(optimizers.Adam(0.03), "sparse_categorical_crossentropy", ["accuracy"])
    return model


MODELS = {"numpy": in_training, "numba": simple}


def train(
    backend: str, folder: Path, resume: Path | None = None
) -> tuple[Sequential, callbacks.History]:
    """Train with several callbacks that keep state; a checkpoint every two steps in `folder`."""
    x, y = images(22, SHAPE, seed=4)
    model = MODELS[backend]()
    watching = [
        callbacks.EarlyStopping("val_loss", patience=3),
        callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=10.0),
        callbacks.SwapEMA(0.9),
        callbacks.LayerStats(probe=4),
        callbacks.ModelCheckpoint(folder, "val_accuracy", every=2, keep_last=100),
    ]
    with use_backend(backend):
        history = model.fit(
            x,
            y,
            batch_size=4,
            epochs=EPOCHS,
            verbose=0,
            callbacks=watching,
            validation_data=images(9, SHAPE, seed=5),
            resume=resume,
        )
    return model, history


def sha256(model: Sequential) -> str:
    """The hash of all weights, in their order."""
    weights = b"".join(np.ascontiguousarray(w).tobytes() for w in model.get_weights())
    return hashlib.sha256(weights).hexdigest()


def machine() -> dict[str, object]:
    """What the last bits of a sum depend on: where these are equal, so are the bits."""
    blas = [
        (one["version"], one["architecture"]) for one in threadpool_info() if "architecture" in one
    ]
    return {"numpy": np.__version__, "blas": sorted(map(list, blas))}


def command(name: str, *arguments: object, cwd: Path) -> None:
    """python -m minicnn.NAME ARGUMENTS in a folder."""
    line = [sys.executable, "-m", f"minicnn.{name}", *map(str, arguments)]
    subprocess.run(line, cwd=cwd, check=True)


def write_models(folder: Path) -> None:
    """The models, and what each predicts for images(8, SHAPE, seed=6)."""
    x, y = images(8, SHAPE, seed=6)
    predictions = {}
    for name in ("every_layer", "names"):
        model = every_layer() if name == "every_layer" else simple()
        if name == "names":
            model.class_names, model.preparation = CLASS_NAMES, PREPARATION
        model.fit(x, np.eye(CLASSES)[y] if name == "every_layer" else y, epochs=2, verbose=0)
        model.save(folder / f"{name}.safetensors")
        predictions[name] = model.predict(x)
    np.savez(folder / "predictions.npz", **predictions)


def write_checkpoints(folder: Path, backend: str) -> str:
    """Two checkpoints of a run, and the model at its end; returns the hash of its weights."""
    with tempfile.TemporaryDirectory() as temporary:
        model, history = train(backend, Path(temporary))
        for name in CHECKPOINTS:
            shutil.copy(Path(temporary, name), folder / name)
    model.save(folder / "final.safetensors")
    (folder / "history.json").write_text(json.dumps(history.history) + "\n")
    return sha256(model)


def write_run(folder: Path) -> str:
    """A sheet of images, a run over it that stopped halfway, and the model that it would have come
    to; returns the hash of its weights."""
    for part, n in (("train", 48), ("test", 12)):
        x, labels = images(n, (18, 18, 1), seed=n)
        for index, (image, label) in enumerate(zip(x, labels, strict=True)):
            path = folder / "pictures" / part / CLASS_NAMES[label] / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((image[..., 0] * 255).astype(np.uint8)).save(path)
    command("sprite", "build", "pictures", "--out", "sheet", "--size", "18", cwd=folder)
    shutil.rmtree(folder / "pictures")
    command("train", *TRAIN, cwd=folder)
    shutil.move(folder / "run" / "model.safetensors", folder / "run_final.safetensors")
    shutil.rmtree(folder / "run")
    command("train", *TRAIN, "--stop-after", "2", cwd=folder)
    (folder / "run" / "checkpoints" / "epoch-0001.safetensors").unlink()  # the newest is enough
    for picture in (folder / "run").glob("*.png"):  # large, and drawn again at the end of a run
        picture.unlink()
    return sha256(Sequential.load(folder / "run_final.safetensors"))


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True)  # fails if it exists
    with use_backend("numpy"):
        write_models(folder)
    facts = {"version": __version__, "machine": machine(), "sha256": {}}
    for backend in MODELS:
        (folder / backend).mkdir()
        facts["sha256"][backend] = write_checkpoints(folder / backend, backend)
    facts["sha256"]["run"] = write_run(folder)
    (folder / "facts.json").write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
