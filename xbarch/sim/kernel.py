"""The event loop of the fast engine: `xbarch.sim.graph` in one flat memory of integers, without objects.

Plain Python over a list, and the same functions compiled over an array (`xbarch.sim.compiled`). Nothing here allocates:
where a section of the memory is full the loop stops, is given a larger one and goes on (`FULL`).

Two heaps drive it. Arrivals (requests, ends of gates, tokens that are done, room given back) of an instant come first,
in any order: they only add. Then servers take turns, those of the lowest number first, a request at a time. What a turn
causes at the same instant is seen before the next one.

Where nothing is arbitrated there is nothing to wait for: a stage with a server of its own (`AHEAD`) starts at
max(request, end of its last token), so its times follow by arithmetic as soon as its request's is known, and those of
the stages after it. That is right as long as its requests come in their order; where they do not the loop stops
(`DISORDER`), and the run is done again with every server arbitrated. Where nothing at all is arbitrated, `recur` needs
no heaps either: whatever window may be issued next is worked out from those before it.

Memory: scalars (`EVENTS` and on), where each section starts, how long each is, the sections. So m[NOW] is the time and
m[m[HELD] + g] the entry g of the section HELD. X_AT marks lists of lists: entries X_AT[i] to X_AT[i + 1] of X belong
to i. Stages are numbered through flows, copies and stages, which is their port; a stage's times are the HELD_N[g]
entries of VALUES from HELD[g] on, a window's in turn.

A *visit* is one stage of one token; the visits of a token lie side by side, in the order of its copy's stages. Tokens
that are through leave their place to the next of their copy.
"""

from __future__ import annotations

from typing import Any

Memory = Any  # list[int], or an array of int64

ASK, LEAVE, FINISH, BACK = range(4)  # what an arrival is: a request, the end of a token's gates, of the token, of room
OVER, PAUSED, FULL, DISORDER, MARKED = range(5)  # why the loop stopped

# WIDEST: the most arrivals that the stages of one token cause. PENDING: visits to be granted ahead. MIXED: requests
# came out of order. WATCHED: a flow, and MARK: how many of its windows are done when the loop is to stop (`MARKED`).
# LOGGED: visits in LOG. FREELY: whether nothing is arbitrated.
(EVENTS, TURNS, TOKENS, VISITS, SOILED, FINISHED, LAST, NOW, WIDEST, PENDING, MIXED, WATCHED, MARK, LOGGED,
 FREELY) = range(15)
SCALARS = 15

SECTIONS = (
    # of stages. BEFORE: how many it waits for. NEXT: those that wait for it. KEEPS: those before it whose room it
    # keeps. AHEAD: granted ahead of time. ASKED, ASKED_WINDOW: its last request's, where granted so
    "SERVER", "QUEUE", "HELD", "HELD_N", "DELAY", "DELAY_N", "GATE", "BEFORE", "NEXT_AT", "NEXT", "ROOM_AT",
    "ROOM_POOL", "ROOM_AMOUNT", "KEEPS_AT", "KEEPS", "EXECUTED", "AHEAD", "ASKED", "ASKED_WINDOW",
    "VALUES",
    # of copies. COPY_FIRST: first stage. SPARE: first free token, -1: none
    "COPY_FIRST", "COPY_FLOW", "COPY_GATES", "SPARE",
    # of flows. FLOW_COPY: first copy. FLOW_AT: first of its windows. DIRTY: flows that may issue
    "FLOW_WINDOWS", "FLOW_TOTAL", "FLOW_COPIES", "FLOW_COPY", "FLOW_LIMIT", "FLOW_AT", "IN_AT", "OUT_AT", "OUT",
    "ISSUED", "DONE", "GATED", "DIRTY", "IS_DIRTY",
    # of windows. STATE: flags IS_DONE, IS_GATED, IS_OPEN. GATED_AT: when it left its gates; DONE_BY, GATED_BY: when it
    # and all before it were done and had left
    "ISSUED_AT", "DONE_AT", "STATE", "GATED_AT", "DONE_BY", "GATED_BY",
    # of edges. NEED, RELEASE: first of its marks
    "PRODUCER", "CONSUMER", "CAPACITY", "NEED", "RELEASE", "FREED", "MARKS",
    # of servers and their queues, one for each set of pools that their requests take from
    "QUEUE_AT", "HEAD", "TAIL", "FREE", "CALLED", "BUSY", "SERVED",
    # of pools. TAKER: servers that may take from them. LACKS: whether those wait for room
    "TAKER_AT", "TAKER", "LACKS", "ROOM", "TAKEN", "GIVEN", "PEAK",
    # heaps. EVENT_CODE: visit * 4 + ASK, token * 4 + LEAVE or FINISH, entry of ROOM_POOL * 4 + BACK. READY: of PENDING
    "TURN_TIME", "TURN_SERVER", "READY", "EVENT_TIME", "EVENT_CODE",
    # of tokens. TOKEN_GATES, TOKEN_LEFT: gates and stages whose end is not known yet; TOKEN_GATED, TOKEN_END: the last
    # of the others. TOKEN_NEXT: next free one of the copy
    "TOKEN_COPY", "TOKEN_WINDOW", "TOKEN_GATES", "TOKEN_LEFT", "TOKEN_GATED", "TOKEN_END", "TOKEN_VISIT", "TOKEN_NEXT",
    # of visits. VISIT_TIME: of its request, the latest result so far. VISIT_NEXT, VISIT_PREV: in the queue. VISIT_OPEN:
    # stages to be granted before its room's end is known
    "VISIT_TOKEN", "VISIT_STAGE", "VISIT_WAITS", "VISIT_TIME", "VISIT_NEXT", "VISIT_PREV", "VISIT_OPEN", "VISIT_END",
    # what happened, if that is asked for: rows of `xbarch.sim.graph.Sink`
    "LOG",
)
(SERVER, QUEUE, HELD, HELD_N, DELAY, DELAY_N, GATE, BEFORE, NEXT_AT, NEXT, ROOM_AT,
 ROOM_POOL, ROOM_AMOUNT, KEEPS_AT, KEEPS, EXECUTED, AHEAD, ASKED, ASKED_WINDOW,
 VALUES,
 COPY_FIRST, COPY_FLOW, COPY_GATES, SPARE,
 FLOW_WINDOWS, FLOW_TOTAL, FLOW_COPIES, FLOW_COPY, FLOW_LIMIT, FLOW_AT, IN_AT, OUT_AT, OUT,
 ISSUED, DONE, GATED, DIRTY, IS_DIRTY,
 ISSUED_AT, DONE_AT, STATE, GATED_AT, DONE_BY, GATED_BY,
 PRODUCER, CONSUMER, CAPACITY, NEED, RELEASE, FREED, MARKS,
 QUEUE_AT, HEAD, TAIL, FREE, CALLED, BUSY, SERVED,
 TAKER_AT, TAKER, LACKS, ROOM, TAKEN, GIVEN, PEAK,
 TURN_TIME, TURN_SERVER, READY, EVENT_TIME, EVENT_CODE,
 TOKEN_COPY, TOKEN_WINDOW, TOKEN_GATES, TOKEN_LEFT, TOKEN_GATED, TOKEN_END, TOKEN_VISIT, TOKEN_NEXT,
 VISIT_TOKEN, VISIT_STAGE, VISIT_WAITS, VISIT_TIME, VISIT_NEXT, VISIT_PREV, VISIT_OPEN, VISIT_END,
 LOG,
 ) = range(SCALARS, SCALARS + len(SECTIONS))
SIZE = len(SECTIONS)  # from where a section starts to how long it is
FIRST = SCALARS + 2 * SIZE  # of the sections themselves
IS_DONE, IS_GATED, IS_OPEN = 1, 2, 4


def section(m: Memory, name: str) -> slice:
    """Where a section lies in the memory."""
    where = SCALARS + SECTIONS.index(name)
    return slice(m[where], m[where] + m[SIZE + where])


# -- heaps --------------------------------------------------------------------------------------------------------

def push(m: Memory, time: int, code: int) -> None:
    """An arrival."""
    at = m[EVENTS]
    m[EVENTS] = at + 1
    rise(m, at, time, code)


def rise(m: Memory, at: int, time: int, code: int) -> None:
    """Put an arrival at a place of the heap, or further up."""
    times, codes = m[EVENT_TIME], m[EVENT_CODE]
    while at > 0:
        up = (at - 1) >> 1
        if m[times + up] <= time:
            break
        m[times + at], m[codes + at] = m[times + up], m[codes + up]
        at = up
    m[times + at], m[codes + at] = time, code


def pop(m: Memory) -> int:
    """Code of the next arrival. The gap it leaves sinks to the bottom, where the last one mostly belongs."""
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


# -- stages -------------------------------------------------------------------------------------------------------

def ask(m: Memory, visit: int) -> None:
    """A token asks for a stage, when all before it are known: right away where it is granted ahead or it is time."""
    if m[m[AHEAD] + m[m[VISIT_STAGE] + visit]]:
        m[m[READY] + m[PENDING]] = visit
        m[PENDING] += 1
    elif m[m[VISIT_TIME] + visit] == m[NOW]:
        arrive(m, visit)
    else:
        push(m, m[m[VISIT_TIME] + visit], 4 * visit + ASK)


def settle(m: Memory) -> None:
    """Grant what is to be granted ahead of time."""
    while m[PENDING] > 0:
        m[PENDING] -= 1
        visit = m[m[READY] + m[PENDING]]
        stage, time = m[m[VISIT_STAGE] + visit], m[m[VISIT_TIME] + visit]
        server = m[m[SERVER] + stage]
        if server >= 0:
            window = m[m[TOKEN_WINDOW] + m[m[VISIT_TOKEN] + visit]]
            if time < m[m[ASKED] + stage] or (time == m[m[ASKED] + stage] and window < m[m[ASKED_WINDOW] + stage]):
                m[MIXED] = 1
            m[m[ASKED] + stage], m[m[ASKED_WINDOW] + stage] = time, window
            grant(m, visit, server, max(time, m[m[FREE] + server]))
        else:
            grant(m, visit, server, time)


def arrive(m: Memory, visit: int) -> None:
    """A request at a server, behind the requests before it."""
    stage = m[m[VISIT_STAGE] + visit]
    now, queue = m[NOW], m[m[QUEUE] + stage]
    window = m[m[TOKEN_WINDOW] + m[m[VISIT_TOKEN] + visit]]
    before, after = m[m[TAIL] + queue], -1
    while before >= 0 and m[m[VISIT_TIME] + before] == now and (m[m[VISIT_STAGE] + before] > stage or (
            m[m[VISIT_STAGE] + before] == stage and m[m[TOKEN_WINDOW] + m[m[VISIT_TOKEN] + before]] > window)):
        before, after = m[m[VISIT_PREV] + before], before
    m[m[VISIT_PREV] + visit] = before
    m[m[VISIT_NEXT] + visit] = after
    if after >= 0:
        m[m[VISIT_PREV] + after] = visit
    else:
        m[m[TAIL] + queue] = visit
    if before >= 0:
        m[m[VISIT_NEXT] + before] = visit
    else:  # otherwise the server has been called, or the first of the queue waits for room
        m[m[HEAD] + queue] = visit
        call(m, m[m[SERVER] + stage])


def value(m: Memory, first: int, size: int, window: int) -> int:
    """Of values that windows have in turn, the window's; most have one, and dividing takes long."""
    return int(m[m[VALUES] + first + (window % size if size > 1 else 0)])


def grant(m: Memory, visit: int, server: int, time: int) -> None:
    """A stage begins at that time: what follows from it."""
    token, stage = m[m[VISIT_TOKEN] + visit], m[m[VISIT_STAGE] + visit]
    window = m[m[TOKEN_WINDOW] + token]
    over = time + value(m, m[m[HELD] + stage], m[m[HELD_N] + stage], window)
    out = time + value(m, m[m[DELAY] + stage], m[m[DELAY_N] + stage], window)
    m[m[EXECUTED] + stage] += 1
    if server >= 0:
        m[m[BUSY] + server] += over - time
        m[m[SERVED] + server] += 1
        m[m[FREE] + server] = over
    if m[SIZE + LOG] > 0:
        log(m, stage, window, m[m[VISIT_TIME] + visit], time, over, out)
    keep(m, visit, over)
    if m[m[GATE] + stage]:
        m[m[TOKEN_GATED] + token] = max(m[m[TOKEN_GATED] + token], over)
        m[m[TOKEN_GATES] + token] -= 1
        if m[m[TOKEN_GATES] + token] == 0:
            push(m, m[m[TOKEN_GATED] + token], 4 * token + LEAVE)
    m[m[TOKEN_END] + token] = max(m[m[TOKEN_END] + token], out)
    m[m[TOKEN_LEFT] + token] -= 1
    if m[m[TOKEN_LEFT] + token] == 0:
        push(m, m[m[TOKEN_END] + token], 4 * token + FINISH)
    for i in range(m[m[NEXT_AT] + stage], m[m[NEXT_AT] + stage + 1]):
        follower = visit + m[m[NEXT] + i] - stage
        m[m[VISIT_TIME] + follower] = max(m[m[VISIT_TIME] + follower], out)
        m[m[VISIT_WAITS] + follower] -= 1
        if m[m[VISIT_WAITS] + follower] == 0:
            ask(m, follower)


def log(m: Memory, stage: int, window: int, asked: int, granted: int, over: int, out: int) -> None:
    """A row for who asked for all visits."""
    at = m[LOG] + 6 * m[LOGGED]
    m[LOGGED] += 1
    m[at], m[at + 1], m[at + 2] = stage, window, asked
    m[at + 3], m[at + 4], m[at + 5] = granted, over, out


def crowded(m: Memory) -> bool:
    """Whether what follows from one token's next step might not find room."""
    return bool(m[EVENTS] + m[WIDEST] > m[SIZE + EVENT_TIME]
                or (m[SIZE + LOG] > 0 and 6 * (m[LOGGED] + m[WIDEST]) > m[SIZE + LOG]))


def keep(m: Memory, visit: int, end: int) -> None:
    """Room stays taken until this stage is over; with the last granted of those that keep it the end is known."""
    stage = m[m[VISIT_STAGE] + visit]
    if m[m[ROOM_AT] + stage] < m[m[ROOM_AT] + stage + 1]:
        m[m[VISIT_OPEN] + visit] = m[m[NEXT_AT] + stage + 1] - m[m[NEXT_AT] + stage]
        m[m[VISIT_END] + visit] = end
        if m[m[VISIT_OPEN] + visit] == 0:
            give(m, stage, end)
    for i in range(m[m[KEEPS_AT] + stage], m[m[KEEPS_AT] + stage + 1]):
        holder = visit + m[m[KEEPS] + i] - stage
        m[m[VISIT_OPEN] + holder] -= 1
        m[m[VISIT_END] + holder] = max(m[m[VISIT_END] + holder], end)
        if m[m[VISIT_OPEN] + holder] == 0:
            give(m, m[m[KEEPS] + i], m[m[VISIT_END] + holder])


def give(m: Memory, stage: int, end: int) -> None:
    """Everything a stage took is back at `end`."""
    for i in range(m[m[ROOM_AT] + stage], m[m[ROOM_AT] + stage + 1]):
        push(m, end, 4 * i + BACK)


def finish(m: Memory, token: int) -> None:
    """All stages of the token have delivered."""
    flow = m[m[COPY_FLOW] + m[m[TOKEN_COPY] + token]]
    at, window, count = m[m[FLOW_AT] + flow], m[m[TOKEN_WINDOW] + token], m[m[DONE] + flow]
    m[m[DONE_AT] + at + window] = m[LAST] = m[NOW]
    m[m[STATE] + at + window] |= IS_DONE
    m[FINISHED] += 1
    if m[m[STATE] + at + window] & IS_OPEN == 0:
        part(m, token)
    if window == count:
        while count < m[m[FLOW_TOTAL] + flow] and m[m[STATE] + at + count] & IS_DONE:
            count += 1
        m[m[DONE] + flow] = count
        for i in range(m[m[OUT_AT] + flow], m[m[OUT_AT] + flow + 1]):
            soil(m, m[m[CONSUMER] + m[m[OUT] + i]])


def leave(m: Memory, token: int) -> None:
    """All gate stages of the token are over; its inputs are released."""
    m[LAST] = m[NOW]
    flow = m[m[COPY_FLOW] + m[m[TOKEN_COPY] + token]]
    at, window, count = m[m[FLOW_AT] + flow], m[m[TOKEN_WINDOW] + token], m[m[GATED] + flow]
    m[m[STATE] + at + window] ^= IS_OPEN | IS_GATED
    if m[m[STATE] + at + window] & IS_DONE:
        part(m, token)
    if window == count:
        while count < m[m[FLOW_TOTAL] + flow] and m[m[STATE] + at + count] & IS_GATED:
            count += 1
        m[m[GATED] + flow] = count
        image, phase = (count - 1) // m[m[FLOW_WINDOWS] + flow], (count - 1) % m[m[FLOW_WINDOWS] + flow]
        for edge in range(m[m[IN_AT] + flow], m[m[IN_AT] + flow + 1]):
            producer = m[m[PRODUCER] + edge]
            windows, released = m[m[FLOW_WINDOWS] + producer], m[m[MARKS] + m[m[RELEASE] + edge] + phase]
            m[m[FREED] + edge] = image * windows + released
            soil(m, producer)
    soil(m, flow)


def part(m: Memory, token: int) -> None:
    """The token is through; its place is free."""
    copy = m[m[TOKEN_COPY] + token]
    m[m[TOKEN_NEXT] + token] = m[m[SPARE] + copy]
    m[m[SPARE] + copy] = token


def back(m: Memory, room: int) -> None:
    """Room is given back; who found too little looks again."""
    pool = m[m[ROOM_POOL] + room]
    m[m[ROOM] + pool] += m[m[ROOM_AMOUNT] + room]
    m[m[GIVEN] + pool] += m[m[ROOM_AMOUNT] + room]
    for i in range(m[m[TAKER_AT] + pool], m[m[TAKER_AT] + pool + 1]):
        if m[m[LACKS] + i]:
            m[m[LACKS] + i] = 0
            call(m, m[m[TAKER] + i])


# -- issue --------------------------------------------------------------------------------------------------------

def soil(m: Memory, flow: int) -> None:
    """Something changed that the flow may have waited for."""
    if not m[m[IS_DIRTY] + flow]:
        m[m[IS_DIRTY] + flow] = 1
        m[m[DIRTY] + m[SOILED]] = flow
        m[SOILED] += 1


def blocked(m: Memory, flow: int) -> bool:
    """Whether the next window of the flow has to wait."""
    window = m[m[ISSUED] + flow]
    if window >= m[m[FLOW_TOTAL] + flow]:
        return True
    ahead = m[m[FLOW_LIMIT] + flow]
    if window >= ahead and m[m[STATE] + m[m[FLOW_AT] + flow] + window - ahead] & IS_OPEN:
        return True
    image, phase = window // m[m[FLOW_WINDOWS] + flow], window % m[m[FLOW_WINDOWS] + flow]
    for edge in range(m[m[IN_AT] + flow], m[m[IN_AT] + flow + 1]):
        producer = m[m[PRODUCER] + edge]
        if m[m[DONE] + producer] < image * m[m[FLOW_WINDOWS] + producer] + m[m[MARKS] + m[m[NEED] + edge] + phase]:
            return True
    for i in range(m[m[OUT_AT] + flow], m[m[OUT_AT] + flow + 1]):
        if window >= m[m[FREED] + m[m[OUT] + i]] + m[m[CAPACITY] + m[m[OUT] + i]]:
            return True
    return False


def issue(m: Memory, flow: int) -> bool:
    """Admit windows while inputs, buffers and gates allow; False where a table is full first."""
    while not blocked(m, flow):
        window = m[m[ISSUED] + flow]
        copy = m[m[FLOW_COPY] + flow] + window % m[m[FLOW_COPIES] + flow]
        first, stop = m[m[COPY_FIRST] + copy], m[m[COPY_FIRST] + copy + 1]
        token = place(m, copy)
        if token < 0:
            return False
        m[m[ISSUED] + flow] = window + 1
        m[m[ISSUED_AT] + m[m[FLOW_AT] + flow] + window] = m[NOW]
        m[m[TOKEN_WINDOW] + token] = window
        m[m[TOKEN_GATES] + token] = m[m[COPY_GATES] + copy]
        m[m[TOKEN_LEFT] + token] = stop - first
        m[m[TOKEN_GATED] + token] = m[m[TOKEN_END] + token] = m[NOW]
        if m[m[COPY_GATES] + copy]:
            m[m[STATE] + m[m[FLOW_AT] + flow] + window] |= IS_OPEN
        visit = m[m[TOKEN_VISIT] + token]
        for i in range(stop - first):
            m[m[VISIT_WAITS] + visit + i] = m[m[BEFORE] + first + i]
            m[m[VISIT_TIME] + visit + i] = m[NOW]
            m[m[VISIT_OPEN] + visit + i] = 0
        for i in range(stop - first):
            if m[m[BEFORE] + first + i] == 0:
                ask(m, visit + i)
        settle(m)
    return True


def place(m: Memory, copy: int) -> int:
    """A place for a token of the copy, -1 where there is none."""
    first, stop = m[m[COPY_FIRST] + copy], m[m[COPY_FIRST] + copy + 1]
    if crowded(m):
        return -1
    token, visit = m[m[SPARE] + copy], m[VISITS]
    if token >= 0:
        m[m[SPARE] + copy] = m[m[TOKEN_NEXT] + token]
        return int(token)
    token = m[TOKENS]
    if token >= m[SIZE + TOKEN_COPY] or visit + stop - first > m[SIZE + VISIT_TOKEN]:
        return -1
    m[TOKENS] = token + 1
    m[VISITS] = visit + stop - first
    m[m[TOKEN_COPY] + token] = copy
    m[m[TOKEN_VISIT] + token] = visit
    for i in range(stop - first):
        m[m[VISIT_TOKEN] + visit + i] = token
        m[m[VISIT_STAGE] + visit + i] = first + i
    return int(token)


# -- turns --------------------------------------------------------------------------------------------------------

def serve(m: Memory, server: int) -> None:
    """A turn: the first of the waiting requests that has room is granted."""
    queue = choose(m, server)
    if queue < 0:
        return
    visit = m[m[HEAD] + queue]
    after = m[m[VISIT_NEXT] + visit]
    m[m[HEAD] + queue] = after
    if after >= 0:
        m[m[VISIT_PREV] + after] = -1
    else:
        m[m[TAIL] + queue] = -1
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
    """The queue whose first request is granted, -1: all wait for room, whose return calls the server."""
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
    """Of the queues [first, stop) the one whose first request comes next after that of `tried` (-1: the first)."""
    found = -1
    for queue in range(first, stop):
        if m[m[HEAD] + queue] >= 0 and queue != tried and (tried < 0 or sooner(m, tried, queue)) and (
                found < 0 or sooner(m, queue, found)):
            found = queue
    return found


def sooner(m: Memory, queue: int, other: int) -> bool:
    """Whether the first request of a queue comes before that of another: by time, port, token."""
    a, b = m[m[HEAD] + queue], m[m[HEAD] + other]
    if m[m[VISIT_TIME] + a] != m[m[VISIT_TIME] + b]:
        return bool(m[m[VISIT_TIME] + a] < m[m[VISIT_TIME] + b])
    if m[m[VISIT_STAGE] + a] != m[m[VISIT_STAGE] + b]:
        return bool(m[m[VISIT_STAGE] + a] < m[m[VISIT_STAGE] + b])
    return bool(m[m[TOKEN_WINDOW] + m[m[VISIT_TOKEN] + a]] < m[m[TOKEN_WINDOW] + m[m[VISIT_TOKEN] + b]])


def roomy(m: Memory, server: int, queue: int) -> bool:
    """Whether the first request of the queue finds room; where not, the server is called when some is back."""
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


# -- the loop -----------------------------------------------------------------------------------------------------

def advance(m: Memory, most: int) -> int:
    """Go on for at most `most` events: OVER when none is left, PAUSED, FULL, DISORDER, or MARKED."""
    for _ in range(most):
        if m[MIXED]:
            return DISORDER
        while m[SOILED] > 0:
            flow = m[m[DIRTY] + m[SOILED] - 1]
            m[m[IS_DIRTY] + flow] = 0  # before it issues: what it does may concern itself
            m[SOILED] -= 1
            if not issue(m, flow):
                soil(m, flow)
                return FULL
        if crowded(m):
            return FULL
        if m[MARK] > 0 and m[m[DONE] + m[WATCHED]] >= m[MARK]:
            return MARKED
        if m[EVENTS] > 0 and (m[TURNS] == 0 or m[m[EVENT_TIME]] <= m[m[TURN_TIME]]):
            m[NOW] = m[m[EVENT_TIME]]
            code = pop(m)
            kind, what = code & 3, code >> 2
            if kind == ASK:
                arrive(m, what)
            elif kind == LEAVE:
                leave(m, what)
            elif kind == FINISH:
                finish(m, what)
            else:
                back(m, what)
        elif m[TURNS] > 0:
            m[NOW] = m[m[TURN_TIME]]
            serve(m, turn(m))
        else:
            return DISORDER if m[MIXED] else OVER
    return PAUSED


# -- recurrences --------------------------------------------------------------------------------------------------

def recur(m: Memory, most: int) -> int:
    """A run where no two stages share a server and none takes room, at most so many windows at a time: OVER when none
    can be issued any more, PAUSED, or DISORDER."""
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
    """When a window is issued, whose flow's others before it have been; -1 while that is not known."""
    at, ahead = m[m[FLOW_AT] + flow] + window, m[m[FLOW_LIMIT] + flow]
    time = m[m[ISSUED_AT] + at - 1] if window > 0 else 0
    if window >= ahead:
        time = max(time, m[m[GATED_AT] + at - ahead])
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
    """When the consumer has released so many windows, which is asked for in order; -1 while that is not known. FREED:
    the consumer's window looked at last."""
    consumer, producer = m[m[CONSUMER] + edge], m[m[PRODUCER] + edge]
    windows, size = m[m[FLOW_WINDOWS] + producer], m[m[FLOW_WINDOWS] + consumer]
    while m[m[FREED] + edge] < m[m[ISSUED] + consumer]:
        window = m[m[FREED] + edge]
        if window // size * windows + m[m[MARKS] + m[m[RELEASE] + edge] + window % size] >= count:
            return int(m[m[GATED_BY] + m[m[FLOW_AT] + consumer] + window])
        m[m[FREED] + edge] += 1
    return -1


def pass_through(m: Memory, flow: int, window: int, time: int) -> None:
    """A window through the stages of its copy, from when it is issued. READY: when each is asked for."""
    copy = m[m[FLOW_COPY] + flow] + window % m[m[FLOW_COPIES] + flow]
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
            start = max(start, m[m[FREE] + server])
        over = start + value(m, m[m[HELD] + stage], m[m[HELD_N] + stage], window)
        out = start + value(m, m[m[DELAY] + stage], m[m[DELAY_N] + stage], window)
        if server >= 0:
            m[m[BUSY] + server] += over - start
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
    """A window's times."""
    at = m[m[FLOW_AT] + flow] + window
    m[m[ISSUED] + flow] = window + 1
    m[FINISHED] += 1
    m[m[ISSUED_AT] + at], m[m[GATED_AT] + at], m[m[DONE_AT] + at] = issued, left, done
    m[m[GATED_BY] + at] = max(left, m[m[GATED_BY] + at - 1]) if window > 0 else left
    m[m[DONE_BY] + at] = max(done, m[m[DONE_BY] + at - 1]) if window > 0 else done
    m[LAST] = max(m[LAST], left, done)


def run(m: Memory, most: int) -> int:
    """`recur` where nothing is arbitrated, else `advance`."""
    return recur(m, most) if m[FREELY] else advance(m, most)


CALLEES_FIRST = (rise, push, pop, call, turn, arrive, value, log, crowded, give, keep, ask, grant, settle, part, soil,
                 finish, leave, back, blocked, place, issue, sooner, following, roomy, claimed, choose, serve, advance,
                 record, pass_through, freeing, ready, recur, run)
