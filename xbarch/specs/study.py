"""Studies: which architectures, workloads, data paths and policies a comparison puts side by side, and what varies."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from xbarch.specs.architecture import Architecture
from xbarch.specs.explain import lacking
from xbarch.specs.model import Spec
from xbarch.specs.recipe import Text
from xbarch.specs.text import brief
from xbarch.support.defaults import EQUAL, SCOPE, Scope

Name = Annotated[str, Field(min_length=1, max_length=4096)]
Value = Annotated[str, Field(max_length=4096)] | bool | int | float | None
Axis = Annotated[list[Value | list[Value]], Field(min_length=1, max_length=10_000)]
Axes = dict[Name, Axis]
CHOICES = ("images", "chips", "mode", "placement", "replication", "periphery", "batch", "engine", "reload", "bits",
           "activation_bits", "level_bits", "density", "accuracy", "draws")  # fields of a request
PARTS = ("options", "density", "workload")
"""Fields of a request of which an axis changes a part: an option, a layer's density, a field of a synthetic recipe."""


class Runs(Spec):
    """What is common to studies and sweeps: how every run is made, and what varies.

    datapaths: names, with options as in `meng:group_ch=8`; `own`, each workload's own; `all`, every registered one. An
    architecture that requires a data path runs that one alone. options: of data paths, by name; those under `all` are
    for every data path that has them. The fields of a request (`xbarch.Request`, where their limits and defaults stand)
    hold for every run. scope: of the energies and TOPS/W in tables, pictures and fronts: compute, chip or whole. axes:
    a field of the architecture (as of `--set`), a field of the request, an option of the data path (`options.NAME`),
    the density of a layer (`density.LAYER`) or a field of a synthetic recipe (`workload.FIELD`), and the values it
    takes; several fields, commas between, change together: to the same value, or where the value is a list each to its
    own.
    """

    architectures: list[Name] = Field(min_length=1, max_length=50)
    workloads: list[Name] = Field(min_length=1, max_length=500)
    datapaths: list[Name] = Field(["own"], min_length=1, max_length=200)
    options: dict[Name, dict[str, Any]] = Field({}, max_length=200, description="data path or `all`: {option: value}")
    images: int | None = None
    chips: int | None = None
    mode: str | None = None
    placement: str | None = None
    replication: str | None = None
    periphery: str | None = None
    batch: int | None = None
    engine: str | None = None
    reload: bool | None = None
    bits: int | None = None
    activation_bits: int | None = None
    level_bits: int | None = None
    density: dict[Name, float] | None = Field(None, max_length=1000, description="layer: share of its weights")
    scope: Scope = SCOPE
    accuracy: int | None = None
    draws: int | None = None
    axes: Axes = Field({}, max_length=50, description="field, or fields: values")

    @property
    def choices(self) -> dict[str, Any]:
        """The fields of the request that are given."""
        return {name: value for name in CHOICES if (value := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _changed(self) -> Runs:
        seen: set[str] = set()
        for axis, values in self.axes.items():
            names = fields(axis)
            for name in names:
                if name in seen:
                    raise ValueError(f"axes: the field {brief(name)!r} stands in two axes; name it once")
                seen.add(name)
                if not of_run(name) and (wrong := lacking(Architecture, name)):
                    raise ValueError(f"axes: {wrong}")
            for value in values:
                if isinstance(value, list) and len(value) != len(names):
                    raise ValueError(f"axes: {brief(axis)!r} has {len(names)} fields, but a list of {len(value)} "
                                     "values; give a single value or one per field")
        return self


class Study(Runs):
    """Every workload on every architecture by every data path under every policy, as far as they work together.

    Dense packing is always added: it is what gains are over. The first architecture is the base machine. machines:
    architectures of their own for data paths that need one, which then run on no other. policies: by default one that
    gives every run the same crossbars.
    """

    kind: Literal["study"] = "study"
    title: Text = "Comparison"
    description: Text = ""
    machines: dict[Name, Name] = Field({}, max_length=200, description="data path: architecture")
    policies: list[Name] = Field([EQUAL], min_length=1, max_length=20)


def fields(axis: str) -> list[str]:
    """The fields that an axis changes."""
    return [name.strip() for name in axis.split(",")]


def of_run(name: str) -> bool:
    """Whether a field is one of the request or a part of one, and none of the architecture."""
    return name in CHOICES or name.partition(".")[0] in PARTS
