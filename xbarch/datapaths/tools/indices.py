"""What indices cost: storing and fetching them, reading inputs by index, and scattering sums to their filters.

For every method whose crossbars hold rows or filters out of order. Parts, sizes and prices are this project's reading
(SegPrune publishes one figure, less than 0.27 % of area); prices are those of ISAAC's own registers and adders
(Shafiee et al., ISCA 2016, Table I, corrected October 2016), at its clock of 1.2 GHz:

    eDRAM buffer 20.7 mW, one access of 256 bits per clock: 17.25 pJ
    input register 2 KB 0.0021 mm², 1.24 mW: 1.0333 pJ per access
    output register 256 B 0.23 mW: 0.1917 pJ per access
    shift-and-add, one of 4 0.00006 mm², 0.05 mW: 0.0417 pJ per addition
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from xbarch.datapaths.records import Added, Block, Geometry, Ints
from xbarch.workload.graph import Layer

Store = Literal["buffer", "sram"]

_CLOCK = 833  # ps, 1.2 GHz
_EDRAM_READ, _REGISTER_READ, _OUTPUT_WRITE, _ADD = 17_250_000, 1_033_333, 191_667, 41_667  # aJ
_ADDER_AREA, _REGISTER_AREA, _REGISTER_BITS = 60_000_000, 2_100_000_000, 16_384  # nm², nm², bits
_WORD: dict[Store, int] = {"buffer": 256, "sram": 64}  # bits per index fetch
_ID_BITS = 10  # names one of up to 1,024 filters, or of the rows of a band
_SOURCE = "this project's reading; price from ISAAC (Shafiee et al., ISCA 2016, Table I, corrected October 2016), "


@dataclass(frozen=True)
class Delay:
    """Time that the added hardware takes per window. latency: ps by which the first result is later than on the base
    machine. interval: ps that each crossbar needs between windows to gather its inputs, [crossbars]."""

    latency: int
    interval: Ints


def gathered(block: Block) -> int:
    """Inputs read by index: all of the block's, unless they are consecutive."""
    return 0 if _run(block.inputs) else block.rows


def scattered(block: Block) -> int:
    """Sums written by index: all of the block's, unless their filters are consecutive."""
    return 0 if _run(block.targets) else block.outputs


def index_bits(block: Block, layer: Layer) -> int:
    """Bits stored for the block: the first row of its span and which rows of the span it keeps, as a mask or a list,
    whichever is smaller; and the filter of each weight column. Consecutive rows or filters need no bits."""
    bits = 0
    if gathered(block):
        inputs = layer.rows * layer.groups
        span = int(block.inputs[-1] - block.inputs[0]) + 1
        bits += _bits(inputs) + min(span, block.rows * _bits(span))
    if scattered(block):
        bits += block.outputs * _bits(layer.filters)
    return bits


def counted(blocks: Sequence[Block], layer: Layer, store: Store,
            bits: Callable[[Block, Layer], int] = index_bits) -> dict[str, Ints]:
    """Actions per window, each [crossbars]: index words fetched, inputs gathered, sums scattered. bits: gives the bits
    stored for a block."""
    crossbar = np.array([b.crossbar for b in blocks])
    each = {
        "index": [-(-bits(b, layer) // _WORD[store]) for b in blocks],
        "gather": [gathered(b) for b in blocks],
        "scatter": [scattered(b) for b in blocks],
    }
    return {action: np.bincount(crossbar, counts).astype(np.int64) for action, counts in each.items()}


def delay(blocks: Sequence[Block], layer: Layer, geometry: Geometry, store: Store, gathers: int) -> Delay:
    """Index fetch, gathering and scattering as a pipeline in front of and behind the crossbars.

    An address generator gathers one input per clock. An IMA's `gathers` generators are shared by its crossbars as if
    each had the same number of inputs to gather. One more clock fetches the first index word, another writes the
    scattered sums.
    """
    inputs = counted(blocks, layer, store)["gather"]
    interval = -(-inputs * geometry.crossbars_per_ima // gathers) * _CLOCK
    return Delay(int(interval.max(initial=0)) + 2 * _CLOCK if inputs.any() else 0, interval)


def components(geometry: Geometry, store: Store, gathers: int, weights: int, reads: int) -> list[Added]:
    """The added hardware of an IMA. weights: weight columns per crossbar. reads: pieces stacked on a crossbar."""
    crossbars = geometry.crossbars_per_ima
    if store == "buffer":
        held, energy = _WORD[store], _EDRAM_READ
        text = "the indices lie in the tile's eDRAM buffer, an access reads 256 bits into a latch (area of the " \
               "input register, per bit)"
    else:
        held, energy = (geometry.rows + weights * reads) * _ID_BITS * crossbars, _REGISTER_READ
        text = "10 bits for each row and weight column of 8-bit weights, area of the input register per bit, energy " \
               "of its access for 64 bits"
    return [
        Added(name="index", level="ima", count=1, area=_area(held), action="index", energy=energy,
              source=_SOURCE + text),
        Added(name="gather", level="ima", count=gathers, area=_ADDER_AREA, action="gather",
              energy=_REGISTER_READ + _ADD,
              source=_SOURCE + "an adder of the shift-and-add size makes the address, then an access of the input "
              "register"),
        Added(name="scatter", level="ima", count=1, area=_area(_ID_BITS * crossbars), action="scatter",
              energy=_OUTPUT_WRITE,
              source=_SOURCE + "a latch for the filter of each crossbar's sum, then an access of the output register"),
    ]


def table(name: str, action: str, bits: int, word: int, source: str) -> Added:
    """A small memory of an IMA, of `bits` bits, with the input register's area per bit. An action reads `word` bits, at
    `word` / 64 of the energy of a 64-bit access of the register."""
    return Added(name=name, level="ima", count=1, area=_area(bits), action=action,
                 energy=_REGISTER_READ * word // _WORD["sram"],
                 source=source + "scaled from ISAAC's input register (Shafiee et al., ISCA 2016, Table I)")


def adder(name: str, action: str, count: int, source: str) -> Added:
    """`count` adders of an IMA, each of the shift-and-add's size; an action is an addition."""
    return Added(name=name, level="ima", count=count, area=_ADDER_AREA, action=action, energy=_ADD,
                 source=source + "area and energy of ISAAC's shift-and-add (Shafiee et al., ISCA 2016, Table I)")


def _area(bits: int) -> int:
    return bits * _REGISTER_AREA // _REGISTER_BITS


def _bits(values: int) -> int:
    """Bits that distinguish `values` values."""
    return max(1, (values - 1).bit_length())


def _run(numbers: Ints) -> bool:
    """Whether the ascending `numbers` are consecutive."""
    return len(numbers) < 2 or int(numbers[-1] - numbers[0]) + 1 == len(numbers)
