"""The figures of the claims: each is a chain of gains, from what pruning removes to the figure itself.

Every link of a chain is a gain over the dense network, computed from the two runs. The factor between one link and the
next says what happened in between; the last is whatever the links before do not say, the remainder:

    energy   weights -> crossbars of one copy -> conversions -> energy of the converters -> energy of the scope
    speed    weights -> crossbars of one copy -> crossbar time per image -> un-rounded interval -> images per second
    area     weights -> crossbars of one copy -> tiles -> area of the tiles
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal

from xbarch.datapaths.base import DataPath
from xbarch.machine.machine import Machine
from xbarch.mapping.pack import Packed
from xbarch.parts.scaling.adc import Adc
from xbarch.result import words
from xbarch.result.result import Result
from xbarch.studies.claims.chips import Fitted
from xbarch.studies.claims.claim import CONVERTER
from xbarch.support import numbers
from xbarch.workload.graph import Workload

SCOPES = ("compute", "chip", "whole")
_SENSED = ("crossbar", CONVERTER, "sample_hold", "shift_add")  # what Meng et al. can be read to count
_FULL = 32          # bits of a weight before quantization


@dataclass(frozen=True)
class Step:
    """A link of the chain."""

    gain: float
    """So far."""
    words: str
    """What the factor since the link before comes from; of the first link, what it is."""
    rest: bool = False
    """Whether that factor is the remainder: of everything together that the links before do not say."""


@dataclass(frozen=True)
class Side:
    """A network with its machine, data path, run and the smallest chip that holds it."""

    network: Workload
    machine: Callable[[], Machine]
    path: DataPath
    result: Result | None = None
    fitted: Callable[[], Fitted] | None = None
    packed: Callable[[], Mapping[str, Packed]] | None = None
    converter: Callable[[], Adc] | None = None
    """How the price of its converters follows their bits."""

    def own_bits(self) -> float:
        """Return the energy of the conversions with a converter of each layer's own bits, over that with the one
        resolution that is built."""
        assert self.packed is not None and self.converter is not None
        geometry, model, layers = self.machine().geometry, self.converter(), self.packed().values()
        built = model.energy(geometry.adc_bits)
        counts = [int((p.work.columns * p.work.reads).sum()) * p.layer.windows for p in layers]
        prices = [model.energy(self.path.adc_bits(p.layer, geometry) or geometry.adc_bits) for p in layers]
        return float(sum(n * price for n, price in zip(counts, prices, strict=True)) / (sum(counts) * built))


@dataclass(frozen=True)
class Pair:
    """The dense network (before) and the pruned one (after)."""

    before: Side
    after: Side

    def gain(self, key: str, large: bool = False) -> float:
        """Return the gain in a field of the results: before over after, or after over before if `large` is better."""
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
    def sides(self) -> tuple[str, str]:
        """What binds the two runs."""
        before, after = (words.bound(side.result.bound if side.result else None) for side in (self.before, self.after))
        return before, after

    @property
    def speed(self) -> float:
        return self.gain("throughput.images_per_second", large=True)

    def energy(self, parts: Sequence[str]) -> float:
        """Return the gain in the energy of these components together."""
        a, b = (sum(int(s.result[f"energy.by_component_aj.{part}"]) for part in parts)
                for s in (self.before, self.after) if s.result is not None)
        return a / b

    def own_bits(self, scope: str) -> float:
        """Return the gain in energy with converters of each layer's own bits."""
        energies = []
        for side in (self.before, self.after):
            assert side.result is not None
            converters = int(side.result[f"energy.by_component_aj.{CONVERTER}"])
            energies.append(int(side.result[f"energy.scopes_aj.{scope}"]) - converters * (1 - side.own_bits()))
        return energies[0] / energies[1]


Unit = Literal["×", "", " %", " points", " bits"]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure that claims are about."""

    label: str
    """Name in tables."""
    unit: Unit
    """Follows a value."""
    chain: Callable[[Pair, str], list[Step]]
    """From a pair and a scope to a chain that ends in the figure."""
    runs: bool = True
    """Whether it needs simulations."""
    scoped: bool = False
    """Whether it differs by scope."""
    timed: bool = False
    """Whether it depends on the pace of both runs, and so on what binds them."""
    policy: str = "fit"
    """Under which runs are compared: one for each kind of figure."""
    ratio: bool = True
    """Whether published / simulated is meaningful."""
    detail: Callable[[Pair], str] = lambda pair: ""
    """Further words of the explanation."""


def _packed(pair: Pair) -> list[Step]:
    return [Step(pair.weights, "fewer weights"), Step(pair.crossbars, "cells per weight and packing")]


def _energy(pair: Pair, scope: str) -> list[Step]:
    return [*_packed(pair),
            Step(pair.gain("counts.conversions"), "conversions per crossbar"),
            Step(pair.gain(f"energy.by_component_aj.{CONVERTER}"), "the price of a conversion"),
            Step(pair.gain(f"energy.scopes_aj.{scope}"), "everything but the ADCs", rest=True)]


def _array(pair: Pair, scope: str) -> list[Step]:
    """Return the chain to the energy of the array and what senses it, without drivers, buffers and digital units."""
    return [*_energy(pair, SCOPES[0])[:-1],
            Step(pair.energy(_SENSED), "array, sample-and-hold and shift-and-add", rest=True)]


def _own_bits(pair: Pair, scope: str) -> list[Step]:
    steps = _energy(pair, scope)
    return [*steps, Step(pair.own_bits(scope), "converters of each layer's own bits")]


def _power(pair: Pair, scope: str) -> list[Step]:
    steps = _energy(pair, scope)
    return [*steps, Step(steps[-1].gain / pair.speed, "images per second")]


def _speed(pair: Pair, scope: str) -> list[Step]:
    return [*_packed(pair), Step(pair.windows, "output pixels per layer and sequential reads"),
            Step(pair.bound, "the crossbars that each may use"),
            Step(pair.speed, "whole copies, waiting and shared components", rest=True)]


def _reached(pair: Pair) -> str:
    """Say how near both runs come to the bounds that the links before the remainder compare: no run is faster than its
    bound, so the remainder is the quotient of these two shares."""
    before, after = (int(s.result["mapping.interval_bound_ps"]) / float(s.result["latency.pipeline_interval_ps"])
                     for s in (pair.before, pair.after) if s.result is not None)
    return f"the base runs at {before:.0%} of its bound and the pruned network at {after:.0%}"


def _area(pair: Pair, scope: str) -> list[Step]:
    return [*_packed(pair), Step(pair.gain("mapping.tiles"), "whole tiles and line buffers"),
            Step(pair.gain("area.used_mm2"), "the area of a tile", rest=True)]


def _density(pair: Pair, scope: str) -> list[Step]:
    return [Step(pair.bound, "un-rounded speed"),
            Step(pair.speed, "whole copies, waiting and shared components", rest=True),
            Step(pair.speed * pair.gain("area.used_mm2"), "the area of the occupied tiles")]


def _over(chain: Callable[[Pair, str], list[Step]], link: int) -> Callable[[Pair, str], list[Step]]:
    """Return the chain after `link`, relative to that link."""
    def relative(pair: Pair, scope: str) -> list[Step]:
        steps = chain(pair, scope)
        return [Step(s.gain / steps[link].gain, s.words, s.rest) for s in steps[link + 1:]]
    return relative


def _compression(pair: Pair, scope: str) -> list[Step]:
    layers = pair.after.network.compute_layers
    stored = sum(la.kept_weights * la.weight_bits for la in layers)
    bits = _FULL * sum(la.kept_weights for la in layers) / stored
    return [Step(bits, f"fewer bits per weight than {_FULL}"), Step(bits * pair.weights, "fewer weights")]


def _sparsity(pair: Pair, scope: str) -> list[Step]:
    return [Step(100 * (1 - 1 / pair.weights), "of all weights removed")]


def _accuracy(pair: Pair, scope: str) -> list[Step]:
    found = accuracy(pair.after.network)
    return [Step(100 * (found["pruning"] - found["baseline"]), "from the dense baseline to after fine-tuning")] \
        if {"pruning", "baseline"} <= set(found) else []


def _adc_bits(pair: Pair, scope: str) -> list[Step]:
    return [Step(pair.after.machine().geometry.adc_bits, "is the resolution of the machine as built")]


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
    """Return the area of a data path's hardware in percent of the tiles' area without it, or of the `whole` chip's."""
    tiles, chip, areas = machine.areas()
    own = sum(areas[name] for name in {added.name for each in machine.each
                                       for added in path.components(each.geometry)})
    return 100 * own / ((chip if whole else tiles) - own)


def _smallest(pair: Pair, scope: str) -> list[Step]:
    assert pair.before.fitted is not None and pair.after.fitted is not None
    before, after = pair.before.fitted().chip, pair.after.fitted().chip
    return [Step(pair.weights, "fewer weights"), Step(before.used / after.used, "cells per weight and packing"),
            Step(before.tiles / after.tiles, "whole tiles and line buffers")]


def _chips(pair: Pair) -> str:
    assert pair.before.fitted is not None and pair.after.fitted is not None
    before, after = pair.before.fitted().chip, pair.after.fitted().chip
    return (f"{before.tiles} tiles and {before.area:.2f} mm² before, {after.tiles} tiles and {after.area:.2f} mm² "
            f"after")


def accuracy(network: Workload) -> dict[str, float]:
    """Return the accuracies of the manifest that are shares of right answers."""
    return {k: v for k, v in network.accuracy.items() if v <= 1}


FIGURES: Mapping[str, Figure] = {
    "compression": Figure(label="compression", unit="×", chain=_compression, runs=False),
    "weights": Figure(label="weight ratio", unit="×", chain=lambda pair, scope: _packed(pair)[:1]),
    "crossbars": Figure(label="crossbar gain", unit="×", chain=lambda pair, scope: _packed(pair)),
    "sparsity": Figure(label="weights removed", unit=" %", chain=_sparsity, runs=False),
    "accuracy": Figure(label="change of accuracy", unit=" points", chain=_accuracy, runs=False, ratio=False),
    "ADC bits": Figure(label="ADC bits", unit=" bits", chain=_adc_bits, runs=False, ratio=False, detail=_bits_by_layer),
    "added area": Figure(label="added area", unit=" %", chain=_added, runs=False, detail=_added_tile),
    "smallest chip": Figure(label="smallest chip, tiles", unit="×", chain=_smallest, runs=False, detail=_chips),
    "energy": Figure(label="energy gain", unit="×", chain=_energy, scoped=True),
    "TOPS/W": Figure(label="TOPS/W gain", unit="×", chain=_energy, scoped=True),
    "TOPS/W, own bits": Figure(label="TOPS/W gain, each layer's own bits", unit="×", chain=_own_bits, scoped=True),
    "array energy": Figure(label="energy gain, array and converters", unit="×", chain=_array),
    "array energy / weights": Figure(label="energy gain, array and converters / weight gain", unit="",
                                     chain=lambda pair, scope: _over(_array, 0)(pair, scope)),
    "power": Figure(label="power gain", unit="×", chain=_power, scoped=True, timed=True, policy="one_copy"),
    "area": Figure(label="area gain", unit="×", chain=_area),
    "speed": Figure(label="speed gain", unit="×", chain=_speed, timed=True, policy="crossbars:2", detail=_reached),
    "TOPS/mm²": Figure(label="TOPS/mm² gain", unit="×", chain=_density, timed=True, policy="one_copy",
                       detail=_reached),
    "energy / weights": Figure(label="energy gain / weight gain", unit="", chain=_over(_energy, 0), scoped=True),
    "energy / crossbars": Figure(label="energy gain / crossbar gain", unit="", chain=_over(_energy, 1), scoped=True),
    "speed / crossbars": Figure(label="speed gain / crossbar gain", unit="", chain=_over(_speed, 1), timed=True,
                                policy="crossbars:2", detail=_reached),
}


def sentence(steps: list[Step], figure: Figure) -> str:
    """Return the chain as a product in words: the first link, the factors other than 1, the result."""
    if not steps:
        return ""
    unit = figure.unit
    text = f"{number(steps[0].gain)}{unit or ' for'} {steps[0].words}"
    for before, after in pairwise(steps):
        factor = after.gain / before.gain
        if abs(factor - 1) >= 0.005:
            text += f", × {number(factor)} for {'the remainder, ' if after.rest else ''}{after.words}"
    return text + (f": {number(steps[-1].gain)}{unit}" if len(steps) > 1 else "")


def number(value: float) -> str:
    """Format a number with three significant digits."""
    return numbers.typeset(f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}")
