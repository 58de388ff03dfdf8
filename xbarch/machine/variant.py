"""The architecture that a run needs: the published one with what workload and data path add, remove or resize."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from xbarch.cost.pricing import reprice
from xbarch.datapaths.base import DataPath, Geometry
from xbarch.errors import CapacityError
from xbarch.machine.mitigations import mitigations, priced
from xbarch.plugins import checked
from xbarch.plugins.counts import hardware
from xbarch.plugins.registry import sensed, wired
from xbarch.specs.architecture import Architecture
from xbarch.specs.component import Component
from xbarch.workload.graph import Workload
from xbarch.workload.infer import multiplies


def variant(architecture: Architecture, network: Workload, path: DataPath, geometry: Geometry, policy: str = "",
            sized: Callable[[Architecture], Architecture] = lambda published: published) -> Architecture:
    """Return `architecture` as built for `network` on `path`.

    - Components with a `when` are built only if the workload needs them (`scales`: a layer's scale is not a power of
      two, so sums are multiplied on their way out).
    - ADCs have as many bits as the data path guarantees to suffice, at most the architecture's. Sensing units that drop
      low bits keep the architecture's resolution: with fewer bits they would lose small sums.
    - Shared units, ports, buses and links are `sized` (`xbarch.machine.periphery`).
    - Prices follow what is built (`xbarch.cost.pricing`).
    - The hardware of the data path is added, and that of effects that make up for errors.
    - Under the policy `area` the chip has as many tiles as fit in the tile area of the published chip.
    """
    needs = {"scales"} if any(multiplies(la) for la in network.layers) else set()
    grown = sized(architecture)
    components = {name: c.model_copy(update={"when": None}) for name, c in grown.components.items()
                  if c.when is None or c.when in needs}
    bits = architecture.crossbar.adc_bits
    if checked.dropped(sensed(architecture, slot=0), np.zeros(1, np.int64), bits) is None:
        bits = min([bits, *_enough(network, path, geometry, architecture.stack)])
    built = reprice(grown.model_copy(update={
        "components": components, "crossbar": architecture.crossbar.model_copy(update={"adc_bits": bits})}),
        architecture)
    names = {**architecture.components, **built.components}
    built.components.update({a.name: priced(a) for a in hardware(path, geometry, names)})
    built.components.update(mitigations(built))
    return _same_area(built, architecture) if policy == "area" else built


def _enough(network: Workload, path: DataPath, geometry: Geometry, stack: int) -> list[int]:
    """Return a list with the ADC bits that suffice for every layer, for the sums of `stack` crossbars together; empty
    if the data path guarantees none."""
    found = [checked.adc_bits(path, la, geometry) for la in network.compute_layers]
    known = [bits for bits in found if bits is not None]
    return [max(known) + (stack - 1).bit_length()] if known and len(known) == len(found) else []


def tile_area(components: Iterable[Component], imas: int) -> int:
    """Return the area of one tile (nm²): all components but those at chip level."""
    return sum(c.area * (imas if c.level == "ima" else 1) for c in components if c.level != "chip" and c.when is None)


def _same_area(built: Architecture, published: Architecture) -> Architecture:
    """Return the architecture with as many tiles as fit in the published tiles' area, on a large enough network."""
    h, network = built.hierarchy, built.network
    room = tile_area(published.components.values(), h.imas_per_tile) * h.tiles
    tiles = room // tile_area(built.components.values(), h.imas_per_tile)
    if not tiles:
        raise CapacityError("a tile with the hardware of the data path takes more area than the whole chip; use the "
                            "policy chip or fit", field="policy")
    options = wired(network, h.tiles).grown(tiles)
    return built.model_copy(update={"hierarchy": h.model_copy(update={"tiles": tiles}),
                                    "network": network.model_copy(update={"options": options})})
