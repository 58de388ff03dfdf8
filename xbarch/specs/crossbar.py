"""One array and its converters, as data."""

# Annotations are not postponed here: pydantic would compile each of hundreds anew at every start.
from fractions import Fraction
from typing import Any, Literal

from pydantic import Field, model_validator

from xbarch.specs.fields import Name, Ratio, Source
from xbarch.specs.model import Spec
from xbarch.units import Energy, Time


class OperationUnit(Spec):
    """The largest part of an array that is sensed at a time (SRE, ISCA 2019)."""

    rows: int = Field(ge=1, le=4096, description="word lines driven together")
    columns: int = Field(ge=1, le=4096, description="bit lines converted together")
    read: Time = Field(ge=1, description="time of one read, until its sums can be converted")
    source: Source


class Parallel(Spec):
    """How much is written at a time: at most so many cells of a row, crossbars of an IMA, IMAs of a tile, tiles of a
    chip."""

    cells: int = Field(ge=1, le=8192)
    crossbars: int = Field(ge=1, le=4096)
    imas: int = Field(ge=1, le=4096)
    tiles: int = Field(ge=1, le=65536)
    source: Source


class Verify(Spec):
    """Program and verify: a read after every pulse, until the cell holds its level.

    pulses: mean of a cell, for energy. rounds: until the last of the cells written together is done, for time.
    read, energy: time of a read, energy of it for one cell.
    """

    pulses: Ratio
    rounds: int = Field(ge=1, le=10**6)
    read: Time
    energy: Energy
    source: Source

    @model_validator(mode="after")
    def _ordered(self) -> "Verify":
        if not 1 <= Fraction(self.pulses) <= self.rounds:
            raise ValueError(f"pulses: must be 1 to {self.rounds} (rounds), not {self.pulses}")
        return self


class Programming(Spec):
    """Writing cells. energy: of one write pulse of one cell. pulse: its time, of all cells written together."""

    energy: Energy
    pulse: Time = Field(ge=1)
    parallel: Parallel
    verify: Verify | None = Field(None, description="none: one pulse writes a cell for good")
    source: Source


class Sensed(Spec):
    """How sums on bit lines become numbers: a registered unit with its options."""

    unit: Name = Field("adc", description="as `xbarch list` names them")
    options: dict[str, Any] = Field(default_factory=dict)


class Crossbar(Spec):
    """One array and its converters."""

    rows: int = Field(ge=1, le=4096, description="word lines")
    columns: int = Field(ge=1, le=4096, description="bit lines")
    cell_bits: int = Field(ge=1, le=8)
    unit_column: bool = Field(description="one more bit line beside the columns, for a reference")
    subtraction: Literal["none", "analog"] = Field(
        "none", description="analog: a crossbar is a pair of arrays that share word lines, the bit lines of one are "
                            "subtracted from those of the other before they are sensed, so that a cell holds a sign")
    dac_bits: int = Field(ge=1, le=8)
    adc_bits: int = Field(ge=1, le=16)
    adcs_per_crossbar: Ratio = Field(description="converters per crossbar; 1/8: eight crossbars share one")
    read: Time = Field(ge=1, description="time of one array read")
    read_rows: int | None = Field(None, ge=1, le=4096, description="word lines of the array that `read` is the time "
                                  "of; none: `rows`, or those of the file that states `read`")
    conversion: Time = Field(ge=1, description="time of one conversion")
    sensing: Sensed = Sensed()
    signed_inputs: Literal["twos_complement", "offset"] | None = Field(
        None, description="how signed inputs of b bits drive word lines. twos_complement: the sums of the last phase "
                          "are subtracted (ISAAC), which needs phases of one bit; offset: 2**(b - 1) is added, and the "
                          "activation unit's bias takes it out. Neither needs more phases. none: twos_complement "
                          "where phases have one bit, else offset")
    operation_unit: OperationUnit | None = Field(None, description="none: a read senses the whole array")
    gated: bool = Field(True, description="bit lines that hold nothing are not converted, as the schedule knows them; "
                                          "false: a read converts every bit line of the array, or of its operation "
                                          "unit")
    programming: Programming
    source: Source

    @model_validator(mode="after")
    def _signs_fit(self) -> "Crossbar":
        if self.signed_inputs == "twos_complement" and self.dac_bits > 1:
            raise ValueError(f"signed_inputs: must be offset where a phase drives {self.dac_bits} bits, since a sign "
                             "has a phase of its own in two's complement")
        return self

    @model_validator(mode="after")
    def _units_fit(self) -> "Crossbar":
        unit = self.operation_unit
        if unit is not None and (unit.rows > self.rows or unit.columns > self.columns):
            raise ValueError(f"operation_unit: must be at most {self.rows} x {self.columns}, the crossbar, not "
                             f"{unit.rows} x {unit.columns}")
        return self

    @property
    def offset_inputs(self) -> bool:
        return self.signed_inputs == "offset" or self.dac_bits > 1

    @property
    def unused(self) -> str:
        """What a read does with bit lines that hold nothing, in words."""
        return "not converted" if self.gated else "converted"
