"""Sizes, work and traffic of a convolution."""

import argparse

import pytest

from bench.ceiling import Ceilings
from bench.shapes import TEN, ConvShape, name_of, parse


def test_there_are_ten():
    assert len(TEN) == 10
    assert TEN["course2"].y == (512, 11, 11, 16)
    assert TEN["res128s2"].y == (32, 14, 14, 128)
    assert TEN["lenet1"].y == (512, 28, 28, 6)


def test_work_by_hand():
    s = ConvShape(N=2, H=4, W=5, C=3, F=6, k=3)
    one = 2 * 2 * (2 * 3) * 6 * (3 * 3 * 3)
    assert [s.flops(part) for part in ("forward", "dx", "dw, db", "backward", "total")] == [
        one, one, one, 2 * one, 3 * one,
    ]  # fmt: skip


def test_bytes_by_hand():
    s = ConvShape(N=2, H=4, W=6, C=3, F=5, k=3)
    x, w, y, pooled = 2 * 4 * 6 * 3, 3 * 3 * 3 * 5, 2 * 2 * 4 * 5, 2 * 1 * 2 * 5
    assert s.bytes("forward") == 4 * (x + w + y)
    assert s.bytes("forward", pooled=True) == 4 * (x + w + pooled)
    assert s.bytes("dw, db") == 4 * (x + y + w)
    assert s.bytes("backward") == 4 * (y + 2 * x + 2 * w)
    assert s.bytes("total") == s.bytes("forward") + s.bytes("backward")
    assert s.intensity("forward") == s.flops("forward") / s.bytes("forward")


def test_parse():
    assert parse("8,37x29,13,21,3,2,1") == ConvShape(8, 37, 29, 13, 21, 3, 2, 1)
    assert parse("8,9,1,2,3,1,0") == ConvShape(8, 9, 9, 1, 2, 3, 1, 0)


@pytest.mark.parametrize("shape", [ConvShape(8, 37, 29, 13, 21, 3, 2, 1), *TEN.values()])
def test_text_and_shape_convert_into_each_other(shape):
    assert parse(str(shape)) == shape == parse(name_of(shape))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("course3", r"expected N,H,C,F,k,stride,pad .* received 'course3'"),
        ("1,2,3", "expected N,H,C,F,k,stride,pad"),
        ("8,9,1,2,3,1,0,7", "expected N,H,C,F,k,stride,pad"),
        ("8,9,1,2,3,1,a", "expected N,H,C,F,k,stride,pad"),
        ("0,9,1,2,3,1,0", "expected sizes >= 1"),
        ("8,9,1,2,3,1,-1", "pad >= 0"),
        ("8,2,1,2,3,1,0", "expected a kernel no larger than the image"),
    ],
)
def test_invalid_shapes(text, message):
    with pytest.raises(argparse.ArgumentTypeError, match=message):
        parse(text)


def test_pooling_needs_two_pixels():
    assert not ConvShape(1, 3, 3, 1, 1, 3).can_pool
    assert ConvShape(1, 4, 5, 1, 1, 3).can_pool
    assert ConvShape(1, 4, 5, 1, 7, 3).pooled == (1, 1, 1, 7)


def test_the_roofline_is_bounded_by_memory_or_arithmetic():
    limits = Ceilings(flops=100.0, bandwidth=10.0)
    assert limits.attainable(5) == 50
    assert limits.bound(5) == "memory"
    assert limits.attainable(50) == 100
    assert limits.bound(50) == "arithmetic"
