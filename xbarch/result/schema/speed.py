"""How fast the machine is, and what limits it."""

# Annotations are not postponed here: pydantic would compile each of hundreds anew at every start.
from typing import Annotated, Literal

from pydantic import Field, model_validator

from xbarch.result.quantities import Amount, MeanTime, OpenShare, Part, Share, Text, Time, Unit


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
    inputs_ps: Time = Field(0, description=(
        "how long its copies have fewer windows under way than they may because inputs are missing, summed over all "
        "windows that are not, rounded down; of runs of very many images, over those that the timeline shows"))


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
