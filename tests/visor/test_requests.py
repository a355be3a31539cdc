"""What the page asks is checked: bodies, numbers, words."""

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
from minicnn.visor.requests import pixels, read_body, read_object, share, shown, whole, word


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
    """A POST whose body comes in these parts, `pause` seconds apart; None: the client goes."""
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


def test_a_body_is_put_together():
    assert apart.run(read_body(request([b"ab", b"", b"c"]), 3)) == b"abc"


@pytest.mark.parametrize(
    ("parts", "headers"), [([b"ab", b"cd"], {}), ([b"abcd"], {}), ([], {"content-length": "4"})]
)
def test_a_body_has_a_length(parts, headers):
    error = refusal(apart.run, read_body(request(parts, headers), 3))
    assert error.status_code == 413
    assert "at most 3 bytes" in error.detail


def test_a_body_is_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr(requests, "BODY_SECONDS", 0.05)
    error = refusal(apart.run, read_body(request([b"a"] * 50, pause=0.02), 100))
    assert error.status_code == 408


def test_a_body_may_break_off():
    assert refusal(apart.run, read_body(request([b"{", None]), 9)).status_code == 400


@given(st.dictionaries(st.text(), FINITE))
def test_an_object_comes_back(value):
    assert read(request([json.dumps(value).encode()]), 10_000) == value


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"[]", b"3", b'"x"', b"null", b'{"a":NaN}', b'{"a":-Infinity}', b"\xff\xfe{}",
        b'{"a":1}{', b"{'a':1}", b"[" * 5000, b'{"a":' * 2000, b'{"a":' + b"9" * 5000 + b"}x",
    ],
    ids=lambda data: repr(data[:12]),
)  # fmt: skip
def test_what_is_no_object_is_refused(data):
    assert refusal(read, request([data]), 20_000).status_code == 400


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "json"])
def test_a_form_is_no_json(kind):
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
def test_other_things_are_no_pixels(value):
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


@given(JSON)
@example("0.25")
@example("1e-3")
@example(" 0.5")
@example("0_1")
@example("nan")
@example("0x1")
@example(10**400)
@example(True)
def test_shares(value):
    if value is None:
        assert share({}, "low", 0.25) == share({"low": None}, "low", 0.25) == 0.25
    elif type(value) in (int, float) and 0 <= value <= 1:
        assert share({"low": value}, "low", 0.0) == value
    elif value in ("0.25", "1e-3") or (isinstance(value, str) and value in set("01")):
        assert share({"low": value}, "low", 0.0) == float(value)
    elif not isinstance(value, str) or not set(value) & set("0123456789"):
        assert refusal(share, {"low": value}, "low", 0.0).status_code == 400
    else:  # some other way to write a number
        try:
            assert 0 <= share({"low": value}, "low", 0.0) <= 1
            assert set(value) <= set("0123456789.e+-")
        except HTTPException as error:
            assert error.status_code == 400  # noqa: PT017


@given(JSON)
@example(["pause"])
@example("Pause")
def test_words(value):
    words = ("pause", "stop")
    if value is not None:
        assert refusal(word, {"w": value}, "w", words, "stop").status_code == 400
    assert word({"w": "pause"}, "w", words) == "pause"
    assert word({}, "w", words, "stop") == "stop"
    assert refusal(word, {"w": None}, "w", words).status_code == 400


@given(JSON)
@example("\ud800")
@example("x" * 10**6)
def test_what_was_received_is_told_briefly(value):
    text = shown(value)
    assert len(text) <= 60
    text.encode()


def test_what_was_received_may_be_deep():
    value = []
    for _ in range(5000):
        value = [value]
    assert shown(value).startswith("[[[")
