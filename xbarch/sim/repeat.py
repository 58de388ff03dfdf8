"""Shortens the simulation of long runs: a state that occurs again is followed by the same steps again.

An engine's next step depends only on its state. So where everything in the memory that the engine will still read is
the same as some images ago (with times counted from now, windows from the current image), all later images repeat those
in between, shifted in time. The run is then moved ahead by as many whole periods as end before a flow runs out of
windows to issue, and goes on from there; times and counts are those of the whole run.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.sim.graph import StageGraph
from xbarch.sim.kernel import layout as k

Ints = NDArray[np.int64]

FEWEST = 8  # fewest images of a run that is watched: shorter runs end before they repeat
LONGEST = 32  # longest period that is looked for, in images
_COUNTS = ("EXECUTED", "BUSY", "SERVED", "WAITED", "TAKEN", "GIVEN")  # counters, which only grow
_TIMES = ("FREE", "ASKED", "EVENT_TIME", "TURN_TIME", "TOKEN_GATED", "TOKEN_END", "VISIT_TIME", "VISIT_END")


@dataclass(frozen=True)
class Mark:
    """The run when an image was done. done: windows of each flow, counted in order."""

    image: int
    now: int
    done: Ints
    issued: Ints
    counts: dict[str, Ints]


class Repetition:
    """Looks at the memory of a run whenever another image has left its last flow. skips: whether it puts the run ahead.
    found: the two states that were the same."""

    def __init__(self, graph: StageGraph, memory: Any, skips: bool = True) -> None:
        self.skips = skips
        self.found: tuple[Mark, Mark] | None = None
        self.graph, self.image, self.known = graph, 0, dict[tuple[int, bytes], Mark]()
        self.windows = np.array([flow.windows for flow in graph.flows], np.int64)
        c = graph.columns
        sizes = np.array([times.size if isinstance(times, np.ndarray) else 1 for times in c.times])
        images = sizes[[c.occupancy, c.latency]] // self.windows[c.flow[c.copy]]  # 0 where all windows have one time
        self.period = lcm(*set(np.maximum(images, 1).ravel().tolist()))
        self.next(memory)

    def next(self, memory: Any) -> None:
        """Stop again when the next image is done, if a repetition may still be found."""
        self.image += 1
        memory[k.WATCHED] = len(self.windows) - 1
        worth = self.period <= LONGEST and len(self.known) <= 3 * LONGEST
        memory[k.MARK] = self.image * int(self.windows[-1]) if worth else 0

    def look(self, memory: Any) -> Any:
        """The memory at a mark, moved ahead if its state has occurred before."""
        plain = isinstance(memory, list)
        memory = np.array(memory) if plain else memory
        self._look(memory)
        self.next(memory)
        return memory.tolist() if plain else memory

    def _look(self, memory: Ints) -> None:
        view = _View(memory, self.graph, self.windows, self.image)
        state = self.image % self.period, view.state()
        before = self.known.get(state)
        here = Mark(self.image, int(memory[k.NOW]), view["DONE"].copy(), view["ISSUED"].copy(),
                    {name: view[name].copy() for name in _COUNTS})
        if before is not None:
            self.found = before, here
        if before is not None and self.skips:
            self.image += view.ahead(before, here) * (here.image - before.image)
            self.period = LONGEST + 1  # what is left is less than a period
        else:
            self.known.setdefault(state, here)


class _View:
    """The sections of a memory by name, as seen from the start of an image."""

    def __init__(self, memory: Ints, graph: StageGraph, windows: Ints, image: int) -> None:
        self.memory, self.graph, self.windows, self.image = memory, graph, windows, image
        self.now = int(memory[k.NOW])
        self.first = image * windows  # window of each flow from which others are counted
        copies = np.array([len(flow.copies) for flow in graph.flows])
        self.flow = np.repeat(np.arange(len(windows)), copies)  # of each copy
        sizes = np.diff(self["COPY_FIRST"])
        self.stage_flow = np.repeat(self.flow, sizes)
        self.reads = np.array([bool(flow.inputs) for flow in graph.flows])
        self.token, self.low = self._live()

    def __getitem__(self, name: str) -> Ints:
        found: Ints = self.memory[k.section(self.memory, name)]
        return found

    def state(self) -> bytes:
        """Digest of everything that later steps depend on, in canonical order."""
        digest = sha256()
        for part in (*self._flows(), *self._waiting(), self._queued(), *self._tokens()):
            digest.update(np.int64(part.size).tobytes())
            digest.update(np.ascontiguousarray(part, np.int64).tobytes())
        return digest.digest()

    def _left(self, times: Ints) -> Ints:
        """Times counted from now; times in the past count as now."""
        return np.maximum(times - self.now, 0)

    def _flows(self) -> list[Ints]:
        """Flows and which of their copies is next, edges, pools, servers, and the marks of windows from the first one
        that is still under way."""
        done, gated, issued = (self[name] - self.first for name in ("DONE", "GATED", "ISSUED"))
        at, state = self["FLOW_AT"], self["STATE"]
        marks = [state[a + low:a + high] for a, low, high in zip(at, self.low, self["ISSUED"], strict=False)]
        over = np.append(self["FREE"], 0)[self["SERVER"]]  # when the last request of a stage granted ahead is over
        late = (self["AHEAD"] > 0) & (np.maximum(self["ASKED"], over) >= self.now)
        return [self.first % self["ENTRY_N"], done, gated[self.reads], issued, self.low - self.first, *marks,
                self["FREED"] - self.first[self["PRODUCER"]], self["ROOM"], self["LACKS"], self["CALLED"],
                self._left(self["FREE"]), late, self._left(self["ASKED"]),
                np.where(late, self["ASKED_WINDOW"] - self.first[self.stage_flow], 0)]

    def _waiting(self) -> list[Ints]:
        """The entries of the two heaps, sorted; but for requests, which follow from the tokens."""
        size = self.memory[k.EVENTS]
        asked = self["EVENT_CODE"][:size] & 3 == k.ASK
        code, time = self["EVENT_CODE"][:size][~asked], self["EVENT_TIME"][:size][~asked]
        kind, what = code & 3, code >> 2
        token = np.where(kind == k.BACK, 0, what)
        place = np.where(kind == k.BACK, what, self["TOKEN_COPY"][token])
        window = np.where(kind == k.BACK, 0, self._window(token))
        turns = self.memory[k.TURNS]
        return [_ordered(time - self.now, kind, place, window),
                _ordered(self._left(self["TURN_TIME"][:turns]), self["TURN_SERVER"][:turns])]

    def _window(self, token: Ints) -> Ints:
        """Windows of tokens, counted from the image."""
        return self["TOKEN_WINDOW"][token] - self.first[self.flow[self["TOKEN_COPY"][token]]]

    def _queued(self) -> Ints:
        """Which visits wait in each queue, and since when, in the order of their keys."""
        child, after = self["VISIT_CHILD"], self["VISIT_NEXT"]
        found = [visit for visit in self["HEAD"].tolist() if visit >= 0]
        for visit in found:  # grows as it goes
            found += [other for other in (int(child[visit]), int(after[visit])) if other >= 0]
        visits = np.array(found, np.int64)
        return _ordered(self["VISIT_STAGE"][visits], self._window(self["VISIT_TOKEN"][visits]),
                        self["VISIT_TIME"][visits] - self.now)

    def _live(self) -> tuple[Ints, Ints]:
        """Tokens that are under way, and the first such window of every flow."""
        token = np.arange(self.memory[k.TOKENS])
        flow = self.flow[self["TOKEN_COPY"][token]]
        marks = self["STATE"][self["FLOW_AT"][flow] + self["TOKEN_WINDOW"][token]]
        live = (marks & (k.IS_DONE | k.IS_OPEN)) != k.IS_DONE
        low = self["DONE"].copy()
        np.minimum.at(low, flow[live], self["TOKEN_WINDOW"][token[live]])
        return token[live], low

    def _tokens(self) -> list[Ints]:
        """Tokens that are under way, and what their stages still wait for, results or the time of their request."""
        token = self.token
        left, gates = self["TOKEN_LEFT"][token], self["TOKEN_GATES"][token]
        rows = _ordered(self["TOKEN_COPY"][token], self._window(token), left, gates,
                        np.where(gates > 0, self._left(self["TOKEN_GATED"][token]), 0),
                        np.where(left > 0, self._left(self["TOKEN_END"][token]), 0))
        alive = np.zeros(self.memory[k.TOKENS] + 1, bool)
        alive[token] = True
        visit = np.flatnonzero(alive[self["VISIT_TOKEN"][:self.memory[k.VISITS]]])
        waits, opened = self["VISIT_WAITS"][visit], self["VISIT_OPEN"][visit]
        some = (waits >= 0) | (opened > 0)
        visit, waits, opened = visit[some], waits[some], opened[some]
        return [rows, _ordered(self["VISIT_STAGE"][visit], self._window(self["VISIT_TOKEN"][visit]), waits, opened,
                               np.where(waits >= 0, self._left(self["VISIT_TIME"][visit]), 0),
                               np.where(opened > 0, self._left(self["VISIT_END"][visit]), 0))]

    def ahead(self, before: Mark, here: Mark) -> int:
        """Put the run as many periods ahead as it has windows for; how many."""
        images, span = here.image - before.image, here.now - before.now
        totals = self["FLOW_TOTAL"]
        times = int(((totals - here.issued) // (images * self.windows)).min())
        if times <= 0:
            return 0
        jump = times * images * self.windows
        for flow, at in enumerate(self["FLOW_AT"][:-1].tolist()):
            self._flow(flow, at, before, here, times, span)
        for name in ("DONE", "GATED", "ISSUED"):
            self[name][:] += jump
        self["FREED"][:] += jump[self["PRODUCER"]]
        self["ASKED_WINDOW"][:] += jump[self.stage_flow]
        token = np.arange(self.memory[k.TOKENS])
        self["TOKEN_WINDOW"][token] += jump[self.flow[self["TOKEN_COPY"][token]]]
        rank = times * images * int(self.memory[k.SPAN])
        self["TOKEN_RANK"][:] += rank
        self["VISIT_KEY"][:] += rank * len(self["SERVER"])
        for name in _TIMES:
            self[name][:] += times * span
        for name in _COUNTS:
            self[name][:] += times * (here.counts[name] - before.counts[name])
        self.memory[[k.NOW, k.LAST]] += times * span
        self.memory[k.FINISHED] += jump.sum()
        return times

    def _flow(self, flow: int, at: int, before: Mark, here: Mark, times: int, span: int) -> None:
        """A flow's times of the windows between, and marks of those that are not through."""
        low, high = int(self.low[flow]), int(here.issued[flow])
        step = high - int(before.issued[flow])
        jump, state = times * step, self["STATE"][at:]
        marks = state[low:high].copy()
        state[low:low + jump] = k.IS_DONE | k.IS_GATED
        state[low + jump:high + jump] = marks
        known = (marks & k.IS_DONE) > 0  # some windows are done before others that were issued first
        _filled(self["ISSUED_AT"][at:], high, high + jump, step, span, known[:0])
        done = int(here.done[flow])
        _filled(self["DONE_AT"][at:], done, high + jump, step, span, known[done - low:])


def _filled(values: Ints, start: int, stop: int, step: int, span: int, known: NDArray[np.bool_]) -> None:
    """Fill values from `start` on with those `step` entries earlier plus `span`, except where they are known."""
    for at in range(start, stop, step):
        end = min(at + step, stop)
        later, mine = values[at - step:end - step] + span, known[at - start:end - start]
        later[:len(mine)] = np.where(mine, values[at:at + len(mine)], later[:len(mine)])
        values[at:end] = later


def _ordered(*columns: Any) -> Ints:
    """Rows of these columns, sorted."""
    rows: Ints = np.stack([np.asarray(column, np.int64) for column in columns], axis=1)
    return rows[np.lexsort(rows.T[::-1])]
