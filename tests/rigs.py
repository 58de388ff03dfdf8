"""Small machines and networks that several tests use."""

import numpy as np

import xbarch
from xbarch.workload.graph import Layer, Workload


def single(rows, filters, windows, bits=16):
    """One 1 x 1 convolution of `rows` channels over `windows` positions, all weights one."""
    shape = (rows, 1, windows)
    return Workload(name="single", layers=(
        Layer(name="input", op="input", inputs=(), in_shape=shape, out_shape=shape, output_bits=bits),
        Layer(name="conv", op="conv", inputs=("input",), in_shape=shape, out_shape=(filters, 1, windows),
              weight_bits=bits, input_bits=bits, output_bits=bits,
              weights=lambda: np.ones((filters, rows, 1, 1), np.int16)),
    ))


def isaac(workload, policy="fit", images=1, ideal=("off_chip",), more=(), **how):
    """A run on ISAAC with the named parts free of contention, and more overrides."""
    return xbarch.execute("isaac_like", workload, policy=policy, images=images,
                          overrides=[*(f"{part}.ideal=true" for part in ideal), *more], **how)


def fitted(unit, layer, geometry=None, **more):
    """A sensing unit, or none, set for a layer."""
    from xbarch.datapaths.records import Geometry
    from xbarch.parts.sensing.base import Setting

    return unit and unit.adjusted(Setting(layer=layer, geometry=geometry or Geometry(128, 128, 2), **more))


def precise(weight_bits, input_bits):
    """A layer of which only the precisions matter."""
    from xbarch.workload.graph import Layer

    return Layer(name="layer", op="linear", inputs=("input",), in_shape=(128, 1, 1), out_shape=(1, 1, 1),
                 weight_bits=weight_bits, input_bits=input_bits)
