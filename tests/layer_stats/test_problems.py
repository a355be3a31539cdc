from minicnn.layer_stats.problems import problems


def rows(*norms):
    """(gradient, weights) norms of layers."""
    return [
        {
            "weights": {"w": {"norm": w, "nonfinite": 0}},
            "gradients": {"w": {"norm": g, "nonfinite": 0}},
            "activations": None,
            "dead": None,
        }
        for g, w in norms
    ]


def kinds(found):
    return [(index, kind) for index, kind, _ in problems(found)]


def test_thresholds():
    assert kinds(rows((1.0, 1.0), (1.0001e-4, 1.0))) == []
    assert kinds(rows((1.0, 1.0), (0.9999e-4, 1.0))) == [(1, "vanishing")]
    assert kinds(rows((9.99, 1.0))) == []
    assert kinds(rows((10.01, 1.0))) == [(0, "exploding")]
    assert kinds(rows((1.0, 0.0), (0.0, 0.0))) == []  # weights of 0 have no measure
    assert kinds(rows((0.0, 1.0), (0.0, 1.0))) == []  # nothing to learn
    assert kinds(rows((0.0, 1.0), (1.0, 1.0))) == [(0, "vanishing")]
    assert kinds(rows((None, 1.0), (1.0, None))) == []
    assert kinds([{"weights": {}, "gradients": {}, "activations": None, "dead": 0.6}]) == [
        (0, "dead")
    ]
