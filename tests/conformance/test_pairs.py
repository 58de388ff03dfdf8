"""Every architecture with every data path: it runs, exactly, or says why not; and what its resolution costs is what
plain integers say."""

from dataclasses import replace

import numpy as np
import pytest
from rigs import fitted

import xbarch
from xbarch.conformance import Case, exact
from xbarch.conformance.cases import _layer, refused
from xbarch.errors import InputError
from xbarch.functional.execute import run
from xbarch.machine.machine import Machine
from xbarch.plugins import registry
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.support import bundled
from xbarch.workload.graph import Layer, Workload

MACHINES = {name: Machine(load(name, Architecture)) for name in sorted(bundled.names("architectures"))}
PAIRS = [(machine, path) for machine in MACHINES for path in sorted(registry.datapaths())]
LAYERS = 3


def narrow(layer, machine, path):
    """The layer with weights and inputs that the machine's registers hold."""
    limits = machine.architecture.precision
    bits, taken = min(layer.weight_bits, limits.weight_bits), min(layer.input_bits, limits.input_bits)
    weights = np.clip(layer.weights(), *path.levels(bits))
    return replace(layer, weight_bits=bits, input_bits=taken, weights=lambda: weights)


def drawn(machine, path, count):
    """Random layers that the data path takes on the machine, with inputs."""
    rng, found = np.random.default_rng([9, *map(ord, machine.architecture.name + path.name)]), []
    for _ in range(400):
        layer = narrow(_layer(rng, path), machine, path)
        if not refused(path, layer, machine.geometry):
            size = layer.groups * layer.rows
            x = rng.integers(0, 1 << layer.input_bits, (3, size))
            x[0] = (1 << layer.input_bits) - 1
            found.append(Case(path, layer, machine.geometry, x))
        if len(found) == count:
            break
    return found


def oracle(blocks, case, crossbar):
    """Outputs, conversions that saturated and conversions that lost low bits: the arrays in int64, conversion by
    conversion. Converters saturate; PRIME's amplifiers keep the highest bits of the whole result (Chi et al., ISCA
    2016, section III-D): weight, input and carry bits, of which those below the kept ones are dropped."""
    layer, geometry, bits = case.layer, case.geometry, crossbar.adc_bits
    full, out = (1 << bits) - 1, np.zeros((len(case.x), case.layer.filters), np.int64)
    together = geometry.ou_rows or geometry.rows
    options = {"keeps": "high", "headroom": 0, **crossbar.sensing.options}
    lowest = None
    if crossbar.sensing.unit == "sense_amplifier" and options["keeps"] == "high":
        carry = next(n for n in range(20) if 2**n >= together)
        lowest = layer.weight_bits + layer.input_bits + carry - bits - options["headroom"]
    arrays, made, seen = {}, [(b, b.contents()) for b in blocks], [0, 0]
    for b, c in made:
        array = arrays.setdefault(b.crossbar, np.zeros((geometry.rows, geometry.columns + 1), np.int64))
        array[b.row0:b.row0 + b.rows, b.col0:b.col0 + b.columns] = c.cells
    for b, c in made:
        lines, driven = np.zeros((len(case.x), geometry.rows), np.int64), set()
        for other in blocks:
            if (other.crossbar, other.group) == (b.crossbar, b.group):
                lines[:, other.row0:other.row0 + other.rows] = case.x[:, other.inputs]
                driven |= set(range(other.row0, other.row0 + other.rows))
        driven = sorted(driven)
        worth = np.zeros(b.columns, np.int64)  # lowest power of two that a bit line counts for
        for column in range(b.columns):
            sizes = [abs(int(k)) for at, k in zip(c.column, c.coefficient, strict=True) if at == column and k]
            worth[column] = min((s & -s).bit_length() - 1 for s in sizes) if sizes else 0
        for start in range(0, len(driven), together):
            rows = driven[start:start + together]
            for shift in range(0, layer.input_bits, geometry.dac_bits):
                drive = lines[:, rows] >> shift & (1 << geometry.dac_bits) - 1
                sums = (drive @ arrays[b.crossbar][rows])[:, b.col0:b.col0 + b.columns]
                low = np.maximum(lowest - worth - shift, 0) if lowest is not None else np.zeros_like(worth)
                size = abs(sums) >> low
                seen[0] += int((size > full).sum())
                seen[1] += int((size << low != abs(sums)).sum())
                codes = np.sign(sums) * (np.minimum(size, full) << low) << shift
                for column, output, coefficient in zip(c.column, c.output, c.coefficient, strict=True):
                    out[:, output] += coefficient * codes[:, column]
    return out, *seen


def network(machine, path):
    """Two layers with half of the rows of every filter removed, in the machine's registers' bits at most."""
    rng = np.random.default_rng(8)
    limits = machine.architecture.precision
    bits, taken = min(4, limits.weight_bits), min(4, limits.input_bits)
    low, high = path.levels(bits)
    layers = [Layer(name="input", op="input", inputs=(), in_shape=(12, 6, 6), out_shape=(12, 6, 6), output_bits=taken)]
    for name, op, before, out, kernel in (("conv", "conv", (12, 6, 6), (10, 6, 6), (3, 3)),
                                          ("fc", "linear", (360, 1, 1), (10, 1, 1), (1, 1))):
        shape = (out[0], before[0], *kernel)
        mask = np.broadcast_to(rng.random((1, before[0], 1, 1)) < 0.5, shape)
        weights = rng.integers(low, high + 1, shape) * mask
        if name == "fc":
            layers.append(Layer(name="flatten", op="flatten", inputs=("conv",), in_shape=(10, 6, 6),
                                out_shape=(360, 1, 1), output_bits=taken))
        padding = (1, 1) if op == "conv" else (0, 0)
        layers.append(Layer(name=name, op=op, inputs=(layers[-1].name,), in_shape=before, out_shape=out, kernel=kernel,
                            padding=padding, weight_bits=bits, input_bits=taken, output_bits=taken,
                            weights=lambda w=weights: w, mask=lambda m=mask: m))
    return Workload(name="two", layers=tuple(layers))


@pytest.mark.quick(6)
@pytest.mark.parametrize("name, kind", PAIRS)
def test_pair(name, kind):
    machine, path = MACHINES[name], registry.datapath(kind)
    cases = drawn(machine, path, LAYERS)
    asked = network(machine, path)
    reason = path.accepts(asked, machine.geometry)
    if reason:
        with pytest.raises(InputError) as refused:
            xbarch.simulate(name, asked, datapath=kind, images=1, policy="one_copy")
        assert reason in str(refused.value) and len(reason) > 20
        return
    assert len(cases) == LAYERS
    for case in cases:
        blocks = case.packed()
        exact(case, blocks)  # of sufficient resolution
        unit = fitted(machine.sensing, case.layer)
        done = run(blocks, case.layer, machine.geometry, case.x, None, unit)
        out, clips, drops = oracle(blocks, case, machine.architecture.crossbar)
        assert np.array_equal(done.out, out) and (done.clips, done.drops) == (clips, drops)
    made = xbarch.execute(name, asked, datapath=kind, images=2, policy="one_copy")  # keeps the laws and the bounds
    assert made.bounds[0] <= made.trace.makespan <= made.bounds[1]
    assert sum(made.ledger.actions[layer, "cell_read"] > 0 for layer in ("conv", "fc")) == 2


def test_what_is_refused_needs_operation_units():
    """All that is refused is what reads units on a machine that has none, or units of fewer bit lines than it takes."""
    left_out = {(name, kind) for name, kind in PAIRS
                if registry.datapath(kind).accepts(network(MACHINES[name], registry.datapath(kind)),
                                                  MACHINES[name].geometry)}
    units = {name for name, machine in MACHINES.items() if machine.geometry.operation_units}
    assert left_out == {(name, kind) for name in set(MACHINES) - units for kind in ("auto_prune", "sre", "forms")} | {
        ("sre_like", "forms")}
