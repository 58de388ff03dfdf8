"""Laws of pruning that every data path keeps, over random layers and machines.

1. Against the same path at zero sparsity, shrinking the mask never raises kept cells, conversions or operation-unit
   steps before packing.
2. Crossbars are at least ceil(kept cells / cells of a crossbar).
3. Effective input cycles do not fall as fragments grow from 4 to 8 to 16 rows, on the same inputs.
4. Operation-unit steps never exceed those of the dense packing.

"Before packing" is taken at its word twice. On the crossbars of a machine, where methods choose the best of several
packings, the law compares with zero sparsity, and kept cells, which no packing changes, with every larger mask. On a
crossbar that holds the whole layer nothing is cut, moved or chosen for want of room; there conversions and steps never
rise from one mask to the next smaller one. What the law cannot mean is in `test_where_the_laws_end`, by smallest
examples.
"""

import typing
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil

import numpy as np
import pytest

from xbarch.datapaths.base import Geometry, Stream
from xbarch.datapaths.forms import cuts, effective
from xbarch.errors import InputError
from xbarch.plugins import registry
from xbarch.workload.graph import Layer, Workload

LAYERS = 10  # a variant and law; three where a packing looks for the largest sum of every bit line
DENSITIES = (1.0, 0.8, 0.5, 0.3, 0.15, 0.05)
REPEATS = ("pattpim", "repim")


# -- layers, machines and masks -----------------------------------------------------------------------------------

def variants():
    """The defaults of every registered data path, then each of its enumerable options changed alone."""
    for name, kind in registry.datapaths().items():
        yield name, {}
        for field, info in kind.Options.model_fields.items():
            listed = typing.get_args(info.annotation) if typing.get_origin(info.annotation) is typing.Literal else ()
            for value in (False, True) if info.annotation is bool else listed:
                if value != info.default:
                    yield name, {field: value}


VARIANTS = list(variants())
IDS = [name + "".join(f"-{k}={v}" for k, v in options.items()) for name, options in VARIANTS]


def once(listed):
    """Parameters of a test: the defaults of each data path in the quick tier, every variant in the full one."""
    return [pytest.param(name, options, id=IDS[VARIANTS.index((name, options))],
                         marks=pytest.mark.full if options else ()) for name, options in listed]


everywhere = pytest.mark.parametrize("name, options", once(VARIANTS))


@dataclass
class Case:
    """A layer without its mask, on a crossbar. weights: (F, C / groups, kh, kw)."""

    path: object
    geometry: Geometry
    weights: np.ndarray
    groups: int
    weight_bits: int
    input_bits: int

    def layer(self, mask=None, weights=None):
        """mask: None for a layer that was never pruned."""
        filters, channels, *kernel = self.weights.shape
        stored = self.weights if weights is None else weights
        stored = stored if mask is None else stored * mask
        return Layer(name="layer", op="conv", inputs=("input",), in_shape=(channels * self.groups, 9, 9),
                     out_shape=(filters, 1, 1), kernel=tuple(kernel), groups=self.groups, weight_bits=self.weight_bits,
                     input_bits=self.input_bits, weights=lambda: stored, mask=None if mask is None else lambda: mask)


def layers(name):
    return range(3 if name == "xue" else LAYERS)


def draw(rng, path, units=None):
    """A layer and a machine that the path takes; units: whether it has operation units, drawn if None."""
    while True:
        groups = int(rng.choice([1, 1, 1, 2]))
        kernel = [(1, 1), (1, 3), (3, 3), (3, 3)][rng.integers(4)]
        shape = (groups * int(rng.integers(1, 40)), int(rng.integers(1, 24)), *kernel)
        bits = 8 if path.name in REPEATS else int(rng.choice([2, 4, 8]))
        geometry = Geometry(int(rng.choice([16, 32, 64, 128])), int(rng.choice([32, 64, 128])), int(rng.choice([1, 2])),
                            dac_bits=int(rng.choice([1, 1, 2])), adc_bits=8, unit_column=bool(rng.integers(2)))
        if rng.integers(2) if units is None else units:
            wide = geometry.columns if path.name == "forms" else int(rng.choice([4, 8, 16]))
            geometry = replace(geometry, ou_rows=int(rng.choice([4, 8, 16])), ou_columns=wide)
        case = Case(path, geometry, weights(rng, path, bits, shape), groups, bits, int(rng.choice([1, 4, 8])))
        if not path.accepts(Workload(name="w", layers=(case.layer(),)), geometry):
            return case


def weights(rng, path, bits, shape):
    """Random integers over all levels; where weights that repeat are stored once, no two filters alike in any row;
    where signs have places, filters of one sign (see `test_where_the_laws_end` for what else could happen)."""
    low, high = path.levels(bits)
    if path.name in REPEATS:
        rows = [rng.permutation(np.arange(1, high + 1))[:shape[0]] for _ in range(int(np.prod(shape[1:])))]
        return np.array(rows, np.int32).T.reshape(shape)
    drawn = rng.integers(low, high + 1, shape).astype(np.int32)
    return np.abs(drawn) * rng.choice([-1, 1], (shape[0], 1, 1, 1)) if path.name == "forms" else drawn


def removed(rng, shape):
    """Nested masks by random removal of single weights, filters, rows, kernels and channels; the last keeps nothing."""
    mask = np.ones(shape, bool)
    yield mask
    for _ in range(5):
        size = [shape, (shape[0], 1, 1, 1), (1, *shape[1:]), (*shape[:2], 1, 1), (1, shape[1], 1, 1)][rng.integers(5)]
        mask = mask & (rng.random(size) < rng.choice([0.5, 0.9]))
        yield mask
    yield np.zeros(shape, bool)


def projected(case):
    """(mask, weights) of the method's own projection at falling densities, each of what the one before left; the first
    is zero sparsity."""
    exact, mask, whole = case.weights.astype(np.float64), np.ones(case.weights.shape, bool), case.layer()
    if case.path.name not in ("forms", "xue"):  # whose projections change weights that they keep
        yield mask, case.weights
    for density in DENSITIES:
        try:
            found = case.path.project(exact, whole, case.geometry, density)
        except InputError:  # below what this layer can reach
            continue
        exact, mask = found.weights, mask & found.mask
        yield mask, np.rint(exact).astype(np.int32)


def chains(rng, case):
    """Layers of falling masks, the first at zero sparsity: by random removal, and by the method's own projection."""
    yield [case.layer(mask) for mask in removed(rng, case.weights.shape)]
    own = [case.layer(mask, weights) for mask, weights in projected(case)]
    yield from [own] if own else []


# -- what is measured ---------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Figures:
    kept: int
    crossbars: int
    conversions: int
    steps: int


def measured(path, layer, geometry):
    """Of a window: kept cells, crossbars, conversions and reads (operation-unit steps) with nothing skipped."""
    blocks = path.pack(layer, geometry)
    work = path.work(blocks, layer, geometry)
    return Figures(sum(b.kept for b in blocks), len({b.crossbar for b in blocks}),
                   int((work.reads * work.columns).sum()), int(work.reads.sum()))


def dense_steps(layer, geometry, sign, cell_bits, whole):
    """Oracle: a dense matrix tiled into operation units, block by block. whole: units of unused bit lines as well."""
    cells, reference = ceil(layer.weight_bits / cell_bits), sign == "offset"
    each = {"offset": cells, "differential": 2 * cells, "twos": ceil((layer.weight_bits - 1) / cell_bits) + 1}[sign]
    filters, steps = layer.filters // layer.groups, 0
    wide = (geometry.columns - (reference and not geometry.unit_column)) // each
    for f in range(0, filters, wide):
        used = min(wide, filters - f) * each + reference
        lines = max(used, geometry.columns + (reference and geometry.unit_column)) if whole else used
        for r in range(0, layer.rows, geometry.rows):
            steps += ceil(min(geometry.rows, layer.rows - r) / geometry.ou_rows) * ceil(lines / geometry.ou_columns)
    return layer.groups * steps * ceil(layer.input_bits / geometry.dac_bits)


def whole_layer(case):
    """The machine with a crossbar on which the layer fits whole, in whatever pieces."""
    g, (filters, *_) = case.geometry, case.weights.shape
    rows = 4 * max(g.ou_rows, 1) * ceil(case.groups * case.layer().rows / max(g.ou_rows, 1))
    columns = 4 * (2 * 8 * filters + 40 * case.groups)
    wide = columns if case.path.name == "forms" and g.ou_rows else g.ou_columns
    return replace(case, geometry=replace(g, rows=rows, columns=columns, ou_columns=wide))


# -- 1: shrinking the mask ----------------------------------------------------------------------------------------

def above_zero_sparsity(name, options, geometry):
    """Methods whose own way of reading begins with pruning: Meng's sub-groups are read one after another, pieces of
    segments in mode ou in reads of their own; for these the law holds before packing alone."""
    return name == "meng" or (options.get("mode") == "ou" and not geometry.operation_units)


@pytest.mark.quick(3)
@everywhere
def test_kept_cells_never_rise_nor_work_above_zero_sparsity(name, options):
    path, rng, fell = registry.datapath(name, options), np.random.default_rng(11), 0
    for _ in layers(name):
        case = draw(rng, path)
        for chain in chains(rng, case):
            found = [measured(path, layer, case.geometry) for layer in chain]
            for before, after in pairwise(found):
                assert after.kept <= before.kept, (case, before, after)
                fell += after.kept < before.kept
            if not above_zero_sparsity(name, options, case.geometry):
                for after in found[1:]:
                    assert after.conversions <= found[0].conversions, (case, found[0], after)
                    assert after.steps <= found[0].steps, (case, found[0], after)
    assert fell > len(layers(name))


@pytest.mark.quick(2)
@everywhere
def test_work_never_rises_before_packing(name, options):
    """On a crossbar that holds the layer. One filter is removed from the start, so that a method that packs what was
    never pruned as `dense` has its own way from the first mask on."""
    path, rng = registry.datapath(name, {**options, **fixed(name, options)}), np.random.default_rng(12)
    for _ in layers(name):
        case = whole_layer(draw(rng, path))
        for chain in grouped(rng, case) if fixed(name, options) else chains(rng, case):
            found = []
            for layer in chain:
                mask, weights = layer.mask().copy(), layer.weights()
                mask[0] = False
                found.append(measured(path, case.layer(mask, weights), case.geometry))
            for before, after in pairwise(found):
                assert after.steps <= before.steps, (case, before, after)
                chosen = name == "snrram" and after.steps < before.steps  # of two ways the one of fewer reads
                assert after.conversions <= before.conversions or chosen, (case, before, after)


def fixed(name, options):
    """Options that say how tall segments are, where the method finds its shapes in the mask: there whole segments are
    what it can remove. A single weight less may be one shape more."""
    return {"channels": 2} if name == "pattern" else {"segment": 18} if options.get("mode") == "ou" else {}


def grouped(rng, case):
    """Layers that a projection gave few shapes, of which whole segments of a filter are removed."""
    tall = 2 * case.weights.shape[2] * case.weights.shape[3] if case.path.name == "pattern" else 18
    flat = case.weights.reshape(len(case.weights), -1)
    for density in (1.0, 0.5, 0.25):
        try:
            mask = case.path.project(case.weights.astype(np.float64), case.layer(), case.geometry, density).mask
        except InputError:
            continue
        chain = [case.layer(mask)]
        for _ in range(4):
            keep = rng.random((len(flat), ceil(flat.shape[1] / tall))) < 0.7
            mask = mask & keep.repeat(tall, axis=1)[:, :flat.shape[1]].reshape(mask.shape)
            chain.append(case.layer(mask))
        yield chain


# -- 2: crossbars and cells ---------------------------------------------------------------------------------------

@pytest.mark.quick(5)
@everywhere
def test_crossbars_hold_what_is_kept(name, options):
    """Kept cells as the path counts them, and by an oracle: no weight of b bits takes less than its magnitude's
    cells, single bits where the path stores one in each cell."""
    path, rng = registry.datapath(name, options), np.random.default_rng(13)
    for _ in layers(name):
        case = draw(rng, path)
        g, bits = case.geometry, 1 if getattr(path.options, "single_bit", False) else case.geometry.cell_bits
        for chain in chains(rng, case):
            for layer in chain:
                found = measured(path, layer, g)
                assert found.crossbars >= max(1, ceil(found.kept / (g.rows * g.columns))), (case, found)
                if name not in REPEATS and not getattr(path.options, "skip", False):  # no bit line of zeros is stored
                    cells = layer.kept_weights * ceil((layer.weight_bits - 1) / bits)
                    assert found.kept >= cells and found.crossbars >= ceil(cells / (g.rows * g.columns)), (case, found)


# -- 3: effective input cycles ------------------------------------------------------------------------------------

def vectors(rng, windows, inputs, bits):
    """Inputs as ReLUs leave them, many zeros and few large ones; one window of zeros, one of the largest."""
    x = np.minimum(rng.exponential((1 << bits) / 8, (windows, inputs)), (1 << bits) - 1).astype(np.uint8)
    x *= rng.random(x.shape) < 0.5
    x[0], x[1] = 0, (1 << bits) - 1
    return x


def test_effective_input_cycles_do_not_fall_as_fragments_grow():
    """Of every word line: a fragment of 8 or 16 rows waits for the longest input of the fragments in it."""
    rng, grew = np.random.default_rng(14), 0
    for _ in range(200):
        rows, tall, bits = int(rng.integers(1, 200)), int(rng.integers(16, 129)), int(rng.integers(1, 9))
        dac, inputs = int(rng.choice([1, 2, 4])), rng.permutation(rows)
        x, before = vectors(rng, 6, rows, bits), np.zeros((6, rows), np.int64)
        for height in (4, 8, 16):
            starts = cuts(rows, tall, height)
            lengths = np.diff(starts, append=rows)
            assert lengths.max() <= height
            cycles = effective(x, inputs, starts, dac)
            slow = [[ceil(max(int(v).bit_length() for v in x[w, inputs[s:s + n]]) / dac)
                     for s, n in zip(starts, lengths, strict=True)] for w in range(6)]
            assert cycles.tolist() == slow
            line = cycles.repeat(lengths, axis=1)
            assert (line >= before).all() and (line <= ceil(bits / dac)).all()
            grew, before = grew + int((line > before).sum()), line
    assert grew > 1000


def test_a_machine_of_larger_fragments_waits_longer_a_row():
    """The same through the data path: cycles of a window summed over its word lines, as its work says."""
    rng, grew = np.random.default_rng(15), 0
    for number in range(40):
        case = draw(rng, registry.datapath("forms"), True)
        mask = next(m for i, m in enumerate(removed(rng, case.weights.shape)) if i == number % 5)
        layer, before = case.layer(mask), np.zeros(6, np.int64)
        x = vectors(rng, 6, case.groups * layer.rows, case.input_bits)
        stream = Stream(1, case.input_bits, lambda x=x: x)
        for height in (4, 8, 16):
            geometry = replace(case.geometry, ou_rows=height)
            blocks = case.path.pack(layer, geometry)
            work = case.path.work(blocks, layer, geometry, stream)
            now = (work.reads * work.rows).sum(axis=1)
            phases = ceil(case.input_bits / geometry.dac_bits)
            assert (now >= before).all() and (now <= phases * sum(b.rows for b in blocks)).all(), case
            grew, before = grew + int((now > before).sum()), now
    assert grew > 40


# -- 4: operation-unit steps --------------------------------------------------------------------------------------

def dense_as_matched(case, layer):
    """Steps of the dense packing in the cells and signs of the method; fragments of FORMS span all bit lines and may
    be lower than a unit, and of mixed signs take what differential weights take."""
    path, geometry = case.path, case.geometry
    options, changes = path.matched()
    sign, bits = options.get("sign", "offset"), 1 if changes else geometry.cell_bits
    if path.name == "forms":
        return dense_steps(layer, replace(geometry, ou_rows=path.height(geometry)), "differential", bits, True)
    return dense_steps(layer, geometry, sign, bits, False)


# see `test_where_the_laws_end`; groups along a diagonal share an array and are read one after another
STEPPED = [(n, o) for n, o in VARIANTS if n != "meng" and o not in ({"fill": "kernels"}, {"groups": "diagonal"})]


@pytest.mark.quick(2)
@pytest.mark.parametrize("name, options", once(STEPPED))
def test_steps_never_exceed_the_dense_packing(name, options):
    """With nothing skipped, and in every window of given inputs: what is skipped only lowers the steps."""
    path, rng, saved = registry.datapath(name, options), np.random.default_rng(16), 0
    for number in layers(name):
        case = draw(rng, path, True)
        mixed = name in REPEATS or (name == "forms" and options.get("rows") != "block")
        if mixed and number % 2:  # weights that repeat, fragments of both signs
            case.weights = rng.choice([*path.levels(case.weight_bits), 0], case.weights.shape).astype(np.int32)
        x = vectors(rng, 6, case.groups * case.layer().rows, case.input_bits)
        for chain in [*chains(rng, case), [case.layer()]]:
            for layer in chain:
                most, blocks = dense_as_matched(case, layer), path.pack(layer, case.geometry)
                plain = path.work(blocks, layer, case.geometry)
                given = path.work(blocks, layer, case.geometry, Stream(1, case.input_bits, lambda x=x: x))
                each = given.reads.reshape(-1, len(given.rows)).sum(axis=1)
                assert plain.reads.sum() <= most, (case, int(plain.reads.sum()), most)
                assert (each <= plain.reads.sum()).all(), case
                saved += int((each < plain.reads.sum()).sum())
    switched = {"forms": "zero_skip", "recom": "skip_zeros", "snrram": "skip_zeros", "sre": "dof"}
    assert (saved > 0) == (name == "repim" or getattr(path.options, switched.get(name, ""), False))


# -- where the laws end -------------------------------------------------------------------------------------------

def small(name, options, values, geometry, kernel=(1, 1)):
    """A case of weights given as rows of a matrix [rows, filters]."""
    matrix = np.array(values, np.int32)
    shape = (matrix.shape[1], matrix.shape[0] // (kernel[0] * kernel[1]), *kernel)
    return Case(registry.datapath(name, options), geometry, matrix.T.reshape(shape), 1, 4, 1)


def counts(case, kept=None):
    """Figures of the case under a mask given as `values` were."""
    mask = None if kept is None else np.array(kept, bool).T.reshape(case.weights.shape)
    return measured(case.path, case.layer(mask), case.geometry)


ARRAY, UNITS = Geometry(16, 32, 4), Geometry(16, 32, 4, ou_rows=2, ou_columns=32)


def test_where_the_laws_end():
    """What shrinking a mask may raise all the same, each by its smallest example."""
    # meng: the whole layer is read as `dense` is, two sub-groups of four channels once one segment is gone
    meng = small("meng", {"group_ch": 4}, np.ones((16, 2)), ARRAY, (1, 2))
    kept = np.ones((16, 2))
    kept[:8, 0] = 0
    assert (counts(meng).steps, counts(meng, kept).steps) == (1, 2)
    units = replace(meng, geometry=replace(ARRAY, ou_rows=16, ou_columns=32))
    assert (counts(units).steps, counts(units, kept).steps) == (1, 2)
    # huai: whole kernels leave rows of a crossbar unused, at zero sparsity as well
    huai, plain = (small(name, options, np.ones((27, 1)), replace(ARRAY, ou_rows=16, ou_columns=33), (3, 3))
                   for name, options in (("huai", {"fill": "kernels"}), ("dense", {})))
    assert (counts(huai).steps, counts(plain).steps) == (3, 2)
    # pattpim: filters that were alike are so no more when one loses a weight
    alike = small("pattpim", {"height": 2}, np.ones((2, 4)), UNITS)
    assert counts(alike).kept == 2 and counts(alike, [[0, 1, 1, 1], [1, 1, 1, 1]]).kept == 3
    assert counts(alike).conversions < counts(alike, [[0, 1, 1, 1], [1, 1, 1, 1]]).conversions
    # pattern and mode ou of segprune: a weight less in one filter is one more shape, read alone
    ou = small("segprune", {"mode": "ou"}, np.ones((8, 2)), ARRAY)
    assert (counts(ou).steps, counts(ou, np.tri(8, 2)).steps) == (1, 2)
    # forms: rows move up, so that a fragment may come to hold both signs, which takes two weight columns
    forms = small("forms", {}, [[1], [1], [-1], [-1]], UNITS)
    assert counts(forms).conversions < counts(forms, [[0], [1], [1], [1]]).conversions
    # with rows "block" filters come in crossbars of one sign; five of both signs in five columns take three, not 2.5
    signs = np.tile([[1], [-1]], 10)
    apart, plain = (small(name, options, signs, Geometry(16, 5, 4, ou_rows=2, ou_columns=5))
                    for name, options in (("forms", {"rows": "block"}), ("dense", {"sign": "differential"})))
    assert (counts(apart).steps, counts(plain).steps) == (6, 5)
    # packing: filters are gathered by crossbars, whoever is left; without the first, others share their rows
    four = np.repeat(np.kron(np.eye(2), np.ones((1, 2))), 16, axis=0)
    narrow = small("hybrid_p", {}, np.ones((32, 4)), Geometry(16, 2, 4))
    assert (counts(narrow).crossbars, counts(narrow, four).crossbars) == (4, 2)
    assert counts(narrow, four * [0, 1, 1, 1]).crossbars == 3
