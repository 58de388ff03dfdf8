"""Turns of servers: which of the waiting requests is granted."""

from __future__ import annotations

from xbarch.sim.kernel.heaps import call, rest
from xbarch.sim.kernel.layout import *
from xbarch.sim.kernel.stages import grant, settle


def serve(m: Memory, server: int) -> None:
    """A server's turn: grant the first of the waiting requests that has room."""
    queue = choose(m, server)
    if queue < 0:
        return
    visit = m[m[HEAD] + queue]
    m[m[HEAD] + queue] = rest(m, visit)
    stage = m[m[VISIT_STAGE] + visit]
    for i in range(m[m[ROOM_AT] + stage], m[m[ROOM_AT] + stage + 1]):
        pool = m[m[ROOM_POOL] + i]
        m[m[ROOM] + pool] -= m[m[ROOM_AMOUNT] + i]
        m[m[TAKEN] + pool] += m[m[ROOM_AMOUNT] + i]
        m[m[PEAK] + pool] = max(m[m[PEAK] + pool], m[m[TAKEN] + pool] - m[m[GIVEN] + pool])
    grant(m, visit, server, m[NOW])
    settle(m)
    for other in range(m[m[QUEUE_AT] + server], m[m[QUEUE_AT] + server + 1]):
        if m[m[HEAD] + other] >= 0:
            call(m, server)
            break


def choose(m: Memory, server: int) -> int:
    """The queue whose first request is granted; -1 where all wait for room. Returned room then calls the server."""
    first, stop = m[m[QUEUE_AT] + server], m[m[QUEUE_AT] + server + 1]
    if stop == first + 1:
        return first if m[m[HEAD] + first] >= 0 and roomy(m, server, first) else -1
    tried = -1
    while True:
        queue = following(m, first, stop, tried)
        if queue < 0:
            return -1
        if roomy(m, server, queue) and not claimed(m, first, stop, queue):
            return queue
        tried = queue


def following(m: Memory, first: int, stop: int, tried: int) -> int:
    """Of the queues [first, stop), the one whose first request comes next after that of `tried` (-1: the earliest)."""
    found = -1
    for queue in range(first, stop):
        if m[m[HEAD] + queue] >= 0 and queue != tried and (tried < 0 or sooner(m, tried, queue)) and (
                found < 0 or sooner(m, queue, found)):
            found = queue
    return found


def sooner(m: Memory, queue: int, other: int) -> bool:
    """Whether the first request of a queue comes before that of another."""
    return bool(m[m[VISIT_KEY] + m[m[HEAD] + queue]] < m[m[VISIT_KEY] + m[m[HEAD] + other]])


def roomy(m: Memory, server: int, queue: int) -> bool:
    """Whether the first request of the queue finds room; if not, the server is called when room is given back."""
    stage, enough = m[m[VISIT_STAGE] + m[m[HEAD] + queue]], True
    for i in range(m[m[ROOM_AT] + stage], m[m[ROOM_AT] + stage + 1]):
        pool = m[m[ROOM_POOL] + i]
        if m[m[ROOM] + pool] < m[m[ROOM_AMOUNT] + i]:
            enough = False
            for k in range(m[m[TAKER_AT] + pool], m[m[TAKER_AT] + pool + 1]):
                if m[m[TAKER] + k] == server:
                    m[m[LACKS] + k] = 1
    return enough


def claimed(m: Memory, first: int, stop: int, queue: int) -> bool:
    """Whether an earlier request of the server waits for a pool that the first of this queue takes from."""
    stage = m[m[VISIT_STAGE] + m[m[HEAD] + queue]]
    for other in range(first, stop):
        if m[m[HEAD] + other] >= 0 and other != queue and sooner(m, other, queue):
            waits = m[m[VISIT_STAGE] + m[m[HEAD] + other]]
            for i in range(m[m[ROOM_AT] + waits], m[m[ROOM_AT] + waits + 1]):
                for k in range(m[m[ROOM_AT] + stage], m[m[ROOM_AT] + stage + 1]):
                    if m[m[ROOM_POOL] + i] == m[m[ROOM_POOL] + k]:
                        return True
    return False
