"""Where everything lies in the kernel's memory.

The memory holds the scalars (`EVENTS` and on), where each section starts, how long each is, and the sections. So m[NOW]
is the time, and m[m[HELD] + g] is entry g of the section HELD.

X_AT marks lists of lists: entries X_AT[i] to X_AT[i + 1] of X belong to i. Stages are numbered through flows, copies
and stages; the number is their port. A stage's times are the HELD_N[g] entries of VALUES from HELD[g] on, which
windows take in turn.
"""

from __future__ import annotations

from typing import Any

Memory = Any  # list[int], or an array of int64

ASK, LEAVE, FINISH, BACK = range(4)  # what an arrival is: requests, the end of a token's gates, of the token, of room
ASKED_FOR = -1  # as VISIT_WAITS: the stage was requested
OVER, PAUSED, FULL, DISORDER, MARKED = range(5)  # why the loop stopped

# WIDEST: the most arrivals that the stages of one token cause. PENDING: visits to grant ahead of time. MIXED: requests
# came out of order. WATCHED: a flow; MARK: how many of its windows are done when the loop must stop (`MARKED`).
# LOGGED: visits in LOG. FREELY: whether nothing is arbitrated. SPAN: most windows that an image has in a flow.
(EVENTS, TURNS, TOKENS, VISITS, SOILED, FINISHED, LAST, NOW, WIDEST, PENDING, MIXED, WATCHED, MARK, LOGGED,
 FREELY, SPAN) = range(16)
SCALARS = 16

SECTIONS = (
    # of stages. BEFORE: how many it waits for. NEXT: those that wait for it. KEEPS: those before it whose room it
    # keeps. AHEAD: whether it is granted ahead of time; then ASKED, ASKED_WINDOW: time and window of its last request
    "SERVER", "QUEUE", "HELD", "HELD_N", "DELAY", "DELAY_N", "GATE", "BEFORE", "NEXT_AT", "NEXT", "ROOM_AT",
    "ROOM_POOL", "ROOM_AMOUNT", "KEEPS_AT", "KEEPS", "EXECUTED", "BUSY", "WAITED",
    "AHEAD", "ASKED", "ASKED_WINDOW",
    "VALUES",
    # of copies. COPY_FIRST: first stage. SPARE: first free token, -1: none
    "COPY_FIRST", "COPY_FLOW", "COPY_GATES", "SPARE",
    # of flows. FLOW_COPY: first copy. FLOW_AT: first of its windows. DIRTY: flows that may issue. ENTRY: of each window
    # its copy, BEHIND: how many windows before it lies the one that must have left its gates; both as HELD
    "FLOW_WINDOWS", "FLOW_TOTAL", "FLOW_COPY", "ENTRY", "ENTRY_N", "BEHIND", "BEHIND_N", "FLOW_AT", "IN_AT", "OUT_AT",
    "OUT",
    "ISSUED", "DONE", "GATED", "DIRTY", "IS_DIRTY",
    # of windows. STATE: flags IS_DONE, IS_GATED, IS_OPEN. GATED_AT: when it left its gates; DONE_BY, GATED_BY: when it
    # and all before it were done and had left
    "ISSUED_AT", "DONE_AT", "STATE", "GATED_AT", "DONE_BY", "GATED_BY",
    # of edges. NEED, RELEASE: first of its marks
    "PRODUCER", "CONSUMER", "CAPACITY", "NEED", "RELEASE", "FREED", "MARKS",
    # of servers and their queues, one for each set of pools that their requests take from. HEAD: the first request
    "QUEUE_AT", "HEAD", "FREE", "CALLED", "SERVED",
    # of pools. TAKER: servers that may take from them. LACKS: whether those wait for room
    "TAKER_AT", "TAKER", "LACKS", "ROOM", "TAKEN", "GIVEN", "PEAK",
    # heaps. EVENT_CODE: visit * 4 + ASK, of one after which stages are due; token * 4 + LEAVE or FINISH, entry of
    # ROOM_POOL * 4 + BACK. READY: of PENDING
    "TURN_TIME", "TURN_SERVER", "READY", "EVENT_TIME", "EVENT_CODE",
    # of tokens. TOKEN_GATES, TOKEN_LEFT: gates and stages whose end is not known yet; TOKEN_GATED, TOKEN_END: the last
    # of the others. TOKEN_NEXT: next free one of the copy. TOKEN_RANK: SPAN for each
    # image before its own, and its window's number in the image
    "TOKEN_COPY", "TOKEN_WINDOW", "TOKEN_GATES", "TOKEN_LEFT", "TOKEN_GATED", "TOKEN_END", "TOKEN_VISIT", "TOKEN_NEXT",
    "TOKEN_RANK",
    # of visits. VISIT_WAITS: for how many stages it waits, or ASKED_FOR. VISIT_TIME: of its request, the latest result
    # so far. VISIT_KEY: its place in the order of requests. VISIT_CHILD, VISIT_NEXT: in its queue, a pairing heap.
    # VISIT_OPEN: stages to be granted before its room's end is known
    "VISIT_TOKEN", "VISIT_STAGE", "VISIT_WAITS", "VISIT_TIME", "VISIT_KEY", "VISIT_CHILD", "VISIT_NEXT", "VISIT_OPEN",
    "VISIT_END",
    # what happened, if that is asked for: rows of `xbarch.sim.graph.Sink`
    "LOG",
)
(SERVER, QUEUE, HELD, HELD_N, DELAY, DELAY_N, GATE, BEFORE, NEXT_AT, NEXT, ROOM_AT,
 ROOM_POOL, ROOM_AMOUNT, KEEPS_AT, KEEPS, EXECUTED, BUSY, WAITED,
 AHEAD, ASKED, ASKED_WINDOW,
 VALUES,
 COPY_FIRST, COPY_FLOW, COPY_GATES, SPARE,
 FLOW_WINDOWS, FLOW_TOTAL, FLOW_COPY, ENTRY, ENTRY_N, BEHIND, BEHIND_N, FLOW_AT, IN_AT, OUT_AT, OUT,
 ISSUED, DONE, GATED, DIRTY, IS_DIRTY,
 ISSUED_AT, DONE_AT, STATE, GATED_AT, DONE_BY, GATED_BY,
 PRODUCER, CONSUMER, CAPACITY, NEED, RELEASE, FREED, MARKS,
 QUEUE_AT, HEAD, FREE, CALLED, SERVED,
 TAKER_AT, TAKER, LACKS, ROOM, TAKEN, GIVEN, PEAK,
 TURN_TIME, TURN_SERVER, READY, EVENT_TIME, EVENT_CODE,
 TOKEN_COPY, TOKEN_WINDOW, TOKEN_GATES, TOKEN_LEFT, TOKEN_GATED, TOKEN_END, TOKEN_VISIT, TOKEN_NEXT,
 TOKEN_RANK,
 VISIT_TOKEN, VISIT_STAGE, VISIT_WAITS, VISIT_TIME, VISIT_KEY, VISIT_CHILD, VISIT_NEXT, VISIT_OPEN,
 VISIT_END,
 LOG,
 ) = range(SCALARS, SCALARS + len(SECTIONS))
SIZE = len(SECTIONS)  # from where a section starts to how long it is
FIRST = SCALARS + 2 * SIZE  # of the sections themselves
IS_DONE, IS_GATED, IS_OPEN = 1, 2, 4


def section(m: Memory, name: str) -> slice:
    """Where a section lies in the memory."""
    where = SCALARS + SECTIONS.index(name)
    return slice(m[where], m[where] + m[SIZE + where])
