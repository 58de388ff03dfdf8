"""Two interpreters of the stage graph that share no code with the engine, and random graphs for them.

`recur`: max-plus recurrences, for graphs in which no two stages share a server. `step`: any graph, one picosecond
after another, every rule of `xbarch.sim.graph` evaluated as it is written there.
"""

from dataclasses import replace
from random import Random

import numpy as np

from xbarch.sim.graph import Deal, Edge, Flow, Pool, Server, Stage, StageGraph


def at(value, phase):
    return int(value[phase]) if isinstance(value, np.ndarray) else value


def entry(flow, j):
    """The entry of the flow's copies that takes window j of the run."""
    return j % len(flow.copies) if flow.deal is None else int(flow.deal.entry[j % flow.windows])


def before(flow, j, count, of=lambda flow, entry: entry if flow.deal is None else int(flow.deal.copy[entry])):
    """The window that the copy of window j took `count` windows before it; -1 where there is none."""
    mine = of(flow, entry(flow, j))
    while count and j >= 0:
        j -= 1
        count -= j >= 0 and of(flow, entry(flow, j)) == mine
    return j


# -- max-plus -------------------------------------------------------------------------------------------------------

class Cycle(Exception):
    """A time depends on itself: the run is stuck."""


def recur(graph):
    """(issued, done) per flow from recurrences, solved by recursion; Cycle if they have no solution."""
    known, open_ = {}, set()
    flows, images = graph.flows, graph.images
    total = [f.windows * images for f in flows]

    def solve(rule, *key):
        key = (rule, *key)
        if key not in known:
            if key in open_:
                raise Cycle
            open_.add(key)
            known[key] = rule(*key[1:])
        return known[key]

    def issue(f, j):
        flow = flows[f]
        times, gone = [0], before(flow, j, flow.ahead)
        if j:
            times.append(solve(issue, f, j - 1))
        if gone >= 0:
            times.append(solve(left, f, gone))
        image, phase = divmod(j, flow.windows)
        for edge in flow.inputs:
            times.append(first(done, edge.producer, image * flows[edge.producer].windows + int(edge.need[phase])))
        for c, consumer in enumerate(flows):
            for edge in consumer.inputs:
                if edge.producer == f and j >= edge.capacity:
                    r = next(r for r in range(total[c]) if j < edge.capacity + r // consumer.windows * flow.windows
                             + int(edge.release[r % consumer.windows]))
                    times.append(first(left, c, r + 1))
        return max(times)

    def first(rule, f, count):
        """When the first `count` windows have all reached a mark."""
        return max([0, *(solve(rule, f, j) for j in range(count))])

    def stage(f, j, s):
        return flows[f].copies[entry(flows[f], j)][s]

    def grant(f, j, s):
        times = [solve(issue, f, j)] + [solve(out, f, j, a) for a in stage(f, j, s).after]
        last = before(flows[f], j, 1, lambda flow, entry: entry)
        if stage(f, j, s).server >= 0 and last >= 0:
            held = at(stage(f, last, s).occupancy, last % flows[f].windows)
            times.append(solve(grant, f, last, s) + held)
        return max(times)

    def out(f, j, s):
        return solve(grant, f, j, s) + at(stage(f, j, s).latency, j % flows[f].windows)

    def left(f, j):
        stages = flows[f].copies[entry(flows[f], j)]
        return max([solve(issue, f, j)] + [solve(grant, f, j, s) + at(x.occupancy, j % flows[f].windows)
                                           for s, x in enumerate(stages) if x.gate])

    def done(f, j):
        return max(solve(out, f, j, s) for s in range(len(flows[f].copies[entry(flows[f], j)])))

    return [[[solve(rule, f, j) for j in range(total[f])] for f in range(len(flows))] for rule in (issue, done)]


# -- time stepping --------------------------------------------------------------------------------------------------

class Step:
    """A run, a picosecond at a time. After `run()`: issued, done, busy, served, waited, executed, makespan; stuck:
    flows."""

    def __init__(self, graph):
        self.graph, self.now = graph, 0
        self.total = [f.windows * graph.images for f in graph.flows]
        self.issued = [[] for _ in graph.flows]
        self.done = [[None] * n for n in self.total]
        self.free = [0] * len(graph.servers)
        self.busy, self.served, self.waited = ([0] * len(graph.servers) for _ in range(3))
        self.waiting = [[] for _ in graph.servers]  # (image, window in it, port, request, window, flow, stage)
        self.out, self.over = {}, {}  # (flow, window, stage): instant of the result, of the end of the occupancy
        self.asked = set()
        self.executed = [[[0] * len(c) for c in f.copies] for f in graph.flows]
        self.stuck = []

    def stages(self, f, j):
        return self.graph.flows[f].copies[entry(self.graph.flows[f], j)]

    def has(self, table, f, j, s):
        return table.get((f, j, s), self.now + 1) <= self.now

    def left(self, f, j):
        return j < len(self.issued[f]) and all(
            self.has(self.over, f, j, s) for s, x in enumerate(self.stages(f, j)) if x.gate)

    def may_issue(self, f):
        flow, j = self.graph.flows[f], len(self.issued[f])
        if j == self.total[f]:
            return False
        image, phase = divmod(j, flow.windows)
        gone = before(flow, j, flow.ahead)
        if gone >= 0 and not self.left(f, gone):
            return False
        for e in flow.inputs:
            need = image * self.graph.flows[e.producer].windows + e.need[phase]
            if None in self.done[e.producer][:need]:
                return False
        for c, consumer in enumerate(self.graph.flows):
            for e in consumer.inputs:
                if e.producer == f:
                    r = 0
                    while r < self.total[c] and self.left(c, r):
                        r += 1
                    image, phase = divmod(r - 1, consumer.windows)
                    released = image * flow.windows + e.release[phase] if r else 0
                    if j >= released + e.capacity:
                        return False
        return True

    def port(self, f, j, s):
        flows = self.graph.flows
        c = entry(flows[f], j)
        return sum(len(x) for g in flows[:f] for x in g.copies) + sum(len(x) for x in flows[f].copies[:c]) + s

    def start(self, f, j, s):
        """A grant (or the start of a pure delay)."""
        stage, phase = self.stages(f, j)[s], j % self.graph.flows[f].windows
        self.executed[f][entry(self.graph.flows[f], j)][s] += 1
        held = at(stage.occupancy, phase)
        self.over[f, j, s] = self.now + held
        self.out[f, j, s] = self.now + at(stage.latency, phase)
        return held

    def left_of(self, pool):
        """Capacity less what is taken now, from all grants there have been."""
        free = self.graph.pools[pool].capacity
        for f, j, s in self.out:
            stages = self.stages(f, j)
            if any(not self.has(self.over, f, j, x) for x in range(len(stages)) if x == s or s in stages[x].after):
                free -= dict(stages[s].room).get(pool, 0)
        assert free >= 0
        return free

    def eligible(self, server):
        """The request that the server would grant now, None if there is none."""
        claimed = set()
        for request in sorted(self.waiting[server]):
            *_, j, f, s = request
            room = self.stages(f, j)[s].room
            if all(p not in claimed and self.left_of(p) >= amount for p, amount in room):
                return request
            claimed |= {p for p, _ in room}
        return None

    def something(self):
        """Do one thing that can happen at this instant; False when there is none. Grants come last."""
        for f in range(len(self.graph.flows)):
            if self.may_issue(f):
                self.issued[f].append(self.now)
                return True
            for j in range(len(self.issued[f])):
                if self.done[f][j] is not None:
                    continue
                stages = self.stages(f, j)
                for s, stage in enumerate(stages):
                    if (f, j, s) not in self.asked and all(self.has(self.out, f, j, a) for a in stage.after):
                        self.asked.add((f, j, s))
                        if stage.server < 0:
                            self.start(f, j, s)
                        else:
                            age = divmod(j, self.graph.flows[f].windows)
                            self.waiting[stage.server].append((*age, self.port(f, j, s), self.now, j, f, s))
                        return True
                if all(self.has(self.out, f, j, s) for s in range(len(stages))):
                    self.done[f][j] = self.now
                    return True
        for server, queue in enumerate(self.waiting):
            if queue and self.free[server] <= self.now and (request := self.eligible(server)):
                queue.remove(request)
                *_, asked, j, f, s = request
                held = self.start(f, j, s)
                self.busy[server] += held
                self.served[server] += 1
                self.waited[server] += self.now - asked
                self.free[server] = self.now + held
                return True
        return False

    def run(self):
        while True:
            while self.something():
                pass
            ahead = [t for table in (self.out, self.over) for t in table.values() if t > self.now]
            if not ahead and max([0, *self.free]) <= self.now:
                break
            self.now += 1
        self.stuck = [self.graph.flows[f].name for f in range(len(self.total)) if len(self.issued[f]) < self.total[f]
                      or None in self.done[f]]
        # The occupancy of a pure delay that is no gate holds nothing and nobody waits for its end.
        holding = [t for (f, j, s), t in self.over.items()
                   if self.stages(f, j)[s].gate or self.stages(f, j)[s].server >= 0]
        self.makespan = max([*self.out.values(), *holding])
        return self


# -- random graphs --------------------------------------------------------------------------------------------------

def marks(rng, windows, most):
    return np.array(sorted(rng.randint(0, most) for _ in range(windows)), np.int64)


def edge(rng, producer, flow, windows, slack=(0, 0, 1, 2, 50)):
    """An edge with the least buffer its windows can do with, or more."""
    need, release = marks(rng, windows, flow.windows), marks(rng, windows, flow.windows)
    if rng.random() < 0.7:
        release = np.minimum(release, need)
    release[-1] = flow.windows
    least = int((need - np.concatenate(([0], release[:-1]))).max())
    return Edge(producer, need, release, max(1, least + rng.choice(slack)))


def times(rng, windows, low, high):
    if rng.random() < 0.5:
        return rng.randint(low, high)
    return np.array([rng.randint(low, high) for _ in range(windows)], np.int64)


def alone(rng, branches=True, slack=(0, 0, 1, 2, 50, -1)):
    """A graph in which every stage has a server of its own and no token overtakes another of its copy.

    Every flow reads the one before it, or with branches also others.
    """
    flows, servers = [], []
    for f in range(rng.randint(1, 3)):
        windows, copies = rng.randint(1, 6), []
        depth = rng.randint(1, 3)
        for c in range(rng.randint(1, 3)):
            stages = []
            for s in range(depth):
                server = -1
                if rng.random() < 0.8:
                    server = len(servers)
                    servers.append(Server(f"{f}.{c}.{s}"))
                held = times(rng, windows, 0, 4)
                # Constant latency, or the occupancy and a constant: both keep the order of a copy's tokens.
                delay = rng.randint(0, 5)
                if server >= 0 and rng.random() < 0.5:
                    delay = held + delay
                after = tuple(a for a in range(s) if rng.random() < 0.8)
                stages.append(Stage("s", server, held, delay, after,
                                    gate=bool(s == depth - 1 or rng.random() < 0.5)))
            copies.append(tuple(stages))
        read = [p for p in range(f) if p == f - 1 or (branches and rng.random() < 0.4)]
        inputs = tuple(edge(rng, p, flows[p], windows, slack) for p in read)
        flows.append(Flow(f"f{f}", windows, tuple(copies), inputs, rng.randint(1, 3)))
    return StageGraph(tuple(servers), tuple(flows), rng.randint(1, 2))


def shared(rng, least=0, most=0):
    """A graph whose stages share few servers, and up to `most` pools; occupancies and latencies at least `least`."""
    pools = tuple(Pool(f"pool{i}", rng.randint(2, 5)) for i in range(rng.randint(1, most) if most else 0))

    def stage(s, depth, windows, gate):
        server = rng.randint(-1, len(servers) - 1)
        held, delay = times(rng, windows, least, 3), times(rng, windows, least, 4)
        after = tuple(a for a in range(s) if rng.random() < 0.6)
        wanted = [p for p in range(len(pools)) if server >= 0 and rng.random() < 0.5]
        return Stage(f"s{s}", server, held, delay, after, gate=gate,
                     room=tuple((p, rng.randint(1, pools[p].capacity)) for p in wanted))

    servers = tuple(Server(f"server{i}") for i in range(rng.randint(1, 3)))
    flows = []
    for f in range(rng.randint(1, 4)):
        windows, copies = rng.randint(1, 4), []
        read = [p for p in range(f) if rng.random() < 0.5]
        for _ in range(rng.randint(1, 2)):
            depth = rng.randint(1, 3)
            gates = [rng.random() < 0.4 for _ in range(depth)]
            if read and not any(gates):
                gates[rng.randrange(depth)] = True
            copies.append(tuple(stage(s, depth, windows, gates[s]) for s in range(depth)))
        inputs = tuple(edge(rng, p, flows[p], windows) for p in read)
        flows.append(Flow(f"f{f}", windows, tuple(copies), inputs, rng.randint(1, 3)))
    return StageGraph(servers, tuple(flows), rng.randint(1, 2), pools)


def dealt(rng, graph, ways=True):
    """The graph with windows dealt to copies at random. ways: some entries of a flow's copies are the same copy."""
    def one(flow):
        size = len(flow.copies)
        if flow.windows < size:
            return flow
        takes = [*range(size), *(rng.randrange(size) for _ in range(flow.windows - size))]
        rng.shuffle(takes)
        copy = [rng.randrange(size) for _ in range(size)] if ways else range(size)
        return replace(flow, deal=Deal(np.array(takes, np.int64), np.array(copy, np.int64)))

    return replace(graph, flows=tuple(map(one, graph.flows)))


def graphs(make, count, start=0, deals=False, **options):
    """Random graphs; of those with deals, two in three deal windows to copies at random."""
    for seed in range(start, start + count):
        graph = make(Random(seed), **options)
        yield dealt(Random(-seed), graph, make is not alone) if deals and seed % 3 else graph
