"""The contract of data paths: titles, what prunes and what only packs, the crossbar that they see."""

from fractions import Fraction
from typing import ClassVar

import pytest

from xbarch.conformance import conform
from xbarch.datapaths import dense
from xbarch.datapaths.base import DataPath, title_of
from xbarch.datapaths.pruning import Pruning, pruning
from xbarch.datapaths.records import Geometry
from xbarch.errors import InputError
from xbarch.machine.machine import Machine
from xbarch.parts.sensing.base import Array
from xbarch.plugins import registry
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.specs.model import Options


class Bare(DataPath):
    """Packs as `dense` does, and knows nothing of training."""

    name: ClassVar[str] = "bare"
    summary: ClassVar[str] = "hardware only"
    provenance: ClassVar[str] = "a test"

    def accepts(self, workload, geometry):
        return dense.Dense().accepts(workload, geometry)

    def pack(self, layer, geometry):
        return dense.blocks(layer, geometry)


def test_every_title_is_its_own():
    titles = {name: title_of(kind) for name, kind in registry.datapaths().items()}
    assert len(set(titles.values())) == len(titles) and not set(titles.values()) & set(titles)
    assert titles["hybrid_p"] == "Hybrid-P" and titles["auto_prune"] == "AUTO-PRUNE" and titles["tinyadc"] == "TinyADC"
    assert title_of(Bare()) == "bare"


def test_a_subclass_inherits_no_title():
    """It is another method than its base, and would stand in tables under the same name."""
    class Other(registry.datapaths()["dense"]):
        name = "other"

    assert title_of(Other) == "other"


def test_a_data_path_may_know_nothing_of_training():
    path = Bare()
    assert conform(path, layers=5) > 5 and not hasattr(path, "project")
    assert type(path.options) is Options and not dict(path.options)
    with pytest.raises(InputError, match=r"^method: data path bare does not prune"):
        pruning(path)
    assert isinstance(pruning(registry.datapath("dense")), Pruning)


def test_the_crossbar_of_an_architecture():
    plain, units = (load(name, Architecture).crossbar for name in ("isaac_like", "sre_like"))
    assert Geometry.of(plain) == Geometry(128, 128, 2, dac_bits=1, adc_bits=8, unit_column=True)
    unit = units.operation_unit
    assert (Geometry.of(units).ou_rows, Geometry.of(units).ou_columns) == (unit.rows, unit.columns)
    assert Array.of(plain, 7) == Array(columns=128, read=100_000, conversion=plain.conversion, converters=Fraction(1),
                                       bits=8, slot=7, rows=128, cell_bits=2, dac_bits=1)
    assert (Array.of(units, 0).read, Array.of(units, 0).rows) == (unit.read, unit.rows)
    assert Machine(load("sre_like", Architecture)).geometry == Geometry.of(units)
