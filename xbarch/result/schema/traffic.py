"""Actions, and what the interconnect carries."""

# Annotations are not postponed here: pydantic would compile each of hundreds anew at every start.
from typing import Annotated

from pydantic import Field

from xbarch.result.quantities import Bandwidth, Bits, Bytes, Count, Crossbars, OpenShare, Part, Position, Text
from xbarch.result.schema.limits import LINKS, TILES


class Counts(Part):
    """Operations, actions and traffic per image, rounded down."""

    macs: Count = Field(description="multiply-accumulates of the network before pruning, padding counted")
    kept_macs: Count = Field(description="multiply-accumulates with kept weights")
    actions: dict[Text, Count] = Field(description="every priced action, see [actions](reference.md#actions)")
    conversions: Count = Field(description="ADC conversions, those of reference columns included")
    buffer_bytes: Bytes = Field(description="eDRAM accesses × access width: whole words, reads and writes")
    link_bytes: Bytes = Field(description="flits × flit width, counted at every router passed")
    visits: Count = Field(description="windows through stages of the stage graph, whole run")


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
