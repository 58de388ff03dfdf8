"""A quantity of somebody else's beside ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["silicon", "circuit tool", "simulator", "paper"]
Standing = Literal["independent", "fitted", "given back"]
STANDINGS: dict[Standing, str] = {
    "independent": "nothing here was set to this number",
    "fitted": "a constant of ours was fitted to other numbers of the same source",
    "given back": "a price of ours is this number divided by counts, so agreement says that counts and sums are right",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """theirs, ours: in `unit`. low, high: ours / theirs is to lie between them; outside, `note` takes it apart."""

    about: str
    """Chip, tool or machine."""
    quantity: str
    unit: str
    theirs: float
    ours: float
    kind: Kind
    standing: Standing
    source: str
    low: float = 0.75
    high: float = 1.25
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs

    @property
    def holds(self) -> bool:
        """Whether ours lies in the band."""
        return self.low <= self.ratio <= self.high
