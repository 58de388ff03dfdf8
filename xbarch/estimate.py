"""What a run can reach at best: its plan and stage graph are made, but not simulated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256

from xbarch.machine.kept import paces
from xbarch.machine.simulate import is_long
from xbarch.result.correctness import correctness
from xbarch.result.ledger import booked, counted
from xbarch.result.record import by_scope
from xbarch.result.run import Run
from xbarch.run import Setup, arrange, plate_of, ready
from xbarch.sim import least
from xbarch.sim.steady import Steady


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Bounds of the figures of a run; those without times are the run's own."""

    images_per_second: float | None
    """The most; None of a single image."""
    first_image_ps: int | None
    """The least of a single image, else None."""
    scopes_aj: Mapping[str, int]
    """The least energy per image, by scope: dynamic energy is the run's own, static energy is that of the least
    interval."""
    used_nm2: int
    """Area of the tiles in use."""
    exact: bool
    """Whether converters suffice."""
    paces: int
    """Differs where what times follow from in components does (`xbarch.machine.kept.paces`)."""


def estimate(setup: Setup) -> Estimate | None:
    """Bound the figures of a prepared request. None: no bound is known, where a unit process decides how long it takes
    itself, where segments of a network run in turn, and of runs so long that they are put together from periods.

    Raises:
        InputError, CapacityError: as the run itself, before it is simulated.
    """
    machine, request = setup.machine, setup.request
    if request.reload or machine.processes or is_long(request.images, setup.network.layers):
        return None
    sized, packed = ready(setup)
    made = arrange(sized, setup.network, packed)
    images = request.images if request.mode == "batch" else None
    interval = least.interval(made.graph, images) or Fraction(1)  # as `xbarch.sim.steady` has at the least
    counts = least.counts(made.drawn)
    run = Run(machine=sized.machine, workload=setup.network, path=setup.path, packed=packed, plan=made.plan,
              graph=made.drawn, trace=counts, steady=Steady(interval, "bound", 0),
              bounds=(0, 0), nameplate=plate_of(sized.machine, setup.network),
              ledger=booked(counted(made.drawn, counts), request.images, sized.machine.prices()))
    return Estimate(
        images_per_second=None if request.images == 1 else 1 / (float(interval) / 1e12),
        first_image_ps=least.first_image(made.graph) if request.images == 1 else None,
        scopes_aj={scope: sum(energies.values()) for scope, energies in by_scope(run, interval).items()},
        used_nm2=sized.machine.areas(made.plan.kinds)[0], exact=correctness(run).exact,
        paces=_digest([paces(each) for each in sized.machine.each]))


def _digest(values: object) -> int:
    """A number for the values' text, equal for equal texts alone but for a chance of 2^-60."""
    return int.from_bytes(sha256(repr(values).encode()).digest()) >> 196
