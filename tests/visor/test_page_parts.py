"""Functions of the page's scripts, in the browser."""


def test_rounding_comes_before_the_power_of_ten(ask):
    numbers = [9.99996e-5, 0.00099999, 3.21e-5, -0.5, 0, 123456.0, 0.1235]
    told = ask("inside/numbers.js", "value.map((number) => m.num(number))", numbers)
    assert told == ["1.000·10⁻⁴", "1.000·10⁻³", "3.210·10⁻⁵", "−0.5000", "0", "1.235·10⁵", "0.1235"]
    alike = "(([...all]) => { const write = m.alike(...all); return all.map(write); })(value)"
    assert ask("inside/numbers.js", alike, [0.00999999, 0.001]) == ["1.000·10⁻²", "0.100·10⁻²"]
    assert ask("inside/numbers.js", "m.exponentOf(value)", [0.0099999]) == -2
    assert ask("inside/numbers.js", "m.cell(0.0099999, -2)") == "1.00"


def test_the_reasons_why_two_predictions_differ(ask):
    """A bar: 20 pixels high after preprocessing, and its box in the drawing of 280×280."""
    bar = [float(4 <= k // 28 < 24 and 12 <= k % 28 < 16) for k in range(28 * 28)]
    same = {"pixels": bar, "picture": [280, 280], "box": [40, 120, 240, 160]}
    same |= {"inverted": False, "widened": 0}

    def told(**other):
        return ask("draw/reasons.js", "m.reasons(value, { shape: [28, 28] })", same | other)

    assert told() == ["The two inputs differ only a little, but here that is enough."]
    (reason,) = told(box=[90, 130, 190, 150])
    assert "size of 10 pixels; MNIST's digits have 20" in reason
    (reason,) = told(box=[80, 150, 280, 190])
    assert "5 pixels away from the centre" in reason
    (reason,) = told(widened=3)
    assert "not widened" in reason
    assert len(told(box=[0, 0, 100, 20], widened=3)) == 3
    (reason,) = told(inverted=True, box=[0, 0, 100, 20])
    assert "dark on bright" in reason


def test_of_many_classes_the_confused_ones_are_shown(ask):
    count = 100
    counts = [[0] * count for _ in range(count)]
    for k in range(count):
        counts[k][k] = 10
    counts[99][3], counts[80][81] = 7, 2
    told = ask(
        "evaluate/matrix.js",
        """(() => {
            const picked = [];
            const names = value.map((_, k) => `n${k}`);
            const table = m.matrix(value, names, (...cell) => picked.push(cell));
            const find = (i, j) => table.querySelector(`[data-true="${i}"][data-predicted="${j}"]`);
            find(99, 3).click();
            find(80, 81).click();
            return {
                buttons: table.querySelectorAll("button").length, picked,
                pressed: [...table.querySelectorAll('[aria-pressed="true"]')].map((one) => one.textContent),
                reachable: table.querySelectorAll('[tabindex="0"]').length,
                caption: table.caption.textContent,
            };
        })()""",  # noqa: E501
        counts,
    )
    assert told["buttons"] == 60 * 60
    assert told["picked"] == [[99, 3], [80, 81]]
    assert told["pressed"] == ["2"]
    assert told["reachable"] == 1
    assert "other 40" in told["caption"]
