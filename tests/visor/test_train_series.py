"""The arithmetic of the tab Train, in the browser."""

import pytest

BEGIN = {
    "event": "begin",
    "seconds": 0.0,
    "epochs": 4,
    "steps": 10,
    "batch_size": 10,
    "num_samples": 95,
    "metrics": ["loss", "accuracy"],
    "model": "course",
    "done": [0, 0],
}


@pytest.fixture(scope="module")
def ask(ask):
    """As in conftest.py, for the modules in page/train/."""
    return lambda module, *rest: ask(f"train/{module}", *rest)


def batches(epoch, steps, seconds, **values):
    return {
        "event": "batches",
        "epoch": [epoch] * len(steps),
        "step": steps,
        "seconds": seconds,
    } | (values or {"loss": [1.0] * len(steps)})


def epoch(number, seconds, **logs):
    return {"event": "epoch", "epoch": number, "seconds": seconds, "logs": logs}


TAKE = "(() => { const h = new m.History(); value.forEach((r) => h.take(r)); return %s; })()"


def test_a_long_line_is_thinned_and_keeps_its_peaks(ask):
    count, peaks = 100_000, {777: 50.0, 54_321: -50.0}
    y = [peaks.get(i, float(i % 7)) for i in range(count)]
    thin = ask("series.js", "m.thin(value.map((_, i) => i), value)", y)
    assert len(thin["x"]) == len(thin["y"]) <= 1502
    assert thin["x"] == sorted(thin["x"])
    assert {i: value for i, value in zip(thin["x"], thin["y"], strict=True) if i in peaks} == peaks
    assert all(y[i] == value for i, value in zip(thin["x"], thin["y"], strict=True))


def test_gaps_of_a_long_line_remain(ask):
    y = [1.0] * 5000 + [None] * 5000
    thin = ask("series.js", "m.thin(value.map((_, i) => i), value)", y)
    assert None in thin["y"]
    assert thin["y"].index(None) == max(i for i, v in enumerate(thin["y"]) if v == 1.0) + 1


def test_a_visible_range_is_thinned_less(ask):
    y = list(range(100_000))
    seen = ask("series.js", "m.thin(value, value, { from: 500.5, to: 1000.5 })", y)
    assert seen["x"] == list(range(500, 1002))


def test_an_axis_grows_in_few_steps(ask):
    ends = ask("series.js", "value.map((x) => m.roundUp(x, 25))", [0.01, 1, 1.1, 3, 6, 11, 20, 24])
    assert ends == [1, 1, 2, 5, 10, 20, 20, 25]
    assert ask("series.js", "m.extent([{ x: [1, 2, 3], y: [9, 1, null] }], 2)") == [0.95, 1.05]
    assert ask("series.js", "m.extent([{ x: [1], y: [null] }], 0)") is None


def test_points_are_at_the_end_of_their_step(ask):
    records = [BEGIN, batches(0, [4, 9], [1.0, 2.0]), batches(2, [0], [3.0])]
    assert ask("history.js", TAKE % "h.batches.x", records) == pytest.approx([0.5, 1.0, 2.1])


@pytest.mark.parametrize(
    ("done", "x", "epochs"),
    [
        ([0, 0], [], []),
        ([0, 5], [0.5], []),
        ([1, 0], [0.5, 1.0], [1]),
        ([1, 3], [0.5, 1.0, 1.3], [1]),
        ([2, 0], [0.5, 1.0, 1.3, 2.0], [1, 2]),
    ],
)
def test_a_resumed_run_drops_later_points(ask, done, x, epochs):
    records = [
        BEGIN,
        batches(0, [4, 9], [1.0, 2.0]),
        epoch(0, 2.5, loss=1.0),
        batches(1, [2, 9], [3.0, 4.0]),
        epoch(1, 4.5, loss=0.5),
        {"event": "end", "seconds": 5.0, "epoch": 2, "reason": "", "failed": False},
        {**BEGIN, "done": done},
    ]
    code = "[h.batches.x, h.batches.values.loss.length, h.epochs.x, h.epochs.values.loss.length]"
    told = ask("history.js", TAKE % f"[...{code}, h.ended]", records)
    assert told[0] == pytest.approx(x)
    assert told[1:] == [len(x), epochs, len(epochs), None]


def test_a_new_column_starts_with_gaps(ask):
    records = [BEGIN, epoch(0, 1.0, loss=2.0), epoch(1, 2.0, loss=1.0, val_loss=3.0)]
    assert ask("history.js", TAKE % "h.epochs.values.val_loss", records) == [None, 3.0]


def test_the_newest_value_is_of_a_batch_until_the_epoch_ends(ask):
    records = [BEGIN, batches(0, [4], [1.0], loss=[0.9], learning_rate=[0.1])]
    assert ask("history.js", TAKE % "h.newest('loss')", records) == 0.9
    records += [batches(0, [9], [2.0], loss=[0.7], learning_rate=[0.2]), epoch(0, 2.5, loss=0.8)]
    assert ask("history.js", TAKE % "h.newest('loss')", records) == 0.8
    assert ask("history.js", TAKE % "h.newest('learning_rate')", records) == 0.2
    assert ask("history.js", TAKE % "h.newest('val_loss')", records) is None


def test_the_speed_excludes_validation_and_the_time_left_includes_it(ask):
    # an epoch: 10 s of batches, then 2 s
    records = [BEGIN]
    for number in range(2):
        start = 12.0 * number
        records += [
            batches(number, list(range(10)), [start + 1.0 + step for step in range(10)]),
            epoch(number, start + 12.0, loss=1.0),
        ]
    records.append(batches(2, [0, 1, 2, 3, 4], [25.0, 26.0, 27.0, 28.0, 29.0]))
    told = pace(ask, records)
    assert told["imagesPerSecond"] == pytest.approx(9.5)
    assert told["secondsLeft"] == pytest.approx(15.0 + 2 * 2.0)
    assert (told["epoch"], told["epochs"], told["share"]) == (3, 4, pytest.approx(2.5 / 4))


def test_the_speed_before_the_start_and_after_the_end(ask):
    assert pace(ask, [])["secondsLeft"] is None
    assert pace(ask, [BEGIN])["imagesPerSecond"] is None
    records = [BEGIN, batches(0, [0, 4, 9], [1.0, 5.0, 10.0]), epoch(0, 12.0, loss=1.0)]
    end = {"event": "end", "seconds": 13.0, "epoch": 1, "reason": "", "failed": False}
    told = pace(ask, [*records, end])
    assert (told["secondsLeft"], told["seconds"]) == (None, 13.0)
    assert told["imagesPerSecond"] == pytest.approx(9.5)


def pace(ask, records):
    """The result of pace.js for these records."""
    history = f"await import('/page/train/history.js').then((m) => {TAKE % 'h'})"
    return ask("pace.js", f"m.pace({history})", records)


def test_drawing_pauses_and_the_last_state_is_drawn(ask):
    starts = ask(
        "budget.js",
        """await new Promise((resolve) => {
          const starts = [];
          const drawing = m.budget(document.body, async () => {
            starts.push(performance.now());
            if (starts.length === 1) for (let n = 0; n < 5; n++) drawing.request();
            await new Promise((drawn) => setTimeout(drawn, 50));
          }, 300);
          drawing.request();
          setTimeout(() => resolve(starts), 1000);
        })""",
    )
    assert len(starts) == 2  # five requests during a drawing are one more drawing
    assert starts[1] - starts[0] >= 345


def test_hidden_elements_are_not_drawn_until_visible(ask):
    told = ask(
        "budget.js",
        """await (async () => {
          const element = document.createElement("p"), wait = () => new Promise((r) => setTimeout(r, 300));
          element.hidden = true;
          element.textContent = "seen";
          document.querySelector("main").prepend(element);
          let count = 0;
          m.budget(element, () => count++).request();
          await wait();
          const before = count;
          element.hidden = false;
          await wait();
          return [before, count];
        })()""",  # noqa: E501
    )
    assert told == [0, 1]
