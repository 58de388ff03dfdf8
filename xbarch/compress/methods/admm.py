"""ADMM with a method's projections (Boyd et al., Foundations and Trends in Machine Learning, 2011, scaled form)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xbarch.compress.methods.pruner import Pruner
from xbarch.compress.quantizers.network import Network
from xbarch.datapaths.base import DataPath, Geometry, Project, Projection, Reals
from xbarch.plugins.guard import asking
from xbarch.specs.algorithms import Admm as Spec
from xbarch.specs.recipe import Pruning
from xbarch.workload.graph import Layer


class Admm(Pruner):
    """Minimizes f(W) with W in C1, C2, ...: rho/2 |W - Z_i + U_i|² is added to the loss for every constraint i; every
    `every` epochs Z_i = project_i(W + U_i), U_i += W - Z_i, and rho grows.

    Reported after every epoch: `primal` = |W - Z| / |W|, how far the constraints are still violated, and `dual` =
    |Z - Z before| / |W|, how far the projections still move (Boyd et al., section 3.3).
    """

    def __init__(self, network: Network, spec: Pruning, path: DataPath) -> None:
        super().__init__(network, spec, path)
        assert isinstance(spec.algorithm, Spec) and spec.density is not None
        self.admm, self.rho, self.moved = spec.algorithm, spec.algorithm.rho, 0.0
        with asking(self.path, "projections"):
            self.constraints = list(self.path.projections())
        if self.admm.levels:
            self.constraints.append(nearest_level)
        self.density = spec.density
        self.frozen: list[Projection] | None = None
        weights = [n.weight for n in self.nodes]
        self.z = [self.nearest(i, weights) for i in range(len(self.constraints))]
        self.u = [[torch.zeros_like(z) for z in zs] for zs in self.z]

    def penalty(self, progress: float) -> Tensor | None:
        apart = [(n.weight - z + u).square().sum() for zs, us in zip(self.z, self.u, strict=True)
                 for n, z, u in zip(self.nodes, zs, us, strict=True)]
        return self.rho / 2 * torch.stack(apart).sum()

    @torch.no_grad()
    def close(self, epoch: int) -> None:
        if epoch % self.admm.every:
            return
        for i, before in enumerate(self.z):
            wished = [n.weight + u for n, u in zip(self.nodes, self.u[i], strict=True)]
            self.z[i] = self.nearest(i, wished)
            for node, z, u in zip(self.nodes, self.z[i], self.u[i], strict=True):
                u += node.weight - z
            self.moved = self.distance(self.z[i], before)
        self.rho *= self.admm.growth
        for us in self.u:  # the scaled multipliers are y / rho (Boyd et al., section 3.4.1)
            for u in us:
                u /= self.admm.growth
        if epoch == self.admm.freeze_after:
            wished = [n.weight + u for n, u in zip(self.nodes, self.u[0], strict=True)]
            self.frozen = self.projected(wished, self.density)

    def nearest(self, constraint: int, weights: list[Tensor]) -> list[Tensor]:
        """Projections on one constraint; after freezing, limited to what all constraints kept."""
        found = self.projected(weights, self.density, self.constraints[constraint])
        return [self.back(n, f.weights) for n, f in zip(self.nodes, found, strict=True)]

    @torch.no_grad()
    def projected(self, weights: Sequence[Tensor], density: float, how: Project | None = None) -> list[Projection]:
        if self.frozen is None:
            return super().projected(weights, density, how)
        made = []
        for n, w, before in zip(self.nodes, weights, self.frozen, strict=True):
            with asking(self.path, "refit", n.layer.name):
                made.append(self.path.refit(self.levels(n, w), n.layer, self.geometry, before))
        return made

    def distance(self, first: list[Tensor], second: list[Tensor]) -> float:
        apart = sum(float((a - b).square().sum()) for a, b in zip(first, second, strict=True))
        whole = sum(float(n.weight.square().sum()) for n in self.nodes)
        return float((apart / max(whole, 1e-30)) ** 0.5)

    @torch.no_grad()
    def figures(self) -> dict[str, float]:
        if self.hard:
            return super().figures()
        primal = max(self.distance([n.weight for n in self.nodes], zs) for zs in self.z)
        return {**super().figures(), "rho": self.rho, "primal": primal, "dual": self.moved}

    def own_state(self) -> dict[str, Any]:
        frozen = None if self.frozen is None else [(torch.from_numpy(f.mask), f.side) for f in self.frozen]
        return {"z": self.z, "u": self.u, "rho": self.rho, "moved": self.moved, "frozen": frozen}

    def own_restore(self, state: dict[str, Any]) -> None:
        self.z, self.u = state["z"], state["u"]
        self.rho, self.moved = float(state["rho"]), float(state["moved"])
        if state["frozen"] is not None:
            masks = [(mask.cpu().numpy(), side) for mask, side in state["frozen"]]
            self.frozen = [Projection(np.zeros(mask.shape), mask, side) for mask, side in masks]


def nearest_level(weights: Reals, layer: Layer, geometry: Geometry, density: float) -> Projection:
    """The constraint that weights lie on levels of the layer's bits (ADMM-NN, Ren et al., ASPLOS 2019): the nearest."""
    top = (1 << layer.weight_bits - 1) - 1
    found = np.clip(np.rint(weights), -top, top)
    return Projection(found, np.ones(found.shape, bool))
