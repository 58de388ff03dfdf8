"""What a paper prints of an architecture beside what its spec gives by arithmetic, and the words to it.

They stand in NAME.md beside NAME.yaml: the printed figures as YAML between two lines `---`, the introduction below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, model_validator

from xbarch.cost.nameplate import Nameplate, nameplate, window
from xbarch.errors import InputError
from xbarch.specs.architecture import Architecture
from xbarch.specs.explain import unknown
from xbarch.specs.fields import Source, Text
from xbarch.specs.load import Document, validate
from xbarch.specs.model import Spec
from xbarch.specs.text import BYTES, decode, parse
from xbarch.support.files import read

_MARK = "---"


@dataclass(frozen=True)
class Figure:
    """Something that follows from a spec alone."""

    label: str
    unit: str
    value: Callable[[Architecture, Nameplate], float]
    """Of the architecture and its nameplate at the precision of its registers."""


def _bytes(a: Architecture) -> float:
    return a.crossbars * a.crossbar.rows * a.crossbar.columns * a.crossbar.cell_bits / 8


def _product(a: Architecture) -> int:
    return window(a, a.precision.weight_bits, a.precision.input_bits)


FIGURES: dict[str, Figure] = {
    "tile_power": Figure("power of a tile", "mW", lambda a, n: 1000 * n.tile_power_w),
    "tile_area": Figure("area of a tile", "mm²", lambda a, n: n.tile_area_mm2),
    "power": Figure("power", "W", lambda a, n: n.power_w),
    "area": Figure("area", "mm²", lambda a, n: n.area_mm2),
    "peak": Figure("peak", "TOPS", lambda a, n: n.tops),
    "efficiency": Figure("peak efficiency", "GOPS/W", lambda a, n: n.gops_per_w),
    "density": Figure("peak density", "GOPS/s/mm²", lambda a, n: n.gops_per_mm2),
    "adc_share": Figure("converters' share of a tile's power", "%", lambda a, n: 100 * n.adc_share),
    "capacity": Figure("weights held", "MB", lambda a, n: _bytes(a) / 1e6),
    "capacity_binary": Figure("weights held", "MiB", lambda a, n: _bytes(a) / 2**20),
    "storage_density": Figure("weights held for its area", "MiB/mm²", lambda a, n: _bytes(a) / 2**20 / n.area_mm2),
    "crossbars": Figure("crossbars", "", lambda a, n: a.crossbars),
    "product": Figure("a product on a full array", "ns", lambda a, n: _product(a) / 1e3),
    "window": Figure("a window through the pipeline", "ns",
                     lambda a, n: (_product(a) + sum(s.latency for s in a.pipeline.stages)) / 1e3),
    "conversion": Figure("energy of a conversion", "pJ", lambda a, n: a.components["adc"].energy_aj / 1e6),
}


class Published(Spec):
    """A printed figure."""

    what: Text
    printed: float | Text = Field(description="in the unit of `figure`; a text where there is no figure")
    figure: str | None = Field(None, description="key of `FIGURES` to compare with; none if no arithmetic gives it")
    note: Text | None = Field(None, description="what it rests on, or why it is not reproduced")
    source: Source

    @model_validator(mode="after")
    def _comparable(self) -> Published:
        if self.figure is not None and self.figure not in FIGURES:
            raise ValueError(f"figure: {unknown('figure', self.figure, FIGURES)}")
        if (self.figure is None) == isinstance(self.printed, float):
            raise ValueError("printed: must be a number with a figure, a text without one")
        if self.printed == 0:
            raise ValueError("printed: must not be 0")
        return self


class About(Spec):
    """What is written of an architecture beside its spec."""

    published: list[Published] = Field(default=[], max_length=50)
    text: str = Field("", description="the introduction, Markdown")


def about(architecture: Path) -> About:
    """The words and published figures in the file beside an architecture; empty if there is no such file.

    Raises:
        InputError: the file has no two lines `---`, or something is wrong between them.
    """
    path = architecture.with_suffix(".md")
    if not path.is_file():
        return About()
    lines = decode(read(path, BYTES), path, False).splitlines()
    if lines[:1] != [_MARK] or _MARK not in lines[1:]:
        raise InputError(f"the published figures must stand between two lines {_MARK}, the first at the top", file=path,
                         line=1)
    end = lines.index(_MARK, 1)
    data, places = parse("\n".join(["", *lines[1:end], ""]), path)  # a line in place of the first mark
    if data is not None and not isinstance(data, dict):
        raise InputError("must be the key published: with a list", file=path, line=2)
    found = Document(str(path), {**(data or {}), "text": "\n".join(lines[end + 1:]).strip()}, places)
    return validate(found, About)


@dataclass(frozen=True)
class Beside:
    """A printed figure and what the spec gives."""

    printed: Published
    ours: float | None
    """None where no arithmetic gives it."""

    @property
    def error(self) -> float | None:
        """Of ours, as a share of the printed figure."""
        if self.ours is None or not isinstance(self.printed.printed, float):
            return None
        return self.ours / self.printed.printed - 1


def beside(architecture: Architecture, written: About) -> list[Beside]:
    """Every published figure with what the spec gives."""
    plate = nameplate(architecture, architecture.precision.weight_bits, architecture.precision.input_bits)
    return [Beside(p, None if p.figure is None else FIGURES[p.figure].value(architecture, plate))
            for p in written.published]
