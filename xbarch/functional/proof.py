"""A run's own look at a data path that does not come with xbarch: the laws of `xbarch.conformance`, on the layers that
are really packed. The bundled data paths are proved by the tests, so that their runs start at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol
from weakref import WeakSet

import numpy as np

from xbarch.datapaths.base import DataPath
from xbarch.datapaths.records import Block, Geometry, Ints, Stream, Work
from xbarch.errors import InputError, XbarchError
from xbarch.functional.execute import Executed, Resolution, reference, run
from xbarch.plugins import checked, counts, laws
from xbarch.plugins.guard import asking
from xbarch.workload.graph import Layer

MOST = 2**23  # weights of a layer that is executed
_SOME = 500  # blocks of a larger layer whose contents are looked at
_VECTORS = 8  # random inputs: with n bits, wrong blocks pass unseen at most once in 2**(8 n) times
_proved: WeakSet[Packing] = WeakSet()  # packings are remembered by those who make them; each is proved once


class Packing(Protocol):
    """A packed layer of a run (`xbarch.mapping.pack.Packed`)."""

    @property
    def layer(self) -> Layer: ...
    @property
    def work(self) -> Work: ...
    @property
    def make(self) -> Callable[[], Sequence[Block]]: ...


def prove(path: DataPath[Any], packed: Packing, geometry: Geometry, stream: Stream | None,
          paid: Collection[str]) -> None:
    """Apply the laws to a packed layer. stream: the inputs, if there are some, with which its work was counted. paid:
    actions that the machine's own components pay.

    Raises:
        InputError: the first broken law, with file, data path and layer.
    """
    if packed in _proved:
        return
    asked, blocks = laws.Asked(path, packed.layer, geometry), packed.make()
    whole = packed.work if stream is None else checked.work(path, blocks, packed.layer, geometry)
    large = packed.layer.rows * packed.layer.filters > MOST
    lawful(asked, blocks, whole, _SOME if large else len(blocks))
    counts.priced(asked, packed.work.extra, paid)
    if stream is not None:
        counts.skipped(asked, blocks, whole, packed.work, stream)
    if not large:
        exact(asked, blocks)
    _proved.add(packed)


def exact(asked: laws.Asked, packed: Sequence[Block]) -> None:
    """The blocks give the integers of the layer: for inputs all at their largest and for random ones."""
    layer, geometry = asked.layer, asked.geometry
    (least, most), size = layer.input_range, layer.groups * layer.rows
    x = np.random.default_rng(0).integers(least, most + 1, (1 + _VECTORS, size))
    x[0] = most
    expected, bits = reference(layer, x), checked.adc_bits(asked.path, layer, geometry)
    same(asked, executed(asked, packed, x, "lossless"), expected, "the outputs")
    if bits is not None and not broken(asked):
        same(asked, executed(asked, packed, x, bits), expected, f"the outputs at {bits} ADC bits")


def lawful(asked: laws.Asked, packed: Sequence[Block], whole: Work, most: int = 2**62) -> None:
    """Every law that blocks and the work while nothing is skipped must keep, short of executing them. most: of how many
    blocks the contents are looked at."""
    laws.grouped(asked, packed)
    laws.covered(asked, packed)
    counts.counted(asked, packed, whole)
    laws.contained(asked, packed, whole.extra, most)
    checked.index_bits(asked.path, packed, asked.layer, asked.geometry)


def broken(asked: laws.Asked) -> str:
    """How the layer's weights break the method's own promise; empty if they keep it."""
    with asking(asked.path, "check", asked.layer.name):
        return asked.path.check(asked.layer, asked.geometry)


def executed(asked: laws.Asked, packed: Sequence[Block], x: Ints, bits: Resolution) -> Executed:
    """The blocks, executed on input vectors x [windows, groups * rows]."""
    with asking(asked.path, "contents", asked.layer.name, limited=False):
        try:
            return run(packed, asked.layer, asked.geometry, x, bits)
        except InputError:
            raise
        except XbarchError as error:  # says what contradicts what, but not whose blocks they are
            raise asked.wrong(str(error)) from None


def same(asked: laws.Asked, done: Executed, expected: Ints, what: str) -> None:
    """What was executed is what was expected, [windows, filters], and nothing clipped."""
    if wrong := np.argwhere(done.out != expected).tolist():
        row, output = wrong[0]
        raise asked.wrong(f"{what} differ in {len(wrong)} of {expected.size}: output {output} for input vector {row} "
                          f"must be {expected[row, output]}, not {done.out[row, output]}")
    if done.clips:
        raise asked.wrong(f"{what} clip {done.clips} conversions; none may")
