"""The price of an action: what the ledger books, and to which component."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Price:
    """What one action costs. energy in aJ; component it is booked to and the scope that component belongs to."""

    component: str
    energy: int
    scope: str = "compute"
