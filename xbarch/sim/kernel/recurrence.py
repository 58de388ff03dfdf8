"""Runs without arbitration: each window's times follow by arithmetic from those of the windows before it."""

from __future__ import annotations

from xbarch.sim.kernel.layout import *
from xbarch.sim.kernel.stages import value
from xbarch.sim.kernel.windows import soil


def recur(m: Memory, most: int) -> int:
    """A run in which no two stages share a server and none takes room, at most `most` windows at a time; returns OVER
    when no more windows can be issued, PAUSED, or DISORDER."""
    stop = m[FINISHED] + most
    while m[SOILED] > 0 and not m[MIXED]:
        flow = m[m[DIRTY] + m[SOILED] - 1]
        m[m[IS_DIRTY] + flow] = 0
        m[SOILED] -= 1
        first = m[m[ISSUED] + flow]
        while m[m[ISSUED] + flow] < m[m[FLOW_TOTAL] + flow] and m[FINISHED] < stop:
            time = ready(m, flow, m[m[ISSUED] + flow])
            if time < 0:
                break
            pass_through(m, flow, m[m[ISSUED] + flow], time)
        if m[m[ISSUED] + flow] > first:
            for edge in range(m[m[IN_AT] + flow], m[m[IN_AT] + flow + 1]):
                soil(m, m[m[PRODUCER] + edge])
            for i in range(m[m[OUT_AT] + flow], m[m[OUT_AT] + flow + 1]):
                soil(m, m[m[CONSUMER] + m[m[OUT] + i]])
        if m[FINISHED] >= stop:
            soil(m, flow)
            return DISORDER if m[MIXED] else PAUSED
    return DISORDER if m[MIXED] else OVER


def ready(m: Memory, flow: int, window: int) -> int:
    """When a window is issued, given that all earlier windows of its flow were; -1 while that is not known."""
    at, behind = m[m[FLOW_AT] + flow] + window, value(m, m[m[BEHIND] + flow], m[m[BEHIND_N] + flow], window)
    time = m[m[ISSUED_AT] + at - 1] if window > 0 else 0
    if window >= behind:
        time = max(time, m[m[GATED_AT] + at - behind])
    image, phase = window // m[m[FLOW_WINDOWS] + flow], window % m[m[FLOW_WINDOWS] + flow]
    for edge in range(m[m[IN_AT] + flow], m[m[IN_AT] + flow + 1]):
        producer = m[m[PRODUCER] + edge]
        need = image * m[m[FLOW_WINDOWS] + producer] + m[m[MARKS] + m[m[NEED] + edge] + phase]
        if m[m[ISSUED] + producer] < need:
            return -1
        if need > 0:
            time = max(time, m[m[DONE_BY] + m[m[FLOW_AT] + producer] + need - 1])
    for i in range(m[m[OUT_AT] + flow], m[m[OUT_AT] + flow + 1]):
        edge = m[m[OUT] + i]
        if window >= m[m[CAPACITY] + edge]:
            freed = freeing(m, edge, window + 1 - m[m[CAPACITY] + edge])
            if freed < 0:
                return -1
            time = max(time, freed)
    return int(time)


def freeing(m: Memory, edge: int, count: int) -> int:
    """When the consumer has released that many windows; -1 while that is not known. Calls come in ascending order.
    FREED: the consumer's window that was examined last."""
    consumer, producer = m[m[CONSUMER] + edge], m[m[PRODUCER] + edge]
    windows, size = m[m[FLOW_WINDOWS] + producer], m[m[FLOW_WINDOWS] + consumer]
    while m[m[FREED] + edge] < m[m[ISSUED] + consumer]:
        window = m[m[FREED] + edge]
        if window // size * windows + m[m[MARKS] + m[m[RELEASE] + edge] + window % size] >= count:
            return int(m[m[GATED_BY] + m[m[FLOW_AT] + consumer] + window])
        m[m[FREED] + edge] += 1
    return -1


def pass_through(m: Memory, flow: int, window: int, time: int) -> None:
    """Take a window through the stages of its copy, from its issue on. READY: when each stage is requested."""
    copy = m[m[FLOW_COPY] + flow] + value(m, m[m[ENTRY] + flow], m[m[ENTRY_N] + flow], window)
    first, stop, asked = m[m[COPY_FIRST] + copy], m[m[COPY_FIRST] + copy + 1], m[READY] - m[m[COPY_FIRST] + copy]
    for stage in range(first, stop):
        m[asked + stage] = time
    done = left = time
    for stage in range(first, stop):
        start, server = m[asked + stage], m[m[SERVER] + stage]
        if server >= 0:
            if start < m[m[ASKED] + stage]:
                m[MIXED] = 1
            m[m[ASKED] + stage] = start
            if start < m[m[FREE] + server]:
                m[m[WAITED] + stage] += m[m[FREE] + server] - start
                start = m[m[FREE] + server]
        over = start + value(m, m[m[HELD] + stage], m[m[HELD_N] + stage], window)
        out = start + value(m, m[m[DELAY] + stage], m[m[DELAY_N] + stage], window)
        if server >= 0:
            m[m[BUSY] + stage] += over - start
            m[m[SERVED] + server] += 1
            m[m[FREE] + server] = over
        m[m[EXECUTED] + stage] += 1
        if m[m[GATE] + stage]:
            left = max(left, over)
        done = max(done, out)
        for i in range(m[m[NEXT_AT] + stage], m[m[NEXT_AT] + stage + 1]):
            m[asked + m[m[NEXT] + i]] = max(m[asked + m[m[NEXT] + i]], out)
    record(m, flow, window, time, left, done)


def record(m: Memory, flow: int, window: int, issued: int, left: int, done: int) -> None:
    """Record a window's times."""
    at = m[m[FLOW_AT] + flow] + window
    m[m[ISSUED] + flow] = window + 1
    m[FINISHED] += 1
    m[m[ISSUED_AT] + at], m[m[GATED_AT] + at], m[m[DONE_AT] + at] = issued, left, done
    m[m[GATED_BY] + at] = max(left, m[m[GATED_BY] + at - 1]) if window > 0 else left
    m[m[DONE_BY] + at] = max(done, m[m[DONE_BY] + at - 1]) if window > 0 else done
    m[LAST] = max(m[LAST], left, done)
