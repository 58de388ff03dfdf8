"""Bit-slice L1 (Zhang et al., "Exploring bit-slice sparsity in deep neural networks for efficient ReRAM-based
deployment", arXiv 1909.08496, 2019): digits stored in cells are made small, so that few bit lines need many ADC
bits."""

from __future__ import annotations

import torch
from torch import Tensor

from xbarch.compress.methods.pruner import Pruner
from xbarch.compress.quantizers.network import Node
from xbarch.specs.algorithms import Slices as Spec


class Slices(Pruner):
    """Penalty until the cut: strength * sum over weights of the mean of the digits of their magnitude.

    A digit is what a cell stores. Its gradient is straight through, 1 / its place value where it is not zero (this
    project's reading: all digits count alike, for any number of weight bits; in the paper there are four of 2 bits).
    """

    def penalty(self, progress: float) -> Tensor | None:
        assert isinstance(self.spec.algorithm, Spec)
        return self.spec.algorithm.strength * torch.stack([self._digits(n) for n in self.nodes]).sum()

    def _digits(self, node: Node) -> Tensor:
        """Sum over a layer's weights of the mean of their digits."""
        bits = self.geometry.cell_bits
        real = node.weight.abs() / node.levels.step(node.weight).detach()
        whole = (real.detach() + 0.5).floor().clamp(max=node.levels.top).long()
        shifts = range(0, node.levels.top.bit_length(), bits)
        total = torch.zeros(())
        for shift in shifts:
            digit = (whole >> shift & (1 << bits) - 1).to(real.dtype)
            through = real / (1 << shift)
            total = total + (digit + (through - through.detach()) * (digit > 0)).sum()
        return total / len(shifts)
