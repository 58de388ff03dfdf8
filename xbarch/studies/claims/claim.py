"""What a claim is, and what it may be compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ARCHITECTURE = "isaac_like"
CONVERTER = "adc"  # the component that prices conversions


@dataclass(frozen=True, kw_only=True)
class Base:
    """What a pruned network is compared with: by default its dense network on the data path `dense` of the same
    machine."""

    name: str
    text: str
    """Description in the report."""
    options: tuple[tuple[str, str], ...] = ()
    """Of the data path."""
    overrides: tuple[str, ...] = ()
    """Of the machine, for both sides of the comparison."""
    bits: int | None = None
    """Least bits of weights and activations; None: as stored."""
    activation_bits: int | None = None
    """Least bits of both sides' activations; None: as `bits` says."""
    level_bits: int | None = None
    """Least bits of both sides' levels; None: as stored."""
    both: bool = False
    """Whether `bits` holds for the pruned network as well."""
    workload: str = ""
    """Instead of the dense network."""
    datapath: str = "dense"
    """Empty: the workload's own."""
    architecture: str = ""
    """Empty: that of both sides."""
    on: str = ""
    """Machine of both sides; empty: that of the paper."""
    method: tuple[tuple[str, str], ...] = ()
    """Options of the method's data path, instead of those it was stored with."""


@dataclass(frozen=True)
class Adc:
    """A price of analog-to-digital conversion."""

    name: str
    text: str
    """Description in the report."""
    overrides: tuple[str, ...] = ()
    """Of the machine, for both sides of the comparison."""


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A publication whose claims are compared."""

    key: str
    name: str
    cite: str
    base: str
    """What is known of the base that the paper compares with."""
    bases: tuple[Base, ...]
    """The bases used here; the first is the machine's own dense packing."""
    architecture: str = ARCHITECTURE
    """Machine of the pruned network."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A published gain."""

    paper: str
    says: str
    """In the terms of the abstract."""
    value: float | None
    """In the unit of the figure; None: the paper gives no number."""
    figure: str
    """Key of `xbarch.studies.claims.figures.FIGURES`."""
    workloads: tuple[str, ...]
    sure: str = "number: abstract"
    """Where the number comes from."""
    bound: Literal["", "up to ", "less than ", "about "] = ""
    """How the number is meant."""
    note: str = ""
    """What is true of the publication and of its interpretation here whatever the numbers are."""
    adcs: tuple[str, ...] = ()
    """Prices of conversion to compare under; empty: the first only."""
    bases: tuple[Base, ...] = ()
    """Instead of those of the paper."""
    holds: str = ""
    """What would have to be true for the published number to hold."""
    recipe: bool = False
    """Whether the figure is what the recipe here asks for: then it is set, not found, and has no factor."""
    datapath: str = ""
    """Empty: each workload's own."""
