"""Converters, sense amplifiers and integrate-and-fire circuits with errors of their own."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field, model_validator

from xbarch.parts.effects.base import Effect, Given, Ints, Singles, Transfer
from xbarch.specs.model import Options

Steps = Annotated[float, Field(ge=0, le=1e4)]


class ConverterOptions(Options):
    """Options of `converter`. Steps are those of the converter (LSB)."""

    offset: Steps = Field(0.0, description="standard deviation of a converter's offset, steps; of a "
                          "sense amplifier or an integrate-and-fire circuit, of its comparator's")
    gain: float = Field(0.0, ge=0, le=1, description="standard deviation of a converter's gain from 1; of an "
                        "integrate-and-fire circuit, of the charge of a spike")
    noise: Steps = Field(0.0, description="standard deviation of what each conversion adds, steps")
    integral: Steps = Field(0.0, description="integral nonlinearity: height of a parabola over the full "
                            "scale, steps, its sign drawn for each converter")
    differential: float = Field(0.0, ge=0, le=10, description="differential nonlinearity: standard deviation of the "
                                "width of a code, steps; thresholds start and end at their ideal places")
    codes: int = Field(256, ge=2, le=65536, description="codes over which the nonlinearities reach, 2^bits; larger "
                       "sums are distorted no further")

    @model_validator(mode="after")
    def _nonlinear(self) -> ConverterOptions:
        if "codes" in self.model_fields_set and not self.model_fields_set & {"integral", "differential"}:
            raise ValueError("codes: needs integral or differential, the nonlinearities that reach over them")
        return self


class Converter(Effect[ConverterOptions]):
    """Each converter has an offset, a gain and a curve drawn once for a device, and adds noise to every conversion."""

    name: ClassVar[str] = "converter"
    summary: ClassVar[str] = "converter errors: offset, gain, noise, integral and differential nonlinearity"
    provenance: ClassVar[str] = (
        "IEEE Std 1241-2010 (offset, gain, INL, DNL in LSB); a parabola and independent widths of codes: this "
        "project's reading")
    Options: ClassVar[type[Options]] = ConverterOptions

    def transfer(self, which: Ints, given: Given) -> Transfer | None:
        o = self.options
        if not (o.offset or o.gain or o.integral or o.differential):
            return None
        drawn = given.random.standard_normal((3, given.converters), np.float32)[:, which, None]
        offset, gain, bend = o.offset * drawn[0], 1 + o.gain * drawn[1], 4 * o.integral * np.sign(drawn[2])
        walk = self._walk(given)[which] if o.differential else None
        top = np.float32(o.codes - 1)

        def distorted(sums: Singles) -> Singles:
            found = sums * gain + offset
            if o.integral:
                share = np.clip(np.abs(sums) / top, 0, 1)
                found += np.sign(sums) * bend * share * (1 - share)
            if walk is not None:
                code = np.minimum(np.abs(sums), top).astype(np.int32)
                found += np.sign(sums) * np.take_along_axis(walk, code, axis=1)
            return np.asarray(found, np.float32)

        return distorted

    def jitter(self) -> float:
        return self.options.noise

    def _walk(self, given: Given) -> Singles:
        """By how much thresholds of codes lie off, [converters, codes]: a random walk of widths tied at both ends."""
        widths = given.random.standard_normal((given.converters, self.options.codes), np.float32)
        walk = np.cumsum(widths * self.options.differential, axis=1)
        walk -= walk[:, :1]
        ends = np.linspace(0, 1, self.options.codes, dtype=np.float32)
        return np.asarray(walk - walk[:, -1:] * ends, np.float32)
