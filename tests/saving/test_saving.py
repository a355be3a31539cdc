"""model.save and Sequential.load: a round trip of every setting; other files are refused. (Random
damage to them: tests/test_fuzz_files.py.)"""

import json
import os
import pickle
import re
import struct
import tracemalloc

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from minicnn import (
    ModelError,
    Sequential,
    layers,
    losses,
    metrics,
    optimizers,
    schedules,
)
from minicnn.registry import config_of

SHAPE = (8, 8, 2)


def everything(**options):
    """One layer of every kind, with options that are not the defaults."""
    return Sequential(
        [
            layers.Conv2D(
                4,
                (3, 2),
                strides=(1, 2),
                padding=((1, 1), (0, 1)),
                dilation_rate=(1, 2),
                activation=layers.LeakyReLU(0.2),
                kernel_initializer="he_uniform",
                l2=0.01,
                name="eye",
            ),
            layers.BatchNorm(0.9, 1e-4),
            layers.ReLU(),
            layers.MaxPool2D((2, 1), padding="same"),
            layers.Conv2D(3, 2, use_bias=False, padding="same", activation="tanh"),
            layers.AvgPool2D(2, strides=1),
            layers.Reshape((-1, 1, 3)),
            layers.Sigmoid(),
            layers.GlobalAvgPool2D(),
            layers.LeakyReLU(0.1),
            layers.Tanh(),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(4, bias_initializer="ones"),
            layers.Softmax(),
        ],
        **{"input_shape": SHAPE, "seed": 3, "name": "all of it", **options},
    )


def small(**options):
    return Sequential(
        [layers.Flatten(), layers.Dense(3, activation="softmax")],
        **{"input_shape": (2, 2, 1), "seed": 0, **options},
    )


def images(n=12, shape=SHAPE):
    return np.random.default_rng(0).random((n, *shape), dtype=np.float32)


def one_hot(n=12, classes=4):
    return np.eye(classes, dtype=np.uint8)[np.random.default_rng(1).integers(0, classes, n)]


def round_trip(model, tmp_path):
    model.save(tmp_path / "model.safetensors")
    return Sequential.load(tmp_path / "model.safetensors")


def same(a, b):
    assert len(a.get_weights()) == len(b.get_weights())
    for one, other in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


# ---- round trip ----


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_model_of_every_layer(tmp_path, dtype):
    model = everything(dtype=dtype)
    model.class_names = ["null", "eins", "zwei", "drei ✓"]
    model.compile(
        optimizers.AdamW(schedules.CosineDecay(0.01, 40, 5), weight_decay=0.1, global_clipnorm=2.0),
        losses.CategoricalCrossentropy(label_smoothing=0.1),
        ["acc", "top_3_accuracy", "mse"],
    )
    model.fit(images(), one_hot(), epochs=2, verbose=0)
    again = round_trip(model, tmp_path)
    same(model, again)
    assert again.predict(images()).tobytes() == model.predict(images()).tobytes()
    assert again.evaluate(images(), one_hot()) == model.evaluate(images(), one_hot())
    assert [config_of(layer) for layer in again.layers] == [config_of(la) for la in model.layers]
    for name in ("name", "seed", "input_shape", "output_shape", "class_names", "dtype"):
        assert getattr(again, name) == getattr(model, name), name
    assert config_of(again.optimizer) == config_of(model.optimizer)
    assert config_of(again.loss) == config_of(model.loss)
    assert [m.name for m in again.metrics] == [m.name for m in model.metrics]
    assert [m.name for m in again.metrics] == ["accuracy", "top_3_accuracy", "mean_squared_error"]


@pytest.mark.parametrize(
    ("optimizer", "loss"),
    [
        (optimizers.SGD(0.3, 0.9, True, clipnorm=0.5), losses.MeanSquaredError()),
        (
            optimizers.RMSprop(schedules.StepDecay(0.1, 7, 0.3), 0.8, 0.2, 1e-4),
            losses.SparseCategoricalCrossentropy(0.2),
        ),
        (
            optimizers.Adam(schedules.ExponentialDecay(0.1, 7, 0.9), 0.8, 0.99, 1e-6),
            losses.MeanSquaredError(),
        ),
    ],
)
def test_optimizer_and_loss_keep_their_options(tmp_path, optimizer, loss):
    model = small()
    model.compile(optimizer, loss)
    again = round_trip(model, tmp_path)
    assert again.optimizer == optimizer
    assert again.loss == loss


def test_a_model_with_logits(tmp_path):
    model = Sequential([layers.Flatten(), layers.Dense(4)], input_shape=SHAPE, seed=0)
    model.compile("sgd", losses.CategoricalCrossentropy(from_logits=True))
    again = round_trip(model, tmp_path)
    assert again.loss.from_logits
    assert again.evaluate(images(), one_hot()) == model.evaluate(images(), one_hot())


def test_a_model_that_was_not_compiled(tmp_path):
    again = round_trip(small(), tmp_path)
    with pytest.raises(RuntimeError, match="compile"):
        again.evaluate(images(3, (2, 2, 1)), one_hot(3, 3))
    assert again.predict(images(3, (2, 2, 1))).shape == (3, 3)
    assert again.class_names is None


def test_a_loaded_model_trains_like_one_with_a_new_optimizer(tmp_path):
    model = small()
    x, y = images(12, (2, 2, 1)), one_hot(12, 3)
    model.compile("adam", metrics=["accuracy"])
    model.fit(x, y, epochs=2, verbose=0)
    again = round_trip(model, tmp_path)
    model.compile("adam", metrics=["accuracy"])
    options = {"batch_size": 5, "epochs": 3, "shuffle": False, "verbose": 0}
    assert again.fit(x, y, **options).history == model.fit(x, y, **options).history
    same(again, model)
    assert again.optimizer.iterations == 9


def test_a_model_saved_before_training_trains_like_the_original(tmp_path):
    """The seed in the file determines order and dropout."""
    model = Sequential(
        [
            layers.Flatten(),
            layers.Dense(5, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(3, activation="softmax"),
        ],
        input_shape=(2, 2, 1),
        seed=4,
    )
    model.compile("adam")
    again = round_trip(model, tmp_path)
    for each in (model, again):
        each.fit(images(12, (2, 2, 1)), one_hot(12, 3), batch_size=5, epochs=2, verbose=0)
    same(model, again)


def test_a_learning_rate_set_by_hand_is_saved(tmp_path):
    model = small()
    model.compile("adam")
    model.optimizer.learning_rate = 0.125
    assert round_trip(model, tmp_path).optimizer.current_learning_rate == 0.125


def test_a_loaded_model_does_not_depend_on_its_file(tmp_path):
    path = tmp_path / "model.safetensors"
    model = small()
    model.save(path)
    again = Sequential.load(path)
    path.write_bytes(b"\xff" * path.stat().st_size)
    same(model, again)
    again.save(path)
    same(model, Sequential.load(path))


def test_special_values_in_weights(tmp_path):
    model = small()
    weights = model.get_weights()
    weights[0].flat[:5] = [np.nan, np.inf, -np.inf, -0.0, 1e-45]
    model.set_weights(weights)
    again = round_trip(model, tmp_path)
    assert again.get_weights()[0].tobytes() == weights[0].tobytes()


def test_weights_in_fortran_order(tmp_path):
    model = small()
    for layer in model.layers:
        layer.params = {key: np.asfortranarray(w) for key, w in layer.params.items()}
    same(model, round_trip(model, tmp_path))


def test_equal_models_give_equal_bytes(tmp_path):
    contents = set()
    for number in range(6):
        model = everything()
        model.compile()
        model.save(tmp_path / f"{number}.safetensors")
        contents.add((tmp_path / f"{number}.safetensors").read_bytes())
    assert len(contents) == 1


def test_numpy_numbers_as_options(tmp_path):
    """E.g. Dense(labels.max() + 1) is a NumPy integer."""
    model = Sequential(
        [
            layers.Conv2D(np.int64(2), np.int64(3), l2=np.float32(0.01)),
            layers.Flatten(),
            layers.Dropout(np.float32(0.5)),
            layers.Dense(np.int64(3), activation="softmax"),
        ],
        input_shape=tuple(np.array(SHAPE)),
        seed=np.int64(7),
    )
    model.compile(optimizers.Adam(beta_1=np.float32(0.5)))
    again = round_trip(model, tmp_path)
    same(model, again)
    assert again.predict(images()).tobytes() == model.predict(images()).tobytes()


class OwnLayer(layers.Layer):
    def forward(self, x, training=False):
        return x


class OwnLoss(losses.MeanSquaredError):
    pass


class OwnOptimizer(optimizers.SGD):
    pass


class OwnMetric(metrics.Accuracy):
    name = "mine"


@pytest.mark.parametrize("own", ["layer", "loss", "metric", "optimizer"])
def test_a_model_that_could_not_be_loaded_is_refused_by_save(tmp_path, own):
    model = Sequential(
        [OwnLayer() if own == "layer" else layers.ReLU(), layers.Flatten(), layers.Dense(3)],
        input_shape=(2, 2, 1),
        seed=0,
    )
    model.compile(
        OwnOptimizer() if own == "optimizer" else "sgd",
        OwnLoss() if own == "loss" else "mse",
        [OwnMetric()] if own == "metric" else [],
    )
    path = tmp_path / "model.safetensors"
    try:
        model.save(path)
    except (TypeError, ValueError) as error:
        name = {"metric": "mine"}.get(own, f"Own{own.capitalize()}")
        assert name in str(error)  # noqa: PT017
        assert list(tmp_path.iterdir()) == []
    else:
        same(model, Sequential.load(path))


# ---- writing ----


def test_an_unbuilt_model_is_refused(tmp_path):
    with pytest.raises(RuntimeError, match="input_shape"):
        Sequential([layers.Dense(3)]).save(tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["model", "model.h5", "model.keras", "model.safetensors.bak"])
def test_another_suffix_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"\.safetensors"):
        small().save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_path_may_be_text(tmp_path):
    path = str(tmp_path / "ordner ä" / "model.safetensors")  # the folder is created
    small().save(path)
    assert isinstance(Sequential.load(path), Sequential)


def test_safetensors_can_read_the_file(tmp_path):
    model = small()
    model.save(tmp_path / "model.safetensors")
    tensors = load_file(tmp_path / "model.safetensors")
    assert sorted(tensors) == sorted(model.tensors())
    assert sorted(w.tobytes() for w in tensors.values()) == sorted(
        w.tobytes() for w in model.get_weights()
    )


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on file sizes")
def test_a_full_disk_is_an_os_error_and_leaves_the_old_model(tmp_path):
    import resource

    path = tmp_path / "model.safetensors"
    small(seed=1).save(path)
    before = path.read_bytes()
    limit, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    model = everything()
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, most))
    try:
        with pytest.raises(OSError):
            model.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


# ---- files of other kinds ----


@pytest.mark.parametrize("name", ["missing.safetensors", "missing", "."])
def test_a_missing_file_is_named(tmp_path, name):
    with pytest.raises(FileNotFoundError, match="model file"):
        Sequential.load(tmp_path / name)


FOREIGN = {
    "nothing": b"",
    "a byte": b"\x00",
    "text": b"this is not a model\n" * 20,
    "zeros": bytes(1000),
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "a zip": b"PK\x03\x04" + bytes(100),
    "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "a header longer than the file": struct.pack("<Q", 1 << 40) + b"{}",
    "a header that is not JSON": struct.pack("<Q", 8) + b"{{{{{{{{",
    "a header that is a list": struct.pack("<Q", 8) + b"[]      ",
    "an empty header": struct.pack("<Q", 8) + b"{}      ",
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_file_of_another_kind_is_refused(tmp_path, kind):
    path = tmp_path / "model.safetensors"
    path.write_bytes(FOREIGN[kind])
    with pytest.raises(ModelError, match="expected") as caught:
        Sequential.load(path)
    assert str(path) in str(caught.value)


def test_nothing_is_unpickled(tmp_path):
    marker = tmp_path / "executed"
    path = tmp_path / "model.safetensors"

    class Evil:
        def __reduce__(self):
            return (open, (str(marker), "w"))

    pickle.loads(pickle.dumps(Evil())).close()
    assert marker.exists()  # the attack works
    marker.unlink()
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ModelError):
        Sequential.load(path)
    with path.open("wb") as file:
        np.save(file, np.array([Evil()], dtype=object), allow_pickle=True)
    with pytest.raises(ModelError):
        Sequential.load(path)
    assert not marker.exists()


# ---- damaged files ----


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    """(model, bytes of its file)"""
    model = everything()
    model.class_names = ["a", "b", "c", "d"]
    model.compile(optimizers.SGD(schedules.CosineDecay(0.1, 10)), metrics=["accuracy"])
    path = tmp_path_factory.mktemp("intact") / "model.safetensors"
    model.save(path)
    return model, path.read_bytes()


def split_file(content):
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def join_file(header, body):
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def about(content):
    """The metadata {"version", "written_by", "model"}, without the checksum: files of the first
    releases have none, so that rewritten files get past it."""
    metadata = json.loads(split_file(content)[0]["__metadata__"]["minicnn"])
    del metadata["sha256"]
    return metadata


def with_about(content, text):
    header, body = split_file(content)
    header["__metadata__"]["minicnn"] = text if isinstance(text, str) else json.dumps(text)
    return join_file(header, body)


def with_config(content, change):
    """The file with the configuration change(config)."""
    metadata = about(content)
    return with_about(content, metadata | {"model": change(metadata["model"])})


def load_bytes(tmp_path, content):
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(content)
    return Sequential.load(path)


def test_rewriting_the_file_keeps_the_model(tmp_path, intact):
    """Also without the checksum, as early releases wrote it."""
    model, content = intact
    same(model, load_bytes(tmp_path, join_file(*split_file(content))))
    same(model, load_bytes(tmp_path, with_config(content, lambda config: config)))


def test_a_truncated_or_longer_file_is_refused(tmp_path, intact):
    _, content = intact
    header = 8 + struct.unpack("<Q", content[:8])[0]
    lengths = (0, 1, 7, 8, 9, header - 1, header, header + 1, len(content) // 2, len(content) - 1)
    for damaged in (*(content[:length] for length in lengths), content + b"\x00"):
        with pytest.raises(ModelError, match="expected"):
            load_bytes(tmp_path, damaged)


@pytest.mark.parametrize("count", [10, pytest.param(60, marks=pytest.mark.exhaustive)])
def test_a_flipped_bit_is_an_error_or_changes_nothing(tmp_path, intact, count):
    model, content = intact
    header = 8 + struct.unpack("<Q", content[:8])[0]
    rng = np.random.default_rng(0)
    positions = [*rng.integers(0, header, 4 * count), *rng.integers(header, len(content), count)]
    refused = {}
    for position in positions:
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(rng.integers(8))
        try:
            again = load_bytes(tmp_path, bytes(damaged))
        except ModelError as error:
            refused[position] = str(error)
            continue
        assert position < header  # a space in the header may become another white space
        same(model, again)
    assert len(refused) > 0.9 * len(set(positions))
    of_weights = [message for position, message in refused.items() if position >= header]
    assert of_weights
    assert all(re.search(r"checksum: expected \w{16}…, received", each) for each in of_weights)


def test_an_unknown_entry_is_refused(tmp_path, intact):
    """Otherwise a flipped bit in the name of the checksum would disable it."""
    metadata = about(intact[1]) | {"sha255": "0"}
    with pytest.raises(ModelError, match=r"expected metadata entries .* received \['sha255'\]"):
        load_bytes(tmp_path, with_about(intact[1], metadata))


def test_a_missing_entry_is_a_model_error(tmp_path, intact):
    content = intact[1]
    metadata = about(content)
    for key in metadata["model"].keys() - {"preparation"}:  # older files have none

        def remove(config, key=key):
            del config[key]
            return config

        with pytest.raises(ModelError, match=key):
            load_bytes(tmp_path, with_config(content, remove))
    for key in ("version", "model"):
        with pytest.raises(ModelError, match=key):
            load_bytes(
                tmp_path, with_about(content, {k: v for k, v in metadata.items() if k != key})
            )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "3",
        '"text"',
        "[]",
        "{}",
        "[" * 100_000,
        '{"layers": ' + "[" * 50_000 + "]" * 50_000 + "}",
        "1" * 10_000,
    ],
    ids=lambda text: text[:12],
)
def test_a_configuration_that_is_not_an_object_is_refused(tmp_path, intact, text):
    with pytest.raises(ModelError):
        load_bytes(tmp_path, with_about(intact[1], text))
    model = f'{{"version": 1, "written_by": "x", "model": {text}}}'
    with pytest.raises(ModelError):
        load_bytes(tmp_path, with_about(intact[1], model))


def test_a_file_without_metadata_is_refused(tmp_path, intact):
    header, body = split_file(intact[1])
    for metadata in ({}, {"format": "minicnn"}, {"model": "{}"}):
        header["__metadata__"] = metadata
        with pytest.raises(ModelError, match="minicnn"):
            load_bytes(tmp_path, join_file(header, body))
    del header["__metadata__"]
    with pytest.raises(ModelError, match="minicnn"):
        load_bytes(tmp_path, join_file(header, body))


@pytest.mark.parametrize("version", [None, 2, "1"])
def test_another_version_is_refused(tmp_path, intact, version):
    content = with_about(intact[1], about(intact[1]) | {"version": version})
    with pytest.raises(ModelError, match="version 1") as caught:
        load_bytes(tmp_path, content)
    assert f"received {version!r}" in str(caught.value)


@pytest.mark.parametrize("cls", ["LSTM", "Weighted", "os.system", ""])
def test_an_unknown_layer_is_refused_by_name(tmp_path, intact, cls):
    def change(config):
        config["layers"][2] = {"class": cls}
        return config

    with pytest.raises(ModelError, match="unknown layer") as caught:
        load_bytes(tmp_path, with_config(intact[1], change))
    assert repr(cls) in str(caught.value)


@pytest.mark.parametrize(
    "giant",
    [
        [{"class": "Conv2D", "filters": 10**9, "kernel_size": 3}],
        [
            {"class": "Conv2D", "filters": 1, "kernel_size": 1, "padding": 10**9},
            {"class": "Flatten"},
            {"class": "Dense", "units": 10},
        ],
        [{"class": "Flatten"}, *({"class": "Dense", "units": 10**7} for _ in range(50))],
    ],
    ids=["filters", "padding", "a chain of wide layers"],
)
def test_a_giant_configuration_is_refused_without_allocating_it(tmp_path, intact, giant):
    content = with_config(intact[1], lambda config: config | {"layers": giant, "compile": None})
    tracemalloc.start()
    try:
        with pytest.raises(ModelError):
            load_bytes(tmp_path, content)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def rewritten(tmp_path, content, change):
    """Load the file with other tensors: change(tensors) works in place."""
    source = tmp_path / "source.safetensors"
    source.write_bytes(content)
    tensors = load_file(source)
    change(tensors)
    path = tmp_path / "rewritten.safetensors"
    save_file(tensors, path, {"minicnn": json.dumps(about(content))})
    return Sequential.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: None, "missing.*{name}"),
        (lambda w: w.astype("float64"), "{name}.*float32.*float64"),
        (lambda w: np.ascontiguousarray(w.T), "{name}.*expected"),
        (lambda w: w.reshape(-1), "{name}.*expected"),
        (lambda w: w[:0], "{name}.*expected"),
    ],
    ids=["missing", "dtype", "transposed", "flat", "empty"],
)
def test_a_tensor_that_does_not_fit_is_named(tmp_path, intact, change, message):
    name = next(name for name in intact[0].tensors() if "Dense" in name and name.endswith("w"))

    def put(tensors):
        w = change(tensors.pop(name))
        if w is not None:
            tensors[name] = w

    with pytest.raises(ModelError, match=message.format(name=name)):
        rewritten(tmp_path, intact[1], put)


def test_an_extra_tensor_is_named(tmp_path, intact):
    extra = {"99.Dense.w": np.zeros(3, np.float32)}
    with pytest.raises(ModelError, match=r"unexpected.*99\.Dense\.w"):
        rewritten(tmp_path, intact[1], lambda tensors: tensors.update(extra))


@pytest.mark.parametrize("dtype", ["BF16", "I64", "X9"])
def test_a_tensor_of_an_unexpected_dtype_is_refused(tmp_path, dtype):
    sizes = {"BF16": 2, "I64": 8, "X9": 4}
    model = small()
    path = tmp_path / "model.safetensors"
    model.save(path)
    header, _ = split_file(path.read_bytes())
    offset = 0
    for entry in header.values():
        if "shape" in entry:
            end = offset + int(np.prod(entry["shape"]) * sizes[dtype])
            entry |= {"dtype": dtype, "data_offsets": [offset, end]}
            offset = end
    with pytest.raises(ModelError, match="expected"):
        load_bytes(tmp_path, join_file(header, bytes(offset)))
