"""The numbers of a trace agree with the model's own forward and backward."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from networks import full_network, perturbed

from minicnn import Sequential, architectures, kernels, layers
from minicnn.explain import trace
from minicnn.gradcheck import numerical_gradient, relative_error, spread

TIGHT = {"rtol": 1e-9, "atol": 1e-12}


@pytest.fixture(autouse=True)
def numpy_backend():
    """Nothing to compile."""
    with kernels.use_backend("numpy"):
        yield


def real_pass(model, image, target):
    """dx of the model's own backward, which also fills the grads of its layers."""
    model.softmax_in_loss = True
    z = model.forward_logits(image[None], training=True)
    p = layers.Softmax().f(z)
    dz = p - np.eye(p.shape[1], dtype=p.dtype)[[target]]
    dx = model.backward_logits(dz, need_dx=True)
    model.softmax_in_loss = False
    return dx[0]


def numbers(done, index):
    """Every number of a layer's output."""
    return [
        (place, trace.look(done, index, place)) for place in np.ndindex(done.passes[index].y.shape)
    ]


# ---- a whole pass --------------------------------------------------------------------------


@pytest.fixture
def image():
    return spread((8, 9, 2), np.random.default_rng(1))


def test_the_outputs_are_those_of_the_model(image, backend):
    model = full_network()
    done = trace.run(model, image, 2)
    y = image[None]
    for one, layer in zip(done.passes, model.layers, strict=True):
        np.testing.assert_allclose(one.x, y[0], rtol=1e-12)
        y = layer.forward(y)
        np.testing.assert_allclose(one.y, y[0], rtol=1e-12)
        assert one.layer is layer
    np.testing.assert_allclose(done.probabilities, model.predict(image[None])[0], rtol=1e-12)
    assert done.predicted == model.predict(image[None])[0].argmax()
    assert done.loss == pytest.approx(-np.log(done.probabilities[2]), rel=1e-12)


def test_the_default_target_is_the_predicted_class(image):
    done = trace.run(full_network(), image)
    assert done.target == done.predicted


def test_every_gradient_is_what_central_differences_give(image):
    model, target = full_network(), 4
    done = trace.run(model, image, target)
    moved = image.copy()

    def loss_of_image():
        return -np.log(model.predict(moved[None])[0, target])

    assert relative_error(done.passes[0].dx, numerical_gradient(loss_of_image, moved)) < 1e-6
    for one in done.passes:
        for name, found in (("w", one.dw), ("b", one.db)):
            if found is None:
                assert name not in one.layer.params
                continue
            numeric = numerical_gradient(loss_of_image, one.layer.params[name])
            assert relative_error(found, numeric) < 1e-6
    assert np.abs(done.passes[0].dx).max() > 1e-4


def test_the_model_does_not_change(image):
    model = full_network()
    before, drawn = model.get_weights(), model.layers[2].rng.bit_generator.state
    done = trace.run(model, image, 1)
    for index in range(len(done.passes)):
        numbers(done, index)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert model.layers[2].rng.bit_generator.state == drawn
    assert [(layer.grads, layer._kept) for layer in model.layers] == [({}, {})] * len(model.layers)


@pytest.mark.parametrize(
    "last",
    [
        [layers.Dense(3, activation="softmax")],
        [layers.Dense(3), layers.Softmax()],
        [layers.Dense(3)],  # scores; the loss adds the softmax
    ],
)
def test_three_ways_to_end_a_network(last):
    image = spread((2, 2, 1), np.random.default_rng(0))
    model = Sequential([layers.Flatten(), *last], input_shape=(2, 2, 1), seed=0, dtype="float64")
    done = trace.run(model, image, 1)
    w = model.layers[1].params["w"]
    z = image.reshape(1, 4) @ w
    p = np.exp(z[0]) / np.exp(z).sum()
    np.testing.assert_allclose(done.probabilities, p, rtol=1e-12)
    np.testing.assert_allclose(done.passes[1].dw, np.outer(image, p - [0, 1, 0]), rtol=1e-10)


@pytest.mark.parametrize(
    ("image", "target", "message"),
    [
        (np.zeros((8, 8, 1)), None, r"expected one image \(8, 9, 2\), received \(8, 8, 1\)"),
        (np.zeros((2, 8, 9, 2)), None, "received"),
        (np.zeros((8, 9, 2)), 5, r"expected a class in 0…4, received 5"),
        (np.zeros((8, 9, 2)), -1, "received -1"),
    ],
)
def test_arguments_that_do_not_fit(image, target, message):
    with pytest.raises(ValueError, match=message):
        trace.run(full_network(), image, target)


def test_a_model_without_weights_or_classes():
    with pytest.raises(RuntimeError, match="no weights yet"):
        trace.run(Sequential([layers.Flatten()]), np.zeros((2, 2, 1)))
    with pytest.raises(ValueError, match=r"expected a model with outputs \(classes,\)"):
        trace.run(Sequential([layers.ReLU()], input_shape=(2, 2, 1)), np.zeros((2, 2, 1)))


# ---- a number of a convolution -------------------------------------------------------------

GEOMETRIES = st.fixed_dictionaries(
    {
        "kernel_size": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "strides": st.tuples(st.integers(1, 3), st.integers(1, 2)),
        "padding": st.sampled_from(["valid", "same", 1, ((0, 2), (1, 0))]),
        "dilation_rate": st.tuples(st.integers(1, 2), st.integers(1, 2)),
        "use_bias": st.booleans(),
    }
)
POOLS = st.tuples(
    st.sampled_from([layers.MaxPool2D, layers.AvgPool2D]), st.integers(1, 3), st.integers(1, 3)
)


@settings(max_examples=15)
@given(GEOMETRIES, POOLS, st.integers(1, 2), st.integers(0, 2**32 - 1))
def test_the_terms_of_all_pixels_add_up_to_the_gradients(geometry, pool, channels, seed):
    """Of the weights, the bias and the input."""
    kind, size, stride = pool
    try:
        model = Sequential(
            [
                layers.Conv2D(2, **geometry, activation="relu"),
                kind(size, stride),
                layers.Flatten(),
                layers.Dense(3, activation="softmax"),
            ],
            input_shape=(7, 6, channels),
            seed=seed,
            dtype="float64",
        )
    except ValueError:
        assume(False)  # the window is larger than the image
    image = spread((7, 6, channels), np.random.default_rng(seed))
    perturbed(model, seed)
    dx = real_pass(model, image, 1)
    done = trace.run(model, image, 1)
    conv = model.layers[0]
    dw, db = np.zeros_like(conv.params["w"]), np.zeros(2)
    scattered = np.pad(np.zeros_like(image), ((9, 9), (9, 9), (0, 0)))
    cols = kernels.im2col(image[None], conv.kernel_size, stride=conv.strides,
                          padding=conv.padding, dilation=conv.dilation_rate)  # fmt: skip
    DH, DW = conv.dilation_rate
    for (row, column, f), number in numbers(done, 0):
        n = number.convolution
        np.testing.assert_array_equal(cols[n.patch_row], n.window.ravel())
        np.testing.assert_allclose(n.products, n.window * conv.params["w"][..., f])
        assert n.channel_sums.sum() == pytest.approx(n.sum)
        assert (n.patch_rows, n.taps, n.filters) == (*cols.shape, 2)
        assert n.z == pytest.approx(n.sum + (n.bias or 0.0), abs=1e-12)
        assert number.y == max(n.z, 0)
        assert n.dz == (number.dy if n.z > 0 else 0)
        assert number.dy == pytest.approx(
            sum(p.dx_terms[row - p.top, column - p.left] for p in number.pooled), abs=1e-15
        )
        for p in number.pooled:
            assert p.values[row - p.top, column - p.left] == number.y
            assert p.y == pytest.approx(getattr(p.values[p.inside], p.kind)())
            if p.kind == "max":  # the first of equal ones
                first = np.where(p.inside, p.values, -np.inf).argmax()
                assert p.argmax == np.unravel_index(first, p.values.shape)
        dw[..., f] += n.dw_term
        db[f] += n.dz
        KH, KW, _ = n.window.shape
        rows = slice(9 + n.top, 9 + n.top + KH * DH, DH)
        scattered[rows, 9 + n.left : 9 + n.left + KW * DW : DW] += n.dx_term
        np.testing.assert_allclose(n.dw, conv.grads["w"][..., f], **TIGHT)
        assert n.inside.any() or not n.window.any()
    np.testing.assert_allclose(dw, conv.grads["w"], **TIGHT)
    if conv.use_bias:
        np.testing.assert_allclose(db, conv.grads["b"], **TIGHT)
    np.testing.assert_allclose(scattered[9:16, 9:15], dx, **TIGHT)
    np.testing.assert_allclose(done.passes[0].dx, dx, **TIGHT)


def test_the_padding_of_a_pooling_has_no_gradient(image):
    done = trace.run(full_network(), image, 1)
    for _, number in numbers(done, 6):  # average pooling of 3×3 maps, padded to 4×4
        p = number.pooling
        assert p.values[p.inside].mean() == pytest.approx(number.y)
        assert not p.dx_terms[~p.inside].any()
        assert p.dx_terms.sum() == pytest.approx(p.dy)
    assert not trace.look(done, 6, (1, 1, 0)).pooling.inside.all()


# ---- numbers of other layers ---------------------------------------------------------------


def test_every_number_is_the_sum_of_its_terms(image):
    done = trace.run(full_network(), image, 3)
    for index, one in enumerate(done.passes):
        for place, number in numbers(done, index):
            assert number.y == one.y[place]
            assert trace.look(done, index, (number.unit,)).place == place
            if number.function:
                f = number.function
                assert f.y == number.y
                assert f.dx == pytest.approx(f.slope * f.dy, rel=1e-9, abs=1e-15)
            if number.dense_gradient:
                assert number.dense_gradient.sum == pytest.approx(number.dy, rel=1e-9, abs=1e-15)
                terms = sum(term.product for term in number.dense_gradient.terms)
                assert terms + number.dense_gradient.rest == pytest.approx(number.dy, abs=1e-14)
            if number.source:
                source = number.source
                before = image if source.layer < 0 else done.passes[source.layer].y
                assert before[source.place] == number.y
            if number.mean:
                assert number.mean.sum / number.mean.count == pytest.approx(number.y)
                assert number.mean.dx_each == pytest.approx(number.dy / number.mean.count)


def test_the_terms_of_a_dense_unit():
    model = perturbed(
        Sequential(architectures.codelab(), input_shape=(28, 28, 1), seed=0, dtype="float64")
    )
    image = np.random.default_rng(0).random((28, 28, 1))
    done = trace.run(model, image, 7)
    number = trace.look(done, 5, (3,))
    w = number.dense
    products = done.passes[5].x * model.layers[5].params["w"][:, 3]
    sizes = [abs(term.product) for term in w.terms]
    assert sizes == sorted(np.abs(products))[:-13:-1]
    assert w.rest_count == 256 - 12
    assert w.sum == pytest.approx(products.sum())
    assert sum(term.product for term in w.terms) + w.rest == pytest.approx(w.sum)
    assert w.z == pytest.approx(w.sum + w.bias)
    assert w.dz == pytest.approx(done.probabilities[3])
    np.testing.assert_allclose(number.softmax.dz, done.probabilities - np.eye(10)[7])
    for term in w.terms:
        assert term.origin.layer == 3  # the pooling before Flatten
        assert done.passes[3].y[term.origin.place] == term.x
        assert term.dw == pytest.approx(term.x * w.dz)
        assert term.dx == pytest.approx(done.passes[3].dy[term.origin.place])


def test_batch_norm(image):
    done = trace.run(full_network(), image, 0)
    f = trace.look(done, 4, (1, 2, 3)).function
    c = f.numbers
    scale = c["gamma"] / np.sqrt(c["variance"] + c["epsilon"])
    assert f.y == pytest.approx(scale * (f.x - c["mean"]) + c["beta"])
    assert f.slope == pytest.approx(scale)


@pytest.mark.parametrize(
    ("layer", "place"),
    [(15, (0,)), (-1, (0,)), (0, (6, 0, 0)), (0, (0, 0, -1)), (0, (0, 0)), (14, (5,))],
)
def test_a_place_out_of_range(image, layer, place):
    done = trace.run(full_network(), image, 0)
    with pytest.raises(IndexError, match="expected a"):
        trace.look(done, layer, place)
