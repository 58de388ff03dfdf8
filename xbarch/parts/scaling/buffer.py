"""What a memory of so many bytes costs: published tables, exact at their points, refused outside them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from math import exp, log
from typing import ClassVar

from pydantic import Field

from xbarch.errors import InputError
from xbarch.parts.scaling.base import Built, Number, Price, Scaling
from xbarch.specs.model import Options
from xbarch.units import Memory


class BufferOptions(Options):
    """Options of every buffer model."""

    size: Memory | None = Field(None, ge=8, description="of what is built; none: a tile's buffer.size")
    of: Memory | None = Field(None, ge=8, description="size that the price is written for, which is then scaled by the "
                              "model's ratio; none: the model's own figures replace it")
    width: int | None = Field(None, ge=1, le=65536, description="bits of an access; none: buffer.access_bits")
    banks: int = Field(1, ge=1, le=64)


@dataclass(frozen=True)
class Memo:
    """One memory. energy: of an access that reads, pJ. area: mm². leakage: of all banks, mW."""

    energy: Number
    area: Number
    leakage: Number


class Buffer(Scaling[BufferOptions]):
    """Price for buffer.size, or for the model's own `size`."""

    kind: ClassVar[str] = "buffer"
    Options: ClassVar[type[Options]] = BufferOptions

    @abstractmethod
    def look(self, size: int, width: int, banks: int) -> Memo:
        """A memory of `size` bytes with accesses of `width` bits.

        Raises:
            InputError: the model does not have it.
        """

    def scale(self, written: Price, built: Built) -> Price:
        o = self.options
        size, width = (built.buffer if o.size is None else o.size), (built.access if o.width is None else o.width)
        if o.of == size:
            return written
        new = self.look(Fraction(size, 8).__ceil__(), width, o.banks)
        if o.of is not None:
            old = self.look(Fraction(o.of, 8).__ceil__(), width, o.banks)
            return written.times(*(Fraction(a) / Fraction(b) for a, b in (
                (new.energy, old.energy), (new.area, old.area), (new.leakage, old.leakage))))
        if not written.energy:
            raise InputError("the component has no energy of an action that the model could replace; state `of`, the "
                             "size that its price is for")
        energy = Fraction(new.energy) * 10**6
        return Price(energy=energy, area=Fraction(new.area) * 10**12 * written.count,
                     power=written.power * energy / written.energy,
                     leakage=Fraction(new.leakage) * 1000 * written.count, per=written.per, count=written.count)


Rows = dict[tuple[int, int], tuple[tuple[int, str, str, str], ...]]


class Table(Buffer):
    """Memories by (width, banks), each a list of (bytes, pJ of a read, mW of leakage in a bank, mm²). Between two
    sizes every figure is linear in logarithms: a power of the size."""

    ROWS: ClassVar[Rows]

    def look(self, size: int, width: int, banks: int) -> Memo:
        if (width, banks) not in self.ROWS:
            known = ", ".join(f"{w} bits in {b} bank{'s' * (b > 1)}" for w, b in self.ROWS)
            raise InputError(f"the model's table has {known}, not accesses of {width} bits in {banks} "
                             f"bank{'s' * (banks > 1)}")
        rows = self.ROWS[width, banks]
        if not rows[0][0] <= size <= rows[-1][0]:
            raise InputError(f"the model's table has {rows[0][0]:,} to {rows[-1][0]:,} bytes for accesses of {width} "
                             f"bits, not {size:,}")
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


_CACTI = ("computed with CACTI 7 (Balasubramonian et al., TACO 2017) at 32 nm, 350 K, one read and write port, bus "
          "as wide as a block; energy of a read; between its sizes a power of the size")


class CactiHp(Table):
    name: ClassVar[str] = "cacti_sram_hp"
    summary: ClassVar[str] = "SRAM of high-performance transistors, 256 B to 128 KB"
    provenance: ClassVar[str] = f"SRAM of ITRS high-performance transistors, {_CACTI}"
    ROWS: ClassVar[Rows] = {
        (64, 1): ((256, "0.57", "0.092", "0.00072"),),
        (128, 1): ((512, "1.33", "0.203", "0.00193"), (1024, "1.43", "0.387", "0.00270"),
                   (2048, "1.65", "0.743", "0.00421"), (4096, "2.00", "1.463", "0.00725")),
        (256, 1): ((1024, "3.67", "0.385", "0.00535"), (2048, "3.86", "0.720", "0.00683"),
                   (4096, "4.26", "1.382", "0.00976"), (8192, "4.97", "2.713", "0.01561"),
                   (16384, "6.51", "5.344", "0.02722"), (32768, "12.24", "9.998", "0.05234"),
                   (65536, "23.66", "18.104", "0.10068"), (131072, "31.86", "36.207", "0.23979"))}


class CactiLop(Table):
    name: ClassVar[str] = "cacti_sram_lop"
    summary: ClassVar[str] = "SRAM of low-operating-power transistors, 256 B to 128 KB"
    provenance: ClassVar[str] = f"SRAM of ITRS low-operating-power transistors, {_CACTI}"
    ROWS: ClassVar[Rows] = {
        (64, 1): ((256, "0.26", "0.032", "0.00072"),),
        (128, 1): ((512, "0.64", "0.072", "0.00193"), (1024, "0.70", "0.137", "0.00270"),
                   (2048, "0.84", "0.264", "0.00421"), (4096, "1.49", "0.484", "0.00818")),
        (256, 1): ((1024, "1.79", "0.136", "0.00534"), (2048, "1.91", "0.255", "0.00682"),
                   (4096, "2.17", "0.490", "0.00975"), (8192, "2.64", "0.962", "0.01559"),
                   (16384, "4.98", "1.777", "0.02999"), (32768, "6.95", "3.517", "0.05231"),
                   (65536, "12.16", "6.445", "0.13778"), (131072, "16.85", "12.890", "0.29802"))}


class CactiEdram(Table):
    """CACTI's writes into eDRAM include a page's activation and are left out."""

    name: ClassVar[str] = "cacti_edram_lp"
    summary: ClassVar[str] = "eDRAM in 1, 2 or 4 banks, 16 KB to 256 KB"
    provenance: ClassVar[str] = f"logic-process eDRAM, {_CACTI}; its writes, which activate a page, are left out"
    ROWS: ClassVar[Rows] = {
        (256, 1): ((16384, "11.61", "0.692", "0.01067"), (32768, "14.63", "1.383", "0.03426"),
                   (65536, "26.21", "2.013", "0.05352"), (131072, "32.19", "4.026", "0.11869"),
                   (262144, "43.56", "8.052", "0.25162")),
        (256, 2): ((16384, "10.28", "0.427", "0.02444"), (32768, "14.23", "0.750", "0.03472"),
                   (65536, "25.59", "1.065", "0.05312"), (131072, "31.41", "2.130", "0.13158"),
                   (262144, "54.50", "2.419", "0.19763")),
        (256, 4): ((16384, "11.73", "0.474", "0.03730"), (32768, "14.08", "0.708", "0.04738"),
                   (65536, "22.42", "1.011", "0.07475"), (131072, "30.38", "1.692", "0.10565"),
                   (262144, "47.94", "2.633", "0.27633"))}


class PumaSram(Table):
    """The rows have no width; a register file's access of the core is meant, whatever the width asked for."""

    name: ClassVar[str] = "puma_sram"
    summary: ClassVar[str] = "PUMA's register files, 256 B to 2 KB"
    provenance: ClassVar[str] = (
        "Ankit et al., PUMA, ASPLOS 2019, constants of its public simulator (32 nm; dynamic power at 1 GHz taken as "
        "one access a cycle); between its sizes a power of the size")
    ROWS: ClassVar[Rows] = {
        (0, 1): ((256, "0.16", "0.044", "0.00056"), (512, "0.24", "0.078", "0.00108"),
                 (1024, "0.33", "0.147", "0.00192"), (2048, "0.57", "0.33", "0.00392"))}

    def look(self, size: int, width: int, banks: int) -> Memo:
        return super().look(size, 0, banks)
