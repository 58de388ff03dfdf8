"""Actions that processes count beside those of the graph: the ledger books each of them, and no other."""

import numpy as np

from xbarch.cost.price import Price
from xbarch.result.ledger import ledger
from xbarch.sim.engine import run
from xbarch.sim.graph import Flow, Server, Stage, StageGraph


def counting(env, queue):
    """Serves as the graph says; each visit counts its window's number of refreshes, and one more."""
    while True:
        visit = yield queue.get()
        visit.act("refresh", visit.window)
        visit.act("refresh")
        visit.deliver(visit.latency)
        yield env.timeout(visit.occupancy)
        visit.over()


def test_counts_of_processes_are_booked_exactly():
    """Five windows count 1 + 2 + 3 + 4 + 5 refreshes; the other flow's process counts 1 + 2."""
    stages = [Stage("s", server, 2, 2, gate=True, actions=(("read", 4),)) for server in range(2)]
    graph = StageGraph((Server("a", process=counting), Server("b", process=counting)),
                       (Flow("one", 5, ((stages[0],),)), Flow("two", 2, ((stages[1],),))))
    made = ledger(graph, run(graph), {"refresh": [Price("dram", 10)], "read": [Price("cells", 1)]})
    assert made.actions == {("one", "read"): 20, ("two", "read"): 8, ("one", "refresh"): 15, ("two", "refresh"): 3}
    assert made.energy == {("one", "cells"): 20, ("two", "cells"): 8, ("one", "dram"): 150, ("two", "dram"): 30}
    assert made.by_component() == {"cells": 28, "dram": 180}


def test_a_process_that_counts_nothing_costs_nothing():
    def plain(env, queue):
        while True:
            visit = yield queue.get()
            visit.act("refresh", 0)
            visit.deliver(0)
            visit.over()

    graph = StageGraph((Server("a", process=plain),), (Flow("one", 3, ((Stage("s", 0, 1, 1, gate=True),),)),))
    made = ledger(graph, run(graph), {"refresh": [Price("dram", 10)]})
    assert made.actions == {("one", "refresh"): 0} and made.by_component() == {"dram": 0}


def test_counts_that_vary_are_those_of_the_copy_that_runs_each_window():
    """Windows 0 to 3 count 1, 10, 100, 1000; copies take them in turn, over two images."""
    count = np.array([1, 10, 100, 1000])
    copies = tuple((Stage("s", -1, 1, 1, gate=True, actions=((f"copy{c}", count),)),) for c in range(2))
    graph = StageGraph((), (Flow("one", 4, copies),), images=2)
    made = ledger(graph, run(graph), {f"copy{c}": [Price("cells", 1)] for c in range(2)})
    assert made.actions == {("one", "copy0"): 101, ("one", "copy1"): 1010}


def test_every_payer_of_an_action_is_booked():
    """Three windows of two reads at 5 and 7 aJ; one component is paid for both of its actions."""
    stage = Stage("s", -1, 1, 1, gate=True, actions=(("read", 2), ("add", 1)))
    graph = StageGraph((), (Flow("one", 3, ((stage,),)),))
    cells, ladder = Price("cells", 5), Price("ladder", 7, "chip")
    made = ledger(graph, run(graph), {"read": [cells, ladder], "add": [Price("cells", 1)]})
    assert made.energy == {("one", "cells"): 33, ("one", "ladder"): 42}
    assert made.by_layer({"compute"}) == {"one": 33} and made.scope == {"cells": "compute", "ladder": "chip"}
