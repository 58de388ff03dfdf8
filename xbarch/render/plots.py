"""`result.plot`: pictures of a run as figures of matplotlib, to show in a notebook or to save for a paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xbarch.errors import InputError
from xbarch.render import chip, pictures
from xbarch.render.look import BLUE, GREY, RED, saved, styled
from xbarch.result.result import Result, checked_scope
from xbarch.result.words import CROSSBARS
from xbarch.support.defaults import SCOPE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _in_style(figure: Figure) -> Figure:
    """The figure, saved in the style that it was made in: text stays text, the same bytes again. A notebook shows it
    as SVG, without `%matplotlib inline` too."""
    plain = figure.savefig

    def savefig(*args: Any, **named: Any) -> None:
        with styled():
            plain(*args, **named)

    def shown() -> str:
        with styled():
            return saved(figure).decode()

    figure.savefig = savefig  # type: ignore[method-assign]
    figure._repr_svg_ = shown  # type: ignore[attr-defined]
    return figure


@dataclass(frozen=True)
class Plots:
    """Pictures of one result. Each is a matplotlib figure: `result.plot.energy().savefig("energy.pdf")`."""

    result: Result

    def energy(self, scope: str = SCOPE) -> Figure:
        """Energy per image (µJ) by component of a scope, largest first.

        Raises:
            InputError: no such scope.
        """
        return _in_style(pictures.energy(self.result, checked_scope(scope)).figure())

    def timeline(self) -> Figure:
        """When each layer worked on each image (µs), and how long its crossbars were busy with it."""
        return _in_style(pictures.timeline(self.result).figure())

    def layers(self) -> Figure:
        """By layer: crossbars' share of the pipeline interval (%), dynamic energy per image (µJ)."""
        return _in_style(pictures.layers(self.result).figure())

    def chip(self) -> Figure:
        """Tiles and links where they lie, by the share of the pipeline interval that they are busy (%).

        Raises:
            InputError: the record has no interconnect.
        """
        return _in_style(chip.chip(self.result).figure())

    def roofline(self) -> Figure:
        """Throughput (TOPS, an operation is half a multiply-accumulate of the unpruned network) against operations per
        bit over the busiest link: the run, below the roofs of its crossbars and of that link (Williams, Waterman and
        Patterson, CACM 2009).

        Raises:
            InputError: the record has no interconnect, or no pipeline interval.
        """
        from matplotlib.figure import Figure
        from matplotlib.ticker import LogLocator, NullLocator

        result, net = self.result, self.result.interconnect
        seconds = result.latency.pipeline_interval_ps * 1e-12
        if net is None or not seconds:
            raise InputError("a roofline needs the record of a pipelined run with its interconnect", field="result")
        operations = 2 * result.counts.macs
        crossbars = operations / (result.mapping.interval_bound_ps * 1e-12) / 1e12
        bits = net.busiest.need_gbs * 8e9 * seconds
        at = operations / bits if bits else None
        ridge = crossbars * 1e12 / (net.link_gbs * 8e9)
        low, high = min(ridge, at or ridge) / 8, max(ridge, at or ridge) * 8
        with styled():
            figure = Figure(figsize=(4.8, 3.6), layout="constrained")
            axes = figure.subplots()
            axes.plot([low, ridge, high], [crossbars * low / ridge, crossbars, crossbars], color=GREY)
            axes.annotate("crossbars of the plan", (high, crossbars), (0, 3), textcoords="offset points", ha="right")
            axes.annotate(f"link, {net.link_gbs:.3g} GB/s", (low, crossbars * low / ridge), (6, 0),
                          textcoords="offset points", va="top")
            bound = result.bound is not None and result.bound.by == CROSSBARS
            axes.plot([at or high], [operations / seconds / 1e12], "o", color=BLUE if bound else RED)
            axes.annotate(f"{result.workload.name}, bound by {result.bound.by if result.bound else 'not known'}",
                          (at or high, operations / seconds / 1e12), (0, -14), textcoords="offset points", ha="center",
                          fontsize=8)
            axes.set(xscale="log", yscale="log", ylabel="TOPS", xlim=(low, high), title=result.architecture.name,
                     xlabel=f"operations per bit over the busiest link\n({net.busiest.name})")
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_locator(LogLocator(10, (1, 2, 5)))
                axis.set_major_formatter(lambda value, _: f"{value:g}")
                axis.set_minor_locator(NullLocator())
            axes.grid(linewidth=0.3)
        return _in_style(figure)
