"""How long a programmed network holds, and what programming it again costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path
from typing import Any, Unpack

from xbarch.errors import InputError
from xbarch.measure import accuracy, with_noise
from xbarch.request import Packings, Request, to_request
from xbarch.run import prepare, simulate
from xbarch.specs.architecture import Architecture
from xbarch.specs.explain import shown
from xbarch.support import defaults
from xbarch.support.progress import Progress
from xbarch.workload.graph import Workload

_STEPS = 5  # halvings, in the logarithm, of the decade in which accuracy falls below
DECADES = 9  # of time after t0 that are looked at, with t0 = 1 s some 30 years


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How long a network holds on devices that drift, and what programming it again costs."""

    workload: str
    architecture: str
    at_first: float
    """Accuracy when the cells are programmed."""
    loss: float
    """Share of accuracy that may be lost."""
    seconds: float | None
    """Time since programming after which that much is lost; None: not within `longest`."""
    longest: float
    """Latest time looked at, s."""
    curve: tuple[tuple[float, float], ...] = field(repr=False)
    """(time in s, accuracy), in the order of time."""
    cells: int
    """Written when the network is programmed."""
    time_ps: int
    """Of programming it."""
    energy_aj: int
    """Of programming it."""
    writes: float | None = None
    """Pulses that a cell survives."""
    pulses: float = 1.0
    """Of a cell at each programming, on average."""

    @property
    def power_uw(self) -> float | None:
        """Mean power of programming the network whenever it no longer holds, uW; None: it holds."""
        return None if self.seconds is None else self.energy_aj * 1e-12 / self.seconds

    @property
    def lifetime(self) -> float | None:
        """Time in s after which cells have had all their pulses; None: not known, or the network holds."""
        return None if self.writes is None or self.seconds is None else self.writes / self.pulses * self.seconds

    def plain(self) -> dict[str, Any]:
        """As JSON values."""
        return {"workload": self.workload, "architecture": self.architecture, "at_first": self.at_first,
                "loss": self.loss, "seconds": self.seconds, "longest": self.longest,
                "curve": [list(point) for point in self.curve], "power_uw": self.power_uw,
                "programming": {"cells": self.cells, "time_ps": self.time_ps, "energy_aj": self.energy_aj,
                                "pulses": self.pulses}, "writes": self.writes, "lifetime_s": self.lifetime}


def retention(arch: str | Path | Architecture | Request, workload: str | Path | Workload | None = None, *,
              noise: str | Path | None = None, loss: float = 0.01, images: int | None = None,
              draws: int = defaults.DRAWS, writes: float | None = None, progress: Progress | None = None,
              **choices: Unpack[Packings]) -> Retention:
    """Find when drift costs a network so much accuracy, on the same devices and images at all times, and price the
    programming that follows.

    Accuracy is measured decade by decade after t0 until it has fallen; the decade is then halved in the logarithm of
    time five times, to 7 %. That presumes that accuracy falls with time.

    Args:
        arch, workload, noise, images, draws, choices: as of `xbarch.accuracy`; the noise must have the effect `drift`,
            and the machine must hold the network.
        loss: of accuracy, 0.01 for one point.
        writes: pulses that a cell survives; None: its lifetime is left out.

    Raises:
        InputError: the input is wrong, nothing drifts, or a loaded architecture is given without a file.
    """
    for name, value in (("loss", loss), *([] if writes is None else [("writes", writes)])):
        if not isinstance(value, int | float) or not 0 < value <= (1 if name == "loss" else 1e18):
            raise InputError(f"must be above 0 and at most {1 if name == 'loss' else 1e18:g}, not {shown(value)}",
                             field=name)
    request = to_request(arch, workload, with_noise(noise, choices))
    start = _start(request)

    def at(seconds: float) -> float:
        later = request.changed(overrides=(*request.overrides, f"noise.effects.drift.seconds={seconds!r}"))
        return accuracy(later, images=images, draws=draws).value

    curve, when = _fallen(at, start, loss, progress)
    result = simulate(request.changed(images=1, accuracy=None))
    written = result.data["programming"]
    price = _pulse(request)
    return Retention(
        workload=result.data["workload"]["name"], architecture=result.data["architecture"]["name"],
        at_first=curve[0][1], loss=loss, seconds=when, longest=start * 10 ** DECADES, curve=curve,
        cells=written["cells"], time_ps=written["time_ps"], energy_aj=written["energy_aj"], writes=writes,
        pulses=written["by_part_aj"]["pulses"] / (written["cells"] * price) if price else 1.0)


def _start(request: Request) -> float:
    """t0 of the drift, s.

    Raises:
        InputError: nothing drifts.
    """
    noisy = prepare(request).machine.imperfect
    for effect in noisy.effects if noisy is not None else ():
        if effect.name == "drift":
            return float(effect.options.from_seconds)
    raise InputError("must have the effect drift, such as noise.effects.drift.exponent.offset=0.05, or a preset that "
                     "has it", field="noise.effects")


def _pulse(request: Request) -> int:
    """aJ of a write pulse of a cell."""
    return prepare(request).architecture.crossbar.programming.energy


def _fallen(at: Callable[[float], float], start: float, loss: float,
            progress: Progress | None) -> tuple[tuple[tuple[float, float], ...], float | None]:
    """Accuracies by time, and the time at which `loss` is lost, if it is within the decades looked at."""
    found, done = dict[float, float](), 0

    def measured(seconds: float) -> float:
        nonlocal done
        if progress is not None:
            progress(done, 1 + DECADES + _STEPS, f"after {seconds:.3g} s")
        done += 1
        found[seconds] = at(seconds)
        return found[seconds]

    enough, before = measured(start) - loss, start
    for decade in range(1, DECADES + 1):
        late = start * 10 ** decade
        if measured(late) <= enough:
            break
        before = late
    else:
        return tuple(sorted(found.items())), None
    for _ in range(_STEPS):
        middle = sqrt(before * late)
        before, late = (before, middle) if measured(middle) <= enough else (middle, late)
    return tuple(sorted(found.items())), late
