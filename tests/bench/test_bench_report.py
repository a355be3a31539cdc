"""Rows, their JSON file, and the format of numbers."""

import io
import json

import pytest
from rich.console import Console

from bench import report, tables
from bench.report import Report, ReportError, Row, row

ENVIRONMENT = {
    "processor": "Some CPU",
    "cpus": 2,
    "platform": "Linux",
    "python": "3.11",
    "threads": 2,
    "vectors": "AVX2",
    "blas": ["openblas 0.3 (Haswell kernels)"],
    "versions": {"numpy": "2.0", "torch": None},
    "date": "2026-01-01 00:00",
    "others": 0.0,
    "variables": {},
}


def made(rows=(), **options):
    return Report("conv", list(rows), environment=dict(ENVIRONMENT), **options)


def text_of(result, width=160):
    console = Console(width=width, record=True, file=io.StringIO())
    tables.show(result, console)
    return console.export_text()


def test_a_row_has_the_quartiles_of_its_measurements():
    r = row("vgg64", "forward", "minicnn", [3.0, 1.0, 2.0], {"GFLOP/s": 5.0})
    assert r.spread == (1.5, 2.0, 2.5)
    assert r.key == ("vgg64", "forward", "minicnn")
    assert r.unit == "s"


@pytest.mark.parametrize(
    ("name", "ours"), [("minicnn", True), ("minicnn numpy", True), ("PyTorch NCHW", False)]
)
def test_ours(name, ours):
    assert row("", "", name, [1.0]).ours is ours


def test_json_round_trip(tmp_path):
    rows = [row("a", "forward", "minicnn", [1.0, 2.0], {"MB": 3.5}), row("b", "x", "y", [1.0])]
    result = made(rows, findings={"ratio": 2.0}, shared=["MB"], curves={"minicnn": [[1.0, 0.5]]})
    path = tmp_path / "new" / "conv.json"
    report.save(result, path)
    assert report.load(path) == result
    content = json.loads(path.read_text())
    assert content["minicnn_bench"] == 1
    assert content["rows"][0]["figures"] == {"MB": 3.5}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "expected a benchmark's JSON, received"),
        ("[1]", 'received one without "minicnn_bench"'),
        ('{"rows": []}', 'received one without "minicnn_bench"'),
        ('{"minicnn_bench": 99}', "expected version 1, received 99; run it again"),
        ('{"minicnn_bench": 1}', "a complete report"),
        (
            '{"minicnn_bench": 1, "benchmark": "x", "rows": [{"case": "a"}]}',
            "expected a complete report",
        ),
        (
            '{"minicnn_bench": 1, "benchmark": "x", "rows": [], "more": 1}',
            "expected a complete report",
        ),
    ],
)
def test_other_files_are_rejected(tmp_path, content, message):
    path = tmp_path / "old.json"
    path.write_text(content)
    with pytest.raises(ReportError, match=message) as caught:
        report.load(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_bytes(tmp_path):
    with pytest.raises(ReportError, match="can't be read"):
        report.load(tmp_path / "none.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ReportError, match="expected a benchmark's JSON"):
        report.load(tmp_path / "bytes.json")


def test_ratio_to_the_fastest_baseline_of_the_same_case_and_part():
    rows = [
        row("a", "forward", "minicnn", [2.0]),
        row("a", "forward", "PyTorch NCHW", [8.0]),
        row("a", "forward", "PyTorch channels-last", [4.0]),
        row("a", "backward", "minicnn", [2.0]),
        row("b", "forward", "PyTorch NCHW", [1.0]),
    ]
    ratios = [r.figures.get("× PyTorch") for r in report.with_ratio(rows, "PyTorch")]
    assert ratios == [2.0, 0.5, 1.0, None, 1.0]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.234, "s", "1.23 s"),
        (0.01234, "s", "12.3 ms"),
        (0.000004567, "s", "4.57 µs"),
        (12345.6, "s", "12,346 s"),
        (278.1, "MiB", "278 MiB"),
    ],
)
def test_amounts(value, unit, text):
    assert tables.amount(value, unit) == text


def test_both_quartiles_have_the_unit_of_the_median():
    assert tables.span(Row("", "", "", 0.0008, 0.001, 0.0012)) == "0.8–1.20 ms"


def test_tables_name_machine_competitors_parts_and_shared_figures():
    rows = [
        row("case 1", part, name, [0.002], {"MB": 7.0, "GFLOP/s": 3.0})
        for part in ("forward", "total")
        for name in ("minicnn", "PyTorch NCHW")
    ]
    text = text_of(made(rows, shared=["MB"], findings={"the mean": 2.0}, notes=["a [note]"]))
    for expected in (
        "Some CPU", "Haswell", "case 1: 7.00 MB", "forward", "total", "minicnn", "PyTorch NCHW",
        "2.00 ms", "GFLOP/s", "the mean", "a [note]",
    ):  # fmt: skip
        assert expected in text


def test_a_line_for_each_part():
    rows = [row("case", part, "minicnn", [0.002], {"MB": 7.0}) for part in ("first", "second")]
    text = text_of(made(rows, parts="down"))
    first = next(line for line in text.splitlines() if "first" in line)
    assert "2.00 ms" in first
    assert "7.00" in first
