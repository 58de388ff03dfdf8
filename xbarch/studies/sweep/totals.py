"""What is counted over all points of a sweep, in one pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from xbarch.studies.sweep.rows import Row

RUN = ("architecture", "workload", "datapath", "policy")
SPEED, ACCURACY = "throughput.images_per_second", "accuracy.on_this_machine.value"
_REASONS, _OTHERS = 1000, "other reasons"  # why points did not run that are told apart


@dataclass
class Totals:
    """What is counted over the points so far."""

    ran: int = 0
    left_out: int = 0
    rated: bool = True
    """Whether every point that ran has a throughput."""
    measured: bool = False
    """Whether any point has an accuracy."""
    _why: Counter[str] = field(default_factory=Counter)
    _runs: tuple[dict[str, None], ...] = field(default_factory=lambda: tuple(dict[str, None]() for _ in RUN))
    _instead: dict[tuple[str, str, tuple[str, ...]], None] = field(default_factory=dict)
    _last: tuple[object, ...] = field(default=(), compare=False)

    @property
    def why(self) -> Mapping[str, int]:
        """How many points did not run, by reason."""
        return self._why

    @property
    def first(self) -> str:
        """The first of these reasons."""
        return next(iter(self._why), "")

    @property
    def runs(self) -> tuple[Collection[str], ...]:
        """The different architectures, workloads, data paths and policies."""
        return self._runs

    @property
    def instead(self) -> Collection[tuple[str, str, tuple[str, ...]]]:
        """Architectures that require a data path, with that one and those that did not run."""
        return self._instead

    def plain(self) -> dict[str, Any]:
        """Return the totals as JSON has them."""
        return {"ran": self.ran, "left_out": self.left_out, "rated": self.rated, "measured": self.measured,
                "why": self._why, "runs": [list(each) for each in self._runs], "instead": list(self._instead)}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Totals:
        """Return the totals that `plain` returned."""
        return cls(plain["ran"], plain["left_out"], plain["rated"], plain["measured"], Counter(plain["why"]),
                   tuple(dict.fromkeys(each) for each in plain["runs"]),
                   {(arch, path, tuple(others)): None for arch, path, others in plain["instead"]})

    def add(self, row: Row, left_out: bool) -> None:
        """Count a row."""
        said = row.point.run
        if said != self._last:  # neighbours seldom differ
            self._last = said
            for each, name in zip(self._runs, said, strict=True):
                each[name] = None
        if row.point.instead:
            self._instead[said[0], said[2], row.point.instead] = None
        if row.why:
            self._why[row.why if row.why in self._why or len(self._why) < _REASONS else _OTHERS] += 1
            return
        self.ran += 1
        self.left_out += left_out
        self.rated = self.rated and SPEED in row.figures
        self.measured = self.measured or ACCURACY in row.figures
