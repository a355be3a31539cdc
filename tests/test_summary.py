"""model.summary(): its numbers and its width."""

import re

import pytest

from minicnn import Sequential, architectures, layers
from minicnn.summary import human_bytes


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def printed(capsys, model, **options):
    model.summary(**options)
    return capsys.readouterr().out


def rows(text):
    """The cells of each row."""
    lines = [re.split(r"\s*[│┃|]\s*", line.strip(" │┃|\n")) for line in text.splitlines()]
    return [[cell.strip() for cell in line] for line in lines if len(line) > 3]


def course(**options):
    return Sequential(architectures.course(), input_shape=(28, 28, 1), **options)


def test_the_numbers_of_the_course_network(capsys):
    table = rows(printed(capsys, course()))
    by_output = {row[1]: row for row in table}
    # FLOPs: two for each multiply-add, e.g. 2·26·26·9·8; bytes: 4 a number
    expected = {
        "(26, 26, 8)": ("80", "97,344", "21.1 KiB", "23.8 KiB"),
        "(11, 11, 16)": ("1,168", "278,784", "7.6 KiB", "34.0 KiB"),
        "(128,)": ("51,328", "102,400", "512 B", "–"),
        "(10,)": ("1,290", "2,560", "40 B", "–"),
    }
    for output, numbers in expected.items():
        assert tuple(by_output[output][2:]) == numbers
    assert by_output["(13, 13, 8)"][2] == "0"
    assert by_output["(13, 13, 8)"][4:] == ["5.3 KiB", "–"]
    assert by_output["(400,)"][2:] == ["0", "0", "1.6 KiB", "–"]


def test_the_totals(capsys):
    model = course()
    table = rows(printed(capsys, model))
    body, total = [row for row in table if row[1].startswith("(")], table[-1]
    assert total[0] == "total"
    for column in (2, 3):
        numbers = [int(row[column].replace(",", "")) for row in body]
        assert int(total[column].replace(",", "")) == sum(numbers)
    assert total[2] == "53,866"


@pytest.mark.parametrize(
    ("batch_size", "dtype", "output", "patches"),
    [
        (1, "float64", "42.2 KiB", "47.5 KiB"),
        (512, "float32", "10.6 MiB", "11.9 MiB"),
    ],
)
def test_bytes_by_batch_size_and_dtype(capsys, batch_size, dtype, output, patches):
    text = printed(capsys, course(dtype=dtype), batch_size=batch_size)
    (row,) = [row for row in rows(text) if row[1] == "(26, 26, 8)"]
    assert row[2:] == ["80", "97,344", output, patches]  # counts are per image
    assert f"batch size {batch_size}" in text


@pytest.mark.parametrize("name", architectures.TABLE)
@pytest.mark.parametrize("batch_size", [1, 60_000])
def test_it_fits_in_80_columns(capsys, name, batch_size):
    model = Sequential(architectures.TABLE[name](10), input_shape=(28, 28, 1))
    text = printed(capsys, model, batch_size=batch_size)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert "\x1b" not in text
    assert f"{model.num_params:,}" in text


@pytest.mark.parametrize("name", ["conv[1]", "[red]eye", "[/b]", "a\\[b]"])
def test_names_are_shown_as_they_are(capsys, name):
    """Square brackets are styles to the library that prints the table."""
    model = Sequential(
        [layers.Flatten(name=name), layers.Dense(2)], input_shape=(4,), name=f"net {name}"
    )
    text = printed(capsys, model)
    assert f"net {name}" in text
    assert rows(text)[1][0] == name


def test_an_unbuilt_model():
    with pytest.raises(RuntimeError, match="input_shape"):
        Sequential(architectures.course()).summary()


@pytest.mark.parametrize("wrong", [0, -1, 1.5])
def test_a_wrong_batch_size(wrong):
    with pytest.raises((ValueError, TypeError), match="batch_size"):
        course().summary(batch_size=wrong)


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (0, "–"),
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1 << 20, "1.0 MiB"),
        (5 << 30, "5.0 GiB"),
        (5 << 40, "5120.0 GiB"),
    ],
)
def test_human_bytes(n, text):
    assert human_bytes(n) == text
