"""Damaged models and checkpoints: each is read or raises a ModelError, at a limited cost.

The damage is random. Contents are also damaged with a valid checksum, as by a hostile writer.
"""

import json
import os
import struct
import time
import warnings
from collections import Counter
from copy import deepcopy

import numpy as np
import pytest
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from minicnn import ModelError, Sequential, kernels, layers, optimizers, schedules
from minicnn.callbacks import EarlyStopping, LambdaCallback, ModelCheckpoint, PlotMetrics
from minicnn.runs import Stopwatch
from minicnn.saving import checkpoints, sealed_file

SHAPE, N = (6, 6, 1), 10
NAME = "epoch-0001+000002.safetensors"
SECONDS, BYTES = 5, 300e6  # limits of reading and resuming: CPU time, memory

X = np.random.default_rng(0).random((N, *SHAPE), dtype=np.float32)
Y = np.eye(3, dtype=np.uint8)[np.random.default_rng(1).integers(0, 3, N)]


def new_model():
    model = Sequential(
        [
            layers.Conv2D(2, 3, activation="relu"),
            layers.BatchNorm(),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dropout(0.25),
            layers.Dense(3, activation=layers.Softmax()),
        ],
        input_shape=SHAPE,
        seed=0,
    )
    model.compile(optimizers.AdamW(schedules.CosineDecay(0.01, 20, 2)), metrics=["accuracy"])
    return model


def train(model, folder, resume=None, *more):
    callbacks = [
        *more,
        EarlyStopping("loss", patience=3),
        PlotMetrics(folder / "history.png", per="both"),
        Stopwatch(),
        ModelCheckpoint(folder, "accuracy", every=1, keep_last=9),
    ]
    model.fit(
        X, Y, batch_size=4, epochs=3, verbose=0, callbacks=callbacks, steps_per_epoch=4,
        resume=resume,
    )  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def fast():
    """Don't flush to disk, don't draw pictures, and don't compile kernels."""
    with pytest.MonkeyPatch.context() as patch, kernels.use_backend("numpy"):
        patch.setattr(os, "fsync", lambda handle: None)
        patch.setattr(PlotMetrics, "_draw", lambda self, state: self._batches.values())
        yield


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    """The bytes of a checkpoint within an epoch, and of a model."""
    folder = tmp_path_factory.mktemp("intact")
    model = new_model()
    model.class_names = ["a", "b", "c"]
    train(model, folder)
    model.save(folder / "model.safetensors")
    return {name: (folder / name).read_bytes() for name in (NAME, "model.safetensors")}


# ---- the parts of a file ----


def split(content):
    """(header, body)"""
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header, body):
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def contents_of(content):
    """(contents, tensors)"""
    about = json.loads(split(content)[0]["__metadata__"]["minicnn"])
    return about, load_tensors(content)


def sealed_again(about, tensors):
    about = {key: value for key, value in about.items() if key != "sha256"}
    about["sha256"] = sealed_file._checksum(about, tensors)
    return save_tensors(tensors, {"minicnn": json.dumps(about)})


def paths_in(value, path=()):
    """The path of each value in JSON."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*path, key)
        if isinstance(item, (dict, list)):
            yield from paths_in(item, (*path, key))


def pick(rng, items):
    return items[int(rng.integers(len(items)))]


# ---- the damage ----


def bytes_changed(rng, content):
    """Bytes that are replaced by random ones, zeros or nothing; more or fewer than before."""
    damaged = bytearray(content)
    header = 8 + struct.unpack("<Q", content[:8])[0]
    at = int(rng.integers(pick(rng, [8, header, len(content)])))
    count = int(rng.integers(1, 40))
    old = pick(rng, [0, 1, count, count, len(content)])
    damaged[at : at + old] = pick(rng, [rng.bytes(count), rng.bytes(old), bytes(old), b""])
    return bytes(damaged)


def header_changed(rng, content):
    """Another length, dtype, shape, offset or name in the file's header."""
    header, body = split(content)
    name = pick(rng, [name for name in header if name != "__metadata__"])
    entry = header[name]
    kind = pick(rng, ["dtype", "shape", "offsets", "rename", "drop", "twice", "field", "metadata"])
    number = pick(rng, [-1, 0, 1, 3, 2**31, 2**63, 10**30, 1.5, None, "2", []])
    if kind == "dtype":
        entry["dtype"] = pick(rng, ["F16", "BF16", "F64", "U8", "I64", "BOOL", "X", 3, None, []])
    elif kind == "shape":
        shape = entry["shape"]
        entry["shape"] = pick(rng, [[number], [*shape, 1], [*shape, number], shape[:-1], number])
    elif kind == "offsets":
        entry["data_offsets"][int(rng.integers(2))] = number
    elif kind == "rename":
        new = pick(rng, ["", "x", "training/x", "0.Conv2D.w", "__metadata__", "é\x00", "9" * 999])
        header[new] = header.pop(name)
    elif kind == "drop":
        del header[name]
    elif kind == "twice":
        header[f"{name}2"] = dict(entry)
    elif kind == "field":
        entry[pick(rng, ["dtype", "shape", "data_offsets", "more"])] = number
    else:
        header["__metadata__"] = pick(rng, [{}, None, [], {"minicnn": 3}, {"minicnn": ""}, "x"])
    damaged = joined(header, body)
    if rng.random() < 0.1:
        length = pick(rng, [0, 1, 2, len(damaged), 2**32, 2**63, 2**64 - 1])
        damaged = struct.pack("<Q", length) + damaged[8:]
    return damaged


NONSENSE = [
    *(None, True, False, -1, 0, 1, 2, 3, 7, 0.5, -0.5, 10**9, 2**63, -(2**63), 10**30, 10**400),
    *(float("inf"), float("-inf"), float("nan"), 1e308, "", "x", "softmax", "7", "f4,(2", "\ud800"),
    *([], [0], [-1], [0, 0], [1, 10**9], [10**12, 10**12], [[1, 2], [3]], ["a"], [None], [{}]),
    *({}, {"class": "Softmax"}, {"class": "Constant", "learning_rate": 10**400}, {"a": {"b": []}}),
    *({"class": "StepDecay", "learning_rate": 1, "every": 1, "factor": 1e300},),
    *({"class": "StepDecay", "learning_rate": 1, "every": 1, "factor": 10**300},),
    *({"class": "ExponentialDecay", "learning_rate": 1, "decay_steps": 1, "decay_rate": 1e308},),
    *({"class": "CosineDecay", "learning_rate": 10**308, "decay_steps": 9, "warmup_steps": 8},),
    *({"class": "Dense", "units": 10**9}, {"$array": "training/none"}, {"$array": 3}),
    *({"$array": []}, {"$array": "0.Conv2D.w"}, {"$array": "training/optimizer/slots/5.Dense.b/m"}),
    *([{"class": "ReLU"}] * 3000, [{"class": "Dense", "units": 10**7}] * 50, "9" * 5000),
]  # fmt: skip


def one_change(rng, about):
    """Replace, delete, add, rename or exchange a value, in place."""
    found = list(paths_in(about))
    deep = [path for path in found if path[0] == "training"] if rng.random() < 0.7 else []
    *path, last = pick(rng, deep or found)
    holder = about
    for key in path:
        holder = holder[key]
    kind = pick(rng, ["nonsense"] * 6 + ["other", "delete", "add", "rename", "nested", "sign"])
    if kind == "nonsense":
        holder[last] = deepcopy(pick(rng, NONSENSE))
    elif kind == "other":
        other = about
        for key in pick(rng, found):
            other = other[key]
        holder[last] = deepcopy(other)
    elif kind == "delete":
        del holder[last]
    elif kind == "nested":
        for _ in range(int(rng.integers(1, 100))):
            holder[last] = pick(rng, [[holder[last]], {"a": holder[last]}])
    elif kind == "sign" and isinstance(holder[last], (int, float)):
        holder[last] = -holder[last] + pick(rng, [0, 1, 0.5])
    elif isinstance(holder, list):
        holder.append(deepcopy(pick(rng, NONSENSE)))
    elif kind == "rename":
        holder[pick(rng, ["x", "", "$array", "class"])] = holder.pop(last)
    else:
        holder[pick(rng, ["x", "name", "$array", "class", "0"])] = deepcopy(pick(rng, NONSENSE))


def contents_changed(rng, content, changes=1):
    about, tensors = contents_of(content)
    for _ in range(changes):
        one_change(rng, about)
    return sealed_again(about, tensors)


def one_tensor(rng, tensors):
    name, other = pick(rng, sorted(tensors)), pick(rng, sorted(tensors))
    array = tensors[name]
    kind = pick(rng, ["swap", "drop", "add", "rename", "dtype", "shape", "values"])
    if kind == "swap":
        tensors[name], tensors[other] = tensors[other], array
    elif kind == "drop":
        del tensors[name]
    elif kind in ("add", "rename"):
        new = pick(rng, ["x", "training/x", "99.Dense.w", "training/", f"{name}/m"])
        tensors[new] = tensors.pop(name) if kind == "rename" else array
    elif kind == "dtype":
        dtype = pick(rng, ["float64", "float16", "int8", "uint64", "bool", "complex64"])
        with np.errstate(all="ignore"):
            tensors[name] = np.nan_to_num(array).astype(dtype)
    elif kind == "shape":
        changed = [array[:0], array.T.copy(), array.reshape(-1), np.resize(array, 9999)]
        tensors[name] = pick(rng, [*changed, array[None], np.full((), 3, np.float32)])
    else:
        tensors[name] = np.full_like(array, pick(rng, [np.nan, np.inf, -1e30, 0, -1]))


def tensors_changed(rng, content):
    about, tensors = contents_of(content)
    one_tensor(rng, tensors)
    return sealed_again(about, tensors)


def all_at_once(rng, content):
    about, tensors = contents_of(content)
    for _ in range(int(rng.integers(2, 5))):
        one_change(rng, about)
        if tensors and rng.random() < 0.5:
            one_tensor(rng, tensors)
    content = sealed_again(about, tensors)
    return bytes_changed(rng, content) if rng.random() < 0.2 else content


# ---- reading ----


class Readers:
    """Counts what readers of a file do; records other errors than ModelError, and slow readers."""

    def __init__(self):
        self.count, self.unexpected, self.slow = Counter(), {}, {}

    def read(self, case, name, reader):
        """Call reader(); returns whether it raised a ModelError."""
        start = time.process_time()
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")  # of overflows after a NaN or 1e30
                reader()
        except ModelError as error:
            if "\n" in str(error):
                self.unexpected[f"{name}: more than a line: {error!s:.300}"] = case
            self.count[f"{name} refused"] += 1
            return True
        except Exception as error:
            self.unexpected.setdefault(f"{name}: {type(error).__name__}: {error!s:.300}", case)
        else:
            self.count[f"{name} read"] += 1
        finally:
            if (seconds := time.process_time() - start) > SECONDS:
                self.slow[name, case] = seconds
        return False


def peak_memory():
    resource = pytest.importorskip("resource", reason="measures memory")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


DAMAGE = {  # and the number of files in the exhaustive test
    bytes_changed: 500,
    header_changed: 400,
    contents_changed: 1200,
    tensors_changed: 300,
    all_at_once: 400,
}
CASES = [(damage, 20) for damage in DAMAGE]
CASES += [pytest.param(*case, marks=pytest.mark.exhaustive) for case in DAMAGE.items()]


@pytest.mark.parametrize(("damage", "count"), CASES)
@pytest.mark.parametrize("name", [NAME, "model.safetensors"])
def test_a_damaged_file_is_read_or_is_a_model_error(tmp_path, intact, damage, count, name):
    path, model, found = tmp_path / name, new_model(), Readers()
    begun = []  # not empty if training has begun

    def resume():
        begun.clear()
        train(model, tmp_path, path, LambdaCallback(on_train_begin=begun.append))

    (tmp_path / NAME).write_bytes(intact[NAME])
    train(model, tmp_path, tmp_path / NAME)
    before = peak_memory()
    for seed in range(count):
        path.write_bytes(damage(np.random.default_rng(seed), intact[name]))
        found.read(seed, "Sequential.load", lambda: Sequential.load(path))
        found.read(seed, "checkpoints.read", lambda: checkpoints.read(path))
        weights = model.get_weights()
        if found.read(seed, "fit", resume) and not begun:
            for one, other in zip(weights, model.get_weights(), strict=True):
                np.testing.assert_array_equal(one, other)
        for other in tmp_path.glob("epoch-*"):
            other.unlink()
    assert found.unexpected == {}
    assert found.slow == {}
    assert found.count["fit refused"] > count / 4
    assert name == NAME or found.count["checkpoints.read read"] == found.count["fit read"] == 0
    assert peak_memory() - before < BYTES
