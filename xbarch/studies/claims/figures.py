"""The figures of the claims: each a chain of gains, from what pruning removes to the figure itself.

Every link of a chain is a gain over the dense network computed from the two runs; the factor between a link and the one
before says what happened in between, so the factors explain the figure without remainder:

    energy   weights -> crossbars of one copy -> conversions -> energy of the converters -> energy of the scope
    speed    weights -> crossbars of one copy -> crossbar time an image -> un-rounded interval -> images a second
    area     weights -> crossbars of one copy -> tiles -> area of the tiles
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal

from xbarch.datapaths.base import DataPath
from xbarch.machine.machine import Machine
from xbarch.result.result import Result
from xbarch.studies.claims.chips import Held
from xbarch.workload.graph import Workload

SCOPES = ("compute", "chip", "whole")
MINUS = "\N{MINUS SIGN}"
_CONVERTER = "adc"  # the component that pays for conversions
_FULL = 32          # bits of a weight before quantization


@dataclass(frozen=True)
class Step:
    """A link: the gain so far, and what brought it there from the link before (for the first, what it is)."""

    gain: float
    words: str


@dataclass(frozen=True)
class Side:
    """A network with its machine, data path, run, and the smallest chip that holds it."""

    network: Workload
    machine: Callable[[], Machine]
    path: DataPath
    result: Result | None = None
    held: Callable[[], Held] | None = None


@dataclass(frozen=True)
class Pair:
    """The dense network before, the pruned one after."""

    before: Side
    after: Side

    def gain(self, key: str, large: bool = False) -> float:
        """Before over after of a field of the results; after over before where large is good."""
        assert self.before.result is not None and self.after.result is not None
        a, b = float(self.before.result[key]), float(self.after.result[key])
        return b / a if large else a / b

    @cached_property
    def weights(self) -> float:
        a, b = (sum(la.kept_weights for la in s.network.compute_layers) for s in (self.before, self.after))
        return a / b

    @property
    def crossbars(self) -> float:
        return self.gain("mapping.one_copy_crossbars")

    @property
    def windows(self) -> float:
        return self.gain("mapping.window_weighted_ps")

    @property
    def bound(self) -> float:
        return self.gain("mapping.interval_bound_ps")

    @property
    def speed(self) -> float:
        return self.gain("throughput.images_per_second", large=True)


Unit = Literal["×", "", " %", " points", " bits"]


@dataclass(frozen=True)
class Figure:
    """label: for tables. unit: after a value. chain(pair, scope): ends in the figure. runs: needs simulations. scoped:
    differs by scope. ratio: whether published / simulated means anything. detail: further words of the sentence."""

    label: str
    unit: Unit
    chain: Callable[[Pair, str], list[Step]]
    runs: bool = True
    scoped: bool = False
    ratio: bool = True
    detail: Callable[[Pair], str] = lambda pair: ""


def _packed(pair: Pair) -> list[Step]:
    return [Step(pair.weights, "fewer weights"), Step(pair.crossbars, "cells a weight and packing")]


def _energy(pair: Pair, scope: str) -> list[Step]:
    return [*_packed(pair),
            Step(pair.gain("counts.conversions"), "conversions a crossbar"),
            Step(pair.gain(f"energy.by_component_aj.{_CONVERTER}"), "the price of a conversion"),
            Step(pair.gain(f"energy.scopes_aj.{scope}"), "all else than the ADCs")]


def _power(pair: Pair, scope: str) -> list[Step]:
    steps = _energy(pair, scope)
    return [*steps, Step(steps[-1].gain / pair.speed, "images a second")]


def _speed(pair: Pair, scope: str) -> list[Step]:
    return [*_packed(pair), Step(pair.windows, "windows a layer and reads in turn"),
            Step(pair.bound, "the crossbars each may use"),
            Step(pair.speed, "whole copies, waiting and shared units")]


def _area(pair: Pair, scope: str) -> list[Step]:
    return [*_packed(pair), Step(pair.gain("mapping.tiles"), "whole tiles and line buffers"),
            Step(pair.gain("area.used_mm2"), "the area of a tile")]


def _density(pair: Pair, scope: str) -> list[Step]:
    return [Step(pair.bound, "un-rounded speed"), Step(pair.speed, "whole copies, waiting and shared units"),
            Step(pair.speed * pair.gain("area.used_mm2"), "the area of the occupied tiles")]


def _over(chain: Callable[[Pair, str], list[Step]], link: int) -> Callable[[Pair, str], list[Step]]:
    """The links after `link`, each over it."""
    def relative(pair: Pair, scope: str) -> list[Step]:
        steps = chain(pair, scope)
        return [Step(s.gain / steps[link].gain, s.words) for s in steps[link + 1:]]
    return relative


def _compression(pair: Pair, scope: str) -> list[Step]:
    layers = pair.after.network.compute_layers
    stored = sum(la.kept_weights * la.weight_bits for la in layers)
    bits = _FULL * sum(la.kept_weights for la in layers) / stored
    return [Step(bits, f"fewer bits a weight than {_FULL}"), Step(bits * pair.weights, "fewer weights")]


def _sparsity(pair: Pair, scope: str) -> list[Step]:
    return [Step(100 * (1 - 1 / pair.weights), "of all weights removed")]


def _accuracy(pair: Pair, scope: str) -> list[Step]:
    found = accuracy(pair.after.network)
    return [Step(100 * (found["pruning"] - found["baseline"]), "from baseline to after retraining")] \
        if {"pruning", "baseline"} <= set(found) else []


def _adc_bits(pair: Pair, scope: str) -> list[Step]:
    return [Step(pair.after.machine().geometry.adc_bits, "is what the machine is built with")]


def _bits_by_layer(pair: Pair) -> str:
    geometry = pair.after.machine().geometry
    each = [pair.after.path.adc_bits(la, geometry) or geometry.adc_bits for la in pair.after.network.compute_layers]
    return ", ".join(f"{each.count(b)} layers need {b}" for b in sorted(set(each)))


def _added(pair: Pair, scope: str) -> list[Step]:
    machine = pair.after.machine()
    share = _share(machine, pair.after.path, whole=True)
    return [Step(share, "of the chip's area")]


def _added_tile(pair: Pair) -> str:
    share = _share(pair.after.machine(), pair.after.path, whole=False)
    return f"{share:.2f} % of the tiles' area without the off-chip links"


def _share(machine: Machine, path: DataPath, whole: bool) -> float:
    """Area of a data path's hardware in percent of the machine's without it. whole: what stands beside tiles too."""
    tiles, chip, areas = machine.areas(machine.tiles)
    own = sum(areas[added.name] for added in path.components(machine.geometry))
    return 100 * own / ((chip if whole else tiles) - own)


def _smallest(pair: Pair, scope: str) -> list[Step]:
    assert pair.before.held is not None and pair.after.held is not None
    before, after = pair.before.held().chip, pair.after.held().chip
    return [Step(pair.weights, "fewer weights"), Step(before.used / after.used, "cells a weight and packing"),
            Step(before.tiles / after.tiles, "whole tiles and line buffers")]


def _chips(pair: Pair) -> str:
    assert pair.before.held is not None and pair.after.held is not None
    before, after = pair.before.held().chip, pair.after.held().chip
    return (f"{before.tiles} tiles and {before.area:.2f} mm² before, {after.tiles} tiles and {after.area:.2f} mm² "
            f"after")


def accuracy(network: Workload) -> dict[str, float]:
    """What the manifest says, shares of right answers only."""
    return {k: v for k, v in network.accuracy.items() if v <= 1}


FIGURES: Mapping[str, Figure] = {
    "compression": Figure("compression", "×", _compression, runs=False),
    "weights": Figure("weight ratio", "×", lambda pair, scope: _packed(pair)[:1]),
    "crossbars": Figure("crossbar gain", "×", lambda pair, scope: _packed(pair)),
    "sparsity": Figure("weights removed", " %", _sparsity, runs=False),
    "accuracy": Figure("change of accuracy", " points", _accuracy, runs=False, ratio=False),
    "ADC bits": Figure("ADC bits", " bits", _adc_bits, runs=False, ratio=False, detail=_bits_by_layer),
    "added area": Figure("added area", " %", _added, runs=False, detail=_added_tile),
    "smallest chip": Figure("smallest chip, tiles", "×", _smallest, runs=False, detail=_chips),
    "energy": Figure("energy gain", "×", _energy, scoped=True),
    "TOPS/W": Figure("TOPS/W gain", "×", _energy, scoped=True),
    "power": Figure("power gain", "×", _power, scoped=True),
    "area": Figure("area gain", "×", _area),
    "speed": Figure("speed gain", "×", _speed),
    "TOPS/mm²": Figure("TOPS/mm² gain", "×", _density),
    "energy / weights": Figure("energy gain / weight gain", "", _over(_energy, 0), scoped=True),
    "energy / crossbars": Figure("energy gain / crossbar gain", "", _over(_energy, 1), scoped=True),
    "speed / crossbars": Figure("speed gain / crossbar gain", "", _over(_speed, 1)),
}


def sentence(steps: list[Step], figure: Figure) -> str:
    """The chain as a product: first link, factors that are not one, result."""
    if not steps:
        return ""
    unit = figure.unit
    text = f"{number(steps[0].gain)}{unit or ' for'} {steps[0].words}"
    for before, after in pairwise(steps):
        factor = after.gain / before.gain
        if abs(factor - 1) >= 0.005:
            text += f", × {number(factor)} for {after.words}"
    return text + (f": {number(steps[-1].gain)}{unit}" if len(steps) > 1 else "")


def number(value: float) -> str:
    """Three significant digits."""
    return (f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}").replace("-", MINUS)
