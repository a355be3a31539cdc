"""The tab Train in a browser: the history, live updates, and the buttons."""

import json
import shutil
import time
from types import SimpleNamespace

import pytest
from processes import TIMEOUT, unused_port

EPOCHS = 4
ALL = [str(epoch) for epoch in range(EPOCHS, 0, -1)]  # as in the table


@pytest.fixture
def live(run, tmp_path):
    """A run in training: a copy of `run` without its records.

    `tell(n)` writes the next n records, `tell(until="epoch")` all up to the next such one;
    `add(record)` writes another one; `points()`: the number of written points of batches.
    """
    folder = tmp_path / "runs" / "now"
    shutil.copytree(run, folder)
    records = [json.loads(line) for line in (folder / "live.jsonl").read_text().splitlines()]
    (folder / "live.jsonl").unlink()
    (folder / "history.csv").unlink()
    set_status(folder, "running")
    told = []

    def add(*records):
        told.extend(records)
        with open(folder / "live.jsonl", "a") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)

    def tell(count=None, until=None):
        if until:
            count = 1 + next(i for i, record in enumerate(records) if record["event"] == until)
        add(*records[:count])
        del records[:count]

    def points():
        return sum(len(record["step"]) for record in told if record["event"] == "batches")

    return SimpleNamespace(folder=folder, tell=tell, add=add, points=points, records=records)


def set_status(folder, status):
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"status": status}))


def drawn(page, epochs, points=None, hurry=True):
    """Wait until the charts have exactly so many epochs and points of batches.

    hurry: make the page draw at once, by a user action.
    """
    wanted = [str(epochs), str(points)] if points is not None else [str(epochs)]
    names = ["epochs", "batches"][: len(wanted)]
    held, end = [], time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        held = [[one.get_attribute(f"data-{name}") for name in names] for one in charts(page)]
        if held and all(one == wanted for one in held):
            return
        if hurry:
            page.locator("#train-points").dispatch_event("change")
        page.wait_for_timeout(150)
    pytest.fail(f"expected charts of {wanted} {names}, received {held}")


def lines_drawn(page, count):
    """Wait until the first chart has `count` lines."""
    page.wait_for_function(
        "n => document.querySelector('.chart').querySelectorAll('.trace').length === n", arg=count
    )


def charts(page):
    return page.locator("#train-charts .chart").all()


def wait_for_text(page, selector, text):
    page.locator(selector, has_text=text).wait_for()


def epochs_in_table(page):
    """The rows of the table of epochs, newest first."""
    details = page.locator("#train-numbers")
    if details.get_attribute("open") is None:
        details.locator("summary").click()
    details.locator("table").wait_for()
    rows = details.locator("tbody tr").all()
    return [row.locator("th, td").all_inner_texts() for row in rows]


def test_the_whole_history_of_a_finished_run(browse, visor, run):
    records = [json.loads(line) for line in (run / "live.jsonl").read_text().splitlines()]
    points = sum(len(record["step"]) for record in records if record["event"] == "batches")
    page = browse(visor.link)
    drawn(page, EPOCHS, points)
    assert page.locator("#train-phase").inner_text() == "Finished"
    assert page.locator("#train-progress").evaluate("bar => bar.value") == 1
    assert page.locator("#train-epoch").inner_text() == f"{EPOCHS} of {EPOCHS} epochs"
    logs = [record["logs"] for record in records if record["event"] == "epoch"]
    rows = epochs_in_table(page)
    assert [row[0] for row in rows] == ALL
    assert [row[1] for row in rows] == [f"{one['loss']:.4f}" for one in reversed(logs)]
    accuracy = page.locator("[data-tile=accuracy]").inner_text()
    assert f"validation {100 * logs[-1]['val_accuracy']:.2f} %" in accuracy
    assert page.locator("[data-tile=left]").inner_text().startswith("Training time")
    results = json.loads((run / "run.json").read_text())["results"]
    speed = page.locator("[data-tile=speed] dd").all_inner_texts()
    assert speed == [f"{round(results['images_per_second']):,}", ""]
    assert page.locator("#train-buttons").is_hidden()
    lines_drawn(page, 3)  # batches, training, validation


def test_points_and_span_can_be_chosen(browse, visor):
    page = browse(visor.link)
    drawn(page, EPOCHS)
    first = page.locator(".chart").first
    page.locator("#train-points").select_option("epochs")
    page.wait_for_function("document.querySelectorAll('#train-legend li').length === 2")
    lines_drawn(page, 2)
    assert first.locator(".xtick").first.text_content() == "0"
    page.locator("#train-span").select_option("0.5")
    page.wait_for_function("document.querySelector('.chart .xtick').textContent !== '0'")


def test_layers_and_mistakes(browse, visor, run):
    page = browse(visor.link)
    page.locator("#train-layers").scroll_into_view_if_needed()
    page.locator("#train-heats figure").first.wait_for()
    assert page.locator("#train-heats figure").count() == 4  # two convolutions, two dense layers
    assert page.locator("#train-layers-table tbody tr").count() == 7
    page.locator("#train-kind").select_option("gradients")
    wait_for_text(page, "#train-layers-table thead", "Norm of gradients")
    canvas = page.locator("#train-heats canvas").first
    shades = canvas.evaluate(
        "c => new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height)"
        ".data.buffer)).size"
    )
    assert shades > 10
    page.locator("#train-mistakes").scroll_into_view_if_needed()
    lines = (run / "live.jsonl").read_text().splitlines()
    last = [r for r in map(json.loads, lines) if "mistakes" in r][-1]
    wait_for_text(
        page, "#train-mistakes-note", f"{last['wrong']} misclassified after epoch {EPOCHS}"
    )
    assert page.locator("#train-mistakes-list li").count() == len(last["mistakes"])


def test_a_run_is_followed_from_start_to_end(browse, live, serve):
    with serve(live.folder) as visor:
        page = browse(visor.link)
        wait_for_text(page, "#train-phase", "Not started yet")
        live.tell(until="epoch")
        drawn(page, 1, live.points(), hurry=False)
        wait_for_text(page, "#train-phase", "Training")
        wait_for_text(page, "#train-epoch", f"Epoch 2 of {EPOCHS}")
        assert page.locator("#train-why").inner_text().startswith("This run was started without")
        live.tell(until="epoch")
        wait_for_text(page, "[data-tile=speed]", ",")  # thousands of images
        assert page.locator("[data-tile=speed] .under").inner_text() == "now"
        drawn(page, 2, live.points(), hurry=False)
        live.tell(until="end")
        wait_for_text(page, "#train-phase", "Saving")
        set_status(live.folder, "finished")
        wait_for_text(page, "#train-phase", "Finished")
        drawn(page, EPOCHS, live.points())


def test_no_record_is_lost_or_doubled_after_a_lost_connection(browse, live, serve):
    port = unused_port()
    with serve(live.folder, "--port", port) as visor:
        page = browse(visor.link)
        page.expected = ["net::ERR", "/api/"]  # the browser's messages about the connection
        live.tell(until="epoch")
        drawn(page, 1, live.points())
    wait_for_text(page, "#notice", "lost")
    assert "stale" in page.locator("#train-now").get_attribute("class")
    live.tell(until="epoch")
    live.tell(until="epoch")
    with serve(live.folder, "--port", port) as again:
        assert again.link == visor.link
        drawn(page, 3, live.points())
        page.wait_for_function("!document.querySelector('#train-now').classList.contains('stale')")
        live.tell(until="end")
        drawn(page, EPOCHS, live.points())
        assert [row[0] for row in epochs_in_table(page)] == [
            str(epoch) for epoch in range(EPOCHS, 0, -1)
        ]


def test_a_resumed_run_continues_at_its_checkpoint(browse, live, serve):
    begin = live.records[0]
    with serve(live.folder) as visor:
        page = browse(visor.link)
        live.tell(until="epoch")
        kept = live.points()
        live.tell(until="epoch")
        drawn(page, 2, live.points())
        live.add({**begin, "done": [1, 0], "seconds": 1.0})
        drawn(page, 1, kept)
        logs = {"loss": 0.25, "accuracy": 0.5, "val_loss": None, "val_accuracy": 0.5}
        live.add({"event": "epoch", "epoch": 1, "seconds": 2.0, "logs": logs})
        drawn(page, 2, kept)
        rows = epochs_in_table(page)
        assert rows[0][:4] == ["2", "0.2500", "50.00 %", "–"]
        assert len(rows) == 2


def test_a_restarted_file_resets_the_page(browse, live, serve):
    with serve(live.folder) as visor:
        page = browse(visor.link)
        begin = live.records[0]
        live.tell(until="end")
        drawn(page, EPOCHS)
        (live.folder / "live.jsonl").write_text(json.dumps(begin) + "\n")
        drawn(page, 0, 0)
        wait_for_text(page, "#train-phase", "Training")


def test_the_buttons_send_commands_and_show_their_effect(browse, live, serve):
    with serve(live.folder, "--attached") as visor:
        page = browse(visor.link)
        live.tell(until="epoch")
        page.get_by_role("button", name="Pause").click()
        wait_for_text(page, "#train-message", "Pausing")
        assert page.locator("#train-toggle").is_disabled()
        live.add({"event": "pause", "seconds": 3.0})
        page.get_by_role("button", name="Continue").click()
        live.add({"event": "continue", "seconds": 3.0})
        page.get_by_role("button", name="Pause").wait_for()
        assert visor.commands(2) == ["pause", "continue"]
        page.get_by_role("button", name="Stop and save …").click()
        assert page.evaluate("document.activeElement.textContent") == "Keep training"
        page.keyboard.press("Escape")
        assert page.locator("#train-sure").is_hidden()
        assert page.evaluate("document.activeElement.id") == "train-stop"
        page.keyboard.press("Enter")  # by keyboard only
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Enter")
        wait_for_text(page, "#train-message", "Stopping")
        assert visor.commands(1) == ["stop"]  # Escape has sent nothing
        reason = "stopped on the page"
        live.add({"event": "end", "seconds": 4.0, "epoch": 1, "reason": reason, "failed": False})
        wait_for_text(page, "#train-phase", "Saving")
        wait_for_text(page, "#train-more", "Stopped on the page")
        set_status(live.folder, "stopped")
        wait_for_text(page, "#train-phase", "Stopped")
        wait_for_text(page, "#train-more", f"--resume {live.folder}")
        wait_for_text(page, "#train-why", "ended")
        assert page.locator("#train-toggle").is_disabled()
        assert page.locator("#train-stop").is_disabled()


def test_a_refused_command_is_reported(browse, live, serve):
    with serve(live.folder, "--attached") as visor:
        page = browse(visor.link)
        page.expected = ["409"]
        live.tell(until="epoch")
        visor.process.stdout.close()  # as if the training process had ended
        page.get_by_role("button", name="Pause").click()
        wait_for_text(page, "#train-message", "no longer accepts commands")
        page.get_by_role("button", name="Pause").click()  # another try is possible


@pytest.mark.parametrize(
    ("status", "last", "words"),
    [
        ("running", {"failed": True, "reason": ""}, "Failed"),
        ("diverged", {"failed": False, "reason": "the loss is not finite"}, "Diverged"),
    ],
)
def test_a_run_that_went_wrong(browse, live, status, last, words, serve):
    live.tell(until="epoch")
    nothing = {"loss": [None], "accuracy": [0.1], "learning_rate": [0.1], "seconds": [9.0]}
    live.add({"event": "batches", "epoch": [1], "step": [0], **nothing})
    live.add({"event": "end", "seconds": 9.0, "epoch": 1, **last})
    set_status(live.folder, status)
    with serve(live.folder) as visor:
        page = browse(visor.link)
        wait_for_text(page, "#train-phase", words)
        drawn(page, 1, live.points())
        assert page.locator("[data-tile=loss] dd").first.inner_text() == "–"


def test_a_run_of_an_older_release_is_drawn_from_its_history(browse, run, tmp_path, serve):
    folder = tmp_path / "runs" / "old"
    shutil.copytree(run, folder)
    (folder / "live.jsonl").unlink()
    with serve(folder) as visor:
        page = browse(visor.link)
        wait_for_text(page, "#train-curves-note", "history.csv")
        drawn(page, EPOCHS, 0)
        assert len(epochs_in_table(page)) == EPOCHS
        wait_for_text(page, "[data-tile=accuracy]", "validation 9")


def test_a_model_without_a_run(browse, run, serve):
    with serve(run / "model.safetensors") as visor:
        page = browse(visor.link)
        wait_for_text(page, "#train", "python -m minicnn.train --visor")
        assert page.locator("#train-run").is_hidden()


def test_earlier_runs_are_compared(browse, run, tmp_path, serve):
    own, names = tmp_path / "runs" / "now", ["one", "two", "three", "four", "five & <six>"]
    shutil.copytree(run, own)
    for name in names:
        shutil.copytree(run, own.parent / name)
    with serve(own) as visor:
        page = browse(visor.link)
        drawn(page, EPOCHS)
        page.locator("#train-runs summary").click()
        page.get_by_role("checkbox").first.wait_for()
        found = page.locator("#train-runs label b").all_inner_texts()
        assert sorted(found) == sorted(names)
        page.get_by_role("checkbox", name="five & <six>").check()
        wait_for_text(page, "#train-legend", "five & <six> (validation dashed)")
        lines_drawn(page, 5)
        for name in ("one", "two", "three"):
            page.get_by_role("checkbox", name=name).check()
        lines_drawn(page, 11)
        assert page.get_by_role("checkbox", name="four").is_disabled()
        page.get_by_role("checkbox", name="two").uncheck()
        lines_drawn(page, 9)
        assert page.get_by_role("checkbox", name="four").is_enabled()


@pytest.mark.parametrize(("screen", "scheme"), [("wide", "light"), ("phone", "dark")])
def test_it_fits_and_is_accessible(browse, fits, live, screen, scheme, serve):
    live.tell(until="epoch")
    with serve(live.folder, "--attached") as visor:
        page = browse(visor.link, screen, scheme, strict=False)
        drawn(page, 1)
        page.get_by_role("button", name="Stop and save …").click()
        epochs_in_table(page)
        page.locator("#train-runs summary").click()
        for part in ("#train-layers", "#train-mistakes"):
            page.locator(part).scroll_into_view_if_needed()
        page.locator("#train-heats canvas").first.wait_for()
        page.locator("#train-mistakes-list li").first.wait_for()
        controls = "#train button:visible, #train select, #train summary"
        heights = "all => all.map(one => one.getBoundingClientRect().height)"
        assert min(page.locator(controls).evaluate_all(heights)) >= 40
        fits(page)
