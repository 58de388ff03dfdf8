"""Networks of linear layers on PUMA and ISAAC beside what simulators of these machines print."""

from __future__ import annotations

from collections.abc import Iterator

from xbarch.result.run import Run
from xbarch.run import execute
from xbarch.studies.validation.row import Row
from xbarch.workload.graph import Workload
from xbarch.workload.networks import Net

_WIDTHS = 1024, 2048, 1024, 10
_BITS = 16
_NAME = "1024-1024-2048-1024-10, 16 bits"


def rows() -> Iterator[Row]:
    """Latency and energy on PUMA, energy per multiply-accumulate on ISAAC."""
    puma, isaac = (_run(name) for name in ("puma_like", "isaac_like"))
    source = "a run of the authors' public simulator on its example mlp_l4 (Ankit et al., PUMA, ASPLOS 2019)"
    yield Row(about=f"PUMA, {_NAME}", quantity="latency", unit="µs", theirs=12.9, ours=puma.trace.makespan / 10**6,
              kind="simulator", standing="independent", source=source)
    yield Row(about=f"PUMA, {_NAME}", quantity="energy", unit="µJ", theirs=23.5, ours=_spent(puma), kind="simulator",
              standing="independent", source=source,
              note="ours are actions alone; which constant powers theirs contains its output does not say")
    macs = sum(layer.macs for layer in _network().compute_layers)
    yield Row(about=f"ISAAC, {_NAME}", quantity="energy per multiply-accumulate", unit="pJ", theirs=2.567,
              ours=_spent(isaac) * 10**6 / macs, kind="simulator", standing="independent",
              source="AccelForge (successor of CiMLoop, Andrulis et al., ISPASS 2024), its model of ISAAC: 2.567 to "
              "2.856 by layer")


def _network() -> Workload:
    net, at = Net((1024, 1, 1)), "input"
    for number, width in enumerate(_WIDTHS, 1):
        at = net.linear(f"fc{number}", at, width, relu=number < len(_WIDTHS))
    return Workload(name="mlp", layers=tuple(net.layers))


def _run(architecture: str) -> Run:
    return execute(architecture, _network(), images=1, bits=_BITS, policy="one_copy")


def _spent(done: Run) -> float:
    """uJ of all actions."""
    return sum(done.ledger.by_component().values()) / 10**12

