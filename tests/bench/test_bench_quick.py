"""Each benchmark runs, checks, and writes tables, JSON and plots, with tiny sizes."""

from importlib.util import find_spec

import pytest

from bench import command, report
from minicnn import kernels

needs_numba = pytest.mark.skipif(not find_spec("numba"), reason="kernels that Numba compiles")


@pytest.fixture
def without_numba(monkeypatch):
    """As if Numba were not installed: nothing is compiled."""
    monkeypatch.setattr(kernels, "available_backends", lambda: ["reference", "numpy"])


@pytest.fixture
def run(tmp_path):
    """Run a benchmark; returns its report, and the names of the files that it wrote."""

    def quickly(name, *options):
        path = tmp_path / f"{name}.json"
        assert command.main(name, ["--quick", "--json", str(path), *options]) == 0
        return report.load(path), {p.name for p in tmp_path.iterdir()}

    return quickly


def names(found):
    return {r.competitor for r in found.rows}


@pytest.mark.usefixtures("without_numba")
def test_conv(run):
    found, files = run("conv")
    assert "minicnn numpy" in names(found)
    assert {r.what for r in found.rows} == {"forward", "dw, db", "dx", "backward", "total"}
    assert files == {
        "conv.json", "conv.png", "conv-roofline.png", "conv-pool.png", "conv-pool-roofline.png",
    }  # fmt: skip
    assert found.findings["ceiling, GFLOP/s"] > 0


@needs_numba
@pytest.mark.exhaustive  # test_profile_reads_machine_code compiles one of them
def test_conv_by_all_algorithms(run):
    found, _ = run("conv", "--pool", "none")
    assert names(found) >= {"minicnn numpy", "minicnn im2col", "minicnn implicit", "minicnn"}
    total = found.find(found.rows[0].case, "total", "minicnn implicit")
    assert total is not None
    assert total.figures["first call, s"] > 0


@pytest.mark.usefixtures("without_numba")
@pytest.mark.parametrize("options", [(), ("--inference",), ("--batch", "1", "2", "3")])
def test_train(run, options):
    found, files = run("train", *options)
    assert "minicnn numpy" in names(found)
    assert files == {"train.json", "train.png"}


def test_observers(run):
    with kernels.use_backend("numpy"):  # nothing to compile
        found, files = run("observers", "--batch", "512")
    assert names(found) == {"minicnn alone", "minicnn + all"}
    watched = found.find("sample, course network", "an epoch", "minicnn + all")
    assert 0 < watched.figures["of it in hooks, ms"] < 1e3 * watched.median
    assert files == {"observers.json", "observers.png"}


@pytest.mark.usefixtures("without_numba")
def test_stages(run):
    found, files = run("stages")
    parts = {r.what for r in found.rows}
    assert parts >= {"take the batch", "forward 1 Conv2D", "backward 4 Dense", "optimizer"}
    assert parts >= {"im2col", "col2im", "Adam", "the whole step"}
    assert files == {"stages.json", "stages.png", "stages-share.png"}


@pytest.mark.usefixtures("without_numba")
def test_scaling(run):
    found, files = run("scaling", "--threads", "2")
    assert {r.case.rpartition(" ")[0] for r in found.rows} == {
        "threads", "threads of a training step", "batch", "image size", "channels",
    }  # fmt: skip
    assert kernels.get_threads() == 2
    assert files == {"scaling.json", "scaling.png"}


def test_startup(run):
    found, files = run("startup")
    whole = found.find("later runs", "to the first training step", "minicnn")
    assert whole is not None
    parts = [r.median for r in found.rows if r.case == "later runs" and r is not whole]
    assert sum(parts) == pytest.approx(whole.median)
    assert files == {"startup.json", "startup.png"}


def test_memory(run):
    found, files = run("memory")
    (one,) = found.rows
    assert one.unit == "MiB"
    assert 20 < one.median < 1000
    assert files == {"memory.json", "memory.png"}


def test_accuracy(run):
    found, files = run("accuracy")
    assert found.curves["minicnn numpy"]
    assert files == {"accuracy.json", "accuracy.png"}


def test_data(run):
    found, files = run("data", "--batch", "8")
    assert {r.case for r in found.rows} == {
        "sample: first load", "sample: later load", "sample: batches of 8",
    }  # fmt: skip
    assert files == {"data.json", "data.png"}


@pytest.mark.usefixtures("without_numba")
def test_profile(run):
    found, files = run("profile")
    assert [r.what for r in found.rows] == ["im2col", "y", "dw", "dcols", "col2im"]
    assert files == {"profile.json", "profile.png"}


@needs_numba
def test_profile_reads_machine_code(run):
    shape = "2,12,4,8,3,1,0"
    found, _ = run("profile", "--algorithm", "implicit", "--shape", shape, "--asm")
    lines = [note for note in found.notes if "instructions" in note]
    assert lines
    assert all("multiply-adds: " in line for line in lines)


@needs_numba
@pytest.mark.exhaustive  # six processes that compile, and a busy one
def test_threads(run):
    found, files = run("threads", "--threads", "2")
    assert names(found) >= {"one thread", "minicnn team", "ThreadPoolExecutor"}
    assert {r.case.partition(":")[0] for r in found.rows} == {
        "idle machine", "next to a busy process",
    }  # fmt: skip
    assert all(r.figures["p99, µs"] >= r.median * 1e6 for r in found.rows)
    assert files == {"threads.json", "threads.png"}


@pytest.mark.usefixtures("without_numba")
def test_threads_are_measured_with_numba_alone(capsys):
    assert command.main("threads", ["--quick", "--no-files"]) == 2
    assert "expected Numba" in capsys.readouterr().err


@pytest.mark.usefixtures("without_numba")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--algorithm", "fused"], "expected Numba for algorithm fused"),
        (["--algorithm", "numpy", "--asm"], "expected --asm with implicit or fused"),
    ],
)
def test_profile_rejects_what_it_cannot_do(options, message, capsys):
    assert command.main("profile", ["--quick", "--no-files", *options]) == 2
    assert message in capsys.readouterr().err


def test_competitors_that_disagree_are_not_timed(monkeypatch, capsys):
    monkeypatch.setattr(kernels, "available_backends", lambda: ["reference", "numpy"])
    conv2d = kernels.conv2d

    def wrong(*args, backend=None, **options):
        y = conv2d(*args, backend=backend, **options)
        return y + 1 if backend == "reference" else y

    monkeypatch.setattr(kernels, "conv2d", wrong)
    assert command.main("conv", ["--quick", "--no-files"]) == 1
    assert "reference and NumPy, forward, y: off by 1" in capsys.readouterr().err
