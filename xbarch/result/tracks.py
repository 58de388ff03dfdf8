"""Every visit of a token to a stage as a Perfetto trace: tracks that a viewer such as ui.perfetto.dev shows.

A track per unit, grouped by tile and kind, with a slice from the grant of each visit until the unit is free again;
counters of the requests that wait at each unit, of what each buffer and each queue holds; a flow from the last window
that a window needed to that window. A viewer counts in nanoseconds, a run in picoseconds: 1 ns shown is 1 ps, as the
name of each group says.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarch.result.counters import Levels
from xbarch.sim.graph import StageGraph
from xbarch.support.extras import needs

Rows = NDArray[np.int64]
_SEQUENCE = 1
_TILE = re.compile(r"(?:^|\.)tile(\d+)(?:\.|$)")
_AFTER_TILES = 1 << 24


class Tracks:
    """Writes visits as they come; `finish` writes the counters, whose values depend on the visits of all units."""

    def __init__(self, file: BinaryIO, graph: StageGraph, windows: dict[str, int]) -> None:
        """windows: of each flow per image.

        Raises:
            MissingExtraError: the package perfetto is not installed.
        """
        with needs("trace", "a trace for Perfetto"):
            from perfetto.protos.perfetto.trace import perfetto_trace_pb2
        self.messages: Any = perfetto_trace_pb2
        self.file, self.graph, self.columns = file, graph, graph.columns
        self.levels = Levels(graph)
        self.per = [windows[flow.name] for flow in graph.flows]
        self.flow = self.columns.flow[self.columns.copy]
        self.names = [f"{flow.name} {stage.name.removeprefix(f'{flow.name}/')}"
                      for flow in graph.flows for copy in flow.copies for stage in copy]
        self.arrows = _Arrows(graph)
        self.late: list[list[int]] = []  # visits of units that serve several tokens at once
        self.tracks: dict[tuple[object, ...], int] = {}
        self.unit = [self._unit(server.name, server.kind) for server in graph.servers]

    def rows(self, rows: Rows) -> None:
        """Write visits, in the order of the grants of each unit: int64 [n, 6], see `xbarch.sim.graph.Sink`."""
        self.levels.rows(rows)
        server = self.columns.server[rows[:, 0]]
        many = np.isin(server, self.graph.processes)
        self.late += rows[many].tolist()
        self._slices(rows[(server >= 0) & ~many].tolist(), self.unit)

    def finish(self) -> None:
        """Write what is known only at the end."""
        lanes: dict[int, list[int]] = defaultdict(list)
        for row in sorted(self.late, key=lambda row: (row[3], row[0], row[1])):
            server = int(self.columns.server[row[0]])
            ends = lanes[server]
            lane = next((n for n, end in enumerate(ends) if end <= row[3]), len(ends))
            ends[lane:lane + 1] = [row[4]]
            unit = self.graph.servers[server]
            self._slices([row], {server: self._unit(unit.name, unit.kind, lane)})
        for name, place, levels in self.levels.counters():
            self._counter(name, place, levels)

    def _slices(self, rows: list[list[int]], unit: Any) -> None:
        trace = self.messages.Trace()
        add, server, flows = trace.packet.add, self.columns.server.tolist(), self.flow.tolist()
        begin, end = self.messages.TrackEvent.TYPE_SLICE_BEGIN, self.messages.TrackEvent.TYPE_SLICE_END
        for stage, token, asked, granted, over, _ in rows:
            packet, flow = add(), flows[stage]
            track = unit[server[stage]]
            packet.timestamp, packet.trusted_packet_sequence_id = granted, _SEQUENCE
            event = packet.track_event
            event.type, event.track_uuid = begin, track
            image, window = divmod(token, self.per[flow])
            event.name = f"{self.names[stage]}, image {image}, window {window}" + (
                f", waited {granted - asked:,} ps" if granted > asked else "")
            if starts := self.arrows.out(stage, token):
                event.flow_ids.extend(starts)
            if ends := self.arrows.into(stage, token):
                event.terminating_flow_ids.extend(ends)
            packet = add()
            packet.timestamp, packet.trusted_packet_sequence_id = over, _SEQUENCE
            event = packet.track_event
            event.type, event.track_uuid = end, track
        self.file.write(trace.SerializeToString(deterministic=True))

    def _counter(self, name: str, place: str, levels: Rows) -> None:
        """levels: int64 [n, 2], from when on (ps) a counter has which value."""
        trace = self.messages.Trace()
        track = self._track((place, name), name, self._group(place), counter=True)
        for when, level in levels.tolist():
            packet = trace.packet.add()
            packet.timestamp, packet.trusted_packet_sequence_id = when, _SEQUENCE
            packet.track_event.type = self.messages.TrackEvent.TYPE_COUNTER
            packet.track_event.track_uuid, packet.track_event.counter_value = track, level
        self.file.write(trace.SerializeToString(deterministic=True))

    def _unit(self, name: str, kind: str, lane: int = 0) -> int:
        group = self._group(name.split("@", 1)[-1])
        return self._track((name, lane), name, self._track((group, kind), kind or "units", group))

    def _group(self, place: str) -> int:
        """The track of the tile, the chip or the network that a place belongs to."""
        tile = _TILE.search(place)
        name = f"tile {tile[1]}" if tile else "network" if "-" in place else place
        return self._track((name,), f"{name} (1 ns shown is 1 ps)", rank=int(tile[1]) if tile else None)

    def _track(self, key: tuple[object, ...], name: str, parent: int = 0, rank: int | None = None,
               counter: bool = False) -> int:
        """A track's number; it is described when it is first asked for. rank: among its siblings, None: the last."""
        if key not in self.tracks:
            self.tracks[key] = len(self.tracks) + 1
            trace = self.messages.Trace()
            packet = trace.packet.add()
            packet.trusted_packet_sequence_id = _SEQUENCE
            track = packet.track_descriptor
            track.uuid, track.name = self.tracks[key], name
            track.sibling_order_rank = _AFTER_TILES + len(self.tracks) if rank is None else rank
            track.child_ordering = self.messages.TrackDescriptor.EXPLICIT
            if parent:
                track.parent_uuid = parent
            if counter:
                track.counter.SetInParent()
            self.file.write(trace.SerializeToString(deterministic=True))
        return self.tracks[key]


class _Arrows:
    """Which flow identifiers leave and enter the visits of a token: one for each window and each of its inputs, from
    the last stage of the last window that it needed there to its own first stage."""

    def __init__(self, graph: StageGraph) -> None:
        self.entries: dict[int, list[_Arrow]] = defaultdict(list)
        self.exits: dict[int, list[_Arrow]] = defaultdict(list)
        first, last = _ends(graph)
        flow_of = graph.columns.flow
        start = 1
        for number, flow in enumerate(graph.flows):
            for edge in flow.inputs:
                arrow = _Arrow(start, edge.need, flow.windows, graph.flows[edge.producer].windows)
                start += flow.windows * graph.images
                for stage in first[flow_of == number].tolist():
                    self.entries[stage].append(arrow)
                for stage in last[flow_of == edge.producer].tolist():
                    self.exits[stage].append(arrow)

    def into(self, stage: int, token: int) -> list[int]:
        """Identifiers that end at a token's visit to a stage."""
        if stage not in self.entries:
            return []
        return [arrow.start + token for arrow in self.entries[stage] if arrow.need[token % arrow.windows]]

    def out(self, stage: int, token: int) -> list[int]:
        """Identifiers that begin at a token's visit to a stage."""
        return [found for arrow in self.exits.get(stage, ()) for found in arrow.waiting(token)]


class _Arrow(NamedTuple):
    """An edge. start: identifier of its first window. windows, produced: of consumer and producer, per image."""

    start: int
    need: Rows
    windows: int
    produced: int

    def waiting(self, token: int) -> range:
        """Of the windows of the consumer, those that wait last for this token of the producer."""
        image, window = divmod(token, self.produced)
        low, high = np.searchsorted(self.need, (window + 1, window + 2)).tolist()
        start = self.start + image * self.windows
        return range(start + low, start + high)


def _ends(graph: StageGraph) -> tuple[Rows, Rows]:
    """The first and the last stage with a server of each copy, -1 where it has none."""
    first, last = [], []
    for begin, end in zip(graph.columns.first[:-1].tolist(), graph.columns.first[1:].tolist(), strict=True):
        served = begin + np.flatnonzero(graph.columns.server[begin:end] >= 0)
        first.append(served[0] if len(served) else -1)
        last.append(served[-1] if len(served) else -1)
    return np.array(first, np.int64), np.array(last, np.int64)
