"""Validation of requests: bodies, numbers, words."""

import asyncio
import json
import math

import apart
import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.requests import Request

from minicnn.visor import requests
from minicnn.visor.requests import optional, pixels, read_body, read_object, share, whole, word


def json_values(**floats):
    return st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(**floats) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )


JSON, FINITE = json_values(), json_values(allow_nan=False, allow_infinity=False)


def refusal(ask, *arguments, **options):
    """The HTTPException that it raises."""
    with pytest.raises(HTTPException) as caught:
        ask(*arguments, **options)
    return caught.value


def request(parts, headers=None, pause=0.0):
    """A POST whose body arrives in these parts, `pause` seconds apart; None: a disconnect."""
    waiting = list(parts)

    async def receive():
        await asyncio.sleep(pause)
        part = waiting.pop(0)
        if part is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": bool(waiting)}

    given = {"content-type": "application/json"} | (headers or {})
    raw = [(name.encode(), value.encode()) for name, value in given.items()]
    return Request({"type": "http", "method": "POST", "headers": raw}, receive)


def read(asked, most=100):
    return apart.run(read_object(asked, most))


def test_a_body_in_parts():
    assert apart.run(read_body(request([b"ab", b"", b"c"]), 3)) == b"abc"


@pytest.mark.parametrize(
    ("parts", "headers"), [([b"ab", b"cd"], {}), ([b"abcd"], {}), ([], {"content-length": "4"})]
)
def test_a_body_that_is_too_long(parts, headers):
    error = refusal(apart.run, read_body(request(parts, headers), 3))
    assert error.status_code == 413
    assert "at most 3 bytes" in error.detail


def test_a_slow_body(monkeypatch):
    monkeypatch.setattr(requests, "BODY_SECONDS", 0.05)
    error = refusal(apart.run, read_body(request([b"a"] * 50, pause=0.02), 100))
    assert error.status_code == 408


def test_an_incomplete_body():
    assert refusal(apart.run, read_body(request([b"{", None]), 9)).status_code == 400


@given(st.dictionaries(st.text(), FINITE))
def test_an_object(value):
    assert read(request([json.dumps(value).encode()]), 10_000) == value


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"[]", b"3", b'"x"', b"null", b'{"a":NaN}', b'{"a":-Infinity}', b"\xff\xfe{}",
        b'{"a":1}{', b"{'a':1}", b"[" * 5000, b'{"a":' * 2000, b'{"a":' + b"9" * 5000 + b"}x",
    ],
    ids=lambda data: repr(data[:12]),
)  # fmt: skip
def test_other_json_is_refused(data):
    assert refusal(read, request([data]), 20_000).status_code == 400


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "json"])
def test_other_content_types_are_refused(kind):
    assert refusal(read, request([b"{}"], {"content-type": kind})).status_code == 415


def test_json_may_name_its_charset():
    kind = {"content-type": "Application/JSON ; charset=utf-8"}
    assert read(request([b'{"a":1}'], kind)) == {"a": 1}


@given(st.lists(st.floats(0, 1) | st.sampled_from([0, 1]), min_size=6, max_size=6))
def test_pixels(numbers):
    image = pixels(numbers, (2, 3))
    assert image.dtype == np.float32
    assert image.shape == (2, 3)
    np.testing.assert_array_equal(image.ravel(), np.float32(numbers))


@given(JSON)
@example([0, 0, 0, 0, 0])
@example([0, 0, 0, 0, 0, 1.0001])
@example([0, 0, 0, 0, 0, -1e-9])
@example([0, 0, 0, 0, 0, math.nan])
@example([0, 0, 0, 0, 0, math.inf])
@example([0, 0, 0, 0, 0, True])
@example([0, 0, 0, 0, 0, "0"])
@example([0, 0, 0, 0, 0, None])
@example([[0, 0, 0], [0, 0, 0]])
@example([0, 0, 0, 0, 0, 10**400])
@example({"0": 0})
def test_other_values_are_not_pixels(value):
    if isinstance(value, list) and len(value) == 6:
        assume(not all(type(v) in (int, float) and 0 <= v <= 1 for v in value))
    error = refusal(pixels, value, (2, 3))
    assert error.status_code == 400
    assert "6 numbers in [0, 1]" in error.detail


@given(JSON, st.integers(-5, 5), st.integers(0, 9))
@example("7", 0, 9)
@example("07", 0, 9)
@example("７", 0, 9)  # a digit to isdigit() and int()
@example("1" * 5000, 0, 9)
@example(True, 0, 9)
@example(1.0, 0, 9)
def test_whole_numbers(value, low, size):
    high = low + size
    text = isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10
    number = int(value) if text else value
    if type(number) is int and low <= number <= high:
        assert whole({"n": value}, "n", low, high) == number
    else:
        error = refusal(whole, {"n": value}, "n", low, high)
        assert error.status_code == 400
        assert f"from {low} to {high}" in error.detail
        error.detail.encode()


@pytest.mark.parametrize("value", [0, 1, 0.25, "0", "1", "0.25", "1e-3"])
def test_a_share(value):
    assert share({"low": value}, "low") == float(value)


@given(JSON.filter(lambda value: value is not None and type(value) not in (int, float, str)))
@example(" 0.5")
@example("0_1")
@example("nan")
@example("0x1")
@example("")
@example(1.01)
@example(10**400)
@example(True)
def test_other_values_are_not_shares(value):
    assert refusal(share, {"low": value}, "low").status_code == 400


@given(JSON)
@example(["pause"])
@example("Pause")
def test_words(value):
    words = ("pause", "stop")
    assert refusal(word, {"w": value}, "w", words).status_code == 400
    assert word({"w": "pause"}, "w", words) == "pause"


def test_a_missing_value_has_a_default():
    for source in ({}, {"n": None}):
        assert optional(whole, 5, source, "n", 0, 9) == 5
        assert refusal(whole, source, "n", 0, 9).status_code == 400
    assert optional(whole, 5, {"n": 7}, "n", 0, 9) == 7
    assert refusal(optional, whole, 5, {"n": 10}, "n", 0, 9).status_code == 400


@given(JSON)
@example("\ud800")
@example("x" * 10**6)
def test_a_received_value_is_shortened(value):
    text = requests.shown(value)
    assert len(text) <= 60
    text.encode()
