"""Products, concatenations, affine layers, norms, resizing: what a window costs by closed form, on both engines."""

from math import ceil

import numpy as np
import pytest

import xbarch
from xbarch.sim import engine, fast
from xbarch.workload.graph import Layer, Workload

C, SIDE = 12, 5
SHAPE = (C, SIDE, SIDE)


def network(op, bits=8, **about):
    """Two convolutions, the layer, and a convolution that reads it."""
    def compute(name, source, shape):
        return Layer(name=name, op="conv", inputs=(source,), in_shape=shape, out_shape=(C, *shape[1:]),
                     weight_bits=8, input_bits=bits, output_bits=bits, scale=np.full(C, 0.3), bias=np.zeros(C),
                     weights=lambda: np.ones((C, shape[0], 1, 1), np.int8))
    inputs = ("a", "b") if op in ("mul", "concat") else ("a",)
    out = about.pop("out_shape", (2 * C, SIDE, SIDE) if op == "concat" else SHAPE)
    count = len(inputs) if op == "concat" else 1 if op in ("mul", "resize") else C
    layer = Layer(name="x", op=op, inputs=inputs, in_shape=SHAPE, out_shape=out, input_bits=bits, output_bits=bits,
                  scale=np.full(count, 0.3), bias=np.zeros(C), **about)
    return Workload(name=op, layers=(
        Layer(name="input", op="input", inputs=(), in_shape=(3, SIDE, SIDE), out_shape=(3, SIDE, SIDE),
              output_bits=bits), compute("a", "input", (3, SIDE, SIDE)), compute("b", "input", (3, SIDE, SIDE)), layer,
        compute("last", "x", out)))


@pytest.mark.parametrize("op, about, read, added, products", [
    ("mul", {}, 2 * C, 0, 2 * C), ("concat", {}, 2 * C, 0, 2 * C), ("affine", {}, C, 0, C),
    ("norm", {"epsilon": 0.1}, 2 * C, 2 * C, 3 * C), ("norm", {"epsilon": 0.1, "kernel": (SIDE, SIDE)}, 2 * C, 2 * C,
                                                      3 * C),
    ("resize", {"kernel": (2, 2), "out_shape": (C, 2 * SIDE, 2 * SIDE)}, 4 * C, 3 * C, 5 * C)])
def test_a_window_by_closed_form(op, about, read, added, products):
    """read: values from the buffer; added: additions in the tile; products: multiplications. Every output is activated
    once and written once, in words of 256 bits; equal on both engines, conserved in each."""
    made = xbarch.execute("isaac_like", network(op, **about), images=2, policy="one_copy")
    windows, outputs = (4 if op == "resize" else 1) * SIDE * SIDE, (2 if op == "concat" else 1) * C
    actions = {action: count for (layer, action), count in made.ledger.actions.items() if layer == "x"}
    assert actions["activation"] == windows * outputs and actions["requantize"] == windows * products
    assert actions.get("merge_add", 0) == windows * added
    assert actions["edram_access"] == windows * (ceil(read * 8 / 256) + ceil(outputs * 8 / 256))
    one, other = engine.run(made.graph), fast.run(made.graph)
    assert one.makespan == other.makespan > 0
