"""Which numbers a tile reads, which it skips as padding, and how steps share a vector."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("numba")

from minicnn.kernels.engine.codegen.simd import UNITS, Vectors
from minicnn.kernels.engine.codegen.tile import Tile
from minicnn.kernels.engine.panels import FOLD_COST, cut_panels, share_vectors
from minicnn.kernels.engine.weight_gradient import spans

small = st.integers(1, 6)
units = st.sampled_from(list(UNITS.values()))
item_sizes = st.sampled_from([4, 8])


def line_tile(C: int, KW: int, SW: int, cols: int, **given: int) -> Tile:
    """A tile of `cols` neighbouring outputs that sums over one line of a window."""
    return Tile(
        rows=1,
        row_pitch=0,
        cols=cols,
        col_pitch=SW * C,
        runs=1,
        length=KW * C,
        run_pitch=0,
        step=1,
        b_run_pitch=0,
        b_pitch=0,
        vectors=1,
        lanes=8,
        tail=8,
        out_pitch=0,
        out_step=0,
    )._replace(**given)


def numbers_read(tile: Tile) -> list[tuple[int, int]]:
    """(output, number of its run) for each number read, sorted, with duplicates."""
    found = []
    for stretch in tile.stretches():
        for turn in range(stretch.turns):
            for tap, numbers in enumerate(stretch.numbers):
                step = stretch.first + turn + tap * stretch.apart
                for output, existing in enumerate(numbers):
                    found += [
                        (output, step * tile.steps_per_vector + g)
                        for g in range(tile.steps_per_vector)
                        if existing >> g & 1
                    ]
    return sorted(found)


@given(
    C=small,
    KW=small,
    SW=st.integers(1, 3),
    cols=small,
    W=st.integers(1, 12),
    left=st.integers(-2, 6),
    shared=st.sampled_from([1, 2, 4]),
    interleaved=st.booleans(),
)
def test_a_tile_reads_each_number_of_its_windows_inside_the_image_once(
    C: int, KW: int, SW: int, cols: int, W: int, left: int, shared: int, interleaved: bool
) -> None:
    tile = line_tile(
        C, KW, SW, cols, steps_per_vector=shared, line_length=W * C, left_overhang=left * C
    )
    if interleaved:
        tile = tile._replace(interleaved_taps=KW if C % shared == 0 else tile.steps_of_run)
    expected = [
        (output, j * C + c)
        for output in range(cols)
        for j in range(KW)
        for c in range(C)
        if 0 <= output * SW + j - left < W
    ]
    assert numbers_read(tile) == expected


@given(C=small, KW=small, cols=small, shared=st.sampled_from([1, 2, 4]))
def test_without_padding_a_tile_reads_all_and_only_its_last_step_may_differ(
    C: int, KW: int, cols: int, shared: int
) -> None:
    tile = line_tile(C, KW, 1, cols, steps_per_vector=shared)
    assert numbers_read(tile) == [(o, k) for o in range(cols) for k in range(KW * C)]
    assert len(list(tile.stretches())) == 1 + (KW * C % shared > 0 and shared < KW * C)


@given(
    taps=small,
    outputs=st.integers(1, 12),
    stride=st.integers(1, 4),
    size=st.integers(1, 12),
    before=st.integers(0, 8),
)
def test_spans_are_the_outputs_whose_tap_lies_inside(
    taps: int, outputs: int, stride: int, size: int, before: int
) -> None:
    found = spans(taps, outputs, stride, size, before)
    for tap in range(taps):
        inside = [o for o in range(outputs) if 0 <= o * stride + tap - before < size]
        assert list(range(found.first[tap], found.stop[tap])) == inside


@given(F=st.integers(1, 80), runs=small, length=st.integers(1, 100), unit=units, size=item_sizes)
def test_steps_share_a_vector_if_filters_fill_half_of_it_and_enough_steps_are_saved(
    F: int, runs: int, length: int, unit: Vectors, size: int
) -> None:
    cut = cut_panels(F, unit, size)
    found = share_vectors(cut, runs, length, unit, size)
    if found == cut:
        most = unit.most_lanes(size) // cut.lanes
        saved = runs * (length - -(-length // most))
        assert unit.most_lanes(size) < 2 * F or saved < FOLD_COST
        return
    assert found.steps_per_vector > 1
    assert found.lanes == unit.most_lanes(size) == found.steps_per_vector * cut.lanes
    assert (found.full, found.last, found.total, found.tail) == (0, 1, 1, F)
    assert found.filters == cut.lanes
    assert runs * (length - found.steps(length)) >= FOLD_COST
