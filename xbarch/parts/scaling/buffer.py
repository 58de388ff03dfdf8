"""The cost of a memory by its size: published tables, exact at their points and refused outside their range."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import exp, log
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from xbarch.errors import InputError
from xbarch.parts.scaling.base import Number, OutOfRangeError, Point, Price, Scaling
from xbarch.specs.model import Options
from xbarch.units import Memory

_TABLE = Path(__file__).with_name("memories.csv")


class BufferOptions(Options):
    """Options of every buffer model."""

    size: Memory | None = Field(None, ge=8, description="size of the memory that is built; none: a tile's buffer.size")
    of: Memory | None = Field(None, ge=8, description="size that the price is written for; none: a tile's buffer.size "
                              "in the file that states the price")
    width: int | None = Field(None, ge=1, le=65536, description="bits per access; none: buffer.access_bits")
    banks: int = Field(1, ge=1, le=64)
    replace: bool = Field(False, description="the model's own figures replace the price instead of scaling it")


@dataclass(frozen=True)
class Memo:
    """One memory. energy: of a read access, pJ. area: mm². leakage: of all banks, mW."""

    energy: Number
    area: Number
    leakage: Number


class Buffer(Scaling[BufferOptions]):
    """Price for buffer.size, or for the model's own `size`. An access keeps its time; the port's rate follows
    `buffer.access`. Several ports are as many memories side by side, each of its share of the size; an access then
    costs no less than of a single memory, nor does the whole take less area, as wires from the banks are not known."""

    kind: ClassVar[str] = "buffer"
    Options: ClassVar[type[Options]] = BufferOptions
    follows: ClassVar[frozenset[str]] = frozenset({"buffer", "access_bits", "access", "ports"})

    @abstractmethod
    def look(self, size: int, width: int, banks: int) -> Memo:
        """A memory of `size` bytes with accesses of `width` bits.

        Raises:
            InputError: the model has no such memory.
        """

    def port(self, p: Point) -> tuple[int, int, int, int]:
        """Size, bits of an access, its time and ports of the memory of a machine that the price is for."""
        return p.buffer, p.access_bits, p.access, p.ports

    def memory(self, size: int, width: int, ports: int) -> Memo:
        """All memories of so many ports: the energy of an access to one, area and leakage of all."""
        one = self.look(-(-size // 8), width, self.options.banks)
        if ports == 1:
            return one
        each = self.look(-(-size // (8 * ports)), width, self.options.banks)
        return Memo(max(one.energy, each.energy, key=float), *(
            max(Fraction(one_), ports * Fraction(each_)) for one_, each_ in (
                (one.area, each.area), (one.leakage, each.leakage))))

    def scale(self, written: Price, of: Point, at: Point) -> Price:
        o, (size, width, time, ports), (old, before, once, port) = self.options, self.port(at), self.port(of)
        size, old = size if o.size is None else o.size, old if o.of is None else o.of
        width, before = (width, before) if o.width is None else (o.width, o.width)
        if o.replace:
            return self._replaced(written, self.look(-(-size // 8), width, o.banks))
        faster = written.times(delay=Fraction(time * port, once * ports)) if once else written
        if (size, width, ports) == (old, before, port):
            return faster
        new, known = self.memory(size, width, ports), self.memory(old, before, port)
        return faster.times(*(Fraction(a) / Fraction(b) for a, b in (
            (new.energy, known.energy), (new.area, known.area), (new.leakage, known.leakage))))

    @staticmethod
    def _replaced(written: Price, memory: Memo) -> Price:
        if not written.energy:
            raise InputError("the component has no energy of an action that the model could replace; leave out "
                             "`replace`")
        energy = Fraction(memory.energy) * 10**6
        return Price(energy=energy, area=Fraction(memory.area) * 10**12 * Fraction(written.count),
                     power=written.power * energy / written.energy, per=written.per, count=written.count,
                     leakage=Fraction(memory.leakage) * 1000 * Fraction(written.count))


Rows = dict[tuple[int, int], tuple[tuple[int, str, str, str], ...]]


class Table(Buffer):
    """Memories by (width, banks), each a list of (bytes, pJ of a read, mW of leakage in a bank, mm²). Between two
    sizes, and between two widths, every figure is linear in logarithms: a power of the size or width."""

    @abstractmethod
    def rows(self) -> Rows:
        """The table."""

    def look(self, size: int, width: int, banks: int) -> Memo:
        widths = sorted(w for w, b in self.rows() if b == banks)
        if not widths or not widths[0] <= width <= widths[-1]:
            known = ", ".join(f"{w} bits in {b} bank{'s' * (b > 1)}" for w, b in self.rows())
            raise OutOfRangeError(f"the model's table has {known}, not accesses of {width} bits in {banks} "
                                  f"bank{'s' * (banks > 1)}")
        below, above = max(w for w in widths if w <= width), min(w for w in widths if w >= width)
        low = self._sized(size, below, banks)
        if below == above:
            return low
        high = self._sized(size, above, banks)
        return Memo(*(_power(width, (below, str(float(a))), (above, str(float(b)))) for a, b in (
            (low.energy, high.energy), (low.area, high.area), (low.leakage, high.leakage))))

    def _sized(self, size: int, width: int, banks: int) -> Memo:
        """A memory of a width that the table has."""
        rows = self.rows()[width, banks]
        if not rows[0][0] <= size <= rows[-1][0]:
            raise OutOfRangeError(f"the model's table has {rows[0][0]:,} to {rows[-1][0]:,} bytes for accesses of "
                                  f"{width} bits, not {size:,}")
        low = max((r for r in rows if r[0] <= size), key=lambda r: r[0])
        high = min((r for r in rows if r[0] >= size), key=lambda r: r[0])
        energy, leakage, area = (_power(size, (low[0], a), (high[0], b))
                                 for a, b in zip(low[1:], high[1:], strict=True))
        return Memo(energy, area, leakage * banks)


def _power(at: int, low: tuple[int, str], high: tuple[int, str]) -> Fraction:
    """On the straight line through two points in logarithms; exact at both."""
    (x, a), (y, b) = low, high
    if at in (x, y):
        return Fraction(a if at == x else b)
    share = log(at / x) / log(y / x)
    return Fraction(exp((1 - share) * log(float(a)) + share * log(float(b))))


@cache
def _cacti(technology: str) -> Rows:
    """The rows of a technology in `memories.csv`."""
    found: dict[tuple[int, int], list[tuple[int, str, str, str]]] = {}
    for line in _TABLE.read_text(encoding="utf-8").splitlines()[1:]:
        name, width, banks, size, energy, leakage, area = line.split(",")
        if name == technology:
            found.setdefault((int(width), int(banks)), []).append((int(size), energy, leakage, area))
    return {key: tuple(rows) for key, rows in found.items()}


_CACTI = ("computed with CACTI 7 (Balasubramonian et al., TACO 2017) at 32 nm, 350 K, one read and write port, bus "
          "as wide as a block; energy of a read; between its sizes and widths a power of them")


class CactiHp(Table):
    name: ClassVar[str] = "cacti_sram_hp"
    summary: ClassVar[str] = "SRAM of high-performance transistors, 256 B to 16 MB, 64 to 512 bits an access"
    provenance: ClassVar[str] = f"SRAM of ITRS high-performance transistors, {_CACTI}"

    def rows(self) -> Rows:
        return _cacti("sram_hp")


class GlobalSram(CactiHp):
    name: ClassVar[str] = "global_sram"
    summary: ClassVar[str] = "cacti_sram_hp for the buffer that the tiles of a chip share"
    follows: ClassVar[frozenset[str]] = frozenset({"shared"})

    def port(self, p: Point) -> tuple[int, int, int, int]:
        return p.shared


class CactiLop(Table):
    name: ClassVar[str] = "cacti_sram_lop"
    summary: ClassVar[str] = "SRAM of low-operating-power transistors, 256 B to 16 MB, 64 to 512 bits an access"
    provenance: ClassVar[str] = f"SRAM of ITRS low-operating-power transistors, {_CACTI}"

    def rows(self) -> Rows:
        return _cacti("sram_lop")


class CactiEdram(Table):
    """CACTI's energies of eDRAM writes include the activation of a page; they are not used."""

    name: ClassVar[str] = "cacti_edram_lp"
    summary: ClassVar[str] = "eDRAM in 1, 2 or 4 banks, 16 KB to 16 MB, 256 bits an access"
    provenance: ClassVar[str] = f"logic-process eDRAM, {_CACTI}; its writes, which activate a page, are left out"

    def rows(self) -> Rows:
        return _cacti("edram_lp")


class PumaSram(Table):
    """The rows have no width: they are for an access of the core's register file, whatever the requested width."""

    name: ClassVar[str] = "puma_sram"
    summary: ClassVar[str] = "PUMA's register files, 256 B to 2 KB"
    provenance: ClassVar[str] = (
        "Ankit et al., PUMA, ASPLOS 2019, constants of its public simulator (32 nm; dynamic power at 1 GHz taken as "
        "one access per cycle); between its sizes a power of the size")

    def rows(self) -> Rows:
        return {(0, 1): ((256, "0.16", "0.044", "0.00056"), (512, "0.24", "0.078", "0.00108"),
                         (1024, "0.33", "0.147", "0.00192"), (2048, "0.57", "0.33", "0.00392"))}

    def look(self, size: int, width: int, banks: int) -> Memo:
        return super().look(size, 0, banks)
