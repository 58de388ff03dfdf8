"""The heaps: arrivals, the turns of servers, and the requests in each queue."""

from __future__ import annotations

from xbarch.sim.kernel.layout import *


def push(m: Memory, time: int, code: int) -> None:
    """Add an arrival."""
    at = m[EVENTS]
    m[EVENTS] = at + 1
    rise(m, at, time, code)


def rise(m: Memory, at: int, time: int, code: int) -> None:
    """Put an arrival at a position of the heap, or further up."""
    times, codes = m[EVENT_TIME], m[EVENT_CODE]
    while at > 0:
        up = (at - 1) >> 1
        if m[times + up] <= time:
            break
        m[times + at], m[codes + at] = m[times + up], m[codes + up]
        at = up
    m[times + at], m[codes + at] = time, code


def pop(m: Memory) -> int:
    """Remove the next arrival; returns its code. The gap sinks to the bottom, where the last arrival usually
    belongs."""
    size, times, codes = m[EVENTS] - 1, m[EVENT_TIME], m[EVENT_CODE]
    m[EVENTS] = size
    code, at, down = m[codes], 0, 1
    while down < size:  # an only child may find the last one the earlier: that is then in its place, and a copy behind
        down += m[times + down + 1] < m[times + down]
        m[times + at], m[codes + at] = m[times + down], m[codes + down]
        at, down = down, 2 * down + 1
    rise(m, at, m[times + size], m[codes + size])
    return int(code)


def call(m: Memory, server: int) -> None:
    """Give the server a turn as soon as it is free, if it has none yet."""
    if m[m[CALLED] + server]:
        return
    m[m[CALLED] + server] = 1
    time = max(m[m[FREE] + server], m[NOW])
    at, times, servers = m[TURNS], m[TURN_TIME], m[TURN_SERVER]
    m[TURNS] = at + 1
    while at > 0:
        up = (at - 1) >> 1
        if m[times + up] < time or (m[times + up] == time and m[servers + up] < server):
            break
        m[times + at], m[servers + at] = m[times + up], m[servers + up]
        at = up
    m[times + at], m[servers + at] = time, server


def turn(m: Memory) -> int:
    """The server whose turn is next."""
    size, times, servers = m[TURNS] - 1, m[TURN_TIME], m[TURN_SERVER]
    m[TURNS] = size
    server, time, last, at, down = m[servers], m[times + size], m[servers + size], 0, 1
    while down < size:
        early, low = m[times + down], m[servers + down]
        if down + 1 < size:
            other, number = m[times + down + 1], m[servers + down + 1]
            if other < early or (other == early and number < low):
                early, low, down = other, number, down + 1
        if time < early or (time == early and last < low):
            break
        m[times + at], m[servers + at] = early, low
        at, down = down, 2 * down + 1
    m[times + at], m[servers + at] = time, last
    m[m[CALLED] + server] = 0
    return int(server)


def meld(m: Memory, one: int, other: int) -> int:
    """Make the later of two requests, each the first of a queue, a child of the earlier; returns the earlier."""
    if m[m[VISIT_KEY] + other] < m[m[VISIT_KEY] + one]:
        one, other = other, one
    m[m[VISIT_NEXT] + other] = m[m[VISIT_CHILD] + one]
    m[m[VISIT_CHILD] + one] = other
    return one


def rest(m: Memory, visit: int) -> int:
    """The first of a queue's requests without its first, `visit`; -1 where none is left. Its children are melded in
    pairs, and these from the last to the first (Fredman et al., "The pairing heap", Algorithmica 1, 1986)."""
    child, pairs = m[m[VISIT_CHILD] + visit], -1
    while child >= 0:
        after = m[m[VISIT_NEXT] + child]
        one, child = child, -1
        if after >= 0:
            child = m[m[VISIT_NEXT] + after]
            one = meld(m, one, after)
        m[m[VISIT_NEXT] + one] = pairs
        pairs = one
    first = -1
    while pairs >= 0:
        before = m[m[VISIT_NEXT] + pairs]
        first = pairs if first < 0 else meld(m, first, pairs)
        pairs = before
    if first >= 0:
        m[m[VISIT_NEXT] + first] = -1
    return int(first)
