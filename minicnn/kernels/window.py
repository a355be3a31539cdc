"""The geometry of a sliding window: kernel, stride, padding, dilation, output size."""

from __future__ import annotations

import operator
from typing import Literal, NamedTuple, SupportsIndex

from ..state_checks import whole_number

Pair = tuple[int, int]
IntOrPair = int | Pair
Padding = Literal["valid", "same"] | int | tuple[Pair, Pair]


class Window(NamedTuple):
    """A window that slides over (H, W); all values in pixels, already checked.

    Output pixel (oh, ow), tap (i, j) reads input pixel
    (oh*SH - top + i*DH, ow*SW - left + j*DW); what falls outside the image is padding.
    """

    KH: int
    KW: int
    SH: int
    SW: int
    DH: int
    DW: int
    top: int
    bottom: int
    left: int
    right: int
    OH: int
    OW: int


def pair(name: str, value: object, minimum: int = 1) -> Pair:
    """`value` as (vertical, horizontal) ints.

    Raises:
        TypeError: not an int or a pair of ints.
        ValueError: below `minimum`.
    """
    values = value if isinstance(value, (tuple, list)) else (value, value)
    if len(values) == 2 and type(values[0]) is type(values[1]) is int and min(values) >= minimum:
        return values[0], values[1]  # the usual case, without the cost of the checks below
    if len(values) != 2 or not all(_is_int(v) for v in values):
        raise TypeError(f"expected {name} as an int or a pair of ints, received {value!r}")
    first, second = operator.index(values[0]), operator.index(values[1])
    if min(first, second) < minimum:
        raise ValueError(f"expected {name} >= {minimum}, received {value!r}")
    return first, second


def make_window(
    height: int,
    width: int,
    kernel: IntOrPair,
    stride: IntOrPair = 1,
    padding: Padding = "valid",
    dilation: IntOrPair = 1,
) -> Window:
    """Check the geometry over an H×W image, and compute the padding and the output size.

    "valid" pads nothing. "same" is TensorFlow's rule: OH = ceil(H / SH); if the padding is odd, the
    larger half is at the bottom and at the right.

    Raises:
        TypeError, ValueError: an argument has the wrong type or range, or the kernel is larger than
            the padded image.
    """
    if height < 1 or width < 1:
        raise ValueError(f"expected an image of at least 1×1 pixels, received {height}×{width}")
    KH, KW = pair("kernel size", kernel)
    SH, SW = pair("stride", stride)
    DH, DW = pair("dilation", dilation)
    reach_h, reach_w = (KH - 1) * DH + 1, (KW - 1) * DW + 1  # pixels that the window spans
    (top, bottom), (left, right) = _padding(padding, (height, width), (reach_h, reach_w), (SH, SW))
    full_h, full_w = height + top + bottom, width + left + right
    if reach_h > full_h or reach_w > full_w:
        raise ValueError(
            f"expected a kernel no larger than the image: received a window of {reach_h}×{reach_w} "
            f"pixels (kernel {KH}×{KW}, dilation {DH}×{DW}) over {full_h}×{full_w} (with padding); "
            'use a smaller kernel, a larger image or padding="same"'
        )
    OH, OW = (full_h - reach_h) // SH + 1, (full_w - reach_w) // SW + 1
    return Window(KH, KW, SH, SW, DH, DW, top, bottom, left, right, OH, OW)


def pool_window(
    height: int,
    width: int,
    size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: Padding = "valid",
) -> Window:
    """make_window for pooling: the stride defaults to the size, and no window is all padding."""
    w = make_window(height, width, size, size if stride is None else stride, padding)
    if max(w.top, w.bottom) >= w.KH or max(w.left, w.right) >= w.KW:
        raise ValueError(
            f"expected pooling padding smaller than the window {w.KH}×{w.KW} (a window of padding "
            f"alone has no maximum), received {((w.top, w.bottom), (w.left, w.right))}"
        )
    return w


def _is_int(value: object) -> bool:
    return isinstance(value, SupportsIndex) and not isinstance(value, bool)


def _padding(padding: Padding, image: Pair, reach: Pair, stride: Pair) -> tuple[Pair, Pair]:
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        total = [
            max((-(-size // s) - 1) * s + r - size, 0)
            for size, r, s in zip(image, reach, stride, strict=True)
        ]
        return (total[0] // 2, total[0] - total[0] // 2), (total[1] // 2, total[1] - total[1] // 2)
    if _is_int(padding):
        pad = whole_number("padding", padding, 0)
        return (pad, pad), (pad, pad)
    if isinstance(padding, (tuple, list)) and len(padding) == 2:
        vertical, horizontal = padding
        if isinstance(vertical, (tuple, list)) and isinstance(horizontal, (tuple, list)):
            return pair("padding (top, bottom)", vertical, 0), pair(
                "padding (left, right)", horizontal, 0
            )
    raise TypeError(
        'expected padding "valid", "same", an int or ((top, bottom), (left, right)), '
        f"received {padding!r}"
    )
