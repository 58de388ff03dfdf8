"""Energy, area and power, and ratios of them."""

# Annotations are not postponed here: pydantic would compile each of hundreds anew at every start.
from typing import Annotated, Any

from pydantic import Field

from xbarch.result.quantities import (
    Amount,
    Area,
    Cells,
    Energy,
    Images,
    MeanEnergy,
    MeanTime,
    Part,
    Power,
    Text,
    Time,
    Unit,
)


class _Scoped(Part):
    """Values by scope, fields and keys."""

    def __getitem__(self, scope: str) -> Any:
        return getattr(self, scope)


class Scopes(_Scoped):
    """Energy per image by scope: constant power over the pipeline interval belongs to the scope of its component."""

    compute: Energy = Field(description=(
        "components of scope `compute`, which is everything in the tiles: dynamic energy, and constant powers of "
        "occupied tiles"))
    chip: Energy = Field(description="scopes `compute` and `chip` (the routers); constant powers of all tiles")
    whole: Energy = Field(description="all scopes")


class ScopedComponents(_Scoped):
    """Energy per image of each component in a scope: what the component declares, never its name, decides."""

    compute: dict[Text, Energy] = Field(description=(
        "components of scope `compute`, constant powers of occupied tiles; adds up to `energy.scopes_aj.compute`"))
    chip: dict[Text, Energy] = Field(description=(
        "components of scopes `compute` and `chip`, constant powers of all tiles; adds up to `energy.scopes_aj.chip`"))
    whole: dict[Text, Energy] = Field(description="all components; the same as `energy.by_component_aj`")


class ScopedLayers(_Scoped):
    """Dynamic energy per image of each layer, of components in a scope."""

    compute: dict[Text, Energy] = Field(description="components of scope `compute`")
    chip: dict[Text, Energy] = Field(description="components of scopes `compute` and `chip`")
    whole: dict[Text, Energy] = Field(description="all components; the same as `energy.by_layer_aj`")


class EnergyPerImage(Part):
    """Energy per image: of the run divided by its images, rounded down."""

    per_image_aj: Energy = Field(description="scope `whole`")
    scopes_aj: Scopes
    by_component_aj: dict[Text, Energy] = Field(
        description="scope `whole`: dynamic energy and constant power of each component; adds up to `scopes_aj.whole`")
    by_scope_aj: ScopedComponents | None = None  # records made before it was counted have none
    by_layer_aj: dict[Text, Energy] = Field(description="dynamic energy of each layer; adds up to `dynamic_aj`")
    layers_by_scope_aj: ScopedLayers | None = None  # the same
    static_aj: dict[Text, Energy] = Field(description="constant powers over one pipeline interval")
    dynamic_aj: Energy = Field(description="Σ actions · energy of an action")


class Areas(Part):
    """Area, including the hardware that the data path adds."""

    total_mm2: Area = Field(description="all chips; with policy `area` only the tiles that fit the fixed area")
    used_mm2: Area = Field(description="occupied tiles, without chip-level parts")
    by_component_mm2: dict[Text, Area] = Field(description="of all chips")


class Powers(Part):
    """Power."""

    average_w: Power = Field(
        description=(
        "`energy.per_image_aj` / pipeline interval, scope whole; of a reloaded network, programming included"))
    peak_w: Power = Field(description=(
        "nameplate of all chips: every unit at full activity, without the hardware that the data path adds"))


class Peak(Part):
    """Nameplate rates."""

    tops: Annotated[Amount, Unit("TOPS")] = Field(description=(
        "nameplate of all chips at the workload's widest weights and inputs: `2 · rows · floor(columns / S) · "
        "crossbars / (phases · read time)`, a read lasting whole slots"))
    tops_per_w: Annotated[Amount, Unit("TOPS/W")] = Field(
        description="`peak.tops` / `power.peak_w`; the same for one chip and for several")
    tops_per_mm2: Annotated[Amount, Unit("TOPS/mm²")] = Field(
        description="`peak.tops` / the nameplate's chip area")


class ScopedEfficiency(_Scoped):
    """Operations per energy of each scope; of a reloaded network, the energy of programming is in every scope."""

    compute: Annotated[Amount, Unit("TOPS/W")] | None = Field(
        description="the same operations / `energy.scopes_aj.compute`; null where that is 0")
    chip: Annotated[Amount, Unit("TOPS/W")] | None = Field(
        description="the same operations / `energy.scopes_aj.chip`; null where that is 0")
    whole: Annotated[Amount, Unit("TOPS/W")] | None = Field(
        description="the same operations / `energy.scopes_aj.whole`; null where that is 0")


class Effective(Part):
    """Rates of the operations with kept weights."""

    tops: Annotated[Amount, Unit("TOPS")] | None = Field(description=(
        "`2 · counts.kept_macs` / pipeline interval; null where `throughput.images_per_second` is"))
    tops_per_w_by_scope: ScopedEfficiency
    tops_per_mm2: Annotated[Amount, Unit("TOPS/mm²")] | None = Field(
        description="`effective.tops` / `area.total_mm2`; null where `effective.tops` is")


class DenseEquivalent(Part):
    """Rates as if every operation of the dense network were done."""

    tops: Annotated[Amount, Unit("TOPS")] | None = Field(description=(
        "`2 · counts.macs` / pipeline interval; null where `throughput.images_per_second` is"))
    tops_per_w_by_scope: ScopedEfficiency
    tops_per_mm2: Annotated[Amount, Unit("TOPS/mm²")] | None = Field(
        description="`dense_equivalent.tops` / `area.total_mm2`; null where `dense_equivalent.tops` is")


class Amortized(Part):
    """Programming per image."""

    cells: Annotated[Amount, Unit("cells")] = Field(description="cells of one programming / `batch`")
    time_ps: MeanTime = Field(description="time of one programming / `batch`")
    energy_aj: MeanEnergy = Field(description="energy of one programming / `batch`")


class Programming(Part):
    """Writing every copy of every layer once; no other figure includes it, see the reference."""

    cells: Cells = Field(description="cells written")
    energy_aj: Energy = Field(description="all of `programming.by_part_aj`")
    by_part_aj: dict[Text, Energy] = Field(description=(
        "`pulses`; `verify`, the reads that check them; `transfer`, weights over network and buses; `static`, constant "
        "power meanwhile"))
    time_ps: Time = Field(description="the longer of `write_ps` and `load_ps`")
    write_ps: Time = Field(description="time to write the crossbars")
    load_ps: Time = Field(description="time for the weights to arrive")
    batch: Images | None = Field(description="images per programming; null if not given")
    per_image: Amortized | None = Field(description="null without `batch`")
