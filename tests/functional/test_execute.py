"""Packed blocks on integers: hand-made blocks with results worked out by hand, ADC saturation, contradictions."""

from dataclasses import replace

import numpy as np
import pytest

import xbarch
from xbarch.datapaths.base import Block, Contents, Geometry
from xbarch.datapaths.dense import Dense
from xbarch.datapaths.meng import Meng
from xbarch.errors import ConservationError, InputError
from xbarch.functional.execute import execute, lossless_bits, reference, run, verify
from xbarch.mapping.packings import Memo
from xbarch.workload.graph import Layer, Workload

SMALL = Geometry(4, 4, 2, adc_bits=8, unit_column=False)


def block(cells, decode, inputs=None, crossbar=0, row0=0, col0=0, group=0, cap=None):
    """A block from rows of cells and a list of (bit line, output, coefficient)."""
    stored = np.array(cells, np.uint8)
    column, output, coefficient = (np.array(part, np.int64) for part in zip(*decode, strict=True))
    return Block(crossbar=crossbar, row0=row0, col0=col0,
                 inputs=np.arange(len(stored)) if inputs is None else np.array(inputs),
                 columns=stored.shape[1], kept=0, targets=np.unique(output), group=group, cap=cap,
                 contents=lambda: Contents(stored, column, output, coefficient))


def layer_of(inputs, filters, input_bits=2, weights=None, **more):
    return Layer(name="fc", op="linear", inputs=("input",), in_shape=(inputs, 1, 1), out_shape=(filters, 1, 1),
                 input_bits=input_bits, weight_bits=4, weights=None if weights is None else lambda: weights, **more)


# -- by hand --------------------------------------------------------------------------------------------------

def test_two_rows_two_phases_by_hand():
    """x = (1, 2), cells (3, 1): phase 0 drives row 0 (sum 3), phase 1 drives row 1 (sum 1): 3 + 2 * 1 = 5."""
    blocks = [block([[3], [1]], [(0, 0, 1)])]
    done = run(blocks, layer_of(2, 1), SMALL, np.array([[1, 2]]))
    assert done.out.tolist() == [[5]]
    assert (done.clips, done.largest, done.bits) == (0, 3, 8)


def test_coefficients_share_and_mix_bit_lines():
    """Sums of the bit lines for x = (1, 1): 3 and 2. Output 0 is 4 * 3 - 2, output 1 is -3; output 2 has none."""
    blocks = [block([[3, 0], [0, 2]], [(0, 0, 4), (1, 0, -1), (0, 1, -1)])]
    out, clips = execute(blocks, layer_of(2, 3), SMALL, np.array([[1, 1], [0, 0]]))
    assert out.tolist() == [[10, -3, 0], [0, 0, 0]] and clips == 0


def test_parts_on_several_crossbars_add_up():
    """Inputs 0 and 2 on one crossbar, 1 on another: 3 * 1 + 2 * 2 + 1 * 3."""
    blocks = [block([[3], [2]], [(0, 0, 1)], inputs=[0, 2]), block([[1]], [(0, 0, 1)], inputs=[1], crossbar=1)]
    assert execute(blocks, layer_of(3, 1), SMALL, np.array([[1, 3, 2]]))[0].tolist() == [[3 + 3 + 4]]


def test_wider_dacs_need_fewer_phases_and_reach_larger_sums():
    """x = 13 of 4 bits: two phases of 2 bits, 1 and 3: 3 * 1 + 4 * (3 * 3) = 39; the larger sum is 9."""
    blocks = [block([[3]], [(0, 0, 1)])]
    done = run(blocks, layer_of(1, 1, 4), replace(SMALL, dac_bits=2), np.array([[13]]))
    assert done.out.tolist() == [[39]] and done.largest == 9


def test_an_input_of_odd_width_ends_in_a_narrow_phase():
    """x = 5 of 3 bits with 2-bit DACs: 1, then 1 worth 4."""
    done = run([block([[3]], [(0, 0, 1)])], layer_of(1, 1, 3), replace(SMALL, dac_bits=2), np.array([[5]]))
    assert done.out.tolist() == [[15]]


def test_activation_groups_are_read_apart():
    """One above the other on the same bit line, in different groups: each read sees its own rows alone."""
    blocks = [block([[3], [3]], [(0, 0, 1)], inputs=[0, 1]),
              block([[2], [2]], [(0, 1, 1)], inputs=[0, 1], row0=2, group=1)]
    done = run(blocks, layer_of(2, 2), SMALL, np.array([[1, 1]]))
    assert done.out.tolist() == [[6, 4]] and done.largest == 6


def test_a_neighbour_on_driven_word_lines_disturbs():
    """Rows 2 and 3, read together with the first block, hold a third block's cells on its bit line."""
    first = block([[3], [3]], [(0, 0, 1)], inputs=[0, 1])
    beside = block([[1], [1]], [(0, 1, 1)], inputs=[2, 3], row0=2, col0=1)
    below = block([[2], [2]], [(0, 2, 1)], inputs=[0, 1], row0=2, group=1)
    x, layer = np.array([[1, 1, 1, 1]]), layer_of(4, 3)
    assert run([first, beside], layer, SMALL, x).out.tolist() == [[6, 2, 0]]
    assert run([first, beside, below], layer, SMALL, x).out.tolist() == [[6 + 4, 2, 4]]


# -- saturation -----------------------------------------------------------------------------------------------

def test_clips_are_counted_one_a_conversion():
    """Bit lines of 4 cells at 3 and at 1, inputs 3 (two phases): sums 12 and 4 twice. 3 bits hold 7, 2 bits hold 3."""
    blocks = [block([[3, 1]] * 4, [(0, 0, 1), (1, 1, 1)])]
    layer, x = layer_of(4, 2), np.array([[3, 3, 3, 3], [1, 1, 0, 0], [0, 0, 0, 0]])
    for bits, out, clips in ((4, [[36, 12], [6, 2], [0, 0]], 0), (3, [[21, 12], [6, 2], [0, 0]], 2),
                             (2, [[9, 9], [3, 2], [0, 0]], 5), (1, [[3, 3], [1, 1], [0, 0]], 6)):
        done = run(blocks, layer, SMALL, x, bits)
        assert (done.out.tolist(), done.clips, done.largest, done.bits) == (out, clips, 12, bits)
    assert run(blocks, layer, replace(SMALL, adc_bits=3), x).clips == 2  # the machine's own, where none is given


def test_lossless_resolution_is_the_smallest_that_cannot_clip():
    """4 cells of at most 3: 12 needs 4 bits; a cap of 7 promises 3, of 8 again 4; the widest block decides."""
    cells = [[3]] * 4
    plain, seven, eight = (block(cells, [(0, 0, 1)], cap=c) for c in (None, 7, 8))
    assert [lossless_bits([b], SMALL) for b in (plain, seven, eight)] == [4, 3, 4]
    assert lossless_bits([seven, eight], SMALL) == 4
    assert lossless_bits([plain], replace(SMALL, dac_bits=2)) == 6  # 36
    broken = run([seven], layer_of(4, 1), SMALL, np.array([[1] * 4]), "lossless")  # a promise that does not hold
    assert broken.clips == 1 and broken.out.tolist() == [[7]]


@pytest.mark.parametrize("bits", [0, -1, 65])
def test_a_resolution_no_adc_has_is_refused(bits):
    with pytest.raises(InputError, match=f"adc_bits: must be 1 to 32, not {bits}"):
        run([block([[3]], [(0, 0, 1)])], layer_of(1, 1), SMALL, np.array([[1]]), bits)


# -- refusals -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("x", "found"), [([[-1, 0]], "-1"), ([[0, 4]], "4"), ([[0, 300]], "300")])
def test_inputs_outside_their_bits_are_refused(x, found):
    with pytest.raises(InputError, match=rf"inputs of layer fc must be 0 to 3 \(2 bits\), not {found}"):
        run([block([[3], [1]], [(0, 0, 1)])], layer_of(2, 1), SMALL, np.array(x))


@pytest.mark.parametrize(("blocks", "why"), [
    ([block([[1]], [(0, 0, 1)]), block([[1]], [(0, 0, 1)])], "overlap"),
    ([block([[1]] * 5, [(0, 0, 1)])], "does not fit"),
    ([block([[1] * 5], [(0, 0, 1)])], "does not fit"),
    ([block([[4]], [(0, 0, 1)])], "does not fit"),  # a 2-bit cell holds 3
    ([block([[1]], [(0, 0, 1)], inputs=[0]), block([[1]], [(0, 0, 1)], inputs=[1], col0=1)], "two inputs"),
    ([block([[1]], [(0, 0, 1)], inputs=[0]), block([[1]], [(0, 0, 1)], inputs=[1], row0=1)], "share a bit line"),
])
def test_blocks_that_contradict_one_another_are_refused(blocks, why):
    with pytest.raises(ConservationError, match=why):
        run(blocks, layer_of(2, 1), SMALL, np.array([[1, 1]]))


def test_the_same_input_may_drive_two_blocks_of_one_word_line():
    blocks = [block([[1]], [(0, 0, 1)], inputs=[1]), block([[2]], [(0, 1, 1)], inputs=[1], col0=1)]
    assert run(blocks, layer_of(2, 2), SMALL, np.array([[0, 3]])).out.tolist() == [[3, 6]]


def test_sums_beyond_exact_arithmetic_are_refused():
    huge = block([[3]], [(0, 0, 2**53)])
    with pytest.raises(ConservationError, match=r"2\*\*53"):
        run([huge], layer_of(1, 1), SMALL, np.array([[1]]))


# -- verify ---------------------------------------------------------------------------------------------------

def network(activations):
    weights = np.random.default_rng(1).integers(-8, 8, (6, 2, 3, 3)).astype(np.int8)
    conv = Layer(name="conv", op="conv", inputs=("input",), in_shape=(2, 5, 5), out_shape=(6, 5, 5), kernel=(3, 3),
                 padding=(1, 1), weight_bits=4, input_bits=4, weights=lambda: weights)
    head = layer_of(6, 2, 4, np.array([[1, -8, 7, 0, 3, 2]] * 2, np.int8).reshape(2, 6, 1, 1))
    return Workload(
        name="net",
        layers=(Layer(name="input", op="input", inputs=(), in_shape=(2, 5, 5), out_shape=(2, 5, 5)), conv, head),
        activations=activations)


def stored(images=3):
    rng = np.random.default_rng(2)
    return {"conv": rng.integers(0, 16, (images, 2, 5, 5)), "fc": rng.integers(0, 16, (images, 6, 1, 1))}


def verified(network, geometry, **how):
    return list(verify(network, geometry, lambda layer: Dense().pack(layer, geometry), **how))


def test_verify_reports_every_layer():
    rows = verified(network(stored()), Geometry(16, 16, 2), adc_bits="lossless")
    assert [(r["layer"], r["windows"], r["mismatches"], r["clips"]) for r in rows] == [
        ("conv", 75, 0, 0), ("fc", 3, 0, 0)]
    assert all(r["max_sum"] < 1 << r["adc_bits"] for r in rows)
    one = verified(network(stored()), Geometry(16, 16, 2), images=1, adc_bits="lossless")
    assert [r["windows"] for r in one] == [25, 1]


def test_verify_finds_what_a_short_adc_loses():
    short = verified(network(stored()), Geometry(16, 16, 2), adc_bits=2)
    assert all(r["mismatches"] > 0 and r["clips"] > 0 and r["adc_bits"] == 2 for r in short)
    own = verified(network(stored()), Geometry(16, 16, 2, adc_bits=2))
    assert own == short


@pytest.mark.parametrize(("activations", "why"), [
    ({}, "stores no activations, so"),
    ({"conv": np.zeros((1, 2, 5, 5), int)}, "stores no activations of layer fc"),
    ({"conv": np.zeros((1, 2, 5, 4), int), "fc": np.zeros((1, 6), int)},
     r"must have shape \(2, 5, 5\), not \(2, 5, 4\)"),
])
def test_verify_refuses_activations_that_do_not_fit(activations, why):
    with pytest.raises(InputError, match=why):
        verified(network(activations), Geometry(16, 16, 2))


def test_reference_is_the_matrix_product_of_each_group():
    weights = np.arange(8).reshape(4, 2, 1, 1)
    grouped = Layer(name="c", op="conv", inputs=("input",), in_shape=(4, 1, 1), out_shape=(4, 1, 1), groups=2,
                    input_bits=4, weights=lambda: weights)
    x = np.array([[1, 2, 3, 4]])
    assert reference(grouped, x).tolist() == [[0 + 2, 2 + 6, 12 + 20, 18 + 28]]


@pytest.mark.parametrize("sign", ["offset", "differential", "twos"])
def test_operation_units_convert_apart(sign):
    """Sums of 4 word lines of 2-bit cells reach 12: 4 bits lose nothing where the whole column of 32 would."""
    rng = np.random.default_rng(3)
    weights = rng.integers(-8, 8, (12, 5, 3, 3))
    layer = Layer(name="conv", op="conv", inputs=("in",), in_shape=(5, 4, 4), out_shape=(12, 4, 4), kernel=(3, 3),
                  stride=(1, 1), padding=(1, 1), weight_bits=4, input_bits=4, output_bits=4, weights=lambda: weights)
    geometry = Geometry(32, 24, 2, dac_bits=1, adc_bits=4, unit_column=False, ou_rows=4, ou_columns=6)
    x = rng.integers(12, 16, (16, layer.rows))
    blocks = Dense({"sign": sign}).pack(layer, geometry)
    done = run(blocks, layer, geometry, x)
    assert np.array_equal(done.out, reference(layer, x)) and done.clips == 0 and 6 < done.largest <= 12
    assert lossless_bits(blocks, geometry) == 4
    whole = run(blocks, layer, replace(geometry, ou_rows=0, ou_columns=0), x)
    assert whole.clips and whole.largest > 15


# -- the command ----------------------------------------------------------------------------------------------

def test_verify_packs_each_layer_once(monkeypatch, tmp_path):
    """Cold, and again with the packings of the files, whose cells have to be made."""
    monkeypatch.setenv("XBARCH_CACHE", str(tmp_path))
    monkeypatch.setenv("XBARCH_CACHE_MB", "100")
    names, pack = [], Meng.pack
    monkeypatch.setattr(Meng, "pack", lambda self, layer, geometry: (names.append(layer.name),
                                                                     pack(self, layer, geometry))[1])
    found = []
    for _ in range(2):
        monkeypatch.setattr("xbarch.run.memo", Memo(1))
        names.clear()
        found.append(xbarch.verify("isaac_like", "vgg7_pruned"))
        assert sorted(names) == sorted(row["layer"] for row in found[-1]) and len(names) == 8
    assert found[0] == found[1] and not any(row["mismatches"] for row in found[0])
