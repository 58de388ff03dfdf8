"""Networks of linear layers on PUMA and ISAAC beside what simulators of these machines print, and MNSIM's parts."""

from __future__ import annotations

from collections.abc import Iterator

from xbarch.result.record import record
from xbarch.result.run import Run
from xbarch.run import execute
from xbarch.studies.validation.row import Row
from xbarch.workload.graph import Workload
from xbarch.workload.networks import Net

_WIDTHS = 1024, 2048, 1024, 10
_BITS = 16
_NAME = "1024-1024-2048-1024-10, 16 bits"


def rows() -> Iterator[Row]:
    """Latency and energy on PUMA, energy per multiply-accumulate on ISAAC, a conversion and a read of MNSIM."""
    puma, isaac = (_run(name) for name in ("puma_like", "isaac_like"))
    source = "a run of the authors' public simulator on its example mlp_l4, assumed to have these widths (Ankit et " \
             "al., PUMA, ASPLOS 2019)"
    yield Row(about=f"PUMA, {_NAME}", quantity="latency", unit="µs", theirs=12.9, ours=puma.trace.makespan / 10**6,
              kind="simulator", standing="independent", source=source)
    yield Row(about=f"PUMA, {_NAME}", quantity="energy", unit="µJ", theirs=23.5, ours=_spent(puma), kind="simulator",
              standing="independent", source=source,
              note=f"{_scopes(puma)}; which of these theirs contains its output does not say")
    macs = sum(layer.macs for layer in _network().compute_layers)
    yield Row(about=f"ISAAC, {_NAME}", quantity="energy per multiply-accumulate", unit="pJ", theirs=2.567,
              ours=_spent(isaac) * 10**6 / macs, kind="simulator", standing="independent",
              source="AccelForge (successor of CiMLoop, Andrulis et al., ISPASS 2024), its model of ISAAC: 2.567 to "
              "2.856 by layer")
    yield from _mnsim(isaac)


def _scopes(done: Run) -> str:
    """What constant power adds, by how much of the chip it is counted."""
    found = record(done).energy.scopes_aj
    compute, chip, whole = (f"{aj / 10**12:.1f}" for aj in (found.compute, found.chip, found.whole))
    return (f"ours are actions alone; with the constant power of the tiles in use {compute} µJ, of all tiles {chip}, "
            f"with the link off chip {whole}")


def _mnsim(isaac: Run) -> Iterator[Row]:
    """MNSIM's tables of parts beside the prices of a run on ISAAC."""
    actions, spent = isaac.ledger.by_action(), isaac.ledger.by_component()
    source = "component tables of its public simulator (Zhu et al., MNSIM 2.0, GLSVLSI 2020)"
    conversion, cell = (spent[part] / actions[action] / 10**6
                        for part, action in (("adc", "conversion"), ("crossbar", "cell_read")))
    yield Row(about="MNSIM 2.0, ISAAC's converter", quantity="energy of a conversion", unit="pJ", theirs=15.6,
              ours=conversion, kind="simulator", standing="independent", source=source,
              note="theirs is 2 mW for (bits + 2) / rate = 10 / 1.28 GS/s, ours for one period: without the factor of "
                   f"10 the ratio is {conversion / 1.56:.2f}")
    yield Row(about="MNSIM 2.0, 128 × 128 array", quantity="energy of a read", unit="pJ", theirs=3.92,
              ours=cell * 128 * 128, kind="simulator", standing="independent", source=source,
              note="theirs is 1.24 mW for 3.16 ns, ours, ISAAC's, 0.3 mW for 100 ns: 0.24 of the power for 31.6 times "
                   "as long")


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

