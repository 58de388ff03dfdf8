"""The kinds of values in a record: each with its limits and its unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


@dataclass(frozen=True)
class Unit:
    """The unit of a field's values, for its documentation."""

    name: str


Text = Annotated[str, Field(max_length=2000)]
Count = Annotated[int, Field(ge=0, le=10**60)]
Amount = Annotated[float, Field(ge=0, le=1e100)]
Share = Annotated[float, Field(ge=0, le=1), Unit("share")]
Score = Annotated[float, Field(ge=-1e100, le=1e100), Unit("share")]  # of measures other than top-1: their own unit
OpenShare = Annotated[Amount, Unit("share")]  # may pass 1: see the field
Crossbars = Annotated[Count, Unit("crossbars")]
Cells = Annotated[Count, Unit("cells")]
Bits = Annotated[Count, Unit("bits")]
Converter = Annotated[int, Field(ge=1, le=64), Unit("bits")]
Bytes = Annotated[Count, Unit("bytes")]
Images = Annotated[Count, Unit("images")]
Time = Annotated[int, Field(ge=0, le=10**30), Unit("ps")]
MeanTime = Annotated[Amount, Unit("ps")]
Energy = Annotated[int, Field(ge=0, le=10**100), Unit("aJ")]
MeanEnergy = Annotated[Amount, Unit("aJ")]
Area = Annotated[Amount, Unit("mm²")]
Power = Annotated[Amount, Unit("W")]
Bandwidth = Annotated[Amount, Unit("GB/s")]
Position = Annotated[float, Field(ge=-10**6, le=10**6)]  # in a picture in which neighbours are 1 apart


class Part(BaseModel):
    """Base of all parts of a record: immutable, strict, unknown keys ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False,
                              hide_input_in_errors=True, defer_build=True)
