"""Expand a sweep into its points: one request each, with the values of the sweep's fields."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import prod
from typing import Any, overload

from xbarch.choice import choose_datapath, chosen_options
from xbarch.mapping.plan import parse_policy
from xbarch.request import Contents, Request
from xbarch.specs.study import Value
from xbarch.specs.sweep import Space
from xbarch.studies.runs.axes import Variant, blame_field, joined, pieces
from xbarch.studies.runs.paths import Placed, check_names, choose, place, required
from xbarch.support.pairs import with_options
from xbarch.workload.find import plain

Said = tuple[str, str, str, str]


@dataclass(frozen=True)
class Point:
    """One run of a sweep."""

    like: Request
    """Its request but for the overrides, which many points share."""
    overrides: tuple[str, ...] = ()
    values: tuple[Value, ...] = ()
    """Of the sweep's fields, in their order."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the data path: those that were asked for, without those of the axes."""
    instead: tuple[str, ...] = ()
    """Data paths that did not run, since the architecture requires this one."""
    said: Said | None = field(default=None, repr=False, compare=False)
    """`run`, where it is known."""

    @property
    def request(self) -> Request:
        """What runs."""
        return self.like.overridden(self.overrides)

    @property
    def run(self) -> Said:
        """Architecture, workload, data path and policy as given in the sweep: the workload without values of axes."""
        return self.said or _said(self.like, self.options)


def _said(like: Request, options: Mapping[str, Any]) -> Said:
    return str(like.arch), plain(like.workload), with_options(like.datapath or "", options), like.policy


class Points(Sequence[Point]):
    """The points of a sweep, made when they are asked for: one for every combination of architecture, workload and data
    path, axes (in their order) and policy. Points that share a packing follow one another."""

    def __init__(self, asked: Space, contents: Contents | None = None) -> None:
        """contents: what was read before.

        Raises:
            InputError: an architecture, workload, data path, option, policy or field does not exist.
        """
        self.asked, self._known = asked, Contents() if contents is None else contents
        for number, policy in enumerate(asked.policies):
            with blame_field(f"policies.{number}"):
                parse_policy(policy)
        needs = {name: required(self._known.named(name)) for name in asked.architectures}
        runs = [(placed, name) for name in asked.workloads for placed in _placed(asked, name, self._known, needs)]
        self._runs = [(placed, workload, _check_options(placed, workload, self._known))
                      for name in asked.architectures for placed, workload in runs if placed.arch == name]
        self._pieces = pieces(asked.axes)
        self._like = deque[tuple[Any, Request, Said]](maxlen=len(asked.policies))  # requests of other overrides
        self._sizes = [*map(len, self._pieces), len(asked.policies)]
        self._check()

    def _check(self) -> None:
        """Refuse values that an architecture or a request cannot take: each by itself, all first and all last."""
        ends = (joined([each[at] for each in self._pieces]) for at in (0, -1))
        for piece in (Variant(), *chain(*self._pieces), *ends):
            for name in self.asked.architectures if piece.overrides else ():
                with blame_field("axes", f" in {' '.join(piece.overrides)}"):
                    self._known.document(name, piece.overrides)
            if piece.choices or piece.density or piece.recipe or not piece.names:
                rest = [each[0] for each in self._pieces if not set(each[0].names) & set(piece.names)]
                made = self._point(self._runs[0], joined([*rest, piece]), self.asked.policies[0])
                if piece.recipe:
                    self._known.workload(made.like.workload)

    def __len__(self) -> int:
        return len(self._runs) * prod(self._sizes)

    def __iter__(self) -> Iterator[Point]:
        return self.after(0)

    def after(self, start: int) -> Iterator[Point]:
        """Yield the points from the one with the number `start` on."""
        many, last = len(self.asked.policies), -1
        for number in range(start, len(self)):
            shared, policy = divmod(number, many)
            if shared != last:  # policies share what the axes change
                last, (run, *places) = shared, self._places(shared, self._sizes[:-1])
                variant = self._variant(places)
            yield self._point(self._runs[run], variant, self.asked.policies[policy])

    @overload
    def __getitem__(self, at: int) -> Point: ...
    @overload
    def __getitem__(self, at: slice) -> list[Point]: ...
    def __getitem__(self, at: int | slice) -> Point | list[Point]:
        if isinstance(at, slice):
            return [self[number] for number in range(*at.indices(len(self)))]
        return self.at(self._places(range(len(self))[at], self._sizes))

    def _places(self, rest: int, sizes: Sequence[int]) -> list[int]:
        """Return the run and the place on each axis of these sizes, of which the last changes fastest."""
        digits = list[int]()
        for size in reversed(sizes):
            rest, digit = divmod(rest, size)
            digits.append(digit)
        return [rest, *reversed(digits)]

    def _variant(self, places: Sequence[int]) -> Variant:
        return joined([each[place] for each, place in zip(self._pieces, places, strict=True)])

    def samples(self) -> Iterator[Point]:
        """Yield the first point of every run, and one with each value of each axis on every architecture: all that any
        point reads, one of them does."""
        rest = [0] * len(self._sizes)
        for run, (placed, *_) in enumerate(self._runs):
            yield self.at([run, *rest])
            if run and placed.arch == self._runs[run - 1][0].arch:
                continue
            for axis, size in enumerate(self._sizes):
                for value in range(1, size):
                    yield self.at([run, *rest[:axis], value, *rest[axis + 1:]])

    @property
    def sizes(self) -> list[int]:
        """How many runs, values of each axis, and policies there are: their product may exceed any `len`."""
        return [len(self._runs), *self._sizes]

    @property
    def runs(self) -> list[str]:
        """Workload, data path and, of several, architecture of each run, in words."""
        several = len(self.asked.architectures) > 1
        return [", ".join([workload, with_options(placed.path.name, chosen), *([placed.arch] if several else [])])
                for placed, workload, chosen in self._runs]

    def at(self, places: Sequence[int]) -> Point:
        """Return the point of a run, a value of each axis and a policy, by their places."""
        run, *others, policy = places
        return self._point(self._runs[run], self._variant(others), self.asked.policies[policy])

    def _point(self, run: tuple[Placed, str, dict[str, Any]], variant: Variant, policy: str) -> Point:
        placed, workload, chosen = run
        key = run, policy, variant.choices, variant.options, variant.density, variant.recipe
        like, said = next(((request, said) for known, request, said in self._like if known == key), (None, None))
        if like is None:
            chosen_here = variant.choices or variant.density
            with blame_field("axes" if chosen_here else next(iter(self.asked.choices), "images")):
                given = variant.apply(self.asked.choices, placed.path.options)
                like = Request(arch=placed.arch, workload=variant.named(workload), datapath=placed.path.name,
                               policy=policy, **given)
                said = _said(like, chosen)
                self._like.appendleft((key, like, said))
        return Point(like, variant.overrides, variant.values, chosen, placed.instead, said)


def _placed(asked: Space, workload: str, known: Contents, needs: Mapping[str, str]) -> list[Placed]:
    """Return the data paths that a workload is run with, on every architecture."""
    check_names(asked)
    paths = choose(asked, known.workload(workload).datapath)
    return list(place(asked, [(arch, path) for arch in asked.architectures for path in paths], needs))


def _check_options(placed: Placed, workload: str, known: Contents) -> dict[str, Any]:
    """Return the options of a data path that were asked for, after checking them."""
    network, wanted = known.workload(workload), known.named(placed.arch)
    with blame_field("options"):
        path = choose_datapath(network, placed.path.name, placed.path.options, wanted)
    return chosen_options(path, network, placed.path.name, wanted)
