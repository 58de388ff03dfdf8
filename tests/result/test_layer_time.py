"""Where the time of layers goes: over all layers what servers counted, and beside it what the pages say."""

import pytest

import xbarch
from xbarch.request import Request
from xbarch.result.layer_time import layer_times, longest_wait, time_shares
from xbarch.run import perform, prepare


@pytest.fixture(scope="module", params=["simpy", "fast"])
def run(request):
    return perform(prepare(Request(arch="isaac_like", workload="vgg7_pruned", images=2, engine=request.param)))


def test_layers_together_are_the_servers(run):
    found = layer_times(run.graph, run.trace)
    for what, by_server in (("held_ps", run.trace.busy), ("waited_ps", run.trace.waited)):
        kinds = {}
        for server, ps in zip(run.graph.servers, by_server.tolist(), strict=True):
            kinds[server.kind] = kinds.get(server.kind, 0) + ps
        told = {kind: sum(getattr(layer, what).get(kind, 0) for layer in found) for kind in kinds}
        assert all(0 <= ps / 2 - told[kind] < len(found) for kind, ps in kinds.items())  # rounded down by layer
    assert {layer.name for layer in found} == {flow.part_of or flow.name for flow in run.graph.flows}


def test_the_wait_for_inputs_by_window(run):
    """Against a loop over windows: from when the copy's earlier window is done until the last input is."""
    waits = {}
    for flow, done in zip(run.graph.flows, run.trace.done, strict=True):
        taken, total = {}, 0
        for number in range(len(done)):
            image, window = divmod(number, flow.windows)
            copy = flow.deal.copy[flow.deal.entry[window]] if flow.deal else number % len(flow.copies)
            own = taken.setdefault(copy, [])
            free = int(done[own[-flow.ahead]]) if len(own) >= flow.ahead else 0
            ready = [int(run.trace.done[e.producer][:image * run.graph.flows[e.producer].windows + e.need[window]].max(
                initial=0)) for e in flow.inputs]
            total += max(0, max(ready, default=0) - free)
            own.append(number)
        name = flow.part_of or flow.name
        waits[name] = waits.get(name, 0) + total // run.graph.images
    assert {layer.name: layer.inputs_ps for layer in layer_times(run.graph, run.trace)} == waits
    assert waits["input"] == 0 < min(wait for name, wait in waits.items() if name != "input")


def test_a_layer_holds_its_crossbars_as_its_busy_share_says():
    result = xbarch.simulate("isaac_like", "vgg7_pruned", images=4)
    interval = result.latency.pipeline_interval_ps
    for layer in result.mapping.layers:
        if not layer.crossbars:
            continue
        time = next(found for found in result.layer_time if found.name == layer.name)
        # Each part of a copy is a server; all hold their crossbars as long as the slowest.
        assert time.held_ps["crossbar"] >= 0.99 * layer.busy * interval * layer.copies
        shares = time_shares(result.record, layer.name)
        assert sum(shares) == pytest.approx(100)
        waited = longest_wait(result.record, layer.name)
        assert time.waited_ps[waited] == max(time.waited_ps.values()) if waited else not any(time.waited_ps.values())


def test_records_of_before_have_none(tmp_path):
    result = xbarch.simulate("isaac_like", "vgg7_pruned", images=2)
    old = result.record.model_copy(update={"layer_time": []})
    assert time_shares(old, "input") == (0, 0, 0) and longest_wait(old, "input") == ""
