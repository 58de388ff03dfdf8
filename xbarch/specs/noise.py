"""What real devices and converters do to the sums on bit lines, as data."""

# Annotations are not postponed here: pydantic would compile each of hundreds anew at every start.
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from xbarch.errors import InputError
from xbarch.specs.fields import Name, Source, Text
from xbarch.specs.merging import merged, present
from xbarch.specs.model import Spec
from xbarch.units import Siemens

_PRESETS = "noise"  # the folder of bundled presets
_OWN = ("preset", "summary", "source")  # of a preset's file, not of what it changes


class Conductance(Spec):
    """The range of a cell's conductance. Level d of 0 .. L is at Gmin + (Gmax - Gmin) d / L, L = 2**cell_bits - 1."""

    highest: Siemens | None = Field(None, ge=1, description="Gmax; none: only shares of it matter")
    on_off: float | None = Field(None, gt=1, le=1e9, description="Gmax / Gmin; none: a cell at level 0 conducts "
                                "nothing")
    subtracted: bool = Field(True, description="sums are freed of Gmin times the inputs before they are converted, by "
                             "a dummy column or a pair; false: it stays in them, and only where the coefficients of an "
                             "output's bit lines add up to zero does it cancel")

    @model_validator(mode="after")
    def _pedestal(self) -> "Conductance":
        if not self.subtracted and self.on_off is None:
            raise ValueError("subtracted: must be true without on_off, as cells at level 0 then conduct nothing")
        return self

    @property
    def lowest(self) -> float:
        """Gmin, as a share of Gmax."""
        return 1 / self.on_off if self.on_off else 0.0


class Calibration(Spec):
    """How `full_scale: calibrated` finds the full scale: the percentile of the sums' magnitudes in the ideal network,
    on images that accuracy is not measured on."""

    percentile: float = Field(99.9, gt=0, le=100, description="the nearest rank of the sums' magnitudes")
    images: int = Field(50, ge=1, le=10_000, description="calibration images, the first ones of the validation part")
    per: Literal["layer", "significance", "column"] = Field(
        "layer", description="what has a full scale of its own: a layer, its bit lines of one significance, or each "
                             "bit line")
    lower_end: Literal["zero", "calibrated"] = Field(
        "zero", description="the sum that code 0 stands for: zero, or the percentile counted from the largest sum "
                            "down, which is added back digitally; not on signed cells")


class Noise(Spec):
    """Non-idealities of cells and converters. Left out: cells and sums are exact integers."""

    preset: str | None = Field(None, min_length=1, max_length=400, description="a bundled preset or a YAML file that "
                               "these fields are put on, key by key")
    summary: Text | None = Field(None, description="what a preset is, in one line")
    source: Source | None = None
    cell_bits: int | None = Field(None, ge=1, le=8, description="bits of a cell that it holds for; none: any")
    conductance: Conductance = Conductance()
    full_scale: Literal["unit", "array", "calibrated", "stored", "ideal"] | int = Field(
        "unit", description="what the largest code of a converter stands for. unit: steps of one cell level; larger "
                            "sums saturate. array: the largest sum of all word lines. calibrated: as `calibration` "
                            "says. stored: as the workload stores them, where training learned them. ideal: sums are "
                            "not converted. A number: so many cell levels")
    calibration: Calibration = Calibration()
    effects: dict[Name, dict[str, Any]] = Field(
        default={}, max_length=32, description="registered effects, as `xbarch list` names them, with their options")
    seed: int = Field(0, ge=0, lt=2**32, description="of all draws of devices and reads")

    @model_validator(mode="before")
    @classmethod
    def _on_preset(cls, data: Any) -> Any:
        return expanded(data)

    @model_validator(mode="after")
    def _whole_scale(self) -> "Noise":
        if isinstance(self.full_scale, int) and not 1 <= self.full_scale <= 2**20:
            raise ValueError(f"full_scale: must be unit, array, calibrated, stored, ideal or 1 to {2**20:,} cell "
                             f"levels, not {self.full_scale:,}")
        return self

    @model_validator(mode="after")
    def _calibrated(self) -> "Noise":
        """Refuse what no full scale is found by. Without converters all of it is moot, and a comparison with them may
        leave it in place; training finds learned full scales from calibrated ones on."""
        learned = ("percentile", "images") if self.full_scale == "stored" else ()
        for name, value in self.calibration if self.full_scale not in ("calibrated", "ideal") else ():
            if value != Calibration.model_fields[name].default and name not in learned:
                raise ValueError(f"calibration.{name}: needs full_scale: calibrated, not {self.full_scale}, or nothing "
                                 "reads it")
        return self

    @property
    def ideal(self) -> bool:
        """Whether nothing is changed: cells and sums are exact integers."""
        pedestal = self.conductance.on_off is not None and not self.conductance.subtracted
        return not self.effects and self.full_scale == "unit" and not pedestal


def expanded(data: Any) -> Any:
    """The plain data of a noise block, put on the preset that it names.

    Raises:
        ValueError: there is no such preset, or it is no mapping.
    """
    name = data.get("preset") if isinstance(data, Mapping) else None
    if not isinstance(name, str):
        return data
    from xbarch.specs.load import document

    try:
        below = document(name, kind=_PRESETS)
    except InputError as error:
        place = f" ({error.file}:{error.line})" if error.line else ""
        raise ValueError(f"preset: {name[:200]}: {error.message}{place}") from None
    return present(merged(below.data, data))
