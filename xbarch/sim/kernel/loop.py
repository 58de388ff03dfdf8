"""The loop over events."""

from __future__ import annotations

from xbarch.sim.kernel.heaps import call, meld, pop, push, rest, rise, turn
from xbarch.sim.kernel.layout import *
from xbarch.sim.kernel.recurrence import freeing, pass_through, ready, record, recur
from xbarch.sim.kernel.stages import arrive, ask, crowded, due, give, grant, keep, log, settle, value
from xbarch.sim.kernel.turns import choose, claimed, following, roomy, serve, sooner
from xbarch.sim.kernel.windows import back, blocked, finish, issue, leave, part, place, soil


def advance(m: Memory, most: int) -> int:
    """Process at most `most` events; returns OVER when none is left, or PAUSED, FULL, DISORDER or MARKED."""
    for _ in range(most):
        if m[MIXED]:
            return DISORDER
        while m[SOILED] > 0:
            flow = m[m[DIRTY] + m[SOILED] - 1]
            m[m[IS_DIRTY] + flow] = 0  # before it issues, since that may make it dirty again
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
                due(m, what)
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


def run(m: Memory, most: int) -> int:
    """`recur` where nothing is arbitrated, else `advance`."""
    return recur(m, most) if m[FREELY] else advance(m, most)


CALLEES_FIRST = (rise, push, pop, call, turn, meld, rest, arrive, value, log, crowded, give, keep, ask, grant, due,
                 settle, part, soil, finish, leave, back, blocked, place, issue, sooner, following, roomy, claimed,
                 choose, serve, advance, record, pass_through, freeing, ready, recur, run)
