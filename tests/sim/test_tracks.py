"""The trace for Perfetto, read back as a viewer reads it: slices nest on a track, counters hold until they change."""

import csv
import gzip
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest
from simoracles import graphs, shared

from xbarch.errors import StuckError
from xbarch.result.counters import Levels, levels
from xbarch.result.tracks import Tracks
from xbarch.run import execute
from xbarch.sim import engine

pb = pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2")


def read(content):
    """Names of tracks, slices [(track, name, start, end)], counters {track: [(when, value)]}, flows {id: [starts,
    ends]}."""
    trace = pb.Trace.FromString(content)
    names, slices, counters, flows = {}, [], defaultdict(list), defaultdict(lambda: ([], []))
    parents, under_way = {}, defaultdict(list)
    events = []
    for packet in trace.packet:
        if packet.HasField("track_descriptor"):
            track = packet.track_descriptor
            assert track.uuid not in names and (not track.parent_uuid or track.parent_uuid in names)
            names[track.uuid], parents[track.uuid] = track.name, track.parent_uuid
        else:
            assert packet.track_event.track_uuid in names
            events.append(packet)
    for packet in sorted(events, key=lambda packet: packet.timestamp):  # a stable sort, as the viewer's
        event, when = packet.track_event, packet.timestamp
        if event.type == event.TYPE_SLICE_BEGIN:
            assert not under_way[event.track_uuid], "slices of a unit may not overlap"
            under_way[event.track_uuid].append((event.name, when))
            for identifier in event.flow_ids:
                flows[identifier][0].append(when)
            for identifier in event.terminating_flow_ids:
                flows[identifier][1].append(when)
        elif event.type == event.TYPE_SLICE_END:
            name, start = under_way[event.track_uuid].pop()
            slices.append((names[event.track_uuid], name, start, when))
        else:
            counters[names[event.track_uuid]].append((when, event.counter_value))
    assert not any(under_way.values())
    return names, parents, slices, counters, flows


@pytest.mark.quick(1)
@pytest.mark.parametrize(("workload", "engine"), [("vgg7_pruned", "fast"), ("vgg7_pruned", "simpy"),
                                                  ("resnet18_pruned", "fast")])
def test_slices_are_the_visits_of_the_table(tmp_path, workload, engine):
    table, trace = tmp_path / "a.csv", tmp_path / "a.perfetto-trace"
    for path in (table, trace):
        run = execute("isaac_like", workload, images=2, engine=engine, trace=path)
    names, parents, slices, counters, flows = read(trace.read_bytes())
    visits = Counter((server, f"{layer} {stage}, image {image}, window {window}", int(granted), int(over))
                     for layer, _, stage, server, image, window, _, granted, over, _
                     in list(csv.reader(table.open()))[1:] if server)
    assert Counter((track, name.split(", waited")[0], *times) for track, name, *times in slices) == visits
    held = Counter()
    for track, _, start, end in slices:
        held[track] += end - start
    assert [held[server.name] for server in run.graph.servers] == run.trace.busy.tolist()
    waited = Counter()
    for name, moves in counters.items():
        times, values = np.array(moves).T
        assert values.min() >= 0 and values[-1] == 0
        if name.endswith(" waiting"):
            waited[name.removesuffix(" waiting")] = int((values[:-1] * np.diff(times)).sum())
        else:
            assert values.max() <= int(name.rsplit(" ", 1)[1])  # never more than a buffer or a queue holds
    assert [waited[server.name] for server in run.graph.servers] == run.trace.waited.tolist()
    for starts, ends in flows.values():
        assert len(starts) == len(ends) == 1
    edges = sum(int((edge.need > 0).sum()) for flow in run.graph.flows for edge in flow.inputs)
    assert len(flows) == edges * run.graph.images
    assert {names[parents[parents[key]]].split(" (")[0] for key, name in names.items()
            if name.startswith("crossbar@") and not name.endswith(" waiting")} <= {f"tile {n}" for n in range(100)}


@pytest.mark.quick(1)
@pytest.mark.parametrize("start", range(0, 400, 40))
def test_buffers_and_queues_of_random_graphs(start):
    """What buffers and pools hold is never more than fits and nothing in the end; requests wait as long as the engine
    says."""
    full = 0
    for graph in graphs(shared, 40, start, deals=True, most=2):
        kept = Levels(graph)
        try:
            trace = engine.run(graph, sink=kept.rows)
        except StuckError:
            continue
        waited = dict.fromkeys((server.name for server in graph.servers), 0)
        for name, _, moves in kept.counters():
            if name.endswith(" waiting"):
                waited[name.removesuffix(" waiting")] += int((moves[:-1, 1] * np.diff(moves[:, 0])).sum())
            elif len(moves):
                most = int(name.rsplit(" ", 1)[1])
                assert moves[:, 1].min() >= 0 and moves[-1, 1] == 0 and moves[:, 1].max() <= most
                full += moves[:, 1].max() == most
        assert list(waited.values()) == trace.waited.tolist()
    assert full  # some buffer or queue was full


def test_levels():
    assert levels(np.array([0, 5, 5]), np.array([5, 9, 7])).tolist() == [[0, 1], [5, 2], [7, 1], [9, 0]]
    assert levels(np.array([1, 2]), np.array([2, 3]), np.array([4, 4]), np.array([4, 4])).tolist() == [[1, 4], [3, 0]]


def test_the_same_bytes_again_compressed_too(tmp_path, call):
    files = [tmp_path / name for name in ("a.perfetto-trace", "b.perfetto-trace", "c.perfetto-trace.gz")]
    for file in files:
        code, out, err = call("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--images", 1, "--trace", file)
        assert code == 0 and f"written: {file}" in out, err
    first, second, third = (file.read_bytes() for file in files)
    assert first == second == gzip.decompress(third)


@pytest.mark.parametrize("seed", range(5))
def test_units_that_serve_several_tokens_at_once(tmp_path, seed):
    """Visits that overlap get tracks beside one another, as few as they need."""
    def crowd(env, queue):
        while True:
            visit = yield queue.get()
            visit.deliver(visit.latency)
            env.process(leave(env, visit))

    def leave(env, visit):
        yield env.timeout(visit.occupancy)
        visit.over()

    graph = next(graphs(shared, 1, seed))
    graph = replace(graph, servers=tuple(replace(server, process=crowd) for server in graph.servers))
    found = []
    with (tmp_path / "trace").open("wb") as file:
        tracks = Tracks(file, graph, {flow.name: flow.windows for flow in graph.flows})
        engine.run(graph, sink=lambda some: [found.extend(some.tolist()), tracks.rows(some)])
        tracks.finish()
    names, _, slices, _, _ = read((tmp_path / "trace").read_bytes())
    server = graph.columns.server
    expected = Counter((graph.servers[server[row[0]]].name, row[3], row[4]) for row in found if server[row[0]] >= 0)
    assert Counter((track, start, end) for track, _, start, end in slices) == expected
    for number, one in enumerate(graph.servers):
        spans = [(row[3], row[4]) for row in found if server[row[0]] == number]
        others = [sum(a <= start < b for n, (a, b) in enumerate(spans) if n != mine)
                  for mine, (start, _) in enumerate(spans)]
        assert 1 <= list(names.values()).count(one.name) <= 1 + max(others, default=0)
