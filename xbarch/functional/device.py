"""One draw of a layer's devices: what its arrays hold and how their converters distort, by the effects of a machine.

Levels are those of the integer executor, as real numbers: a cell at level d of L has the conductance
Gmin + (Gmax - Gmin) d / L, and comes back as L (g - Gmin) / (Gmax - Gmin).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from math import ceil
from typing import Any
from zlib import crc32

import numpy as np

from xbarch.datapaths.base import Geometry
from xbarch.functional.arrays import Crossbar, Ints, Read
from xbarch.parts.effects.base import BEHIND, Effect, Given, Singles, Transfer
from xbarch.plugins.guard import asking, is_builtin
from xbarch.specs.noise import Noise
from xbarch.workload.batch import Reals


@dataclass(frozen=True, kw_only=True)
class Imperfect:
    """What is not ideal about a machine's crossbars."""

    noise: Noise
    effects: Sequence[Effect[Any]]
    """In the order in which they change cells (`registry.effects`)."""
    geometry: Geometry
    converters: Fraction
    """Converters of a crossbar; 1/8: eight crossbars share one."""
    every_line: bool = False
    """Whether every bit line has a circuit of its own instead."""

    def device(self, layer: str, draw: int, ranges: Mapping[int, Range] | None = None) -> Device:
        """One draw for a layer. ranges: calibrated or stored ones of the converters of each crossbar's bit lines."""
        return Device(self, layer, draw, ranges or {})

    @property
    def exact(self) -> bool:
        """Whether cells hold exact integers at every read."""
        pedestal = self.noise.conductance.lowest and not self.noise.conductance.subtracted
        return not pedestal and not any(_defines(e, "cells") or _defines(e, "reading") for e in self.effects)

    @cached_property
    def jitter(self) -> float:
        """Standard deviation of a conversion, in steps of the converter."""
        return float(np.sqrt(sum(e.jitter() ** 2 for e in self.effects)))


@dataclass(frozen=True)
class Range:
    """What the codes of converters span: sums in cell levels, [bit lines]; whole numbers."""

    low: Reals
    """What code 0 stands for."""
    high: Reals
    """What the largest code stands for: the full scale."""

    @classmethod
    def up_to(cls, high: Reals) -> Range:
        """From zero."""
        return cls(np.zeros_like(high), high)

    def __getitem__(self, lines: Any) -> Range:
        return Range(self.low[lines], self.high[lines])

    @property
    def width(self) -> Reals:
        return self.high - self.low


@dataclass(frozen=True)
class Drawn:
    """levels: [word lines, bit lines] as each read finds them on average. variance: from read to read; None: none."""

    levels: Singles
    variance: Singles | None = None


@dataclass(frozen=True)
class Device:
    """The arrays and converters of a layer in one draw."""

    machine: Imperfect
    layer: str
    draw: int
    ranges: Mapping[int, Range] = field(default_factory=dict)

    def drawn(self, crossbar: Crossbar) -> Drawn:
        """The levels of a crossbar's cells; signed ones are pairs in two arrays.

        Raises:
            ContractError: an effect returns what it must not.
        """
        if self.machine.exact:
            return Drawn(crossbar.cells)
        if not self.machine.geometry.signed:
            return self._plane(crossbar, 0)
        more, less = (self._plane(crossbar, plane) for plane in range(2))
        varies = None if more.variance is None or less.variance is None else more.variance + less.variance
        return Drawn(more.levels - less.levels, varies)

    def _target(self, crossbar: Crossbar, plane: int) -> Singles:
        """The conductances that the levels ask for, of one array; the second of a pair holds negative ones."""
        g, lowest = self.machine.geometry, self.machine.noise.conductance.lowest
        cells = np.maximum(-crossbar.cells if plane % 2 else crossbar.cells, 0) if g.signed else crossbar.cells
        return (lowest + cells * np.float32((1 - lowest) / ((1 << g.cell_bits) - 1))).astype(np.float32)

    def _plane(self, crossbar: Crossbar, plane: int) -> Drawn:
        c, top = self.machine.noise.conductance, (1 << self.machine.geometry.cell_bits) - 1
        span = 1 - c.lowest
        erased = None if c.lowest else ~crossbar.held
        found, variance = self._target(crossbar, plane), None
        for effect in self.machine.effects:
            if _defines(effect, "cells"):
                found = self._changed(effect, found, crossbar, plane)
                if erased is not None and effect.stage not in BEHIND:  # currents, not cells
                    found[erased] = 0
        for effect in self.machine.effects:
            varied = self._varied(effect, found, crossbar, plane) if _defines(effect, "reading") else None
            if varied is not None:
                mean, more = varied
                if erased is not None:
                    mean, more = np.where(erased, found, mean), np.where(erased, 0, more)
                found = mean
                variance = more if variance is None else variance + more
        levels = (found - (c.lowest if c.subtracted else 0)) * np.float32(top / span)
        return Drawn(levels, None if variance is None else variance * np.float32((top / span) ** 2))

    def _changed(self, effect: Effect[Any], cells: Singles, crossbar: Crossbar, plane: int) -> Singles:
        with asking(effect, "cells", self.layer) as wrong:
            found = effect.cells(cells, self._given(effect, crossbar, plane))
            _refuse_odd(found, cells, wrong)
            if effect.stage not in BEHIND and found.min(initial=0) < 0:
                raise wrong(f"must return conductances of at least 0, not {found.min():g}")
            if not is_builtin(effect) and not np.array_equal(
                    found, effect.cells(cells, self._given(effect, crossbar, plane))):
                raise wrong("must return the same for the same random numbers; draw them from given.random only")
        return np.array(found, np.float32)

    def _varied(self, effect: Effect[Any], cells: Singles, crossbar: Crossbar,
                plane: int) -> tuple[Singles, Singles] | None:
        with asking(effect, "reading", self.layer) as wrong:
            found = effect.reading(cells, self._given(effect, crossbar, plane))
            if found is not None:
                if not isinstance(found, tuple) or len(found) != 2:
                    raise wrong("must return a mean and a variance, or None")
                for part in found:
                    _refuse_odd(part, cells, wrong)
                if found[1].min(initial=0) < 0:
                    raise wrong(f"must return variances of at least 0, not {found[1].min():g}")
        return found

    def transfers(self, crossbar: Crossbar, read: Read) -> list[Transfer]:
        """How the converters of a read distort its sums, one effect after another."""
        count, group, which = self._converters(crossbar.number, read.columns)
        shared, found = replace(crossbar, number=group), []
        for effect in self.machine.effects:
            with asking(effect, "transfer", self.layer) as wrong:
                given = replace(self._given(effect, shared, 2), converters=count)
                curve = effect.transfer(which, given)
                if curve is not None:
                    tried = curve(np.zeros((len(which), 1), np.float32))
                    _refuse_odd(tried, np.zeros((len(which), 1), np.float32), wrong)
                    found.append(curve)
        return found

    def _converters(self, crossbar: int, columns: Ints) -> tuple[int, int, Ints]:
        """How many converters, the number of the crossbars that share them, and which converts each bit line."""
        geometry, wanted = self.machine.geometry, self.machine.converters
        width = geometry.columns + geometry.unit_column
        count = width if self.machine.every_line else min(width, max(1, ceil(wanted)))
        group = crossbar if self.machine.every_line or wanted >= 1 else int(crossbar * wanted)
        return count, group, columns * count // width

    def range(self, crossbar: Crossbar, read: Read) -> Range:
        """What the codes of a read's bit lines stand for."""
        g, noise, lines = self.machine.geometry, self.machine.noise, len(read.columns)
        if noise.full_scale in ("calibrated", "stored"):
            return self.ranges[crossbar.number][read.columns]
        top = (1 << g.adc_bits) - 1
        if noise.full_scale == "array":
            highest = ((1 << g.cell_bits) - 1) * ((1 << g.dac_bits) - 1) * (g.ou_rows or g.rows)
            c = noise.conductance
            top = ceil(highest if c.subtracted else highest / (1 - c.lowest))
        elif isinstance(noise.full_scale, int):
            top = noise.full_scale
        return Range.up_to(np.full(lines, float(top)))

    def random(self, image: int) -> np.random.Generator:
        """The random numbers of all reads for a test image."""
        return _generator(self.machine.noise.seed, self.draw, crc32(self.layer.encode()), 3, image)

    def _given(self, effect: Effect[Any], crossbar: Crossbar, plane: int) -> Given:
        c, g = self.machine.noise.conductance, self.machine.geometry
        drawn = _generator(self.machine.noise.seed, self.draw, crc32(self.layer.encode()), plane, crossbar.number,
                           crc32(effect.name.encode()))
        return Given(levels=(1 << g.cell_bits) - 1, lowest=c.lowest, highest=c.highest, held=crossbar.held,
                     target=self._target(crossbar, plane), converters=0, random=drawn)


def _generator(*seeds: int) -> np.random.Generator:
    """Independent random numbers for every tuple of seeds."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seeds)))


def _defines(effect: Effect[Any], method: str) -> bool:
    """Whether an effect has a method of its own."""
    return getattr(type(effect), method) is not getattr(Effect, method)


def _refuse_odd(found: object, like: Singles, wrong: Any) -> None:
    """Refuse what is no array of finite real numbers of that shape."""
    if not isinstance(found, np.ndarray) or found.dtype.kind != "f" or found.shape != like.shape:
        what = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
        raise wrong(f"must return real numbers {like.shape}, not {what}")
    if not np.isfinite(found).all():
        raise wrong("must return finite numbers")
