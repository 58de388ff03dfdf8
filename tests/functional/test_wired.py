"""Wires with resistance as an effect: what reads of packed layers see is the nodal solution of the whole array."""

import numpy as np
import pytest
from test_imperfect import drawn, imperfect

import xbarch
from xbarch.errors import InputError
from xbarch.functional.arrays import crossbars
from xbarch.functional.imperfect import Imperfectly
from xbarch.parts.wires import Wires
from xbarch.plugins import registry

LARGE = {"word": "200 ohm", "bit": "1 kohm"}  # of crossbars of a few cells, at 100 uS: shares of 0.02 and 0.1
WIRES = Wires(0.02, 0.1)


def by_hand(crossbars, geometry, on_off, x, filters):
    """Sums of a layer [windows, filters], read by read, with the currents of the whole array: word lines that a read
    leaves out, in other groups or operation units, are at 0 V."""
    top, lowest = (1 << geometry.cell_bits) - 1, 1 / on_off if on_off else 0.0
    found = np.zeros((len(x), filters))
    for crossbar in crossbars:
        planes = [np.maximum(s * crossbar.cells, 0) for s in (1, -1)] if geometry.signed else [crossbar.cells]
        seen = [WIRES.seen(lowest + (1 - lowest) * p / top) - lowest for p in planes]
        levels = (seen[0] - (seen[1] if len(seen) > 1 else 0)) * top / (1 - lowest)
        for read in crossbar.reads():
            step = geometry.ou_rows or len(read.lines)
            sums = np.zeros((len(x), len(read.columns)))
            for first in range(0, len(read.lines), step):
                volts = np.zeros((len(x), len(levels)))
                volts[:, read.lines[first:first + step]] = x[:, read.inputs[first:first + step]]
                sums += (volts @ levels)[:, read.columns]
            for line, output, coefficient in zip(read.column, read.output, read.coefficient, strict=True):
                found[:, output] += coefficient * sums[:, line]
            for inputs, output, times in read.digital:
                for o, t in zip(output, times, strict=True):
                    found[:, o] += t * x[:, inputs].sum(axis=1)
    return found


@pytest.mark.quick(3)
@pytest.mark.parametrize("name", ["dense", "segprune", "xue", "forms", "meng", "huai", "sre"])
@pytest.mark.parametrize("on_off", [None, 10.0])
def test_packed_layers_see_the_currents_of_the_whole_array(name, on_off):
    path, rng, done = registry.datapath(name), np.random.default_rng(3), 0
    while done < 2:
        blocks, layer, geometry, _, maps, x = drawn(rng, path, 0)
        if layer.signed_in:
            continue
        done += 1
        machine = imperfect(geometry, effects={"wire": LARGE}, full_scale="ideal",
                            conductance={"on_off": on_off, "highest": "100 uS"})
        made = list(crossbars(blocks, geometry))
        found = Imperfectly.of(made, layer, geometry, machine.device(layer.name, 0)).sums(maps).T
        right = by_hand(made, geometry, on_off, x, layer.filters)
        assert found == pytest.approx(right, rel=1e-3, abs=1e-3 * np.abs(right).max())


def test_wires_without_resistance_change_nothing():
    blocks, layer, geometry, _, maps, _ = drawn(np.random.default_rng(3), registry.datapath("dense"), 0)
    sums = [Imperfectly.of(list(crossbars(blocks, geometry)), layer, geometry, imperfect(
        geometry, effects=effects, full_scale="ideal").device(layer.name, 0)).sums(maps)
        for effects in ({}, {"wire": {"word": 0, "bit": 0}})]
    assert np.array_equal(*sums)


def test_ohms_need_siemens():
    with pytest.raises(InputError, match=r"noise.conductance.highest: must be stated for the effect wire"):
        xbarch.accuracy("isaac_like", "digit_pairs/vgg7_segprune_4x", images=4,
                        overrides=["noise.effects.wire.bit=1 ohm"])
