"""Sweeps: a machine's fields and a run's choices, each with the values it takes; every combination is a point."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from xbarch.specs.recipe import Text
from xbarch.specs.study import Name, Runs

FIGURES = (
    "throughput.images_per_second", "latency.pipeline_interval_ps", "latency.first_image_ps",
    "energy.scopes_aj.compute", "energy.scopes_aj.chip", "energy.scopes_aj.whole", "area.used_mm2", "area.total_mm2",
    "power.average_w", "effective.tops_per_w_by_scope.chip", "dense_equivalent.tops_per_w_by_scope.chip",
    "mapping.crossbars", "mapping.one_copy_crossbars", "mapping.tiles", "utilization.cells",
    "utilization.crossbar_time", "utilization.adc_time", "counts.conversions", "correctness.exact",
    "correctness.clipped_share", "architecture.unscaled")


class Space(Runs):
    """Every architecture, changed along the axes, with every workload by every data path under every policy.

    datapaths: as of a study, none is added. figures: numbers of `result.json`, the columns of the CSV file.
    """

    title: Text = ""
    description: Text = ""
    policies: list[Name] = Field(["fit"], min_length=1, max_length=100)
    figures: list[Name] = Field(list(FIGURES), min_length=1, max_length=500)


class Sweep(Space):
    """All points of a space. With `accuracy: N` every point classifies N test images, and accuracy counts for the
    front; else only points whose converters are exact are on it, unless `tolerate_clipping` is true.
    """

    kind: Literal["sweep"]
    title: Text = "Sweep"
    tolerate_clipping: bool = Field(False, description="whether points that are not exact may be on the front")
