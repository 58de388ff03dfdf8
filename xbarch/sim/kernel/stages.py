"""A token at its stages: requests, grants, and what follows from them."""

from __future__ import annotations

from xbarch.sim.kernel.heaps import call, meld, push
from xbarch.sim.kernel.layout import *


def ask(m: Memory, visit: int) -> bool:
    """A token requests a stage once the results before it are known: at once where it is granted ahead or is due now;
    returns whether it is due later."""
    ahead = m[m[AHEAD] + m[m[VISIT_STAGE] + visit]]
    if not ahead and m[m[VISIT_TIME] + visit] > m[NOW]:
        return True
    m[m[VISIT_WAITS] + visit] = ASKED_FOR
    if ahead:
        m[m[READY] + m[PENDING]] = visit
        m[PENDING] += 1
    else:
        arrive(m, visit)
    return False


def due(m: Memory, visit: int) -> None:
    """Request those stages after this one that are due now and were not requested yet."""
    stage = m[m[VISIT_STAGE] + visit]
    for i in range(m[m[NEXT_AT] + stage], m[m[NEXT_AT] + stage + 1]):
        follower = visit + m[m[NEXT] + i] - stage
        if m[m[VISIT_WAITS] + follower] == 0 and m[m[VISIT_TIME] + follower] == m[NOW]:
            ask(m, follower)


def settle(m: Memory) -> None:
    """Grant the visits that are granted ahead of time."""
    while m[PENDING] > 0:
        m[PENDING] -= 1
        visit = m[m[READY] + m[PENDING]]
        stage, time = m[m[VISIT_STAGE] + visit], m[m[VISIT_TIME] + visit]
        server = m[m[SERVER] + stage]
        if server >= 0:
            window = m[m[TOKEN_WINDOW] + m[m[VISIT_TOKEN] + visit]]
            if time < m[m[ASKED] + stage] or (
                    time <= m[m[FREE] + server] and window < m[m[ASKED_WINDOW] + stage]):
                m[MIXED] = 1
            m[m[ASKED] + stage], m[m[ASKED_WINDOW] + stage] = time, window
            grant(m, visit, server, max(time, m[m[FREE] + server]))
        else:
            grant(m, visit, server, time)


def arrive(m: Memory, visit: int) -> None:
    """Queue a request at its server: by image, window in the image, and port."""
    stage = m[m[VISIT_STAGE] + visit]
    queue = m[m[QUEUE] + stage]
    first = m[m[HEAD] + queue]
    m[m[VISIT_KEY] + visit] = m[m[TOKEN_RANK] + m[m[VISIT_TOKEN] + visit]] * m[SIZE + SERVER] + stage
    m[m[VISIT_CHILD] + visit] = m[m[VISIT_NEXT] + visit] = -1
    m[m[HEAD] + queue] = visit if first < 0 else meld(m, first, visit)
    if m[m[HEAD] + queue] == visit:  # otherwise the server was called already, or the first request waits for room
        call(m, m[m[SERVER] + stage])


def value(m: Memory, first: int, size: int, window: int) -> int:
    """The window's value, of those that windows take in turn; most lists have one value, and dividing is slow."""
    return int(m[m[VALUES] + first + (window % size if size > 1 else 0)])


def grant(m: Memory, visit: int, server: int, time: int) -> None:
    """Begin a stage at that time, with everything that follows from it."""
    token, stage = m[m[VISIT_TOKEN] + visit], m[m[VISIT_STAGE] + visit]
    window = m[m[TOKEN_WINDOW] + token]
    over = time + value(m, m[m[HELD] + stage], m[m[HELD_N] + stage], window)
    out = time + value(m, m[m[DELAY] + stage], m[m[DELAY_N] + stage], window)
    m[m[EXECUTED] + stage] += 1
    if server >= 0:
        m[m[BUSY] + stage] += over - time
        m[m[SERVED] + server] += 1
        m[m[WAITED] + stage] += time - m[m[VISIT_TIME] + visit]
        m[m[FREE] + server] = over
    if m[SIZE + LOG] > 0:
        log(m, visit, time, over, out)
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
    later = False  # whether stages are due with this result; one arrival requests them all
    for i in range(m[m[NEXT_AT] + stage], m[m[NEXT_AT] + stage + 1]):
        follower = visit + m[m[NEXT] + i] - stage
        m[m[VISIT_TIME] + follower] = max(m[m[VISIT_TIME] + follower], out)
        m[m[VISIT_WAITS] + follower] -= 1
        if m[m[VISIT_WAITS] + follower] == 0 and ask(m, follower):
            if m[m[VISIT_TIME] + follower] == out:
                later = True
            else:
                push(m, m[m[VISIT_TIME] + follower], 4 * visit + ASK)
    if later:
        push(m, out, 4 * visit + ASK)


def log(m: Memory, visit: int, granted: int, over: int, out: int) -> None:
    """Add a row to the log of visits."""
    at = m[LOG] + 6 * m[LOGGED]
    m[LOGGED] += 1
    m[at], m[at + 1] = m[m[VISIT_STAGE] + visit], m[m[TOKEN_WINDOW] + m[m[VISIT_TOKEN] + visit]]
    m[at + 2], m[at + 3], m[at + 4], m[at + 5] = m[m[VISIT_TIME] + visit], granted, over, out


def crowded(m: Memory) -> bool:
    """Whether the tables might be too small for what follows from one token's next step."""
    return bool(m[EVENTS] + m[WIDEST] > m[SIZE + EVENT_TIME]
                or (m[SIZE + LOG] > 0 and 6 * (m[LOGGED] + m[WIDEST]) > m[SIZE + LOG]))


def keep(m: Memory, visit: int, end: int) -> None:
    """Keep room taken until this stage is over; once the last stage that keeps it is granted, the end is known."""
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
    """Give back everything that a stage took, at `end`."""
    for i in range(m[m[ROOM_AT] + stage], m[m[ROOM_AT] + stage + 1]):
        push(m, end, 4 * i + BACK)
