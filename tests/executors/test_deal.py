"""Dealing: whatever happens to executors and processes, every item has one result, and what breaks one is named."""

import pickle
import random
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from threading import Lock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xbarch.errors import InputError, XbarchError
from xbarch.support import about
from xbarch.support.executors import remote
from xbarch.support.executors.crew import Asked, Crew, inline
from xbarch.support.executors.deal import Lost, deal
from xbarch.support.executors.named import opener


def squares(items, seconds):
    """The results of some of the items: as many as the last decimal of the first one says."""
    return [n * n for n in items[:1 + items[0] % 10]]


class Faulty(Executor):
    """Ends calls later, in any order. One that takes poison ends its process, and with it, unless that is isolated,
    everything under way."""

    def __init__(self, chance, poison, isolates):
        self.chance, self.poison, self.isolates = chance, poison, isolates
        self.broken, self.waiting, self.lock, self.pool = False, {}, Lock(), ThreadPoolExecutor(1)

    def submit(self, fn, *args):
        with self.lock:
            if self.broken:
                raise BrokenExecutor("ended")
            future = Future()
            self.waiting[future] = fn, args
        self.pool.submit(self._end_one)
        return future

    def _end_one(self):
        with self.lock:
            if self.broken:
                return
            future = self.chance.choice(list(self.waiting))
            fn, args = self.waiting.pop(future)
            items = pickle.loads(args[2])[1][0]
            if not self.poison & set(items[:1 + items[0] % 10]):
                future.set_result(fn(*args))
                return
            if self.isolates:
                future.set_exception(RuntimeError("signal 9"))
                return
            self.broken = True
            for each in (future, *self.waiting):
                each.set_exception(BrokenExecutor("signal 9"))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 60), st.sets(st.integers(0, 59), max_size=2), st.booleans(), st.integers(1, 9),
       st.integers(0, 99))
def test_every_item_has_one_result(count, poison, isolates, width, seed):
    """Poison ends its process each time, and is what is given up; nothing else is, however calls are cut."""
    chance = random.Random(seed)

    def opened():
        return Crew(Faulty(chance, poison, isolates), lambda: width, lambda: None, isolates=isolates)

    found = [each for some in deal(iter(range(count)), squares, opened, count) for each in some]
    assert sorted(n for n, _ in found) == list(range(count))
    lost = {n for n, result in found if isinstance(result, Lost)}
    assert lost == poison & set(range(count)) and all(r == n * n for n, r in found if n not in lost)
    assert all("signal 9" in result.why for n, result in found if n in lost)


class Hasty(Executor):
    """Runs calls at once. Poison ends it, so that the next call may be refused before the failed one is looked at."""

    def __init__(self, poison):
        self.poison, self.broken = poison, False

    def submit(self, fn, *args):
        if self.broken:
            raise BrokenExecutor("ended")
        future, items = Future(), pickle.loads(args[2])[1][0]
        self.broken = bool(self.poison & set(items))
        if self.broken:
            future.set_exception(BrokenExecutor("signal 9"))
        else:
            future.set_result(fn(*args))
        return future


@pytest.mark.parametrize("width", [1, 2, 9])
def test_a_refused_call_is_no_failure_of_its_own(width):
    """Two items are given up, as each of them ends its process twice; that the executor refused calls meanwhile does
    not count beside them."""
    found = [each for some in deal(iter(range(41)), squares, lambda: Crew(
        Hasty({7, 8}), lambda: width, lambda: None, isolates=False), 41) for each in some]
    assert {n for n, result in found if isinstance(result, Lost)} == {7, 8} and len(found) == 41


@given(st.integers(0, 999))
@settings(deadline=None, max_examples=30)
def test_an_executor_that_ends_now_and_then_costs_nothing(seed):
    """A scheduler that restarts: calls are cancelled, another executor is opened, nothing is given up."""
    chance, made = random.Random(seed), []

    class Restarted(Executor):
        def __init__(self):
            self.calls = chance.randrange(3, 30)
            made.append(self)

        def submit(self, fn, *args):
            future = Future()
            self.calls -= 1
            if self.calls <= 0:
                future.set_exception(CancelledError())
            else:
                future.set_result(fn(*args))
            return future

    found = [each for some in deal(iter(range(200)), squares, lambda: Crew(Restarted(), lambda: 2, lambda: None))
             for each in some]
    assert sorted(found) == [(n, n * n) for n in range(200)]


def test_an_executor_that_ends_is_no_fault_of_an_item():
    """Two in a row end with the same item under way, which the third answers."""
    ends = iter(["no", "yes", "yes"])  # of the first executor's calls, then the second's

    class Ending(Executor):
        def submit(self, fn, *args):
            future = Future()
            if next(ends, "no") == "yes":
                future.set_exception(CancelledError())
            else:
                future.set_result(fn(*args))
            return future

    found = [each for some in deal(iter(range(5)), squares, lambda: Crew(Ending(), lambda: 1, lambda: None), most=1)
             for each in some]
    assert sorted(found) == [(n, n * n) for n in range(5)]


def test_items_are_taken_as_there_is_room():
    taken = []
    items = (taken.append(n) or n for n in range(10**9))
    dealt = deal(items, lambda some, seconds: [n * n for n in some], lambda: replace(inline(), batch=1))
    assert [next(dealt) for _ in range(3)] == [[(0, 0)], [(1, 1)], [(2, 4)]] and taken == [0, 1, 2]
    dealt.close()


def test_calls_in_this_process_take_more_items_where_all_of_one_were_soon_done():
    taken = []
    items = (taken.append(n) or n for n in range(10**9))
    dealt = deal(items, lambda some, seconds: [n * n for n in some], inline)
    assert [len(next(dealt)) for _ in range(4)] == [1, 2, 4, 8] and len(taken) == 15
    dealt.close()
    slow = deal(iter(range(5)), lambda some, seconds: [some[0] ** 2], inline)  # the time is over after the first
    assert list(slow) == [[(n, n * n)] for n in range(5)]


def test_an_executor_that_never_answers_ends_the_deal():
    class Dead(Executor):
        def submit(self, fn, *args):
            raise BrokenExecutor("gone")

    for isolates in (True, False):
        with pytest.raises(XbarchError, match="gone"):
            list(deal(range(9), squares, lambda isolates=isolates: Crew(Dead(), lambda: 2, lambda: None,
                                                                       isolates=isolates)))


def test_a_worker_of_another_version_is_refused(monkeypatch):
    """By the digest of its source text, before anything is unpickled."""
    call = remote.pack(squares, [1], 0.0)
    monkeypatch.setattr(about, "code", lambda: "f" * 64)
    found = remote.call(*call[:2], b"not even a pickle")
    assert isinstance(found, remote.Refused) and "another version of xbarch" in found.why and "f" * 12 in found.why
    with ThreadPoolExecutor(1) as pool, pytest.raises(XbarchError, match="another version of xbarch"):
        monkeypatch.setattr(remote, "pack", lambda *given: call)
        list(deal(range(3), squares, opener(pool, Asked())))


def test_a_worker_without_what_it_needs_is_a_sentence():
    class Without(Executor):
        def submit(self, fn, *args):
            future = Future()
            future.set_exception(ModuleNotFoundError("No module named 'xbarch'"))
            return future

    with pytest.raises(XbarchError, match=r"a worker cannot load what .*No module named 'xbarch'.*install"):
        list(deal(range(3), squares, opener(Without(), Asked(2))))


def test_executors_of_programs_and_names():
    with ThreadPoolExecutor(3) as pool:
        crew = opener(pool, Asked())()
        assert crew.under_way() == 6 and not crew.here
        found = [each for some in deal(range(20), squares, opener(pool, Asked())) for each in some]
    assert sorted(found) == [(n, n * n) for n in range(20)]
    with pytest.raises(InputError, match="executor: unknown executor 'dusk'; there are dask, processes, slurm"):
        opener("dusk", Asked())
    with pytest.raises(InputError, match="scheduler: --executor processes has no scheduler"):
        opener("processes", Asked(scheduler="tcp://x:1"))
    with pytest.raises(InputError, match="processes: must be 1 to 1,024, not 0"):
        Asked(0)
    again = opener(pool, Asked())
    again()
    with pytest.raises(XbarchError, match="the executor that was given has ended"):
        again()
