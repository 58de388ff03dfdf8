"""Windows of flows: they are issued, leave their gates and are done."""

from __future__ import annotations

from xbarch.sim.kernel.heaps import call
from xbarch.sim.kernel.layout import *
from xbarch.sim.kernel.stages import ask, crowded, settle, value


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
    """The token is finished; its place becomes free."""
    copy = m[m[TOKEN_COPY] + token]
    m[m[TOKEN_NEXT] + token] = m[m[SPARE] + copy]
    m[m[SPARE] + copy] = token


def back(m: Memory, room: int) -> None:
    """Room is given back; servers that found too little look again."""
    pool = m[m[ROOM_POOL] + room]
    m[m[ROOM] + pool] += m[m[ROOM_AMOUNT] + room]
    m[m[GIVEN] + pool] += m[m[ROOM_AMOUNT] + room]
    for i in range(m[m[TAKER_AT] + pool], m[m[TAKER_AT] + pool + 1]):
        if m[m[LACKS] + i]:
            m[m[LACKS] + i] = 0
            call(m, m[m[TAKER] + i])


def soil(m: Memory, flow: int) -> None:
    """Mark a flow that may have waited for what just changed."""
    if not m[m[IS_DIRTY] + flow]:
        m[m[IS_DIRTY] + flow] = 1
        m[m[DIRTY] + m[SOILED]] = flow
        m[SOILED] += 1


def blocked(m: Memory, flow: int) -> bool:
    """Whether the next window of the flow has to wait."""
    window = m[m[ISSUED] + flow]
    if window >= m[m[FLOW_TOTAL] + flow]:
        return True
    behind = value(m, m[m[BEHIND] + flow], m[m[BEHIND_N] + flow], window)
    if window >= behind and m[m[STATE] + m[m[FLOW_AT] + flow] + window - behind] & IS_OPEN:
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
    """Issue windows while inputs, buffers and gates allow; False if a table is full before that."""
    while not blocked(m, flow):
        window = m[m[ISSUED] + flow]
        copy = m[m[FLOW_COPY] + flow] + value(m, m[m[ENTRY] + flow], m[m[ENTRY_N] + flow], window)
        first, stop = m[m[COPY_FIRST] + copy], m[m[COPY_FIRST] + copy + 1]
        token = place(m, copy)
        if token < 0:
            return False
        m[m[ISSUED] + flow] = window + 1
        m[m[ISSUED_AT] + m[m[FLOW_AT] + flow] + window] = m[NOW]
        m[m[TOKEN_WINDOW] + token] = window
        m[m[TOKEN_RANK] + token] = window // m[m[FLOW_WINDOWS] + flow] * m[SPAN] + window % m[m[FLOW_WINDOWS] + flow]
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
    """A place for a token of the copy; -1 where there is none."""
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
