"""Sweeps: a machine's fields and a run's choices, each with the values it takes; every combination is a point."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from xbarch.specs.architecture import Architecture
from xbarch.specs.explain import lacking
from xbarch.specs.recipe import Spec, Text
from xbarch.specs.study import Name
from xbarch.specs.text import brief

Value = Annotated[str, Field(max_length=4096)] | bool | int | float | None
Axis = Annotated[list[Value | list[Value]], Field(min_length=1, max_length=10_000)]
FIGURES = (
    "throughput.images_per_second", "latency.pipeline_interval_ps", "latency.first_image_ps",
    "energy.scopes_aj.compute", "energy.scopes_aj.chip", "energy.scopes_aj.whole", "area.used_mm2", "area.total_mm2",
    "power.average_w", "effective.tops_per_w", "dense_equivalent.tops_per_w", "mapping.crossbars",
    "mapping.one_copy_crossbars", "mapping.tiles", "utilization.cells", "utilization.crossbar_time",
    "utilization.adc_time", "counts.conversions")


class Sweep(Spec):
    """Every architecture, changed along the axes, with every workload by every data path under every policy.

    datapaths: as of a study, none is added. options: those of data paths, by name. axes: a field of the architecture
    (as of `--set`) and its values; several fields, commas between, change together: to the same value, or where the
    value is a list each to its own. figures: numbers of `result.json`, the columns of the CSV file.
    """

    kind: Literal["sweep"]
    title: Text = "Sweep"
    description: Text = ""
    architectures: list[Name] = Field(min_length=1, max_length=50)
    workloads: list[Name] = Field(min_length=1, max_length=500)
    datapaths: list[Name] = Field(["own"], min_length=1, max_length=200)
    options: dict[Name, dict[str, Any]] = Field({}, max_length=200, description="data path: {option: value}")
    policies: list[Name] = Field(["fit"], min_length=1, max_length=100)
    images: int = Field(8, ge=1, le=10_000)
    axes: dict[Name, Axis] = Field({}, max_length=50, description="field, or fields: values")
    figures: list[Name] = Field(list(FIGURES), min_length=1, max_length=500)

    @model_validator(mode="after")
    def _changed(self) -> Sweep:
        seen: set[str] = set()
        for axis, values in self.axes.items():
            names = fields(axis)
            for name in names:
                if name in seen:
                    raise ValueError(f"axes: found the field {brief(name)!r} twice, allowed once")
                seen.add(name)
                if wrong := lacking(Architecture, name):
                    raise ValueError(f"axes: {wrong}")
            for value in values:
                if isinstance(value, list) and len(value) != len(names):
                    raise ValueError(f"axes: found {len(value)} values for {brief(axis)!r}, allowed a single one or "
                                     f"a list of {len(names)}, one a field")
        return self


def fields(axis: str) -> list[str]:
    """The architecture's fields that an axis changes."""
    return [name.strip() for name in axis.split(",")]
