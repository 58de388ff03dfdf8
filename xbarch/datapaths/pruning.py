"""The training half of a data path: what a pruning method removes, for `xbarch compress`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

from xbarch.datapaths.base import DataPath
from xbarch.datapaths.records import Bools, Geometry, Project, Projection, Reals
from xbarch.datapaths.tools.groups import strongest
from xbarch.errors import InputError
from xbarch.specs.model import OptionsT
from xbarch.workload.graph import Layer


class Pruning(DataPath[OptionsT]):
    """A data path whose method also prunes. A subclass defines `group`, or `project` itself.

    Weights are real numbers in units of one quantization level. Lists of layers hold the layers on crossbars, in
    topological order.
    """

    whole_filters: bool = False
    """Whether projections remove whole filters. Then a network's last layer, whose filters are its outputs, is not
    pruned unless a recipe names it."""

    def prunes(self, layer: Layer) -> bool:
        """Whether the method prunes this layer."""
        return True

    def learned(self, weights: Sequence[Reals], layers: Sequence[Layer], geometry: Geometry) -> Self:
        """The method once it has seen the trained dense network, where it decides something for all layers together;
        asked for before anything is projected. The default: itself.

        Args:
            weights: (F, C / groups, kh, kw) of the layers that are pruned.
        """
        return self

    def group(self, layer: Layer, geometry: Geometry) -> tuple[int, int] | None:
        """The size of what is removed together, as (filters, consecutive rows of the unrolled matrix); None if the
        method has no such groups. Groups are counted from the first filter and row of each group of the convolution,
        and are smaller at its borders."""
        return None

    def project(self, weights: Reals, layer: Layer, geometry: Geometry, density: float) -> Projection:
        """Euclidean projection on the method's constraint. The default keeps the groups of largest norm.

        Args:
            weights: (F, C / groups, kh, kw).
            density: share of the weights to keep, 0 to 1.

        Raises:
            InputError: the method has no groups, or cannot reach that density on that crossbar.
        """
        size = self.group(layer, geometry)
        if size is None:
            raise InputError(f"data path {self.name} has no projection; choose a method that prunes", field="method")
        return strongest(weights, layer, size, density)

    def refit(self, weights: Reals, layer: Layer, geometry: Geometry, before: Projection) -> Projection:
        """The projection once an earlier one, `before`, has fixed what is kept. The default applies its mask."""
        return Projection(weights * before.mask, before.mask, before.side)

    def projections(self) -> Sequence[Project]:
        """The method's constraints one by one, for an ADMM that splits them; `project` satisfies all of them at
        once."""
        return [self.project]

    def share(self, weights: Sequence[Reals], layers: Sequence[Layer], geometry: Geometry,
              density: float) -> list[float]:
        """A density for each layer; together they keep `density` of all weights. The default: the same for all
        layers."""
        return [density] * len(layers)

    def reduce(self, layers: Sequence[Layer], masks: Mapping[str, Bools],
               weights: Mapping[str, Reals]) -> dict[str, Bools]:
        """The masks with their consequences for the rest of the network; called once, when the cut is made for good.

        Args:
            layers: all layers of the network, in topological order.
            masks: (F, C / groups, kh, kw) by the name of every layer on crossbars.
            weights: the same shapes.

        Returns:
            Masks that keep no weight which a given mask removes. The default: the given masks.
        """
        return dict(masks)


def pruning(path: DataPath) -> Pruning:
    """The data path, typed as one that prunes.

    Raises:
        InputError: it does not prune.
    """
    if not isinstance(path, Pruning):
        raise InputError(f"data path {path.name} does not prune; choose a method that does", field="method")
    return path
