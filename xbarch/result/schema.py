"""The shape of `result.json` as a model: what a saved record must have before anything is made of it.

`docs/reference.md` defines the fields. Keys that are not here are left alone; a test keeps this file and what a run
writes the same.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA = "xbarch.result/1"
LAYERS = 2_000   # as many as a stored workload may have
SPANS = 10_000   # of the time line, all layers together
LINKS = 20_000   # of the first chips that a record has room for
TILES = 20_000

Text = Annotated[str, Field(max_length=2000)]
Amount = Annotated[float, Field(ge=0, le=1e100)]  # whole numbers too
Count = Annotated[int, Field(ge=0, le=10**60)]
Time = Annotated[int, Field(ge=0, le=10**30)]  # ps
Share = Annotated[float, Field(ge=0, le=1)]
Amounts = dict[Text, Amount]


class Part(BaseModel):
    """Base of all: strict, unknown keys left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False,
                              hide_input_in_errors=True)


class Provenance(Part):
    xbarch: Text
    engine: Text
    engine_why: Text = ""
    weights: Literal["trained", "synthetic"]
    seed: int | None


class Architecture(Part):
    name: Text
    chips: Count
    overrides: list[Text]
    processes: dict[Text, Text] = {}
    source: Text


class Path(Part):
    name: Text
    options: dict[str, Any]
    provenance: Text


class Workload(Part):
    name: Text
    trained_on: Text | None
    synthetic: bool
    accuracy: dict[Text, Share]
    source: Text


class Layer(Part):
    name: Text
    op: Text
    crossbars: Count
    copies: Count
    windows: Count
    occupancy_ps: Amount
    busy: Amount


class Mapping(Part):
    crossbars: Count
    tiles: Count
    layers: list[Layer] = Field(min_length=1, max_length=LAYERS)
    budget: Count
    one_copy_crossbars: Count
    dense_crossbars: Count
    interval_bound_ps: Amount
    window_weighted_ps: Amount


class Throughput(Part):
    images_per_second: Amount


class Latency(Part):
    first_image_ps: Time
    interval_ps: Amount
    interval_95_ps: Amount | None = None
    steady: bool
    makespan_ps: Time
    bounds_ps: list[Time]


class Scopes(Part):
    compute: Amount
    chip: Amount
    whole: Amount


class Energy(Part):
    per_image_aj: Amount
    scopes_aj: Scopes
    by_component_aj: Amounts
    by_layer_aj: Amounts
    static_aj: Amounts
    dynamic_aj: Amount


class Area(Part):
    total_mm2: Amount
    used_mm2: Amount
    by_component_mm2: Amounts


class Power(Part):
    average_w: Amount
    peak_w: Amount


class Rates(Part):
    tops: Amount
    tops_per_w: Amount
    tops_per_mm2: Amount


class Busiest(Part):
    name: Text
    share: Amount


class Utilization(Part):
    cells: Amount
    cells_zero: Amount
    cells_chip: Amount
    crossbar_time: Amount | None
    adc_time: Amount | None
    busiest: Busiest


class Counts(Part):
    macs: Count
    kept_macs: Count
    actions: dict[Text, Count]
    conversions: Count
    buffer_bytes: Count
    link_bytes: Count
    visits: Count


class Amortized(Part):
    cells: Amount
    time_ps: Amount
    energy_aj: Amount


class Programming(Part):
    cells: Count
    energy_aj: Amount
    by_part_aj: Amounts
    time_ps: Time
    write_ps: Time
    load_ps: Time
    batch: Count | None
    per_image: Amortized | None


Position = Annotated[float, Field(ge=-10**6, le=10**6)]  # in a picture, where neighbours are 1 apart


class Wiring(Part):
    topology: Text
    shape: Text
    tiles: Annotated[int, Field(ge=1, le=10**6)]
    spots: list[Annotated[list[Position], Field(min_length=3, max_length=3)]] = Field(max_length=TILES)


class Link(Part):
    name: Annotated[str, Field(pattern=r"^(\d{1,5}:\d{1,6},\d{1,6}-\d{1,6},\d{1,6}|\d{1,5}-\d{1,5})$")]
    bits: Count
    need_gbs: Amount
    busy: Amount
    line: list[Annotated[list[Position], Field(min_length=2, max_length=2)]] = Field(max_length=10**4)


class BusiestLink(Part):
    name: Text
    busy: Amount
    need_gbs: Amount


class Tile(Part):
    tile: Annotated[int, Field(ge=0, le=10**9)]
    crossbars: Count
    busy: Amount


class Interconnect(Part):
    placement: Text
    network: Wiring
    bit_hops: Count
    link_gbs: Amount
    busiest: BusiestLink
    links: list[Link] = Field(max_length=LINKS)
    tiles: list[Tile] = Field(min_length=1, max_length=TILES)


class Segment(Part):
    layers: list[Text] = Field(min_length=1, max_length=LAYERS)
    crossbars: Count
    tiles: Count
    interval_ps: Amount
    first_image_ps: Time
    programming_ps: Time
    cells: Count
    time_ps: Amount
    energy_aj: Amount
    programming_aj: Amount
    bits_in: Count
    bits_out: Count


class Span(Part):
    name: Text
    start_ps: list[Time]
    stop_ps: list[Time]

    @model_validator(mode="after")
    def _pairs(self) -> Span:
        if len(self.start_ps) != len(self.stop_ps):
            raise ValueError(f"stop_ps: found {len(self.stop_ps)} times, allowed {len(self.start_ps)} as in start_ps")
        return self


class Record(Part):
    """The whole document."""

    schema_: Literal["xbarch.result/1"] = Field(alias="schema")
    provenance: Provenance
    architecture: Architecture
    datapath: Path
    workload: Workload
    policy: Text
    mode: Text = "pipelined"
    images: Count
    mapping: Mapping
    throughput: Throughput
    latency: Latency
    energy: Energy
    area: Area
    power: Power
    peak: Rates
    effective: Rates
    dense_equivalent: Rates
    utilization: Utilization
    counts: Counts
    programming: Programming | None = None  # records of before it was counted
    segments: list[Segment] | None = Field(None, max_length=LAYERS)  # of a network that is reloaded
    interconnect: Interconnect | None = None  # the same
    timeline: list[Span] = Field(max_length=LAYERS)

    @model_validator(mode="after")
    def _few(self) -> Record:
        spans = sum(len(span.start_ps) for span in self.timeline)
        if spans > SPANS:
            raise ValueError(f"timeline: found {spans:,} spans in all, allowed at most {SPANS:,}")
        return self

    @model_validator(mode="after")
    def _honest(self) -> Record:
        """Synthetic numbers are labelled so wherever they appear."""
        synthetic = self.workload.trained_on is None
        if self.workload.synthetic != synthetic:
            raise ValueError(f"workload.synthetic: found {str(self.workload.synthetic).lower()}, allowed "
                             f"{str(synthetic).lower()} where trained_on {'is null' if synthetic else 'names data'}")
        if (self.provenance.weights == "synthetic") != synthetic:
            raise ValueError(f"provenance.weights: found {self.provenance.weights!r}, allowed "
                             f"{'synthetic' if synthetic else 'trained'!r} as workload.trained_on says")
        return self
