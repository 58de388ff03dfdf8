"""ISAAC's pipeline: 22 cycles a window, a new one every 16 (Shafiee et al., ISCA 2016)."""

import numpy as np
import pytest
from ruamel.yaml import YAML

from xbarch import bundled
from xbarch.datapaths.dense import Dense
from xbarch.hw.compile import compile_graph
from xbarch.hw.machine import Machine
from xbarch.mapping.pack import dense_crossbars, pack
from xbarch.mapping.plan import plan
from xbarch.sim.engine import run
from xbarch.spec.architecture import Architecture
from xbarch.workload.graph import Layer, Workload

SLOT = 100_000


def isaac(**changes):
    data = YAML(typ="safe").load((bundled.folder("architectures") / "isaac_like.yaml").read_text())
    for key, value in changes.items():
        section, name = key.split("__")
        data[section][name] = value
    return Machine(Architecture.model_validate(data))


def simulated(machine, rows, filters, windows, policy, bits=16, images=1):
    """One 1x1 convolution of `rows` channels, its input there from the start."""
    shape = (rows, 1, windows)
    layers = (
        Layer("input", "input", (), shape, shape, output_bits=bits),
        Layer("conv", "conv", ("input",), shape, (filters, 1, windows), weight_bits=bits, input_bits=bits,
              output_bits=bits, weights=lambda: np.ones((filters, rows, 1, 1), np.int16)),
    )
    network = Workload("one", layers)
    packed = {"conv": pack(layers[1], Dense(), machine.geometry, machine.occupancy)}
    digital = {"input": machine.digital_time(layers[0])}
    planned = plan(network, packed, digital, dense_crossbars(network, machine.geometry), machine.room(Dense()), policy)
    graph = compile_graph(machine, network, packed, planned, images)
    return planned, graph, run(graph)


@pytest.mark.parametrize("bits", [16, 8, 4])
def test_one_window_takes_22_cycles_and_the_next_starts_16_later(bits):
    machine = isaac(off_chip__ideal=True, buffer__ideal=True)
    _, graph, trace = simulated(machine, 128, 16, 20, "one_copy", bits)
    issued, done = trace.issued[1], trace.done[1]
    slots = bits  # one-bit DACs: a phase a slot
    assert done[0] - issued[0] == (slots + 6) * SLOT  # read 1, crossbar, 2 behind it, merge, activate, write
    assert set(np.diff(done)) == {slots * SLOT}


@pytest.mark.parametrize(("rows", "filters", "share"), [(512, 32, 1), (1024, 16, 2 / 3)])
def test_a_tile_holds_its_peak_or_the_buss(rows, filters, share):
    """Twelve IMAs as 4 x 2 crossbars ask the bus for 12 KB in 16 slots of 1 KB, as 8 x 1 for 24 KB: two thirds."""
    machine = isaac(off_chip__ideal=True, mesh__ideal=True)
    planned, graph, trace = simulated(machine, rows, filters, 1500, "fit")
    assert planned.tiles == 1 and planned.copies["conv"] == 12
    done = np.sort(trace.done[1])
    rate = 900 / (done[1199] - done[299])
    peak = 12 / (16 * SLOT)
    assert 0.98 * share <= rate / peak <= share * 1.0001
