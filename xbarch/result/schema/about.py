"""What ran: machine, data path, workload, and how the one was put on the other."""

# Annotations are not postponed here: pydantic would compile each of hundreds anew at every start.
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from xbarch.result.quantities import (
    Amount,
    Area,
    Count,
    Crossbars,
    Energy,
    MeanTime,
    OpenShare,
    Part,
    Power,
    Score,
    Share,
    Text,
    Unit,
)
from xbarch.result.schema.limits import LAYERS
from xbarch.workload.measures import no_share


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
