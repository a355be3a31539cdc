"""Activations, saliency and occlusion: correct, and without changes to the model."""

import numpy as np
import pytest
from networks import full_network

from minicnn import Sequential, explain, kernels, layers
from minicnn.gradcheck import numerical_gradient, relative_error, spread


@pytest.fixture
def x():
    return spread((3, 8, 9, 2), np.random.default_rng(1))


# ---- activations ---------------------------------------------------------------------------


def test_activations_are_the_outputs_of_every_layer(x):
    model = full_network()
    outputs = explain.activations(model, x)
    assert [label for label, _ in outputs] == [layer.label for layer in model.layers]
    assert [y.shape[1:] for _, y in outputs] == [layer.output_shape for layer in model.layers]
    np.testing.assert_allclose(outputs[-1][1], model.predict(x), rtol=1e-12)
    y = x
    for (_, output), layer in zip(outputs, model.layers, strict=True):
        y = layer.forward(y)
        np.testing.assert_array_equal(output, y)


# ---- saliency ------------------------------------------------------------------------------


def logits(model, x):
    """Up to the softmax, as in inference, through the model's own layers."""
    model.softmax_in_loss = True
    scores = model.forward_logits(x)
    model.softmax_in_loss = False
    return scores


@pytest.mark.parametrize("classes", [None, 2, [0, 4, 1]])
def test_saliency_is_what_central_differences_give(x, classes, backend):
    model = full_network()
    chosen = logits(model, x).argmax(axis=1) if classes is None else np.broadcast_to(classes, 3)
    gradient = explain.saliency(model, x, classes)
    assert gradient.shape == x.shape
    moved = x.copy()
    with kernels.use_backend("numpy"):  # hundreds of passes
        numeric = numerical_gradient(lambda: logits(model, moved)[range(3), chosen].sum(), moved)
    assert relative_error(gradient, numeric) < 1e-7
    assert np.abs(gradient).max() > 1e-3


@pytest.mark.parametrize("last", [None, "sigmoid"])
def test_without_a_softmax_the_outputs_are_the_scores(x, last):
    model = full_network(last=last)
    moved = x.copy()
    numeric = numerical_gradient(lambda: model.predict(moved)[:, 1].sum(), moved)
    assert relative_error(explain.saliency(model, x, 1), numeric) < 1e-7


def test_a_confident_prediction_has_a_gradient():
    """The gradient of the probability would be zero."""
    model = Sequential(
        [layers.Flatten(), layers.Dense(2, activation="softmax")], input_shape=(1, 1, 1), seed=0
    )
    model.layers[1].params["w"][...] = [[-100.0, 100.0]]
    image = np.full((1, 1, 1, 1), 5.0)
    assert model.predict(image)[0, 1] == 1.0
    assert explain.saliency(model, image).item() == 100.0


def test_more_images_than_a_batch():
    model = full_network("float32")
    x = np.random.default_rng(0).random((300, 8, 9, 2), dtype=np.float32)
    everything = explain.saliency(model, x)
    assert everything.dtype == np.float32
    for i in (0, 255, 256, 299):
        np.testing.assert_allclose(everything[i], explain.saliency(model, x[i : i + 1])[0], 1e-4,
                                   1e-6)  # fmt: skip


# ---- occlusion -----------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (3, 1), (4, 2), (3, 3), (2, 5), (20, 4)])
@pytest.mark.parametrize("classes", [None, [0, 4, 1]])
def test_occlusion_is_what_covering_one_by_one_gives(x, size, stride, classes):
    model = full_network()
    drops = explain.occlusion(model, x, size, stride, value=0.5, classes=classes, batch_size=7)
    assert drops.shape == (3, -(-8 // stride), -(-9 // stride))
    before = model.predict(x)
    for n, i, j in np.ndindex(drops.shape):
        covered = x[n : n + 1].copy()
        top, left = (place * stride + (stride - size) // 2 for place in (i, j))
        covered[:, max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)] = 0.5
        k = before[n].argmax() if classes is None else classes[n]
        np.testing.assert_allclose(drops[n, i, j], before[n, k] - model.predict(covered)[0, k],
                                   atol=1e-12)  # fmt: skip


@pytest.mark.parametrize("name", ["size", "stride", "batch_size"])
def test_a_wrong_size(x, name):
    with pytest.raises(ValueError, match=f"expected {name} >= 1, received 0"):
        explain.occlusion(full_network(), x, **{name: 0})
    with pytest.raises(TypeError, match=name):
        explain.occlusion(full_network(), x, **{name: 1.5})


def test_occlusion_is_for_images():
    model = Sequential([layers.Dense(3, activation="softmax")], input_shape=(4,))
    with pytest.raises(ValueError, match=r"images \(N, H, W, C\), received \(2, 4\)"):
        explain.occlusion(model, np.zeros((2, 4)))
    assert explain.saliency(model, np.zeros((2, 4))).shape == (2, 4)


# ---- no changes to the model ---------------------------------------------------------------

EXPLANATIONS = [
    explain.activations,
    explain.saliency,
    lambda m, x: explain.occlusion(m, x, 3, 4),
]


def everything_in(model):
    """All arrays, the states of all generators, and what is kept for backward."""

    def described(layer):
        inner = getattr(layer, "nonlinearity", None)
        return {
            "params": {key: array.tobytes() for key, array in layer.params.items()},
            "state": {key: array.tobytes() for key, array in layer.state.items()},
            "grads": {key: array.tobytes() for key, array in layer.grads.items()},
            "kept": {key: [id(value) for value in kept] for key, kept in layer._kept.items()},
            "inner": inner and described(inner),
        }  # fmt: skip

    rngs = {name: repr(rng.bit_generator.state) for name, rng in model.generators().items()}
    return [described(layer) for layer in model.layers], rngs


@pytest.mark.parametrize("explanation", EXPLANATIONS)
@pytest.mark.parametrize("fused", [True, False])
def test_the_model_does_not_change(x, explanation, fused):
    model = full_network()
    model.fused = fused
    model.compile(metrics=["accuracy"])
    model.train_on_batch(x, np.eye(5)[:3])
    if explanation in EXPLANATIONS[:2]:  # also between forward and backward
        model.forward_logits(x, training=True)
    before, image = everything_in(model), x.tobytes()
    results = explanation(model, x)
    assert everything_in(model) == before
    assert x.tobytes() == image
    again = explanation(model, x)
    np.testing.assert_equal(results, again)


# ---- errors --------------------------------------------------------------------------------


@pytest.mark.parametrize("explanation", EXPLANATIONS)
def test_images_that_do_not_fit(explanation, x):
    with pytest.raises(ValueError, match=r"expected x \(N, \*\(8, 9, 2\)\), received \(3, 8, 9\)"):
        explanation(full_network(), x[..., 0])
    with pytest.raises(ValueError, match="at least one sample"):
        explanation(full_network(), x[:0])
    with pytest.raises(RuntimeError, match="input_shape"):
        explanation(Sequential([layers.Flatten()]), x)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (5, r"in 0…4, received 5…5"),
        ([-1, 0, 0], r"in 0…4, received -1…0"),
        ([0, 1], r"\(3,\) of them, one per image, received int64 \(2,\)"),
        (1.0, "whole number"),
        (True, "whole number"),
    ],
)
def test_a_wrong_class(x, classes, message):
    for explanation in (explain.saliency, explain.occlusion):
        with pytest.raises(ValueError, match=message):
            explanation(full_network(), x, classes=classes)


def test_a_model_without_classes_is_an_error():
    model = Sequential([layers.Conv2D(2, 1)], input_shape=(4, 4, 1))
    with pytest.raises(ValueError, match=r"outputs \(classes,\), received \(4, 4, 2\)"):
        explain.saliency(model, np.zeros((1, 4, 4, 1)))
