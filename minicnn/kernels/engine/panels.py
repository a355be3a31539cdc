"""How filters are cut into panels as wide as a tile, and laid out in the order it reads them."""

from __future__ import annotations

from typing import NamedTuple

from ..jit import inner
from .codegen.rows import copy_numbers
from .codegen.simd import Vectors
from .threads.work_sharing import share

SMALL = 1 << 14  # filter numbers: less is packed by one thread


class Panels(NamedTuple):
    """`full` panels of the filters, as wide as a tile each, and a last one."""

    full: int
    vectors: int  # of a full panel
    lanes: int
    last: int  # vectors of the last panel; 0: there is none
    tail: int  # filters in its last vector
    group: int = 1  # lanes of a filter: so many steps of the sum side by side

    @property
    def width(self) -> int:
        """Numbers that a step reads of a full panel."""
        return self.vectors * self.lanes

    @property
    def filters(self) -> int:
        """Filters of a full panel."""
        return self.width // self.group

    @property
    def total(self) -> int:
        """All panels."""
        return self.full + (self.last > 0)

    def steps(self, length: int) -> int:
        """Steps of a run of `length` numbers."""
        return -(-length // self.group)


def panels(F: int, unit: Vectors, itemsize: int, widest: int = 2) -> Panels:
    """Cut F filters into panels of `widest` vectors (or three, where two is not all but three is).

    The wider the panel, the fewer numbers of the image are loaded for each multiply-add; the
    narrower, the more pixels fit the registers, and the fewer of the filters' are loaded.
    """
    lanes = unit.lanes(F, itemsize)
    count = -(-F // lanes)
    if count == 3 and unit.registers >= 32:
        widest = 3
    widest = min(count, widest)
    full, last = divmod(count, widest)
    tail = F - (count - 1) * lanes
    if tail < lanes and not last:  # the last panel is not like the others
        full, last = full - 1, widest
    return Panels(full, widest, lanes, last, tail)


def grouped(cut: Panels, runs: int, length: int, unit: Vectors, itemsize: int) -> Panels:
    """The same panels, or, if the filters fill no more than half a vector: one whole vector, in
    which each filter has several lanes, for as many neighbouring steps of the sum.

    A step then multiplies several numbers of the image, each with its own lane of every filter;
    the lanes of a filter are added up at the end.
    """
    group = unit.most_lanes(itemsize) // cut.lanes
    few = cut.total == 1 and max(cut.vectors, cut.last) == 1
    saved = runs * (length - -(-length // group))
    if group == 1 or not few or saved < GROUPING_COSTS:
        return cut
    return Panels(0, 1, cut.lanes * group, 1, cut.tail, group)


GROUPING_COSTS = 8  # steps of the sum, about, to add up a filter's lanes


@inner
def pack(team, w, b, packed, bias, packers, GROUP):  # type: ignore[no-untyped-def]
    """packed[p, i·steps + s, l·group + g] = w[i, j, c, p·filters + l] with j·C + c = s·group + g,
    and the bias likewise, in the first lane of each filter; the rest stays zero. So the tile reads
    its filters from beginning to end.

    `packers` is 1, or KH·panels: then each piece packs one line of the window for one panel.
    """
    for f in range(len(b)):
        bias[f * GROUP] = b[f]
    share(team, packers, _pack_piece, (w, packed, packers, GROUP))


@inner
def _pack_piece(number, w, packed, packers, GROUP):  # type: ignore[no-untyped-def]
    KH, KW, C, F = w.shape
    count, steps, width = packed.shape
    steps //= KH
    filters = width // GROUP
    flat, lines = packed.reshape(-1), w.strides[3] == w.itemsize and GROUP == 1
    for item in range(KH * count):
        p, i = item // KH, item % KH
        if packers > 1 and item != number:
            continue
        used = min(filters, F - p * filters)
        for j in range(KW):
            for c in range(C):
                k = j * C + c
                to = (p * KH * steps + i * steps + k // GROUP) * width + k % GROUP
                if lines:
                    at = i * w.strides[0] + j * w.strides[1] + c * w.strides[2]
                    copy_numbers(w, at // w.itemsize + p * filters, flat, to, used)
                else:
                    for lane in range(used):
                        flat[to + lane * GROUP] = w[i, j, c, p * filters + lane]
