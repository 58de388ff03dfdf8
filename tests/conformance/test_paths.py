"""Every registered data path, with every option it has: exact on random and extreme layers, and lawful."""

import typing
from dataclasses import dataclass, replace

import numpy as np
import pytest

from xbarch import plugins
from xbarch.datapaths.base import Geometry
from xbarch.functional.execute import ceiling, lossless_bits, run
from xbarch.workload.graph import Layer, Workload

MIXED = 60   # layers a data path, with every option drawn at random


def values(annotation):
    """All values of a Literal or bool option."""
    if annotation is bool:
        return [False, True]
    return list(typing.get_args(annotation)) if typing.get_origin(annotation) is typing.Literal else []


def variants():
    """The defaults, then each enumerable option changed alone, of every registered data path."""
    for name, kind in plugins.datapaths().items():
        yield name, {}
        for field, info in kind.Options.model_fields.items():
            for value in values(info.annotation):
                if value != info.default:
                    yield name, {field: value}


VARIANTS = list(variants())
LAYERS = -(-(10_000 - MIXED * len(plugins.datapaths())) // len(VARIANTS))  # a variant; 10,000 in all
IDS = [name + "".join(f"-{k}={v}" for k, v in options.items()) for name, options in VARIANTS]


def each_phase(path):
    """Whether the data path reads every activation group once per input phase, as published."""
    return path.name in ("dense", "meng", "huai", "segprune", "xue")


def needs_units(path):
    """Whether the data path works on machines with operation units alone."""
    layer = Layer("layer", "linear", ("input",), (8, 1, 1), (4, 1, 1), weight_bits=4, input_bits=4)
    return "operation units" in path.accepts(Workload("w", (layer,)), Geometry(128, 128, 2))


def with_units(rng, path, geometry):
    """The same crossbar with operation units, of all bit lines for fragments."""
    wide = geometry.columns if path.name == "forms" else int(rng.integers(1, min(geometry.columns, 24) + 1))
    return replace(geometry, ou_rows=int(rng.integers(1, min(geometry.rows, 20) + 1)), ou_columns=wide)


def chunks(geometry, lines):
    """Word lines read together, of those a group drives."""
    step = geometry.ou_rows or len(lines)
    return [lines[i:i + step] for i in range(0, len(lines), step)]


@dataclass
class Case:
    path: object
    layer: Layer
    geometry: Geometry
    x: np.ndarray

    @property
    def matrix(self):
        """The whole unrolled matrix [groups * rows, filters], zero between groups: the oracle's weights."""
        layer = self.layer
        full = np.zeros((layer.groups * layer.rows, layer.filters), np.int64)
        for f in range(layer.filters):
            g = f // (layer.filters // layer.groups)
            full[g * layer.rows:(g + 1) * layer.rows, f] = layer.matrix[:, f]
        return full

    @property
    def kept(self):
        """The mask in the form of `matrix`."""
        one = replace(self.layer, weights=lambda: self.layer.kept.T.astype(np.int64))
        return Case(self.path, one, self.geometry, self.x).matrix.astype(bool)


def pruned(rng, shape, style):
    """A mask: whole groups of 16, 8 or 4 channels, single weights, or nothing left at all."""
    if style == "elements":
        return rng.random(shape) < 0.4
    if style == "all":
        return np.zeros(shape, bool)
    channels = int(rng.choice([16, 8, 4]))
    keep = rng.random((shape[0], -(-shape[1] // channels))) < rng.choice([0.1, 0.5])
    return np.broadcast_to(np.repeat(keep, channels, axis=1)[:, :shape[1], None, None], shape)


def stored(rng, path, layer_bits, shape):
    """Integer weights: random over all levels, all the largest, all the smallest, or a mixture of extremes."""
    low, high = path.levels(layer_bits)
    style = rng.integers(6)
    if style < 2:
        return np.full(shape, high if style else low, np.int32)
    if style == 2:
        return rng.choice([low, high], shape).astype(np.int32)
    return rng.integers(low, high + 1, shape, dtype=np.int32)


def draw(rng, path):
    """A random layer on a random crossbar that the data path accepts, and input vectors for it."""
    units = needs_units(path) or rng.random() < 0.15
    while True:
        groups = int(rng.choice([1, 1, 1, 2, 3]))
        channels, filters = groups * int(rng.integers(1, 40)), groups * int(rng.integers(1, 40))
        linear = rng.random() < 0.15
        kernel = (1, 1) if linear else tuple(int(k) for k in rng.choice([1, 2, 3, 3, 5], 2))
        groups = 1 if linear else groups
        weight_bits, input_bits = int(rng.choice([2, 3, 4, 5, 6, 7, 8, 16])), int(rng.integers(1, 9))
        shape = (filters, channels // groups, *kernel)
        weights = stored(rng, path, weight_bits, shape)
        style = rng.choice(["groups"] * 8 + ["elements"] * 3 + ["all"])
        mask = None if rng.random() < 0.2 else pruned(rng, shape, style)
        if mask is not None:
            weights = weights * mask
        stride, dilation = int(rng.integers(1, 3)), int(rng.integers(1, 3))
        layer = Layer(
            "layer", "linear" if linear else "conv", ("input",), (channels, 9, 9) if not linear else (channels, 1, 1),
            (filters, 1, 1), kernel, (stride, stride), dilation=(dilation, dilation), groups=groups,
            weight_bits=weight_bits, input_bits=input_bits, weights=lambda w=weights: w,
            mask=None if mask is None else lambda m=mask: m)
        geometry = Geometry(int(rng.integers(16, 145)), int(rng.integers(16, 161)), int(rng.integers(1, 5)),
                            int(rng.choice([1, 1, 2, 4])), 8, bool(rng.integers(2)))
        if units:
            geometry = with_units(rng, path, geometry)
        if not path.accepts(Workload("w", (layer,)), geometry):
            break
    most, size = (1 << input_bits) - 1, groups * layer.rows
    x = rng.integers(0, most + 1, (5, size))
    x[0], x[1] = most, 0                            # every word line driven in every phase; none
    x[2] = most * (rng.random(size) < 0.5)
    return Case(path, layer, geometry, x)


def cases(index, count):
    """The same layers for the same variant in every run."""
    name, options = VARIANTS[index]
    path, rng = plugins.datapath(name, options), np.random.default_rng([2, index])
    return (draw(rng, path) for _ in range(count))


def extremes(path):
    """Layers that drive bit lines as hard as any can: inputs all at their largest, weights all high, all low, or
    high and low in equal shares (the worst case of flipped bit lines), whole and with segments removed."""
    rng = np.random.default_rng(3)
    for rows, cell_bits, dac_bits, unit in ((128, 2, 1, True), (128, 1, 1, True), (64, 2, 2, False), (36, 3, 1, True)):
        geometry = Geometry(rows, 128, cell_bits, dac_bits, 8, unit)
        if needs_units(path):
            geometry = replace(geometry, ou_rows=rows // 4, ou_columns=128)
        for style in ("high", "low", "halves"):
            for pruning in (False, True):
                low, high = path.levels(8)
                shape = (24, 32, 3, 3)
                weights = np.full(shape, low if style == "low" else high, np.int32)
                if style == "halves":
                    weights.reshape(24, -1)[:, ::2] = low
                mask = np.repeat(rng.random((24, 2)) < 0.5, 16, axis=1)[:, :, None, None] & np.ones(shape, bool)
                layer = Layer(
                    f"{style}", "conv", ("input",), (32, 3, 3), (24, 1, 1), (3, 3), weight_bits=8, input_bits=4,
                    weights=lambda w=weights, m=mask, p=pruning: w * m if p else w,
                    mask=(lambda m=mask: m) if pruning else None)
                if not path.accepts(Workload("w", (layer,)), geometry):
                    yield Case(path, layer, geometry, np.full((1, 288), 15))


def saturated(blocks, case, bits):
    """Oracle of the ADCs: the array in int64, one conversion after another. Outputs [windows, filters], clipped
    conversions [windows], and the outputs that a clipped bit line enters."""
    geometry, full = case.geometry, (1 << bits) - 1
    out = np.zeros((len(case.x), case.layer.filters), np.int64)
    clips, touched = np.zeros(len(case.x), np.int64), np.zeros(out.shape, bool)
    arrays, made = {}, [(b, b.contents()) for b in blocks]
    for b, c in made:
        array = arrays.setdefault(b.crossbar, np.zeros((geometry.rows, geometry.columns + 1), np.int64))
        array[b.row0:b.row0 + b.rows, b.col0:b.col0 + b.columns] = c.cells
    for b, c in made:
        lines, driven = np.zeros((len(case.x), geometry.rows), np.int64), set()
        for other in blocks:
            if (other.crossbar, other.group) == (b.crossbar, b.group):
                lines[:, other.row0:other.row0 + other.rows] = case.x[:, other.inputs]
                driven |= set(range(other.row0, other.row0 + other.rows))
        for together in chunks(geometry, sorted(driven)):
            for shift in range(0, case.layer.input_bits, geometry.dac_bits):
                drive = lines[:, together] >> shift & (1 << geometry.dac_bits) - 1
                sums = (drive @ arrays[b.crossbar][together])[:, b.col0:b.col0 + b.columns]
                clips += (sums > full).sum(axis=1)
                codes = np.minimum(sums, full) << shift
                for column, output, coefficient in zip(c.column, c.output, c.coefficient, strict=True):
                    out[:, output] += coefficient * codes[:, column]
                    touched[:, output] |= sums[:, column] > full
    return out, clips, touched


def cells_a_weight(path, layer, geometry):
    """Cells each weight takes, for the data paths whose paper says so; else None."""
    whole = -(-layer.weight_bits // geometry.cell_bits)
    if path.name in ("dense", "huai"):
        return {"offset": whole, "differential": 2 * whole,
                "twos": -(-(layer.weight_bits - 1) // geometry.cell_bits) + 1}[path.options.sign]
    return whole if path.name == "meng" else None


def test_ten_thousand_layers_and_more():
    assert len(VARIANTS) * LAYERS + MIXED * len(plugins.datapaths()) >= 10_000
    assert {"dense", "meng", "huai", "segprune", "xue"} <= {name for name, _ in VARIANTS}


@pytest.mark.parametrize("index", range(len(VARIANTS)), ids=IDS)
def test_exact_and_never_clipped_at_the_lossless_resolution(index):
    for case in cases(index, LAYERS):
        blocks = case.path.pack(case.layer, case.geometry)
        done = run(blocks, case.layer, case.geometry, case.x, "lossless")
        assert np.array_equal(done.out, case.x @ case.matrix), case
        assert done.clips == 0, case
        assert done.bits == lossless_bits(blocks, case.geometry)


@pytest.mark.parametrize("name", sorted(plugins.datapaths()))
def test_exact_with_any_mixture_of_options(name):
    rng = np.random.default_rng(4)
    fields = plugins.datapaths()[name].Options.model_fields
    choices = {field: values(info.annotation) for field, info in fields.items() if values(info.annotation)}
    for _ in range(MIXED):
        options = {field: allowed[rng.integers(len(allowed))] for field, allowed in choices.items()}
        case = draw(rng, plugins.datapath(name, options))
        blocks = case.path.pack(case.layer, case.geometry)
        done = run(blocks, case.layer, case.geometry, case.x, "lossless")
        assert np.array_equal(done.out, case.x @ case.matrix) and done.clips == 0, (options, case)


@pytest.mark.parametrize("index", range(len(VARIANTS)), ids=IDS)
def test_unit_vectors_read_back_every_weight(index):
    """One input alone at one: the outputs are that row of the matrix, so each weight is stored, and stored once."""
    for case in cases(index, 25):
        blocks = case.path.pack(case.layer, case.geometry)
        done = run(blocks, case.layer, case.geometry, np.eye(len(case.matrix), dtype=np.int64), "lossless")
        assert np.array_equal(done.out, case.matrix), case


@pytest.mark.parametrize("index", range(len(VARIANTS)), ids=IDS)
def test_guaranteed_sums_are_never_exceeded(index):
    """The cap of a block bounds its bit lines when every word line is driven as hard as it can be."""
    for case in cases(index, 100):
        drive = (1 << case.geometry.dac_bits) - 1
        for block in case.path.pack(case.layer, case.geometry):
            cells = block.contents().cells.astype(np.int64) * drive
            for together in chunks(case.geometry, list(range(block.rows))):
                assert cells[together].sum(axis=0).max(initial=0) <= ceiling(block, case.geometry), case


@pytest.mark.parametrize("index", range(len(VARIANTS)), ids=IDS)
def test_an_adc_one_bit_short_of_lossless_is_caught(index):
    """The extreme layers need every bit of the lossless resolution: with one fewer, conversions clip, their number
    and the wrong outputs are those of the oracle, and no output is wrong but through a clipped bit line."""
    caught = set()
    for case in extremes(plugins.datapath(*VARIANTS[index])):
        blocks = case.path.pack(case.layer, case.geometry)
        bits = lossless_bits(blocks, case.geometry)
        expected = case.x @ case.matrix
        good = run(blocks, case.layer, case.geometry, case.x, bits)
        assert np.array_equal(good.out, expected) and good.clips == 0, case
        short = run(blocks, case.layer, case.geometry, case.x, bits - 1)
        out, clips, touched = saturated(blocks, case, bits - 1)
        assert short.clips == clips.sum() and np.array_equal(short.out, out), case
        wrong = short.out != expected
        assert not (wrong & ~touched).any() and (short.clips > 0 or not wrong.any()), case
        if wrong.any():  # clipped sums of opposite sign may cancel
            caught.add(case.geometry)
    assert len(caught) == 4  # on every one of the crossbars


@pytest.mark.parametrize("index", range(len(VARIANTS)), ids=IDS)
def test_saturation_equals_the_oracle(index):
    """Any resolution, random layers: the same codes as converting one sum after another in int64."""
    for case in cases(index, 12):
        blocks = case.path.pack(case.layer, case.geometry)
        for bits in (1, 3, 5):
            done = run(blocks, case.layer, case.geometry, case.x, bits)
            out, clips, _ = saturated(blocks, case, bits)
            assert np.array_equal(done.out, out) and done.clips == clips.sum(), case


@pytest.mark.parametrize("index", range(len(VARIANTS)), ids=IDS)
def test_an_adc_one_bit_short_of_the_sums_is_reported(index):
    """Windows without a clipped conversion are exact, the others are counted; some output really differs."""
    wrong = 0
    for case in cases(index, 40):
        blocks = case.path.pack(case.layer, case.geometry)
        needed = int(run(blocks, case.layer, case.geometry, case.x, "lossless").largest).bit_length()
        if needed < 2:
            continue
        expected = case.x @ case.matrix
        clips = 0
        for vector, right in zip(case.x, expected, strict=True):
            done = run(blocks, case.layer, case.geometry, vector[None], needed - 1)
            assert done.clips or np.array_equal(done.out[0], right), case
            clips += done.clips
            wrong += not np.array_equal(done.out[0], right)
        assert clips > 0, case
    assert wrong > 0


@pytest.mark.parametrize("index", range(len(VARIANTS)), ids=IDS)
def test_cells_are_disjoint_and_hold_every_kept_weight_once(index):
    for case in cases(index, 60):
        layer, geometry = case.layer, case.geometry
        blocks = case.path.pack(layer, geometry)
        crossbars = {b.crossbar for b in blocks}
        assert crossbars == set(range(len(crossbars)))
        wide = geometry.columns + geometry.unit_column
        painted = np.zeros((len(crossbars), geometry.rows, wide), np.int64)
        covered = np.zeros(case.matrix.shape, np.int64)
        for b in blocks:
            assert b.row0 + b.rows <= geometry.rows and b.col0 + b.columns <= wide
            painted[b.crossbar, b.row0:b.row0 + b.rows, b.col0:b.col0 + b.columns] += 1
            covered[np.ix_(b.inputs, b.targets)] += 1
            contents = b.contents()
            assert contents.cells.shape == (b.rows, b.columns)
            assert set(contents.output.tolist()) <= set(b.targets.tolist())
        assert painted.max() <= 1
        assert (covered[case.kept] == 1).all()
        kept, cells = int(layer.kept.sum()), sum(b.kept for b in blocks)
        each = cells_a_weight(case.path, layer, geometry)
        if each is not None:
            assert cells == kept * each
        if getattr(case.path.options, "skip", False):  # bit lines without a one are not stored at all
            assert cells <= kept * 2 * layer.weight_bits
        elif case.path.name in ("pattpim", "repim"):  # weights that repeat are stored once
            assert (cells > 0) == (kept > 0) and cells <= kept * 2 * layer.weight_bits
        else:
            assert cells == 0 if kept == 0 else cells % kept == 0 and cells >= kept
        assert len(crossbars) >= -(-cells // (geometry.rows * geometry.columns))


@pytest.mark.parametrize("index", range(len(VARIANTS)), ids=IDS)
def test_work_equals_its_closed_form(index):
    for case in cases(index, 60):
        geometry, phases = case.geometry, -(-case.layer.input_bits // case.geometry.dac_bits)
        blocks = case.path.pack(case.layer, geometry)
        work = case.path.work(blocks, case.layer, geometry)
        keys = sorted({(b.crossbar, b.group) for b in blocks})
        assert all(len(counts) == len({b.crossbar for b in blocks}) for counts in work.extra.values())
        if geometry.operation_units:
            closed_form_of_units(case, blocks, work, phases)
            continue
        assert work.crossbar.tolist() == [k[0] for k in keys]
        members = [[b for b in blocks if (b.crossbar, b.group) == key] for key in keys]
        used = [sum(b.columns for b in m) for m in members]
        charged = [u if all(b.gated for b in m) else max(u, geometry.columns)
                   for u, m in zip(used, members, strict=True)]
        assert work.columns.tolist() == charged
        assert (work.reads >= 1).all()
        if each_phase(case.path):
            assert (work.reads == phases).all()
            assert (work.columns * work.reads).sum() == phases * sum(charged)
        driven = [len({row for b in m for row in range(b.row0, b.row0 + b.rows)}) for m in members]
        assert work.rows.tolist() == driven and max(driven) <= geometry.rows
        assert (work.cells == work.rows * work.columns).all()
        assert work.outputs.tolist() == [sum(len(set(b.targets.tolist())) for b in m) for m in members]


def closed_form_of_units(case, blocks, work, phases):
    """Every group tiled into operation units by loops; nothing skipped, since no inputs are known."""
    geometry, reads, converted, sensed = case.geometry, 0, 0, 0
    for key in {(b.crossbar, b.group) for b in blocks}:
        members = [b for b in blocks if (b.crossbar, b.group) == key]
        lines = len({row for b in members for row in range(b.row0, b.row0 + b.rows)})
        wide = sum(b.columns for b in members)
        for r in range(0, lines, geometry.ou_rows):
            for c in range(0, wide, geometry.ou_columns):
                reads += phases
                converted += phases * min(geometry.ou_columns, wide - c)
                sensed += phases * min(geometry.ou_columns, wide - c) * min(geometry.ou_rows, lines - r)
    assert work.reads.sum() == reads and (work.reads * work.columns).sum() == converted, case
    assert (work.reads * work.cells).sum() == sensed and (work.rows <= geometry.ou_rows).all(), case
    assert sorted(set(work.crossbar.tolist())) == sorted({b.crossbar for b in blocks})


@pytest.mark.parametrize("index", range(len(VARIANTS)), ids=IDS)
def test_hardware_it_adds_is_priced_and_counted(index):
    for case in cases(index, 3):
        added = case.path.components(case.geometry)
        work = case.path.work(case.path.pack(case.layer, case.geometry), case.layer, case.geometry)
        assert {a.action for a in added} == set(work.extra)
        assert all(a.area > 0 and a.energy > 0 and a.count > 0 and a.source for a in added)


def test_a_wrong_coefficient_would_be_caught():
    """The check itself: a data path that misreads one bit line fails it."""
    case = next(iter(cases(0, 1)))
    blocks = case.path.pack(case.layer, case.geometry)

    def spoiled(contents):
        made = contents()
        coefficient = made.coefficient.copy()
        coefficient[-1] += 1
        return replace(made, coefficient=coefficient)

    blocks[0] = replace(blocks[0], contents=lambda make=blocks[0].contents: spoiled(make))
    done = run(blocks, case.layer, case.geometry, case.x, "lossless")
    assert not np.array_equal(done.out, case.x @ case.matrix)
