"""The default emission of work, and geometry's small arithmetic, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from xbarch.datapaths.base import Block, Geometry, standard_work

GEOMETRY = Geometry(8, 16, 2)


def block(crossbar, group, rows, columns, targets, row0=0, gated=False):
    def unread():
        raise AssertionError("counting work must not look at weights")
    return Block(crossbar=crossbar, row0=row0, col0=0, inputs=np.arange(rows), columns=columns, kept=0,
                 targets=np.arange(targets), contents=unread, group=group, gated=gated)


def test_all_bit_lines_are_converted_unless_the_machine_gates_or_the_data_path_picks():
    """A narrow block costs the whole array of 16, unless the data path picks all that is read: then its own; the
    reference beside the array is a 17th. On a machine that gates, blocks cost their own bit lines."""
    blocks = [block(0, 0, 8, 6, 3), block(1, 0, 8, 6, 3, gated=True), block(2, 0, 8, 17, 8),
              block(3, 0, 4, 6, 3, gated=True), block(3, 0, 4, 6, 3, row0=4)]
    for gated, columns in ((False, [16, 6, 17, 16]), (True, [6, 6, 17, 12])):
        work = standard_work(blocks, 4, replace(GEOMETRY, gated=gated))
        assert work.columns.tolist() == columns
        assert work.rows.tolist() == [8, 8, 8, 8] and work.cells.tolist() == [8 * c for c in columns]
        assert work.reads.tolist() == [4] * 4 and work.outputs.tolist() == [3, 3, 8, 6]


def test_groups_come_sorted_and_word_lines_count_once():
    """Two blocks of one group side by side share their word lines; another group is a read of its own."""
    blocks = [block(1, 1, 5, 4, 2), block(0, 0, 8, 4, 1), block(1, 0, 6, 4, 2), block(1, 0, 3, 5, 2, row0=5)]
    work = standard_work(blocks, 1, GEOMETRY)
    assert work.crossbar.tolist() == [0, 1, 1]
    assert work.rows.tolist() == [8, 8, 5]  # rows 0..5 and 5..7 are eight, not nine
    assert work.columns.tolist() == [4, 9, 4] and work.outputs.tolist() == [1, 4, 2]


@pytest.mark.parametrize(("bits", "cell_bits", "slices"), [(16, 2, 8), (4, 2, 2), (5, 2, 3), (1, 4, 1), (16, 1, 16)])
def test_slices(bits, cell_bits, slices):
    assert Geometry(8, 8, cell_bits).slices(bits) == slices


@pytest.mark.parametrize(("bits", "dac_bits", "phases"), [(16, 1, 16), (5, 2, 3), (1, 4, 1), (8, 4, 2)])
def test_phases(bits, dac_bits, phases):
    assert Geometry(8, 8, 2, dac_bits=dac_bits).phases(bits) == phases


@pytest.mark.parametrize(("largest", "bits"), [(0, 1), (1, 1), (2, 2), (255, 8), (256, 9), (384, 9)])
def test_lossless_bits_hold_every_sum(largest, bits):
    assert GEOMETRY.lossless_bits(largest) == bits
    assert (1 << bits) - 1 >= largest and (bits == 1 or (1 << bits - 1) - 1 < largest)


@pytest.mark.parametrize(("rows", "columns"), [(8, 16), (5, 16), (8, 3), (7, 11), (3, 5), (1, 1), (6, 12)])
def test_operation_units_cover_every_cell_once(rows, columns):
    """Against tiling by loops: units of 3 x 5 of a group that leaves incomplete ones at both borders."""
    geometry = Geometry(8, 16, 2, ou_rows=3, ou_columns=5)
    tiles = [(min(3, rows - r), min(5, columns - c)) for r in range(0, rows, 3) for c in range(0, columns, 5)]
    work = standard_work([block(0, 0, rows, columns, 4)], 2, geometry)
    found = sorted((r, c, n) for r, c, n in zip(work.rows, work.columns, work.reads, strict=True))
    assert found == sorted((r, c, 2 * tiles.count((r, c))) for r, c in set(tiles))
    assert (work.cells * work.reads).sum() == 2 * rows * columns and work.outputs.sum() == 4
    whole = standard_work([block(0, 0, rows, columns, 4)], 2, replace(geometry, gated=False))
    assert set(whole.columns) == {5} and whole.reads.sum() == work.reads.sum()
