"""Filters are cut into panels as wide as a tile, and stored in the order in which it reads them."""

from __future__ import annotations

from typing import NamedTuple

from ..jit import inlined
from .codegen.rows import copy_numbers
from .codegen.simd import Vectors
from .threads.work_sharing import share

SMALL_MATRIX = 1 << 14  # filter numbers: one thread packs fewer than this
FOLD_COST = 8  # adding up a filter's lanes costs about as much as this many steps of the sum


class Panels(NamedTuple):
    """`full` panels of the filters, each as wide as a tile, and a last one."""

    full: int
    vectors: int  # of a full panel
    lanes: int
    last: int  # vectors of the last panel; 0: there is none
    tail: int  # filters in its last vector
    steps_per_vector: int = 1  # steps of the sum in one vector; each filter has as many lanes

    @property
    def width(self) -> int:
        """Numbers that a step reads of a full panel."""
        return self.vectors * self.lanes

    @property
    def filters(self) -> int:
        """Filters of a full panel."""
        return self.width // self.steps_per_vector

    @property
    def total(self) -> int:
        """All panels."""
        return self.full + (self.last > 0)

    def steps(self, length: int) -> int:
        """Steps of a run of `length` numbers."""
        return -(-length // self.steps_per_vector)


def cut_panels(F: int, unit: Vectors, itemsize: int, widest: int = 2) -> Panels:
    """Cut F filters into panels of `widest` vectors, or three if that is all and they fit.

    A wider panel loads fewer numbers of the image for each multiply-add. A narrower panel leaves
    registers for more pixels, so that fewer filter numbers are loaded.
    """
    lanes = unit.lanes(F, itemsize)
    count = -(-F // lanes)
    if count == 3 and unit.registers >= 32:
        widest = 3
    widest = min(count, widest)
    full, last = divmod(count, widest)
    tail = F - (count - 1) * lanes
    if tail < lanes and not last:  # the last panel differs from the others
        full, last = full - 1, widest
    return Panels(full, widest, lanes, last, tail)


def share_vectors(panels: Panels, runs: int, length: int, unit: Vectors, itemsize: int) -> Panels:
    """The same panels; or, if the filters fill at most half a vector, one whole vector in which
    each filter has several lanes, for as many neighbouring steps of the sum.

    Each step then multiplies several numbers of the image, each with its own lane of every
    filter. The lanes of a filter are added up at the end.
    """
    steps_per_vector = unit.most_lanes(itemsize) // panels.lanes
    one_vector = panels.total == 1 and max(panels.vectors, panels.last) == 1
    saved = runs * (length - -(-length // steps_per_vector))
    if steps_per_vector == 1 or not one_vector or saved < FOLD_COST:
        return panels
    return Panels(0, 1, panels.lanes * steps_per_vector, 1, panels.tail, steps_per_vector)


@inlined
def pack(team, w, b, packed, bias, pack_pieces, STEPS_PER_VECTOR):  # type: ignore[no-untyped-def]
    """Copy the filters and the bias in the order in which a tile reads them.

    packed[p, i·steps + s, l·G + g] = w[i, j, c, p·filters + l], where j·C + c = s·G + g and
    G = STEPS_PER_VECTOR. The bias goes to the first lane of each filter. The rest stays zero.

    `pack_pieces` is 1 or KH·panels: then each piece packs one line of the window for one panel.
    """
    for f in range(len(b)):
        bias[f * STEPS_PER_VECTOR] = b[f]
    share(team, pack_pieces, _pack_piece, (w, packed, pack_pieces, STEPS_PER_VECTOR))


@inlined
def _pack_piece(number, w, packed, pack_pieces, STEPS_PER_VECTOR):  # type: ignore[no-untyped-def]
    KH, KW, C, F = w.shape
    count, steps, width = packed.shape
    steps //= KH
    filters = width // STEPS_PER_VECTOR
    contiguous = w.strides[3] == w.itemsize and STEPS_PER_VECTOR == 1
    flat = packed.reshape(-1)
    for item in range(KH * count):
        p, i = item // KH, item % KH
        if pack_pieces > 1 and item != number:
            continue
        used = min(filters, F - p * filters)
        for j in range(KW):
            for c in range(C):
                k = j * C + c
                step = p * KH * steps + i * steps + k // STEPS_PER_VECTOR
                to = step * width + k % STEPS_PER_VECTOR
                if contiguous:
                    at = i * w.strides[0] + j * w.strides[1] + c * w.strides[2]
                    copy_numbers(w, at // w.itemsize + p * filters, flat, to, used)
                else:
                    for lane in range(used):
                        flat[to + lane * STEPS_PER_VECTOR] = w[i, j, c, p * filters + lane]
