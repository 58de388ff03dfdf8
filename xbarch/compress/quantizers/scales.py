"""Full scales of converters that training learns."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_SIGNIFICANCES = 32  # of bit lines at most


class FullScales(nn.Module):
    """Full scales of a layer's converters in cell levels, one for the bit lines of each significance (log2 of what a
    bit line counts), learned as logarithms; zero: not known yet. They are whole numbers, the gradient passes straight
    through."""

    def __init__(self) -> None:
        super().__init__()
        self.logarithms = nn.Parameter(torch.zeros(_SIGNIFICANCES))

    @torch.no_grad()
    def begin(self, scales: dict[int, float]) -> None:
        for group, scale in scales.items():
            self.logarithms[group] = math.log(max(scale, 2.0))

    @property
    def known(self) -> bool:
        return bool((self.logarithms != 0).any())

    @property
    def whole(self) -> tuple[int, ...]:
        """By significance; 0: no such bit lines."""
        exact = self.logarithms.detach().double()
        found = torch.where(exact == 0, 0, exact.exp().round().clamp(1, 2**20)).long().tolist()
        return tuple(found[:max((n for n, scale in enumerate(found, 1) if scale), default=0)])

    def forward(self, sums: Tensor, slopes: dict[int, Tensor], share: float) -> Tensor:
        """The sums [n, filters, ...], unchanged; the gradient of each full scale is that by its slopes [fewer than n,
        filters, ...], divided by `share`, what these images are of all, and by the root of the number of sums of an
        image (after Esser et al., ICLR 2020)."""
        weight = 1 / share / max(1.0, sums[0].numel()) ** 0.5
        moved = torch.zeros((), dtype=sums.dtype)
        for group, slope in slopes.items():
            scale = self.logarithms[group].exp() * weight
            moved = moved + (scale - scale.detach()) * slope
        first = next(iter(slopes.values()))
        return torch.cat([sums[:len(first)] + moved, sums[len(first):]])
