"""Meng's data path against the stacking rule written down a second time, row by row, and its closed forms."""

from math import ceil, log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xbarch.datapaths.base import Geometry
from xbarch.datapaths.meng import Meng, Routed, index_bits
from xbarch.errors import InputError
from xbarch.functional.execute import run
from xbarch.plugins import registry
from xbarch.workload.graph import Layer, Workload
from xbarch.workload.zoo import GroupPruning, synthetic

ISAAC = Geometry(128, 128, 2)


def conv(keep, group_ch, kernel=(3, 3), bits=4, seed=0, groups=1):
    """A layer of one window. keep [filters, sub-groups of group_ch channels]: True where the segment is kept."""
    mask = np.repeat(keep, group_ch, axis=1)[:, :, None, None] & np.ones(kernel, bool)
    top = (1 << bits - 1) - 1
    weights = np.random.default_rng(seed).integers(-top, top + 1, mask.shape).astype(np.int16) * mask
    filters, channels = mask.shape[:2]
    return Layer(name="conv", op="conv", inputs=("input",), in_shape=(channels * groups, *kernel),
                 out_shape=(filters, 1, 1), kernel=kernel, groups=groups, weight_bits=bits, input_bits=4,
                 weights=lambda: weights, mask=lambda: mask)


def rule(layer, geometry, group_ch, unroll="im2col", side_by_side=False, diagonal=False):
    """The stacking rule again: (crossbars, conversions a phase, reads a phase, filter indices stored).

    Sub-groups of `group_ch` channels keep the filters that have a weight there, at most one fewer than the
    weights that a crossbar row holds, for the dummy; the widest lies on top; the stack is a tape of rows, sawn every
    `geometry.rows`; the sawn-off stacks are put side by side by first-fit decreasing.
    """
    slices = ceil(layer.weight_bits / geometry.cell_bits)
    slots = geometry.columns // slices
    kernel_area, channels = layer.kernel[0] * layer.kernel[1], layer.in_shape[0] // layer.groups
    mask = layer.mask().reshape(layer.groups, layer.filters // layer.groups, channels, kernel_area)
    widths, reads, conversions, indices = [], 0, 0, 0
    for positions in [range(kernel_area)] if unroll == "im2col" else [[p] for p in range(kernel_area)]:
        pieces = []
        for group in range(layer.groups):
            for first in range(0, channels, group_ch):
                segment = mask[group, :, first:first + group_ch][:, :, list(positions)]
                left, height = int(segment.any(axis=(1, 2)).sum()), segment[0].size
                while left:
                    pieces.append((min(left, slots - 1), height))
                    left -= pieces[-1][0]
        pieces.sort(key=lambda p: -p[0])
        tape = [number for number, (_, height) in enumerate(pieces) for _ in range(height)]
        for top in range(0, len(tape), geometry.rows):
            numbers = list(dict.fromkeys(tape[top:top + geometry.rows]))
            weights = [pieces[n][0] + 1 for n in numbers]
            conversions += sum(weights) * slices
            indices += sum(weights) - len(weights)
            right, width = slots + 1, 0  # past the edge: the first piece starts a read
            for wide in weights:
                if not diagonal or right + wide > slots:
                    right, reads = 0, reads + 1
                right += wide
                width = max(width, right)
            widths.append(width)
    if not widths:  # every weight removed: one dummy
        return 1, slices, 1, 0
    room = []
    for width in sorted(widths, reverse=True):
        place = next((i for i, free in enumerate(room) if free >= width), None) if side_by_side else None
        if place is None:
            room.append(slots - width)
        else:
            room[place] -= width
    return len(room), conversions, reads, indices


def emitted(layer, geometry, **options):
    """The same four figures from the data path."""
    path = Meng(options)
    blocks = path.pack(layer, geometry)
    work = path.work(blocks, layer, geometry)
    phases = ceil(layer.input_bits / geometry.dac_bits)
    conversions, reads = int((work.columns * work.reads).sum()), int(work.reads.sum())
    assert conversions % phases == reads % phases == 0
    assert work.extra["demux"].sum() == sum(b.outputs for b in blocks if isinstance(b, Routed))
    return (len({b.crossbar for b in blocks}), conversions // phases, reads // phases,
            sum(b.outputs for b in blocks))


@st.composite
def pruned(draw, ragged=True):
    """A layer with at least one removed segment, and the size of its sub-groups."""
    group_ch = draw(st.sampled_from([16, 8, 4]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    filters, subgroups = draw(st.integers(1, 90)), draw(st.integers(1, 8))
    keep = rng.random((filters, subgroups)) < draw(st.sampled_from([0.05, 0.2, 0.5, 0.9]))
    keep[rng.integers(filters), rng.integers(subgroups)] = False
    kernel = draw(st.sampled_from([(3, 3), (5, 1), (2, 2)]))
    groups = draw(st.sampled_from([1, 1, 2])) if filters % 2 == 0 and ragged else 1
    layer = conv(keep, group_ch, kernel, draw(st.sampled_from([2, 4, 8])), groups=groups)
    return layer, group_ch


geometries = st.builds(Geometry, st.integers(20, 160), st.integers(24, 160), st.sampled_from([1, 2, 4]),
                       dac_bits=st.sampled_from([1, 2]), unit_column=st.booleans())


# -- counts ---------------------------------------------------------------------------------------------------

@pytest.mark.full
@settings(max_examples=250, deadline=None)
@given(pruned(), geometries, st.sampled_from([16, 8, 4]), st.sampled_from(["im2col", "kernel_pos"]), st.booleans(),
       st.booleans())
def test_crossbars_conversions_reads_and_indices_follow_the_rule(drawn, geometry, group_ch, unroll, side, diagonal):
    """Also where the data path's sub-groups are not the ones that were pruned."""
    layer, _ = drawn
    options = {"group_ch": group_ch, "unroll": unroll, "side_by_side": side, "diagonal": diagonal}
    blocks = Meng(options).pack(layer, geometry)
    if not isinstance(blocks[0], Routed):  # larger sub-groups each keep something: nothing to skip
        return
    assert emitted(layer, geometry, **options) == rule(layer, geometry, **options)
    slices, kept = ceil(layer.weight_bits / geometry.cell_bits), int(layer.mask().sum())
    assert sum(b.kept for b in blocks) == kept * slices
    crossbars = len({b.crossbar for b in blocks})
    assert crossbars >= ceil(kept * slices / (geometry.rows * geometry.columns))
    assert max(b.col0 + b.columns for b in blocks) <= geometry.columns  # never the reference column


def test_sub_groups_of_the_paper_by_hand():
    """Two sub-groups of 4 channels x 1 x 2 on crossbars of 12 rows: 8 rows each, the second is cut after 4.

    Sub-group 0 keeps filters 1, 3, sub-group 1 filters 0, 2, 3: the wider one lies on top. Two cells per weight.
    """
    keep = np.array([[0, 1], [1, 0], [0, 1], [1, 1], [0, 0]], bool)
    layer, geometry = conv(keep, 4, (1, 2)), Geometry(12, 16, 2)
    blocks = Meng({"group_ch": 4}).pack(layer, geometry)
    assert [(b.crossbar, b.group, b.row0, b.rows, b.columns) for b in blocks] == [
        (0, 0, 0, 8, 8), (0, 1, 8, 4, 6), (1, 0, 0, 4, 6)]
    assert [b.targets.tolist() for b in blocks] == [[0, 2, 3], [1, 3], [1, 3]]
    assert [b.inputs.tolist() for b in blocks] == [list(range(8, 16)), [0, 1, 2, 3], [4, 5, 6, 7]]
    # 8 + 6 of 16 bit lines: the second stack fits beside
    beside = Meng({"group_ch": 4, "side_by_side": True}).pack(layer, geometry)
    assert [(b.crossbar, b.group, b.row0, b.col0) for b in beside] == [(0, 0, 0, 0), (0, 1, 8, 0), (0, 2, 0, 8)]
    slanted = Meng({"group_ch": 4, "diagonal": True}).pack(layer, geometry)
    assert [(b.crossbar, b.group, b.row0, b.col0) for b in slanted] == [(0, 0, 0, 0), (0, 0, 8, 8), (1, 0, 0, 0)]


@pytest.mark.parametrize(("group_ch", "reads"), [(16, 1), (8, 2), (4, 4)])
def test_a_span_of_16_channels_on_144_rows(group_ch, reads):
    """The authors' region: 16 channels x 3 x 3 on 144 word lines, opened one sub-group at a time. Conversions a
    phase: sum of (kept segments + dummy) * S; bit lines: the widest sub-group and the dummy; nothing is cut."""
    keep = np.random.default_rng(1).random((50, 16 // group_ch)) < 0.3
    layer, geometry = conv(keep, group_ch), Geometry(144, 128, 2)
    path = Meng({"group_ch": group_ch})
    blocks = path.pack(layer, geometry)
    work = path.work(blocks, layer, geometry)
    kept = keep.sum(axis=0)
    assert work.reads.tolist() == [4] * reads  # 4 input phases
    assert sorted(work.columns.tolist()) == sorted((2 * (kept + 1)).tolist())
    assert max(b.columns for b in blocks) == 2 * (kept.max() + 1)
    assert set(work.rows.tolist()) == {9 * group_ch} and set(work.crossbar.tolist()) == {0}
    assert index_bits(blocks, 50) == kept.sum() * ceil(log2(50))


def test_kernel_positions_have_crossbars_of_their_own():
    """Nine positions, 64 channels down the rows: sub-groups of 16 rows, none cut, nine crossbars without sharing."""
    keep = np.random.default_rng(2).random((40, 4)) < 0.5
    layer = conv(keep, 16)
    blocks = Meng({"unroll": "kernel_pos"}).pack(layer, ISAAC)
    assert len(blocks) == 9 * 4 and {b.rows for b in blocks} == {16}
    for crossbar in range(9):
        inputs = np.concatenate([b.inputs for b in blocks if b.crossbar == crossbar])
        assert set((inputs % 9).tolist()) == {crossbar} and len(inputs) == 64
    assert index_bits(blocks, 40) == 9 * keep.sum() * 6


def test_the_widest_row_of_a_crossbar_leaves_room_for_the_dummy():
    """64 weights per row: 63 filters and a dummy; the 64th filter starts a second piece with a dummy of its own."""
    keep = np.ones((64, 2), bool)
    keep[:, 1] = False
    blocks = Meng({"side_by_side": False}).pack(conv(keep, 16), ISAAC)
    assert sorted({b.outputs for b in blocks}) == [1, 63]
    assert max(b.columns for b in blocks) == 128


@pytest.mark.quick(1)
@pytest.mark.parametrize("group_ch", [16, 8, 4])
@pytest.mark.parametrize("unroll", ["im2col", "kernel_pos"])
def test_pruned_resnet18_needs_far_fewer_crossbars_than_dense(group_ch, unroll):
    """87.8 % of the groups removed, as 65.4 = 8 * 1 / (1 - 0.878) of Meng et al. says."""
    pruning = GroupPruning(method="meng", group_ch=group_ch, sparsity=0.878)
    workload = synthetic("pruned", "resnet18", 4, 4, pruning=pruning)
    options = {"group_ch": group_ch, "unroll": unroll}
    path, used, expected, dense = Meng(options), 0, 0, 0
    for layer in workload.compute_layers:
        full = ceil(layer.rows / 128) * ceil(layer.filters * 2 / 128)
        used += len({b.crossbar for b in path.pack(layer, ISAAC)})
        expected += full if layer.mask is None else rule(layer, ISAAC, **options)[0]
        dense += full
    assert dense == 1371
    assert used == expected, f"{used} crossbars, the rule gives {expected}"
    assert used * 3 < dense, f"ratio {dense / used:.2f} of 8.2 that the removed groups would give at most"


# -- contents -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("cell_bits", "seven"), [(1, [1, 1, 1, 0]), (2, [3, 1]), (3, [7, 0]), (4, [7])])
def test_the_dummy_is_seven_in_digit_columns_beside_weights_moved_by_seven(cell_bits, seven):
    keep = np.array([[1, 0], [0, 1], [1, 1]], bool)
    layer, geometry = conv(keep, 4, (1, 2)), Geometry(64, 64, cell_bits)
    base, slices = 1 << cell_bits, len(seven)
    for block in Meng({"group_ch": 4}).pack(layer, geometry):
        stored = block.contents().cells
        assert stored[:, :slices].tolist() == [seven] * block.rows
        digit = base ** np.arange(slices)
        numbers = stored.reshape(block.rows, -1, slices) @ digit
        assert np.array_equal(numbers[:, 1:] - 7, layer.matrix[np.ix_(block.inputs, block.targets)])
        assert block.columns == slices * (len(block.targets) + 1)


def test_sums_are_the_filters_less_the_dummy():
    """Dropping the offset changes nothing: sum (w + 7) x - sum 7 x = sum w x, filter by filter."""
    keep = np.array([[1, 0], [0, 1], [1, 1]], bool)
    layer, geometry = conv(keep, 4, (1, 2)), Geometry(64, 64, 2)
    x = np.random.default_rng(4).integers(0, 16, (6, 16))
    total = np.zeros((6, 3), int)
    for block in Meng({"group_ch": 4}).pack(layer, geometry):
        w = layer.matrix[np.ix_(block.inputs, block.targets)].astype(int)
        driven = x[:, block.inputs]
        total[:, block.targets] += driven @ (w + 7) - 7 * driven.sum(axis=1, keepdims=True)
    done = run(Meng({"group_ch": 4}).pack(layer, geometry), layer, geometry, x, "lossless")
    assert np.array_equal(done.out, total) and np.array_equal(total, x @ layer.matrix)


def test_one_column_belongs_to_different_filters_in_different_sub_groups():
    """What the DeMUX is for: packed left, bit line 2 holds filter 0 in one sub-group and filter 1 in the other."""
    keep = np.array([[1, 0], [0, 1]], bool)
    blocks = Meng({"group_ch": 4}).pack(conv(keep, 4, (1, 2)), Geometry(64, 64, 2))
    assert [(b.col0, b.targets.tolist()) for b in blocks] == [(0, [0]), (0, [1])]
    path = Meng({"group_ch": 4})
    work = path.work(blocks, conv(keep, 4, (1, 2)), Geometry(64, 64, 2))
    assert work.extra["demux"].tolist() == [2]  # one look-up a sum and window


def test_layers_without_removed_segments_are_dense():
    layer = conv(np.ones((10, 2), bool), 16)
    path = Meng()
    blocks = path.pack(layer, ISAAC)
    work = path.work(blocks, layer, ISAAC)
    assert len(blocks) == ceil(288 / 128) and not any(isinstance(b, Routed) for b in blocks)
    assert work.columns.tolist() == [10 * 2 + 1] * 3  # the unit column too, not the 108 bit lines left empty
    assert work.extra["demux"].tolist() == [0] * 3 and index_bits(blocks, 10) == 0


def test_a_layer_with_nothing_left_keeps_one_dummy():
    layer = conv(np.zeros((10, 2), bool), 16)
    path = Meng()
    block, = path.pack(layer, ISAAC)
    assert (block.rows, block.columns, block.outputs, block.kept) == (1, 2, 0, 0)
    assert not run([block], layer, ISAAC, np.full((2, 288), 15)).out.any()


# -- less kept is never dearer --------------------------------------------------------------------------------

@settings(max_examples=150, deadline=None)
@given(pruned(ragged=False), geometries, st.sampled_from(["im2col", "kernel_pos"]), st.floats(0, 1),
       st.integers(0, 2**32 - 1))
def test_removing_more_segments_never_costs_more(drawn, geometry, unroll, share, seed):
    """Kept cells, conversions per window, and stacks without sharing. Sharing crossbars side by side is a bin packing,
    first-fit decreasing, which is not monotone by itself but never above 11/9 of the best and 6/9 (Dosa 2007)."""
    layer, group_ch = drawn
    keep = layer.mask()[:, ::group_ch, 0, 0]
    fewer = conv(keep & (np.random.default_rng(seed).random(keep.shape) < share), group_ch, layer.kernel,
                 layer.weight_bits)
    common = {"group_ch": group_ch, "unroll": unroll}
    before, after = (emitted(la, geometry, side_by_side=False, **common) for la in (layer, fewer))
    assert all(a <= b for a, b in zip(after, before, strict=True)), (before, after)
    kept = [sum(b.kept for b in Meng(common).pack(la, geometry)) for la in (layer, fewer)]
    assert kept[1] <= kept[0]
    shared = [emitted(la, geometry, **common) for la in (layer, fewer)]
    assert shared[0][0] <= before[0] and shared[1][0] <= after[0]
    assert 9 * shared[1][0] <= 11 * shared[0][0] + 6
    assert [s[1:] for s in shared] == [before[1:], after[1:]]


@settings(max_examples=150, deadline=None)
@given(pruned(), geometries, st.booleans(), st.integers(0, 2**32 - 1))
def test_against_the_same_path_at_zero_sparsity(drawn, geometry, side_by_side, seed):
    """Kept cells never exceed those of the whole layer; crossbars neither, once every sub-group's filters fit into
    as many pieces as the whole layer has full column blocks (a dummy a piece is what stacking costs at first)."""
    layer, group_ch = drawn
    whole = conv(np.ones((layer.filters, layer.in_shape[0] // layer.groups // group_ch), bool), group_ch,
                 layer.kernel, layer.weight_bits, groups=layer.groups)
    path = Meng({"group_ch": group_ch, "side_by_side": side_by_side})
    blocks, full = path.pack(layer, geometry), path.pack(whole, geometry)
    assert sum(b.kept for b in blocks) <= sum(b.kept for b in full)
    slots = geometry.columns // ceil(layer.weight_bits / geometry.cell_bits)
    per_group = layer.filters // layer.groups
    keep = layer.mask()[:, ::group_ch, 0, 0].reshape(layer.groups, per_group, -1)
    if keep.sum(axis=1).max() <= per_group // slots * (slots - 1):
        assert len({b.crossbar for b in blocks}) <= len({b.crossbar for b in full})


# -- hardware, refusals ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("unroll", ["im2col", "kernel_pos"])
@pytest.mark.parametrize("group_ch", [16, 8, 4])
def test_the_table_holds_what_any_crossbar_needs(group_ch, unroll):
    """Entries of an IMA's table, from the area: never fewer than 8 crossbars full of 4-bit segments look up."""
    path = Meng({"group_ch": group_ch, "unroll": unroll})
    added, = path.components(ISAAC)
    height = group_ch * (9 if unroll == "im2col" else 1)
    most = max(len({row // height for row in range(start, start + 128)}) for start in range(height))
    kbits = 8 * most * 63 * 10 / 1024
    assert added.area == pytest.approx(kbits * 0.0021e12 / 16, rel=1e-6)  # 2 KB cost 0.0021 mm² in ISAAC
    for share in (0.1, 0.5, 0.95):
        keep = np.random.default_rng(6).random((200, 256 // group_ch)) < share
        layer = conv(keep, group_ch)
        work = path.work(path.pack(layer, ISAAC), layer, ISAAC)
        assert work.extra["demux"].max() <= most * 63


@pytest.mark.parametrize(("bits", "columns", "reason"), [
    (1, 128, "layer conv has 1-bit weights, odd-symmetric levels need 2 bits"),
    (4, 3, "layer conv needs 4 bit lines for a weight and the dummy, the crossbar has 3"),
    (16, 15, "layer conv needs 16 bit lines for a weight and the dummy, the crossbar has 15"),
    (4, 4, ""), (2, 2, ""),
])
def test_what_it_does_not_accept(bits, columns, reason):
    layer = conv(np.ones((2, 1), bool), 16, bits=bits)
    assert Meng().accepts(Workload(name="w", layers=(layer,)), Geometry(128, columns, 2)) == reason


@pytest.mark.parametrize("bad", [-8, 8, 100])
def test_levels_are_odd_symmetric(bad):
    assert Meng().levels(4) == (-7, 7)  # 15 levels
    keep = np.array([[1, 0], [1, 1]], bool)
    layer = conv(keep, 16)
    layer.weights()[0, 0, 0, 0] = bad
    with pytest.raises(InputError, match=f"layer conv has weight {bad}; data path meng stores -7 to 7"):
        for block in Meng().pack(layer, ISAAC):
            block.contents()


@pytest.mark.parametrize("options", [{"group_ch": 12}, {"group_ch": "16"}, {"unroll": "rows"}, {"side_by_side": 1},
                                     {"groups": 16}])
def test_wrong_options_are_refused(options):
    with pytest.raises(InputError, match=f"options.{next(iter(options))}"):
        registry.datapath("meng", options)
