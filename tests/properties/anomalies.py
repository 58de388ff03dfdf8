"""How often, and by how much, a better machine is slower: `python tests/properties/anomalies.py [CASES]` counts it.

A case is the stage graph of a network on a machine: random ones, and every bundled architecture. Each relation makes
one thing better and leaves everything else as it is: the same plan, the same tiles, the same work.
"""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random

import numpy as np

sys.path.append(str(Path(__file__).parent))

from test_machines import overrides, workload

import xbarch
from xbarch.errors import InputError, StuckError
from xbarch.machine.compile import compile_graph
from xbarch.request import to_request
from xbarch.run import _planned, pack_network, prepare, refuse_impossible
from xbarch.sim import fast
from xbarch.sim.graph import Stage, StageGraph
from xbarch.sim.steady import steady
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.support import bundled

IMAGES = 12
UNITS = ("edram", "bus", "link", "hypertransport", "tile_shift_add", "activation", "maxpool", "crossbar")
SLOWER = 1.01  # ratio from which on a figure counts as worse


# -- cases ------------------------------------------------------------------------------------------------------------

def drawn(number: int) -> StageGraph | None:
    """A random network on a random machine; None where it is refused."""
    dice = Random(number)
    network, changes = workload(dice), overrides(dice)
    policy = dice.choice(["fit", "one_copy", "chip", f"crossbars:{dice.randint(1, 12)}"])
    try:
        return compiled(load("isaac_like", Architecture, changes), network, policy=policy, chips=dice.choice([1, 1, 2]))
    except InputError:
        return None


def compiled(architecture, network, **choices) -> StageGraph | None:
    """The stage graph of one image; None where servers are processes."""
    setup = prepare(to_request(architecture, network, choices))
    refuse_impossible(setup.network, setup.machine, setup.path)
    packed = pack_network(setup)
    made = compile_graph(setup.machine, setup.network, packed, _planned(setup, setup.network, packed)[0], 1)
    return None if made.processes else made


def cases(count: int, start: int = 0) -> Iterator[tuple[str, StageGraph]]:
    """So many random cases that run, from a number on."""
    number = start
    while count:
        graph = drawn(number)
        if graph is not None:
            yield f"random {number}", graph
            count -= 1
        number += 1


def shipped(network: str = "vgg7_pruned", policies: tuple[str, ...] = ("fit", "crossbars:3")
            ) -> Iterator[tuple[str, StageGraph]]:
    """Every bundled architecture that runs the network."""
    for name in bundled.names("architectures"):
        for policy in policies:
            try:
                graph = compiled(name, network, policy=policy)
            except InputError:
                continue
            if graph is not None:
                yield f"{name}, {policy}", graph


# -- relations --------------------------------------------------------------------------------------------------------

def served(graph: StageGraph, kinds: tuple[str, ...], better: Callable[[Stage], Stage]) -> StageGraph:
    """The graph with other stages at the servers of some kinds."""
    chosen = [server.kind in kinds for server in graph.servers]
    return replace(graph, flows=tuple(replace(flow, copies=tuple(
        tuple(better(s) if s.server >= 0 and chosen[s.server] else s for s in copy) for copy in flow.copies))
        for flow in graph.flows))


def twice_as_fast(stage: Stage) -> Stage:
    held = np.asarray(stage.occupancy) // 2
    delay = np.maximum(np.asarray(stage.latency) - (np.asarray(stage.occupancy) - held), 0)
    return replace(stage, occupancy=plain(held), latency=plain(delay))


def plain(times: np.ndarray):
    return times if times.ndim else int(times)


def ideal(stage: Stage) -> Stage:
    return replace(stage, server=-1, room=())


def larger_buffers(graph: StageGraph, times: int) -> StageGraph:
    return replace(graph, flows=tuple(replace(flow, inputs=tuple(
        replace(edge, capacity=times * edge.capacity) for edge in flow.inputs)) for flow in graph.flows))


def larger_queues(graph: StageGraph) -> StageGraph:
    return replace(graph, pools=tuple(replace(pool, capacity=4 * pool.capacity) for pool in graph.pools))


RELATIONS: dict[str, Callable[[StageGraph], StageGraph]] = {
    "buffers x2": partial(larger_buffers, times=2), "buffers x8": partial(larger_buffers, times=8),
    "queues x4": larger_queues,
    **{f"{kind} x2": partial(served, kinds=(kind,), better=twice_as_fast) for kind in UNITS},
    "ideal network": partial(served, kinds=("link", "hypertransport"), better=ideal),
    "ideal buffer port": partial(served, kinds=("edram",), better=ideal),
    "ideal bus": partial(served, kinds=("bus",), better=ideal),
}


# -- figures ----------------------------------------------------------------------------------------------------------

@dataclass
class Tally:
    """What was found of a relation and a figure. worst: the largest ratio of the better machine to the other; where."""

    cases: int = 0
    worse: int = 0
    worst: float = 0.0
    where: str = ""

    def add(self, ratio: float, where: str) -> None:
        self.cases += 1
        self.worse += ratio > SLOWER
        if ratio > self.worst:
            self.worst, self.where = ratio, where


@dataclass
class Found:
    """Tallies by (relation, figure)."""

    tallies: dict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))

    def examine(self, name: str, graph: StageGraph) -> None:
        try:
            base, alone = figures(graph, IMAGES), figures(graph, 1)["first image"]
        except StuckError:  # crossing branches in tight buffers
            return
        for images in (2, IMAGES):
            later = figures(graph, images)["first image"]
            self.tallies[f"{images} images", "first image"].add(later / alone, name)
        for relation, better in RELATIONS.items():
            other = better(graph)
            for figure, value in figures(other, IMAGES).items():
                if figure in base:
                    self.tallies[relation, figure].add(value / base[figure], name)

    def over(self, figure: str) -> Tally:
        """All relations together."""
        whole = Tally()
        for (_, of), tally in self.tallies.items():
            if of == figure:
                whole.cases, whole.worse = whole.cases + tally.cases, whole.worse + tally.worse
                if tally.worst > whole.worst:
                    whole.worst, whole.where = tally.worst, tally.where
        return whole


def figures(graph: StageGraph, images: int) -> dict[str, float]:
    """First image and makespan in ps, and the interval where the images were seen to repeat exactly."""
    asked = replace(graph, images=images)
    trace = fast.run(asked)
    found = steady(asked, trace)
    interval = {"interval": float(found.interval_ps)} if found.exact else {}
    return {"first image": found.first_image_ps, "makespan": trace.makespan, **interval}


def main(count: int) -> None:
    found = Found()
    for maker in (cases(count), shipped()):
        for name, graph in maker:
            found.examine(name, graph)
    print(f"xbarch {xbarch.__version__}: {count} random cases and the bundled architectures, {IMAGES} images")
    for (relation, figure), tally in sorted(found.tallies.items()):
        print(f"{relation:18s} {figure:12s} {tally.worse:4d} of {tally.cases:4d} worse by more than 1 %, worst "
              f"{tally.worst:.4f} ({tally.where})")
    for figure in ("first image", "interval", "makespan"):
        whole = found.over(figure)
        print(f"{'all':18s} {figure:12s} {whole.worse:4d} of {whole.cases:4d}, worst {whole.worst:.4f} ({whole.where})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
