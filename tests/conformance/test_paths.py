"""Every registered data path, with every option it has: exact on random and extreme layers, and lawful."""

import numpy as np
import pytest

from xbarch.conformance import (
    bounded,
    conserved,
    counted,
    draw,
    exact,
    extremes,
    priced,
    projected,
    retrieved,
    signed,
    skipped,
    thinned,
    values,
    variants,
)
from xbarch.functional.execute import lossless_bits, run
from xbarch.plugins import registry

TOTAL = 5_000
MIXED = 60   # layers a data path, with every option drawn at random
VARIANTS = [(name, options) for name, kind in registry.datapaths().items() for options in variants(kind)]
LAYERS = -(-(TOTAL - MIXED * len(registry.datapaths())) // len(VARIANTS))  # a variant
FIRST = {name: index for index, (name, _) in reversed(list(enumerate(VARIANTS)))}  # with its defaults
# Each data path once in the quick tier, every variant in the full one.
EACH = [pytest.param(index, id=name + "".join(f"-{k}={v}" for k, v in options.items()),
                     marks=() if FIRST[name] == index else pytest.mark.full)
        for index, (name, options) in enumerate(VARIANTS)]


def chunks(geometry, lines):
    """Word lines read together, of those a group drives."""
    step = geometry.ou_rows or len(lines)
    return [lines[i:i + step] for i in range(0, len(lines), step)]


def cases(index, count):
    """The same layers for the same variant in every run."""
    name, options = VARIANTS[index]
    path, rng = registry.datapath(name, options), np.random.default_rng([2, index])
    return (draw(rng, path) for _ in range(count))


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
                clips += (abs(sums) > full).sum(axis=1)
                codes = np.minimum(np.maximum(sums, -full), full) << shift
                for column, output, coefficient in zip(c.column, c.output, c.coefficient, strict=True):
                    out[:, output] += coefficient * codes[:, column]
                    touched[:, output] |= abs(sums[:, column]) > full
    return out, clips, touched


def slices(path, layer, geometry):
    """Oracle of the cells that each weight takes, by the sign scheme that the options name."""
    whole = -(-layer.weight_bits // geometry.cell_bits)
    sign = getattr(path.options, "sign", None)
    if sign is None or geometry.signed:
        return whole
    return {"offset": whole, "differential": 2 * whole,
            "twos": -(-(layer.weight_bits - 1) // geometry.cell_bits) + 1}[sign]


def test_some_cells_hold_a_sign():
    """Also for data paths that have a sign scheme of their own."""
    for index in range(len(VARIANTS)):
        assert {case.geometry.signed for case in cases(index, 40)} == {False, True}


def test_five_thousand_layers_and_more():
    assert len(VARIANTS) * LAYERS + MIXED * len(registry.datapaths()) >= TOTAL
    assert {"dense", "meng", "huai", "segprune", "xue"} <= {name for name, _ in VARIANTS}


@pytest.mark.quick(5)
@pytest.mark.parametrize("index", EACH)
def test_exact_and_never_clipped_at_the_lossless_resolution(index):
    for case in cases(index, LAYERS):
        blocks = case.packed()
        assert exact(case, blocks).bits == lossless_bits(blocks, case.geometry)


@pytest.mark.quick(2)
@pytest.mark.parametrize("name", sorted(registry.datapaths()))
def test_exact_with_any_mixture_of_options(name):
    rng = np.random.default_rng(4)
    fields = registry.datapaths()[name].Options.model_fields
    choices = {field: values(info.annotation) for field, info in fields.items() if values(info.annotation)}
    for _ in range(MIXED):
        options = {field: allowed[rng.integers(len(allowed))] for field, allowed in choices.items()}
        case = draw(rng, registry.datapath(name, options))
        exact(case, case.packed())


@pytest.mark.quick(8)
@pytest.mark.parametrize("index", EACH)
def test_unit_vectors_read_back_every_weight(index):
    """One input alone at one: the outputs are that row of the matrix, so each weight is stored, and stored once."""
    for case in cases(index, 6):
        retrieved(case, case.packed())


@pytest.mark.quick(4)
@pytest.mark.parametrize("index", EACH)
def test_signed_inputs_are_exact_on_every_data_path(index):
    for case in cases(index, 6):
        signed(case, case.packed())


@pytest.mark.quick(8)
@pytest.mark.parametrize("index", EACH)
def test_guaranteed_sums_are_never_exceeded(index):
    for case in cases(index, 50):
        bounded(case, case.packed())


@pytest.mark.quick(1)
@pytest.mark.parametrize("index", EACH)
def test_an_adc_one_bit_short_of_lossless_is_caught(index):
    """The extreme layers need every bit of the lossless resolution: with one fewer, conversions clip, their number
    and the wrong outputs are those of the oracle, and no output is wrong but through a clipped bit line."""
    caught = set()
    for case in extremes(registry.datapath(*VARIANTS[index])):
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
    assert len(caught) == 5  # on every one of the crossbars


@pytest.mark.quick(2)
@pytest.mark.parametrize("index", EACH)
def test_saturation_equals_the_oracle(index):
    """Any resolution, random layers: the same codes as converting one sum after another in int64."""
    for case in cases(index, 8):
        blocks = case.path.pack(case.layer, case.geometry)
        for bits in (1, 3, 5):
            done = run(blocks, case.layer, case.geometry, case.x, bits)
            out, clips, _ = saturated(blocks, case, bits)
            assert np.array_equal(done.out, out) and done.clips == clips.sum(), case


@pytest.mark.quick(1)
@pytest.mark.parametrize("index", EACH)
def test_an_adc_one_bit_short_of_the_sums_is_reported(index):
    """Windows without a clipped conversion are exact, the others are counted; some output really differs."""
    wrong = 0
    for case in cases(index, 12):
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


@pytest.mark.quick(10)
@pytest.mark.parametrize("index", EACH)
def test_cells_are_disjoint_and_hold_every_kept_weight_once(index):
    for case in cases(index, 30):
        layer, geometry = case.layer, case.geometry
        blocks = case.packed()
        assert (conserved(case, blocks)[case.kept] == 1).all()
        kept, cells = int(layer.kept.sum()), sum(b.kept for b in blocks)
        each = case.path.cells_per_weight(layer.weight_bits, geometry)
        if each is not None:
            assert each == slices(case.path, layer, geometry) and cells == kept * each
        if not case.path.stores_once:  # weights that repeat share cells, or bit lines of zeros have none
            assert cells <= kept * 2 * layer.weight_bits and (cells > 0 or not case.matrix[case.kept].any())
        else:
            assert cells == 0 if kept == 0 else cells % kept == 0 and cells >= kept
        assert 1 + max(b.crossbar for b in blocks) >= -(-cells // (geometry.rows * geometry.columns))


@pytest.mark.parametrize("index", EACH)
def test_work_equals_its_closed_form(index):
    for case in cases(index, 30):
        blocks = case.packed()
        counted(case, blocks)
        if case.path.reads_every_phase and not case.geometry.operation_units:
            phases = -(-case.layer.input_bits // case.geometry.dac_bits)
            assert (case.path.work(blocks, case.layer, case.geometry).reads == phases).all()


@pytest.mark.parametrize("index", EACH)
def test_hardware_it_adds_is_priced_and_counted(index):
    for case in cases(index, 3):
        priced(case, case.packed())


@pytest.mark.quick(8)
@pytest.mark.parametrize("name", sorted(registry.datapaths()))
def test_projections_pack_and_keep_their_promise(name):
    rng, path = np.random.default_rng(6), registry.datapath(name)
    assert any([projected(draw(rng, path), 0.6) for _ in range(3 if name == "xue" else 12)])


@pytest.mark.quick(6)
@pytest.mark.parametrize("index", EACH)
def test_known_inputs_save_reads_but_none_that_is_needed(index):
    for case in cases(index, 20):
        skipped(case, case.packed())


@pytest.mark.quick(3)
@pytest.mark.parametrize("index", EACH)
def test_projections_keep_about_what_they_are_asked_to(index):
    assert thinned(registry.datapath(*VARIANTS[index]))
