"""The shape of `result.json`: one model from which the file, its documentation and the attributes of a result come.

Every field states its unit and its definition; `docs/result.md` is generated from them. Keys that are not here are
ignored when a saved record is read. `docs/schema.md` says when the number of the schema changes.
"""

# Annotations are not postponed here: pydantic would compile each of hundreds anew at every start.
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from xbarch.result.quantities import (
    Amount,
    Area,
    Bandwidth,
    Bits,
    Bytes,
    Cells,
    Converter,
    Count,
    Crossbars,
    Energy,
    Images,
    MeanEnergy,
    MeanTime,
    OpenShare,
    Part,
    Position,
    Power,
    Score,
    Share,
    Text,
    Time,
    Unit,
)
from xbarch.workload.measures import no_share

SCHEMA: Literal["xbarch.result/2"] = "xbarch.result/2"
LAYERS = 2_000   # as many as a stored workload may have
SPANS = 10_000   # of the timeline, all layers together
LINKS = 20_000   # of the first chips that a record has room for
TILES = 20_000


class Provenance(Part):
    """What made the record. It names no clock and no computer: the same input gives the same bytes."""

    xbarch: Text = Field(description="version that made the record")
    engine: Text = Field(
        description="engine that ran the stage graph, `simpy` or `fast`; no field outside `provenance` depends on it")
    engine_why: Text = Field("", description="`asked for`, or why `auto` chose this engine")
    weights: Literal["trained", "synthetic"] = Field(description="`trained` or `synthetic`")
    seed: int | None = Field(description="seed of the training, or of the random weights")
    request: dict[str, Any] | None = Field(None, description=(
        "fields of the request that made the record, as given, without those that have their defaults: `xbarch bundle` "
        "runs it again; absent where an architecture or a workload was given as a loaded object"))


class Periphery(Part):
    """How the shared parts of the machine are sized."""

    kind: Text = Field(
        description="`published`, or `balanced` for this run, see [peripheries](reference.md#peripheries)")
    factors: dict[Text, Amount] = Field(
        description="fields and components that were changed, each as it is built over as it is published")


class Architecture(Part):
    """The simulated machine."""

    name: Text = Field(description="name of the architecture")
    chips: Count = Field(description="chips in the chain")
    overrides: list[Text] = Field(description="changes made by `--set` for this run")
    processes: dict[Text, Text] = Field(
        {}, description="unit process that serves every unit of a kind; usually empty")
    periphery: Periphery | None = None  # records made before there was a choice have none
    unscaled_prices: dict[Text, Text] = Field(
        {}, description="components whose price no model scales to what was built, each with what it is written for, "
                        "such as `crossbar.dac_bits 1`; usually empty")
    unscaled: Amount = Field(0, description="how many of these there are")
    source: Text = Field(description="citation in the architecture file")


class Path(Part):
    """The data path that packed the layers."""

    name: Text = Field(description="name of the data path")
    options: dict[str, Any] = Field(description="options of the data path, defaults included")
    chosen: dict[str, Any] = Field({}, description=(
        "options that were asked for: those with another value than the workload, the architecture or the defaults "
        "give; the run's name has them"))
    provenance: Text = Field(
        description="which parts follow the paper, which the authors' code, and which are this project's reading")


class Workload(Part):
    """The network that ran."""

    name: Text = Field(description="name of the workload")
    trained_on: Text | None = Field(description="data set; null if the weights were never trained")
    synthetic: bool = Field(description="true if the weights were never trained")
    accuracy: dict[Text, Score] = Field(description=(
        "test accuracy, or the `measure`, as stored: `baseline`, the dense baseline; `cut` after pruning and before "
        "fine-tuning, if the recipe prunes in one step; `pruning` after fine-tuning; `crossbars`, of some images, "
        "computed with the crossbars and ADCs of the workload's recipe, not of this machine (see "
        "`accuracy.on_this_machine`); of imported weights, `float` as they came and `imported` after quantization"))
    tested: dict[Text, Count] = Field({}, description="test images behind each stored accuracy, n, where known")
    measure: Text = Field("top1", description="what `accuracy` is; left out where it is the share of images that are "
                          "classified correctly")
    source: Text = Field(description="what made the workload")

    @model_validator(mode="after")
    def _shares(self) -> "Workload":
        if problem := no_share(self.measure, self.accuracy):
            raise ValueError(problem)
        return self


class Layer(Part):
    """A layer on the machine."""

    name: Text = Field(description="layer")
    op: Text = Field(description="operation, such as `conv` or `maxpool`")
    crossbars: Crossbars = Field(description="of one copy; 0 for layers without weights")
    copies: Count = Field(description="weight replication: copies of the layer's weights")
    windows: Count = Field(description="output pixels per image (P)")
    occupancy_ps: MeanTime = Field(description=(
        "mean time that a window holds a copy's crossbars (τ); for layers without weights, the time that the slowest "
        "contended unit of the tile needs for one window"))
    busy: OpenShare = Field(description="`τ · P / copies / pipeline interval`")
    kind: Text | None = Field(
        None, description="of tile that its crossbars are on; left out where all tiles are alike")


class TileKind(Part):
    """Tiles of one kind, of a chip with several; figures of all chips."""

    name: Text = Field(description="the kind of tile")
    tiles: Annotated[Count, Unit("tiles")] = Field(description="of this kind")
    used: Annotated[Count, Unit("tiles")] = Field(description="occupied")
    crossbars: Crossbars = Field(description="occupied by all copies of its layers")
    layers: list[Text] = Field(max_length=LAYERS, description="with weights, that run here")
    cells: Share | None = Field(description=(
        "cells of kept weights / cells of occupied crossbars; null where none is, and of a reloaded network"))
    dynamic_aj: Energy = Field(description="per image, of actions in these tiles")
    by_component_aj: dict[Text, Energy] = Field(description="of the same, by component")
    area_mm2: Area = Field(description="of all its tiles, with the hardware that the data path adds")
    peak_w: Power = Field(description="nameplate of all its tiles")
    peak_tops: Annotated[Amount, Unit("TOPS")] = Field(description="nameplate of all its tiles, as `peak.tops`")


class Mapping(Part):
    """Weight replication and occupied hardware."""

    crossbars: Crossbars = Field(description="occupied by all copies of all layers")
    tiles: Annotated[Count, Unit("tiles")] = Field(description="occupied tiles")
    layers: list[Layer] = Field(min_length=1, max_length=LAYERS)
    budget: Crossbars = Field(description="granted by the policy, at most what the machine has")
    declined: Crossbars = Field(0, description=(
        "of the budget, not used: links bind, and copies on them would not shorten the pipeline interval"))
    one_copy_crossbars: Crossbars = Field(description="one copy of each layer on this data path")
    dense_crossbars: Crossbars = Field(description=(
        "one copy of each layer stored dense: `Σ groups · ceil(R / rows) · ceil(F/groups · S / columns)`, R rows of "
        "the unrolled matrix, F filters, S cells per weight"))
    interval_bound_ps: MeanTime = Field(
        description="`Σ crossbars · P · τ / budget`: the pipeline interval if copies could be fractions")
    window_weighted_ps: Annotated[Amount, Unit("crossbar · ps")] = Field(
        description="`Σ crossbars · P · τ` over layers: the work in crossbar time")
    replication: Text = Field("in_turn", description=(
        "how copies share a layer's output pixels, see [replication](reference.md#replication)"))


class Sufficient(Part):
    """Whether converters suffice for a layer."""

    layer: Text = Field(description="layer")
    adc_bits_built: Converter = Field(description="resolution of the machine's converters")
    adc_bits_needed: Converter = Field(description=(
        "resolution with which no sum of its packing can clip, whatever the inputs: the worst case of its blocks"))
    adc_bits_seen: Converter | None = Field(description=(
        "resolution with which nothing clips on the stored activations; of what the sensing unit keeps, where it drops "
        "low bits; null where the bound is proof enough, or none are stored"))
    clipped_share: Share | None = Field(description=(
        "conversions of used bit lines that saturate / all of them, on the stored activations; 0 where the bound is "
        "proof; null if not known"))
    conversions: Count | None = Field(None, description=(
        "of used bit lines, on the stored activations; null where `adc_bits_seen` is"))


class Correctness(Part):
    """Whether the machine computes what the integer network does."""

    exact: bool = Field(description="true if no conversion clips and none loses low bits, as far as `proof` says")
    proof: Literal["bound", "stored activations", "none"] = Field(description=(
        "`bound`: no conversion can clip, whatever the inputs; `stored activations`: the inputs that are stored with "
        "the workload were driven through the crossbars, layer by layer; `none`: the bound does not fit the converters "
        "and no inputs are stored, so that nothing is known"))
    clipped_share: Share | None = Field(description="of the conversions of all layers; null if not known")
    drops_low_bits: bool = Field(description="true if the sensing unit drops low bits of sums by design")
    noise: bool = Field(False, description="true if the machine has noise, so that it is not exact by design: what is "
                        "said here is said of ideal cells and converters; left out where it is false")
    layers: list[Sufficient] = Field(max_length=LAYERS)


class Measured(Part):
    """A share of test images, or another measure of them, with its interval."""

    value: Score = Field(description="share of the images classified correctly, converter by converter, or `measure`")
    images: Count = Field(description="test images, n")
    interval_95: Annotated[list[Score], Field(min_length=2, max_length=2)] = Field(
        description="limits of the 95 % interval (Wilson, 1927; where devices are drawn, over devices and images; of "
                    "other measures by bootstrap)")
    integer_network: Score = Field(description="the same of the integer network, on the same images")
    measure: Text = Field("top1", description="what `value` is; left out, as `share` and `larger`, where it is the "
                          "share of images that are classified correctly")
    share: bool = Field(True, description="whether it is a share from 0 to 1")
    larger: bool = Field(True, description="whether larger values are better")

    @model_validator(mode="after")
    def _shares(self) -> "Measured":
        if self.share and not all(0 <= each <= 1 for each in (self.value, self.integer_network, *self.interval_95)):
            raise ValueError("value, integer_network and interval_95: must be from 0 to 1, as shares are")
        return self


class Accuracy(Part):
    """Test accuracy of this run."""

    on_this_machine: Measured | None = Field(description=(
        "through this machine's crossbars and converters; null if it was not asked for (`--accuracy N`)"))


class Throughput(Part):
    """Images per second."""

    images_per_second: Annotated[Amount, Unit("1/s")] | None = Field(description=(
        "1 / pipeline interval; null where a single image ran, which has a latency and no interval to another"))


class Latency(Part):
    """Times of the pipeline."""

    first_image_ps: Time = Field(description="from 0 until the first image is complete")
    pipeline_interval_ps: MeanTime = Field(description=(
        "from one finished image to the next in the steady state; where a single image ran, the time of that image"))
    pipeline_interval_kind: Literal["exact", "mean", "bound", "single"] | None = Field(None, description=(
        "what `pipeline_interval_ps` is: `exact`, the whole pattern of windows repeated; `mean`, of the times between "
        "images in the later part of the run; `bound`, the busiest server's time per image, which is longer than that "
        "mean; `single`, the time of the only image. Of a reloaded network, the last of these that a "
        "segment has. Null in early records"))
    bound_by: Text | None = Field(None, description=(
        "the server whose time per image `pipeline_interval_ps` is; null unless `pipeline_interval_kind` is `bound`"))
    pipeline_interval_95_ps: Time | None = Field(None, description=(
        "half the 95 % confidence interval of a mean pipeline interval (Student's t over the times between images); "
        "null where `pipeline_interval_kind` is not `mean`, or the mean is of fewer than three times"))
    steady: bool = Field(description=(
        "true if the whole pattern of windows repeated exactly: `pipeline_interval_kind` is `exact`"))
    makespan_ps: Time = Field(description="length of the run")
    bounds_ps: list[Time] = Field(
        description="analytic lower and upper bound of the makespan, checked in every run")


class Bound(Part):
    """What limits the run; null where a single image ran, and of a reloaded network, whose segments differ."""

    by: Text = Field(description=(
        "`crossbars` if the busiest are held for at least 90 % of the pipeline interval; else the kind of the busiest "
        "server (`link`, `activation`, `edram` ...; `crossbars`), if that is held for at least 80 %; else `waiting`: "
        "windows wait for inputs, for room in buffers, for the latency of stages"))
    server: Text = Field(description="the busiest server")
    share: OpenShare = Field(description="of the pipeline interval that it is held, mean over the images of the run")
    crossbars: OpenShare = Field(description="the same of the busiest crossbars")


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


class Busiest(Part):
    """The server that limits the run."""

    name: Text = Field(description="the server (crossbars of a part, buffer port, bus, link, adder ...) held longest")
    share: Share = Field(description="of the makespan")


class Utilization(Part):
    """How much of the hardware is used."""

    cells: Share = Field(description="cells of kept weights / cells of occupied crossbars")
    cells_zero: Share = Field(
        description="cells of kept weights whose value is zero / cells of occupied crossbars")
    cells_chip: Share = Field(description=(
        "cells of kept weights / cells of all crossbars of all chips (policy `area`: of the tiles that fit)"))
    crossbar_time: OpenShare | None = Field(description=(
        "active rows × read time / (rows × pipeline interval), over occupied crossbars; null where a unit process "
        "serves the crossbars. Above 1 only where `latency.steady` is false"))
    adc_time: OpenShare | None = Field(description=(
        "conversions × conversion time / (ADCs × pipeline interval), over occupied crossbars; null where a unit "
        "process serves the crossbars. May pass 1 by the reference column, whose conversion is hidden in the slot"))
    busiest: Busiest


class Waiting(Part):
    """Time that windows wait for their turn at a server, or for room behind it, from request to grant; windows that are
    not issued yet, because inputs or room for their output are missing, are not counted."""

    by_kind_ps: dict[Text, Time] = Field(description=(
        "per image, summed over all windows and stages, by kind of server (`crossbar`, `edram`, `bus`, `link`, "
        "`activation` ...), rounded down; windows wait side by side, so it may be longer than the pipeline interval"))
    longest: Text | None = Field(description="the server at which windows wait longest in all; null if none waits")
    longest_ps: Time = Field(description="per image, summed over the windows at `waiting.longest`, rounded down")


class LayerTime(Part):
    """Where the time of a layer's windows goes, per image, summed over its copies and windows; windows pass side by
    side, so sums may be longer than the pipeline interval. Of stages without a server there is nothing to hold."""

    name: Text = Field(description="layer")
    held_ps: dict[Text, Time] = Field(description=(
        "by kind of server (`crossbar`, `edram`, `bus`, `link`, `activation` ...), how long its windows hold them, "
        "rounded down; 0 where a unit process serves them"))
    waited_ps: dict[Text, Time] = Field(description=(
        "by kind of server, how long its windows wait from request to grant, rounded down"))


class Counts(Part):
    """Operations, actions and traffic per image, rounded down."""

    macs: Count = Field(description="multiply-accumulates of the network before pruning, padding counted")
    kept_macs: Count = Field(description="multiply-accumulates with kept weights")
    actions: dict[Text, Count] = Field(description="every priced action, see [actions](reference.md#actions)")
    conversions: Count = Field(description="ADC conversions, those of reference columns included")
    buffer_bytes: Bytes = Field(description="eDRAM accesses × access width: whole words, reads and writes")
    link_bytes: Bytes = Field(description="flits × flit width, counted at every router passed")
    visits: Count = Field(description="windows through stages of the stage graph, whole run")


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


class Wiring(Part):
    """The network on a chip."""

    topology: Text = Field(description="topology")
    shape: Text = Field(description="the topology's shape in words")
    tiles: Annotated[int, Field(ge=1, le=10**6)] = Field(description="tiles per chip")
    spots: list[Annotated[list[Position], Field(min_length=3, max_length=3)]] = Field(
        max_length=TILES, description="where a tile is drawn: right, down, side length")


class BusiestLink(Part):
    """The most loaded link on a chip."""

    name: Text = Field(description="as in `interconnect.links`")
    busy: OpenShare = Field(description="as in `interconnect.links`")
    need_gbs: Bandwidth = Field(description="as in `interconnect.links`")


class Link(Part):
    """A link of the network or between chips."""

    name: Annotated[str, Field(pattern=r"^(\d{1,5}:\d{1,6},\d{1,6}-\d{1,6},\d{1,6}|\d{1,5}-\d{1,5})$")] = Field(
        description=("chip:x,y-x,y from router to router, all links of the chips in use; chip-chip between chips; the "
                     "first 20,000"))
    bits: Bits = Field(description="that cross the link per image")
    need_gbs: Bandwidth = Field(description="`bits` over the pipeline interval")
    busy: OpenShare = Field(description=(
        "share of the pipeline interval that the link is held, in whole flits; above 1 only where `network.ideal` lets "
        "transfers overlap"))
    line: list[Annotated[list[Position], Field(min_length=2, max_length=2)]] = Field(
        max_length=10**4, description="how the link is drawn: points (right, down); empty between chips")


class Tile(Part):
    """An occupied tile."""

    tile: Annotated[int, Field(ge=0, le=10**9)] = Field(description=(
        "number of the tile, counted over all chips, `interconnect.network.tiles` per chip, in the order of "
        "`row_major`; the first 20,000"))
    crossbars: Crossbars = Field(description="occupied")
    busy: OpenShare = Field(
        description="Σ time its crossbars are held per image / (crossbars of a tile · pipeline interval)")


class Interconnect(Part):
    """Traffic in the steady state. All but times follow from the plan alone."""

    placement: Text = Field(description="placement of the layers' tiles")
    network: Wiring
    bit_hops: Bits = Field(description=(
        "Σ bits of a transfer · links that it crosses, each link of a multicast's tree once, per image"))
    link_gbs: Bandwidth = Field(
        description="bandwidth of a link: `network.link_bits · network.clock · network.planes / 8`")
    busiest: BusiestLink
    links: list[Link] = Field(max_length=LINKS)
    tiles: list[Tile] = Field(min_length=1, max_length=TILES)


class Span(Part):
    """When a layer works on each image."""

    name: Text = Field(description="layer")
    start_ps: list[Time] = Field(description=(
        "first window issued, for each image; for the first images only where all layers together would have more than "
        "10,000"))
    stop_ps: list[Time] = Field(description="last window completed, for the same images")

    @model_validator(mode="after")
    def _pairs(self) -> "Span":
        if len(self.start_ps) != len(self.stop_ps):
            raise ValueError(f"stop_ps: must have as many times as start_ps, {len(self.start_ps)}, not "
                             f"{len(self.stop_ps)}")
        return self


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
