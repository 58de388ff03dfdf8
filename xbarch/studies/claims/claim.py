"""What a claim is, and what it may be compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ARCHITECTURE = "isaac_like"


@dataclass(frozen=True)
class Base:
    """What a pruned network is compared with: by default its dense network, on the data path `dense` of the same
    machine. options: of the data path. overrides: of the machine, for both sides of the comparison. bits: of weights
    and activations; None: the stored ones; both: on both sides. workload: instead of the dense network; datapath "":
    that workload's own; architecture "": the claim's."""

    name: str
    text: str
    options: tuple[tuple[str, str], ...] = ()
    overrides: tuple[str, ...] = ()
    bits: int | None = None
    both: bool = False
    workload: str = ""
    datapath: str = "dense"
    architecture: str = ""


@dataclass(frozen=True)
class Adc:
    """A price of analog-to-digital conversion, as overrides of the machine for both sides."""

    name: str
    text: str
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Paper:
    """cite: the publication. base: what is known of what it compares with. bases: those here, the first is the
    machine's own. architecture: the machine of the pruned network."""

    key: str
    name: str
    cite: str
    base: str
    bases: tuple[Base, ...]
    architecture: str = ARCHITECTURE


@dataclass(frozen=True)
class Claim:
    """says: in the abstract's terms. value: what it gives, None where it gives no number, in the figure's unit. sure:
    where the number is from. bound: how the number is meant. bases: instead of the paper's. datapath "": each
    workload's own."""

    paper: str
    says: str
    value: float | None
    figure: str
    workloads: tuple[str, ...]
    sure: str = "number: abstract"
    bound: Literal["", "up to ", "less than ", "about "] = ""
    policies: tuple[str, ...] = ("fit", "one_copy", "crossbars:2")
    note: str = ""
    adcs: tuple[str, ...] = ()
    bases: tuple[Base, ...] = ()
    datapath: str = ""
