"""Small machines and networks that several tests use."""

from fractions import Fraction
from itertools import count, product

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


def owners(share):
    """(row, column) -> copy, by definition. Of a single row, every n-th pixel, n the number of copies. Else pixels are
    counted down the columns, in each the rows that are computed together one by one, and cut into equal parts; where
    several copies have pixels of such a row of a column, the j-th of a copy's q comes at (2j + 1) / 2q."""
    height, width, copies = share.height, share.width, share.copies
    if height == 1:
        return {(0, x): x % copies for x in range(width)}
    rows = next(n for n in count(1) if n * width >= copies or n == height)
    found, counted = {}, 0
    for x, first in product(range(width), range(rows)):
        mine = range(first, height, rows)
        takers = [(counted + n) * copies // (height * width) for n in range(len(mine))]
        counted += len(mine)
        moments = sorted((Fraction(2 * j + 1, 2 * takers.count(copy)), copy) for copy in set(takers)
                         for j in range(takers.count(copy)))
        found |= {(y, x): copy for y, (_, copy) in zip(mine, moments, strict=True)}
    return found
