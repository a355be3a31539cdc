"""From a name or a saved configuration to an object, and back."""

import json

import pytest

from minicnn import initializers, layers, losses, metrics, optimizers, schedules
from minicnn.registry import config_of, find, lookup

THINGS = [
    (layers, layers.AvgPool2D(3, 2, "same")),
    (layers, layers.BatchNorm(0.9, 1e-4, name="norm")),
    (
        layers,
        layers.Conv2D(
            4,
            (3, 5),
            strides=(2, 1),
            padding=((1, 2), (0, 3)),
            dilation_rate=(1, 2),
            activation=layers.LeakyReLU(0.2),
            use_bias=False,
            kernel_initializer=initializers.HeUniform(),
            bias_initializer="ones",
            l2=0.01,
            name="eye",
        ),
    ),
    (layers, layers.Dense(7, activation="softmax", kernel_initializer="glorot_normal")),
    (layers, layers.Dropout(0.4)),
    (layers, layers.Flatten(name="flat")),
    (layers, layers.GlobalAvgPool2D()),
    (layers, layers.LeakyReLU(0.05)),
    (layers, layers.MaxPool2D((2, 3), (1, 2), 1)),
    (layers, layers.ReLU()),
    (layers, layers.Reshape((-1, 3))),
    (layers, layers.Sigmoid()),
    (layers, layers.Softmax()),
    (layers, layers.Tanh()),
    (losses, losses.CategoricalCrossentropy(0.1)),
    (losses, losses.CategoricalCrossentropy(from_logits=True)),
    (losses, losses.SparseCategoricalCrossentropy(0.2)),
    (losses, losses.MeanSquaredError()),
    (optimizers, optimizers.SGD(0.1, 0.9, True, clipnorm=1.0)),
    (optimizers, optimizers.RMSprop(0.1, 0.8, 0.5, 1e-5, weight_decay=0.1)),
    (optimizers, optimizers.Adam(schedules.CosineDecay(0.1, 100, 10, 0.01), 0.8, 0.99, 1e-6)),
    (optimizers, optimizers.AdamW(0.1, weight_decay=0.2, global_clipnorm=3.0)),
    (schedules, schedules.Constant(0.3)),
    (schedules, schedules.StepDecay(0.3, 10, 0.5)),
    (schedules, schedules.ExponentialDecay(0.3, 10, 0.5)),
    (schedules, schedules.CosineDecay(0.3, 10, 2, 0.5)),
    (initializers, initializers.GlorotUniform()),
    (initializers, initializers.HeNormal()),
]


@pytest.mark.parametrize(
    ("module", "thing"), THINGS, ids=lambda value: getattr(type(value), "__name__", None)
)
def test_round_trip(module, thing):
    text = json.dumps(config_of(thing))
    again = module.get(json.loads(text))
    assert type(again) is type(thing)
    assert json.dumps(config_of(again)) == text
    assert json.loads(text)["class"] == type(thing).__name__


def test_every_class_has_a_round_trip():
    tried = {type(thing).__name__ for _, thing in THINGS}
    for module in (layers, losses, optimizers, schedules):
        assert {cls.__name__ for cls in module.TABLE.values()} <= tried


@pytest.mark.parametrize("module", [layers, losses, optimizers, schedules, initializers, metrics])
def test_every_public_class_has_a_name(module):
    for name, cls in module.TABLE.items():
        assert find("thing", name, module.TABLE) is cls
        assert find("thing", cls.__name__, module.TABLE) is cls


def test_every_public_layer_is_in_the_table():
    bases = {"Activation", "Layer", "Weighted"}
    bases |= {"Stage", "Prepared", "ConvReLUPool"}  # made by fuse()
    public = {name for name in layers.__all__ if isinstance(getattr(layers, name), type)}
    assert public - bases == {cls.__name__ for cls in layers.TABLE.values()}


def test_get():
    adam = optimizers.Adam()
    assert optimizers.get(adam) is adam
    assert type(optimizers.get(optimizers.Adam)) is optimizers.Adam
    assert type(optimizers.get("adam")) is optimizers.Adam
    assert type(optimizers.get("Adam")) is optimizers.Adam
    config = {"class": "Adam", "beta_1": 0.5}
    assert optimizers.get(config).beta_1 == 0.5
    assert config == {"class": "Adam", "beta_1": 0.5}


def test_an_unknown_name():
    with pytest.raises(ValueError, match="unknown loss 'categorical_crossentropi'") as caught:
        losses.get("categorical_crossentropi")
    assert "did you mean 'categorical_crossentropy'" in str(caught.value)
    for name in losses.TABLE:
        assert name in str(caught.value)
    with pytest.raises(ValueError, match="unknown optimizer 'zzzzzz'") as caught:
        optimizers.get("zzzzzz")  # has no similar name
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize("config", [{}, {"class": None}, {"class": "Nope"}, {"class": ["Adam"]}])
def test_a_configuration_without_a_known_class(config):
    with pytest.raises(ValueError, match="unknown optimizer"):
        optimizers.get(config)


@pytest.mark.parametrize("extra", ["beta_3", "iterations", "slots", "__class__", ""])
def test_a_configuration_with_an_unknown_option(extra):
    """Also fields that are not options, such as the count of steps."""
    with pytest.raises(ValueError, match="beta_1") as caught:
        optimizers.get({"class": "Adam", extra: 1})
    assert repr(extra) in str(caught.value)


@pytest.mark.parametrize("given", [None, 3, 2.5, [], ("adam",), b"adam", object])
def test_other_types(given):
    with pytest.raises(TypeError, match="expected optimizer as a name or an object"):
        optimizers.get(given)


def test_a_class_of_another_kind():
    with pytest.raises(TypeError):
        optimizers.get(losses.MeanSquaredError())
    with pytest.raises(TypeError):
        optimizers.get(losses.MeanSquaredError)
    with pytest.raises(ValueError, match="unknown"):
        optimizers.get({"class": "MeanSquaredError"})


def test_a_class_that_is_not_in_the_table():
    class Mine(losses.Loss):
        pass

    mine = Mine()
    assert lookup("loss", mine, losses.TABLE, losses.Loss) is mine
    assert isinstance(lookup("loss", Mine, losses.TABLE, losses.Loss), Mine)
