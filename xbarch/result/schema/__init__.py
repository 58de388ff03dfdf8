"""The shape of `result.json`: one model from which the file, its documentation and the attributes of a result come.

Every field states its unit and its definition; `docs/result.md` is generated from them. Keys that are not here are
ignored when a saved record is read. `docs/schema.md` says when the number of the schema changes.
"""

# Annotations are not postponed here: pydantic would compile each of hundreds anew at every start.
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from xbarch.result.quantities import (
    Bits,
    Cells,
    Count,
    Crossbars,
    Energy,
    Images,
    MeanEnergy,
    MeanTime,
    Part,
    Text,
    Time,
    Unit,
)
from xbarch.result.schema.about import (
    Architecture,
    Layer,
    Mapping,
    Path,
    Periphery,
    Provenance,
    TileKind,
    Workload,
)
from xbarch.result.schema.energy import (
    Amortized,
    Areas,
    DenseEquivalent,
    Effective,
    EnergyPerImage,
    Peak,
    Powers,
    Programming,
    ScopedComponents,
    ScopedEfficiency,
    ScopedLayers,
    Scopes,
)
from xbarch.result.schema.limits import LAYERS, LINKS, SPANS, TILES
from xbarch.result.schema.right import (
    Accuracy,
    Correctness,
    Measured,
    Sufficient,
)
from xbarch.result.schema.speed import (
    Bound,
    Busiest,
    Latency,
    LayerTime,
    Span,
    Throughput,
    Utilization,
    Waiting,
)
from xbarch.result.schema.traffic import (
    BusiestLink,
    Counts,
    Interconnect,
    Link,
    Tile,
    Wiring,
)

__all__ = [
    "LAYERS",
    "LINKS",
    "SCHEMA",
    "SPANS",
    "TILES",
    "Accuracy",
    "Amortized",
    "Architecture",
    "Areas",
    "Bound",
    "Busiest",
    "BusiestLink",
    "Correctness",
    "Counts",
    "DenseEquivalent",
    "Effective",
    "EnergyPerImage",
    "Interconnect",
    "Latency",
    "Layer",
    "LayerTime",
    "Link",
    "Mapping",
    "Measured",
    "Path",
    "Peak",
    "Periphery",
    "Powers",
    "Programming",
    "Provenance",
    "Record",
    "ScopedComponents",
    "ScopedEfficiency",
    "ScopedLayers",
    "Scopes",
    "Segment",
    "Span",
    "Sufficient",
    "Throughput",
    "Tile",
    "TileKind",
    "Utilization",
    "Waiting",
    "Wiring",
    "Workload",
]

SCHEMA: Literal["xbarch.result/2"] = "xbarch.result/2"


class Segment(Part):
    """A part of a network that is reloaded."""

    layers: list[Text] = Field(min_length=1, max_length=LAYERS, description="layers of the segment")
    crossbars: Crossbars = Field(description="occupied while the segment runs")
    tiles: Annotated[Count, Unit("tiles")] = Field(description="occupied while the segment runs")
    pipeline_interval_ps: MeanTime = Field(description="of the segment alone")
    first_image_ps: Time = Field(description="of the segment alone")
    programming_ps: Time = Field(description="time to load the segment once")
    cells: Cells = Field(description="cells written to load the segment once")
    time_ps: MeanTime = Field(description="time in the segment per image, programming included")
    energy_aj: Energy = Field(description="energy of inference per image, scope whole")
    scopes_aj: Scopes | None = None  # records made before it was counted have none
    programming_aj: MeanEnergy = Field(description="energy of programming per image")
    bits_in: Bits = Field(description="per image into the chip over the off-chip link")
    bits_out: Bits = Field(description="per image out of the chip over the off-chip link")


class Record(Part):
    """The whole document. Energies and counts are per image: totals of the run divided by its images."""

    schema_: Literal["xbarch.result/2"] = Field(alias="schema", description="`xbarch.result/2`")
    provenance: Provenance
    architecture: Architecture
    datapath: Path
    workload: Workload
    policy: Text = Field(description="policy of weight replication")
    mode: Text = Field("pipelined", description="execution mode, see [modes](reference.md#modes)")
    images: Images = Field(description="images that ran")
    mapping: Mapping
    correctness: Correctness | None = None  # records made before it was known have none
    accuracy: Accuracy | None = None  # the same
    throughput: Throughput
    latency: Latency
    energy: EnergyPerImage
    area: Areas
    power: Powers
    peak: Peak
    effective: Effective
    dense_equivalent: DenseEquivalent
    utilization: Utilization
    bound: Bound | None = None  # records made before it was known have none
    waiting: Waiting | None = None  # records made before it was counted have none
    layer_time: list[LayerTime] = Field([], max_length=LAYERS)  # as `timeline`, for what shows layers
    counts: Counts
    programming: Programming | None = None  # records made before it was counted have none
    interconnect: Interconnect | None = None  # the same
    timeline: list[Span] = Field(max_length=LAYERS)
    kinds: list[TileKind] | None = Field(None, max_length=16)  # of a chip with several kinds of tile
    segments: list[Segment] | None = Field(None, max_length=LAYERS)  # of a network that is reloaded

    def document(self) -> dict[str, Any]:
        """The record as plain values, keys as in `result.json`; those that were never set are left out."""
        return self.model_dump(by_alias=True, exclude_unset=True)

    @model_validator(mode="after")
    def _few(self) -> "Record":
        spans = sum(len(span.start_ps) for span in self.timeline)
        if spans > SPANS:
            raise ValueError(f"timeline: must have at most {SPANS:,} spans in all, not {spans:,}")
        return self

    @model_validator(mode="after")
    def _possible(self) -> "Record":
        """In an exact steady state no crossbar reads for longer than the pipeline interval."""
        read = self.utilization.crossbar_time
        if self.latency.steady and read is not None and read > 1 + 1e-9:
            raise ValueError(f"utilization.crossbar_time: must be at most 1 in a steady state, not {read}")
        return self

    @model_validator(mode="after")
    def _honest(self) -> "Record":
        """Synthetic weights are labelled so wherever they appear."""
        synthetic = self.workload.trained_on is None
        if self.workload.synthetic != synthetic:
            raise ValueError(f"workload.synthetic: must be {str(synthetic).lower()} where trained_on "
                             f"{'is null' if synthetic else 'names data'}")
        weights = "synthetic" if synthetic else "trained"
        if self.provenance.weights != weights:
            raise ValueError(f"provenance.weights: must be {weights!r} as workload.trained_on says, not "
                             f"{self.provenance.weights!r}")
        return self
