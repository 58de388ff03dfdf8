"""Filters and kernels of the stages of ResNets for CIFAR-10, as recipes give them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated

from pydantic import Field

STAGES = {"layer1": 16, "layer2": 32, "layer3": 64}  # filters of the stages of ResNets for CIFAR-10
Stages = dict[str, Annotated[int, Field(ge=1, le=4096)]]


def check_stages(network: str, of: Collection[str], filters: Mapping[str, int], kernels: Mapping[str, int]) -> None:
    """Refuse stages that a network does not have or could not join.

    of: the networks whose stages may be given.

    Raises:
        ValueError: what is wrong.
    """
    for name, given in (("filters", filters), ("kernels", kernels)):
        if given and network not in of:
            raise ValueError(f"{name}: is for {' and '.join(of)}, not {network}")
        if lacking := [stage for stage in given if stage not in STAGES]:
            raise ValueError(f"{name}: has the stages {', '.join(STAGES)}, not {lacking[0]!r}")
    widths = [*{**STAGES, **filters}.values()]
    if widths != sorted(widths):
        raise ValueError("filters: no stage may have fewer than the one before it, not "
                         f"{', '.join(map(str, widths))}")
    if even := [size for size in kernels.values() if size % 2 == 0 or size > 15]:
        raise ValueError(f"kernels: must be odd and at most 15, not {even[0]}")
